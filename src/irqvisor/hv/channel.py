"""Where the notification of a channel is (hv/inbox.py), and which event channel carries it."""

from irqvisor._jit import jit
from irqvisor.hv import event_channel, notify
from irqvisor.hv.state import Where, domain, port, vcpu
from irqvisor.hw.state import Arrival, header, source
from irqvisor.spec.papr import PRIORITY_NONE


@jit
def claim(m, d, s, number):
    """The board is told that a port of domain `d` announces channel `s`."""
    if 0 <= s < header(m).n_source and 0 < number < domain(m, d).ports:
        src = source(m, s)
        if src.kind == Arrival.CHANNEL and src.lpid == d:
            src.port = number
            port(m, domain(m, d).port + number).source = s + 1


@jit
def whereabouts(m, s):
    """Pending at the port or as an IPI, masked or held off by the consumer, or nowhere."""
    src = source(m, s)
    v = src.context
    w = vcpu(m, v)
    if src.port == 0:
        if w.mfrr == PRIORITY_NONE:
            return Where.NOWHERE
        return Where.UNDER_WAY if w.mfrr < w.cppr else Where.PRIORITY
    if not event_channel.is_pending(m, w.domain, src.port):
        return Where.NOWHERE
    if event_channel.is_masked(m, w.domain, src.port):
        return Where.MASKED
    return Where.UNDER_WAY if notify.upcall_pending(m, v) else Where.NOWHERE
