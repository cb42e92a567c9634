"""64-bit integers as compiled code keeps them: always signed int64, with a few named helpers that are unsigned.

Numba turns mixed signed and unsigned arithmetic into float64 or flips a shift from logical to arithmetic without a
word. So nothing here or elsewhere holds an unsigned number for longer than one expression. Every helper takes and
returns int64 and gives the same answer compiled and in plain Python; predicates return a bool.

Signed ``+``, ``-`` and ``*`` must not overflow in compiled code: Numba promises LLVM that they do not (``nsw``), and
LLVM then drops sign bits it can prove away. What a guest computes overflows: use `add`, `sub` and `mul` for it.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from irqvisor._jit import NOJIT, hot, jit

if NOJIT:
    np.seterr(over="ignore", divide="ignore")  # scalars wrap like registers

i8 = np.int64
u8 = np.uint64
i4 = np.int32
i2 = np.int16
i1 = np.int8

INT64_MIN = -(1 << 63)
LOW32 = 0xFFFFFFFF


@intrinsic
def _expect(typingctx: Any, condition: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bit = ir.IntType(1)
        expect = builder.module.declare_intrinsic("llvm.expect", [bit], ir.FunctionType(bit, [bit, bit]))
        return builder.call(expect, [args[0], bit(1)])

    return types.boolean(types.boolean), codegen


def _as_it_is(condition: bool) -> bool:
    return condition


likely = _as_it_is if NOJIT else _expect
"""A condition, which LLVM may take to hold nearly always."""


@hot
def add(a, b):
    """Sum, modulo 2^64."""
    return i8(u8(i8(a)) + u8(i8(b)))


@hot
def sub(a, b):
    """Difference, modulo 2^64."""
    return i8(u8(i8(a)) - u8(i8(b)))


@hot
def mul(a, b):
    """Product, modulo 2^64."""
    return i8(u8(i8(a)) * u8(i8(b)))


@hot
def srl(x, n):
    """Logical shift right, 0 <= n < 64."""
    return i8(u8(i8(x)) >> u8(i8(n)))


@hot
def sll(x, n):
    """Shift left, 0 <= n < 64; bits fall off the top."""
    return i8(u8(i8(x)) << u8(i8(n)))


@hot
def ult(a, b):
    """Unsigned a < b."""
    return u8(i8(a)) < u8(i8(b))


@hot
def sext8(x):
    """The low byte, sign-extended."""
    return i8(i1(i8(x)))


@hot
def sext16(x):
    """The low halfword, sign-extended."""
    return i8(i2(i8(x)))


@hot
def sext32(x):
    """The low word, sign-extended."""
    return i8(i4(i8(x)))


@hot
def low32(x):
    """The low word, zero-extended."""
    return i8(x) & LOW32


@hot
def rotl64(x, n):
    """Rotate left, 0 <= n < 64."""
    return sll(x, n) | srl(srl(x, 1), 63 - n)


@hot
def rotl32(x, n):
    """The low word rotated left, 0 <= n < 32, and copied into the high word (Power ISA, ROTL32)."""
    doubled = low32(x) | sll(x, 32)
    return rotl64(doubled, n)


@hot
def bswap16(x):
    """The low halfword with its bytes exchanged, zero-extended."""
    return ((x & 0xFF) << 8) | ((x >> 8) & 0xFF)


@hot
def bswap32(x):
    """The low word with its bytes reversed, zero-extended."""
    return ((x & 0xFF) << 24) | ((x & 0xFF00) << 8) | ((x >> 8) & 0xFF00) | ((x >> 24) & 0xFF)


@hot
def bswap64(x):
    """All bytes reversed."""
    return sll(bswap32(x), 32) | bswap32(x >> 32)


@hot
def popcount8(x):
    """Each byte replaced by the number of its one bits."""
    x = sub(x, srl(x, 1) & 0x5555555555555555)
    x = (x & 0x3333333333333333) + (srl(x, 2) & 0x3333333333333333)
    return (x + srl(x, 4)) & 0x0F0F0F0F0F0F0F0F


@hot
def popcount(x):
    """Number of one bits."""
    return srl(mul(popcount8(x), 0x0101010101010101), 56)


@intrinsic
def _ctlz(typingctx: Any, x: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], context.get_constant(types.boolean, False))

    return types.int64(types.int64), codegen


@hot
def _smeared(x):
    """Leading zeros without a machine instruction: the ones that fill everything right of the first one, counted."""
    x = x | srl(x, 1)
    x = x | srl(x, 2)
    x = x | srl(x, 4)
    x = x | srl(x, 8)
    x = x | srl(x, 16)
    x = x | srl(x, 32)
    return popcount(~x)


_leading_zeros = _smeared if NOJIT else _ctlz


@hot
def clz(x):
    """Leading zeros of 64 bits; 64 for zero."""
    return _leading_zeros(i8(x))


@hot
def ctz(x):
    """Trailing zeros of 64 bits; 64 for zero."""
    return popcount(~x & sub(x, 1))


@hot
def mask(begin, end):
    """Ones from bit `begin` to bit `end`, IBM numbering, wrapping round if begin > end (Power ISA, MASK)."""
    from_begin = srl(-1, begin)
    to_end = sll(-1, 63 - end)
    return from_begin & to_end if begin <= end else from_begin | to_end


@hot
def divu(a, b):
    """Unsigned quotient; b is not zero."""
    return i8(u8(i8(a)) // u8(i8(b)))


@hot
def modu(a, b):
    """Unsigned remainder; b is not zero."""
    return i8(u8(i8(a)) % u8(i8(b)))


@hot
def magnitude(x):
    """|x| as an unsigned number: the most negative value keeps its bits."""
    return i8(x) if x >= 0 else -i8(x)


@hot
def divs(a, b):
    """Signed quotient, truncated; b is not zero, and not -1 with a = INT64_MIN."""
    q = divu(magnitude(a), magnitude(b))
    return q if (a ^ b) >= 0 else -q


@hot
def mods(a, b):
    """Signed remainder with the sign of a; b is not zero."""
    r = modu(magnitude(a), magnitude(b))
    return r if a >= 0 else -r


@jit
def mulhu(a, b):
    """High doubleword of the unsigned 128-bit product."""
    a_low = low32(a)
    a_high = srl(a, 32)
    b_low = low32(b)
    b_high = srl(b, 32)
    middle = add(mul(a_high, b_low), srl(mul(a_low, b_low), 32))  # (2^32-1)^2 + 2^32-1 < 2^64: nothing is lost
    other = add(mul(a_low, b_high), low32(middle))
    return add(mul(a_high, b_high), srl(middle, 32) + srl(other, 32))


@jit
def mulhs(a, b):
    """High doubleword of the signed 128-bit product."""
    return sub(sub(mulhu(a, b), b & (a >> 63)), a & (b >> 63))


@jit
def divu128(high, b):
    """Unsigned quotient (high || 64 zeros) / b, where high < b: then it fits 64 bits. Shift and subtract."""
    quotient = i8(0)
    rest = i8(high)
    for _ in range(64):
        carry = rest < 0  # the 65th bit of the doubled rest
        rest = sll(rest, 1)
        quotient = sll(quotient, 1)
        if carry or not ult(rest, b):
            rest = sub(rest, b)
            quotient = quotient | 1
    return quotient
