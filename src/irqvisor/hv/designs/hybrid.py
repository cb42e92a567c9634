"""hybrid: rhype's way in, Xen's events beside it: the "more rhypish model" that the mail thinks of.

1. A source raises its line; LPES0=1: hardware enters whoever runs, at 0x500, with SRR0 and SRR1. No hypervisor.
2. That domain asks by H_XIRR until the answer is 0, serves each of its own, and ends it by H_EOI. Somebody else's is
   queued for its owner, who is woken, or kicked where it runs; the hypervisor's own is handled inside the call.
3. Then, in the same trip, it looks at its upcall byte, and scans its event channels as under xen-ppc: what comes from
   other domains, and from the hypervisor, comes that way.
4. What the hypervisor has for a domain - a queued interrupt that its CPPR lets through, an event - is delivered on the
   way out of the hypervisor: with EE=1 by simulating step 1, with EE=0 by LPCR[MER], which lets hardware do it as soon
   as EE is 1. On the way out of H_XIRR and H_EOI events do not count: their caller is about to look.
5. Going to sleep marks first and looks then, at the queue and at the upcall byte.
6. HDEC looks behind the back of a guest that holds everything off, as under rhype. A 970 has no LPCR[MER]: there the
   upcall byte is set for what is queued, too, and the guest looks at it when it has turned EE on.

Source: Blanchard, xen-devel, 10 March 2006, who never wrote it; LoPAPR, H_XIRR and H_EOI; the hypercalls of PAPR beside
those of Xen are this project's. Options: `hyp_line` (the hypervisor's own IPIs: on the same line, or on one that is
only its own), `last` (whether H_EOI says that nothing more waits, which spares the last H_XIRR), `retarget` (sources
follow their vCPU), `mer`.
"""

from irqvisor._jit import hot, jit
from irqvisor.hv import accounting, event_channel, hcall, inject, notify, scheduler, vpic
from irqvisor.hv.state import pirq, vcpu
from irqvisor.hw import openpic
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NOBODY, Model, context, header, pcpu
from irqvisor.hw.timer import decrementer_due
from irqvisor.spec import papr, paths, xen
from irqvisor.spec.designs import HYBRID_LAST, HYBRID_MER_OFF, HYBRID_RETARGET, HYBRID_SEPARATE
from irqvisor.spec.power_isa import LPCR_HVICE, LPCR_MER, MSR_EE


@jit
def setup(m):
    """As under rhype; with a line of its own the hypervisor's IPIs stay off that of the guests."""
    vpic.open_to_partitions(m)
    if header(m).options & HYBRID_SEPARATE != 0:
        header(m).own_line = 1
        for c in range(header(m).n_context):
            context(m, c).lpcr |= LPCR_HVICE
    for v in range(header(m).n_context):
        vcpu(m, v).routed = NOBODY


@jit
def has_mer(m, p):
    """Whether the processor has a mediated request."""
    return header(m).options & HYBRID_MER_OFF == 0 and pcpu(m, p).model != Model.PPC970


@jit
def on_external(m, p):
    """The hypervisor's own line: a kick, which has done its work by coming. While idle, all that the controller has."""
    if pcpu(m, p).virtualization != 0:
        pcpu(m, p).virtualization = 0
        accounting.read_pic(m, p)
        accounting.path(m, p, paths.EVENT_CHECK)
        accounting.write_pic(m, p)
    if pcpu(m, p).context == NOBODY:
        vpic.drain(m, p)


@jit
def on_hcall(m, p, v, cpu):
    """PAPR's interrupt calls, Xen's for everything else."""
    number = cpu.gpr[3]
    if hcall.is_marked(number):
        return on_xen_call(m, p, v, cpu)
    if number == papr.H_XIRR:
        vcpu(m, v).asked = pcpu(m, p).serial
        cpu.gpr[4] = vpic.accept(m, p, v)
        cpu.gpr[3] = papr.H_SUCCESS
        return hcall.Answer.DONE
    if number == papr.H_EOI:
        vcpu(m, v).asked = pcpu(m, p).serial
        cpu.gpr[3] = papr.H_SUCCESS if vpic.end(m, p, v, cpu.gpr[4]) else papr.H_PARAMETER
        cpu.gpr[4] = 1 if may_have_more(m, p, v) else 0
        return hcall.Answer.DONE
    if number == papr.H_CPPR:
        accounting.path(m, p, paths.CPPR)
        vpic.set_cppr(m, p, v, cpu.gpr[4] & 0xFF)
        cpu.gpr[3] = papr.H_SUCCESS
        return hcall.Answer.DONE
    if number == papr.H_CEDE:
        block(m, p, v, cpu)
        return hcall.Answer.DONE
    if number == papr.H_PUT_TERM_CHAR or number == papr.H_GET_TERM_CHAR:
        return hcall.cold(m, p)
    return hcall.Answer.NOT_MINE


@jit
def on_xen_call(m, p, v, cpu):
    """Xen's hypercalls; blocking looks at the queue too."""
    number = cpu.gpr[3] & 0xFFFF
    is_sched = number == xen.HC_SCHED_OP or number == xen.HC_SCHED_OP_OLD
    if is_sched and cpu.gpr[4] == xen.SCHEDOP_BLOCK:
        block(m, p, v, cpu)
        answer = hcall.Answer.DONE
    else:
        answer = hcall.xen_call(m, p, v, cpu)
    hcall.clobber_srr(cpu)
    return answer


@jit
def may_have_more(m, p, v):
    """H_EOI, second result: whether to ask again. Without option `last` the caller has to find out."""
    if header(m).options & HYBRID_LAST == 0:
        return True
    return pcpu(m, p).external != 0 or vpic.deliverable(m, v)


@jit
def block(m, p, v, cpu):
    """H_CEDE and SCHEDOP_block: enable, mark blocked, then look: what is queued, an event, or a decrementer exception
    ends the sleep."""
    cpu.gpr[3] = 0
    cpu.msr |= MSR_EE
    w = vcpu(m, v)
    work = vpic.searching(m, v)
    w.blocked = 1
    due = decrementer_due(m, cpu, pcpu(m, p).now)
    if vpic.deliverable(m, v) or notify.upcall_pending(m, v) or due <= pcpu(m, p).now:
        accounting.path(m, p, work + paths.CEDE_NOT)
        w.blocked = 0
        return
    accounting.path(m, p, work + paths.CEDE + paths.RESCHEDULE)
    scheduler.set_timer(m, v, due, 0)
    scheduler.fall_asleep(m, p)


@jit
def on_hdec(m, p):
    """Look behind the back of a guest that holds everything off."""
    vpic.poll(m, p)


@jit
def on_access(m, p, what):
    """The guest cleared a PENDING bit: it knows of an event."""
    if what == Outcome.STORED:
        event_channel.observe_store(m, p)


@jit
def on_switch(m, p):
    """The controller holds off what the vCPU that is here now holds off, and presents its sources here."""
    v = pcpu(m, p).context
    vpic.keep_up(m, p)
    if v >= 0 and header(m).options & HYBRID_RETARGET != 0 and vcpu(m, v).routed != p:
        retarget(m, p, v)


@hot
def before_entry(m, p):
    """Simulated delivery of what the hypervisor has for who runs next, or the mediated request."""
    v = pcpu(m, p).context
    if v < 0:
        return
    cpu = context(m, v)
    work = vpic.searching(m, v)
    wanted = vpic.deliverable(m, v)
    if not wanted and vcpu(m, v).asked != pcpu(m, p).serial:
        wanted = notify.upcall_pending(m, v)
    cpu.lpcr &= ~LPCR_MER
    if wanted and cpu.msr & MSR_EE != 0:
        accounting.path(m, p, work)
        inject.inject(m, p, cpu, 0)
        return
    if wanted:
        ask_for_entry(m, p, v, cpu)
    accounting.path(m, p, work + paths.LOOK)


@jit
def ask_for_entry(m, p, v, cpu):
    """EE is off: by LPCR[MER], or, where there is none, by the upcall byte, which a guest looks at when it enables."""
    if has_mer(m, p):
        cpu.lpcr |= LPCR_MER
    elif not notify.test_and_set(m, vcpu(m, v).info, xen.UPCALL_PENDING_BIT):
        accounting.path(m, p, paths.UPCALL)


@jit
def retarget(m, p, v):
    """The sources of a vCPU are presented where it runs: a write to the controller each."""
    vcpu(m, v).routed = p
    for irq in range(header(m).n_pirq):
        if pirq(m, irq).server == v and pirq(m, irq).pcpu != p:
            pirq(m, irq).pcpu = p
            openpic.steer(m, irq, 1 << p)
            accounting.write_pic(m, p)


@jit
def whereabouts(m, s):
    """Queued for the owner, in the controller, held off by the owner, or nowhere."""
    return vpic.whereabouts(m, s)
