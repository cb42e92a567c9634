"""A measured figure and what it is meant to be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A row of a table. The aim is `at_most` or `at_least`, in the unit of `wall` and `cpu`; None: none."""

    name: str
    wall: float
    cpu: float | None
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    def holds(self, value: float) -> bool:
        """Whether a value meets the aim."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)

    @property
    def aim(self) -> str:
        """The aim, for people."""
        if self.at_most is not None:
            return f"<= {self.at_most:g} {self.unit}"
        return f">= {self.at_least:g} {self.unit}" if self.at_least is not None else ""

    @property
    def verdict(self) -> str:
        """Whether it was met; on a busy machine perhaps in CPU time only."""
        if not self.aim:
            return ""
        if self.holds(self.wall):
            return "yes"
        return "in CPU time" if self.cpu is not None and self.holds(self.cpu) else "no"

    def to_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        aims = {"at_most": self.at_most, "at_least": self.at_least}
        measured = {"name": self.name, "unit": self.unit, "wall": self.wall, "cpu": self.cpu}
        return {**measured, **aims, "met": self.verdict}


def quantity(value: float | None, unit: str = "") -> str:
    """A measured value: three digits, or all before the point."""
    if value is None:
        return ""
    return f"{value:,.3g} {unit}".rstrip() if value < 1000 else f"{value:,.0f} {unit}".rstrip()
