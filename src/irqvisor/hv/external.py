"""External interrupts that the hypervisor takes for event channels (Xen/PPC, external.c and mpic_init.c).

An edge is ended at the controller at once. A level line stays in service until the guest says that it is done, which
blocks its priority on this pCPU.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import accounting, event_channel, lines
from irqvisor.hv.state import Where, pirq, vcpu
from irqvisor.hw import openpic
from irqvisor.hw.state import NOBODY, header, pcpu, source
from irqvisor.spec import papr, paths

DEVICE_PRIORITY = 8
"""Of every source at the controller (Xen/PPC, mpic_init.c); a domain's own priorities are unknown to it."""


@jit
def open_controller(m):
    """Sources stay masked until a guest binds them, and have one priority, so that none nests in another: an EOI, which
    a guest may make late, names none."""
    for irq in range(header(m).n_pirq):
        if pirq(m, irq).source != NOBODY:
            openpic.set_priority(m, irq, DEVICE_PRIORITY)
    for p in range(header(m).n_pcpu):
        openpic.set_task_priority(m, p, openpic.task_priority(papr.PRIORITY_NONE))


@jit
def take(m, p):
    """Acknowledge one interrupt and mark its event; a vCPU that it wakes waits for the way out."""
    pc = pcpu(m, p)
    accounting.read_pic(m, p)
    irq = openpic.acknowledge_source(m, p)
    accounting.path(m, p, paths.EXTERNAL if openpic.is_input(m, irq) else paths.EVENT_CHECK)
    if irq < 0:
        return
    if not openpic.is_input(m, irq):
        openpic.end_of_interrupt(m, p)
        accounting.write_pic(m, p)
        if pc.endings != 0:
            lines.end_those_asked_for(m, p)
        if pc.context >= 0:
            vcpu(m, pc.context).marked = pc.serial  # a kick is the delivery of what was marked
        return
    r = pirq(m, irq)
    if r.source != NOBODY:
        trace.accepted(m, r.source, p, r.domain, pc.now)
    bits = lines.told(m, irq)
    if r.level == 0 or bits == 0:
        openpic.end_of_interrupt(m, p)
        accounting.write_pic(m, p)
    else:
        r.in_flight = bits
        r.acked_on = p
    lines.tell(m, p, irq, bits)


@jit
def drain(m, p):
    """Take everything that the controller holds for this pCPU."""
    while pcpu(m, p).external != 0:
        take(m, p)


@jit
def whereabouts(m, s):
    """In the controller, pending at the port, masked by the guest, or nowhere."""
    irq = source(m, s).irq
    r = pirq(m, irq)
    if r.port != 0 and event_channel.is_pending(m, r.domain, r.port):
        if event_channel.is_masked(m, r.domain, r.port):
            return Where.MASKED
        v = event_channel.notified(m, r.domain, r.port)
        return Where.UNDER_WAY if event_channel.upcall_pending(m, v) else Where.NOWHERE
    if r.in_flight != 0:
        return Where.PRIORITY
    if openpic.is_pending(m, irq) == 0:
        return Where.NOWHERE
    return Where.MASKED if openpic.is_masked(m, irq) != 0 else Where.UNDER_WAY
