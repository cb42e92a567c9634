"""Which vCPU runs on which pCPU: pinned, round robin in time slices, a woken vCPU may go first.

A slice ends by HDEC, which a guest cannot mask. State stays loaded while a pCPU idles: only loading another vCPU is a
world switch, and half a round trip is charged for it (the other half when something else is loaded), plus the misses
that follow.
"""

from irqvisor import trace
from irqvisor._jit import hot, jit
from irqvisor.hv.accounting import charge, path
from irqvisor.hv.state import domain, vcpu
from irqvisor.hw import timeline
from irqvisor.hw.state import NEVER, NOBODY, EventKind, context, header, pcpu
from irqvisor.hw.timer import count_down, timebase
from irqvisor.spec import paths

KICK_PRIORITY = 1


@hot
def is_runnable(m, v):
    return vcpu(m, v).blocked == 0 and domain(m, vcpu(m, v).domain).alive != 0


@jit
def choose(m, p):
    """The vCPU to run next on a pCPU: a woken one first, else the next in turn; NOBODY if none can run."""
    n = header(m).n_context
    v = pcpu(m, p).loaded
    found = NOBODY
    for _ in range(n):
        v = v + 1 if v + 1 < n else 0
        if vcpu(m, v).pcpu == p and is_runnable(m, v):
            if vcpu(m, v).priority != 0:
                return v
            if found == NOBODY:
                found = v
    return found


@hot
def load(m, p, v):
    """Run vCPU `v` on pCPU `p`, loading its state if another's is there."""
    pc = pcpu(m, p)
    h = header(m)
    if pc.loaded != v:
        charge(m, p, h.world_switch_rt // 2 + h.switch_penalty)
        trace.emit(m, trace.Kind.SWITCH, pc.now, p, vcpu(m, v).domain, -1, 0, v)
    pc.loaded = v
    pc.context = v
    pc.slice_end = pc.now + h.slice
    context(m, v).pcpu = p
    vcpu(m, v).running = 1
    vcpu(m, v).priority = 0
    vcpu(m, v).marked = pc.serial


@hot
def unload(m, p):
    """The running vCPU stops running here."""
    pc = pcpu(m, p)
    if pc.context >= 0:
        vcpu(m, pc.context).running = 0
        context(m, pc.context).resv = 0
        pc.context = NOBODY


@jit
def wake(m, p, v):
    """Make a blocked vCPU runnable, from hypervisor code on pCPU `p`; kicks an idle or busy pCPU elsewhere."""
    w = vcpu(m, v)
    if w.blocked == 0:
        return
    w.blocked = 0
    if w.polling != 0:
        w.polling = 0
        domain(m, w.domain).pollers -= 1
    if w.timer_ticks == 0:
        w.timer = NEVER  # it was only there to end this sleep
    h = header(m)
    w.priority = h.boost
    trace.emit(m, trace.Kind.WAKE, pcpu(m, p).now, p, w.domain, -1, 0, v)
    charge(m, p, h.host_wakeup)
    if w.pcpu == p:
        if h.boost != 0 or pcpu(m, p).context == NOBODY:
            pcpu(m, p).resched = 1
    else:
        kick(m, p, w.pcpu)


@jit
def kick(m, p, target):
    """Send a physical IPI so that another pCPU enters the hypervisor, or looks again. One on its way is enough:
    nobody looks before it arrives."""
    if pcpu(m, target).kicked != 0:
        return
    pcpu(m, target).kicked = 1
    timeline.schedule(m, pcpu(m, p).now + header(m).phys_ipi, KICK_PRIORITY, EventKind.KICK, target)


@jit
def kicked(m, p):
    """The IPI of `kick` arrives: who was woken from elsewhere may go first from now on, not earlier."""
    for v in range(header(m).n_context):
        if vcpu(m, v).pcpu == p and vcpu(m, v).priority != 0 and is_runnable(m, v):
            pcpu(m, p).resched = 1


@jit
def set_timer(m, v, cycle, ticks):
    """(Re)arm the one hypervisor timer of a vCPU; NEVER stops it. It expires in its pCPU's HDEC handler: as a
    decrementer exception of the vCPU (`ticks` 1, Xen/PPC's timers), or only to wake it (0)."""
    vcpu(m, v).timer = cycle
    vcpu(m, v).timer_ticks = ticks
    target = pcpu(m, vcpu(m, v).pcpu)
    target.hdec_at = min(target.hdec_at, cycle)


@jit
def next_timer(m, p):
    """The earliest timer of the vCPUs of a pCPU."""
    earliest = NEVER
    for v in range(header(m).n_context):
        if vcpu(m, v).pcpu == p:
            earliest = min(earliest, vcpu(m, v).timer)
    return earliest


@jit
def run_timers(m, p):
    """Expire the timers that are due on this pCPU."""
    now = pcpu(m, p).now
    for v in range(header(m).n_context):
        w = vcpu(m, v)
        if w.pcpu == p and w.timer <= now:
            w.timer = NEVER
            path(m, p, paths.EXPIRE)
            if w.timer_ticks != 0:
                count_down(m, context(m, v), timebase(m, now) - 1)
            wake(m, p, v)


@jit
def tick(m, p):
    """HDEC: end the slice if it is over, and program the next tick."""
    pc = pcpu(m, p)
    pc.hdec_at = min(pc.now + header(m).hdec_period, next_timer(m, p))
    if pc.now >= pc.slice_end:
        path(m, p, paths.RESCHEDULE)
        pc.resched = 1


@hot
def goes_on(m, pc):
    """Whether the running vCPU simply goes on: it can, and nobody asked for another look."""
    return pc.context >= 0 and pc.resched == 0 and is_runnable(m, pc.context)


@hot
def reschedule(m, p):
    """Choose who runs now, on the way out of the hypervisor; returns False if nobody can."""
    pc = pcpu(m, p)
    current = pc.context
    pc.resched = 0
    v = choose(m, p)
    if v != current:
        unload(m, p)
        if v != NOBODY:
            load(m, p, v)
    elif v >= 0:
        pc.slice_end = pc.now + header(m).slice
    if v == NOBODY:
        pc.hdec_at = next_timer(m, p)  # nothing to preempt
        return False
    pc.hdec_at = min(pc.hdec_at, pc.now + header(m).hdec_period)
    return True
