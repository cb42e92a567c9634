"""Event channels, FIFO: the data plane (xen/common/event_fifo.c of 4.17; Vrabel, Event Channels FIFO design).

A port has an event word, u32, in a page that the guest gave. Raising it sets PENDING and, unless it is MASKED, LINKED:
the port goes to the end of a queue, one of 16 of the vCPU that it notifies. The queue is a list through the words' LINK
fields; its head is in the vCPU's control block, which is the guest's memory too, its tail is Xen's own.

Simplifications: a step of the hypervisor is atomic, as every guest sees it, so the compare-and-exchange that links a
port behind the tail succeeds at once. Xen retries it, under BUSY and at most 4 times; here nobody can defeat the first
try, and BUSY is never set, only cleared.
"""

from irqvisor._jit import jit
from irqvisor.hv.accounting import path
from irqvisor.hv.notify import mark, wake_pollers
from irqvisor.hv.state import domain, port, vcpu
from irqvisor.hw.memory import load32, write_ram
from irqvisor.hw.state import NOBODY
from irqvisor.spec import paths
from irqvisor.spec.bits import sll
from irqvisor.spec.xen import (
    FIFO_BUSY,
    FIFO_HEAD,
    FIFO_LINK,
    FIFO_LINKED,
    FIFO_MASKED,
    FIFO_PENDING,
    FIFO_READY,
    FIFO_WORDS_PER_PAGE,
)


@jit
def word(m, d, number):
    """RAM offset of a port's event word; NOBODY before the guest has added its page."""
    e = domain(m, d)
    if number >= e.words:
        return NOBODY
    return e.event_page[number // FIFO_WORDS_PER_PAGE] + 4 * (number % FIFO_WORDS_PER_PAGE)


@jit
def is_pending(m, d, number):
    a = word(m, d, number)
    return a != NOBODY and load32(m.ram, a) & FIFO_PENDING != 0


@jit
def is_masked(m, d, number):
    a = word(m, d, number)
    return a == NOBODY or load32(m.ram, a) & FIFO_MASKED != 0


@jit
def set_link(m, a, number):
    """Link a port behind the tail whose word is at `a`, if that is still linked itself. What else the guest wrote
    there does not matter: LINK is overwritten, BUSY cleared."""
    old = load32(m.ram, a)
    if old & FIFO_LINKED == 0:
        return False
    write_ram(m, a, 4, (old & ~(FIFO_BUSY | FIFO_LINK)) | number)
    return True


@jit
def enqueue(m, d, number):
    """Put a port, LINKED already, at the end of its queue. True if the queue was empty, and it is the head now."""
    e = port(m, domain(m, d).port + number)
    first = domain(m, d).vcpu
    w = vcpu(m, e.notify)
    q = e.priority
    before = vcpu(m, first + e.last_vcpu)
    if before.tail[e.last_priority] == number:  # it was a tail: that queue is empty now
        before.tail[e.last_priority] = 0
    e.last_vcpu = e.notify - first
    e.last_priority = q
    tail = w.tail[q]
    w.tail[q] = number
    if tail != 0 and set_link(m, word(m, d, tail), number):
        return False
    write_ram(m, w.control + FIFO_HEAD + 4 * q, 4, number)
    return True


@jit
def set_pending(m, p, d, number):
    """Make a port of a domain pending, from hypervisor code on pCPU `p`: F1 to F11. Without an event word it is
    remembered, without a control block of its vCPU dropped."""
    e = port(m, domain(m, d).port + number)
    a = word(m, d, number)
    if a == NOBODY:
        e.pending = 1
        path(m, p, paths.PENDING)
        return
    w = vcpu(m, e.notify)
    if w.control == NOBODY:
        path(m, p, paths.PENDING)
        return
    old = load32(m.ram, a)
    is_new = old & (FIFO_MASKED | FIFO_LINKED) == 0
    fresh = old | FIFO_PENDING
    if is_new:
        fresh |= FIFO_LINKED
    if fresh != old:
        write_ram(m, a, 4, fresh)
    work = paths.PENDING
    heads = False
    if is_new:
        work += paths.LINK
        heads = enqueue(m, d, number)
    if heads:
        ready = load32(m.ram, w.control + FIFO_READY)
        bit = sll(1, e.priority)
        if ready & bit == 0:
            write_ram(m, w.control + FIFO_READY, 4, ready | bit)
            mark(m, p, e.notify, work + paths.SELECTOR)
            work = 0
    if work != 0:
        path(m, p, work)
    if old & FIFO_PENDING == 0 and domain(m, d).pollers != 0:
        wake_pollers(m, p, d, number)


@jit
def unmask(m, p, d, number):
    """EVTCHNOP_unmask: clear MASKED; what is pending is raised anew, which links it."""
    a = word(m, d, number)
    if a == NOBODY:
        return
    old = load32(m.ram, a)
    if old & FIFO_MASKED != 0:
        write_ram(m, a, 4, old & ~FIFO_MASKED)
    if old & FIFO_PENDING != 0:
        set_pending(m, p, d, number)
