"""Sizes, times and dates as people type them on a command line."""

import re
from datetime import UTC, datetime
from fractions import Fraction

from irqvisor.errors import UsageError

SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
RATES = {"": 1, "K": 1000, "M": 1_000_000, "G": 1_000_000_000}
TIMES = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}


def _number(where: str, text: str, units: dict[str, int], example: str) -> int:
    known = {unit.lower(): factor for unit, factor in units.items()}
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)([a-z]*)", text.strip().lower())
    if found is None or found[2] not in known:
        raise UsageError(where, f'"{text}"', f"a number and a unit, like {example}")
    return int(Fraction(found[1]) * known[found[2]])


def size_bytes(where: str, text: str) -> int:
    """``256M`` and the like: K, M, G are powers of 1024."""
    return _number(where, text, SIZES, "256M")


def rate_hz(where: str, text: str) -> int:
    """``512M`` and the like: K, M, G are powers of 1000."""
    return _number(where, text, RATES, "512M")


def time_ns(where: str, text: str) -> int:
    """``10s``, ``1.5ms``."""
    return _number(where, text, TIMES, "10s")


def date_seconds(where: str, text: str) -> int:
    """Seconds since 1970 of a date (``2006-03-10``, ``2006-03-10T12:30:00``, UTC unless it says otherwise), or the
    seconds themselves."""
    if re.fullmatch(r"[0-9]{1,12}", text):
        return int(text)
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(where, f'"{text}"', "a date like 2006-03-10, or seconds since 1970") from None
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
