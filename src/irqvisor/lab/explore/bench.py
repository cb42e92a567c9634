"""Three machines of one shape, and the examination of the instants of a piece.

The machines and tables are made once and used for piece after piece; nothing here depends on which pieces came before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from irqvisor.errors import InvariantError, UsageError
from irqvisor.hv.explore import examine
from irqvisor.hv.explore.examine import JOB, RESULT, Reason, Skip, Stage
from irqvisor.hv.explore.verdict import Verdict
from irqvisor.hv.state import Entry
from irqvisor.hw.ops import MFSPR, MFTB
from irqvisor.hw.state import NEVER, Stop
from irqvisor.lab.explore import site
from irqvisor.lab.explore.question import Injection, Question
from irqvisor.lab.explore.site import Origin, Piece, forget_decoded, new_table
from irqvisor.machine import Machine
from irqvisor.ram import PAGE
from irqvisor.spec.power_isa import SPR_DEC, SPR_TB, SPR_TBU
from irqvisor.tables import Table

CLOCKS = (SPR_TB, SPR_TBU, SPR_DEC)
"""Registers that show the time."""
NEW_BUCKET = "a guest allocates event channels in the window until its hypervisor needs a new bucket"
"""What makes a machine larger than its forks."""
ROOM = 1 << 20
"""Doublewords of room for the states of a piece."""


class Bench:
    """A place to examine pieces of a walk that began at some machine."""

    def __init__(self, question: Question, start: Machine) -> None:
        self.question = question
        self.start = start
        self.base = start.copy()
        self.child = start.copy()
        self.bare = start.copy()
        self.origin = Origin.of(start)
        self.job = np.zeros(1, JOB).view(np.recarray)
        self.words = np.zeros(ROOM, np.int64)
        self.touched = np.zeros(len(start.ram) // PAGE, np.uint8)
        self.notes: dict[int, str] = {}
        self._well: dict[tuple[Injection, ...], bool] = {}
        self.ran = 0

    def examine(self, piece: Piece, source: str, earlier: Sequence[Injection] | None = ()) -> Any:
        """The outcome of an injection at each instant of a piece, one record RESULT each.

        States are merged unless a guest looks at the clock - then the piece is examined again without - or a judge
        looks at latency: instants that share an outcome do not share that.

        Args:
            piece: of the run with the earlier injections.
            source: what is injected.
            earlier: the injections before, from the bench's start on. They tell what is only hastened, and not rescued;
                None: everything that an interrupt brings is called rescued.
        """
        merging = self.question.merging and self.question.max_latency_ns is None
        results = self._examine(piece, source, merging=merging)
        if merging and self.reads_clock:
            results = self._examine(piece, source, merging=False)
        if earlier is not None and results.hastened.any() and self._goes_well(tuple(earlier)):
            results.verdict[results.hastened != 0] &= ~int(Verdict.DELAYED)
        return results

    def verdict(self, injections: Sequence[Injection]) -> int:
        """What the judges say of some injections, from the bench's start on."""
        *earlier, last = injections
        machine = self.start.copy()
        site.inject(machine, self.question, earlier)
        site.run(machine, last.instant)
        return int(self.examine(Piece(0, 1, machine), last.source, earlier).verdict[0])

    def _goes_well(self, injections: tuple[Injection, ...]) -> bool:
        """Whether all that is posted and raised reaches its owner without luck, after these injections and no other."""
        if injections not in self._well:
            if injections:
                ran, said = self.ran, dict(self.notes)
                good = self.verdict(injections) == 0
                self._well[injections] = good and not self.child.views[Table.JOURNEY].next_id.any()
                self.ran, self.notes = ran, said  # nobody asked for that one
            else:
                self._well[injections] = goes_well(self.start, self.question.bound)
        return self._well[injections]

    def _examine(self, piece: Piece, source: str, *, merging: bool) -> Any:
        self._load(piece.machine)
        results = np.zeros(piece.count, RESULT).view(np.recarray)
        job = self.job[0]
        question = self.question
        job.source, job.instants = question.number_of(source), piece.count
        job.bound, job.merging = question.bound, int(merging)
        job.latency = NEVER
        if question.max_latency_ns is not None:
            job.latency = round(question.max_latency_ns * int(self.base.header.clock_hz) / 1e9)
        job.ask = int(bool(question.judges))
        job.stage, job.instant, job.words, job.states, job.ran = Stage.FORK, 0, 0, 0, 0
        self._loop(results, new_table())
        self.ran += int(job.ran)
        if not question.reentry:
            results.verdict &= ~int(Verdict.REENTRY)
        return results

    def _load(self, machine: Machine) -> None:
        """Put the base where a machine is, and forget what was decoded."""
        for mine in (self.base, self.child):
            if len(mine.state) != len(machine.state):
                raise InvariantError("explore", "the machines of a walk differ in size")
        self.base.state[:] = machine.state
        self.base.ram[:] = machine.ram
        self.child.state[:] = machine.state
        self.child.code = self.base.code
        self.child._bind()  # noqa: SLF001
        forget_decoded(self.base, self.child)
        differs = machine.ram.view(np.int64) != self.origin.ram
        self.touched[:] = differs.reshape(len(self.touched), -1).any(axis=1)

    def _loop(self, results: Any, seen: np.ndarray[Any, Any]) -> None:
        with np.errstate(over="ignore"):
            while True:
                reason = examine.examine(
                    self.base.arrays,
                    self.child.arrays,
                    self.bare.arrays,
                    self.origin.flat,
                    self.origin.ram,
                    self.job,
                    results,
                    seen,
                    self.words,
                    self.touched,
                )
                if reason in (Reason.DONE, Reason.END):
                    return
                if reason == Reason.JUDGE:
                    self._ask(results[self.job[0].instant])
                elif reason == Reason.BASE:
                    if not self._attend(self.base, self.child):
                        return
                elif not self._attend(self.child, self.base):
                    self._give_up(results[self.job[0].instant])

    def _attend(self, machine: Machine, other: Machine) -> bool:
        """Serve one of the machines; both keep one pool of decoded words."""
        size = len(machine.state)
        served = machine.attend()
        if len(machine.state) != size:
            raise UsageError(
                "explore",
                NEW_BUCKET,
                "all ports allocated before the ready mark",
            )
        if machine.code is not other.code:
            other.code = machine.code
            other._bind()  # noqa: SLF001
        return served

    def _give_up(self, result: Any) -> None:
        """The child stopped for good: a processor that was checkstopped, or that asked for attention."""
        reason = Stop(int(self.child.views[Table.REQUEST][0].reason))
        result.verdict = int(Verdict.INVARIANT if reason == Stop.PANIC else Verdict.FAULT)
        self.job[0].stage = Stage.STEP

    def _ask(self, result: Any) -> None:
        """Show the child to the user's judges."""
        for judge in self.question.judges:
            text = judge(self.child)
            if text:
                result.verdict |= int(Verdict.USER)
                self.notes[int(result.cycle)] = text

    @property
    def reads_clock(self) -> bool:
        """Whether an instruction that was executed reads the time base or the decrementer."""
        return shows_time(self.base.code)


def shows_time(code: np.ndarray[Any, Any]) -> bool:
    """Whether an instruction of a pool of decoded words reads the time base or the decrementer."""
    operation = code["op"]
    read = code["imm"][operation == MFSPR]
    return bool((operation == MFTB).any() or any((read == clock).any() for clock in CLOCKS))


def goes_well(start: Machine, bound: int) -> bool:
    """Whether all that is posted and raised at the start of a window reaches its owner without luck if nothing else
    comes."""
    alone = start.copy()
    site.rest(alone, bound)
    source, journey = alone.views[Table.SOURCE], alone.views[Table.JOURNEY]
    luck = journey.rescued_by[:, Entry.EXTERNAL :] - start.views[Table.JOURNEY].rescued_by[:, Entry.EXTERNAL :]
    return bool((source.head == source.tail).all() and not journey.next_id.any() and not luck.any())


def was_posted(results: Any) -> np.ndarray[Any, Any]:
    """At which instants the device could raise."""
    posted: np.ndarray[Any, Any] = results["skipped"] == Skip.NO
    return posted


def was_examined(results: Any) -> np.ndarray[Any, Any]:
    """Which instants were run to quiescence: not those that share an outcome."""
    examined: np.ndarray[Any, Any] = was_posted(results) & (results["shares"] == 0)
    return examined
