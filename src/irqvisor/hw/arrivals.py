"""When the next item of a source arrives: integers only, the same on every machine.

Each source has its own random numbers, and no arrival depends on when the guest consumes (closed loops apart, which
the doorbell drives). So a source raises the same items at the same cycles under every delivery design. Where a
regular source's item k arrives is computed from k: nothing adds up roundings.
"""

from irqvisor._jit import jit
from irqvisor.hw.state import NEVER, Arrival, arrival, source
from irqvisor.spec.bits import clz, mulhu, sll, srl

XORSHIFT_MULTIPLIER = 0x2545F4914F6CDD1D  # Vigna, "An experimental exploration of Marsaglia's xorshift generators"

LN2 = 0x58B90BFBE8E7BCD5  # ln 2, 63 fraction bits
LN2_57 = LN2 >> 6
"""ln 2 with the 57 fraction bits of a standard exponential variate: below 64, so it fits."""

Q = (
    0x58B90BFBE8E7BCD5,
    0x7778C9FB6BAD4B7E,
    0x7E938C312CD57B61,
    0x7FCEB6E8287A62D3,
    0x7FFA67E7F78F3135,
    0x7FFF740C4370E317,
    0x7FFFF3FF428705DA,
    0x7FFFFF154398D8BE,
    0x7FFFFFEFD637756E,
    0x7FFFFFFEFCB20033,
    0x7FFFFFFFF11763CE,
    0x7FFFFFFFFF354EF6,
    0x7FFFFFFFFFF5FFC0,
    0x7FFFFFFFFFFF8A0B,
    0x7FFFFFFFFFFFFAE7,
    0x7FFFFFFFFFFFFFCA,
    0x7FFFFFFFFFFFFFFD,
    0x7FFFFFFFFFFFFFFF,
)
"""Q[k-1] = ln2/1! + (ln2)^2/2! + ... + (ln2)^k/k!, 63 fraction bits."""


@jit
def random(s):
    """64 random bits from a source's own generator (xorshift64*); `s.rng` must not be 0."""
    x = s.rng
    x ^= srl(x, 12)
    x ^= sll(x, 25)
    x ^= srl(x, 27)
    s.rng = x
    return x * XORSHIFT_MULTIPLIER


@jit
def standard_exponential(s):
    """A draw from the exponential distribution of mean 1, 57 fraction bits.

    Knuth, The Art of Computer Programming 2, "Other types of random quantities", Algorithm S: shifts, comparisons and
    a table of sums, where -ln(u) would need a logarithm.
    """
    bits = random(s)
    ones = clz(~bits)
    if ones > 62:  # 2^-63: the shift below must stay under 64
        ones = 62
    u = srl(sll(bits, ones + 1), 1)
    if u < LN2:
        return ones * LN2_57 + (u >> 6)
    v = srl(random(s), 1)
    k = 1
    while True:  # the least of k uniforms, k the first with u < Q[k]; at least two
        other = srl(random(s), 1)
        if other < v:
            v = other
        if k == len(Q) - 1 or u < Q[k]:
            return ones * LN2_57 + (mulhu(v, LN2) >> 5)
        k += 1


@jit
def exponential(s, mean):
    """Cycles to the next item of a Poisson source, rounded to nearest; `mean` is below 2^55."""
    return (mulhu(mean << 8, standard_exponential(s)) + 1) >> 1


@jit
def offset(m, src, index):
    """When item `index` of a regular source arrives, in cycles after its first possible one."""
    if src.kind == Arrival.PERIODIC:
        return index * src.period
    if src.kind == Arrival.BURST:
        items = (src.on + src.period - 1) // src.period
        return (index // items) * (src.on + src.off) + (index % items) * src.period
    return arrival(m, src.first + index).at


@jit
def is_silent(src):
    """Whether no item ever arrives by itself."""
    if src.kind in (Arrival.PERIODIC, Arrival.POISSON):
        return src.period <= 0
    if src.kind == Arrival.BURST:
        return src.period <= 0 or src.on <= 0
    if src.kind == Arrival.RECORDED:
        return src.arrivals <= 0
    return True


@jit
def first_arrival(m, s, start):
    """The cycle of a source's first item when the sources start at cycle `start`, or NEVER. Begins the source anew."""
    src = source(m, s)
    src.index = 0
    if is_silent(src):
        return NEVER
    if src.kind == Arrival.RECORDED:
        return start + offset(m, src, 0)
    if src.kind == Arrival.POISSON:
        return start + src.phase + exponential(src, src.period)
    return start + src.phase


@jit
def next_arrival(m, s, now):
    """The cycle of the item after the one that arrived at `now`, or NEVER. `now` is when it was due."""
    src = source(m, s)
    src.index += 1
    if is_silent(src):
        return NEVER
    if src.kind == Arrival.POISSON:
        return now + exponential(src, src.period)
    if src.kind == Arrival.RECORDED and src.index >= src.arrivals:
        return NEVER
    return now + offset(m, src, src.index) - offset(m, src, src.index - 1)
