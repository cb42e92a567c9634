"""The front panel: special purpose registers read and written from outside, as privileged software would."""

from irqvisor._jit import entry
from irqvisor.hw.spr import read_spr, write_spr
from irqvisor.hw.state import context
from irqvisor.tables import borrow


@entry
def get(m, p, c, number):
    """The SPR of context `c` on pCPU `p`. Not those of `spr.quick_move`, which are fields of the context."""
    m = borrow(m)
    return read_spr(m, p, context(m, c), number)


@entry
def put(m, p, c, number, value):
    """Write it."""
    m = borrow(m)
    write_spr(m, p, context(m, c), number, value)
