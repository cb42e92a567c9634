"""Who runs where: the rings of the pCPUs, and vCPUs that move to where nothing is to do."""

import numpy as np
import pytest

from hv.harness import MANUAL, Parked, finished, of, periodic, ready, small, vcpu
from irqvisor.hv import loop
from irqvisor.hw.state import NOBODY
from irqvisor.lab import metrics, runner
from irqvisor.tables import Table

SHORT = {"slice_us": 20, "hdec_period_us": 20}


def ring(machine, p):
    """The vCPUs of a pCPU, from the lowest on."""
    found = []
    v = int(machine.views[Table.PCPU][p].vcpus)
    while v != NOBODY and v not in found:
        found.append(v)
        v = int(vcpu(machine, v).next)
    assert not found or v == found[0]  # it goes round
    return found


def test_the_rings_hold_every_vcpu_once_in_ascending_order():
    domains = [{"name": f"d{n}", "vcpus": 3, "placement": [n % 3, 2, (n + 1) % 3]} for n in range(4)]
    machine = ready(small(domains, pcpus=3, scheduler=SHORT), "xen-ppc")
    rings = [ring(machine, p) for p in range(3)]
    assert sorted(v for found in rings for v in found) == list(range(12))
    for p, found in enumerate(rings):
        assert found == sorted(found)
        assert {int(vcpu(machine, v).pcpu) for v in found} <= {p}


def test_a_vcpu_that_is_placed_in_any_order_keeps_the_ring_ascending():
    machine = ready(small([{"name": "d", "vcpus": 6}], pcpus=1, scheduler=SHORT), "xen-ppc")
    pcpu = machine.views[Table.PCPU][0]
    rng = np.random.default_rng(1)
    for _ in range(20):
        pcpu.vcpus = NOBODY
        for v in rng.permutation(6).tolist():
            loop.place(machine.arrays, v, 0)
        assert ring(machine, 0) == list(range(6))


def balanced(domains, sources=(), **settings):
    return small(domains, sources, scheduler=SHORT | {"balance": True}, **settings)


def crowded(**scheduler):
    """Two computing domains, both placed on the first of two pCPUs."""
    domains = [{"name": name, "placement": [0], "compute": True} for name in ("a", "b")]
    return small(domains, pcpus=2, duration_ms=0.1, drain_ms=0.01, scheduler=SHORT | scheduler)


def test_a_pcpu_with_nothing_to_do_takes_over_what_waits_elsewhere():
    machine = ready(crowded(balance=True), "xen-ppc")
    assert sorted(int(vcpu(machine, v).pcpu) for v in range(2)) == [0, 1]
    assert all(ring(machine, int(vcpu(machine, v).pcpu)) == [v] for v in range(2))


def test_without_balance_everybody_stays():
    machine = ready(crowded(), "xen-ppc")
    assert [int(vcpu(machine, v).pcpu) for v in range(2)] == [0, 0]


def test_affinity_keeps_a_vcpu_where_it_may_run():
    domains = [{"name": name, "placement": [0], "affinity": [0, 2], "compute": True} for name in ("a", "b")]
    machine = ready(balanced(domains, pcpus=3), "xen-ppc")
    assert sorted(int(vcpu(machine, v).pcpu) for v in range(2)) == [0, 2]


@pytest.mark.slow
@pytest.mark.parametrize("design", ["rhype", "xen-ppc"])
@pytest.mark.parametrize("trigger", ["edge", "level"])
def test_a_vcpu_that_moves_loses_nothing(design, trigger):
    domains = [{"name": n, "placement": [0], "handler_work": 60} for n in ("io", "net", "disk")]
    sources = [
        {"name": f"s{n}", "owner": d["name"], "route": n % 2, "trigger": trigger, "arrival": periodic(7 + n, n)}
        for n, d in enumerate(domains)
    ]
    machine = finished(balanced(domains, sources, pcpus=2, duration_ms=0.3, drain_ms=0.5), design)
    books = metrics.fates(machine)
    assert books["balanced"]
    assert (books["lost"], books["pending"], books["rescued"]) == (0, 0, 0)
    assert books["serviced"] + books["coalesced"] == books["raised"] > 90
    assert {int(vcpu(machine, v).pcpu) for v in range(3)} == {0, 1}


def level_elsewhere(**settings):
    """A level line that pCPU 0 acknowledges for a guest on pCPU 1."""
    return small(
        [{"name": "io", "placement": [1]}],
        [{"name": "disk", "owner": "io", "route": 0, "trigger": "level", "arrival": periodic(40)}],
        pcpus=2,
        duration_ms=0.3,
        drain_ms=2,
        **settings,
    )


def test_the_pcpu_that_acknowledged_ends_a_level_interrupt_whoever_asks():
    machine = finished(level_elsewhere(), "xen-ppc")
    books = metrics.fates(machine)
    assert of(books, "disk") == {"raised": 8, "serviced": 8}
    assert not machine.views[Table.PIRQ].in_flight.any()
    assert not machine.views[Table.PIRQ].ending.any()


def test_an_eoi_on_the_callers_pcpu_leaves_the_other_one_deaf():
    result = runner.run(level_elsewhere(defects=["eoi-on-caller"]), "xen-ppc")
    row = of(result, "disk")
    assert row["serviced"] <= 1
    assert row["lost"] >= 6
    assert any("lost" in text for text in result["violations"])


def test_a_busy_pcpu_is_asked_by_an_ipi_to_end_what_it_acknowledged():
    scenario = small(
        [{"name": "other", "placement": [0], "compute": True}, {"name": "io", "placement": [1], "compute": True}],
        [{"name": "disk", "owner": "io", "route": 0, "trigger": "level", "pirq": 5, "arrival": MANUAL}],
        pcpus=2,
    )
    machine = ready(scenario, "xen-ppc")
    other, guest = Parked(machine, 0), Parked(machine, 1)
    other.cpu.msr |= 1 << 15
    machine.raise_irq(5)
    machine.run(cycles=3_000)
    line = machine.views[Table.PIRQ][5]
    assert (line.in_flight, line.acked_on) == (1, 0)
    assert guest.op(33, 12, "I", 5) == 0  # PHYSDEVOP_eoi
    assert (line.in_flight, line.ending) == (0, 1)  # not there yet
    machine.run(cycles=10_000)
    assert line.ending == 0
    assert machine.views[Table.PCPU][0].endings == 0
