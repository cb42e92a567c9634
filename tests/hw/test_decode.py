"""Every row of the decode table, against Capstone where it knows the instruction, and the forms that are invalid."""

import re
from collections import Counter

import numpy as np
import pytest
from capstone import CS_ARCH_PPC, CS_MODE_64, CS_MODE_BIG_ENDIAN, Cs

from hw.encode import fixed, random_word
from hw.single import decoded
from irqvisor._jit import NOJIT
from irqvisor.hw import ops
from irqvisor.hw.decode import (
    EXTENDED,
    INSTRUCTIONS,
    ISA_201,
    ISA_207,
    ISA_300,
    NO_REGISTER,
    NO_ROW,
    ROW,
    Row,
    keys,
)

ISAS = (ISA_201, ISA_207, ISA_300)
SAMPLES = 4 if NOJIT else 40
OPS = {name: number for number, name in ops.NAMES.items()}

ALIASES = {
    "addi": "li",
    "addis": "lis",
    "cmpi": "cmp[wd]i",
    "cmpli": "cmpl[wd]i",
    "cmp": "cmp[wd]",
    "cmpl": "cmpl[wd]",
    "twi": "tw[a-z]+i",
    "tdi": "td[a-z]+i",
    "tw": "tw[a-z]+",
    "td": "td[a-z]+",
    "or": "mr",
    "ori": "nop",
    "nor": "not",
    "rlwinm": "(rot|sl|sr|clrl|clrr)[lr]*wi",
    "rlwnm": "rotlw",
    "rldicl": "(clrl|rotl|sr)di",
    "rldicr": "(clrr|sl)di",
    "rldcl": "rotld",
    "bc": "b[a-z]+",
    "bclr": "b[a-z]*lrl?",
    "bcctr": "b[a-z]*ctrl?",
    "crnor": "crnot",
    "cror": "crmove",
    "creqv": "crset",
    "crxor": "crclr",
    "mfcr": "mfocrf",
    "mtcrf": "mt(ocrf|cr)",
    "mfspr": "mf[a-z0-9]+",
    "mtspr": "mt[a-z0-9]+",
    "dcbz": "dcbzl",
    "sync": "[a-z]+sync|hwsync",
    "subf": "sub",
    "subfc": "subc",
    "mftb": "mftbu?",
    "b": "b[la]+",
}
"""Simplified mnemonics that Capstone prefers."""

UNAVAILABLE = {"fp", "vec", "vsx", "mvsr"}


def op_of(word: int, isa: int = ISA_300) -> str:
    """The name of a word's operation, with a dot for a record form."""
    op = int(decoded([word], isa)[0].op)
    return ops.NAMES[op & ~ops.RC] + ("." if op & ops.RC else "")


def operands(word: int, isa: int = ISA_300) -> tuple[int, int, int, int, int]:
    d = decoded([word], isa)[0]
    return int(d.t), int(d.a), int(d.c), int(d.x), int(d.imm)


def test_operation_ids_are_contiguous_in_their_groups() -> None:
    bounds = [1, *(getattr(ops, f"{group}_END") for group in GROUPS)]
    assert bounds == sorted(bounds)
    assert set(ops.NAMES) == {*range(bounds[-1]), ops.HOST}
    assert bounds[-1] <= ops.HOST < ops.RC


GROUPS = ("ALU", "MEM", "BRANCH", "CONDITION", "CARRY", "UPDATE", "DATA", "SYSTEM", "NEAR")


def test_update_operations_are_in_the_order_of_the_plain_ones() -> None:
    for name, number in OPS.items():
        if ops.UPDATE_FIRST <= number < ops.UPDATE_END:
            assert ops.NAMES[number - ops.UPDATE_FIRST + ops.LBZ] + "U" == name


REVERSED = {"LHZ": "LHBRX", "LWZ": "LWBRX", "LD": "LDBRX", "LHA": "LHABRX", "LWA": "LWABRX"}
REVERSED |= {name: name + "BRX" for name in ("STH", "STW", "STD")}
REVERSED |= {reversed_: plain for plain, reversed_ in REVERSED.items()}
REVERSED |= {one + "U": other + "U" for one, other in REVERSED.items()}


def test_in_little_endian_mode_loads_and_stores_are_byte_reversed_and_nothing_else_changes() -> None:
    rng = np.random.default_rng(8)
    words = [random_word(rng, row) for row in INSTRUCTIONS for _ in range(4)]
    for isa in ISAS:
        big, little = decoded(words, isa), decoded(words, isa, little=True)
        for name in ("t", "a", "c", "x", "imm"):
            assert (big[name] == little[name]).all()
        for one, other in zip(big.op.tolist(), little.op.tolist(), strict=True):
            name = ops.NAMES[one & ~ops.RC]
            assert (ops.NAMES[other & ~ops.RC], other & ops.RC) == (REVERSED.get(name, name), one & ops.RC)


def test_overflow_divides_are_in_the_order_of_the_plain_ones() -> None:
    for number in range(ops.DIVWO, ops.DIVDEUO + 1):
        assert ops.NAMES[number - ops.DIVWO + ops.DIVW] + "O" == ops.NAMES[number]


def test_no_two_rows_claim_the_same_word_unless_one_is_the_more_special() -> None:
    for isa in ISAS:
        claims = Counter((key, row.free) for row in INSTRUCTIONS if row.since <= isa <= row.until for key in keys(row))
        assert max(claims.values()) == 1


def test_extended_opcodes_fit_their_fields() -> None:
    for row in INSTRUCTIONS:
        assert (row.extended | row.free) & ~EXTENDED.get(row.primary, (0, 0))[1] == 0, row


def test_every_operation_but_the_internal_ones_is_decoded_from_some_word() -> None:
    rng = np.random.default_rng(2)
    words = [random_word(rng, row) for row in INSTRUCTIONS for _ in range(20)] + [MFTB, BEQ, BNE]
    found = {int(op) & ~ops.RC for isa in (ISA_201, ISA_300, ISA_207) for op in decoded(words, isa).op}
    found |= {int(op) & ~ops.RC for op in decoded(words, ISA_300, little=True).op}
    near = {ops.NAMES[number] for number in range(ops.NEAR_FIRST, ops.NEAR_END)}
    assert {ops.NAMES[number] for number in set(ops.NAMES) - found} == {"UNDECODED", "PAGE_END", "HOST"} | near


@pytest.mark.parametrize("isa", ISAS)
def test_an_instruction_of_another_level_is_illegal(isa: int) -> None:
    rng = np.random.default_rng(3)
    absent = [
        row for row in INSTRUCTIONS if not row.since <= isa <= row.until and not (ROW[isa, keys(row)] != NO_ROW).any()
    ]
    words = [random_word(rng, row) for row in absent]
    assert (decoded(words, isa).op == ops.ILLEGAL).all() or not words
    assert len(absent) > 5


def test_words_without_a_row_are_illegal() -> None:
    words = [
        0,
        1 << 26,
        5 << 26,
        6 << 26,
        9 << 26,
        22 << 26,
        19 << 26 | 50 << 1,
        31 << 26 | 1023 << 1,
        58 << 26 | 3,
        62 << 26 | 3,
    ]
    assert {op_of(word) for word in words} == {"ILLEGAL"}


def knows(row: Row, mnemonic: str) -> bool:
    """Whether Capstone's mnemonic is the row's, plainly or simplified."""
    name = row.mnemonic.removesuffix("[.]")
    dot = r"\.?" if row.mnemonic.endswith("[.]") else ""
    pattern = f"({re.escape(name)}|{ALIASES.get(name, '$^')}){dot}"
    return re.fullmatch(pattern, mnemonic.rstrip("+-")) is not None


def test_mnemonics_agree_with_capstone() -> None:
    disassembler = Cs(CS_ARCH_PPC, CS_MODE_64 | CS_MODE_BIG_ENDIAN)
    rng = np.random.default_rng(4)
    known = set()
    for row in INSTRUCTIONS:
        if row.mnemonic in UNAVAILABLE:
            continue
        words = [random_word(rng, row) for _ in range(SAMPLES)]
        for word, op in zip(words, decoded(words, row.since).op, strict=True):
            for instruction in disassembler.disasm(word.to_bytes(4, "big"), 0):
                if op != ops.ILLEGAL:
                    assert knows(row, instruction.mnemonic), (row, hex(word), instruction.mnemonic)
                    known.add(row.mnemonic)
                    if row.mnemonic.endswith("[.]"):
                        assert instruction.mnemonic.endswith(".") == bool(op & ops.RC)
    assert len(known) > 200


MFTB = 0x7C6C42E6  # mftb r3
BEQ = 0x41820010  # beq .+16
BNE = 0x40820010  # bne .+16
Z = NO_REGISTER
ASSEMBLED = [
    ("li 3,1", 0x38600001, "ADD", (3, Z, Z, 0, 1)),
    ("addis 3,3,-1", 0x3C63FFFF, "ADD", (3, 3, Z, 0, -0x10000)),
    ("add 3,3,4", 0x7C632214, "ADD", (3, 3, 4, 0, 0)),
    ("add 3,0,4", 0x7C602214, "ADD", (3, 0, 4, 0, 0)),
    ("neg 3,3", 0x7C6300D0, "SUBF", (3, 3, Z, 0, 0)),
    ("nop", 0x60000000, "OR", (0, 0, Z, 0, 0)),
    ("mr 31,3", 0x7C7F1B78, "OR", (31, 3, 3, 0, 0)),
    ("andi. 3,4,0x8000", 0x70838000, "AND.", (3, 4, Z, 0, 0x8000)),
    ("andis. 3,4,0x8000", 0x74838000, "AND.", (3, 4, Z, 0, 0x80000000)),
    ("slwi 3,4,2", 0x5483103A, "RLWINM", (3, 4, Z, 2, 0xFFFFFFFC)),
    ("rldicr 3,4,8,23", 0x788345C4, "RLDIC", (3, 4, Z, 8, -0x10000000000)),
    ("rldicl 3,4,31,32", 0x7883F820, "RLDIC", (3, 4, Z, 31, 0xFFFFFFFF)),
    ("rldic 3,4,8,16", 0x78834408, "RLDIC", (3, 4, Z, 8, 0xFFFFFFFFFF00)),
    ("ld 3,16(1)", 0xE8610010, "LD", (3, 1, Z, 0, 16)),
    ("stdu 1,-112(1)", 0xF821FF91, "STDU", (1, 1, Z, 0, -112)),
    ("ldx 3,0,4", 0x7C60202A, "LD", (3, Z, 4, 0, 0)),
    ("lwzu 3,4(5)", 0x84650004, "LWZU", (3, 5, Z, 0, 4)),
    ("mflr 0", 0x7C0802A6, "MFSPR", (0, Z, Z, 0, 8)),
    ("mtsrr0 3", 0x7C7A03A6, "MTSPR", (3, Z, Z, 0, 26)),
    ("mfspr 3,269", 0x7C6D42A6, "MFSPR", (3, Z, Z, 0, 269)),
    ("sc 1", 0x44000022, "SC", (0, Z, Z, 0, 1)),
    ("bl .-4", 0x4BFFFFFD, "B", (0, Z, Z, 1, -4)),
    ("bla 0x100", 0x48000103, "BA", (0, Z, Z, 1, 256)),
    ("beq .+16", 0x41820010, "BC_TRUE", (2, 0, Z, 0, 16)),
    ("bne 7,.+16", 0x409E0010, "BC_FALSE", (2, 7, Z, 0, 16)),
    ("bdnz .-8", 0x4200FFF8, "BC", (16, 0, Z, 0, -8)),
    ("blr", 0x4E800020, "BCLR", (20, 0, Z, 0, 0)),
    ("bctrl", 0x4E800421, "BCCTR", (20, 0, Z, 1, 0)),
    ("cmpdi 7,3,0", 0x2FA30000, "CMPD", (7, 3, Z, 0, 0)),
    ("cmplwi 3,0xffff", 0x2803FFFF, "CMPLW", (0, 3, Z, 0, 0xFFFF)),
    ("cmplw 7,3,4", 0x7F832040, "CMPLW", (7, 3, 4, 0, 0)),
    ("mtmsrd 3", 0x7C600164, "MTMSRD", (3, Z, Z, 0, 0)),
    ("mtmsrd 3,1", 0x7C610164, "MTMSRD", (3, Z, Z, 1, 0)),
    ("trap", 0x7FE00008, "TW", (31, 0, 0, 0, 0)),
    ("tdnei 3,-1", 0x0B03FFFF, "TD", (24, 3, Z, 0, -1)),
    ("dcbz 0,3", 0x7C001FEC, "DCBZ", (0, Z, 3, 0, 0)),
    ("dcbzl 4,3", 0x7C241FEC, "DCBZ", (1, 4, 3, 1, 0)),
    ("lswi 3,12,31", 0x7C6CFCAA, "LSWI", (3, 12, Z, 31, 0)),
    ("stswi 3,4,5", 0x7C642DAA, "STSWI", (3, 4, Z, 5, 0)),
    ("srawi 3,4,3", 0x7C831E70, "SRAW", (3, 4, Z, 0, 3)),
    ("sradi 3,4,35", 0x7C831E76, "SRAD", (3, 4, Z, 0, 35)),
    ("addpcis 3,-2", 0x4C7FFFC4, "ADDPCIS", (3, Z, Z, 0, -0x20000)),
    ("isel 3,0,5,30", 0x7C602F9E, "ISEL", (3, Z, 5, 30, 0)),
    ("mfcr 3", 0x7C600026, "MFCR", (3, Z, Z, 0, 0)),
    ("mfocrf 3,0x20", 0x7C720026, "MFOCRF", (3, Z, Z, 2, 0)),
    ("mtcrf 0x81,3", 0x7C681120, "MTCRF", (0, 3, Z, 129, 0)),
    ("mtocrf 0x01,3", 0x7C701120, "MTOCRF", (0, 3, Z, 7, 0)),
    ("crand 1,2,31", 0x4C22FA02, "CRAND", (1, 2, 31, 0, 0)),
    ("mcrf 1,7", 0x4C9C0000, "MCRF", (1, 7, Z, 0, 0)),
    ("rlwimi 3,4,8,16,23", 0x5083442E, "RLWIMI", (3, 4, Z, 3, 0x373008)),
    ("rldimi 3,4,8,16", 0x7883440C, "RLDIMI", (3, 4, Z, 3, 0x371008)),
    ("rlwnm 3,4,5,28,3", 0x5C832F06, "RLWNM", (3, 4, Z, 5, -0xFFFFFF1)),
    ("rldcl 3,4,5,60", 0x78832F30, "RLDCX", (3, 4, Z, 5, 15)),
    ("maddld 3,4,5,6", 0x106429B3, "MADDLD", (3, 4, 5, 6, 0)),
    ("lq 4,32(6)", 0xE0860020, "LQ", (4, 6, Z, 0, 32)),
    ("stdcx. 3,4,5", 0x7C6429AD, "STDCX", (3, 4, 5, 0, 0)),
    ("setb 3,2", 0x7C680100, "SETB", (3, 2, Z, 0, 0)),
    ("cmprb 2,1,3,4", 0x7D232180, "CMPRB", (2, 3, 4, 1, 0)),
    ("darn 3,2", 0x7C6205E6, "DARN", (3, Z, Z, 2, 0)),
    ("extswsli 3,4,33", 0x7C830EF6, "EXTSWSLI", (3, 4, Z, 33, 0)),
    ("addme 3,4", 0x7C6401D4, "ADDE", (3, 4, Z, 0, -1)),
    ("subfic 3,4,-5", 0x2064FFFB, "SUBFC", (3, 4, Z, 0, -5)),
    ("lmw 29,8(1)", 0xBBA10008, "LMW", (29, 1, Z, 0, 8)),
]
"""What LLVM's assembler makes of a line, and the operation and its operands t, a, c, x, immediate."""


@pytest.mark.parametrize(("source", "word", "op", "expected"), ASSEMBLED, ids=[row[0] for row in ASSEMBLED])
def test_operands(source: str, word: int, op: str, expected: tuple[int, ...]) -> None:
    assert (op_of(word), operands(word)) == (op, expected)


def test_mftb_reads_the_time_base_and_nothing_else() -> None:
    assert operands(MFTB) == (3, Z, Z, 0, 268)
    assert operands(0x7C6D42E6) == (3, Z, Z, 0, 269)
    assert op_of(0x7C6C43E6) == "ILLEGAL"


def row(mnemonic: str) -> int:
    """The word of a mnemonic with all operands zero."""
    return next(fixed(row) for row in INSTRUCTIONS if row.mnemonic == mnemonic)


def with_registers(mnemonic: str, t: int, a: int, b: int = 0) -> int:
    return row(mnemonic) | t << 21 | a << 16 | b << 11


@pytest.mark.parametrize("mnemonic", ["lbzu", "lhzux", "lwaux", "ldu", "ldux"])
def test_update_loads_need_an_address_register_that_is_neither_r0_nor_the_target(mnemonic: str) -> None:
    assert op_of(with_registers(mnemonic, 3, 4)) != "ILLEGAL"
    assert op_of(with_registers(mnemonic, 3, 0)) == "ILLEGAL"
    assert op_of(with_registers(mnemonic, 3, 3)) == "ILLEGAL"


@pytest.mark.parametrize("mnemonic", ["stbu", "sthux", "stdu", "stdux"])
def test_update_stores_need_an_address_register_other_than_r0(mnemonic: str) -> None:
    assert op_of(with_registers(mnemonic, 3, 3)) != "ILLEGAL"
    assert op_of(with_registers(mnemonic, 3, 0)) == "ILLEGAL"


def test_quadwords_need_even_registers_and_loads_must_not_overwrite_their_address() -> None:
    valid = [with_registers("lq", 4, 5), with_registers("stq", 4, 4), with_registers("lqarx", 4, 5, 6)]
    valid += [with_registers("stqcx.", 4, 4, 4), with_registers("lq", 4, 0), with_registers("stq", 0, 0)]
    invalid = [with_registers(name, 5, 6) for name in ("lq", "stq", "lqarx", "stqcx.")]
    invalid += [with_registers("lq", 4, 4), with_registers("lqarx", 4, 5, 4), with_registers("lqarx", 4, 4, 5)]
    assert "ILLEGAL" not in {op_of(word) for word in valid}
    assert {op_of(word) for word in invalid} == {"ILLEGAL"}


def test_store_conditionals_without_rc_are_illegal() -> None:
    assert [op_of(word & ~1) for word in (row("stwcx."), row("stdcx."), row("stqcx."))] == ["ILLEGAL"] * 3


@pytest.mark.parametrize(
    ("t", "a", "count", "is_valid"),
    [(3, 7, 16, True), (3, 6, 16, False), (3, 7, 17, False), (30, 0, 8, True), (30, 0, 9, False), (3, 10, 0, False)],
)
def test_lswi_must_not_load_its_address(t: int, a: int, count: int, is_valid: bool) -> None:
    word = with_registers("lswi", t, a, count)
    assert op_of(word) == ("LSWI" if is_valid else "ILLEGAL")
    if is_valid:
        assert operands(word)[3] == count or count == 0


def test_a_string_of_no_bytes_is_one_of_32() -> None:
    assert operands(with_registers("lswi", 3, 12, 0))[3] == 32
    assert operands(with_registers("stswi", 3, 4, 0))[3] == 32


def test_bcctr_that_counts_down_is_illegal_and_bclr_is_not() -> None:
    assert op_of(row("bcctr") | 16 << 21) == "ILLEGAL"
    assert op_of(row("bclr") | 16 << 21) == "BCLR"


def test_reserved_fields_are_ignored() -> None:
    assert op_of(row("lwzx") | 1) == "LWZ"
    assert op_of(row("isync") | 1) == "NOP"
    assert op_of(row("mulhw[.]") | 1 << 10) == "MULHW"


def test_unavailable_units_are_told_apart() -> None:
    assert op_of(50 << 26) == "FP_UNAVAILABLE"  # lfd
    assert op_of(63 << 26) == "FP_UNAVAILABLE"
    assert op_of(4 << 26) == "VEC_UNAVAILABLE"
    assert op_of(0x12345678) == "ILLEGAL"  # no vector instruction ends in 56
    assert op_of(60 << 26) == "VSX_UNAVAILABLE"
    assert op_of(60 << 26, ISA_201) == "ILLEGAL"
    mfvsrd = 31 << 26 | 51 << 1
    assert [op_of(mfvsrd), op_of(mfvsrd | 1)] == ["FP_UNAVAILABLE", "VEC_UNAVAILABLE"]
    lxv = 61 << 26 | 1
    assert [op_of(lxv), op_of(lxv | 8), op_of(lxv, ISA_207)] == ["VSX_UNAVAILABLE", "VEC_UNAVAILABLE", "ILLEGAL"]
    assert op_of(row("maddld"), ISA_207) == "VEC_UNAVAILABLE"


def test_every_word_decodes_to_registers_that_exist() -> None:
    words = np.random.default_rng(7).integers(1 << 32, size=500 if NOJIT else 200_000)
    for isa in ISAS:
        code = decoded(words.tolist(), isa)
        assert code.t.max() < NO_REGISTER
        assert max(code.a.max(), code.c.max()) <= NO_REGISTER
        plain = code.op & (ops.RC - 1)
        assert set(np.unique(plain)) <= set(ops.NAMES) - {ops.UNDECODED, ops.PAGE_END}
        assert (
            (code.op < ops.RC) | (plain < ops.ALU_END) | (plain >= ops.CONDITION_END) & (plain < ops.CARRY_END)
        ).all()
