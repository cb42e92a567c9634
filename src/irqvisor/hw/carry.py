"""Operations that read or set XER, and those that need a third register (Power ISA Book I, Fixed-Point Facility).

The XER bits are byte fields of the context. CA, and OV of the additions, look at 32 bits in 32-bit mode (``sf`` = 0);
OV32 and CA32 always do. Those two are of ISA 3.0, but they are kept on every model: older ones cannot see them.
The divides' and multiplies' overflow does not depend on the mode.
"""

from irqvisor._jit import hot, jit
from irqvisor.hw.alu import has_no_quotient, quotient
from irqvisor.hw.ops import (
    ADDC,
    ADDCO,
    ADDE,
    ADDEO,
    ADDEX,
    ADDO,
    DIVDEUO,
    DIVW,
    DIVWO,
    MADDHD,
    MADDLD,
    MULLDO,
    MULLWO,
    RLDCX,
    RLDIMI,
    RLWIMI,
    RLWNM,
    SRAD,
    SRAW,
    SUBFC,
    SUBFCO,
    SUBFE,
    SUBFEO,
    SUBFO,
)
from irqvisor.hw.undefined import UNDEFINED_QUOTIENT
from irqvisor.spec.bits import add, i8, mask, mul, mulhs, mulhu, rotl32, rotl64, sext32, sll, srl, ult
from irqvisor.spec.power_isa import CR_EQ, CR_GT, CR_LT


@hot
def record(cpu, value, sf):
    """CR0 of a record form: the result against zero (its low word in 32-bit mode), and XER[SO] as it is now."""
    v = value if sf != 0 else sext32(value)
    order = CR_LT if v < 0 else CR_GT if v > 0 else CR_EQ
    cpu.cr[0] = order | i8(cpu.so)


@hot
def set_carry(cpu, carries, sf):
    """CA and CA32 from the carry out of every bit."""
    cpu.ca32 = srl(carries, 31) & 1
    cpu.ca = srl(carries, 63) & 1 if sf != 0 else srl(carries, 31) & 1


@hot
def set_overflow(cpu, ov, ov32):
    """OV and OV32, each 0 or 1; OV stays in SO."""
    cpu.ov = ov
    cpu.ov32 = ov32
    cpu.so = i8(cpu.so) | ov


@jit
def add_carrying(cpu, x, y, carry_in, sf):
    """Add x + y + carry_in, setting CA and CA32."""
    total = add(add(x, y), carry_in)
    set_carry(cpu, (x & y) | ((x | y) & ~total), sf)
    return total


@jit
def add_overflowing(cpu, x, y, carry_in, sf):
    """Add x + y + carry_in, setting OV, OV32 and SO: both addends have the sign that the sum has not."""
    total = add(add(x, y), carry_in)
    wrong = (x ^ total) & (y ^ total)
    ov32 = srl(wrong, 31) & 1
    set_overflow(cpu, srl(wrong, 63) & 1 if sf != 0 else ov32, ov32)
    return total


@jit
def add_both(cpu, x, y, carry_in, sf):
    """Add x + y + carry_in, setting everything."""
    add_carrying(cpu, x, y, carry_in, sf)
    return add_overflowing(cpu, x, y, carry_in, sf)


@jit
def add_extended(cpu, x, y, sf):
    """addex: OV is the carry, in and out; SO is untouched."""
    total = add(add(x, y), i8(cpu.ov))
    carries = (x & y) | ((x | y) & ~total)
    cpu.ov32 = srl(carries, 31) & 1
    cpu.ov = srl(carries, 63) & 1 if sf != 0 else srl(carries, 31) & 1
    return total


@jit
def multiply_overflowing(cpu, op, x, y):
    """mullwo, mulldo: whether the signed product fits 32 or 64 bits."""
    if op == MULLWO:
        product = sext32(x) * sext32(y)
        lost = sext32(product) != product
    else:
        product = mul(x, y)
        lost = mulhs(x, y) != product >> 63
    ov = 1 if lost else 0
    set_overflow(cpu, ov, ov)
    return product


@jit
def divide_overflowing(cpu, op, x, y):
    """A divide with OE=1."""
    plain = op - DIVWO + DIVW
    if has_no_quotient(plain, x, y):
        set_overflow(cpu, 1, 1)
        return i8(UNDEFINED_QUOTIENT)
    set_overflow(cpu, 0, 0)
    return quotient(plain, x, y)


@hot
def shift_right_algebraic(cpu, x, n):
    """Shift right by 0 <= n < 64. CA: x is negative and ones were lost."""
    lost = x & ~sll(-1, n)
    ca = 1 if x < 0 and lost != 0 else 0
    cpu.ca = ca
    cpu.ca32 = ca
    return x >> n


@hot
def srad(cpu, x, n):
    """Shift right by 0 <= n < 128: 64 and above leave only signs."""
    if n < 64:
        return shift_right_algebraic(cpu, x, n)
    shift_right_algebraic(cpu, x, 63)
    cpu.ca = 1 if x < 0 else 0
    cpu.ca32 = 1 if x < 0 else 0
    return x >> 63


@jit
def insert(op, x, packed, old):
    """rlwimi, rldimi: rotate x and put the masked part into `old`.

    `packed` is the decoder's: the shift, then the first and the last bit of the mask, a byte each, from the right.
    """
    shift = packed & 0xFF
    inserted = mask((packed >> 8) & 0xFF, packed >> 16)
    rotated = rotl32(x, shift) if op == RLWIMI else rotl64(x, shift)
    return (rotated & inserted) | (old & ~inserted)


@jit
def multiply_add(op, x, y, z):
    """maddld: the low doubleword of x * y + z. maddhd, maddhdu: the high one, signed and unsigned."""
    low = mul(x, y)
    if op == MADDLD:
        return add(low, z)
    carry_out = 1 if ult(add(low, z), low) else 0
    if op == MADDHD:
        return add(mulhs(x, y), carry_out + (z >> 63))
    return add(mulhu(x, y), carry_out)


@hot
def carry(cpu, op, x, y, e, sf):
    """The result of a CARRY operation, which also sets the XER bits it defines.

    `e` is the small field of the decoded record: the number of the third register where there is one. `sf` is
    MSR[SF], zero in 32-bit mode.
    """
    if op == SRAW:
        return shift_right_algebraic(cpu, sext32(x), y & 63)
    elif op == ADDC:
        return add_carrying(cpu, x, y, 0, sf)
    elif op == SUBFC:
        return add_carrying(cpu, ~x, y, 1, sf)
    elif op == ADDE:
        return add_carrying(cpu, x, y, i8(cpu.ca), sf)
    elif op == SUBFE:
        return add_carrying(cpu, ~x, y, i8(cpu.ca), sf)
    elif op == SRAD:
        return srad(cpu, x, y & 127)
    elif op == RLWIMI or op == RLDIMI:
        return insert(op, x, y, cpu.gpr[e])
    elif op == RLWNM:
        return rotl32(x, cpu.gpr[e] & 31) & y
    elif op == RLDCX:
        return rotl64(x, cpu.gpr[e] & 63) & y
    elif op == ADDO:
        return add_overflowing(cpu, x, y, 0, sf)
    elif op == SUBFO:
        return add_overflowing(cpu, ~x, y, 1, sf)
    elif op == ADDCO:
        return add_both(cpu, x, y, 0, sf)
    elif op == SUBFCO:
        return add_both(cpu, ~x, y, 1, sf)
    elif op == ADDEO:
        return add_both(cpu, x, y, i8(cpu.ca), sf)
    elif op == SUBFEO:
        return add_both(cpu, ~x, y, i8(cpu.ca), sf)
    elif op == ADDEX:
        return add_extended(cpu, x, y, sf)
    elif op == MULLWO or op == MULLDO:
        return multiply_overflowing(cpu, op, x, y)
    elif op <= DIVDEUO:
        return divide_overflowing(cpu, op, x, y)
    return multiply_add(op, x, y, cpu.gpr[e])
