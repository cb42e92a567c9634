"""Recorded input of a scenario: the bundled recording, or a log of your own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irqvisor.errors import (
    RecordingError,
    ScenarioError,
    UsageError,
)
from irqvisor.lab import recording as recordings
from irqvisor.lab.recording import Recording
from irqvisor.lab.scenario.messages import validated
from irqvisor.lab.scenario.model import Scenario
from irqvisor.lab.scenario.parts import (
    Recorded,
    Source,
)

if TYPE_CHECKING:
    import numpy as np


_open: dict[tuple[str, int, int, bool], Recording] = {}


def open_recording(name_or_path: str | Path, *, skip_bad_lines: bool = False) -> Recording:
    """Read a recording, or the one that was read before from the same unchanged file."""
    path = recordings.resolve(name_or_path)
    key = _identity(path, skip_bad_lines=skip_bad_lines)
    if key is None:
        return recordings.read(path, skip_bad_lines=skip_bad_lines)  # which says why there is none
    if key not in _open:
        _open[key] = recordings.read(path, skip_bad_lines=skip_bad_lines)
    return _open[key]


def _identity(path: Path, *, skip_bad_lines: bool) -> tuple[str, int, int, bool] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path.absolute()), found.st_mtime_ns, found.st_size, skip_bad_lines


def recorded_input(scenario: Scenario) -> Recording | None:
    """The part of its recording that a scenario plays; None if it plays none.

    `Recording.describe` of it says "604 of 2,583 interrupts, 4.04-4.24 s".

    Raises:
        RecordingError: the file, or a name that is not in it.
        UsageError: a window outside of it.
    """
    named = [
        name for source in scenario.sources if isinstance(source.arrival, Recorded) for name in source.arrival.names
    ]
    if not named or scenario.recording is None:
        return None
    use = scenario.recording
    whole = open_recording(use.file, skip_bad_lines=use.skip_bad_lines)
    return whole.select(named).speed(use.speed).window(use.start_s, scenario.duration_ns / 1e9 * use.speed)


def arrivals(scenario: Scenario) -> dict[str, np.ndarray[Any, np.dtype[np.int64]]]:
    """When each recorded source posts its items.

    Returns:
        by name of the source: int64 ns from the start of the sources, ascending, each before ``duration_ns``.

    Raises:
        RecordingError: the file, or a name that is not in it.
        UsageError: a window outside of it.
    """
    played = recorded_input(scenario)
    if played is None:
        return {}
    found = {}
    for source in scenario.sources:
        if isinstance(source.arrival, Recorded):
            offsets = played.select(source.arrival.names, source.arrival.cpus).offsets()
            found[source.name] = offsets[offsets < scenario.duration_ns]
    return found


def use_recording(
    scenario: Scenario,
    recording: Recording,
    *,
    window: str | None = None,
    irq: Sequence[str] = (),
    speed: float = 1.0,
) -> Scenario:
    """The scenario with a log of your own in place of its recorded sources (of all its sources, if none is recorded).

    One source per name that occurs in the window; each takes trigger, priority, owner and route from the source that it
    replaces, or from the first replaced.

    Args:
        scenario: it stays as it is.
        recording: as `recording.read` or `open_recording` return it.
        window: ``START:LENGTH`` in recorded seconds, ``all``, or None for the window of the scenario's length that
            holds the most interrupts.
        irq: names to take; all when empty.
        speed: how much faster than recorded.

    Raises:
        UsageError: a window or a speed that is none.
        RecordingError: a name that is not in the log, or nothing in the window.
        ScenarioError: more names than a machine has interrupt numbers.
    """
    chosen = (recording.select(list(irq)) if irq else recording).speed(speed)
    duration_ms = scenario.duration_ms
    if window is None:
        start_s = chosen.densest(scenario.duration_ns / 1e9 * speed)
        length_s = scenario.duration_ns / 1e9 * speed
    else:
        start_s, length_s = _window(window, recording)
        duration_ms = length_s / speed * 1e3
    counts = chosen.window(start_s, length_s).counts()
    if not counts:
        which = f" named {', '.join(irq)}" if irq else ""
        found = f"no interrupt{which} in the window {start_s:.2f}-{start_s + length_s:.2f} s"
        raise RecordingError(str(recording.path), found, hint="--window all takes the whole log")

    replaced = [s for s in scenario.sources if isinstance(s.arrival, Recorded)] or list(scenario.sources)
    kept = [s for s in scenario.sources if s not in replaced]
    taken = {source.name for source in kept}
    data: dict[str, Any] = scenario.model_dump(exclude_unset=True)
    data["sources"] = [source.model_dump(exclude_unset=True) for source in kept]
    sleeper = next((domain for domain in scenario.domains if not domain.compute), scenario.domains[0])
    for name in counts:
        model = _model_for(name, replaced)
        like = {} if model is None else model.model_dump(exclude_unset=True, exclude={"name", "pirq", "arrival"})
        label = _label(name, taken)
        taken.add(label)
        arrival = {"kind": "recorded", "names": [name]}
        data["sources"].append({"owner": sleeper.name, **like, "name": label, "arrival": arrival})
    data["duration_ms"] = duration_ms
    data["sweep"] = None
    data["recording"] = {
        "file": str(recording.path),
        "start_s": start_s,
        "speed": speed,
        "skip_bad_lines": recording.bad_lines > 0,
    }
    if len(data["sources"]) > 255:
        found = f"{len(data['sources'])} names of interrupts in the window"
        raise ScenarioError(str(recording.path), found, "255 or fewer", "--irq NAME picks some")
    key = _identity(recording.path, skip_bad_lines=recording.bad_lines > 0)
    if key is not None and len(recording) == recording.total:
        _open.setdefault(key, recording)
    return validated(data, f"{scenario.name} with {recording.path.name}")


def _label(name: str, taken: set[str]) -> str:
    """A source's name for a recorded one: printable, not too long, and its own."""
    short = "".join(c if " " <= c <= "~" else "?" for c in name)[:48].strip()
    return next(label for label in (short, *(f"{short} ({n})" for n in range(2, 1000))) if label not in taken)


def _model_for(name: str, replaced: Sequence[Source]) -> Source | None:
    """The source whose wiring a recorded name takes over."""
    for source in replaced:
        if isinstance(source.arrival, Recorded) and name in source.arrival.names:
            return source
    return replaced[0] if replaced else None


def _window(text: str, recording: Recording) -> tuple[float, float]:
    """Start and length in recorded seconds."""
    if text == "all":
        return 0.0, recording.whole_ns / 1e9
    match = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", text)
    if match is None:
        raise UsageError("--window", f'found "{text}"', "START:LENGTH in seconds, such as 4.04:0.2, or all")
    start, length = float(match[1]), float(match[2])
    recording.window(start, length)  # says what is wrong with it
    return start, length
