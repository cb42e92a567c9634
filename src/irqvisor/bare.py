"""A bare machine: processors and their memory, for instructions by themselves (docs/reference/bare-machine.md).

One cycle an instruction and a tick, no charges: the time base counts instructions. Software here is bare-metal, which
starts in hypervisor state with external interrupts its own. With a *board* it can say that it is ready, and how it
ended, by the registers of the paravirt board.
"""

from irqvisor import tables
from irqvisor.errors import UsageError
from irqvisor.guest.devicetree import BOARD_REGISTERS
from irqvisor.hw.state import ISA_201, ISA_300, LEVEL_OF, LEVELS, NEVER, NOBODY, Model, RegionKind
from irqvisor.machine import BARE, FIRST_CODE_PAGES, Labels, Machine, new_code
from irqvisor.spec.designs import Design
from irqvisor.spec.power_isa import (
    HID0_POWER8_HILE,
    HID0_POWER9_HILE,
    HID4_LPES0,
    LPCR_ILE,
    LPCR_LPES0,
    MSR_HV,
    MSR_LE,
    MSR_ME,
    MSR_SF,
    VEC_SYSTEM_RESET,
)
from irqvisor.tables import Table

PAGE = 4096
CLOCK_HZ = 1_000_000_000
MODELS = {"970": Model.PPC970, "power8": Model.POWER8}
DEC_FAR = 0x7FFFFFFF
EVENTS = 8
"""Room in the timeline: for doorbells of one processor to another, on their way."""


MOST_PCPUS = 8


def machine(
    memory_bytes: int,
    cpu: str,
    isa: str | None,
    *,
    little_endian: bool,
    pcpus: int = 1,
    board: bool = False,
) -> Machine:
    """See `Machine.bare`; `board`: there are the registers READY, EXIT and CONSOLE (hv/board.py)."""
    if memory_bytes <= 0 or memory_bytes % PAGE:
        raise UsageError(f"bare(memory_bytes={memory_bytes})", "not whole pages", f"a multiple of {PAGE}")
    if cpu not in MODELS:
        raise UsageError(f"bare(cpu={cpu!r})", "no such processor", f"one of: {', '.join(MODELS)}")
    if not 1 <= pcpus <= MOST_PCPUS:
        raise UsageError(f"bare(pcpus={pcpus})", "not that many processors", f"1 to {MOST_PCPUS}")
    level = _level(MODELS[cpu], isa, little_endian=little_endian)
    state = tables.allocate(
        {
            Table.PCPU: pcpus,
            Table.CONTEXT: pcpus,
            Table.REGION: 2 if board else 1,
            Table.PIC: 1,
            Table.EVENT: EVENTS,
            Table.DOMAIN: 1,
            Table.VCPU: pcpus,
            Table.PCPU_COUNT: pcpus,
            Table.CONTEXT_COUNT: pcpus,
            Table.DOMAIN_COUNT: 1,
            Table.CODEMAP: memory_bytes // PAGE,
        }
    )
    made = Machine(state, memory_bytes, Labels(BARE, cpu, [BARE]), new_code(FIRST_CODE_PAGES))
    _wire(made, memory_bytes)
    for p in range(pcpus):
        _processor(made, p, MODELS[cpu], level, little_endian=little_endian)
    return made


def _wire(made: Machine, memory_bytes: int) -> None:
    h = made.header
    h.design = int(Design.NATIVE)
    h.n_pcpu = h.n_context = len(made.views[Table.PCPU])
    h.n_domain = h.unready = 1
    h.event_capacity = EVENTS
    h.clock_hz, h.tb_num, h.tb_den, h.cpi, h.hv_cpi, h.quantum = CLOCK_HZ, 1, 1, 1, 1, 1
    regions = made.views[Table.REGION]
    regions[0].bytes, regions[0].kind = memory_bytes, int(RegionKind.RAM)
    if len(regions) > 1:
        regions[1].start, regions[1].bytes, regions[1].kind = BOARD_REGISTERS, PAGE, int(RegionKind.BOARD)
    d = made.views[Table.DOMAIN][0]
    d.alive, d.ram_bytes, d.shared, d.vcpus = 1, memory_bytes, NOBODY, h.n_context
    for p, (c, v) in enumerate(zip(made.views[Table.CONTEXT], made.views[Table.VCPU], strict=True)):
        c.win_size, c.regions, c.pcpu, c.pir = memory_bytes, len(regions), p, p
        v.info, v.pcpu = NOBODY, p


def _processor(made: Machine, p: int, model: Model, isa: int, *, little_endian: bool) -> None:
    pc = made.views[Table.PCPU][p]
    pc.hdec_at, pc.context, pc.loaded = NEVER, p, p
    pc.model, pc.isa = int(model), isa
    cpu = made.cpu[p]
    cpu.pc = VEC_SYSTEM_RESET
    cpu.msr = MSR_SF | MSR_HV | MSR_ME
    cpu.hid4 = HID4_LPES0
    cpu.lpcr = LPCR_LPES0
    cpu.dec = DEC_FAR
    if little_endian:
        cpu.msr |= MSR_LE
        cpu.lpcr |= LPCR_ILE
        cpu.hid0 |= HID0_POWER9_HILE if isa == ISA_300 else HID0_POWER8_HILE


def _level(model: Model, isa: str | None, *, little_endian: bool) -> int:
    """The architecture level, which is the model's own unless another is asked for."""
    if isa is not None and isa not in LEVELS:
        raise UsageError(f"bare(isa={isa!r})", "no such architecture level", f"one of: {', '.join(LEVELS)}")
    level = LEVEL_OF[model] if isa is None else LEVELS[isa]
    if little_endian and level == ISA_201:
        raise UsageError("bare(little_endian=True)", "level 2.01 has no little-endian mode", "2.07 or 3.0")
    return level
