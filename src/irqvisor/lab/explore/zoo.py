"""The zoo: real bugs of interrupt paths, found by exploration, and their fixes, certified by the same one.

Each entry is a small guest in two versions of one source (examples/zoo/), which differ by a macro; or, where the bug is
the hypervisor's, a guest in one version that runs with a defect of the hypervisor and without. Its manifest says
under which design, by which judge and between which symbols the buggy one has to be found; the fixed one has to be
certified over the same window, completely.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from irqvisor.errors import UsageError, did_you_mean
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.explore import question, search
from irqvisor.lab.explore.finding import Place
from irqvisor.lab.explore.handler import scenario_of
from irqvisor.lab.explore.preempt import question as preempt_question
from irqvisor.lab.explore.preempt import search as switches
from irqvisor.lab.explore.preempt.report import Report as PreemptReport
from irqvisor.lab.explore.question import Question
from irqvisor.lab.explore.report import Report

FOLDER = Path(__file__).parents[2] / "data" / "zoo"
BUGGY, FIXED = "buggy", "fixed"
SLOTS = 4
"""Items that each ring holds."""
READ = ("fix", "code", "no")
"""Of a reference: the change that ended the bug was read; code that has or avoids it; or no source of just this bug."""


@dataclass(frozen=True)
class Entry:
    """A bug, as the manifest has it.

    Attributes:
        name: of its source, examples/zoo/NAME.c.
        title: what the guest, or the hypervisor, does wrong.
        reference: where the bug is told of.
        read: what was read there (`READ`).
        design, cpu: what it runs under.
        judge: what the first finding has to be called.
        first, last: symbols of the fatal window's ends.
        before: items that are there when the window begins.
        devices: sources the guest has.
        sources: which of them are injected; none: all.
        level: whether their lines are level sensitive.
        window: instants, for a guest that computes.
        reentry: whether re-entry is judged.
        defect: the hypervisor's, in the buggy version, whose image is the fixed one's; empty: the guest's own.
        neighbour: whether a second domain runs the same image without a device.
        settings: what else of the scenario is not as usual, as the option ``--set`` writes it.
        preempt: no injections, but switch points of two pCPUs: how many preemptions; under "bare".
    """

    name: str
    title: str
    reference: str
    read: str
    design: str
    judge: str
    first: str
    last: str
    cpu: str = "power8"
    before: int = 0
    devices: int = 1
    sources: Sequence[str] = ()
    level: bool = False
    window: int | None = None
    reentry: bool = False
    defect: str = ""
    neighbour: bool = False
    settings: Sequence[str] = ()
    preempt: int | None = None

    def image(self, version: str) -> Path:
        """The guest of a version."""
        return FOLDER / (f"{self.name}.elf" if self.defect else f"{self.name}.{version}.elf")

    def command(self, version: str) -> list[str]:
        """What explores a version by itself."""
        words = ["irqvisor", "explore", str(self.image(version)), "--design", self.design, "--cpu", self.cpu]
        if self.preempt is not None:
            return [*words, "--preempt", str(self.preempt)]
        words += ["--before", str(self.before), "--devices", str(self.devices)]
        words += ["--sources", ",".join(self.sources)] if self.sources else []
        words += ["--window", str(self.window)] if self.window is not None else []
        words += ["--neighbour"] if self.neighbour else []
        words += ["--reentry"] if self.reentry else []
        devices = [f"sources[{n}].slots={SLOTS}" for n in range(self.devices)]
        devices += [f"sources[{n}].trigger=level" for n in range(self.devices) if self.level]
        defects = [f'defects=["{self.defect}"]'] if self.defect and version == BUGGY else []
        for setting in (*devices, *self.settings, *defects):
            words += ["--set", setting]
        return words


AnyReport = Report | PreemptReport


@dataclass(frozen=True)
class Outcome:
    """What exploration said about both versions of an entry.

    Attributes:
        entry: which.
        buggy, fixed: the explorations.
        problems: how they differ from what the manifest expects; empty: they do not.
    """

    entry: Entry
    buggy: AnyReport
    fixed: AnyReport
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        entry = self.entry
        first = self.buggy.findings[0].to_dict() if self.buggy.findings else None
        return {
            "name": entry.name,
            "title": entry.title,
            "reference": entry.reference,
            "read": entry.read,
            "design": entry.design,
            "cpu": entry.cpu,
            "defect": entry.defect,
            "command": shlex.join(entry.command(BUGGY)),
            "as_expected": not self.problems,
            "problems": self.problems,
            "buggy": {"findings": len(self.buggy.findings), "first": first, "counts": self.buggy.counts},
            "fixed": {
                "findings": len(self.fixed.findings),
                "complete": self.fixed.is_complete,
                "counts": self.fixed.counts,
            },
        }


@cache
def entries() -> dict[str, Entry]:
    """Every entry, by name, in the order of the manifest."""
    with (FOLDER / "zoo.toml").open("rb") as file:
        data = tomllib.load(file)
    return {name: Entry(name=name, **values) for name, values in data.items()}


def choose(names: Sequence[str]) -> list[Entry]:
    """The entries asked for; all if none is.

    Raises:
        UsageError: there is none of a name.
    """
    known = entries()
    for name in names:
        if name not in known:
            raise UsageError("zoo", f'no guest "{name}"', hint=did_you_mean(name, known))
    return [known[name] for name in names] if names else list(known.values())


def asked(entry: Entry, version: str) -> Question:
    """The exploration of one version."""
    scenario = scenario_of(
        entry.image(version),
        devices=entry.devices,
        before=entry.before,
        trigger="level" if entry.level else "edge",
        slots=SLOTS,
        cpu=entry.cpu,
        neighbour=entry.neighbour,
    )
    defects = [f'defects=["{entry.defect}"]'] if entry.defect and version == BUGGY else []
    scenario = scenarios.with_overrides(scenario, [*entry.settings, *defects])
    return question.ask(scenario, entry.design, sources=entry.sources, window=entry.window, reentry=entry.reentry)


def explored(entry: Entry, version: str) -> AnyReport:
    """Explore one version."""
    if entry.preempt is None:
        return Report(search.explore(asked(entry, version)))
    image = entry.image(version)
    return PreemptReport(
        switches.explore(preempt_question.ask(image, entry.design, preemptions=entry.preempt, cpu=entry.cpu))
    )


def visit(chosen: Sequence[Entry]) -> Iterator[Outcome]:
    """Explore entries, both versions of each."""
    for entry in chosen:
        buggy, fixed = (explored(entry, version) for version in (BUGGY, FIXED))
        yield Outcome(entry, buggy, fixed, list(problems(entry, buggy, fixed)))


def problems(entry: Entry, buggy: AnyReport, fixed: AnyReport) -> Iterator[str]:
    """How the explorations differ from what the manifest expects."""
    if not buggy.findings:
        yield "the bug was not found"
    else:
        found = buggy.findings[0]
        window = (symbol(found.first), symbol(found.last))
        if found.judge != entry.judge:
            yield f"found as {found.judge}; expected {entry.judge}"
        if window != (entry.first, entry.last):
            yield f"its window is {window[0]} to {window[1]}; expected {entry.first} to {entry.last}"
    for finding in fixed.findings:
        yield f"the fixed guest has a finding: {finding.judge} at {finding.first}"
    if not fixed.is_complete:
        yield f"the fixed guest is not certified: {fixed.gaps[0]}"


def symbol(place: Place) -> str:
    """The function of a place, without the offset; "asleep" where everything sleeps."""
    return place.symbol.partition("+")[0] if place.address is not None else "asleep"
