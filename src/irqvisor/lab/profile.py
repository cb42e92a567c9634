"""Hardware profiles: what each elementary step costs, with class, range and source for every number.

A profile is a TOML file (docs/reference/profiles.md). Sources that measured nanoseconds stay in nanoseconds; path
lengths stay in instructions; `Profile.cycles` converts, once. Each number carries its class:

| class | meaning |
| --- | --- |
| A | read in the author's own text |
| B | a paper's table as quoted by others |
| D | arithmetic on A or B |
| E | estimate; the rule is given and the range must be swept |

A result that rests on class E says so: `Profile.rests_on_estimates`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from irqvisor.errors import ProfileError, did_you_mean

FOLDER = Path(__file__).parents[1] / "data" / "profiles"

CHARGES: dict[str, str] = {
    "exc_entry": "hardware takes an exception and reaches the first handler instructions with state saved",
    "exc_return": "restore and return from interrupt",
    "hcall_rt": "guest to hypervisor and back, minimal path",
    "world_switch_rt": "from one domain to another: full exit and entry, null work",
    "pic_mmio_read": "uncached load from an interrupt controller register",
    "pic_mmio_write": "uncached store to an interrupt controller register",
    "pic_trap_emul": "one register access that is trapped and emulated, exit and entry included",
    "pic_trap_user": "the same, emulated in a host user process",
    "eoi_direct": "a guest completes an interrupt without leaving: virtual CPU interface, virtual APIC, direct page",
    "phys_ipi": "interrupt from one processor to another, send to first receiver instructions",
    "inject": "the hypervisor marks a virtual interrupt and arranges entry at the guest's vector",
    "switch_penalty": "extra misses after a switch: caches, TLB, predictors",
    "host_wakeup": "a blocked vCPU is made to run again",
}
"""What a design or a scenario of steps (`steps`) may charge, and what it covers. A profile names them all."""

STEPS_ONLY = ("pic_trap_emul", "pic_trap_user", "eoi_direct")
"""Charges that no design takes: they are for scenarios of steps. No result of a machine rests on them."""

RATES: dict[str, str] = {
    "clock_ghz": "GHz",
    "timebase_hz": "Hz",
    "cycles_per_instruction": "cycles",
    "hv_cycles_per_instruction": "cycles",
}
"""What turns units into cycles, and the unit each is written in."""

CLASSES = ("A", "B", "D", "E")
UNITS = ("cycles", "ns", "instructions")
GIVEN = "given"
"""The class of a number that the user set."""

LARGEST_DENOMINATOR = 10_000
"""The time base counts ``cycles * num // den``: both must be small for virtual time to be exact in 64 bits."""

_FIELDS = {"value", "low", "middle", "high", "unit", "class", "range", "source"}


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a profile.

    Attributes:
        value: the number itself, in ``unit``.
        unit: ``cycles``, ``ns``, or ``instructions`` (hypervisor path length, times ``hv_cycles_per_instruction``).
        grade: class of the evidence: A, B, D, E, or ``given`` when the user set it.
        low, high: the range to sweep; both equal to ``value`` when it is not in doubt.
        source: where it is written, or the rule of the estimate.
    """

    value: float
    unit: str
    grade: str
    low: float
    high: float
    source: str

    def to_dict(self) -> dict[str, Any]:
        """As the profile file writes it."""
        spread = {} if self.low == self.high == self.value else {"range": [self.low, self.high]}
        return {"value": self.value, "unit": self.unit, "class": self.grade, **spread, "source": self.source}


@dataclass(frozen=True, slots=True)
class Profile:
    """A complete profile; made by `load`, changed by `with_overrides`."""

    name: str
    description: str
    numbers: Mapping[str, Number]
    sources: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()

    @property
    def clock_hz(self) -> int:
        """Cycles a second."""
        return round(self.numbers["clock_ghz"].value * 1e9)

    @property
    def timebase_hz(self) -> int:
        """Time base ticks a second, as a device tree tells them."""
        return round(self.numbers["timebase_hz"].value)

    @property
    def cycles_per_instruction(self) -> int:
        """Cycles one guest instruction takes."""
        return round(self.numbers["cycles_per_instruction"].value)

    @property
    def hv_cycles_per_instruction(self) -> int:
        """Cycles one instruction of hypervisor path length takes."""
        return round(self.numbers["hv_cycles_per_instruction"].value)

    def cycles(self, charge: str) -> int:
        """What a charge costs in cycles, rounded half up."""
        if charge not in CHARGES:
            raise ProfileError(self.name, f'no charge "{charge}"', hint=did_you_mean(charge, CHARGES))
        number = self.numbers[charge]
        scale = {
            "cycles": 1.0,
            "ns": self.numbers["clock_ghz"].value,
            "instructions": float(self.hv_cycles_per_instruction),
        }
        return math.floor(number.value * scale[number.unit] + 0.5)

    def timebase_ratio(self) -> tuple[int, int]:
        """(num, den) with time base = cycles * num // den: small integers, so that virtual time is exact.

        A time base whose frequency was cut to whole Hz (33,333,333 for a sixtieth of 2 GHz) gets the ratio meant.
        """
        exact = Fraction(self.timebase_hz, self.clock_hz)
        ratio = exact.limit_denominator(LARGEST_DENOMINATOR)
        return ratio.numerator, ratio.denominator

    def rests_on_estimates(self) -> list[str]:
        """The numbers of class E that machines are made of, in file order: what a footer has to own up to. A number the
        user set is not one."""
        return [name for name, number in self.numbers.items() if number.grade == "E" and name not in STEPS_ONLY]

    def with_overrides(self, overrides: Mapping[str, float | str] | Iterable[str]) -> Profile:
        """A copy with some numbers set.

        Args:
            overrides: name to value, or texts ``hcall_rt=900``. A bare number is in the unit of the profile; ``900ns``
                and ``900cycles`` state another; ``low``, ``middle`` and ``high`` pick from the range.

        Raises:
            ProfileError: a name that no profile has, a value that is not one, or numbers that do not fit together.
        """
        pairs = overrides.items() if isinstance(overrides, Mapping) else [_pair(text) for text in overrides]
        numbers = dict(self.numbers)
        problems: list[ProfileError] = []
        texts: list[str] = []
        for name, value in pairs:
            texts.append(f"{name}={value}")
            where = f"profile.{name}"
            if name not in numbers:
                problems.append(ProfileError(where, "no such number", hint=did_you_mean(name, numbers)))
                continue
            try:
                numbers[name] = _override(where, numbers[name], value)
            except ProfileError as error:
                problems.append(error)
        problems = problems or _contradictions(f"{self.name} with {', '.join(texts)}", numbers)
        if problems:
            raise ProfileError.together(problems)
        return replace(self, numbers=numbers, overrides=(*self.overrides, *texts))

    def fingerprint(self) -> str:
        """A stable hash of everything that changes a result."""
        values = {name: (float(number.value), number.unit) for name, number in self.numbers.items()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Everything, with each charge in cycles beside it."""
        rates = {name: self.numbers[name].to_dict() for name in RATES}
        charges = {name: {**self.numbers[name].to_dict(), "cycles": self.cycles(name)} for name in CHARGES}
        return {
            "name": self.name,
            "description": self.description,
            **rates,
            "charges": charges,
            "timebase_ratio": list(self.timebase_ratio()),
            "rests_on_estimates": self.rests_on_estimates(),
            "overrides": list(self.overrides),
            "sources": dict(self.sources),
        }


def names() -> list[str]:
    """The bundled profiles."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name_or_path: str | Path) -> Profile:
    """Read a profile: a bundled one by name, or a file.

    Raises:
        ProfileError: no such profile, not TOML, or not a complete profile; every problem is named.
    """
    text = str(name_or_path)
    bundled = names()
    if text in bundled:
        path, where = FOLDER / f"{text}.toml", f"{text}.toml"
    elif isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text:
        path, where = Path(text), text
    else:
        hint = f"{did_you_mean(text, bundled)}; or give a file, ./NAME.toml"
        raise ProfileError("", f'unknown profile "{text}"', hint=hint)
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise ProfileError(where, f"cannot be read: {error.strerror}", hint=f"bundled: {', '.join(bundled)}") from None
    except UnicodeDecodeError:
        raise ProfileError(where, "not text in UTF-8", "a profile in TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(where, f"not TOML: {error}") from None
    return from_dict(data, where)


def from_dict(data: Mapping[str, Any], where: str = "profile") -> Profile:
    """A profile from parsed TOML.

    Raises:
        ProfileError: every problem there is, together.
    """
    problems: list[ProfileError] = []
    known = {"name", "description", "charges", "sources", *RATES}
    problems += [
        ProfileError(f"{where}: {key}", "unknown key", hint=did_you_mean(key, known))
        for key in data
        if key not in known
    ]
    charges = data.get("charges", {})
    if not isinstance(charges, Mapping):
        problems.append(ProfileError(f"{where}: charges", f"found {charges!r}", "tables such as [charges.hcall_rt]"))
        charges = {}
    problems += [
        ProfileError(f"{where}: charges.{key}", "unknown charge", hint=did_you_mean(key, CHARGES))
        for key in charges
        if key not in CHARGES
    ]
    numbers: dict[str, Number] = {}
    places: list[tuple[str, str, Any, tuple[str, ...]]]
    places = [(name, name, data.get(name), (unit,)) for name, unit in RATES.items()]
    places += [(name, f"charges.{name}", charges.get(name), UNITS) for name in CHARGES]
    for name, place, value, units in places:
        if value is None:
            what = "of a profile that is to drive a run" if name in RATES else f"({CHARGES[name]})"
            problems.append(ProfileError(f"{where}: {place}", "missing", f"a table: a required number {what}"))
            continue
        number = _number(f"{where}: {place}", value, units, problems)
        if number is not None:
            numbers[name] = number
    problems += [
        ProfileError(f"{where}: {key}", f"found {data[key]!r}", "text")
        for key in ("name", "description")
        if not isinstance(data.get(key, ""), str)
    ]
    sources = data.get("sources", {})
    if not isinstance(sources, Mapping):
        problems.append(ProfileError(f"{where}: sources", f"found {sources!r}", 'a table: 1 = "author, title"'))
        sources = {}
    problems = problems or _contradictions(where, numbers)
    if problems:
        raise ProfileError.together(problems)
    return Profile(
        name=data.get("name", Path(where).stem),
        description=data.get("description", ""),
        numbers=numbers,
        sources={str(key): str(value) for key, value in sources.items()},
    )


def _number(where: str, data: Any, units: tuple[str, ...], problems: list[ProfileError]) -> Number | None:
    """One table of a profile; what is wrong with it goes to ``problems``."""
    before = len(problems)

    def problem(key: str, found: str, expected: str = "", hint: str = "") -> None:
        problems.append(ProfileError(f"{where}.{key}" if key else where, found, expected, hint))

    if not isinstance(data, Mapping):
        problem("", f"found {data!r}", "a table with value, unit, class and source: a bare number has no evidence")
        return None
    for key in data:
        if key not in _FIELDS:
            problem(key, "unknown key", hint=did_you_mean(key, _FIELDS))
    for key in ("value", "low", "middle", "high"):
        if key in data and not _is_number(data[key]):
            problem(key, f"found {data[key]!r}", "a number, zero or more")
    three = [key for key in ("low", "middle", "high") if key in data]
    if "value" in data and three:
        problem("value", f"given together with {', '.join(three)}", "value (and range), or low, middle and high")
    elif "value" not in data and len(three) < 3:
        missing = [key for key in ("low", "middle", "high") if key not in data]
        found = "missing" if not three else f"no {' and no '.join(missing)}"
        problem("value" if not three else "", found, "value (and range), or low, middle and high")
    if data.get("unit") not in units:
        problem("unit", f"found {data['unit']!r}" if "unit" in data else "missing", _one_of(units))
    if data.get("class") not in CLASSES:
        problem("class", f"found {data['class']!r}" if "class" in data else "missing", _one_of(CLASSES))
    if not isinstance(data.get("source"), str) or not data["source"].strip():
        problem("source", "missing", "where the number is written, or the rule of the estimate")
    spread = data.get("range")
    if spread is not None and not (isinstance(spread, list) and len(spread) == 2 and all(map(_is_number, spread))):
        problem("range", f"found {spread!r}", "two numbers: [low, high]")
    if len(problems) > before:
        return None
    value = data["value"] if "value" in data else data["middle"]
    low, high = spread if spread is not None else (data.get("low", value), data.get("high", value))
    if not low <= value <= high:
        problem("", f"{value:g} is outside its range {low:g}..{high:g}", "low <= value <= high")
        return None
    return Number(value, data["unit"], data["class"], low, high, " ".join(data["source"].split()))


def _contradictions(where: str, numbers: Mapping[str, Number]) -> list[ProfileError]:
    """What is wrong with numbers that are well-formed one by one."""
    problems = []
    for name in RATES:
        value = numbers[name].value
        if value <= 0:
            problems.append(ProfileError(f"{where}: {name}", f"found {value:g}", "more than zero"))
        elif name.endswith("cycles_per_instruction") and value != int(value):
            expected = "a whole number: time is counted in cycles"
            problems.append(ProfileError(f"{where}: {name}", f"found {value:g}", expected))
    if problems:
        return problems
    clock_hz = round(numbers["clock_ghz"].value * 1e9)
    timebase_hz = round(numbers["timebase_hz"].value)
    if timebase_hz > clock_hz:
        found = f"{timebase_hz:,} Hz is faster than the clock, {clock_hz:,} Hz"
        return [ProfileError(f"{where}: timebase_hz", found, "at most one tick a cycle")]
    exact = Fraction(timebase_hz, clock_hz)
    ratio = exact.limit_denominator(LARGEST_DENOMINATOR)
    if ratio == 0 or abs(ratio - exact) > exact / 1_000_000:
        found = f"{timebase_hz:,} Hz over a clock of {clock_hz:,} Hz is no ratio of small integers"
        hint = f"choose a clock such that timebase / clock has a denominator of at most {LARGEST_DENOMINATOR:,}"
        problems.append(ProfileError(f"{where}: timebase_hz", found, "an exact relation", hint))
    if numbers["phys_ipi"].value <= 0:
        expected = "more than zero: pCPUs advance in quanta of at most phys_ipi"
        problems.append(ProfileError(f"{where}: charges.phys_ipi", "found 0", expected))
    return problems


def _override(where: str, number: Number, value: float | str) -> Number:
    """The number that ``value`` asks for in place of ``number``."""
    if isinstance(value, str):
        word = value.strip()
        if word in ("low", "middle", "high"):
            chosen = {"low": number.low, "middle": number.value, "high": number.high}[word]
            return replace(number, value=chosen, source=f"{word} of its range: {number.source}")
        match = re.fullmatch(r"([0-9][0-9_,]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]*)", word)
        units = UNITS if number.unit in UNITS else (number.unit,)
        if match is None or match[2] not in ("", *units):
            expected = f"a number, a number with its unit ({', '.join(units)}), or one of: low, middle, high"
            raise ProfileError(where, f'found "{value}"', expected)
        amount, unit = float(match[1].replace(",", "").replace("_", "")), match[2] or number.unit
    else:
        amount, unit = value, number.unit
    if not _is_number(amount):
        raise ProfileError(where, f"found {amount!r}", f"a number, zero or more ({number.unit})")
    return Number(amount, unit, GIVEN, amount, amount, "set by the user")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ProfileError("", f'override "{text}" has no "="', "NAME=VALUE, such as hcall_rt=900")
    return name.strip().removeprefix("profile."), value.strip()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _one_of(words: Iterable[str]) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else f"one of: {', '.join(words)}"
