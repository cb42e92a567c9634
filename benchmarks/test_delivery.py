"""One delivered interrupt: closed loop, one item each, nothing coalesced, no compute domain, log off.

The *machine cost* of a delivery is its time less that of its guest instructions at the speed of the mix guest: what the
simulated hardware and hypervisor take.
"""

import pytest

from irqvisor.hw.state import Phase, Stop
from irqvisor.lab import metrics, scenario
from irqvisor.machine import Machine
from irqvisor.spec.designs import NUMBERS

pytestmark = pytest.mark.benchmark(group="delivery")

VIRTUAL_MS = 300
AIM_COST_NS = 400
AIM_MILLIONS = {"xen-x86": 0.6, "xen-ia64": 0.6, "hybrid": 0.6}
"""1.0 where it is not said: these make more hypercalls, or trap."""
ROWS = {**{design: (design, []) for design in NUMBERS}, "direct-posted": ("direct", ["options.direct.variant=posted"])}
"""Designs with their options, and the one variant that has hardware of its own."""


def started(row):
    """A machine whose source is about to begin."""
    design, options = ROWS[row]
    chosen = scenario.with_overrides(scenario.load("closed"), [f"duration_ms={VIRTUAL_MS}", *options])
    machine = Machine.from_scenario(chosen, design=design)
    machine.run(until=Phase.RUN)
    assert machine.phase == Phase.RUN
    return machine


def deliver(machine):
    """Run until the source stops. Returns the machine and the guest instructions since its start."""
    before = machine.cpu[0].instructions
    machine.run(cycles=int(machine.header.duration))
    assert machine.stop_reason == Stop.BUDGET
    return machine, machine.cpu[0].instructions - before


@pytest.mark.parametrize("row", ROWS)
def test_delivery(row, benchmark, fastest, instruction_seconds, interpreted_seconds, fastest_interpreted, figure):
    interpreted = fastest_interpreted(deliver, lambda: started(row), rounds=5)
    taken = fastest(deliver, lambda: started(row), rounds=9)
    machine, instructions = taken.result
    machine.run()
    books = metrics.fates(machine)
    count = books["serviced"]
    assert books["balanced"]
    assert count == books["raised"] > 100_000
    assert not any(books[key] for key in ("coalesced", "dropped", "pending", "lost", "rescued", "empty"))

    each = instructions / count
    ns, cpu_ns = (1e9 * seconds for seconds in taken.per(count)[:2])
    cost, cpu_cost = (1e9 * (d - each * i) for d, i in zip(taken.per(count)[:2], instruction_seconds[:2], strict=True))
    slow, cpu_slow = (
        1e9 * (d - each * i) for d, i in zip(interpreted.per(count)[:2], interpreted_seconds[:2], strict=True)
    )
    benchmark.extra_info.update(
        deliveries=count,
        guest_instructions_per_delivery=each,
        million_per_second=1e3 / ns,
        ns_per_delivery=ns,
        cpu_ns_per_delivery=cpu_ns,
        machine_cost_ns=cost,
        machine_cost_cpu_ns=cpu_cost,
    )
    figure(f"deliveries, {row}", 1e3 / ns, 1e3 / cpu_ns, "M/s", at_least=AIM_MILLIONS.get(row, 1.0))
    figure(f"one delivery, {row}", ns, cpu_ns, "ns")
    figure(f"guest instructions a delivery, {row}", each, None, "")
    figure(f"machine cost of a delivery, {row}", cost, cpu_cost, "ns", at_most=AIM_COST_NS)
    figure(f"the same, all interpreted, {row}", slow, cpu_slow, "ns", at_most=AIM_COST_NS)
