"""Posted interrupts: a descriptor per virtual processor, and a virtual controller that hardware keeps (VT-d and APICv).

A device's edge sets the bit of its vector in the descriptor of its virtual processor (VP). If nothing is outstanding
(ON) and nobody suppressed it (SN), one notification goes to the processor that the descriptor names: an *active* one
makes it take the bits over into the virtual controller of whatever runs there (`sync`); a *wake-up* one is an interrupt
of the hypervisor's. A notification that finds no guest running does nothing; who enters a VP with ON set syncs.

The virtual controller is that of a local APIC: vectors of 8 bits, whose upper half is the priority, requested (IRR), in
service (ISR), a task priority. Its output is the processor's external input. Guests read and write it without a trap,
but for an end of interrupt of a vector in the exit bitmap. Sources: Intel SDM, Posted-Interrupt Processing and APIC
Virtualization; VT-d, Interrupt-Posting Hardware Operation; as told by Linux, arch/x86/kvm/vmx/posted_intr.c.

Simplifications: registers are this machine's: INTERRUPT_VECTOR is read as a PIC's acknowledge is, where a PC enters
through a table. Level lines are not posted: they wait for the hypervisor here, in place of a controller of their own.
"""

import numpy as np

from irqvisor._jit import hot, jit
from irqvisor.hw import timeline
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NOBODY, EventKind, header, pcpu
from irqvisor.spec.bits import clz, sll
from irqvisor.spec.posted import (
    CLASS_SHIFT,
    END_OF_INTERRUPT,
    INTERRUPT_VECTOR,
    SELF_IPI,
    SPURIOUS_VECTOR,
    TASK_PRIORITY,
    WORDS,
)
from irqvisor.tables import Table, table

POSTED_SOURCE = np.dtype(
    [
        ("level", "i8"),  # 1: level sensitive: the hypervisor takes it
        ("asserted", "i8"),  # level: the line is up
        ("off", "i8"),  # 1: nobody answers it any more
        ("masked", "i8"),  # level: taken, and not ended by its guest
        ("waiting", "i8"),  # level: for the hypervisor
        ("vp", "i8"),  # whose descriptor
        ("vector", "i8"),
        ("server", "i8"),  # level: the processor whose hypervisor takes it
        ("source", "i8"),  # device or channel that it belongs to (hypervisor's bookkeeping); NOBODY
    ],
    align=True,
)

POSTED_VP = np.dtype(
    [
        # The descriptor
        ("pir", "i8", (WORDS,)),  # posted requests, one bit a vector
        ("on", "i8"),  # 1: a notification is outstanding
        ("sn", "i8"),  # 1: suppressed
        ("wakes", "i8"),  # notification vector: 0 the active one, 1 the wake-up
        ("destination", "i8"),  # processor that is notified
        ("sent", "i8"),  # 1: a notification is on its way from another processor
        # The virtual controller
        ("irr", "i8", (WORDS,)),  # requested
        ("isr", "i8", (WORDS,)),  # in service
        ("exits", "i8", (WORDS,)),  # whose end of interrupt leaves the guest
        ("tpr", "i8"),  # task priority: vectors of this class and below wait
        ("irq", "i2", (256,)),  # the source behind each vector; NOBODY (hypervisor's bookkeeping)
    ],
    align=True,
)

NOTIFY_PRIORITY = 1
"""Timeline priority of a notification from another processor: after what devices do at the same cycle, as an IPI."""

posted_source = table(Table.POSTED_SOURCE, POSTED_SOURCE)
descriptor = table(Table.POSTED_VP, POSTED_VP)


@jit
def highest(bits):
    """The highest vector of a set of 256; -1 if it is empty."""
    for word in range(WORDS - 1, -1, -1):
        if bits[word] != 0:
            return 64 * word + 63 - clz(bits[word])
    return -1


@hot
def bit(vector):
    return sll(1, vector & 63)


@jit
def deliverable(m, vp):
    """The vector that the virtual controller would deliver; -1: none. Its class must beat what is in service, and the
    task priority."""
    w = descriptor(m, vp)
    vector = highest(w.irr)
    held = max(highest(w.isr) >> CLASS_SHIFT, w.tpr >> CLASS_SHIFT)
    return vector if vector >> CLASS_SHIFT > held else -1


@jit
def drive(m, p):
    """The output of the virtual controller of who runs here: a level."""
    v = pcpu(m, p).context
    pcpu(m, p).external = 1 if v >= 0 and deliverable(m, v) >= 0 else 0


@jit
def sync(m, vp):
    """Take the posted bits over, in one step."""
    w = descriptor(m, vp)
    w.on = 0
    for word in range(WORDS):
        w.irr[word] |= w.pir[word]
        w.pir[word] = 0


@jit
def is_to_notify(m, vp, vector):
    """Set the bit of a vector; whether that calls for a notification. One that is posted already joins it."""
    w = descriptor(m, vp)
    if w.pir[vector >> 6] & bit(vector) != 0:
        return False
    w.pir[vector >> 6] |= bit(vector)
    if w.on != 0 or w.sn != 0:
        return False
    w.on = 1
    return True


@jit
def post(m, vp, vector):
    """A device posts a vector."""
    if is_to_notify(m, vp, vector):
        notify(m, vp)


@jit
def send(m, p, vp, vector):
    """Software on processor `p` posts a vector: the notification of another processor is an IPI. One on its way is
    enough: whoever takes over takes all that is posted by then."""
    if not is_to_notify(m, vp, vector):
        return
    w = descriptor(m, vp)
    if w.destination == p:
        notify(m, vp)
    elif w.sent == 0:
        w.sent = 1
        timeline.schedule(m, pcpu(m, p).now + header(m).phys_ipi, NOTIFY_PRIORITY, EventKind.FORWARDED, vp)


@jit
def arrive(m, vp):
    """A notification from another processor is there; it may have been overtaken, and finds nothing outstanding."""
    w = descriptor(m, vp)
    w.sent = 0
    if w.on != 0:
        notify(m, vp)


@jit
def notify(m, vp):
    """A notification reaches the processor that the descriptor names. The active one: whoever runs there takes over
    what is posted for it. The wake-up one is the hypervisor's."""
    w = descriptor(m, vp)
    if w.wakes != 0:
        pcpu(m, w.destination).virtualization = 1
        return
    v = pcpu(m, w.destination).context
    if v >= 0:
        sync(m, v)
        drive(m, w.destination)


@jit
def is_posted(m, vp):
    """Whether anything is posted and not taken over."""
    return highest(descriptor(m, vp).pir) >= 0


# ------------------------------------------------------------------------------------------------------------- devices


@jit
def trigger(m, irq):
    """An edge, which is posted, or a level line that rises, which calls the hypervisor unless it is masked."""
    s = posted_source(m, irq)
    if s.off != 0:
        return
    if s.level == 0:
        post(m, s.vp, s.vector)
        return
    s.asserted = 1
    request(m, irq)


@jit
def request(m, irq):
    """A level line that is up and not masked waits for the hypervisor."""
    s = posted_source(m, irq)
    if s.asserted != 0 and s.masked == 0:
        s.waiting = 1
        pcpu(m, s.server).virtualization = 1


@jit
def drop_line(m, irq):
    """A level line falls."""
    posted_source(m, irq).asserted = 0
    posted_source(m, irq).waiting = 0


@hot
def is_under_way(m, irq):
    """1 while an edge of this source is posted or requested."""
    s = posted_source(m, irq)
    w = descriptor(m, s.vp)
    return 1 if (w.pir[s.vector >> 6] | w.irr[s.vector >> 6]) & bit(s.vector) != 0 else 0


@jit
def is_held_off(m, irq):
    """Whether what its VP has in service, or its task priority, is in the way of a source."""
    s = posted_source(m, irq)
    w = descriptor(m, s.vp)
    return s.vector >> CLASS_SHIFT <= max(highest(w.isr) >> CLASS_SHIFT, w.tpr >> CLASS_SHIFT)


# ---------------------------------------------------------------------------------------------- what guests load, store


@jit
def load(m, p, offset, size):
    """A load of the virtual controller: the vector to serve, which is in service from then on; or the task priority.
    (outcome, value)."""
    w = descriptor(m, pcpu(m, p).context)
    if size != 4:
        return Outcome.ABSENT, 0
    if offset == TASK_PRIORITY:
        return Outcome.DONE, w.tpr
    if offset != INTERRUPT_VECTOR:
        return Outcome.ABSENT, 0
    vector = deliverable(m, pcpu(m, p).context)
    pcpu(m, p).watch_at = NOBODY
    if vector < 0:
        return Outcome.ACKNOWLEDGED, SPURIOUS_VECTOR
    w.irr[vector >> 6] &= ~bit(vector)
    w.isr[vector >> 6] |= bit(vector)
    pcpu(m, p).watch_at = w.irq[vector]
    drive(m, p)
    return Outcome.ACKNOWLEDGED, vector


@jit
def store(m, p, offset, size, value):
    """A store to it: end of interrupt, task priority, a vector for itself."""
    v = pcpu(m, p).context
    w = descriptor(m, v)
    if size != 4:
        return Outcome.ABSENT
    if offset == END_OF_INTERRUPT:
        vector = highest(w.isr)
        pcpu(m, p).watch_at = NOBODY
        if vector >= 0:
            w.isr[vector >> 6] &= ~bit(vector)
            pcpu(m, p).watch_at = w.irq[vector]
        drive(m, p)
        return Outcome.ENDED
    if offset == TASK_PRIORITY:
        w.tpr = value & 0xFF
    elif offset == SELF_IPI:
        w.irr[(value & 0xFF) >> 6] |= bit(value & 0xFF)
    else:
        return Outcome.ABSENT
    drive(m, p)
    return Outcome.DONE


@jit
def exits(m, irq):
    """Whether the end of this source's interrupt leaves the guest."""
    s = posted_source(m, irq)
    return descriptor(m, s.vp).exits[s.vector >> 6] & bit(s.vector) != 0
