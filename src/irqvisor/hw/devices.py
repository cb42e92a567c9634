"""Sources: devices that post items into a ring in their owner's memory and drive a line.

A ring is two u64 (head: items ever posted; one unused) and `slots` u64 items, a power of two; item k sits in slot
k % slots and reads k + 1. The owner consumes an item by storing how many it has consumed to the source's doorbell, so
that the machine knows exactly when each item was serviced. An edge source pulses its line once an item; a level source
holds it high while the ring is not empty.
"""

from enum import IntEnum

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hw import arrivals, timeline, wiring
from irqvisor.hw.memory import write_ram
from irqvisor.hw.state import NEVER, Arrival, EventKind, header, source

RING_HEAD = 0
RING_ITEMS = 16
DOORBELL_BYTES = 8
EVENT_PRIORITY = 0


class Rung(IntEnum):
    """What became of a doorbell."""

    CONSUMED = 0
    WRONG = 1  # it told of an item that was not posted, or not the next one
    DEAD = 2  # consumed, but the item's own notification is not in the controller: ask the hypervisor


@jit
def post(m, s, now):
    """An item arrives: write it to the ring and raise the line. A full ring drops it (rule: ring-full)."""
    src = source(m, s)
    j = trace.journey(m, s)
    j.raised += 1
    if src.head - src.tail >= src.slots:
        j.dropped += 1
        trace.emit(m, trace.Kind.DROP, now, -1, -1, s, 0, src.head)
        return
    slot = src.head & (src.slots - 1)
    trace.posting(m, src.posted + slot).at = now
    write_ram(m, src.ring + RING_ITEMS + 8 * slot, 8, src.head + 1)
    src.head += 1
    write_ram(m, src.ring + RING_HEAD, 8, src.head)
    trace.raised(m, s, now)
    if src.level != 0:
        wiring.set_line(m, src.irq, 1)
    else:
        wiring.pulse(m, src.irq)


@jit
def arrive(m, s, now):
    """The timeline says that an item of this source is due. Closed loops schedule theirs at the doorbell."""
    src = source(m, s)
    if src.active == 0:
        return
    post(m, s, now)
    if src.kind != Arrival.CLOSED:
        schedule(m, s, arrivals.next_arrival(m, s, now))


@jit
def schedule(m, s, cycle):
    """Put this source's next arrival on the timeline."""
    source(m, s).due = cycle
    if cycle < NEVER:
        timeline.schedule(m, cycle, EVENT_PRIORITY, EventKind.ARRIVE, s)


@jit
def start(m, now):
    """All sources begin."""
    for s in range(header(m).n_source):
        src = source(m, s)
        src.active = 1
        if src.kind == Arrival.CLOSED:
            for k in range(src.depth):
                schedule(m, s, now + src.phase + k)
        else:
            schedule(m, s, arrivals.first_arrival(m, s, now))


@jit
def stop(m):
    """All sources end; what is in the rings stays there to be consumed."""
    for s in range(header(m).n_source):
        source(m, s).active = 0


@jit
def ring_doorbell(m, p, s, value, now):
    """The owner says that it has consumed `value` items; exactly one more than before. Returns a Rung."""
    src = source(m, s)
    if value != src.tail + 1 or value > src.head:
        return Rung.WRONG
    item = src.tail
    src.tail = value
    posted_at = trace.posting(m, src.posted + (item & (src.slots - 1))).at
    if src.level != 0 and src.tail == src.head:
        wiring.set_line(m, src.irq, 0)
        trace.withdrawn(m, s)
    if src.kind == Arrival.CLOSED and src.active != 0:
        schedule(m, s, now + src.response)
    if src.level == 0 and item >= trace.journey(m, s).known_through:
        if src.kind == Arrival.CHANNEL or wiring.is_under_way(m, src.irq) == 0:
            return Rung.DEAD
    trace.consumed(m, s, p, now, item, posted_at, 1, 0)
    return Rung.CONSUMED


@jit
def is_open(m, s):
    """Whether a channel takes items: those that end in themselves only between start and stop."""
    return source(m, s).closes == 0 or source(m, s).active != 0


@jit
def post_to_channel(m, s, value, now):
    """A guest says that it has posted item `value` - 1 to a channel's ring, or, by 0, that there was no room for one.
    True unless it is not the next one."""
    src = source(m, s)
    j = trace.journey(m, s)
    if value == 0:
        j.raised += 1
        j.dropped += 1
        trace.emit(m, trace.Kind.DROP, now, -1, -1, s, 0, src.head)
        return True
    if value != src.head + 1 or src.head - src.tail >= src.slots:
        return False  # one that asked before the channel closed may still post
    j.raised += 1
    trace.posting(m, src.posted + (src.head & (src.slots - 1))).at = now
    src.head = value
    trace.raised(m, s, now)
    return True
