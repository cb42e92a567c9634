"""Channels: rings that one guest, or one vCPU, fills for another, and what is known of their notifications.

A channel is a source without a line. Its producer posts an item, tells the board, and notifies: through an event
channel, or by an IPI to another vCPU of its own domain. What is here only follows the notification, so that the fate of
each item can be told; delivering it is the business of event channels and of the virtual PIC.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv.state import vcpu
from irqvisor.hw.state import NOBODY, pcpu, source


@jit
def announce(m, p, s):
    """The producer of a channel, on pCPU `p`, has made its notification."""
    src = source(m, s)
    src.announced = src.head
    trace.accepted(m, s, p, vcpu(m, pcpu(m, p).context).domain if pcpu(m, p).context >= 0 else NOBODY, pcpu(m, p).now)


@jit
def announce_all(m, p, v):
    """A vCPU was sent an IPI: that is for every channel to it."""
    s = vcpu(m, v).inbox - 1
    while s >= 0:
        announce(m, p, s)
        s = source(m, s).next - 1


@jit
def learn(m, p, v, s):
    """The consumer learned of a channel: its journey goes on, and is complete when the handler returns."""
    trace.known(m, s, v, p, pcpu(m, p).now, source(m, s).head)
    trace.completes_at_return(m, s, v)


@jit
def learn_all(m, p, v):
    """The consumer learned of an IPI: it looks at every channel to it for which one was raised."""
    s = vcpu(m, v).inbox - 1
    while s >= 0:
        if trace.journey(m, s).next_id != 0:
            trace.known(m, s, v, p, pcpu(m, p).now, source(m, s).head)
        s = source(m, s).next - 1


@jit
def finish_all(m, p, v):
    """The consumer ended an IPI."""
    s = vcpu(m, v).inbox - 1
    while s >= 0:
        trace.finish(m, s, p, pcpu(m, p).now)
        s = source(m, s).next - 1
