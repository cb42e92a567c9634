"""The hypervisor's side of posted interrupts (Linux, arch/x86/kvm/vmx/posted_intr.c): whom a descriptor notifies, and
when it is looked at.

A vCPU that is preempted is suppressed (SN): what comes is posted and seen when it is switched in. One that sleeps has
the wake-up notification. Whoever is entered with a notification outstanding (ON) takes over what is posted. The order
of the steps matters, for a device may post between any two of them.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import accounting, scheduler
from irqvisor.hv.state import Entry, Where, pirq, vcpu
from irqvisor.hw import posted
from irqvisor.hw.state import NOBODY, header, pcpu, source
from irqvisor.hw.timer import decrementer_due
from irqvisor.spec import papr, paths
from irqvisor.spec.power_isa import MSR_EE


@jit
def on_notification(m, p):
    """The hypervisor's own interrupt: level lines, wake-ups, kicks."""
    accounting.read_pic(m, p)
    pcpu(m, p).virtualization = 0
    found = 0
    for irq in range(header(m).n_pirq):
        s = posted.posted_source(m, irq)
        if s.waiting != 0 and s.server == p:
            take_level(m, p, irq)
            found += 1
    for v in range(header(m).n_context):
        w = posted.descriptor(m, v)
        if w.wakes != 0 and w.destination == p and w.on != 0 and vcpu(m, v).blocked != 0:
            accounting.path(m, p, paths.ESCALATION)
            scheduler.wake(m, p, v)
            found += 1
    if found == 0:
        accounting.path(m, p, paths.EVENT_CHECK)
    accounting.write_pic(m, p)


@jit
def take_level(m, p, irq):
    """A level line is masked, ended at its controller, and posted by software; its guest's end of it will exit."""
    s = posted.posted_source(m, irq)
    s.waiting = 0
    s.masked = 1
    accounting.path(m, p, paths.TAKE + paths.MASK_LEVEL)
    accounting.write_pic(m, p)
    accounting.write_pic(m, p)
    if pirq(m, irq).source != NOBODY:
        trace.accepted(m, pirq(m, irq).source, p, pirq(m, irq).domain, pcpu(m, p).now)
    accounting.path(m, p, paths.POST)
    posted.send(m, p, s.vp, s.vector)


@jit
def end_level(m, p, irq):
    """The end of a level interrupt left its guest: the line may come again."""
    accounting.enter(m, p, Entry.ACCESS)
    accounting.charge(m, p, header(m).exc_entry)
    accounting.path(m, p, paths.UNMASK_LEVEL)
    accounting.write_pic(m, p)
    posted.posted_source(m, irq).masked = 0
    posted.request(m, irq)
    accounting.charge(m, p, header(m).exc_return)
    trace.emit(m, trace.Kind.LEAVE_HV, pcpu(m, p).now, p, pcpu(m, p).context, -1, 0, Entry.ACCESS)


@jit
def block(m, p, v, cpu):
    """H_CEDE: enable, mark blocked, wake-up notification, and only then look: at ON, at what is posted, and at what has
    been taken over and could be delivered."""
    cpu.gpr[3] = papr.H_SUCCESS
    cpu.msr |= MSR_EE
    w = vcpu(m, v)
    w.blocked = 1
    arm(m, p, v)
    due = decrementer_due(m, cpu, pcpu(m, p).now)
    if has_work(m, v) or due <= pcpu(m, p).now:
        accounting.path(m, p, paths.CEDE_NOT)
        w.blocked = 0
        return
    accounting.path(m, p, paths.CEDE + paths.RESCHEDULE)
    scheduler.set_timer(m, v, due, 0)
    scheduler.fall_asleep(m, p)


@jit
def arm(m, p, v):
    """From here on a post for a sleeper is an interrupt of the hypervisor's."""
    posted.descriptor(m, v).wakes = 1
    posted.descriptor(m, v).destination = p
    accounting.path(m, p, paths.ARM)


@jit
def has_work(m, v):
    """Anything that must not be slept over."""
    return posted.descriptor(m, v).on != 0 or posted.is_posted(m, v) or posted.deliverable(m, v) >= 0


@jit
def before_entry(m, p):
    """Suppress who ran here and does not now; switch in who runs; take over what is posted for it."""
    v = pcpu(m, p).context
    u = pcpu(m, p).vcpus
    while u != NOBODY:
        d = posted.descriptor(m, u)
        if u != v and d.sn == 0 and d.wakes == 0:
            d.sn = 1
            accounting.path(m, p, paths.PULL)
        u = vcpu(m, u).next
        if u == pcpu(m, p).vcpus:
            break
    if v >= 0:
        switch_in(m, p, v)
    posted.drive(m, p)


@jit
def switch_in(m, p, v):
    """Active notification, here, not suppressed any more; then look whether anything was posted meanwhile."""
    d = posted.descriptor(m, v)
    if d.sn != 0 or d.wakes != 0 or d.destination != p:
        d.wakes = 0
        d.destination = p
        d.sn = 0
        if posted.is_posted(m, v):
            d.on = 1
        accounting.path(m, p, paths.PUSH)
    if d.on != 0:
        posted.sync(m, v)


@jit
def whereabouts(m, s):
    """Posted, requested, held off by what is in service or by the task priority, or nowhere."""
    irq = source(m, s).irq
    e = posted.posted_source(m, irq)
    if e.off != 0:
        return Where.MASKED
    if posted.is_under_way(m, irq) != 0:
        return Where.PRIORITY if posted.is_held_off(m, irq) else Where.UNDER_WAY
    if e.masked != 0:
        return Where.PRIORITY  # taken, and not ended by its guest
    return Where.UNDER_WAY if e.waiting != 0 else Where.NOWHERE
