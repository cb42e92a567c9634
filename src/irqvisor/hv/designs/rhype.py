"""rhype: hardware interrupts the current domain; a hypercall names the vector.

1. A source raises its line; the OpenPIC drives the external input of a pCPU. LPES0=1: whoever runs there is entered
   at 0x500 with SRR0 and SRR1, and no hypervisor is involved.
2. That domain makes H_XIRR. The hypervisor chooses by priority between what it has queued for the caller and what the
   controller holds, and acknowledges at the controller.
3. It is the caller's: EOI at the controller (a level line is masked first), the CPPR becomes its priority, and the
   answer names it.
4. It is somebody else's: EOI too, it is queued for its owner, the owner is woken, and looking goes on. Nothing left
   for the caller: source 0, "nothing was pending after all"; no EOI is owed and the CPPR is as it was.
5. The owner, when it runs next, is entered at 0x500 by simulated delivery and repeats step 2 with the queue.
6. H_EOI ends it: the CPPR comes back, a level line is unmasked.
7. A domain that keeps EE off delays everybody on its pCPU. HDEC, which it cannot mask, bounds that: its handler lifts
   the task priority, empties the controller and queues everything for its owners.

Source: Blanchard, xen-devel, 10 March 2006; LoPAPR, H_XIRR and H_EOI. How rhype queued is not public: steps 3 to 7 are
the model of docs/explanation/designs/rhype.md. For a caller with EE=0 the queue raises LPCR[MER]; a 970 has no
mediated request, and is given one here (`vpic.ask`).
"""

from irqvisor._jit import cold, hot, jit
from irqvisor.hv import accounting, hcall, inject, scheduler, vpic
from irqvisor.hv.state import domain, vcpu
from irqvisor.hw.state import NOBODY, context, pcpu
from irqvisor.hw.timer import decrementer_due
from irqvisor.spec import papr, paths
from irqvisor.spec.bits import ult
from irqvisor.spec.power_isa import MSR_EE


@jit
def setup(m):
    """External interrupts enter the partition; every source is open at the controller, every guest still closed."""
    vpic.open_to_partitions(m)


@jit
def on_external(m, p):
    """Only while idle: nobody is there to ask, so the hypervisor empties the controller."""
    vpic.drain(m, p)


@jit
def on_hcall(m, p, v, cpu):
    """PAPR's interrupt and scheduling calls."""
    number = cpu.gpr[3]
    if number == papr.H_XIRR:
        cpu.gpr[4] = vpic.accept(m, p, v)
        cpu.gpr[3] = papr.H_SUCCESS
        return hcall.Answer.DONE
    if number == papr.H_EOI:
        cpu.gpr[3] = papr.H_SUCCESS if vpic.end(m, p, v, cpu.gpr[4]) else papr.H_PARAMETER
        return hcall.Answer.DONE
    if number == papr.H_CPPR:
        accounting.path(m, p, paths.CPPR)
        vpic.set_cppr(m, p, v, cpu.gpr[4] & 0xFF)
        cpu.gpr[3] = papr.H_SUCCESS
        return hcall.Answer.DONE
    if number == papr.H_CEDE:
        cede(m, p, v, cpu)
        return hcall.Answer.DONE
    if number == papr.H_IPI:
        target = named(m, p, v, cpu)
        if target != NOBODY:
            vpic.send_ipi(m, p, target, cpu.gpr[5] & 0xFF)
        return hcall.Answer.DONE
    if number == papr.H_PROD or number == papr.H_CONFER or number == papr.H_IPOLL:
        return on_server_call(m, p, v, cpu, number)
    if number == papr.H_PUT_TERM_CHAR or number == papr.H_GET_TERM_CHAR:
        return hcall.cold(m, p)
    return hcall.Answer.NOT_MINE


@jit
def named(m, p, v, cpu):
    """The vCPU that a call names: a server of the caller's partition, by its number there. NOBODY if there is none, and
    r3 says so."""
    accounting.path(m, p, paths.SERVER)
    e = domain(m, vcpu(m, v).domain)
    server = cpu.gpr[4]
    if not ult(server, e.vcpus):
        cpu.gpr[3] = papr.H_PARAMETER
        return NOBODY
    cpu.gpr[3] = papr.H_SUCCESS
    return e.vcpu + server


@cold
def on_server_call(m, p, v, cpu, number):
    """The rarer calls that name a server. H_CONFER may name everybody."""
    everybody = number == papr.H_CONFER and cpu.gpr[4] == -1
    target = named(m, p, v, cpu)
    if target == NOBODY and not everybody:
        return hcall.Answer.DONE
    cpu.gpr[3] = papr.H_SUCCESS
    if number == papr.H_PROD:
        prod(m, p, target)
    elif number == papr.H_CONFER:
        accounting.path(m, p, paths.RESCHEDULE)
        pcpu(m, p).resched = 1
        if not everybody and vcpu(m, target).running == 0 and vcpu(m, target).pcpu == p:
            vcpu(m, target).priority = 1  # its turn, if it can run
    else:
        accounting.path(m, p, vpic.searching(m, target))
        w = vcpu(m, target)
        entry = vpic.best(m, target)
        shown = entry if vpic.priority_of(m, target, entry) < w.cppr else vpic.NONE
        cpu.gpr[4] = (w.cppr << papr.XIRR_CPPR_SHIFT) | vpic.xisr(shown)
        cpu.gpr[5] = w.mfrr
    return hcall.Answer.DONE


@jit
def prod(m, p, target):
    """H_PROD: end a vCPU's H_CEDE, or make its next one return at once."""
    if vcpu(m, target).blocked != 0:
        scheduler.wake(m, p, target)
    else:
        vcpu(m, target).prodded = 1


@jit
def cede(m, p, v, cpu):
    """H_CEDE: enable, mark blocked, then look: a prod, a queued interrupt or a decrementer exception ends the sleep."""
    cpu.gpr[3] = papr.H_SUCCESS
    cpu.msr |= MSR_EE
    w = vcpu(m, v)
    if w.prodded != 0:
        accounting.path(m, p, paths.CEDE_NOT)
        w.prodded = 0
        return
    work = vpic.searching(m, v)
    w.blocked = 1
    now = pcpu(m, p).now
    due = decrementer_due(m, cpu, now)
    if vpic.deliverable(m, v) or due <= now:
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
    """Nothing is watched: hypercalls tell everything."""


@jit
def on_switch(m, p):
    """The controller holds off what the vCPU that is here now holds off."""
    vpic.keep_up(m, p)


@hot
def before_entry(m, p):
    """Simulated delivery of what is queued, if the guest can take it; else ask to be told when it can."""
    v = pcpu(m, p).context
    if v < 0:
        return
    cpu = context(m, v)
    work = vpic.searching(m, v)
    if vpic.ask(m, v) and cpu.msr & MSR_EE != 0:
        accounting.path(m, p, work)
        inject.inject(m, p, cpu, 0)
    else:
        accounting.path(m, p, work + paths.LOOK)


@jit
def whereabouts(m, s):
    """Queued for the owner, in the controller, held off by the owner, or nowhere."""
    return vpic.whereabouts(m, s)
