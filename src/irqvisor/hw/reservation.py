"""Load-and-reserve, store-conditional (Power ISA Book II, Load and Reserve and Store Conditional Instructions), and
the quadword loads and stores, which are like them in what they demand of an address.

A conditional store succeeds only with a reservation of the same address and size; it ends the reservation either
way. Reservations are also lost to any interrupt or return from one, to stores of others on the granule, to devices.
"""

from irqvisor._jit import cold, jit
from irqvisor.hw import ops
from irqvisor.hw.memory import EA_64, in_order, load_sized
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NOBODY, RegionKind, region
from irqvisor.hw.storage import absent_cause, alignment, data_fault, effective, locate, store_ram
from irqvisor.spec.power_isa import CR_EQ, DSISR_STORE, DSISR_WRONG_STORAGE, MSR_LE

QUADWORD = 16


@jit
def reserve_size(op):
    """Bytes of a reservation instruction."""
    if op == ops.LWARX or op == ops.STWCX:
        return 4
    if op == ops.LDARX or op == ops.STDCX:
        return 8
    if op == ops.LHARX or op == ops.STHCX:
        return 2
    if op == ops.LBARX or op == ops.STBCX:
        return 1
    return QUADWORD


@jit
def storage_at(m, cpu, ea, size, storing):
    """Where an aligned access goes: (RAM offset, 0), or (NOBODY, the cause of a storage interrupt): nothing is there,
    or a device, whose storage is caching-inhibited."""
    k = locate(m, cpu, ea, size)
    direction = DSISR_STORE if storing else 0
    if k == NOBODY:
        return NOBODY, absent_cause(cpu) | direction
    r = region(m, k)
    if r.kind > RegionKind.ROM:
        return NOBODY, DSISR_WRONG_STORAGE | direction
    if r.kind == RegionKind.ROM and storing:
        return NOBODY, absent_cause(cpu) | direction
    return r.ram + (ea & EA_64) - r.start, 0


@jit
def load_both(m, cpu, a, t):
    """A quadword into registers t and t+1: in big-endian mode the first doubleword into the even one."""
    first = in_order(cpu, 8, load_sized(m.ram, a, 8))
    second = in_order(cpu, 8, load_sized(m.ram, a + 8, 8))
    little = cpu.msr & MSR_LE != 0
    cpu.gpr[t] = second if little else first
    cpu.gpr[t + 1] = first if little else second


@jit
def store_both(m, p, cpu, a, t):
    """Registers t and t+1 to a quadword. It lies in one page: if the second half asks for anything, the first did."""
    little = cpu.msr & MSR_LE != 0
    first = cpu.gpr[t + 1] if little else cpu.gpr[t]
    second = cpu.gpr[t] if little else cpu.gpr[t + 1]
    outcome = store_ram(m, p, a, 8, in_order(cpu, 8, first))
    if outcome == Outcome.AGAIN:
        return outcome
    other = store_ram(m, p, a + 8, 8, in_order(cpu, 8, second))
    return outcome if other == Outcome.DONE else other


@jit
def quadword(m, p, cpu, op, t, address):
    """lq, stq."""
    ea = effective(cpu, address)
    if ea & (QUADWORD - 1) != 0:
        return alignment(m, p, cpu, ea)
    a, cause = storage_at(m, cpu, ea, QUADWORD, op == ops.STQ)
    if cause != 0:
        return data_fault(m, p, cpu, ea, cause)
    outcome = Outcome.DONE
    if op == ops.LQ:
        load_both(m, cpu, a, t)
    else:
        outcome = store_both(m, p, cpu, a, t)
        if outcome == Outcome.AGAIN:
            return outcome
    cpu.nip += 4
    return outcome


@jit
def load_reserve(m, p, cpu, op, t, address):
    """lbarx, lharx, lwarx, ldarx, lqarx."""
    ea = effective(cpu, address)
    size = reserve_size(op)
    if ea & (size - 1) != 0:
        return alignment(m, p, cpu, ea)
    a, cause = storage_at(m, cpu, ea, size, False)
    if cause != 0:
        return data_fault(m, p, cpu, ea, cause)
    cpu.resv = size
    cpu.resv_addr = ea
    cpu.resv_ram = a
    if size == QUADWORD:
        load_both(m, cpu, a, t)
    else:
        cpu.gpr[t] = in_order(cpu, size, load_sized(m.ram, a, size))
    cpu.nip += 4
    return Outcome.DONE


@cold
def store_conditional(m, p, cpu, op, t, address):
    """stbcx., sthcx., stwcx., stdcx., stqcx."""
    ea = effective(cpu, address)
    size = reserve_size(op)
    if ea & (size - 1) != 0:
        return alignment(m, p, cpu, ea)
    a, cause = storage_at(m, cpu, ea, size, True)
    if cause != 0:
        return data_fault(m, p, cpu, ea, cause)
    outcome = Outcome.DONE
    success = cpu.resv == size and cpu.resv_addr == ea
    if success:
        if size == QUADWORD:
            outcome = store_both(m, p, cpu, a, t)
        else:
            outcome = store_ram(m, p, a, size, in_order(cpu, size, cpu.gpr[t]))
        if outcome == Outcome.AGAIN:
            return outcome
    cpu.resv = 0
    cpu.cr[0] = (CR_EQ if success else 0) | cpu.so
    cpu.nip += 4
    return outcome
