"""Slow instructions: privileged, string and multiple, reservations, traps, and all that is not a group of its own.

One function a family; `system` dispatches. A function ends by moving NIP, by taking an interrupt, or both (`sc`).
Power ISA Books II and III-S; privileges from the SPR table.
"""

from irqvisor import trace
from irqvisor._jit import cold, hot, jit
from irqvisor.hw import ops
from irqvisor.hw.decimal import assist
from irqvisor.hw.doorbell import message
from irqvisor.hw.exceptions import enter, enter_hypervisor_type, enter_in, is_hypervisor, program
from irqvisor.hw.multiple import CACHE_BLOCK, SMALL_BLOCK, clear_block, multiple, strings
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.reservation import load_reserve, quadword, store_conditional
from irqvisor.hw.spr import (
    BESCR,
    EBBRR,
    FSCR,
    HFSCR,
    PSSCR,
    REFUSED,
    read_spr,
    read_time,
    spr_access,
    write_spr,
)
from irqvisor.hw.state import ISA_201, ISA_300, Stop, header, pcpu, request
from irqvisor.spec.bits import add, i8, mul, sext32, sll, srl, ult
from irqvisor.spec.power_isa import (
    BESCR_GE,
    CAUSE_ILLEGAL,
    CAUSE_PRIVILEGED,
    CAUSE_TRAP,
    FACILITY_EBB,
    FACILITY_MSGP,
    FACILITY_SCV,
    FACILITY_TM,
    FSCR_EBB,
    FSCR_REASON_SHIFT,
    FSCR_SCV,
    HFSCR_MSGP,
    HID0_EN_ATTN,
    HID0_NAP,
    HID0_POWER9_EN_ATTN,
    HID5_DCBZ32_ILLEGAL,
    HID5_DCBZ_SIZE,
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
    MSR_SUPPORTED_300,
    MSR_SUSPENDED,
    MSR_TM,
    MSR_TS,
    MSR_VEC,
    MSR_VSX,
    PSSCR_LOSES,
    RFID_FROM_SRR1,
    SRR1_CLEARED,
    VEC_FACILITY_UNAVAILABLE,
    VEC_FP_UNAVAILABLE,
    VEC_HYPERVISOR_FACILITY_UNAVAILABLE,
    VEC_SYSTEM_CALL,
    VEC_SYSTEM_CALL_VECTORED,
    VEC_VEC_UNAVAILABLE,
    VEC_VSX_UNAVAILABLE,
)

RANDOM_STEP = 0x9E3779B97F4A7C15 - (1 << 64)
RANDOM_MIX_1 = 0xBF58476D1CE4E5B9 - (1 << 64)
RANDOM_MIX_2 = 0x94D049BB133111EB - (1 << 64)
FORCED_BY_PR = MSR_EE | MSR_IR | MSR_DR
"""Bits that problem state brings along: a return to PR=1 sets them."""


@jit
def facility(m, p, cpu, reason):
    """Facility unavailable interrupt, with its reason in FSCR."""
    cpu.spr[FSCR] = with_reason(cpu.spr[FSCR], reason)
    enter(m, p, cpu, VEC_FACILITY_UNAVAILABLE, 0)
    return Outcome.DONE


@jit
def with_reason(register, reason):
    """FSCR or HFSCR with a reason in bits 0:7."""
    return (register & ((1 << FSCR_REASON_SHIFT) - 1)) | sll(reason, FSCR_REASON_SHIFT)


@jit
def supported(isa):
    """The MSR bits that a level of the architecture has."""
    if isa == ISA_201:
        return MSR_SUPPORTED
    return MSR_SUPPORTED_300 if isa == ISA_300 else MSR_SUPPORTED_207


@jit
def keeps_suspended(old, fresh):
    """A new MSR that leaves a suspended transaction alone: 29:31 stay 0b010 if they were, and 0b000 is asked for."""
    field = MSR_TS | MSR_TM
    return fresh | MSR_SUSPENDED if old & field == MSR_SUSPENDED and fresh & field == 0 else fresh


@jit
def in_user_state(cpu):
    return cpu.msr & MSR_PR != 0


@hot
def call_hypervisor(cpu):
    """sc with LEV 1: what the processor does before the hypervisor begins."""
    cpu.nip += 4
    cpu.srr0 = cpu.nip
    cpu.srr1 = cpu.msr & ~SRR1_CLEARED
    cpu.resv = 0


@jit
def system_call(m, p, cpu, level):
    """sc: LEV 0 to the partition's own 0xC00; LEV 1 to HV=1 software. The simulated hypervisor has its gate."""
    cpu.nip += 4
    enter_in(m, p, cpu, VEC_SYSTEM_CALL, 0, MSR_HV if level & 1 != 0 else cpu.msr & MSR_HV)
    return Outcome.DONE


@jit
def system_call_vectored(m, p, cpu, level):
    """scv: the handler finds the return address in LR and MSR in CTR; EE and RI stay as they are."""
    if cpu.spr[FSCR] & FSCR_SCV == 0:
        return facility(m, p, cpu, FACILITY_SCV)
    srr0 = cpu.srr0
    srr1 = cpu.srr1
    kept = cpu.msr & (MSR_EE | MSR_RI)
    cpu.nip += 4
    enter(m, p, cpu, VEC_SYSTEM_CALL_VECTORED + 32 * level, 0)
    cpu.lr = cpu.srr0
    cpu.ctr = cpu.srr1
    cpu.srr0 = srr0
    cpu.srr1 = srr1
    cpu.msr |= kept
    return Outcome.DONE


@jit
def restored(old, saved, isa):
    """MSR after a return that takes it from `saved`, below hypervisor state: HV falls, ME stays."""
    fresh = (old & ~RFID_FROM_SRR1) | (saved & RFID_FROM_SRR1)
    if saved & MSR_PR != 0:
        fresh |= FORCED_BY_PR
    return keeps_suspended(old, fresh & ~MSR_HV) & supported(isa)


@hot
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
    cpu.msr = keeps_suspended(old, fresh) & supported(pcpu(m, p).isa)
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
    cpu.msr = keeps_suspended(old, (old & kept) | (value & ~kept)) & supported(pcpu(m, p).isa)
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
    if cause <= REFUSED:
        return facility(m, p, cpu, REFUSED - cause)
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
    if cause <= REFUSED:
        return facility(m, p, cpu, REFUSED - cause)
    if cause == 0:
        write_spr(m, p, cpu, number, cpu.gpr[t])
    cpu.nip += 4
    return Outcome.DONE


@jit
def supervisor(m, p, cpu, op, t, x, b):
    """Instructions that problem state may not use."""
    if in_user_state(cpu):
        return program(m, p, cpu, CAUSE_PRIVILEGED)
    if op == ops.RFID:
        return return_from_interrupt(m, p, cpu, cpu.srr0, cpu.srr1, False)
    if op == ops.RFSCV:
        return return_from_interrupt(m, p, cpu, cpu.lr, cpu.ctr, False)
    if op == ops.MTMSRD:
        return move_to_msr(m, p, cpu, cpu.gpr[t], x != 0, False)
    if op == ops.MTMSR:
        return move_to_msr(m, p, cpu, cpu.gpr[t], x != 0, True)
    if op == ops.TM_PRIVILEGED:
        return transaction(m, p, cpu)
    if op == ops.MFMSR:
        cpu.gpr[t] = cpu.msr
    elif op == ops.SEGMENT_READ:  # no segment is ever valid
        cpu.gpr[t] = 0
    elif op == ops.MSGSNDP or op == ops.MSGCLRP:
        return privileged_message(m, p, cpu, op, b)
    cpu.nip += 4
    return Outcome.DONE


@jit
def privileged_message(m, p, cpu, op, b):
    """msgsndp, msgclrp: a partition may be denied them by HFSCR. A simulated hypervisor does not offer them."""
    if not is_hypervisor(cpu):
        if pcpu(m, p).hypervisor != 0:
            return program(m, p, cpu, CAUSE_ILLEGAL)
        if cpu.spr[HFSCR] & HFSCR_MSGP == 0:
            cpu.spr[HFSCR] = with_reason(cpu.spr[HFSCR], FACILITY_MSGP)
            enter_hypervisor_type(m, p, cpu, VEC_HYPERVISOR_FACILITY_UNAVAILABLE, 0)
            return Outcome.DONE
    message(m, p, op, b)
    cpu.nip += 4
    return Outcome.DONE


@jit
def hypervisor_only(m, p, cpu, op, b):
    """Instructions that need HV=1."""
    if not is_hypervisor(cpu):
        return program(m, p, cpu, CAUSE_PRIVILEGED)
    if op == ops.HRFID:
        return return_from_interrupt(m, p, cpu, cpu.hsrr0, cpu.hsrr1, True)
    cpu.nip += 4
    if op == ops.NAP or op == ops.DOZE or op == ops.SLEEP or op == ops.RVWINKLE:
        pcpu(m, p).napping = 1
        return Outcome.WAIT
    if op == ops.STOP_WAIT:
        pcpu(m, p).napping = 1 if cpu.spr[PSSCR] & PSSCR_LOSES != 0 else 0
        return Outcome.WAIT
    if op == ops.MSGSND or op == ops.MSGCLR:
        message(m, p, op, b)
    return Outcome.DONE


@jit
def transaction(m, p, cpu):
    """Transactional memory: unavailable while MSR[TM] is off; this processor has none."""
    if cpu.msr & MSR_TM == 0:
        return facility(m, p, cpu, FACILITY_TM)
    return program(m, p, cpu, CAUSE_ILLEGAL)


@jit
def return_from_event(m, p, cpu, enables):
    """rfebb: to EBBRR, with BESCR[GE] as the instruction says. No event-based branch ever leads there."""
    if in_user_state(cpu) and cpu.spr[FSCR] & FSCR_EBB == 0:
        return facility(m, p, cpu, FACILITY_EBB)
    cpu.spr[BESCR] = (cpu.spr[BESCR] & ~BESCR_GE) | (BESCR_GE if enables != 0 else 0)
    cpu.nip = cpu.spr[EBBRR] & ~3
    if cpu.msr & MSR_SF == 0:
        cpu.nip &= 0xFFFFFFFF
    return Outcome.DONE


@jit
def attention(m, p, cpu, is_breakpoint):
    """attn: stops the processor, if HID0 enables it. A breakpoint is decoded as one, and stops the machine."""
    if is_breakpoint != 0:
        request(m).reason = Stop.BREAKPOINT
        request(m).pcpu = p
        return Outcome.AGAIN
    enable = HID0_POWER9_EN_ATTN if pcpu(m, p).isa == ISA_300 else HID0_EN_ATTN
    if cpu.hid0 & enable == 0:
        return program(m, p, cpu, CAUSE_ILLEGAL)
    request(m).reason = Stop.ATTENTION
    request(m).pcpu = p
    return Outcome.AGAIN


@jit
def random_number(m, p, cpu, length):
    """darn: L=0 a word, L=1 and 2 a doubleword, L=3 the error value. Random numbers are the machine's own (Steele, Lea,
    Flood, "Fast splittable pseudorandom number generators"), so that a run can be repeated."""
    if length == 3:
        return i8(-1)
    pc = pcpu(m, p)
    pc.random = add(pc.random, RANDOM_STEP)
    z = add(pc.random, cpu.pir)
    z = mul(z ^ srl(z, 30), RANDOM_MIX_1)
    z = mul(z ^ srl(z, 27), RANDOM_MIX_2)
    z ^= srl(z, 31)
    return z & 0xFFFFFFFF if length == 0 else z


@jit
def clear(m, p, cpu, address, whole):
    """dcbz: 128 bytes; on a 970 HID5 may make it 32, or illegal. dcbzl is always of 128."""
    if whole == 0 and pcpu(m, p).isa == ISA_201:
        if cpu.hid5 & HID5_DCBZ_SIZE != 0:
            return clear_block(m, p, cpu, address, SMALL_BLOCK)
        if cpu.hid5 & HID5_DCBZ32_ILLEGAL != 0:
            return program(m, p, cpu, CAUSE_ILLEGAL)
    return clear_block(m, p, cpu, address, CACHE_BLOCK)


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
def is_supervisors(op):
    """The rarer instructions of `supervisor`."""
    if op == ops.TLB_SUPERVISOR or op == ops.SEGMENT_READ or op == ops.RFSCV or op == ops.MTMSR or op == ops.MFMSR:
        return True
    return op == ops.TM_PRIVILEGED or op == ops.MSGSNDP or op == ops.MSGCLRP


@jit
def is_hypervisors(op):
    """Instructions of `hypervisor_only`."""
    if op == ops.HRFID or op == ops.TLB_HYPERVISOR or ops.NAP <= op <= ops.STOP_WAIT:
        return True
    return op == ops.MSGSND or op == ops.MSGCLR or op == ops.MSGSYNC


@hot
def system(m, p, cpu, d):
    """Execute one instruction of the system group; NIP is at it."""
    op = i8(d.op)
    if op == ops.RFID or op == ops.MTMSRD:
        return supervisor(m, p, cpu, op, i8(d.t), i8(d.x), 0)
    if ops.STBCX <= op <= ops.STQCX:
        return store_conditional(m, p, cpu, op, i8(d.t), add(cpu.gpr[i8(d.a)], add(cpu.gpr[i8(d.c)], d.imm)))
    return rare(m, p, cpu, d)


@cold
def rare(m, p, cpu, d):
    """The instructions of the system group that are not on every interrupt's path."""
    op = i8(d.op)
    t = i8(d.t)
    x = i8(d.x)
    a = cpu.gpr[i8(d.a)]
    b = add(cpu.gpr[i8(d.c)], d.imm)
    if op == ops.MFSPR:
        return move_from_spr(m, p, cpu, t, d.imm)
    if op == ops.MTSPR:
        return move_to_spr(m, p, cpu, t, d.imm)
    if op == ops.SC:
        return system_call(m, p, cpu, d.imm)
    if op == ops.NOP or op == ops.ICBI:
        cpu.nip += 4
        return Outcome.DONE
    if ops.LBARX <= op <= ops.LQARX:
        return load_reserve(m, p, cpu, op, t, add(a, b))
    if op == ops.TW or op == ops.TD:
        return trap(m, p, cpu, op, t, a, b)
    if op == ops.LMW or op == ops.STMW:
        return multiple(m, p, cpu, op, t, add(a, b))
    if ops.LSWI <= op <= ops.STSWX:
        return strings(m, p, cpu, op, t, d)
    if op == ops.LQ or op == ops.STQ:
        return quadword(m, p, cpu, op, t, add(a, b))
    if op == ops.DCBZ:
        return clear(m, p, cpu, add(a, b), x)
    if op == ops.MFTB:
        cpu.gpr[t] = read_time(m, p, cpu, d.imm)
        cpu.nip += 4
        return Outcome.DONE
    if is_supervisors(op):
        return supervisor(m, p, cpu, op, t, x, b)
    if is_hypervisors(op):
        return hypervisor_only(m, p, cpu, op, b)
    if ops.FP_UNAVAILABLE <= op <= ops.VSX_UNAVAILABLE:
        return unavailable(m, p, cpu, op)
    if op == ops.TM_PROBLEM:
        return transaction(m, p, cpu)
    if op == ops.SCV:
        return system_call_vectored(m, p, cpu, d.imm)
    if op == ops.RFEBB:
        return return_from_event(m, p, cpu, x)
    if op == ops.ATTN:
        return attention(m, p, cpu, x)
    if op == ops.ILLEGAL:
        return program(m, p, cpu, CAUSE_ILLEGAL)
    if ops.ADDG6S <= op <= ops.CDTBCD:
        cpu.gpr[t] = assist(op, a, b)
    elif op == ops.DARN:
        cpu.gpr[t] = random_number(m, p, cpu, x)
    elif op == ops.MFBHRBE:  # the branch history is empty
        cpu.gpr[t] = 0
    cpu.nip += 4
    return Outcome.WAIT if op == ops.WAIT else Outcome.DONE
