"""A machine to replay vectors on: their domains, without guests.

Each vCPU has a pCPU for itself and never executes an instruction. A step puts a hypercall's registers and structure in
place and enters the hypervisor as `sc` would. The guests are big-endian, the recorded ones were not: what is compared
is the logical state.
"""

from typing import Any

import numpy as np

from irqvisor import tables
from irqvisor.hv import loop
from irqvisor.hv.control import Plane, serve
from irqvisor.hv.state import Enable, PortState, Release
from irqvisor.hw import openpic
from irqvisor.hw.state import NEVER, NOBODY, Model, RegionKind, Stop
from irqvisor.machine import FIRST_CODE_PAGES, Labels, Machine, new_code
from irqvisor.spec import xen
from irqvisor.spec.designs import Design
from irqvisor.spec.papr import PRIORITY_NONE
from irqvisor.spec.power_isa import MSR_ME, MSR_RI, MSR_SF
from irqvisor.tables import Table
from irqvisor.trace import Kind

PAGE = 4096
FRAMES = 48
"""Guest frames that exist; the last is read-only (the vectors' README)."""
SCRATCH = 0x4000_0000
"""Real address of a page for arguments, where the vectors have no frame; a read-only one follows."""
NOWHERE = 0x7FFF_F000
PAGES = FRAMES + 3
FIRST_PORTS = 64
LOG_RECORDS = 1 << 14
MSR = MSR_SF | MSR_ME | MSR_RI
CALL = 0x100
"""Where the imagined `sc` is."""


class Rig:
    """The domains of a sequence, and what a step can do to them."""

    def __init__(self, domains: list[dict[str, Any]], release: Release = Release.MODERN) -> None:
        self.domains = domains
        self.place = {domain["id"]: k for k, domain in enumerate(domains)}
        self.machine = _machine(domains, release)
        self.machine.start_log(LOG_RECORDS, ring=True)
        self.seen = 0

    # Looking

    def domain(self, domain: int) -> Any:
        """The record of a domain, by its id."""
        return self.machine.views[Table.DOMAIN][self.place[domain]]

    def vcpu(self, domain: int, vcpu: int) -> int:
        """A vCPU's place in the vCPU table, and its pCPU's."""
        return int(self.domain(domain).vcpu) + vcpu

    def plane(self, domain: int, vcpu: int = 0) -> Plane:
        """The control plane, acting on a domain."""
        v = self.vcpu(domain, vcpu)
        return Plane(self.machine, self.place[domain], v, v)

    def notifications(self) -> list[list[Any]]:
        """What was notified since the last look, in order: kick, wake, xen."""
        o = self.machine.views[Table.OBSERVED][0]
        log = self.machine.views[Table.LOG]
        ids = [domain["id"] for domain in self.domains]
        found: list[list[Any]] = []
        for k in range(self.seen, int(o.log_count)):
            r = log[k % LOG_RECORDS]
            d = int(r.domain)
            value = int(r.value)
            if r.kind in (Kind.UPCALL, Kind.WAKE):
                first = int(self.machine.views[Table.DOMAIN][d].vcpu)
                found.append(["kick" if r.kind == Kind.UPCALL else "wake", ids[d], value - first])
            elif r.kind == Kind.ATTACHED:
                e = self.machine.views[Table.DOMAIN][d]
                notify = int(self.machine.views[Table.PORT][int(e.port) + value].notify)
                found.append(["xen", ids[d], notify - int(e.vcpu), value])
        self.seen = int(o.log_count)
        return found

    # Calling

    def address(self, fault: str | None) -> int:
        """Where an argument goes so that reading or writing it back faults as wished."""
        return {"in": NOWHERE, "out": SCRATCH + PAGE}.get(fault or "", SCRATCH)

    def put(self, domain: int, real: int, data: bytes) -> None:
        """Write a guest's memory, read-only pages too."""
        at = self.offset(domain, real)
        self.machine.ram[at : at + len(data)] = np.frombuffer(data, np.uint8)

    def offset(self, domain: int, real: int) -> int:
        """RAM offset of a guest's real address."""
        page = real // PAGE if real < FRAMES * PAGE else FRAMES + (real - SCRATCH) // PAGE
        return int(self.domain(domain).ram) + page * PAGE + real % PAGE

    def get(self, domain: int, real: int, size: int) -> bytes:
        """Read a guest's memory."""
        at = self.offset(domain, real)
        return self.machine.ram[at : at + size].tobytes()

    def call(self, domain: int, vcpu: int, number: int, command: int, argument: int) -> int:
        """Make a Xen hypercall from a vCPU; r3."""
        return self.enter(domain, vcpu, number | xen.MARK, command, argument)

    def enter(self, domain: int, vcpu: int, *registers: int) -> int:
        """Enter the hypervisor from a vCPU, with registers from r3 on as signed numbers; r3."""
        self.run_all()
        v = self.vcpu(domain, vcpu)
        cpu = self.machine.views[Table.CONTEXT][v]
        cpu.nip, cpu.msr, cpu.srr1 = CALL, MSR, MSR
        cpu.gpr[3 : 3 + len(registers)] = registers
        request = self.machine.views[Table.REQUEST][0]
        request.reason = int(Stop.BUDGET)
        with np.errstate(over="ignore"):
            loop.call(self.machine.arrays, v)
            if request.reason == Stop.HCALL:
                serve(self.plane(domain, vcpu))
                loop.resume(self.machine.arrays, v)
        return int(self.machine.views[Table.CONTEXT][v].gpr[3])

    def run_all(self) -> None:
        """Every vCPU that can run does: it has a pCPU for itself."""
        for v, w in enumerate(self.machine.views[Table.VCPU]):
            if w.blocked == 0 and w.running == 0:
                w.running = 1
                self.machine.views[Table.PCPU][v].context = v


def _machine(domains: list[dict[str, Any]], release: Release) -> Machine:
    n = len(domains)
    vcpus = sum(domain["vcpus"] for domain in domains)
    pirqs = sum(domain["nr_pirqs"] for domain in domains)
    state = tables.allocate(
        {
            Table.PCPU: vcpus,
            Table.CONTEXT: vcpus,
            Table.REGION: 4 * n,
            Table.PIC: 1,
            Table.PIC_CPU: vcpus,
            Table.PIC_SOURCE: pirqs + openpic.INTERNAL_SOURCES,
            Table.EVENT: 4 * vcpus,
            Table.DOMAIN: n,
            Table.VCPU: vcpus,
            Table.PORT: FIRST_PORTS * n,
            Table.PIRQ: pirqs,
            Table.PCPU_COUNT: vcpus,
            Table.CONTEXT_COUNT: vcpus,
            Table.DOMAIN_COUNT: n,
            Table.CODEMAP: PAGES * n,
        }
    )
    machine = Machine(
        state,
        PAGES * PAGE * n,
        Labels("vectors", "970", [f"d{domain['id']}" for domain in domains]),
        new_code(FIRST_CODE_PAGES),
    )
    h = machine.header
    h.design, h.n_pcpu, h.n_context, h.n_domain, h.n_pirq = int(Design.XEN_PPC), vcpus, vcpus, n, pirqs
    h.clock_hz, h.tb_num, h.tb_den, h.cpi, h.hv_cpi, h.quantum = 1_000_000_000, 1, 1, 1, 1, 1
    h.event_capacity = len(machine.views[Table.EVENT])
    first = irq = 0
    for k, domain in enumerate(domains):
        _domain(machine, k, domain, first, irq, release)
        first += domain["vcpus"]
        irq += domain["nr_pirqs"]
    with np.errstate(over="ignore"):
        loop.prepare(machine.arrays)
    return machine


def _domain(machine: Machine, k: int, domain: dict[str, Any], vcpu: int, irq: int, release: Release) -> None:
    d = machine.views[Table.DOMAIN][k]
    ram = k * PAGES * PAGE
    d.id, d.alive, d.ready, d.vcpu, d.vcpus, d.ram, d.ram_bytes = domain["id"], 1, 1, vcpu, domain["vcpus"], ram, PAGE
    d.shared = ram + FRAMES * PAGE + 2 * PAGE
    d.port, d.ports, d.valid, d.max_port = FIRST_PORTS * k, FIRST_PORTS, FIRST_PORTS, domain["max_port"]
    d.privileged, d.hardware = int(domain["privileged"]), int(domain["hardware"])
    d.release, d.enable = int(release), int(Enable.MASK_BYTE)
    d.pirq, d.pirqs = irq, domain["nr_pirqs"]
    machine.views[Table.PORT][FIRST_PORTS * k].state = int(PortState.RESERVED)
    wired = [
        (0, (FRAMES - 1) * PAGE, RegionKind.RAM, ram),
        ((FRAMES - 1) * PAGE, PAGE, RegionKind.ROM, ram + (FRAMES - 1) * PAGE),
        (SCRATCH, PAGE, RegionKind.RAM, ram + FRAMES * PAGE),
        (SCRATCH + PAGE, PAGE, RegionKind.ROM, ram + FRAMES * PAGE + PAGE),
    ]
    for n, (base, size, kind, offset) in enumerate(wired):
        r = machine.views[Table.REGION][4 * k + n]
        r.start, r.bytes, r.kind, r.ram = base, size, int(kind), offset
    for n in range(domain["vcpus"]):
        v = vcpu + n
        w = machine.views[Table.VCPU][v]
        w.domain, w.pcpu, w.mfrr, w.timer, w.running = k, v, PRIORITY_NONE, NEVER, 1
        w.info, w.control = d.shared + xen.VCPU_INFO_BYTES * n, NOBODY
        c = machine.views[Table.CONTEXT][v]
        c.win_base, c.win_size, c.region, c.regions = ram, (FRAMES - 1) * PAGE, 4 * k, 4
        c.lpid, c.pcpu = k, v
        pc = machine.views[Table.PCPU][v]
        pc.model, pc.hypervisor, pc.context, pc.loaded, pc.hdec_at = int(Model.PPC970), 1, v, v, NEVER
        pc.vcpus = NOBODY
        loop.place(machine.arrays, v, v)
    for n in range(domain["nr_pirqs"]):
        r = machine.views[Table.PIRQ][irq + n]
        r.domain = k if n in domain["pirqs_permitted"] else NOBODY
        r.source, r.priority, r.pcpu = NOBODY, PRIORITY_NONE, vcpu
        r.vector = irq + n + 1 if n in domain["pirqs_mapped"] else 0
