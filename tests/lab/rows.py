"""Made-up results of runs, in the form that `runner.run` returns: tests say only what they are about."""

from typing import Any


def latency(p50: float, *, mean: float | None = None, count: int = 1000) -> dict[str, float]:
    return {"p50": p50, "p90": p50 * 2, "p99": p50 * 3, "max": p50 * 4, "mean": mean or p50, "count": count}


def row(design: str, **changes: Any) -> dict[str, Any]:
    """A run in which 1,000 interrupts were raised and all went well."""
    numbers: dict[str, Any] = {
        "design": design,
        "cpu": "970",
        "options": {},
        "raised": 1000,
        "serviced": 900,
        "coalesced": 100,
        "dropped": 0,
        "dropped_by_rule": {},
        "pending": 0,
        "pending_by_rule": {},
        "lost": 0,
        "rescued": 0,
        "rescued_by": {},
        "spurious": 0,
        "foreign": 0,
        "empty": 0,
        "vector_latency_ns": latency(1000),
        "known_latency_ns": latency(1500),
        "latency_ns": latency(2000),
        "stages_ns": {"vector": 1000.0, "identify": 500.0, "serve": 500.0, "complete": 250.0},
        "hypervisor_entries": {},
        "entries_per_interrupt": 0.0,
        "hypervisor_cycles": 0,
        "guest_cycles": 9_000_000,
        "idle_cycles": 1_000_000,
        "work": {"calc0": 5000, "calc1": 5000},
        "guest_instructions": 4_500_000,
        "digest": "0123456789abcdef",
        "virtual_ns": 200_000_000,
        "wall_s": 1.5,
        "balanced": True,
        "violations": [],
        "faults": [],
        "lower_bound": design == "native",
        "skipped": None,
    }
    unknown = set(changes) - set(numbers)
    assert not unknown, f"not part of a result: {unknown}"
    return numbers | changes


def three() -> list[dict[str, Any]]:
    """Three designs that differ as the mail of 2006 suspects."""
    return [
        row("native", vector_latency_ns=latency(200), known_latency_ns=latency(700)),
        row(
            "rhype",
            vector_latency_ns=latency(300),
            known_latency_ns=latency(1100),
            foreign=270,
            entries_per_interrupt=2.5,
            hypervisor_entries={"hcall_papr": 2200, "hdec": 300, "kick": 0},
            work={"calc0": 4900, "calc1": 4800},
        ),
        row(
            "xen-ppc",
            vector_latency_ns=latency(800),
            known_latency_ns=latency(900),
            entries_per_interrupt=3.0,
            hypervisor_entries={"external": 1000, "hcall_xen": 2000},
            work={"calc0": 4700, "calc1": 4850},
        ),
    ]


HEADER: dict[str, Any] = {
    "irqvisor": "0.1.0",
    "scenario": "disk-and-net",
    "scenario_hash": "c0ffee" * 8,
    "profile": "power9-2021",
    "seed": 1,
    "virtual_ns": 200_000_000,
    "estimates": ["exc_entry", "exc_return"],
    "recording": "virtio-irqs, 3,026 of 39,511 interrupts, 9.22-9.42 s",
}
