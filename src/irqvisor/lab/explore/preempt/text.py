"""A report as lines of text."""

from __future__ import annotations

from collections.abc import Iterator

from irqvisor.lab.explore.explain import EXPLAINED
from irqvisor.lab.explore.finding import meaning
from irqvisor.lab.explore.preempt.explain import explain
from irqvisor.lab.explore.preempt.finding import Finding
from irqvisor.lab.explore.preempt.report import Report
from irqvisor.lab.text import count, listing, plural


def lines(report: Report) -> Iterator[str]:
    """Findings first, the certificate last."""
    question = report.exploration.question
    for number, finding in enumerate(report.findings, start=1):
        yield from of_finding(number, finding)
        if number <= EXPLAINED:
            told = explain(question, finding.schedule, finding.by, finding.count)
            yield from (f"  {line}" for line in told)
        yield ""
    yield from certificate(report)


def of_finding(number: int, finding: Finding) -> Iterator[str]:
    """One finding."""
    yield f"finding {number}: {finding.judge}: {meaning(finding.judge)}"
    if finding.by is not None:
        preempted = finding.schedule[-1].pcpu
        yield f"  pCPU {finding.by} preempts pCPU {preempted}; it takes {plural(finding.preemptions, 'preemption')}"
        window = f"  fatal window: {plural(finding.count, 'instant')}, from before {finding.first}"
        if finding.count == 1:
            yield f"  fatal window: 1 instant, before {finding.first}"
        else:
            yield window
            yield f"                to before {finding.last}"
    if finding.times > 1:
        yield f"  the same at {finding.times} different times"
    others = [name for name in finding.verdicts if name != finding.judge]
    if others:
        yield f"  also: {listing(others)}"


def certificate(report: Report) -> Iterator[str]:
    """What was covered."""
    exploration = report.exploration
    question = exploration.question
    c = report.counts
    yield f"{question.name} under {question.design}: {verdict(report)}"
    yield f"  window: from the last ready mark to quiescence; {plural(c['instants'], 'instant')} without a preemption"
    tried = plural(c["preemptions"], "preemption")
    yield f"  {tried} tried: {count(c['examined'])} runs to the end, {count(c['merged'])} merged with one of those"
    full = "; there was no room for more" if any(result.full for result in exploration.results) else ""
    yield f"  {count(c['states'])} states told apart{full}" if question.merging else "  states were not merged"
    for gap in report.gaps:
        yield f"  not covered: {gap}"
    rate = c["preemptions"] / exploration.wall_s if exploration.wall_s else 0
    yield f"  {exploration.wall_s:.2f} s, {count(rate)} preemptions a second"
    yield "  A pCPU that sleeps, has ended, or goes round without change gives way: that is no preemption."
    yield from (f"  {sentence}" for sentence in report.memory_model)


def verdict(report: Report) -> str:
    """The answer in one line."""
    if report.findings:
        return plural(len(report.findings), "finding")
    if not report.is_complete:
        return "nothing found, but the cover is not complete"
    question = report.exploration.question
    bound = f"at most {plural(question.preemptions, 'preemption')}" if question.preemptions else "no preemption"
    return f"certified, exhaustive: every schedule with {bound}"
