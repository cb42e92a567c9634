"""What one call of `irqvisor validate` does: which checks, under which profiles, and what came out."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irqvisor.errors import UsageError, did_you_mean
from irqvisor.lab import profile as profiles
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.pool import WORKERS
from irqvisor.lab.ranking.experiments import Experiments, shorten
from irqvisor.lab.ranking.sensitivity import single_ends
from irqvisor.lab.scenario import Scenario
from irqvisor.lab.validate import behaviour, checks, own
from irqvisor.lab.validate.behaviour import Claim
from irqvisor.lab.validate.checks import Check
from irqvisor.lab.validate.own import Own
from irqvisor.lab.validate.predict import Needed, Prediction, Predictor, all_held
from irqvisor.spec.designs import NUMBERS

RUN_S = 0.1
"""Wall time of one run of a check, about."""


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        checks: those that were predicted.
        predictions, needs: of their rows.
        claims: about behaviour.
        own: of a workload without published numbers.
    """

    checks: list[Check] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)
    needs: list[Needed] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    own: list[Own] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Nothing was missed without an explanation, and all behaviour is as claimed."""
        return all_held(self.predictions) and all(claim.holds for claim in self.claims)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, without its header."""
        return {
            "checks": [
                {"id": check.id, "title": check.title, "source": check.source, "class": check.grade, "note": check.note}
                for check in self.checks
            ],
            "predictions": [each.to_dict() for each in self.predictions],
            "needs": [each.to_dict() for each in self.needs],
            "behaviour": [claim.to_dict() for claim in self.claims],
            "own": [each.to_dict() for each in self.own],
        }


@dataclass(frozen=True)
class Plan:
    """What is going to be done: made by `plan`."""

    checks: list[Check]
    behaviour: list[str]
    profile: str | None
    workload: Scenario | None

    def line(self, workers: int = WORKERS) -> str:
        """One line before anything runs."""
        if self.workload is not None:
            experiments = Experiments(shorten(self.workload))
            runs = len(NUMBERS) * (1 + len(single_ends(experiments)))
            scenario = experiments.scenario
            seconds = runs * scenarios.expected_seconds(scenario, scenarios.resolve_profile(scenario))
            what = f"{self.workload.name} under {', '.join(NUMBERS)}, and the ends of each estimate: {runs} runs"
        else:
            runs = sum(len(Predictor(check).jobs()) for check in self.checks)
            runs += len(behaviour.jobs(self.behaviour, self._profiles))
            seconds = runs * RUN_S
            names = [*(check.id for check in self.checks), *self.behaviour]
            what = f"{', '.join(names)}: {runs} runs of the machine"
        return f"{what}; about {max(round(seconds / max(min(workers, os.cpu_count() or 1), 1)), 1):,} s"

    @property
    def _profiles(self) -> list[str]:
        return profiles.names() if self.profile is None else [self.profile]

    def run(self, *, workers: int = WORKERS, on_progress: Callable[[float], None] | None = None) -> Report:
        """Do it.

        Raises:
            IrqvisorError: something cannot be run.
        """
        progress = on_progress or (lambda _: None)
        if self.workload is not None:
            experiments = Experiments(shorten(self.workload), workers=workers)
            return Report(own=own.predict(experiments, list(NUMBERS), on_progress))
        report = Report(checks=self.checks)
        share = 0.3 if self.behaviour else 1.0
        for index, check in enumerate(self.checks):
            predictor = Predictor(check, profile=self.profile, workers=workers)
            report.predictions.extend(predictor.predict())
            report.needs.extend(predictor.needs())
            progress(share * (index + 1) / len(self.checks))
        if self.behaviour:
            found = behaviour.claims(
                self.behaviour, self._profiles, workers=workers, on_progress=lambda s: progress(share + (1 - share) * s)
            )
            report.claims.extend(found)
        return report


def plan(wanted: Sequence[str] = (), *, profile: str | None = None, scenario: str | None = None) -> Plan:
    """What a call asks for.

    Args:
        wanted: ids of checks; none: all. With a profile alone: of behaviour.
        profile: name or path of a profile in place of all that are bundled, or of the scenario's.
        scenario: a scenario, or a file of checks, in place of the bundled checks.

    Raises:
        IrqvisorError: a check, a profile or a scenario that is none.
    """
    if profile is not None:
        profiles.load(profile)
    if scenario is not None:
        if wanted:
            raise UsageError("--scenario", f"given together with {', '.join(wanted)}", "one of them")
        path = Path(scenario)
        if path.is_file() and checks.is_check(path):
            return Plan([checks.load(path)], [], profile, None)
        settings = [f'profile="{profile}"'] if profile is not None else []
        return Plan([], [], profile, scenarios.with_overrides(scenarios.load(scenario), settings))
    bundled = {check.id: check for check in checks.bundled()}
    known = [*bundled, *behaviour.IDS]
    for name in wanted:
        if name not in known:
            raise UsageError("validate", f'unknown check "{name}"', hint=did_you_mean(name, known))
        if profile is not None and name in bundled:
            raise UsageError(
                "--profile", f"{name} is about the machine that it names", f"one of {', '.join(behaviour.IDS)}"
            )
    chosen = wanted or (list(behaviour.IDS) if profile is not None else known)
    return Plan(
        [bundled[name] for name in chosen if name in bundled],
        [name for name in chosen if name in behaviour.IDS],
        profile,
        None,
    )
