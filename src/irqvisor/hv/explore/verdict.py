"""What can be wrong with a machine at rest: one bit a judge."""

from enum import IntEnum


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
    QUEUE = 131072  # FIFO: PENDING and not MASKED, and in no queue that its vCPU was told of, or in two
    POLL = 262144  # a vCPU polls a port that is PENDING
