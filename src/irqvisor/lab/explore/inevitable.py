"""When a loss became inevitable: from which instant of the bad run on no further interrupt mends it.

The machine is deterministic, so without anything new from outside a run is decided the moment the item is posted. What
may still come is another interrupt. So the bad run is forked at each of its instants, one more item of each source is
put there, and the fork runs to quiescence: it is *mended* if nothing is wrong any more but that luck did it. Behind the
last such instant the loss is inevitable; if there is none it was so from the beginning; and if one more item still
mends it when everything sleeps, it never becomes so: the wake-up is late until the device speaks again. A guest that
computes on has no end: there it is only said how often an item would have mended it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from irqvisor.hv.explore.verdict import Verdict
from irqvisor.lab.explore import site
from irqvisor.lab.explore.bench import Bench, was_posted
from irqvisor.lab.explore.finding import Place, place
from irqvisor.lab.explore.question import Injection, Question
from irqvisor.lab.text import count, listing, plural
from irqvisor.machine import Machine

REACH = 2000
"""Instants of a bad run that are tried, if it does not come to rest before."""
ENDLESS = Verdict.LIVELOCK | Verdict.RESTLESS
"""Runs that never come to rest: nothing can be tried then."""


@dataclass(frozen=True)
class Mending:
    """What one more item does to a bad run.

    Attributes:
        mended: by source, at which instants after the post it mends the run.
        rests: whether the last instant is the one at which everything sleeps.
        places: of the instants.
    """

    mended: dict[str, tuple[bool, ...]]
    rests: bool
    places: tuple[Place, ...]

    @property
    def at_all(self) -> tuple[bool, ...]:
        """At which instants some source mends it."""
        return tuple(any(each) for each in zip(*self.mended.values(), strict=True))

    @property
    def inevitable_from(self) -> int | None:
        """The first instant from which on nothing mends it; 0: the post itself; None: there is none."""
        mended = self.at_all
        last = max((k for k, each in enumerate(mended) if each), default=-1)
        return last + 1 if last < 0 or (self.rests and last < len(mended) - 1) else None

    @property
    def mendable_from(self) -> int:
        """The first instant of the last stretch at which it can be mended."""
        mended = self.at_all
        k = max(k for k, each in enumerate(mended) if each)
        while k > 0 and mended[k - 1]:
            k -= 1
        return k

    def sources_at(self, instant: int) -> list[str]:
        """Whose item mends it there."""
        return [source for source, each in self.mended.items() if each[instant]]


def mending(question: Question, start: Machine, last: Injection) -> Mending | None:
    """Put one more item at each instant of a bad run.

    Args:
        question: of the exploration.
        start: the machine from which the last injection is counted.
        last: the injection that goes wrong.

    Returns:
        None if the bad run never comes to rest, or is not lost: then there is nothing to mend.
    """
    bench = Bench(question, start)
    verdict = bench.verdict([last])
    if verdict & ENDLESS or verdict & ~Verdict.DELAYED == 0:
        return None
    machine = start.copy()
    site.inject(machine, question, [last])
    walk = site.walk(machine, min(question.window_instants, REACH))
    mended: dict[str, tuple[bool, ...]] = {}
    places: list[Place] = []
    for source in question.sources:
        here: list[bool] = []
        places = []
        for piece in walk.pieces:
            results = bench.examine(piece, source, None)
            good = was_posted(results) & (results.verdict & ~int(Verdict.DELAYED) == 0)
            here += good.tolist()
            places += [place(machine, results, k) for k in range(piece.count)]
        mended[source] = tuple(here)
    return Mending(mended, walk.ended == "quiet", tuple(places))


def told(question: Question, start: Machine, last: Injection) -> Iterator[str]:
    """`mending`, for people."""
    found = mending(question, start, last)
    if found is None:
        return
    since = found.inevitable_from
    if since == 0:
        tried = listing(question.sources, "or")
        yield f"inevitable from: the post itself; one more item of {tried} mends it at no instant of the run"
    elif since is not None:
        helps = listing(found.sources_at(since - 1), "or")
        yield f"inevitable from: before {found.places[since]}, {plural(since, 'instruction')} after the post;"
        yield f"  an instruction earlier one more item of {helps} still mends it"
    elif not found.rests:
        helps = listing([source for source, each in found.mended.items() if any(each)], "or")
        times = f"{count(sum(found.at_all))} of the {plural(len(found.places), 'instant')} after the post"
        yield f"not inevitable: one more item of {helps} mends it at {times}"
    else:
        first = found.mendable_from
        helps = listing(found.sources_at(len(found.places) - 1), "or")
        yield f"not inevitable: even when everything sleeps one more item of {helps} mends it"
        if first > 0:
            yield f"  but none that comes before {found.places[first]}, {plural(first, 'instruction')} after the post"
