"""Where exploration happens: a machine whose guests are ready, and the walk through what they do then.

The walk is the run without any injection. It is divided into pieces of `PIECE` instants, each with a copy of the
machine at its beginning, so that pieces can be examined in any order and anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from irqvisor.errors import GuestFault, UsageError
from irqvisor.hv.explore import canonical, examine
from irqvisor.hv.explore.quiet import SLICE, Settled
from irqvisor.hw.state import CLEAN, CODE_PAGE, LITTLE, Phase, Stop
from irqvisor.lab import build
from irqvisor.lab.explore.question import Injection, Question
from irqvisor.lab.scenario import Free
from irqvisor.machine import Machine
from irqvisor.tables import Table

PIECE = 256
"""Instants that are examined together, by one worker. States are merged within a piece, so that what is merged does not
depend on who examines it."""
FOR_EVER = 1 << 40
"""Cycles between two ticks of the hypervisor: there are none."""
APPROACH = 512
"""Instructions run at a time until all guests are ready."""
BOOT_INSTRUCTIONS = 50_000_000
"""Instructions that guests may take to become ready."""


@dataclass(frozen=True)
class Piece:
    """Some consecutive instants of a walk.

    Attributes:
        first: number of its first instant.
        count: how many it has.
        machine: the machine at the first; never run.
    """

    first: int
    count: int
    machine: Machine


@dataclass(frozen=True)
class Walk:
    """A run without further injections, from some machine on.

    Attributes:
        pieces: all instants, in order.
        instants: how many there are.
        ended: how it ended: "quiet", "window" or "never quiet".
        machine: the machine at the end.
    """

    pieces: tuple[Piece, ...]
    instants: int
    ended: str
    machine: Machine


def forget_decoded(*machines: Machine) -> None:
    """Drop all decoded words: for machines that share their pool, and whose memory was replaced."""
    code = machines[0].code
    code["op"] = 0
    code[0]["imm"] = 0
    for machine in machines:
        machine.views[Table.CODEMAP].entry &= ~(CODE_PAGE | LITTLE | CLEAN)


def prepare(question: Question) -> Machine:
    """The machine at the beginning of its window: all guests ready, no ticks, the first items posted.

    Raises:
        GuestFault: a guest ended, or did not become ready.
        UsageError: the design cannot express the scenario.
    """
    scenario = question.scenario
    reason = build_reason(question)
    if reason:
        raise UsageError(f"{scenario.name} under {question.design}", reason)
    machine = build.machine(scenario, question.design, cpu=question.cpu)
    if machine.base is not None:  # forks of many megabytes share pages; here every fork is made in place
        machine.ram, machine.base = np.array(machine.ram), None
        machine._bind()  # noqa: SLF001
        machine.views[Table.CODEMAP].entry &= ~CLEAN
    machine = _to_ready(machine)
    with np.errstate(over="ignore"):
        examine.begin(machine.arrays)
        machine.header.slice = machine.header.hdec_period = FOR_EVER
        for pcpu in machine.views[Table.PCPU]:
            pcpu.slice_end = pcpu.hdec_at = int(pcpu.now) + FOR_EVER
        for s, source in enumerate(scenario.sources):
            if isinstance(source.arrival, Free):
                for _ in range(source.arrival.before):
                    examine.post(machine.arrays, s)
    return machine


def build_reason(question: Question) -> str | None:
    """Why the design cannot express the scenario, or None."""
    from irqvisor.lab import runner

    return runner.skipped(question.scenario, question.design)


def _to_ready(machine: Machine) -> Machine:
    """Run to the instruction after the last ready mark."""
    for _ in range(BOOT_INSTRUCTIONS // APPROACH):
        before = machine.copy()
        done = machine.run(instructions=APPROACH)
        if machine.phase >= Phase.ARMED:
            while before.phase < Phase.ARMED:
                before.step()
            return before
        if machine.stop_reason != Stop.BUDGET or done == 0:
            break
    late = [n for n, e in zip(machine.labels.domains, machine.views[Table.DOMAIN], strict=True) if not e.ready]
    raise GuestFault(", ".join(late), "never became ready", "a store to the board's READY register")


def walk(start: Machine, instants: int) -> Walk:
    """Walk from a machine on, for so many instants at most. The machine stays as it is; the first piece has it."""
    here, machine = start, start.copy()
    pieces = []
    first = 0
    while True:
        count = min(PIECE, instants - first)
        settled, done = run(machine, count)
        if settled == Settled.BUDGET and first + count >= instants:
            pieces.append(Piece(first, count, here))
            return Walk(tuple(pieces), first + count, "window", machine)
        pieces.append(Piece(first, done if settled == Settled.BUDGET else done + 1, here))
        first += done
        if settled != Settled.BUDGET:
            ended = "quiet" if settled == Settled.QUIET else "never quiet"
            return Walk(tuple(pieces), first + 1, ended, machine)
        here = machine.copy()


NO_WORDS = np.zeros(0, np.int64)
NO_PAGES = np.zeros(0, np.uint8)
NO_RESULTS = np.zeros(0, examine.RESULT).view(np.recarray)
NO_STATES = np.zeros(0, canonical.SEEN).view(np.recarray)


def run(machine: Machine, quota: int) -> tuple[Settled, int]:
    """Run a machine until it is quiet, or for a number of instructions."""
    jobs = np.zeros(1, examine.JOB).view(np.recarray)
    job = jobs[0]
    job.stage, job.left = examine.Stage.WALK, quota
    with np.errstate(over="ignore"):
        while job.left > 0:
            m = machine.arrays
            reason = examine.examine(m, m, m, NO_WORDS, NO_WORDS, jobs, NO_RESULTS, NO_STATES, NO_WORDS, NO_PAGES)
            if reason == examine.Reason.DONE:
                return Settled(int(job.settled)), quota - int(job.left)
            if not machine.attend():
                return Settled.STORM, quota - int(job.left)
    return Settled.BUDGET, quota


def inject(machine: Machine, question: Question, injections: Sequence[Injection]) -> None:
    """Run to each of some injections in turn and post its item; behind the end of the run that is at its end."""
    for injection in injections:
        run(machine, injection.instant)
        with np.errstate(over="ignore"):
            examine.post(machine.arrays, question.number_of(injection.source))


def rest(machine: Machine, bound: int) -> None:
    """Run on until the machine is quiet, as a fork of the exploration does."""
    left = bound
    counts = machine.views[Table.CONTEXT_COUNT]
    while left > 0:
        interrupted = int(counts.vectored.max())
        settled, done = run(machine, min(left, SLICE))
        left -= done
        if settled != Settled.BUDGET:
            return
        if int(counts.vectored.max()) == interrupted and examine.is_restful(machine.arrays):
            return


@dataclass(frozen=True)
class Origin:
    """What states are compared with: RAM, and the state without the clock, as doublewords."""

    flat: np.ndarray[Any, Any]
    ram: np.ndarray[Any, Any]

    @classmethod
    def of(cls, machine: Machine) -> Origin:
        """The origin that a machine is."""
        bare = machine.copy()
        with np.errstate(over="ignore"):
            examine.strip_alone(machine.arrays, bare.arrays)
        return cls(bare.state.view(np.int64).copy(), machine.ram.view(np.int64).copy())


def new_table() -> np.ndarray[Any, Any]:
    """An empty table of states, for a piece."""
    return np.zeros(4 * PIECE, canonical.SEEN).view(np.recarray)
