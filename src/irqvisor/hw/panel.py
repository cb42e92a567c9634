"""The front panel: what is done to a processor from outside.

Special purpose registers are read and written as privileged software would; a page of instructions is decoded."""

from irqvisor._jit import entry
from irqvisor.hw.interpret import decode_at
from irqvisor.hw.ops import UNDECODED
from irqvisor.hw.spr import read_spr, write_spr
from irqvisor.hw.state import PAGE_WORDS, context, pcpu
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


@entry
def decode_page(m, c, start, first):
    """Decode what is not decoded of the page at address `start` of context `c`, at PAGE_WORDS places from `first`."""
    m = borrow(m)
    cpu = context(m, c)
    for k in range(PAGE_WORDS):
        if m.code[first + k].op == UNDECODED:
            decode_at(m, cpu, pcpu(m, cpu.pcpu).isa, first + k, start + 4 * k)
