"""Designs taken apart, as a person reads it."""

from collections.abc import Iterable
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.text import Text

from irqvisor.lab.ranking.explain import Explanation
from irqvisor.lab.ranking.flips import Flip
from irqvisor.lab.ranking.measures import MEASURES
from irqvisor.lab.text import count, figure, listing, us
from irqvisor.lab.view import grid


def explanation(found: Explanation) -> RenderableType:
    """All of it: stages, entries, bystanders, what is held off, and what flips the ranking."""
    parts: list[RenderableType] = [stages(found), Text(""), entries(found), Text(""), others(found), Text("")]
    parts += [Text(line) for line in [*flip_lines(found), *_not_run(found), *found.violations]]
    return Group(*parts)


def stages(found: Explanation) -> RenderableType:
    """Each stage of the journey, mean and tail."""
    table = grid("design", "stage", "mean us", "p50", "p99", left=(0, 1))
    for part in found.parts:
        for index, (name, times) in enumerate(part.stages.items()):
            cells = [us(times[key]) for key in ("mean", "p50", "p99")]
            table.add_row(part.design if index == 0 else "", name, *cells)
        whole = sum(times["mean"] for times in part.stages.values())
        table.add_row("", "raise to EOI", us(whole), "", "")
    return table


def entries(found: Explanation) -> RenderableType:
    """How often the hypervisor is entered for an interrupt, and why."""
    table = grid("design", "entries/irq", "by reason", left=(0, 2), wraps=2)
    for part in found.parts:
        reasons = listing([f"{name} {number:.2f}" for name, number in part.entries.items() if number])
        table.add_row(part.design, f"{sum(part.entries.values()):.2f}", reasons or "none")
    return table


def others(found: Explanation) -> RenderableType:
    """What an interrupt takes from bystanders, and for how long guests keep it waiting."""
    table = grid(
        "design", "foreign", "stolen\nus/irq", "hyper-\nvisor", "\nhandler", "switch\nback", "hit hardest",
        "held off\nby others", "us/irq\nby owner", "\nlongest",
        left=(0, 6), wraps=6,
    )  # fmt: skip
    for part in found.parts:
        serviced = max(part.row["serviced"], 1)
        sums = [
            sum(lost[key] for lost in part.stolen.values()) / serviced
            for key in ("hypervisor", "handler", "switch_back")
        ]
        worst = max(part.stolen, key=lambda name: sum(part.stolen[name].values()), default="")
        table.add_row(
            part.design,
            count(part.foreign),
            us(part.stolen_per_interrupt()),
            *(us(ns) for ns in sums),
            worst,
            *(us(part.held_off[key]) for key in ("by_others", "by_owner", "longest")),
        )
    return table


def flip_lines(found: Explanation) -> Iterable[str]:
    """The ranking, and a sentence for each pair of neighbours: what takes the lead from the first."""
    ranking = ", ".join(f"{design} {us(ns)}" for design, ns in found.values.items())
    yield f"Ranked by {MEASURES[found.by].title}, in us: {ranking}."
    names = list(found.values)
    for first, second in pairwise(names):
        own = [flip for flip in found.flips if (flip.first, flip.second) == (first, second)]
        if own:
            yield f"{first} is ahead of {second} until {listing([_change(flip) for flip in own], 'or')}."
        else:
            yield f"{first} stays ahead of {second} whichever single number is made 8 times smaller or larger."


def _change(flip: Flip) -> str:
    way = "falls" if flip.becomes < flip.value else "grows"
    where = "" if flip.within else ", outside its range"
    change = f"from {figure(flip.value)} to {figure(flip.becomes)} {flip.unit}"
    return f"{flip.number} {way} {change} (class {flip.grade}{where})"


def _not_run(found: Explanation) -> list[str]:
    return [f"not run: {design}: {reason}" for design, reason in found.skipped.items()]
