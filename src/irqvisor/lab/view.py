"""Tables and sentences for the terminal. Everything here returns text or something Rich can print; nothing prints.

Plain when the reader is not a terminal, never wider than `WIDTH` columns, and nothing depends on colour.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import StringIO
from typing import Any, Literal

from rich.box import Box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from irqvisor.lab.profile import CHARGES
from irqvisor.lab.reasons import Row, reference
from irqvisor.lab.text import count, listing, percent, tally, us
from irqvisor.spec.designs import BY_NAME, DesignInfo

WIDTH = 100

RULED = Box(
    "    \n"
    "    \n"
    " -- \n"  # under the header
    "    \n"
    "    \n"
    "    \n"
    "    \n"
    "    \n",
    ascii=True,
)
"""A rule under the header and nothing else: it reads the same in a terminal, a log and a mail."""

NEWLINE = "\n"

BOUND = "*"
"""Marks a row that is a lower bound: no hypervisor at all."""


def render(renderable: RenderableType, *, terminal: bool = False) -> str:
    """What a reader gets to see, as text, `WIDTH` columns wide. On a terminal it may be bold or coloured."""
    out = StringIO()
    console = Console(
        file=out,
        width=WIDTH,
        force_terminal=terminal,
        no_color=None if terminal else True,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(renderable)
    return "".join(line.rstrip() + "\n" for line in out.getvalue().splitlines())


def grid(*columns: str, left: Iterable[int] = (0,), wraps: int | None = None) -> Table:
    """An empty table in the house style.

    Args:
        columns: their names.
        left: which of them hold words.
        wraps: the one that may take several lines; numbers never do, and are never cut.
    """
    table = Table(box=RULED, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    words = set(left)
    for index, name in enumerate(columns):
        justify: Literal["left", "right"] = "left" if index in words else "right"
        vertical: Literal["top", "bottom"] = "bottom" if wraps is None else "top"
        table.add_column(name, justify=justify, vertical=vertical, no_wrap=index != wraps)
    return table


def measure(table: Table) -> int:
    """Columns a table takes if nothing is cut."""
    return Measurement.get(console := Console(file=StringIO(), width=10 * WIDTH), console.options, table).maximum


# ---------------------------------------------------------------------------------------------------------- comparison
def comparison(rows: Sequence[Row]) -> RenderableType:
    """The table of a comparison, where the time went, and what could not run."""
    ran = [row for row in rows if not row["skipped"]]
    parts: list[RenderableType] = []
    if ran:
        parts += [designs_table(ran), Text(""), stages_table(ran)]
    if any(row["lower_bound"] for row in ran):
        note = f"{BOUND} a lower bound: no hypervisor; one kernel owns every source and runs all compute loops in turn."
        parts += [Text(""), Text(note)]
    parts += [Text(line) for line in processors(ran)]
    parts += not_run(rows)
    parts += [Text(f"{row['design']}: {broken}") for row in ran for broken in (*row["violations"], *row["faults"])]
    return Group(*parts)


def processors(rows: Sequence[Row]) -> list[str]:
    """Which designs ran on another processor than the first one did, and why; and with which options."""
    elsewhere: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["cpu"] != rows[0]["cpu"]:
            needs = BY_NAME[row["design"]].needs if rows[0]["cpu"] not in BY_NAME[row["design"]].cpus else ""
            elsewhere.setdefault((row["cpu"], needs), []).append(row["design"])
    lines = [
        f"on a {cpu} instead of a {rows[0]['cpu']}: {listing(names)}{f': {needs}' if needs else ''}"
        for (cpu, needs), names in elsewhere.items()
    ]
    for row in rows:
        usual = BY_NAME[row["design"]].settings({})
        unusual = [f"{name}={value}" for name, value in row["options"].items() if value != usual[name]]
        if unusual:
            lines.append(f"{row['design']} with {', '.join(unusual)}")
    return lines


def columns(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """The table of a comparison, column by column: a header, perhaps of two lines, and a cell for each row.

    Fates, then microseconds from the raise, then what everybody paid. Columns that would hold nothing but zeros are
    left out: rescued, foreign, work. What was dropped or is pending has a sentence below the table.
    """
    best = sum(reference(rows)["work"].values())
    latency = [row["latency_ns"] for row in rows]
    found = [
        ("design", [row["design"] + (BOUND if row["lower_bound"] else "") for row in rows]),
        ("raised", [tally(row["raised"]) for row in rows]),
        ("serv-\niced", [tally(row["serviced"]) for row in rows]),
        ("coal-\nesced", [tally(row["coalesced"]) for row in rows]),
        ("lost", [tally(row["lost"]) for row in rows]),
        ("res-\ncued", [tally(row["rescued"]) for row in rows]),
        ("vector\np50", [us(row["vector_latency_ns"]["p50"]) for row in rows]),
        ("known\np50", [us(row["known_latency_ns"]["p50"]) for row in rows]),
        ("latency\np50", [us(times["p50"]) for times in latency]),
        ("us\np99", [us(times["p99"]) for times in latency]),
        ("\nmax", [us(times["max"]) for times in latency]),
        ("entries\n/irq", [f"{row['entries_per_interrupt']:.2f}" for row in rows]),
        ("foreign", [tally(row["foreign"]) for row in rows]),
        ("work", [percent(sum(row["work"].values()), best) for row in rows]),
    ]
    empty = {"res-\ncued": "rescued", "foreign": "foreign"}
    return [
        (name, cells)
        for name, cells in found
        if not (name in empty and not any(row[empty[name]] for row in rows)) and not (name == "work" and not best)
    ]


def designs_table(rows: Sequence[Row]) -> Table:
    """One row a design."""
    named = columns(rows)
    table = grid(*(name for name, _ in named))
    for row, cells in zip(rows, zip(*(cells for _, cells in named), strict=True), strict=True):
        table.add_row(*cells, style="bold red" if is_violated(row) else None)
    if measure(table) > WIDTH:
        table.padding = (0, 0, 0, 0)
    return table


def html(rows: Sequence[Row], lines: Iterable[str]) -> str:
    """The table and the sentences for a notebook."""
    ran = [row for row in rows if not row["skipped"]]
    named = columns(ran) if ran else []
    head = "".join(
        f"<th>{escape(name.replace(f'-{NEWLINE}', '').replace(NEWLINE, ' ').strip())}</th>" for name, _ in named
    )
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for cells in zip(*(cells for _, cells in named), strict=True)
    )
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{text}"


def sweep(points: Sequence[tuple[str, Sequence[Row]]]) -> RenderableType:
    """A comparison at several points: one line each point and design."""
    table = grid(
        "point", "design", "raised", "serviced", "coalesced", "dropped", "lost", "p50 us", "p99 us", "entries/irq",
        left=(0, 1),
    )  # fmt: skip
    for label, rows in points:
        for index, row in enumerate(row for row in rows if not row["skipped"]):
            fates = (count(row[name]) for name in ("raised", "serviced", "coalesced", "dropped", "lost"))
            times = (us(row["latency_ns"][name]) for name in ("p50", "p99"))
            table.add_row(
                label if index == 0 else "",
                row["design"] + (BOUND if row["lower_bound"] else ""),
                *fates,
                *times,
                f"{row['entries_per_interrupt']:.2f}",
                style="bold red" if is_violated(row) else None,
            )
    broken = [
        Text(f"{label}, {row['design']}: {what}")
        for label, rows in points
        for row in rows
        if not row["skipped"]
        for what in (*row["violations"], *row["faults"])
    ]
    return Group(table, *not_run(points[0][1] if points else ()), *broken)


def stages_table(rows: Sequence[Row]) -> Table:
    """Where the time went: the mean of each stage, in the order in which the design meets them."""
    table = grid(
        "design", "where the time goes, mean us from each step to the next: raise to EOI", left=(0, 1), wraps=1
    )
    for row in rows:
        steps = " + ".join(f"{name} {us(ns)}" for name, ns in row["stages_ns"].items())
        total = us(sum(row["stages_ns"].values()))
        table.add_row(row["design"], f"{steps} = {total}" if steps else "nothing was completed")
    return table


def not_run(rows: Sequence[Row]) -> list[RenderableType]:
    """Designs that did not run, grouped by reason."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        if row["skipped"]:
            groups.setdefault(row["skipped"], []).append(row["design"])
    return [Text(f"not run: {', '.join(names)}: {reason}") for reason, names in groups.items()]


def one_line(label: str, row: Row) -> str:
    """A result as soon as it is there."""
    who = f"{label} {row['design']}".strip()
    if row["skipped"]:
        return f"{who}: skipped, {row['skipped']}"
    latency = row["latency_ns"]
    return (
        f"{who}: {count(row['raised'])} raised, {count(row['lost'])} lost, latency {us(latency['p50'])} us "
        f"(99 %: {us(latency['p99'])} us), in {row['wall_s']:.1f} s"
    )


def is_violated(row: Row) -> bool:
    """The row broke a promise: something was lost or left over, the books do not balance, or a property failed."""
    return bool(row["lost"] or row["violations"] or not row["balanced"])


def sentences(lines: Iterable[str]) -> RenderableType:
    """Sentences, one paragraph each."""
    return Group(*(Text(line) for line in lines))


def footer(header: Mapping[str, Any]) -> list[str]:
    """What the numbers rest on: the profile, its estimates, and where the interrupts come from."""
    lines = [f"Profile {header['profile']}; scenario {header['scenario']} ({str(header['scenario_hash'])[:12]})."]
    estimates = header.get("estimates") or []
    if estimates:
        lines.append(
            f"These results rest on estimates (class E): {', '.join(estimates)}. Where a ranking matters, vary them: "
            f"--set profile.{next((name for name in estimates if name in CHARGES), estimates[0])}=low, then high."
        )
    if header.get("recording"):
        lines.append(f"Recorded: {header['recording']}. An arrival is the handler's entry on the recorded machine.")
    return lines


# ----------------------------------------------------------------------------------------------------------- one run
def run(row: Row) -> RenderableType:
    """The summary of one run."""
    if row["skipped"]:
        return Group(*not_run([row]))
    fates = ("raised", "serviced", "coalesced", "dropped", "pending", "lost", "rescued", "spurious", "foreign", "empty")
    first = grid("interrupts", "")
    for name in fates:
        if row[name] or name in ("raised", "serviced", "coalesced", "lost"):
            first.add_row(name, count(row[name]))
    times = grid("us from the raise to", "p50", "p90", "p99", "max", "mean")
    for label, name in (
        ("the owner's vector", "vector_latency_ns"),
        ("knowing the source", "known_latency_ns"),
        ("consumption", "latency_ns"),
    ):
        times.add_row(label, *(us(row[name][key]) for key in ("p50", "p90", "p99", "max", "mean")))
    busy = grid("cycles of all pCPUs", "", "")
    whole = sum(row[name] for name in ("guest_cycles", "hypervisor_cycles", "idle_cycles"))
    for label, name in (("guests", "guest_cycles"), ("hypervisor", "hypervisor_cycles"), ("idle", "idle_cycles")):
        busy.add_row(label, count(row[name]), percent(row[name], whole))
    parts: list[RenderableType] = [first, Text(""), times, Text(""), stages_table([row]), Text(""), busy]
    if row["hypervisor_entries"]:
        entries = grid("hypervisor entries", "", "/ serviced")
        for reason, number in row["hypervisor_entries"].items():
            entries.add_row(reason, count(number), f"{number / max(row['serviced'], 1):.2f}")
        parts += [Text(""), entries]
    if row["work"]:
        work = grid("domain", "compute units done")
        for domain, units in row["work"].items():
            work.add_row(domain, count(units))
        parts += [Text(""), work]
    speed = row["guest_instructions"] / max(row["wall_s"], 1e-9) / 1e6
    parts += [
        Text(""),
        Text(
            f"{count(row['guest_instructions'])} guest instructions, {us(row['virtual_ns'] / 1000)} ms of virtual time,"
            f" {row['wall_s']:.2f} s here ({count(speed)} million a second); digest {row['digest']}"
        ),
    ]
    parts += [Text(f"{row['design']}: {broken}") for broken in (*row["violations"], *row["faults"])]
    return Group(*parts)


def journey(steps: Sequence[Mapping[str, Any]]) -> RenderableType:
    """One interrupt's life, a line a step, with the time since the step before."""
    table = grid("cycle", "us", "+ us", "what", "where", "", left=(3, 4, 5), wraps=5)
    before = steps[0]["ns"] if steps else 0
    start = before
    for step in steps:
        cells = [count(step["cycle"]), us(step["ns"] - start), us(step["ns"] - before)]
        table.add_row(*cells, str(step["what"]), str(step["where"]), str(step["detail"]))
        before = step["ns"]
    return table


# ------------------------------------------------------------------------------------------------------------- lists
def words(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of words."""
    table = grid(*columns, left=range(len(columns)), wraps=len(columns) - 1)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    return table


def options(designs: Iterable[DesignInfo]) -> RenderableType:
    """What the designs leave to choose."""
    table = grid("design", "option", "values, the default first", "what it chooses", left=range(4), wraps=3)
    for info in designs:
        for option in info.options:
            table.add_row(info.name, option.name, ", ".join(option.values), option.meaning)
    return Group(Text(""), table, Text(""), Text("--set options.DESIGN.OPTION=VALUE chooses."))


def profile(data: Mapping[str, Any], rates: Iterable[str]) -> RenderableType:
    """One profile: every number with its class, range and source."""
    table = grid("number", "value", "unit", "class", "range", "source", left=(0, 2, 3, 5), wraps=5)
    numbers = {**{name: data[name] for name in rates}, **data["charges"]}
    for name, number in numbers.items():
        spread = "..".join(f"{bound:,g}" for bound in number["range"]) if "range" in number else ""
        cells = (f"{number['value']:,.12g}", number["unit"], number["class"], spread, number["source"])
        table.add_row(name, *cells)
    parts: list[RenderableType] = [Text(f"{data['name']}: {data['description']}"), Text(""), table]
    if data["sources"]:
        parts.append(Text(""))
        parts += [Text(f"[{key}] {source}") for key, source in data["sources"].items()]
    return Group(*parts)
