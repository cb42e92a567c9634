"""Random sequences of instructions, made from the table of `hw/decode.py`: a new row there is tested from then on.

A sequence is a list of *units*. A unit is an instruction with what it needs to mean something: a load gets registers
that lead into scratch memory, a branch to a register gets its target. Whatever a book leaves undefined is defined by
one more instruction of the unit (`undefined.py`), so that all state may be compared after any sequence. Branches go
forward, to the beginning of a unit; the only way back is a loop that counts CTR down from a small number.

All choices come out of a few numbers (`Choices`), so that Hypothesis can shrink them.
"""

from collections import Counter
from dataclasses import dataclass, field

from differential import undefined
from differential.layout import CODE, CODE_BYTES, SCRATCH, SCRATCH_BYTES, State
from hw import asm
from hw.encode import fixed, operand_bits
from irqvisor.hw import ops
from irqvisor.hw.decode import FORMS, INSTRUCTIONS, Check, Immediate, Row
from irqvisor.hw.state import ISA_201, ISA_300
from irqvisor.hw.storage import SIZES as PLAIN_SIZES

MASK64 = (1 << 64) - 1
LAST_REGISTER = 31
MOST_WORDS_OF_A_UNIT = 48
"""More than any unit takes; a sequence ends before it outgrows the memory that is there for code."""

INTERESTING = (
    *(0, 1, 2, 31, 32, 63, 64, 127, 128, 0xFF, 0x7FFF, 0x8000, 0xFFFF),
    *(0x7FFFFFFE, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF, 0x100000000, 0x100000001),
    *(0x7FFFFFFFFFFFFFFE, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0x8000000000000001, MASK64 - 1, MASK64),
    *(0xFFFFFFFF7FFFFFFF, 0xFFFFFFFF80000000, 0x00000000_FFFFFFFF, 0xFFFFFFFF_00000000, 0x7FFFFFFF_80000000),
)
"""Values at which carries, signs, overflows and shift counts change their minds, in 64 bits and in 32."""

EXCLUDED = {
    # operation: why no reference can tell whether it is right
    ops.FP_UNAVAILABLE: "no floating-point unit here",
    ops.VEC_UNAVAILABLE: "no vector unit here",
    ops.VSX_UNAVAILABLE: "no vector-scalar unit here",
    ops.TM_PROBLEM: "no transactional memory here",
    ops.TM_PRIVILEGED: "no transactional memory here",
    ops.MFTB: "time is the machine's own",
    ops.DARN: "random by definition",
    ops.SC: "a reference in problem state makes a system call of it",
    ops.SCV: "a reference in problem state makes a system call of it",
    ops.RFSCV: "privileged",
    ops.RFEBB: "needs an event-based branch facility",
    ops.RFID: "privileged",
    ops.HRFID: "privileged",
    ops.MTMSR: "privileged",
    ops.MTMSRD: "privileged",
    ops.MFMSR: "privileged",
    ops.NAP: "privileged",
    ops.DOZE: "privileged",
    ops.SLEEP: "privileged",
    ops.RVWINKLE: "privileged",
    ops.STOP_WAIT: "privileged",
    ops.WAIT: "waits",
    ops.MSGSND: "privileged",
    ops.MSGCLR: "privileged",
    ops.MSGSNDP: "privileged",
    ops.MSGCLRP: "privileged",
    ops.MSGSYNC: "privileged",
    ops.TLB_SUPERVISOR: "privileged",
    ops.TLB_HYPERVISOR: "privileged",
    ops.SEGMENT_READ: "privileged",
    ops.LBZCIX: "privileged",
    ops.LHZCIX: "privileged",
    ops.LWZCIX: "privileged",
    ops.LDCIX: "privileged",
    ops.STBCIX: "privileged",
    ops.STHCIX: "privileged",
    ops.STWCIX: "privileged",
    ops.STDCIX: "privileged",
    ops.MFBHRBE: "no branch history here",
    ops.CLRBHRB: "no branch history here",
    ops.ATTN: "stops the processor",
}

SIZES = {
    # operation: bytes it touches; a reservation and a quadword must be aligned to them
    **dict(zip(range(ops.LBZ, ops.MEM_END), PLAIN_SIZES.tolist(), strict=True)),
    ops.LBARX: 1,
    ops.LHARX: 2,
    ops.LWARX: 4,
    ops.LDARX: 8,
    ops.LQARX: 16,
    ops.STBCX: 1,
    ops.STHCX: 2,
    ops.STWCX: 4,
    ops.STDCX: 8,
    ops.STQCX: 16,
    ops.LQ: 16,
    ops.STQ: 16,
    ops.DCBZ: 128,
    ops.ICBI: 1,
    ops.NOP: 1,  # a cache hint
}
ALIGNED = {*range(ops.LBARX, ops.STQCX + 1), ops.LQ, ops.STQ}
RESERVING = dict(zip(range(ops.STBCX, ops.STQCX + 1), range(ops.LBARX, ops.LQARX + 1), strict=True))
STRINGS = {ops.LMW, ops.STMW, ops.LSWI, ops.LSWX, ops.STSWI, ops.STSWX}
LITTLE_ENDIAN_ALIGNMENT = STRINGS
"""Instructions that raise an alignment interrupt in little-endian mode, and so end a sequence."""
TRAPS = {ops.TW, ops.TD}
EXTENDED_OVERFLOWS = range(ops.DIVWEO, ops.DIVDEUO + 1)
USER_SPRS = (1, 8, 9, 815)
SPR_XER, SPR_LR, SPR_CTR, SPR_TAR = USER_SPRS
LINKED_TO = {ops.BCLR: SPR_LR, ops.BCCTR: SPR_CTR, ops.BCTAR: SPR_TAR}
CACHE_HINTS = {"dcbst", "dcbf", "dcbt", "dcbtst", "icbt", "dst", "dstst"}


class Choices:
    """Numbers taken one after another from one big number. Zero means: the first of everything."""

    def __init__(self, number: int) -> None:
        self._left = number

    def below(self, count: int) -> int:
        self._left, chosen = divmod(self._left, count)
        return chosen

    def one(self, of: list | tuple | range) -> int:
        return of[self.below(len(of))]

    def chance(self, of: int) -> bool:
        """One in so many; never for zero."""
        return self.below(of) == of - 1


@dataclass(frozen=True)
class Setting:
    """What sequences are for."""

    isa: int
    sf: bool = True
    little: bool = False
    without: frozenset[str] = frozenset()
    """Rows that the reference gets wrong or does not have (`disagreements.py`)."""
    stale_ov32: bool = False
    """The reference leaves OV32 alone where it should write it (`disagreements.py`)."""

    @property
    def rows(self) -> list[Row]:
        """The rows to be tested."""
        return [row for row in judged_rows(self.isa) if row.mnemonic not in self.without]


@dataclass
class Unit:
    """Words, of which row each is an instance, and for a branch, what makes them once its target is known."""

    words: list[int] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    skips: int = 0
    """How many of the following units a branch may jump over."""
    branch: "tuple[int, int, int] | None" = None
    """A branch: place of its word, place of what loads its target if that is a register, garbage for its last bits."""
    ends: bool = False

    def put(self, row: str, *words: int) -> None:
        self.words += words
        self.rows += [row] * len(words)


@dataclass
class Sequence:
    """Instructions, and how often each row is certainly executed."""

    words: list[int]
    executed: Counter
    units: list[int]
    """Where each unit begins."""

    def __str__(self) -> str:
        return "\n".join(f"{CODE + 4 * k:#x}  {word:08x}" for k, word in enumerate(self.words))


def judged_rows(isa: int) -> list[Row]:
    """The rows of an architecture level that references can judge."""
    return [row for row in INSTRUCTIONS if row.since <= isa <= row.until and row.op & ~ops.RC not in EXCLUDED]


# ---- Instruction words ----


def ra_of(word: int) -> int:
    return word >> 16 & 31


def rb_of(word: int) -> int:
    return word >> 11 & 31


def rt_of(word: int) -> int:
    return word >> 21 & 31


def with_rt(word: int, register: int) -> int:
    return word & ~(31 << 21) | register << 21


def with_ra(word: int, register: int) -> int:
    return word & ~(31 << 16) | register << 16


def with_rb(word: int, register: int) -> int:
    return word & ~(31 << 11) | register << 11


def subfic(t: int, a: int, value: int) -> int:
    return 8 << 26 | t << 21 | a << 16 | value & 0xFFFF


def cdtbcd(a: int, s: int) -> int:
    return 31 << 26 | s << 21 | a << 16 | 282 << 1


def rldimi_high(a: int, s: int) -> int:
    """The low word of `s` into the high one of `a`."""
    return 30 << 26 | s << 21 | a << 16 | 3 << 2 | 2


def operands(choices: Choices, row: Row) -> int:
    """A word of that row with any operands; reserved fields are zero."""
    return fixed(row) | choices.below(1 << 26) & operand_bits(row)


# ---- Units ----


def unit(choices: Choices, setting: Setting, row: Row) -> Unit:
    """One row's instruction, with what it needs."""
    made = Unit()
    op = row.op & ~ops.RC
    word = operands(choices, row)
    if row.mnemonic in CACHE_HINTS:
        access(made, choices, setting, row, word | choices.below(1 << 10) << 11)
    elif op == ops.NOP:
        made.put(row.mnemonic, word)
    elif op in SIZES or op in STRINGS or ops.UPDATE_FIRST <= op < ops.UPDATE_END:
        access(made, choices, setting, row, word)
    elif ops.MEM_END <= op < ops.BRANCH_END:
        branch(made, choices, setting, row, word)
    elif op in TRAPS:
        made.put(row.mnemonic, word)
        made.ends = True
    elif op in {ops.MFSPR, ops.MTSPR}:
        move(made, choices, setting, row, word)
    elif op == ops.CBCDTD:
        made.put("", cdtbcd(rt_of(word), rt_of(word)))  # digits that are none give nothing defined
        made.put(row.mnemonic, word)
    elif op < ops.CARRY_END or op in {ops.ADDG6S, ops.CDTBCD}:
        computation(made, choices, setting, row, word)
    else:
        raise NotImplementedError(f"{row.mnemonic}: say in tests/differential/generate.py how to test it")
    return made


def computation(made: Unit, choices: Choices, setting: Setting, row: Row, word: int) -> None:
    """Arithmetic, logic, conditions: any operands, as far as the result is defined."""
    if FORMS[row.form].check == Check.ONE_FIELD:
        fxm = choices.below(8)
        if word >> 20 & 1:  # of one field
            word = word & ~(0xFF << 12) | 0x80 >> fxm << 12
        elif row.mnemonic == "mfcr":
            word &= ~(0xFF << 12)
    before, after = undefined.around(row, word, choices, sf=setting.sf)
    if setting.stale_ov32 and row.op in EXTENDED_OVERFLOWS:
        after += undefined.forget_ov32(choices.below(32))
    made.put("", *before)
    made.put(row.mnemonic, word)
    made.put("", *after)


def move(made: Unit, choices: Choices, setting: Setting, row: Row, word: int) -> None:
    """mfspr and mtspr of the registers of problem state."""
    number = choices.one(USER_SPRS if setting.isa > ISA_201 else USER_SPRS[:3])
    word = word & ~(0x3FF << 11) | (number & 31) << 16 | number >> 5 << 11
    if number == SPR_XER and row.op == ops.MTSPR:
        register = rt_of(word)
        made.put("", undefined.only_named_xer_bits(register))
    made.put(row.mnemonic, word)


def displacement(word: int, row: Row) -> int:
    kind = FORMS[row.form].imm
    value = ((word & 0xFFFF) ^ 0x8000) - 0x8000
    return {Immediate.SI: value, Immediate.DS: value & ~3, Immediate.DQ: value & ~15}.get(kind, 0)


def with_displacement(word: int, row: Row, value: int) -> int:
    kept = {Immediate.SI: 0, Immediate.DS: 3, Immediate.DQ: 15}[FORMS[row.form].imm]
    return word & ~0xFFFF | word & kept | value & 0xFFFF & ~kept


def grain(row: Row) -> int:
    """What addresses must be a multiple of for the displacement to be able to say them."""
    return {Immediate.DS: 4, Immediate.DQ: 16}.get(FORMS[row.form].imm, 1)


def access(made: Unit, choices: Choices, setting: Setting, row: Row, word: int) -> None:
    """A load, a store, or whatever else has an address: it gets one in scratch memory."""
    op = row.op
    plain = op - ops.UPDATE_FIRST + ops.LBZ if ops.UPDATE_FIRST <= op < ops.UPDATE_END else op
    if op in STRINGS:
        word, size = string(made, choices, row, word)
    else:
        size = SIZES[plain]
    word = valid(choices, row, word)
    align = size if op in ALIGNED else 1
    at = SCRATCH + choices.below((SCRATCH_BYTES - size) // align + 1) * align
    if op in RESERVING:
        reserve(made, choices, setting, RESERVING[op], at, size)
    if op in {ops.DCBZ, ops.ICBI}:
        word = with_rt(word, int(op == ops.DCBZ and setting.isa == ISA_201))  # dcbzl: HID5 says what dcbz clears
    reach(made, choices, setting, row, word, at)
    if op in LITTLE_ENDIAN_ALIGNMENT and setting.little:
        made.ends = True


def valid(choices: Choices, row: Row, word: int) -> int:
    """The word, with registers exchanged if the form would be invalid."""
    check = FORMS[row.form].check
    if check in {Check.LQ, Check.STQ, Check.STQCX, Check.LQARX}:
        word &= ~(1 << 21)
    if check in {Check.UPDATE_LOAD, Check.UPDATE_STORE} and ra_of(word) == 0:
        word = with_ra(word, 1 + choices.below(LAST_REGISTER))
    if check == Check.UPDATE_LOAD and ra_of(word) == rt_of(word):
        word = with_rt(word, (rt_of(word) + 1) & 31)
    if check in {Check.LQ, Check.LQARX}:
        while rt_of(word) in {ra_of(word), rb_of(word) if check == Check.LQARX else -1}:
            word = with_rt(word, (rt_of(word) + 2) & 31)
    return word


def string(made: Unit, choices: Choices, row: Row, word: int) -> tuple[int, int]:
    """The word of a multiple or a string instruction whose form is valid, and the bytes it touches."""
    op, rt = row.op, rt_of(word)
    if op in {ops.LMW, ops.STMW}:
        if op == ops.LMW and ra_of(word) >= rt:
            word = with_ra(word, ra_of(word) % 31)
            rt = ra_of(word) + 1 + choices.below(31 - ra_of(word))
            word = with_rt(word, rt)
        return word, 4 * (32 - rt)
    immediate = op in {ops.LSWI, ops.STSWI}
    count = (rb_of(word) or 32) if immediate else choices.below(96 if op == ops.LSWX else 127) + 1
    loaded = {(rt + k) & 31 for k in range((count + 3) // 4)} if op in {ops.LSWI, ops.LSWX} else set()
    free = [r for r in range(1, 32) if r not in loaded]
    word = with_ra(word, choices.one(free))
    if not immediate:
        word = with_rb(word, choices.one(free))
        made.put("", asm.li(rb_of(word), count), asm.mtspr(SPR_XER, rb_of(word)))
    return word, count


def reserve(made: Unit, choices: Choices, setting: Setting, op: int, at: int, size: int) -> None:
    """A reservation for a conditional store: mostly the right one, sometimes of another place."""
    row = next(row for row in INSTRUCTIONS if row.op == op)
    if choices.chance(4):
        at = SCRATCH + (at - SCRATCH + size) % SCRATCH_BYTES
    word = valid(choices, row, operands(choices, row))
    reach(made, choices, setting, row, word, at)


def reach(made: Unit, choices: Choices, setting: Setting, row: Row, word: int, at: int) -> None:
    """The instruction, after others that make its registers lead to an address."""
    form = FORMS[row.form]
    ra, rb = ra_of(word), rb_of(word)
    indexed = form.c == "RB" or row.mnemonic in CACHE_HINTS
    at -= at % grain(row)
    if not indexed:
        if ra == 0:
            word = with_displacement(word, row, at) if form.imm != Immediate.ZERO else word
        else:
            offset = displacement(word, row)
            if not -0x8000 <= at - offset < 0x8000:
                offset = offset // 2 & -grain(row)
                word = with_displacement(word, row, offset)
            made.put("", asm.li(ra, at - offset))
    elif ra == 0:
        made.put("", asm.li(rb, at))
    elif ra == rb:
        if at & 1:
            at -= 1
        made.put("", asm.li(ra, at // 2))
    elif choices.below(2):
        offset = choices.below(1 << 14) - (1 << 13)
        made.put("", asm.li(ra, at - offset), asm.li(rb, offset))
    else:
        made.put("", subfic(rb, ra, at))
    if not setting.sf and ra != 0 and choices.below(2) and not (indexed and ra == rb):
        other = choices.below(32)
        made.put("", rldimi_high(ra, other))
    made.put(row.mnemonic, word)


def branch(made: Unit, choices: Choices, setting: Setting, row: Row, word: int) -> None:
    """A branch over some of the next units, or a loop."""
    op = row.op
    made.skips = (0, 0, 0, 1, 1, 2, 3, 0)[choices.below(8)]
    if op == ops.BCCTR:
        word |= 4 << 21
    if op == ops.BC and choices.chance(4):
        loop(made, choices, setting, row, word)
        return
    if op in LINKED_TO:
        register = choices.below(32)
        made.put("", asm.li(register, 0), asm.mtspr(LINKED_TO[op], register))
    made.put(row.mnemonic, word)
    made.branch = len(made.words) - 1, len(made.words) - 3 if op in LINKED_TO else -1, choices.below(4)


def loop(made: Unit, choices: Choices, setting: Setting, row: Row, word: int) -> None:
    """A few instructions, repeated as often as CTR says."""
    made.skips = 0
    register = choices.below(32)
    made.put("", asm.li(register, choices.below(4) + 1), asm.mtspr(SPR_CTR, register))
    begin = len(made.words)
    for _ in range(choices.below(3) + 1):
        inner = choices.one(loopable(setting))
        part = unit(choices, setting, inner)
        if not part.ends:
            made.words += part.words
            made.rows += part.rows
    back = 4 * (begin - len(made.words))
    hints = word >> 21 & 0x9
    made.put(row.mnemonic, asm.bc(0x10 | hints, ra_of(word), back) | word & 1)


_LOOPABLE: dict[Setting, list[Row]] = {}


def loopable(setting: Setting) -> list[Row]:
    """Rows that neither branch nor touch CTR."""
    if setting not in _LOOPABLE:
        _LOOPABLE[setting] = [
            row
            for row in setting.rows
            if not ops.MEM_END <= row.op & ~ops.RC < ops.BRANCH_END and row.op not in {ops.MTSPR, *TRAPS}
        ]
    return _LOOPABLE[setting]


# ---- Sequences ----


_ROWS: dict[Setting, tuple[list[Row], list[Row]]] = {}


def rows_of(setting: Setting) -> tuple[list[Row], list[Row]]:
    """Rows that go on, and rows that end a sequence."""
    if setting not in _ROWS:
        rows = setting.rows
        ending = [row for row in rows if row.op in TRAPS or (setting.little and row.op in LITTLE_ENDIAN_ALIGNMENT)]
        _ROWS[setting] = [row for row in rows if row not in ending], ending
    return _ROWS[setting]


def sequence(setting: Setting, numbers: list[int], last: int) -> Sequence:
    """The sequence of one unit a number; `last` chooses how it ends."""
    going, ending = rows_of(setting)
    units = []
    room = CODE_BYTES // 4 - MOST_WORDS_OF_A_UNIT - 1
    for number in numbers:
        choices = Choices(number)
        made = unit(choices, setting, choices.one(going))
        units.append(made)
        room -= len(made.words)
        if room <= 0:
            break
    choices = Choices(last)
    if choices.below(2) and ending:
        units.append(unit(choices, setting, choices.one(ending)))
    return link(units)


def link(units: list[Unit]) -> Sequence:
    """Put units one after another and give branches their targets."""
    starts = [0]
    for made in units:
        starts.append(starts[-1] + len(made.words))
    executed: Counter = Counter()
    reached_from = 0
    for k, made in enumerate(units):
        if made.branch is not None:
            last = min(k + 1 + made.skips, len(units))
            aim(made, CODE + 4 * starts[k], CODE + 4 * starts[last])
        if k >= reached_from:
            executed.update(row for row in made.rows if row)
        if made.skips:
            reached_from = max(reached_from, k + 1 + made.skips)
    return Sequence([word for made in units for word in made.words], executed, starts)


def aim(made: Unit, here: int, target: int) -> None:
    """Fill in the target of a branch."""
    place, loader, garbage = made.branch
    word = made.words[place]
    if loader >= 0:
        made.words[loader] = made.words[loader] & ~0xFFFF | target | garbage
        return
    bits = 0x03FFFFFC if word >> 26 == 18 else 0xFFFC
    offset = target if word & 2 else target - here - 4 * place
    made.words[place] = word & ~bits | offset & bits


# ---- Registers ----


def value(number: int) -> int:
    """A register's value of 72 bits of choice: an interesting one, one near to one, one of few bits, or any."""
    kind, rest = number & 0xFF, number >> 8
    if kind < 96:
        return INTERESTING[rest % len(INTERESTING)]
    if kind < 128:
        return (INTERESTING[rest % len(INTERESTING)] + (rest >> 8) % 9 - 4) & MASK64
    if kind < 192:
        return rest >> (kind & 63)
    return rest


XER_NAMED = 0xE000007F
XER_NAMED_300 = XER_NAMED | 0xC0000


def state(setting: Setting, data: bytes, memory: bytes) -> State:
    """Registers of CHOICES_OF_A_STATE bytes of choice."""
    *gpr, lr, ctr, tar = (value(int.from_bytes(data[9 * k : 9 * k + 9], "little")) for k in range(35))
    cr, xer = (int.from_bytes(data[9 * 35 + 4 * k : 9 * 35 + 4 * k + 4], "little") for k in range(2))
    named = XER_NAMED_300 if setting.isa == ISA_300 else XER_NAMED
    return State(gpr, cr, xer & named, lr, ctr, tar if setting.isa > ISA_201 else 0, CODE, memory)


CHOICES_OF_A_STATE = 9 * 35 + 4 * 2
