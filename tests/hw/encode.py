"""Random instruction words of a row of the decode table: operand fields free, reserved fields zero."""

import numpy as np

from irqvisor.hw.decode import EXTENDED, FIELDS, FORMS, Check, Immediate, Row

IMMEDIATE_BITS = {
    Immediate.ZERO: 0,
    Immediate.MINUS_ONE: 0,
    Immediate.SI: 0xFFFF,
    Immediate.SI_HIGH: 0xFFFF,
    Immediate.UI: 0xFFFF,
    Immediate.UI_HIGH: 0xFFFF,
    Immediate.DS: 0xFFFC,
    Immediate.DQ: 0xFFF0,
    Immediate.LI: 0x03FFFFFC,
    Immediate.BD: 0xFFFC,
    Immediate.DX: 0x1FFFC1,
    Immediate.SPR: 0x1FF800,
    Immediate.LEV: 0xFE0,
    Immediate.SH5: 0xF800,
    Immediate.SH6: 0xF802,
    Immediate.MB_ME: 0x07FE,
    Immediate.MB_63: 0x07E0,
    Immediate.ZERO_ME: 0x07E0,
    Immediate.MB_63_SH: 0xFFE2,
    Immediate.SH_MB_ME: 0xFFFE,
    Immediate.SH_MB: 0xFFE2,
}

CHECK_BITS = {Check.L: 1 << 21, Check.AA: 2, Check.ONE_FIELD: 1 << 20, Check.SX: 1, Check.SX28: 8}


def fixed(row: Row) -> int:
    """The word of a row with every operand zero."""
    shift = EXTENDED.get(row.primary, (0, 0))[0]
    word = row.primary << 26 | row.extended << shift
    return word | (1 if FORMS[row.form].check in {Check.RECORD, Check.STQCX} else 0)


def operand_bits(row: Row) -> int:
    """The bits of the word that are operands."""
    form = FORMS[row.form]
    bits = IMMEDIATE_BITS[form.imm] | CHECK_BITS.get(form.check, 0)
    for name in (form.t, form.a, form.x):
        shift, mask = FIELDS[name]
        bits |= mask << shift
    if form.c == "RB":
        bits |= 31 << 11
    if form.x == "SH6":
        bits |= 2
    return bits | row.mnemonic.endswith("[.]")


def random_word(rng: np.random.Generator, row: Row) -> int:
    """An instruction word of that row with random operands; it may be an invalid form."""
    return fixed(row) | (int(rng.integers(1 << 32)) & operand_bits(row))
