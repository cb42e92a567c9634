"""Time base and decrementer, exact in virtual time (Power ISA Book III-S, Timer Facilities).

The time base is ``cycle * tb_num // tb_den``. DEC counts down at its rate: it is kept as the number that, less the
time base, is DEC. A decrementer exception exists whenever DEC's sign bit is 1 (level, as on every 64-bit server
processor); writing a non-negative value ends it.
"""

from irqvisor._jit import jit
from irqvisor.hw.state import header
from irqvisor.spec.bits import sext32


@jit
def timebase(m, now):
    """The time base at a cycle."""
    h = header(m)
    return now * h.tb_num // h.tb_den


@jit
def decrementer(m, cpu, now):
    """DEC as a signed 32-bit number."""
    return sext32(cpu.dec_base - timebase(m, now))


@jit
def set_decrementer(m, cpu, now, value):
    """Write DEC: the low 32 bits of `value`."""
    count_down(m, cpu, timebase(m, now) + sext32(value))


@jit
def count_down(m, cpu, base):
    """Make DEC what `base` less the time base is, and note when its next exception begins."""
    cpu.dec_base = base
    cpu.dec_at = cycle_of(m, base + 1)


@jit
def cycle_of(m, ticks):
    """The first cycle at which the time base has reached `ticks`."""
    h = header(m)
    return (ticks * h.tb_den + h.tb_num - 1) // h.tb_num


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
    return cycle_of(m, timebase(m, now) + left + 1)
