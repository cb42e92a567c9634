"""Time base and decrementer, exact in virtual time (Power ISA Book III-S, Timer Facilities).

Ticks are ``cycle * tb_num // tb_den``; the time base is ticks and what software has set it forward by. DEC counts
down at their rate: it is kept as the number that, less the ticks, is DEC. A decrementer exception exists whenever
DEC's sign bit is 1 (level, as on every 64-bit server processor); writing a non-negative value ends it. HDEC is the
same.
"""

from irqvisor._jit import hot, jit
from irqvisor.hw.state import ISA_300, NEVER, header
from irqvisor.spec.bits import add, sext32, sll, srl, sub
from irqvisor.spec.power_isa import LPCR_LD, SPR_TBL_WRITE, SPR_TBU_WRITE

LARGE_UNUSED = 64 - 56
"""Bits that a large decrementer does not have: a POWER9 implements 56."""
NEAR = 1 << 40
"""An exception further away than this many ticks is looked for again on the way, so that its cycle fits 64 bits."""


@hot
def scaled(x, num, den):
    """x * num / den, rounded down, where the product may not fit 64 bits."""
    return x // den * num + x % den * num // den


@jit
def timebase(m, now):
    """Ticks at a cycle: the time base, as long as nobody has written it."""
    h = header(m)
    return scaled(now, h.tb_num, h.tb_den)


@jit
def read_timebase(m, pc):
    """The time base as software sees it. Processors are a little apart in simulated time; a partition must not notice,
    so none reads less than another has read before (Book II, Time Base: it is the same for all)."""
    now = add(timebase(m, pc.now), pc.tb_offset)
    h = header(m)
    if h.n_pcpu > 1 and pc.hypervisor != 0:
        now = max(now, h.tb_read)
        h.tb_read = now
    return now


@jit
def as_large(value):
    """A value as a large decrementer holds it: 56 bits, sign-extended."""
    return sll(value, LARGE_UNUSED) >> LARGE_UNUSED


@jit
def as_dec(cpu, value):
    """A value as DEC holds it, signed: 32 bits, or with LPCR[LD] 56."""
    return as_large(value) if cpu.lpcr & LPCR_LD != 0 else sext32(value)


@jit
def soon(left):
    """How far ahead to look for the exception of a decrementer that holds `left`."""
    return min(max(left, -1), NEAR)


@jit
def decrementer(m, cpu, now):
    """DEC as a signed number."""
    return as_dec(cpu, sub(cpu.dec_base, timebase(m, now)))


@jit
def set_decrementer(m, cpu, now, value):
    """Write DEC: as many low bits of `value` as it has."""
    left = as_dec(cpu, value)
    cpu.dec_base = timebase(m, now) + left
    cpu.dec_at = cycle_of(m, timebase(m, now) + soon(left) + 1)


@jit
def count_down(m, cpu, base):
    """Make DEC what `base` less the time base is, and note when its next exception begins."""
    cpu.dec_base = base
    cpu.dec_at = cycle_of(m, base + 1)


@jit
def cycle_of(m, ticks):
    """The first cycle at which the time base has reached `ticks`."""
    h = header(m)
    return -scaled(-ticks, h.tb_den, h.tb_num)


@jit
def is_expired(m, cpu, now):
    """Whether a decrementer exception exists."""
    return now >= cpu.dec_at and decrementer(m, cpu, now) < 0


@jit
def decrementer_due(m, cpu, now):
    """The cycle at which the next decrementer exception begins; `now` while one exists. Divides only after
    `dec_at`, since the run loop asks often."""
    if now < cpu.dec_at:
        return cpu.dec_at
    left = decrementer(m, cpu, now)
    if left < 0:
        return now
    return cycle_of(m, timebase(m, now) + soon(left) + 1)


@jit
def hypervisor_decrementer(m, pc):
    """HDEC as a signed number: 32 bits, at level 3.0 56. It stands still until it is first written."""
    if pc.hdec_at >= NEVER:
        return 0x7FFFFFFF
    left = sub(pc.hdec_base, timebase(m, pc.now))
    return as_large(left) if pc.isa == ISA_300 else sext32(left)


@jit
def set_hypervisor_decrementer(m, pc, value):
    """Write HDEC."""
    left = as_large(value) if pc.isa == ISA_300 else sext32(value)
    pc.hdec_base = timebase(m, pc.now) + left
    pc.hdec_at = pc.now
    arm_hypervisor_decrementer(m, pc)


@jit
def arm_hypervisor_decrementer(m, pc):
    """Note when the next HDEC exception begins: it exists while the sign bit is 1."""
    pc.hdec_at = cycle_of(m, timebase(m, pc.now) + soon(hypervisor_decrementer(m, pc)) + 1)


@jit
def set_timebase(m, pc, number, value):
    """Write the time base: its low word, its high word, or its upper 40 bits. DEC and HDEC do not notice."""
    old = add(timebase(m, pc.now), pc.tb_offset)
    if number == SPR_TBL_WRITE:
        fresh = sll(srl(old, 32), 32) | (value & 0xFFFFFFFF)
    elif number == SPR_TBU_WRITE:
        fresh = sll(value, 32) | (old & 0xFFFFFFFF)
    else:
        fresh = (value & ~0xFFFFFF) | (old & 0xFFFFFF)
    pc.tb_offset = sub(fresh, timebase(m, pc.now))
