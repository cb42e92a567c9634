"""Numbers and lists as a person reads them. Times are microseconds with three significant digits."""

from collections.abc import Sequence


def us(ns: float) -> str:
    """Nanoseconds as microseconds: ``0.123``, ``4.56``, ``78.9``, ``1,234``."""
    value = ns / 1000
    if value == 0:
        return "0"
    for below, digits in ((1, 3), (10, 2), (100, 1)):
        if round(abs(value), digits) < below:
            return f"{value:.{digits}f}"
    return f"{value:,.0f}"


def count(number: float) -> str:
    """A whole number with thousands marked: ``36,544``."""
    return f"{number:,.0f}"


def tally(number: float) -> str:
    """A whole number that has to fit into a narrow column: exact below a million, then ``12.3M``."""
    return count(number) if number < 1_000_000 else f"{number / 1e6:,.3g}M"


def percent(part: float, whole: float) -> str:
    """A share: ``27 %``, ``3.4 %``, ``97.2 %``; never a bare 0 or 100 for what is only nearly so."""
    share = 100 * part / whole if whole else 0
    if 0 < share < 10:
        return f"{share:.2g} %"
    if 90 <= share < 100:
        return f"{min(share, 99.9):.1f} %"
    return f"{share:.0f} %"


def listing(items: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def plural(number: int, word: str) -> str:
    """``1 interrupt``, ``3,026 interrupts``."""
    return f"{count(number)} {word}" + ("" if number == 1 else "s")


def figure(value: float) -> str:
    """A number of any kind with about three digits that count: ``13,121``, ``62.5``, ``2.36``."""
    size = abs(value)
    if size < 0.005:
        return "0"
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if digits else text
