"""Small scenarios, and what their event logs say: shared by the tests of hypervisor and designs."""

import struct
from functools import cache
from typing import Any

import numpy as np

from irqvisor.hw.state import Phase
from irqvisor.lab import build, metrics, runner
from irqvisor.lab.scenario import Scenario, from_dict
from irqvisor.machine import Machine
from irqvisor.paravirt import DOORBELL_BYTES, DOORBELLS
from irqvisor.spec import xen
from irqvisor.spec.power_isa import MSR_ME, MSR_RI, MSR_SF, VEC_DECREMENTER, VEC_EXTERNAL
from irqvisor.tables import Table
from irqvisor.trace import Kind

DESIGNS = ("native", "rhype", "xen-ppc", "xen-x86", "xen-ia64", "hybrid", "direct")
HYPERVISORS = DESIGNS[1:]
BOOT_CYCLES = 50_000_000
FOR_EVER = 1 << 40
SHORT = {"slice_us": 5, "hdec_period_us": 5}
"""A scheduler for guests that are to boot at once."""


def small(domains: list[dict[str, Any]], sources: list[dict[str, Any]] = (), **settings: Any) -> Scenario:
    """A scenario of two milliseconds, and two more to finish."""
    return from_dict(
        {"name": "test", "duration_ms": 2, "drain_ms": 4, "domains": domains, "sources": list(sources), **settings}
    )


def periodic(period_us: float, phase_us: float = 0) -> dict[str, Any]:
    return {"kind": "periodic", "period_us": period_us, "phase_us": phase_us}


MANUAL = {"kind": "manual"}


def booted(scenario: Scenario, design: str, **options: Any) -> Machine:
    """A machine whose guests are ready and whose sources have just started."""
    machine = build.machine(scenario, design, **options)
    machine.run(cycles=BOOT_CYCLES, until=Phase.RUN)
    assert machine.phase == Phase.RUN
    return machine


def finished(scenario: Scenario, design: str, **options: Any) -> Machine:
    """The machine at the end of a run, for a look at more than the result."""
    machine = build.machine(scenario, design, **options)
    runner.finish(machine)
    return machine


def fates(machine: Machine, name: str) -> dict[str, int]:
    """What became of a source's items, without the zeros."""
    row = next(row for row in metrics.fates(machine)["sources"] if row["name"] == name)
    return {key: value for key, value in row.items() if value and key != "name"}


def of(result: dict[str, Any], name: str) -> dict[str, int]:
    """The same of a result."""
    row = next(row for row in result["sources"] if row["name"] == name)
    return {key: value for key, value in row.items() if value and key != "name"}


def logged(scenario: Scenario, design: str, **options: Any) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    """A result and the run's whole event log."""
    parts: list[np.ndarray[Any, Any]] = []
    result = runner.run(scenario, design, log=parts.append, **options)
    return result, np.concatenate(parts) if parts else np.zeros(0)


def kinds(log: np.ndarray[Any, Any], kind: Kind, **wanted: int) -> np.ndarray[Any, Any]:
    """The records of one kind, and of these values."""
    chosen = log["kind"] == int(kind)
    for name, value in wanted.items():
        chosen &= log[name] == value
    return log[chosen]


@cache
def symbols(design: str) -> dict[str, int]:
    """Addresses of the bundled kernel's functions."""
    machine = build.machine(small([{"name": "guest"}]), design)
    return {s.name: s.address for s in machine.labels.symbols[0]}


def vcpu(machine: Machine, v: int = 0) -> Any:
    """The hypervisor's record of a vCPU."""
    return machine.views[Table.VCPU][v]


def pirq(machine: Machine, irq: int) -> Any:
    """The hypervisor's record of a line."""
    return machine.views[Table.PIRQ][irq]


def context(machine: Machine, c: int = 0) -> Any:
    """A vCPU's registers, running or not."""
    return machine.views[Table.CONTEXT][c]


class Parked:
    """A vCPU taken out of its kernel's hands: it spins at `HERE` with EE off and does what a test says.

    The kernel has booted and its memory is there, but nothing of it runs any more: interrupts too end in spinning at
    their vector.
    """

    HERE = 0x10000
    DATA = 0x10100
    SPIN = 0x48000000
    SC_1 = 0x44000022
    STD_R4_R3 = 0xF8000000 | 4 << 21 | 3 << 16

    def __init__(self, machine: Machine, v: int = 0) -> None:
        self.machine = machine
        self.v = v
        for vector in (VEC_EXTERNAL, VEC_DECREMENTER):
            self.memory[vector : vector + 4] = self.SPIN.to_bytes(4, "big")
        self.park()

    def park(self, *words: int, msr: int = MSR_SF | MSR_ME | MSR_RI) -> None:
        """Execute these instructions, then spin."""
        code = b"".join(word.to_bytes(4, "big") for word in (*words, self.SPIN))
        self.memory[self.HERE : self.HERE + len(code)] = code
        self.cpu.nip, self.cpu.msr = self.HERE, msr

    @property
    def domain(self) -> int:
        return int(vcpu(self.machine, self.v).domain)

    @property
    def memory(self) -> Any:
        return self.machine.memory_of(self.domain)

    @property
    def cpu(self) -> Any:
        return context(self.machine, self.v)

    @property
    def at(self) -> int:
        return int(self.cpu.nip)

    def call(self, number: int, *args: int, msr: int = MSR_SF | MSR_ME | MSR_RI) -> int:
        """Make a hypercall and come back from it; r3. With EE off nothing is delivered on the way."""
        self.park(self.SC_1, msr=msr)
        for r, value in enumerate((number, *args), start=3):
            self.cpu.gpr[r] = value
        for _ in range(1000):
            self.machine.run(cycles=500)
            if self.at != self.HERE:
                return int(self.cpu.gpr[3])
        raise AssertionError("the call did not return")

    def xen(self, number: int, *args: int, **options: Any) -> int:
        """A Xen hypercall."""
        return self.call(number | xen.MARK, *args, **options)

    def op(self, number: int, command: int, layout: str, *fields: int) -> int:
        """A Xen hypercall with a command and a structure, which `out` shows afterwards."""
        self.layout = ">" + layout
        data = struct.pack(self.layout, *fields)
        self.memory[self.DATA : self.DATA + len(data)] = data
        return self.xen(number, command, xen.XENCOMM_INLINE | self.DATA)

    def evtchn(self, command: int, layout: str, *fields: int) -> int:
        """event_channel_op."""
        return self.op(xen.HC_EVENT_CHANNEL_OP, command, layout, *fields)

    @property
    def out(self) -> tuple[int, ...]:
        """The fields of the last structure."""
        return struct.unpack(self.layout, self.memory[self.DATA : self.DATA + struct.calcsize(self.layout)])

    def take_turn(self) -> None:
        """Let this vCPU run: who runs has used up its slice, and HDEC comes now."""
        pcpu = self.machine.views[Table.PCPU][int(vcpu(self.machine, self.v).pcpu)]
        for _ in range(100):
            if pcpu.context == self.v:
                return
            pcpu.slice_end = pcpu.hdec_at = pcpu.now
            self.machine.run(cycles=2000)
        raise AssertionError("its turn never came")

    def consume(self, s: int) -> None:
        """Empty a source's ring as its driver would: through the doorbell."""
        source = self.machine.views[Table.SOURCE][s]
        while source.tail < source.head:
            self.park(self.STD_R4_R3)
            self.cpu.gpr[3], self.cpu.gpr[4] = DOORBELLS + DOORBELL_BYTES * s, source.tail + 1
            self.machine.run(cycles=50)

    # shared_info

    @property
    def shared(self) -> int:
        return len(self.memory) - xen.SHARED_INFO_BYTES

    def bits(self, offset: int) -> int:
        """A doubleword of shared_info."""
        return int.from_bytes(self.memory[self.shared + offset : self.shared + offset + 8], "big")

    def set_bits(self, offset: int, value: int) -> None:
        self.memory[self.shared + offset : self.shared + offset + 8] = value.to_bytes(8, "big")

    @property
    def info(self) -> int:
        """Where its vcpu_info is, from the start of shared_info."""
        return int(vcpu(self.machine, self.v).info - self.machine.views[Table.DOMAIN][self.domain].shared)

    @property
    def upcall(self) -> int:
        return self.memory[self.shared + self.info]

    @property
    def selector(self) -> int:
        return self.bits(self.info + xen.PENDING_SEL)

    def pending(self, word: int = 0) -> int:
        return self.bits(xen.EVTCHN_PENDING + 8 * word)

    def mask(self, word: int = 0) -> int:
        return self.bits(xen.EVTCHN_MASK + 8 * word)

    def listen(self) -> None:
        """As a fresh guest: nothing pending, nothing masked."""
        for offset in range(0, 16, 8):
            self.set_bits(self.info + offset, 0)
        for word in range(64):
            self.set_bits(xen.EVTCHN_PENDING + 8 * word, 0)
            self.set_bits(xen.EVTCHN_MASK + 8 * word, 0)


def ready(scenario: Scenario, design: str, **options: Any) -> Machine:
    """A machine whose guests have just written their ready marks; cheap enough without the JIT."""
    machine = build.machine(scenario, design, **options)
    while machine.phase < Phase.ARMED:
        machine.run(instructions=200)
    return machine


def sharing(scenario: Scenario, design: str, **options: Any) -> Machine:
    """The same of computing domains that share a pCPU: they boot in short slices, and from then on nothing takes turns
    by itself."""
    machine = ready(scenario, design, **options)
    machine.header.slice = machine.header.hdec_period = FOR_EVER
    for pcpu in machine.views[Table.PCPU]:
        pcpu.slice_end = pcpu.hdec_at = pcpu.now + FOR_EVER
    return machine


def parked(machine: Machine) -> list[Parked]:
    """Every vCPU of a machine, parked. They must be running: one domain a pCPU, all computing."""
    return [Parked(machine, v) for v in range(len(machine.views[Table.VCPU]))]
