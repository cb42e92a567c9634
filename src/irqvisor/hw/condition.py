"""Operations on the condition register (Power ISA Book I): compares, CR logic, moves, and what selects by a CR bit."""

from irqvisor._jit import hot, jit
from irqvisor.hw.ops import (
    ADDPCIS,
    CMPD,
    CMPEQB,
    CMPLD,
    CMPLW,
    CMPRB,
    CMPW,
    CRAND,
    CRANDC,
    CREQV,
    CRNAND,
    CRNOR,
    CROR,
    CRORC,
    CRXOR,
    ISEL,
    MCRF,
    MCRXR,
    MCRXRX,
    MFCR,
    MFOCRF,
    MTCRF,
    MTOCRF,
)
from irqvisor.spec.bits import add, i8, low32, sext32, ult
from irqvisor.spec.power_isa import CR_EQ, CR_GT, CR_LT


@hot
def compare(cpu, field, x, y):
    """Signed comparison into a CR field, with SO."""
    cpu.cr[field] = (CR_LT if x < y else CR_GT if x > y else CR_EQ) | i8(cpu.so)


@hot
def compare_logical(cpu, field, x, y):
    """Unsigned comparison into a CR field, with SO."""
    cpu.cr[field] = (CR_LT if ult(x, y) else CR_GT if ult(y, x) else CR_EQ) | i8(cpu.so)


@hot
def cr_bit(cpu, number):
    """A CR bit by its number, 0 to 31."""
    return (i8(cpu.cr[number >> 2]) >> (3 - (number & 3))) & 1


@jit
def set_cr_bit(cpu, number, value):
    """Write a CR bit."""
    shift = 3 - (number & 3)
    cpu.cr[number >> 2] = (i8(cpu.cr[number >> 2]) & ~(1 << shift)) | (value << shift)


@jit
def cr_logic(op, a, b):
    """One CR bit from two."""
    if op == CRAND:
        return a & b
    elif op == CRANDC:
        return a & (b ^ 1)
    elif op == CREQV:
        return (a ^ b) ^ 1
    elif op == CRNAND:
        return (a & b) ^ 1
    elif op == CRNOR:
        return (a | b) ^ 1
    elif op == CROR:
        return a | b
    elif op == CRORC:
        return a | (b ^ 1)
    return a ^ b


@jit
def read_cr(cpu):
    """The whole CR as a word."""
    word = i8(0)
    for k in range(8):
        word = (word << 4) | i8(cpu.cr[k])
    return word


@jit
def write_cr(cpu, fields, word):
    """mtcrf: the CR fields that `fields` (FXM, 0x80 is CR0) names."""
    for k in range(8):
        if fields & (0x80 >> k) != 0:
            cpu.cr[k] = (word >> (28 - 4 * k)) & 15


@jit
def move_xer(cpu, op, field):
    """mcrxr: SO, OV, CA into a CR field, and cleared. mcrxrx: OV, OV32, CA, CA32, kept."""
    if op == MCRXRX:
        cpu.cr[field] = (i8(cpu.ov) << 3) | (i8(cpu.ov32) << 2) | (i8(cpu.ca) << 1) | i8(cpu.ca32)
    else:
        cpu.cr[field] = (i8(cpu.so) << 3) | (i8(cpu.ov) << 2) | (i8(cpu.ca) << 1)
        cpu.so = 0
        cpu.ov = 0
        cpu.ca = 0


@hot
def in_range(byte, bounds):
    """Whether a byte is within the range that a halfword gives as (high, low)."""
    return (bounds & 0xFF) <= byte <= ((bounds >> 8) & 0xFF)


@jit
def compare_ranged(cpu, field, x, y, second):
    """cmprb: GT if the low byte of x is in the range in y, or in the second one if that counts."""
    byte = x & 0xFF
    hit = in_range(byte, y) or (second != 0 and in_range(byte, y >> 16))
    cpu.cr[field] = CR_GT if hit else 0


@jit
def compare_any(cpu, field, x, y):
    """cmpeqb: GT if the low byte of x equals some byte of y."""
    cpu.cr[field] = 0
    for k in range(0, 64, 8):
        if (x ^ (y >> k)) & 0xFF == 0:
            cpu.cr[field] = CR_GT


@jit
def move(cpu, op, d, x, pc):
    """The rarer moves between CR, XER and registers."""
    t = i8(d.t)
    e = i8(d.x)
    if op == MFCR:
        cpu.gpr[t] = read_cr(cpu)
    elif op == MFOCRF:
        cpu.gpr[t] = i8(cpu.cr[e]) << (28 - 4 * e)  # the other fields are undefined: zero
    elif op == MTCRF:
        write_cr(cpu, e, x)
    elif op == MTOCRF:
        cpu.cr[e] = (x >> (28 - 4 * e)) & 15
    elif op == MCRF:
        cpu.cr[t] = cpu.cr[d.a]
    elif op == MCRXR or op == MCRXRX:
        move_xer(cpu, op, t)
    elif op == ADDPCIS:
        cpu.gpr[t] = add(pc, d.imm + 4)
    else:  # SETB
        field = i8(cpu.cr[d.a])
        cpu.gpr[t] = -1 if field & CR_LT != 0 else 1 if field & CR_GT != 0 else 0


@hot
def condition(cpu, op, d, x, y, pc):
    """Execute a CONDITION operation of the decoded record `d`: x and y are its operands, `pc` its address."""
    if op == CMPW:
        compare(cpu, d.t, sext32(x), sext32(y))
    elif op == CMPD:
        compare(cpu, d.t, x, y)
    elif op == CMPLW:
        compare_logical(cpu, d.t, low32(x), low32(y))
    elif op == CMPLD:
        compare_logical(cpu, d.t, x, y)
    elif op <= CRXOR:
        set_cr_bit(cpu, i8(d.t), cr_logic(op, cr_bit(cpu, i8(d.a)), cr_bit(cpu, i8(d.c))))
    elif op == ISEL:
        cpu.gpr[d.t] = x if cr_bit(cpu, i8(d.x)) != 0 else y
    elif op == CMPRB:
        compare_ranged(cpu, i8(d.t), x, y, i8(d.x))
    elif op == CMPEQB:
        compare_any(cpu, i8(d.t), x, y)
    else:
        move(cpu, op, d, x, pc)
