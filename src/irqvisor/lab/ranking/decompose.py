"""Where the time of one design goes: stage by stage with tails, what bystanders lose, what guests hold off.

Three things are taken from bystanders by an interrupt that is not theirs: the hypervisor's time between its entry from
the bystander and its resume, with the load of the owner; the bystander's own handler, where hardware enters that; and
the way back, from the owner's going to sleep to the bystander's next instruction. What the owner does with its
interrupt is its own work. A handler that also found something of its own counts as its own.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from irqvisor.errors import UsageError
from irqvisor.hv.state import Entry
from irqvisor.lab import runner
from irqvisor.lab.metrics import STAGES
from irqvisor.lab.ranking.walk import NOBODY, Handler, Life, Visit, Walk
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import Machine
from irqvisor.spec.designs import NUMBERS
from irqvisor.trace import Stamp

MOST_RECORDS = 8_000_000
"""Records of the event log that are kept: 256 MB."""
PERCENTILES = (50, 99)


@dataclass(frozen=True)
class Decomposition:
    """One design, taken apart. Times in ns.

    Attributes:
        design: its name.
        row: what `runner.run` says of the run.
        stages: stage to ``mean``, ``p50``, ``p99``, over completed journeys; the means add up to raise-to-EOI.
        entries: hypervisor entries for each interrupt serviced, by reason.
        stolen: domain to what foreign interrupts took from it, ``hypervisor``, ``handler``, ``switch_back``.
        foreign: how often an interrupt came to a domain that does not own it.
        foreign_calls: hypercalls that domains made for interrupts which hardware gave them and which were not theirs.
        visit: reason to the mean length of a stay in the hypervisor.
        completed_inside: share of interrupts that were completed by a call of their own, not by the guest alone.
        held_off: for each interrupt: ``by_others`` and ``by_owner``, means, and ``longest``.
        held_by: domain to how long it held interrupts off, in all.
    """

    design: str
    row: dict[str, Any]
    stages: dict[str, dict[str, float]]
    entries: dict[str, float]
    stolen: dict[str, dict[str, float]]
    foreign: int
    foreign_calls: int
    visit: dict[str, float]
    completed_inside: float
    held_off: dict[str, float]
    held_by: dict[str, float]

    def stolen_per_interrupt(self) -> float:
        """What bystanders lose for each interrupt serviced, in ns."""
        lost: float = sum(sum(parts.values()) for parts in self.stolen.values())
        return lost / max(int(self.row["serviced"]), 1)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "design": self.design,
            "skipped": None,
            "cpu": self.row["cpu"],
            "serviced": self.row["serviced"],
            "stages_ns": self.stages,
            "entries_per_interrupt": self.entries,
            "stolen_ns": self.stolen,
            "stolen_ns_per_interrupt": round(self.stolen_per_interrupt(), 1),
            "foreign_entries": self.foreign,
            "foreign_calls": self.foreign_calls,
            "visit_ns": self.visit,
            "completed_in_hypervisor": self.completed_inside,
            "held_off_ns": self.held_off,
            "held_off_by_ns": self.held_by,
        }


def decompose(
    scenario: Scenario, design: str, *, cpu: str | None = None, progress: Callable[[float], None] | None = None
) -> Decomposition:
    """Run a design that can run the scenario (`runner.skipped`) with its log on, and take it apart.

    Raises:
        UsageError: the run is so long that its log does not fit.
    """
    kept: list[np.ndarray[Any, Any]] = []
    machines: list[Machine] = []

    def keep(records: np.ndarray[Any, Any]) -> None:
        kept.append(records.copy())
        if sum(map(len, kept)) > MOST_RECORDS:
            found = f"{design} wrote more than {MOST_RECORDS:,} events"
            raise UsageError("--explain", found, "a shorter run", "--set duration_ms=... makes it shorter")

    row = runner.run(scenario, design, log=keep, cpu=cpu, progress=progress, on_machine=machines.append)
    (machine,) = machines
    return of_log(machine, design, row, np.concatenate(kept))


def of_log(machine: Machine, design: str, row: dict[str, Any], log: np.ndarray[Any, Any]) -> Decomposition:
    """A finished run and its log, taken apart."""
    walk = Walk(machine, log)
    names = machine.labels.domains
    to_ns = 1e9 / int(machine.header.clock_hz)
    lost, foreign, calls = _stolen(walk, int(machine.header.exc_entry))
    holding, held_off = _held_off(walk, design)
    return Decomposition(
        design=design,
        row=row,
        stages=_stages(walk, design, to_ns),
        entries={k: round(n / max(row["serviced"], 1), 3) for k, n in row["hypervisor_entries"].items()},
        stolen={
            names[d]: {part: round(cycles * to_ns, 1) for part, cycles in parts.items()} for d, parts in lost.items()
        },
        foreign=foreign,
        foreign_calls=calls,
        visit=_visits(walk, to_ns),
        completed_inside=round(sum(life.inside for life in walk.lives) / max(len(walk.lives), 1), 3),
        held_off={key: round(cycles * to_ns, 1) for key, cycles in held_off.items()},
        held_by={names[d]: round(cycles * to_ns, 1) for d, cycles in sorted(holding.items())},
    )


def _stages(walk: Walk, design: str, to_ns: float) -> dict[str, dict[str, float]]:
    stamps = np.array([life.stamps for life in walk.lives], np.int64).reshape(-1, len(Stamp))
    found = {}
    for name, ends in STAGES[NUMBERS[design]].items():
        spent = sum((stamps[:, end] - stamps[:, end - 1] for end in ends), np.zeros(len(stamps), np.int64)) * to_ns
        parts = {"mean": float(spent.mean()) if len(spent) else 0.0}
        for percent in PERCENTILES:
            parts[f"p{percent}"] = float(np.percentile(spent, percent, method="higher")) if len(spent) else 0.0
        found[name] = {key: round(ns, 1) for key, ns in parts.items()}
    return found


def _visits(walk: Walk, to_ns: float) -> dict[str, float]:
    """Mean length of a stay in the hypervisor, by reason."""
    spent: dict[int, list[int]] = {}
    for visits in walk.visits:
        for visit in visits:
            spent.setdefault(visit.reason, []).append(visit.end - visit.start)
    return {Entry(reason).name.lower(): round(float(np.mean(spent[reason])) * to_ns, 1) for reason in sorted(spent)}


def _stolen(walk: Walk, exc_entry: int) -> tuple[dict[int, dict[str, int]], int, int]:
    """Cycles that each domain lost to interrupts that are not its own, by where they went; how often it was; and the
    hypercalls it made in handlers that hardware entered for nothing."""
    lost: dict[int, dict[str, int]] = {}
    count = calls = 0

    def charge(context: int, part: str, cycles: int) -> None:
        parts = lost.setdefault(walk.domain[context], {"hypervisor": 0, "handler": 0, "switch_back": 0})
        parts[part] += cycles

    for p, visits in enumerate(walk.visits):
        handlers = [h for h in walk.handlers[p] if h.direct and not h.learned]
        disturbed: set[int] = set()
        for visit in visits:
            if visit.came == NOBODY:
                continue
            inside = _within(handlers, visit)
            if _is_foreign(walk, visit) or (inside is not None and inside.context == visit.came):
                charge(visit.came, "hypervisor", visit.end - visit.start)
                count += visit.reason == Entry.EXTERNAL
                calls += inside is not None
                if visit.goes not in (visit.came, NOBODY):
                    disturbed.add(visit.came)
            elif visit.goes in disturbed and visit.goes != visit.came:
                charge(visit.goes, "switch_back", visit.end - (visit.blocked_at or visit.start))
                disturbed.discard(visit.goes)
        for handler in handlers:
            count += 1
            own = sum(n for c, n in walk.guest_time(p, handler.entered, handler.left) if c == handler.context)
            charge(handler.context, "handler", exc_entry + own)
    return lost, count, calls


def _within(handlers: list[Handler], visit: Visit) -> Handler | None:
    """The handler run for nothing that a visit lies in."""
    return next((h for h in handlers if h.entered <= visit.start < h.left), None)


def _is_foreign(walk: Walk, visit: Visit) -> bool:
    """The hypervisor was entered from a domain because of somebody else's interrupt."""
    if visit.reason != Entry.EXTERNAL:
        return False
    domain = walk.domain[visit.came]
    if visit.accepted:
        return all(walk.domain[walk.owner[s]] != domain for s in visit.accepted)
    return visit.goes != NOBODY and walk.domain[visit.goes] != domain  # another pCPU asked it to look


def _held_off(walk: Walk, design: str) -> tuple[Counter[int], dict[str, float]]:
    """Cycles for which guests that ran kept interrupts waiting: by domain; and for each interrupt."""
    holding: Counter[int] = Counter()
    others = own = longest = 0
    for life in walk.lives:
        before, after = _waits(walk, life, design)
        mine = before.pop(walk.domain[walk.owner[life.source]], 0) + after
        holding.update(before)
        if mine:
            holding[walk.domain[walk.owner[life.source]]] += mine
        others += sum(before.values())
        own += mine
        longest = max(longest, sum(before.values()) + mine)
    n = max(len(walk.lives), 1)
    return holding, {"by_others": others / n, "by_owner": own / n, "longest": float(longest)}


def _waits(walk: Walk, life: Life, design: str) -> tuple[dict[int, int], int]:
    """How long domains that ran kept one interrupt from being taken, and its owner, later, from being entered."""
    before: Counter[int] = Counter()
    owner = walk.domain[walk.owner[life.source]]
    for context, cycles in walk.guest_time(life.pcpu, life.stamps[Stamp.RAISED], walk.taken(life)):
        domain = walk.domain[context]
        if design != "direct" or domain == owner:  # no other guest holds up what hardware gives to a vCPU
            before[domain] += cycles
    accepted, vectored = life.stamps[Stamp.ACCEPTED], life.stamps[Stamp.VECTORED]
    after = 0
    if accepted < vectored:
        for p in range(len(walk.visits)):
            after += sum(n for c, n in walk.guest_time(p, accepted, vectored) if walk.domain[c] == owner)
    return dict(before), after
