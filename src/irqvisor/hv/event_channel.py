"""Event channels, 2-level: the data plane, in Xen's order (xen/common/event_2l.c; docs/explanation/event-channels.md).

Sending is steps S1 to S5: PENDING, MASK, selector, upcall, pollers. Marking a vCPU's upcall pending is where
delivery begins (`notify.py`). Domains with FIFO event channels part from here to `fifo.py`.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import fifo, inbox
from irqvisor.hv.accounting import path
from irqvisor.hv.notify import mark, test_and_set, upcall_pending, wake_pollers
from irqvisor.hv.state import Attached, PortState, Release, domain, pirq, port, vcpu
from irqvisor.hw.memory import load64, write_ram
from irqvisor.hw.state import NOBODY, Stop, pcpu, request, source
from irqvisor.spec import paths
from irqvisor.spec.bits import ctz, sll, sub
from irqvisor.spec.xen import EINVAL, EVTCHN_MASK, EVTCHN_PENDING, FIFO_PENDING, PENDING_SEL

__all__ = ["upcall_pending"]


@jit
def word(m, d, bitmap, number):
    """RAM offset of the doubleword that holds a port's bit."""
    return domain(m, d).shared + bitmap + 8 * (number >> 6)


@jit
def is_pending(m, d, number):
    if domain(m, d).fifo != 0:
        return fifo.is_pending(m, d, number)
    return load64(m.ram, word(m, d, EVTCHN_PENDING, number)) & (sll(1, number & 63)) != 0


@jit
def is_masked(m, d, number):
    if domain(m, d).fifo != 0:
        return fifo.is_masked(m, d, number)
    return load64(m.ram, word(m, d, EVTCHN_MASK, number)) & (sll(1, number & 63)) != 0


@jit
def select(m, p, v, number, work):
    """S3 and S4: the selector bit of the port's word, then the upcall. `work` as in `mark`."""
    if test_and_set(m, vcpu(m, v).info + PENDING_SEL, sll(1, number >> 6)):
        path(m, p, work + paths.SELECTOR)
    else:
        mark(m, p, v, work + paths.SELECTOR)


@jit
def is_usable(m, d, number):
    """Whether a valid port is bound to something, and the domain's own."""
    if number >= domain(m, d).ports:
        return False
    e = port(m, domain(m, d).port + number)
    return e.state > PortState.RESERVED and e.attached & Attached.OWNED == 0


@jit
def notified(m, d, number):
    """The vCPU that a port notifies; of a port that nobody uses, the domain's first."""
    return port(m, domain(m, d).port + number).notify if is_usable(m, d, number) else domain(m, d).vcpu


@jit
def set_pending(m, p, d, number):
    """Make a bound port of a domain pending, from hypervisor code on pCPU `p`: S1 to S5."""
    e = domain(m, d)
    if e.fifo != 0:
        fifo.set_pending(m, p, d, number)
        return
    bit = sll(1, number & 63)
    if test_and_set(m, word(m, d, EVTCHN_PENDING, number), bit):
        path(m, p, paths.PENDING)
        return
    if load64(m.ram, word(m, d, EVTCHN_MASK, number)) & bit != 0:
        path(m, p, paths.PENDING)
    else:
        select(m, p, port(m, e.port + number).notify, number, paths.PENDING)
    if e.pollers != 0:
        wake_pollers(m, p, d, number)


@jit
def send_virq(m, p, v, virq):
    """Make the port of a vCPU's virtual interrupt pending, if it has bound one."""
    number = vcpu(m, v).virq[virq]
    if number != 0:
        set_pending(m, p, vcpu(m, v).domain, number)


@jit
def is_valid(m, d, number):
    """Whether a number names an allocated port, usable or not."""
    return 0 <= number < domain(m, d).valid


@jit
def send(m, p, d, number):
    """EVTCHNOP_send: notify the remote end. Unbound: silently dropped. 0 or -errno."""
    if number < 0 or number >= domain(m, d).ports:
        return -EINVAL
    e = port(m, domain(m, d).port + number)
    if e.attached != 0:
        return send_attached(m, p, e)
    if e.state == PortState.INTERDOMAIN:
        reach(m, p, e.peer, e.remote_port)
        return 0
    if e.state == PortState.IPI:
        reach(m, p, d, number)
        return 0
    return 0 if e.state == PortState.UNBOUND else -EINVAL


@jit
def reach(m, p, d, number):
    """A guest's notification reaches a port."""
    s = port(m, domain(m, d).port + number).source - 1
    if s >= 0:
        inbox.announce(m, p, s)
    set_pending(m, p, d, number)


@jit
def send_attached(m, p, e):
    """Send on a port that has to do with the hypervisor: its own end is not the guest's; at the far end of a channel to
    it, a function of the hypervisor runs, in the control plane, and no bit is set."""
    if e.attached & Attached.OWNED != 0:
        return -EINVAL
    r = request(m)
    r.reason = Stop.ATTACHED
    r.domain = e.peer
    r.value = e.remote_port
    trace.emit(m, trace.Kind.ATTACHED, pcpu(m, p).now, p, e.peer, -1, 0, e.remote_port)
    return 0


@jit
def notify_peer(m, p, d, number):
    """The hypervisor sends through a port of its own; nothing unless somebody is bound to it."""
    e = port(m, domain(m, d).port + number)
    if e.state == PortState.INTERDOMAIN:
        set_pending(m, p, e.peer, e.remote_port)


@jit
def unmask(m, p, d, number):
    """EVTCHNOP_unmask: if the port was masked and is pending, select it. A port that was not masked: nothing. A valid
    port that nobody uses: 2008 unmasks it like any other, modern leaves it."""
    if not is_valid(m, d, number):
        return -EINVAL
    if domain(m, d).release != Release.XEN_2008 and not is_usable(m, d, number):
        return 0
    if domain(m, d).fifo != 0:
        fifo.unmask(m, p, d, number)
        return 0
    a = word(m, d, EVTCHN_MASK, number)
    bit = sll(1, number & 63)
    old = load64(m.ram, a)
    if old & bit != 0:
        write_ram(m, a, 8, old & ~bit)
        if load64(m.ram, word(m, d, EVTCHN_PENDING, number)) & bit != 0:
            select(m, p, notified(m, d, number), number, 0)
    return 0


@jit
def observe_store(m, p):
    """A guest stored to where its ports' PENDING bits are. Clearing that of a device's port is how it says that it
    knows who interrupted it."""
    pc = pcpu(m, p)
    d = vcpu(m, pc.context).domain
    cleared = pc.watch_old & ~pc.watch_new
    if domain(m, d).fifo != 0:
        number = (pc.watch_at - domain(m, d).event_page[0]) // 4
        if cleared & sll(FIFO_PENDING, 32) != 0:
            cleared_pending(m, p, d, number)
        if cleared & FIFO_PENDING != 0:
            cleared_pending(m, p, d, number + 1)
        return
    offset = pc.watch_at - domain(m, d).shared
    if offset < EVTCHN_PENDING or offset >= EVTCHN_MASK:
        return
    while cleared != 0:
        number = 8 * (offset - EVTCHN_PENDING) + ctz(cleared)
        cleared &= sub(cleared, 1)
        cleared_pending(m, p, d, number)


@jit
def cleared_pending(m, p, d, number):
    """A guest cleared PENDING of a port."""
    if number < domain(m, d).ports:
        v = pcpu(m, p).context
        e = port(m, domain(m, d).port + number)
        if e.state == PortState.PIRQ and pirq(m, e.remote_port).domain == d:
            learn(m, p, v, e.remote_port)
        elif e.source != 0:
            inbox.learn(m, p, v, e.source - 1)
        else:
            trace.context_count(m, v).learned += 1  # no source of its own, but not spurious either


@jit
def learn(m, p, v, irq):
    """The owner's vCPU learned of a pirq: the journey of its source goes on."""
    r = pirq(m, irq)
    if r.source != NOBODY:
        trace.known(m, r.source, v, p, pcpu(m, p).now, source(m, r.source).head)
        if r.level == 0:
            trace.completes_at_return(m, r.source, v)
