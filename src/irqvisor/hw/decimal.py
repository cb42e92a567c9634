"""BCD assists: decimal digits in registers (Power ISA Book I, BCD Assist Instructions; DPD in Appendix B).

Three decimal digits are 12 bits of BCD, or 10 of densely packed decimal, a *declet*. A declet says by its bits v, w and
x, and if they are all ones by s and t, which digits are 8 or 9, and so need one bit only.
"""

from irqvisor._jit import jit
from irqvisor.hw import ops
from irqvisor.spec.bits import add, mul, sll, srl, ult

ONES = 0x1111111111111111
"""The lowest bit of each digit."""


@jit
def sixes(a, b):
    """addg6s: 6 in each digit out of which adding `a` and `b` carries nothing."""
    total = add(a, b)
    carried = srl(a ^ b ^ total, 4) | (sll(1, 60) if ult(total, a) else 0)  # out of a digit: into the next one
    return mul(~carried & ONES, 6)


@jit
def declet(digits):
    """Three BCD digits as a declet. Of a digit above 9, the bits that a valid one has there."""
    first = digits >> 8
    second = (digits >> 4) & 15
    third = digits & 15
    large = (first >> 3) << 2 | (second >> 3) << 1 | third >> 3
    low = (first & 1) << 7 | (second & 1) << 4 | third & 1
    if large == 0b000:
        return first << 7 | second << 4 | third
    if large == 0b001:
        return first << 7 | second << 4 | 0b1000 | third & 1
    if large == 0b010:
        return first << 7 | (third & 6) << 4 | low & 0x10 | 0b1010 | third & 1
    if large == 0b100:
        return (third & 6) << 7 | low & 0x80 | second << 4 | 0b1100 | third & 1
    if large == 0b110:
        return (third & 6) << 7 | low | 0b1110
    if large == 0b101:
        return (second & 6) << 7 | low | 0b010_1110
    if large == 0b011:
        return (first & 6) << 7 | low | 0b100_1110
    return low | 0b110_1110


@jit
def three_digits(d):
    """A declet as three BCD digits."""
    first = d >> 7
    second = (d >> 4) & 7
    third = d & 7
    if d & 0b1000 == 0:
        return first << 8 | second << 4 | third
    if d & 0b0110 == 0b0000:
        third = 8 | d & 1
    elif d & 0b0110 == 0b0010:
        third = second & 6 | d & 1
        second = 8 | second & 1
    elif d & 0b0110 == 0b0100:
        third = first & 6 | d & 1
        first = 8 | first & 1
    elif second & 6 == 0b000:
        third = first & 6 | d & 1
        first = 8 | first & 1
        second = 8 | second & 1
    elif second & 6 == 0b010:
        third = 8 | d & 1
        second = first & 6 | second & 1
        first = 8 | first & 1
    elif second & 6 == 0b100:
        third = 8 | d & 1
        second = 8 | second & 1
    else:
        third = 8 | d & 1
        second = 8 | second & 1
        first = 8 | first & 1
    return first << 8 | second << 4 | third


@jit
def assist(op, a, b):
    """addg6s of `a` and `b`; cbcdtd and cdtbcd of `a`: in each word six digits, or two declets."""
    if op == ops.ADDG6S:
        return sixes(a, b)
    result = 0
    for word in range(0, 64, 32):
        for group in range(2):
            if op == ops.CBCDTD:
                result |= sll(declet(srl(a, word + 12 * group) & 0xFFF), word + 10 * group)
            else:
                result |= sll(three_digits(srl(a, word + 10 * group) & 0x3FF), word + 12 * group)
    return result
