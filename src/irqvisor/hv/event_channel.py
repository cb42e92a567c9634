"""Event channels, 2-level: the data plane, in Xen's order (xen/common/event_2l.c; docs/explanation/event-channels.md).

Sending is steps S1 to S5: PENDING, MASK, selector, upcall, pollers. Marking a vCPU's upcall pending is where
delivery begins; entering the vCPU is the design's business (`before_entry`).
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import inject, scheduler
from irqvisor.hv.accounting import path
from irqvisor.hv.state import ANY_ENTRY, PortState, domain, pirq, port, vcpu
from irqvisor.hw.memory import load64, write_ram
from irqvisor.hw.state import NOBODY, pcpu, source
from irqvisor.spec import paths
from irqvisor.spec.bits import ctz, i8, sll, sub
from irqvisor.spec.xen import (
    EINVAL,
    EVTCHN_MASK,
    EVTCHN_PENDING,
    PENDING_SEL,
    UPCALL_PENDING_BIT,
    VCPU_INFO_BYTES,
)


@jit
def vcpu_info(m, v):
    """RAM offset of a vCPU's vcpu_info. One vCPU a domain: the first."""
    return domain(m, vcpu(m, v).domain).shared + VCPU_INFO_BYTES * 0


@jit
def test_and_set(m, a, bits):
    """Set bits in the doubleword at a RAM offset; True if they were all set before."""
    old = load64(m.ram, a)
    if old & bits == bits:
        return True
    write_ram(m, a, 8, old | bits)
    return False


@jit
def word(m, d, bitmap, number):
    """RAM offset of the doubleword that holds a port's bit."""
    return domain(m, d).shared + bitmap + 8 * (number >> 6)


@jit
def is_pending(m, d, number):
    return load64(m.ram, word(m, d, EVTCHN_PENDING, number)) & (sll(1, number & 63)) != 0


@jit
def is_masked(m, d, number):
    return load64(m.ram, word(m, d, EVTCHN_MASK, number)) & (sll(1, number & 63)) != 0


@jit
def upcall_pending(m, v):
    """evtchn_upcall_pending of a vCPU: any non-zero byte."""
    return i8(m.ram[vcpu_info(m, v)]) != 0


@jit
def mark(m, p, v, work):
    """S4: set the upcall byte; if it was clear, kick: sample is_running, unblock, IPI if it runs elsewhere. `work`: the
    instructions that it took to get here."""
    if test_and_set(m, vcpu_info(m, v), UPCALL_PENDING_BIT):
        path(m, p, work + paths.UPCALL)
        return
    inject.charge_marking(m, p, v, work + paths.UPCALL + paths.KICK)
    w = vcpu(m, v)
    was_running = w.running != 0
    scheduler.wake(m, p, v)
    if was_running and w.pcpu != p:
        w.marked = ANY_ENTRY
        scheduler.kick(m, p, w.pcpu)
    elif was_running:
        w.marked = pcpu(m, p).serial


@jit
def select(m, p, v, number, work):
    """S3 and S4: the selector bit of the port's word, then the upcall. `work` as in `mark`."""
    if test_and_set(m, vcpu_info(m, v) + PENDING_SEL, sll(1, number >> 6)):
        path(m, p, work + paths.SELECTOR)
    else:
        mark(m, p, v, work + paths.SELECTOR)


@jit
def notified(m, d, number):
    """The vCPU that a port notifies; of a port that nobody uses, the domain's first."""
    e = port(m, domain(m, d).port + number)
    return e.notify if e.state > PortState.RESERVED else domain(m, d).vcpu


@jit
def wake_pollers(m, p, d):
    """S5: a port that became pending ends every poll of its domain (2008: spurious returns allowed)."""
    v = domain(m, d).vcpu
    if vcpu(m, v).polling != 0:
        scheduler.wake(m, p, v)


@jit
def set_pending(m, p, d, number):
    """Make a port of a domain pending, from hypervisor code on pCPU `p`: S1 to S5."""
    if test_and_set(m, word(m, d, EVTCHN_PENDING, number), sll(1, number & 63)):
        path(m, p, paths.PENDING)
        return
    if is_masked(m, d, number):
        path(m, p, paths.PENDING)
    else:
        select(m, p, notified(m, d, number), number, paths.PENDING)
    wake_pollers(m, p, d)


@jit
def is_valid(m, d, number):
    """Whether a number names an allocated port, usable or not."""
    return 0 <= number < domain(m, d).ports


@jit
def send(m, p, d, number):
    """EVTCHNOP_send: notify the remote end. Unbound: silently dropped. 0 or -errno."""
    if not is_valid(m, d, number):
        return -EINVAL
    e = port(m, domain(m, d).port + number)
    if e.state == PortState.INTERDOMAIN:
        set_pending(m, p, e.remote_domain, e.remote_port)
        return 0
    if e.state == PortState.IPI:
        set_pending(m, p, d, number)
        return 0
    return 0 if e.state == PortState.UNBOUND else -EINVAL


@jit
def unmask(m, p, d, number):
    """EVTCHNOP_unmask: if the port was masked and is pending, select it. A port that was not masked: nothing."""
    if not is_valid(m, d, number):
        return -EINVAL
    a = word(m, d, EVTCHN_MASK, number)
    bit = sll(1, number & 63)
    old = load64(m.ram, a)
    if old & bit != 0:
        write_ram(m, a, 8, old & ~bit)
        if is_pending(m, d, number):
            select(m, p, notified(m, d, number), number, 0)
    return 0


@jit
def observe_store(m, p):
    """A guest stored to its shared_info page. Clearing the PENDING bit of a device's port is how it says that it
    knows who interrupted it."""
    pc = pcpu(m, p)
    d = vcpu(m, pc.context).domain
    offset = pc.watch_at - domain(m, d).shared
    if offset < EVTCHN_PENDING or offset >= EVTCHN_MASK:
        return
    cleared = pc.watch_old & ~pc.watch_new
    while cleared != 0:
        number = 8 * (offset - EVTCHN_PENDING) + ctz(cleared)
        cleared &= sub(cleared, 1)
        if is_valid(m, d, number):
            e = port(m, domain(m, d).port + number)
            if e.state == PortState.PIRQ:
                learn(m, p, pc.context, e.remote_port)
            else:
                trace.context_count(m, pc.context).learned += 1  # no source, but not spurious either


@jit
def learn(m, p, v, irq):
    """The owner's vCPU learned of a pirq: the journey of its source goes on."""
    r = pirq(m, irq)
    if r.source != NOBODY:
        trace.known(m, r.source, v, p, pcpu(m, p).now, source(m, r.source).head)
        if r.level == 0:
            trace.completes_at_return(m, r.source, v)
