"""Which bad pairs say nothing new: a single injection does the same, and is a finding already.

That is so if the first of the two alone goes wrong - the second only comes on top - or if the second goes wrong where a
single one does, before the same instruction and in the same way. A stretch of instants is left out if that holds for
each of them; it is counted, by reason, in the certificate. Everything else is a finding of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from irqvisor.hv.explore.verdict import Verdict
from irqvisor.lab.explore.bench import was_posted
from irqvisor.lab.explore.search import Exploration, Sweep

FIRST_ALONE = "the first injection alone goes wrong"
SAME_SITE = "a single injection before the same instruction goes wrong in the same way"


@dataclass(frozen=True)
class Known:
    """What single injections do.

    Attributes:
        bad: (source, instant) of those that go wrong.
        sites: where and how they do.
    """

    bad: frozenset[tuple[str, int]]
    sites: frozenset[tuple[int, ...]]

    @classmethod
    def of(cls, singles: Iterable[Sweep]) -> Known:
        """Of the sweeps of a window."""
        wrong = [(sweep, i) for sweep in singles for i in wrong_instants(sweep.results)]
        return cls(
            frozenset((sweep.source, i) for sweep, i in wrong), frozenset(site_of(s.results[i]) for s, i in wrong)
        )

    def explains(self, sweep: Sweep, first: int, last: int) -> str:
        """Why a stretch of bad instants of a sweep of second injections says nothing new; empty if it does."""
        if len(sweep.before) == 1 and (sweep.before[0].source, sweep.before[0].instant) in self.bad:
            return FIRST_ALONE
        wrong = wrong_instants(sweep.results[first : last + 1])
        return SAME_SITE if all(site_of(sweep.results[first + i]) in self.sites for i in wrong) else ""


def stretches(results: Any) -> Iterator[tuple[int, int]]:
    """(first, last) of each run of instants with the same verdict that is not good. Instants at which the device could
    not raise lie within a run, but neither begin nor end one."""
    posted = np.flatnonzero(was_posted(results)).tolist()
    verdicts = results["verdict"]
    begin = end = None
    for i in posted:
        if begin is not None and (verdicts[i] != verdicts[begin] or results["victim"][i] != results["victim"][begin]):
            yield begin, int(end or begin)
            begin = None
        if verdicts[i]:
            begin = i if begin is None else begin
            end = i
    if begin is not None:
        yield begin, int(end or begin)


def wrong_instants(results: Any) -> list[int]:
    """Instants at which an injection goes wrong."""
    found: list[int] = np.flatnonzero(was_posted(results) & (results["verdict"] != 0)).tolist()
    return found


def site_of(r: Any) -> tuple[int, ...]:
    """Before which instruction of whom, and in which way."""
    victim = int(r["victim"]) if int(r["verdict"]) & Verdict.LOST else -1
    return int(r["verdict"]), victim, int(r["context"]), int(r["address"])


def explained(exploration: Exploration) -> dict[str, int]:
    """How many bad pairs are no findings of their own, by reason."""
    known = Known.of(exploration.singles)
    found: dict[str, int] = {}
    if exploration.question.random is not None:
        return found
    for sweep in exploration.pairs:
        for first, last in stretches(sweep.results):
            why = known.explains(sweep, first, last)
            if why:
                found[why] = found.get(why, 0) + len(wrong_instants(sweep.results[first : last + 1]))
    return found
