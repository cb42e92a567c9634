"""Loads and stores that are not plain RAM: other regions, devices, pages somebody watches, faults.

Order of the checks is the order of the book: translation, then what is at the address. Storage that a partition
does not have raises a data storage interrupt (protection: beyond the real-mode limit, Power ISA Book III-S, Real Mode
Storage Addressing).
"""

import numpy as np

from irqvisor._jit import cold, jit
from irqvisor.hw import devices, openpic, posted, xive
from irqvisor.hw.decode import TWINS
from irqvisor.hw.exceptions import checks_machine, enter, is_hypervisor, machine_check, program
from irqvisor.hw.memory import (
    EA_64,
    disturbs,
    fetch,
    find_region,
    forget_code,
    load64,
    load_sized,
    own,
    pool_is_shared,
    store_sized,
)
from irqvisor.hw.ops import (
    LBZ,
    LBZCIX,
    LD,
    LDBRX,
    LHA,
    LHABRX,
    LHBRX,
    LHZ,
    LWA,
    LWABRX,
    LWBRX,
    LWZ,
    MEM_END,
    STB,
    STD,
    STDBRX,
    STH,
    STHBRX,
    STORE_FIRST,
    STW,
    STWBRX,
    UPDATE_END,
    UPDATE_FIRST,
)
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import (
    CLEAN,
    CODE_PAGE,
    ISA_201,
    NOBODY,
    WATCHED,
    Arrival,
    RegionKind,
    Stop,
    context,
    header,
    pcpu,
    region,
    request,
    source,
)
from irqvisor.spec.bits import add, bswap16, bswap32, bswap64, i8, sext16, sext32
from irqvisor.spec.power_isa import (
    CAUSE_PRIVILEGED,
    DSISR_NO_TRANSLATION,
    DSISR_PROTECTION,
    DSISR_STORE,
    MSR_DR,
    MSR_LE,
    MSR_SF,
    SRR1_DATA_CHECK,
    VEC_ALIGNMENT,
    VEC_DATA_STORAGE,
)

CACHE_INHIBITED = np.array([LBZ, LHZ, LWZ, LD, STB, STH, STW, STD])
"""What lbzcix to stdcix do to memory, in their order."""
SIZES = np.array([1, 2, 2, 4, 4, 8, 2, 2, 4, 4, 8, 1, 2, 4, 8, 2, 4, 8], np.int64)
"""Bytes of each plain load and store, in the order of their operation ids from LBZ on."""


@jit
def data_fault(m, p, cpu, ea, cause):
    """Data storage interrupt: DAR, DSISR and vector 0x300. Where the machine says so, a machine check instead."""
    pc = pcpu(m, p)
    cpu.dar = ea
    if cpu.msr & MSR_DR != 0:
        pc.untranslated += 1
    elif cause & DSISR_PROTECTION != 0 and checks_machine(pc, cpu):
        cause = SRR1_DATA_CHECK if pc.machine_checks == 2 else 0
        return Outcome.DONE if machine_check(m, p, cpu, cause) else Outcome.AGAIN
    cpu.dsisr = cause
    enter(m, p, cpu, VEC_DATA_STORAGE, 0)
    return Outcome.DONE


@jit
def alignment(m, p, cpu, ea):
    """Alignment interrupt. DSISR describes the instruction: on a 970 in full, for the X-form, which is all that raises
    one there (PowerPC AS Book III, Alignment Interrupt); later it is undefined."""
    word = fetch(m, cpu, cpu.nip)
    cpu.dar = ea
    cpu.dsisr = (word >> 16) & 0x3FF
    if pcpu(m, p).isa == ISA_201:
        cpu.dsisr |= ((word >> 1) & 3) << 15 | ((word >> 6) & 1) << 14 | ((word >> 7) & 15) << 10
    enter(m, p, cpu, VEC_ALIGNMENT, 0)
    return Outcome.DONE


@jit
def effective(cpu, ea):
    """An effective address, cut to 32 bits in 32-bit mode."""
    return ea if cpu.msr & MSR_SF != 0 else ea & 0xFFFFFFFF


@jit
def locate(m, cpu, ea, size):
    """The region that answers `size` bytes at an effective address, or NOBODY."""
    if cpu.msr & MSR_DR != 0:
        return NOBODY
    return find_region(m, cpu, ea & EA_64, size)


@jit
def absent_cause(cpu):
    """DSISR for an address where nothing is."""
    return DSISR_NO_TRANSLATION if cpu.msr & MSR_DR != 0 else DSISR_PROTECTION


@jit
def store_ram(m, p, a, size, value):
    """A store of the running context to RAM, minding decoded, watched and shared pages. DONE, STORED or AGAIN."""
    marks = disturbs(m, a, size)
    if marks & CODE_PAGE != 0:
        if pool_is_shared(m) != 0:
            request(m).reason = Stop.CODE
            request(m).pcpu = p
            return Outcome.AGAIN
        forget_code(m, a, size)
    if marks & CLEAN != 0:
        own(m, a, size)
    pc = pcpu(m, p)
    cpu = context(m, pc.context)
    if marks & WATCHED == 0 or a + size <= cpu.watch_from or a >= cpu.watch_to:
        store_sized(m.ram, a, size, value)
        return Outcome.DONE
    pc.watch_at = a & ~7
    pc.watch_old = load64(m.ram, pc.watch_at)
    store_sized(m.ram, a, size, value)
    pc.watch_new = load64(m.ram, pc.watch_at)
    return Outcome.STORED


@jit
def convert(op, value):
    """What a load leaves in the register: sign extension or byte reversal of the zero-extended bytes."""
    if op == LHA:
        return sext16(value)
    if op == LWA:
        return sext32(value)
    if op == LHBRX:
        return bswap16(value)
    if op == LWBRX:
        return bswap32(value)
    if op == LDBRX:
        return bswap64(value)
    if op == LHABRX:
        return sext16(bswap16(value))
    if op == LWABRX:
        return sext32(bswap32(value))
    return value


@jit
def reverse(op, value):
    """The bytes a store writes."""
    if op == STHBRX:
        return bswap16(value)
    if op == STWBRX:
        return bswap32(value)
    if op == STDBRX:
        return bswap64(value)
    return value


@cold
def data_access(m, p, cpu, d):
    """Execute a load or store that is not of plain RAM, or lbzcix to stdcix, which are the hypervisor's."""
    op = i8(d.op)
    if op >= UPDATE_END:
        if not is_hypervisor(cpu):
            return program(m, p, cpu, CAUSE_PRIVILEGED)
        op = i8(CACHE_INHIBITED[op - LBZCIX])
        if cpu.msr & MSR_LE != 0:
            op = i8(TWINS[op - LBZ])
    update = op >= MEM_END
    if update:
        op = op - UPDATE_FIRST + LBZ
    t = i8(d.t)
    a = i8(d.a)
    ea = effective(cpu, add(cpu.gpr[a], add(cpu.gpr[i8(d.c)], d.imm)))
    size = SIZES[op - LBZ]
    k = locate(m, cpu, ea, size)
    if op < STORE_FIRST:
        if k == NOBODY:
            return data_fault(m, p, cpu, ea, absent_cause(cpu))
        outcome, value = load_region(m, p, cpu, k, ea & EA_64, size)
        if outcome == Outcome.ABSENT:  # nothing answers to a load of that size there
            return data_fault(m, p, cpu, ea, absent_cause(cpu))
        cpu.gpr[t] = convert(op, value)
    else:
        if k == NOBODY or region(m, k).kind == RegionKind.ROM:
            return data_fault(m, p, cpu, ea, absent_cause(cpu) | DSISR_STORE)
        outcome = store_region(m, p, cpu, k, ea & EA_64, size, reverse(op, cpu.gpr[t]))
        if outcome == Outcome.ABSENT:
            return data_fault(m, p, cpu, ea, absent_cause(cpu) | DSISR_STORE)
        if outcome == Outcome.AGAIN:
            return outcome
    if update:
        cpu.gpr[a] = ea
    cpu.nip += 4
    return outcome


@jit
def own_source(m, cpu, offset, size):
    """The source whose doorbell is at this offset, if the context's partition owns it; else NOBODY."""
    s = offset // devices.DOORBELL_BYTES
    if size != devices.DOORBELL_BYTES or offset % devices.DOORBELL_BYTES != 0 or s >= header(m).n_source:
        return NOBODY
    return s if source(m, s).lpid == cpu.lpid else NOBODY


@jit
def channel(m, cpu, offset, size):
    """The channel whose register for posting is at this offset, if the context's partition posts to it; else NOBODY."""
    s = offset // devices.DOORBELL_BYTES
    if size != devices.DOORBELL_BYTES or offset % devices.DOORBELL_BYTES != 0 or s >= header(m).n_source:
        return NOBODY
    return s if source(m, s).kind == Arrival.CHANNEL and source(m, s).poster == cpu.lpid else NOBODY


@jit
def load_region(m, p, cpu, k, real, size):
    """Load from a region. Returns (outcome, value); ABSENT: nothing is there for an access of this kind."""
    r = region(m, k)
    offset = real - r.start
    if r.kind <= RegionKind.ROM:
        return Outcome.DONE, load_sized(m.ram, r.ram + offset, size)
    if r.kind == RegionKind.PIC:
        return read_pic(m, p, offset, size)
    if r.kind == RegionKind.QUEUE:
        value = load_sized(m.ram, r.ram + offset, size)
        return xive.read_entry(m, p, r.ram + offset, value), value
    if r.kind >= RegionKind.ESB:
        pcpu(m, p).now += header(m).pic_read
        if r.kind == RegionKind.ESB:
            return xive.load_esb(m, p, cpu.lpid, r.ram, offset)
        if r.kind == RegionKind.TRIGGER:
            return Outcome.ABSENT, 0
        if r.kind == RegionKind.END:
            return xive.load_end(m, p, r.ram, offset)
        if r.kind == RegionKind.VAPIC:
            return posted.load(m, p, offset, size)
        return xive.load_tima(m, p, offset, size)
    if r.kind == RegionKind.DOORBELL:
        s = own_source(m, cpu, offset, size)
        if s != NOBODY:
            return Outcome.DONE, i8(source(m, s).tail)
    if r.kind == RegionKind.POST:
        s = channel(m, cpu, offset, size)
        if s != NOBODY:
            return Outcome.DONE, 1 if devices.is_open(m, s) else 0
    return Outcome.ABSENT, 0


@jit
def read_pic(m, p, offset, size):
    """A guest reads a register of the interrupt controller."""
    if size != 4:
        return Outcome.ABSENT, 0
    pc = pcpu(m, p)
    pc.now += header(m).pic_read
    value = openpic.read(m, p, offset)
    if openpic.is_acknowledge(offset):
        pc.watch_at = openpic.last_acknowledged(m, p, offset)
        return Outcome.ACKNOWLEDGED, value
    return Outcome.DONE, value


@jit
def store_region(m, p, cpu, k, real, size, value):
    """Store to a region; ABSENT: nothing is there for an access of this kind."""
    r = region(m, k)
    offset = real - r.start
    pc = pcpu(m, p)
    if r.kind == RegionKind.RAM or r.kind == RegionKind.QUEUE:
        return store_ram(m, p, r.ram + offset, size, value)
    if r.kind == RegionKind.PIC:
        if size != 4:
            return Outcome.ABSENT
        pc.now += header(m).pic_write
        ended = openpic.write(m, p, offset, value & 0xFFFFFFFF)
        if openpic.is_end_of_interrupt(offset):
            pc.watch_at = ended
            return Outcome.ENDED
        return Outcome.DONE
    if r.kind >= RegionKind.ESB:
        pc.now += header(m).pic_write
        if r.kind == RegionKind.ESB or r.kind == RegionKind.TRIGGER:
            return xive.store_esb(m, p, cpu.lpid, r.ram, offset, r.kind == RegionKind.TRIGGER)
        if r.kind == RegionKind.VAPIC:
            return posted.store(m, p, offset, size, value)
        if r.kind == RegionKind.END:
            return Outcome.ABSENT
        return xive.store_tima(m, p, offset, size, value)
    if r.kind == RegionKind.DOORBELL:
        s = own_source(m, cpu, offset, size)
        if s == NOBODY:
            return Outcome.ABSENT
        pc.watch_at = s
        pc.watch_new = value
        rung = devices.ring_doorbell(m, p, s, value, pc.now)
        if rung == devices.Rung.CONSUMED:
            return Outcome.DONE
        pc.watch_old = 1 if rung == devices.Rung.WRONG else 0
        return Outcome.DOORBELL
    if r.kind == RegionKind.POST:
        s = channel(m, cpu, offset, size)
        if s == NOBODY:
            return Outcome.ABSENT
        if devices.post_to_channel(m, s, value, pc.now):
            return Outcome.DONE
        pc.watch_at = s
        pc.watch_old = 1
        return Outcome.DOORBELL
    if r.kind == RegionKind.BOARD:
        pc.watch_at = offset
        pc.watch_new = value
        return Outcome.BOARD
    return Outcome.ABSENT
