"""XICS: the interrupt controller that a PAPR partition sees, one presentation unit (ICP) a server, one source unit.

Lower numbers are more favoured. A source is *presented* to its server if its priority is more favoured than the CPPR
and than what is presented already; else it is *rejected* and offered again when the server ends something or opens up.
The server's output is the external interrupt input of the pCPU that its vCPU runs on. LoPAPR, Interrupt Controller;
where implementations differ, as KVM does it (arch/powerpc/kvm/book3s_xics.c).

Simplification: reaching another pCPU takes an IPI's time, so that causes come before effects; what the ICP's registers
say changes at once.
"""

from irqvisor._jit import entry, hot, jit
from irqvisor.hv import scheduler
from irqvisor.hv.state import Quirk, ics, partition, server, vcpu
from irqvisor.hw.state import NOBODY, pcpu
from irqvisor.spec.papr import PRIORITY_NONE, XIRR_CPPR_SHIFT, XISR_IPI, XISR_MASK, XISR_NONE
from irqvisor.tables import borrow


@jit
def drive(m, p, v):
    """A server's output may have changed, because of pCPU `p` (NOBODY: of a device)."""
    w = vcpu(m, v)
    if p == NOBODY or w.pcpu == p:
        if w.running != 0:
            pcpu(m, w.pcpu).external = 0 if server(m, v).xisr == XISR_NONE else 1
    else:
        scheduler.kick(m, p, w.pcpu)


@jit
def find(m, number):
    """The place of a source in the source unit; NOBODY if there is none of this number."""
    for k in range(partition(m, 0).sources):
        if ics(m, k).number == number:
            return k
    return NOBODY


@jit
def reject(m, number):
    """A source was refused, or taken back. An IPI needs nothing: the MFRR remembers it."""
    if number == XISR_IPI:
        return
    source = ics(m, find(m, number))
    if source.level != 0:
        source.sent = 0
    else:
        source.rejected = 1


@jit
def show(m, p, v, number, priority):
    """Present a source in place of what is presented."""
    s = server(m, v)
    if s.xisr != XISR_NONE:
        reject(m, s.xisr)
    s.xisr = number
    s.priority = priority
    drive(m, p, v)


@jit
def offer(m, p, k):
    """Offer a source to its server."""
    source = ics(m, k)
    s = server(m, source.server)
    priority = source.priority
    if priority < s.cppr and priority < s.mfrr and (s.xisr == XISR_NONE or priority < s.priority):
        show(m, p, source.server, source.number, priority)
    else:
        reject(m, source.number)


@jit
def check_ipi(m, p, v):
    """Present the IPI if it is the most favoured; it wins ties."""
    s = server(m, v)
    if s.mfrr < s.cppr and (s.xisr == XISR_NONE or s.mfrr <= s.priority):
        show(m, p, v, XISR_IPI, s.mfrr)


@jit
def resend(m, p, v):
    """A server has room: its IPI, then what was rejected, in ascending order."""
    check_ipi(m, p, v)
    for k in range(partition(m, 0).sources):
        reconsider(m, p, k)


@jit
def reconsider(m, p, k):
    """Offer a source if it wants to be: a message that was refused, a line that is up and not being served."""
    source = ics(m, k)
    if source.level != 0:
        if source.asserted != 0 and source.sent == 0 and source.priority != PRIORITY_NONE:
            source.sent = 1
            offer(m, p, k)
    elif source.rejected != 0:
        source.rejected = 0
        if source.priority != PRIORITY_NONE:
            offer(m, p, k)
        else:
            source.masked_pending = 1


@hot
def xirr(s):
    """The XIRR register."""
    return (s.cppr << XIRR_CPPR_SHIFT) | s.xisr


@jit
def accept(m, p, v):
    """H_XIRR: take what is presented, if anything; its priority becomes the CPPR. Returns the XIRR before."""
    s = server(m, v)
    value = xirr(s)
    if s.xisr == XISR_NONE:
        if partition(m, 0).quirks & Quirk.XIRR_OPENS != 0:
            s.cppr = PRIORITY_NONE
        return value
    s.cppr = s.priority
    s.xisr = XISR_NONE
    s.priority = PRIORITY_NONE
    drive(m, p, v)
    return value


@jit
def set_cppr(m, p, v, value):
    """H_CPPR: what the new priority refuses is taken back; a server that opens up is offered what waits."""
    s = server(m, v)
    closes = value < s.cppr
    s.cppr = value
    if closes:
        if s.xisr != XISR_NONE and value <= s.priority:
            number = s.xisr
            s.xisr = XISR_NONE
            s.priority = PRIORITY_NONE
            reject(m, number)
            drive(m, p, v)
    elif s.xisr == XISR_NONE:
        resend(m, p, v)


@jit
def set_mfrr(m, p, v, value):
    """H_IPI: request an IPI, or, with 0xFF, request none. One that is presented already stays."""
    s = server(m, v)
    opens = value > s.mfrr
    s.mfrr = value
    if opens and s.xisr == XISR_NONE:
        resend(m, p, v)
    else:
        check_ipi(m, p, v)


@jit
def end(m, p, v, value):
    """H_EOI: the CPPR in the top byte comes back and the source may come again. False if there is no such source."""
    s = server(m, v)
    s.cppr = (value >> XIRR_CPPR_SHIFT) & 0xFF
    number = value & XISR_MASK
    known = True
    if number != XISR_IPI:
        k = find(m, number)
        known = k != NOBODY
        if known:
            ics(m, k).sent = 0
    if s.xisr == XISR_NONE:
        resend(m, p, v)
    return known


@entry
def set_line(m, k, level):
    """A source's input from outside: for a line its level, for a message 1 is one pulse."""
    m = borrow(m)
    source = ics(m, k)
    if source.level != 0:
        source.asserted = level
        reconsider(m, NOBODY, k)
    elif level != 0:
        if source.priority == PRIORITY_NONE:
            source.masked_pending = 1
        else:
            offer(m, NOBODY, k)


@entry
def write_xive(m, p, k, target, priority, saved):
    """Steer a source: what waits for it is offered to its new server at once."""
    m = borrow(m)
    source = ics(m, k)
    source.server = target
    source.priority = priority
    source.saved = saved
    if source.masked_pending != 0 and priority != PRIORITY_NONE:
        source.masked_pending = 0
        source.rejected = 1
    reconsider(m, p, k)
