"""A ranking and how sure it is, as a person reads it."""

import os

from rich.console import Group, RenderableType
from rich.text import Text

from irqvisor.lab import scenario as scenarios
from irqvisor.lab.ranking.experiments import Experiments
from irqvisor.lab.ranking.measures import MEASURES
from irqvisor.lab.ranking.sensitivity import DECIDED, EQUAL, MEANING, Effect, Sensitivity
from irqvisor.lab.text import count, listing, plural, us
from irqvisor.lab.view import grid


def sensitivity(found: Sensitivity) -> RenderableType:
    """The ranking, a row a pair, and what the verdicts mean."""
    ranking = ", ".join(f"{design} {us(ns)}" for design, ns in found.values.items())
    parts: list[RenderableType] = [
        Text(f"Ranked by {MEASURES[found.by].title}, in us, every number at its value:"),
        Text(f"{ranking}."),
        Text(""),
        pairs(found),
        Text(""),
    ]
    parts += [Text(f"{name}: {MEANING[name]}.") for name in MEANING if any(p.verdict == name for p in found.pairs)]
    notes = [*_reversals(found), *_other_hardware(found), *_others(found)]
    if notes:
        parts += [Text(""), *(Text(note) for note in notes)]
    parts += [Text(f"not run: {design}: {reason}") for design, reason in found.skipped.items()]
    parts += [Text(line) for line in found.violations]
    return Group(*parts)


def pairs(found: Sensitivity) -> RenderableType:
    """A row a pair: how far the first is ahead, the least of any one estimate, all against it, the verdict."""
    table = grid("ahead", "of", "by us", "at least", "where", "all at once", "verdict", left=(0, 1, 4, 6), wraps=4)
    for pair in found.pairs:
        least = pair.least
        table.add_row(
            pair.first,
            pair.second,
            us(pair.ahead_by),
            us(least.ahead_by) if least else "",
            f"{least.number} {least.end}" if least else "",
            "" if pair.corner_ahead_by is None else us(pair.corner_ahead_by),
            pair.verdict,
        )
    return table


def amount(effect: Effect) -> str:
    """A number at an end of its range: ``pic_mmio_read=130 ns``."""
    return f"{effect.number}={effect.value:,g} {effect.unit}"


def _reversals(found: Sensitivity) -> list[str]:
    return [
        f"{pair.first} is not ahead of {pair.second} with {listing([amount(e) for e in reversing])}."
        for pair in found.pairs
        if pair.verdict != EQUAL and (reversing := pair.reversing(estimates=True))
    ]


def _other_hardware(found: Sensitivity) -> list[str]:
    return [
        f"On other hardware, {pair.first} is not ahead of {pair.second}: measured there, "
        f"{listing([f'{amount(e)} (class {e.grade})' for e in reversing])}."
        for pair in found.pairs
        if pair.verdict != EQUAL and (reversing := pair.reversing(estimates=False))
    ]


def _others(found: Sensitivity) -> list[str]:
    """What the other measures say, in one sentence each; from single ends alone."""
    lines = []
    for name, counts in found.others.items():
        total = sum(counts.values())
        if total:
            lines.append(
                f"By {name} (--by {name}): {count(counts.get(DECIDED, 0))} of {plural(total, 'pair')} decided."
            )
    return lines


def plan(what: str, experiments: Experiments, runs: int, *, workers: int) -> str:
    """One line before anything runs."""
    scenario = experiments.scenario
    seconds = runs * scenarios.expected_seconds(scenario, scenarios.resolve_profile(scenario))
    seconds /= max(min(workers, os.cpu_count() or 1), 1)
    return f"{what}: {count(runs)} runs of {scenario.duration_ms:.3g} ms; about {max(round(seconds), 1):,} s"
