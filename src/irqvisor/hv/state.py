"""The hypervisor's records; every field has a comment."""

from enum import IntEnum

import numpy as np

from irqvisor.tables import Table, table

DOMAIN = np.dtype(
    [
        ("alive", "i8"),  # 1 until it shuts down, crashes, or its guest faults
        ("ready", "i8"),  # 1 once it wrote its ready mark
        ("vcpu", "i8"),  # its vCPU (SMP guests come later: first, then count)
        ("ram", "i8"),  # offset of its real address 0 in the RAM array
        ("ram_bytes", "i8"),
        ("shared", "i8"),  # RAM offset of its shared_info page; NOBODY: none
        ("port", "i8"),  # first record in the port pool
        ("ports", "i8"),  # how many it has
        ("work", "i8"),  # RAM offset of its work counters (one u64 a compute loop)
        ("loops", "i8"),  # compute loops it runs
        ("privileged", "i8"),
        ("exit", "i8"),  # why it stopped: Exit
        ("status", "i8"),  # what it said when it stopped
        ("exit_cycle", "i8"),
        ("exit_pc", "i8"),
        ("exit_value", "i8"),
    ],
    align=True,
)

VCPU = np.dtype(
    [
        ("domain", "i8"),
        ("pcpu", "i8"),  # where the scheduler runs it (pinned)
        ("blocked", "i8"),  # 1: waits for an event
        ("running", "i8"),  # 1: it is the context of its pCPU
        ("prodded", "i8"),  # H_PROD flag
        ("polling", "i8"),  # 1: in SCHEDOP_poll; port in poll_port
        ("poll_port", "i8"),  # the one port polled, -1 for any
        ("timer", "i8"),  # cycle of its hypervisor timer; NEVER
        ("timer_ticks", "i8"),  # 1: it expires as a decrementer exception; 0: it only wakes
        ("soft", "i8", (8,)),  # virtual PIC: queued interrupts, one bit a pirq (512)
        ("queued", "i8"),  # virtual PIC: how many
        ("level", "i8", (8,)),  # virtual PIC: those that are level lines, masked until H_EOI
        ("cppr", "i8"),  # virtual PIC: current processor priority, XICS sense (0 most favoured)
        ("mfrr", "i8"),  # virtual PIC: IPI request priority, 0xFF none
        ("ipis", "i8"),  # virtual PIC: IPIs in service
        ("priority", "i8"),  # scheduler: 1 = woken, runs before its equals
        ("owed", "i8"),  # 1: an event was marked for it, and no delivery has paid for that yet
        ("marked", "i8"),  # serial of the hypervisor entry meant to deliver what was marked; another one is luck
    ],
    align=True,
)

PORT = np.dtype(
    [
        ("state", "i8"),  # PortState
        ("notify", "i8"),  # vCPU index to notify
        ("remote_domain", "i8"),
        ("remote_port", "i8"),  # interdomain; for pirq: the pirq; for virq: the virq
        ("virq", "i8"),
    ],
    align=True,
)

PIRQ = np.dtype(
    [
        ("domain", "i8"),  # owner; NOBODY: not bound
        ("port", "i8"),  # event channel it is bound to; 0: none
        ("source", "i8"),  # the source behind it; NOBODY
        ("level", "i8"),  # 1: EOI waits for the guest
        ("in_flight", "i8"),  # level: handed to a guest that has not finished
        ("in_service", "i8"),  # virtual PIC: how often it was accepted and not ended
        ("priority", "i8"),  # XICS sense
        ("pcpu", "i8"),  # where its interrupts are presented
        ("acked_on", "i8"),  # pCPU that acknowledged it
    ],
    align=True,
)

domain = table(Table.DOMAIN, DOMAIN)
vcpu = table(Table.VCPU, VCPU)
port = table(Table.PORT, PORT)
pirq = table(Table.PIRQ, PIRQ)


class PortState(IntEnum):
    """States of an event channel (xen/include/xen/sched.h, ECS_*)."""

    FREE = 0
    RESERVED = 1
    UNBOUND = 2
    INTERDOMAIN = 3
    PIRQ = 4
    VIRQ = 5
    IPI = 6


class Entry(IntEnum):
    """Why the hypervisor was entered."""

    NONE = 0
    EXTERNAL = 1
    HDEC = 2
    HCALL_XEN = 3
    HCALL_PAPR = 4


class Where(IntEnum):
    """Where a source's notification is."""

    NOWHERE = 0  # nothing will tell the owner
    UNDER_WAY = 1
    MASKED = 2  # its owner masked it
    PRIORITY = 3  # its owner's own priority, or an interrupt it has not ended, holds it off
    DISABLED = 4  # under way, and its owner has interrupts off by what stands for MSR[EE] in this design


class Exit(IntEnum):
    """Why a domain stopped."""

    NONE = 0
    SHUTDOWN = 1  # it asked
    CRASHED = 2  # it reported a crash
    FAULT = 3  # its guest did something impossible: no vector, access outside memory in a handler ...
    DOORBELL = 4  # it consumed what was not posted
    UNRECOVERABLE = 5  # an event was pending with EE=1 and RI=0
    PANIC = 6  # the hypervisor itself would have crashed: a historical defect, switched on


class Defect(IntEnum):
    """Historical bugs, as bits; off unless a scenario switches them on (Xen/PPC, numbered as in the docs)."""

    UNRECOVERABLE_PANICS = 1  # P2: a guest with EE=1 and RI=0 crashes the hypervisor
    SOFTIRQS_SKIPPED = 2  # P13: an external interrupt does not reschedule; a woken vCPU waits for HDEC or a hypercall


ANY_ENTRY = -1
"""In vcpu.marked: a kick is on its way, so whatever enters the hypervisor first delivers in its place."""
