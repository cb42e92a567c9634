"""What is explored, in words that travel: to worker processes, and in the file of a finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from irqvisor.errors import UsageError, did_you_mean
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.scenario import Free, Scenario
from irqvisor.machine import Machine

WINDOW = 10_000
"""Instants of a window unless told otherwise, for a guest that does not come to rest before."""
BOUND = 20_000
"""Instructions that a guest may take to become quiet after an injection."""

MOST = 8
"""Injections of a random schedule."""

Judge = Callable[[Machine], str | None]
"""A judge of a user's: is shown a machine at rest, and says what is wrong with it."""


class Injection(NamedTuple):
    """An item posted at an instant: so many retired instructions after the window, or the injection before, began."""

    source: str
    instant: int


@dataclass(frozen=True)
class Question:
    """An exploration, complete.

    Attributes:
        scenario: with at least one source whose arrival is ``free``.
        design: its delivery design.
        cpu: processor model in place of the scenario's.
        sources: which of the free sources are injected; default: all, one after another.
        injections: how many items are injected, at ordered instants: 1 or 2; more if they are random.
        random: this many schedules of so many injections, chosen at random, in place of all; None: all.
        seed: of the choice.
        window: instants to examine at most; None: up to quiescence, at most `WINDOW`.
        bound: instructions a guest may take to become quiet.
        max_latency_ns: an item consumed later than this is a finding; None: never.
        reentry: whether a handler that is entered before it has returned is a finding.
        merging: whether instants that lead to a seen state share its outcome.
        judges: judges of the user's.
    """

    scenario: Scenario
    design: str
    cpu: str | None = None
    sources: tuple[str, ...] = ()
    injections: int = 1
    random: int | None = None
    seed: int = 1
    window: int | None = None
    bound: int = BOUND
    max_latency_ns: float | None = None
    reentry: bool = False
    merging: bool = True
    judges: tuple[Judge, ...] = field(default=(), compare=False, repr=False)

    @property
    def window_instants(self) -> int:
        """Instants to examine at most."""
        return WINDOW if self.window is None else self.window

    def number_of(self, source: str) -> int:
        """A source's number in the machine."""
        return [s.name for s in self.scenario.sources].index(source)


def ask(
    scenario: Scenario,
    design: str,
    *,
    cpu: str | None = None,
    sources: Sequence[str] = (),
    injections: int = 1,
    random: int | None = None,
    seed: int = 1,
    window: int | None = None,
    bound: int = BOUND,
    max_latency_ns: float | None = None,
    reentry: bool = False,
    merging: bool = True,
    judges: Sequence[Judge] = (),
) -> Question:
    """A question that makes sense.

    Raises:
        UsageError: it does not: no free source, one that is none, an empty window.
        ScenarioError: there is no such design.
    """
    scenarios.check_design(design)
    free = [source.name for source in scenario.sources if isinstance(source.arrival, Free)]
    if not free:
        raise UsageError(
            scenario.name,
            "no source is free: there is nothing to put anywhere",
            'arrival = { kind = "free" } in at least one',
            "or --set sources.NAME.arrival='{kind=\"free\"}'",
        )
    for name in sources:
        if name not in free:
            raise UsageError(
                "--sources", f'"{name}" is not a free source', hint=did_you_mean(name, free, list_as="Free")
            )
    if window is not None and window < 1:
        raise UsageError("--window", f"{window} instants: the window is empty", "at least 1")
    if bound < 1:
        raise UsageError("--bound", f"{bound} instructions", "at least 1")
    most = MOST if random is not None else 2
    if not 1 <= injections <= most:
        raise UsageError(
            "--injections", f"found {injections}", f"1 to {most}" if most > 2 else "1 or 2; more with --random"
        )
    if random is not None and random < 1:
        raise UsageError("--random", f"{random} schedules", "at least 1")
    return Question(
        scenario=scenario,
        design=design,
        cpu=cpu,
        sources=tuple(sources) or tuple(free),
        injections=injections,
        random=random,
        seed=seed,
        window=window,
        bound=bound,
        max_latency_ns=max_latency_ns,
        reentry=reentry,
        merging=merging,
        judges=tuple(judges),
    )
