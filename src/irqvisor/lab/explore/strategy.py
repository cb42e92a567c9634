"""Schedules of injections for Hypothesis: they shrink to few injections, early ones, of the first source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from irqvisor.lab.explore import finding, site
from irqvisor.lab.explore.bench import Bench
from irqvisor.lab.explore.question import Injection, Question

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


class Schedules:
    """What a question's machine does with any schedule.

    Attributes:
        question: which exploration.
        instants: of its window: no injection is later after the one before.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        self._start = site.prepare(question)
        self._bench = Bench(question, self._start)
        self.instants = site.walk(self._start, question.window_instants).instants

    def strategy(self, most: int = 3) -> SearchStrategy[tuple[Injection, ...]]:
        """Lists of 1 to `most` injections; the instant of each is counted from the one before."""
        from hypothesis import strategies as st

        one = st.builds(Injection, st.sampled_from(self.question.sources), st.integers(0, self.instants - 1))
        return st.lists(one, min_size=1, max_size=most).map(tuple)

    def judge(self, schedule: tuple[Injection, ...]) -> list[str]:
        """The names of the judges that object to a schedule; empty if none does."""
        return finding.names(self._bench.verdict(schedule))
