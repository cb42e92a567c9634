"""Every instant of a window, and every ordered pair of them: work that is divided, and put together again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from irqvisor.hv.explore import examine
from irqvisor.hv.explore.quiet import SLICE, Settled
from irqvisor.lab.explore import site
from irqvisor.lab.explore.bench import Bench, was_posted
from irqvisor.lab.explore.question import Question
from irqvisor.lab.explore.site import Piece, Walk
from irqvisor.machine import Machine
from irqvisor.tables import Table

Progress = Callable[[int, int], None]
"""Told (instants done, instants in all) now and then."""


@dataclass(frozen=True)
class Injection:
    """An item posted at an instant: so many retired instructions after the window, or the injection before, began."""

    source: str
    instant: int


@dataclass(frozen=True)
class Sweep:
    """One more injection at each instant of a walk, after some that are given.

    Attributes:
        before: the injections that led to the walk; none: the walk of the window itself.
        source: what is injected.
        results: one record RESULT an instant.
        ended: how the walk ended (`site.Walk`).
        notes: what judges of the user's said, by instant.
    """

    before: tuple[Injection, ...]
    source: str
    results: Any  # a recarray, whose fields no type checker knows
    ended: str
    notes: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exploration:
    """All that was examined."""

    question: Question
    sweeps: tuple[Sweep, ...]
    reads_clock: bool
    ran: int  # instructions of all forks
    wall_s: float  # that it took, from the machine at the beginning of its window on

    @property
    def singles(self) -> tuple[Sweep, ...]:
        """The sweeps of the window itself."""
        return tuple(sweep for sweep in self.sweeps if not sweep.before)

    @property
    def pairs(self) -> tuple[Sweep, ...]:
        """The sweeps of second injections."""
        return tuple(sweep for sweep in self.sweeps if sweep.before)


def explore(question: Question, progress: Progress | None = None) -> Exploration:
    """Examine the window of a question, instant by instant.

    Raises:
        GuestFault: a guest never became ready.
        UsageError: the design cannot express the scenario.
    """
    start = site.prepare(question)
    bench = Bench(question, start)
    walk = site.walk(start, question.window_instants)
    began = time.perf_counter()
    sweeps = [sweep(bench, walk, source, (), progress) for source in question.sources]
    if question.injections == 2:
        for first in list(sweeps):
            sweeps += pairs(bench, walk, first, progress)
    return Exploration(question, tuple(sweeps), bench.reads_clock, bench.ran, time.perf_counter() - began)


def sweep(
    bench: Bench, walk: Walk, source: str, before: tuple[Injection, ...], progress: Progress | None = None
) -> Sweep:
    """One injection at each instant of a walk."""
    number = number_of(bench.question, source)
    parts = []
    bench.notes.clear()
    for piece in walk.pieces:
        parts.append(bench.examine(piece, number))
        parts[-1].shares[parts[-1].shares > 0] += piece.first
        if progress is not None:
            progress(piece.first + piece.count, walk.instants)
    results = np.concatenate(parts).view(np.recarray)
    notes = {i: bench.notes[c] for i, c in enumerate(results.cycle.tolist()) if c in bench.notes}
    return Sweep(before, source, results, walk.ended, notes)


def pairs(bench: Bench, walk: Walk, first: Sweep, progress: Progress | None) -> Iterator[Sweep]:
    """A second injection at each instant after each first one that is not like an earlier one."""
    chosen = np.flatnonzero(was_posted(first.results) & (first.results.shares == 0)).tolist()
    for done, instant in enumerate(chosen):
        machine = injected(bench.question, walk.pieces[instant // site.PIECE], instant, first.source)
        then = site.walk(machine, bench.question.window_instants)
        for source in bench.question.sources:
            yield sweep(bench, then, source, (Injection(first.source, instant),))
        if progress is not None:
            progress(done + 1, len(chosen))


def injected(question: Question, piece: Piece, instant: int, source: str) -> Machine:
    """The machine at an instant of a piece's walk, an item just posted."""
    machine = piece.machine.copy()
    advance(machine, instant - piece.first)
    with np.errstate(over="ignore"):
        examine.post(machine.arrays, number_of(question, source))
    return machine


def advance(machine: Machine, instructions: int) -> None:
    """Retire exactly so many instructions."""
    if instructions:
        settled, done = site.run(machine, instructions)
        assert done == instructions, (settled, done, instructions)


def number_of(question: Question, source: str) -> int:
    """A source's number in the machine."""
    return [s.name for s in question.scenario.sources].index(source)


def reproduce(question: Question, injections: tuple[Injection, ...], *, log: bool = False) -> Machine:
    """The machine at rest after some injections, from the beginning of the window on."""
    machine = site.prepare(question)
    if log:
        machine.start_log(1 << 14, ring=True)
    for injection in injections:
        advance(machine, injection.instant)
        with np.errstate(over="ignore"):
            examine.post(machine.arrays, number_of(question, injection.source))
    rest(machine, question.bound)
    return machine


def verdict_of(bench: Bench, start: Machine, injections: Sequence[Injection]) -> int:
    """What the judges say of some injections, counted from the beginning of the window, `start`, on; an instant behind
    the end of a walk is the one at which everything sleeps."""
    machine = start.copy()
    for injection in injections[:-1]:
        site.run(machine, injection.instant)
        with np.errstate(over="ignore"):
            examine.post(machine.arrays, number_of(bench.question, injection.source))
    last = injections[-1]
    site.run(machine, last.instant)
    return int(bench.examine(Piece(0, 1, machine), number_of(bench.question, last.source)).verdict[0])


def rest(machine: Machine, bound: int) -> None:
    """Run on until the machine is quiet, as a fork of the exploration does."""
    left = bound
    counts = machine.views[Table.CONTEXT_COUNT]
    while left > 0:
        interrupted = int(counts.vectored.max())
        settled, done = site.run(machine, min(left, SLICE))
        left -= done
        if settled != Settled.BUDGET:
            return
        if int(counts.vectored.max()) == interrupted and examine.is_restful(machine.arrays):
            return
