"""Slow instructions: privileged, string and multiple, reservations, traps, and all that is not a group of its own.

One function a family; `system` dispatches. A function ends by moving NIP, by taking an interrupt, or both (`sc`).
Power ISA Books II and III-S; privileges from the SPR table.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hw import ops
from irqvisor.hw.exceptions import enter
from irqvisor.hw.multiple import clear_block, multiple, strings
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.reservation import load_reserve, store_conditional
from irqvisor.hw.spr import read_spr, spr_access, write_spr
from irqvisor.hw.state import Model, header, pcpu
from irqvisor.hw.timer import timebase
from irqvisor.spec.bits import add, i8, sext32, srl, ult
from irqvisor.spec.power_isa import (
    CAUSE_ILLEGAL,
    CAUSE_PRIVILEGED,
    CAUSE_TRAP,
    HID0_NAP,
    MSR_DR,
    MSR_EE,
    MSR_FP,
    MSR_HV,
    MSR_IR,
    MSR_LE,
    MSR_ME,
    MSR_POW,
    MSR_PR,
    MSR_RI,
    MSR_S,
    MSR_SF,
    MSR_SUPPORTED,
    MSR_SUPPORTED_207,
    MSR_VEC,
    MSR_VSX,
    RFID_FROM_SRR1,
    SRR1_CLEARED,
    VEC_FP_UNAVAILABLE,
    VEC_PROGRAM,
    VEC_SYSTEM_CALL,
    VEC_VEC_UNAVAILABLE,
    VEC_VSX_UNAVAILABLE,
)

FORCED_BY_PR = MSR_EE | MSR_IR | MSR_DR
"""Bits that problem state brings along: a return to PR=1 sets them."""


@jit
def program(m, p, cpu, cause):
    """Program interrupt."""
    enter(m, p, cpu, VEC_PROGRAM, cause)
    return Outcome.DONE


@jit
def supported(model):
    """The MSR bits that a processor model has."""
    return MSR_SUPPORTED if model == Model.PPC970 else MSR_SUPPORTED_207


@jit
def in_user_state(cpu):
    return cpu.msr & MSR_PR != 0


@jit
def in_hypervisor_state(cpu):
    return cpu.msr & MSR_HV != 0 and cpu.msr & MSR_PR == 0


@jit
def system_call(m, p, cpu, level):
    """sc: LEV 0 to the partition's own 0xC00; LEV 1 to the hypervisor, or to HV=1 software where there is none."""
    cpu.nip += 4
    pc = pcpu(m, p)
    if level & 1 != 0 and pc.hypervisor != 0:
        cpu.srr0 = cpu.nip
        cpu.srr1 = cpu.msr & ~SRR1_CLEARED
        cpu.resv = 0
        return Outcome.HCALL
    enter(m, p, cpu, VEC_SYSTEM_CALL, 0)
    if level & 1 != 0:
        cpu.msr |= MSR_HV
    return Outcome.DONE


@jit
def return_from_interrupt(m, p, cpu, target, saved, hypervisor):
    """rfid (ME only changes with HV, HV can only fall) and hrfid (both copied)."""
    old = cpu.msr
    fresh = (old & ~RFID_FROM_SRR1) | (saved & RFID_FROM_SRR1)
    if saved & MSR_PR != 0:
        fresh |= FORCED_BY_PR
    if hypervisor:
        fresh = (fresh & ~(MSR_HV | MSR_ME)) | (saved & (MSR_HV | MSR_ME))
    else:
        fresh = (fresh & ~MSR_HV) | (old & saved & MSR_HV)
        if old & MSR_HV != 0:
            fresh = (fresh & ~MSR_ME) | (saved & MSR_ME)
    cpu.msr = fresh & supported(pcpu(m, p).model)
    cpu.nip = target & ~3
    if cpu.msr & MSR_SF == 0:
        cpu.nip &= 0xFFFFFFFF
    cpu.resv = 0
    pc = pcpu(m, p)
    pc.now += header(m).exc_return
    if fresh & MSR_EE != 0:
        trace.returned(m, pc.context, cpu.lpid, p, pc.now)
    return Outcome.DONE


@jit
def move_to_msr(m, p, cpu, value, only_ee_ri, low_half):
    """mtmsrd and mtmsr. L=1 touches EE and RI only; HV, ME, LE never change here."""
    old = cpu.msr
    cpu.nip += 4
    if only_ee_ri:
        cpu.msr = (old & ~(MSR_EE | MSR_RI)) | (value & (MSR_EE | MSR_RI))
        return Outcome.DONE
    kept = MSR_HV | MSR_S | MSR_ME | MSR_LE
    if low_half:
        kept |= -(1 << 32)
    if value & MSR_PR != 0:
        value |= FORCED_BY_PR
    cpu.msr = ((old & kept) | (value & ~kept)) & supported(pcpu(m, p).model)
    if cpu.msr & MSR_SF == 0:
        cpu.nip &= 0xFFFFFFFF
    if value & MSR_POW != 0 and cpu.hid0 & HID0_NAP != 0:
        return Outcome.WAIT
    return Outcome.DONE


@jit
def trap(m, p, cpu, op, to, a, b):
    """tw and td: trap if one of the chosen comparisons holds."""
    if op == ops.TW:
        a = sext32(a)
        b = sext32(b)
    hit = (
        (to & 0x10 != 0 and a < b)
        or (to & 0x08 != 0 and a > b)
        or (to & 0x04 != 0 and a == b)
        or (to & 0x02 != 0 and ult(a & 0xFFFFFFFF, b & 0xFFFFFFFF) if op == ops.TW else to & 0x02 != 0 and ult(a, b))
        or (to & 0x01 != 0 and ult(b & 0xFFFFFFFF, a & 0xFFFFFFFF) if op == ops.TW else to & 0x01 != 0 and ult(b, a))
    )
    if hit:
        return program(m, p, cpu, CAUSE_TRAP)
    cpu.nip += 4
    return Outcome.DONE


@jit
def move_from_spr(m, p, cpu, t, number):
    """mfspr: value, no-op, illegal or privileged, as the number's class demands."""
    cause = spr_access(m, p, cpu, number, 0)
    if cause > 0:
        return program(m, p, cpu, cause)
    if cause == 0:
        cpu.gpr[t] = read_spr(m, p, cpu, number)
    cpu.nip += 4
    return Outcome.DONE


@jit
def move_to_spr(m, p, cpu, t, number):
    """mtspr."""
    cause = spr_access(m, p, cpu, number, 1)
    if cause > 0:
        return program(m, p, cpu, cause)
    if cause == 0:
        write_spr(m, p, cpu, number, cpu.gpr[t])
    cpu.nip += 4
    return Outcome.DONE


@jit
def supervisor(m, p, cpu, op, t, x, imm):
    """Instructions that problem state may not use."""
    if in_user_state(cpu):
        return program(m, p, cpu, CAUSE_PRIVILEGED)
    if op == ops.RFID:
        return return_from_interrupt(m, p, cpu, cpu.srr0, cpu.srr1, False)
    if op == ops.MTMSRD:
        return move_to_msr(m, p, cpu, cpu.gpr[t], x != 0, False)
    if op == ops.MTMSR:
        return move_to_msr(m, p, cpu, cpu.gpr[t], x != 0, True)
    if op == ops.MFMSR:
        cpu.gpr[t] = cpu.msr
    elif op == ops.SEGMENT_READ:  # no segment is ever valid
        cpu.gpr[t] = 0
    cpu.nip += 4
    return Outcome.DONE


@jit
def hypervisor_only(m, p, cpu, op):
    """Instructions that need HV=1."""
    if not in_hypervisor_state(cpu):
        return program(m, p, cpu, CAUSE_PRIVILEGED)
    if op == ops.HRFID:
        return return_from_interrupt(m, p, cpu, cpu.hsrr0, cpu.hsrr1, True)
    cpu.nip += 4
    if op == ops.NAP or op == ops.DOZE or op == ops.SLEEP or op == ops.RVWINKLE:
        return Outcome.WAIT
    return Outcome.DONE


@jit
def unavailable(m, p, cpu, op):
    """An instruction of a unit this processor does not have: unavailable while its MSR bit is off, illegal when on."""
    bit = MSR_FP
    vector = VEC_FP_UNAVAILABLE
    if op == ops.VEC_UNAVAILABLE:
        bit = MSR_VEC
        vector = VEC_VEC_UNAVAILABLE
    elif op == ops.VSX_UNAVAILABLE:
        bit = MSR_VSX
        vector = VEC_VSX_UNAVAILABLE
    if cpu.msr & bit != 0:
        return program(m, p, cpu, CAUSE_ILLEGAL)
    enter(m, p, cpu, vector, 0)
    return Outcome.DONE


@jit
def system(m, p, cpu, d):
    """Execute one instruction of the system group; NIP is at it."""
    op = i8(d.op)
    t = i8(d.t)
    x = i8(d.x)
    if op == ops.SC:
        return system_call(m, p, cpu, d.imm)
    if op == ops.RFID or op == ops.MTMSRD or op == ops.MTMSR or op == ops.MFMSR:
        return supervisor(m, p, cpu, op, t, x, d.imm)
    if op == ops.TLB_SUPERVISOR or op == ops.SEGMENT_READ:
        return supervisor(m, p, cpu, op, t, x, d.imm)
    if op == ops.MFSPR:
        return move_from_spr(m, p, cpu, t, d.imm)
    if op == ops.MTSPR:
        return move_to_spr(m, p, cpu, t, d.imm)
    a = cpu.gpr[i8(d.a)]
    b = add(cpu.gpr[i8(d.c)], d.imm)
    if op == ops.NOP or op == ops.ICBI:
        cpu.nip += 4
        return Outcome.DONE
    if op == ops.LWARX or op == ops.LDARX or op == ops.LBARX or op == ops.LHARX:
        return load_reserve(m, p, cpu, op, t, add(a, b))
    if op == ops.STWCX or op == ops.STDCX or op == ops.STBCX or op == ops.STHCX:
        return store_conditional(m, p, cpu, op, t, add(a, b))
    if op == ops.TW or op == ops.TD:
        return trap(m, p, cpu, op, t, a, b)
    if op == ops.LMW or op == ops.STMW:
        return multiple(m, p, cpu, op, t, add(a, b))
    if op == ops.LSWI or op == ops.STSWI or op == ops.LSWX or op == ops.STSWX:
        return strings(m, p, cpu, op, t, d)
    if op == ops.DCBZ:
        return clear_block(m, p, cpu, add(a, b))
    if op == ops.MFTB:
        tb = timebase(m, pcpu(m, p).now)
        cpu.gpr[t] = tb if d.imm == 268 else srl(tb, 32)
        cpu.nip += 4
        return Outcome.DONE
    if op == ops.HRFID or op == ops.TLB_HYPERVISOR:
        return hypervisor_only(m, p, cpu, op)
    if op == ops.NAP or op == ops.DOZE or op == ops.SLEEP or op == ops.RVWINKLE:
        return hypervisor_only(m, p, cpu, op)
    if op == ops.FP_UNAVAILABLE or op == ops.VEC_UNAVAILABLE or op == ops.VSX_UNAVAILABLE:
        return unavailable(m, p, cpu, op)
    return program(m, p, cpu, CAUSE_ILLEGAL)
