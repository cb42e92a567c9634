"""The paravirt board: how a machine is wired and how a guest is started (docs/reference/paravirt-board.md).

`build` turns a `Config` - everything in cycles and bytes, nothing left to choose - into a machine whose guests are
loaded and about to execute their first instruction. A domain's memory, from the top down: shared_info, device tree,
work counters and rings; the kernel is at the bottom.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from irqvisor import tables, vcpu_controllers
from irqvisor.errors import ImageError
from irqvisor.guest import devicetree
from irqvisor.guest.image import Image
from irqvisor.hv import control, loop
from irqvisor.hv.control import operations, ports, ring_console
from irqvisor.hv.state import PortState, Release, RunState
from irqvisor.hw import openpic
from irqvisor.hw.state import NEVER, NOBODY, Arrival, Model, RegionKind
from irqvisor.hw.wiring import Controller
from irqvisor.machine import FIRST_CODE_PAGES, Labels, Machine, new_code, watch_pages
from irqvisor.spec import sapic, xen, xive
from irqvisor.spec.designs import DIRECT_COALESCE, DIRECT_ESB, DIRECT_POSTED, IA64_EVENTS, Design
from irqvisor.spec.openpic import WINDOW_BYTES
from irqvisor.spec.papr import PRIORITY_NONE, XISR_SOURCES
from irqvisor.spec.power_isa import HID0_HDICE, HID0_NAP, HID4_LPES0, LPCR_HDICE, LPCR_LPES0, MSR_HV, MSR_ME, MSR_SF
from irqvisor.tables import Table

PAGE = 4096
DOORBELLS = 0xF000_0000
DOORBELL_BYTES = 8
POSTS = 0xF008_0000
SHARED_RINGS = 0xE000_0000
BOARD = 0xF010_0000
BOARD_BYTES = 0x1000
PIC = 0xF804_0000
RING_HEADER = 16
RING_ALIGN = 64
WORK_BYTES = 512
FIRST_PORTS = 32
"""Records of event-channel ports a domain starts with; more are made when it needs them."""
EVENTS_PER_SOURCE = 4
SPARE_EVENTS = 64


@dataclass(frozen=True)
class Costs:
    """What elementary steps cost, in cycles, and how fast the clocks run."""

    clock_hz: int
    tb_num: int
    tb_den: int
    timebase_hz: int
    cpi: int
    hv_cpi: int
    exc_entry: int
    exc_return: int
    hcall_rt: int
    world_switch_rt: int
    pic_read: int
    pic_write: int
    phys_ipi: int
    inject: int
    switch_penalty: int
    host_wakeup: int


@dataclass(frozen=True)
class SourceConfig:
    """A source and the line it drives. Times in cycles."""

    name: str
    domain: int
    irq: int
    level: bool
    priority: int
    slots: int
    pcpu: int
    vcpu: int  # of its domain, which is told of it
    kind: int
    seed: int
    period: int = 0
    phase: int = 0
    on: int = 0
    off: int = 0
    response: int = 0
    depth: int = 0
    arrivals: np.ndarray[Any, Any] | None = None


@dataclass(frozen=True)
class ChannelConfig:
    """A ring that one guest, or one vCPU, fills for another. In the table of sources channels follow the devices."""

    name: str
    producer: int
    consumer: int
    vcpu: int  # of the consumer, which is told
    slots: int
    after: tuple[int, ...]  # sources, one item of which makes one of this
    closes: bool  # takes items only between the start and the stop of the sources

    @property
    def is_shared(self) -> bool:
        """Whether its ring is in memory of two domains."""
        return self.producer != self.consumer


@dataclass(frozen=True)
class DomainConfig:
    """A guest and where it runs."""

    name: str
    pcpus: tuple[int, ...]  # where each of its vCPUs runs
    affinity: int  # the pCPUs that they may be moved to, a bit each
    image: Path
    ram_bytes: int
    ram_base: int
    loops: tuple[str, ...] = ()
    compute_unit: int = 200
    hold_units: int = 0
    handler_work: int = 0
    tick_hz: int = 0
    misbehave: str = ""
    privileged: bool = False
    modern: bool = False  # Xen's calls have the semantics of today, not those of 2008
    max_port: int = xen.PORTS_FIFO - 1
    start: str = "board"  # "domu" or "dom0": as Xen starts it, with its console and store


@dataclass(frozen=True)
class Config:
    """A machine, complete."""

    design: Design
    options: int  # bits of its options (spec/designs.py)
    model: Model
    isa: int
    costs: Costs
    pcpus: int
    domains: tuple[DomainConfig, ...]
    sources: tuple[SourceConfig, ...]
    channels: tuple[ChannelConfig, ...]
    slice: int
    hdec_period: int
    boost: bool
    balance: bool
    defects: int
    start_at: int
    duration: int
    drain: int
    labels: Labels = field(default_factory=Labels)

    @property
    def bare_metal(self) -> bool:
        """Whether there is no hypervisor."""
        return self.design == Design.NATIVE

    @property
    def has_shared_info(self) -> bool:
        """Whether guests share a page with Xen."""
        return self.design in (Design.XEN_PPC, Design.XEN_X86, Design.XEN_IA64, Design.HYBRID)

    @property
    def has_xive(self) -> bool:
        """Whether the controller is a XIVE, with event queues in the guests' memory."""
        return self.design == Design.DIRECT and self.options & DIRECT_POSTED == 0

    @property
    def maps_triggers(self) -> bool:
        """Whether a guest may trigger the sources of those whom it has channels to."""
        return self.options & DIRECT_ESB != 0

    @property
    def coalesces(self) -> bool:
        """Whether event queues notify once until their reader asks again."""
        return self.has_xive and self.options & DIRECT_COALESCE != 0

    @cached_property
    def lines(self) -> vcpu_controllers.Lines:
        """The sources of a controller that knows vCPUs."""
        return vcpu_controllers.Lines(self)

    @property
    def controller(self) -> Controller:
        """Where the lines of the devices lead."""
        if self.has_descriptors:
            return Controller.POSTED
        return Controller.XIVE if self.has_xive else Controller.OPENPIC

    @property
    def has_descriptors(self) -> bool:
        """Whether interrupts are posted."""
        return self.design == Design.DIRECT and self.options & DIRECT_POSTED != 0

    @property
    def inputs(self) -> int:
        """Inputs of the interrupt controller, wired or not."""
        return 1 + max((s.irq for s in self.sources), default=0)


def vectors(config: Config, d: int) -> dict[int, int]:
    """xen-ia64: the vector of each source of a domain in its virtual controller."""
    if config.design != Design.XEN_IA64 or config.options & IA64_EVENTS:
        return {}
    owned = [s for s, source in enumerate(config.sources) if source.domain == d]
    found = sapic.vectors([config.sources[s].priority for s in owned])
    if found is None:
        raise ImageError(config.domains[d].name, f"{len(owned)} sources", "as many as its controller has vectors")
    return dict(zip(owned, found, strict=True))


def ring_bytes(slots: int) -> int:
    """Memory one ring takes."""
    return -(-(RING_HEADER + 8 * slots) // RING_ALIGN) * RING_ALIGN


@dataclass
class Layout:
    """Where things are in one domain, as guest real addresses."""

    shared_info: int  # the top page: shared with Xen; or pages, of the event queues of XIVE
    tree: int
    tree_bytes: int
    work: int
    rings: dict[int, int]
    free: int  # the kernel must end at or below this
    console: int = 0  # a domU's console page; the page of the store is below it


def whole_pages(size: int) -> int:
    """Bytes, rounded up to pages."""
    return -(-size // PAGE) * PAGE


def numbered(config: Config) -> list[tuple[int, ChannelConfig]]:
    """The channels and their numbers as sources."""
    return list(enumerate(config.channels, start=len(config.sources)))


def lay_out(config: Config, d: int) -> Layout:
    """Place a domain's data below the top of its memory."""
    shared = config.domains[d].ram_bytes - top_bytes(config, d)
    owned = {s: source.slots for s, source in enumerate(config.sources) if source.domain == d}
    owned |= {s: c.slots for s, c in numbered(config) if c.consumer == d and not c.is_shared}
    shared_rings = dict.fromkeys((s for s, c in numbered(config) if c.is_shared), 0)
    # A tree's size does not depend on the addresses in it
    size = len(devicetree.build(_tree(config, d, Layout(shared, 0, 0, 0, dict.fromkeys(owned, 0) | shared_rings, 0))))
    console = shared - PAGE if starts_as_domu(config, d) else 0
    tree = ((console - PAGE if console else shared) - size) // PAGE * PAGE
    place = tree - WORK_BYTES
    work = place
    rings = {}
    for s, slots in owned.items():
        place -= ring_bytes(slots)
        rings[s] = place
    if place < 0:
        raise ImageError(
            config.domains[d].name,
            f"its device tree and rings need {shared - place} bytes",
            f"less than its {config.domains[d].ram_bytes} bytes of memory",
            "raise ram_kib",
        )
    at = SHARED_RINGS
    for s, c in numbered(config):
        if c.is_shared:
            rings[s] = at
            at += whole_pages(ring_bytes(c.slots))
    return Layout(shared, tree, size, work, rings, place // PAGE * PAGE, console)


def top_bytes(config: Config, d: int) -> int:
    """The pages at the top of a domain's memory."""
    return whole_pages(vcpu_controllers.queue_bytes(config, d)) if config.has_xive else PAGE


def starts_as_domu(config: Config, d: int) -> bool:
    """Whether a domain has the pages that Xen's toolstack gives one."""
    return config.has_shared_info and config.domains[d].start == "domu"


def build(config: Config) -> Machine:
    """Make the machine and start its guests.

    Raises:
        ImageError: a guest does not fit, or is not for this board.
    """
    n_pirq = config.inputs
    if n_pirq + openpic.INTERNAL_SOURCES > openpic.MAX_SOURCES:
        raise ValueError(f"interrupt {n_pirq - 1}: the controller has {openpic.MAX_SOURCES} sources")
    n = len(config.domains)
    vcpus = sum(len(d.pcpus) for d in config.domains)
    arrivals = [s.arrivals for s in config.sources if s.arrivals is not None]
    private = whole_pages(max(d.ram_base + d.ram_bytes for d in config.domains))
    ram_bytes = private + sum(whole_pages(ring_bytes(c.slots)) for c in config.channels if c.is_shared)
    sources = len(config.sources) + len(config.channels)
    state = tables.allocate(
        {
            Table.PCPU: config.pcpus,
            Table.CONTEXT: vcpus,
            Table.REGION: n * REGIONS + 3 * len(config.channels),
            Table.PIC: 1,
            Table.PIC_CPU: config.pcpus,
            Table.PIC_SOURCE: n_pirq + openpic.INTERNAL_SOURCES,
            Table.XIVE_SOURCE: config.lines.count if config.has_xive else 0,
            Table.XIVE_QUEUE: xive.PRIORITIES * vcpus if config.has_xive else 0,
            Table.XIVE_VP: vcpus if config.has_xive else 0,
            Table.XIVE_RING: config.pcpus if config.has_xive else 0,
            Table.POSTED_SOURCE: config.lines.count if config.has_descriptors else 0,
            Table.POSTED_VP: vcpus if config.has_descriptors else 0,
            Table.EVENT: EVENTS_PER_SOURCE * len(config.sources)
            + sum(s.depth for s in config.sources)
            + 8 * config.pcpus
            + (config.lines.count if config.controller != Controller.OPENPIC else 0)
            + SPARE_EVENTS,
            Table.SOURCE: sources,
            Table.ARRIVAL: sum(len(a) for a in arrivals),
            Table.DOMAIN: n,
            Table.VCPU: vcpus,
            Table.PORT: FIRST_PORTS * n if config.has_shared_info else 0,
            Table.PIRQ: n_pirq,
            Table.PCPU_COUNT: config.pcpus,
            Table.CONTEXT_COUNT: vcpus,
            Table.DOMAIN_COUNT: n,
            Table.JOURNEY: sources,
            Table.POSTED: sum(s.slots for s in config.sources) + sum(c.slots for c in config.channels),
            Table.CODEMAP: -(-ram_bytes // PAGE),
        }
    )
    machine = Machine(state, ram_bytes, config.labels, new_code(FIRST_CODE_PAGES))
    _header(machine, config, n_pirq)
    _pcpus(machine, config)
    layouts = _domains(machine, config, private)
    _sources(machine, config, layouts)
    if config.has_xive:
        vcpu_controllers.set_up_xive(machine, config, [layout.shared_info for layout in layouts])
    if config.has_descriptors:
        vcpu_controllers.set_up_posting(machine, config)
    _start_xen(machine, config, layouts)
    _channels(machine, config, layouts)
    _guests(machine, config, layouts)
    watch_pages(machine.state)
    loop.prepare(machine.arrays)
    return machine


REGIONS = 9
"""Regions of a domain, at most: RAM, doorbells, board registers, and the controller on bare metal, or event queues and
the pages of XIVE, and registers for posting to channels. What channels to and from other domains need comes on top: the
ring for both, and perhaps a page that triggers."""


def _header(machine: Machine, config: Config, n_pirq: int) -> None:
    h = machine.header
    costs = config.costs
    h.design, h.options, h.n_pcpu, h.n_pirq = int(config.design), config.options, config.pcpus, n_pirq
    h.controller = int(config.controller)
    h.n_domain = h.unready = len(config.domains)
    h.n_context = len(machine.views[Table.CONTEXT])
    h.n_source = len(machine.views[Table.SOURCE])
    h.clock_hz, h.tb_num, h.tb_den, h.cpi, h.hv_cpi = (
        costs.clock_hz,
        costs.tb_num,
        costs.tb_den,
        costs.cpi,
        costs.hv_cpi,
    )
    h.exc_entry, h.exc_return, h.hcall_rt = costs.exc_entry, costs.exc_return, costs.hcall_rt
    h.world_switch_rt, h.switch_penalty, h.host_wakeup = costs.world_switch_rt, costs.switch_penalty, costs.host_wakeup
    h.pic_read, h.pic_write, h.phys_ipi, h.inject = costs.pic_read, costs.pic_write, costs.phys_ipi, costs.inject
    h.quantum = max(costs.phys_ipi, 1)
    h.slice, h.hdec_period, h.boost, h.defects = config.slice, config.hdec_period, int(config.boost), config.defects
    h.balance = int(config.balance)
    h.start_at, h.duration, h.drain = config.start_at, config.duration, config.drain
    h.event_capacity = len(machine.views[Table.EVENT])


def _pcpus(machine: Machine, config: Config) -> None:
    for p, pc in enumerate(machine.views[Table.PCPU]):
        pc.model, pc.isa = int(config.model), config.isa
        pc.hypervisor = int(not config.bare_metal)
        pc.context = pc.loaded = pc.vcpus = NOBODY
        pc.hdec_at = NEVER
        pc.resched = 1
        if config.bare_metal:
            pc.resched = 0
            for d, domain in enumerate(config.domains):
                if p in domain.pcpus:
                    pc.context = pc.loaded = d


def _domains(machine: Machine, config: Config, shared_ram: int) -> list[Layout]:
    layouts = []
    ports = machine.views[Table.PORT]
    regions = machine.views[Table.REGION]
    v = first = 0
    for d, domain in enumerate(config.domains):
        layout = lay_out(config, d)
        layouts.append(layout)
        ram = domain.ram_base
        e = machine.views[Table.DOMAIN][d]
        e.id, e.alive, e.vcpu, e.vcpus, e.ram, e.ram_bytes = d, 1, v, len(domain.pcpus), ram, domain.ram_bytes
        e.pirqs, e.max_port = xen.NR_PIRQS, domain.max_port
        e.release = int(Release.MODERN if domain.modern else Release.XEN_2008)
        e.shared = ram + layout.shared_info if config.has_shared_info else NOBODY
        e.work, e.loops, e.privileged = ram + layout.work, len(domain.loops), int(domain.privileged)
        if config.has_shared_info:
            e.port, e.ports = FIRST_PORTS * d, FIRST_PORTS
            e.valid = xen.PORT_BUCKET_MODERN if domain.modern else xen.PORT_BUCKET_2008
            ports[FIRST_PORTS * d].state = PortState.RESERVED
        plain = layout.shared_info if config.has_xive else domain.ram_bytes
        wired = [
            (0, plain, RegionKind.RAM, ram),
            (DOORBELLS, DOORBELL_BYTES * max(int(machine.header.n_source), 1), RegionKind.DOORBELL, 0),
            (BOARD, BOARD_BYTES, RegionKind.BOARD, 0),
        ]
        if config.bare_metal:
            wired.append((PIC, WINDOW_BYTES, RegionKind.PIC, 0))
        if config.has_xive:
            wired += [
                (layout.shared_info, top_bytes(config, d), RegionKind.QUEUE, ram + layout.shared_info),
                (vcpu_controllers.TIMA, xive.TIMA_BYTES, RegionKind.TIMA, 0),
            ]
            wired += [(at, size, RegionKind.ESB, first) for at, size, first in vcpu_controllers.regions(config, d)]
        if config.coalesces:
            queues = xive.PRIORITIES * len(domain.pcpus)
            wired.append((vcpu_controllers.ENDS, xive.ESB_BYTES * queues, RegionKind.END, xive.PRIORITIES * v))
        if config.has_descriptors:
            wired.append((vcpu_controllers.TIMA, PAGE, RegionKind.VAPIC, 0))
        wired += _shared_rings(config, d, layout, shared_ram)
        for k, (base, size, kind, offset) in enumerate(wired):
            r = regions[first + k]
            r.start, r.bytes, r.kind, r.ram = base, size, int(kind), offset
        for number in range(len(domain.pcpus)):
            _context(machine, config, d, number, v, first, len(wired))
            machine.views[Table.CONTEXT][v].win_size = plain
            _vcpu(machine, config, d, number, v)
            v += 1
        first += len(wired)
    return layouts


def _shared_rings(config: Config, d: int, layout: Layout, shared_ram: int) -> list[tuple[int, int, RegionKind, int]]:
    """What a domain sees of its channels beyond its memory: (real address, bytes, kind, RAM offset)."""
    wired = []
    if any(c.producer == d for c in config.channels):
        wired.append((POSTS, DOORBELL_BYTES * (len(config.sources) + len(config.channels)), RegionKind.POST, 0))
    for s, c in numbered(config):
        if c.is_shared and d in (c.producer, c.consumer):
            at = layout.rings[s]
            wired.append((at, whole_pages(ring_bytes(c.slots)), RegionKind.RAM, shared_ram + at - SHARED_RINGS))
        if c.is_shared and d == c.producer and config.has_xive and config.maps_triggers:
            page = vcpu_controllers.trigger_page(config, s) or 0
            wired.append((page, xive.ESB_BYTES, RegionKind.TRIGGER, config.lines.of_source[s].number))
    return wired


def _vcpu(machine: Machine, config: Config, d: int, number: int, v: int) -> None:
    """What the hypervisor knows of a vCPU at first: only a domain's first one is up."""
    w = machine.views[Table.VCPU][v]
    w.domain, w.mfrr, w.timer, w.period_at = d, PRIORITY_NONE, NEVER, NEVER
    w.running = int(config.bare_metal)
    w.down = int(number > 0)
    w.affinity = config.domains[d].affinity
    w.initialised = int(number == 0)
    w.state = RunState.OFFLINE if number else RunState.RUNNING if config.bare_metal else RunState.RUNNABLE
    w.info = w.control = NOBODY
    if config.has_shared_info:
        w.info = int(machine.views[Table.DOMAIN][d].shared) + xen.VCPU_INFO_BYTES * number
    loop.place(machine.arrays, v, config.domains[d].pcpus[number])


def _context(machine: Machine, config: Config, d: int, number: int, v: int, region: int, regions: int) -> None:
    """Entry state: everything zero; bare metal starts in hypervisor state. All vCPUs of a domain have its memory."""
    c = machine.views[Table.CONTEXT][v]
    machine.views[Table.CONTEXT_COUNT][v].domain = d
    ram = config.domains[d].ram_base
    c.win_base, c.win_size, c.region, c.regions = ram, config.domains[d].ram_bytes, region, regions
    c.lpid, c.pcpu = d, config.domains[d].pcpus[number]
    c.pir = c.pcpu
    c.msr = MSR_SF | MSR_HV | MSR_ME if config.bare_metal else 0
    c.hid0 = HID0_NAP if config.bare_metal else HID0_HDICE
    if config.has_shared_info:
        c.watch_from = ram + config.domains[d].ram_bytes - PAGE + xen.EVTCHN_PENDING
        c.watch_to = c.watch_from + xen.PORTS_2L // 8
    if config.bare_metal:
        c.hid4, c.lpcr = HID4_LPES0, LPCR_LPES0
    else:
        c.lpcr = LPCR_HDICE


def _sources(machine: Machine, config: Config, layouts: list[Layout]) -> None:
    pirqs = machine.views[Table.PIRQ]
    for r in pirqs:
        r.domain = r.source = r.server = NOBODY
        r.priority = PRIORITY_NONE
    posted = first = 0
    times = machine.views[Table.ARRIVAL]
    for s, source in enumerate(config.sources):
        e = machine.views[Table.SOURCE][s]
        e.kind, e.level, e.irq, e.context, e.lpid = (
            source.kind,
            int(source.level),
            source.irq,
            int(machine.views[Table.DOMAIN][source.domain].vcpu),
            source.domain,
        )
        e.ring = int(machine.views[Table.DOMAIN][source.domain].ram) + layouts[source.domain].rings[s]
        e.slots, e.posted = source.slots, posted
        posted += source.slots
        e.period, e.phase, e.on, e.off = source.period, source.phase, source.on, source.off
        e.response, e.depth, e.rng = source.response, source.depth, source.seed
        e.due = NEVER
        if source.arrivals is not None:
            e.first, e.arrivals = first, len(source.arrivals)
            times.at[first : first + len(source.arrivals)] = source.arrivals
            first += len(source.arrivals)
        r = pirqs[source.irq]
        r.domain, r.source, r.level, r.vector = source.domain, s, int(source.level), source.irq
        r.server = int(machine.views[Table.DOMAIN][source.domain].vcpu) + source.vcpu
        r.priority, r.pcpu = source.priority, source.pcpu
        r.sapic = vectors(config, source.domain).get(s, 0)


def _channels(machine: Machine, config: Config, layouts: list[Layout]) -> None:
    """Channels are sources without a line. Between domains with event channels the board does what a toolstack would:
    it allocates the consumer's port, for the producer to bind to."""
    posted = sum(s.slots for s in config.sources)
    for s, c in numbered(config):
        e = machine.views[Table.SOURCE][s]
        consumer = machine.views[Table.DOMAIN][c.consumer]
        v = int(consumer.vcpu) + c.vcpu
        e.kind, e.context, e.lpid, e.poster = int(Arrival.CHANNEL), v, c.consumer, c.producer
        e.irq = config.lines.of_source[s].number if config.controller != Controller.OPENPIC else NOBODY
        e.slots, e.posted, e.closes, e.due = c.slots, posted, int(c.closes), NEVER
        posted += c.slots
        region = next(
            r
            for r in _regions(machine, v)
            if r.kind == RegionKind.RAM and 0 <= layouts[c.consumer].rings[s] - int(r.start) < int(r.bytes)
        )
        e.ring = int(region.ram) + layouts[c.consumer].rings[s] - int(region.start)
        e.next = machine.views[Table.VCPU][v].inbox
        machine.views[Table.VCPU][v].inbox = s + 1
        if c.is_shared and config.has_shared_info:
            plane = control.Plane(machine, c.consumer, v, 0)
            answer = operations.alloc_unbound(plane, xen.DOMID_SELF, c.producer)
            machine.views[Table.SOURCE][s].port = answer["port"]


def _regions(machine: Machine, v: int) -> list[Any]:
    c = machine.views[Table.CONTEXT][v]
    return list(machine.views[Table.REGION][int(c.region) : int(c.region + c.regions)])


DOMU_FILLER = 0x5555_5555_5555_5555
"""What Xen's toolstack leaves in a domU's other registers (xc_dom_powerpc.c)."""
OPEN_FIRMWARE = 0x200_0000
"""Where a dom0 would call Open Firmware; nothing is there on this board."""


def start_registers(c: Any, start: str, kernel: int) -> None:
    """A domain's registers as Xen or its toolstack sets them; r3 is the tree's address on this board, for both."""
    if start == "domu":
        c.gpr[:32] = DOMU_FILLER
        c.gpr[1] = c.gpr[5] = c.gpr[13] = 0
        c.gpr[4] = kernel
    else:
        c.gpr[1], c.gpr[5] = OPEN_FIRMWARE - 112, OPEN_FIRMWARE
        c.msr = MSR_SF


def _start_xen(machine: Machine, config: Config, layouts: list[Layout]) -> None:
    """The ports of a domU's console and store: the hypervisor serves the console, nobody the store."""
    for d, layout in enumerate(layouts):
        e = machine.views[Table.DOMAIN][d]
        e.hardware = int(config.has_shared_info and config.domains[d].privileged)
        if layout.console:
            plane = control.of_domain(machine, d)
            ring_console.connect(plane, int(e.ram) + layout.console)
            ports.bind(plane, d, ports.allocate(plane, d), PortState.UNBOUND, remote_domain=0)


def _xen_node(config: Config, d: int, layout: Layout) -> devicetree.XenStart | None:
    if not config.has_shared_info or config.domains[d].start == "board":
        return None
    if not layout.console:
        return devicetree.XenStart(privileged=config.domains[d].start == "dom0", console=(0, 0), store=(0, 0))
    console, store = CONSOLE_PORTS
    return devicetree.XenStart(console=(layout.console, console), store=(layout.console - PAGE, store))


CONSOLE_PORTS = (1, 3)
"""Ports of a domU's console and store: the first that it gets. The one between is the hypervisor's end."""


def _guests(machine: Machine, config: Config, layouts: list[Layout]) -> None:
    for d, domain in enumerate(config.domains):
        program = Image.load(domain.image)
        layout = layouts[d]
        start = int(machine.views[Table.DOMAIN][d].ram)
        _put(machine, start, program.place(layout.free))
        tree = devicetree.build(_tree(config, d, layout, machine))
        _put(machine, start + layout.tree, tree)
        c = machine.views[Table.CONTEXT][int(machine.views[Table.DOMAIN][d].vcpu)]
        c.nip = program.entry
        if config.has_shared_info and domain.start != "board":
            start_registers(c, domain.start, program.entry)
        c.gpr[3] = layout.tree
        machine.labels.symbols.append(list(program.symbols))


def _put(machine: Machine, at: int, data: bytes) -> None:
    machine.own(at, len(data))
    machine.ram[at : at + len(data)] = np.frombuffer(data, np.uint8)


FRONT_ENDS: dict[Design, devicetree.FrontEnd] = {
    Design.NATIVE: "native",
    Design.RHYPE: "rhype",
    Design.XEN_PPC: "xen",
    Design.XEN_X86: "xen",
    Design.XEN_IA64: "xen",
    Design.HYBRID: "hybrid",
    Design.DIRECT: "xive",
}


def _tree(config: Config, d: int, layout: Layout, machine: Machine | None = None) -> devicetree.BoardTree:
    """`machine`: where the ports of channels are known; without, the tree has its size but not its contents."""
    domain = config.domains[d]
    names = vectors(config, d) if config.controller == Controller.OPENPIC else vcpu_controllers.names(config, d)
    base = XISR_SOURCES if config.design in {Design.RHYPE, Design.HYBRID} else 0
    return devicetree.BoardTree(
        ram_bytes=domain.ram_bytes,
        timebase_hz=config.costs.timebase_hz,
        vcpus=len(domain.pcpus),
        sources=tuple(
            devicetree.BoardSource(
                number=s,
                ring=layout.rings[s],
                bytes=RING_HEADER + 8 * source.slots,
                doorbell=DOORBELLS + DOORBELL_BYTES * s,
                slots=source.slots,
                irq=names.get(s, base + source.irq),
                level=source.level,
                label=source.name,
                priority=source.priority,
                vcpu=source.vcpu,
            )
            for s, source in enumerate(config.sources)
            if source.domain == d
        )
        + tuple(
            devicetree.BoardSource(
                number=s,
                ring=layout.rings[s],
                bytes=RING_HEADER + 8 * c.slots,
                doorbell=DOORBELLS + DOORBELL_BYTES * s,
                slots=c.slots,
                irq=names.get(s, _port(machine, s) if c.is_shared else 0),
                label=c.name,
                vcpu=c.vcpu,
                channel=True,
            )
            for s, c in numbered(config)
            if c.consumer == d
        ),
        channels=tuple(
            devicetree.BoardChannel(
                number=s,
                ring=layout.rings[s],
                bytes=RING_HEADER + 8 * c.slots,
                post=POSTS + DOORBELL_BYTES * s,
                slots=c.slots,
                after=c.after,
                vcpu=c.vcpu,
                remote_domain=c.consumer if c.is_shared and config.has_shared_info else None,
                remote_port=_port(machine, s) if c.is_shared else 0,
                trigger=vcpu_controllers.trigger_page(config, s) if config.has_xive else None,
            )
            for s, c in numbered(config)
            if c.producer == d
        ),
        work=layout.work,
        compute_loops=len(domain.loops),
        compute_unit=domain.compute_unit,
        hold_units=domain.hold_units,
        handler_work=domain.handler_work,
        tick_hz=domain.tick_hz,
        misbehave=domain.misbehave,
        bootargs=domain.name,
        design_options=config.options,
        front_end=FRONT_ENDS[config.design],
        shared_info=layout.shared_info if config.has_shared_info else None,
        xive=vcpu_controllers.node(config, d, layout.shared_info) if config.controller != Controller.OPENPIC else None,
        xen_start=_xen_node(config, d, layout),
    )


def _port(machine: Machine | None, s: int) -> int:
    """The consumer's event channel of a channel between domains."""
    return int(machine.views[Table.SOURCE][s].port) if machine is not None else 0
