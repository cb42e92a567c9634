"""XIVE, the interrupt controller of POWER9, generation 1: numbers and pure rules (QEMU, docs/specs/ppc-xive.rst).

Event state buffers (ESB) hold two bits a source, P and Q; the thread interrupt management area (TIMA) is what a
processor shows of its ring. Offsets are bytes of a page.
"""

from irqvisor._jit import jit
from irqvisor.spec.bits import clz

# Event state: P = an event was forwarded and has not been ended, Q = another one came since
PQ_RESET = 0b00
PQ_OFF = 0b01
PQ_PENDING = 0b10
PQ_QUEUED = 0b11
P_BIT = 0b10
PQ_BITS = 0b11

# A source's ESB page
ESB_SHIFT = 12
ESB_BYTES = 1 << ESB_SHIFT
ESB_LOAD_EOI_END = 0x800  # loads below end the event
ESB_GET = 0x800  # loads from here on return PQ
ESB_SET = 0xC00  # loads from here on also set it, to what bits 8 and 9 of the offset say
ESB_SET_SHIFT = 8
ESB_STORE_TRIGGER_END = 0x400  # stores below trigger
ESB_STORE_EOI_END = 0x800  # then stores that end the event

# The operating system's page of the TIMA
TIMA_BYTES = 4096
TIMA_OS = 0x10  # the ring, 8 bytes: NSR, CPPR, IPB, LSMFB, ACK#, INC, AGE, PIPR
TIMA_CPPR = 0x11
TIMA_ACKNOWLEDGE = 0x810  # 2-byte load
TIMA_SET_PENDING = 0x812  # 1-byte store

NSR_EXTERNAL = 0x80  # an exception for the operating system's ring
PRIORITIES = 8  # 0 most favoured
PRIORITY_NONE = 0xFF
LAST_GUEST_PRIORITY = 6  # 7 is the hypervisor's, for escalation (Linux, arch/powerpc/kvm/book3s_xive.c)

ENTRY_BYTES = 4
ENTRY_GENERATION_SHIFT = 31  # the bit that flips each time the queue wraps
ENTRY_DATA = (1 << ENTRY_GENERATION_SHIFT) - 1


def xive_priority(xics_priority: int) -> int:
    """The XIVE priority of an XICS one (Linux, arch/powerpc/kvm/book3s_xive.c, xive_prio_from_guest)."""
    return min(xics_priority, LAST_GUEST_PRIORITY)


@jit
def pending_bit(priority):
    """The bit of a priority in an interrupt pending buffer."""
    return 0x80 >> priority


@jit
def most_favoured(pending):
    """The most favoured priority of a pending buffer; `PRIORITY_NONE` if it is empty."""
    return clz(pending) - (64 - PRIORITIES) if pending != 0 else PRIORITY_NONE


@jit
def triggered(pq):
    """PQ after a trigger; it is forwarded if it was `PQ_RESET`."""
    return PQ_OFF if pq == PQ_OFF else PQ_PENDING if pq == PQ_RESET else PQ_QUEUED


@jit
def ended(pq):
    """PQ after an end; the event is forwarded again if it was `PQ_QUEUED`."""
    return PQ_OFF if pq == PQ_OFF else PQ_PENDING if pq == PQ_QUEUED else PQ_RESET
