"""Load and store multiple, strings, and clearing a cache block: instructions that touch many bytes.

One that is not all in memory raises a storage interrupt and has done nothing. They work on RAM only: a device that is
asked for a string answers with a storage interrupt.
"""

from irqvisor._jit import jit
from irqvisor.hw import ops
from irqvisor.hw.memory import load8, load32
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NOBODY, RegionKind, region
from irqvisor.hw.storage import EA_MASK, absent_cause, data_fault, effective, locate, store_ram
from irqvisor.spec.bits import add, i8
from irqvisor.spec.power_isa import DSISR_STORE

CACHE_BLOCK = 128


@jit
def ram_at(m, cpu, ea, size, storing):
    """RAM offset of `size` bytes at an effective address; NOBODY if they are not all in RAM (or ROM, to load)."""
    k = locate(m, cpu, ea, size)
    if k == NOBODY or region(m, k).kind > (RegionKind.RAM if storing else RegionKind.ROM):
        return NOBODY
    return region(m, k).ram + (ea & EA_MASK) - region(m, k).start


@jit
def multiple(m, p, cpu, op, t, address):
    """lmw and stmw: the low words of registers t to 31."""
    storing = op == ops.STMW
    ea = effective(cpu, address)
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
def strings(m, p, cpu, op, t, d):
    """lswi, lswx, stswi, stswx: bytes packed left-justified into the low words of successive registers."""
    storing = op == ops.STSWI or op == ops.STSWX
    if op == ops.LSWI or op == ops.STSWI:
        count = i8(d.x)
        ea = effective(cpu, cpu.gpr[i8(d.a)])
    else:
        count = i8(cpu.xer_low)
        ea = effective(cpu, add(cpu.gpr[i8(d.a)], cpu.gpr[i8(d.c)]))
    if count == 0:
        cpu.nip += 4
        return Outcome.DONE
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
def clear_block(m, p, cpu, address):
    """dcbz: zero the 128-byte block that holds the address."""
    ea = effective(cpu, address)
    block = ea & ~(CACHE_BLOCK - 1)
    a = ram_at(m, cpu, block, CACHE_BLOCK, True)
    if a == NOBODY:
        return data_fault(m, p, cpu, ea, absent_cause(cpu) | DSISR_STORE)
    final = Outcome.DONE
    for k in range(CACHE_BLOCK // 8):
        outcome = store_ram(m, p, a + 8 * k, 8, 0)
        if outcome == Outcome.AGAIN:
            return outcome
        if outcome == Outcome.STORED:
            final = outcome
    cpu.nip += 4
    return final
