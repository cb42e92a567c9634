"""`compare --explain`: each design taken apart, and what it would take for the ranking to flip."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from irqvisor.lab import runner
from irqvisor.lab.pool import WORKERS, run_all
from irqvisor.lab.ranking.decompose import Decomposition, decompose
from irqvisor.lab.ranking.experiments import Experiments, shorten
from irqvisor.lab.ranking.flips import Flip, flips
from irqvisor.lab.ranking.measures import MEASURES
from irqvisor.lab.scenario import Scenario


@dataclass(frozen=True)
class Explanation:
    """What `explain` found.

    Attributes:
        by: name of the measure that ranks.
        values: design to its measure in ns, in order of rank.
        parts: each design taken apart, in the order of a comparison.
        flips: changes of single numbers that flip neighbours.
        flips_scenario: the shortened scenario that those were found with.
        skipped: designs that did not run, with the reason.
    """

    by: str
    values: dict[str, float]
    parts: list[Decomposition]
    flips: list[Flip]
    flips_scenario: Scenario
    skipped: dict[str, str]

    @property
    def violations(self) -> list[str]:
        """Promises that did not hold."""
        return [f"{part.design}: {what}" for part in self.parts for what in part.row["violations"]]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object under ``explanation``."""
        skipped = [{"design": design, "skipped": reason} for design, reason in self.skipped.items()]
        return {
            "by": self.by,
            "ranking_ns": {name: round(value, 1) for name, value in self.values.items()},
            "designs": [*(part.to_dict() for part in self.parts), *skipped],
            "flips": [flip.to_dict() for flip in self.flips],
            "flips_duration_ms": self.flips_scenario.duration_ms,
            "violations": self.violations,
        }


def explain(
    scenario: Scenario,
    designs: Sequence[str],
    *,
    cpu: str | None = None,
    by: str = "latency",
    workers: int = WORKERS,
    on_progress: Callable[[float], None] | None = None,
) -> Explanation:
    """Take every design apart, then look for what flips the ranking.

    Args:
        scenario: without a sweep. It is taken apart as it is; flips are searched on short windows of it.
        designs: names, in the order of a comparison.
        cpu: processor model in place of the scenario's.
        by: what designs are ranked by.
        workers: runs at a time.
        on_progress: called with the share of the work done, 0 to 1.

    Raises:
        IrqvisorError: something cannot be run.
    """
    progress = on_progress or (lambda _: None)
    reasons = {design: runner.skipped(scenario, design, cpu) for design in designs}
    skipped = {design: reason for design, reason in reasons.items() if reason}
    running = [design for design in designs if design not in skipped]
    taken: dict[str, Decomposition] = {}

    def one(design: str, tell: Callable[[float], None]) -> dict[str, Any]:
        taken[design] = decompose(scenario, design, cpu=cpu, progress=tell)
        return taken[design].row

    run_all(running, one, workers=workers, on_progress=lambda s: progress(0.3 * s))
    measure = MEASURES[by]
    values = {design: measure.of({**taken[design].row, "pcpus": scenario.pcpus}) for design in running}
    experiments = Experiments(shorten(scenario), cpu=cpu, workers=workers)
    ranked = sorted(running, key=lambda design: values[design])
    found = flips(experiments, ranked, by=by, on_progress=lambda s: progress(0.3 + 0.7 * s)) if ranked else []
    return Explanation(
        by=by,
        values={design: values[design] for design in ranked},
        parts=[taken[design] for design in running],
        flips=found,
        flips_scenario=experiments.scenario,
        skipped=skipped,
    )
