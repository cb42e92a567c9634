"""Predicted against published, as a person reads it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from irqvisor.lab.scenario import Scenario
from irqvisor.lab.text import figure, listing, plural, us
from irqvisor.lab.validate.behaviour import IDS, Claim
from irqvisor.lab.validate.checks import Check
from irqvisor.lab.validate.own import QUANTITIES, Own
from irqvisor.lab.validate.predict import EXPLAINED, MISSED, NOT_RUN, Needed, Prediction
from irqvisor.lab.validate.report import Report
from irqvisor.lab.view import grid

DEFAULT_PROFILE = str(Scenario.model_fields["profile"].default)


def published(checks: Sequence[Check], found: Sequence[Prediction], needs: Sequence[Needed]) -> RenderableType:
    """A row for each published number, then what was missed and why, then what numbers would have to be."""
    table = grid(
        "", "published result", "pre-\ndicted", "pub-\nlished", "\n%", "estimates\nallow", "unit", "verdict",
        left=(0, 1, 6, 7), wraps=1,
    )  # fmt: skip
    for check in checks:
        own = [each for each in found if each.check == check.id]
        table.add_row(check.id, f"{check.title}; class {check.grade}, {_name(check.profile)}")
        for each in own:
            row = each.row
            goal = "-".join(f"{b:,g}" for b in row.between) if row.between else figure(row.published or 0)
            where = "" if each.profile == _name(check.profile) else f", {each.profile}"
            table.add_row(
                "",
                f"  {row.name}{where}",
                "" if each.predicted is None else figure(each.predicted),
                goal,
                "" if each.difference is None else f"{each.difference:+.0f}",
                "" if each.low is None else f"{figure(each.low)}-{figure(each.high or 0)}",
                row.unit,
                each.verdict,
            )
    parts: list[RenderableType] = [table, Text("")]
    parts += [
        Text(f"{each.check}, {each.row.name}: {each.verdict}{f': {each.why}' if each.why else ''}.")
        for each in found
        if each.verdict in (EXPLAINED, MISSED, NOT_RUN)
    ]
    parts += [Text(needed(need)) for need in needs]
    return Group(*parts)


def needed(need: Needed) -> str:
    """What a number would have to be."""
    start = f"{need.check}, {need.row}: "
    if need.ns is None:
        return f"{start}no value of {need.number} gives what was published."
    inside = "within" if need.low_ns <= need.ns <= need.high_ns else "outside"
    return (
        f"{start}what was published needs {need.number} at {figure(need.ns)} ns, {inside} the range of the profile, "
        f"{figure(need.low_ns)}-{figure(need.high_ns)} ns, which has {figure(need.has_ns)} ns"
        f"{f'; {need.note}' if need.note else ''}."
    )


def behaviour(found: Sequence[Claim]) -> RenderableType:
    """Each claim with what was found; under many profiles, under one of them, the default if that is among them."""
    lines = []
    for check in dict.fromkeys(claim.check for claim in found):
        lines.append(f"{check}   {IDS[check]}:")
        own = [claim for claim in found if claim.check == check]
        for text in dict.fromkeys(claim.text for claim in own):
            alike = [claim for claim in own if claim.text == text]
            broken = [claim for claim in alike if not claim.holds]
            usual = [claim for claim in alike if claim.profile == DEFAULT_PROFILE]
            shown = (broken or usual or alike)[0]
            names = ", ".join(claim.profile for claim in broken)
            held = f"holds under {plural(len(alike), 'profile')}" if not broken else f"DOES NOT HOLD under {names}"
            start = "" if text == IDS[check] else f"{text}: "
            lines.append(f"     {start}{held}. {shown.profile}: {shown.found}.")
    return Group(*(Text(line) for line in lines))


def _name(profile: str) -> str:
    """A profile's name, of its name or path."""
    return Path(profile).stem if profile.endswith(".toml") else profile


def own(found: Sequence[Own]) -> RenderableType:
    """What each design is predicted to do with somebody's own workload."""
    table = grid("design", "us from the raise to", "predicted", "estimates allow", "entries/irq", left=(0, 1))
    titles = dict(zip(QUANTITIES, ("the owner's vector", "knowing the source", "consumption"), strict=True))
    for each in found:
        for index, (name, (low, middle, high)) in enumerate(each.values.items()):
            first = index == 0
            table.add_row(
                each.design if first else "",
                titles[name],
                us(middle),
                f"{us(low)}-{us(high)}",
                f"{each.entries:.2f}" if first else "",
            )
    skipped = [Text(f"not run: {each.design}: {each.skipped}") for each in found if each.skipped]
    return Group(table, *skipped)


def report(found: Report) -> RenderableType:
    """All that there is."""
    parts: list[RenderableType] = []
    if found.checks:
        parts.append(published(found.checks, found.predictions, found.needs))
    if found.claims:
        parts += [Text(""), behaviour(found.claims)] if parts else [behaviour(found.claims)]
    if found.own:
        parts.append(own(found.own))
    return Group(*parts)


def summary(found: Report) -> str:
    """One line: how many of what."""
    counts: dict[str, int] = {}
    for each in found.predictions:
        counts[each.verdict] = counts.get(each.verdict, 0) + 1
    parts = [f"{count} {verdict}" for verdict, count in counts.items()]
    line = f"{plural(len(found.predictions), 'published number')}: {listing(parts)}." if parts else ""
    if found.claims:
        held = sum(claim.holds for claim in found.claims)
        line += f" {plural(len(found.claims), 'claim')} about behaviour: {held} held."
    return line.strip()
