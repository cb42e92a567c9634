"""The hardware's records; every field has a comment. Accessors take ``(m, index)``.

All 64-bit quantities are signed int64 (`spec/bits.py`). Times are cycles of the machine's one clock unless the name
says otherwise. A *context* is the architected state of one hardware thread as software sees it; each pCPU runs one
context at a time, or none. Hardware does not know what a domain is: it knows the logical partition id (LPID) of a
context and the regions of real memory that the partition may touch.
"""

from enum import IntEnum

import numpy as np

from irqvisor._jit import hot
from irqvisor.tables import Table, table

HEADER = np.dtype(
    [
        # What was chosen once, when the machine was made
        ("design", "i8"),  # number of the delivery design, see hv/dispatch.py; the hardware never reads it
        ("options", "i8"),  # bits of the design's options, see spec/designs.py; nor this
        (
            "own_line",
            "i8",
        ),  # 1: the hypervisor's IPIs come on the virtualization input, not the external one
        ("controller", "i8"),  # where the lines lead: Controller of hw/wiring.py
        ("n_pcpu", "i8"),
        ("n_context", "i8"),  # contexts = vCPUs
        ("n_domain", "i8"),
        ("n_source", "i8"),
        ("n_pirq", "i8"),  # inputs of the interrupt controller, wired or not
        ("clock_hz", "i8"),  # cycles a second
        ("tb_num", "i8"),  # time base = cycle * tb_num // tb_den
        ("tb_den", "i8"),
        ("cpi", "i8"),  # cycles one guest instruction takes
        ("hv_cpi", "i8"),  # cycles one instruction of hypervisor path length takes
        ("exc_entry", "i8"),  # charges, in cycles: docs/reference/charges.md
        ("exc_return", "i8"),
        ("hcall_rt", "i8"),
        ("world_switch_rt", "i8"),
        ("pic_read", "i8"),
        ("pic_write", "i8"),
        ("phys_ipi", "i8"),
        ("inject", "i8"),
        ("switch_penalty", "i8"),
        ("host_wakeup", "i8"),
        ("quantum", "i8"),  # with several pCPUs: how far one may run ahead of the others
        ("slice", "i8"),  # scheduler time slice
        ("hdec_period", "i8"),  # the longest time between two hypervisor decrementer interrupts
        ("balance", "i8"),  # 1: vCPUs go where a pCPU is idle
        ("boost", "i8"),  # 1: a woken vCPU may preempt at once
        ("defects", "i8"),  # bits of hv/state.py: historical bugs switched on
        ("start_at", "i8"),  # cycles between the last domain's ready mark and the start of the sources
        ("duration", "i8"),  # cycles from the start of the sources to their stop
        ("drain", "i8"),  # cycles from the stop of the sources to the end
        # What changes
        ("phase", "i8"),  # Phase
        ("horizon", "i8"),  # no pCPU starts an instruction at or after this cycle before the others reach it
        ("sequence", "i8"),  # events ever scheduled: breaks ties
        ("events", "i8"),  # entries of the timeline heap in use
        ("event_capacity", "i8"),  # length of its table
        ("started", "i8"),  # cycle at which the sources started
        ("tb_read", "i8"),  # the latest time base that a processor has read
        ("unready", "i8"),  # domains that have not written their ready mark yet
    ],
    align=True,
)

CONTEXT = np.dtype(
    [
        ("gpr", "i8", (33,)),  # gpr[32] is always zero: the operand of (RA|0) and of absent fields
        ("nip", "i8"),  # next instruction address
        ("msr", "i8"),
        ("lr", "i8"),
        ("ctr", "i8"),
        ("srr0", "i8"),
        ("srr1", "i8"),
        ("hsrr0", "i8"),
        ("hsrr1", "i8"),
        ("dar", "i8"),
        ("dsisr", "i8"),
        ("sprg", "i8", (4,)),
        ("hsprg", "i8", (2,)),
        ("tar", "i8"),
        ("cfar", "i8"),
        ("hid0", "i8"),  # 970: HDICE lives here
        ("hid1", "i8"),
        ("hid4", "i8"),  # 970: LPES0 and LPES1, RMOR, RMLR, LPID live here
        ("hid5", "i8"),
        ("lpcr", "i8"),  # power8: LPES0, HDICE, MER, ILE
        ("hior", "i8"),
        ("spr", "i8", (64,)),  # storage-only registers, indexed by hw/spr.py
        ("dec_base", "i8"),  # DEC = dec_base - time base, low 32 bits; the clock runs on while descheduled
        ("dec_at", "i8"),  # cycle before which no decrementer exception begins
        ("resv", "i8"),  # reservation: 0 none, else its size in bytes
        ("resv_addr", "i8"),  # its effective address
        ("resv_ram", "i8"),  # its offset in the RAM array
        ("win_base", "i8"),  # offset in the RAM array of the partition's real address 0
        ("win_size", "i8"),  # bytes of RAM from real address 0 on without a gap or an attribute
        ("region", "i8"),  # first record in the region table
        ("regions", "i8"),  # and how many
        ("watch_from", "i8"),  # RAM offsets, on watched pages, whose stores the hypervisor wants to see
        ("watch_to", "i8"),
        ("lpid", "i8"),  # logical partition
        ("pcpu", "i8"),  # where it runs, or ran last
        ("pir", "i8"),  # processor identification register
        ("cr", "u1", (8,)),  # CR fields, 4 bits each: LT GT EQ SO
        ("so", "u1"),  # XER bits, one byte each
        ("ov", "u1"),
        ("ca", "u1"),
        ("ov32", "u1"),
        ("ca32", "u1"),
        ("xer_low", "u4"),  # XER[46:63]: reserved bits, then the string length
    ],
    align=True,
)

PCPU = np.dtype(
    [
        ("now", "i8"),  # this pCPU's clock, in cycles
        ("icount", "i8"),  # instructions completed
        ("context", "i8"),  # the context that runs here; NOBODY: idle or in the hypervisor
        ("waiting", "i8"),  # 1: the context sleeps in MSR[POW] or nap until an interrupt is pending
        ("external", "i8"),  # level of the external interrupt input, driven by the controller
        ("virtualization", "i8"),  # level of the hypervisor virtualization interrupt input (POWER9)
        ("hdec_at", "i8"),  # cycle at which HDEC passes zero; NEVER when it is off
        ("hdec_base", "i8"),  # bare metal: HDEC = hdec_base - ticks, like DEC
        ("tb_offset", "i8"),  # time base = ticks + this: what software has written to it
        ("model", "i8"),  # Model
        ("isa", "i8"),  # architecture level: ISA_201, ISA_207 or ISA_300
        ("hypervisor", "i8"),  # 1: a hypervisor owns HV=1 on this machine; 0: software here is bare-metal
        ("watch_at", "i8"),  # RAM offset of a store that the hypervisor asked to see, then what it changed
        ("watch_old", "i8"),
        ("watch_new", "i8"),
        (
            "machine_checks",
            "i8",
        ),  # outside memory: 0: a storage interrupt; 1: hypervisor software gets a machine check; 2: everybody
        ("untranslated", "i8"),  # storage interrupts so far because MSR[IR] or MSR[DR] was on: nothing translates
        ("napping", "i8"),  # 1: what ends the sleep is a system reset interrupt
        ("doorbell", "i8"),  # doorbell exceptions of msgsndp and msgsnd, see hw/doorbell.py
        ("ringing", "i8"),  # and those under way from another pCPU
        ("random", "i8"),  # state of darn
        ("entry", "i8"),  # hv: why the hypervisor was entered last, see hv/state.py Entry
        ("serial", "i8"),  # hv: entries so far
        ("vcpus", "i8"),  # hv: a vCPU that is placed here, the lowest; NOBODY
        ("loaded", "i8"),  # hv: the vCPU whose state is loaded, running or not; round robin goes on from it
        ("slice_end", "i8"),  # hv: cycle at which the running vCPU's time slice ends
        ("kicked", "i8"),  # hv: 1: an IPI is on its way here
        ("endings", "i8"),  # hv: interrupts in service here that others ask it to end
        ("resched", "i8"),  # hv: 1: look for a better vCPU before resuming
    ],
    align=True,
)

REGION = np.dtype(
    [
        ("start", "i8"),  # guest real address
        ("bytes", "i8"),
        ("kind", "i8"),  # RegionKind
        ("ram", "i8"),  # RAM and ROM: offset in the RAM array
    ],
    align=True,
)

SOURCE = np.dtype(
    [
        ("kind", "i8"),  # Arrival: when items arrive
        ("active", "i8"),  # 1: between start and stop
        ("level", "i8"),  # 1: level sensitive line, high while the ring is not empty; 0: one pulse an item
        ("irq", "i8"),  # input of the interrupt controller this line is wired to
        ("context", "i8"),  # owner: the context whose memory holds the ring
        ("lpid", "i8"),  # the only partition that may use the doorbell
        ("ring", "i8"),  # RAM offset of the ring: u64 head, u64 unused, then `slots` u64 items
        ("slots", "i8"),  # a power of two
        ("head", "i8"),  # items ever posted
        ("tail", "i8"),  # items ever consumed, as told by the doorbell
        ("period", "i8"),  # periodic, burst: cycles between items; Poisson: mean
        ("phase", "i8"),  # cycles from the start to the first item
        ("on", "i8"),  # burst: cycles on, cycles off
        ("off", "i8"),
        ("response", "i8"),  # closed loop: cycles from a doorbell to the next item
        ("depth", "i8"),  # closed loop: items outstanding
        ("first", "i8"),  # recorded: first record in the arrival table
        ("arrivals", "i8"),  # and how many
        ("index", "i8"),  # arrivals so far
        ("began", "i8"),  # cycle of the start
        ("due", "i8"),  # cycle of the next arrival
        ("rng", "i8"),  # state of this source's random numbers, never 0
        ("posted", "i8"),  # first record in the table of posting times (observation)
        ("poster", "i8"),  # channel: the only partition that may post
        ("closes", "i8"),  # channel: 1: takes no items but between start and stop
        ("announced", "i8"),  # hv, channel: items posted when its producer notified last
        ("port", "i8"),  # hv, channel: the consumer's event channel, as it told the board; 0: none
        ("next", "i8"),  # hv, channel: the next one to the same vCPU, + 1
    ],
    align=True,
)

ARRIVAL = np.dtype([("at", "i8")], align=True)  # cycles after the start, ascending for each source

EVENT = np.dtype(
    [
        ("cycle", "i8"),
        ("priority", "i8"),  # lower first among equal cycles
        ("sequence", "i8"),  # then in order of scheduling
        ("kind", "i8"),  # EventKind
        ("arg", "i8"),
    ],
    align=True,
)

CODEMAP = np.dtype([("entry", "i4")], align=True)  # per 4 KiB RAM page: 0, or code page + 1, and the bits below

BREAKPOINT = np.dtype([("at", "i8")], align=True)
"""An instruction to stop before: its RAM offset. Told by Python, and not behaviour."""

REQUEST = np.dtype(
    [
        ("reason", "i8"),  # Stop
        ("pcpu", "i8"),
        ("domain", "i8"),
        ("value", "i8"),  # what the reason needs
        ("interrupts", "i8"),  # told by Python: 1: return after a context took an interrupt
        ("printed", "i8"),  # bytes in the table of what was printed since Python looked
        ("breakpoints", "i8"),  # told by Python: how many there are
        ("prompt", "i8"),  # told by Python: 1: return whenever something was printed
        ("last", "i8"),  # of the pCPU that is running: its count of instructions when it has to stop
        ("budget", "i8"),  # and how many it may complete before something has to be looked at
        ("resumed", "i8"),  # 1: the context that made the last hypercall goes on
        ("forgotten", "i8"),  # 1: decoded words were dropped since the gate was entered
        ("interpreted", "i8"),  # how often an address had to be interpreted, for want of host code that begins there
        ("interpreted_of", "i8"),  # the last time: the context
        ("interpreted_at", "i8"),  # and the address
    ],
    align=True,
)
"""What compiled code asks of Python when it returns. Not behaviour: serving a request leaves no trace."""

_header = table(Table.HEADER, HEADER)
_request = table(Table.REQUEST, REQUEST)
pcpu = table(Table.PCPU, PCPU)
context = table(Table.CONTEXT, CONTEXT)
region = table(Table.REGION, REGION)
event = table(Table.EVENT, EVENT)
source = table(Table.SOURCE, SOURCE)
arrival = table(Table.ARRIVAL, ARRIVAL)
codemap = table(Table.CODEMAP, CODEMAP)
breakpoint_at = table(Table.BREAKPOINT, BREAKPOINT)


@hot
def header(m):
    """The machine's one header record."""
    return _header(m, 0)


@hot
def request(m):
    """The machine's one request record."""
    return _request(m, 0)


NOBODY = -1
NEVER = (1 << 62) - 1
"""A cycle that does not come."""

PAGE_SHIFT = 12
PAGE_WORDS = 1024
CODE_STRIDE = PAGE_WORDS + 1
"""Decoded records a code page takes: its words, and one that says that the page ended."""

WATCHED = 1 << 30
"""In the code map: the hypervisor wants to see stores to this page."""
LITTLE = 1 << 29
"""In the code map: the words of this page were decoded in little-endian mode."""
CLEAN = 1 << 28
"""In the code map: forks share this page until one of them writes it (ram.py)."""
CODE_PAGE = CLEAN - 1


class Model(IntEnum):
    """Processor models; they differ in how interrupts are routed (Power ISA, and Xen/PPC ppc970.c)."""

    PPC970 = 0
    POWER8 = 1
    POWER9 = 2  # as POWER8, and the hypervisor virtualization interrupt


ISA_201 = 0
"""PowerPC AS 2.01: the 970."""
ISA_207 = 1
"""Power ISA 2.07B: POWER8."""
ISA_300 = 2
"""Power ISA 3.0B: POWER9."""
LEVELS = {"2.01": ISA_201, "2.07": ISA_207, "3.0": ISA_300}
"""Architecture levels by the name of their book."""
LEVEL_OF = {Model.PPC970: ISA_201, Model.POWER8: ISA_207, Model.POWER9: ISA_300}
"""The level of each model, unless somebody chooses another: what is an instruction, a register, an MSR bit."""


class Phase(IntEnum):
    """Where a run stands."""

    BOOT = 0  # guests initialise, sources are quiet
    ARMED = 1  # every domain is ready, the start is scheduled
    RUN = 2  # sources are active
    DRAIN = 3  # sources have stopped, what is in flight may finish
    END = 4


class RegionKind(IntEnum):
    """What answers at an address."""

    RAM = 0
    ROM = 1  # stores raise a data storage interrupt
    DOORBELL = 2  # the doorbells of the sources
    BOARD = 3  # ready mark, exit, console
    PIC = 4
    POST = 5  # where producers of channels say that they have posted
    QUEUE = 6  # RAM of event queues: who loads an entry learns of an event
    ESB = 7  # a page a source: the bits that let its events through
    TIMA = 8  # the ring of the processor that does the access
    VAPIC = 9  # the virtual controller of the vCPU that does the access
    TRIGGER = 10  # a page of another partition's source, which this one may trigger, and no more
    END = 11  # a page an event queue: the bits that let its notifications through


class Arrival(IntEnum):
    """How a source decides when its next item arrives."""

    MANUAL = 0  # only `Machine.raise_irq`
    PERIODIC = 1
    POISSON = 2
    BURST = 3
    RECORDED = 4
    CLOSED = 5  # the next item a fixed time after the consumption of one
    CHANNEL = 6  # another guest, or another vCPU, posts them


class EventKind(IntEnum):
    """Future events."""

    START = 0  # the sources begin
    STOP = 1  # the sources end
    END = 2  # the drain is over
    ARRIVE = 3  # arg: source; an item arrives
    KICK = 4  # arg: pCPU; a physical IPI arrives
    PIC_TIMER = 5  # arg: timer of the interrupt controller
    DOORBELL = 6  # arg: see hw/doorbell.py; a doorbell of another pCPU arrives
    FORWARDED = 7  # arg: as the controller has it; what one pCPU made for another arrives (hw/wiring.py)


class Stop(IntEnum):
    """Why the compiled loop returned to Python."""

    BUDGET = 0  # the asked-for instructions or cycles are done
    ENDED = 1  # the run reached its end
    CODE = 2  # the decoded-code pool is shared or full; enlarge it and go on
    HCALL = 3  # a control-plane hypercall waits for Python
    CONSOLE = 4  # a console byte waits
    EXIT = 5  # a guest ended itself; its status is in the domain
    FAULT = 6  # a guest did something that ends its domain
    DEADLOCK = 7  # nothing will ever happen again
    PANIC = 8  # an invariant of irqvisor broke
    LOG = 9  # the event log is nearly full; take its records and go on
    ATTENTION = 10  # attn: a guest stopped its processor
    CHECKSTOP = 11  # a machine check with MSR[ME]=0
    ATTACHED = 13  # a guest notified a port of the hypervisor itself
    INTERRUPT = 12  # a context took an interrupt, and `run` was told to stop there
    BREAKPOINT = 14  # the next instruction is one to stop before
