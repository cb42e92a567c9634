"""Future events, ordered by (cycle, priority, sequence): a binary heap in the event table.

Entry 0 is the earliest. Ties break by priority, then by order of scheduling, so the order of a run is its own: it
does not depend on how the heap happens to lie.
"""

from irqvisor._jit import hot, jit
from irqvisor.hw.state import NEVER, Stop, event, header, request


@hot
def due(m):
    """The cycle of the earliest event, or NEVER."""
    return event(m, 0).cycle if header(m).events > 0 else NEVER


@hot
def first(m):
    """The earliest event, as a reference: copy what is needed before `drop_first`. There must be one."""
    return event(m, 0)


@jit
def schedule(m, cycle, priority, kind, arg):
    """Add an event; returns its sequence number. A full heap stops the machine (Stop.PANIC) and adds nothing.

    With one pCPU an event before the horizon pulls the horizon in, so that it happens between the same two
    instructions however far the run loop meant to go. With several, the others may already be beyond that cycle, and
    the event waits for the horizon.
    """
    h = header(m)
    h.sequence += 1
    if h.events >= h.event_capacity:
        request(m).reason = Stop.PANIC
        return h.sequence
    e = event(m, h.events)
    e.cycle = cycle
    e.priority = priority
    e.sequence = h.sequence
    e.kind = kind
    e.arg = arg
    h.events += 1
    rise(m, h.events - 1)
    if h.n_pcpu == 1 and cycle < h.horizon:
        h.horizon = cycle
    return h.sequence


@jit
def drop_first(m):
    """Remove the earliest event. There must be one."""
    remove(m, 0)


@jit
def cancel(m, kind, arg):
    """Remove every event of this kind and argument; returns how many there were.

    Whoever can be asked to arm a timer again and again cancels the old event first, so that a guest cannot fill the
    heap.
    """
    h = header(m)
    removed = 0
    at = 0
    while at < h.events:
        if event(m, at).kind == kind and event(m, at).arg == arg:
            remove(m, at)
            removed += 1
            at = 0  # what took its place may have come from either side
        else:
            at += 1
    return removed


@jit
def remove(m, at):
    """Remove one entry; the last one takes its place and moves to where it belongs."""
    h = header(m)
    h.events -= 1
    if at != h.events:
        move(m, h.events, at)
        rise(m, sink(m, at))


@jit
def rise(m, at):
    """Move an entry towards the root while it is earlier than its parent."""
    while at > 0:
        parent = (at - 1) >> 1
        if not is_before(m, at, parent):
            return
        swap(m, at, parent)
        at = parent


@jit
def sink(m, at):
    """Move an entry away from the root while a child is earlier; returns where it ends."""
    n = header(m).events
    while True:
        child = 2 * at + 1
        if child >= n:
            return at
        if child + 1 < n and is_before(m, child + 1, child):
            child += 1
        if not is_before(m, child, at):
            return at
        swap(m, at, child)
        at = child


@hot
def is_before(m, i, j):
    """Whether entry i happens before entry j."""
    a = event(m, i)
    b = event(m, j)
    if a.cycle != b.cycle:
        return a.cycle < b.cycle
    if a.priority != b.priority:
        return a.priority < b.priority
    return a.sequence < b.sequence


@hot
def move(m, source, target):
    """Copy one entry over another."""
    a = event(m, source)
    b = event(m, target)
    b.cycle = a.cycle
    b.priority = a.priority
    b.sequence = a.sequence
    b.kind = a.kind
    b.arg = a.arg


@hot
def swap(m, i, j):
    """Exchange two entries."""
    a = event(m, i)
    b = event(m, j)
    cycle, priority, sequence, kind, arg = a.cycle, a.priority, a.sequence, a.kind, a.arg
    move(m, j, i)
    b.cycle = cycle
    b.priority = priority
    b.sequence = sequence
    b.kind = kind
    b.arg = arg
