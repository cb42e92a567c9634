"""What designs can be ranked by: one number of a run, the less the better."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from irqvisor.errors import UsageError, did_you_mean

Row = Mapping[str, Any]


class Measure(NamedTuple):
    """One number of a run.

    Attributes:
        title: what it is, in words that fit behind "ranked by".
        of: takes it from a row of `runner.run`, in nanoseconds.
    """

    title: str
    of: Callable[[Row], float]


def _overhead(row: Row) -> float:
    cycles = row["hypervisor_cycles"] + row["guest_cycles"] + row["idle_cycles"]
    pcpu_ns = row["virtual_ns"] * row["pcpus"]
    return float(row["hypervisor_cycles"] / max(cycles, 1) * pcpu_ns / max(row["serviced"], 1))


MEASURES = {
    "latency": Measure(
        "latency, mean time from the raise to the item's consumption", lambda row: row["latency_ns"]["mean"]
    ),
    "vector": Measure("mean time from the raise to the owner's vector", lambda row: row["vector_latency_ns"]["mean"]),
    "known": Measure(
        "mean time from the raise to the owner knowing the source", lambda row: row["known_latency_ns"]["mean"]
    ),
    "tail": Measure("99th percentile of the latency", lambda row: row["latency_ns"]["p99"]),
    "overhead": Measure("the hypervisor's own time for each interrupt serviced", _overhead),
}
"""By the name that ``--by`` takes; means are exact, so a difference of means is one of the designs."""

SAME = 0.01
"""Relative difference up to which two values are called equal: less than that is when a tick happens to fall."""


def choose(name: str) -> Measure:
    """The measure of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in MEASURES:
        raise UsageError("--by", f'unknown measure "{name}"', hint=did_you_mean(name, MEASURES))
    return MEASURES[name]


def order(first: float, second: float) -> int:
    """-1: the first comes first; 1: the second does; 0: they are equal."""
    if abs(first - second) <= SAME * max(abs(first), abs(second)):
        return 0
    return -1 if first < second else 1
