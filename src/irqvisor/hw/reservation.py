"""Load-and-reserve, store-conditional (Power ISA Book II, Load and Reserve and Store Conditional Instructions).

A conditional store succeeds only with a reservation of the same address and size; it ends the reservation either
way. Reservations are also lost to any interrupt or return from one, to stores of others on the granule, to devices.
"""

from irqvisor._jit import jit
from irqvisor.hw import ops
from irqvisor.hw.exceptions import enter
from irqvisor.hw.memory import load_sized
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NOBODY, RegionKind, region
from irqvisor.hw.storage import EA_MASK, absent_cause, data_fault, effective, locate, store_ram
from irqvisor.spec.power_isa import CR_EQ, DSISR_STORE, VEC_ALIGNMENT


@jit
def reserve_size(op):
    """Bytes of a reservation instruction."""
    if op == ops.LWARX or op == ops.STWCX:
        return 4
    if op == ops.LDARX or op == ops.STDCX:
        return 8
    if op == ops.LHARX or op == ops.STHCX:
        return 2
    return 1


@jit
def misaligned(m, p, cpu, ea):
    """Alignment interrupt."""
    cpu.dar = ea
    cpu.dsisr = 0
    enter(m, p, cpu, VEC_ALIGNMENT, 0)
    return Outcome.DONE


@jit
def load_reserve(m, p, cpu, op, t, address):
    """lbarx, lharx, lwarx, ldarx."""
    ea = effective(cpu, address)
    size = reserve_size(op)
    if ea & (size - 1) != 0:
        return misaligned(m, p, cpu, ea)
    k = locate(m, cpu, ea, size)
    if k == NOBODY or region(m, k).kind > RegionKind.ROM:
        return data_fault(m, p, cpu, ea, absent_cause(cpu))
    r = region(m, k)
    cpu.resv = size
    cpu.resv_addr = ea
    cpu.resv_ram = r.ram + (ea & EA_MASK) - r.start
    cpu.gpr[t] = load_sized(m.ram, cpu.resv_ram, size)
    cpu.nip += 4
    return Outcome.DONE


@jit
def store_conditional(m, p, cpu, op, t, address):
    """stbcx., sthcx., stwcx., stdcx."""
    ea = effective(cpu, address)
    size = reserve_size(op)
    if ea & (size - 1) != 0:
        return misaligned(m, p, cpu, ea)
    k = locate(m, cpu, ea, size)
    if k == NOBODY or region(m, k).kind != RegionKind.RAM:
        return data_fault(m, p, cpu, ea, absent_cause(cpu) | DSISR_STORE)
    outcome = Outcome.DONE
    success = cpu.resv == size and cpu.resv_addr == ea
    if success:
        r = region(m, k)
        outcome = store_ram(m, p, r.ram + (ea & EA_MASK) - r.start, size, cpu.gpr[t])
        if outcome == Outcome.AGAIN:
            return outcome
    cpu.resv = 0
    cpu.cr[0] = (CR_EQ if success else 0) | cpu.so
    cpu.nip += 4
    return outcome
