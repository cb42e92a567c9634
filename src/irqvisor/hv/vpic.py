"""A virtual PIC: interrupts queued for a vCPU, accepted by priority, ended by name (PAPR's XICS rules).

The physical controller is an OpenPIC, whose EOI is unspecific: what is accepted is ended there at once, level lines
masked first and unmasked at H_EOI. So nothing stays in service at the controller between two hypervisor entries, and
its task priority follows the running vCPU's CPPR after every change: else an interrupt that the guest's CPPR refuses
would hold the line up and the guest would enter 0x500 for ever.
"""

from irqvisor import trace
from irqvisor._jit import cold, hot, jit
from irqvisor.hv import inbox, inject, scheduler
from irqvisor.hv.accounting import path, read_pic, write_pic
from irqvisor.hv.state import Defect, Where, domain, pirq, vcpu
from irqvisor.hw import openpic
from irqvisor.hw.state import NOBODY, Model, context, header, pcpu, source
from irqvisor.spec import paths
from irqvisor.spec.bits import ctz, sll, sub
from irqvisor.spec.papr import (
    PRIORITY_NONE,
    XIRR_CPPR_SHIFT,
    XISR_IPI,
    XISR_MASK,
    XISR_NONE,
    XISR_SOURCES,
)
from irqvisor.spec.power_isa import HID4_LPES0, LPCR_LPES0, LPCR_MER

IPI_ENTRY = -2
"""Stands for the guest's own inter-processor interrupt among irqs."""
NONE = -1


@jit
def open_to_partitions(m):
    """External interrupts enter whoever runs; every source is open at the controller, every guest still closed."""
    for c in range(header(m).n_context):
        cpu = context(m, c)
        if pcpu(m, cpu.pcpu).model == Model.PPC970:
            cpu.hid4 |= HID4_LPES0
        else:
            cpu.lpcr |= LPCR_LPES0
    for irq in range(header(m).n_pirq):
        if pirq(m, irq).source != NOBODY:
            openpic.unmask(m, irq)
    for p in range(header(m).n_pcpu):
        openpic.set_task_priority(m, p, openpic.task_priority(PRIORITY_NONE))


@jit
def queue(m, p, v, irq):
    """Put an interrupt aside for its owner, and make the owner look: wake it, or kick where it runs."""
    w = vcpu(m, v)
    word = irq >> 6
    bit = sll(1, irq & 63)
    if w.soft[word] & bit == 0:
        w.soft[word] |= bit
        w.queued += 1
        inject.charge_marking(m, p, v, paths.QUEUE)
        trace.emit(m, trace.Kind.QUEUE, pcpu(m, p).now, p, w.domain, pirq(m, irq).source, 0, irq)
    else:
        path(m, p, paths.QUEUE)
    make_look(m, p, v)


@jit
def make_look(m, p, v):
    """Something was queued for a vCPU: wake it, or kick where it runs."""
    w = vcpu(m, v)
    if w.running != 0:
        if w.pcpu != p:
            scheduler.kick(m, p, w.pcpu)
    else:
        scheduler.wake(m, p, v)


@jit
def send_ipi(m, p, v, mfrr):
    """H_IPI: request an inter-processor interrupt of a vCPU at a priority; PRIORITY_NONE takes the request back."""
    w = vcpu(m, v)
    w.mfrr = mfrr
    if mfrr == PRIORITY_NONE:
        if pcpu(m, p).context == v:
            inbox.learn_all(m, p, v)  # its handler has seen it, and looks at everything now
        return
    inbox.announce_all(m, p, v)
    if pcpu(m, p).context != v:
        inject.charge_marking(m, p, v, paths.QUEUE)
        if mfrr < w.cppr:
            make_look(m, p, v)


@hot
def best(m, v):
    """The most favoured queued interrupt of a vCPU: an irq, IPI_ENTRY, or NONE."""
    w = vcpu(m, v)
    if w.queued != 0:
        return best_of_queue(m, v)
    return IPI_ENTRY if w.mfrr < PRIORITY_NONE else NONE


@cold
def best_of_queue(m, v):
    """`best`, where a source's interrupt is queued."""
    w = vcpu(m, v)
    found = NONE
    priority = PRIORITY_NONE
    if w.mfrr < priority:
        found = IPI_ENTRY
        priority = w.mfrr
    for word in range(len(w.soft)):
        rest = w.soft[word]
        while rest != 0:
            bit = ctz(rest)
            rest &= sub(rest, 1)
            irq = 64 * word + bit
            if pirq(m, irq).priority < priority:
                found = irq
                priority = pirq(m, irq).priority
    return found


@hot
def priority_of(m, v, entry):
    """Priority of something `best` found; PRIORITY_NONE for nothing."""
    if entry == NONE:
        return PRIORITY_NONE
    if entry == IPI_ENTRY:
        return vcpu(m, v).mfrr
    return pirq(m, entry).priority


@jit
def searching(m, v):
    """Instructions that finding the most favoured of what is queued takes."""
    if vcpu(m, v).queued == 0:
        return 0
    return paths.SEARCH


@hot
def deliverable(m, v):
    """Whether a queued interrupt is more favoured than the vCPU's CPPR."""
    w = vcpu(m, v)
    if w.queued == 0:
        return w.mfrr < w.cppr
    return priority_of(m, v, best(m, v)) < w.cppr


@hot
def xisr(entry):
    """The interrupt source number a guest sees."""
    if entry == NONE:
        return XISR_NONE
    if entry == IPI_ENTRY:
        return XISR_IPI
    return XISR_SOURCES + entry


@jit
def set_cppr(m, p, v, value):
    """Change a running vCPU's CPPR, and the controller's task priority with it."""
    vcpu(m, v).cppr = value
    openpic.set_task_priority(m, p, openpic.task_priority(value))
    write_pic(m, p)


@jit
def follow(m, p):
    """The controller's task priority follows who runs here: its CPPR, or nothing held off while idle."""
    v = pcpu(m, p).context
    openpic.set_task_priority(m, p, openpic.task_priority(vcpu(m, v).cppr if v >= 0 else PRIORITY_NONE))


@hot
def keep_up(m, p):
    """`follow`, where it changes something."""
    v = pcpu(m, p).context
    if openpic.task_priority_of(m, p) != openpic.task_priority(vcpu(m, v).cppr if v >= 0 else PRIORITY_NONE):
        follow(m, p)
        write_pic(m, p)


@hot
def ask(m, v):
    """The line as the vCPU sees it: raise or drop its mediated request (LPCR[MER]) for what is queued. True: raised."""
    cpu = context(m, v)
    if deliverable(m, v):
        cpu.lpcr |= LPCR_MER
        return True
    cpu.lpcr &= ~LPCR_MER
    return False


@hot
def begin_service(m, p, v, entry, priority):
    """An interrupt enters service; returns the XIRR for the guest. Interrupts nest as deep as the guest likes: it may
    raise its CPPR, or lower its MFRR, as often as it wants before it ends anything. So what is in service is counted by
    name, and the way back, the old CPPR, is with the guest."""
    w = vcpu(m, v)
    if entry == IPI_ENTRY:
        w.ipis += 1
    else:
        pirq(m, entry).in_service += 1
    xirr = (w.cppr << XIRR_CPPR_SHIFT) | xisr(entry)
    set_cppr(m, p, v, priority)
    return xirr


@jit
def take_from_controller(m, p):
    """Acknowledge at the controller and end it there at once, a level line masked first. Returns the input, NONE if
    spurious, or an index at or above the number of inputs for the hypervisor's own interrupts."""
    read_pic(m, p)
    path(m, p, paths.TAKE)
    irq = openpic.acknowledge_source(m, p)
    if irq < 0:
        return NONE
    if openpic.is_input(m, irq) and pirq(m, irq).level != 0:
        openpic.mask(m, irq)
        path(m, p, paths.MASK_LEVEL)
        write_pic(m, p)
        v = owner(m, irq)
        if v >= 0:
            vcpu(m, v).level[irq >> 6] |= sll(1, irq & 63)
    openpic.end_of_interrupt(m, p)
    write_pic(m, p)
    return irq


@jit
def owner(m, irq):
    """The vCPU that a controller input belongs to, or NOBODY."""
    d = pirq(m, irq).domain
    if d == NOBODY or domain(m, d).alive == 0:
        return NOBODY
    return pirq(m, irq).server


@jit
def accept(m, p, v):
    """H_XIRR: the most favoured of what is queued and what the controller holds, if the CPPR lets it through; else the
    CPPR and source 0 - nothing was pending after all."""
    path(m, p, paths.XIRR + searching(m, v))
    entry = best(m, v)
    if controller_has_better(m, p, v, entry):
        return ask_controller(m, p, v, entry)
    return accept_queued(m, p, v, entry)


@hot
def controller_has_better(m, p, v, entry):
    """Whether the controller holds something more favoured than what is queued and than the CPPR."""
    ceiling = min(priority_of(m, v, entry), vcpu(m, v).cppr)
    return openpic.pending_priority(m, p) > openpic.task_priority(ceiling)


@cold
def ask_controller(m, p, v, entry):
    """Take what the controller holds until it is the caller's, or no better. Somebody else's interrupt is queued for
    its owner, and looking goes on."""
    w = vcpu(m, v)
    while controller_has_better(m, p, v, entry):
        irq = take_from_controller(m, p)
        if irq == NONE:
            break
        if not openpic.is_input(m, irq):
            path(m, p, searching(m, v))
            entry = best(m, v)  # the hypervisor's own: an event check; something may have been queued
            continue
        target = owner(m, irq)
        if target == v:
            path(m, p, paths.SERVE)
            learn(m, p, v, irq)
            return begin_service(m, p, v, irq, pirq(m, irq).priority)
        trace.context_count(m, v).foreign += 1
        s = pirq(m, irq).source
        if s != NOBODY:
            trace.accepted(m, s, p, w.domain, pcpu(m, p).now)
        if target >= 0 and header(m).defects & Defect.FOREIGN_DROPPED == 0:
            queue(m, p, target, irq)
    return accept_queued(m, p, v, entry)


@hot
def accept_queued(m, p, v, entry):
    """What is queued begins service, if it is more favoured than the CPPR."""
    w = vcpu(m, v)
    priority = priority_of(m, v, entry)
    if priority >= w.cppr:
        return (w.cppr << XIRR_CPPR_SHIFT) | XISR_NONE
    if entry != IPI_ENTRY:
        path(m, p, paths.UNQUEUE + paths.SERVE)
        w.soft[entry >> 6] &= ~(sll(1, entry & 63))
        w.queued -= 1
        learn(m, p, v, entry)
    else:
        path(m, p, paths.SERVE)
        trace.context_count(m, v).learned += 1
        inbox.learn_all(m, p, v)
    return begin_service(m, p, v, entry, priority)


@hot
def learn(m, p, v, irq):
    """The owner knows its source."""
    from_source = pirq(m, irq).source
    if from_source != NOBODY:
        trace.known(m, from_source, v, p, pcpu(m, p).now, source(m, from_source).head)


@jit
def end(m, p, v, xirr):
    """H_EOI: the named interrupt leaves service and the CPPR in the top byte comes back. False if it is not in
    service: nothing changes."""
    w = vcpu(m, v)
    path(m, p, paths.EOI)
    if xirr & XISR_MASK == XISR_IPI:
        if w.ipis == 0:
            return False
        w.ipis -= 1
        inbox.finish_all(m, p, v)
    else:
        irq = (xirr & XISR_MASK) - XISR_SOURCES
        if not openpic.is_input(m, irq) or pirq(m, irq).in_service == 0 or pirq(m, irq).domain != w.domain:
            return False
        pirq(m, irq).in_service -= 1
        finish(m, p, irq)
    set_cppr(m, p, v, (xirr >> XIRR_CPPR_SHIFT) & 0xFF)
    return True


@jit
def finish(m, p, irq):
    """A source's interrupt is over, whichever vCPU of its domain says so: a level line may come again."""
    w = vcpu(m, pirq(m, irq).server)
    bit = sll(1, irq & 63)
    s = pirq(m, irq).source
    if s != NOBODY:
        trace.finish(m, s, p, pcpu(m, p).now)
    if w.level[irq >> 6] & bit != 0:
        w.level[irq >> 6] &= ~bit
        openpic.unmask(m, irq)
        path(m, p, paths.UNMASK_LEVEL)
        write_pic(m, p)


@jit
def poll(m, p):
    """HDEC: a guest may hold everything off, so look without it: nothing is held off while the controller is asked
    until it has nothing, and all that belongs to guests is queued, the running vCPU's too."""
    path(m, p, paths.POLL_CONTROLLER)
    openpic.set_task_priority(m, p, openpic.task_priority(PRIORITY_NONE))
    write_pic(m, p)
    drain(m, p)
    follow(m, p)
    write_pic(m, p)


@jit
def drain(m, p):
    """Take everything the controller holds for this pCPU and queue it for its owners."""
    while pcpu(m, p).external != 0:
        irq = take_from_controller(m, p)
        if irq == NONE:
            return
        if openpic.is_input(m, irq):
            target = owner(m, irq)
            s = pirq(m, irq).source
            if s != NOBODY:
                trace.accepted(m, s, p, -1, pcpu(m, p).now)
            if target >= 0:
                queue(m, p, target, irq)


@jit
def whereabouts(m, s):
    """Queued for the owner, in the controller, held off by the owner, or nowhere."""
    irq = source(m, s).irq
    w = vcpu(m, pirq(m, irq).server)
    bit = sll(1, irq & 63)
    if w.soft[irq >> 6] & bit != 0:
        return Where.UNDER_WAY if pirq(m, irq).priority < w.cppr else Where.PRIORITY
    if w.level[irq >> 6] & bit != 0:
        return Where.PRIORITY  # in service, not ended
    if openpic.is_pending(m, irq) == 0:
        return Where.NOWHERE
    if openpic.is_masked(m, irq) != 0:
        return Where.MASKED
    return Where.UNDER_WAY if pirq(m, irq).priority < w.cppr else Where.PRIORITY
