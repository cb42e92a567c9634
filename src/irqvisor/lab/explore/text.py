"""A report as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from irqvisor.lab.explore.explain import EXPLAINED, explain
from irqvisor.lab.explore.finding import Finding, meaning
from irqvisor.lab.explore.report import Report
from irqvisor.lab.explore.zoo import Outcome, symbol
from irqvisor.lab.text import count, listing, plural


def lines(report: Report) -> Iterator[str]:
    """Findings first, the certificate last."""
    for number, finding in enumerate(report.findings, start=1):
        yield from of_finding(number, finding)
        if number <= EXPLAINED:
            yield from (f"  {line}" for line in explain(report.exploration.question, finding.injections, finding.count))
        yield ""
    yield from certificate(report)


def of_finding(number: int, finding: Finding) -> Iterator[str]:
    """One finding."""
    yield f"finding {number}: {finding.judge}: {meaning(finding.judge)}" + (
        f" ({finding.source})" if finding.source else ""
    )
    if finding.detail:
        yield f"  {finding.detail}"
    for position, injection in enumerate(finding.injections):
        after = "the window began" if position == 0 else "the injection before"
        yield f"  inject {injection.source} {plural(injection.instant, 'instruction')} after {after}"
    if finding.count == 1:
        yield f"  fatal window: 1 instant, before {finding.first}"
    else:
        yield f"  fatal window: {plural(finding.count, 'instant')}, from before {finding.first}"
        yield f"                to before {finding.last}"
    if finding.times > 1:
        yield f"  the run passes there {finding.times} times, and each time it goes wrong"
    others = [name for name in finding.verdicts if name != finding.judge]
    if others:
        yield f"  also: {listing(others)}"


def certificate(report: Report) -> Iterator[str]:
    """What was covered."""
    exploration = report.exploration
    question = exploration.question
    c = report.counts
    window = report.window
    yield f"{question.scenario.name} under {question.design}: {verdict(report)}"
    if question.random is not None:
        yield f"  {plural(c['schedules'], 'schedule')} at random, of {listing(question.sources)}; seed {question.seed}"
    else:
        yield f"  window: {plural(c['instants'], 'instant')}, from {window['from']} to {window['to']}"
        pairs = f" and {count(c['pairs'])} pairs" if c["pairs"] else ""
        yield f"  {listing(question.sources)}: {count(c['injections'])} single injections{pairs}"
    yield f"  {count(c['examined'])} run to quiescence, {count(c['merged'])} merged with one of those"
    if exploration.reads_clock:
        yield "  states were not merged: a guest reads the clock"
    for reason, number in report.pruned.items():
        yield f"  pruned: {plural(number, 'instant')} at which the device cannot raise: {reason}"
    for reason, number in report.explained.items():
        yield f"  {plural(number, 'pair')} not told, for {reason}"
    for gap in report.gaps:
        yield f"  not covered: {gap}"
    if report.silent:
        yield f"  not covered: {listing(report.silent)}, kept silent"
    rate = c["examined"] / exploration.wall_s if exploration.wall_s else 0
    yield f"  {exploration.wall_s:.2f} s, {count(rate)} instants run a second. The hypervisor's ticks were off."
    yield "  Sequentially consistent: bugs that need weaker memory ordering are out of scope."


def verdict(report: Report) -> str:
    """The answer in one line."""
    found = len(report.findings)
    if found:
        return plural(found, "finding")
    if not report.is_complete:
        return "nothing found, but the cover is not complete"
    what = "every pair of instants" if report.exploration.question.injections == 2 else "every instant"
    return f"certified, exhaustive: {what} of the window"


def of_zoo(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """One line for each guest of the zoo, and what is not as expected."""
    width = max((len(outcome.entry.name) for outcome in outcomes), default=0)
    for outcome in outcomes:
        findings = outcome.buggy.findings
        first = findings[0] if findings else None
        found = f"{first.judge} in {symbol(first.first)}, {plural(first.count, 'instant')}" if first else "not found"
        fixed = "certified" if not outcome.fixed.findings and outcome.fixed.is_complete else "NOT certified"
        yield f"{outcome.entry.name:<{width}}  {outcome.entry.design:<8} {found}; fixed: {fixed}"
        yield from (f"    NOT AS EXPECTED: {problem}" for problem in outcome.problems)
    wrong = sum(1 for outcome in outcomes if outcome.problems)
    yield ""
    yield f"{plural(len(outcomes), 'bug')}: " + (
        f"{wrong} not as expected" if wrong else "each found, and its fix certified"
    )
