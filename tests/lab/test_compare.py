"""The comparison around the runs; the runs themselves are made up here, so nothing is compiled."""

import json
import threading

import pytest

from irqvisor.errors import InvariantError, ScenarioError, UsageError
from irqvisor.lab import compare as lab
from irqvisor.lab import runner
from irqvisor.spec.designs import NUMBERS
from lab.rows import row


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """Every run that was asked for, as (scenario, design); its result is made up."""
    asked = []

    def run(scenario, design, *, log=None, log_last=0, cpu=None, progress=None):
        asked.append((scenario, design))
        return row(design, cpu=cpu or scenario.cpu)

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(runner, "header", lambda scenario: {"scenario": scenario.name})
    return asked


def test_all_designs_appear_in_their_order(ran):
    found = lab.compare("periodic")
    assert [each["design"] for each in found.designs] == [info.name for info in runner.designs()]
    assert sorted(design for _, design in ran) == sorted(NUMBERS)


def test_chosen_designs_keep_the_order_of_a_comparison():
    found = lab.compare("periodic", ["xen-ppc", "native"])
    assert [each["design"] for each in found.designs] == ["native", "xen-ppc"]


def test_an_unknown_design_is_an_error_with_a_guess():
    with pytest.raises(UsageError, match='unknown delivery design "xenppc"') as caught:
        lab.compare("periodic", ["xenppc"])
    assert 'did you mean "xen-ppc"?' in str(caught.value)


def test_rows_are_reported_as_they_are_done():
    seen = []
    lab.compare("periodic", ["native", "rhype"], on_row=lambda label, each: seen.append((label, each["design"])))
    assert sorted(seen) == [("", "native"), ("", "rhype")]


def test_progress_ends_at_all_of_it():
    shares = []
    lab.compare("periodic", on_progress=shares.append)
    assert shares[-1] == 1


def test_a_sweep_has_a_point_for_each_value(ran):
    found = lab.compare("storm", ["native", "rhype"])
    assert len(found.points) > 1
    assert len(ran) == 2 * len(found.points)
    data = found.to_dict()
    assert [point["point"] for point in data["points"]] == [point.label for point in found.points]
    assert all(len(point["designs"]) == 2 for point in data["points"])
    assert "designs" not in data


def test_one_point_is_told_without_points_and_as_json():
    data = lab.compare("periodic", ["native"]).to_dict()
    assert list(data) == ["header", "designs"]
    json.dumps(data)


def test_a_notebook_gets_a_table():
    assert "<td>rhype</td>" in lab.compare("periodic", ["rhype"])._repr_html_()
    assert "<h4>rate_hz=50000</h4>" in lab.compare("storm", ["rhype"])._repr_html_()


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, 0), ({"lost": 1}, 1), ({"faults": ["nowhere"]}, 4), ({"faults": ["nowhere"], "violations": ["failed"]}, 1)],
)
def test_the_exit_status_is_the_worst_that_a_promise_saw(monkeypatch, changes, status):
    monkeypatch.setattr(runner, "run", lambda scenario, design, **_: row(design, **changes))
    assert lab.compare("periodic", ["rhype"]).exit_status == status


def test_nothing_that_ran_is_status_three(monkeypatch):
    monkeypatch.setattr(runner, "run", lambda scenario, design, **_: {"design": design, "skipped": "needs another"})
    assert lab.compare("periodic", ["direct"]).exit_status == 3


def test_a_defect_in_one_run_stops_the_others_and_surfaces(monkeypatch):
    gave_up = threading.Event()
    started = threading.Barrier(2)

    def run(scenario, design, *, progress, **_):
        started.wait(timeout=10)
        if design == "native":
            raise InvariantError("periodic under native", "the books do not balance")
        try:
            while True:
                progress(0.5)
        except BaseException:
            gave_up.set()
            raise

    monkeypatch.setattr(runner, "run", run)
    with pytest.raises(InvariantError, match="books do not balance"):
        lab.compare("periodic", ["native", "rhype"], workers=2)
    assert gave_up.wait(timeout=10)


def test_interrupting_waits_for_no_run_to_end(monkeypatch):
    def run(scenario, design, *, progress, **_):
        while True:
            progress(0.1)

    def interrupt(share):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", run)
    with pytest.raises(KeyboardInterrupt):
        lab.compare("periodic", ["native"], on_progress=interrupt)


def test_workers_and_overrides_that_make_no_sense_are_errors():
    with pytest.raises(UsageError, match="workers"):
        lab.compare("periodic", workers=0)
    with pytest.raises(ScenarioError, match="no_such_key"):
        lab.compare("periodic", overrides=["no_such_key=1"])


def test_overrides_and_profile_reach_the_runs(ran):
    lab.compare("periodic", ["native"], profile="ppc970-2006", overrides=["duration_ms=3", "profile.hcall_rt=900"])
    ((scenario, _),) = ran
    assert (scenario.profile, scenario.duration_ms) == ("ppc970-2006", 3)
    assert scenario.profile_overrides == {"hcall_rt": 900}


def test_a_recording_takes_the_place_of_the_sources(tmp_path):
    log = tmp_path / "trace.txt"
    lines = [f"task-0 [000] d.h.. {1 + k / 1000:.6f}: irq_handler_entry: irq=36 name=eth0" for k in range(100)]
    log.write_text("\n".join(lines) + "\n")
    chosen = lab.prepare("periodic", recording=log)
    assert [source.name for source in chosen.sources] == ["eth0"]
    assert chosen.duration_ms == 10
    assert lab.played(chosen).startswith("trace.txt, 10 of 100 interrupts, ")
    assert lab.prepare("periodic", recording=log, window="all").duration_ms > 98
    faster = lab.prepare("periodic", recording=log, speed=2)
    assert "at 2 times the speed" in lab.played(faster)


def test_broken_lines_that_were_skipped_are_counted_and_the_first_is_shown(tmp_path):
    log = tmp_path / "trace.txt"
    good = "task-0 [000] d.h.. 1.00{k}: irq_handler_entry: irq=36 name=eth0"
    log.write_text("\n".join([good.format(k=1), "what is this", good.format(k=2)]) + "\n")
    chosen = lab.prepare("periodic", recording=log, skip_bad_lines=True)
    assert "1 broken lines skipped, the first is line 2: what is this" in lab.played(chosen)


def test_the_window_of_a_bundled_recording_can_be_moved_but_a_scenario_without_one_cannot():
    moved = lab.prepare("disk-and-net", window="4:0.05", irq=["virtio1-req.0"])
    assert moved.duration_ms == pytest.approx(50)
    assert {name for source in moved.sources for name in source.arrival.names} == {"virtio1-req.0"}
    with pytest.raises(UsageError, match="plays no recording"):
        lab.prepare("periodic", speed=2)


def test_choosing_interrupts_keeps_the_scenarios_own_window():
    kept = lab.prepare("disk-and-net", irq=["virtio1-req.0"])
    assert kept.recording.start_s == pytest.approx(9.22037)
    assert kept.duration_ms == pytest.approx(200)


def test_the_plan_says_what_runs_how_much_and_for_how_long():
    line = lab.plan(lab.prepare("disk-and-net"), None)
    assert line.startswith(f"disk-and-net under {', '.join(NUMBERS)}: 200 ms of virtual time (virtio-irqs, 3,026 of ")
    assert "; about " in line
    assert "compiling" not in line
    assert "compiling" in lab.plan(lab.prepare("periodic"), None, compiled=False)
    assert "6 points" in lab.plan(lab.prepare("storm"), ["native"])


def test_charges_are_told_in_nanoseconds():
    charges = lab.charges_ns(lab.profiles.load("power9-2021"))
    assert charges["hcall_rt"] == pytest.approx(509 / 3.2, rel=0.01)
    assert charges["hv_cycles_per_instruction"] == pytest.approx(2 / 3.2)
