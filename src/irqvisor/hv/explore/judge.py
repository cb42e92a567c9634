"""What is wrong with a machine that has come to rest: the judges, all but those of event channels (stuck.py)."""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import dispatch
from irqvisor.hv.explore.stuck import stuck
from irqvisor.hv.explore.verdict import Verdict
from irqvisor.hv.state import Entry, Exit, domain, vcpu
from irqvisor.hw.state import header, pcpu, source


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
def is_over(m, s):
    """Whether the owner of a source has ended."""
    return domain(m, vcpu(m, source(m, s).context).domain).alive == 0


@jit
def was_open(j, then):
    """Whether the raise that luck delivered was there before the injection, whose item then only joined it."""
    is_next = then.next_id != 0 and j.rescued_raise == then.next[trace.Stamp.RAISED]
    return is_next or (then.id != 0 and j.rescued_raise == then.stamp[trace.Stamp.RAISED])


@jit
def rescued(m, before, r):
    """Whether luck repaired lost edges; fills in by what, and whether it is luck at all.

    A raise that was there before the injection, and that the injection's own interrupt brings to its owner, may have
    been on its way by itself: its owner was about to look, and is only interrupted earlier. That is for the run without
    the injection to say (lab/explore/bench.py), so it is noted."""
    found = 0
    foreseen = 1
    for s in range(header(m).n_source):
        if is_over(m, s):
            continue
        j = trace.journey(m, s)
        then = trace.journey(before, s)
        for reason in range(Entry.EXTERNAL, Entry.HDEC + 1):
            if j.rescued_by[reason] > then.rescued_by[reason]:
                found = Verdict.DELAYED
                r.rescuer = reason
                if reason != Entry.EXTERNAL or not was_open(j, then):
                    foreseen = 0
    r.hastened = foreseen if found != 0 else 0
    return found


@jit
def judge(m, before, latency, r):
    """Judge a machine against what it was before the injection; fills in the record of the instant."""
    found = ends(m) | stuck(m) | rescued(m, before, r)
    for s in range(header(m).n_source):
        src = source(m, s)
        if src.head != src.tail and found & Verdict.LOST == 0 and not is_over(m, s):
            found |= Verdict.LOST
            r.victim = s
            r.where = dispatch.whereabouts(m, s)
    r.latency = trace.observed(m, 0).largest[trace.Latency.CONSUMED]
    if r.latency > latency:
        found |= Verdict.LATENCY
    for c in range(header(m).n_context):
        if trace.context_count(m, c).nested > trace.context_count(before, c).nested:
            found |= Verdict.REENTRY
    return found
