"""Where the devices' lines lead: to the OpenPIC, or where a machine has them, to the XIVE or to posted descriptors."""

from enum import IntEnum

from irqvisor._jit import hot, jit
from irqvisor.hw import openpic, posted, xive
from irqvisor.hw.state import header, pcpu
from irqvisor.spec.xive import PQ_OFF


class Controller(IntEnum):
    """Interrupt controllers, as the header names them."""

    OPENPIC = 0
    XIVE = 1
    POSTED = 2  # no controller between: descriptors (hw/posted.py)


EVENT_CHECK_IPI = 1
"""The IPI of the OpenPIC that hypervisors use to make each other look (Xen/PPC: IPI 1)."""


@jit
def pulse(m, irq):
    """One edge."""
    if header(m).controller == Controller.XIVE:
        xive.trigger(m, irq)
    elif header(m).controller == Controller.POSTED:
        posted.trigger(m, irq)
    else:
        openpic.pulse(m, irq)


@jit
def set_line(m, irq, level):
    """A device drives its line."""
    if header(m).controller == Controller.OPENPIC:
        openpic.set_line(m, irq, level)
    elif header(m).controller == Controller.POSTED:
        if level != 0:
            posted.trigger(m, irq)
        else:
            posted.drop_line(m, irq)
    elif level != 0:
        xive.trigger(m, irq)
    else:
        xive.drop_line(m, irq)


@hot
def is_under_way(m, irq):
    """1 while the controller still has to tell somebody of an edge."""
    if header(m).controller == Controller.XIVE:
        return xive.is_under_way(m, irq)
    if header(m).controller == Controller.POSTED:
        return posted.is_under_way(m, irq)
    return openpic.is_pending(m, irq)


@jit
def forwarded(m, arg):
    """What one processor made for another arrives: the event of a source, or the notification of a descriptor."""
    if header(m).controller == Controller.XIVE:
        xive.arrive(m, arg)
    else:
        posted.arrive(m, arg)


@jit
def silence(m, irq):
    """Nobody answers this line any more."""
    if header(m).controller == Controller.XIVE:
        xive.set_state(m, irq, PQ_OFF)
    elif header(m).controller == Controller.POSTED:
        posted.posted_source(m, irq).off = 1
    else:
        openpic.mask(m, irq)


@jit
def call_hypervisor(m, p):
    """The IPI of a hypervisor arrives at one of its processors."""
    if header(m).own_line != 0:
        pcpu(m, p).virtualization = 1
    else:
        openpic.send_ipi(m, EVENT_CHECK_IPI, 1 << p)
