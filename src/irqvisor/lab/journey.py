"""The life of one interrupt, from the event log of a run that is repeated with the log on.

A journey's own records carry its number; what happened around it on the same pCPUs - who entered the hypervisor, who
was switched in - is told too, between its raise and its end.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from irqvisor.hv.state import Entry, Exit
from irqvisor.machine import Machine
from irqvisor.tables import Table
from irqvisor.trace import Kind

CONTEXT_KINDS = {
    Kind.ENTER_HV,
    Kind.LEAVE_HV,
    Kind.SWITCH,
    Kind.BLOCK,
    Kind.WAKE,
    Kind.HCALL,
    Kind.QUEUE,
    Kind.VECTOR,
    Kind.RETURN,
    Kind.DOMAIN_STOP,
}
MOST_ROWS = 200
"""A journey that waits for ever passes much scenery; what is left out is said."""

HCALL_NAMES = {
    0x64: "H_EOI",
    0x68: "H_CPPR",
    0x6C: "H_IPI",
    0x70: "H_IPOLL",
    0x74: "H_XIRR",
    0xE0: "H_CEDE",
    0xE4: "H_CONFER",
    0xE8: "H_PROD",
    0x58: "H_PUT_TERM_CHAR",
}
XEN_NAMES = {
    15: "set_timer_op",
    17: "xen_version",
    18: "console_io",
    24: "vcpu_op",
    29: "sched_op",
    32: "event_channel_op",
    33: "physdev_op",
}


def number_of(machine: Machine, which: str) -> int:
    """The journey asked for, after a run: 0 if there is none."""
    if which == "slowest":
        return int(machine.views[Table.OBSERVED][0].slowest)
    if which == "lost":
        journeys = machine.views[Table.JOURNEY]
        sources = machine.views[Table.SOURCE]
        waiting = [int(j.next_id) or int(j.id) for j, s in zip(journeys, sources, strict=True) if s.head > s.tail]
        return min((n for n in waiting if n), default=0)
    return int(which)


def rows(machine: Machine, log: np.ndarray[Any, Any], number: int) -> list[dict[str, Any]]:
    """The journey's steps in order: cycle, ns since the raise, what happened, where, detail."""
    own = log[log["id"] == number] if number else log[:0]
    if not len(own):
        return []
    first, last = int(own["cycle"].min()), int(own["cycle"].max())
    pcpus = {int(p) for p in own["pcpu"] if p >= 0}
    around = (log["cycle"] >= first) & (log["cycle"] <= last) & np.isin(log["kind"], [int(k) for k in CONTEXT_KINDS])
    around &= np.isin(log["pcpu"], sorted(pcpus))
    chosen = log[around | (log["id"] == number)]
    chosen = chosen[np.argsort(chosen["cycle"], kind="stable")]
    to_ns = 1e9 / int(machine.header.clock_hz)
    told = [_row(machine, record, first, to_ns) for record in chosen[:MOST_ROWS]]
    if len(chosen) > MOST_ROWS:
        told.append({**told[-1], "what": "...", "where": "", "detail": f"{len(chosen) - MOST_ROWS} more records"})
    return told


def _row(machine: Machine, record: Any, first: int, to_ns: float) -> dict[str, Any]:
    kind = Kind(int(record["kind"]))
    what, detail = TEXTS[kind](machine, record)
    return {
        "cycle": int(record["cycle"]),
        "ns": round((int(record["cycle"]) - first) * to_ns, 1),
        "what": what,
        "where": f"pCPU {int(record['pcpu'])}"
        if record["pcpu"] >= 0
        else machine.labels.sources[int(record["source"])],
        "detail": detail,
    }


def _domain(machine: Machine, record: Any) -> str:
    d = int(record["domain"])
    return machine.labels.domains[d] if 0 <= d < len(machine.labels.domains) else "nobody"


def _entry(record: Any) -> str:
    return Entry(int(record["value"])).name.lower().replace("_", " ")


def _call(record: Any) -> str:
    number = int(record["value"])
    if number < 0:
        return XEN_NAMES.get(number & 0xFFFF, f"hypercall {number & 0xFFFF}")
    return HCALL_NAMES.get(number, f"hcall {number:#x}")


Text = Callable[[Machine, Any], tuple[str, str]]

TEXTS: dict[Kind, Text] = {
    Kind.RAISE: lambda m, r: ("raised", f"item {int(r['value'])}"),
    Kind.COALESCE: lambda m, r: ("joined", f"item {int(r['value'])} raised the same line"),
    Kind.DROP: lambda m, r: ("dropped", "the ring is full"),
    Kind.ACCEPT: lambda m, r: ("accepted", "taken from the controller on its owner's behalf"),
    Kind.VECTOR: lambda m, r: (
        "vectored",
        f"{_domain(m, r)} enters 0x500" + (f", by luck: {_entry(r)}" if r["value"] else ""),
    ),
    Kind.KNOW: lambda m, r: ("known", f"{_domain(m, r)} learns the source"),
    Kind.SERVICE: lambda m, r: ("consumed", f"item {int(r['value'])}"),
    Kind.COMPLETE: lambda m, r: ("completed", "found an empty ring" if r["value"] else ""),
    Kind.ENTER_HV: lambda m, r: ("enter hypervisor", f"{_entry(r)}, from {_domain(m, r)}"),
    Kind.LEAVE_HV: lambda m, r: ("leave hypervisor", f"to {_domain(m, r)}"),
    Kind.QUEUE: lambda m, r: ("queued", f"for {_domain(m, r)}"),
    Kind.SWITCH: lambda m, r: ("switch", f"to {_domain(m, r)}"),
    Kind.BLOCK: lambda m, r: ("sleeps", _domain(m, r)),
    Kind.WAKE: lambda m, r: ("woken", _domain(m, r)),
    Kind.HCALL: lambda m, r: (_call(r), f"by {_domain(m, r)}"),
    Kind.RETURN: lambda m, r: ("returns", f"{_domain(m, r)}, {int(r['value'])} source(s) learned"),
    Kind.DOMAIN_STOP: lambda m, r: ("domain stops", f"{_domain(m, r)}: {Exit(int(r['value'])).name.lower()}"),
    Kind.RESCUE: lambda m, r: ("rescued", f"by {_entry(r)}"),
}
