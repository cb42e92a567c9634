"""Is the order of two designs decided by the evidence? The ranges of a profile's numbers are run, not reasoned about.

For each number with a range, every design runs with its low and with its high end, all others at their values. Then,
for each pair of designs, once more with all estimates at the ends that favour the one that is behind: the hardest case
for the one that is ahead. The verdict is about class E: a measured number (A, B, D) has a range to show what other
hardware does, not because it is in doubt; where such a range reverses a pair, that is told beside the verdict.

The pair's corner is chosen from the runs at the single ends. Were the numbers to act on one another so much that
another corner is worse, this would miss it; no corner that was run is left out of the verdict.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from irqvisor.lab import scenario as scenarios
from irqvisor.lab.profile import Number, Profile
from irqvisor.lab.ranking.experiments import MIDDLE, Experiments, Setting, setting
from irqvisor.lab.ranking.measures import MEASURES, Measure, order
from irqvisor.lab.scenario import Scenario

ENDS = ("low", "high")
ESTIMATE = "E"

DECIDED = "decided"
JOINTLY = "not decided jointly"
NOT_DECIDED = "not decided"
EQUAL = "equal"
MEANING = {
    DECIDED: "the same order at every point that was run",
    JOINTLY: "no single estimate changes the order, but all of them at once, each at its worst end, do",
    NOT_DECIDED: "the range of a single estimate changes the order: the evidence does not decide it",
    EQUAL: "no difference worth the name, at any point that was run",
}


@dataclass(frozen=True)
class Effect:
    """A pair of designs with one number at one end of its range.

    Attributes:
        number: its name in the profile.
        end: ``low`` or ``high``.
        value: what it is there, in its unit.
        unit, grade: of the number.
        ahead_by: how far the pair's first design is ahead, in ns; negative: behind.
        order: -1 the first is ahead, 1 the second, 0 equal.
    """

    number: str
    end: str
    value: float
    unit: str
    grade: str
    ahead_by: float
    order: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "number": self.number,
            "end": self.end,
            "value": self.value,
            "unit": self.unit,
            "class": self.grade,
            "ahead_by_ns": round(self.ahead_by, 1),
            "order": self.order,
        }


@dataclass(frozen=True)
class Pair:
    """Two designs, the one first that is ahead at the middle.

    Attributes:
        first, second: their names.
        ahead_by: how far the first is ahead with every number at its value, in ns.
        verdict: one of `MEANING`.
        effects: one a number and end.
        corner: the estimates at the ends that are worst for the first; None where no end is worse.
        corner_ahead_by: how far it is ahead there.
    """

    first: str
    second: str
    ahead_by: float
    verdict: str
    effects: tuple[Effect, ...] = field(repr=False)
    corner: Setting | None
    corner_ahead_by: float | None

    @property
    def least(self) -> Effect | None:
        """The end of one estimate's range at which the first is least ahead."""
        own = [effect for effect in self.effects if effect.grade == ESTIMATE]
        return min(own, key=lambda effect: effect.ahead_by, default=None)

    def reversing(self, *, estimates: bool) -> list[Effect]:
        """The ends of ranges at which the order is another: of estimates, or of measured numbers."""
        return [e for e in self.effects if e.order != -1 and (e.grade == ESTIMATE) == estimates]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "ahead_by_ns": round(self.ahead_by, 1),
            "verdict": self.verdict,
            "reversed_by": [e.to_dict() for e in self.reversing(estimates=True)],
            "reversed_on_other_hardware_by": [e.to_dict() for e in self.reversing(estimates=False)],
            "corner": None if self.corner is None else dict(self.corner),
            "corner_ahead_by_ns": None if self.corner_ahead_by is None else round(self.corner_ahead_by, 1),
            "effects": [e.to_dict() for e in self.effects],
        }


@dataclass(frozen=True)
class Sensitivity:
    """What `sensitivity` found.

    Attributes:
        scenario: exactly what ran.
        profile: its profile at the middle.
        by: name of the measure.
        values: design to its measure in ns at the middle, in order of rank.
        ranges: design to the least and the most of it, over the ends of single estimates.
        pairs: every two designs, in order of rank.
        others: measure to the number of pairs with each verdict, for the measures not asked for; single ends only.
        skipped: designs that did not run, with the reason.
        violations: promises that did not hold in a run.
        runs: how many there were.
    """

    scenario: Scenario = field(repr=False)
    profile: Profile = field(repr=False)
    by: str
    values: dict[str, float]
    ranges: dict[str, tuple[float, float]]
    pairs: tuple[Pair, ...]
    others: dict[str, dict[str, int]]
    skipped: dict[str, str]
    violations: tuple[str, ...]
    runs: int

    def to_dict(self) -> dict[str, Any]:
        """The JSON object under ``sensitivity``."""
        return {
            "by": self.by,
            "profile": self.profile.name,
            "duration_ms": self.scenario.duration_ms,
            "runs": self.runs,
            "ranking_ns": {name: round(value, 1) for name, value in self.values.items()},
            "ranges_ns": {name: [round(value, 1) for value in ends] for name, ends in self.ranges.items()},
            "pairs": [pair.to_dict() for pair in self.pairs],
            "other_measures": self.others,
            "skipped": self.skipped,
            "violations": list(self.violations),
        }


def varied(profile: Profile) -> dict[str, Number]:
    """The numbers that have a range."""
    return {name: number for name, number in profile.numbers.items() if number.low < number.high}


def single_ends(experiments: Experiments) -> list[Setting]:
    """One number at one end, for every number that makes another machine there."""
    profile = scenarios.resolve_profile(experiments.scenario)
    points = [setting(**{name: end}) for name in varied(profile) for end in ENDS]
    return [point for point in points if experiments.changes(point)]


def expected_runs(experiments: Experiments, designs: Sequence[str]) -> int:
    """How many runs `sensitivity` makes, about; at least."""
    points = 1 + len(single_ends(experiments))
    return len(designs) * points + len(designs) * (len(designs) - 1)


def sensitivity(
    experiments: Experiments,
    designs: Sequence[str],
    *,
    by: str = "latency",
    on_progress: Callable[[float], None] | None = None,
) -> Sensitivity:
    """Run the ranges, and judge each pair of designs.

    Args:
        experiments: the scenario, already short enough.
        designs: names, in the order of a comparison.
        by: what they are ranked by.
        on_progress: called with the share of the work done, 0 to 1.

    Raises:
        IrqvisorError: something cannot be run.
    """
    progress = on_progress or (lambda _: None)
    profile = scenarios.resolve_profile(experiments.scenario)
    points = single_ends(experiments)
    experiments.run([(design, point) for point in [MIDDLE, *points] for design in designs], lambda s: progress(0.8 * s))
    skipped: dict[str, str] = {}
    ran = []
    for design in designs:
        row = experiments.row(design)
        assert row is not None
        if row["skipped"]:
            skipped[design] = row["skipped"]
        else:
            ran.append(design)
    measure = MEASURES[by]
    ranked = sorted(ran, key=lambda design: value(experiments, measure, design, MIDDLE))
    couples = list(combinations(ranked, 2))
    effects = {couple: _effects(experiments, profile, points, measure, couple) for couple in couples}
    corners = {couple: _corner(experiments, measure, couple, effects[couple]) for couple in couples}
    wanted = [(design, corner) for couple, corner in corners.items() if corner for design in couple]
    experiments.run(wanted, lambda s: progress(0.8 + 0.2 * s))
    progress(1.0)
    pairs = tuple(_judge(experiments, measure, couple, effects[couple], corners[couple]) for couple in couples)
    others = {name: _tally(experiments, profile, points, other, ran) for name, other in MEASURES.items() if name != by}
    return Sensitivity(
        scenario=experiments.scenario,
        profile=profile,
        by=by,
        values={design: value(experiments, measure, design, MIDDLE) for design in ranked},
        ranges={design: _range(experiments, profile, points, measure, design) for design in ranked},
        pairs=pairs,
        others=others,
        skipped=skipped,
        violations=tuple(experiments.violations()),
        runs=experiments.runs,
    )


def value(experiments: Experiments, measure: Measure, design: str, point: Setting) -> float:
    """What a design is ranked by, at a point that has been run."""
    row = experiments.row(design, point)
    assert row is not None
    return measure.of(row)


def _range(
    experiments: Experiments, profile: Profile, points: Sequence[Setting], measure: Measure, design: str
) -> tuple[float, float]:
    """The least and the most that a design is ranked by, over the ends of single estimates."""
    estimates = [point for point in points if profile.numbers[point[0][0]].grade == ESTIMATE]
    found = [value(experiments, measure, design, point) for point in [MIDDLE, *estimates]]
    return min(found), max(found)


def ahead(experiments: Experiments, measure: Measure, couple: tuple[str, str], point: Setting) -> tuple[float, int]:
    """How far the first of two designs is ahead at a point, in ns, and who comes first there (`measures.order`)."""
    first, second = (value(experiments, measure, design, point) for design in couple)
    return second - first, order(first, second)


def _effects(
    experiments: Experiments, profile: Profile, points: Sequence[Setting], measure: Measure, couple: tuple[str, str]
) -> tuple[Effect, ...]:
    found = []
    for point in points:
        ((name, end),) = point
        number = profile.numbers[name]
        by, who = ahead(experiments, measure, couple, point)
        amount = number.low if end == "low" else number.high
        found.append(Effect(name, str(end), amount, number.unit, number.grade, by, who))
    return tuple(found)


def _corner(
    experiments: Experiments, measure: Measure, couple: tuple[str, str], effects: Sequence[Effect]
) -> Setting | None:
    """All estimates at the ends at which the pair's first design does worst against the second."""
    middle, _ = ahead(experiments, measure, couple, MIDDLE)
    worst: dict[str, Effect] = {}
    for effect in effects:
        if effect.grade == ESTIMATE and effect.ahead_by < middle:
            before = worst.get(effect.number)
            if before is None or effect.ahead_by < before.ahead_by:
                worst[effect.number] = effect
    corner = setting(**{name: effect.end for name, effect in worst.items()})
    return corner if len(corner) > 1 and experiments.changes(corner) else None


def _judge(
    experiments: Experiments,
    measure: Measure,
    couple: tuple[str, str],
    effects: tuple[Effect, ...],
    corner: Setting | None,
) -> Pair:
    by, who = ahead(experiments, measure, couple, MIDDLE)
    there = None if corner is None else ahead(experiments, measure, couple, corner)
    orders = [who, *(effect.order for effect in effects if effect.grade == ESTIMATE)]
    joint = [] if there is None else [there[1]]
    return Pair(*couple, by, _verdict(orders, joint), effects, corner, None if there is None else there[0])


def _verdict(single: Sequence[int], joint: Sequence[int]) -> str:
    """From who comes first at each point: -1 the first, 1 the second, 0 equal."""
    if not any((*single, *joint)):
        return EQUAL
    if any(who != -1 for who in single):
        return NOT_DECIDED
    return DECIDED if all(who == -1 for who in joint) else JOINTLY


def _tally(
    experiments: Experiments, profile: Profile, points: Sequence[Setting], measure: Measure, designs: Sequence[str]
) -> dict[str, int]:
    """How many pairs have which verdict by another measure, single ends alone."""
    ranked = sorted(designs, key=lambda design: value(experiments, measure, design, MIDDLE))
    counts: dict[str, int] = {}
    for couple in combinations(ranked, 2):
        effects = _effects(experiments, profile, points, measure, couple)
        verdict = _judge(experiments, measure, couple, effects, None).verdict
        counts[verdict] = counts.get(verdict, 0) + 1
    return counts
