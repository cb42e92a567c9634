"""Why something returned to the code around it."""

from enum import IntEnum


class Outcome(IntEnum):
    """How a slow instruction, or a run of `interpret`, ended. NIP and the pCPU's clock are right for each."""

    DONE = 0  # an instruction completed, or an interrupt of the context's own was taken
    AGAIN = 1  # nothing happened yet: header.stop says what is needed, then execute it again
    HCALL = 2  # `interpret`: a hypercall, answered or left to the control plane, after which the run loop is needed
    STORED = 3  # a store to a watched page was done: pcpu.watch_at, watch_old, watch_new
    DOORBELL = 4  # an item was consumed whose notification is not in the controller, or the doorbell lied
    BOARD = 5  # a board register was written: pcpu.watch_at its offset, watch_new the value
    ACKNOWLEDGED = 6  # a guest read IACK: pcpu.watch_at is the controller's source, NOBODY if spurious
    ENDED = 7  # a guest wrote EOI: pcpu.watch_at is the controller's source, NOBODY if none was in service
    WAIT = 8  # sleep until an interrupt is pending
    ABSENT = 9  # inside `storage`: nothing answers an access of this kind there
    LIMIT = 10  # `interpret`: the horizon or the number of instructions is reached
    EXTERNAL = 11  # `interpret`: an external interrupt for the hypervisor
    HDEC = 12  # `interpret`: the hypervisor decrementer
    TRIGGERED = 13  # a guest triggered a source of the controller: pcpu.watch_at
