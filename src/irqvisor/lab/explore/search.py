"""Every instant of a window, and every ordered pair of them: work that is divided, and put together again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from irqvisor.lab.explore import site, work
from irqvisor.lab.explore.bench import was_examined
from irqvisor.lab.explore.progress import OnProgress
from irqvisor.lab.explore.question import Injection, Question
from irqvisor.lab.explore.site import Walk
from irqvisor.lab.explore.work import PAIR, RANDOM, Crew, Labour, Result, Task, schedule_of
from irqvisor.machine import Machine


@dataclass(frozen=True)
class Sweep:
    """One more injection at each instant of a walk, after some that are given.

    Attributes:
        before: the injections that led to the walk; none: the walk of the window itself.
        source: what is injected.
        results: one record RESULT an instant.
        ended: how the walk ended (`site.Walk`).
        notes: what judges of the user's said, by instant.
        offset: instant of the first record.
    """

    before: tuple[Injection, ...]
    source: str
    results: Any  # a recarray, whose fields no type checker knows
    ended: str
    notes: dict[int, str] = field(default_factory=dict)
    offset: int = 0


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


def explore(
    question: Question,
    on_progress: OnProgress | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    journal: Path | None = None,
) -> Exploration:
    """Examine the window of a question, instant by instant. What comes out does not depend on who does the work.

    Args:
        question: what to explore.
        on_progress: told how far it is, after each task.
        workers: threads; None: as many as there are cores.
        scheduler: address of a Dask scheduler whose workers do it instead.
        journal: a file that keeps what is done, and from which another call goes on.

    Raises:
        GuestFault: a guest never became ready.
        UsageError: the design cannot express the scenario; nobody answers at the address; a journal of something else.
    """
    start = site.prepare(question)
    walk = site.walk(start, question.window_instants)
    began = time.perf_counter()
    labour = Labour(
        question,
        (Task, Result),
        lambda: work.Worker(question, start, walk),
        work.worker_of,
        lambda result: sum(int(was_examined(outcomes).sum()) for outcomes in result.outcomes),
        Crew(workers, scheduler, journal, on_progress),
        began,
    )
    results: dict[Task, Result] = labour.results
    if question.random is not None:
        numbers = range(question.random)
        labour.do([Task("", RANDOM, n) for n in numbers])
        sweeps = [_of_schedule(question, walk, n, results[Task("", RANDOM, n)]) for n in numbers]
        return _finished(question, sweeps, results, began)
    labour.do([Task(source, k) for source in question.sources for k in range(len(walk.pieces))])
    sweeps = [_single(results, walk, source) for source in question.sources]
    if question.injections == 2:
        firsts = [Task(s.source, PAIR, i) for s in sweeps for i in _worth_a_second(s)]
        labour.do(firsts)
        sweeps += [
            Sweep((Injection(task.source, task.instant),), *each) for task in firsts for each in _parts(results[task])
        ]
    return _finished(question, sweeps, results, began)


def _finished(question: Question, sweeps: list[Sweep], results: dict[Task, Result], began: float) -> Exploration:
    clock = any(result.reads_clock for result in results.values())
    ran = sum(result.ran for result in results.values())
    return Exploration(question, tuple(sweeps), clock, ran, time.perf_counter() - began)


def _of_schedule(question: Question, walk: Walk, number: int, result: Result) -> Sweep:
    """A random schedule as a sweep of one instant."""
    *before, last = schedule_of(question, walk.instants, number)
    return Sweep(tuple(before), last.source, result.outcomes[0], result.ended, result.notes[0], last.instant)


def _parts(result: Result) -> Iterator[tuple[str, Any, str, dict[int, str]]]:
    """What a sweep has, for each source of a result."""
    for source, outcomes, notes in zip(result.sources, result.outcomes, result.notes, strict=True):
        yield source, outcomes, result.ended, notes


def _single(results: dict[Task, Result], walk: Walk, source: str) -> Sweep:
    """The sweep of the window that its pieces make."""
    parts = [results[Task(source, k)] for k in range(len(walk.pieces))]
    outcomes = np.concatenate([part.outcomes[0] for part in parts]).view(np.recarray)
    notes = {p.first + i: text for p, part in zip(walk.pieces, parts, strict=True) for i, text in part.notes[0].items()}
    return Sweep((), source, outcomes, walk.ended, notes)


def _worth_a_second(first: Sweep) -> list[int]:
    """Instants of first injections that are not like an earlier one."""
    found: list[int] = np.flatnonzero(was_examined(first.results)).tolist()
    return found


def advance(machine: Machine, instructions: int) -> None:
    """Retire exactly so many instructions."""
    if instructions:
        settled, done = site.run(machine, instructions)
        assert done == instructions, (settled, done, instructions)


def reproduce(question: Question, injections: tuple[Injection, ...], *, log: bool = False) -> Machine:
    """The machine at rest after some injections, from the beginning of the window on."""
    machine = site.prepare(question)
    if log:
        machine.start_log(1 << 14, ring=True)
    site.inject(machine, question, injections)
    site.rest(machine, question.bound)
    return machine
