"""One event channel, same pCPU: EVTCHNOP_send on an unmasked port, to the handler and back, with the shipped kernel.

The *machine cost* is the time less that of the guest's instructions at the speed of the mix guest.
"""

import pytest

from irqvisor.hv.state import Entry
from irqvisor.hw.state import Phase, Stop
from irqvisor.lab import scenario
from irqvisor.machine import Machine
from irqvisor.tables import Table

pytestmark = pytest.mark.benchmark(group="events")

VIRTUAL_MS = 300
AIM_THOUSANDS = 900
AIM_COST_NS = 150


def started():
    """A machine whose guest has begun to send, all of its code decoded."""
    chosen = scenario.with_overrides(scenario.load("event-send"), [f"duration_ms={VIRTUAL_MS}"])
    machine = Machine.from_scenario(chosen, design="xen-ppc")
    machine.run(until=Phase.RUN)
    assert machine.phase == Phase.RUN
    return machine


def send(machine):
    """Run for the whole duration. Returns the machine, and guest instructions and events in it."""
    entries = machine.views[Table.OBSERVED][0].entries
    before = machine.cpu[0].instructions, int(entries[Entry.HCALL_XEN])
    machine.run(cycles=int(machine.header.duration))
    assert machine.stop_reason == Stop.BUDGET
    return machine, machine.cpu[0].instructions - before[0], int(entries[Entry.HCALL_XEN]) - before[1]


def test_event_send(benchmark, fastest, instruction_seconds, figure):
    taken = fastest(send, started, rounds=7)
    machine, instructions, count = taken.result
    counts = machine.views[Table.DOMAIN_COUNT][0]
    assert count > 100_000
    assert counts.spurious == 0

    each = instructions / count
    ns, cpu_ns = (1e9 * seconds for seconds in taken.per(count)[:2])
    cost, cpu_cost = (1e9 * (d - each * i) for d, i in zip(taken.per(count)[:2], instruction_seconds[:2], strict=True))
    benchmark.extra_info.update(
        events=count,
        guest_instructions_per_event=each,
        thousand_per_second=1e6 / ns,
        ns_per_event=ns,
        machine_cost_ns=cost,
        machine_cost_cpu_ns=cpu_cost,
    )
    figure("event-channel sends, xen-ppc", 1e6 / ns, 1e6 / cpu_ns, "k/s", at_least=AIM_THOUSANDS)
    figure("guest instructions a send, xen-ppc", each, None, "")
    figure("machine cost of a send, xen-ppc", cost, cpu_cost, "ns", at_most=AIM_COST_NS)
