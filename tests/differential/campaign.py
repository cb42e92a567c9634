"""Random sequences through irqvisor and a reference, until every instruction was executed often enough."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

import capstone
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from differential import disagreements, generate
from differential.generate import Sequence, Setting
from differential.layout import CODE, SCRATCH, SCRATCH_BYTES, State
from differential.ours import Ours
from differential.qemu import Qemu, executable
from differential.uc import Unicorn
from irqvisor.hw.state import LEVELS

MOST_UNITS = 40


@dataclass(frozen=True)
class Configuration:
    """A processor, and what it is compared with."""

    reference: str  # "qemu-ppc64", "qemu-ppc64le" or "unicorn"
    model: str  # of the reference
    isa: str
    sf: bool = True
    little: bool = False

    def __str__(self) -> str:
        extra = ("" if self.sf else "-32-bit") + ("-little" if self.little and self.reference == "unicorn" else "")
        return f"{self.reference}-{self.model}{extra}"

    @property
    def without(self) -> dict[str, str]:
        if self.reference == "unicorn":
            return disagreements.UNICORN_LITTLE_ENDIAN if self.little else disagreements.UNICORN
        return disagreements.QEMU_LITTLE_ENDIAN if self.little else disagreements.QEMU

    @property
    def setting(self) -> Setting:
        stale = self.reference == "unicorn"
        return Setting(LEVELS[self.isa], self.sf, self.little, frozenset(self.without), stale)

    def ours(self) -> Ours:
        return Ours("970" if self.isa == "2.01" else "power8", self.isa, sf=self.sf, little=self.little)

    def start(self) -> "Qemu | Unicorn":
        """The reference; skips the test if it is not installed."""
        if self.reference == "unicorn":
            return Unicorn(sf=self.sf, little=self.little)
        if executable(little=self.little) is None:
            pytest.skip(f"{self.reference} is not installed (Debian: qemu-user)")
        return Qemu(self.model, little=self.little)


CONFIGURATIONS = (
    Configuration("qemu-ppc64", "970", "2.01"),
    Configuration("qemu-ppc64", "power8", "2.07"),
    Configuration("qemu-ppc64", "power9", "3.0"),
    Configuration("qemu-ppc64le", "power8", "2.07", little=True),
    Configuration("qemu-ppc64le", "power9", "3.0", little=True),
    Configuration("unicorn", "power10", "3.0"),
    Configuration("unicorn", "power10", "3.0", sf=False),
    Configuration("unicorn", "power10", "3.0", little=True),
)


@dataclass(frozen=True, repr=False)
class Case:
    """A sequence and the state it begins in, as numbers that mean something to `generate.py`."""

    units: tuple[int, ...]
    last: int
    registers: bytes
    memory: int

    def made(self, setting: Setting) -> tuple[Sequence, State]:
        sequence = generate.sequence(setting, list(self.units), self.last)
        return sequence, generate.state(setting, self.registers, scratch(self.memory))

    def __repr__(self) -> str:
        return f"<{len(self.units)} units>"  # the message has the words


def scratch(number: int) -> bytes:
    """Scratch memory full of a number's multiples."""
    odd = 0x9E3779B97F4A7C15
    return b"".join((number * (odd * k + 1) & generate.MASK64).to_bytes(8) for k in range(SCRATCH_BYTES // 8))


@dataclass
class Tally:
    """What was executed."""

    sequences: int = 0
    instructions: int = 0
    rows: Counter[str] = field(default_factory=Counter)


class Pair:
    """irqvisor and a reference, side by side."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.setting = configuration.setting
        self.ours, self.theirs = configuration.ours(), configuration.start()
        self.tally = Tally()

    def agree(self, case: Case) -> bool:
        """Whether both end a case in the same state."""
        sequence, before = case.made(self.setting)
        mine = self.ours.run(sequence.words, before)
        self.tally.sequences += 1
        self.tally.instructions += self.ours.completed
        self.tally.rows += sequence.executed
        return mine == self.theirs.run(sequence.words, before)

    def check(self, case: Case) -> None:
        """Raises AssertionError if they do not."""
        if not self.agree(case):
            raise AssertionError(self.explain(case))

    def explain(self, case: Case) -> str:
        """The instructions, the registers that are not zero, and what differs afterwards."""
        sequence, before = case.made(self.setting)
        mine, reference = self.ours.run(sequence.words, before), self.theirs.run(sequence.words, before)
        name = str(self.configuration)
        lines = ["", *disassemble(sequence.words)]
        lines.append("before: " + ", ".join(f"{part} {value}" for part, value in named(before)))
        lines += [f"{part}: irqvisor {a}, {name} {b}" for part, a, b in differences(mine, reference)]
        return "\n".join(lines)


@contextmanager
def pair(configuration: Configuration) -> Iterator[Pair]:
    """Both, while they are needed."""
    both = Pair(configuration)
    try:
        yield both
    finally:
        both.theirs.close()


# ---- Many cases ----


def campaign(both: Pair, least: int, seed: int) -> None:
    """Random cases until every row was executed at least so many times.

    Rows come off a shuffled deck, so that none is rare. Raises AssertionError with a small sequence that ends
    differently."""
    rng = random.Random(seed)
    going, ending = generate.rows_of(both.setting)
    deck, endings = Deck(rng, len(going)), Deck(rng, 2 * len(ending) or 1)
    wanted = {row.mnemonic for row in both.setting.rows}
    while any(both.tally.rows[row] < least for row in wanted):
        for _ in range(CASES_BETWEEN_LOOKS):
            units = tuple(
                rng.getrandbits(UNIT_BITS) * len(going) + deck.take() for _ in range(rng.randint(1, MOST_UNITS))
            )
            chosen, goes_on = divmod(endings.take(), 2)
            last = (rng.getrandbits(64) * max(len(ending), 1) + chosen) * 2 + 1 - goes_on
            case = Case(units, last, rng.randbytes(generate.CHOICES_OF_A_STATE), rng.getrandbits(64))
            if not both.agree(case):
                raise AssertionError(both.explain(smallest(case, both, len(going))))


UNIT_BITS = 160
CASES_BETWEEN_LOOKS = 100


class Deck:
    """The numbers below `count`, shuffled, again and again."""

    def __init__(self, rng: random.Random, count: int) -> None:
        self._rng = rng
        self._count = count
        self._left: list[int] = []

    def take(self) -> int:
        if not self._left:
            self._left = self._rng.sample(range(self._count), self._count)
        return self._left.pop()


def smallest(case: Case, both: Pair, rows: int) -> Case:
    """A smaller case on which they still disagree: fewer units, simpler operands, more zeros."""
    progress = True
    while progress:
        progress = False
        for simpler in simpler_cases(case, rows):
            if not both.agree(simpler):
                case, progress = simpler, True
                break
    return case


def simpler_cases(case: Case, rows: int) -> Iterator[Case]:
    count = len(case.units)
    for size in (count // 2, count // 4, 3, 1):
        for k in range(0, count, size or 1):
            if size:
                yield replace(case, units=case.units[:k] + case.units[k + size :])
    if case.last:
        yield replace(case, last=0)
    for k in range(len(case.registers)):
        if case.registers[k]:
            whole = k // 9 * 9
            yield replace(case, registers=case.registers[:whole] + bytes(9) + case.registers[whole + 9 :])
    if case.memory:
        yield replace(case, memory=0)
    for k, number in enumerate(case.units):
        for kept in (rows, rows << 32, rows << 64):
            if number >= kept:
                yield replace(case, units=(*case.units[:k], number % kept, *case.units[k + 1 :]))


# ---- What Hypothesis makes ----


@st.composite
def cases(draw: Callable[..., Any]) -> Case:
    """Cases that are less random: small numbers, repetitions, zeros."""
    count = draw(st.integers(1, MOST_UNITS))
    units = tuple(draw(st.integers(0, (1 << UNIT_BITS) - 1)) for _ in range(count))
    registers = draw(st.binary(min_size=generate.CHOICES_OF_A_STATE, max_size=generate.CHOICES_OF_A_STATE))
    return Case(units, draw(st.integers(0, (1 << 64) - 1)), registers, draw(st.integers(0, generate.MASK64)))


def explore(both: Pair, examples: int) -> None:
    """Examples of Hypothesis, which makes what fails as small as it can."""

    @settings(max_examples=examples, database=None, report_multiple_bugs=False, suppress_health_check=list(HealthCheck))
    @given(cases())
    def agree(case: Case) -> None:
        both.check(case)

    agree()


# ---- A difference, for people ----


def disassemble(words: list[int]) -> list[str]:
    engine = capstone.Cs(capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | capstone.CS_MODE_BIG_ENDIAN)
    lines = []
    for at, word in enumerate(words):
        text = [f"{i.mnemonic} {i.op_str}" for i in engine.disasm(word.to_bytes(4), CODE + 4 * at)]
        lines.append(f"{CODE + 4 * at:#06x}  {word:08x}  {text[0] if text else '?'}")
    return lines


def named(state: State) -> list[tuple[str, str]]:
    """Every part of a state that is not zero, by name."""
    parts = [(f"r{n}", hex(value)) for n, value in enumerate(state.gpr) if value]
    return parts + [(f.name, hex(v)) for f in fields(state) if isinstance(v := getattr(state, f.name), int) and v]


def differences(mine: State, reference: State) -> list[tuple[str, str, str]]:
    found = [(f"r{n}", hex(a), hex(b)) for n, (a, b) in enumerate(zip(mine.gpr, reference.gpr, strict=True)) if a != b]
    for part in fields(State):
        a, b = getattr(mine, part.name), getattr(reference, part.name)
        if a != b and part.name not in {"gpr", "memory"}:
            found.append((part.name, hex(a), hex(b)) if isinstance(a, int) else (part.name, a, b))
    found += [
        (f"memory {SCRATCH + k:#x}", hex(a), hex(b))
        for k, (a, b) in enumerate(zip(mine.memory, reference.memory, strict=True))
        if a != b
    ]
    return found
