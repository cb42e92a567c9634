"""The pseries board: one PAPR partition, as QEMU's machine of that name starts it (docs/reference/pseries-board.md).

`build` turns a `Config` into a machine that is about to execute the first instruction of its image. The design is
rhype's: interrupts enter the partition, which asks for the vector. There is nobody else on the machine, so the
interrupt controller that is asked is the partition's own, and each processor of it is a pCPU.
"""

from dataclasses import dataclass

import numpy as np

from irqvisor import tables
from irqvisor.errors import ImageError, UsageError
from irqvisor.guest import pseries_tree
from irqvisor.guest.image import Image
from irqvisor.hv.partition import PRINTED_BYTES
from irqvisor.hw.state import ISA_207, NEVER, NOBODY, Model, RegionKind
from irqvisor.machine import FIRST_CODE_PAGES, Labels, Machine, new_code
from irqvisor.spec import papr, rtas
from irqvisor.spec.designs import Design
from irqvisor.spec.power_isa import LPCR_LPES0, LPCR_PECE, MSR_ME, VEC_SYSTEM_RESET
from irqvisor.tables import Table

PAGE = 4096
MIB = 1 << 20
LOAD_ADDRESS = 0x400000
"""Where images go, and where they are entered."""
TREE_BELOW = 2 * MIB
"""The device tree is this far below the end of memory, or of its first 2 GiB."""
TREE_LIMIT = 2 << 30
LEAST_MEMORY = 8 * MIB
MOST_MEMORY = 4 << 30
MOST_CPUS = 64
NVRAM_BYTES = 64 << 10
TIMEBASE_HZ = 512_000_000
RTC = 1_141_948_800
"""Real-time clock at the start, in seconds since 1970: 10 March 2006, 00:00 UTC."""
NANOSECONDS = 1_000_000_000
QUANTUM_NS = 1000
"""How long it takes to interrupt another processor, and so how far apart their clocks may be."""
EVENTS_PER_CPU = 8

LSI = range(0x1200, 0x1204)
MSI = range(0x1300, 0x1304)
SOURCES = [(n, 0) for n in (0x1000, 0x1001, papr.XISR_CONSOLE)] + [(n, 1) for n in LSI] + [(n, 0) for n in MSI]
"""Number and level of each source: EPOW, hotplug, console; lines and messages for whoever raises them by hand."""


@dataclass(frozen=True)
class Config:
    """A board, complete.

    Attributes:
        cpus: processors, that is hardware threads; all but the first are stopped.
        threads: of one core.
        memory_bytes: a multiple of 4096.
        bootargs: command line.
        timebase_hz: ticks a second.
        clock_hz: instructions a second; 0: one a tick.
        rtc: the real-time clock at the start, in seconds since 1970.
        initrd: initial ramdisk; empty: none.
        rtas_entry: whether the guest finds code that makes RTAS calls, besides H_RTAS.
        quirks: bits of hv/state.py `Quirk`.
    """

    cpus: int = 1
    threads: int = 1
    memory_bytes: int = 256 * MIB
    bootargs: str = ""
    timebase_hz: int = TIMEBASE_HZ
    clock_hz: int = 0
    rtc: int = RTC
    initrd: bytes = b""
    rtas_entry: bool = False
    quirks: int = 0


@dataclass(frozen=True)
class Layout:
    """What is where in memory."""

    tree: int
    tree_bytes: bytes
    initrd: int
    rtas: int


def build(image: Image, config: Config) -> Machine:
    """Make the machine.

    Raises:
        UsageError: the configuration makes no sense.
        ImageError: the image or the ramdisk does not fit.
    """
    check(config)
    layout = lay_out(config)
    check_fit(image, layout)
    state = tables.allocate(
        {
            Table.PCPU: config.cpus,
            Table.CONTEXT: config.cpus,
            Table.REGION: 1,
            Table.PIC: 1,
            Table.EVENT: EVENTS_PER_CPU * config.cpus,
            Table.DOMAIN: 1,
            Table.VCPU: config.cpus,
            Table.PARTITION: 1,
            Table.SERVER: config.cpus,
            Table.ICS: len(SOURCES),
            Table.PRINTED: PRINTED_BYTES,
            Table.PCPU_COUNT: config.cpus,
            Table.CONTEXT_COUNT: config.cpus,
            Table.DOMAIN_COUNT: 1,
            Table.CODEMAP: (config.memory_bytes + NVRAM_BYTES) // PAGE,
        }
    )
    labels = Labels("rhype", "power8", ["partition"], symbols=[list(image.symbols)])
    machine = Machine(state, config.memory_bytes + NVRAM_BYTES, labels, new_code(FIRST_CODE_PAGES))
    _header(machine, config)
    _processors(machine, config, layout, image.entry)
    _partition(machine, config)
    for segment in image.segments:
        _put(machine, segment.address, segment.data)
    _put(machine, layout.tree, layout.tree_bytes)
    _put(machine, layout.initrd, config.initrd)
    if config.rtas_entry:
        _put(machine, layout.rtas, b"".join(word.to_bytes(4, "big") for word in rtas.ENTRY))
    return machine


def check(config: Config) -> None:
    """Complain about what no board can be."""
    where = "pseries board"
    if not 1 <= config.cpus <= MOST_CPUS:
        raise UsageError(where, f"{config.cpus} processors", f"1 to {MOST_CPUS}")
    if config.threads < 1 or config.cpus % config.threads:
        raise UsageError(where, f"{config.threads} threads a core", f"a divisor of the {config.cpus} processors")
    if config.memory_bytes % PAGE or not LEAST_MEMORY <= config.memory_bytes <= MOST_MEMORY:
        raise UsageError(
            where,
            f"{config.memory_bytes} bytes of memory",
            f"a multiple of {PAGE} from {LEAST_MEMORY} to {MOST_MEMORY}",
        )
    if not 1 <= config.timebase_hz < 1 << 32:
        raise UsageError(
            where, f"a time base of {config.timebase_hz} Hz", "1 to 4294967295: the device tree has 32 bits"
        )
    if not 0 <= config.clock_hz < 1 << 40:
        raise UsageError(where, f"a clock of {config.clock_hz} Hz", "less than 10^12")


def lay_out(config: Config) -> Layout:
    """Device tree at the place where QEMU puts it; ramdisk and RTAS code below."""
    tree = min(config.memory_bytes, TREE_LIMIT) - TREE_BELOW
    code = tree - PAGE
    initrd = (code - len(config.initrd)) // PAGE * PAGE
    data = pseries_tree.build(
        pseries_tree.PseriesTree(
            cpus=config.cpus,
            threads=config.threads,
            memory_bytes=config.memory_bytes,
            timebase_hz=config.timebase_hz,
            bootargs=config.bootargs,
            initrd=(initrd, initrd + len(config.initrd)) if config.initrd else None,
            rtas_entry=code if config.rtas_entry else None,
            nvram_bytes=NVRAM_BYTES,
        )
    )
    return Layout(tree, data, initrd, code)


def check_fit(image: Image, layout: Layout) -> None:
    """Complain if something does not fit into memory, or lies where the image is."""
    if len(layout.tree_bytes) > TREE_BELOW:
        raise ImageError(
            "device tree", f"{len(layout.tree_bytes)} bytes", f"at most {TREE_BELOW}", "a shorter --append"
        )
    if image.end > max(layout.initrd, 0):
        raise ImageError(
            image.name,
            f"does not fit: it ends at {image.end:#x}",
            f"an end within {max(layout.initrd, 0):#x}, where what it is given begins",
            "give the machine more memory (--memory)",
        )


def _header(machine: Machine, config: Config) -> None:
    h = machine.header
    h.design = int(Design.PARTITION)
    h.n_pcpu = h.n_context = config.cpus
    h.n_domain = h.unready = 1
    h.clock_hz = config.clock_hz or config.timebase_hz
    divisor = int(np.gcd(config.timebase_hz, int(h.clock_hz)))
    h.tb_num, h.tb_den = config.timebase_hz // divisor, int(h.clock_hz) // divisor
    h.cpi = h.hv_cpi = 1
    h.quantum = h.phys_ipi = max(int(h.clock_hz) * QUANTUM_NS // NANOSECONDS, 1)
    h.event_capacity = len(machine.views[Table.EVENT])


def _processors(machine: Machine, config: Config, layout: Layout, entry: int) -> None:
    """PAPR's entry state: 32-bit mode, the device tree in r3; the others wait for start-cpu."""
    for v in range(config.cpus):
        c = machine.views[Table.CONTEXT][v]
        c.win_size, c.regions, c.pcpu, c.pir = config.memory_bytes, 1, v, v
        c.lpcr = LPCR_LPES0 | LPCR_PECE
        c.nip = VEC_SYSTEM_RESET
        w = machine.views[Table.VCPU][v]
        w.pcpu, w.timer, w.blocked, w.running = v, NEVER, int(v > 0), int(v == 0)
        s = machine.views[Table.SERVER][v]
        s.priority = s.mfrr = papr.PRIORITY_NONE
        s.vpa = s.dtl = s.shadow = NOBODY
        pc = machine.views[Table.PCPU][v]
        pc.model, pc.isa, pc.hypervisor, pc.machine_checks = int(Model.POWER8), ISA_207, 1, 2
        pc.hdec_at = pc.slice_end = NEVER
        pc.vcpus, w.next = v, v
        pc.loaded, pc.context = v, v if v == 0 else NOBODY
    first = machine.views[Table.CONTEXT][0]
    first.nip, first.msr, first.gpr[3] = entry, MSR_ME, layout.tree


def _partition(machine: Machine, config: Config) -> None:
    r = machine.views[Table.REGION][0]
    r.bytes, r.kind = config.memory_bytes, int(RegionKind.RAM)
    d = machine.views[Table.DOMAIN][0]
    d.alive, d.vcpus, d.ram_bytes, d.shared = 1, config.cpus, config.memory_bytes, NOBODY
    own = machine.views[Table.PARTITION][0]
    own.sources, own.quirks, own.rtc = len(SOURCES), config.quirks, config.rtc
    own.nvram, own.nvram_bytes = config.memory_bytes, NVRAM_BYTES
    for source, (number, level) in zip(machine.views[Table.ICS], SOURCES, strict=True):
        source.number, source.level = number, level
        source.priority = source.saved = papr.PRIORITY_NONE


def _put(machine: Machine, at: int, data: bytes) -> None:
    if data:
        machine.own(at, len(data))
        machine.ram[at : at + len(data)] = np.frombuffer(data, np.uint8)
