"""RTAS get-time-of-day in the run loop: some guests wait by asking for nothing else, a hundred thousand times a second.

All other services are the control plane's (`control/rtas.py`), and so is the answer to a wrong argument block. LoPAPR,
Time of Day.
"""

from irqvisor._jit import jit
from irqvisor.hv.state import partition
from irqvisor.hw.memory import load32, write_ram
from irqvisor.hw.state import header, pcpu
from irqvisor.spec import rtas
from irqvisor.spec.bits import ult

DAY = 86_400
"""Seconds."""
EPOCH = 719_468
"""Days from 1 March of the year 0 to 1 January 1970. A year that begins in March has its leap day at the end."""
FOUR_YEARS = 1461
CENTURY = 36_524
FOUR_CENTURIES = 146_097
"""Days; every fourth century has one more."""
FIVE_MONTHS = 153
"""Days, from March and again from August."""
MILLION = 1_000_000


@jit
def is_asked(m, cpu, block):
    """Whether an argument block, by its real address, is a proper one of get-time-of-day."""
    if ult(cpu.win_size - rtas.FIRST_AT - rtas.CELL * rtas.TIME_CELLS, block):
        return False
    a = cpu.win_base + block
    if load32(m.ram, a) != rtas.GET_TIME_OF_DAY:
        return False
    return load32(m.ram, a + rtas.CELL) == 0 and load32(m.ram, a + 2 * rtas.CELL) == rtas.TIME_CELLS


@jit
def answer(m, p, cpu, block):
    """Status, year, month, day, hour, minute, second and nanoseconds."""
    own = partition(m, 0)
    hz = header(m).clock_hz
    now = pcpu(m, p).now
    thousandths = now % hz * 1000  # in two steps, or it would not fit 64 bits
    ns = own.rtc_ns + thousandths // hz * MILLION + thousandths % hz * MILLION // hz
    seconds = own.rtc + now // hz + ns // (1000 * MILLION)
    a = cpu.win_base + block + rtas.FIRST_AT
    write_ram(m, a, rtas.CELL, rtas.SUCCESS)
    put_date(m, a + rtas.CELL, seconds // DAY + EPOCH)
    rest = seconds % DAY
    write_ram(m, a + 4 * rtas.CELL, rtas.CELL, rest // 3600)
    write_ram(m, a + 5 * rtas.CELL, rtas.CELL, rest // 60 % 60)
    write_ram(m, a + 6 * rtas.CELL, rtas.CELL, rest % 60)
    write_ram(m, a + 7 * rtas.CELL, rtas.CELL, ns % (1000 * MILLION))


@jit
def put_date(m, a, days):
    """Year, month and day of so many days after 1 March of the year 0, in the Gregorian calendar."""
    day = days % FOUR_CENTURIES
    leap_days = day // (FOUR_YEARS - 1) - day // CENTURY + day // (FOUR_CENTURIES - 1)
    year = (day - leap_days) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // FIVE_MONTHS
    day -= (FIVE_MONTHS * month + 2) // 5
    from_january = (month + 2) % 12
    year += days // FOUR_CENTURIES * 400
    write_ram(m, a, rtas.CELL, year if from_january >= 2 else year + 1)
    write_ram(m, a + rtas.CELL, rtas.CELL, from_january + 1)
    write_ram(m, a + 2 * rtas.CELL, rtas.CELL, day + 1)
