"""Physical interrupts and the guests that have bound them (xen/arch/x86/irq.c, which the PowerPC port compiled in).

A line that is bound by several guests is shared: each is told, and the controller hears of the end when the last of
those that were told has said that it is done. `in_flight` has a bit for each guest that has not: 1 for the owner's,
then one for each sharer in the order in which they are noted. Xen/PPC compacted that list by too few bytes when a guest
left (and so lost the wrong one); here it is done right.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import event_channel, scheduler
from irqvisor.hv.accounting import path, write_pic
from irqvisor.hv.state import Defect, domain, pirq
from irqvisor.hw import openpic, wiring
from irqvisor.hw.state import NOBODY, Arrival, header, pcpu, source
from irqvisor.spec import paths

OWNER = 1


@jit
def bit_of(m, irq, d):
    """The bit of a guest that has bound a line; 0 if it has not."""
    r = pirq(m, irq)
    if r.domain == d and r.port != 0:
        return OWNER
    for k in range(r.sharers):
        if r.sharer[k] == d:
            return 2 << k
    return 0


@jit
def told(m, irq):
    """The guests that an interrupt of a line is for, a bit each: those alive."""
    r = pirq(m, irq)
    bits = OWNER if r.port != 0 and domain(m, r.domain).alive != 0 else 0
    for k in range(r.sharers):
        if domain(m, r.sharer[k]).alive != 0:
            bits |= 2 << k
    return bits


@jit
def tell(m, p, irq, bits):
    """Raise the ports of guests."""
    r = pirq(m, irq)
    if bits & OWNER != 0:
        event_channel.set_pending(m, p, r.domain, r.port)
    if bits > OWNER:
        for k in range(r.sharers):
            if bits & 2 << k != 0:
                event_channel.set_pending(m, p, r.sharer[k], r.sharer_port[k])


@jit
def finish(m, p, irq, d):
    """PHYSDEVOP_eoi: a guest is done with a line. Nothing if it was not told, or others are not done yet."""
    r = pirq(m, irq)
    if r.in_flight == 0:
        return
    bit = bit_of(m, irq, d)
    if r.in_flight & bit != 0:
        r.in_flight &= ~bit
        if r.in_flight == 0:
            end(m, p, irq)


@jit
def end(m, p, irq):
    """The last guest is done with a level interrupt: its EOI is due, at the pCPU that acknowledged it and has it in
    service. If the guest has moved since, that one is told by an IPI. (Xen/PPC wrote the caller's own EOI register, and
    so ended the wrong interrupt or none: defect `eoi-on-caller`.)"""
    r = pirq(m, irq)
    path(m, p, paths.END_PIRQ)
    if r.acked_on == p or header(m).defects & Defect.EOI_ON_CALLER != 0:
        write_end(m, p, irq)
        return
    r.ending = 1
    pcpu(m, r.acked_on).endings += 1
    scheduler.kick(m, p, r.acked_on)


@jit
def write_end(m, p, irq):
    """EOI, at the controller's register for pCPU `p`."""
    openpic.end_of_interrupt(m, p)
    write_pic(m, p)
    if pirq(m, irq).source != NOBODY:
        trace.finish(m, pirq(m, irq).source, p, pcpu(m, p).now)


@jit
def end_those_asked_for(m, p):
    """An IPI has arrived: end the interrupts that were acknowledged here and are done elsewhere."""
    pcpu(m, p).endings = 0
    for irq in range(header(m).n_pirq):
        r = pirq(m, irq)
        if r.ending != 0 and r.acked_on == p:
            r.ending = 0
            write_end(m, p, irq)


@jit
def leave(m, p, irq, d):
    """A guest gives a line up: it is done with what it was told of, and the last one's leaving masks the line."""
    finish(m, p, irq, d)
    r = pirq(m, irq)
    if r.domain == d:
        r.port = 0
    else:
        k = 0
        while r.sharer[k] != d:
            k += 1
        low = (2 << k) - 1
        r.in_flight = r.in_flight & low | r.in_flight >> 1 & ~low
        r.sharers -= 1
        for n in range(k, r.sharers):
            r.sharer[n] = r.sharer[n + 1]
            r.sharer_port[n] = r.sharer_port[n + 1]
    if r.port == 0 and r.sharers == 0:
        openpic.mask(m, irq)


@jit
def abandon(m, d):
    """Nobody answers a dead domain's interrupts: end what it has in service, which would hold off everybody else's on
    that pCPU, and mask the lines that nobody else has bound."""
    for irq in range(header(m).n_pirq):
        r = pirq(m, irq)
        bit = bit_of(m, irq, d)
        if r.in_flight & bit != 0:
            r.in_flight &= ~bit
            if r.in_flight == 0:
                openpic.end_of_interrupt(m, r.acked_on)
        if r.source != NOBODY and (r.domain == d or bit != 0) and told(m, irq) == 0:
            wiring.silence(m, irq)
    for s in range(header(m).n_source):
        channel = source(m, s)
        if channel.kind == Arrival.CHANNEL and channel.lpid == d and channel.irq != NOBODY:
            wiring.silence(m, channel.irq)
