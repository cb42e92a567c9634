"""Verdicts about pairs of designs; the runs are made up here, so that each number does exactly what is said."""

import json

import pytest

from irqvisor.errors import UsageError
from irqvisor.lab import compare as lab
from irqvisor.lab import runner, view
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.ranking import experiments, measures, sensitivity, table
from irqvisor.lab.ranking.experiments import MIDDLE, Experiments, setting, shorten
from lab.rows import latency, row

DESIGNS = ["native", "rhype", "xen-ppc"]


def charged(scenario, design):
    """Under native nothing costs anything; rhype pays two hcalls, xen-ppc an injection."""
    profile = scenarios.resolve_profile(scenario)
    return {
        "native": 100,
        "rhype": 100 + 2 * profile.cycles("hcall_rt"),
        "xen-ppc": 100 + 3 * profile.cycles("inject"),
    }[design]


@pytest.fixture
def asked(monkeypatch):
    """Every run that was made; its latencies follow from `charged`."""
    found = []

    def run(scenario, design, *, cpu=None, progress=None, **_):
        found.append((design, scenario))
        ns = charged(scenario, design)
        return row(design, latency_ns=latency(ns), vector_latency_ns=latency(5), known_latency_ns=latency(ns))

    monkeypatch.setattr(runner, "run", run)
    return found


def judged(*overrides, by="latency", **options):
    scenario = lab.prepare("periodic", overrides=overrides)
    return sensitivity.sensitivity(Experiments(scenario, **options), DESIGNS, by=by)


def pair(found, first, second):
    (one,) = [each for each in found.pairs if {each.first, each.second} == {first, second}]
    return one


def test_designs_are_ranked_by_the_measure_and_every_two_are_a_pair(asked):
    found = judged()
    assert list(found.values) == ["native", "rhype", "xen-ppc"]  # 100, 1118 and 1240
    assert [(p.first, p.second) for p in found.pairs] == [
        ("native", "rhype"),
        ("native", "xen-ppc"),
        ("rhype", "xen-ppc"),
    ]


def test_a_pair_that_no_range_reverses_is_decided(asked):
    one = pair(judged(), "native", "xen-ppc")
    assert one.verdict == sensitivity.DECIDED
    assert (one.least.number, one.least.end) == ("hv_cycles_per_instruction", "low")
    assert one.least.ahead_by == pytest.approx(3 * 190)


def test_one_estimate_that_reverses_the_order_leaves_a_pair_undecided(asked):
    one = pair(judged(), "rhype", "xen-ppc")
    assert one.verdict == sensitivity.NOT_DECIDED
    assert [(e.number, e.end) for e in one.reversing(estimates=True)] == [
        ("hv_cycles_per_instruction", "low"),
        ("inject", "low"),
    ]


def test_a_measured_number_reverses_a_pair_on_other_hardware_only(asked):
    one = pair(judged("profile.inject=190"), "rhype", "xen-ppc")  # set by the user: no estimate, no range
    others = [(e.number, e.end) for e in one.reversing(estimates=False)]
    assert others == [("hcall_rt", "high")]
    assert "inject" not in {e.number for e in one.effects}
    assert all(e.grade != "E" for e in one.reversing(estimates=False))


def test_estimates_that_reverse_a_pair_only_together_are_told_apart(asked):
    one = pair(judged("profile.hcall_rt=200"), "rhype", "xen-ppc")  # 500 against 1240; one low: 670, both low: 400
    assert one.verdict == sensitivity.JOINTLY
    assert dict(one.corner) == {"hv_cycles_per_instruction": "low", "inject": "low"}
    assert one.corner_ahead_by == pytest.approx(-100)


def test_what_never_differs_is_equal(asked):
    found = judged(by="vector")
    assert {p.verdict for p in found.pairs} == {sensitivity.EQUAL}


def test_a_tie_is_not_an_order(asked):
    assert measures.order(1000, 1009) == 0
    assert measures.order(1000, 1011) == -1
    assert measures.order(1011, 1000) == 1
    assert measures.order(0, 0) == 0


def test_a_number_that_no_machine_is_made_of_is_not_run(asked):
    runs = Experiments(lab.prepare("periodic"))
    names = {name for point in sensitivity.single_ends(runs) for name, _ in point}
    assert "pic_trap_user" not in names
    assert {"hcall_rt", "inject", "clock_ghz"} <= names


def test_each_machine_runs_once_and_the_number_of_runs_is_foretold(asked):
    runs = Experiments(lab.prepare("periodic"))
    expected = sensitivity.expected_runs(runs, DESIGNS)
    found = sensitivity.sensitivity(runs, DESIGNS)
    assert found.runs == len(asked)
    assert found.runs <= expected
    sensitivity.sensitivity(runs, DESIGNS, by="known")
    assert len(asked) <= expected


def test_designs_that_cannot_run_are_left_out_and_said(monkeypatch):
    def run(scenario, design, **_):
        return {"design": design, "skipped": "no"} if design == "native" else row(design)

    monkeypatch.setattr(runner, "run", run)
    found = judged()
    assert found.skipped == {"native": "no"}
    assert list(found.values) == ["rhype", "xen-ppc"]
    assert "not run: native: no" in view.render(table.sensitivity(found))


def test_a_promise_that_breaks_anywhere_is_told(monkeypatch):
    monkeypatch.setattr(runner, "run", lambda scenario, design, **_: row(design, violations=["1 interrupt lost"]))
    assert judged().violations[0] == "native: 1 interrupt lost"


def test_an_unknown_measure_is_an_error_with_a_guess():
    with pytest.raises(UsageError, match='unknown measure "latncy"') as caught:
        measures.choose("latncy")
    assert 'did you mean "latency"?' in str(caught.value)


def test_numbers_that_contradict_each_other_are_no_point(asked):
    runs = Experiments(lab.prepare("periodic"))
    assert not runs.changes(setting(clock_ghz=0.1))
    assert runs.row("native", setting(clock_ghz=0.1)) is None
    assert not runs.changes(MIDDLE)


def test_the_table_gives_the_verdict_and_the_numbers_that_change_it(asked):
    text = view.render(table.sensitivity(judged()))
    assert "native 0.100, rhype 1.12, xen-ppc 1.24." in text
    assert "rhype is not ahead of xen-ppc with hv_cycles_per_instruction=1 cycles and inject=100 instructions." in text
    assert "On other hardware, rhype is not ahead of xen-ppc: measured there, hcall_rt=826 cycles (class A)." in text
    assert "By vector (--by vector): 0 of 3 pairs decided." in text
    json.dumps(judged().to_dict())


def test_a_long_scenario_is_cut_to_its_densest_part():
    whole = lab.prepare("disk-and-net")
    short = shorten(whole)
    assert experiments.LEAST_MS <= short.duration_ms < 10
    assert short.drain_ms == experiments.DRAIN_MS
    start = short.recording.start_s
    assert whole.recording.start_s <= start
    assert start + short.duration_ms / 1e3 <= whole.recording.start_s + whole.duration_ms / 1e3
    rate = len(scenarios.recorded_input(short)) / short.duration_ms
    assert rate >= len(scenarios.recorded_input(whole)) / whole.duration_ms


def test_a_scenario_that_is_short_enough_stays_as_it_is():
    idle = lab.prepare("idle")
    assert shorten(idle) is idle


@pytest.mark.slow
@pytest.mark.compiled
def test_rhype_and_xen_ppc_are_not_decided_for_an_owner_that_runs_but_a_hypervisor_always_costs():
    found = sensitivity.sensitivity(Experiments(shorten(lab.prepare("periodic"))), DESIGNS)
    assert pair(found, "rhype", "xen-ppc").verdict == sensitivity.NOT_DECIDED
    assert pair(found, "native", "rhype").verdict == sensitivity.DECIDED
    assert pair(found, "native", "xen-ppc").verdict == sensitivity.DECIDED
    assert not found.violations
