"""One scenario under several designs: the main job."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irqvisor.errors import UsageError, did_you_mean
from irqvisor.lab import profile as profiles
from irqvisor.lab import recording as recordings
from irqvisor.lab import runner, view
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.pool import WORKERS, run_all
from irqvisor.lab.reasons import Row, reasons, saturating
from irqvisor.lab.scenario import Scenario
from irqvisor.spec.designs import DesignInfo


@dataclass(frozen=True)
class Point:
    """A scenario as it ran, under each design.

    Attributes:
        label: where on the sweep, ``rate_hz=50000``; empty without a sweep.
        scenario: exactly what ran.
        designs: a result each (`runner.run`), in the order of `runner.designs`; skipped ones say why.
    """

    label: str
    scenario: Scenario
    designs: list[dict[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        header: where the numbers come from: versions, scenario and its hash, profile, estimates, seed.
        points: one, or as many as the scenario's sweep has.
        command: how to refer to the scenario on the command line, for hints.
    """

    header: dict[str, Any]
    points: list[Point] = field(repr=False)
    command: str = field(default="SCENARIO", repr=False)

    @property
    def designs(self) -> list[dict[str, Any]]:
        """The result of each design; of all points one after the other, if there are several."""
        return [row for point in self.points for row in point.designs]

    @property
    def exit_status(self) -> int:
        """As the command line ends: 1 broken promise, 4 guest fault, 3 nothing ran, 0 all held."""
        ran = [row for row in self.designs if not row["skipped"]]
        if any(view.is_violated(row) for row in ran):
            return 1
        if any(row["faults"] for row in ran):
            return 4
        return 0 if ran else 3

    def reasons(self) -> list[str]:
        """The computed sentences that say why the designs differ."""
        if len(self.points) > 1:
            return saturating([(point.label, point.designs) for point in self.points])
        (point,) = self.points
        charges = charges_ns(scenarios.resolve_profile(point.scenario))
        return reasons(point.designs, scenario=self.command, charges_ns=charges)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object: ``designs``, or for a sweep ``points`` that have them."""
        if len(self.points) == 1:
            return {"header": self.header, "designs": self.designs}
        return {
            "header": self.header,
            "points": [{"point": point.label, "designs": point.designs} for point in self.points],
        }

    def _repr_html_(self) -> str:
        parts = []
        for point in self.points:
            heading = f"<h4>{point.label}</h4>" if point.label else ""
            parts.append(heading + view.html(point.designs, self.reasons() if len(self.points) == 1 else ()))
        return "".join(parts)


def compare(
    scenario: str | Path | Scenario = scenarios.DEFAULT,
    designs: Sequence[str] | None = None,
    *,
    cpu: str | None = None,
    profile: str | None = None,
    overrides: Sequence[str] = (),
    workers: int = WORKERS,
    on_row: Callable[[str, Row], None] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Comparison:
    """Run a scenario under several designs.

    Args:
        scenario: a bundled scenario's name, a path, or a loaded `Scenario`.
        designs: which ones; None: all.
        cpu: processor model in place of the scenario's.
        profile: name or path in place of the scenario's.
        overrides: ``KEY=VALUE`` as the option ``--set`` takes them.
        workers: runs at a time.
        on_row: called with a point's label and a result, as soon as it is there.
        on_progress: called with the share of the work done, 0 to 1.

    Raises:
        IrqvisorError: what was handed in cannot be run.
    """
    command = str(scenario) if not isinstance(scenario, Scenario) else scenario.name
    chosen = prepare(scenario, profile=profile, overrides=overrides)
    infos = choose(designs)
    expanded = scenarios.expand(chosen)
    jobs = [(index, info.name) for index in range(len(expanded)) for info in infos]

    def run(job: tuple[int, str], progress: Callable[[float], None]) -> dict[str, Any]:
        return runner.run(expanded[job[0]][1], job[1], cpu=cpu, progress=progress)

    def done(job: tuple[int, str], row: dict[str, Any]) -> None:
        if on_row is not None:
            on_row(expanded[job[0]][0], row)

    found = run_all(jobs, run, workers=workers, on_done=done, on_progress=on_progress)
    points = [
        Point(label, point, [found[index, info.name] for info in infos])
        for index, (label, point) in enumerate(expanded)
    ]
    return Comparison(header(chosen), points, command)


def choose(names: Sequence[str] | None) -> list[DesignInfo]:
    """The designs of these names, in the order of a comparison.

    Raises:
        UsageError: a name that none has.
    """
    infos = runner.designs()
    known = [info.name for info in infos]
    for name in names or ():
        if name not in known:
            raise UsageError("--design", f'unknown delivery design "{name}"', hint=did_you_mean(name, known))
    return [info for info in infos if not names or info.name in names]


def prepare(
    scenario: str | Path | Scenario = scenarios.DEFAULT,
    *,
    profile: str | None = None,
    overrides: Sequence[str] = (),
    recording: str | Path | None = None,
    window: str | None = None,
    irq: Sequence[str] = (),
    speed: float | None = None,
    skip_bad_lines: bool = False,
) -> Scenario:
    """A scenario with everything that the command line can change about it.

    Args:
        scenario: a bundled scenario's name, a path, or a loaded `Scenario`.
        profile: name or path in place of the scenario's.
        overrides: ``KEY=VALUE`` as the option ``--set`` takes them; applied before the recording, so that a changed
            duration chooses the window.
        recording: an ftrace log in place of the scenario's interrupts.
        window: the part of the log, as `scenario.use_recording` takes it; of the scenario's own if no other is given.
        irq: names of interrupts to take from it.
        speed: how much faster than recorded.
        skip_bad_lines: go on when the log has broken lines.

    Raises:
        IrqvisorError: any of these makes no sense.
    """
    chosen = scenario if isinstance(scenario, Scenario) else scenarios.load(scenario)
    settings = [*overrides] if profile is None else [f"profile={json.dumps(str(profile))}", *overrides]
    chosen = scenarios.with_overrides(chosen, settings)
    if recording is None and window is None and not irq and speed is None:
        return chosen
    if recording is None:
        if chosen.recording is None:
            option = "--window" if window is not None else "--irq" if irq else "--speed"
            raise UsageError(option, f"{chosen.name} plays no recording", hint="--recording FILE gives it one")
        recording = chosen.recording.file
        if window is None and speed is None:
            window = f"{chosen.recording.start_s:.9f}:{chosen.duration_ms * chosen.recording.speed / 1e3:.9f}"
    log = scenarios.open_recording(recording, skip_bad_lines=skip_bad_lines)
    return scenarios.use_recording(chosen, log, window=window, irq=irq, speed=1.0 if speed is None else speed)


def header(scenario: Scenario) -> dict[str, Any]:
    """`runner.header`, and which part of a recording is played."""
    return {**runner.header(scenario), "recording": played(scenario)}


def played(scenario: Scenario) -> str | None:
    """The recording and the part of it that a scenario plays: "virtio-irqs, 604 of 2,583 interrupts, 4.04-4.24 s"."""
    log = scenarios.recorded_input(scenario)
    if log is None:
        return None
    skipped = ""
    if log.bad_lines:
        number, text = log.first_bad or (0, "")
        skipped = f"; {log.bad_lines:,} broken lines skipped, the first is line {number}: {text}"
    return f"{log.path.name.removesuffix(recordings.SUFFIX)}, {log.describe()}{skipped}"


def charges_ns(profile: profiles.Profile) -> dict[str, float]:
    """What each elementary step costs, and an instruction of the hypervisor, in nanoseconds."""
    cycles = {name: profile.cycles(name) for name in profiles.CHARGES}
    cycles["hv_cycles_per_instruction"] = profile.hv_cycles_per_instruction
    return {name: count * 1e9 / profile.clock_hz for name, count in cycles.items()}


def plan(scenario: Scenario, designs: Sequence[str] | None, *, workers: int = WORKERS, compiled: bool = True) -> str:
    """One line: what will run, which part of which recording, and for how long."""
    names = [info.name for info in choose(designs)]
    points = scenarios.expand(scenario)
    seconds = sum(scenarios.expected_seconds(point, scenarios.resolve_profile(point)) for _, point in points)
    seconds *= len(names) / max(min(workers, os.cpu_count() or 1, len(names) * len(points)), 1)
    what = f"{scenario.name} under {', '.join(names)}"
    length = f"{scenario.duration_ms:g} ms of virtual time"
    several = f", {len(points)} points" if len(points) > 1 else ""
    log = played(scenario)
    compiling = "" if compiled else ", after compiling for about 30 s, this once"
    return f"{what}: {length}{several}{f' ({log})' if log else ''}; about {max(round(seconds), 1):,} s{compiling}"
