"""Make a vCPU believe that hardware interrupted it (Xen/PPC, deliver_ee).

Seen from the domain it is an external interrupt: SRR0, SRR1, real mode, 0x500. Differences from real hardware are
Xen/PPC's: VMX stays, LE is not reloaded, SF and ME are forced on.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv.accounting import charge, path
from irqvisor.hv.state import vcpu
from irqvisor.hw.state import header, pcpu
from irqvisor.spec.power_isa import (
    MSR_BE,
    MSR_DR,
    MSR_EE,
    MSR_FE0,
    MSR_FE1,
    MSR_FP,
    MSR_IR,
    MSR_ME,
    MSR_PMM,
    MSR_PR,
    MSR_RI,
    MSR_SE,
    MSR_SF,
    SRR1_CLEARED,
    VEC_EXTERNAL,
)

MSR_DROPPED = MSR_IR | MSR_DR | MSR_FE0 | MSR_FE1 | MSR_EE | MSR_RI | MSR_BE | MSR_FP | MSR_PMM | MSR_PR | MSR_SE


@jit
def charge_marking(m, p, v, instructions):
    """An event was marked for a vCPU. The charge of a delivery has one marking in it, the first since the last
    delivery; the others are charged when they are made."""
    w = vcpu(m, v)
    if w.owed != 0:
        path(m, p, instructions)
    w.owed = 1


@jit
def inject(m, p, cpu, rescuer):
    """Enter the vCPU at 0x500 when it resumes. The caller has checked that EE and RI are on."""
    cpu.srr0 = cpu.nip
    cpu.srr1 = cpu.msr & ~SRR1_CLEARED
    cpu.nip = VEC_EXTERNAL
    cpu.msr = (cpu.msr & ~MSR_DROPPED) | MSR_SF | MSR_ME
    charge(m, p, header(m).inject)
    pc = pcpu(m, p)
    vcpu(m, pc.context).owed = 0
    trace.vectored(m, pc.context, p, pc.now, rescuer)
