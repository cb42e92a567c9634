"""The 64-bit helpers against Python's integers."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from irqvisor._jit import entry
from irqvisor.spec import bits

M64 = (1 << 64) - 1
M32 = (1 << 32) - 1


@entry
def call(which, a, b):
    """One helper by number: helpers themselves are called by compiled code only."""
    if which == 0:
        return bits.srl(a, b & 63)
    if which == 1:
        return bits.sll(a, b & 63)
    if which == 2:
        return bits.i8(bits.ult(a, b))
    if which == 3:
        return bits.sext8(a)
    if which == 4:
        return bits.sext16(a)
    if which == 5:
        return bits.sext32(a)
    if which == 6:
        return bits.rotl64(a, b & 63)
    if which == 7:
        return bits.rotl32(a, b & 31)
    if which == 8:
        return bits.bswap16(a)
    if which == 9:
        return bits.bswap32(a)
    if which == 10:
        return bits.bswap64(a)
    if which == 11:
        return bits.popcount(a)
    if which == 12:
        return bits.clz(a)
    if which == 13:
        return bits.ctz(a)
    if which == 14:
        return bits.mulhu(a, b)
    if which == 15:
        return bits.mulhs(a, b)
    if which == 16:
        return bits.mask(a & 63, b & 63)
    if which == 17:
        return bits.add(a, b)
    if which == 18:
        return bits.sub(a, b)
    if which == 19:
        return bits.mul(a, b)
    return bits.low32(a)


@entry
def divide(which, a, b):
    """The same for the divides, which need b != 0."""
    if which == 0:
        return bits.divu(a, b)
    if which == 1:
        return bits.modu(a, b)
    if which == 2:
        return bits.divs(a, b)
    if which == 3:
        return bits.mods(a, b)
    return bits.divu128(a, b)


def signed(x: int, width: int = 64) -> int:
    x &= (1 << width) - 1
    return x - (1 << width) if x >> (width - 1) else x


def swap(x: int, size: int) -> int:
    return int.from_bytes((x & ((1 << 8 * size) - 1)).to_bytes(size, "big"), "little")


def rotated(x: int, n: int) -> int:
    return x << n | x >> (64 - n)


def ibm_mask(begin: int, end: int) -> int:
    inside = [n for n in range(64) if (begin <= n <= end if begin <= end else n >= begin or n <= end)]
    return sum(1 << (63 - n) for n in inside)


MODELS = [
    ("srl", lambda a, b: a >> (b & 63)),
    ("sll", lambda a, b: a << (b & 63)),
    ("ult", lambda a, b: a < b),
    ("sext8", lambda a, b: signed(a, 8)),
    ("sext16", lambda a, b: signed(a, 16)),
    ("sext32", lambda a, b: signed(a, 32)),
    ("rotl64", lambda a, b: rotated(a, b & 63)),
    ("rotl32", lambda a, b: rotated((a & M32) << 32 | (a & M32), b & 31)),
    ("bswap16", lambda a, b: swap(a, 2)),
    ("bswap32", lambda a, b: swap(a, 4)),
    ("bswap64", lambda a, b: swap(a, 8)),
    ("popcount", lambda a, b: a.bit_count()),
    ("clz", lambda a, b: 64 - a.bit_length()),
    ("ctz", lambda a, b: (a & -a).bit_length() - 1 if a else 64),
    ("mulhu", lambda a, b: a * b >> 64),
    ("mulhs", lambda a, b: signed(a) * signed(b) >> 64),
    ("mask", lambda a, b: ibm_mask(a & 63, b & 63)),
    ("add", lambda a, b: a + b),
    ("sub", lambda a, b: a - b),
    ("mul", lambda a, b: a * b),
    ("low32", lambda a, b: a & M32),
]

words = (
    st.integers(0, M64)
    | st.integers(0, 130)
    | st.integers(M64 - 130, M64)
    | st.sampled_from([1 << n for n in range(64)])
)


@settings(deadline=None)  # the first call compiles
@given(words, words)
@example(M64, M64)
@example(1 << 63, M64)
@example(M32, M32)
@example(0, 0)
def test_helpers_agree_with_python_integers(a: int, b: int) -> None:
    for which, (name, model) in enumerate(MODELS):
        found = call(which, np.int64(signed(a)), np.int64(signed(b)))
        assert int(found) == signed(model(a, b)), (name, hex(a), hex(b))


@settings(deadline=None)  # the first call compiles
@given(words, words.filter(bool))
@example(1 << 63, M64)
@example(1 << 63, 1)
def test_quotients_and_remainders_agree_with_python_integers(a: int, b: int) -> None:
    def of(which: int) -> int:
        return int(divide(which, np.int64(signed(a)), np.int64(signed(b))))

    x, y = signed(a), signed(b)
    quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
    assert of(0) == signed(a // b)
    assert of(1) == signed(a % b)
    assert of(2) == signed(quotient)
    assert of(3) == x - quotient * y
    if a < b:
        assert of(4) == signed((a << 64) // b)


@pytest.mark.parametrize(("value", "bits_set"), [(0, 0), (M64, 64), (1 << 63, 1)])
def test_popcount8_counts_each_byte(value: int, bits_set: int) -> None:
    assert sum(int(each_byte(np.int64(signed(value)))).to_bytes(8, "big")) == bits_set


@entry
def each_byte(x):
    """The helper of that name, callable."""
    return bits.popcount8(x)
