"""XIVE: the controller that knows which virtual processor runs (POWER9, generation 1; QEMU, docs/specs/ppc-xive.rst).

An event goes through three engines. Its *source* has two bits, P and Q, which let one event through until it is ended
and remember one more. *Routing* looks the source up and writes its data into the event queue of a virtual processor
(VP) and priority. *Presentation* compares that VP with the ring of every processor: where it runs, its pending buffer
gets the bit of the priority and the external input may rise; where it runs nowhere, the bit is kept with the VP, and
its escalation source, if it is on, raises the hypervisor's own interrupt. Guests reach the pages of their sources, and
their processor's ring, by loads and stores; nothing of it is a trap.

Simplifications: a VP has one queue a priority, in the memory of its partition, and its escalation event needs none: the
hypervisor looks at the VPs of its processor; it is one for all queues of a VP (Linux: single escalation). No groups, no
other rings than the operating system's.
"""

import numpy as np

from irqvisor._jit import hot, jit
from irqvisor.hw import timeline
from irqvisor.hw.memory import write_ram
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NOBODY, EventKind, header, pcpu
from irqvisor.spec.bits import sll
from irqvisor.spec.xive import (
    ENTRY_BYTES,
    ENTRY_DATA,
    ENTRY_GENERATION_SHIFT,
    ESB_BYTES,
    ESB_GET,
    ESB_LOAD_EOI_END,
    ESB_SET,
    ESB_SET_SHIFT,
    ESB_SHIFT,
    ESB_STORE_EOI_END,
    ESB_STORE_TRIGGER_END,
    NSR_EXTERNAL,
    P_BIT,
    PQ_BITS,
    PQ_QUEUED,
    PQ_RESET,
    PRIORITIES,
    PRIORITY_NONE,
    TIMA_ACKNOWLEDGE,
    TIMA_CPPR,
    TIMA_OS,
    TIMA_SET_PENDING,
    ended,
    most_favoured,
    pending_bit,
    triggered,
)
from irqvisor.tables import Table, table

XIVE_SOURCE = np.dtype(
    [
        ("pq", "i8"),  # event state: P and Q
        ("level", "i8"),  # 1: level sensitive
        ("asserted", "i8"),  # level: the line is up
        ("masked", "i8"),  # event assignment: 1: routed nowhere
        ("dropped", "i8"),  # 1: an event found it masked and waits for the unmasking
        ("vp", "i8"),  # event assignment: whose
        ("priority", "i8"),
        ("event", "i8"),  # what the queue entry says, 31 bits
        ("lpid", "i8"),  # the one partition whose memory map has its page
        ("entry", "i8"),  # RAM offset of its queue entry that nobody has loaded yet; NOBODY
        ("sent", "i8"),  # 1: an event of it is on its way from another processor
        ("source", "i8"),  # device or channel that it belongs to (hypervisor's bookkeeping); NOBODY
    ],
    align=True,
)

XIVE_QUEUE = np.dtype(
    [
        ("start", "i8"),  # RAM offset
        ("order", "i8"),  # log2 of its entries; 0: there is no queue, events for it are dropped
        ("index", "i8"),  # where the next entry goes
        ("generation", "i8"),  # bit 31 of what is written; flips at each wrap
        ("coalesces", "i8"),  # 1: it notifies of what its own P and Q let through (ESn); 0: always
        ("pq", "i8"),  # those P and Q
    ],
    align=True,
)

XIVE_VP = np.dtype(
    [
        ("cppr", "i8"),  # saved while it runs nowhere
        ("ipb", "i8"),  # pending while it runs nowhere, one bit a priority
        ("escalation", "i8"),  # P and Q of its escalation source
        ("rung", "i8"),  # 1: the hypervisor has been told and has not looked
        ("server", "i8"),  # processor that is told
        ("own", "i8"),  # the first source that is its partition's and no device's
        ("owns", "i8"),  # how many: they follow one another
    ],
    align=True,
)

XIVE_RING = np.dtype(
    [
        ("valid", "i8"),  # 1: a VP runs here
        ("vp", "i8"),
        ("nsr", "i8"),  # NSR_EXTERNAL: an exception is signalled
        ("cppr", "i8"),
        ("ipb", "i8"),  # pending, one bit a priority
    ],
    align=True,
)

FORWARD_PRIORITY = 1
"""Timeline priority of an event from another processor: after what devices do at the same cycle, as an IPI."""

esb = table(Table.XIVE_SOURCE, XIVE_SOURCE)
queue = table(Table.XIVE_QUEUE, XIVE_QUEUE)
virtual = table(Table.XIVE_VP, XIVE_VP)
ring = table(Table.XIVE_RING, XIVE_RING)


# -------------------------------------------------------------------------------------------------------- the source


@jit
def lets_through(m, irq):
    """T: an event of a source; whether P and Q let it through. An edge is let through once, and once more remembered; a
    level line says whether it is up."""
    s = esb(m, irq)
    before = s.pq
    if s.level != 0:
        s.asserted = 1
        if before != PQ_RESET:
            return False
    s.pq = triggered(before)
    return before == PQ_RESET


@jit
def trigger(m, irq):
    """A device's event."""
    if lets_through(m, irq):
        route(m, irq)


@jit
def send(m, p, irq):
    """A processor's event: a store to the page of a source."""
    if lets_through(m, irq):
        forward(m, p, irq)


@jit
def drop_line(m, irq):
    """A level line falls."""
    esb(m, irq).asserted = 0


@jit
def end(m, p, irq):
    """E: the event is over; what came meanwhile is forwarded. Not as a trigger, which would only set Q again. 1 if
    something was forwarded."""
    s = esb(m, irq)
    before = s.pq
    s.pq = ended(before)
    if before == PQ_QUEUED:
        forward(m, p, irq)
        return 1
    if s.level != 0 and s.asserted != 0 and s.pq == PQ_RESET:
        send(m, p, irq)
        return 1
    return 0


@jit
def set_state(m, irq, pq):
    """Write P and Q; returns what they were."""
    before = esb(m, irq).pq
    esb(m, irq).pq = pq
    return before


@hot
def is_under_way(m, irq):
    """1 while an event of this source is still to be told: its entry has not been read, or Q remembers one."""
    s = esb(m, irq)
    return 1 if s.entry != NOBODY or s.pq == PQ_QUEUED or s.dropped | s.sent != 0 else 0


# ----------------------------------------------------------------------------------------------------------- routing


@jit
def forward(m, p, irq):
    """What processor `p` let through is routed at once if its VP is at `p` too; else it takes the time of an IPI to get
    there. One on its way is enough: it stands for the entry that will be written."""
    s = esb(m, irq)
    at = processor_of(m, s.vp)
    if (virtual(m, s.vp).server if at == NOBODY else at) == p:
        route(m, irq)
    elif s.sent == 0:
        s.sent = 1
        timeline.schedule(m, pcpu(m, p).now + header(m).phys_ipi, FORWARD_PRIORITY, EventKind.FORWARDED, irq)


@jit
def arrive(m, irq):
    """What was forwarded by another processor is there."""
    esb(m, irq).sent = 0
    route(m, irq)


@jit
def route(m, irq):
    """R: write the event into its queue and present it. A masked assignment notes that it has dropped one, and who
    unmasks it looks."""
    s = esb(m, irq)
    if s.masked != 0:
        s.dropped = 1
        return
    q = queue(m, PRIORITIES * s.vp + s.priority)
    if q.order == 0:
        return
    at = q.start + ENTRY_BYTES * q.index
    write_ram(m, at, ENTRY_BYTES, sll(q.generation, ENTRY_GENERATION_SHIFT) | (s.event & ENTRY_DATA))
    s.entry = at
    q.index += 1
    if q.index >> q.order != 0:
        q.index = 0
        q.generation ^= 1
    if q.coalesces == 0 or queue_lets_through(m, PRIORITIES * s.vp + s.priority):
        present(m, s.vp, s.priority)


@jit
def queue_lets_through(m, k):
    """Whether a queue that has got an entry notifies: not while its reader has not said that it saw the last one."""
    q = queue(m, k)
    before = q.pq
    q.pq = triggered(before)
    return before == PQ_RESET


@jit
def rearm(m, k):
    """The reader of a queue says that it has seen what it was notified of. What came since is notified now. 1 if so."""
    q = queue(m, k)
    before = q.pq
    q.pq = ended(before)
    if before != PQ_QUEUED:
        return 0
    present(m, k // PRIORITIES, k % PRIORITIES)
    return 1


@jit
def set_masked(m, irq, masked):
    """Mask or unmask an assignment; unmasking routes what was dropped. Only that: P may also mean an entry still in a
    queue."""
    s = esb(m, irq)
    s.masked = masked
    if masked == 0 and s.dropped != 0:
        s.dropped = 0
        route(m, irq)


# ------------------------------------------------------------------------------------------------------ presentation


@jit
def processor_of(m, vp):
    """The processor whose ring has this VP; NOBODY if it runs nowhere."""
    for p in range(header(m).n_pcpu):
        if ring(m, p).valid != 0 and ring(m, p).vp == vp:
            return p
    return NOBODY


@jit
def present(m, vp, priority):
    """P: to the processor whose ring has this VP; else keep it with the VP, and escalate."""
    bit = pending_bit(priority)
    p = processor_of(m, vp)
    if p != NOBODY:
        ring(m, p).ipb |= bit
        drive(m, p)
        return
    w = virtual(m, vp)
    w.ipb |= bit
    before = w.escalation
    w.escalation = triggered(before)
    if before == PQ_RESET:
        w.rung = 1
        pcpu(m, w.server).virtualization = 1


@jit
def drive(m, p):
    """The ring's exception, and the external input with it: the most favoured pending against the CPPR."""
    r = ring(m, p)
    up = r.valid != 0 and most_favoured(r.ipb) < r.cppr
    r.nsr = NSR_EXTERNAL if up else 0
    pcpu(m, p).external = 1 if up else 0


@jit
def acknowledge(m, p):
    """A: the exception is accepted: the CPPR becomes its priority. Returns NSR as it was, and the new CPPR below it."""
    r = ring(m, p)
    if r.nsr == 0:
        return r.cppr
    r.cppr = most_favoured(r.ipb)
    r.ipb &= ~pending_bit(r.cppr)
    drive(m, p)
    return (NSR_EXTERNAL << 8) | r.cppr


@jit
def set_cppr(m, p, value):
    """C: what is more favoured than this gets through; all of it from 8 on."""
    ring(m, p).cppr = value if value < PRIORITIES else PRIORITY_NONE
    drive(m, p)


@jit
def push(m, p, vp):
    """D: a VP runs here from now on. First it can be found, then what was kept for it is moved: in one step."""
    r = ring(m, p)
    w = virtual(m, vp)
    r.valid = 1
    r.vp = vp
    r.cppr = w.cppr
    r.ipb = w.ipb
    w.ipb = 0
    drive(m, p)


@jit
def pull(m, p):
    """U, first half: nobody runs here any more; returns whose ring it was. From now on events are kept with the VP."""
    r = ring(m, p)
    r.valid = 0
    drive(m, p)
    return r.vp


@jit
def save(m, p):
    """U, second half: what the ring held goes to its VP, added to what came since it was pulled."""
    r = ring(m, p)
    w = virtual(m, r.vp)
    w.cppr = r.cppr
    w.ipb |= r.ipb
    w.server = p
    r.ipb = 0


@jit
def set_escalation(m, vp, pq):
    """Write P and Q of an escalation source; True if P was set: an event is on its way."""
    w = virtual(m, vp)
    before = w.escalation
    w.escalation = pq
    return before & P_BIT != 0


@hot
def is_deliverable(m, vp):
    """Whether something more favoured than its CPPR is kept for a VP."""
    w = virtual(m, vp)
    return w.ipb != 0 and most_favoured(w.ipb) < w.cppr


@jit
def holds_off(m, irq):
    """Whether the CPPR of its VP, wherever that is, refuses a source."""
    s = esb(m, irq)
    p = processor_of(m, s.vp)
    return s.priority >= (virtual(m, s.vp).cppr if p == NOBODY else ring(m, p).cppr)


# ------------------------------------------------------------------------------------------- what guests load and store


@jit
def load_esb(m, p, lpid, first, offset):
    """A load of a source's page, in a region that begins with that of `first`: end the event, or return P and Q, or set
    them too. Nothing is there if the source is another partition's. (outcome, value)."""
    irq = first + (offset >> ESB_SHIFT)
    if esb(m, irq).lpid != lpid:
        return Outcome.ABSENT, 0
    at = offset & (ESB_BYTES - 1)
    if at < ESB_LOAD_EOI_END:
        pcpu(m, p).watch_at = irq
        return Outcome.ENDED, end(m, p, irq)
    if at < ESB_SET:
        return (Outcome.DONE, esb(m, irq).pq) if at & ~0xFF == ESB_GET else (Outcome.ABSENT, 0)
    return Outcome.DONE, set_state(m, irq, (at >> ESB_SET_SHIFT) & PQ_BITS)


@jit
def store_esb(m, p, lpid, first, offset, may_trigger):
    """A store to a source's page, whatever the value: trigger, or end. `may_trigger`: the region lets another partition
    trigger it, and no more."""
    irq = first + (offset >> ESB_SHIFT)
    is_own = esb(m, irq).lpid == lpid
    at = offset & (ESB_BYTES - 1)
    pcpu(m, p).watch_at = irq
    if at < ESB_STORE_TRIGGER_END and (is_own or may_trigger):
        send(m, p, irq)
        return Outcome.TRIGGERED
    if ESB_STORE_TRIGGER_END <= at < ESB_STORE_EOI_END and is_own:
        end(m, p, irq)
        return Outcome.ENDED
    return Outcome.ABSENT


@jit
def load_end(m, p, first, offset):
    """A load of an event queue's page, in a region that begins with that of queue `first`: end its notification, or
    return P and Q, or set them too. Only the vCPU whose queue it is finds something there. (outcome, value)."""
    k = first + (offset >> ESB_SHIFT)
    if k // PRIORITIES != ring(m, p).vp:
        return Outcome.ABSENT, 0
    at = offset & (ESB_BYTES - 1)
    if at < ESB_LOAD_EOI_END:
        return Outcome.DONE, rearm(m, k)
    before = queue(m, k).pq
    if at >= ESB_SET:
        queue(m, k).pq = (at >> ESB_SET_SHIFT) & PQ_BITS
    elif at & ~0xFF != ESB_GET:
        return Outcome.ABSENT, 0
    return Outcome.DONE, before


@jit
def load_tima(m, p, offset, size):
    """A load of the ring: acknowledge, or a look at its registers. (outcome, value)."""
    r = ring(m, p)
    if offset == TIMA_ACKNOWLEDGE and size == 2:
        return Outcome.DONE, acknowledge(m, p)
    if offset < TIMA_OS or offset + size > TIMA_OS + 8:
        return Outcome.ABSENT, 0
    # NSR, CPPR, IPB, LSMFB, ACK#, INC, AGE, PIPR
    whole = sll(r.nsr, 56) | (r.cppr << 48) | (r.ipb << 40) | (0xFF << 24) | most_favoured(r.ipb)
    return Outcome.DONE, (whole >> (8 * (TIMA_OS + 8 - offset - size))) & (sll(1, 8 * size) - 1 if size < 8 else -1)


@jit
def store_tima(m, p, offset, size, value):
    """A store to the ring: the CPPR, or a priority to be pending."""
    if size != 1:
        return Outcome.ABSENT
    if offset == TIMA_CPPR:
        set_cppr(m, p, value & 0xFF)
    elif offset == TIMA_SET_PENDING:
        ring(m, p).ipb |= pending_bit(value & (PRIORITIES - 1))
        drive(m, p)
    else:
        return Outcome.ABSENT
    return Outcome.DONE


@jit
def read_entry(m, p, at, value):
    """A guest loaded 4 bytes of its event queues, at a RAM offset. ACKNOWLEDGED with pcpu.watch_at the source, if that
    is how it learns of an event."""
    irq = value & ENTRY_DATA
    beyond = irq - header(m).n_pirq
    if beyond >= 0:  # not a device's: counted in its partition
        w = virtual(m, ring(m, p).vp)
        irq = w.own + beyond
        if beyond >= w.owns:
            return Outcome.DONE
    if esb(m, irq).entry == at:
        esb(m, irq).entry = NOBODY
        pcpu(m, p).watch_at = irq
        return Outcome.ACKNOWLEDGED
    return Outcome.DONE
