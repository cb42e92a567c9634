"""What a finished machine says: fates, latencies, stages, cycles. The books must balance, or the run fails loudly.

Every posted item has one fate (docs/explanation/conservation.md). What is left in a ring at the end is *pending* if
its owner itself holds it off - by a mask, by EE, by a priority or an interrupt it never ended - and *lost* otherwise.
"""

from collections import Counter
from typing import Any

import numpy as np

from irqvisor import trace
from irqvisor.hv import loop
from irqvisor.hv.state import Entry, Exit, Where
from irqvisor.machine import Machine
from irqvisor.spec.designs import Design
from irqvisor.spec.power_isa import MSR_EE
from irqvisor.tables import Table
from irqvisor.trace import Latency, Stamp

NS = 1e9
PERCENTILES = (50, 90, 99)
DROP_RULE = "ring full"

STAGES: dict[Design, dict[str, tuple[Stamp, ...]]] = {
    **{
        design: {
            "vector": (Stamp.ACCEPTED, Stamp.VECTORED),
            "identify": (Stamp.KNOWN,),
            "serve": (Stamp.SERVICED,),
            "complete": (Stamp.COMPLETED,),
        }
        for design in (Design.NATIVE, Design.DIRECT)
    },
    **{
        design: {
            "accept": (Stamp.ACCEPTED,),
            "vector": (Stamp.VECTORED,),
            "identify": (Stamp.KNOWN,),
            "serve": (Stamp.SERVICED,),
            "complete": (Stamp.COMPLETED,),
        }
        for design in (Design.RHYPE, Design.XEN_PPC, Design.XEN_X86, Design.XEN_IA64, Design.HYBRID)
    },
}
"""The stages of a journey in the order in which each design meets them; each ends with the last stamp named."""

EXIT_TEXT = {
    Exit.SHUTDOWN: "ended itself",
    Exit.CRASHED: "reported failure (status {status})",
    Exit.DOORBELL: "rang the doorbell of source {source} for an item that was not posted or not the next",
    Exit.UNRECOVERABLE: "had EE=1 and RI=0 with an event pending: it could not have returned from the interrupt",
    Exit.UPCALL: "could not be called back: it has no callback, or r1 leads to no memory for the frame",
    Exit.PANIC: "went down with its hypervisor: an event was pending for a guest with EE=1 and RI=0",
}
FAILED = {Exit.CRASHED}
FAULTED = {Exit.DOORBELL, Exit.UNRECOVERABLE, Exit.UPCALL, Exit.PANIC, Exit.FAULT}


def histogram_value(bucket: int) -> float:
    """The middle of a histogram bucket, in cycles (`trace.bucket`)."""
    if bucket < trace.SUB:
        return float(bucket)
    octave = bucket // trace.SUB - 1
    low = (trace.SUB + bucket % trace.SUB) << octave
    return low + ((1 << octave) - 1) / 2


def latency(machine: Machine, which: Latency) -> dict[str, float]:
    """Percentiles, maximum and mean of a latency, in ns. Percentiles are within 1.6 %; the others are exact."""
    o = machine.views[Table.OBSERVED][0]
    to_ns = NS / int(machine.header.clock_hz)
    count = int(o.samples[which])
    result: dict[str, float] = {"count": count}
    cumulative = np.cumsum(o.histogram[which])
    largest = int(o.largest[which])
    for percent in PERCENTILES:
        bucket = int(np.searchsorted(cumulative, count * percent / 100)) if count else 0
        result[f"p{percent}"] = round(min(histogram_value(bucket), largest) * to_ns, 1)
    result["max"] = round(largest * to_ns, 1)
    result["mean"] = round(int(o.total[which]) / count * to_ns, 1) if count else 0.0
    return result


def latency_by_source(machine: Machine) -> dict[str, dict[str, float]]:
    """Mean and maximum of the time from posting to consumption, in ns, of each source and channel."""
    to_ns = NS / int(machine.header.clock_hz)
    found = {}
    for name, j, source in zip(
        machine.labels.sources, machine.views[Table.JOURNEY], machine.views[Table.SOURCE], strict=True
    ):
        count = max(int(source.tail), 1)
        found[name] = {
            "mean": round(int(j.waited) / count * to_ns, 1),
            "max": round(int(j.longest) * to_ns, 1),
        }
    return found


def stages(machine: Machine, design: Design) -> dict[str, float]:
    """Mean time per stage, in ns; they add up to the mean from raise to completion."""
    o = machine.views[Table.OBSERVED][0]
    completed = max(int(o.completed), 1)
    to_ns = NS / int(machine.header.clock_hz)
    return {
        name: round(sum(int(o.stage[s]) for s in stamps) / completed * to_ns, 1)
        for name, stamps in STAGES[design].items()
    }


def left_over(machine: Machine, s: int) -> tuple[str, int]:
    """Why the items still in a source's ring are there ("" = lost), and how many they are."""
    source = machine.views[Table.SOURCE][s]
    count = int(source.head - source.tail)
    if count == 0:
        return "", 0
    where = Where(int(loop.whereabouts(machine.arrays, s)))
    owner = machine.views[Table.CONTEXT][int(source.context)]
    if not machine.views[Table.DOMAIN][int(machine.views[Table.VCPU][int(source.context)].domain)].alive:
        return "owner stopped", count
    if where == Where.MASKED:
        return "mask", count
    if where == Where.PRIORITY:
        return "priority", count
    if where == Where.DISABLED:
        return "EE", count
    if where == Where.UNDER_WAY and int(owner.msr) & MSR_EE == 0:
        return "EE", count
    return "", count


def fates(machine: Machine) -> dict[str, Any]:
    """The books: raised = serviced + coalesced + dropped + pending + lost, source by source and in sum."""
    total: Counter[str] = Counter()
    pending_by_rule: Counter[str] = Counter()
    rescued_by: Counter[str] = Counter()
    per_source = []
    unbalanced = []
    for s, name in enumerate(machine.labels.sources):
        j = machine.views[Table.JOURNEY][s]
        rule, left = left_over(machine, s)
        row = {key: int(j[key]) for key in ("raised", "serviced", "coalesced", "dropped", "rescued", "empty")}
        row["pending"], row["lost"] = (left, 0) if rule else (0, left)
        if rule:
            pending_by_rule[rule] += left
        for reason in Entry:
            if j.rescued_by[reason]:
                rescued_by[reason.name.lower() if reason else "guest looked"] += int(j.rescued_by[reason])
        if row["raised"] != row["serviced"] + row["coalesced"] + row["dropped"] + row["pending"] + row["lost"]:
            unbalanced.append(f"{name}: {row}")
        total.update(row)
        per_source.append({"name": name, **row})
    return {
        **{key: total[key] for key in ("raised", "serviced", "coalesced", "dropped")},
        "dropped_by_rule": {DROP_RULE: total["dropped"]} if total["dropped"] else {},
        "pending": total["pending"],
        "pending_by_rule": dict(pending_by_rule),
        "lost": total["lost"],
        "rescued": total["rescued"],
        "rescued_by": dict(rescued_by),
        "empty": total["empty"],
        "balanced": not unbalanced,
        "unbalanced": unbalanced,
        "sources": per_source,
    }


def cycles(machine: Machine) -> dict[str, int]:
    """Where the time between the start and the stop of the sources went, over all pCPUs."""
    c = machine.views[Table.PCPU_COUNT]
    whole = int((c.ended - c.began).sum())
    hypervisor, idle = int(c.ended_hypervisor.sum()), int(c.ended_idle.sum())
    return {
        "hypervisor_cycles": hypervisor,
        "guest_cycles": whole - hypervisor - idle,
        "idle_cycles": idle,
        "guest_instructions": int((c.ended_icount - c.began_icount).sum()),
    }


def work(machine: Machine) -> dict[str, int]:
    """Compute units done between start and stop, by the scenario's domain."""
    done = {}
    for d, names in enumerate(machine.labels.work):
        for k, name in enumerate(names):
            done[name] = int(machine.views[Table.DOMAIN_COUNT][d].work[k])
    return done


def exits(machine: Machine) -> tuple[list[str], list[str]]:
    """What ended domains before their time: (guests that reported failure, guest faults)."""
    failures, faults = [], []
    for d, e in enumerate(machine.views[Table.DOMAIN]):
        if e.alive:
            continue
        why = Exit(int(e.exit))
        pc = int(e.exit_pc) & ((1 << 64) - 1)
        at = machine.symbol(d, pc)
        name = machine.labels.sources[int(e.status)] if why == Exit.DOORBELL else ""
        text = EXIT_TEXT.get(why, why.name.lower()).format(status=int(e.status), source=name)
        line = (
            f"cycle {int(e.exit_cycle)}, domain {d} ({machine.labels.domains[d]}), vCPU 0, pc {pc:#06x}"
            f"{f' in {at}' if at else ''}: {text}"
        )
        if why in FAILED:
            failures.append(line)
        elif why in FAULTED:
            faults.append(line)
    return failures, faults


def summary(machine: Machine, design: Design) -> dict[str, Any]:
    """The JSON object of one design (docs/reference/json.md)."""
    o = machine.views[Table.OBSERVED][0]
    books = fates(machine)
    entries = {reason.name.lower(): int(o.entries[reason]) for reason in Entry if o.entries[reason]}
    delivered = books["serviced"]
    counts = machine.views[Table.DOMAIN_COUNT]
    failures, faults = exits(machine)
    return {
        "cpu": machine.labels.cpu,
        **books,
        "spurious": int(counts.spurious.sum()),
        "foreign": int(counts.foreign.sum()),
        "vector_latency_ns": latency(machine, Latency.VECTOR),
        "known_latency_ns": latency(machine, Latency.KNOWN),
        "latency_ns": latency(machine, Latency.CONSUMED),
        "latency_by_source_ns": latency_by_source(machine),
        "stages_ns": stages(machine, design),
        "hypervisor_entries": entries,
        "entries_per_interrupt": round(sum(entries.values()) / delivered, 3) if delivered else 0.0,
        **cycles(machine),
        "work": work(machine),
        "failures": failures,
        "faults": faults,
        "digest": machine.digest(),
    }
