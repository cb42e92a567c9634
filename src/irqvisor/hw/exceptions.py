"""Entry to and return from interrupts: SRR0, SRR1, MSR, vectors, and who takes what.

Power ISA Book III-S, Interrupts; routing of the 970 from Xen/PPC. What reaches a hypervisor is not entered here: the
run loop returns, and the hypervisor decides (`Due`).
"""

from enum import IntEnum

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hw.state import Model, header, pcpu
from irqvisor.hw.timer import is_expired
from irqvisor.spec.power_isa import (
    HID0_HDICE,
    HID4_LPES0,
    LPCR_HDICE,
    LPCR_LPES0,
    LPCR_MER,
    MSR_EE,
    MSR_HV,
    MSR_ME,
    MSR_PR,
    MSR_RI,
    MSR_SF,
    SRR1_CLEARED,
    SRR1_MEDIATED,
    VEC_DECREMENTER,
    VEC_EXTERNAL,
    VEC_HDEC,
)


class Due(IntEnum):
    """What `interrupt` found at an instruction boundary."""

    NOTHING = 0
    TAKEN = 1  # the context entered its own vector
    EXTERNAL = 2  # for the hypervisor
    HDEC = 3  # for the hypervisor


@jit
def enter(m, p, cpu, vector, cause):
    """Take an SRR-type interrupt in the current privilege state: old PC and MSR to SRR0 and SRR1, real mode,
    EE, PR, RI and the rest off, PC to the vector. `cause` goes into SRR1[33:36, 42:47]."""
    cpu.srr0 = cpu.nip & ~3
    cpu.srr1 = (cpu.msr & ~SRR1_CLEARED) | cause
    cpu.msr = (cpu.msr & (MSR_HV | MSR_ME)) | MSR_SF
    cpu.nip = vector
    cpu.resv = 0
    pcpu(m, p).now += header(m).exc_entry


@jit
def enter_hypervisor_type(m, p, cpu, vector, cause):
    """Take an HSRR-type interrupt: HSRR0 and HSRR1, HV set, RI unchanged."""
    cpu.hsrr0 = cpu.nip & ~3
    cpu.hsrr1 = (cpu.msr & ~SRR1_CLEARED) | cause
    cpu.msr = (cpu.msr & (MSR_ME | MSR_RI)) | MSR_SF | MSR_HV
    cpu.nip = vector
    cpu.resv = 0
    pcpu(m, p).now += header(m).exc_entry


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

    A 970 needs MSR[EE] even when the hypervisor takes it; with LPES0=0 a POWER8 interrupts a guest regardless."""
    if cpu.msr & MSR_EE != 0:
        return True
    return model != Model.PPC970 and cpu.msr & MSR_HV == 0 and not routes_to_guest(cpu, model)


@jit
def take_external(m, p, cpu, cause):
    """The context enters its own external interrupt handler at 0x500."""
    enter(m, p, cpu, VEC_EXTERNAL, cause)
    pc = pcpu(m, p)
    trace.vectored(m, pc.context, p, pc.now, 0)


@jit
def interrupt(m, p, cpu):
    """Take or announce the most urgent asynchronous interrupt that is pending and enabled; returns a Due.

    Order: hypervisor decrementer, external, mediated external, decrementer."""
    pc = pcpu(m, p)
    model = pc.model
    msr = cpu.msr
    if (
        pc.now >= pc.hdec_at
        and (msr & MSR_EE != 0 or msr & MSR_HV == 0 or msr & MSR_PR != 0)
        and hdec_enabled(cpu, model)
    ):
        if pc.hypervisor != 0:
            return Due.HDEC
        enter_hypervisor_type(m, p, cpu, VEC_HDEC, 0)
        return Due.TAKEN
    if pc.external != 0 and external_enabled(cpu, model):
        if routes_to_guest(cpu, model):
            take_external(m, p, cpu, 0)
            return Due.TAKEN
        if pc.hypervisor != 0:
            return Due.EXTERNAL
        if model == Model.PPC970:
            take_external(m, p, cpu, 0)
            cpu.msr |= MSR_HV
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
    return Due.NOTHING
