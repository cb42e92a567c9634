"""Switch points that go wrong, put together: one finding for each stretch of them with the same verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from irqvisor.lab.explore.finding import Place, names, place_dict
from irqvisor.lab.explore.preempt.bench import Schedule, Turn
from irqvisor.lab.explore.preempt.search import Exploration, Stretch
from irqvisor.machine import Machine
from irqvisor.tables import Table


@dataclass(frozen=True)
class Finding:
    """A stretch of instants at which a pCPU goes first, and it ends badly in one way.

    Attributes:
        judge: the name of what it is called by.
        verdicts: the names of all judges that object, that one included.
        schedule: the turns up to the first of them.
        by: the pCPU that goes first; None: it goes wrong without any preemption.
        preemptions: that it takes, the least.
        first, last: the fatal window.
        count: instants in it.
        times: at how many other times the same happens.
    """

    judge: str
    verdicts: tuple[str, ...]
    schedule: Schedule
    by: int | None
    preemptions: int
    first: Place
    last: Place
    count: int
    times: int = 1

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "judge": self.judge,
            "verdicts": list(self.verdicts),
            "schedule": [turn._asdict() for turn in self.schedule],
            "by": self.by,
            "preemptions": self.preemptions,
            "window": {"first": place_dict(self.first), "last": place_dict(self.last), "instants": self.count},
            "times": self.times,
        }


def findings(exploration: Exploration) -> list[Finding]:
    """All findings, those that take fewest preemptions first; what a smaller number explains is left out."""
    machine = exploration.start
    found = [
        _without(machine, run.schedule[0].pcpu, verdict)
        for run, verdict in zip(exploration.roots.runs, exploration.roots.verdicts, strict=True)
        if verdict
    ][:1]
    for stretch in exploration.stretches:
        known = {judge for f in found if f.preemptions < stretch.preemptions for judge in f.verdicts}
        if names(stretch.verdict)[0] not in known:
            found.append(_described(machine, stretch))
    return found


def _without(machine: Machine, pcpu: int, verdict: int) -> Finding:
    """A run that goes wrong by itself."""
    context = int(machine.views[Table.PCPU][pcpu].context)
    here = place(machine, 0, (int(machine.views[Table.CONTEXT][context].nip), context))
    called = names(verdict)
    return Finding(called[0], tuple(called), (Turn(pcpu, 0),), None, 0, here, here, 1)


def _described(machine: Machine, stretch: Stretch) -> Finding:
    called = names(stretch.verdict)
    instant = sum(turn.steps for turn in stretch.schedule)
    count = stretch.last - stretch.first + 1
    return Finding(
        judge=called[0],
        verdicts=tuple(called),
        schedule=stretch.schedule,
        by=stretch.by,
        preemptions=stretch.preemptions,
        first=place(machine, instant, stretch.begin),
        last=place(machine, instant + count - 1, stretch.end),
        count=count,
        times=stretch.times,
    )


def place(machine: Machine, instant: int, at: tuple[int, int]) -> Place:
    """Where an instant is: (address, context) of what comes next."""
    address, context = at
    if context < 0:
        return Place(instant, None, "", -1)
    domain = int(machine.views[Table.VCPU][context].domain)
    return Place(instant, address, machine.symbol(domain, address), domain)
