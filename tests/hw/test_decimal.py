"""BCD assists against the equations of the book and against decimal numbers (Power ISA Book I, Appendix B)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqvisor._jit import entry
from irqvisor.hw import decimal, ops
from irqvisor.machine import Machine

doublewords = st.integers(0, 2**64 - 1)
digits = st.integers(0, 10**16 - 1)


@entry
def assist(op, a, b):
    return decimal.assist(op, a, b)


def signed(value):
    return value - (value >> 63 << 64)


def assisted(op, a, b=0):
    return int(assist(op, signed(a), signed(b))) & (2**64 - 1)


def bcd(number):
    return int(str(number), 16)


def packed(number):
    """Three digits as a declet, by the equations of BCD-to-DPD translation."""
    a, b, c, d, e, f, g, h, i, j, k, m = (bool(bcd(number) >> 11 - n & 1) for n in range(12))
    bits = (
        f & a & i & (not e) | j & a & (not i) | b & (not a),
        g & a & i & (not e) | k & a & (not i) | c & (not a),
        d,
        j & (not a) & e & (not i) | f & (not i) & (not e) | f & (not a) & (not e) | e & i,
        k & (not a) & e & (not i) | g & (not i) & (not e) | g & (not a) & (not e) | a & i,
        h,
        a | e | i,
        (not e) & j & (not i) | e & i | a,
        (not a) & k & (not i) | a & i | e,
        m,
    )
    return sum(bit << 9 - n for n, bit in enumerate(bits))


@pytest.mark.parametrize("number", [0, 7, 8, 79, 88, 97, 179, 188, 879, 888, 907, 980, 999])
def test_three_digits_are_packed_as_the_book_says(number):
    assert assisted(ops.CBCDTD, bcd(number)) == packed(number)


def test_every_three_digits_are_packed_and_unpacked():
    for number in range(1000):
        declet = packed(number)
        assert assisted(ops.CBCDTD, bcd(number)) == declet
        assert assisted(ops.CDTBCD, declet) == bcd(number)


@pytest.mark.parametrize("declet", range(0x300, 0x400))
def test_declets_that_no_digits_make_are_those_without_their_first_bits(declet):
    if declet & 0b110_1110 == 0b110_1110:
        assert assisted(ops.CDTBCD, declet) == assisted(ops.CDTBCD, declet & 0xFF)


@given(st.lists(st.integers(0, 999), min_size=4, max_size=4))
def test_each_word_has_two_declets_and_twelve_bits_that_are_cleared(numbers):
    digits = sum(bcd(n) << at for n, at in zip(numbers, (0, 12, 32, 44), strict=True))
    declets = sum(packed(n) << at for n, at in zip(numbers, (0, 10, 32, 42), strict=True))
    assert assisted(ops.CBCDTD, digits | 0xFF000000_FF000000) == declets
    assert assisted(ops.CDTBCD, declets | 0xFFF00000_FFF00000) == digits


@given(doublewords, doublewords)
def test_addg6s_gives_a_six_for_each_digit_without_a_carry(a, b):
    expected = 0
    for k in range(16):
        below = 16 ** (k + 1)
        if a % below + b % below < below:
            expected |= 6 << 4 * k
    assert assisted(ops.ADDG6S, a, b) == expected


@given(digits, digits)
def test_decimal_numbers_are_added_with_addg6s(x, y):
    a, b = bcd(x) + 0x6666_6666_6666_6666, bcd(y)
    total = (a + b - assisted(ops.ADDG6S, a, b)) % 2**64
    assert total == bcd((x + y) % 10**16)


@pytest.mark.parametrize(("extended", "result"), [(74, 0x6666_6666_6666_6666), (314, 0x8), (282, 0x8)])
def test_a_power8_executes_them_and_for_a_970_they_are_illegal(extended, result):
    word = 31 << 26 | 4 << 21 | 3 << 16 | extended << 1  # addg6s r4,r3,r0; cbcdtd r3,r4; cdtbcd r3,r4
    for cpu in ("970", "power8"):
        m = Machine.bare(memory_bytes=0x10000, cpu=cpu)
        m.memory[0x2000:0x2004] = word.to_bytes(4, "big")
        m.cpu[0].pc = 0x2000
        m.cpu[0].gpr[4] = 0x8
        m.run(instructions=1)
        if cpu == "970":
            assert m.interrupt == 0x700
        else:
            assert m.cpu[0].gpr[4 if extended == 74 else 3] == result
