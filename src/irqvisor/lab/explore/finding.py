"""Instants that went wrong, put together: one finding for each stretch of instants with the same verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from irqvisor.hv.explore.verdict import Verdict
from irqvisor.hv.state import Entry, Where
from irqvisor.lab import build
from irqvisor.lab.explore import search, site
from irqvisor.lab.explore.pairs import Known, stretches
from irqvisor.lab.explore.question import Injection
from irqvisor.lab.explore.search import Exploration, Sweep
from irqvisor.machine import Machine
from irqvisor.tables import Table

JUDGES = {
    Verdict.REENTRY: ("re-entry", "the handler was entered again before it had returned"),
    Verdict.FAULT: ("fault", "the guest faulted"),
    Verdict.PANIC: ("panic", "the hypervisor went down"),
    Verdict.ASSERTION: ("assertion", "the guest reported failure"),
    Verdict.TWICE: ("twice", "an item was serviced twice"),
    Verdict.ORDER: ("order", "an item was serviced out of order, or was never posted"),
    Verdict.LIVELOCK: ("livelock", "interrupted for ever"),
    Verdict.LOST: ("lost", "a lost wake-up: an item is never serviced"),
    Verdict.DELAYED: ("delayed", "a lost edge that something else repaired"),
    Verdict.EDGE: ("stuck-edge", "PENDING is set and not masked, but no selector bit says so"),
    Verdict.QUEUE: ("stuck-queue", "FIFO: PENDING is set and not masked, but no queue, or more than one, leads there"),
    Verdict.SELECTOR: ("stuck-selector", "the selector, or FIFO's ready word, is not 0, but no upcall is pending"),
    Verdict.UPCALL: ("stuck-upcall", "an upcall is pending for a vCPU that sleeps and could take it"),
    Verdict.POLL: ("stuck-poll", "a vCPU polls a port that is PENDING"),
    Verdict.STALE: ("stuck-stale", "PENDING is set on a port that nobody owns"),
    Verdict.LATENCY: ("latency", "an item was consumed later than the bound"),
    Verdict.RESTLESS: ("never-quiet", "the guest did not come to rest within the bound"),
    Verdict.INVARIANT: ("invariant", "irqvisor's own books do not balance"),
    Verdict.USER: ("user", "a judge of your own objects"),
}
"""Names and meanings of verdicts, the one that explains most first: that is what a finding is called."""

WHERE = {
    Where.NOWHERE: "nothing will tell its owner",
    Where.UNDER_WAY: "its notification is under way, but nothing will deliver it",
    Where.MASKED: "its owner has masked it",
    Where.PRIORITY: "its owner's priority, or an interrupt it never ended, holds it off",
}

TICKS = 3
"""Periods of the hypervisor's timer that may pass until a lost item is rescued."""


@dataclass(frozen=True)
class Place:
    """An instant of a walk, for people: the instruction that was to come next.

    Attributes:
        instant: retired instructions since the walk began.
        address: of the instruction; None: everything slept.
        symbol: the guest's name for it; empty if it has none.
        domain: whose.
    """

    instant: int
    address: int | None
    symbol: str
    domain: int

    def __str__(self) -> str:
        if self.address is None:
            return "asleep"
        return f"{self.symbol} ({self.address:#x})" if self.symbol else f"{self.address:#x}"


@dataclass(frozen=True)
class Finding:
    """A stretch of instants at which an injection goes wrong in one way.

    Attributes:
        judge: the name of what it is called by (`JUDGES`).
        verdicts: the names of all judges that object, that one included.
        injections: the shortest list that does it, the last at the first bad instant.
        first, last: the fatal window of the last injection.
        count: instants in it.
        times: how often the walk passes there and it goes wrong the same way; the window is the first one's.
        source: the source whose item is lost; empty if none is.
        detail: what is known besides, as a phrase.
    """

    judge: str
    verdicts: tuple[str, ...]
    injections: tuple[Injection, ...]
    first: Place
    last: Place
    count: int
    source: str
    detail: str
    times: int = 1

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "judge": self.judge,
            "verdicts": list(self.verdicts),
            "injections": [{"source": i.source, "instant": i.instant} for i in self.injections],
            "window": {"first": place_dict(self.first), "last": place_dict(self.last), "instants": self.count},
            "times": self.times,
            "source": self.source,
            "detail": self.detail,
        }


def place_dict(place: Place) -> dict[str, Any]:
    """A place for JSON."""
    return {"instant": place.instant, "address": place.address, "symbol": place.symbol, "domain": place.domain}


def names(verdict: int) -> list[str]:
    """The judges of a verdict, the one that explains most first."""
    return [name for bit, (name, _) in JUDGES.items() if verdict & bit]


def meaning(judge: str) -> str:
    """What a judge objects to."""
    return next(text for name, text in JUDGES.values() if name == judge)


def place(machine: Machine, results: Any, instant: int, offset: int = 0) -> Place:
    """Where an instant is; `offset` is that of the first record."""
    r = results[instant]
    if r["address"] < 0 and r["context"] < 0:
        return Place(offset + instant, None, "", -1)
    domain = int(machine.views[Table.VCPU][int(r["context"])].domain)
    address = int(r["address"]) & ((1 << 64) - 1)
    return Place(offset + instant, address, machine.symbol(domain, address), domain)


def findings(exploration: Exploration) -> list[Finding]:
    """All findings: those of single injections first, then those that need two."""
    machine = site.prepare(exploration.question)
    singles = (f for sweep in exploration.singles for f in of_sweep(exploration, machine, sweep))
    known = Known.of(exploration.singles) if exploration.question.random is None else None
    pairs = (f for sweep in exploration.pairs for f in of_sweep(exploration, machine, sweep, known))
    return together(singles) + together(pairs)


def together(found: Iterable[Finding]) -> list[Finding]:
    """Findings that differ only in when they happen are one: a loop passes the same instructions again and again."""
    kept: dict[tuple[Any, ...], Finding] = {}
    for each in found:
        sources = tuple(injection.source for injection in each.injections)
        key = (each.verdicts, each.source, each.detail, each.first.address, each.first.symbol, sources)
        kept[key] = replace(kept[key], times=kept[key].times + 1) if key in kept else each
    return list(kept.values())


def of_sweep(exploration: Exploration, machine: Machine, sweep: Sweep, known: Known | None = None) -> Iterator[Finding]:
    """The findings of one sweep, in order, but what is known already."""
    for first, last in stretches(sweep.results):
        if known is None or not known.explains(sweep, first, last):
            yield describe(exploration, machine, sweep, first, last)


def describe(exploration: Exploration, machine: Machine, sweep: Sweep, first: int, last: int) -> Finding:
    """One stretch of bad instants, for people."""
    question = exploration.question
    r = sweep.results[first]
    verdict = int(r["verdict"])
    injections = (*sweep.before, Injection(sweep.source, first + sweep.offset))
    source = detail = ""
    if verdict & Verdict.LOST:
        source = question.scenario.sources[int(r["victim"])].name
        detail = WHERE[Where(int(r["where"]))]
        if is_rescued_by_a_tick(exploration, injections):
            verdict = verdict & ~Verdict.LOST | Verdict.DELAYED
            detail += "; only the hypervisor's tick rescues it"
    elif verdict & Verdict.DELAYED:
        detail = f"rescued by {Entry(int(r['rescuer'])).name.lower()}"
    if first in sweep.notes:
        detail = sweep.notes[first]
    called = names(verdict)
    return Finding(
        judge=called[0],
        verdicts=tuple(called),
        injections=injections,
        first=place(machine, sweep.results, first, sweep.offset),
        last=place(machine, sweep.results, last, sweep.offset),
        count=last - first + 1,
        source=source,
        detail=detail,
    )


def is_rescued_by_a_tick(exploration: Exploration, injections: tuple[Injection, ...]) -> bool:
    """Whether an item that is lost without the hypervisor's ticks is found with them."""
    machine = search.reproduce(exploration.question, injections)
    turn_on_ticks(exploration, machine)
    machine.run(cycles=TICKS * int(machine.header.hdec_period))
    return all(int(s.head) == int(s.tail) for s in machine.views[Table.SOURCE])


def turn_on_ticks(exploration: Exploration, machine: Machine) -> None:
    """Give the hypervisor its timer back."""
    question = exploration.question
    config = build.config(question.scenario, question.design, cpu=question.cpu)
    machine.header.slice, machine.header.hdec_period = config.slice, config.hdec_period
    for pcpu in machine.views[Table.PCPU]:
        if pcpu.context >= 0 and pcpu.hypervisor:
            pcpu.hdec_at = pcpu.now + config.hdec_period
            pcpu.slice_end = pcpu.now + config.slice
