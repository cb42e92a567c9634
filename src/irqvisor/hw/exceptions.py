"""Entry to and return from interrupts: SRR0, SRR1, MSR, vectors, and who takes what.

Power ISA Book III-S, Interrupts; routing of the 970 from Xen/PPC. What reaches a hypervisor is not entered here: the
run loop returns, and the hypervisor decides (`Due`).
"""

from enum import IntEnum

from irqvisor import trace
from irqvisor._jit import cold, jit
from irqvisor.hw.doorbell import HYPERVISOR, PRIVILEGED
from irqvisor.hw.memory import fetch
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.spr import HEIR
from irqvisor.hw.state import ISA_201, ISA_300, Model, Stop, header, pcpu, request
from irqvisor.hw.timer import arm_hypervisor_decrementer, hypervisor_decrementer, is_expired
from irqvisor.spec.power_isa import (
    CAUSE_ILLEGAL,
    HID0_HDICE,
    HID0_POWER8_HILE,
    HID0_POWER9_HILE,
    HID4_LPES0,
    LPCR_HDICE,
    LPCR_HEIC,
    LPCR_HVICE,
    LPCR_ILE,
    LPCR_LPES0,
    LPCR_MER,
    MSR_EE,
    MSR_HV,
    MSR_LE,
    MSR_ME,
    MSR_PR,
    MSR_RI,
    MSR_SF,
    SRR1_CLEARED,
    SRR1_MEDIATED,
    SRR1_WAKE_DECREMENTER,
    SRR1_WAKE_EXTERNAL,
    SRR1_WAKE_HYPERVISOR_DOORBELL,
    SRR1_WAKE_NOTHING_LOST,
    SRR1_WAKE_PRIVILEGED_DOORBELL,
    VEC_DECREMENTER,
    VEC_EMULATION_ASSISTANCE,
    VEC_EXTERNAL,
    VEC_HDEC,
    VEC_HYPERVISOR_DOORBELL,
    VEC_MACHINE_CHECK,
    VEC_PRIVILEGED_DOORBELL,
    VEC_PROGRAM,
    VEC_SYSTEM_RESET,
)


class Due(IntEnum):
    """What `interrupt` found at an instruction boundary."""

    NOTHING = 0
    TAKEN = 1  # the context entered its own vector
    EXTERNAL = 2  # for the hypervisor
    HDEC = 3  # for the hypervisor


@jit
def taken(m, p, vector):
    """An interrupt was taken: what that costs. Who wants to see it gets the machine back before the handler runs."""
    pc = pcpu(m, p)
    pc.now += header(m).exc_entry
    ask = request(m)
    if ask.interrupts != 0:
        ask.reason = Stop.INTERRUPT
        ask.pcpu = p
        ask.value = vector
        header(m).horizon = min(header(m).horizon, pc.now)  # no event may happen later than its pCPU would let it


@jit
def handler_order(cpu, isa, hypervisor):
    """MSR[LE] of an interrupt handler: HID0[HILE] in hypervisor state, else LPCR[ILE]. A 970 is big-endian."""
    if isa == ISA_201:
        return 0
    if hypervisor == 0:
        return MSR_LE if cpu.lpcr & LPCR_ILE != 0 else 0
    return MSR_LE if cpu.hid0 & (HID0_POWER9_HILE if isa == ISA_300 else HID0_POWER8_HILE) != 0 else 0


@jit
def enter(m, p, cpu, vector, cause):
    """Take an SRR-type interrupt in the current privilege state: old PC and MSR to SRR0 and SRR1, real mode,
    EE, PR, RI and the rest off, PC to the vector. `cause` goes into SRR1[33:36, 42:47]."""
    enter_in(m, p, cpu, vector, cause, cpu.msr & MSR_HV)


@jit
def enter_in(m, p, cpu, vector, cause, hypervisor):
    """`enter`, with MSR[HV] as given."""
    cpu.srr0 = cpu.nip & ~3
    cpu.srr1 = (cpu.msr & ~SRR1_CLEARED) | cause
    cpu.msr = (cpu.msr & MSR_ME) | hypervisor | MSR_SF | handler_order(cpu, pcpu(m, p).isa, hypervisor)
    cpu.nip = vector
    cpu.resv = 0
    taken(m, p, vector)


@jit
def enter_hypervisor_type(m, p, cpu, vector, cause):
    """Take an HSRR-type interrupt: HSRR0 and HSRR1, HV set, RI unchanged."""
    cpu.hsrr0 = cpu.nip & ~3
    cpu.hsrr1 = (cpu.msr & ~SRR1_CLEARED) | cause
    cpu.msr = (cpu.msr & (MSR_ME | MSR_RI)) | MSR_SF | MSR_HV | handler_order(cpu, pcpu(m, p).isa, MSR_HV)
    cpu.nip = vector
    cpu.resv = 0
    taken(m, p, vector)


@jit
def program(m, p, cpu, cause):
    """Program interrupt. From 2.07 on an illegal instruction is the hypervisor's to emulate: where software is the
    hypervisor it finds the instruction in HEIR; one that is simulated hands it back to its guest at once."""
    pc = pcpu(m, p)
    if cause == CAUSE_ILLEGAL and pc.isa != ISA_201 and pc.hypervisor == 0:
        cpu.spr[HEIR] = fetch(m, cpu, cpu.nip)
        enter_hypervisor_type(m, p, cpu, VEC_EMULATION_ASSISTANCE, 0)
    else:
        enter(m, p, cpu, VEC_PROGRAM, cause)
    return Outcome.DONE


@jit
def machine_check(m, p, cpu, cause):
    """Machine check: the handler runs with ME off; False if it is off already, which stops the processor."""
    if cpu.msr & MSR_ME == 0:
        request(m).reason = Stop.CHECKSTOP
        request(m).pcpu = p
        return False
    if pcpu(m, p).machine_checks == 2:  # a partition's ME is its hypervisor's
        enter(m, p, cpu, VEC_MACHINE_CHECK, cause)
    else:
        enter_in(m, p, cpu, VEC_MACHINE_CHECK, cause, MSR_HV)
        cpu.msr &= ~MSR_ME
    return True


@jit
def checks_machine(pc, cpu):
    """Whether an access to nothing is a machine check: in hypervisor state, which has no limit to storage; or in any,
    where a partition is told by one."""
    return pc.machine_checks == 2 or (pc.machine_checks != 0 and is_hypervisor(cpu))


@jit
def routes_to_guest(cpu, model):
    """LPES0: external interrupts enter the running partition (1) or the hypervisor (0)."""
    if model == Model.PPC970:
        return cpu.hid4 & HID4_LPES0 != 0
    return cpu.lpcr & LPCR_LPES0 != 0


@jit
def hdec_enabled(cpu, model):
    """HDICE, which the 970 keeps in HID0."""
    if model == Model.PPC970:
        return cpu.hid0 & HID0_HDICE != 0
    return cpu.lpcr & LPCR_HDICE != 0


@jit
def external_enabled(cpu, model):
    """Whether an asserted external input interrupts this context now, whoever takes it.

    A 970 needs MSR[EE] even when the hypervisor takes it; with LPES0=0 a POWER8 interrupts a guest regardless.
    LPCR[HEIC], of 3.0, holds it off in hypervisor state."""
    if cpu.msr & MSR_EE != 0:
        return cpu.lpcr & LPCR_HEIC == 0 or not is_hypervisor(cpu)
    return model != Model.PPC970 and not is_hypervisor(cpu) and not routes_to_guest(cpu, model)


@jit
def is_hypervisor(cpu):
    """Hypervisor state: HV=1, PR=0."""
    return cpu.msr & (MSR_HV | MSR_PR) == MSR_HV


@jit
def take_external(m, p, cpu, cause):
    """The context enters its own external interrupt handler at 0x500."""
    enter(m, p, cpu, VEC_EXTERNAL, cause)
    pc = pcpu(m, p)
    trace.vectored(m, pc.context, p, pc.now, 0)


@jit
def hdec_exists(m, pc):
    """Whether the HDEC exception that was noted exists. On bare metal it ends when HDEC has counted half way round."""
    if pc.hypervisor != 0 or hypervisor_decrementer(m, pc) < 0:
        return True
    arm_hypervisor_decrementer(m, pc)
    return False


@jit
def wake(m, p, cpu):
    """End a nap: system reset interrupt, with the reason in SRR1 (Book III-S, Power-Saving Mode)."""
    pc = pcpu(m, p)
    pc.napping = 0
    reason = SRR1_WAKE_HYPERVISOR_DOORBELL
    if pc.external != 0:
        reason = SRR1_WAKE_EXTERNAL
    elif is_expired(m, cpu, pc.now):
        reason = SRR1_WAKE_DECREMENTER
    elif pc.doorbell & PRIVILEGED != 0:
        reason = SRR1_WAKE_PRIVILEGED_DOORBELL
    enter_in(m, p, cpu, VEC_SYSTEM_RESET, reason | SRR1_WAKE_NOTHING_LOST, MSR_HV)


@jit
def take_doorbell(m, p, cpu):
    """Enter the handler of a doorbell that is enabled, which ends the exception. Returns a Due."""
    pc = pcpu(m, p)
    if pc.doorbell & PRIVILEGED != 0 and cpu.msr & MSR_EE != 0:
        pc.doorbell &= ~PRIVILEGED
        enter(m, p, cpu, VEC_PRIVILEGED_DOORBELL, 0)
        return Due.TAKEN
    if pc.doorbell & HYPERVISOR != 0 and (cpu.msr & MSR_EE != 0 or not is_hypervisor(cpu)):
        pc.doorbell &= ~HYPERVISOR
        enter_hypervisor_type(m, p, cpu, VEC_HYPERVISOR_DOORBELL, 0)
        return Due.TAKEN
    return Due.NOTHING


@cold
def interrupt(m, p, cpu):
    """Take or announce the most urgent asynchronous interrupt that is pending and enabled; returns a Due.

    Order: hypervisor decrementer, hypervisor virtualization, external, mediated external, decrementer, doorbells. What
    wakes a processor that naps goes before them all."""
    pc = pcpu(m, p)
    if pc.napping != 0:
        wake(m, p, cpu)
        return Due.TAKEN
    model = pc.model
    msr = cpu.msr
    if pc.now >= pc.hdec_at and hdec_exists(m, pc):
        if (msr & MSR_EE != 0 or not is_hypervisor(cpu)) and hdec_enabled(cpu, model):
            if pc.hypervisor != 0:
                return Due.HDEC
            enter_hypervisor_type(m, p, cpu, VEC_HDEC, 0)
            return Due.TAKEN
    if pc.virtualization != 0 and cpu.lpcr & LPCR_HVICE != 0 and (msr & MSR_EE != 0 or not is_hypervisor(cpu)):
        return Due.EXTERNAL
    if pc.external != 0 and external_enabled(cpu, model):
        if routes_to_guest(cpu, model):
            take_external(m, p, cpu, 0)
            return Due.TAKEN
        if pc.hypervisor != 0:
            return Due.EXTERNAL
        if model == Model.PPC970:
            enter_in(m, p, cpu, VEC_EXTERNAL, 0, MSR_HV)
        else:
            enter_hypervisor_type(m, p, cpu, VEC_EXTERNAL, 0)
        trace.vectored(m, pc.context, p, pc.now, 0)
        return Due.TAKEN
    if msr & MSR_EE != 0:
        if cpu.lpcr & LPCR_MER != 0 and (msr & MSR_HV == 0 or msr & MSR_PR != 0):
            take_external(m, p, cpu, SRR1_MEDIATED)
            return Due.TAKEN
        if is_expired(m, cpu, pc.now):
            enter(m, p, cpu, VEC_DECREMENTER, 0)
            return Due.TAKEN
    return take_doorbell(m, p, cpu) if pc.doorbell != 0 else Due.NOTHING
