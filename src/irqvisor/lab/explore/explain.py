"""Why a finding happens: its instructions, the good run next to it, where the two part, and who looked too early."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from irqvisor.hv.explore import examine
from irqvisor.lab import build
from irqvisor.lab import journey as journeys
from irqvisor.lab.explore import inevitable, listing, search, site
from irqvisor.lab.explore.listing import Step
from irqvisor.lab.explore.question import Injection, Question
from irqvisor.lab.text import plural
from irqvisor.machine import Machine
from irqvisor.spec import xen
from irqvisor.tables import Table
from irqvisor.trace import Kind

EXPLAINED = 3
"""Findings of an exploration that are explained; the others are named, and can be replayed."""
SHOWN = 4
"""Instructions shown at each end of a window."""
BEFORE = 400
"""Instructions before a window in which the guest may have looked."""
LOG_RECORDS = 1 << 12
SCENERY = {int(Kind.ENTER_HV), int(Kind.LEAVE_HV)}


def explain(question: Question, injections: tuple[Injection, ...], count: int) -> list[str]:
    """Lines about a fatal window of `count` instants, the first of which is that of the last injection."""
    last = injections[-1]
    start = _before_last(question, injections)
    first = last.instant
    begin = max(first - BEFORE, 0)
    machine = start.copy()
    search.advance(machine, begin)
    walk = listing.steps(machine, begin, first - begin + count + 1)
    told = [*_window(question, machine, walk, first, count)]
    bad, bad_log, written = _run(question, start, last)
    told += _looks(machine, walk, first, written)
    if first > 0:
        good, good_log, _ = _run(question, start, Injection(last.source, first - 1))
        told += _parting(bad, bad_log, good, good_log)
    told += _end(bad, bad_log)
    told += inevitable.told(question, start, last)
    return told


def _before_last(question: Question, injections: tuple[Injection, ...]) -> Machine:
    """The machine from which the last injection is counted."""
    machine = site.prepare(question)
    site.inject(machine, question, injections[:-1])
    return machine


def _window(question: Question, machine: Machine, walk: list[Step], first: int, count: int) -> Iterator[str]:
    """The instructions of the window, and one on either side."""
    lines = listing.source_lines(image_of(question))
    chosen = [s for s in walk if first - 1 <= s.instant <= first + count]
    yield "instructions: an item that arrives just before one marked ! is lost or does harm"
    for position, step in enumerate(chosen):
        if SHOWN < position < len(chosen) - SHOWN:
            if position == SHOWN + 1:
                yield f"      ... {len(chosen) - 2 * SHOWN - 1} more"
            continue
        mark = "!" if first <= step.instant < first + count else " "
        if step.address is None:
            yield f"  {mark}   asleep"
            continue
        name = machine.symbol(step.domain, step.address)
        source = listing.source_line(lines, step.address)
        text = listing.disassembled(step.word, step.address)
        yield f"  {mark}   {step.address:#06x} {name:<28} {text}" + (f"    {source}" if source else "")


def image_of(question: Question) -> Path:
    """The image of the first domain that has one of its own, or the bundled one."""
    own = next((d.image for d in question.scenario.domains if d.image), None)
    return Path(own) if own else build.IMAGES / f"{question.design}.elf"


def _run(question: Question, start: Machine, injection: Injection) -> tuple[Machine, Any, set[int]]:
    """The machine at rest after an injection, its log since, and the doublewords of RAM that others than the guest
    wrote for it at once."""
    machine = start.copy()
    search.advance(machine, injection.instant)
    plain = machine.copy()
    machine.start_log(LOG_RECORDS, ring=True)
    with np.errstate(over="ignore"):
        examine.post(machine.arrays, question.number_of(injection.source))
    site.run(machine, 1)
    site.run(plain, 1)
    differs = np.flatnonzero(machine.ram.view(np.int64) != plain.ram.view(np.int64))
    site.rest(machine, question.bound)
    return machine, machine.spill_log(), {8 * int(k) for k in differs}


def _looks(machine: Machine, walk: list[Step], first: int, written: set[int]) -> Iterator[str]:
    """The guest's last access, before the window, to what the injection changes: the pair that conflicts."""
    for step in reversed([s for s in walk if s.instant < first]):
        if step.access is None or step.address is None:
            continue
        kind, address, _ = step.access
        ram = int(machine.views[Table.DOMAIN][step.domain].ram)
        if ram + address & ~7 in written:
            where = machine.symbol(step.domain, step.address) or f"{step.address:#x}"
            yield (
                f"conflict: the guest's {kind} of {name_of(machine, step.domain, address)} in {where}, "
                f"{plural(first - step.instant, 'instruction')} before the window,"
            )
            yield "  against the store there that announces the item"
            return


def name_of(machine: Machine, d: int, address: int) -> str:
    """A guest real address for people: a symbol, a field of shared_info or of a ring, or a number."""
    domain = machine.views[Table.DOMAIN][d]
    if domain.shared >= 0:
        offset = int(domain.ram) + address - int(domain.shared)
        if 0 <= offset < xen.SHARED_INFO_BYTES:
            return f"{field_of(offset)} ({address:#x})"
    for s, source in enumerate(machine.views[Table.SOURCE]):
        offset = int(domain.ram) + address - int(source.ring)
        if 0 <= offset < 16 + 8 * int(source.slots):
            what = "head" if offset < 8 else "item"
            return f"the {what} of {machine.labels.sources[s]}'s ring ({address:#x})"
    name = machine.symbol(d, address)
    return f"{name} ({address:#x})" if name else f"{address:#x}"


def field_of(offset: int) -> str:
    """A field of shared_info, by its offset (xen/include/public/xen.h)."""
    if offset >= xen.EVTCHN_MASK:
        return "evtchn_mask"
    if offset >= xen.EVTCHN_PENDING:
        return "evtchn_pending"
    return "evtchn_upcall_pending" if offset % xen.VCPU_INFO_BYTES < 8 else "evtchn_pending_sel"


def _parting(bad: Machine, bad_log: Any, good: Machine, good_log: Any) -> Iterator[str]:
    """Where the run parts from the good one that is an instruction away."""
    ours = [r for r in bad_log if int(r["kind"]) not in SCENERY]
    theirs = [r for r in good_log if int(r["kind"]) not in SCENERY]
    for k, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        if (a["kind"], a["source"], a["value"]) != (b["kind"], b["source"], b["value"]):
            if k:
                yield f"an instruction earlier all is well. Both runs: {told(bad, ours[k - 1])}; then"
            yield f"  bad:  {told(bad, a)}"
            yield f"  good: {told(good, b)}"
            return
    if len(ours) < len(theirs):
        yield "an instruction earlier all is well. The bad run ends where the good one goes on:"
        yield f"  good: {told(good, theirs[len(ours)])}"


def _end(bad: Machine, log: Any) -> Iterator[str]:
    """The last thing that happens in the bad run."""
    records = [r for r in log if int(r["kind"]) not in SCENERY]
    if records:
        after = int(records[-1]["cycle"]) - int(records[0]["cycle"])
        ns = after * 1e9 / int(bad.header.clock_hz)
        yield f"the last event: {told(bad, records[-1])}, {ns:.0f} ns after the item was posted; nothing follows"


def told(machine: Machine, record: Any) -> str:
    """A log record as a phrase."""
    kind = Kind(int(record["kind"]))
    if kind not in journeys.TEXTS:
        return kind.name.lower()
    what, detail = journeys.TEXTS[kind](machine, record)
    return f"{what} ({detail})" if detail else what
