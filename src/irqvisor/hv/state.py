"""The hypervisor's records; every field has a comment."""

from enum import IntEnum

import numpy as np

from irqvisor.tables import Table, table

DOMAIN = np.dtype(
    [
        ("alive", "i8"),  # 1 until it shuts down, crashes, or its guest faults
        ("ready", "i8"),  # 1 once it wrote its ready mark
        ("vcpu", "i8"),  # its first vCPU; the others follow
        ("vcpus", "i8"),  # how many it has
        ("ram", "i8"),  # offset of its real address 0 in the RAM array
        ("ram_bytes", "i8"),
        ("shared", "i8"),  # RAM offset of its shared_info page; NOBODY: none
        ("port", "i8"),  # first record in the port pool
        ("ports", "i8"),  # how many records it has; ports above are free
        ("valid", "i8"),  # ports below are valid; grows a bucket at a time and never shrinks
        ("pollers", "i8"),  # vCPUs in SCHEDOP_poll
        ("fifo", "i8"),  # 1: the FIFO ABI; 0: 2-level
        ("words", "i8"),  # FIFO: event words it has, 1024 a page
        ("event_page", "i8", (128,)),  # FIFO: RAM offsets of its pages of event words
        ("id", "i8"),  # its number, as guests say it
        ("release", "i8"),  # whose semantics its calls have: Release
        ("enable", "i8"),  # what lets an upcall in: Enable
        ("max_port", "i8"),  # the highest port it may use, whatever its ABI has
        ("dying", "i8"),  # Dying
        ("pauses", "i8"),  # how often its controller has paused it
        ("hardware", "i8"),  # 1: global VIRQs that nobody handles are its
        ("handles", "i8"),  # global VIRQs that it was made the handler of, a bit each
        ("console", "i8"),  # RAM offset of its console page, where it has one
        ("console_port", "i8"),  # the hypervisor's end of its event channel; 0: it has no such console
        ("pirq", "i8"),  # the machine's interrupt that is its pirq 0
        ("pirqs", "i8"),  # pirq numbers it has
        ("work", "i8"),  # RAM offset of its work counters (one u64 a compute loop)
        ("loops", "i8"),  # compute loops it runs
        ("privileged", "i8"),
        ("start_at", "i8"),  # board: where a vCPU that is started begins, and with what in r3
        ("start_with", "i8"),
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
        ("virq", "i8", (24,)),  # port of each of its VIRQs; 0: not bound. Global ones are the first vCPU's
        ("control", "i8"),  # FIFO: RAM offset of its control block; NOBODY: none
        ("tail", "i8", (16,)),  # FIFO: the port linked last in each of its queues; 0: empty
        ("pcpu", "i8"),  # where the scheduler runs it
        ("affinity", "i8"),  # the pCPUs that the scheduler may move it to, a bit each
        ("next", "i8"),  # the vCPU after it on that pCPU, ascending and round again (hv/scheduler.py)
        ("down", "i8"),  # 1: not up yet, or taken down: it does not run, whatever happens
        ("initialised", "i8"),  # 1: it has an entry state
        ("info", "i8"),  # RAM offset of its vcpu_info; NOBODY: none
        ("moved", "i8"),  # 1: the guest registered that place itself
        ("blocked", "i8"),  # 1: waits for an event
        ("running", "i8"),  # 1: it is the context of its pCPU
        ("prodded", "i8"),  # H_PROD flag
        ("polling", "i8"),  # 1: in SCHEDOP_poll; port in poll_port
        ("poll_port", "i8"),  # the one port polled, -1 for any
        ("timer", "i8"),  # cycle of its hypervisor timer; NEVER
        ("timer_ticks", "i8"),  # 1: it expires as the guest's tick; 0: it only wakes
        ("timer_event", "i8"),  # 1: that tick is an event of the design's; 0: a decrementer exception
        ("ticked", "i8"),  # 1: such a tick is due
        ("period", "i8"),  # cycles between periodic ticks; 0: none
        ("period_at", "i8"),  # cycle of the next one
        ("state", "i8"),  # RunState
        ("since", "i8"),  # cycle at which that began
        ("spent", "i8", (4,)),  # cycles in each RunState before that
        ("soft", "i8", (8,)),  # virtual PIC: queued interrupts, one bit a pirq (512)
        ("queued", "i8"),  # virtual PIC: how many
        ("level", "i8", (8,)),  # virtual PIC: those that are level lines, masked until H_EOI
        ("cppr", "i8"),  # virtual PIC: current processor priority, XICS sense (0 most favoured)
        ("mfrr", "i8"),  # virtual PIC: IPI request priority, 0xFF none
        ("ipis", "i8"),  # virtual PIC: IPIs in service
        ("irr", "i8", (4,)),  # virtual SAPIC: pending vectors, vector v is bit v & 63 of word v >> 6
        ("insvc", "i8", (4,)),  # virtual SAPIC: vectors in service
        ("line", "i8", (256,)),  # virtual SAPIC: the machine's interrupt behind each vector; 0: none
        ("event_callback", "i8"),  # xen-x86, xen-ia64: where upcalls enter; 0: nowhere yet
        ("failsafe_callback", "i8"),  # xen-x86: where an iret goes that leads nowhere; 0: the domain crashes
        ("kernel_stack", "i8"),  # xen-x86: where frames go when a program with MSR[PR]=1 was interrupted
        ("priority", "i8"),  # scheduler: 1 = woken, runs before its equals
        ("inbox", "i8"),  # the first channel to it, + 1; 0: none
        ("owed", "i8"),  # 1: an event was marked for it, and no delivery has paid for that yet
        ("asked", "i8"),  # hybrid: serial of its last H_XIRR or H_EOI: it is about to look at its events by itself
        ("routed", "i8"),  # hybrid: the pCPU to which its sources were steered; NOBODY
        ("escalating", "i8"),  # direct: 1: its escalation was under way when it was dispatched
        ("marked", "i8"),  # serial of the hypervisor entry meant to deliver what was marked; another one is luck
    ],
    align=True,
)

PORT = np.dtype(
    [
        ("state", "i8"),  # PortState
        ("notify", "i8"),  # vCPU to notify, by its place in the vCPU table
        ("attached", "i8"),  # Attached
        ("peer", "i8"),  # interdomain: the remote domain, by its place in the domain table
        ("remote_port", "i8"),  # interdomain; for pirq: the pirq; for virq: the virq
        ("remote_domain", "i8"),  # unbound, interdomain: the remote domain's number
        ("priority", "i8"),  # FIFO: the queue it is linked to next
        ("pending", "i8"),  # FIFO: 1: raised before there was an event word for it; nothing clears it
        ("last_vcpu", "i8"),  # FIFO: the queue that it was linked to last: which of the domain's vCPUs, from 0
        ("source", "i8"),  # the channel behind it, + 1, as the guest told the board; 0: none
        ("last_priority", "i8"),  # and the priority
    ],
    align=True,
)

PIRQ = np.dtype(
    [
        ("domain", "i8"),  # owner; NOBODY: not bound
        ("vector", "i8"),  # the controller's number for it; 0: none, and it cannot be bound
        ("port", "i8"),  # event channel it is bound to; 0: none
        ("source", "i8"),  # the source behind it; NOBODY
        ("level", "i8"),  # 1: EOI waits for the guest
        ("shareable", "i8"),  # 1: who bound it first lets others bind it too
        ("sharers", "i8"),  # guests that have bound it beside its owner
        ("sharer", "i8", (6,)),  # which domains
        ("sharer_port", "i8", (6,)),  # and their ports
        ("in_flight", "i8"),  # level: guests that were told and have not finished, a bit each (hv/lines.py)
        ("in_service", "i8"),  # virtual PIC: how often it was accepted and not ended
        ("sapic", "i8"),  # virtual SAPIC: its owner's vector for it
        ("priority", "i8"),  # XICS sense
        ("server", "i8"),  # vCPU that a virtual PIC hands it to; NOBODY
        ("pcpu", "i8"),  # where its interrupts are presented
        ("acked_on", "i8"),  # pCPU that acknowledged it
        ("ending", "i8"),  # 1: that one has been asked to end it
    ],
    align=True,
)

PARTITION = np.dtype(
    [
        ("sources", "i8"),  # interrupt sources it has
        ("quirks", "i8"),  # bits of Quirk
        ("rtc", "i8"),  # real-time clock at cycle 0: seconds since 1970
        ("rtc_ns", "i8"),  # and nanoseconds
        ("nvram", "i8"),  # offset of its store in the RAM array
        ("nvram_bytes", "i8"),
        ("random", "i8"),  # state of H_RANDOM
    ],
    align=True,
)
"""The pseries board's one partition (docs/reference/pseries-board.md)."""

SERVER = np.dtype(
    [
        ("cppr", "i8"),  # current processor priority, 0 most favoured
        ("xisr", "i8"),  # source presented; 0: none
        ("priority", "i8"),  # and its priority
        ("mfrr", "i8"),  # IPI request priority; 0xFF: none
        ("vpa", "i8"),  # RAM offset of its virtual processor area; NOBODY: none
        ("dtl", "i8"),  # guest real address of its dispatch trace log; NOBODY
        ("shadow", "i8"),  # guest real address of its SLB shadow; NOBODY
    ],
    align=True,
)
"""An interrupt server, PAPR's word for a hardware thread that interrupts are sent to; it has its vCPU's number."""

ICS = np.dtype(
    [
        ("number", "i8"),  # 24 bits, as guests see it; ascending in the table
        ("level", "i8"),  # 1: LSI, a level line; 0: MSI, a message
        ("server", "i8"),
        ("priority", "i8"),  # 0xFF: masked
        ("saved", "i8"),  # priority that ibm,int-on brings back
        ("asserted", "i8"),  # LSI: the line is up
        ("sent", "i8"),  # LSI: offered and not yet ended
        ("rejected", "i8"),  # MSI: offered and refused, to be offered again
        ("masked_pending", "i8"),  # MSI: arrived while masked
    ],
    align=True,
)
"""A source of the partition's interrupt controller."""

PRINTED = np.dtype([("byte", "u1")], align=True)
"""What a partition printed and Python has not taken yet; not behaviour, as `REQUEST` is not."""

partition = table(Table.PARTITION, PARTITION)
printed = table(Table.PRINTED, PRINTED)
server = table(Table.SERVER, SERVER)
ics = table(Table.ICS, ICS)
domain = table(Table.DOMAIN, DOMAIN)
vcpu = table(Table.VCPU, VCPU)
port = table(Table.PORT, PORT)
pirq = table(Table.PIRQ, PIRQ)


class Quirk(IntEnum):
    """What another implementation of PAPR does differently, as bits; off unless asked for."""

    XIRR_OPENS = 1  # H_XIRR with nothing pending makes the CPPR 0xFF (QEMU 7.2)


class PortState(IntEnum):
    """States of an event channel (xen/include/xen/sched.h, ECS_*)."""

    FREE = 0
    RESERVED = 1
    UNBOUND = 2
    INTERDOMAIN = 3
    PIRQ = 4
    VIRQ = 5
    IPI = 6


class Attached(IntEnum):
    """Ports whose other side is the hypervisor itself, as bits."""

    OWNED = 1  # the hypervisor's own end: the domain may look at it, no more
    REMOTE = 2  # its remote end is the hypervisor's


class Release(IntEnum):
    """Whose event channels: what differs between releases of Xen."""

    XEN_2008 = 0  # the last tree with PowerPC, May 2008
    MODERN = 1  # 4.17


class Enable(IntEnum):
    """What a guest masks upcalls by."""

    MSR_EE = 0  # the processor's own bit (PowerPC)
    MASK_BYTE = 1  # evtchn_upcall_mask in vcpu_info (x86)


class Dying(IntEnum):
    """How far a domain's end has come."""

    NOT = 0
    DYING = 1  # its ports are closed; it can still be looked up
    GONE = 2  # nobody can name it any more


class RunState(IntEnum):
    """What a vCPU is doing (xen/include/public/vcpu.h, RUNSTATE_*)."""

    RUNNING = 0
    RUNNABLE = 1
    BLOCKED = 2
    OFFLINE = 3


class Entry(IntEnum):
    """Why the hypervisor was entered."""

    NONE = 0
    EXTERNAL = 1
    HDEC = 2
    HCALL_XEN = 3
    HCALL_PAPR = 4
    ACCESS = 5  # a guest touched something that only the hypervisor can do


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
    UPCALL = 7  # xen-x86: no callback to enter, or no memory for its frame


class Defect(IntEnum):
    """Bugs of hypervisors, as bits; off unless a scenario switches them on (of Xen/PPC numbered as in the docs)."""

    UNRECOVERABLE_PANICS = 1  # P2: a guest with EE=1 and RI=0 crashes the hypervisor
    EOI_ON_CALLER = 4  # P14: the EOI of a level interrupt is written by whichever pCPU its guest runs on by then
    SOFTIRQS_SKIPPED = 2  # P13: an external interrupt does not reschedule; a woken vCPU waits for HDEC or a hypercall
    FOREIGN_DROPPED = 8  # rhype, hybrid: somebody else's interrupt is ended, and not queued for its owner


ANY_ENTRY = -1
"""In vcpu.marked: a kick is on its way, so whatever enters the hypervisor first delivers in its place."""
