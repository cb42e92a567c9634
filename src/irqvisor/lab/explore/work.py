"""The work of an exploration in tasks that anybody can do, in any order, with the same results.

A task is one piece of the window, or all second injections after one first. What it needs - the machine at the
beginning of its window, and the walk - a worker makes for itself; machines are deterministic. Here workers are
threads, for compiled code holds no interpreter lock; elsewhere they are processes of a Dask cluster. Results that are
done can be kept in a journal, from which another exploration of the same question goes on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from irqvisor.errors import UsageError
from irqvisor.hv.explore import examine
from irqvisor.lab.explore import site
from irqvisor.lab.explore.bench import Bench
from irqvisor.lab.explore.progress import OnProgress, Progress
from irqvisor.lab.explore.provenance import code_digest
from irqvisor.lab.explore.question import Injection, Question
from irqvisor.lab.explore.site import Piece, Walk
from irqvisor.machine import Machine

PAIR = -1
RANDOM = -2


class Task(NamedTuple):
    """A share of the work.

    Attributes:
        source: what is injected; of a pair, first.
        piece: number of a piece of the window, or `PAIR`, or `RANDOM`.
        instant: of a pair: when the first injection is; of a random schedule: its number.
    """

    source: str
    piece: int
    instant: int = -1


@dataclass(frozen=True)
class Result:
    """What became of a task: for each source that was injected last, its outcomes, and how its walk ended."""

    sources: tuple[str, ...]
    outcomes: tuple[Any, ...]  # recarrays of RESULT
    ended: str
    notes: tuple[dict[int, str], ...]
    reads_clock: bool
    ran: int

    def to_data(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "sources": self.sources,
            "outcomes": [base64.b64encode(np.ascontiguousarray(o).tobytes()).decode() for o in self.outcomes],
            "ended": self.ended,
            "notes": self.notes,
            "reads_clock": self.reads_clock,
            "ran": self.ran,
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Result:
        """The same again."""
        encoded = [base64.b64decode(outcome) for outcome in data["outcomes"]]
        outcomes = [np.frombuffer(o, examine.RESULT).copy().view(np.recarray) for o in encoded]
        notes = tuple({int(i): text for i, text in each.items()} for each in data["notes"])
        return cls(tuple(data["sources"]), tuple(outcomes), data["ended"], notes, data["reads_clock"], data["ran"])


class Worker:
    """Does tasks of one question."""

    def __init__(self, question: Question, start: Machine, walk: Walk) -> None:
        self.question = question
        self.walk = walk
        self._bench = Bench(question, start)

    def do(self, task: Task) -> Result:
        """One task."""
        before = self._bench.ran
        earlier: Sequence[Injection] = ()
        if task.piece >= 0:
            pieces: Sequence[Piece] = (self.walk.pieces[task.piece],)
            sources: Sequence[str] = (task.source,)
            ended = self.walk.ended
        elif task.piece == RANDOM:
            schedule = schedule_of(self.question, self.walk.instants, task.instant)
            pieces, sources, ended = (self._before_last(schedule),), (schedule[-1].source,), "random"
            earlier = schedule[:-1]
        else:
            then = site.walk(self._injected(task), self.question.window_instants)
            pieces, ended, sources = then.pieces, then.ended, self.question.sources
            earlier = (Injection(task.source, task.instant),)
        outcomes, notes = [], []
        for source in sources:
            self._bench.notes.clear()
            parts = []
            for piece in pieces:
                part = self._bench.examine(piece, source, earlier)
                part.shares[part.shares > 0] += piece.first
                parts.append(part)
            outcomes.append(np.concatenate(parts).view(np.recarray))
            said = self._bench.notes
            notes.append({i: said[c] for i, c in enumerate(outcomes[-1].cycle.tolist()) if c in said})
        reads_clock = self._bench.reads_clock
        return Result(tuple(sources), tuple(outcomes), ended, tuple(notes), reads_clock, self._bench.ran - before)

    def _before_last(self, schedule: Sequence[Injection]) -> Piece:
        """The instant of a schedule's last injection."""
        machine = self.walk.pieces[0].machine.copy()
        site.inject(machine, self.question, schedule[:-1])
        site.run(machine, schedule[-1].instant)
        return Piece(0, 1, machine)

    def _injected(self, task: Task) -> Machine:
        piece = self.walk.pieces[task.instant // site.PIECE]
        machine = piece.machine.copy()
        site.inject(machine, self.question, [Injection(task.source, task.instant - piece.first)])
        return machine


def schedule_of(question: Question, instants: int, number: int) -> tuple[Injection, ...]:
    """The random schedule of a number: it depends on the question's seed and on nothing else."""
    chance = random.Random(f"{question.seed} {number}")  # noqa: S311  repeatable, not secret
    return tuple(
        Injection(chance.choice(question.sources), chance.randrange(instants)) for _ in range(question.injections)
    )


def worker_of(question: Question) -> Worker:
    """A worker that makes all that it needs."""
    start = site.prepare(question)
    return Worker(question, start, site.walk(start, question.window_instants))


Done = Callable[[Any, Any], None]
"""Told of a task that is done, and its result."""


class Doer(Protocol):
    """A worker of any kind of exploration."""

    def do(self, task: Any) -> Any:
        """One task."""


def in_threads(new_worker: Callable[[], Doer], tasks: Sequence[Any], workers: int, done: Done) -> None:
    """Do tasks in threads of this process; `done` is called in this one."""
    local = threading.local()

    def do(task: Any) -> tuple[Any, Any]:
        if not hasattr(local, "worker"):
            local.worker = new_worker()
        return task, local.worker.do(task)

    with ThreadPoolExecutor(workers) as pool:
        waiting = {pool.submit(do, task) for task in tasks}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    done(*future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@lru_cache(maxsize=4)
def _remembered(pickled: bytes) -> Doer:
    make, question = pickle.loads(pickled)  # noqa: S301  from the exploration that we work for
    worker: Doer = make(question)
    return worker


def elsewhere(pickled: bytes, task: Any, code: str) -> tuple[Any, Any]:
    """A task in a worker process of a cluster.

    Raises:
        UsageError: that worker has another version.
    """
    if code != code_digest():
        hint = "install the same version there"
        raise UsageError("--scheduler", f"a worker has code {code_digest()}", code, hint)
    return task, _remembered(pickled).do(task)


def in_cluster(make: Callable[[Any], Doer], question: Any, address: str, tasks: Sequence[Any], done: Done) -> None:
    """Do tasks in the processes of a Dask cluster, each with a worker that `make` makes of the question. One that dies
    loses nothing: others do its tasks again.

    Raises:
        UsageError: Dask is not installed, nobody answers at the address, or a judge of the user's cannot travel.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise UsageError("--scheduler", "Dask is not installed", hint="pip install 'irqvisor[dask]'") from None
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            "--scheduler", f"nobody answers at {address} ({error})", "the address of a Dask scheduler"
        ) from None
    with client:
        code = code_digest()
        futures = client.map(
            elsewhere, [pickle.dumps((make, question))] * len(tasks), list(tasks), [code] * len(tasks), pure=False
        )
        for future in as_completed(futures):
            done(*future.result())


CONNECT_S = 10


def usual_workers() -> int:
    """All local cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# ---------------------------------------------------------------------------------------------------------- the journal
class Journal:
    """A file of results that are done: a line of JSON each, after one that says of which question.

    Args:
        path: of the file.
        question: what is explored.
        task, result: the kinds of tasks and results.
    """

    def __init__(self, path: Path, question: Any, task: type[Any], result: type[Any]) -> None:
        self._path = path
        self._key = hashlib.sha256(f"{question!r} {code_digest()}".encode()).hexdigest()
        self._task, self._result = task, result

    def read(self) -> Iterator[tuple[Any, Any]]:
        """What was done before; a last line that was cut off is left out.

        Raises:
            UsageError: it is of another question, or of another version.
        """
        if not self._path.exists():
            self._path.write_text(json.dumps({"irqvisor": "explore", "question": self._key}) + "\n", encoding="utf-8")
            return
        lines = self._path.read_text(encoding="utf-8").splitlines()
        try:
            told = json.loads(lines[0])["question"] if lines else None
        except (ValueError, KeyError, TypeError):
            told = None
        if told != self._key:
            raise UsageError(
                "--resume", f"{self._path} is of another exploration", "the same scenario, options and version"
            )
        for number, line in enumerate(lines[1:], start=1):
            try:
                data = json.loads(line)
            except ValueError:
                self._path.write_text("\n".join(lines[:number]) + "\n", encoding="utf-8")
                return
            yield self._task(*data["task"]), self._result.from_data(data)

    def add(self, task: Any, result: Any) -> None:
        """Note a result."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"task": task, **result.to_data()}) + "\n")


# -------------------------------------------------------------------------------------------------------- who does it
@dataclass(frozen=True)
class Crew:
    """Who does the tasks of a question, and where results are kept.

    Attributes:
        workers: threads; None: as many as there are cores.
        scheduler: address of a Dask scheduler whose workers do it instead.
        journal: a file of results; what it has is not done again.
        on_progress: told how far it is, after each task.
    """

    workers: int | None = None
    scheduler: str | None = None
    journal: Path | None = None
    on_progress: OnProgress | None = None


class Labour:
    """The tasks of one question, done by a crew.

    Args:
        question: what is explored.
        kinds: of its tasks and results.
        here: makes a worker for a thread of this process.
        there: makes one of the question, in another process.
        examined: how much was examined for a result.
        began: when the exploration did.

    Attributes:
        results: by task.
    """

    def __init__(
        self,
        question: Any,
        kinds: tuple[type[Any], type[Any]],
        here: Callable[[], Doer],
        there: Callable[[Any], Doer],
        examined: Callable[[Any], int],
        crew: Crew,
        began: float,
    ) -> None:
        self._question, self._here, self._there, self._crew, self._began = question, here, there, crew, began
        self._examined_for = examined
        self._examined = 0
        self._book = Journal(crew.journal, question, *kinds) if crew.journal is not None else None
        self.results: dict[Any, Any] = dict(self._book.read()) if self._book is not None else {}
        self._known = len(self.results)

    def do(self, tasks: Sequence[Any]) -> None:
        """Do those that have no result yet."""
        left = [task for task in tasks if task not in self.results]
        total = len(self.results) + len(left)

        def done(task: Any, result: Any) -> None:
            self.results[task] = result
            self._examined += self._examined_for(result)
            if self._book is not None:
                self._book.add(task, result)
            if self._crew.on_progress is not None:
                fresh, seconds = len(self.results) - self._known, time.perf_counter() - self._began
                self._crew.on_progress(Progress(len(self.results), total, fresh, self._examined, seconds))

        if self._crew.scheduler is not None:
            in_cluster(self._there, self._question, self._crew.scheduler, left, done)
        else:
            in_threads(self._here, left, self._crew.workers or usual_workers(), done)
