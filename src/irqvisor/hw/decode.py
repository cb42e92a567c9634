"""Instruction words to operations and operands: one table, a row an instruction.

A row of `INSTRUCTIONS` gives the encoding (primary opcode, extended opcode), the form of the operands, the operation,
and the architecture levels that have it. `FORMS` says, a row a form, which instruction fields become which operands.
Both are expanded once into flat arrays, which the compiled `decode` indexes.

Operands are normalised so that the run loop need not know the form: a register field that means "zero" (RA = 0 of an
address, an absent RB) becomes register 32, and immediates are complete: sign-extended, shifted, or expanded into the
mask of a rotation.

Reserved fields are ignored (Power ISA Book I, Reserved Fields and Reserved Values). Invalid forms are illegal, with
two exceptions that processors execute: lmw with RA in the loaded range, and mtocrf or mfocrf that do not name exactly
one field (`undefined.one_field`). What is left out, and why, is at the end of docs/reference/isa.md.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from irqvisor._jit import jit
from irqvisor.hw import ops
from irqvisor.hw.ops import RC
from irqvisor.hw.state import ISA_201, ISA_207, ISA_300
from irqvisor.hw.undefined import one_field
from irqvisor.spec.bits import i8, mask, sext16
from irqvisor.spec.power_isa import BO_CR_TRUE, BO_IGNORE_CR, BO_KEEP_CTR, SPR_TB, SPR_TBU

NO_REGISTER = 32
"""The register that is always zero."""


FIELDS = {
    # name: (shift to the right, bits kept); the book's bit numbers are in the comment
    "-": (0, 0),
    "RT": (21, 31),  # 6:10, also RS, TO, BO, BT
    "BF": (23, 7),  # 6:8
    "RA": (16, 31),  # 11:15, also BI, BA
    "RA|0": (16, 31),
    "BFA": (18, 7),  # 11:13
    "RB": (11, 31),  # 16:20, also SH, BB, NB
    "RC": (6, 31),  # 21:25, also BC
    "FXM": (12, 255),  # 12:19
    "LK": (0, 1),  # 31
    "S": (11, 1),  # 20
    "L10": (21, 1),
    "L15": (16, 1),
    "L14": (16, 3),  # 14:15
    "SH6": (11, 31),  # 16:20 and bit 30 as the sixth bit
}


class Immediate(IntEnum):
    """Where an immediate comes from."""

    ZERO = 0
    MINUS_ONE = 1
    SI = 2  # 16:31, signed
    SI_HIGH = 3  # shifted left by 16
    UI = 4
    UI_HIGH = 5
    DS = 6  # 16:29, two zeros
    DQ = 7  # 16:27, four zeros
    LI = 8  # 6:29, two zeros
    BD = 9  # 16:29, two zeros
    DX = 10  # 16:25, 11:15, 31; shifted left by 16
    SPR = 11  # its halves swapped
    LEV = 12  # 20:26
    SH5 = 13
    SH6 = 14
    MB_ME = 15  # masks: of the M form
    MB_63 = 16  # of the MD and MDS forms
    ZERO_ME = 17
    MB_63_SH = 18
    SH_MB_ME = 19  # packed for an insert: shift, first and last bit of the mask
    SH_MB = 20


class Check(IntEnum):
    """What may make a form invalid, or which further bit chooses between two operations."""

    NONE = 0
    UPDATE_LOAD = 1  # RA is neither 0 nor RT
    UPDATE_STORE = 2  # RA is not 0
    LQ = 3  # RT is even, and not RA
    STQ = 4  # RS is even
    STQCX = 5  # both of RS even, Rc = 1
    LSWI = 6  # RA is not among the registers loaded
    RECORD = 7  # Rc = 1
    BCCTR = 8  # CTR is not counted down
    L = 9  # bit 10: the doubleword compare
    AA = 10  # bit 30: the absolute branch
    ONE_FIELD = 11  # bit 11: mfocrf for mfcr, mtocrf for mtcrf
    SX = 12  # bit 31: the upper vector-scalar registers belong to the vector unit
    SX28 = 13  # the same in bit 28
    LQARX = 14  # RT is even, and neither RA nor RB


class Form(NamedTuple):
    """Where the operands of a form come from; the strings are names of `FIELDS`."""

    t: str
    a: str
    c: str
    imm: Immediate
    x: str
    check: Check


FORMS = {
    # form           target first     second immediate             small   check
    "none":        Form("-",   "-",     "-",   Immediate.ZERO,        "-",    Check.NONE),
    "D":           Form("RT",  "RA|0",  "-",   Immediate.SI,          "-",    Check.NONE),
    "D<<16":       Form("RT",  "RA|0",  "-",   Immediate.SI_HIGH,     "-",    Check.NONE),
    "D load u":    Form("RT",  "RA",    "-",   Immediate.SI,          "-",    Check.UPDATE_LOAD),
    "D store u":   Form("RT",  "RA",    "-",   Immediate.SI,          "-",    Check.UPDATE_STORE),
    "D RA":        Form("RT",  "RA",    "-",   Immediate.SI,          "-",    Check.NONE),
    "D log":       Form("RA",  "RT",    "-",   Immediate.UI,          "-",    Check.NONE),
    "D log<<16":   Form("RA",  "RT",    "-",   Immediate.UI_HIGH,     "-",    Check.NONE),
    "D cmp":       Form("BF",  "RA",    "-",   Immediate.SI,          "-",    Check.L),
    "D cmpl":      Form("BF",  "RA",    "-",   Immediate.UI,          "-",    Check.L),
    "DS":          Form("RT",  "RA|0",  "-",   Immediate.DS,          "-",    Check.NONE),
    "DS load u":   Form("RT",  "RA",    "-",   Immediate.DS,          "-",    Check.UPDATE_LOAD),
    "DS store u":  Form("RT",  "RA",    "-",   Immediate.DS,          "-",    Check.UPDATE_STORE),
    "DS stq":      Form("RT",  "RA|0",  "-",   Immediate.DS,          "-",    Check.STQ),
    "DQ lq":       Form("RT",  "RA|0",  "-",   Immediate.DQ,          "-",    Check.LQ),
    "I":           Form("-",   "-",     "-",   Immediate.LI,          "LK",   Check.AA),
    "B":           Form("RT",  "RA",    "-",   Immediate.BD,          "LK",   Check.AA),
    "SC":          Form("-",   "-",     "-",   Immediate.LEV,         "-",    Check.NONE),
    "XL br":       Form("RT",  "RA",    "-",   Immediate.ZERO,        "LK",   Check.NONE),
    "XL bcctr":    Form("RT",  "RA",    "-",   Immediate.ZERO,        "LK",   Check.BCCTR),
    "XL cr":       Form("RT",  "RA",    "RB",  Immediate.ZERO,        "-",    Check.NONE),
    "XL rfebb":    Form("-",   "-",     "-",   Immediate.ZERO,        "S",    Check.NONE),
    "XL mcrf":     Form("BF",  "BFA",   "-",   Immediate.ZERO,        "-",    Check.NONE),
    "DX":          Form("RT",  "-",     "-",   Immediate.DX,          "-",    Check.NONE),
    "M":           Form("RA",  "RT",    "-",   Immediate.MB_ME,       "RB",   Check.NONE),
    "M insert":    Form("RA",  "RT",    "-",   Immediate.SH_MB_ME,    "RA",   Check.NONE),
    "MD l":        Form("RA",  "RT",    "-",   Immediate.MB_63,       "SH6",  Check.NONE),
    "MD r":        Form("RA",  "RT",    "-",   Immediate.ZERO_ME,     "SH6",  Check.NONE),
    "MD":          Form("RA",  "RT",    "-",   Immediate.MB_63_SH,    "SH6",  Check.NONE),
    "MD insert":   Form("RA",  "RT",    "-",   Immediate.SH_MB,       "RA",   Check.NONE),
    "MDS l":       Form("RA",  "RT",    "-",   Immediate.MB_63,       "RB",   Check.NONE),
    "MDS r":       Form("RA",  "RT",    "-",   Immediate.ZERO_ME,     "RB",   Check.NONE),
    "X":           Form("RT",  "RA|0",  "RB",  Immediate.ZERO,        "-",    Check.NONE),
    "X load u":    Form("RT",  "RA",    "RB",  Immediate.ZERO,        "-",    Check.UPDATE_LOAD),
    "X store u":   Form("RT",  "RA",    "RB",  Immediate.ZERO,        "-",    Check.UPDATE_STORE),
    "X lqarx":     Form("RT",  "RA|0",  "RB",  Immediate.ZERO,        "-",    Check.LQARX),
    "X stcx":      Form("RT",  "RA|0",  "RB",  Immediate.ZERO,        "-",    Check.RECORD),
    "X stqcx":     Form("RT",  "RA|0",  "RB",  Immediate.ZERO,        "-",    Check.STQCX),
    "X dcbz":      Form("RT",  "RA|0",  "RB",  Immediate.ZERO,        "L10",  Check.NONE),
    "X lswi":      Form("RT",  "RA|0",  "-",   Immediate.ZERO,        "RB",   Check.LSWI),
    "X stswi":     Form("RT",  "RA|0",  "-",   Immediate.ZERO,        "RB",   Check.NONE),
    "X cmp":       Form("BF",  "RA",    "RB",  Immediate.ZERO,        "-",    Check.L),
    "X cmprb":     Form("BF",  "RA",    "RB",  Immediate.ZERO,        "L10",  Check.NONE),
    "X bf":        Form("BF",  "RA",    "RB",  Immediate.ZERO,        "-",    Check.NONE),
    "X mcrxr":     Form("BF",  "-",     "-",   Immediate.ZERO,        "-",    Check.NONE),
    "X setb":      Form("RT",  "BFA",   "-",   Immediate.ZERO,        "-",    Check.NONE),
    "X log":       Form("RA",  "RT",    "RB",  Immediate.ZERO,        "-",    Check.NONE),
    "X unary":     Form("RA",  "RT",    "-",   Immediate.ZERO,        "-",    Check.NONE),
    "X sh5":       Form("RA",  "RT",    "-",   Immediate.SH5,         "-",    Check.NONE),
    "XS":          Form("RA",  "RT",    "-",   Immediate.SH6,         "-",    Check.NONE),
    "XS x":        Form("RA",  "RT",    "-",   Immediate.ZERO,        "SH6",  Check.NONE),
    "XO":          Form("RT",  "RA",    "RB",  Immediate.ZERO,        "-",    Check.NONE),
    "XO 0":        Form("RT",  "RA",    "-",   Immediate.ZERO,        "-",    Check.NONE),
    "XO -1":       Form("RT",  "RA",    "-",   Immediate.MINUS_ONE,   "-",    Check.NONE),
    "A":           Form("RT",  "RA|0",  "RB",  Immediate.ZERO,        "RC",   Check.NONE),
    "VA":          Form("RT",  "RA",    "RB",  Immediate.ZERO,        "RC",   Check.NONE),
    "XFX spr":     Form("RT",  "-",     "-",   Immediate.SPR,         "-",    Check.NONE),
    "XFX mfcr":    Form("RT",  "-",     "-",   Immediate.ZERO,        "FXM",  Check.ONE_FIELD),
    "XFX mtcrf":   Form("-",   "RT",    "-",   Immediate.ZERO,        "FXM",  Check.ONE_FIELD),
    "X msr":       Form("RT",  "-",     "-",   Immediate.ZERO,        "L15",  Check.NONE),
    "X darn":      Form("RT",  "-",     "-",   Immediate.ZERO,        "L14",  Check.NONE),
    "SX":          Form("-",   "-",     "-",   Immediate.ZERO,        "-",    Check.SX),
    "SX28":        Form("-",   "-",     "-",   Immediate.ZERO,        "-",    Check.SX28),
}  # fmt: skip

EXTENDED = {
    # primary opcode: (shift, mask) of its extended opcode; absent: it has none
    0: (1, 1023),
    4: (0, 63),
    17: (0, 3),
    19: (1, 1023),
    30: (1, 15),
    31: (1, 1023),
    57: (0, 3),
    58: (0, 3),
    61: (0, 7),
    62: (0, 3),
}


class Row(NamedTuple):
    """One instruction."""

    mnemonic: str  # [.] at the end: Rc = 1 makes the record form
    primary: int
    extended: int
    form: str
    op: int
    since: int = ISA_201
    until: int = ISA_300
    free: int = 0  # bits of the extended opcode that belong to an operand


def _memory() -> list[Row]:
    """Loads and stores: D-form, X-form and their update forms."""
    # mnemonic, D-form primary, X-form extended opcode, operation, update operation
    loads = [
        ("lbz", 34, 87, ops.LBZ, ops.LBZU),
        ("lhz", 40, 279, ops.LHZ, ops.LHZU),
        ("lha", 42, 343, ops.LHA, ops.LHAU),
        ("lwz", 32, 23, ops.LWZ, ops.LWZU),
    ]
    stores = [
        ("stb", 38, 215, ops.STB, ops.STBU),
        ("sth", 44, 407, ops.STH, ops.STHU),
        ("stw", 36, 151, ops.STW, ops.STWU),
    ]
    rows = []
    for kind, group in (("load", loads), ("store", stores)):
        for name, primary, xo, op, update in group:
            rows += [
                Row(name, primary, 0, "D", op),
                Row(name + "u", primary + 1, 0, f"D {kind} u", update),
                Row(name + "x", 31, xo, "X", op),
                Row(name + "ux", 31, xo + 32, f"X {kind} u", update),
            ]
    return rows


def _overflow() -> list[Row]:
    """The XO-form instructions, each with its OE=1 form: the extended opcode plus 512."""
    table = [
        # mnemonic, extended opcode, form, OE=0, OE=1, since
        ("add", 266, "XO", ops.ADD, ops.ADDO, ISA_201),
        ("subf", 40, "XO", ops.SUBF, ops.SUBFO, ISA_201),
        ("neg", 104, "XO 0", ops.SUBF, ops.SUBFO, ISA_201),
        ("addc", 10, "XO", ops.ADDC, ops.ADDCO, ISA_201),
        ("subfc", 8, "XO", ops.SUBFC, ops.SUBFCO, ISA_201),
        ("adde", 138, "XO", ops.ADDE, ops.ADDEO, ISA_201),
        ("subfe", 136, "XO", ops.SUBFE, ops.SUBFEO, ISA_201),
        ("addme", 234, "XO -1", ops.ADDE, ops.ADDEO, ISA_201),
        ("subfme", 232, "XO -1", ops.SUBFE, ops.SUBFEO, ISA_201),
        ("addze", 202, "XO 0", ops.ADDE, ops.ADDEO, ISA_201),
        ("subfze", 200, "XO 0", ops.SUBFE, ops.SUBFEO, ISA_201),
        ("mullw", 235, "XO", ops.MULLW, ops.MULLWO, ISA_201),
        ("mulld", 233, "XO", ops.MULLD, ops.MULLDO, ISA_201),
        ("divw", 491, "XO", ops.DIVW, ops.DIVWO, ISA_201),
        ("divwu", 459, "XO", ops.DIVWU, ops.DIVWUO, ISA_201),
        ("divd", 489, "XO", ops.DIVD, ops.DIVDO, ISA_201),
        ("divdu", 457, "XO", ops.DIVDU, ops.DIVDUO, ISA_201),
        ("divwe", 427, "XO", ops.DIVWE, ops.DIVWEO, ISA_207),
        ("divweu", 395, "XO", ops.DIVWEU, ops.DIVWEUO, ISA_207),
        ("divde", 425, "XO", ops.DIVDE, ops.DIVDEO, ISA_207),
        ("divdeu", 393, "XO", ops.DIVDEU, ops.DIVDEUO, ISA_207),
    ]
    rows = []
    for name, xo, form, op, op_overflow, since in table:
        rows.append(Row(name + "[.]", 31, xo, form, op, since))
        rows.append(Row(name + "o[.]", 31, xo + 512, form, op_overflow, since))
    return rows


def _floating() -> list[Row]:
    """Floating-point, vector and vector-scalar instructions: only which unavailable interrupt they raise matters."""
    rows = [Row("fp", primary, 0, "none", ops.FP_UNAVAILABLE) for primary in [*range(48, 56), 59, 63]]
    rows += [Row("fp", 31, xo, "none", ops.FP_UNAVAILABLE) for xo in (535, 567, 599, 631, 663, 695, 727, 759, 983)]
    rows += [Row("fp", 31, xo, "none", ops.FP_UNAVAILABLE, ISA_207) for xo in (791, 855, 887, 919)]
    vec = (6, 7, 38, 39, 71, 103, 135, 167, 199, 231, 359, 487)
    rows += [Row("vec", 31, xo, "none", ops.VEC_UNAVAILABLE) for xo in vec]
    vec = (*range(16), *range(32, 35), *range(36, 48), *range(59, 64))  # the last six bits; no others are vector's
    rows += [Row("vec", 4, xo, "none", ops.VEC_UNAVAILABLE) for xo in vec]
    rows += [Row("vec", 4, xo, "none", ops.VEC_UNAVAILABLE, ISA_201, ISA_207) for xo in (48, 49, 51)]
    vsx = (12, 76, 140, 268, 332, 396, 524, 588, 652, 716, 780, 844, 908, 972)
    rows += [Row("vsx", 31, xo, "none", ops.VSX_UNAVAILABLE, ISA_207) for xo in vsx]
    rows += [Row("vsx", 60, 0, "none", ops.VSX_UNAVAILABLE, ISA_207)]
    rows += [Row("mvsr", 31, xo, "SX", ops.FP_UNAVAILABLE, ISA_207) for xo in (51, 115, 179, 211, 243)]
    rows += [Row("mvsr", 31, xo, "SX", ops.VSX_UNAVAILABLE, ISA_300) for xo in (307, 403, 435)]
    rows += [
        Row("lfdp", 57, 0, "none", ops.FP_UNAVAILABLE, ISA_207),
        Row("lxsd", 57, 2, "none", ops.VEC_UNAVAILABLE, ISA_300),
        Row("lxssp", 57, 3, "none", ops.VEC_UNAVAILABLE, ISA_300),
        Row("stfdp", 61, 0, "none", ops.FP_UNAVAILABLE, ISA_207, free=4),
        Row("stxsd", 61, 2, "none", ops.VEC_UNAVAILABLE, ISA_300, free=4),
        Row("stxssp", 61, 3, "none", ops.VEC_UNAVAILABLE, ISA_300, free=4),
        Row("lxv", 61, 1, "SX28", ops.VSX_UNAVAILABLE, ISA_300),
        Row("stxv", 61, 5, "SX28", ops.VSX_UNAVAILABLE, ISA_300),
    ]
    return rows


# fmt: off
INSTRUCTIONS = _memory() + _overflow() + _floating() + [
    # Loads and stores with encodings of their own
    Row("lwa",        58,    2, "DS",         ops.LWA),
    Row("lwax",       31,  341, "X",          ops.LWA),
    Row("lwaux",      31,  373, "X load u",   ops.LWAU),
    Row("ld",         58,    0, "DS",         ops.LD),
    Row("ldu",        58,    1, "DS load u",  ops.LDU),
    Row("ldx",        31,   21, "X",          ops.LD),
    Row("ldux",       31,   53, "X load u",   ops.LDU),
    Row("std",        62,    0, "DS",         ops.STD),
    Row("stdu",       62,    1, "DS store u", ops.STDU),
    Row("stdx",       31,  149, "X",          ops.STD),
    Row("stdux",      31,  181, "X store u",  ops.STDU),
    Row("lhbrx",      31,  790, "X",          ops.LHBRX),
    Row("lwbrx",      31,  534, "X",          ops.LWBRX),
    Row("ldbrx",      31,  532, "X",          ops.LDBRX, ISA_207),
    Row("sthbrx",     31,  918, "X",          ops.STHBRX),
    Row("stwbrx",     31,  662, "X",          ops.STWBRX),
    Row("stdbrx",     31,  660, "X",          ops.STDBRX, ISA_207),
    Row("lmw",        46,    0, "D",          ops.LMW),
    Row("stmw",       47,    0, "D",          ops.STMW),
    Row("lswi",       31,  597, "X lswi",     ops.LSWI),
    Row("lswx",       31,  533, "X",          ops.LSWX),
    Row("stswi",      31,  725, "X stswi",    ops.STSWI),
    Row("stswx",      31,  661, "X",          ops.STSWX),
    Row("lq",         56,    0, "DQ lq",      ops.LQ, ISA_207),
    Row("stq",        62,    2, "DS stq",     ops.STQ, ISA_207),
    Row("lbarx",      31,   52, "X",          ops.LBARX, ISA_207),
    Row("lharx",      31,  116, "X",          ops.LHARX, ISA_207),
    Row("lwarx",      31,   20, "X",          ops.LWARX),
    Row("ldarx",      31,   84, "X",          ops.LDARX),
    Row("lqarx",      31,  276, "X lqarx",    ops.LQARX, ISA_207),
    Row("stbcx.",     31,  694, "X stcx",     ops.STBCX, ISA_207),
    Row("sthcx.",     31,  726, "X stcx",     ops.STHCX, ISA_207),
    Row("stwcx.",     31,  150, "X stcx",     ops.STWCX),
    Row("stdcx.",     31,  214, "X stcx",     ops.STDCX),
    Row("stqcx.",     31,  182, "X stqcx",    ops.STQCX, ISA_207),
    Row("lbzcix",     31,  853, "X",          ops.LBZCIX, ISA_207),
    Row("lhzcix",     31,  821, "X",          ops.LHZCIX, ISA_207),
    Row("lwzcix",     31,  789, "X",          ops.LWZCIX, ISA_207),
    Row("ldcix",      31,  885, "X",          ops.LDCIX, ISA_207),
    Row("stbcix",     31,  981, "X",          ops.STBCIX, ISA_207),
    Row("sthcix",     31,  949, "X",          ops.STHCIX, ISA_207),
    Row("stwcix",     31,  917, "X",          ops.STWCIX, ISA_207),
    Row("stdcix",     31, 1013, "X",          ops.STDCIX, ISA_207),

    # Fixed-point arithmetic
    Row("addi",       14,    0, "D",          ops.ADD),
    Row("addis",      15,    0, "D<<16",      ops.ADD),
    Row("mulli",       7,    0, "D RA",       ops.MULLD),
    Row("subfic",      8,    0, "D RA",       ops.SUBFC),
    Row("addic",      12,    0, "D RA",       ops.ADDC),
    Row("addic.",     13,    0, "D RA",       ops.ADDC | RC),
    Row("mulhw[.]",   31,   75, "XO",         ops.MULHW, free=512),
    Row("mulhwu[.]",  31,   11, "XO",         ops.MULHWU, free=512),
    Row("mulhd[.]",   31,   73, "XO",         ops.MULHD, free=512),
    Row("mulhdu[.]",  31,    9, "XO",         ops.MULHDU, free=512),
    Row("modsw",      31,  779, "XO",         ops.MODSW, ISA_300),
    Row("moduw",      31,  267, "XO",         ops.MODUW, ISA_300),
    Row("modsd",      31,  777, "XO",         ops.MODSD, ISA_300),
    Row("modud",      31,  265, "XO",         ops.MODUD, ISA_300),
    Row("addex",      31,  170, "XO",         ops.ADDEX, ISA_300),
    Row("maddhd",      4,   48, "VA",         ops.MADDHD, ISA_300),
    Row("maddhdu",     4,   49, "VA",         ops.MADDHDU, ISA_300),
    Row("maddld",      4,   51, "VA",         ops.MADDLD, ISA_300),
    Row("addpcis",    19,    2, "DX",         ops.ADDPCIS, ISA_300, free=0x3E0),
    Row("darn",       31,  755, "X darn",     ops.DARN, ISA_300),

    # Compare, trap, select
    Row("cmpi",       11,    0, "D cmp",      ops.CMPW),
    Row("cmpli",      10,    0, "D cmpl",     ops.CMPLW),
    Row("cmp",        31,    0, "X cmp",      ops.CMPW),
    Row("cmpl",       31,   32, "X cmp",      ops.CMPLW),
    Row("cmprb",      31,  192, "X cmprb",    ops.CMPRB, ISA_300),
    Row("cmpeqb",     31,  224, "X bf",       ops.CMPEQB, ISA_300),
    Row("tdi",         2,    0, "D RA",       ops.TD),
    Row("twi",         3,    0, "D RA",       ops.TW),
    Row("td",         31,   68, "XO",         ops.TD),
    Row("tw",         31,    4, "XO",         ops.TW),
    Row("isel",       31,   15, "A",          ops.ISEL, ISA_207, free=0x3E0),
    Row("setb",       31,  128, "X setb",     ops.SETB, ISA_300),

    # Logical
    Row("ori",        24,    0, "D log",      ops.OR),
    Row("oris",       25,    0, "D log<<16",  ops.OR),
    Row("xori",       26,    0, "D log",      ops.XOR),
    Row("xoris",      27,    0, "D log<<16",  ops.XOR),
    Row("andi.",      28,    0, "D log",      ops.AND | RC),
    Row("andis.",     29,    0, "D log<<16",  ops.AND | RC),
    Row("and[.]",     31,   28, "X log",      ops.AND),
    Row("andc[.]",    31,   60, "X log",      ops.ANDC),
    Row("or[.]",      31,  444, "X log",      ops.OR),
    Row("orc[.]",     31,  412, "X log",      ops.ORC),
    Row("xor[.]",     31,  316, "X log",      ops.XOR),
    Row("nor[.]",     31,  124, "X log",      ops.NOR),
    Row("nand[.]",    31,  476, "X log",      ops.NAND),
    Row("eqv[.]",     31,  284, "X log",      ops.EQV),
    Row("extsb[.]",   31,  954, "X unary",    ops.EXTSB),
    Row("extsh[.]",   31,  922, "X unary",    ops.EXTSH),
    Row("extsw[.]",   31,  986, "X unary",    ops.EXTSW),
    Row("cntlzw[.]",  31,   26, "X unary",    ops.CNTLZW),
    Row("cntlzd[.]",  31,   58, "X unary",    ops.CNTLZD),
    Row("cnttzw[.]",  31,  538, "X unary",    ops.CNTTZW, ISA_300),
    Row("cnttzd[.]",  31,  570, "X unary",    ops.CNTTZD, ISA_300),
    Row("popcntb",    31,  122, "X unary",    ops.POPCNTB, ISA_207),
    Row("popcntw",    31,  378, "X unary",    ops.POPCNTW, ISA_207),
    Row("popcntd",    31,  506, "X unary",    ops.POPCNTD, ISA_207),
    Row("prtyw",      31,  154, "X unary",    ops.PRTYW, ISA_207),
    Row("prtyd",      31,  186, "X unary",    ops.PRTYD, ISA_207),
    Row("cmpb",       31,  508, "X log",      ops.CMPB, ISA_207),
    Row("bpermd",     31,  252, "X log",      ops.BPERMD, ISA_207),
    Row("addg6s",     31,   74, "XO",         ops.ADDG6S, ISA_207),
    Row("cbcdtd",     31,  314, "X unary",    ops.CBCDTD, ISA_207),
    Row("cdtbcd",     31,  282, "X unary",    ops.CDTBCD, ISA_207),

    # Rotate and shift
    Row("rlwimi[.]",  20,    0, "M insert",   ops.RLWIMI),
    Row("rlwinm[.]",  21,    0, "M",          ops.RLWINM),
    Row("rlwnm[.]",   23,    0, "M",          ops.RLWNM),
    Row("rldicl[.]",  30,    0, "MD l",       ops.RLDIC, free=1),
    Row("rldicr[.]",  30,    2, "MD r",       ops.RLDIC, free=1),
    Row("rldic[.]",   30,    4, "MD",         ops.RLDIC, free=1),
    Row("rldimi[.]",  30,    6, "MD insert",  ops.RLDIMI, free=1),
    Row("rldcl[.]",   30,    8, "MDS l",      ops.RLDCX),
    Row("rldcr[.]",   30,    9, "MDS r",      ops.RLDCX),
    Row("slw[.]",     31,   24, "X log",      ops.SLW),
    Row("srw[.]",     31,  536, "X log",      ops.SRW),
    Row("sraw[.]",    31,  792, "X log",      ops.SRAW),
    Row("srawi[.]",   31,  824, "X sh5",      ops.SRAW),
    Row("sld[.]",     31,   27, "X log",      ops.SLD),
    Row("srd[.]",     31,  539, "X log",      ops.SRD),
    Row("srad[.]",    31,  794, "X log",      ops.SRAD),
    Row("sradi[.]",   31,  826, "XS",         ops.SRAD, free=1),
    Row("extswsli[.]",31,  890, "XS x",       ops.EXTSWSLI, ISA_300, free=1),

    # Branch and condition register
    Row("b",          18,    0, "I",          ops.B),
    Row("bc",         16,    0, "B",          ops.BC),
    Row("bclr",       19,   16, "XL br",      ops.BCLR),
    Row("bcctr",      19,  528, "XL bcctr",   ops.BCCTR),
    Row("bctar",      19,  560, "XL br",      ops.BCTAR, ISA_207),
    Row("mcrf",       19,    0, "XL mcrf",    ops.MCRF),
    Row("crand",      19,  257, "XL cr",      ops.CRAND),
    Row("crandc",     19,  129, "XL cr",      ops.CRANDC),
    Row("creqv",      19,  289, "XL cr",      ops.CREQV),
    Row("crnand",     19,  225, "XL cr",      ops.CRNAND),
    Row("crnor",      19,   33, "XL cr",      ops.CRNOR),
    Row("cror",       19,  449, "XL cr",      ops.CROR),
    Row("crorc",      19,  417, "XL cr",      ops.CRORC),
    Row("crxor",      19,  193, "XL cr",      ops.CRXOR),
    Row("mfcr",       31,   19, "XFX mfcr",   ops.MFCR),
    Row("mtcrf",      31,  144, "XFX mtcrf",  ops.MTCRF),
    Row("mcrxr",      31,  512, "X mcrxr",    ops.MCRXR, ISA_201, ISA_201),
    Row("mcrxrx",     31,  576, "X mcrxr",    ops.MCRXRX, ISA_300),

    # System
    Row("sc",         17,    2, "SC",         ops.SC, free=1),
    Row("scv",        17,    1, "SC",         ops.SCV, ISA_300),
    Row("rfid",       19,   18, "none",       ops.RFID),
    Row("hrfid",      19,  274, "none",       ops.HRFID),
    Row("rfebb",      19,  146, "XL rfebb",   ops.RFEBB, ISA_207),
    Row("rfscv",      19,   82, "none",       ops.RFSCV, ISA_300),
    Row("isync",      19,  150, "none",       ops.NOP),
    Row("doze",       19,  402, "none",       ops.DOZE, ISA_207, ISA_207),
    Row("nap",        19,  434, "none",       ops.NAP, ISA_207, ISA_207),
    Row("sleep",      19,  466, "none",       ops.SLEEP, ISA_207, ISA_207),
    Row("rvwinkle",   19,  498, "none",       ops.RVWINKLE, ISA_207, ISA_207),
    Row("stop",       19,  370, "none",       ops.STOP_WAIT, ISA_300),
    Row("wait",       31,   30, "none",       ops.WAIT, ISA_300),
    Row("mfmsr",      31,   83, "X msr",      ops.MFMSR),
    Row("mtmsr",      31,  146, "X msr",      ops.MTMSR),
    Row("mtmsrd",     31,  178, "X msr",      ops.MTMSRD),
    Row("mfspr",      31,  339, "XFX spr",    ops.MFSPR),
    Row("mtspr",      31,  467, "XFX spr",    ops.MTSPR),
    Row("mftb",       31,  371, "XFX spr",    ops.MFTB),
    Row("attn",        0,  256, "none",       ops.ATTN),
    Row("msgsnd",     31,  206, "X",          ops.MSGSND, ISA_207),
    Row("msgclr",     31,  238, "X",          ops.MSGCLR, ISA_207),
    Row("msgsndp",    31,  142, "X",          ops.MSGSNDP, ISA_207),
    Row("msgclrp",    31,  174, "X",          ops.MSGCLRP, ISA_207),
    Row("msgsync",    31,  886, "none",       ops.MSGSYNC, ISA_300),
    Row("clrbhrb",    31,  430, "none",       ops.CLRBHRB, ISA_207),
    Row("mfbhrbe",    31,  302, "XFX spr",    ops.MFBHRBE, ISA_207),

    # Storage control
    Row("sync",       31,  598, "none",       ops.NOP),
    Row("eieio",      31,  854, "none",       ops.NOP),
    Row("dcbst",      31,   54, "none",       ops.NOP),
    Row("dcbf",       31,   86, "none",       ops.NOP),
    Row("dcbt",       31,  278, "none",       ops.NOP),
    Row("dcbtst",     31,  246, "none",       ops.NOP),
    Row("icbt",       31,   22, "none",       ops.NOP, ISA_207),
    Row("cp_abort",   31,  838, "none",       ops.NOP, ISA_300),
    Row("dst",        31,  342, "none",       ops.NOP, ISA_201, ISA_201),  # data streams: hints
    Row("dstst",      31,  374, "none",       ops.NOP, ISA_201, ISA_201),
    Row("dss",        31,  822, "none",       ops.NOP, ISA_201, ISA_201),
    Row("icbi",       31,  982, "X",          ops.ICBI),
    Row("dcbz",       31, 1014, "X dcbz",     ops.DCBZ),
    Row("dcbi",       31,  470, "X",          ops.TLB_SUPERVISOR),
    Row("tlbiel",     31,  274, "X",          ops.TLB_SUPERVISOR),
    Row("slbie",      31,  434, "X",          ops.TLB_SUPERVISOR),
    Row("slbieg",     31,  466, "X",          ops.TLB_SUPERVISOR, ISA_300),
    Row("slbia",      31,  498, "X",          ops.TLB_SUPERVISOR),
    Row("slbsync",    31,  338, "X",          ops.TLB_SUPERVISOR, ISA_300),
    Row("slbmte",     31,  402, "X",          ops.TLB_SUPERVISOR),
    Row("mtsr",       31,  210, "X",          ops.TLB_SUPERVISOR),
    Row("mtsrin",     31,  242, "X",          ops.TLB_SUPERVISOR),
    Row("slbmfee",    31,  915, "X",          ops.SEGMENT_READ),
    Row("slbmfev",    31,  851, "X",          ops.SEGMENT_READ),
    Row("slbfee.",    31,  979, "X",          ops.SEGMENT_READ, ISA_207),
    Row("mfsr",       31,  595, "X",          ops.SEGMENT_READ),
    Row("mfsrin",     31,  659, "X",          ops.SEGMENT_READ),
    Row("tlbie",      31,  306, "X",          ops.TLB_HYPERVISOR),
    Row("tlbsync",    31,  566, "X",          ops.TLB_HYPERVISOR),

    # Transactional memory
    Row("tbegin.",    31,  654, "none",       ops.TM_PROBLEM, ISA_207),
    Row("tend.",      31,  686, "none",       ops.TM_PROBLEM, ISA_207),
    Row("tcheck",     31,  718, "none",       ops.TM_PROBLEM, ISA_207),
    Row("tsr",        31,  750, "none",       ops.TM_PROBLEM, ISA_207),
    Row("tabortwc.",  31,  782, "none",       ops.TM_PROBLEM, ISA_207),
    Row("tabortdc.",  31,  814, "none",       ops.TM_PROBLEM, ISA_207),
    Row("tabortwci.", 31,  846, "none",       ops.TM_PROBLEM, ISA_207),
    Row("tabortdci.", 31,  878, "none",       ops.TM_PROBLEM, ISA_207),
    Row("tabort.",    31,  910, "none",       ops.TM_PROBLEM, ISA_207),
    Row("treclaim.",  31,  942, "none",       ops.TM_PRIVILEGED, ISA_207),
    Row("trechkpt.",  31, 1006, "none",       ops.TM_PRIVILEGED, ISA_207),
]
# fmt: on

# ---- The tables, expanded ----

NO_ROW = 0


def _bases() -> np.ndarray[Any, Any]:
    """Where the extended opcodes of each primary opcode begin in `ROW`, with their shift and mask: shape (64, 3)."""
    table = np.zeros((64, 3), np.int64)
    begin = 0
    for primary in range(64):
        shift, bits = EXTENDED.get(primary, (0, 0))
        table[primary] = begin, shift, bits
        begin += bits + 1
    return table


OPCODE = _bases()


def keys(row: Row) -> list[int]:
    """The places of a row in `ROW`: one for each value of its free bits."""
    begin = int(OPCODE[row.primary, 0])
    values = range(row.free + 1)
    return [begin + (row.extended | value) for value in values if value & ~row.free == 0]


def _rows(isa: int) -> np.ndarray[Any, Any]:
    """Row number + 1 by key, at one architecture level. A row with fewer free bits overrides one with more."""
    table = np.zeros(int(OPCODE[63, 0] + OPCODE[63, 2] + 1), np.int64)
    numbered = sorted(enumerate(INSTRUCTIONS, 1), key=lambda pair: -pair[1].free)
    for number, row in numbered:
        if row.since <= isa <= row.until:
            table[keys(row)] = number
    return table


ROW = np.stack([_rows(isa) for isa in (ISA_201, ISA_207, ISA_300)])
"""ROW[isa, key]: number of a row of `INSTRUCTIONS`, from 1; `NO_ROW`: illegal."""

_FORM_NAMES = list(FORMS)
ROW_OP = np.array([ops.ILLEGAL] + [row.op for row in INSTRUCTIONS])
ROW_RC = np.array([0] + [int(row.mnemonic.endswith("[.]")) for row in INSTRUCTIONS])
ROW_FORM = np.array([0] + [_FORM_NAMES.index(row.form) for row in INSTRUCTIONS])

T = np.array([FIELDS[form.t] for form in FORMS.values()])
A = np.array([(*FIELDS[form.a], form.a == "-", form.a == "RA|0") for form in FORMS.values()], np.int64)
C = np.array([form.c == "RB" for form in FORMS.values()], np.int64)
X = np.array([(*FIELDS[form.x], form.x == "SH6") for form in FORMS.values()], np.int64)
IMMEDIATE = np.array([int(form.imm) for form in FORMS.values()])
CHECK = np.array([int(form.check) for form in FORMS.values()])


TWINS = np.array(
    [
        *(ops.LBZ, ops.LHBRX, ops.LHABRX, ops.LWBRX, ops.LWABRX, ops.LDBRX, ops.LHZ, ops.LHA, ops.LWZ, ops.LWA, ops.LD),
        *(ops.STB, ops.STHBRX, ops.STWBRX, ops.STDBRX, ops.STH, ops.STW, ops.STD),
    ]
)
"""What each plain load and store, from LBZ on, does in little-endian mode: it and its byte-reversed twin change
places."""


# ---- Decoding ----


@jit
def field(word, shift, bits):
    """A field of the word."""
    return (word >> shift) & bits


@jit
def sh6(word):
    """The six-bit shift amount of the MD and XS forms: bit 30 is its highest."""
    return ((word >> 11) & 31) | ((word & 2) << 4)


@jit
def mb6(word):
    """The six-bit mask boundary of the MD and MDS forms: bit 26 is its highest."""
    return ((word >> 6) & 31) | (word & 32)


@jit
def mask_immediate(word, kind):
    """The masks of rotations, in 64-bit numbering. Inserts get their three numbers packed, see `carry.insert`."""
    mb = (word >> 6) & 31
    me = (word >> 1) & 31
    if kind == Immediate.MB_ME:
        return mask(mb + 32, me + 32)
    elif kind == Immediate.SH_MB_ME:
        return ((word >> 11) & 31) | ((mb + 32) << 8) | ((me + 32) << 16)
    elif kind == Immediate.MB_63:
        return mask(mb6(word), 63)
    elif kind == Immediate.ZERO_ME:
        return mask(0, mb6(word))
    elif kind == Immediate.MB_63_SH:
        return mask(mb6(word), 63 - sh6(word))
    return sh6(word) | (mb6(word) << 8) | ((63 - sh6(word)) << 16)


@jit
def immediate(word, kind):
    """The complete immediate operand."""
    if kind == Immediate.ZERO:
        return i8(0)
    elif kind == Immediate.MINUS_ONE:
        return i8(-1)
    elif kind == Immediate.SI:
        return sext16(word)
    elif kind == Immediate.SI_HIGH:
        return sext16(word) << 16
    elif kind == Immediate.UI:
        return word & 0xFFFF
    elif kind == Immediate.UI_HIGH:
        return (word & 0xFFFF) << 16
    elif kind == Immediate.DS or kind == Immediate.BD:
        return sext16(word) & ~3
    elif kind == Immediate.DQ:
        return sext16(word) & ~15
    elif kind == Immediate.LI:
        return ((word & 0x03FFFFFC) ^ 0x02000000) - 0x02000000
    elif kind == Immediate.DX:
        return sext16((word & 0xFFC0) | ((word >> 15) & 0x3E) | (word & 1)) << 16
    elif kind == Immediate.SPR:
        return ((word >> 16) & 31) | ((word >> 6) & 0x3E0)
    elif kind == Immediate.LEV:
        return (word >> 5) & 127
    elif kind == Immediate.SH5:
        return (word >> 11) & 31
    elif kind == Immediate.SH6:
        return sh6(word)
    return mask_immediate(word, kind)


@jit
def lswi_overlaps(word):
    """lswi: whether RA is among the registers loaded, from RT on, wrapping to r0 after r31."""
    count = (word >> 11) & 31
    registers = (count + 3) >> 2 if count != 0 else 8
    return (((word >> 16) - (word >> 21)) & 31) < registers


@jit
def is_invalid(word, check):
    """Invalid forms: the book makes them boundedly undefined or illegal, processors illegal."""
    rt = (word >> 21) & 31
    ra = (word >> 16) & 31
    if check == Check.UPDATE_STORE:
        return ra == 0
    elif check == Check.UPDATE_LOAD:
        return ra == 0 or ra == rt
    elif check == Check.LQ:
        return rt & 1 != 0 or rt == ra
    elif check == Check.LQARX:
        return rt & 1 != 0 or rt == ra or rt == (word >> 11) & 31
    elif check == Check.STQ:
        return rt & 1 != 0
    elif check == Check.STQCX:
        return rt & 1 != 0 or word & 1 == 0
    elif check == Check.LSWI:
        return lswi_overlaps(word)
    elif check == Check.RECORD:
        return word & 1 == 0
    elif check == Check.BCCTR:
        return rt & 4 == 0
    return False


@jit
def variant(word, check, op):
    """The operation, where one more bit of the word chooses between two."""
    if check == Check.L:
        return op + ((word >> 21) & 1)
    elif check == Check.AA or check == Check.ONE_FIELD:
        return op + ((word >> (20 if check == Check.ONE_FIELD else 1)) & 1)
    elif (check == Check.SX and word & 1 != 0) or (check == Check.SX28 and word & 8 != 0):
        return i8(ops.VEC_UNAVAILABLE)
    return i8(op)


@jit
def put(d, op, t, a, c, x, imm):
    """Fill a decoded record."""
    d.op = op
    d.t = t
    d.a = a
    d.c = c
    d.x = x
    d.imm = imm


@jit
def simplify_branch(d, bo, bi):
    """If BO asks for a CR bit alone, the test is one AND: bc without LR and CTR."""
    if bo & (BO_IGNORE_CR | BO_KEEP_CTR) == BO_KEEP_CTR:
        put(d, ops.BC_TRUE if bo & BO_CR_TRUE != 0 else ops.BC_FALSE, 8 >> (bi & 3), bi >> 2, NO_REGISTER, 0, d.imm)


@jit
def decode(word, isa, d):
    """Fill the CODE record `d` from an instruction word, 0 to 2^32 - 1. `isa` is ISA_201, ISA_207 or ISA_300."""
    primary = word >> 26
    key = OPCODE[primary, 0] + field(word, OPCODE[primary, 1], OPCODE[primary, 2])
    row = ROW[isa, key]
    form = ROW_FORM[row]
    check = CHECK[form]
    if row == NO_ROW or is_invalid(word, check):
        put(d, ops.ILLEGAL, 0, NO_REGISTER, NO_REGISTER, 0, 0)
        return
    op = variant(word, check, ROW_OP[row]) + ((word & ROW_RC[row]) << 8)
    a = field(word, A[form, 0], A[form, 1])
    if A[form, 2] != 0 or (A[form, 3] != 0 and a == 0):
        a = i8(NO_REGISTER)
    c = field(word, 11, 31) if C[form] != 0 else i8(NO_REGISTER)
    x = field(word, X[form, 0], X[form, 1]) | (((word & 2) << 4) * X[form, 2])
    if op == ops.MFOCRF or op == ops.MTOCRF:
        x = one_field(x)
    if (op == ops.LSWI or op == ops.STSWI) and x == 0:
        x = i8(32)
    put(d, op, field(word, T[form, 0], T[form, 1]), a, c, x, immediate(word, IMMEDIATE[form]))
    if op == ops.BC and x == 0:
        simplify_branch(d, field(word, 21, 31), field(word, 16, 31))
    elif op == ops.MFTB and d.imm != SPR_TB and d.imm != SPR_TBU:
        put(d, ops.ILLEGAL, 0, NO_REGISTER, NO_REGISTER, 0, 0)


@jit
def exchange(d):
    """Make a decoded record one of little-endian mode: what it does to memory, it does with the bytes reversed (Power
    ISA Book I, Byte Ordering). The word itself was fetched with its bytes reversed."""
    op = i8(d.op)
    if ops.LBZ <= op < ops.MEM_END:
        d.op = TWINS[op - ops.LBZ]
    elif ops.UPDATE_FIRST <= op < ops.UPDATE_END:
        d.op = TWINS[op - ops.UPDATE_FIRST] + ops.UPDATE_FIRST - ops.LBZ
