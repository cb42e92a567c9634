"""The command line: what goes where, and how it ends. Runs are made up, so nothing is compiled."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from irqvisor import cli
from irqvisor.errors import GuestFault, InvariantError
from irqvisor.lab import doctor, runner
from irqvisor.spec.designs import NUMBERS
from irqvisor.trace import LOG
from lab.rows import HEADER, row, three


@pytest.fixture(autouse=True)
def results(monkeypatch):
    """What runs find, by design; change it to change what they find."""
    found = {name: row(name) for name in NUMBERS} | {each["design"]: each for each in three()}

    def run(scenario, design, *, log=None, log_last=0, cpu=None, progress=None):
        if isinstance(found[design], BaseException):
            raise found[design]
        if log is not None:
            log(np.zeros(log_last or 3, LOG))
        return {**found[design], "cpu": cpu or scenario.cpu}

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(runner, "header", lambda scenario: HEADER)
    monkeypatch.setattr(doctor, "is_compiled", lambda: True)
    return found


@pytest.fixture
def command(capsys):
    """Call the command line: (status, stdout, stderr)."""

    def call(*arguments):
        status = cli.main(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_compare_prints_the_plan_to_stderr_and_the_table_and_reasons_to_stdout(command):
    status, out, err = command("compare", "disk-and-net")
    assert status == 0
    assert err.startswith(f"disk-and-net under {', '.join(NUMBERS)}: 200 ms of virtual time")
    assert err.count("\n") == 1
    for part in ("native*", "rhype", "xen-ppc", "Nothing was lost", "Profile power9-2021", "class E"):
        assert part in out


def test_compare_without_a_scenario_takes_the_default(command):
    assert command("compare")[2].startswith("disk-and-net under")


def test_json_is_one_object_with_a_header_and_nothing_else_is_printed(command):
    status, out, err = command("compare", "periodic", "--json")
    data = json.loads(out)
    assert status == 0
    assert err == ""
    assert data["header"]["profile"] == "power9-2021"
    assert [each["design"] for each in data["designs"]][:3] == ["native", "rhype", "xen-ppc"]


def test_a_lost_interrupt_is_status_one_and_the_journey_is_named(command, results):
    results["rhype"] |= {"lost": 1, "violations": ["1 interrupts lost (disk 1)"]}
    status, out, _ = command("compare", "periodic")
    assert status == 1
    assert "irqvisor run periodic --design rhype --journey lost" in " ".join(out.split())


def test_a_guest_fault_is_status_four(command, results):
    results["rhype"] |= {"faults": ["cycle 7, domain 0 (io), vCPU 0, pc 0x0004: nowhere"]}
    assert command("compare", "periodic")[0] == 4
    assert command("run", "periodic", "--design", "rhype")[0] == 4
    results["rhype"] = GuestFault("cycle 7", "nowhere")
    status, _, err = command("run", "periodic", "--design", "rhype")
    assert (status, err) == (4, "cycle 7: nowhere\n")


def test_a_sweep_is_one_table(command):
    status, out, _ = command("compare", "storm")
    assert status == 0
    assert "rate_hz=1600000" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "nosuch"], 'unknown scenario "nosuch"'),
        (["compare", "periodic", "--design", "xenppc"], 'did you mean "xen-ppc"?'),
        (["compare", "periodic", "--profile", "power8"], "unknown profile"),
        (["compare", "periodic", "--set", "durationms=5"], "durationms"),
        (["compare", "periodic", "--set", "nothing"], 'has no "="'),
        (["compare", "periodic", "--cpu", "971"], "unknown processor model"),
        (["compare", "periodic", "--window", "1:2"], "plays no recording"),
        (["compare", "periodic", "--recording", "no-such-file"], "no such file"),
        (["compare", "disk-and-net", "--window", "999:1"], "outside the recording"),
        (["compare", "disk-and-net", "--speed", "0"], "speed"),
        (["compare", "--wrong"], "No such option"),
        (["compare", "--workers", "0"], "--workers"),
        (["run", "periodic"], "--design"),
        (["run", "periodic", "--design", "rhype", "--journey", "fastest"], "slowest, or lost"),
        (["run", "periodic", "--design", "rhype", "--log-last", "5"], "there is no log"),
        (["run", "periodic", "--design", "rhype", "--log", "/no/such/folder/log"], "cannot be written"),
        (["profiles", "nosuch"], "unknown profile"),
        (["scenarios", "nosuch"], "unknown scenario"),
        (["nosuch"], "No such command"),
    ],
)
def test_wrong_input_is_status_two_with_a_message_and_no_traceback(command, arguments, words):
    status, out, err = command(*arguments)
    assert status == 2
    assert words in err
    assert "Traceback" not in err
    assert out == ""


def test_a_scenario_that_a_design_cannot_express_is_skipped(command, results):
    results["native"] = {"design": "native", "skipped": "no place for images"}
    status, out, _ = command("run", "periodic", "--design", "native")
    assert status == 3
    assert "no place for images" in out


@pytest.mark.parametrize(
    "error", [InvariantError("periodic under rhype", "the books do not balance"), ZeroDivisionError("x")]
)
def test_a_defect_is_status_four_and_says_that_it_is_ours(command, results, error):
    results["rhype"] = error
    status, _, err = command("run", "periodic", "--design", "rhype")
    assert status == 4
    assert "this is a defect of irqvisor, not of your input" in err
    assert ("Traceback" in err) == isinstance(error, ZeroDivisionError)


def test_interrupting_is_status_130_without_a_traceback(command, results):
    results["rhype"] = KeyboardInterrupt()
    status, _, err = command("run", "periodic", "--design", "rhype")
    assert status == 130
    assert "Traceback" not in err


def test_run_prints_a_summary_and_writes_the_log(command, tmp_path):
    path = tmp_path / "log.jsonl"
    status, out, err = command("run", "periodic", "--design", "xen-ppc", "--log", str(path))
    assert status == 0
    assert "digest" in out
    assert err == f"{path}: 3 events\n"
    assert len(path.read_text().splitlines()) == 3
    command("run", "periodic", "--design", "xen-ppc", "--log", str(path), "--log-last", "2")
    assert len(path.read_text().splitlines()) == 2


def test_run_says_which_value_a_sweep_leaves(command):
    assert "sweeps sources.storm.arrival.rate_hz" in command("run", "storm", "--design", "rhype")[2]


def test_a_journey_is_printed_step_by_step(command, monkeypatch):
    steps = [{"cycle": 7, "ns": 2.5, "what": "raised", "where": "disk", "detail": "item 0"}]
    monkeypatch.setattr(
        runner, "journey", lambda scenario, design, which, cpu=None: steps if which != "99" else [], raising=False
    )
    status, out, _ = command("run", "periodic", "--design", "rhype", "--journey", "slowest")
    assert status == 0
    assert "raised" in out
    assert command("run", "periodic", "--design", "rhype", "--journey", "99")[0] == 2
    assert command("run", "periodic", "--design", "rhype", "--journey", "lost")[0] == 1
    out = command("run", "periodic", "--design", "rhype", "--journey", "1", "--json")[1]
    assert json.loads(out)["journey"] == steps


def test_that_nothing_was_lost_is_good_news(command, monkeypatch):
    monkeypatch.setattr(runner, "journey", lambda scenario, design, which, cpu=None: [], raising=False)
    status, _, err = command("run", "periodic", "--design", "rhype", "--journey", "lost")
    assert (status, err) == (0, "nothing was lost\n")


@pytest.mark.parametrize("name", ["designs", "profiles", "scenarios"])
def test_lists_come_as_text_and_as_json(command, name):
    status, out, err = command(name)
    assert (status, err) == (0, "")
    assert out
    data = json.loads(command(name, "--json")[1])
    assert set(data) == {"header", name}
    assert "irqvisor" in data["header"]


def test_a_profile_and_a_scenario_can_be_shown_in_full(command):
    assert "hcall_rt" in command("profiles", "power9-2021")[1]
    assert json.loads(command("profiles", "power9-2021", "--json")[1])["profile"]["name"] == "power9-2021"
    assert "[[sources]]" in command("scenarios", "disk-and-net")[1]
    assert json.loads(command("scenarios", "periodic", "--json")[1])["scenario"]["name"] == "periodic"


def test_the_schema_describes_a_scenario_file(command):
    schema = json.loads(command("scenarios", "--schema")[1])
    assert {"name", "domains", "sources", "duration_ms"} <= set(schema["properties"])


def test_doctor_is_content_here_and_tells_when_it_is_not(command, monkeypatch):
    status, out, _ = command("doctor")
    assert status == 0, out
    assert "PROBLEM" not in out
    monkeypatch.setattr(doctor, "PACKAGES", ("a-package-that-nobody-has",))
    status, out, _ = command("doctor")
    assert status == 4
    assert "PROBLEM  a-package-that-nobody-has  not installed" in out


def test_doctor_compiles_when_asked(command, monkeypatch):
    monkeypatch.setattr(runner, "compile_all", lambda progress: 1.25)
    monkeypatch.setattr(doctor, "compile_exploration", lambda: doctor.Check("explore", ok=True, detail="2.5 s"))
    checks = json.loads(command("doctor", "--compile", "--json")[1])["checks"]
    assert checks[-2] == {"name": "compilation", "ok": True, "detail": "1.2 s"}
    assert checks[-1] == {"name": "explore", "ok": True, "detail": "2.5 s"}


def test_the_first_comparison_compiles_before_it_runs(command, monkeypatch):
    compiled = []
    monkeypatch.setattr(doctor, "is_compiled", lambda: bool(compiled))
    monkeypatch.setattr(runner, "compile_all", lambda progress: compiled.append(1) or 0.1)
    assert "compiling" in command("compare", "periodic")[2]
    assert compiled == [1]


def test_the_version_is_printed(command):
    status, out, _ = command("--version")
    assert status == 0
    assert out.startswith("irqvisor ")


def test_help_names_every_command(command):
    status, out, _ = command("--help")
    assert status == 0
    for name in ("compare", "run", "designs", "profiles", "scenarios", "doctor"):
        assert name in out


def test_help_waits_for_no_heavy_module():
    heavy = "numpy numba pydantic elftools fdt"
    script = (
        "import sys; from irqvisor import cli; cli.main(['--help']);"
        f"print('loaded:', *(set(sys.modules) & set({heavy!r}.split())))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_a_reader_that_goes_away_is_no_error():
    script = "import sys; from irqvisor import cli; sys.exit(cli.main(['scenarios', '--schema']))"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_m_irqvisor_is_irqvisor():
    done = subprocess.run([sys.executable, "-m", "irqvisor", "nosuch"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "No such command" in done.stderr


def test_a_journey_is_told_on_the_processor_asked_for(command, monkeypatch):
    asked = []

    def journey(scenario, design, which, cpu=None):
        asked.append(cpu)
        return [{"cycle": 1, "ns": 0.0, "what": "raised", "where": "clock", "detail": ""}]

    monkeypatch.setattr(runner, "journey", journey, raising=False)
    assert command("run", "periodic", "--design", "rhype", "--cpu", "power8", "--journey", "1")[0] == 0
    assert asked == ["power8"]
