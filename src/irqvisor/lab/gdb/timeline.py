"""A machine that runs forwards and back: checkpoints, what was done to it from outside, and re-execution.

A *position* is the number of instructions completed since the machine was made. Going back means taking the nearest
checkpoint before and running forwards again; a machine is deterministic, and what came from outside (typed text, an
interrupt raised by hand, a step with interrupts held off) is repeated at its position and cycle: while a guest sleeps
time passes, and no instruction. Writing registers or memory
cannot be repeated: then history begins anew.
"""

from collections.abc import Callable
from typing import NamedTuple

from irqvisor.hw.state import NEVER, NOBODY, Stop
from irqvisor.lab.gdb.watch import Watch, accesses, touched
from irqvisor.machine import Machine
from irqvisor.spec.power_isa import LPCR_MER, MSR_EE
from irqvisor.tables import Table

FIRST_INTERVAL = 1_000_000
MOST_CHECKPOINTS = 32
WATCH_CHUNK = 4096
"""Instructions run before looking whether a watched value has changed; then bisected."""


class Checkpoint(NamedTuple):
    """A machine as it was."""

    position: int
    machine: Machine
    repeated: int  # how many of the inputs it has had


class Input(NamedTuple):
    """What was done from outside, and when."""

    position: int
    cycle: int
    act: Callable[[Machine], None]
    moves: bool = False  # it completed an instruction


class Timeline:
    """A machine and its past.

    Attributes:
        machine: as it is now. Another object after going back.
        breakpoints: (domain, address) to stop before.
        watches: data to stop after.
        hit: the watch that the last run stopped at.
        console: who hears what is printed for the first time.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.breakpoints: set[tuple[int, int]] = set()
        self.watches: list[Watch] = []
        self.hit: Watch | None = None
        self._interval = FIRST_INTERVAL
        self._stopped: tuple[int, tuple[int, int]] | None = None
        self._inputs: list[Input] = []
        self._repeated = 0  # how many of them the machine has had
        self.console = machine.on_console
        self._checkpoints = [Checkpoint(self.position, machine.fork(), 0)]

    @property
    def position(self) -> int:
        return int(self.machine.views[Table.PCPU].icount.sum())

    # From outside

    def do(self, act: Callable[[Machine], None], *, moves: bool = False) -> None:
        """Do something to the machine that can be repeated. A future that was gone back from is no more."""
        self._repeat()
        del self._inputs[self._repeated :]
        self._checkpoints = [
            past for past in self._checkpoints if past.position <= self.position and past.repeated <= self._repeated
        ]
        self._inputs.append(Input(self.position, self.machine.now, act, moves))
        self._repeated += 1
        act(self.machine)

    def changed(self) -> None:
        """Registers or memory were written: there is no way back beyond here."""
        self._inputs.clear()
        self._repeated = 0
        self._checkpoints = [Checkpoint(self.position, self.machine.fork(), 0)]

    def _coming(self) -> Input | None:
        """What is to be repeated next."""
        return self._inputs[self._repeated] if self._repeated < len(self._inputs) else None

    def _repeat(self) -> None:
        """What was done here and now in the past is done again, if it has not been, up to what moves."""
        while (coming := self._coming()) is not None and self._is_due(coming) and not coming.moves:
            self._repeated += 1
            coming.act(self.machine)

    def _is_due(self, past: Input) -> bool:
        return past.position <= self.position and past.cycle <= self.machine.now

    # Forwards

    def forward(self, instructions: int, cycles: int | None = None) -> Stop:
        """Run until a breakpoint, a watch, the end, or for a number of instructions; keeps checkpoints."""
        self.hit = None
        return self._go(self.position + instructions, NEVER if cycles is None else self.machine.now + cycles)

    def _go(self, end: int, limit: int = NEVER, *, quietly: bool = False) -> Stop:
        """Run to a position or a cycle, and repeat on the way what was done from outside."""
        self._repeat()
        while self.position < end and self.machine.now < limit:
            coming = self._coming()
            if coming is not None and self._is_due(coming):
                if not quietly and self._arrives_at_breakpoint():
                    return Stop.BREAKPOINT
                self.machine.set_breakpoints(())
                self._repeated += 1
                coming.act(self.machine)
                reason = self.machine.stop_reason
            else:
                reason = self._until(coming, end, limit, quietly=quietly)
            if reason != Stop.BUDGET:
                return reason
            self._remember()
            self._repeat()
        return Stop.BUDGET

    def _until(self, coming: Input | None, end: int, limit: int, *, quietly: bool) -> Stop:
        """Run to the next input, the next checkpoint, a position or a cycle, whatever comes first."""
        here = self.position
        stops = [end, self._checkpoints[-1].position + self._interval]
        if coming is not None and coming.position > here:
            stops.append(coming.position)
        elif coming is not None:
            limit = min(limit, coming.cycle)
        part = min(stop for stop in stops if stop > here) - here
        if self.watches and not quietly:
            return self._watched(part, limit)
        return self._plain(part, limit - self.machine.now, quietly=quietly)

    def _plain(self, instructions: int, cycles: int, *, quietly: bool = False) -> Stop:
        """Run with breakpoints, unless quietly; one that the last run stopped at is passed first."""
        before = self.position
        end = self.machine.now + cycles
        if self._stopped == (before, self._reached()):
            reason = self._pass(int(self.machine.views[Table.REQUEST][0].pcpu), instructions)
            if reason != Stop.BUDGET:
                return reason
        self._stopped = None
        left, time = instructions - (self.position - before), end - self.machine.now
        if left <= 0 or time <= 0:
            return Stop.BUDGET
        self.machine.set_breakpoints(() if quietly else self.breakpoints)
        self.machine.run(instructions=left, cycles=time if cycles < NEVER else None)
        if self.machine.stop_reason == Stop.BREAKPOINT:
            self._stopped = (self.position, self._reached())
        return self.machine.stop_reason

    def _arrives_at_breakpoint(self) -> bool:
        """Whether the running vCPU is about to execute an instruction to stop before, and has not stopped there yet."""
        request = self.machine.views[Table.REQUEST][0]
        for p, pcpu in enumerate(self.machine.views[Table.PCPU]):
            v = int(pcpu.context)
            if v != NOBODY:
                domain, nip = (
                    int(self.machine.views[Table.VCPU][v].domain),
                    int(self.machine.views[Table.CONTEXT][v].nip),
                )
                mark = (self.position, (p, nip))
                if (domain, nip) in self.breakpoints and self._stopped != mark:
                    request.pcpu, self._stopped = p, mark
                    return True
        return False

    def _reached(self) -> tuple[int, int]:
        """The pCPU that the last run stopped at, and the instruction it is about to execute."""
        p = int(self.machine.views[Table.REQUEST][0].pcpu)
        context = int(self.machine.views[Table.PCPU][p].context)
        return p, int(self.machine.views[Table.CONTEXT][context].nip) if context >= 0 else -1

    def _pass(self, p: int, instructions: int) -> Stop:
        """Let a pCPU complete the instruction with the breakpoint that it stopped before."""
        nip = self._reached()[1]
        self.machine.set_breakpoints({b for b in self.breakpoints if b[1] != nip})
        before = int(self.machine.views[Table.PCPU][p].icount)
        for _ in range(instructions):
            self.machine.run(instructions=1)
            if self.machine.stop_reason != Stop.BUDGET:
                return self.machine.stop_reason
            if int(self.machine.views[Table.PCPU][p].icount) > before:
                break
        return Stop.BUDGET

    def _watched(self, instructions: int, limit: int) -> Stop:
        """Run with watches: written values in chunks, bisected when one has changed; reads step by step."""
        if any(watch.reads for watch in self.watches):
            return self._stepped(instructions, limit)
        part = min(instructions, WATCH_CHUNK)
        while True:
            before = self.machine.fork()
            reason = self._plain(part, limit - self.machine.now)
            found = touched(self.watches, before, self.machine)
            if found is None:
                return reason
            if part == 1:
                self.hit = found
                return Stop.BREAKPOINT
            self._take(before, self._repeated)
            part //= 2

    def _stepped(self, instructions: int, limit: int) -> Stop:
        for _ in range(instructions):
            if self.machine.now >= limit:
                break
            found = accesses(self.watches, self.machine)
            reason = self._plain(1, limit - self.machine.now)
            if found is not None:
                self.hit = found
                return Stop.BREAKPOINT
            if reason != Stop.BUDGET:
                return reason
        return Stop.BUDGET

    def _remember(self) -> None:
        here = self.position
        if here - self._checkpoints[-1].position < self._interval:
            return
        if len(self._checkpoints) >= MOST_CHECKPOINTS:
            self._checkpoints = self._checkpoints[::2]
            self._interval *= 2
        self._checkpoints.append(Checkpoint(here, self.machine.fork(), self._repeated))

    # One instruction of one vCPU

    def step(self, vcpu: int, *, masked: bool, patience: int, interrupted: Callable[[], bool] = lambda: False) -> Stop:
        """Complete one instruction of a vCPU. Others run as the machine has it. `patience`: instructions of others to
        wait for it, unless interrupted; if it does not come, the reason is BUDGET all the same."""
        self.hit = None
        self.machine.set_breakpoints(())
        for _ in range(patience):
            pcpu = self.machine.views[Table.PCPU][int(self.machine.views[Table.CONTEXT][vcpu].pcpu)]
            mine, before = int(pcpu.context) == vcpu, int(pcpu.icount)
            if masked and mine and is_pending(self.machine, vcpu) and not self._has_future():
                self.do(step_masked, moves=True)
            else:
                self._go(self.position + 1, quietly=True)
            moved = int(self.machine.views[Table.PCPU][pcpu_number(self.machine, vcpu)].icount) > before
            if self.machine.stop_reason != Stop.BUDGET or (mine and moved) or interrupted():
                break
        return self.machine.stop_reason

    def _has_future(self) -> bool:
        """Whether the next instruction was completed before in a way of its own, and will be so again."""
        coming = self._coming()
        return coming is not None and coming.moves and self._is_due(coming)

    # Back

    @property
    def beginning(self) -> int:
        """The first position that can be gone back to."""
        return self._checkpoints[0].position

    def go_to(self, position: int) -> None:
        """Be at a position of the past."""
        base = max((c for c in self._checkpoints if c.position <= position), key=lambda c: c.position)
        self._take(base.machine.fork(), base.repeated)
        self._go(position, quietly=True)

    def step_back(self, vcpu: int) -> bool:
        """Be before the last instruction that a vCPU completed; False if history does not go back that far."""
        p = pcpu_number(self.machine, vcpu)
        wanted = int(self.machine.views[Table.PCPU][p].icount) - 1
        low, high = self.beginning, self.position - 1
        if high < low:
            return False
        while low < high:  # the last position at which that many were completed
            middle = (low + high + 1) // 2
            self.go_to(middle)
            if int(self.machine.views[Table.PCPU][p].icount) <= wanted:
                low = middle
            else:
                high = middle - 1
        self.go_to(low)
        return True

    def run_back(self) -> bool:
        """Be at the last breakpoint or watch before here; False, and at the beginning of history, if there is none."""
        here = self.position
        for base in reversed([c for c in self._checkpoints if c.position < here]):
            hits = self._hits(base, here)
            if hits:
                self._replay(base, len(hits), here)
                return True
            here = base.position
        self.go_to(self.beginning)
        return False

    def _hits(self, base: Checkpoint, end: int) -> list[int]:
        """Positions before `end` at which a run from a checkpoint stops."""
        self._take(base.machine.fork(), base.repeated)
        found = []
        while self.position < end:
            if self._go(end) != Stop.BREAKPOINT:
                break
            if self.position < end:
                found.append(self.position)
        return found

    def _replay(self, base: Checkpoint, count: int, end: int) -> None:
        self._take(base.machine.fork(), base.repeated)
        for _ in range(count):
            self._go(end)

    def _take(self, machine: Machine, repeated: int) -> None:
        machine.on_console = None  # what it prints was printed before
        self.machine, self._repeated = machine, repeated
        self._stopped = None

    def listen(self) -> None:
        """Be heard on the console again, after going back."""
        self.machine.on_console = self.console


def pcpu_number(machine: Machine, vcpu: int) -> int:
    """Where a vCPU runs, or ran last."""
    return int(machine.views[Table.CONTEXT][vcpu].pcpu)


def is_pending(machine: Machine, vcpu: int) -> bool:
    """Whether an interrupt may be taken in place of the next instruction."""
    cpu = machine.views[Table.CONTEXT][vcpu]
    pcpu = machine.views[Table.PCPU][int(cpu.pcpu)]
    if pcpu.now >= pcpu.hdec_at:
        return True
    exists = pcpu.external | pcpu.doorbell or pcpu.now >= cpu.dec_at or int(cpu.lpcr) & LPCR_MER
    return bool(cpu.msr & MSR_EE and exists)


def step_masked(machine: Machine) -> None:
    """One instruction of the first running pCPU's context with its interrupts held off."""
    held = []
    for pcpu in machine.views[Table.PCPU]:
        if pcpu.context != NOBODY:
            cpu = machine.views[Table.CONTEXT][int(pcpu.context)]
            held.append((pcpu, cpu, int(pcpu.external), int(pcpu.hdec_at), int(cpu.dec_at), int(cpu.lpcr) & LPCR_MER))
            pcpu.external, pcpu.hdec_at, cpu.dec_at = 0, NEVER, NEVER
            cpu.lpcr &= ~LPCR_MER
    machine.run(instructions=1)
    for pcpu, cpu, external, hdec_at, dec_at, mediated in held:
        pcpu.external |= external
        pcpu.hdec_at = min(int(pcpu.hdec_at), hdec_at)
        if cpu.dec_at == NEVER:
            cpu.dec_at = dec_at
        cpu.lpcr |= mediated
