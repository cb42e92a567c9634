"""Make one machine the copy of another, again and again: state whole, RAM only where the two differ.

Both machines keep the bit CLEAN of the code map (hw/state.py) for every page of RAM that is the same in both; whoever
writes a page clears it. They share a pool of decoded words: the code map of the fork is handed back, and pages that
the fork wrote are decoded anew.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hw.memory import forget_page
from irqvisor.hw.state import CLEAN, CODE_PAGE, LITTLE, PAGE_SHIFT, codemap
from irqvisor.spec.bits import i8, u8
from irqvisor.tables import DIRECTORY_BYTES, Table

PAGE_DOUBLEWORDS = 1 << (PAGE_SHIFT - 3)
DIRECTORY = DIRECTORY_BYTES // 8
"""Doublewords of a state buffer before its tables."""


@jit
def offset(state, number):
    """Where a table begins, in doublewords of the state buffer."""
    return state[2 * number] >> 3


@jit
def pages_of(ram):
    """Pages of a RAM array of doublewords."""
    return len(ram) // PAGE_DOUBLEWORDS


@jit
def copy(target, source, first, end):
    """Copy doublewords. Unsigned places: LLVM must see that none is counted from the end."""
    for k in range(first, end):
        target[u8(k)] = source[u8(k)]


@jit
def keep_code(base, child, page):
    """Take over what the fork has decoded; what it wrote over is decoded anew."""
    there = codemap(child, page)
    here = codemap(base, page)
    place = i8(there.entry) & (CODE_PAGE | LITTLE)
    here.entry = (i8(here.entry) & ~(CODE_PAGE | LITTLE)) | place
    if place & CODE_PAGE != 0 and i8(there.entry) & CLEAN == 0:
        forget_page(base, place & CODE_PAGE)


@jit
def refresh(base, child, state, ram, twin_state, twin_ram, touched):
    """Make `child` what `base` is. The arrays are theirs, as doublewords; `touched` notes the pages of RAM that `base`
    has written since its history began."""
    for page in range(pages_of(ram)):
        keep_code(base, child, page)
        here = codemap(base, page)
        if i8(here.entry) & CLEAN == 0:
            touched[page] = 1
        if i8(here.entry) & i8(codemap(child, page).entry) & CLEAN == 0:
            copy(twin_ram, ram, page * PAGE_DOUBLEWORDS, (page + 1) * PAGE_DOUBLEWORDS)
        here.entry = i8(here.entry) | CLEAN
    # Histograms are large, and nobody looks at a fork's
    copy(twin_state, state, DIRECTORY, offset(state, Table.OBSERVED))
    copy(twin_state, state, offset(state, Table.OBSERVED + 1), len(state))
    o = trace.observed(child, 0)
    for k in range(len(o.largest)):
        o.largest[k] = 0
