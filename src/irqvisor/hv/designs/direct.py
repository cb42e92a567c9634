"""direct: the controller knows which vCPU runs, and hands the interrupt to it. No hypervisor on the way.

1. A source triggers. Its P and Q let one event through; the controller writes it into the event queue of its vCPU and
   priority, in the guest's memory, and compares the vCPU with the ring of each processor.
2. It runs: the ring's pending buffer gets the bit of the priority, and the external input rises if the CPPR lets it.
   LPES0=1: 0x500 with SRR0 and SRR1, as on bare metal.
3. The guest loads its ring's acknowledge register - the CPPR becomes the priority, the input falls -, then the entry of
   its queue: it knows the source. It serves it, and ends it by a load of the source's own page. A CPPR of 0xFF opens
   the ring again, and rfid. Neither a hypercall nor an exit.
4. It is preempted: the hypervisor has pulled its ring, so the bit is kept with the vCPU, and nobody is disturbed. The
   next push brings it back: step 2.
5. It sleeps: before it does, its escalation source is switched on. The event is kept, and the escalation raises the
   hypervisor's own interrupt, 0xEA0, which no guest can hold off. Its handler switches the escalation off and wakes the
   vCPU: one entry a wake, not one an event.
6. The races of step 5: pull, mark blocked, escalation on, look again. If an escalation was on its way when the vCPU was
   dispatched, it does not sleep before that has arrived, or two could be under way at once.
7. What a vCPU has for another one is an event like a device's, of a source that is the channel's: a store to its page.
   Where that page is another domain's and not in its memory map (option `ipi`) the hypervisor stores: H_NOTIFY.

Variant `posted` (option): no XIVE but what a PC has. A device's edge is a bit in the vCPU's descriptor; a notification
makes the processor take it over into a virtual controller, which the guest reads and ends untrapped (hv/posting.py).
Level lines are not posted: the hypervisor takes them, and their end is an exit.

Source: Power ISA 3.0, LPCR[HEIC], [HVICE]; QEMU, docs/specs/ppc-xive.rst; Linux, arch/powerpc/kvm/book3s_xive.c and
book3s_hv_rmhandlers.S. H_CEDE and the console are PAPR's, H_NOTIFY is this project's; queues and sources are set up
before the guest starts.
"""

from irqvisor import trace
from irqvisor._jit import hot, jit
from irqvisor.hv import accounting, hcall, inbox, posting, scheduler
from irqvisor.hv.state import Where, vcpu
from irqvisor.hw import posted, xive
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NOBODY, Arrival, context, header, pcpu, source
from irqvisor.hw.timer import decrementer_due
from irqvisor.hw.wiring import Controller
from irqvisor.spec import papr, paths
from irqvisor.spec.power_isa import LPCR_HEIC, LPCR_HVICE, LPCR_LPES0, MSR_EE
from irqvisor.spec.xive import PQ_OFF, PQ_QUEUED, PQ_RESET


@jit
def setup(m):
    """External interrupts are the partitions'; the hypervisor takes none, and has a line of its own."""
    header(m).own_line = 1
    for c in range(header(m).n_context):
        context(m, c).lpcr |= LPCR_LPES0 | LPCR_HEIC | LPCR_HVICE


@hot
def is_posted(m):
    """Whether this is the variant with posted descriptors in place of XIVE."""
    return header(m).controller == Controller.POSTED


@jit
def on_external(m, p):
    """0xEA0: an escalation or a kick. Wake whose escalation rang; the kick has done its work by coming."""
    if is_posted(m):
        posting.on_notification(m, p)
        return
    accounting.read_pic(m, p)
    pcpu(m, p).virtualization = 0
    rang = 0
    for v in range(header(m).n_context):
        if xive.virtual(m, v).rung != 0 and xive.virtual(m, v).server == p:
            escalated(m, p, v)
            rang += 1
    if rang == 0:
        accounting.path(m, p, paths.EVENT_CHECK)
    accounting.write_pic(m, p)


@jit
def escalated(m, p, v):
    """X: the escalation of a vCPU arrived. It is off from now on: an event that comes while the vCPU waits for its turn
    needs none."""
    accounting.path(m, p, paths.ESCALATION)
    accounting.read_pic(m, p)
    xive.virtual(m, v).rung = 0
    xive.set_escalation(m, v, PQ_OFF)
    vcpu(m, v).escalating = 0
    scheduler.wake(m, p, v)


@jit
def on_hcall(m, p, v, cpu):
    """Sleep, yield, print, and notify whose page is not mapped; nothing that has to do with a device's interrupt."""
    number = cpu.gpr[3]
    if number == papr.H_CEDE:
        if is_posted(m):
            posting.block(m, p, v, cpu)
        else:
            cede(m, p, v, cpu)
        return hcall.Answer.DONE
    if number == papr.H_CONFER:
        accounting.path(m, p, paths.SERVER + paths.RESCHEDULE)
        pcpu(m, p).resched = 1
        cpu.gpr[3] = papr.H_SUCCESS
        return hcall.Answer.DONE
    if number == papr.H_NOTIFY:
        cpu.gpr[3] = notify(m, p, cpu.lpid, cpu.gpr[4])
        return hcall.Answer.DONE
    if number == papr.H_PUT_TERM_CHAR or number == papr.H_GET_TERM_CHAR:
        return hcall.cold(m, p)
    return hcall.Answer.NOT_MINE


@jit
def notify(m, p, lpid, s):
    """H_NOTIFY: trigger the source of a channel for its producer, and for nobody else."""
    accounting.path(m, p, paths.NOTIFY)
    if s < 0 or s >= header(m).n_source or source(m, s).kind != Arrival.CHANNEL or source(m, s).poster != lpid:
        return papr.H_PARAMETER
    irq = source(m, s).irq
    inbox.announce(m, p, s)
    if is_posted(m):
        e = posted.posted_source(m, irq)
        accounting.path(m, p, paths.POST)
        posted.send(m, p, e.vp, e.vector)
    else:
        accounting.write_pic(m, p)
        xive.send(m, p, irq)
    return papr.H_SUCCESS


@jit
def cede(m, p, v, cpu):
    """H_CEDE: enable, pull the ring, mark blocked, switch the escalation on, and only then look."""
    cpu.gpr[3] = papr.H_SUCCESS
    cpu.msr |= MSR_EE
    w = vcpu(m, v)
    if w.escalating != 0:
        accounting.path(m, p, paths.CEDE_NOT)
        return
    undispatch(m, p)
    w.blocked = 1
    arm(m, p, v)
    due = decrementer_due(m, cpu, pcpu(m, p).now)
    if xive.is_deliverable(m, v) or due <= pcpu(m, p).now:
        accounting.path(m, p, paths.CEDE_NOT)
        w.blocked = 0
        return
    accounting.path(m, p, paths.CEDE + paths.RESCHEDULE)
    scheduler.set_timer(m, v, due, 0)
    scheduler.fall_asleep(m, p)


@jit
def arm(m, p, v):
    """From here on an event for a vCPU that runs nowhere raises the hypervisor's interrupt."""
    xive.set_escalation(m, v, PQ_RESET)
    accounting.path(m, p, paths.ARM)
    accounting.read_pic(m, p)


@jit
def dispatch(m, p, v):
    """D: push the ring. If the vCPU had gone to sleep its escalation is switched off; one that is under way already is
    noted, and only its arrival takes the note back."""
    xive.push(m, p, v)
    accounting.path(m, p, paths.PUSH)
    accounting.write_pic(m, p)
    accounting.write_pic(m, p)
    if xive.virtual(m, v).escalation == PQ_OFF:
        return
    if xive.set_escalation(m, v, PQ_OFF):
        vcpu(m, v).escalating = 1
    accounting.path(m, p, paths.DISARM)
    accounting.read_pic(m, p)


@jit
def undispatch(m, p):
    """U: pull the ring, then save it: an event may come in between."""
    xive.pull(m, p)
    accounting.read_pic(m, p)
    xive.save(m, p)
    accounting.read_pic(m, p)
    accounting.path(m, p, paths.PULL)


@jit
def on_hdec(m, p):
    """Nothing can be held off from the hypervisor, so there is nothing to look for."""


@hot
def source_of(m, irq):
    """The device or channel whose interrupt this is; NOBODY: a vCPU's own IPI."""
    return posted.posted_source(m, irq).source if is_posted(m) else xive.esb(m, irq).source


@jit
def on_access(m, p, what):
    """An entry of an event queue: the guest knows the source. A load of the source's page: it is done. A store there:
    it notifies another vCPU."""
    pc = pcpu(m, p)
    irq = pc.watch_at
    if irq == NOBODY:
        return
    if what == Outcome.ENDED and is_posted(m) and posted.exits(m, irq):
        posting.end_level(m, p, irq)
    s = source_of(m, irq)
    if s == NOBODY:
        if what == Outcome.ACKNOWLEDGED:
            trace.context_count(m, pc.context).learned += 1  # its own IPI
    elif what == Outcome.TRIGGERED:
        if source(m, s).kind == Arrival.CHANNEL:
            inbox.announce(m, p, s)
    elif what == Outcome.ACKNOWLEDGED:
        trace.known(m, s, pc.context, p, pc.now, source(m, s).head)
    elif what == Outcome.ENDED:
        trace.finish(m, s, p, pc.now)


@jit
def on_switch(m, p):
    """`before_entry` looks for itself."""


@hot
def before_entry(m, p):
    """The ring follows who runs: pulled when another one does, or nobody, then pushed."""
    if is_posted(m):
        posting.before_entry(m, p)
        return
    v = pcpu(m, p).context
    r = xive.ring(m, p)
    if r.valid != 0 and r.vp != v:
        undispatch(m, p)
    if v >= 0 and r.valid == 0:
        dispatch(m, p, v)


@jit
def whereabouts(m, s):
    """In a queue, held off by the CPPR or an interrupt not ended, switched off, or nowhere."""
    if is_posted(m):
        return posting.whereabouts(m, s)
    irq = source(m, s).irq
    e = xive.esb(m, irq)
    if e.sent != 0:
        return Where.UNDER_WAY
    if e.pq == PQ_OFF or e.dropped != 0:
        return Where.MASKED
    if e.entry != NOBODY:
        return Where.PRIORITY if xive.holds_off(m, irq) else Where.UNDER_WAY
    if e.pq == PQ_QUEUED or (e.level != 0 and e.asserted != 0):
        return Where.PRIORITY  # the one before has not been ended
    return Where.NOWHERE
