"""Load and store multiple, strings, and clearing a cache block: instructions that touch many bytes.

In little-endian mode all but the last raise an alignment interrupt (Power ISA Book III-S, Alignment Interrupt).
One that is not all in memory raises a storage interrupt and has done nothing. They work on RAM only: a device that is
asked for a string answers with a storage interrupt.
"""

from irqvisor._jit import jit
from irqvisor.hw import ops
from irqvisor.hw.exceptions import program
from irqvisor.hw.memory import EA_64, load8, load32
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NOBODY, RegionKind, region
from irqvisor.hw.storage import absent_cause, alignment, data_fault, effective, locate, store_ram
from irqvisor.spec.bits import add, i8
from irqvisor.spec.power_isa import CAUSE_ILLEGAL, DSISR_STORE, MSR_LE, XER_LENGTH

CACHE_BLOCK = 128
SMALL_BLOCK = 32
"""What dcbz clears on a 970 whose HID5 says so."""


@jit
def ram_at(m, cpu, ea, size, storing):
    """RAM offset of `size` bytes at an effective address; NOBODY if they are not all in RAM (or ROM, to load)."""
    k = locate(m, cpu, ea, size)
    if k == NOBODY or region(m, k).kind > (RegionKind.RAM if storing else RegionKind.ROM):
        return NOBODY
    return region(m, k).ram + (ea & EA_64) - region(m, k).start


@jit
def multiple(m, p, cpu, op, t, address):
    """lmw and stmw: the low words of registers t to 31."""
    storing = op == ops.STMW
    ea = effective(cpu, address)
    if cpu.msr & MSR_LE != 0:
        return alignment(m, p, cpu, ea)
    a = ram_at(m, cpu, ea, 4 * (32 - t), storing)
    if a == NOBODY:
        return data_fault(m, p, cpu, ea, absent_cause(cpu) | (DSISR_STORE if storing else 0))
    final = Outcome.DONE
    for k in range(32 - t):
        if storing:
            outcome = store_ram(m, p, a + 4 * k, 4, cpu.gpr[t + k])
            if outcome == Outcome.AGAIN:
                return outcome
            if outcome == Outcome.STORED:
                final = outcome
        else:
            cpu.gpr[t + k] = load32(m.ram, a + 4 * k)
    cpu.nip += 4
    return final


@jit
def is_loaded(t, count, register):
    """Whether a string of `count` bytes that is loaded from register `t` on reaches a register of its address."""
    return register < 32 and 4 * ((register - t) & 31) < count


@jit
def strings(m, p, cpu, op, t, d):
    """lswi, lswx, stswi, stswx: bytes packed left-justified into the low words of successive registers."""
    storing = op == ops.STSWI or op == ops.STSWX
    if op == ops.LSWI or op == ops.STSWI:
        count = i8(d.x)
        ea = effective(cpu, cpu.gpr[i8(d.a)])
    else:
        count = i8(cpu.xer_low) & XER_LENGTH
        ea = effective(cpu, add(cpu.gpr[i8(d.a)], cpu.gpr[i8(d.c)]))
    if cpu.msr & MSR_LE != 0:
        return alignment(m, p, cpu, ea)
    if count == 0:
        cpu.nip += 4
        return Outcome.DONE
    if op == ops.LSWX and (is_loaded(t, count, i8(d.a)) or is_loaded(t, count, i8(d.c))):
        return program(m, p, cpu, CAUSE_ILLEGAL)
    a = ram_at(m, cpu, ea, count, storing)
    if a == NOBODY:
        return data_fault(m, p, cpu, ea, absent_cause(cpu) | (DSISR_STORE if storing else 0))
    final = Outcome.DONE
    for k in range(count):
        r = (t + k // 4) & 31
        shift = 24 - 8 * (k % 4)
        if storing:
            outcome = store_ram(m, p, a + k, 1, cpu.gpr[r] >> shift)
            if outcome == Outcome.AGAIN:
                return outcome
            if outcome == Outcome.STORED:
                final = outcome
        else:
            if shift == 24:
                cpu.gpr[r] = 0
            cpu.gpr[r] |= load8(m.ram, a + k) << shift
    cpu.nip += 4
    return final


@jit
def clear_block(m, p, cpu, address, size):
    """dcbz: zero the block that holds the address. A device's storage cannot be cleared: alignment interrupt."""
    ea = effective(cpu, address)
    block = ea & ~(size - 1)
    a = ram_at(m, cpu, block, size, True)
    if a == NOBODY:
        k = locate(m, cpu, block, 1)
        if k != NOBODY and region(m, k).kind > RegionKind.ROM:
            return alignment(m, p, cpu, ea)
        return data_fault(m, p, cpu, ea, absent_cause(cpu) | DSISR_STORE)
    final = Outcome.DONE
    for k in range(size // 8):
        outcome = store_ram(m, p, a + 8 * k, 8, 0)
        if outcome == Outcome.AGAIN:
            return outcome
        if outcome == Outcome.STORED:
            final = outcome
    cpu.nip += 4
    return final
