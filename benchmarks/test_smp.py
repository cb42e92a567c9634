"""Domains and vCPUs that notify each other: round trips, and what one event costs among many who talk."""

import pytest

from irqvisor.hw.state import Phase
from irqvisor.lab import metrics, scenario
from irqvisor.machine import Machine

pytestmark = pytest.mark.benchmark(group="smp")

AIM_ROUND_TRIPS = 0.25
AIM_RATIO = 2.0


def started(chosen):
    """A machine whose first items are about to come."""
    machine = Machine.from_scenario(chosen, design="xen-ppc")
    machine.run(until=Phase.RUN)
    return machine


def talk(machine):
    """Until the sources stop, and to the end."""
    machine.run()
    return machine


def measured(chosen, fastest, rounds):
    """Seconds for one item, by each clock, and how many there were."""
    taken = fastest(talk, lambda: started(chosen), rounds=rounds)
    books = metrics.fates(taken.result)
    assert books["balanced"]
    assert not any(books[key] for key in ("dropped", "pending", "lost", "rescued"))
    return taken.per(books["raised"]), books["raised"]


@pytest.mark.parametrize("pcpus", [2, 1])
def test_ping_pong(pcpus, benchmark, fastest, figure):
    chosen = scenario.with_overrides(scenario.load("ping-pong"), [f"pcpus={pcpus}", "duration_ms=300"])
    each, count = measured(chosen.model_copy(update={"sweep": None}), fastest, 5)
    assert count > 10_000
    wall, cpu = (1e-6 / (2 * seconds) for seconds in each[:2])
    benchmark.extra_info.update(round_trips=count // 2, million_per_second=wall, cpu_million_per_second=cpu)
    aim = {"at_least": AIM_ROUND_TRIPS} if pcpus == 2 else {}
    figure(f"round trips between domains, {pcpus} pCPU{'s' * (pcpus > 1)}", wall, cpu, "M/s", **aim)


def of_the_first(chosen, domains):
    """The same with fewer domains; they talk in pairs."""
    names = [d.name for d in chosen.domains[:domains]]
    data = chosen.model_dump(exclude_unset=True)
    data["domains"] = data["domains"][:domains]
    data["sources"] = [s for s in data["sources"] if s["owner"] in names]
    data["channels"] = [c for c in data["channels"] if c["producer"] in names]
    return scenario.from_dict(data)


COSTS: dict[int, tuple[float, float]] = {}


@pytest.mark.parametrize("domains", [2, 64])
def test_chatter(domains, benchmark, fastest, figure):
    chosen = of_the_first(scenario.load("chatter"), domains)
    chosen = scenario.with_overrides(chosen, [f"duration_ms={640 // domains}"])
    each, count = measured(chosen, fastest, 3)
    COSTS[domains] = each.wall, each.cpu
    benchmark.extra_info.update(events=count, ns_per_event=1e9 * each.wall, cpu_ns_per_event=1e9 * each.cpu)
    figure(f"one event, {domains} domains of 4 vCPUs", 1e9 * each.wall, 1e9 * each.cpu, "ns")
    if len(COSTS) == 2:
        wall, cpu = (many / two for many, two in zip(COSTS[64], COSTS[2], strict=True))
        figure("one event, 64 domains against 2", wall, cpu, "", at_most=AIM_RATIO)
