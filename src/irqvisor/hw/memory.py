"""Big-endian loads and stores, regions of real memory, and what a store may disturb.

The common case is a partition's RAM window: one compare and one access (`bigendian.py`). Everything else (another
region, a device, a page with decoded or watched words, or one that forks share) goes through `find_region` and
`store_ram`. Whoever else writes RAM uses `write_ram`.
"""

from irqvisor._jit import cold, jit
from irqvisor.hw.bigendian import load8, load16, load32, load64, store8, store16, store32, store64
from irqvisor.hw.state import (
    CLEAN,
    CODE_PAGE,
    CODE_STRIDE,
    LITTLE,
    NOBODY,
    PAGE_SHIFT,
    PAGE_WORDS,
    codemap,
    context,
    header,
    pcpu,
    region,
    request,
)
from irqvisor.spec.bits import bswap16, bswap32, bswap64, i8, srl
from irqvisor.spec.power_isa import MSR_LE

EA_64 = (1 << 60) - 1
"""Real mode ignores the top four bits of an effective address."""
RESERVATION_GRANULE = 128
"""Bytes covered by a reservation on 970 and POWER7 to 9."""


@jit
def load_sized(ram, a, size):
    """A big-endian load of 1, 2, 4 or 8 bytes, zero-extended."""
    if size == 1:
        return load8(ram, a)
    if size == 2:
        return load16(ram, a)
    if size == 4:
        return load32(ram, a)
    return load64(ram, a)


@jit
def store_sized(ram, a, size, v):
    """A big-endian store of 1, 2, 4 or 8 bytes."""
    if size == 1:
        store8(ram, a, v)
    elif size == 2:
        store16(ram, a, v)
    elif size == 4:
        store32(ram, a, v)
    else:
        store64(ram, a, v)


@jit
def fetch(m, cpu, pc):
    """The instruction word at an effective address within the window, in the order that MSR[LE] says."""
    word = load32(m.ram, cpu.win_base + (pc & EA_64))
    return bswap32(word) if cpu.msr & MSR_LE != 0 else word


@jit
def in_order(cpu, size, value):
    """A big-endian value of memory as MSR[LE] makes a register of it, and back."""
    if cpu.msr & MSR_LE == 0 or size == 1:
        return value
    if size == 2:
        return bswap16(value)
    if size == 4:
        return bswap32(value)
    return bswap64(value)


@jit
def find_region(m, cpu, real, size):
    """Index of the region of this partition that holds `size` bytes at a real address, or NOBODY."""
    for k in range(cpu.region, cpu.region + cpu.regions):
        r = region(m, k)
        if real >= r.start and real + size <= r.start + r.bytes:
            return k
    return NOBODY


@jit
def pool_is_shared(m):
    """1: forks share the decoded-code pool, which may not be changed then. Record 0 of the pool says so."""
    return i8(m.code[0].x)


@jit
def forget_page(m, page):
    """Drop all words of a decoded page, by its number in the pool from 1. Own pools only."""
    request(m).forgotten = 1
    first = 1 + (page - 1) * CODE_STRIDE
    for k in range(first, first + PAGE_WORDS):
        m.code[k].op = 0


@jit
def forget_code(m, a, size):
    """Drop the decoded words that a store of `size` bytes at RAM offset `a` overlaps. Own pools only."""
    request(m).forgotten = 1
    for word in range(a >> 2, ((a + size - 1) >> 2) + 1):
        page = i8(codemap(m, word >> (PAGE_SHIFT - 2)).entry) & CODE_PAGE
        if page != 0:
            place = 1 + (page - 1) * CODE_STRIDE + (word & (PAGE_WORDS - 1))
            away = m.code[1 + (page - 1) * CODE_STRIDE + PAGE_WORDS].imm
            if away != 0:  # there is host code in that page, and a plain copy
                m.code[place + away].op = 0
                if m.code[place].op != 0:  # the host code may hold that word
                    forget_page(m, page)
            m.code[place].op = 0


@jit
def disturbs(m, a, size):
    """What a store at RAM offset `a` of at most a page has to mind: bits CODE_PAGE (decoded words), WATCHED, CLEAN."""
    first = i8(codemap(m, srl(a, PAGE_SHIFT)).entry)
    last = i8(codemap(m, srl(a + size - 1, PAGE_SHIFT)).entry)
    return first | last


@jit
def own(m, a, size):
    """The pages that a store at RAM offset `a` touches are this machine's own from now on (ram.py)."""
    for page in range(a >> PAGE_SHIFT, ((a + size - 1) >> PAGE_SHIFT) + 1):
        codemap(m, page).entry = i8(codemap(m, page).entry) & ~CLEAN


@cold
def disturb(m, a, size):
    """Own the pages of a store by somebody else than the running context, and drop the decoded words it overlaps: from
    a pool of our own; what forks share we leave, and decode these pages anew."""
    own(m, a, size)
    if pool_is_shared(m) == 0:
        forget_code(m, a, size)
        return
    request(m).forgotten = 1
    for page in range(a >> PAGE_SHIFT, ((a + size - 1) >> PAGE_SHIFT) + 1):
        codemap(m, page).entry = i8(codemap(m, page).entry) & ~(CODE_PAGE | LITTLE)


@jit
def drop_reservations(m, a, size, but):
    """A store by somebody else loses every reservation on the granules it touches (all contexts except `but`)."""
    for p in range(header(m).n_pcpu):
        c = pcpu(m, p).context
        if c >= 0 and c != but:
            cpu = context(m, c)
            if cpu.resv != 0:
                granule = cpu.resv_ram & ~(RESERVATION_GRANULE - 1)
                if a < granule + RESERVATION_GRANULE and a + size > granule:
                    cpu.resv = 0


@jit
def write_ram(m, a, size, value):
    """A store by a device or a hypervisor, at a RAM offset: loses reservations and drops decoded words. Never within
    a stretch, which remembers the decoded page that it is in."""
    if disturbs(m, a, size) & (CODE_PAGE | CLEAN) != 0:
        disturb(m, a, size)
    store_sized(m.ram, a, size, value)
    drop_reservations(m, a, size, NOBODY)
