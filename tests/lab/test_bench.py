"""Benchmarks beside other emulators: turns, books, and who is not here. What is measured is no business of tests."""

import json
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from irqvisor import cli
from irqvisor.errors import RunnerError, UsageError, WrongResult
from irqvisor.guest.image import Image
from irqvisor.lab import doctor, view
from irqvisor.lab.bench import guests, measure, own, runners, table
from irqvisor.lab.bench.figures import Figure, quantity
from irqvisor.lab.bench.guests import MIX, SELF_INTERRUPT
from irqvisor.lab.bench.runners import Irqvisor, Marks, Qemu, Sample, Unicorn

TINY = 0.001


class Fake:
    """A runner whose times are made up; notes its turns in a list that all fakes share."""

    about = "made up"

    def __init__(self, name, turns, *, wall=(1.0,), cpu=0.5, missing="", refused=(), error=None):
        self.name, self.turns, self.wall, self.cpu = name, turns, list(wall), cpu
        self._missing, self._refused, self._error = missing, refused, error

    def version(self):
        return "" if self._missing else "1.0"

    def missing(self):
        return self._missing

    def refuses(self, guest):
        return "cannot" if guest in self._refused else ""

    def run(self, program):
        self.turns.append((self.name, program.guest.name))
        if self._error:
            raise self._error
        wall = self.wall.pop(0) if len(self.wall) > 1 else self.wall[0]
        return Sample(wall, self.cpu, 1000 if self.name == "irqvisor" else None)


@pytest.fixture
def turns():
    return []


def result(report, guest, runner):
    """What the JSON says about a runner and a guest."""
    (race,) = (race for race in report.to_dict()["guests"] if race["guest"] == guest.name)
    (found,) = (each for each in race["results"] if each["runner"] == runner)
    return found


# --------------------------------------------------------------------------------------------------------- taking turns
def test_everybody_runs_every_guest_in_turns(turns):
    measure.measure([Fake("irqvisor", turns), Fake("qemu", turns)], rounds=2)
    one_round = [("irqvisor", "mix"), ("qemu", "mix"), ("irqvisor", "self-interrupt"), ("qemu", "self-interrupt")]
    assert turns == 2 * one_round


def test_the_fastest_round_counts_and_every_sample_is_kept(turns):
    report = measure.measure([Fake("irqvisor", turns, wall=(3.0, 2.0, 4.0))], rounds=3, guests=[MIX])
    found = result(report, MIX, "irqvisor")
    assert found["wall_s"] == 2.0
    assert [sample["wall_s"] for sample in found["samples"]] == [3.0, 2.0, 4.0]


def test_instructions_are_counted_by_irqvisor_and_are_those_of_everybody(turns):
    report = measure.measure([Fake("irqvisor", turns), Fake("qemu", turns, wall=[0.25])], rounds=1, guests=[MIX])
    assert report.races[0].count == 1000
    assert result(report, MIX, "qemu")["per_second"] == 4000
    assert result(report, MIX, "qemu")["irqvisor_is_times"] == 0.25
    assert result(report, MIX, "qemu")["irqvisor_is_times_cpu"] == 1


def test_interrupts_are_those_that_were_asked_for(turns):
    report = measure.measure([Fake("irqvisor", turns)], rounds=1, size=0.5, guests=[SELF_INTERRUPT])
    assert report.races[0].count == SELF_INTERRUPT.turns // 2


def test_an_unknown_cpu_time_leaves_its_places_empty(turns):
    report = measure.measure([Fake("irqvisor", turns), Fake("qemu", turns, cpu=None)], rounds=1)
    found = result(report, MIX, "qemu")
    assert found["cpu_s"] is found["per_cpu_second"] is found["irqvisor_is_times_cpu"] is None
    assert "qemu" in view.render(table.report(report))


def test_progress_ends_with_everything_done(turns):
    told = []
    steps = [lambda rounds: Figure("a fork", rounds, None, "us")]
    report = measure.measure([Fake("irqvisor", turns)], rounds=2, own_steps=steps, on_progress=told.append)
    assert told == [0.2, 0.4, 0.6, 0.8, 1]
    assert report.own == [Figure("a fork", 2, None, "us")]


# --------------------------------------------------------------------------------------------------- who has no answer
def test_a_peer_that_is_not_here_is_named_and_is_no_error(turns):
    report = measure.measure([Fake("irqvisor", turns), Fake("qemu", turns, missing="is not installed")], rounds=1)
    assert report.exit_status == 0
    assert {name for name, _ in turns} == {"irqvisor"}
    assert result(report, MIX, "qemu")["skipped"] == "is not installed"
    assert "not here: is not installed" in view.render(table.report(report))


def test_a_guest_that_a_peer_cannot_run_is_left_out_and_said(turns):
    peer = Fake("unicorn", turns, refused=[SELF_INTERRUPT])
    report = measure.measure([Fake("irqvisor", turns), peer], rounds=1)
    assert report.exit_status == 0
    assert ("unicorn", "self-interrupt") not in turns
    assert "unicorn: cannot." in view.render(table.report(report))


def test_a_peer_that_fails_is_not_asked_again_and_the_others_go_on(turns):
    peer = Fake("qemu", turns, error=RunnerError("qemu", "fell over"))
    report = measure.measure([Fake("irqvisor", turns), peer], rounds=3, guests=[MIX])
    assert report.exit_status == 4
    assert [name for name, _ in turns] == ["irqvisor", "qemu", "irqvisor", "irqvisor"]
    assert report.to_dict()["failures"] == ["mix: qemu: fell over"]
    assert "FAILED: qemu: fell over" in view.render(table.report(report))


def test_a_wrong_result_is_a_violation_whatever_else_failed(turns):
    first = Fake("irqvisor", turns, error=WrongResult("irqvisor", "the guest found a wrong result"))
    second = Fake("qemu", turns, error=RunnerError("qemu", "fell over"))
    assert measure.measure([first, second], rounds=1).exit_status == 1


def test_without_an_answer_of_irqvisor_there_are_no_ratios(turns):
    ours = Fake("irqvisor", turns, error=RunnerError("irqvisor", "stopped"))
    report = measure.measure([ours, Fake("qemu", turns)], rounds=1)
    assert result(report, MIX, "qemu")["irqvisor_is_times"] is None
    assert not report.figures
    assert "FAILED: irqvisor: stopped" in view.render(table.report(report))


# ------------------------------------------------------------------------------------------------------ aims and tables
def test_aims_are_met_missed_or_met_in_cpu_time_only():
    assert Figure("a", 300, 310, "M/s", at_least=250).verdict == "yes"
    assert Figure("a", 200, 310, "M/s", at_least=250).verdict == "in CPU time"
    assert Figure("a", 2, None, "s", at_most=1).verdict == "no"
    assert Figure("a", 2, None, "s").verdict == ""


def test_quantities_have_three_digits_or_all_before_the_point():
    assert [quantity(x, "x") for x in (0.20713, 11.24, 1499.6, None)] == ["0.207 x", "11.2 x", "1,500 x", ""]


def test_the_aims_compare_with_the_peers_that_are_here(turns):
    everybody = [Fake(runner.name, turns, wall=[40.0]) for runner in runners.everybody()]
    everybody[0].wall = [1.0]
    report = measure.measure(everybody, rounds=1)
    met = {each.name: each.verdict for each in report.figures}
    assert met["self-interrupt: against qemu"] == "yes"
    assert met["mix: against unicorn-counting"] == "yes"
    assert met["mix: instructions"] == "no"
    alone = measure.measure(everybody[:1], rounds=1)
    assert not any("against" in each.name for each in alone.figures)


def test_the_tables_fit_a_terminal_of_100_columns(turns):
    everybody = [Fake(runner.name, turns) for runner in runners.everybody()]
    for each, runner in zip(everybody, runners.everybody(), strict=True):
        each.about = runner.about
    text = view.render(table.report(measure.measure(everybody, rounds=1)))
    assert "…" not in text
    assert "qemu-counting" in text


def test_json_says_what_the_figures_rest_on(turns):
    report = json.loads(json.dumps(measure.measure([Fake("irqvisor", turns)], rounds=1).to_dict()))
    assert list(report) == ["header", "runners", "guests", "figures", "failures"]
    assert {"irqvisor", "python", "numba", "compiled", "machine", "cores", "load", "rounds", "size", "wall_s"} <= set(
        report["header"]
    )
    assert report["runners"] == [{"name": "irqvisor", "about": "made up", "version": "1.0", "missing": ""}]
    assert all(len(race["image_sha256"]) == 64 for race in report["guests"])
    assert {"name", "unit", "wall", "cpu", "at_most", "at_least", "met"} == set(report["figures"][0])


# ---------------------------------------------------------------------------------------------------------- the guests
@pytest.mark.parametrize("guest", guests.GUESTS, ids=lambda guest: guest.name)
def test_a_program_is_its_image_with_one_word_set(guest):
    image = Image.load(guest.path)
    program = guests.prepare(guest, size=2)
    at = image.address_of(guest.counter)
    assert (
        int.from_bytes(program.memory[at : at + 8], "big")
        == program.turns + guest.before
        == 2 * guest.turns + guest.before
    )
    plain = image.place(guests.RAM_BYTES)
    assert program.memory[:at] + program.memory[at + 8 :] == plain[:at] + plain[at + 8 :]


def test_there_is_always_a_turn():
    assert guests.prepare(MIX, TINY).turns == 1


@pytest.mark.parametrize("guest", guests.GUESTS, ids=lambda guest: guest.name)
def test_system_reset_and_the_entry_are_the_same_way_in(guest):
    """QEMU begins at 0x100, irqvisor at the entry of the image: there is a branch from one to the other."""
    program = guests.prepare(guest)
    word = int.from_bytes(program.memory[0x100:0x104], "big")
    assert word >> 26 == 18
    assert 0x100 + (word & 0x03FFFFFC) == program.entry


# ----------------------------------------------------------------------------------------------------------- the clocks
def test_the_time_is_that_between_the_lines():
    cpu, counted = iter([10.0, 10.5, 99.0]), iter([1000, 3000, 9999])
    marks = Marks(lambda: next(cpu), lambda: next(counted))
    assert [marks.line(text) for text in (b"begin\n", b"end\n", b"end\n")] == ["begin", "end", "end"]
    wall, cpu_s, instructions = marks.sample("me", "")
    assert (cpu_s, instructions) == (0.5, 2000)
    assert 0 <= wall < 60


def test_a_line_that_never_came_is_an_error_that_says_what_did():
    marks = Marks(lambda: None)
    marks.line(b"begin\n")
    with pytest.raises(RunnerError, match="it stopped; the guest said begin; expected begin, end"):
        marks.sample("me", "it stopped")


def test_a_guest_that_says_failed_has_found_a_wrong_result():
    marks = Marks(lambda: None)
    for text in (b"begin\n", b"failed\n"):
        marks.line(text)
    with pytest.raises(WrongResult, match="wrong result"):
        marks.sample("me", "")


# ---------------------------------------------------------------------------------------- emulators in another process
def python(code):
    """A command that plays an emulator."""
    return [sys.executable, "-c", code]


def test_an_emulator_that_prints_both_lines_has_an_answer_and_need_not_end():
    sample = runners.watch("me", python("import time; print('begin\\nend', flush=True); time.sleep(600)"))
    assert sample.wall_s >= 0
    assert sample.cpu_s is None or sample.cpu_s >= 0


def test_cpu_time_of_another_process_is_that_of_all_its_work():
    work = "import time; print('begin', flush=True)\nwhile time.process_time() < 0.1: pass\nprint('end', flush=True)"
    sample = runners.watch("me", python(work))
    if sys.platform == "linux":
        assert 0.01 < sample.cpu_s < 10


def test_an_emulator_that_gives_up_is_quoted():
    with pytest.raises(RunnerError, match=r"me: ended with status 3 \(no such machine\); the guest said begin"):
        runners.watch(
            "me", python("import sys; print('begin'); print('no such machine', file=sys.stderr); sys.exit(3)")
        )


def test_an_emulator_that_hangs_is_ended():
    with pytest.raises(RunnerError, match=r"was ended after 0\.3 s"):
        runners.watch("me", python("import time; time.sleep(600)"), limit_s=0.3)


def test_an_emulator_that_cannot_be_started_is_an_error():
    with pytest.raises(RunnerError, match="cannot be started"):
        runners.watch("me", ["/nowhere/qemu"])


@pytest.fixture
def fake_qemu(tmp_path, monkeypatch):
    """A program in the PATH that keeps its arguments and its firmware, and speaks like a guest."""
    script = tmp_path / "qemu-pretended"
    script.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, shutil, sys\n"
        "if sys.argv[1:] == ['--version']:\n"
        "    print('QEMU emulator version 7.2.22 (Debian)')\n"
        "    raise SystemExit\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "(folder / 'arguments').write_text('\\n'.join(sys.argv[1:]))\n"
        "shutil.copy(sys.argv[-1], folder / 'firmware')\n"
        "print('begin\\nend')\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return script


def test_qemu_is_given_the_guest_as_its_firmware(fake_qemu):
    qemu, program = Qemu(program=fake_qemu.name), guests.prepare(SELF_INTERRUPT, TINY)
    assert (qemu.missing(), qemu.version()) == ("", "7.2.22")
    assert qemu.run(program).wall_s >= 0
    assert (fake_qemu.parent / "firmware").read_bytes() == program.memory
    assert "-icount" not in (fake_qemu.parent / "arguments").read_text()


def test_qemu_counts_when_it_is_told(fake_qemu):
    qemu = Qemu(counting=True, program=fake_qemu.name)
    qemu.run(guests.prepare(SELF_INTERRUPT, TINY))
    assert "-icount\nshift=0,sleep=off" in (fake_qemu.parent / "arguments").read_text()


def test_qemu_that_is_not_installed_says_so():
    qemu = Qemu(program="qemu-of-nobody")
    assert qemu.missing() == "qemu-of-nobody is not installed"
    assert qemu.version() == ""


def test_unicorn_that_is_not_installed_says_so(monkeypatch):
    monkeypatch.setattr(runners, "find_spec", lambda name: None)
    assert Unicorn().missing() == "the Python package unicorn is not installed"


# ---------------------------------------------------------------------------------------------------- the command line
@pytest.fixture
def command(capsys, monkeypatch, turns):
    """Call `irqvisor bench` with made-up runners of its own: (status, stdout, stderr)."""
    pretended = [Fake("irqvisor", turns), Fake("qemu", turns), Fake("unicorn", turns, missing="is not installed")]
    monkeypatch.setattr(runners, "everybody", lambda: tuple(pretended))
    monkeypatch.setattr(own, "steps", lambda *, compile_too: [lambda _: Figure(f"compiled: {compile_too}", 1, 1, "s")])
    monkeypatch.setattr(doctor, "is_compiled", lambda: True)

    def call(*arguments):
        status = cli.main(["bench", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_the_command_prints_tables_to_stdout_and_nothing_else(command):
    status, out, err = command("--rounds", "1")
    assert (status, err) == (0, "")
    for part in (
        "not here: is not installed",
        "irqvisor is",
        "self-interrupt",
        "compiled: False",
        "the fastest of 1 round",
    ):
        assert part in out


def test_json_of_the_command_is_one_object(command):
    status, out, err = command("--json", "--rounds", "1", "--compile")
    assert (status, err) == (0, "")
    assert json.loads(out)["figures"][-1]["name"] == "compiled: True"


def test_a_peer_by_name_is_the_only_one(command, turns):
    assert command("--peer", "qemu", "--rounds", "1")[0] == 0
    assert {name for name, _ in turns} == {"irqvisor", "qemu"}


def test_a_peer_that_was_asked_for_and_is_not_here_is_status_3(command, turns):
    assert command("--peer", "unicorn") == (3, "", "unicorn: is not installed\n")
    assert not turns


def test_an_unknown_peer_is_a_usage_error(command):
    status, out, err = command("--peer", "qmu")
    assert (status, out) == (2, "")
    assert '--peer: unknown peer "qmu"' in err
    assert 'did you mean "qemu"?' in err


@pytest.mark.parametrize("size", ["0", "-1", "1e9", "nan"])
def test_a_size_that_makes_no_sense_is_a_usage_error(command, size):
    assert command("--size", size)[0] == 2


def test_peers_that_are_chosen_keep_their_order():
    assert [each.name for each in runners.choose(["unicorn", "qemu"])] == ["irqvisor", "qemu", "unicorn"]
    with pytest.raises(UsageError):
        runners.choose(["simpy"])


# ---------------------------------------------------------------------------------------------------- the real runners
REAL = [
    pytest.param(runner, marks=[pytest.mark.skipif(bool(runner.missing()), reason=runner.missing())], id=runner.name)
    for runner in runners.everybody()
]
INSTRUCTIONS_AN_INTERRUPT = 28


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("guest", guests.GUESTS, ids=lambda guest: guest.name)
@pytest.mark.parametrize("runner", REAL)
def test_everybody_who_is_here_gets_through_every_guest(runner, guest):
    if runner.refuses(guest):
        pytest.skip(runner.refuses(guest))
    sample = runner.run(guests.prepare(guest, TINY))
    assert sample.wall_s > 0


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("runner", REAL)
def test_a_wrong_result_is_found_under_everybody(runner):
    program = guests.prepare(MIX, TINY)
    at = Image.load(MIX.path).address_of("mix_expected")
    wrong = program.memory[:at] + bytes(8) + program.memory[at + 8 :]
    with pytest.raises(WrongResult):
        runner.run(replace(program, memory=wrong))


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("runner", [each for each in REAL if not each.values[0].refuses(SELF_INTERRUPT)])
def test_an_interrupt_that_is_not_the_one_sent_is_found_under_everybody(runner):
    """The handler compares the XISR with that of an IPI; here it expects another."""
    program = guests.prepare(SELF_INTERRUPT, TINY)
    compare = bytes.fromhex("28a90002")  # cmpldi cr1, r9, 2
    assert program.memory.count(compare) == 1
    with pytest.raises(WrongResult):
        runner.run(replace(program, memory=program.memory.replace(compare, compare[:3] + b"\x03")))


@pytest.mark.compiled
def test_irqvisor_delivers_every_interrupt_without_waiting_for_it():
    program = guests.prepare(SELF_INTERRUPT, TINY)
    sample = Irqvisor().run(program)
    few = 150  # around the loop: the line printed, the wait loop once where a time slice ended
    assert 0 <= sample.instructions - INSTRUCTIONS_AN_INTERRUPT * program.turns < few


def test_a_machine_that_stops_without_the_last_line_is_an_error():
    program = guests.prepare(SELF_INTERRUPT, TINY)
    at = program.entry
    leave = bytes.fromhex("3c80f010 f8640008")  # lis r4, 0xf010; std r3, 8(r4): the board's exit register
    gone = program.memory[:at] + leave + program.memory[at + len(leave) :]
    with pytest.raises(RunnerError, match=r"irqvisor: the machine stopped \(\w+\); the guest said nothing"):
        Irqvisor().run(replace(program, memory=gone))


# ----------------------------------------------------------------------------------------------------- irqvisor's own
def test_a_process_that_fails_is_an_error_with_its_last_words():
    with pytest.raises(RunnerError, match="ended with status 1") as caught:
        own.process_time("-c", "raise SystemExit('no room')")
    assert "no room" in caught.value.hint


def test_the_fastest_of_each_clock_counts():
    taken = iter([own.Seconds(3, 1), own.Seconds(2, 2)])
    assert own.fastest(lambda: next(taken), 2) == own.Seconds(2, 1)


def test_compilation_is_timed_only_when_asked_for():
    assert len(own.steps(compile_too=True)) == len(own.steps(compile_too=False)) + 1


def test_compilation_starts_with_an_empty_cache_folder(monkeypatch):
    def process_time(*words, **environment):
        folder = Path(environment["IRQVISOR_CACHE_DIR"])
        assert words == ("-m", "irqvisor", "doctor", "--compile")
        assert not list(folder.iterdir())
        return own.Seconds(40, 39)

    monkeypatch.setattr(own, "process_time", process_time)
    assert own.compilation() == own.Seconds(40, 39)


@pytest.mark.compiled
def test_a_fork_is_timed_on_the_machine_it_says():
    found = own.steps(compile_too=False)[1](1)
    assert found.name == "fork of two domains of 64 KiB"
    assert found.unit == "us"
    assert found.wall > 0
