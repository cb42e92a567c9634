"""Predicted against published: the checks themselves, how they are judged, and the behaviour that must hold."""

import json
from pathlib import Path

import pytest

from irqvisor.errors import ScenarioError, UsageError
from irqvisor.lab import profile as profiles
from irqvisor.lab import runner, view
from irqvisor.lab.validate import behaviour, checks, predict, report, table
from irqvisor.lab.validate.predict import Predictor
from lab.rows import latency, row

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "validation.md"

# Published, as the sources have it: check, row, number
PUBLISHED = [
    ("P1", "Arm, split design", 13_121),
    ("P1", "x86, KVM", 3_102),
    ("P2", "timer interrupt", 798),
    ("P2", "IPI to another virtual CPU", 1_509),
    ("P2", "message interrupt through the emulated translation unit", 1_643),
    ("P3", "cycles saved", 693),
    ("P5", "guest entry, 3,387.6 to 3,060.1", 327.5),
    ("P5", "guest exit, 4,561.5 to 4,244.1", 317.4),
    ("P5", "interrupt handling, 1,660.0 to 1,342.3", 317.7),
    ("P6", "exits, with the vector handed over", 2.36),
    ("P6", "exits, xen-ia64", 2.36),
    ("P6", "of these, EOIs", 1.06),
    ("P8", "ns saved, with an idle vCPU to switch from", 3_000),
    ("P9", "mean cost of those that remain", 720),
    ("P9", "exits that posting removes", 84),
    ("P10", "saved, deadline in the future", 1_200),
    ("P10", "saved, already expired", 1_200),
    ("P11", "saved with one device", 4_926),
    ("P11", "saved with ten devices", 4_962),
]
STEPS_ALONE = ["P1", "P2", "P3", "P4", "P7", "P10", "P11"]


def bundled(name):
    (check,) = [check for check in checks.bundled() if check.id == name]
    return check


def test_all_eleven_published_results_are_bundled():
    assert checks.names() == [f"P{n}" for n in range(1, 12)]


@pytest.mark.parametrize(("check", "name", "number"), PUBLISHED)
def test_what_was_published_is_as_it_was_published(check, name, number):
    (found,) = [each for each in bundled(check).rows if each.name == name]
    assert found.published == number


@pytest.mark.parametrize("name", checks.names())
def test_no_profile_holds_a_composite(name):
    """A result that is predicted must not be among the numbers it is predicted from."""
    check = bundled(name)
    for each in check.rows:
        numbers = profiles.load(each.profile or check.profile).numbers.values()
        assert each.published not in {number.value for number in numbers}


@pytest.mark.parametrize("name", STEPS_ALONE)
def test_published_results_of_other_machines_are_reproduced_or_the_miss_is_explained(name):
    found = Predictor(bundled(name)).predict()
    assert {each.verdict for each in found} <= {predict.REPRODUCED, predict.FITTED, predict.EXPLAINED}
    for each in found:
        tolerance = bundled(name).tolerance
        if each.verdict == predict.REPRODUCED and each.difference is not None:
            assert abs(each.difference) <= tolerance <= 30
        assert bool(each.why) == (each.verdict == predict.EXPLAINED)


def test_the_strongest_check_has_no_free_parameter_and_rests_on_no_estimate():
    check = bundled("P1")
    assert check.fit is None
    assert [(each.low, each.high) for each in Predictor(check).predict()] == [(None, None)] * 2


def test_only_one_parameter_is_ever_fitted_and_to_one_row():
    for check in checks.bundled():
        fitted = [each for each in Predictor(check).predict() if each.verdict == predict.FITTED] if check.fit else []
        assert len(fitted) == (check.fit is not None)


CHECK = {
    "id": "mine",
    "title": "mine",
    "source": "measured here",
    "class": "A",
    "profile": "power9-2021",
    "tolerance": 10,
    "steps": {
        "one": {
            "cpus": {"cpu": ["mark a", "exit", "inject", "mark b"]},
            "begins": "cpu.a",
            "ends": "cpu.b",
        },
        "two": {"cpus": {"cpu": ["mark a", "exit", "unknown", "mark b"]}, "begins": "cpu.a", "ends": "cpu.b"},
    },
    "rows": [{"name": "one", "of": "one", "unit": "cycles", "published": 5_000}],
}


def changed(**changes):
    return {**CHECK, **changes}


def predicted(data):
    return Predictor(checks.from_dict(data)).predict()


def test_a_row_within_its_tolerance_is_reproduced_and_says_how_far_it_is_off():
    (found,) = predicted(CHECK)  # 9,587 / 2 + 190 * 2 = 5,173.5
    assert found.verdict == predict.REPRODUCED
    assert found.predicted == pytest.approx(5_173.5)
    assert found.difference == 3.5


def test_what_the_estimates_allow_is_beside_the_prediction():
    (found,) = predicted(CHECK)  # inject 100 to 300 instructions, 1 to 4 cycles each; world_switch_rt is measured
    assert (found.low, found.high) == (pytest.approx(4_793.5 + 100), pytest.approx(4_793.5 + 1_200))


@pytest.mark.parametrize(("why", "verdict"), [("", predict.MISSED), ("because", predict.EXPLAINED)])
def test_a_miss_is_shown_and_its_mechanism_is_named_if_there_is_one(why, verdict):
    (found,) = predicted(changed(rows=[{**CHECK["rows"][0], "published": 1_000, "why": why}]))
    assert (found.verdict, found.why) == (verdict, why)
    assert predict.all_held([found]) == (verdict == predict.EXPLAINED)


def test_a_range_may_have_to_be_met_in_place_of_a_number():
    inside = {"name": "one", "of": "one", "unit": "cycles", "between": [5_000, 6_000]}
    outside = {**inside, "between": [1, 2]}
    assert [each.verdict for each in predicted(changed(rows=[inside, outside]))] == ["reproduced", "missed"]


def test_differences_and_shares_are_taken_between_terms():
    rows = [
        {"name": "less", "of": "one", "minus": "two", "unit": "cycles", "published": 380},
        {"name": "share", "of": "one", "minus": "two", "over": "one", "unit": "%", "published": 7.345},
    ]
    assert [each.difference for each in predicted(changed(rows=rows))] == [0, pytest.approx(0, abs=0.1)]


def test_what_is_unknown_is_fitted_to_one_row():
    rows = [
        {"name": "two", "of": "two", "unit": "ns", "published": 2_000},
        {"name": "also", "of": "two", "unit": "ns", "published": 1_900},
    ]
    found = predicted(changed(rows=rows, fit={"number": "unknown", "row": "two"}))
    assert [each.verdict for each in found] == [predict.FITTED, predict.REPRODUCED]
    assert [each.predicted for each in found] == [pytest.approx(2_000)] * 2


def test_what_a_number_would_have_to_be_is_found():
    check = checks.from_dict(changed(needs=[{"number": "inject", "row": "one", "note": "as elsewhere"}]))
    predictor = Predictor(check)
    predictor.predict()
    (need,) = predictor.needs()
    assert need.ns == pytest.approx((5_000 - 9_587 / 2) / 3.2)
    assert (need.low_ns, need.has_ns, need.high_ns) == tuple(pytest.approx(n * 2 / 3.2) for n in (100, 190, 300))
    assert "needs inject at 64.5 ns, within the range of the profile, 62.5-188 ns, which has 119 ns; as elsewhere." in (
        table.needed(need)
    )


def test_a_scenario_is_a_term_too(monkeypatch):
    asked = []

    def run(scenario, design, *, cpu=None, progress=None):
        asked.append((scenario.profile, scenario.profile_overrides, design, cpu))
        return row(design, latency_ns=latency(1, mean=1_234.5))

    monkeypatch.setattr(runner, "run", run)
    term = {"scenario": "periodic", "design": "rhype", "quantity": "latency_ns.mean", "cpu": "power8"}
    rows = [{"name": "ran", "of": "run", "unit": "ns", "published": 1_200}]
    data = changed(runs={"run": {**term, "settings": ["profile.hcall_rt=7"]}}, rows=rows)
    assert [each.difference for each in predicted(data)] == [pytest.approx(2.9)]
    assert asked == [("power9-2021", {"hcall_rt": 7}, "rhype", "power8")]


def test_a_scenario_that_a_design_cannot_express_is_not_run():
    term = {"scenario": "ping-pong", "design": "rhype", "quantity": "latency_ns.mean"}
    (found,) = predicted(changed(runs={"run": term}, rows=[{"name": "ran", "of": "run", "unit": "ns", "published": 1}]))
    assert (found.verdict, found.predicted) == (predict.NOT_RUN, None)
    assert found.why.startswith("rhype: PAPR's H_IPI names vCPUs")


def test_a_quantity_is_a_path_and_what_did_not_occur_is_zero():
    made = row("rhype", hypervisor_entries={"hdec": 90})
    assert predict.quantity(made, "hypervisor_entries.hdec/serviced") == 0.1
    assert predict.quantity(made, "hypervisor_entries.external") == 0
    with pytest.raises(UsageError, match="latency_n"):
        predict.quantity(made, "latency_n")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": [{"name": "x", "of": "tow", "unit": "ns", "published": 1}]}, 'rows[0].of: no steps or run "tow"'),
        ({"rows": [{"name": "x", "of": "one", "unit": "ns"}]}, "neither published nor between"),
        ({"rows": [{"name": "x", "of": "one", "unit": "us", "published": 1}]}, "rows.0.unit: input should be"),
        ({"profile": "power10"}, 'profile: unknown profile "power10"'),
        ({"fit": {"number": "injcet", "row": "one"}}, 'fit.number: no charge "injcet"'),
        ({"fit": {"number": "inject", "row": "oen"}}, 'fit.row: no row "oen"'),
        ({"needs": [{"number": "unknown", "row": "one"}]}, 'needs[0].number: no charge "unknown"'),
        ({"runs": {"r": {"scenario": "idle", "design": "zen", "quantity": "lost"}}}, "runs.r.design: unknown delivery"),
        ({"colour": 5}, "colour: extra inputs are not permitted"),
    ],
)
def test_a_wrong_check_is_explained(changes, message):
    with pytest.raises(ScenarioError) as caught:
        checks.from_dict(changed(**changes))
    assert message in str(caught.value)


def test_a_mark_that_is_not_there_is_named():
    wrong = {"one": {**CHECK["steps"]["one"], "ends": "cpu.c"}}
    with pytest.raises(ScenarioError, match=r'steps\.one\.ends: no mark "cpu\.c"'):
        checks.from_dict(changed(steps=wrong))


def test_a_file_of_checks_is_told_from_a_scenario(tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text((checks.FOLDER / "p01-virtual-ipi.toml").read_text())
    planned = report.plan(scenario=str(mine), profile="armv8-atc17-vhe")
    found = planned.run()
    assert [each.profile for each in found.predictions] == ["armv8-atc17-vhe"] * 2
    assert report.plan(scenario="periodic", profile="ppc970-2006").workload.profile == "ppc970-2006"
    assert report.plan(scenario=str(ROOT / "src/irqvisor/data/scenarios/idle.toml")).workload.name == "idle"


def test_what_makes_no_sense_together_is_refused():
    with pytest.raises(UsageError, match='unknown check "P12"'):
        report.plan(["P12"])
    with pytest.raises(UsageError, match="P1 is about the machine that it names"):
        report.plan(["P1"], profile="power9-2021")
    with pytest.raises(UsageError, match="given together with P1"):
        report.plan(["P1"], scenario="periodic")


def test_a_profile_alone_asks_for_behaviour():
    planned = report.plan(profile="ppc970-2006")
    assert (planned.checks, planned.behaviour) == ([], list(behaviour.IDS))


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("profile", ["power9-2021", "ppc970-2006", "armv8-isca16-kvm", "x86-isca16"])
def test_the_published_behaviour_is_found_by_running(profile):
    found = behaviour.claims(list(behaviour.IDS), [profile])
    assert {claim.check for claim in found} == set(behaviour.IDS)
    assert [claim for claim in found if not claim.holds] == []


@pytest.mark.slow
@pytest.mark.compiled
def test_published_results_that_need_the_machine_are_reproduced_or_explained():
    predictions = [each for name in ("P5", "P6", "P8", "P9") for each in Predictor(bundled(name)).predict()]
    assert predict.all_held(predictions)
    assert {each.verdict for each in predictions if each.check == "P5"} == {predict.REPRODUCED}


@pytest.mark.slow
@pytest.mark.compiled
def test_a_workload_of_ones_own_is_predicted_with_what_its_estimates_allow():
    found = report.plan(scenario="idle", profile="ppc970-2006").run()
    assert all(low <= middle <= high for each in found.own for low, middle, high in each.values.values())
    assert any(low < high for each in found.own for low, _, high in each.values.values())
    assert "estimates allow" in view.render(table.report(found))


def test_the_report_is_told_as_a_table_and_as_json():
    found = report.plan(["P1", "P7"]).run()
    text = view.render(table.report(found))
    assert "Arm, split design" in text
    assert "lost by the direct cost of the exits alone: missed, explained: the direct cost of an exit" in " ".join(
        text.split()
    )
    assert "within the range of the profile" in " ".join(text.split())
    data = json.loads(json.dumps(found.to_dict()))
    assert [each["check"] for each in data["predictions"]] == ["P1"] * 2 + ["P7"] * 3
    assert table.summary(found).startswith("5 published numbers: ")


def test_a_claim_that_does_not_hold_names_its_profile():
    claims = [
        behaviour.Claim("B1", behaviour.IDS["B1"], "power9-2021", "fine", holds=True),
        behaviour.Claim("B1", behaviour.IDS["B1"], "ppc970-2006", "1 lost", holds=False),
    ]
    text = view.render(table.behaviour(claims))
    assert "DOES NOT HOLD under ppc970-2006. ppc970-2006: 1 lost." in text
    assert not report.Report(claims=claims).held


def test_the_page_names_every_verb_and_tells_every_check():
    page = PAGE.read_text()
    from irqvisor.lab.validate import steps

    for name in (*steps.VERBS, *steps.WITH_ARGUMENT, *behaviour.IDS):
        assert f"`{name}`" in page, name
    for check in checks.bundled():
        assert f"| `{check.id}` | {check.title} | {check.grade} | `{check.profile}` | {check.note} |" in page
