"""Machines one above the other: at each depth a run, and above it those that preempt it.

A run at depth 0 is preempted before an instruction: the machine at depth 1 becomes its copy, in which another pCPU has
its turn, and is run to its end; before each of *its* instructions the one at depth 2 preempts it, and so on, as long
as there are preemptions left. What comes out depends on the machine and on what is left, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from irqvisor.errors import UsageError
from irqvisor.hv.explore import canonical, examine
from irqvisor.hv.explore.examine import JOB, RESULT, Stage
from irqvisor.hv.explore.reason import Reason
from irqvisor.hv.explore.verdict import Verdict
from irqvisor.hw.state import CLEAN, CODE_PAGE, Stop
from irqvisor.lab.explore.bench import NEW_BUCKET, shows_time
from irqvisor.lab.explore.listing import MASK
from irqvisor.lab.explore.preempt.question import Question
from irqvisor.lab.explore.site import Origin
from irqvisor.machine import Machine
from irqvisor.ram import PAGE
from irqvisor.spec import xen
from irqvisor.tables import FIRST_CACHE, Table

STATES = 1 << 18
"""Slots of the table of states; half of them are used."""
ROOM = 1 << 24
"""Doublewords of room for their lists."""
RUNS = 1 << 10
"""Results to begin with."""


class Turn(NamedTuple):
    """A pCPU goes on, for so many steps: instructions, or what its hypervisor does in between."""

    pcpu: int
    steps: int


Schedule = tuple[Turn, ...]


class Instant(NamedTuple):
    """A preemption: before an instruction of a run.

    Attributes:
        turn: number of the turn that is preempted, in the run's schedule.
        step: steps of it that were done.
        by: the pCPU that goes first.
        run: number of the run that follows.
        address, context: of the instruction.
    """

    turn: int
    step: int
    by: int
    run: int
    address: int
    context: int


@dataclass
class Run:
    """A run, or the rest of one after a preemption.

    Attributes:
        number: of its result.
        schedule: its turns, those of the runs that it began in included; without the last one's steps.
        preemptions: how many of its turns began by one.
        instants: where it was preempted itself, in order.
    """

    number: int
    schedule: list[Turn]
    preemptions: int
    instants: list[Instant] = field(default_factory=list)


OnInstant = Callable[[int, Machine, Run, int], None]
"""Told of a run that is about to execute an instruction: its depth, its machine, itself, and who could go first."""


class Bench:
    """A place to examine runs of one question. Whoever uses it lets integers wrap around (`np.errstate`)."""

    def __init__(self, question: Question, start: Machine) -> None:
        self.question = question
        self.start = start.copy()
        self._bare = start.copy()
        self._origin = Origin.of(start)
        self._job = np.zeros(1, JOB)
        self._jobs = self._job.view(np.recarray)
        self._touched = np.zeros(len(start.ram) // PAGE, np.uint8)
        self._words = np.zeros(ROOM, np.int64)
        self._seen = np.zeros(STATES, canonical.SEEN).view(np.recarray)
        self._machines: list[Machine] = []
        self._asks_time = False
        self.on_instant: OnInstant = self.preempt
        self.clear()

    def clear(self) -> None:
        """Forget all runs and states."""
        self.runs: list[Run] = []
        self.results: Any = np.zeros(RUNS, RESULT).view(np.recarray)
        self._seen.view(np.uint8)[:] = 0
        for name in ("words", "states", "order", "ran", "full"):
            self._job[0][name] = 0

    @property
    def states(self) -> int:
        """States that were noted."""
        return int(self._job[0]["states"])

    @property
    def ran(self) -> int:
        """Instructions of all runs."""
        return int(self._job[0]["ran"])

    @property
    def is_full(self) -> bool:
        """Whether there was no room for a state."""
        return bool(self._job[0]["full"])

    @property
    def reads_clock(self) -> bool:
        """Whether an instruction that was executed reads the time base or the decrementer, or a hypercall the times of
        run states."""
        return self._asks_time or any(shows_time(machine.code) for machine in self._machines)

    # Machines

    def machine(self, depth: int) -> Machine:
        """The machine of a depth."""
        while len(self._machines) <= depth:
            self._machines.append(self.start.copy())
        return self._machines[depth]

    def put(self, depth: int, source: Machine) -> Machine:
        """Make the machine of a depth the copy of another one, but for what it has decoded."""
        target = self.machine(depth)
        mine, theirs = target.views[Table.CODEMAP].entry, source.views[Table.CODEMAP].entry
        for page in np.flatnonzero(mine & CODE_PAGE).tolist():
            at = page * PAGE
            if not np.array_equal(target.ram[at : at + PAGE], source.ram[at : at + PAGE]):
                target.forget_code(at, PAGE)
        end = int(target.state.view(np.int64)[2 * FIRST_CACHE])
        target.state[:end] = source.state[:end]
        target.ram[:] = source.ram
        mine[:] = (mine & ~CLEAN) | (theirs & CLEAN)
        return target

    # Runs

    def follow(self, depth: int, schedule: list[Turn], by: int, preemptions: int) -> Run:
        """Let a pCPU go on in the machine of a depth, to the end; it is preempted where it can be, and those runs too.

        Args:
            depth: of the machine, which is between two steps.
            schedule: the turns so far.
            by: the pCPU.
            preemptions: how many of these turns began by one, its own included.
        """
        run = Run(len(self.runs), [*schedule, Turn(by, 0)], preemptions)
        self.runs.append(run)
        if len(self.runs) > len(self.results):
            self.results = np.concatenate([self.results, np.zeros_like(self.results)]).view(np.recarray)
        self._run(depth, run)
        return run

    def _run(self, depth: int, run: Run) -> None:
        machine = self.machine(depth)
        left = self.question.preemptions - run.preemptions
        steps, fresh, begins, bound = 0, 1, 1, self.question.bound
        since = int(self._job[0]["order"])
        while True:
            turn = run.schedule[-1].pcpu
            job = self._job[0]
            job["stage"], job["turn"], job["budget"], job["run"] = Stage.TURN, turn, left, run.number
            job["pause"], job["merging"] = int(left > 0), int(self.question.merging)
            job["steps"], job["since"], job["fresh"], job["left"] = steps, since, fresh, bound
            job["begins"] = begins
            reason = self._examine(machine)
            steps, fresh, begins, bound = int(job["steps"]), int(job["fresh"]), 0, int(job["left"])
            run.schedule[-1] = Turn(turn, steps)
            if reason == Reason.INSTANT:
                self.on_instant(depth, machine, run, int(job["others"]))
            elif reason == Reason.WAITS:
                nxt, *others = after(turn, int(job["others"]))
                for other in others:
                    self.put(depth + 1, machine)
                    self.follow(depth + 1, run.schedule, other, run.preemptions)
                run.schedule.append(Turn(nxt, 0))
                steps, fresh, begins, since = 0, 1, 1, int(self._job[0]["order"])
            elif reason != Reason.BASE:
                return
            elif not self._attend(machine):
                self.results.verdict[run.number] = Verdict.FAULT
                return

    def preempt(self, depth: int, machine: Machine, run: Run, others: int) -> None:
        """All runs in which another pCPU goes before the next instruction of a run."""
        turn = run.schedule[-1]
        context, address = self.next_instruction
        for by in after(turn.pcpu, others):
            self.put(depth + 1, machine)
            child = self.follow(depth + 1, run.schedule, by, run.preemptions + 1)
            run.instants.append(Instant(len(run.schedule) - 1, turn.steps, by, child.number, address, context))

    def _attend(self, machine: Machine) -> bool:
        """Serve a machine; False if it stopped for good."""
        self._asks_time |= asks_time(machine)
        served = machine.attend()
        if len(machine.state) != len(self.start.state):
            raise UsageError("explore", NEW_BUCKET, "all ports allocated before the ready mark")
        return served

    @property
    def next_instruction(self) -> tuple[int, int]:
        """(context, address) of what comes at an instant; (-1, 0): the hypervisor acts first."""
        job = self._job[0]
        return int(job["context"]), int(job["address"]) & MASK

    def exactly(self, machine: Machine, turn: Turn, *, begins: bool = True) -> None:
        """Let a pCPU go on for exactly so many steps, and nobody looks. `begins`: its turn does."""
        job = self._job[0]
        job["stage"], job["turn"], job["left"] = Stage.EXACTLY, turn.pcpu, turn.steps
        job["begins"] = int(begins)
        while self._examine(machine) == Reason.BASE and self._attend(machine):
            pass

    def _examine(self, machine: Machine) -> Reason:
        reason: Reason = examine.examine(
            machine.arrays,
            self.start.arrays,
            self._bare.arrays,
            self._origin.flat,
            self._origin.ram,
            self._jobs,
            self.results,
            self._seen,
            self._words,
            self._touched,
        )
        return reason

    def verdicts(self) -> list[int]:
        """What the judges say of each run; one that shares an outcome has that of the run that it came to."""
        own: list[int] = self.results.verdict[: len(self.runs)].tolist()
        shares: list[int] = self.results.shares[: len(self.runs)].tolist()
        ends = [end_of(number, shares) for number in range(len(own))]
        return [own[end] if end is not None else int(Verdict.LIVELOCK) for end in ends]


def end_of(number: int, shares: list[int]) -> int | None:
    """The run at whose end a run ends; None: runs that lead to one another end nowhere."""
    passed = set()
    while shares[number]:
        if number in passed:
            return None
        passed.add(number)
        number = shares[number] - 1
    return number


def asks_time(machine: Machine) -> bool:
    """Whether a hypercall waits that tells a guest how long its vCPUs ran."""
    request = machine.views[Table.REQUEST][0]
    if request.reason != Stop.HCALL:
        return False
    gpr = machine.cpu[int(request.pcpu)].record.gpr
    return (int(gpr[3]), int(gpr[4])) == (xen.MARK | xen.HC_VCPU_OP, xen.VCPUOP_GET_RUNSTATE_INFO)


def awake(machine: Machine) -> int:
    """The pCPUs that could go on, a bit each."""
    return int(examine.awake(machine.arrays))


def after(turn: int, others: int) -> Iterator[int]:
    """PCPUs of a set of bits, round from the one after another."""
    count = others.bit_length()
    yield from sorted((q for q in range(count) if others >> q & 1), key=lambda q: (q <= turn, q))
