"""What would have to change in the profile for the ranking to flip, found by running, with bisection.

For each pair of neighbours in the ranking, and each number of the profile: it is made `FAR` times smaller and larger.
Where that changes the order, the change that just does is searched between there and its value. Ranges do not matter
here: the question is what it takes, not what is likely; whether the answer lies within the range is told beside it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from irqvisor.lab import scenario as scenarios
from irqvisor.lab.profile import Number, Profile
from irqvisor.lab.ranking.experiments import MIDDLE, Experiments, Setting, setting
from irqvisor.lab.ranking.measures import MEASURES, order
from irqvisor.lab.ranking.sensitivity import value

FAR = 8.0
STEPS = 5
"""Halvings of the search: of a factor of 8 there remains one of 1.07."""
CLOCKS = ("clock_ghz", "timebase_hz")
"""Not varied alone: they say what a cycle is, and change every number at once."""


@dataclass(frozen=True)
class Flip:
    """A change of one number that takes the lead from the first of two designs.

    Attributes:
        first, second: the designs, as they rank with every number at its value.
        number: its name.
        value: what it is.
        becomes: about the least change that flips the order, in the same unit.
        unit, grade: of the number.
        within: whether that lies in its range.
    """

    first: str
    second: str
    number: str
    value: float
    becomes: float
    unit: str
    grade: str
    within: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "number": self.number,
            "value": self.value,
            "becomes": float(f"{self.becomes:.3g}"),
            "unit": self.unit,
            "class": self.grade,
            "within_range": self.within,
        }


@dataclass
class _Search:
    """One number on its way from its value, where the order is as ranked, to where it is another."""

    couple: tuple[str, str]
    name: str
    holds: float
    flipped: float

    def middle(self) -> float:
        """Between the two, by their ratio; whole where only whole numbers count."""
        between = math.sqrt(self.holds * self.flipped)
        return float(round(between)) if _is_whole(self.name) else float(f"{between:.6g}")


def flips(
    experiments: Experiments,
    ranked: Sequence[str],
    *,
    by: str = "latency",
    on_progress: Callable[[float], None] | None = None,
) -> list[Flip]:
    """The changes of single numbers that flip neighbours, the smallest change first for each pair.

    Args:
        experiments: the scenario, already short enough.
        ranked: designs in order of rank; those of the same rank in any.
        by: what they are ranked by.
        on_progress: called with the share of the work done, 0 to 1.
    """
    progress = on_progress or (lambda _: None)
    profile = scenarios.resolve_profile(experiments.scenario)
    couples = list(pairwise(ranked))
    ends = {name: _ends(name, profile.numbers[name]) for name in profile.numbers if name not in CLOCKS}
    points = [setting(**{name: amount}) for name, amounts in ends.items() for amount in amounts]
    points = [point for point in points if experiments.changes(point)]
    experiments.run([(d, point) for point in [MIDDLE, *points] for d in ranked], lambda s: progress(0.7 * s))
    searches = [
        _Search(couple, str(name), profile.numbers[name].value, float(amount))
        for couple in couples
        if _leads(experiments, by, couple, MIDDLE)
        for ((name, amount),) in points
        if not _leads(experiments, by, couple, setting(**{name: amount}))
    ]
    for step in range(STEPS):
        middles = [search.middle() for search in searches]
        wanted = [(d, setting(**{s.name: at})) for s, at in zip(searches, middles, strict=True) for d in s.couple]
        experiments.run(wanted)
        for search, at in zip(searches, middles, strict=True):
            if _leads(experiments, by, search.couple, setting(**{search.name: at})):
                search.holds = at
            else:
                search.flipped = at
        progress(0.7 + 0.3 * (step + 1) / STEPS)
    found = [_flip(profile, search) for search in searches]
    return sorted(found, key=lambda f: (ranked.index(f.first), abs(math.log(f.becomes / f.value))))


def _is_whole(name: str) -> bool:
    return name.endswith("cycles_per_instruction")


def _ends(name: str, number: Number) -> list[float]:
    """A number made much smaller, and much larger."""
    small, large = number.value / FAR, number.value * FAR
    if _is_whole(name):
        small = 1.0
    return [amount for amount in (small, large) if amount not in (0, number.value)]


def _leads(experiments: Experiments, by: str, couple: tuple[str, str], point: Setting) -> bool:
    """Whether the first of two designs is ahead at a point."""
    first, second = (value(experiments, MEASURES[by], design, point) for design in couple)
    return order(first, second) == -1


def _flip(profile: Profile, search: _Search) -> Flip:
    number = profile.numbers[search.name]
    return Flip(
        *search.couple,
        number=search.name,
        value=number.value,
        becomes=search.flipped,
        unit=number.unit,
        grade=number.grade,
        within=number.low <= search.flipped <= number.high,
    )
