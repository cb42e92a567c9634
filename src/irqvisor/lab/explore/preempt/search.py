"""Every schedule with at most so many preemptions: work that is divided, and put together again.

The runs without any preemption come first: one for each pCPU that begins, and, with more than two, for each that may
go on where one waits. Their instants are cut into pieces. A task is a piece: everything that can happen after a first
preemption before one of its instructions. States are merged within a task, so that what comes out does not depend on
who does which.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from irqvisor.lab.explore.preempt import start as site
from irqvisor.lab.explore.preempt.bench import (
    Bench,
    Instant,
    Run,
    Schedule,
    Turn,
    after,
    awake,
)
from irqvisor.lab.explore.preempt.question import Question
from irqvisor.lab.explore.progress import OnProgress
from irqvisor.lab.explore.work import Crew, Labour
from irqvisor.machine import Machine

PIECE = 16
"""Instants of a task."""


class Task(NamedTuple):
    """A share of the work: a piece of the runs without preemption."""

    piece: int


class Moment(NamedTuple):
    """An instant of a run without preemption: the place in its schedule, who could go first, and what comes next."""

    turn: int
    step: int
    others: int
    address: int
    context: int


@dataclass
class Piece:
    """Consecutive instants of a run without preemption.

    Attributes:
        root: the run.
        first: number of its first instant among those of the run.
        machine: the machine there.
        moments: its instants.
    """

    root: Run
    first: int
    machine: Machine
    moments: list[Moment]


@dataclass(frozen=True)
class Stretch:
    """Consecutive instants of one turn at which one pCPU goes first, and it ends badly in one way.

    Attributes:
        root: number of the run without preemption that it comes from.
        schedule: up to the first of them.
        by: the pCPU that goes first.
        preemptions: in the schedule, this one included.
        verdict: bits of judge.Verdict.
        first, last: numbers of the instants in their run.
        begin, end: (address, context) of the first and of the last.
        times: how many such stretches there are, at other times.
    """

    root: int
    schedule: Schedule
    by: int
    preemptions: int
    verdict: int
    first: int
    last: int
    begin: tuple[int, int]
    end: tuple[int, int]
    times: int = 1


@dataclass(frozen=True)
class Result:
    """What became of a task."""

    stretches: tuple[Stretch, ...]
    runs: int
    merged: int
    states: int
    ran: int
    full: bool
    reads_clock: bool

    def to_data(self) -> dict[str, Any]:
        """For the journal."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Result:
        """The same again."""
        data = {key: value for key, value in data.items() if key != "task"}
        stretches = [
            Stretch(
                **{
                    **each,
                    "schedule": tuple(Turn(*turn) for turn in each["schedule"]),
                    "begin": tuple(each["begin"]),
                    "end": tuple(each["end"]),
                }
            )
            for each in data["stretches"]
        ]
        return cls(**{**data, "stretches": tuple(stretches)})


@dataclass(frozen=True)
class Roots:
    """The runs without preemption.

    Attributes:
        runs: all of them, with their whole schedules.
        verdicts: what the judges say of each.
        pieces: their instants.
    """

    runs: tuple[Run, ...]
    verdicts: tuple[int, ...]
    pieces: tuple[Piece, ...]
    result: Result

    @property
    def instants(self) -> int:
        """At which a preemption is possible."""
        return sum(len(piece.moments) for piece in self.pieces)


@np.errstate(over="ignore")
def roots(question: Question, start: Machine) -> Roots:
    """The runs without preemption, and what they could be preempted at."""
    bench = Bench(question, start)
    pieces: list[Piece] = []
    counts: dict[int, int] = {}

    def note(_depth: int, machine: Machine, run: Run, others: int) -> None:
        turn = run.schedule[-1]
        context, address = bench.next_instruction
        number = counts.get(run.number, 0)
        counts[run.number] = number + 1
        if number % PIECE == 0:
            pieces.append(Piece(run, number, machine.copy(), []))
        mine = next(piece for piece in reversed(pieces) if piece.root is run)
        mine.moments.append(Moment(len(run.schedule) - 1, turn.steps, others, address, context))

    bench.on_instant = note
    for by in after(-1, awake(start)):
        bench.put(0, start)
        bench.follow(0, [], by, 0)
    result = _result(bench, ())
    return Roots(tuple(bench.runs), tuple(bench.verdicts()), tuple(pieces), result)


class Worker:
    """Does tasks of one question."""

    def __init__(self, question: Question, start: Machine, found: Roots) -> None:
        self._roots = found
        self._bench = Bench(question, start)

    @np.errstate(over="ignore")
    def do(self, task: Task) -> Result:
        """One task."""
        piece = self._roots.pieces[task.piece]
        bench = self._bench
        bench.clear()
        machine = bench.put(0, piece.machine)
        parent = Run(-1, piece.root.schedule, 0)
        at = piece.moments[0]
        for moment in piece.moments:
            for number, turn in between(piece.root.schedule, at, moment):
                bench.exactly(machine, turn, begins=number > at.turn)
            at = moment
            before = prefix(piece.root.schedule, moment.turn, moment.step)
            for by in after(before[-1].pcpu, moment.others):
                bench.put(1, machine)
                child = bench.follow(1, list(before), by, 1)
                parent.instants.append(
                    Instant(moment.turn, moment.step, by, child.number, moment.address, moment.context)
                )
        verdicts = bench.verdicts()
        first = _stretches(piece.root.number, parent, verdicts, piece.first)
        later = [each for run in bench.runs for each in _stretches(piece.root.number, run, verdicts, 0)]
        return _result(bench, (*first, *together(later)))


def worker_of(question: Question) -> Worker:
    """A worker that makes all that it needs."""
    start = site.prepare(question)
    return Worker(question, start, roots(question, start))


def _result(bench: Bench, stretches: tuple[Stretch, ...]) -> Result:
    merged = int((bench.results.shares[: len(bench.runs)] != 0).sum())
    return Result(stretches, len(bench.runs), merged, bench.states, bench.ran, bench.is_full, bench.reads_clock)


def prefix(schedule: Sequence[Turn], turn: int, step: int) -> Schedule:
    """A schedule up to a step of one of its turns."""
    return (*schedule[:turn], Turn(schedule[turn].pcpu, step))


def between(schedule: Sequence[Turn], at: Moment, to: Moment) -> Iterator[tuple[int, Turn]]:
    """The turns, or parts of them, from one moment of a run to a later one, with their numbers."""
    for number in range(at.turn, to.turn + 1):
        begin = at.step if number == at.turn else 0
        end = to.step if number == to.turn else schedule[number].steps
        if end > begin:
            yield number, Turn(schedule[number].pcpu, end - begin)


def _stretches(root: int, run: Run, verdicts: Sequence[int], offset: int) -> Iterator[Stretch]:
    """The bad stretches of what preempts a run."""
    for by in sorted({instant.by for instant in run.instants}):
        open_one: Stretch | None = None
        turn = -1
        mine = [instant for instant in run.instants if instant.by == by]
        for number, instant in enumerate(mine, start=offset):
            verdict = verdicts[instant.run]
            place = (instant.address, instant.context)
            if open_one is not None and (verdict, instant.turn) == (open_one.verdict, turn):
                open_one = replace(open_one, last=number, end=place)
                continue
            if open_one is not None:
                yield open_one
            open_one, turn = None, instant.turn
            if verdict:
                before = prefix(run.schedule, instant.turn, instant.step)
                open_one = Stretch(root, before, by, run.preemptions + 1, verdict, number, number, place, place)
        if open_one is not None:
            yield open_one


def together(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Stretches that differ only in when they happen are one."""
    kept: dict[Any, Stretch] = {}
    for each in stretches:
        key = (each.preemptions, each.by, each.verdict, each.begin, each.end)
        kept[key] = replace(kept[key], times=kept[key].times + each.times) if key in kept else each
    return list(kept.values())


def joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Stretches of one preemption that a border between pieces has cut, whole again."""
    whole: list[Stretch] = []
    for each in stretches:
        for place, other in enumerate(whole):
            if goes_on(other, each):
                whole[place] = replace(other, last=each.last, end=each.end)
                break
        else:
            whole.append(each)
    return whole


def goes_on(first: Stretch, second: Stretch) -> bool:
    """Whether a stretch goes on where another one was cut."""
    same = (first.root, first.by, first.verdict, len(first.schedule)) == (
        second.root,
        second.by,
        second.verdict,
        len(second.schedule),
    )
    return same and first.last + 1 == second.first


@dataclass(frozen=True)
class Exploration:
    """All that was examined."""

    question: Question
    start: Machine
    roots: Roots
    results: tuple[Result, ...]
    wall_s: float

    @property
    def reads_clock(self) -> bool:
        """Whether a guest looks at the clock."""
        return any(result.reads_clock for result in self.results)

    @property
    def stretches(self) -> list[Stretch]:
        """All that went wrong, what takes fewest preemptions first."""
        first = joined([s for result in self.results for s in result.stretches if s.preemptions == 1])
        later = [s for result in self.results for s in result.stretches if s.preemptions > 1]
        return together([*first, *sorted(later, key=lambda each: each.preemptions)])


def explore(
    question: Question,
    on_progress: OnProgress | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    journal: Path | None = None,
) -> Exploration:
    """Examine every schedule of a question. What comes out does not depend on who does the work.

    Args:
        question: what to explore.
        on_progress: told how far it is, after each task.
        workers: threads; None: as many as there are cores.
        scheduler: address of a Dask scheduler whose workers do it instead.
        journal: a file that keeps what is done, and from which another call goes on.

    Raises:
        GuestFault: a guest never became ready.
        UsageError: nobody answers at the address; a journal of something else.
    """
    began = time.perf_counter()
    start = site.prepare(question)
    found = roots(question, start)
    labour = Labour(
        question,
        (Task, Result),
        lambda: Worker(question, start, found),
        worker_of,
        lambda result: result.runs - result.merged,
        Crew(workers, scheduler, journal, on_progress),
        began,
    )
    tasks = [Task(number) for number in range(len(found.pieces))]
    labour.do(tasks)
    ordered = (found.result, *(labour.results[task] for task in tasks))
    return Exploration(question, start, found, ordered, time.perf_counter() - began)


@np.errstate(over="ignore")
def mending(question: Question, schedule: Schedule, by: int) -> list[Schedule]:
    """Where in the run after a preemption one more would make everything good again."""
    once = replace(question, preemptions=1)
    bench = Bench(once, site.prepare(once))
    run = bench.follow(0, _put(bench, schedule), by, 0)
    verdicts = bench.verdicts()
    return [prefix(run.schedule, i.turn, i.step) for i in run.instants if verdicts[i.run] == 0]


def _put(bench: Bench, schedule: Schedule) -> list[Turn]:
    """Bring the machine at depth 0 to the end of a schedule."""
    machine = bench.put(0, bench.start)
    for turn in schedule:
        bench.exactly(machine, turn)
    return list(schedule)


@np.errstate(over="ignore")
def reproduce(question: Question, schedule: Schedule, by: int | None) -> tuple[Machine, Schedule, int]:
    """The machine after a schedule, and then a pCPU that goes on without further preemption, to the end; its turns, and
    what the judges say. `by` is None if nobody is preempted: the last turn goes on."""
    alone = replace(question, preemptions=0)
    bench = Bench(alone, site.prepare(alone))
    turns = _put(bench, schedule)
    run = bench.follow(0, turns, by if by is not None else schedule[-1].pcpu, 0)
    return bench.machine(0), tuple(run.schedule), bench.verdicts()[run.number]
