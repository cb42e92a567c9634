"""Branches (Power ISA Book I, Branch Facility)."""

from irqvisor._jit import hot
from irqvisor.hw.ops import BA, BC, BC_FALSE, BC_TRUE, BCA, BCCTR, BCLR, B
from irqvisor.spec.bits import LOW32, add, i8, low32, sub
from irqvisor.spec.power_isa import BO_CR_TRUE, BO_CTR_ZERO, BO_IGNORE_CR, BO_KEEP_CTR


@hot
def is_taken(cpu, bo, bi, sf):
    """Whether BO and BI say to branch. Counts CTR down first, all 64 bits; the test is of 32 in 32-bit mode."""
    ctr_ok = True
    if bo & BO_KEEP_CTR == 0:
        cpu.ctr = sub(cpu.ctr, 1)
        counter = cpu.ctr if sf != 0 else low32(cpu.ctr)
        ctr_ok = (counter == 0) == (bo & BO_CTR_ZERO != 0)
    bit = i8(cpu.cr[bi >> 2]) & (8 >> (bi & 3))
    return ctr_ok and (bo & BO_IGNORE_CR != 0 or (bit != 0) == (bo & BO_CR_TRUE != 0))


@hot
def linked(cpu, d, pc, sf):
    """LR, if the instruction says so (LK), whether or not it branches."""
    if d.x != 0:
        cpu.lr = add(pc, 4) if sf != 0 else low32(add(pc, 4))


@hot
def next_address(cpu, op, d, pc, sf):
    """Where to go on; not yet cut to 32 bits."""
    if op == BC_TRUE:
        return add(pc, d.imm) if cpu.cr[d.a] & d.t != 0 else add(pc, 4)
    elif op == BC_FALSE:
        return add(pc, d.imm) if cpu.cr[d.a] & d.t == 0 else add(pc, 4)
    elif op == B:
        linked(cpu, d, pc, sf)
        return add(pc, d.imm)
    elif op == BA:
        linked(cpu, d, pc, sf)
        return i8(d.imm)
    target = add(pc, d.imm)
    if op == BCLR:
        target = cpu.lr & ~3  # before LK overwrites it
    elif op == BCCTR:
        target = cpu.ctr & ~3
    elif op == BCA:
        target = i8(d.imm)
    elif op != BC:
        target = cpu.tar & ~3
    linked(cpu, d, pc, sf)
    return target if is_taken(cpu, i8(d.t), i8(d.a), sf) else add(pc, 4)


@hot
def branch(cpu, op, d, pc, sf):
    """Execute a branch of the decoded record `d` at `pc`; returns the address of the next instruction.

    `sf` is MSR[SF], zero in 32-bit mode. Sets LR and CTR as the instruction says.
    """
    target = next_address(cpu, op, d, pc, sf)
    return target if sf != 0 else target & LOW32
