"""What is wrong with a machine that has come to rest: one bit a judge."""

from enum import IntEnum

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import dispatch, event_channel
from irqvisor.hv.state import Entry, Exit, PortState, domain, port, vcpu
from irqvisor.hw.memory import load64
from irqvisor.hw.state import NOBODY, context, header, pcpu, source
from irqvisor.spec.bits import ctz, sll, sub
from irqvisor.spec.power_isa import MSR_EE
from irqvisor.spec.xen import EVTCHN_MASK, EVTCHN_PENDING, PENDING_SEL


class Verdict(IntEnum):
    """What a judge found, as bits."""

    LOST = 1  # an item was posted and will never be serviced
    EDGE = 2  # PENDING and not MASK, and no selector bit
    SELECTOR = 4  # a selector bit, and no upcall
    UPCALL = 8  # an upcall for a vCPU that sleeps and could take it
    STALE = 16  # PENDING on a free port: it swallows the next owner's first event
    ASSERTION = 32  # the guest itself reported failure
    FAULT = 64  # a guest fault: an unrecoverable interrupt, an impossible access
    PANIC = 128  # the hypervisor went down
    TWICE = 256  # an item was serviced twice
    ORDER = 512  # an item was serviced out of order, or one that was never posted
    DELAYED = 1024  # only a tick, or another interrupt's entry, repaired a lost edge
    LATENCY = 2048  # later than the bound
    LIVELOCK = 4096  # interrupted for ever
    REENTRY = 8192  # the handler was entered again before it had returned
    INVARIANT = 16384  # irqvisor's own books
    RESTLESS = 32768  # not quiet within the bound, though every item was serviced
    USER = 65536  # a judge of the user's


STUCK = (Verdict.EDGE, Verdict.SELECTOR, Verdict.UPCALL, Verdict.STALE)


@jit
def stuck_word(m, d, w):
    """The stuck states of one word of a domain's ports."""
    found = 0
    shared = domain(m, d).shared
    pending = load64(m.ram, shared + EVTCHN_PENDING + 8 * w)
    ready = pending & ~load64(m.ram, shared + EVTCHN_MASK + 8 * w)
    while pending != 0:
        bit = pending & -pending
        number = 64 * w + ctz(pending)
        pending &= sub(pending, 1)
        if number >= domain(m, d).ports or port(m, domain(m, d).port + number).state == PortState.FREE:
            found |= Verdict.STALE
        elif ready & bit != 0:
            v = event_channel.notified(m, d, number)
            if load64(m.ram, vcpu(m, v).info + PENDING_SEL) & sll(1, w) == 0:
                found |= Verdict.EDGE
    return found


@jit
def stuck(m):
    """Stuck states of event channels, in domains that have them (docs/explanation/event-channels.md)."""
    found = 0
    for d in range(header(m).n_domain):
        e = domain(m, d)
        if e.alive == 0 or e.shared == NOBODY or e.fifo != 0:
            continue
        for w in range((e.valid + 63) >> 6):
            found |= stuck_word(m, d, w)
    for v in range(header(m).n_context):
        w = vcpu(m, v)
        e = domain(m, w.domain)
        if e.alive == 0 or w.info == NOBODY:
            continue
        upcall = event_channel.upcall_pending(m, v)
        if not upcall and e.fifo == 0 and load64(m.ram, w.info + PENDING_SEL) != 0:
            found |= Verdict.SELECTOR
        if upcall and w.blocked != 0 and context(m, v).msr & MSR_EE != 0:
            found |= Verdict.UPCALL
    return found


@jit
def lie(m, s):
    """What a domain told the doorbell of source `s` that ended it."""
    for p in range(header(m).n_pcpu):
        pc = pcpu(m, p)
        if pc.watch_at == s and pc.watch_old != 0 and 0 <= pc.watch_new <= source(m, s).tail:
            return Verdict.TWICE
    return Verdict.ORDER


@jit
def ends(m):
    """How domains ended."""
    found = 0
    for d in range(header(m).n_domain):
        e = domain(m, d)
        if e.alive != 0:
            continue
        if e.exit == Exit.CRASHED:
            found |= Verdict.ASSERTION
        elif e.exit == Exit.PANIC:
            found |= Verdict.PANIC
        elif e.exit == Exit.DOORBELL:
            found |= lie(m, e.status)
        elif e.exit != Exit.SHUTDOWN:
            found |= Verdict.FAULT
    return found


@jit
def judge(m, before, latency, r):
    """Judge a machine against what it was before the injection; fills in the record of the instant."""
    found = ends(m) | stuck(m)
    for s in range(header(m).n_source):
        src = source(m, s)
        if domain(m, vcpu(m, src.context).domain).alive == 0:
            continue
        if src.head != src.tail and found & Verdict.LOST == 0:
            found |= Verdict.LOST
            r.victim = s
            r.where = dispatch.whereabouts(m, s)
        j = trace.journey(m, s)
        then = trace.journey(before, s)
        for reason in range(Entry.EXTERNAL, Entry.HDEC + 1):
            if j.rescued_by[reason] > then.rescued_by[reason]:
                found |= Verdict.DELAYED
                r.rescuer = reason
    r.latency = trace.observed(m, 0).largest[trace.Latency.CONSUMED]
    if r.latency > latency:
        found |= Verdict.LATENCY
    for c in range(header(m).n_context):
        if trace.context_count(m, c).nested > trace.context_count(before, c).nested:
            found |= Verdict.REENTRY
    return found
