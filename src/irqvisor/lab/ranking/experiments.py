"""Runs of one scenario under changed profiles: short, side by side, and each machine only once."""

from collections.abc import Callable, Iterable
from typing import Any

from irqvisor.errors import ProfileError, ScenarioError
from irqvisor.lab import build, runner
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.pool import WORKERS, run_all
from irqvisor.lab.scenario import Recorded, Scenario
from irqvisor.paravirt import Costs

RUN_S = 0.15
"""Wall time that one run should take, about: hundreds of them are wanted."""
LEAST_MS = 2.0
DRAIN_MS = 5.0

Setting = tuple[tuple[str, float | str], ...]
"""Numbers of the profile to replace: (name, value in the profile's unit, or ``low``, ``high``), sorted by name."""

MIDDLE: Setting = ()
Row = dict[str, Any]


def setting(**numbers: float | str) -> Setting:
    """A setting, as it is compared."""
    return tuple(sorted(numbers.items()))


def shorten(scenario: Scenario) -> Scenario:
    """The scenario with a window short enough to be run hundreds of times; of a recording, its densest part."""
    profile = scenarios.resolve_profile(scenario)
    drain_ms = min(scenario.drain_ms, DRAIN_MS)
    seconds = scenarios.expected_seconds(scenario, profile)
    per_ms = seconds / (scenario.duration_ms + scenario.drain_ms)
    if per_ms * (scenario.duration_ms + drain_ms) <= RUN_S:
        return scenario
    duration_ms = min(scenario.duration_ms, max(RUN_S / per_ms - drain_ms, LEAST_MS))
    changes = [f"duration_ms={duration_ms:.3f}", f"drain_ms={drain_ms:g}"]
    if scenario.recording is not None:
        named = [n for s in scenario.sources if isinstance(s.arrival, Recorded) for n in s.arrival.names]
        use = scenario.recording
        log = scenarios.open_recording(use.file, skip_bad_lines=use.skip_bad_lines).select(named)
        within = log.window(use.start_s, scenario.duration_ms * use.speed / 1e3)
        changes.append(f"recording.start_s={within.densest(duration_ms * use.speed / 1e3):.6f}")
    return scenarios.with_overrides(scenario, changes)


class Experiments:
    """Runs of a scenario, asked for by design and setting.

    Attributes:
        scenario: what runs; without a sweep.
    """

    def __init__(self, scenario: Scenario, *, cpu: str | None = None, workers: int = WORKERS) -> None:
        self.scenario = scenario
        self._cpu = cpu
        self._workers = workers
        self._variants: dict[Setting, tuple[Scenario, Costs] | None] = {}
        self._rows: dict[tuple[str, Costs], Row] = {}

    def _variant(self, chosen: Setting) -> tuple[Scenario, Costs] | None:
        """The scenario under a setting and what it costs; None if the numbers do not fit together."""
        if chosen not in self._variants:
            try:
                changed = scenarios.with_overrides(self.scenario, [f"profile.{name}={v}" for name, v in chosen])
                self._variants[chosen] = changed, build.costs_of(scenarios.resolve_profile(changed))
            except (ProfileError, ScenarioError):
                if not chosen:
                    raise
                self._variants[chosen] = None
        return self._variants[chosen]

    def changes(self, chosen: Setting) -> bool:
        """Whether a setting makes another machine than the profile as it stands; False, too, if it makes none."""
        there, here = self._variant(chosen), self._variant(MIDDLE)
        return there is not None and here is not None and there[1] != here[1]

    def missing(self, wanted: Iterable[tuple[str, Setting]]) -> list[tuple[str, Setting]]:
        """Those that have not run yet, each machine once."""
        found: dict[tuple[str, Costs], tuple[str, Setting]] = {}
        for design, chosen in wanted:
            variant = self._variant(chosen)
            if variant is not None and (design, variant[1]) not in self._rows:
                found.setdefault((design, variant[1]), (design, chosen))
        return list(found.values())

    def run(self, wanted: Iterable[tuple[str, Setting]], on_progress: Callable[[float], None] | None = None) -> None:
        """Run what has not run yet.

        Raises:
            IrqvisorError: a run that cannot be done; the first.
        """

        def one(job: tuple[str, Setting], progress: Callable[[float], None]) -> Row:
            variant = self._variant(job[1])
            assert variant is not None
            return runner.run(variant[0], job[0], cpu=self._cpu, progress=progress)

        def done(job: tuple[str, Setting], row: Row) -> None:
            variant = self._variant(job[1])
            assert variant is not None
            self._rows[job[0], variant[1]] = {**row, "pcpus": self.scenario.pcpus}

        jobs = self.missing(wanted)
        if jobs:
            run_all(jobs, one, workers=self._workers, on_done=done, on_progress=on_progress)

    def row(self, design: str, chosen: Setting = MIDDLE) -> Row | None:
        """The result, or None if these numbers make no profile."""
        variant = self._variant(chosen)
        return None if variant is None else self._rows[design, variant[1]]

    @property
    def runs(self) -> int:
        """How many runs there were."""
        return len(self._rows)

    def violations(self) -> list[str]:
        """Promises that did not hold, of all runs, with the design; each once."""
        found = {f"{design}: {what}" for (design, _), row in self._rows.items() for what in row.get("violations", ())}
        return sorted(found)
