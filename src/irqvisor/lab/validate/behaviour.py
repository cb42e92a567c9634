"""What must hold without any number: the behaviour that was published, under every profile, by running.

B1 Under rhype, an interrupt for another guest costs the current one an exception and a call, and is not lost.
B2 Under it a guest with interrupts disabled delays others, at most until HDEC. Where hypervisor interrupts ignore the
   guest's EE (POWER8) hypervisor-first delivery does not; on a 970, which has no such interrupts, both are held off.
B3 Hypervisor-first delivery reaches the vector of a guest that runs later than direct delivery does. Who knows the
   source first is open, and told.
B4 A controller whose registers trap costs an exit for each EOI; event channels and direct pages cost none.

Source: H. Blanchard and a reply, xen-devel, thread "IRQs delivery", March 2006.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from irqvisor.lab import profile as profiles
from irqvisor.lab import runner
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.pool import WORKERS, run_all
from irqvisor.lab.ranking.decompose import decompose
from irqvisor.lab.reasons import MECHANISMS
from irqvisor.lab.scenario import Scenario
from irqvisor.lab.text import us
from irqvisor.spec.designs import DESIGNS

HOLD_HDEC_US = 100
SLACK_NS = 20_000
"""What may come on top of HDEC: its handler, a switch, a delivery, under the slowest profile."""
UNTRAPPED_EOI = ("xen-ppc", "xen-x86", "direct")
"""Designs whose guests complete an edge without the hypervisor."""
TRAPPED_EOI = ("xen-ia64",)

IDS = {
    "B1": "an interrupt for another guest costs the current one an exception and a call, and is not lost (rhype)",
    "B2": "a guest with interrupts disabled delays others where it is asked first, bounded by HDEC",
    "B3": "hypervisor-first delivery reaches the vector of a running guest later than direct delivery",
    "B4": "a controller that traps costs an exit for each EOI; event channels and direct pages none",
}

Job = tuple[str, str, str, str]
"""(scenario, design, processor, profile)."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """One thing that must hold, under one profile.

    Attributes:
        check: B1 to B4.
        text: the claim.
        profile: name.
        found: what was found, with numbers.
        holds: whether it does.
    """

    check: str
    text: str
    profile: str
    found: str
    holds: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.__dict__}


def _scenario(domains: Sequence[Row], source: Row, **changes: Any) -> Scenario:
    data = {"name": "behaviour", "duration_ms": 5, "drain_ms": 5, "domains": domains, "sources": [source], **changes}
    return scenarios.from_dict(data)


def situations() -> dict[str, Scenario]:
    """The scenarios that the claims are about."""
    disk = {"name": "disk", "owner": "io", "arrival": {"kind": "periodic", "period_us": 170}}
    rare = {**disk, "arrival": {"kind": "periodic", "period_us": 730}}
    calc = {"name": "calc", "compute": True}
    return {
        "foreign": _scenario([{"name": "io"}, calc], disk),
        "held": _scenario(
            [{"name": "io"}, {**calc, "hold_units": 2000}],
            rare,
            duration_ms=15,
            scheduler={"slice_us": 100_000, "hdec_period_us": HOLD_HDEC_US},
        ),
        "running": _scenario([{"name": "io", "compute": True}], disk),
    }


def jobs(checks: Sequence[str], names: Sequence[str]) -> list[Job]:
    """What has to run for some checks under some profiles."""
    hypervisors = [info.name for info in DESIGNS if info.name != "native"]
    wanted: list[Job] = []
    for profile in names:
        if "B1" in checks:
            wanted.append(("foreign", "rhype", "970", profile))
        if "B2" in checks:
            wanted += [("held", design, cpu, profile) for design in ("rhype", "xen-ppc") for cpu in ("970", "power8")]
        if {"B3", "B4"} & set(checks):
            wanted += [("running", design, "", profile) for design in hypervisors]
    return wanted


def claims(
    checks: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    workers: int = WORKERS,
    on_progress: Callable[[float], None] | None = None,
) -> list[Claim]:
    """Run what the checks are about, and judge.

    Args:
        checks: of `IDS`.
        names: profiles, by name or path; None: all that are bundled.
        workers: runs at a time.
        on_progress: called with the share of the work done, 0 to 1.
    """
    chosen = profiles.names() if names is None else list(names)
    made = situations()

    def one(job: Job, tell: Callable[[float], None]) -> Row:
        situation, design, cpu, profile = job
        scenario = scenarios.with_overrides(made[situation], [f'profile="{profile}"'])
        reason = runner.skipped(scenario, design, cpu or None)
        if reason:
            return {"skipped": reason}
        part = decompose(scenario, design, cpu=cpu or None, progress=tell)
        return {**part.row, **part.to_dict()}

    found = run_all(jobs(checks, chosen), one, workers=workers, on_progress=on_progress)
    judges = {"B1": _b1, "B2": _b2, "B3": _b3, "B4": _b4}
    return [claim for check in checks for profile in chosen for claim in judges[check](_Found(found, profile))]


@dataclass(frozen=True)
class _Found:
    """What ran under one profile."""

    rows: dict[Job, Row]
    profile: str

    def row(self, situation: str, design: str, cpu: str = "") -> Row:
        return self.rows[situation, design, cpu, self.profile]

    def has(self, situation: str, design: str, cpu: str = "") -> bool:
        row = self.rows.get((situation, design, cpu, self.profile))
        return row is not None and not row["skipped"]

    def claim(self, check: str, text: str, found: str, *, holds: bool) -> Claim:
        return Claim(check, text, profiles.load(self.profile).name, found, holds)


def _b1(found: _Found) -> list[Claim]:
    row = found.row("foreign", "rhype", "970")
    text = f"{row['raised']} raised, {row['foreign']} entered the wrong guest and made {row['foreign_calls']} calls"
    text += f", {row['lost']} lost"
    holds = 0 < row["foreign"] == row["foreign_calls"] and row["lost"] == row["pending"] == 0
    return [found.claim("B1", IDS["B1"], text, holds=holds)]


def _b2(found: _Found) -> list[Claim]:
    waits = {
        (design, cpu): found.row("held", design, cpu)["held_off_ns"]
        for design in ("rhype", "xen-ppc")
        for cpu in ("970", "power8")
    }
    bound = HOLD_HDEC_US * 1000 + SLACK_NS
    longest = max(waits["rhype", cpu]["longest"] for cpu in ("970", "power8"))
    free = waits["xen-ppc", "power8"]["by_others"]
    old = [waits[design, "970"]["by_others"] for design in ("rhype", "xen-ppc")]
    return [
        found.claim(
            "B2",
            f"rhype: held off, at most for one HDEC period, {HOLD_HDEC_US} us",
            f"longest {us(longest)} us",
            holds=1000 < longest <= bound,
        ),
        found.claim(
            "B2", "POWER8, hypervisor first: not held off", f"mean {us(free)} us", holds=free < _two_instructions(found)
        ),
        found.claim(
            "B2",
            "970: held off under both designs",
            f"mean {us(old[0])} us under rhype, {us(old[1])} us under xen-ppc",
            holds=min(old) > 1000,
        ),
    ]


def _two_instructions(found: _Found) -> float:
    """Of a guest, in ns: an interrupt that nobody holds off waits for the end of one, at most."""
    profile = profiles.load(found.profile)
    return 2 * profile.cycles_per_instruction * 1e9 / profile.clock_hz


def _b3(found: _Found) -> list[Claim]:
    result = []
    direct = found.row("running", "rhype")
    for design, mechanism in MECHANISMS.items():
        if not mechanism.hypervisor_first or not found.has("running", design):
            continue
        row = found.row("running", design)
        vector, base = row["vector_latency_ns"]["mean"], direct["vector_latency_ns"]["mean"]
        known, asked = row["known_latency_ns"]["mean"], direct["known_latency_ns"]["mean"]
        first = design if known < asked else "rhype"
        text = f"{us(vector)} against {us(base)} us; {first} knows the source first, {us(known)} against {us(asked)} us"
        result.append(found.claim("B3", f"{design} reaches the vector later than rhype", text, holds=vector > base))
    return result


def _b4(found: _Found) -> list[Claim]:
    result = []
    for designs, expected in ((TRAPPED_EOI, 1.0), (UNTRAPPED_EOI, 0.0)):
        for design in designs:
            if not found.has("running", design):
                continue
            share = found.row("running", design)["completed_in_hypervisor"]
            claim = f"{design}: {'an exit' if expected else 'no exit'} for each EOI"
            result.append(found.claim("B4", claim, f"{share:.3g} an interrupt", holds=share == expected))
    return result
