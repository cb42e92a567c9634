"""The OpenPIC of a PowerPC 970 machine: sources, priorities, acknowledge, end of interrupt, IPIs, timers.

A source that requests and is not masked is *offered* to its destination: it enters that processor's raised set. The
processor's external input is high while the best raised priority exceeds its task priority and everything it has in
service. Reading IACK takes the best raised source into service; writing EOI ends the highest-priority one in service.

Sources are numbered inputs first, then the four IPIs, then the four timers: among equal priorities the lowest number
is taken first. Processor c of the controller is pCPU c, whose `external` field is the output.

A raised set is kept per priority as a bitmap with two summaries above it: `levels` has a bit for each priority that
has anything, `groups[priority]` a bit for each word of `raised[priority]` that is not zero. So finding the best source
is three bit operations, whatever the number of sources. What is acknowledged has a strictly higher priority than all
that is in service there, so one source a priority is enough to remember that.

Simplifications:

* A request with several destinations goes to one of them in turn (round robin) and stays there until it is
  acknowledged or withdrawn. While a source is in service its next request goes to the same processor. The MODE bit of
  some models (bit 29 of the vector/priority register) reads as 0.
* A source in service keeps the priority it was acknowledged with; the book forbids changing it then.
* Polarity is stored; lines are already "asserted or not" here. Nothing is wired to the processor-initialisation
  register, and no 8259 to pass through to.
"""

import numpy as np

from irqvisor._jit import hot, jit
from irqvisor.hw import timeline
from irqvisor.hw.state import NOBODY, EventKind, header, pcpu
from irqvisor.spec.bits import clz, ctz, sll
from irqvisor.spec.openpic import (
    ALIAS_END,
    CPU_BASE,
    CPU_EOI,
    CPU_IACK,
    CPU_IPI_DISPATCH,
    CPU_IPI_DISPATCH_LAST,
    CPU_SHIFT,
    CPU_STRIDE,
    CPU_TASK_PRIORITY,
    CPU_WHOAMI,
    FIRST_IPI_VECTOR,
    FRR,
    FRR1,
    FRR_LAST_CPU_SHIFT,
    FRR_LAST_SOURCE_SHIFT,
    FRR_VERSION_1_2,
    GCR,
    GCR1,
    GCR_MIXED,
    GCR_RESET,
    GLOBAL_BASE,
    HIGHEST_PRIORITY,
    IPI_VECTOR,
    IPIS,
    PIR,
    PRIORITIES,
    SOURCE_BASE,
    SOURCE_STRIDE,
    SOURCE_VPR,
    STRIDE,
    SVR,
    TASK_PRIORITY_BITS,
    TBCR_INHIBIT,
    TCCR_TOGGLE,
    TFRR,
    TFRR_RESET,
    TIMER_BASE,
    TIMER_BASE_COUNT,
    TIMER_COUNT,
    TIMER_COUNT_BITS,
    TIMER_DESTINATION,
    TIMER_END,
    TIMER_STRIDE,
    TIMER_VPR,
    TIMERS,
    UNASSIGNED,
    VECTOR_8_BITS,
    VECTOR_11_BITS,
    VENDOR_SPECIFIC_0,
    VENDOR_SPECIFIC_3,
    VIR,
    VPR_ACTIVITY,
    VPR_MASK,
    VPR_POLARITY,
    VPR_PRIORITY,
    VPR_PRIORITY_SHIFT,
    VPR_SENSE,
    WHOAMI_BITS,
)
from irqvisor.tables import Table, table

WORDS = 9
"""64-bit words of a raised set."""
MAX_SOURCES = 64 * WORDS
"""Inputs, IPIs and timers together."""
INTERNAL_SOURCES = IPIS + TIMERS
"""Sources beyond the inputs."""
TIMER_DIVIDER = 8
"""Timers count at an eighth of the clock, unless the machine says otherwise."""
TIMER_PRIORITY = 0
"""Of a timer's event, among events of the same cycle."""

PIC = np.dtype(
    [
        # What the machine has
        ("n_inputs", "i8"),  # lines that devices drive; from the header
        ("n_cpu", "i8"),  # processors it serves: pCPU 0 to n_cpu - 1; from the header
        ("timer_divider", "i8"),  # cycles of the machine per timer tick; 0 before the first reset: TIMER_DIVIDER
        # Registers
        ("gcr", "i8"),
        ("gcr1", "i8"),
        ("svr", "i8"),
        ("tfrr", "i8"),
        ("base_count", "i8", (TIMERS,)),  # TBCR: count inhibit, base count
        ("held", "i8", (TIMERS,)),  # TCCR of a timer that is inhibited
        # Running timers
        ("loaded_at", "i8", (TIMERS,)),  # cycle at which the count was loaded
        ("loaded", "i8", (TIMERS,)),  # ticks it was loaded with; 0: ran out with nothing to reload
        ("toggle", "i8", (TIMERS,)),  # TOG since then, 0 or 1
    ],
    align=True,
)

PIC_CPU = np.dtype(
    [
        ("task_priority", "i8"),  # CTPR
        ("levels", "i8"),  # bit n: something of priority n is raised
        ("serving", "i8"),  # bit n: something of priority n is in service
        ("acknowledged", "i8"),  # source of the last IACK; NOBODY: it was spurious
        ("service", "i2", (PRIORITIES,)),  # the source in service at each priority; valid where `serving` says so
        ("groups", "i8", (PRIORITIES,)),  # bit w: word w of raised[priority] is not zero
        ("raised", "i8", (PRIORITIES, WORDS)),  # sources offered to this processor
    ],
    align=True,
)

PIC_SOURCE = np.dtype(
    [
        # The vector/priority and destination registers
        ("masked", "i8"),
        ("priority", "i8"),
        ("vector", "i8"),
        ("level", "i8"),  # 1: level, 0: edge (SENSE)
        ("polarity", "i8"),  # stored only
        ("destination", "i8"),  # bit c: processor c may receive
        # The request
        ("line", "i8"),  # 1: the input is asserted
        ("pending", "i8"),  # 1: requests service: the line of a level source, the latched edge of another
        ("targets", "i8"),  # IPI: processors that have not acknowledged it yet
        ("offered", "i8"),  # processors whose raised set holds it
        ("last", "i8"),  # processor that got the last request with several destinations
        ("server", "i8"),  # processor that has it in service; NOBODY (inputs and timers)
    ],
    align=True,
)

pic = table(Table.PIC, PIC)
pic_cpu = table(Table.PIC_CPU, PIC_CPU)
pic_source = table(Table.PIC_SOURCE, PIC_SOURCE)


# ----------------------------------------------------------------------------------------------------- numbering


@hot
def is_input(m, irq):
    """Whether a source is a line of a device, not an IPI or a timer."""
    return 0 <= irq < pic(m, 0).n_inputs


@hot
def ipi(m, n):
    """The source of IPI n."""
    return pic(m, 0).n_inputs + n


@hot
def timer(m, t):
    """The source of timer t."""
    return pic(m, 0).n_inputs + IPIS + t


@hot
def is_ipi(m, irq):
    """Whether a source is an IPI."""
    n = irq - pic(m, 0).n_inputs
    return 0 <= n < IPIS


@hot
def cpu_bits(m):
    """One bit for each processor."""
    return (1 << pic(m, 0).n_cpu) - 1


@hot
def vector_bits(m):
    """The vector field: 8 bits while they tell every source and the spurious vector apart, else 11."""
    return VECTOR_8_BITS if pic(m, 0).n_inputs + INTERNAL_SOURCES <= VECTOR_8_BITS else VECTOR_11_BITS


@hot
def mpic_priority(xics_priority):
    """The OpenPIC priority of an XICS one, whose most favoured is 0. 255 never delivers.

    The levels guests use (4 for IPIs, 5 for devices) stay apart, and p < c for a CPPR c up to 14, or 255, exactly when
    the source's priority exceeds `task_priority(c)`.
    """
    if xics_priority >= 0xFF:
        return 0
    return HIGHEST_PRIORITY - xics_priority if xics_priority < HIGHEST_PRIORITY - 1 else 1


@hot
def task_priority(cppr):
    """The OpenPIC task priority that holds off what an XICS CPPR holds off."""
    return HIGHEST_PRIORITY - cppr if cppr < HIGHEST_PRIORITY else 0


# ------------------------------------------------------------------------------------------------ offering requests


@hot
def outranks(levels, blocked):
    """Whether the highest bit of `levels` is above the highest bit of `blocked` (which is not zero)."""
    return levels > blocked and (levels ^ blocked) > blocked


@hot
def blocked(c):
    """The priorities a processor does not let through: the highest bit is the effective task priority."""
    return c.serving | (1 << c.task_priority)


@hot
def drive(m, p):
    """Recompute a processor's external input."""
    c = pic_cpu(m, p)
    pcpu(m, p).external = 1 if outranks(c.levels, blocked(c)) else 0


@hot
def best(c):
    """The source to take: highest priority, then lowest number. Something must be raised."""
    priority = 63 - clz(c.levels)
    word = ctz(c.groups[priority])
    return 64 * word + ctz(c.raised[priority, word])


@hot
def add(c, priority, irq):
    """Put a source into a raised set."""
    word = irq >> 6
    c.raised[priority, word] |= sll(1, irq & 63)
    c.groups[priority] |= 1 << word
    c.levels |= 1 << priority


@hot
def take_out(c, priority, irq):
    """Remove a source from a raised set."""
    word = irq >> 6
    rest = c.raised[priority, word] & ~sll(1, irq & 63)
    c.raised[priority, word] = rest
    if rest == 0:
        groups = c.groups[priority] & ~(1 << word)
        c.groups[priority] = groups
        if groups == 0:
            c.levels &= ~(1 << priority)


@hot
def next_in_turn(destinations, last):
    """The first destination after processor `last`, round robin. There must be one."""
    later = destinations & ~((2 << last) - 1)
    return ctz(later if later != 0 else destinations)


@jit
def destinations(m, irq):
    """Where the request of a source belongs now, one bit a processor."""
    s = pic_source(m, irq)
    if s.pending == 0 or s.masked != 0:
        return 0
    if is_ipi(m, irq):
        return s.targets
    named = s.destination
    if named & (named - 1) == 0:  # one, or none: then it stays pending
        return named
    if named & s.offered != 0:  # offered already: it stays there
        return named & s.offered
    if s.server >= 0 and named & (1 << s.server) != 0:
        return 1 << s.server
    s.last = next_in_turn(named, s.last)
    return 1 << s.last


@jit
def offer(m, irq):
    """Bring the raised sets up to date after a source changed, and the outputs of the processors concerned."""
    place(m, irq, destinations(m, irq))


@jit
def place(m, irq, wanted):
    """Make exactly the processors `wanted` hold a source in their raised sets."""
    s = pic_source(m, irq)
    changed = s.offered ^ wanted
    s.offered = wanted
    while changed != 0:
        p = ctz(changed)
        changed &= changed - 1
        if wanted & (1 << p) != 0:
            add(pic_cpu(m, p), s.priority, irq)
        else:
            take_out(pic_cpu(m, p), s.priority, irq)
        drive(m, p)


@jit
def set_priority(m, irq, priority):
    """Change a source's priority; where it is raised it moves to the set of its new priority."""
    s = pic_source(m, irq)
    held = s.offered
    place(m, irq, 0)
    s.priority = priority
    place(m, irq, held)


@hot
def set_sense(s, level):
    """Make a source level or edge sensitive; a level source requests what its line says."""
    s.level = level
    if level != 0:
        s.pending = s.line


# ------------------------------------------------------------------------------------------------------ devices


@jit
def set_line(m, irq, level):
    """A device drives its line. An edge source requests at the transition to asserted, and keeps the request."""
    s = pic_source(m, irq)
    rising = level != 0 and s.line == 0
    s.line = 1 if level != 0 else 0
    if s.level != 0:
        s.pending = s.line
        offer(m, irq)
    elif rising and s.pending == 0:
        s.pending = 1
        offer(m, irq)


@jit
def pulse(m, irq):
    """One edge. It joins a request that is not acknowledged yet; a level source does not notice."""
    s = pic_source(m, irq)
    if s.level == 0 and s.pending == 0:
        s.pending = 1
        offer(m, irq)


@jit
def is_pending(m, irq):
    """1 while a request waits: latched, or a level line that nobody has in service; masked or not."""
    s = pic_source(m, irq)
    return 1 if s.pending != 0 and (s.level == 0 or s.server < 0) else 0


@jit
def is_masked(m, irq):
    """1 while a source is masked."""
    return pic_source(m, irq).masked


@jit
def is_held_off(m, irq, p):
    """1 if a processor would not accept this source now: its task priority or what it has in service is in the way."""
    return 0 if outranks(1 << pic_source(m, irq).priority, blocked(pic_cpu(m, p))) else 1


# --------------------------------------------------------------------------------------------------- processors


@jit
def acknowledge_source(m, p):
    """Take the best raised source into service; returns it, or NOBODY if nothing beats what is held off (spurious).

    A spurious acknowledge changes nothing, and no EOI may follow it.
    """
    c = pic_cpu(m, p)
    if not outranks(c.levels, blocked(c)):
        c.acknowledged = NOBODY
        return NOBODY
    irq = best(c)
    c.acknowledged = irq
    s = pic_source(m, irq)
    c.serving |= 1 << s.priority
    c.service[s.priority] = irq
    if s.level == 0:  # a level source stays raised: in service, it no longer beats itself
        mine = 1 << p
        take_out(c, s.priority, irq)
        s.offered &= ~mine
        if is_ipi(m, irq):
            s.targets &= ~mine
            s.pending = 1 if s.targets != 0 else 0
        else:
            s.pending = 0
    s.server = p
    drive(m, p)
    return irq


@jit
def acknowledge(m, p):
    """Read IACK: the vector of what is now in service, or the spurious vector."""
    irq = acknowledge_source(m, p)
    return pic_source(m, irq).vector if irq >= 0 else pic(m, 0).svr


@jit
def end_of_interrupt(m, p):
    """Write EOI: what has the highest priority in service ends. Returns that source, or NOBODY: nothing was."""
    c = pic_cpu(m, p)
    if c.serving == 0:
        return NOBODY
    priority = 63 - clz(c.serving)
    c.serving &= ~(1 << priority)
    irq = np.int64(c.service[priority])
    s = pic_source(m, irq)
    if s.server == p:
        s.server = NOBODY
    drive(m, p)
    return irq


@jit
def pending_priority(m, p):
    """The priority of the best request that would be accepted if the task priority were 0; 0 for none."""
    c = pic_cpu(m, p)
    if c.levels == 0:
        return 0
    return 63 - clz(c.levels) if outranks(c.levels, c.serving | 1) else 0


@jit
def set_task_priority(m, p, value):
    """Write CTPR."""
    pic_cpu(m, p).task_priority = value & TASK_PRIORITY_BITS
    drive(m, p)


@jit
def task_priority_of(m, p):
    """Read CTPR."""
    return pic_cpu(m, p).task_priority


@jit
def send_ipi(m, n, cpu_mask):
    """Request IPI n on every processor of the mask that exists. A request not acknowledged yet is not counted twice."""
    irq = ipi(m, n)
    s = pic_source(m, irq)
    s.targets |= cpu_mask & cpu_bits(m)
    s.pending = 1 if s.targets != 0 else 0
    offer(m, irq)


# ------------------------------------------------------------------------------------------------- configuration


@jit
def mask(m, irq):
    """Withdraw a source from delivery; edges are still latched."""
    pic_source(m, irq).masked = 1
    offer(m, irq)


@jit
def unmask(m, irq):
    """Deliver a source again, and what it latched meanwhile."""
    pic_source(m, irq).masked = 0
    offer(m, irq)


@jit
def configure(m, irq, vector, priority, level, destination_mask):
    """Set what a source's registers hold, all but the mask bit. An IPI or timer is always edge triggered, and an
    IPI's destination is where it is sent.
    """
    s = pic_source(m, irq)
    set_priority(m, irq, priority & VPR_PRIORITY)
    s.vector = vector & vector_bits(m)
    s.destination = destination_mask & cpu_bits(m)
    if is_input(m, irq):
        set_sense(s, 1 if level != 0 else 0)
    offer(m, irq)


@jit
def steer(m, irq, destination_mask):
    """Send a source to other processors from now on, with what it requests already."""
    s = pic_source(m, irq)
    place(m, irq, 0)
    s.destination = destination_mask & cpu_bits(m)
    offer(m, irq)


@jit
def configure_ipi(m, n, priority):
    """Give an IPI a priority and the vector that drivers give it, and let it through."""
    irq = ipi(m, n)
    configure(m, irq, FIRST_IPI_VECTOR + n, priority, 0, 0)
    unmask(m, irq)


@jit
def reset(m):
    """Power on, or GCR reset: everything but the lines of the devices, which are not the controller's."""
    g = pic(m, 0)
    g.n_inputs = header(m).n_pirq
    g.n_cpu = header(m).n_pcpu
    if g.timer_divider == 0:
        g.timer_divider = TIMER_DIVIDER
    g.gcr = 0
    g.gcr1 = 0
    g.svr = vector_bits(m)
    g.tfrr = TFRR_RESET
    for t in range(TIMERS):
        timeline.cancel(m, EventKind.PIC_TIMER, t)
        g.base_count[t] = TBCR_INHIBIT
        g.held[t] = 0
        g.loaded_at[t] = 0
        g.loaded[t] = 0
        g.toggle[t] = 0
    for p in range(g.n_cpu):
        c = pic_cpu(m, p)
        c.task_priority = TASK_PRIORITY_BITS
        c.levels = 0
        c.serving = 0
        c.acknowledged = NOBODY
        for priority in range(PRIORITIES):
            c.service[priority] = 0
            c.groups[priority] = 0
            for word in range(WORDS):
                c.raised[priority, word] = 0
        drive(m, p)
    for irq in range(g.n_inputs + INTERNAL_SOURCES):
        s = pic_source(m, irq)
        s.masked = 1
        s.priority = 0
        s.vector = 0
        s.level = 0
        s.polarity = 0
        s.destination = 0
        s.pending = 0
        s.targets = 0
        s.offered = 0
        s.last = g.n_cpu - 1  # so the first round begins at processor 0
        s.server = NOBODY


# ------------------------------------------------------------------------------------------------------- timers


@jit
def load_timer(m, t, cycle):
    """A running timer takes its base count and counts down from `cycle` on; with base count 0 it waits for another."""
    g = pic(m, 0)
    g.loaded_at[t] = cycle
    g.loaded[t] = g.base_count[t] & TIMER_COUNT_BITS
    if g.loaded[t] != 0:
        timeline.schedule(m, cycle + g.loaded[t] * g.timer_divider, TIMER_PRIORITY, EventKind.PIC_TIMER, t)


@jit
def timer_expired(m, t, cycle):
    """The timeline says that timer t reached zero: reload, toggle, raise."""
    g = pic(m, 0)
    g.toggle[t] ^= 1
    load_timer(m, t, cycle)
    pulse(m, timer(m, t))


@jit
def timer_count(m, t, now):
    """Read TCCR. `now` may be beyond an expiry that the timeline has not come to yet."""
    g = pic(m, 0)
    if g.base_count[t] & TBCR_INHIBIT != 0:
        return g.held[t]
    if g.loaded[t] == 0:
        return TCCR_TOGGLE if g.toggle[t] != 0 else 0
    elapsed = (now - g.loaded_at[t]) // g.timer_divider
    left = g.loaded[t] - elapsed
    toggle = g.toggle[t]
    if left <= 0:
        base = g.base_count[t] & TIMER_COUNT_BITS
        rounds = 1
        if base != 0:
            rounds += -left // base
            left = base - -left % base
        else:
            left = 0
        toggle ^= rounds & 1
    return left | (TCCR_TOGGLE if toggle != 0 else 0)


@jit
def write_base_count(m, t, value, now):
    """Write TBCR: releasing a timer loads its count and clears TOG; inhibiting it freezes both."""
    g = pic(m, 0)
    was_inhibited = g.base_count[t] & TBCR_INHIBIT != 0
    if value & TBCR_INHIBIT != 0:
        g.held[t] = timer_count(m, t, now)
        timeline.cancel(m, EventKind.PIC_TIMER, t)
        g.base_count[t] = value
        return
    g.base_count[t] = value
    if was_inhibited:
        g.toggle[t] = 0
    if was_inhibited or g.loaded[t] == 0:
        load_timer(m, t, now)


# -------------------------------------------------------------------------------------------------- MMIO registers


@hot
def cpu_of(m, p, offset):
    """The processor whose block an offset is in, `p` for the alias; NOBODY if it is in none."""
    if offset < ALIAS_END:
        return p
    c = (offset - CPU_BASE) >> CPU_SHIFT
    return c if 0 <= c < pic(m, 0).n_cpu else NOBODY


@hot
def cpu_register(offset):
    """The offset inside a processor's block; 0, which is no register here, outside of them."""
    if offset < ALIAS_END:
        return offset
    return offset & (CPU_STRIDE - 1) if offset >= CPU_BASE else 0


@hot
def is_acknowledge(offset):
    """Whether a read there is an acknowledge."""
    return cpu_register(offset) == CPU_IACK


@hot
def is_end_of_interrupt(offset):
    """Whether a write there is an end of interrupt."""
    return cpu_register(offset) == CPU_EOI


@jit
def last_acknowledged(m, p, offset):
    """The source that the last acknowledge at this offset took; NOBODY if it was spurious."""
    c = cpu_of(m, p, offset)
    return pic_cpu(m, c).acknowledged if c >= 0 else NOBODY


@jit
def read_vpr(m, irq):
    """A vector/priority register."""
    s = pic_source(m, irq)
    value = s.vector | (s.priority << VPR_PRIORITY_SHIFT)
    if s.level != 0:
        value |= VPR_SENSE
    if s.polarity != 0:
        value |= VPR_POLARITY
    if s.masked != 0:
        value |= VPR_MASK
    elif s.pending != 0:
        value |= VPR_ACTIVITY
    return value


@jit
def write_vpr(m, irq, value):
    """Write a vector/priority register; sense and polarity exist only for inputs."""
    s = pic_source(m, irq)
    set_priority(m, irq, (value >> VPR_PRIORITY_SHIFT) & VPR_PRIORITY)
    s.vector = value & vector_bits(m)
    s.masked = 1 if value & VPR_MASK != 0 else 0
    if is_input(m, irq):
        s.polarity = 1 if value & VPR_POLARITY != 0 else 0
        set_sense(s, 1 if value & VPR_SENSE != 0 else 0)
    offer(m, irq)


@jit
def write_destination(m, irq, value):
    """Write a destination register; processors that do not exist read back as 0."""
    pic_source(m, irq).destination = value & cpu_bits(m)
    offer(m, irq)


@jit
def read(m, p, offset):
    """PCPU p loads the 32-bit register at an offset; the result is not negative."""
    if offset < 0 or offset % STRIDE != 0:
        return UNASSIGNED
    if offset < ALIAS_END or offset >= CPU_BASE:
        return read_cpu(m, cpu_of(m, p, offset), cpu_register(offset))
    if offset >= SOURCE_BASE:
        irq = (offset - SOURCE_BASE) // SOURCE_STRIDE
        if irq >= pic(m, 0).n_inputs:
            return UNASSIGNED
        if offset % SOURCE_STRIDE == SOURCE_VPR:
            return read_vpr(m, irq)
        return pic_source(m, irq).destination
    if TIMER_BASE <= offset < TIMER_END:
        t = (offset - TIMER_BASE) // TIMER_STRIDE
        return read_timer(m, t, offset % TIMER_STRIDE, pcpu(m, p).now)
    if GLOBAL_BASE <= offset < TIMER_BASE:
        return read_global(m, offset)
    return UNASSIGNED


@jit
def write(m, p, offset, value):
    """PCPU p stores to the 32-bit register at an offset. Returns the source that an EOI ended, NOBODY for all else."""
    if offset < 0 or offset % STRIDE != 0:
        return NOBODY
    if offset < ALIAS_END or offset >= CPU_BASE:
        return write_cpu(m, cpu_of(m, p, offset), cpu_register(offset), value)
    if offset >= SOURCE_BASE:
        irq = (offset - SOURCE_BASE) // SOURCE_STRIDE
        if irq < pic(m, 0).n_inputs:
            if offset % SOURCE_STRIDE == SOURCE_VPR:
                write_vpr(m, irq, value)
            else:
                write_destination(m, irq, value)
    elif TIMER_BASE <= offset < TIMER_END:
        t = (offset - TIMER_BASE) // TIMER_STRIDE
        write_timer(m, t, offset % TIMER_STRIDE, value, pcpu(m, p).now)
    elif GLOBAL_BASE <= offset < TIMER_BASE:
        write_global(m, offset, value)
    return NOBODY


@jit
def read_cpu(m, c, register):
    """A register of processor c's block."""
    if c < 0:
        return UNASSIGNED
    if register == CPU_IACK:
        return acknowledge(m, c)
    if register == CPU_TASK_PRIORITY:
        return task_priority_of(m, c)
    if register == CPU_WHOAMI:
        return c & WHOAMI_BITS
    if register == CPU_EOI or CPU_IPI_DISPATCH <= register <= CPU_IPI_DISPATCH_LAST:
        return 0
    return UNASSIGNED


@jit
def write_cpu(m, c, register, value):
    """Write a register of processor c's block; returns what an EOI ended."""
    if c < 0:
        return NOBODY
    if register == CPU_EOI:
        return end_of_interrupt(m, c)
    if register == CPU_TASK_PRIORITY:
        set_task_priority(m, c, value)
    elif CPU_IPI_DISPATCH <= register <= CPU_IPI_DISPATCH_LAST:
        send_ipi(m, (register - CPU_IPI_DISPATCH) // STRIDE, value)
    return NOBODY


@jit
def read_timer(m, t, register, now):
    """A register of timer t's block."""
    if register == TIMER_COUNT:
        return timer_count(m, t, now)
    if register == TIMER_BASE_COUNT:
        return pic(m, 0).base_count[t]
    if register == TIMER_VPR:
        return read_vpr(m, timer(m, t))
    return pic_source(m, timer(m, t)).destination


@jit
def write_timer(m, t, register, value, now):
    """Write a register of timer t's block; the count is read only."""
    if register == TIMER_BASE_COUNT:
        write_base_count(m, t, value, now)
    elif register == TIMER_VPR:
        write_vpr(m, timer(m, t), value)
    elif register == TIMER_DESTINATION:
        write_destination(m, timer(m, t), value)


@jit
def read_global(m, offset):
    """A global register."""
    g = pic(m, 0)
    if offset == FRR:
        last_source = (g.n_inputs - 1) << FRR_LAST_SOURCE_SHIFT
        return last_source | ((g.n_cpu - 1) << FRR_LAST_CPU_SHIFT) | FRR_VERSION_1_2
    if offset == GCR:
        return g.gcr
    if offset == GCR1:
        return g.gcr1
    if IPI_VECTOR <= offset < IPI_VECTOR + IPIS * STRIDE:
        return read_vpr(m, ipi(m, (offset - IPI_VECTOR) // STRIDE))
    if offset == SVR:
        return g.svr
    if offset == TFRR:
        return g.tfrr
    if offset in (FRR1, VIR, PIR) or VENDOR_SPECIFIC_0 <= offset <= VENDOR_SPECIFIC_3:
        return 0
    return UNASSIGNED


@jit
def write_global(m, offset, value):
    """Write a global register. A reset is over at once, and the rest of a value that asks for it is discarded."""
    g = pic(m, 0)
    if offset == GCR:
        if value & GCR_RESET != 0:
            reset(m)
        else:
            g.gcr = value & GCR_MIXED
    elif offset == GCR1:
        g.gcr1 = value
    elif IPI_VECTOR <= offset < IPI_VECTOR + IPIS * STRIDE:
        write_vpr(m, ipi(m, (offset - IPI_VECTOR) // STRIDE), value)
    elif offset == SVR:
        g.svr = value & vector_bits(m)
    elif offset == TFRR:
        g.tfrr = value
