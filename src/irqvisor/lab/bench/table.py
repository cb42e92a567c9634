"""The tables of `irqvisor bench`."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from irqvisor.lab import view
from irqvisor.lab.bench.figures import Figure, quantity
from irqvisor.lab.bench.measure import MILLION, Race, Report
from irqvisor.lab.text import plural


def report(found: Report) -> RenderableType:
    """Everything: who took part, how fast each is, what was aimed at, and what the numbers rest on."""
    parts: list[RenderableType] = [runners_table(found.runners), Text("")]
    for race in found.races:
        parts += [race_table(race), *(Text(line) for line in race_notes(race)), Text("")]
    parts += [figures_table(found.figures), Text("")]
    parts += [Text(line) for line in footer(found)]
    return Group(*parts)


def runners_table(runners: Sequence[Mapping[str, str]]) -> Table:
    """Who is here, and who is not."""
    rows = [
        (each["name"], f"not here: {each['missing']}" if each["missing"] else f"{each['version']}, {each['about']}")
        for each in runners
    ]
    return view.words(("runner", ""), rows)


def race_table(race: Race) -> Table:
    """One guest: a row for everybody who has an answer."""
    table = view.grid(race.guest.name, "million/s", "in CPU time", "ns each", "irqvisor is", "in CPU time")
    for result in race.results:
        if result.wall_s is None:
            continue
        name = result.runner.name
        wall, cpu = race.rate(result.wall_s), race.rate(result.cpu_s)
        ratios = [None if result is race.results[0] else race.ratio(name, cpu=clock) for clock in (False, True)]
        table.add_row(
            name,
            quantity(wall and wall / MILLION),
            quantity(cpu and cpu / MILLION),
            quantity(wall and 1e9 / wall),
            *(quantity(ratio, "times") for ratio in ratios),
        )
    return table


def race_notes(race: Race) -> Iterable[str]:
    """What a sample was, and why somebody who is here has no row."""
    yield f"{race.guest.title}; a sample is {plural(race.count, race.guest.unit) if race.count else 'unknown'}."
    for result in race.results:
        if result.skipped and not result.runner.missing():
            yield f"{result.runner.name}: {result.skipped}."
        if result.failure:
            yield f"FAILED: {result.failure}"


def figures_table(figures: Sequence[Figure]) -> Table:
    """What was aimed at."""
    table = view.grid("figure", "measured", "in CPU time", "aim", "met", left=(0, 3, 4))
    for each in figures:
        table.add_row(each.name, quantity(each.wall, each.unit), quantity(each.cpu, each.unit), each.aim, each.verdict)
    return table


def footer(found: Report) -> Iterable[str]:
    """What the numbers rest on."""
    header = found.header
    yield (
        f"The same guest binary for everybody, in turns, the fastest of {plural(header['rounds'], 'round')}: on "
        f"{plural(header['cores'], 'core')} of {header['machine']}, load {header['load']:.1f} at the end."
    )
    if not header["compiled"]:
        yield "Nothing was compiled (NUMBA_DISABLE_JIT): irqvisor's figures say nothing about its speed."
