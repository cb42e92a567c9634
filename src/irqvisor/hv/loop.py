"""The one compiled run loop: pCPUs, the timeline, and the way into the hypervisor and out of it.

One round: every pCPU, in order, runs until the horizon; then the events due at the horizon happen; then a new horizon
is chosen. With one pCPU the horizon is the next event, so interrupts land on exact instruction boundaries. With
several it is also at most a quantum ahead, the time an IPI takes: devices and IPIs still land on their cycle, only
plain memory accesses of different pCPUs interleave at quantum grain. Rounds depend on the machine's state alone, so
stopping and going on changes nothing.
"""

from irqvisor import trace
from irqvisor._jit import cold, entry, hot, jit
from irqvisor.hv import accounting, board, dispatch, event_channel, hcall, lines, notify, partition, scheduler
from irqvisor.hv.state import Defect, Entry, Exit, Where, pirq, vcpu
from irqvisor.hw import devices, doorbell, memory, openpic, timeline, wiring
from irqvisor.hw.interpret import interpreter
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NEVER, NOBODY, Arrival, EventKind, Phase, Stop, context, header, pcpu, request, source
from irqvisor.hw.timer import decrementer_due
from irqvisor.spec import paths
from irqvisor.spec.designs import Design
from irqvisor.spec.papr import IPI_PRIORITY
from irqvisor.tables import borrow

BEFORE_ARRIVALS = -1
"""Timeline priority of the end of a phase: an item that would arrive at that very cycle does not."""


@entry
def prepare(m):
    """Finish a new machine: reset the controller, program it where a hypervisor does, route interrupts."""
    m = borrow(m)
    openpic.reset(m)
    if header(m).design != Design.NATIVE and header(m).controller == wiring.Controller.OPENPIC:
        program_controller(m)
    dispatch.setup(m)


@jit
def program_controller(m):
    """What a hypervisor's driver writes at start: inputs masked, edge or level, steered to their pCPU; one IPI."""
    for s in range(header(m).n_source):
        src = source(m, s)
        if src.kind == Arrival.CHANNEL:
            continue  # it has no line
        r = pirq(m, src.irq)
        openpic.configure(m, src.irq, src.irq, openpic.mpic_priority(r.priority), src.level, 1 << r.pcpu)
    openpic.configure_ipi(m, wiring.EVENT_CHECK_IPI, openpic.mpic_priority(IPI_PRIORITY))


@cold
def enter_from_idle(m, p):
    """An idle pCPU enters the hypervisor for an interrupt or a timer. False if there is none."""
    pc = pcpu(m, p)
    if pc.external | pc.virtualization != 0:
        accounting.enter(m, p, Entry.EXTERNAL)
        accounting.charge(m, p, header(m).exc_entry)
        dispatch.on_external(m, p)
        return True
    if pc.hdec_at <= pc.now:
        accounting.enter(m, p, Entry.HDEC)
        accounting.charge(m, p, header(m).exc_entry)
        accounting.path(m, p, paths.RUN_TIMERS)
        scheduler.run_timers(m, p)
        pc.hdec_at = scheduler.next_timer(m, p)
        return True
    return False


@jit
def sleep(m, p):
    """Idle time is skipped: to the horizon, or to the cycle at which this pCPU wakes by itself."""
    pc = pcpu(m, p)
    until = header(m).horizon
    if pc.context >= 0:
        until = min(until, decrementer_due(m, context(m, pc.context), pc.now))
    else:
        until = min(until, pc.hdec_at)
    if until > pc.now:
        trace.pcpu_count(m, p).idle += until - pc.now
        pc.now = until


@hot
def skips_softirqs(m, pc):
    """P13: an external interrupt resumes the guest it came to; the wish to reschedule waits for another entry."""
    if header(m).defects & Defect.SOFTIRQS_SKIPPED == 0 or pc.entry != Entry.EXTERNAL:
        return False
    return pc.context >= 0 and scheduler.is_runnable(m, pc.context)


@hot
def leave(m, p, is_call):
    """The way out of the hypervisor: choose who runs, pay for the return, deliver. A hypercall has paid for its own."""
    pc = pcpu(m, p)
    stays = scheduler.goes_on(m, pc) or skips_softirqs(m, pc)
    runs = stays or scheduler.reschedule(m, p)
    if runs and not is_call:
        accounting.charge(m, p, header(m).exc_return)
    if not stays:
        dispatch.on_switch(m, p)
    dispatch.before_entry(m, p)
    trace.emit(m, trace.Kind.LEAVE_HV, pc.now, p, pc.context, -1, 0, pc.entry)


@cold
def take_external(m, p):
    """An external interrupt for the hypervisor while a guest runs."""
    accounting.enter(m, p, Entry.EXTERNAL)
    accounting.charge(m, p, header(m).exc_entry)
    dispatch.on_external(m, p)


@cold
def take_hdec(m, p):
    """The hypervisor decrementer: timers, time slices, and what the design does with the moment."""
    accounting.enter(m, p, Entry.HDEC)
    accounting.charge(m, p, header(m).exc_entry)
    accounting.path(m, p, paths.HDEC + paths.RUN_TIMERS)
    scheduler.run_timers(m, p)
    scheduler.tick(m, p)
    dispatch.on_hdec(m, p)


@hot
def take_hcall(m, p):
    """A hypercall: the design's own, or nobody's. False if it is COLD: the control plane finishes it, and `resume` is
    the way out."""
    v = pcpu(m, p).context
    cpu = context(m, v)
    if hcall.begin(m, p, cpu):
        answer = dispatch.on_hcall(m, p, v, cpu)
        if answer == hcall.Answer.COLD:
            return False
        if answer == hcall.Answer.NOT_MINE:
            hcall.unknown(m, p, cpu)
    return True


@hot
def answer_hcall(m, p):
    """A hypercall, all the way out. True if the vCPU that made it goes on, and nobody else wants to see the machine
    before."""
    pc = pcpu(m, p)
    v = pc.context
    if not take_hcall(m, p):
        return False
    leave(m, p, True)
    return pc.context == v and pc.waiting == 0 and request(m).reason == Stop.BUDGET and not trace.is_logging(m)


interpret = interpreter(answer_hcall)


@cold
def take_doorbell(m, p):
    """A doorbell that the devices could not settle: a lie ends the domain; else ask where the notification is. True if
    the hypervisor was entered."""
    pc = pcpu(m, p)
    s = pc.watch_at
    src = source(m, s)
    if pc.watch_old != 0:
        board.stop_domain(m, p, vcpu(m, pc.context).domain, Exit.DOORBELL, s)
        return pc.hypervisor != 0
    item = src.tail - 1
    alive = 0 if dispatch.whereabouts(m, s) == Where.NOWHERE else 1
    posted_at = trace.posting(m, src.posted + (item & (src.slots - 1))).at
    trace.consumed(m, s, p, pc.now, item, posted_at, alive, Entry.NONE)
    return False


@cold
def take_board(m, p):
    """A board register; the guest may have ended. True if the hypervisor was entered then."""
    board.on_board(m, p)
    return pcpu(m, p).context == NOBODY and pcpu(m, p).hypervisor != 0


@hot
def take(m, p, outcome):
    """Why the processor stopped. True if that was an entry into the hypervisor, and it is on its way out."""
    if outcome == Outcome.EXTERNAL:
        take_external(m, p)
        return True
    if outcome == Outcome.HDEC:
        take_hdec(m, p)
        return True
    if (
        outcome == Outcome.STORED
        or outcome == Outcome.ACKNOWLEDGED
        or outcome == Outcome.ENDED
        or outcome == Outcome.TRIGGERED
    ):
        dispatch.on_access(m, p, outcome)
    elif outcome == Outcome.DOORBELL:
        return take_doorbell(m, p)
    elif outcome == Outcome.BOARD:
        return take_board(m, p)
    elif outcome == Outcome.WAIT:
        pcpu(m, p).waiting = 1
    return False


@cold
def goes_on_waiting(m, p):
    """Whether what a processor sleeps for in power-saving mode has not come yet."""
    pc = pcpu(m, p)
    if pc.external | pc.doorbell == 0 and decrementer_due(m, context(m, pc.context), pc.now) > pc.now:
        return True
    pc.waiting = 0
    if header(m).design == Design.PARTITION:
        partition.count_dispatch(m, pc.context)
    return False


@jit
def advance(m, p, quota):
    """Run one pCPU a stretch. Returns the instructions it completed."""
    pc = pcpu(m, p)
    before = pc.icount
    idles = False
    if pc.context == NOBODY:
        entered = pc.hypervisor != 0 and enter_from_idle(m, p)
        leaves = entered or (pc.hypervisor != 0 and pc.resched != 0)
        idles = not entered
    elif pc.waiting != 0 and goes_on_waiting(m, p):
        leaves = False
        sleep(m, p)
    else:
        leaves = take(m, p, interpret(m, p, quota))
    if leaves:
        leave(m, p, accounting.is_hypercall(pc.entry))
    if idles and pc.context == NOBODY:
        sleep(m, p)
    return pc.icount - before


@jit
def happen(m, kind, arg, cycle):
    """One event of the timeline."""
    h = header(m)
    if kind == EventKind.ARRIVE:
        devices.arrive(m, arg, cycle)
    elif kind == EventKind.KICK:
        pcpu(m, arg).kicked = 0
        if h.design == Design.PARTITION:
            partition.kicked(m, arg)
        else:
            wiring.call_hypervisor(m, arg)
            scheduler.kicked(m, arg)
    elif kind == EventKind.PIC_TIMER:
        openpic.timer_expired(m, arg, cycle)
    elif kind == EventKind.DOORBELL:
        doorbell.arrive(m, arg)
    elif kind == EventKind.FORWARDED:
        wiring.forwarded(m, arg)
    elif kind == EventKind.START:
        h.phase = Phase.RUN
        h.started = cycle
        board.begin_counting(m)
        devices.start(m, cycle)
        timeline.schedule(m, cycle + h.duration, BEFORE_ARRIVALS, EventKind.STOP, 0)
    elif kind == EventKind.STOP:
        h.phase = Phase.DRAIN
        devices.stop(m)
        board.end_counting(m)
        timeline.schedule(m, cycle + h.drain, BEFORE_ARRIVALS, EventKind.END, 0)
    elif kind == EventKind.END:
        h.phase = Phase.END
        request(m).reason = Stop.ENDED


@jit
def events_due(m):
    """Everything that is due at the horizon happens, in order."""
    h = header(m)
    while timeline.due(m) <= h.horizon:
        e = timeline.first(m)
        kind = e.kind
        arg = e.arg
        cycle = e.cycle
        timeline.drop_first(m)
        happen(m, kind, arg, cycle)


@jit
def choose_horizon(m, limit):
    """How far the next round goes; NEVER if nothing will ever happen. `limit` cuts it on a machine with one pCPU,
    where cutting a stretch changes nothing."""
    h = header(m)
    wake = timeline.due(m)
    busy = False
    for p in range(h.n_pcpu):
        pc = pcpu(m, p)
        if pc.context == NOBODY:
            if pc.hypervisor != 0:
                if pc.external | pc.virtualization | pc.resched != 0:
                    busy = True
                wake = min(wake, max(pc.hdec_at, pc.now))
        elif pc.waiting != 0:
            if pc.external | pc.doorbell != 0:
                busy = True
            wake = min(wake, max(decrementer_due(m, context(m, pc.context), pc.now), pc.now))
        else:
            busy = True
    if not busy and wake >= NEVER:
        return NEVER
    horizon = timeline.due(m)
    if not busy:
        horizon = min(horizon, wake + 1)
    elif h.n_pcpu > 1:
        horizon = min(horizon, h.horizon + h.quantum)
    if h.n_pcpu == 1:
        horizon = min(horizon, limit)
    return min(horizon, NEVER - 1)


@jit
def lose_reservation(m, p):
    """The other pCPUs have their turn until the horizon, and may store what this one's context has reserved."""
    c = pcpu(m, p).context
    if c >= 0:
        context(m, c).resv = 0


@entry
def run(m, limit, quota):
    """Run the machine until cycle `limit` (with several pCPUs: the first round that ends there), for at most `quota`
    instructions, or until header.stop says why. Returns instructions completed."""
    m = borrow(m)
    h = header(m)
    ask = request(m)
    ask.reason = Stop.BUDGET
    done = 0
    if h.n_pcpu == 1 and limit < h.horizon:  # a run that its quota ended may have chosen one further away
        h.horizon = max(limit, pcpu(m, 0).now)
    while True:
        for p in range(h.n_pcpu):
            while pcpu(m, p).now < h.horizon:
                done += advance(m, p, quota - done)
                if trace.log_is_full(m):
                    ask.reason = Stop.LOG
                if ask.reason != Stop.BUDGET or done >= quota:
                    return done
            if h.n_pcpu > 1:
                lose_reservation(m, p)
        events_due(m)
        if ask.reason != Stop.BUDGET or h.horizon >= limit:
            return done
        horizon = choose_horizon(m, limit)
        if horizon >= NEVER:
            ask.reason = Stop.DEADLOCK
            return done
        h.horizon = horizon


@entry
def resume(m, p):
    """Go on after a hypercall that the control plane finished: the way out of the hypervisor."""
    m = borrow(m)
    leave(m, p, True)


@entry
def whereabouts(m, s):
    """Where a source's notification is (hv/state.py Where)."""
    m = borrow(m)
    return dispatch.whereabouts(m, s)


@entry
def call(m, p):
    """A hypercall by the vCPU on a pCPU that no run loop drives; COLD ones go through `resume` too."""
    m = borrow(m)
    answer_hcall(m, p)


# What the control plane needs of the data plane


@entry
def place(m, v, p):
    """A vCPU of a new machine is placed on a pCPU."""
    m = borrow(m)
    scheduler.place(m, v, p)


@entry
def raise_port(m, p, d, number):
    """Make a port of a domain pending."""
    m = borrow(m)
    event_channel.set_pending(m, p, d, number)


@entry
def send_port(m, p, d, number):
    """EVTCHNOP_send, its argument behind a descriptor. 0 or -errno."""
    m = borrow(m)
    return event_channel.send(m, p, d, number)


@entry
def unmask_port(m, p, d, number):
    """EVTCHNOP_unmask, its argument behind a descriptor. 0 or -errno."""
    m = borrow(m)
    return event_channel.unmask(m, p, d, number)


@entry
def notify_peer(m, p, d, number):
    """The hypervisor sends through a port of its own."""
    m = borrow(m)
    event_channel.notify_peer(m, p, d, number)


@entry
def unblock(m, p, v):
    """Wake a vCPU, whatever it sleeps for."""
    m = borrow(m)
    scheduler.wake(m, p, v)


@entry
def needs_delivery(m, v):
    """Whether a vCPU has an upcall pending and lets it in."""
    m = borrow(m)
    return notify.upcall_pending(m, v) and notify.upcalls_enabled(m, v)


@entry
def sleep_polling(m, p, v, number, timeout):
    """SCHEDOP_poll has found nothing: sleep until a port is raised (NOBODY: several, or none), at most until a system
    time in ns (0: for ever)."""
    m = borrow(m)
    hcall.sleep_polling(m, p, v, number, timeout)


@entry
def spend(m, p, instructions):
    """The control plane's own work."""
    m = borrow(m)
    accounting.path(m, p, instructions)


@entry
def end_pirq_of(m, p, d, number):
    """PHYSDEVOP_eoi, its argument behind a descriptor. 0 or -errno."""
    m = borrow(m)
    return hcall.end_pirq_of(m, p, d, number)


@entry
def is_masked(m, d, number):
    """Whether a domain has masked a port."""
    m = borrow(m)
    return event_channel.is_masked(m, d, number)


@entry
def unmask_line(m, irq):
    """A guest bound this line."""
    m = borrow(m)
    openpic.unmask(m, irq)


@entry
def leave_line(m, p, irq, d):
    """A guest gave this line up."""
    m = borrow(m)
    lines.leave(m, p, irq, d)


@entry
def end_domain(m, p, d, why, value):
    """A domain ends."""
    m = borrow(m)
    board.stop_domain(m, p, d, why, value)


@entry
def arm_timer(m, p, v, ns):
    """VCPUOP_set_singleshot_timer: an absolute system time."""
    m = borrow(m)
    hcall.set_timer(m, p, v, ns)


@entry
def set_periodic_timer(m, v, period, now):
    """VCPUOP_set_periodic_timer, VCPUOP_stop_periodic_timer."""
    m = borrow(m)
    scheduler.set_periodic_timer(m, v, period, now)


@entry
def move_info(m, p, v, at):
    """VCPUOP_register_vcpu_info."""
    m = borrow(m)
    notify.move_info(m, p, v, at)


@entry
def take_up(m, p, v):
    """VCPUOP_up."""
    m = borrow(m)
    scheduler.take_up(m, p, v)


@entry
def take_down(m, p, v):
    """VCPUOP_down."""
    m = borrow(m)
    scheduler.take_down(m, p, v)


@entry
def write_ram(m, a, size, value):
    """A store of 1, 2, 4 or 8 bytes at a RAM offset: what a call gives back."""
    m = borrow(m)
    memory.write_ram(m, a, size, value)


@entry
def raise_line(m, irq, level):
    """Drive an input of the controller from outside: `Machine.raise_irq`."""
    m = borrow(m)
    wiring.set_line(m, irq, level)


@entry
def post_item(m, s, now):
    """An item arrives at a source, from outside."""
    m = borrow(m)
    devices.post(m, s, now)
