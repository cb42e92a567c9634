"""Why the designs differ, in sentences computed from a comparison's numbers.

A sentence states an order only when the numbers show it, and gives the mechanism as the reason only when the order is
the one that the mechanism explains. Otherwise it says so and names what outweighs it. Differences within what a
histogram can tell (`trace.SUB`: 1/32 of an octave) are called equal.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from irqvisor.lab.text import count, listing, percent, plural, us
from irqvisor.spec import paths

Row = Mapping[str, Any]
"""One design's numbers: what `runner.run` returns."""

SAME = 1 / 32
"""Relative difference below which two percentiles are called equal."""


class Mechanism(NamedTuple):
    """How a design works, in words that fit into a sentence."""

    hypervisor_first: bool
    taken: str  # "under it, ..."
    learned: str  # "the owner ..."


MECHANISMS = {
    "native": Mechanism(
        hypervisor_first=False,
        taken="the kernel takes its interrupts itself",
        learned="reads the PIC",
    ),
    "rhype": Mechanism(
        hypervisor_first=False,
        taken="hardware enters the running domain directly",
        learned="asks by an hcall, H_XIRR",
    ),
    "xen-ppc": Mechanism(
        hypervisor_first=True,
        taken="the hypervisor takes each one first and then simulates the entry at 0x500",
        learned="reads the event channels in shared memory",
    ),
    "xen-x86": Mechanism(
        hypervisor_first=True,
        taken="the hypervisor takes each one first and then puts a frame on the guest's stack and calls it back",
        learned="reads the event channels in shared memory",
    ),
    "xen-ia64": Mechanism(
        hypervisor_first=True,
        taken="the hypervisor takes each one first, pends its vector and then simulates the entry at 0x500",
        learned="asks its virtual interrupt controller by a trap",
    ),
    "hybrid": Mechanism(
        hypervisor_first=False,
        taken="hardware enters the running domain directly",
        learned="asks by an hcall, H_XIRR, until there is nothing more",
    ),
    "direct": Mechanism(
        hypervisor_first=False,
        taken="the controller interrupts the owner wherever it runs, and keeps it for one that does not",
        learned="loads its acknowledge register, then its event queue",
    ),
}
"""A new design gets a row here (CONTRIBUTING.md); without one its numbers are given without a reason."""


FOREIGN_CHARGES = ("exc_entry", "hcall_rt", "pic_mmio_read", "pic_mmio_write", "exc_return")
FOREIGN_PATH = paths.XIRR + paths.TAKE + paths.LOOK
"""What a foreign interrupt costs the domain that it entered, besides the hypervisor's queueing: the exception, H_XIRR,
the PIC's acknowledge and EOI inside it, and the return; and instructions of the hypervisor."""


def reasons(
    rows: Sequence[Row], *, scenario: str = "SCENARIO", charges_ns: Mapping[str, float] | None = None
) -> list[str]:
    """The sentences under the table.

    Args:
        rows: the designs' results, in table order; skipped ones are left out of every sentence.
        scenario: what to type to run this again, for hints.
        charges_ns: the profile's charges, and an instruction of the hypervisor, in nanoseconds; without them no
            sentence gives a price.
    """
    ran = [row for row in rows if not row["skipped"]]
    if not ran:
        return []
    return [*fates(ran, scenario), *reaching(ran), *foreign(ran, charges_ns), *working(ran)]


# -------------------------------------------------------------------------------------------------- what became of them
def fates(rows: Sequence[Row], scenario: str) -> list[str]:
    """What became of the interrupts: nothing lost, or what, and how to look at it."""
    sentences = []
    for row in rows:
        if row["lost"]:
            sentences.append(
                f"{row['design']} LOST {plural(row['lost'], 'interrupt')} of {count(row['raised'])}. The life of one: "
                f"irqvisor run {scenario} --design {row['design']} --journey lost"
            )
        if row["pending"]:
            sentences.append(
                f"{row['design']} ended with {plural(row['pending'], 'interrupt')} still held off by the owner"
                f"{_by(row.get('pending_by_rule'))}."
            )
    if not sentences:
        sentences.append(_nothing_lost(rows))
    for row in rows:
        if row["rescued"]:
            sentences.append(
                f"Under {row['design']}, {plural(row['rescued'], 'interrupt')} reached the owner only by luck"
                f"{_by(row.get('rescued_by'))}: the notification itself had died."
            )
        if row["dropped"]:
            sentences.append(
                f"{row['design']} dropped {plural(row['dropped'], 'interrupt')}{_by(row.get('dropped_by_rule'))}."
            )
    return sentences


def _nothing_lost(rows: Sequence[Row]) -> str:
    raised = {row["raised"] for row in rows}
    which = f"all {count(raised.pop())}" if len(raised) == 1 else "all"
    where = "any design" if len(rows) > 1 else rows[0]["design"]
    dropped = ", except for those dropped" if any(row["dropped"] for row in rows) else ""
    return (
        f"Nothing was lost under {where}: {which} interrupts were serviced, or coalesced with an earlier one"
        f"{dropped}, and the books balance."
    )


def _by(rules: Mapping[str, int] | None) -> str:
    named = [f"{name} {count(number)}" for name, number in (rules or {}).items() if number]
    return f" ({', '.join(named)})" if named else ""


# ---------------------------------------------------------------------------------------- vector first, or source first
def reaching(rows: Sequence[Row]) -> list[str]:
    """Who reaches the owner's vector first, who knows the source first, and why."""
    pair = _pair(rows)
    if pair is None:
        return []
    first, second = pair
    return [_vector(first, second), _source(first, second)]


def _pair(rows: Sequence[Row]) -> tuple[Row, Row] | None:
    """The two designs worth a sentence: the extremes at the vector, lower bounds only if there is nothing else."""
    measured = [row for row in rows if row["vector_latency_ns"]["count"]]
    candidates = [row for row in measured if not row["lower_bound"]]
    if len(candidates) < 2:
        candidates = measured
    if len(candidates) < 2:
        return None
    candidates = sorted(candidates, key=lambda row: row["vector_latency_ns"]["p50"])
    return candidates[0], candidates[-1]


def _vector(first: Row, second: Row) -> str:
    early, late = first["vector_latency_ns"]["p50"], second["vector_latency_ns"]["p50"]
    if _same(early, late):
        return (
            f"{first['design']} and {second['design']} reach the owner's vector equally soon: half of the interrupts "
            f"within {us(late)} us."
        )
    sentence = (
        f"{first['design']} reaches the owner's vector {us(late - early)} us sooner than {second['design']} "
        f"(median {us(early)} against {us(late)} us)"
    )
    one, other = MECHANISMS.get(first["design"]), MECHANISMS.get(second["design"])
    if one is None or other is None or one.hypervisor_first == other.hypervisor_first:
        return sentence + "."
    if other.hypervisor_first:
        return f"{sentence}: under {first['design']} {one.taken}, under {second['design']} {other.taken}."
    return f"{sentence}, although under {second['design']} {other.taken}{_held_up(second)}."


def _held_up(row: Row) -> str:
    """What direct delivery pays when the running domain is not the owner."""
    if not row["foreign"]:
        return ""
    share = percent(row["foreign"], row["raised"])
    return f": it was not the owner's turn for {share} of them, which had to wait for it"


def _source(first: Row, second: Row) -> str:
    clauses = []
    for row in (first, second):
        gap = us(_asking(row))
        mechanism = MECHANISMS.get(row["design"])
        how = f", where the owner {mechanism.learned}" if mechanism else ""
        clauses.append(f"{gap} us more under {row['design']}{how}")
    early, late = first["known_latency_ns"]["p50"], second["known_latency_ns"]["p50"]
    sentence = f"To know the source takes on average {clauses[0]}, and {clauses[1]}; "
    if _same(early, late):
        return f"{sentence}so both know it equally soon (median {us(early)} us)."
    if early < late:
        return f"{sentence}{first['design']} stays ahead (median {us(early)} against {us(late)} us)."
    return (
        f"{sentence}so it is {second['design']} that knows first (median {us(late)} against {us(early)} us): the "
        "vector is not the whole story."
    )


def _asking(row: Row) -> float:
    """Mean time from the vector to knowing the source: both are counted once a delivery, so means subtract."""
    return float(row["known_latency_ns"]["mean"] - row["vector_latency_ns"]["mean"])


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * max(abs(one), abs(other))


# ------------------------------------------------------------------------------------------------------ what others pay
def foreign(rows: Sequence[Row], charges_ns: Mapping[str, float] | None = None) -> list[str]:
    """Interrupts that entered a domain they were not for, and what that cost it."""
    price = ""
    if charges_ns is not None:
        cost = sum(charges_ns[name] for name in FOREIGN_CHARGES)
        cost += FOREIGN_PATH * charges_ns["hv_cycles_per_instruction"]
        price = f", about {us(cost)} us each on this profile"
    return [
        f"Under {row['design']}, {plural(row['foreign'], 'interrupt')} ({percent(row['foreign'], row['raised'])} of "
        "those raised) entered a domain that does not own the source: an exception and an hcall for nothing, paid by "
        f"the domain disturbed{price}."
        for row in rows
        if row["foreign"]
    ]


def working(rows: Sequence[Row]) -> list[str]:
    """What the compute loops got done, against the design that let them do most, and what the hypervisor used."""
    computing = [row for row in rows if sum(row["work"].values())]
    if len(computing) < 2:
        return []
    best = reference(computing)
    others = [row for row in computing if row is not best]
    total = sum(best["work"].values())
    shares = [f"{row['design']} {percent(sum(row['work'].values()), total)}" for row in others]
    sentence = f"Meanwhile the compute loops did, measured by {best['design']}: {listing(shares)}"
    hits = [
        (row["work"].get(domain, 0) / units, domain, row["design"])
        for row in others
        for domain, units in best["work"].items()
        if units
    ]
    if len(best["work"]) > 1:
        share, domain, design = min(hits)
        sentence += f"; hit hardest is {domain} under {design} ({percent(share, 1)})"
    used = [f"{_hypervisor_share(row)} under {row['design']}" for row in computing if row["hypervisor_cycles"]]
    if used:
        sentence += f". The hypervisor itself used {listing(used)} of the processors' time"
    return [sentence + "."]


def _hypervisor_share(row: Row) -> str:
    whole = row["hypervisor_cycles"] + row["guest_cycles"] + row["idle_cycles"]
    return percent(row["hypervisor_cycles"], whole)


def saturating(points: Sequence[tuple[str, Sequence[Row]]]) -> list[str]:
    """Along a sweep: from which point on each design no longer keeps up, and where interrupts are dropped."""
    designs = [row["design"] for row in points[0][1] if not row["skipped"]] if points else []
    sentences = []
    for name, fails in (
        ("more than half of the interrupts are coalesced", lambda row: row["coalesced"] > row["raised"] / 2),
        ("interrupts are dropped", lambda row: row["dropped"] > 0),
    ):
        starts: dict[str, list[str]] = {}
        for design in designs:
            rows = [(label, row) for label, found in points for row in found if row["design"] == design]
            first = next((f"from {label} on" for label, row in rows if fails(row)), "nowhere")
            starts.setdefault(first, []).append(design)
        if set(starts) != {"nowhere"}:
            clauses = [f"{first} under {listing(names)}" for first, names in starts.items()]
            sentences.append(f"Along the sweep, {name} {'; '.join(clauses)}.")
    return sentences


def reference(rows: Sequence[Row]) -> Row:
    """The row that others' work is measured by: the lower bound, else the one with the most work."""
    bounds = [row for row in rows if row["lower_bound"]]
    return bounds[0] if bounds else max(rows, key=lambda row: sum(row["work"].values()))
