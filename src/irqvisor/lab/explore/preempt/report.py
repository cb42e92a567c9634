"""The certificate: what was covered, what was not, and why. "Exhaustive" is only said when it was."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from irqvisor.lab import runner
from irqvisor.lab.explore.explain import EXPLAINED
from irqvisor.lab.explore.finding import place_dict
from irqvisor.lab.explore.preempt.explain import explain
from irqvisor.lab.explore.preempt.finding import Finding, findings, place
from irqvisor.lab.explore.preempt.search import Exploration
from irqvisor.machine import BARE

ORDERED = "The machine is sequentially consistent: bugs that need weaker memory ordering are out of scope."
RESERVED = "A reservation does not outlive a switch."
ATOMIC = "Functions of the hypervisor are atomic. Interrupts of other pCPUs arrive at once."


@dataclass(frozen=True)
class Report:
    """An exploration, its findings and its certificate."""

    exploration: Exploration

    @cached_property
    def findings(self) -> list[Finding]:
        """Everything that went wrong."""
        return findings(self.exploration)

    @property
    def counts(self) -> dict[str, int]:
        """Instants of the runs without preemption; preemptions that were tried; runs that went to their end, or shared
        the outcome of another; states that were told apart; instructions."""
        results = self.exploration.results
        runs = sum(result.runs for result in results)
        merged = sum(result.merged for result in results)
        return {
            "instants": self.exploration.roots.instants,
            "preemptions": runs - results[0].runs,
            "examined": runs - merged,
            "merged": merged,
            "states": sum(result.states for result in results),
            "instructions": sum(result.ran for result in results),
        }

    @cached_property
    def gaps(self) -> list[str]:
        """What was not covered, and why; empty: the cover is complete."""
        exploration = self.exploration
        question = exploration.question
        found = []
        if any(f.judge == "never-quiet" for f in self.findings):
            found.append(f"a run that did not come to its end was left after {question.bound:,} steps (--bound)")
        if exploration.reads_clock and question.merging:
            found.append("a guest reads the clock, and states were merged that differ only in it (--no-merging)")
        return found

    @property
    def is_complete(self) -> bool:
        """Whether every schedule within the bound was examined, or shared an outcome."""
        return not self.gaps

    @property
    def memory_model(self) -> list[str]:
        """What the machine does not do, in sentences."""
        return [ORDERED, RESERVED] if self.exploration.question.design == BARE else [ORDERED, RESERVED, ATOMIC]

    def certificate(self) -> dict[str, Any]:
        """What was covered, for JSON."""
        exploration = self.exploration
        question = exploration.question
        machine = exploration.start
        pieces = exploration.roots.pieces
        first = pieces[0].moments[0] if pieces else None
        return {
            "complete": self.is_complete,
            "preemptions": question.preemptions,
            "pcpus": question.pcpus,
            "window": {
                "from": "the last ready mark",
                "to": "quiescence",
                "first": place_dict(place(machine, 0, (first.address, first.context))) if first else None,
            },
            "counts": self.counts,
            "not_covered": self.gaps,
            "merging": "on" if question.merging else "off",
            "bound": question.bound,
            "ticks": "off",
            "memory_model": " ".join(self.memory_model),
        }

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``irqvisor explore --preempt``."""
        exploration = self.exploration
        scenario = exploration.question.scenario
        seconds = exploration.wall_s
        return {
            "header": runner.header(scenario) if scenario is not None else {"irqvisor": version("irqvisor")},
            "design": exploration.question.design,
            "findings": [self._finding(number, finding) for number, finding in enumerate(self.findings)],
            "certificate": self.certificate(),
            "wall_s": round(seconds, 3),
            "rate": round(self.counts["preemptions"] / seconds) if seconds else 0,
        }

    def _finding(self, number: int, finding: Finding) -> dict[str, Any]:
        """A finding for JSON; the first ones are explained."""
        question = self.exploration.question
        lines = explain(question, finding.schedule, finding.by, finding.count) if number < EXPLAINED else []
        return {**finding.to_dict(), "explanation": lines}

    def exit_status(self, *, require_complete: bool = False) -> int:
        """1 with a finding; 4 if the cover has to be complete and is not, or a run never came to its end; else 0."""
        if any(finding.judge != "never-quiet" for finding in self.findings):
            return 1
        if self.findings or (require_complete and not self.is_complete):
            return 4
        return 0
