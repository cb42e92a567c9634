"""xen-ppc: the hypervisor takes every interrupt and simulates the hardware's delivery to the domain.

1. A source raises its line; the OpenPIC drives the external input of a pCPU. LPES0=0: the processor enters the
   hypervisor (a 970 only if the running guest has EE=1; its SRR0 and SRR1 are lost and read -1 afterwards).
2. The hypervisor reads IACK. An edge is ended at the controller now; a level line stays in service until the guest
   says it is done, which blocks its priority on this pCPU.
3. pirq to port: PENDING, then MASK, selector, upcall byte of the port's vCPU; a blocked vCPU is woken, one running on
   another pCPU is kicked.
4. On every resume of any domain: upcall pending and EE=1? Then SRR0, SRR1, MSR and PC are set as hardware would have
   done, and the domain finds itself at 0x500. RI must be 1, or the domain could not come back: it is stopped.
5. The guest clears the upcall byte, takes the selector, scans PENDING and not MASK, clears PENDING, serves.
6. For a level line it makes PHYSDEVOP_eoi: now the controller hears of it.
7. A guest that turns EE on by itself is not seen by anybody. It must read the upcall byte again and, if it is set,
   make a hypercall: any one will do.

Source: Xen 3.2, xen/arch/powerpc, external.c and exceptions.c; Blanchard, xen-devel, 10 March 2006.
"""

from irqvisor._jit import hot, jit
from irqvisor.hv import accounting, board, event_channel, external, hcall, inject, scheduler
from irqvisor.hv.state import ANY_ENTRY, Defect, Exit, vcpu
from irqvisor.hw.exceptions import Model
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import context, header, pcpu
from irqvisor.spec import papr, paths, xen
from irqvisor.spec.power_isa import MSR_EE, MSR_RI


@jit
def setup(m):
    """External interrupts enter the hypervisor: LPES0 is 0 at reset."""
    external.open_controller(m)


@jit
def on_external(m, p):
    """Ask the controller once, and mark the event; a vCPU that it wakes here waits for the way out."""
    pc = pcpu(m, p)
    if pc.context >= 0 and pc.model == Model.PPC970:
        hcall.clobber_srr(context(m, pc.context))
    external.take(m, p)


@jit
def on_hcall(m, p, v, cpu):
    """Xen's calls, and the console of PAPR."""
    if hcall.is_marked(cpu.gpr[3]):
        forces = cpu.gpr[3] & 0xFFFF == xen.HC_XEN_VERSION
        answer = hcall.xen_call(m, p, v, cpu)
        hcall.clobber_srr(cpu)
        if forces:
            vcpu(m, v).marked = pcpu(m, p).serial  # the dummy call of a guest that found the upcall set
        return answer
    if cpu.gpr[3] == papr.H_PUT_TERM_CHAR or cpu.gpr[3] == papr.H_GET_TERM_CHAR:
        return hcall.cold(m, p)
    cpu.gpr[3] = papr.H_PARAMETER  # Xen/PPC's answer where PAPR says H_FUNCTION
    return hcall.Answer.DONE


@jit
def on_hdec(m, p):
    """Its handler runs with EE on, so what a guest with EE=0 held off is taken now: at most an HDEC period late."""
    external.drain(m, p)


@jit
def on_access(m, p, what):
    """The guest cleared a PENDING bit: it knows."""
    if what == Outcome.STORED:
        event_channel.observe_store(m, p)


@jit
def on_switch(m, p):
    """Nothing here depends on who runs."""


@hot
def before_entry(m, p):
    """deliver_ee: simulate an external interrupt if an upcall is pending and the guest can take it."""
    pc = pcpu(m, p)
    v = pc.context
    if v < 0:
        return
    cpu = context(m, v)
    if cpu.msr & MSR_EE == 0:
        accounting.path(m, p, paths.DELIVER_EE_OFF)
        return
    if not event_channel.upcall_pending(m, v):
        accounting.path(m, p, paths.DELIVER_NOTHING)
        return
    if cpu.msr & MSR_RI == 0:
        unrecoverable(m, p, v)
        return
    w = vcpu(m, v)
    inject.inject(m, p, cpu, 0 if w.marked == pc.serial or w.marked == ANY_ENTRY else pc.entry)


@jit
def unrecoverable(m, p, v):
    """EE=1 and RI=0: the domain could not return. Xen itself crashed on it; here that is a switchable defect."""
    if header(m).defects & Defect.UNRECOVERABLE_PANICS != 0:
        board.panic(m, p)
    else:
        board.stop_domain(m, p, vcpu(m, v).domain, Exit.UNRECOVERABLE, 0)
        scheduler.unload(m, p)


@jit
def whereabouts(m, s):
    """In the controller, pending at the port, masked by the guest, or nowhere."""
    return external.whereabouts(m, s)
