"""The certificate: what was covered, what was not, and why. "Exhaustive" is only said when it was."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from irqvisor.hv.explore.examine import Skip
from irqvisor.lab import runner
from irqvisor.lab.explore import pairs
from irqvisor.lab.explore.bench import was_examined, was_posted
from irqvisor.lab.explore.explain import EXPLAINED, explain
from irqvisor.lab.explore.finding import Finding, findings, place_dict
from irqvisor.lab.explore.finding import place as place_of
from irqvisor.lab.explore.search import Exploration
from irqvisor.lab.explore.site import prepare

MEMORY_MODEL = (
    "The machine is sequentially consistent: bugs that need weaker memory ordering are out of scope. Hypervisor "
    "functions are atomic, so races between two of their sides do not happen here."
)

SKIPPED = {Skip.FULL: "its ring is full", Skip.STOPPED: "its owner has ended"}


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
        """Instants, pairs, how many of them were run, shared an outcome, or could not be."""
        singles, seconds = self.exploration.singles, self.exploration.pairs
        everything = [sweep.results for sweep in self.exploration.sweeps]
        return {
            "instants": len(singles[0].results) if self.exploration.question.random is None else 0,
            "schedules": self.exploration.question.random or 0,
            "injections": sum(int(was_posted(sweep.results).sum()) for sweep in singles),
            "pairs": sum(int(was_posted(sweep.results).sum()) for sweep in seconds),
            "examined": sum(int(was_examined(r).sum()) for r in everything),
            "merged": sum(int((r.shares != 0).sum()) for r in everything),
            "pruned": sum(int((~was_posted(r)).sum()) for r in everything),
        }

    @property
    def pruned(self) -> dict[str, int]:
        """Instants at which a device could not raise, by reason."""
        found: dict[str, int] = {}
        for sweep in self.exploration.sweeps:
            for why, text in SKIPPED.items():
                count = int((sweep.results.skipped == why).sum())
                if count:
                    found[text] = found.get(text, 0) + count
        return found

    @cached_property
    def explained(self) -> dict[str, int]:
        """Pairs that go wrong, but say nothing new, by reason."""
        return pairs.explained(self.exploration)

    @cached_property
    def gaps(self) -> list[str]:
        """What was not covered, and why; empty: the cover is complete."""
        question = self.exploration.question
        found = []
        ends = {sweep.ended for sweep in self.exploration.sweeps}
        if question.random is not None:
            found.append(
                f"all schedules but {question.random:,} of {question.injections} injections each, "
                f"chosen at random with seed {question.seed}"
            )
        if "window" in ends and question.window is None:
            found.append(
                f"the guest did not come to rest in {question.window_instants:,} instructions; "
                "what comes later was not examined (--window asks for more)"
            )
        if "never quiet" in ends:
            found.append("the hypervisor never let the guest run on: the walk ended in a storm")
        bounded = sum(1 for f in self.findings if f.judge in ("never-quiet", "livelock"))
        if bounded:
            found.append(f"a guest that does not come to rest was left after {question.bound:,} instructions (--bound)")
        return found

    @property
    def silent(self) -> list[str]:
        """Sources that were kept silent."""
        question = self.exploration.question
        return [s.name for s in question.scenario.sources if s.name not in question.sources]

    @property
    def is_complete(self) -> bool:
        """Whether every instant of the window was examined, shared an outcome, or was impossible."""
        return not self.gaps

    @property
    def window(self) -> dict[str, Any]:
        """From where to where."""
        sweep = self.exploration.sweeps[0]
        machine = prepare(self.exploration.question)
        ends = {
            "quiet": "quiescence",
            "window": "the number of instants asked for",
            "never quiet": "a storm",
            "random": "quiescence",
        }
        if sweep.ended == "window" and self.exploration.question.window is None:
            ends["window"] = "the longest window there is without --window"
        return {
            "from": "the last ready mark",
            "to": ends[sweep.ended],
            "first": place_dict(place_of(machine, sweep.results, 0)),
            "last": place_dict(place_of(machine, sweep.results, len(sweep.results) - 1)),
        }

    def certificate(self) -> dict[str, Any]:
        """What was covered, for JSON."""
        question = self.exploration.question
        return {
            "complete": self.is_complete,
            "window": self.window,
            "sources": list(question.sources),
            "silent": self.silent,
            "injections": question.injections,
            "counts": self.counts,
            "pruned": self.pruned,
            "explained": self.explained,
            "not_covered": self.gaps,
            "merging": "off: a guest reads the clock" if self.exploration.reads_clock else "on",
            "bound": question.bound,
            "ticks": "off",
            "memory_model": MEMORY_MODEL,
        }

    def to_dict(self) -> dict[str, Any]:
        """The JSON of ``irqvisor explore``."""
        exploration = self.exploration
        return {
            "header": runner.header(exploration.question.scenario),
            "design": exploration.question.design,
            "findings": [self._finding(number, finding) for number, finding in enumerate(self.findings)],
            "certificate": self.certificate(),
            "wall_s": round(exploration.wall_s, 3),
            "rate": round(self.counts["examined"] / exploration.wall_s) if exploration.wall_s else 0,
        }

    def _finding(self, number: int, finding: Finding) -> dict[str, Any]:
        """A finding for JSON; the first ones are explained."""
        lines = explain(self.exploration.question, finding.injections, finding.count) if number < EXPLAINED else []
        return {**finding.to_dict(), "explanation": lines}

    def exit_status(self, *, require_complete: bool = False) -> int:
        """1 with a finding; 4 if the cover has to be complete and is not, or a guest never came to rest; else 0."""
        real = [finding for finding in self.findings if finding.judge != "never-quiet"]
        if real:
            return 1
        if self.findings or (require_complete and not self.is_complete):
            return 4
        return 0
