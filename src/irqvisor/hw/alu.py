"""Fixed-point operations that read two operands and write one register (Power ISA Book I, Fixed-Point Facility).

`alu` is pure: no CR, no XER, no memory. Record forms use the same function, see `carry.record`. Each line is a
`return`, which keeps type inference linear and lets LLVM make one jump table of the chain.

What the book leaves undefined is in `undefined.py`.
"""

from irqvisor._jit import hot, jit
from irqvisor.hw.ops import (
    ADD,
    AND,
    ANDC,
    BPERMD,
    CMPB,
    CNTLZD,
    CNTLZW,
    CNTTZD,
    CNTTZW,
    DIVD,
    DIVDEU,
    DIVDU,
    DIVW,
    DIVWE,
    DIVWEU,
    DIVWU,
    EQV,
    EXTSB,
    EXTSH,
    EXTSW,
    EXTSWSLI,
    MODSD,
    MODSW,
    MODUW,
    MULHD,
    MULHDU,
    MULHW,
    MULHWU,
    MULLD,
    MULLW,
    NAND,
    NOR,
    OR,
    ORC,
    POPCNTB,
    POPCNTD,
    POPCNTW,
    PRTYD,
    PRTYW,
    RLDIC,
    RLWINM,
    SLD,
    SLW,
    SRD,
    SRW,
    SUBF,
    XOR,
)
from irqvisor.hw.undefined import UNDEFINED_QUOTIENT, UNDEFINED_REMAINDER, both_halves, word_quotient
from irqvisor.spec.bits import (
    INT64_MIN,
    LOW32,
    add,
    clz,
    ctz,
    divs,
    divu,
    divu128,
    i8,
    low32,
    magnitude,
    mods,
    modu,
    mul,
    mulhs,
    mulhu,
    popcount,
    popcount8,
    rotl32,
    rotl64,
    sext8,
    sext16,
    sext32,
    sll,
    srl,
    sub,
    ult,
)

WORD_MIN = 0x80000000
"""The most negative word, as its 32 bits."""


@hot
def popcount_words(x):
    """popcntw: each word replaced by the number of its one bits."""
    return sll(popcount(srl(x, 32)), 32) | popcount(low32(x))


@hot
def parity_words(x):
    """prtyw: each word replaced by the parity of the low bits of its bytes."""
    ones = x & 0x0101010101010101
    return sll(popcount(srl(ones, 32)) & 1, 32) | (popcount(low32(ones)) & 1)


@jit
def compare_bytes(x, y):
    """cmpb: 0xFF for each pair of equal bytes."""
    result = i8(0)
    for k in range(0, 64, 8):
        if ((x ^ y) >> k) & 0xFF == 0:
            result = result | sll(0xFF, k)
    return result


@jit
def permute_bits(x, y):
    """bpermd: each byte of x picks a bit of y by its IBM number; 64 and above pick a zero."""
    result = i8(0)
    for k in range(8):
        number = (x >> (8 * k)) & 0xFF
        if number < 64:
            result = result | ((srl(y, 63 - number) & 1) << k)
    return result


@jit
def has_no_quotient(op, x, y):
    """Whether a divide overflows: by zero, or a quotient that does not fit."""
    if op == DIVW:
        return low32(y) == 0 or (low32(x) == WORD_MIN and low32(y) == LOW32)
    elif op == DIVWU:
        return low32(y) == 0
    elif op == DIVD:
        return y == 0 or (x == INT64_MIN and y == -1)
    elif op == DIVDU:
        return y == 0
    elif op == DIVWEU:
        return not ult(low32(x), low32(y))
    elif op == DIVDEU:
        return not ult(x, y)
    elif op == DIVWE:
        if low32(y) == 0:
            return True
        quotient = divs(sll(x, 32), sext32(y))
        return sext32(quotient) != quotient
    if not ult(magnitude(x), magnitude(y)):
        return True
    quotient = divu128(magnitude(x), magnitude(y))
    return quotient < 0 and not ((x ^ y) < 0 and quotient == INT64_MIN)


@jit
def quotient(op, x, y):
    """A quotient that exists (`has_no_quotient`), truncated."""
    if op == DIVW:
        return word_quotient(divs(sext32(x), sext32(y)))
    elif op == DIVWU:
        return divu(low32(x), low32(y))
    elif op == DIVD:
        return divs(x, y)
    elif op == DIVDU:
        return divu(x, y)
    elif op == DIVWE:
        return word_quotient(divs(sll(x, 32), sext32(y)))
    elif op == DIVWEU:
        return divu(sll(x, 32), low32(y))
    elif op == DIVDEU:
        return divu128(x, y)
    unsigned = divu128(magnitude(x), magnitude(y))
    return unsigned if (x ^ y) >= 0 else -unsigned


@jit
def remainder(op, x, y):
    """modsw, moduw, modsd, modud: the remainder has the dividend's sign, so a word is sign-extended by modsw only."""
    if op == MODSW:
        return mods(sext32(x), sext32(y)) if low32(y) != 0 else UNDEFINED_REMAINDER
    elif op == MODUW:
        return modu(low32(x), low32(y)) if low32(y) != 0 else UNDEFINED_REMAINDER
    elif op == MODSD:
        return mods(x, y) if y != 0 else UNDEFINED_REMAINDER
    return modu(x, y) if y != 0 else UNDEFINED_REMAINDER


@jit
def divide(op, x, y):
    """Every divide and modulo. None of them interrupts."""
    if op >= MODSW:
        return remainder(op, x, y)
    if has_no_quotient(op, x, y):
        return UNDEFINED_QUOTIENT
    return quotient(op, x, y)


@hot
def alu(op, x, y, e):
    """The result of an ALU operation. `e` is the small field of the decoded record: a shift amount."""
    if op == ADD:
        return add(x, y)
    elif op == SUBF:
        return sub(y, x)
    elif op == AND:
        return x & y
    elif op == ANDC:
        return x & ~y
    elif op == OR:
        return x | y
    elif op == ORC:
        return x | ~y
    elif op == XOR:
        return x ^ y
    elif op == NOR:
        return ~(x | y)
    elif op == NAND:
        return ~(x & y)
    elif op == EQV:
        return ~(x ^ y)
    elif op == EXTSB:
        return sext8(x)
    elif op == EXTSH:
        return sext16(x)
    elif op == EXTSW:
        return sext32(x)
    elif op == EXTSWSLI:
        return sll(sext32(x), e)
    elif op == CNTLZW:
        return clz(low32(x)) - 32
    elif op == CNTLZD:
        return clz(x)
    elif op == CNTTZW:
        return ctz(x | (1 << 32))
    elif op == CNTTZD:
        return ctz(x)
    elif op == POPCNTB:
        return popcount8(x)
    elif op == POPCNTW:
        return popcount_words(x)
    elif op == POPCNTD:
        return popcount(x)
    elif op == PRTYW:
        return parity_words(x)
    elif op == PRTYD:
        return popcount(x & 0x0101010101010101) & 1
    elif op == CMPB:
        return compare_bytes(x, y)
    elif op == BPERMD:
        return permute_bits(x, y)
    elif op == SLW:
        return low32(sll(x, y & 31)) if y & 32 == 0 else 0
    elif op == SRW:
        return srl(low32(x), y & 63)
    elif op == SLD:
        return sll(x, y & 63) if y & 64 == 0 else 0
    elif op == SRD:
        return srl(x, y & 63) if y & 64 == 0 else 0
    elif op == RLWINM:
        return rotl32(x, e) & y
    elif op == RLDIC:
        return rotl64(x, e) & y
    elif op == MULLD:
        return mul(x, y)
    elif op == MULLW:
        return sext32(x) * sext32(y)
    elif op == MULHW:
        return both_halves((sext32(x) * sext32(y)) >> 32)
    elif op == MULHWU:
        return both_halves(srl(mul(low32(x), low32(y)), 32))
    elif op == MULHD:
        return mulhs(x, y)
    elif op == MULHDU:
        return mulhu(x, y)
    return divide(op, x, y)
