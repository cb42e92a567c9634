"""Arithmetic, logic, carries, conditions and branches, one instruction at a time, against Unicorn and the book."""

import numpy as np
import pytest

from hw.encode import fixed, random_word
from hw.ref_unicorn import CODE, MASK64, Reference, Registers
from hw.single import XER_BITS, decoded, execute, registers, value
from irqvisor._jit import NOJIT
from irqvisor.hw import ops
from irqvisor.hw.decode import INSTRUCTIONS, ISA_201, ISA_300, Row

CASES = 3 if NOJIT else 24
"""Random cases of each instruction and mode."""

ROWS = {row.mnemonic: row for row in INSTRUCTIONS if row.mnemonic not in {"fp", "vec", "vsx", "mvsr"}}
CA, OV, SO, OV32, CA32 = (1 << XER_BITS[name] for name in ("ca", "ov", "so", "ov32", "ca32"))


def group(row: Row) -> str:
    op = row.op & ~ops.RC
    if op < ops.ALU_END:
        return "alu"
    if ops.MEM_END <= op < ops.BRANCH_END:
        return "branch"
    if ops.BRANCH_END <= op < ops.CONDITION_END:
        return "condition"
    return "carry" if ops.CONDITION_END <= op < ops.CARRY_END else "other"


COMPARED = [
    row
    for row in ROWS.values()
    if group(row) != "other"
    and row.mnemonic not in {"bctar", "mcrxr"}  # Unicorn has no access to TAR, and a POWER9 no mcrxr
]

HALF_UNDEFINED = {"mulhw[.]", "mulhwu[.]", "modsw", "moduw"} | {
    f"{name}{oe}[.]" for name in ("divw", "divwu", "divwe", "divweu") for oe in ("", "o")
}
"""The high word of the result is undefined, and with it CR0 in 64-bit mode."""

EXTENDED_DIVIDES = {"divweo[.]", "divweuo[.]", "divdeo[.]", "divdeuo[.]"}
"""Unicorn leaves OV32 as it was."""


def signed(x: int, bits: int = 64) -> int:
    x &= (1 << bits) - 1
    return x - (1 << bits) if x >> (bits - 1) else x


def true_quotient(name: str, x: int, y: int) -> tuple[int | None, int | None, int]:
    """Quotient and remainder by Python's integers, None if they do not exist, and the width."""
    width = 32 if "w" in name else 64
    unsigned = "u" in name
    low = (1 << width) - 1
    a, b = (x & low, y & low) if unsigned else (signed(x, width), signed(y, width))
    if "e" in name:
        a <<= width
    if b == 0:
        return None, None, width
    q = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    r = a - q * b
    fits = 0 <= q <= low if unsigned else -(1 << (width - 1)) <= q < 1 << (width - 1)
    return (q if fits else None), r, width


def parts(row: Row, word: int, before: Registers) -> tuple[int, int, str]:
    """The operands of an XO-form word and its bare mnemonic."""
    return before.gpr[word >> 16 & 31], before.gpr[word >> 11 & 31], row.mnemonic.removesuffix("[.]")


def is_undefined(row: Row, word: int, before: Registers) -> bool:
    """Whether the result does not exist, or depends on what is left undefined."""
    x, y, name = parts(row, word, before)
    if name.startswith("div"):
        return true_quotient(name, x, y)[0] is None
    if name.startswith("mod"):
        q, r, _ = true_quotient(name, x, y)
        return r is None or q is None
    if name in {"mfcr", "mtcrf"} and word & 1 << 20:
        return (word >> 12 & 255).bit_count() != 1
    if name == "bcctr":
        return word & 4 << 21 == 0
    return False


def agree(row: Row, word: int, before: Registers, ours: Registers, theirs: Registers, *, sf: bool) -> bool:
    if row.mnemonic in HALF_UNDEFINED:
        target = word >> 21 & 31
        for after in (ours, theirs):
            after.gpr[target] &= 0xFFFFFFFF
            if word & 1 and sf and row.mnemonic.endswith("[.]"):
                after.cr &= 0x1FFFFFFF
    if row.mnemonic in EXTENDED_DIVIDES:
        for after in (ours, theirs):
            after.xer &= ~OV32
    return ours == theirs


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


@pytest.mark.parametrize("sf", [True, False], ids=["64-bit", "32-bit"])
@pytest.mark.parametrize("of", ["alu", "carry", "condition", "branch"])
def test_random_instructions_agree_with_unicorn(reference: Reference, of: str, sf: bool) -> None:
    rng = np.random.default_rng(20060917)
    cases = []
    for row in COMPARED:
        if group(row) == of:
            for _ in range(CASES):
                word, before = random_word(rng, row), registers(rng)
                if not is_undefined(row, word, before):
                    cases.append((row, word, before))
    after = execute([word for _, word, _ in cases], [before for _, _, before in cases], sf=sf)
    for (row, word, before), ours in zip(cases, after, strict=True):
        theirs = reference.step(word, before, sf=sf)
        assert agree(row, word, before, ours, theirs, sf=sf), (row, hex(word), before, ours, theirs)


@pytest.mark.parametrize("oe", ["", "o"])
@pytest.mark.parametrize("name", ["divw", "divwu", "divd", "divdu", "divwe", "divweu", "divde", "divdeu"])
def test_quotients_are_truncated_and_one_that_does_not_exist_is_zero_with_overflow(name: str, oe: str) -> None:
    rng = np.random.default_rng(5)
    before = []
    for _ in range(CASES * 20):
        state = registers(rng)
        state.gpr[4:6] = value(rng), value(rng)
        before.append(state)
    after = execute([xo(name + oe + "[.]", 3, 4, 5)] * len(before), before)
    for state, ours in zip(before, after, strict=True):
        q, _, width = true_quotient(name, *state.gpr[4:6])
        assert ours.gpr[3] == (q or 0) & ((1 << width) - 1), (name, state)
        if oe:
            overflow = OV | OV32 if q is None else 0
            assert ours.xer & (OV | OV32 | SO) == overflow | (SO if overflow else state.xer & SO)
        else:
            assert ours.xer == state.xer


@pytest.mark.parametrize("name", ["modsw", "moduw", "modsd", "modud"])
def test_remainders_have_the_dividends_sign_and_one_by_zero_is_zero(name: str) -> None:
    rng = np.random.default_rng(6)
    before = []
    for _ in range(CASES * 20):
        state = registers(rng)
        state.gpr[4:6] = value(rng), value(rng)
        before.append(state)
    for state, ours in zip(before, execute([xo(name, 3, 4, 5)] * len(before), before), strict=True):
        _, r, _ = true_quotient(name, *state.gpr[4:6])
        assert ours.gpr[3] == (r or 0) & MASK64, (name, state)


def xo(name: str, t: int = 3, a: int = 4, b: int = 5, rc: int = 0) -> int:
    return fixed(ROWS[name]) | t << 21 | a << 16 | b << 11 | rc


def one(
    word: int, x: int = 0, y: int = 0, *, old: int = 0, xer: int = 0, cr: int = 0, sf: bool = True, isa: int = ISA_300
) -> Registers:
    """The state after an instruction with r3 = old, r4 = x, r5 = y, LR = 0x2003, CTR = 0x3003."""
    before = Registers([0, 0, 0, old, x & MASK64, y & MASK64] + [0] * 26, cr, xer, 0x2003, 0x3003)
    return execute([word], [before], sf=sf, isa=isa)[0]


def test_addo_of_the_largest_word_overflows_in_32_bits_only() -> None:
    after = one(xo("addo[.]"), 0x7FFFFFFF, 1)
    assert (after.gpr[3], after.xer) == (0x80000000, OV32)
    assert one(xo("addo[.]"), 0x7FFFFFFF, 1, sf=False).xer == SO | OV | OV32


def test_nego_overflows_for_the_smallest_number() -> None:
    assert one(xo("nego[.]"), 1 << 63).xer == SO | OV
    assert one(xo("nego[.]"), 0x80000000).xer == OV32
    assert one(xo("nego[.]"), 0x80000000, sf=False).xer == SO | OV | OV32


def test_overflow_stays_summarised_when_it_ends() -> None:
    after = one(xo("addo[.]", rc=1), 1, 1, xer=SO | OV | OV32)
    assert (after.xer, after.cr) == (SO, 0x50000000)


def test_mulhw_copies_its_word_into_the_high_half_and_the_record_form_looks_at_all_of_it() -> None:
    assert one(xo("mulhw[.]"), -1, 1).gpr[3] == MASK64
    after = one(xo("mulhwu[.]", rc=1), 0xFFFFFFFF, 0xFFFFFFFF)
    assert (after.gpr[3], after.cr) == (0xFFFFFFFEFFFFFFFE, 0x80000000)


def test_a_negative_word_quotient_has_a_zero_high_half() -> None:
    after = one(xo("divw[.]", rc=1), -7, 2)
    assert (after.gpr[3], after.cr) == (0xFFFFFFFD, 0x40000000)
    assert one(xo("divwe[.]"), -1, 4).gpr[3] == 0xC0000000


def test_rlwinm_with_a_wrapping_mask_includes_the_high_word() -> None:
    word = 21 << 26 | 4 << 21 | 3 << 16 | 4 << 11 | 28 << 6 | 3 << 1
    assert one(word, 0x12345678).gpr[3] == 0x2345678120000001


def test_rlwimi_and_rldimi_keep_what_the_mask_leaves_out() -> None:
    rlwimi = 20 << 26 | 4 << 21 | 3 << 16 | 8 << 11 | 16 << 6 | 23 << 1
    assert one(rlwimi, 0xAB, old=0x1122334455667788).gpr[3] == 0x112233445566AB88
    rldimi = 30 << 26 | 4 << 21 | 3 << 16 | 0 << 11 | 0 << 6 | 3 << 2 | 1 << 1
    assert one(rldimi, 0xABCD, old=0x1122334455667788).gpr[3] == 0x0000ABCD55667788


def test_bpermd_picks_bits_by_their_ibm_number() -> None:
    assert (
        one(fixed(ROWS["bpermd"]) | 4 << 21 | 3 << 16 | 5 << 11, 0x0001020304053F40, 0xF000000000000001).gpr[3] == 0xF2
    )


@pytest.mark.parametrize(
    ("shift", "carry"), [(0, 0), (1, CA | CA32), (31, CA | CA32), (32, CA | CA32), (63, CA | CA32)]
)
def test_sraw_carries_when_ones_are_lost_from_a_negative_word(shift: int, carry: int) -> None:
    word = fixed(ROWS["sraw[.]"]) | 4 << 21 | 3 << 16 | 5 << 11
    after = one(word, 0x80000001, shift, xer=CA)
    assert (after.gpr[3], after.xer) == ((signed(0x80000001, 32) >> shift) & MASK64, carry)
    assert one(word, 0x7FFFFFFF, shift, xer=CA).xer == 0


def test_addex_carries_through_ov_and_leaves_so_alone() -> None:
    after = one(fixed(ROWS["addex"]) | 3 << 21 | 4 << 16 | 5 << 11, MASK64, 0, xer=OV)
    assert (after.gpr[3], after.xer) == (0, OV | OV32)


def test_mcrxr_moves_and_clears_and_mcrxrx_only_copies() -> None:
    after = one(fixed(ROWS["mcrxr"]) | 2 << 23, xer=SO | CA, isa=ISA_201)
    assert (after.cr, after.xer) == (0x00A00000, 0)
    after = one(fixed(ROWS["mcrxrx"]) | 2 << 23, xer=OV | CA32)
    assert (after.cr, after.xer) == (0x00900000, OV | CA32)


@pytest.mark.parametrize(("fxm", "chosen"), [(0x80, 0), (0x01, 7), (0x30, 2), (0xFF, 0), (0, 7)])
def test_one_field_moves_take_the_leftmost_field_and_else_the_last(fxm: int, chosen: int) -> None:
    mfocrf = fixed(ROWS["mfcr"]) | 3 << 21 | 1 << 20 | fxm << 12
    assert one(mfocrf, cr=0x12345678).gpr[3] == (chosen + 1) << (28 - 4 * chosen)
    mtocrf = fixed(ROWS["mtcrf"]) | 4 << 21 | 1 << 20 | fxm << 12
    assert one(mtocrf, 0xFFFFFFFF).cr == 15 << (28 - 4 * chosen)


def test_a_linking_branch_goes_to_the_old_lr_and_links_even_if_not_taken() -> None:
    after = one(fixed(ROWS["bclr"]) | 20 << 21 | 1)
    assert (after.pc, after.lr) == (0x2000, CODE + 4)
    after = one(fixed(ROWS["bclr"]) | 12 << 21 | 1)
    assert (after.pc, after.lr) == (CODE + 4, CODE + 4)


def test_bctar_goes_to_tar() -> None:
    assert one(fixed(ROWS["bctar"]) | 20 << 21).pc == 0


def test_addresses_wrap_in_32_bit_mode() -> None:
    back = fixed(ROWS["b"]) | (-0x20000 & 0x03FFFFFC) | 1
    assert one(back).pc == -0x10000 & MASK64
    assert one(back, sf=False).pc == 0xFFFF0000


def test_conditional_branches_that_keep_ctr_are_decoded_to_one_test() -> None:
    beq, bne, bdnz, beql = 0x41820010, 0x40820010, 0x42000010, 0x41820011
    assert [int(d.op) for d in decoded([beq, bne, bdnz, beql])] == [ops.BC_TRUE, ops.BC_FALSE, ops.BC, ops.BC]
    assert one(beq, cr=0x20000000).pc == CODE + 16
    assert one(bne, cr=0x20000000).pc == CODE + 4
    after = one(bdnz)
    assert (after.pc, after.ctr) == (CODE + 16, 0x3002)
