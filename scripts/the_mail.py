#!/usr/bin/env python3
"""The generated parts of docs/explanation/the-mail.md: tables, plots, and the sentences that have numbers in them.

    scripts/the_mail.py             write the page's blocks and plots anew
    scripts/the_mail.py --check     say what is not current; exit status 1
    scripts/the_mail.py --quick     only the blocks that take a few seconds

A block stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``. Everything else on the page is written by hand
and has no number in it that a run could change.
"""

import argparse
import io
import re
import sys
import textwrap
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import shared_code
import svg

from irqvisor import cli
from irqvisor.lab import compare as lab
from irqvisor.lab import view
from irqvisor.lab.ranking import explain_table, sensitivity, table
from irqvisor.lab.ranking.decompose import decompose
from irqvisor.lab.ranking.experiments import Experiments, shorten
from irqvisor.lab.ranking.explain import Explanation
from irqvisor.lab.ranking.sensitivity import DECIDED, JOINTLY
from irqvisor.lab.text import count, listing, us
from irqvisor.spec.designs import NUMBERS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "the-mail.md"
PLOTS = ROOT / "docs" / "explanation" / "the-mail"

CPU = "cpu=power8"
"""All designs on one processor model; direct needs another, and takes it by itself."""
RUNS = "periodic"
SLEEPS = "foreign"
HOLDS = ("foreign", "domains.calc.hold_units=40")
SITUATIONS = {RUNS: "the owner runs", SLEEPS: "the owner sleeps, another domain computes"}
DESIGNS = list(NUMBERS)


def command(*words):
    """A command as the page shows it, and what it prints to stdout."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(io.StringIO()):
        status = cli.main(words)
    if status != 0:
        raise SystemExit(f"irqvisor {' '.join(words)}: exit status {status}")
    return shown(words, said.getvalue())


def shown(words, text):
    """A command and its output as two code blocks."""
    return f"```\nirqvisor {' '.join(words)}\n```\n\n```\n{text.rstrip()}\n```\n"


class Data:
    """What the runs say, each done when it is first asked for."""

    def __init__(self):
        """Nothing has run yet."""
        self._sensitivity, self._explained, self._rows = {}, {}, {}

    def rows(self, name, *settings):
        """Design to its row."""
        key = (name, *settings)
        if key not in self._rows:
            found = lab.compare(name, overrides=[CPU, *settings])
            self._rows[key] = {row["design"]: row for row in found.designs if not row["skipped"]}
        return self._rows[key]

    def sensitivity(self, name):
        """As ``compare NAME --set cpu=power8 --sensitivity``."""
        if name not in self._sensitivity:
            experiments = Experiments(shorten(lab.prepare(name, overrides=[CPU])))
            self._sensitivity[name] = sensitivity.sensitivity(experiments, DESIGNS)
        return self._sensitivity[name]

    def explained(self, name, *settings):
        """As ``compare NAME --set cpu=power8 --explain``, without the search for what flips the order."""
        key = (name, *settings)
        if key not in self._explained:
            chosen = lab.prepare(name, overrides=[CPU, *settings])
            parts = [decompose(chosen, design) for design in DESIGNS]
            self._explained[key] = Explanation("latency", {}, parts, [], chosen, {})
        return self._explained[key]

    def verdict(self, name, one, other):
        """(who is ahead, of whom, the verdict) for two designs."""
        (pair,) = [p for p in self.sensitivity(name).pairs if {p.first, p.second} == {one, other}]
        return pair.first, pair.second, pair.verdict


# ------------------------------------------------------------------------------------------------------------- blocks
def compared(name, *settings):
    """A comparison, with the command."""
    words = ["compare", name, "--set", CPU]
    for setting in settings:
        words += ["--set", setting]
    return command(*words)


def sensitive(data, name):
    """The verdicts about a scenario."""
    found = data.sensitivity(name)
    return shown(["compare", name, "--set", CPU, "--sensitivity"], view.render(table.sensitivity(found)))


def taken_apart(data, name, *settings):
    """Who pays: the tables of an explanation without its stages, which are a plot."""
    found = data.explained(name, *settings)
    words = ["compare", name, "--set", CPU, *(w for s in settings for w in ("--set", s)), "--explain"]
    text = view.render(explain_table.entries(found)) + "\n" + view.render(explain_table.others(found))
    return f"From what `irqvisor {' '.join(words)}` prints:\n\n```\n{text.rstrip()}\n```\n"


def code():
    """Which code each design uses."""
    found = shared_code.measure()
    head = "| design | its own file | guest's front end | hypervisor code it alone uses | that it shares |"
    lines = ["```", "scripts/shared_code.py", "```", "", head, "|---|---:|---:|---:|---:|"]
    lines += [
        f"| `{d['design']}` | {d['own']} | {d['front']} | {d['alone']} | {d['shared']} |" for d in found["designs"]
    ]
    names = [d["design"] for d in found["designs"] if d["design"] != "native"]
    everybody = f"beyond the {found['common']} that every design with a hypervisor uses"
    lines += ["", f"Lines that two designs share, {everybody}:"]
    lines += ["", f"| | {' | '.join(f'`{n}`' for n in names)} |", f"|---|{'---:|' * len(names)}"]
    for d in found["designs"]:
        if d["design"] in names:
            cells = [str(d["with"][n]) if n in d["with"] else "" for n in names]
            lines.append(f"| `{d['design']}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def which_ran():
    """The designs of this version."""
    return f"{len(DESIGNS)} designs run here: {listing([f'`{n}`' for n in DESIGNS])}.\n"


def stages_plot(data):
    """The stages of each design in both situations, stacked."""
    names = []
    for name in SITUATIONS:
        for part in data.explained(name).parts:
            names += [stage for stage in part.stages if stage not in names]
    order = [stage for stage in ("accept", "vector", "identify", "serve", "complete") if stage in names]
    order += [stage for stage in names if stage not in order]
    fill = dict(zip(order, svg.FILLS, strict=False))
    whole = {
        (name, part.design): sum(times["mean"] for times in part.stages.values()) / 1000
        for name in SITUATIONS
        for part in data.explained(name).parts
    }
    plot = svg.Plot("From the raise to the end of the interrupt, mean time in each stage", "us", max(whole.values()))
    plot.key(list(fill.items()))
    for name, title in SITUATIONS.items():
        plot.group(f"{title} ({name})")
        for part in data.explained(name).parts:
            parts = [(stage, times["mean"] / 1000, fill[stage]) for stage, times in part.stages.items()]
            plot.row(part.design, parts, svg.amount(whole[name, part.design]))
    return plot.text()


def ranges_plot(data):
    """The latency of each design, with what the estimates leave open."""
    largest = max(high for name in SITUATIONS for _, high in data.sensitivity(name).ranges.values()) / 1000
    plot = svg.Plot("Mean latency, and what the range of any single estimate makes of it", "us", largest * 1.2)
    for name, title in SITUATIONS.items():
        found = data.sensitivity(name)
        plot.group(f"{title} ({name})")
        for design, (low, high) in found.ranges.items():
            plot.span(design, low / 1000, found.values[design] / 1000, high / 1000)
    return plot.text()


# --------------------------------------------------------------------------------------------------------- the answer
def mean(rows, design, key):
    """A mean of a row, in microseconds, as text."""
    return us(rows[design][key]["mean"])


def standing(data, name, one, other):
    """Who is ahead, and how sure that is, as the end of a sentence."""
    first, second, verdict = data.verdict(name, one, other)
    values = data.sensitivity(name).values
    numbers = f"{us(values[first])} against {us(values[second])} us"
    if verdict == DECIDED:
        return f"`{first}` is ahead of `{second}`, {numbers}, wherever the estimates may lie"
    if verdict == JOINTLY:
        return f"`{first}` is ahead of `{second}`, {numbers}, unless all estimates are wrong at once"
    return f"the evidence does not decide between `{first}` and `{second}`, {numbers}"


def answer(data):
    """The conclusion, in sentences that the numbers of this page make."""
    runs, sleeps = data.rows(RUNS), data.rows(SLEEPS)

    def when(key, name):
        return mean(runs, name, key)

    said = [
        f"""**Does simulating the delivery cost latency?** At the vector, yes. An owner that runs enters 0x500 after
{when("vector_latency_ns", "rhype")} us under `rhype`, after {when("vector_latency_ns", "xen-ppc")} us under `xen-ppc`.
But there it does not know its device. That it knows after {when("known_latency_ns", "rhype")} and
{when("known_latency_ns", "xen-ppc")} us: one has to ask by hypercall, the other reads a page. As for the work done,
{standing(data, RUNS, "rhype", "xen-ppc")}.""",
        f"""**And if the owner does not run?** Then {standing(data, SLEEPS, "rhype", "xen-ppc")}. Hardware enters the
wrong guest, which calls the hypervisor on somebody else's behalf; {percent(sleeps["rhype"])} of the interrupts did.
The world switch that both pay is the larger part.""",
    ]
    if "hybrid" in runs:
        said.append(
            f"""**The more rhypish Xen of the mail.** For an owner that runs
{standing(data, RUNS, "hybrid", "xen-ppc")}; for one that sleeps {standing(data, SLEEPS, "hybrid", "xen-ppc")}."""
        )
    if "xen-ia64" in runs:
        said.append(
            f"""**The virtualized hardware way.** A controller whose registers trap makes
{runs["xen-ia64"]["entries_per_interrupt"]:.1f} entries of the hypervisor for an interrupt, where event channels make
{runs["xen-ppc"]["entries_per_interrupt"]:.1f}. For an owner that runs {standing(data, RUNS, "xen-ia64", "xen-ppc")}."""
        )
    if "xen-x86" in runs:
        said.append(
            f"""**The other Xen.** Of the callback and the simulated vector,
{standing(data, RUNS, "xen-x86", "xen-ppc")}."""
        )
    if "direct" in runs:
        said.append(
            f"""**What the idea became.** A controller that knows vCPUs needs no hypervisor for an owner that runs: what
is left, {runs["direct"]["entries_per_interrupt"]:.2f} entries for an interrupt, is the hypervisor's own timer.
{capital(standing(data, RUNS, "direct", "rhype"))}. To wake an owner that sleeps still takes the hypervisor:
{standing(data, SLEEPS, "direct", "xen-ppc")}."""
        )
    return "\n\n".join(map(paragraph, said)) + "\n"


def paragraph(text):
    """Text in lines of the page's width."""
    return textwrap.fill(" ".join(text.split()), 130, break_long_words=False, break_on_hyphens=False)


def capital(text):
    """The text as the beginning of a sentence."""
    return text[0].upper() + text[1:]


def percent(row):
    """The share of a row's interrupts that entered a domain which does not own them."""
    return f"{100 * row['foreign'] / row['raised']:.0f} %"


def sharing():
    """The argument about sharing code, in numbers."""
    found = shared_code.measure()
    by = {d["design"]: d for d in found["designs"]}
    xen, rhype = by["xen-ppc"], by["rhype"]
    said = [
        f"""Event channels and the calls around them are {count(xen["event_channels"])} lines here, written once.
The rest of `xen-ppc` - its own file, and its front end in the guest - is {count(xen["own"] + xen["front"])} lines.
`rhype`, with what of the virtual controller nobody else uses, is
{count(rhype["own"] + rhype["front"] + rhype["alone"])}."""
    ]
    for other in ("xen-x86", "xen-ia64", "hybrid"):
        if other in by:
            mine = by[other]
            new, same = count(mine["own"] + mine["front"] + mine["alone"]), count(mine["with"]["xen-ppc"])
            said.append(f"`{other}` shares {same} lines with `xen-ppc` and needs {new} of its own.")
    return paragraph(" ".join(said)) + "\n"


def blocks(data, *, quick):
    """Name to what makes the block; those that take long are left out of a quick call."""
    fast = {
        "designs": which_ran,
        "running": lambda: compared(RUNS),
        "code": code,
        "sharing": sharing,
    }
    slow = {
        "sleeping": lambda: compared(SLEEPS),
        "recorded": lambda: compared("disk-and-net"),
        "running-verdict": lambda: sensitive(data, RUNS),
        "sleeping-verdict": lambda: sensitive(data, SLEEPS),
        "who-pays": lambda: taken_apart(data, SLEEPS),
        "holding": lambda: taken_apart(data, *HOLDS),
        "answer": lambda: answer(data),
    }
    return fast if quick else {**fast, **slow}


def plots(data):
    """File name to what makes the plot."""
    return {"stages.svg": lambda: stages_plot(data), "ranges.svg": lambda: ranges_plot(data)}


def replaced(page, name, text):
    """The page with one block in place of what is there."""
    found = re.search(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", page, re.DOTALL)
    if found is None:
        raise SystemExit(f"{PAGE}: no block {name}")
    return page[: found.end(1)] + text + page[found.start(2) :]


def main(arguments=None):
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--quick", action="store_true", help="only what takes a few seconds")
    chosen = parser.parse_args(arguments)
    data = Data()
    old = page = PAGE.read_text(encoding="utf-8")
    stale = []
    for name, make in blocks(data, quick=chosen.quick).items():
        before, page = page, replaced(page, name, make())
        if page != before:
            stale.append(name)
    for name, make in ({} if chosen.quick else plots(data)).items():
        path = PLOTS / name
        text = make()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not chosen.check:
                PLOTS.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if chosen.check:
        for name in stale:
            print(f"{PAGE.name}: {name} is not current; run scripts/the_mail.py", file=sys.stderr)
        return 1 if stale else 0
    if page != old:
        PAGE.write_text(page, encoding="utf-8")
    print(f"written anew: {', '.join(stale) or 'nothing'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
