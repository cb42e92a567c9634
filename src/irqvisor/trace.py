"""What a machine says about itself: journeys, counters, histograms and the event log.

Nothing here changes what happens: a digest leaves these tables out, and a run with the log on is the same run.

A *journey* is the life of one interrupt. A source has at most two at a time: the one being *raised* (its owner does
not know of it yet) and the one that is *known* and being served. Items posted while a raise is already under way
join it. An item's fate is decided when the guest consumes it (docs/explanation/conservation.md):

* its delivery made the source known to its owner after it was posted: the first such item is *serviced*, the others
  were *coalesced* with it;
* its own notification is still under way: it was *coalesced* with the delivery that is being served;
* neither: the notification died and something else made the guest look. It counts as serviced, and as *rescued*.
"""

from enum import IntEnum

import numpy as np

from irqvisor._jit import cold, hot, jit
from irqvisor.spec.bits import clz
from irqvisor.tables import Table, table

STAGES = 6
BUCKETS = 1088
LOG_MARGIN = 1024
"""Records that one stretch of a pCPU may write at most."""
SUB_BITS = 5
TOP_BIT = 63
SUB = 1 << SUB_BITS
"""A histogram bucket spans 1/32 of an octave: a percentile is within 1.6 % of the truth."""


class Stamp(IntEnum):
    """The instants of a journey, in the order in which they may happen."""

    RAISED = 0  # the source raised its line
    ACCEPTED = 1  # somebody took it from the controller, or was interrupted by it
    VECTORED = 2  # first instruction at the owner's vector
    KNOWN = 3  # the owner knows which source it is
    SERVICED = 4  # the owner consumed the first item
    COMPLETED = 5  # EOI, or the return from the handler where a design has none


class Kind(IntEnum):
    """Kinds of event-log records."""

    RAISE = 1
    COALESCE = 2
    DROP = 3
    ACCEPT = 4
    VECTOR = 5
    KNOW = 6
    SERVICE = 7
    COMPLETE = 8
    ENTER_HV = 9
    LEAVE_HV = 10
    QUEUE = 11  # a foreign interrupt put aside for its owner
    SWITCH = 12
    BLOCK = 13
    WAKE = 14
    HCALL = 15
    RETURN = 16  # the owner left its interrupt handler
    DOMAIN_STOP = 17
    RESCUE = 18
    UPCALL = 19  # a vCPU's upcall became pending; value: the vCPU
    ATTACHED = 20  # the hypervisor was notified through its own port; value: the port


class Latency(IntEnum):
    """The three latencies, all from the raise."""

    VECTOR = 0
    KNOWN = 1
    CONSUMED = 2


OBSERVED = np.dtype(
    [
        ("log_on", "i8"),  # 0 off, 1 bounded (the run stops to spill), 2 ring of the last records
        ("log_count", "i8"),  # records ever written
        ("log_size", "i8"),  # records the log holds
        ("log_spilled", "i8"),  # records Python has taken out
        ("log_lost", "i8"),  # records the ring has overwritten
        ("journeys", "i8"),  # journeys ever begun: the next id
        ("completed", "i8"),  # journeys completed
        ("slowest", "i8"),  # id of the journey that took longest from raise to first consumption
        ("slowest_cycles", "i8"),
        ("stage", "i8", (STAGES,)),  # cycles spent to reach each stamp from the one before, summed
        ("samples", "i8", (3,)),  # per Latency: samples, their sum, the largest, histogram
        ("total", "i8", (3,)),
        ("largest", "i8", (3,)),
        ("histogram", "i8", (3, BUCKETS)),
        ("entries", "i8", (8,)),  # hypervisor entries by reason (hv/state.py Entry)
    ],
    align=True,
)

PCPU_COUNT = np.dtype(
    [
        ("hypervisor", "i8"),  # cycles spent in hypervisor work
        ("idle", "i8"),  # cycles with nothing to run
        ("entered", "i8"),  # cycle of the last hypervisor entry
        ("began", "i8"),  # cycle, and instructions, when the sources started
        ("began_icount", "i8"),
        ("ended", "i8"),  # cycle, and instructions, when they stopped
        ("ended_icount", "i8"),
        ("ended_hypervisor", "i8"),  # of these, cycles in the hypervisor and with nothing to run
        ("ended_idle", "i8"),
    ],
    align=True,
)

CONTEXT_COUNT = np.dtype(
    [
        ("domain", "i8"),  # whose context it is
        ("vectored", "i8"),  # cycle of the last external interrupt entry
        ("open", "i8"),  # 1: inside that handler
        ("nested", "i8"),  # entries so far that came while it was open
        ("learned", "i8"),  # sources it learned of since
        ("foreign", "i8"),  # interrupts of other domains it was entered for since
        ("rescuer", "i8"),  # not 0: this entry was luck; the hv/state.py Entry that caused it
        ("since", "i8"),  # cycle at which that one began: what was accepted in it, it was meant for
        ("serving", "i8"),  # chain of sources + 1 whose journeys complete when the handler returns
    ],
    align=True,
)

DOMAIN_COUNT = np.dtype(
    [
        ("spurious", "i8"),  # external interrupt entries that found nothing
        ("foreign", "i8"),  # entries for another domain's interrupt
        ("work", "i8", (64,)),  # each compute loop's counter when the sources started; after their stop, work done
    ],
    align=True,
)

JOURNEY = np.dtype(
    [
        ("raised", "i8"),  # items posted (attempted)
        ("serviced", "i8"),
        ("coalesced", "i8"),
        ("dropped", "i8"),  # ring full
        ("rescued", "i8"),
        ("rescued_by", "i8", (8,)),  # by hv/state.py Entry; 0 = the guest looked by itself
        ("rescued_raise", "i8"),  # when the latest of them was raised
        ("waited", "i8"),  # cycles from posting to consumption, summed, and the longest
        ("longest", "i8"),
        ("empty", "i8"),  # deliveries that found an empty ring: their items went with an earlier one
        ("known_through", "i8"),  # items posted when the source was last known
        ("fresh", "i8"),  # 1: known, and nothing consumed since
        ("rescuer", "i8"),  # 1 + Entry of the delivery being served, if it was luck
        ("next_id", "i8"),  # the journey being raised; 0: none
        ("next", "i8", (STAGES,)),
        ("id", "i8"),  # the journey being served; 0: none
        ("stamp", "i8", (STAGES,)),
        ("chain", "i8"),  # the next source + 1 served by the same handler run
    ],
    align=True,
)

POSTED = np.dtype([("at", "i8")], align=True)  # per ring slot: the cycle at which its item was posted

LOG = np.dtype(
    [
        ("cycle", "i8"),
        ("kind", "u2"),  # Kind
        ("pcpu", "i2"),
        ("domain", "i2"),
        ("source", "i2"),
        ("id", "i8"),  # journey
        ("value", "i8"),
    ],
    align=True,
)

observed = table(Table.OBSERVED, OBSERVED)
pcpu_count = table(Table.PCPU_COUNT, PCPU_COUNT)
context_count = table(Table.CONTEXT_COUNT, CONTEXT_COUNT)
domain_count = table(Table.DOMAIN_COUNT, DOMAIN_COUNT)
journey = table(Table.JOURNEY, JOURNEY)
posting = table(Table.POSTED, POSTED)
log = table(Table.LOG, LOG)


@hot
def is_logging(m):
    """Whether the event log is on."""
    return observed(m, 0).log_on != 0


@hot
def emit(m, kind, cycle, p, d, s, ident, value):
    """Append a record to the event log, when it is on."""
    if is_logging(m):
        append(m, kind, cycle, p, d, s, ident, value)


@jit
def append(m, kind, cycle, p, d, s, ident, value):
    """Append a record to the event log; the machine loop spills it before it is full."""
    o = observed(m, 0)
    size = o.log_size
    if o.log_count - o.log_spilled >= size:
        o.log_lost += 1
    r = log(m, o.log_count % size)
    r.cycle = cycle
    r.kind = kind
    r.pcpu = p
    r.domain = d
    r.source = s
    r.id = ident
    r.value = value
    o.log_count += 1


@jit
def log_is_full(m):
    """Whether a bounded log must be emptied before the next stretch."""
    o = observed(m, 0)
    return o.log_on == 1 and o.log_count - o.log_spilled > o.log_size - LOG_MARGIN


@jit
def bucket(cycles):
    """Histogram bucket of a time: exact below 32 cycles, then 32 buckets an octave."""
    if cycles < SUB:
        return max(cycles, 0)
    octave = TOP_BIT - SUB_BITS - clz(cycles)
    return min(SUB * octave + (cycles >> octave), BUCKETS - 1)


@jit
def sample(m, latency, cycles):
    """Count one latency."""
    o = observed(m, 0)
    o.samples[latency] += 1
    o.total[latency] += cycles
    o.largest[latency] = max(o.largest[latency], cycles)
    o.histogram[latency, bucket(cycles)] += 1


@jit
def raised(m, s, now):
    """A source raises its line for a new item. Joins a raise that nobody has learned of yet."""
    j = journey(m, s)
    if j.next_id == 0:
        o = observed(m, 0)
        o.journeys += 1
        j.next_id = o.journeys
        for k in range(STAGES):
            j.next[k] = 0
        j.next[Stamp.RAISED] = now
        emit(m, Kind.RAISE, now, -1, -1, s, j.next_id, j.raised)
    else:
        emit(m, Kind.COALESCE, now, -1, -1, s, j.next_id, j.raised)


@jit
def withdrawn(m, s):
    """A level line fell: what it had announced was consumed with an earlier delivery, and nobody will be told."""
    journey(m, s).next_id = 0


@jit
def accepted(m, s, p, d, now):
    """Somebody learned of the source on the owner's behalf: a hypervisor, or the wrong domain."""
    j = journey(m, s)
    if j.next_id != 0 and j.next[Stamp.ACCEPTED] == 0:
        j.next[Stamp.ACCEPTED] = now
        emit(m, Kind.ACCEPT, now, p, d, s, j.next_id, 0)


@jit
def vectored(m, c, p, now, rescuer):
    """A context enters its external interrupt handler; `rescuer` is not 0 if luck brought it there."""
    k = context_count(m, c)
    k.vectored = now
    k.nested += k.open
    k.open = 1
    k.learned = 0
    k.foreign = 0
    k.rescuer = rescuer
    k.since = pcpu_count(m, p).entered
    emit(m, Kind.VECTOR, now, p, k.domain, -1, 0, rescuer)


@jit
def known(m, s, c, p, now, head):
    """The owner learns which source interrupted it; `head` items have been posted so far."""
    j = journey(m, s)
    k = context_count(m, c)
    k.learned += 1
    if j.id != 0:
        finish(m, s, p, now)  # the one before never said that it was done
    j.id = j.next_id
    j.next_id = 0
    for i in range(STAGES):
        j.stamp[i] = j.next[i]
    if j.id == 0:  # learned of something that was not raised: a guest that looks twice
        return
    j.stamp[Stamp.VECTORED] = max(k.vectored, j.stamp[Stamp.RAISED])
    j.rescuer = 0 if j.stamp[Stamp.ACCEPTED] > k.since else k.rescuer
    if j.stamp[Stamp.ACCEPTED] == 0:
        j.stamp[Stamp.ACCEPTED] = j.stamp[Stamp.VECTORED]
    j.stamp[Stamp.KNOWN] = now
    j.known_through = head
    j.fresh = 1
    sample(m, Latency.VECTOR, j.stamp[Stamp.VECTORED] - j.stamp[Stamp.RAISED])
    sample(m, Latency.KNOWN, now - j.stamp[Stamp.RAISED])
    emit(m, Kind.KNOW, now, p, k.domain, s, j.id, head)


@jit
def consumed(m, s, p, now, item, posted_at, alive, looked):
    """The guest consumed `item` (0-based). `alive`: its own notification is still under way. `looked`: who made the
    guest look if it is not (hv/state.py Entry)."""
    j = journey(m, s)
    sample(m, Latency.CONSUMED, now - posted_at)
    j.waited += now - posted_at
    j.longest = max(j.longest, now - posted_at)
    o = observed(m, 0)
    if now - posted_at > o.slowest_cycles:
        o.slowest_cycles = now - posted_at
        o.slowest = j.id
    if item < j.known_through or (j.id != 0 and alive == 1):
        if j.fresh == 1:
            j.fresh = 0
            j.serviced += 1
            j.stamp[Stamp.SERVICED] = now
            emit(m, Kind.SERVICE, now, p, -1, s, j.id, item)
            if j.rescuer != 0:
                rescue(m, s, p, now, j.rescuer)
        else:
            j.coalesced += 1
            emit(m, Kind.SERVICE, now, p, -1, s, j.id, item)
    elif alive == 1:
        j.coalesced += 1
        emit(m, Kind.SERVICE, now, p, -1, s, j.id, item)
    else:
        j.serviced += 1
        emit(m, Kind.SERVICE, now, p, -1, s, j.id, item)
        rescue(m, s, p, now, looked)


@jit
def rescue(m, s, p, now, rescuer):
    """Count a lost edge that luck repaired."""
    j = journey(m, s)
    j.rescued += 1
    j.rescued_by[rescuer & 7] += 1
    j.rescued_raise = j.stamp[Stamp.RAISED]
    emit(m, Kind.RESCUE, now, p, -1, s, j.id, rescuer)


@jit
def finish(m, s, p, now):
    """The journey being served is complete: EOI, or the return from its handler."""
    j = journey(m, s)
    if j.id == 0:
        return
    emit(m, Kind.COMPLETE, now, p, -1, s, j.id, j.fresh)
    if j.fresh == 1:
        j.empty += 1
    else:
        o = observed(m, 0)
        o.completed += 1
        j.stamp[Stamp.COMPLETED] = now
        for k in range(1, STAGES):
            j.stamp[k] = max(j.stamp[k], j.stamp[k - 1])
            o.stage[k] += j.stamp[k] - j.stamp[k - 1]
    j.fresh = 0
    j.id = 0


@jit
def completes_at_return(m, s, c):
    """This delivery has no EOI: it is complete when the handler returns."""
    k = context_count(m, c)
    journey(m, s).chain = k.serving
    k.serving = s + 1


@hot
def returned(m, c, d, p, now):
    """A context leaves its external interrupt handler."""
    k = context_count(m, c)
    if k.serving != 0:
        finish_served(m, c, p, now)
    if k.open == 1:
        k.open = 0
        if k.learned == 0:
            count_in_vain(m, c, d)
        emit(m, Kind.RETURN, now, p, d, -1, 0, k.learned)


@cold
def finish_served(m, c, p, now):
    """Deliveries that have no EOI are complete."""
    k = context_count(m, c)
    while k.serving != 0:
        s = k.serving - 1
        j = journey(m, s)
        k.serving = j.chain
        j.chain = 0
        finish(m, s, p, now)


@cold
def count_in_vain(m, c, d):
    """The handler learned of no source of its own."""
    if context_count(m, c).foreign != 0:
        domain_count(m, d).foreign += 1
    else:
        domain_count(m, d).spurious += 1
