"""What of a machine's state decides what it does from now on: behaviour and memory, with times relative to now.

Written as the list of (place, value) of every doubleword in which it differs from an *origin*, the state at which
exploration began. Two machines with equal lists go on alike, unless a guest looks at the clock. A table finds the list
by a 128-bit hash, and compares it whole before it calls two states the same.

A time that is further away than a run can reach is "far", whatever it is.
"""

import numpy as np

from irqvisor._jit import jit
from irqvisor.hv.explore.twin import PAGE_DOUBLEWORDS, copy, offset, pages_of
from irqvisor.hv.state import ANY_ENTRY, domain, vcpu
from irqvisor.hw.openpic import pic
from irqvisor.hw.state import CLEAN, EVENT, NOBODY, codemap, context, event, header, pcpu, source
from irqvisor.hw.timer import timebase
from irqvisor.spec.bits import i8, srl, u8, ult
from irqvisor.tables import FIRST_BEHAVIOUR, FIRST_OBSERVATION, Table

FAR = 1 << 28
"""Cycles that no fork lives to see."""

EVENT_DOUBLEWORDS = EVENT.itemsize // 8

SEEN = np.dtype(
    [
        ("low", "i8"),  # the hash
        ("high", "i8"),
        ("first", "i8"),  # where its list begins
        ("count", "i8"),  # doublewords of the list; 0: the slot is free
        ("instant", "i8"),  # whose outcome it shares; turns: the run
        ("budget", "i8"),  # turns: preemptions that were left there
        ("order", "i8"),  # turns: when it was noted
    ],
    align=True,
)


@jit
def relative(cycle, now):
    """A cycle as seen from now; one that is over, or far away, is a constant."""
    left = cycle - now
    return min(max(left, 0), FAR)


@jit
def make_relative(m, now):
    """Take the clock out of a state; it is no machine any more afterwards."""
    h = header(m)
    h.horizon = relative(h.horizon, now) if h.n_pcpu > 1 else 0
    for k in range(h.events):
        e = event(m, k)
        e.cycle -= now
        e.sequence -= h.sequence
    h.sequence = 0
    h.started = 0
    ticks = timebase(m, now)
    for c in range(h.n_context):
        cpu = context(m, c)
        cpu.dec_base = min(max(cpu.dec_base - ticks, -FAR), FAR)
        cpu.dec_at = relative(cpu.dec_at, now)
        w = vcpu(m, c)
        w.timer = relative(w.timer, now)
        w.marked = 1 if w.marked == ANY_ENTRY else 0
    for d in range(h.n_domain):
        domain(m, d).exit_cycle = 0
    for s in range(h.n_source):
        source(m, s).began = 0
        source(m, s).due = relative(source(m, s).due, now)
    for t in range(len(pic(m, 0).loaded_at)):
        if pic(m, 0).loaded[t] != 0:
            pic(m, 0).loaded_at[t] -= now
    for p in range(h.n_pcpu):
        pc = pcpu(m, p)
        pc.now -= now
        pc.hdec_at = relative(pc.hdec_at, now)
        pc.slice_end = relative(pc.slice_end, now) if pc.context != NOBODY else 0
        pc.icount = 0
        pc.serial = 0
        pc.entry = 0
        pc.watch_at = 0
        pc.watch_old = 0
        pc.watch_new = 0


@jit
def earliest(m):
    """The cycle that every pCPU has reached."""
    now = pcpu(m, 0).now
    for p in range(header(m).n_pcpu):
        now = min(now, pcpu(m, p).now)
    return now


@jit
def strip(m, state, bare, flat):
    """Copy a machine's behaviour into a scratch buffer, whose machine is `bare`, and take the clock out of it."""
    copy(flat, state, offset(state, FIRST_BEHAVIOUR), offset(state, FIRST_OBSERVATION))
    first = offset(state, Table.EVENT) + header(m).events * EVENT_DOUBLEWORDS
    for k in range(first, offset(state, Table.SOURCE)):
        flat[k] = 0  # entries of the heap that are not in use
    make_relative(bare, earliest(m))


@jit
def differences(m, flat, ram, origin_flat, origin_ram, touched, words, first):
    """Write the list to `words` from `first` on; returns its end, or 0 if there is no room."""
    at = first
    room = len(words) - 2
    for k in range(offset(flat, FIRST_BEHAVIOUR), offset(flat, FIRST_OBSERVATION)):
        if flat[u8(k)] != origin_flat[u8(k)]:
            if at >= room:
                return 0
            words[at] = k
            words[at + 1] = flat[u8(k)]
            at += 2
    for page in range(pages_of(ram)):
        if touched[page] == 0 and i8(codemap(m, page).entry) & CLEAN != 0:
            continue
        for k in range(page * PAGE_DOUBLEWORDS, (page + 1) * PAGE_DOUBLEWORDS):
            if ram[u8(k)] != origin_ram[u8(k)]:
                if at >= room:
                    return 0
                words[at] = -1 - k
                words[at + 1] = ram[k]
                at += 2
    return at


@jit
def mixed(h, value, factor):
    """One step of a 64-bit hash."""
    h = (h ^ value) * factor
    return h ^ srl(h, 29)


@jit
def hash_of(words, first, end):
    """Two 64-bit hashes of a list."""
    low = 0x2545F4914F6CDD1D
    high = 0x5851F42D4C957F2D
    for k in range(first, end):
        low = mixed(low, words[k], 0x369DEA0F31A53F85)
        high = mixed(high, words[k], 0x27BB2EE687B0B0FD)
    return low, high


@jit
def is_same(words, first, other, count):
    """Whether two lists of `count` doublewords are equal."""
    for k in range(count):
        if words[first + k] != words[other + k]:
            return False
    return True


@jit
def find(seen, words, first, end, low, high):
    """The slot of a state in the table: where it is, or the free one where it belongs."""
    slot = i8(u8(low) & u8(len(seen) - 1))
    while True:
        e = seen[slot]
        if e.count == 0:
            return slot
        if e.low == low and e.high == high and e.count == end - first and is_same(words, first, e.first, e.count):
            return slot
        slot = slot + 1 if ult(slot + 1, len(seen)) else 0
