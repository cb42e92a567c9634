"""States of event channels from which no event gets out, whatever comes (docs/explanation/event-channels.md).

They are wrong at rest: while the guest is inside its scan, what it has taken out of shared memory and not served yet
looks the same.
"""

from irqvisor._jit import jit
from irqvisor.hv import event_channel, fifo
from irqvisor.hv.explore.verdict import Verdict
from irqvisor.hv.state import PortState, domain, port, vcpu
from irqvisor.hw.memory import load32, load64
from irqvisor.hw.state import NOBODY, context, header
from irqvisor.spec.bits import ctz, sll, sub
from irqvisor.spec.power_isa import MSR_EE
from irqvisor.spec.xen import (
    EVTCHN_MASK,
    EVTCHN_PENDING,
    FIFO_HEAD,
    FIFO_LINK,
    FIFO_LINKED,
    FIFO_MASKED,
    FIFO_PENDING,
    FIFO_PRIORITIES,
    FIFO_READY,
    PENDING_SEL,
)


@jit
def is_free(m, d, number):
    """Whether nobody owns a port."""
    return number >= domain(m, d).ports or port(m, domain(m, d).port + number).state == PortState.FREE


@jit
def stuck_word(m, d, w):
    """2-level: one word of a domain's ports."""
    found = 0
    shared = domain(m, d).shared
    pending = load64(m.ram, shared + EVTCHN_PENDING + 8 * w)
    ready = pending & ~load64(m.ram, shared + EVTCHN_MASK + 8 * w)
    while pending != 0:
        bit = pending & -pending
        number = 64 * w + ctz(pending)
        pending &= sub(pending, 1)
        if is_free(m, d, number):
            found |= Verdict.STALE
        elif ready & bit != 0:
            v = event_channel.notified(m, d, number)
            if load64(m.ram, vcpu(m, v).info + PENDING_SEL) & sll(1, w) == 0:
                found |= Verdict.EDGE
    return found


@jit
def is_linked_in(m, d, head, number):
    """FIFO: whether a port is in the queue that begins with `head`. A word that is not LINKED ends it, a ring too."""
    at = head
    for _ in range(domain(m, d).valid):
        if at == 0:
            return False
        a = fifo.word(m, d, at)
        if a == NOBODY or load32(m.ram, a) & FIFO_LINKED == 0:
            return False
        if at == number:
            return True
        at = load32(m.ram, a) & FIFO_LINK
    return False


@jit
def announced_queues(m, d, number):
    """FIFO: how many queues a port is in whose vCPU was told that they hold something."""
    e = domain(m, d)
    found = 0
    for v in range(e.vcpu, e.vcpu + e.vcpus):
        control = vcpu(m, v).control
        if control == NOBODY:
            continue
        ready = load32(m.ram, control + FIFO_READY)
        for q in range(FIFO_PRIORITIES):
            if ready & sll(1, q) != 0 and is_linked_in(m, d, load32(m.ram, control + FIFO_HEAD + 4 * q), number):
                found += 1
    return found


@jit
def stuck_event_word(m, d, number):
    """FIFO: one port."""
    event = load32(m.ram, fifo.word(m, d, number))
    if event & FIFO_PENDING == 0:
        return 0
    if is_free(m, d, number):
        return Verdict.STALE
    if event & FIFO_MASKED == 0 and announced_queues(m, d, number) != 1:
        return Verdict.QUEUE
    return 0


@jit
def stuck_ports(m, d):
    """The ports of a domain."""
    found = 0
    e = domain(m, d)
    if e.fifo != 0:
        for number in range(min(e.valid, e.words)):
            found |= stuck_event_word(m, d, number)
    else:
        for w in range((e.valid + 63) >> 6):
            found |= stuck_word(m, d, w)
    return found


@jit
def tells_of_more(m, v):
    """Whether the second level - the selector, or the ready word of FIFO - says that there is something to scan."""
    w = vcpu(m, v)
    if domain(m, w.domain).fifo == 0:
        return load64(m.ram, w.info + PENDING_SEL) != 0
    return w.control != NOBODY and load32(m.ram, w.control + FIFO_READY) != 0


@jit
def stuck_vcpu(m, v):
    """One vCPU."""
    w = vcpu(m, v)
    d = w.domain
    found = 0
    upcall = event_channel.upcall_pending(m, v)
    if not upcall and tells_of_more(m, v):
        found |= Verdict.SELECTOR
    if upcall and w.blocked != 0 and context(m, v).msr & MSR_EE != 0:
        found |= Verdict.UPCALL
    if w.polling != 0 and w.poll_port > 0 and event_channel.is_pending(m, d, w.poll_port):
        found |= Verdict.POLL
    return found


@jit
def stuck(m):
    """All of them, in domains that have event channels."""
    found = 0
    for d in range(header(m).n_domain):
        if domain(m, d).alive != 0 and domain(m, d).shared != NOBODY:
            found |= stuck_ports(m, d)
    for v in range(header(m).n_context):
        if domain(m, vcpu(m, v).domain).alive != 0 and vcpu(m, v).info != NOBODY:
            found |= stuck_vcpu(m, v)
    return found
