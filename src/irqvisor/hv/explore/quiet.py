"""Run a machine until it is quiet: until no vCPU can reach a further item without a new event from outside.

A machine in which everything sleeps is quiet, even if a timer will wake somebody: what only a tick rescues was lost
(docs/how-to/find-a-lost-wake-up.md). A guest that computes never sleeps; it is quiet when nothing is outstanding, and
if something is, the caller's bound decides.
"""

from enum import IntEnum

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import dispatch, event_channel
from irqvisor.hv.loop import advance, choose_horizon, events_due, lose_reservation
from irqvisor.hv.state import Where, domain, vcpu
from irqvisor.hw.state import NEVER, NOBODY, EventKind, Stop, context, event, header, pcpu, request, source
from irqvisor.hw.timer import decrementer_due
from irqvisor.spec.power_isa import MSR_EE

STORM = 10_000
"""Stretches without one instruction of a guest in between: the hypervisor is busy with itself."""
SLICE = 200
"""Instructions between two looks at a guest that computes."""


class Settled(IntEnum):
    """Why `settle` came back."""

    BUDGET = 0  # the instructions are used up
    QUIET = 1  # everything sleeps
    COLD = 2  # Python has to do something first: request.reason
    STORM = 3  # the hypervisor does not let the guest run


@jit
def is_asleep(m, p):
    """Whether a pCPU does nothing until it is told to, or a timer expires."""
    pc = pcpu(m, p)
    if pc.context == NOBODY:
        return pc.hypervisor == 0 or (pc.external | pc.virtualization | pc.resched == 0 and pc.hdec_at > pc.now)
    if pc.waiting == 0 or pc.external | pc.doorbell != 0:
        return False
    return decrementer_due(m, context(m, pc.context), pc.now) > pc.now


@jit
def all_asleep(m):
    """Whether nothing happens any more by itself, timers apart; items that are due to arrive come from outside."""
    h = header(m)
    for p in range(h.n_pcpu):
        if not is_asleep(m, p):
            return False
    for k in range(h.events):
        kind = event(m, k).kind
        if kind == EventKind.KICK or kind == EventKind.DOORBELL or kind == EventKind.PIC_TIMER:
            return False
        if kind == EventKind.FORWARDED:
            return False
    return True


@jit
def settle(m, quota, only):
    """Run for at most `quota` instructions, or until everything sleeps. Returns a Settled, and instructions done.

    With `only` a pCPU, and not NOBODY, it is that one's step alone: an instruction, or what has to happen before it."""
    h = header(m)
    ask = request(m)
    ask.reason = Stop.BUDGET
    done = 0
    stretches = 0
    while True:
        for p in range(h.n_pcpu):
            pc = pcpu(m, p)
            while pc.now < h.horizon and (only == NOBODY or only == p):
                if (pc.context == NOBODY or pc.waiting != 0) and all_asleep(m):
                    return Settled.QUIET, done
                more = advance(m, p, quota - done)
                done += more
                if ask.reason != Stop.BUDGET:
                    return Settled.COLD, done
                if done >= quota or only != NOBODY:
                    return Settled.BUDGET, done
                stretches = 0 if more != 0 else stretches + 1
                if stretches > STORM:
                    return Settled.STORM, done
            if h.n_pcpu > 1 and only == NOBODY:
                lose_reservation(m, p)
        events_due(m)
        if ask.reason != Stop.BUDGET:
            return Settled.COLD, done
        horizon = choose_horizon(m, NEVER)
        if horizon >= NEVER:
            return Settled.QUIET, done
        h.horizon = horizon


@jit
def is_outstanding(m):
    """Whether anything is posted, notified or being handled that a guest has not finished yet."""
    h = header(m)
    for p in range(h.n_pcpu):
        if pcpu(m, p).external | pcpu(m, p).virtualization | pcpu(m, p).kicked != 0:
            return True
    for s in range(h.n_source):
        src = source(m, s)
        if domain(m, vcpu(m, src.context).domain).alive == 0:
            continue
        if src.head != src.tail or dispatch.whereabouts(m, s) != Where.NOWHERE:
            return True
    for v in range(h.n_context):
        d = domain(m, vcpu(m, v).domain)
        if d.alive == 0:
            continue
        if context(m, v).msr & MSR_EE == 0 and vcpu(m, v).blocked == 0:
            return True
        if vcpu(m, v).info != NOBODY and event_channel.upcall_pending(m, v):
            return True
    return False


@jit
def last_vectored(m):
    """The cycle of the latest entry into an external interrupt handler."""
    latest = 0
    for c in range(header(m).n_context):
        latest = max(latest, trace.context_count(m, c).vectored)
    return latest
