"""Which vCPU runs on which pCPU: round robin in time slices, a woken vCPU may go first.

The vCPUs of a pCPU form a ring, in ascending order, so what one pCPU does costs nothing for the vCPUs of others. A vCPU
stays where it was placed, unless the scheduler may balance: then one that wakes goes to an idle pCPU of its affinity if
its own is busy, and a pCPU with nothing to do takes over what waits elsewhere.

A slice ends by HDEC, which a guest cannot mask. State stays loaded while a pCPU idles: only loading another vCPU is a
world switch, and half a round trip is charged for it (the other half when something else is loaded), plus the misses
that follow.
"""

from irqvisor import trace
from irqvisor._jit import hot, jit
from irqvisor.hv.accounting import charge, path
from irqvisor.hv.state import RunState, domain, vcpu
from irqvisor.hw import timeline
from irqvisor.hw.state import NEVER, NOBODY, EventKind, context, header, pcpu
from irqvisor.hw.timer import count_down, timebase
from irqvisor.spec import paths

KICK_PRIORITY = 1


@hot
def is_runnable(m, v):
    w = vcpu(m, v)
    return w.blocked | w.down == 0 and domain(m, w.domain).alive != 0


@jit
def place(m, v, p):
    """Put a vCPU into the ring of a pCPU."""
    pc = pcpu(m, p)
    w = vcpu(m, v)
    w.pcpu = p
    first = pc.vcpus
    if first == NOBODY:
        pc.vcpus = v
        w.next = v
        return
    before = first
    while vcpu(m, before).next != first and (vcpu(m, before).next < v or before > v):
        before = vcpu(m, before).next
    w.next = vcpu(m, before).next
    vcpu(m, before).next = v
    pc.vcpus = min(first, v)


@jit
def withdraw(m, v):
    """Take a vCPU out of the ring of its pCPU."""
    pc = pcpu(m, vcpu(m, v).pcpu)
    before = v
    while vcpu(m, before).next != v:
        before = vcpu(m, before).next
    after = vcpu(m, v).next
    vcpu(m, before).next = after
    if pc.vcpus == v:
        pc.vcpus = NOBODY if after == v else after


@jit
def following(m, p, v):
    """The first vCPU of a pCPU's ring whose turn comes after that of `v`, which may have moved elsewhere."""
    if v >= 0 and vcpu(m, v).pcpu == p:
        return vcpu(m, v).next
    first = pcpu(m, p).vcpus
    if first == NOBODY:
        return NOBODY
    found = first
    while found <= v:
        found = vcpu(m, found).next
        if found == first:
            break
    return found


@jit
def move(m, v, p):
    """Place a vCPU that does not run on another pCPU, its timer too."""
    withdraw(m, v)
    place(m, v, p)
    pc = pcpu(m, p)
    pc.hdec_at = min(pc.hdec_at, vcpu(m, v).timer)


@hot
def may_go_to(m, v, p):
    """Whether the scheduler may move a vCPU to a pCPU."""
    return vcpu(m, v).affinity >> p & 1 != 0


@jit
def seek_idle(m, v):
    """A vCPU is about to be runnable: if its pCPU has something to do already, go to one that has not."""
    w = vcpu(m, v)
    if pcpu(m, w.pcpu).context == NOBODY:
        return
    for q in range(header(m).n_pcpu):
        pc = pcpu(m, q)
        if pc.context == NOBODY and pc.kicked == 0 and pc.resched == 0 and may_go_to(m, v, q):
            move(m, v, q)
            return


@jit
def take_over(m, p):
    """A pCPU with nothing to do takes a vCPU that waits where another one runs; NOBODY if there is none. The clocks of
    pCPUs differ by up to a quantum: one that was still running there, by this one's clock, is left."""
    for q in range(header(m).n_pcpu):
        v = pcpu(m, q).vcpus
        if q == p or v == NOBODY or pcpu(m, q).context == NOBODY:
            continue
        while True:
            w = vcpu(m, v)
            if w.running == 0 and is_runnable(m, v) and may_go_to(m, v, p) and w.since <= pcpu(m, p).now:
                move(m, v, p)
                return v
            v = w.next
            if v == pcpu(m, q).vcpus:
                break
    return NOBODY


@jit
def choose(m, p):
    """The vCPU to run next on a pCPU: a woken one first, else the next in turn; NOBODY if none can run."""
    first = following(m, p, pcpu(m, p).loaded)
    found = NOBODY
    v = first
    while v != NOBODY:
        if is_runnable(m, v):
            if vcpu(m, v).priority != 0:
                return v
            if found == NOBODY:
                found = v
        v = vcpu(m, v).next
        if v == first:
            break
    return found


@hot
def passes_to(m, v, state, now):
    """A vCPU's run state changes. The clocks of two pCPUs may differ by a quantum; time does not run backwards."""
    w = vcpu(m, v)
    if w.state == state:
        return
    if now > w.since:
        w.spent[w.state] += now - w.since
        w.since = now
    w.state = state


@hot
def resting_state(m, v):
    """The run state of a vCPU that does not run."""
    w = vcpu(m, v)
    if w.down != 0:
        return RunState.OFFLINE
    return RunState.BLOCKED if w.blocked != 0 else RunState.RUNNABLE


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
    passes_to(m, v, RunState.RUNNING, pc.now)
    if vcpu(m, v).period != 0:
        tick_periodically(m, p, v)


@hot
def unload(m, p):
    """The running vCPU stops running here."""
    pc = pcpu(m, p)
    if pc.context >= 0:
        vcpu(m, pc.context).running = 0
        context(m, pc.context).resv = 0
        passes_to(m, pc.context, resting_state(m, pc.context), pc.now)
        pc.context = NOBODY


@jit
def fall_asleep(m, p):
    """The running vCPU, marked blocked, has found nothing to stay awake for: another one's turn."""
    v = pcpu(m, p).context
    trace.emit(m, trace.Kind.BLOCK, pcpu(m, p).now, p, vcpu(m, v).domain, -1, 0, v)
    unload(m, p)
    pcpu(m, p).resched = 1


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
    if w.down == 0:
        make_runnable(m, p, v)


@jit
def make_runnable(m, p, v):
    """A vCPU that did not run may run from now on: choose it soon, here or where it is placed."""
    w = vcpu(m, v)
    h = header(m)
    w.priority = h.boost
    passes_to(m, v, RunState.RUNNABLE, pcpu(m, p).now)
    trace.emit(m, trace.Kind.WAKE, pcpu(m, p).now, p, w.domain, -1, 0, v)
    charge(m, p, h.host_wakeup)
    if h.balance != 0:
        seek_idle(m, v)
    if w.pcpu == p:
        if h.boost != 0 or pcpu(m, p).context == NOBODY:
            pcpu(m, p).resched = 1
    else:
        kick(m, p, w.pcpu)


@jit
def take_up(m, p, v):
    """A vCPU comes up. It may have blocked before it went down, and then still is."""
    w = vcpu(m, v)
    if w.down != 0:
        w.down = 0
        if w.blocked == 0:
            make_runnable(m, p, v)
        else:
            passes_to(m, v, RunState.BLOCKED, pcpu(m, p).now)


@jit
def take_down(m, p, v):
    """A vCPU goes down; where it runs elsewhere it stops when the IPI arrives."""
    w = vcpu(m, v)
    w.down = 1
    if pcpu(m, p).context == v:
        unload(m, p)
        pcpu(m, p).resched = 1
    elif w.running != 0:
        kick(m, p, w.pcpu)
    else:
        passes_to(m, v, RunState.OFFLINE, pcpu(m, p).now)


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
    pc = pcpu(m, p)
    v = pc.vcpus
    while v != NOBODY:
        if vcpu(m, v).priority != 0 and is_runnable(m, v):
            pc.resched = 1
        v = vcpu(m, v).next
        if v == pc.vcpus:
            break
    if pc.context >= 0 and not is_runnable(m, pc.context):
        pc.resched = 1  # it was taken down, or its domain stopped, by another pCPU


@jit
def set_timer(m, v, cycle, ticks):
    """(Re)arm the one hypervisor timer of a vCPU; NEVER stops it. It expires in its pCPU's HDEC handler: as a
    decrementer exception of the vCPU (`ticks` 1, Xen/PPC's timers), or only to wake it (0)."""
    vcpu(m, v).timer = cycle
    vcpu(m, v).timer_ticks = ticks
    target = pcpu(m, vcpu(m, v).pcpu)
    target.hdec_at = min(target.hdec_at, cycle)


@jit
def set_periodic_timer(m, v, period, now):
    """(Re)arm the periodic timer of a vCPU, `period` cycles; 0 stops it. Its ticks come only while it runs: those that
    it missed are one, when it runs again."""
    w = vcpu(m, v)
    w.period = period
    w.period_at = now + period
    if period != 0 and w.running != 0:
        target = pcpu(m, w.pcpu)
        target.hdec_at = min(target.hdec_at, w.period_at)


@jit
def tick_periodically(m, p, v):
    """The periodic tick of a vCPU that runs, or is about to, if it is due."""
    w = vcpu(m, v)
    pc = pcpu(m, p)
    if w.period_at <= pc.now:
        w.period_at = pc.now + w.period
        give_tick(m, v, pc.now)
    pc.hdec_at = min(pc.hdec_at, w.period_at)


@jit
def next_timer(m, p):
    """The earliest timer of the vCPUs of a pCPU."""
    pc = pcpu(m, p)
    earliest = NEVER
    if pc.context >= 0 and vcpu(m, pc.context).period != 0:
        earliest = vcpu(m, pc.context).period_at
    v = pc.vcpus
    while v != NOBODY:
        earliest = min(earliest, vcpu(m, v).timer)
        v = vcpu(m, v).next
        if v == pc.vcpus:
            break
    return earliest


@jit
def run_timers(m, p):
    """Expire the timers that are due on this pCPU."""
    pc = pcpu(m, p)
    now = pc.now
    if pc.context >= 0 and vcpu(m, pc.context).period != 0:
        tick_periodically(m, p, pc.context)
    v = pc.vcpus
    while v != NOBODY:
        after = vcpu(m, v).next  # a vCPU that wakes may be placed elsewhere
        last = after == pc.vcpus
        if vcpu(m, v).timer <= now:
            expire(m, p, v, now)
        if last:
            break
        v = after


@jit
def expire(m, p, v, now):
    """The one timer of a vCPU expires."""
    w = vcpu(m, v)
    w.timer = NEVER
    path(m, p, paths.EXPIRE)
    if w.timer_ticks != 0:
        give_tick(m, v, now)
    wake(m, p, v)


@jit
def give_tick(m, v, now):
    """The guest's tick: an event of its design, or else a decrementer exception."""
    if vcpu(m, v).timer_event != 0:
        vcpu(m, v).ticked = 1
    else:
        count_down(m, context(m, v), timebase(m, now) - 1)


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


@jit
def reschedule(m, p):
    """Choose who runs now, on the way out of the hypervisor; returns False if nobody can."""
    pc = pcpu(m, p)
    current = pc.context
    pc.resched = 0
    v = choose(m, p)
    if v == NOBODY and header(m).balance != 0:
        v = take_over(m, p)
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
