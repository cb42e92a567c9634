"""What the books leave undefined, and how a unit gets round it.

Two ways: instructions before it that keep the operands where the result is defined, or instructions after it that put
something else in its place. Divisions take the first way half of the time, so that the overflow flags of those without
a result, which are defined, are compared too.
"""

from irqvisor.hw.decode import Row

HIGH_WORD = {
    # mnemonic: where the book says that bits 0:31 of RT are undefined
    "mulhw": "Book I, Multiply High Word",
    "mulhwu": "Book I, Multiply High Word Unsigned",
    "divw": "Book I, Divide Word",
    "divwu": "Book I, Divide Word Unsigned",
    "divwe": "Book I, Divide Word Extended",
    "divweu": "Book I, Divide Word Extended Unsigned",
    "modsw": "Book I, Modulo Signed Word",
    "moduw": "Book I, Modulo Unsigned Word",
}
"""With Rc=1 in 64-bit mode CR0, which compares all of RT, is undefined with it."""

NO_RESULT = {
    # mnemonic: where the book says that RT is undefined if the division has no result, and CR0 with it
    "divw": "Book I, Divide Word: x / 0, and 0x8000_0000 / -1",
    "divwu": "Book I, Divide Word Unsigned: x / 0",
    "divwe": "Book I, Divide Word Extended: a quotient that does not fit 32 bits, or x / 0",
    "divweu": "Book I, Divide Word Extended Unsigned: (RA) >= (RB), or x / 0",
    "divd": "Book I, Divide Doubleword: x / 0, and 0x8000_0000_0000_0000 / -1",
    "divdu": "Book I, Divide Doubleword Unsigned: x / 0",
    "divde": "Book I, Divide Doubleword Extended: a quotient that does not fit 64 bits, or x / 0",
    "divdeu": "Book I, Divide Doubleword Extended Unsigned: (RA) >= (RB), or x / 0",
    "modsw": "Book I, Modulo Signed Word: x % 0, and 0x8000_0000 % -1",
    "moduw": "Book I, Modulo Unsigned Word: x % 0",
    "modsd": "Book I, Modulo Signed Doubleword: x % 0, and 0x8000_0000_0000_0000 % -1",
    "modud": "Book I, Modulo Unsigned Doubleword: x % 0",
}

OTHERS = {
    "mfocrf": "Book I, Move From One Condition Register Field: the bits of RT that are not of the field; FXM names one",
    "mtocrf": "Book I, Move To One Condition Register Field: FXM that does not name exactly one",
    "lswx": "Book I, Load String Word Indexed: RT if the length is 0",
    "mtspr": "Book I, Fixed-Point Exception Register: bits 35:43 and 46:56 are reserved",
}

EXTENDED = {"divwe", "divweu", "divde", "divdeu"}


def around(row: Row, word: int, choices, *, sf: bool) -> tuple[list[int], list[int]]:
    """Instructions to put before and after a word of this row."""
    name = row.mnemonic.removesuffix("[.]")
    name = name[:-1] if name.endswith("o") and name[:-1] in NO_RESULT else name
    record = row.mnemonic.endswith("[.]") and word & 1
    rt = word >> 21 & 31
    before: list[int] = []
    after: list[int] = []
    if name in NO_RESULT:
        if choices.below(2):
            before = defined(name, word >> 16 & 31, word >> 11 & 31, choices)
        if not before:
            after = [li(rt, choices.below(1 << 15))]
    if name in HIGH_WORD and not after:
        after = [clear_high_word(rt)]
    if name == "mfcr" and word >> 20 & 1:
        k = (word >> 12 & 0xFF).bit_length()
        after = [rlwinm(rt, rt, 32 - 4 * k, 35 - 4 * k)]
    if after and record:
        after.append(compare_with_zero(rt, sf=sf))
    return before, after


def defined(name: str, a: int, b: int, choices) -> list[int]:
    """Instructions that make a quotient exist; none if the operands are one register, of which that is not true."""
    if name not in EXTENDED:
        # An odd dividend is not the smallest number, an odd divisor is not zero
        return [ori(b, b, 1)] if a == b else [ori(b, b, 1), *([ori(a, a, 1)] if "u" not in name else [])]
    if a == b:
        return []
    wide = "d" in name.removeprefix("div")
    if name.endswith("u"):
        # RA & RB is at most RB, and even while RB is odd: less
        return [ori(b, b, 1), and_(a, a, b), clear_lowest(a, wide=wide)]
    # 0 < RB, 0 <= RA <= RB / 4; then any signs
    words = [clear_sign(b, wide=wide), ori(b, b, 1), and_(a, a, b), quarter(a, wide=wide)]
    return words + ([neg(a)] if choices.below(2) else []) + ([neg(b)] if choices.below(2) else [])


def only_named_xer_bits(register: int) -> int:
    """Clear what mtxer would put into reserved bits of XER: all but SO, OV, CA and the length."""
    return rlwinm(register, register, 25, 2)


def forget_ov32(register: int) -> list[int]:
    """Write XER without OV32, and so without CA32 too."""
    return [mfxer(register), only_named_xer_bits(register), mtxer(register), li(register, 0)]


def mfxer(t: int) -> int:
    return 31 << 26 | t << 21 | 1 << 16 | 339 << 1


def mtxer(s: int) -> int:
    return 31 << 26 | s << 21 | 1 << 16 | 467 << 1


def li(t: int, value: int) -> int:
    return 14 << 26 | t << 21 | value & 0xFFFF


def ori(a: int, s: int, value: int) -> int:
    return 24 << 26 | s << 21 | a << 16 | value


def and_(a: int, s: int, b: int) -> int:
    return 31 << 26 | s << 21 | a << 16 | b << 11 | 28 << 1


def neg(t: int) -> int:
    return 31 << 26 | t << 21 | t << 16 | 104 << 1


def rlwinm(a: int, s: int, mb: int, me: int, sh: int = 0) -> int:
    return 21 << 26 | s << 21 | a << 16 | sh << 11 | mb << 6 | me << 1


def rldicl(a: int, s: int, sh: int, mb: int) -> int:
    return 30 << 26 | s << 21 | a << 16 | (sh & 31) << 11 | (mb & 31) << 6 | mb & 32 | (sh & 32) >> 4


def rldicr(a: int, s: int, sh: int, me: int) -> int:
    return rldicl(a, s, sh, me) | 1 << 2


def clear_high_word(r: int) -> int:
    return rldicl(r, r, 0, 32)


def clear_sign(r: int, *, wide: bool) -> int:
    return rldicl(r, r, 0, 1) if wide else rlwinm(r, r, 1, 31)


def clear_lowest(r: int, *, wide: bool) -> int:
    return rldicr(r, r, 0, 62) if wide else rlwinm(r, r, 0, 30)


def quarter(r: int, *, wide: bool) -> int:
    return rldicl(r, r, 62, 2) if wide else rlwinm(r, r, 2, 31, 30)


def compare_with_zero(r: int, *, sf: bool) -> int:
    """CR0 as a record form leaves it, for a result that is defined."""
    return 11 << 26 | int(sf) << 21 | r << 16
