"""Predictions for somebody's own machine and workload, with what the estimates of its profile leave open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from irqvisor.lab import scenario as scenarios
from irqvisor.lab.ranking.experiments import MIDDLE, Experiments
from irqvisor.lab.ranking.sensitivity import ESTIMATE, single_ends

QUANTITIES = ("vector_latency_ns", "known_latency_ns", "latency_ns")


@dataclass(frozen=True)
class Own:
    """What a design is predicted to do.

    Attributes:
        design: its name.
        skipped: None, or why it did not run.
        values: quantity to (low, middle, high) of its mean, in ns; low and high over the ends of single estimates.
        entries: hypervisor entries for each interrupt.
    """

    design: str
    skipped: str | None
    values: dict[str, tuple[float, float, float]]
    entries: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        if self.skipped:
            return {"design": self.design, "skipped": self.skipped}
        return {
            "design": self.design,
            "skipped": None,
            "entries_per_interrupt": self.entries,
            **{name: dict(zip(("low", "middle", "high"), value, strict=True)) for name, value in self.values.items()},
        }


def predict(
    experiments: Experiments, designs: Sequence[str], on_progress: Callable[[float], None] | None = None
) -> list[Own]:
    """Run a scenario under each design, and again at the ends of each estimate.

    Args:
        experiments: the scenario, already short enough.
        designs: names, in the order of a comparison.
        on_progress: called with the share of the work done, 0 to 1.

    Raises:
        IrqvisorError: something cannot be run.
    """
    numbers = scenarios.resolve_profile(experiments.scenario).numbers
    points = [point for point in single_ends(experiments) if numbers[point[0][0]].grade == ESTIMATE]
    experiments.run([(design, point) for point in [MIDDLE, *points] for design in designs], on_progress)
    found = []
    for design in designs:
        row = experiments.row(design)
        assert row is not None
        if row["skipped"]:
            found.append(Own(design, row["skipped"], {}, 0.0))
            continue
        rows = [row, *(r for point in points if (r := experiments.row(design, point)) is not None)]
        values = {
            name: (
                min(each[name]["mean"] for each in rows),
                row[name]["mean"],
                max(each[name]["mean"] for each in rows),
            )
            for name in QUANTITIES
        }
        found.append(Own(design, None, values, row["entries_per_interrupt"]))
    return found
