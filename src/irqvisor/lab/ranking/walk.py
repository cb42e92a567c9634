"""Who had each pCPU when: an event log read back as stretches of hypervisor and guest, and the lives of interrupts.

The log is in order on each pCPU, not across them, so everything here goes by pCPU.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from irqvisor.hv.state import Entry
from irqvisor.machine import Machine
from irqvisor.tables import Table
from irqvisor.trace import Kind, Stamp

NOBODY = -1


@dataclass
class Visit:
    """One stay in the hypervisor, from entry to resume.

    Attributes:
        start, end: cycles.
        reason: hv/state.py Entry.
        came: context that ran before; NOBODY: the pCPU was idle.
        goes: context that runs after.
        accepted: sources that were taken from the controller for their owners.
        blocked_at: cycle at which a context was put to sleep; 0: none was.
    """

    start: int
    reason: int
    came: int
    end: int = 0
    goes: int = NOBODY
    accepted: list[int] = field(default_factory=list)
    blocked_at: int = 0


@dataclass
class Handler:
    """One run of a context's external interrupt handler.

    Attributes:
        context: whose.
        entered: cycle of its first instruction.
        left: cycle of its return.
        direct: hardware entered it, without the hypervisor.
        learned: sources that it learned of.
    """

    context: int
    entered: int
    direct: bool
    left: int = 0
    learned: int = 0


@dataclass
class Life:
    """One interrupt.

    Attributes:
        source: which.
        stamps: cycle of each `trace.Stamp`; 0: it had none.
        pcpu: where it was taken: from the controller, or by its owner.
        inside: whether it was completed in the hypervisor, by a call that is not the return from the handler.
    """

    source: int
    stamps: list[int]
    pcpu: int = 0
    inside: bool = False


class Walk:
    """A log, read.

    Attributes:
        visits: by pCPU, in order.
        handlers: by pCPU, in order of their entry; those that did not return before the log ended are missing.
        lives: those that were completed.
        owner: by source, the context that owns it.
        domain: by context, its domain.
    """

    def __init__(self, machine: Machine, log: np.ndarray[Any, Any]) -> None:
        count = len(machine.views[Table.PCPU])
        self.visits: list[list[Visit]] = [[] for _ in range(count)]
        self.handlers: list[list[Handler]] = [[] for _ in range(count)]
        self.owner = [int(s.context) for s in machine.views[Table.SOURCE]]
        self.domain = [int(v.domain) for v in machine.views[Table.VCPU]]
        self.lives: list[Life] = []
        pcpus = machine.views[Table.PCPU]
        self._bare = [int(p.context) for p in pcpus] if int(pcpus[0].hypervisor) == 0 else []
        self._begins: dict[int, Life] = {}
        self._now: list[Visit | None] = [None] * count
        self._open: dict[int, Handler] = {}
        self._ended: list[list[Life]] = [[] for _ in range(count)]  # in the visit under way
        self._entered = [0] * len(self.domain)
        for record in log.tolist():
            self._read(*record)
        self._starts = [[visit.start for visit in row] for row in self.visits]
        entry = int(machine.header.exc_entry)  # an entry is logged when it is over
        self._direct = [sorted(h.entered - entry for h in row if h.direct) for row in self.handlers]

    def _read(self, cycle: int, kind: int, p: int, d: int, s: int, ident: int, value: int) -> None:
        match kind:
            case Kind.ENTER_HV:
                self._now[p] = Visit(cycle, value, d)
                self._ended[p] = []
            case Kind.LEAVE_HV:
                visit = self._now[p] or Visit(cycle, Entry.NONE, NOBODY)  # idle, and told to look again
                visit.end, visit.goes = cycle, d
                self.visits[p].append(visit)
                self._now[p] = None
            case Kind.BLOCK:
                if (staying := self._now[p]) is not None:
                    staying.blocked_at = cycle
            case Kind.VECTOR:
                self._entered[d] = cycle
                self._open[d] = Handler(d, cycle, direct=self._now[p] is None)
            case Kind.RETURN:
                self._return(cycle, p, value)
            case Kind.RAISE:
                stamps = [0] * len(Stamp)
                stamps[Stamp.RAISED] = cycle
                self._begins[ident] = Life(s, stamps)
            case Kind.ACCEPT | Kind.KNOW | Kind.SERVICE | Kind.COMPLETE:
                self._stamp(cycle, kind, p, d, ident, value)

    def _return(self, cycle: int, p: int, learned: int) -> None:
        for life in self._ended[p]:
            life.inside = False
        context = self.running(p, cycle)
        handler = self._open.pop(context, None)
        if handler is not None:
            handler.left, handler.learned = cycle, learned
            self.handlers[p].append(handler)

    def _stamp(self, cycle: int, kind: int, p: int, context: int, ident: int, value: int) -> None:
        life = self._begins.get(ident)
        if life is None:
            return
        stamps = life.stamps
        if kind == Kind.ACCEPT:
            stamps[Stamp.ACCEPTED] = cycle
            life.pcpu = p
            if (visit := self._now[p]) is not None:
                visit.accepted.append(life.source)
        elif kind == Kind.KNOW:
            stamps[Stamp.VECTORED] = max(self._entered[context], stamps[Stamp.RAISED])
            if not stamps[Stamp.ACCEPTED]:
                life.pcpu = p
                stamps[Stamp.ACCEPTED] = stamps[Stamp.VECTORED]
            stamps[Stamp.KNOWN] = cycle
        elif kind == Kind.SERVICE:
            stamps[Stamp.SERVICED] = stamps[Stamp.SERVICED] or cycle
        else:
            del self._begins[ident]
            if value == 0 and stamps[Stamp.KNOWN]:  # value: it found an empty ring
                stamps[Stamp.COMPLETED] = cycle
                for k in range(1, len(stamps)):
                    stamps[k] = max(stamps[k], stamps[k - 1])
                life.inside = self._now[p] is not None
                if life.inside:
                    self._ended[p].append(life)
                self.lives.append(life)

    def running(self, p: int, cycle: int) -> int:
        """The context that has a pCPU after its last visit to the hypervisor; NOBODY while idle."""
        if self._bare:
            return self._bare[p]
        row = self.visits[p]
        return row[-1].goes if row and row[-1].end <= cycle else NOBODY

    def visit_at(self, p: int, cycle: int) -> Visit | None:
        """The visit that a pCPU was on at a cycle."""
        k = bisect_right(self._starts[p], cycle) - 1
        return self.visits[p][k] if k >= 0 and cycle <= self.visits[p][k].end else None

    def taken(self, life: Life) -> int:
        """When a processor took notice of an interrupt: hardware entered a handler, or the hypervisor was entered and
        found it."""
        stamps = life.stamps
        found = min(stamps[Stamp.KNOWN], stamps[Stamp.ACCEPTED])
        visit = self.visit_at(life.pcpu, found)
        entered = self._direct[life.pcpu]
        k = bisect_left(entered, stamps[Stamp.RAISED])
        candidates = [visit.start] if visit is not None else [found]
        if k < len(entered):
            candidates.append(entered[k])
        return max(min(candidates), stamps[Stamp.RAISED])

    def guest_time(self, p: int, start: int, end: int) -> Iterable[tuple[int, int]]:
        """(context, cycles) of guests on a pCPU between two cycles."""
        if end <= start:
            return
        if self._bare:
            yield self._bare[p], end - start
            return
        row = self.visits[p]
        k = max(bisect_right(self._starts[p], start) - 1, 0)
        while k < len(row):
            visit = row[k]
            after = row[k + 1].start if k + 1 < len(row) else end
            begin, stop = max(visit.end, start), min(after, end)
            if begin < stop and visit.goes != NOBODY:
                yield visit.goes, stop - begin
            if after >= end:
                return
            k += 1
