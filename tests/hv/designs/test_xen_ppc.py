"""xen-ppc: the hypervisor takes every interrupt and simulates the hardware's delivery (Xen 3.2, arch/powerpc).

One pCPU, two domains with an edge and a level source each, at ports 1 and 2. The vCPU that runs is called `me`, the
other `other`; both spin and do what a test says, so each step is seen by itself.
"""

import pytest

from hv.harness import MANUAL, SHORT, fates, finished, kinds, logged, of, parked, periodic, pirq, sharing, small, vcpu
from irqvisor.hv.state import Exit
from irqvisor.lab import runner
from irqvisor.spec import xen
from irqvisor.spec.power_isa import (
    MSR_EE,
    MSR_FE0,
    MSR_FE1,
    MSR_FP,
    MSR_ME,
    MSR_PMM,
    MSR_RI,
    MSR_SF,
    SRR1_CLEARED,
    VEC_EXTERNAL,
)
from irqvisor.tables import Table
from irqvisor.trace import Kind

EE_ON = MSR_SF | MSR_ME | MSR_RI | MSR_EE
EDGE, LEVEL = 0, 1
MTMSRD_EE = 0x7C000164 | 3 << 21 | 1 << 16
"""mtmsrd r3,1: EE and RI only."""


def board(cpu, defects=()):
    sources = [
        {"name": f"{trigger}-{domain}", "owner": domain, "trigger": trigger, "priority": priority, "arrival": MANUAL}
        for domain in ("a", "b")
        for trigger, priority in (("edge", 3), ("level", 5))
    ]
    domains = [{"name": "a", "compute": True}, {"name": "b", "compute": True}]
    return sharing(small(domains, sources, cpu=cpu, defects=defects, scheduler=SHORT), "xen-ppc")


@pytest.fixture(scope="module")
def machine():
    return board("970")


@pytest.fixture(scope="module")
def power8():
    return board("power8")


def pair_of(machine):
    guests = parked(machine.fork())
    running = int(guests[0].machine.views[Table.PCPU][0].context)
    return guests[running], guests[1 - running]


@pytest.fixture
def pair(machine):
    """(me, other)."""
    return pair_of(machine)


def irq_of(guest, which):
    return 1 + 2 * guest.v + which


def port_of(which):
    return 1 + which


def post(guest, which, cycles=4000):
    """An item for one of a guest's sources, and time for the hypervisor to see to it."""
    guest.machine.raise_irq(irq_of(guest, which))
    guest.machine.run(cycles=cycles)


def serving(guest):
    return int(guest.machine.views[Table.PIC_CPU][0].serving)


def eoi(guest, which):
    return guest.op(xen.HC_PHYSDEV_OP, xen.PHYSDEVOP_EOI, "I", irq_of(guest, which))


# ------------------------------------------------------------------------------------------------- simulated delivery


@pytest.mark.parametrize(
    "extra", [0, MSR_FP | MSR_FE0 | MSR_FE1 | MSR_PMM, 0x40000000], ids=["plain", "all", "reserved"]
)
def test_simulated_delivery_is_what_hardware_would_have_done(pair, extra):
    me, _ = pair
    before = EE_ON | extra
    me.park(msr=before)
    for r in range(32):
        me.cpu.gpr[r] = 0x0101 * r
    me.cpu.lr, me.cpu.ctr = 0x1234, 0x5678
    post(me, EDGE)
    assert me.at == VEC_EXTERNAL
    assert me.cpu.srr0 == me.HERE
    assert me.cpu.srr1 == before & ~SRR1_CLEARED
    dropped = MSR_EE | MSR_RI | MSR_FP | MSR_FE0 | MSR_FE1 | MSR_PMM
    assert me.cpu.msr == (before & ~dropped) | MSR_SF | MSR_ME
    assert [int(x) for x in me.cpu.gpr[:32]] == [0x0101 * r for r in range(32)]
    assert (me.cpu.lr, me.cpu.ctr) == (0x1234, 0x5678)


def test_a_32_bit_guest_finds_itself_in_64_bit_mode(pair):
    me, _ = pair
    me.park(msr=EE_ON & ~MSR_SF & ~MSR_ME)
    post(me, EDGE)
    assert me.cpu.msr == MSR_SF | MSR_ME
    assert me.cpu.srr1 == EE_ON & ~MSR_SF & ~MSR_ME


def test_the_event_is_in_shared_memory(pair):
    me, other = pair
    me.park(msr=EE_ON)
    post(me, EDGE)
    assert (me.pending(), me.selector, me.upcall) == (1 << port_of(EDGE), 1, 1)
    assert (other.pending(), other.selector, other.upcall) == (0, 0, 0)


def test_the_upcall_stays_until_the_guest_clears_it_and_is_delivered_at_each_resume(pair):
    me, _ = pair
    me.park(msr=EE_ON)
    post(me, EDGE)
    assert (me.at, me.upcall) == (VEC_EXTERNAL, 1)
    me.xen(xen.HC_XEN_VERSION, 0, msr=EE_ON)
    assert (me.at, me.cpu.srr0) == (VEC_EXTERNAL, me.HERE + 4)
    me.memory[me.shared] = 0
    me.xen(xen.HC_XEN_VERSION, 0, msr=EE_ON)
    assert me.at == me.HERE + 4


def test_the_upcall_mask_is_not_looked_at(pair):
    me, _ = pair
    me.park(msr=EE_ON)
    me.memory[me.shared + 1] = 1
    post(me, EDGE)
    assert me.at == VEC_EXTERNAL


def test_a_pirq_masked_by_its_guest_is_pending_and_selects_nothing(pair):
    me, _ = pair
    me.park(msr=EE_ON)
    me.set_bits(xen.EVTCHN_MASK, me.mask() | 1 << port_of(EDGE))
    post(me, EDGE)
    assert (me.pending(), me.selector, me.upcall) == (1 << port_of(EDGE), 0, 0)
    assert me.at == me.HERE
    assert me.evtchn(xen.EVTCHNOP_UNMASK, "I", port_of(EDGE)) == 0
    assert (me.selector, me.upcall) == (1, 1)


# ----------------------------------------------------------------------------------------------------------- SRR0, SRR1


def remember(guest):
    guest.cpu.srr0, guest.cpu.srr1 = 0x1110, 0x2220


def test_an_external_that_delivers_nothing_leaves_minus_one_in_srr0_and_srr1_of_a_970(pair):
    me, other = pair
    me.park(msr=EE_ON)
    remember(me)
    post(other, EDGE)
    assert me.at == me.HERE
    assert (me.cpu.srr0, me.cpu.srr1) == (-1, -1)


def test_a_power8_keeps_them_since_it_uses_hsrr(power8):
    me, other = pair_of(power8)
    me.park(msr=EE_ON)
    remember(me)
    post(other, EDGE)
    assert other.upcall == 1
    assert (me.cpu.srr0, me.cpu.srr1) == (0x1110, 0x2220)


def test_hdec_keeps_them(pair):
    me, _ = pair
    remember(me)
    before = int(me.machine.views[Table.OBSERVED][0].entries[2])
    me.machine.views[Table.PCPU][0].hdec_at = me.machine.now
    me.machine.run(cycles=2000)
    assert me.machine.views[Table.OBSERVED][0].entries[2] == before + 1
    assert (me.cpu.srr0, me.cpu.srr1) == (0x1110, 0x2220)


# ----------------------------------------------------------------------------------------------------------- EE off


def test_a_970_with_ee_off_holds_the_hypervisor_off_until_hdec(pair):
    me, _ = pair
    post(me, EDGE)
    assert me.machine.views[Table.PCPU][0].external == 1
    assert me.upcall == 0
    me.machine.views[Table.PCPU][0].hdec_at = me.machine.now
    me.machine.run(cycles=3000)
    assert (me.upcall, me.at) == (1, me.HERE)


def test_a_power8_takes_it_at_once_and_waits_with_the_delivery(power8):
    me, _ = pair_of(power8)
    post(me, EDGE)
    assert (me.upcall, me.at) == (1, me.HERE)


def test_enabling_is_not_seen_by_anybody_and_any_hypercall_will_do(pair):
    """The EE gap: an event raised while EE is off waits after EE is on, for luck or for a guest that looks again."""
    me, _ = pair
    assert me.evtchn(xen.EVTCHNOP_BIND_IPI, "II", 0, 0) == 0
    port = me.out[1]
    me.set_bits(xen.EVTCHN_MASK, me.mask() & ~(1 << port))
    assert me.evtchn(xen.EVTCHNOP_SEND, "I", port) == 0
    assert me.upcall == 1
    me.park(MTMSRD_EE)
    me.cpu.gpr[3] = EE_ON
    me.machine.run(cycles=10_000)
    assert me.at == me.HERE + 4
    assert me.cpu.msr & MSR_EE
    me.xen(xen.HC_XEN_VERSION, 0, msr=EE_ON)
    assert (me.at, me.cpu.srr0) == (VEC_EXTERNAL, me.HERE + 4)
    assert me.cpu.gpr[3] == xen.XEN_VERSION_3_2


# ------------------------------------------------------------------------------------------------------------ RI off


def test_ee_on_and_ri_off_is_harmless_while_nothing_is_pending(pair):
    me, other = pair
    me.park(msr=EE_ON & ~MSR_RI)
    post(other, EDGE)
    assert me.machine.views[Table.DOMAIN][me.v].alive == 1


def test_ee_on_and_ri_off_with_an_event_pending_stops_the_domain(pair):
    me, other = pair
    me.park(msr=EE_ON & ~MSR_RI)
    post(me, EDGE)
    domains = me.machine.views[Table.DOMAIN]
    assert (domains[me.v].alive, domains[me.v].exit) == (0, Exit.UNRECOVERABLE)
    assert domains[me.v].exit_pc == me.HERE
    assert domains[other.v].alive == 1
    assert int(me.machine.views[Table.PCPU][0].context) == other.v


def test_ee_on_and_ri_off_crashed_xen_itself():
    me, other = pair_of(board("970", defects=["unrecoverable-panics"]))
    me.park(msr=EE_ON & ~MSR_RI)
    post(me, EDGE)
    domains = me.machine.views[Table.DOMAIN]
    assert [int(domains[v].exit) for v in (me.v, other.v)] == [Exit.PANIC, Exit.PANIC]
    me.machine.run(cycles=100_000)
    assert me.machine.views[Table.PCPU][0].context == -1


# ---------------------------------------------------------------------------------------------------------------- EOI


def test_an_edge_is_ended_by_the_hypervisor_at_once(pair):
    me, _ = pair
    me.park(msr=EE_ON)
    post(me, EDGE)
    assert serving(me) == 0
    assert pirq(me.machine, irq_of(me, EDGE)).in_flight == 0


def test_a_level_line_stays_in_service_until_the_guest_says_that_it_is_done(pair):
    me, other = pair
    me.park(msr=EE_ON)
    post(me, LEVEL)
    assert serving(me) == 1 << 8
    assert pirq(me.machine, irq_of(me, LEVEL)).in_flight == 1
    post(other, EDGE)  # whatever the priority that its domain has in mind
    assert other.upcall == 0
    me.consume(irq_of(me, LEVEL) - 1)
    assert eoi(me, LEVEL) == 0
    assert pirq(me.machine, irq_of(me, LEVEL)).in_flight == 0
    me.memory[me.shared] = 0
    me.park(msr=EE_ON)
    me.machine.run(cycles=3000)
    assert other.upcall == 1


def test_an_eoi_of_nothing_in_flight_ends_nothing(pair):
    me, other = pair
    me.park(msr=EE_ON)
    post(other, LEVEL)
    assert serving(me) == 1 << 8
    assert eoi(me, LEVEL) == 0
    assert eoi(me, EDGE) == 0
    assert me.op(xen.HC_PHYSDEV_OP, xen.PHYSDEVOP_EOI, "I", irq_of(other, LEVEL)) == 0  # not its own
    assert serving(me) == 1 << 8
    other.take_turn()
    assert eoi(other, LEVEL) == 0
    assert serving(me) == 0


@pytest.mark.compiled
def test_late_eois_end_the_right_interrupt_in_whatever_order_they_come():
    """Three domains on one pCPU, all busy: level interrupts of two are accepted while the third runs. With priorities
    that nest, the first EOI would end the other domain's and hold its own off for ever."""
    scenario = small(
        [{"name": name, "compute": True} for name in ("first", "second", "third")],
        [
            {"name": "f", "owner": "first", "trigger": "level", "priority": 9, "arrival": periodic(400, 1)},
            {"name": "s", "owner": "second", "trigger": "level", "priority": 3, "arrival": periodic(400, 3)},
        ],
        duration_ms=20,
        scheduler={"slice_us": 100, "hdec_period_us": 100, "boost": False},
    )
    machine = finished(scenario, "xen-ppc")
    for name in ("f", "s"):
        assert "lost" not in fates(machine, name)
        assert "pending" not in fates(machine, name)
    assert machine.views[Table.PIC_CPU][0].serving == 0


@pytest.mark.compiled
@pytest.mark.parametrize("trigger", ["edge", "level"])
def test_a_guest_with_ee_off_delays_a_foreign_interrupt_by_one_hdec_period_at_most(trigger):
    scenario = small(
        [{"name": "hog", "misbehave": "mask-all"}, {"name": "io"}],
        [{"name": "a", "owner": "io", "trigger": trigger, "arrival": {"kind": "poisson", "mean_us": 300}}],
        duration_ms=6,
        scheduler={"hdec_period_us": 200},
    )
    result = runner.run(scenario, "xen-ppc")
    assert (result["lost"], result["pending"]) == (0, 0)
    assert 70_000 < result["latency_ns"]["max"] < 210_000


# ------------------------------------------------------------------------------------------------------------ defects


@pytest.mark.compiled
def test_with_softirqs_skipped_a_woken_vcpu_waits_for_hdec_or_a_hypercall():
    def latency(*defects):
        scenario = small(
            [{"name": "io"}, {"name": "calc", "compute": True}],
            [{"name": "a", "owner": "io", "arrival": periodic(270)}],
            duration_ms=5,
            defects=list(defects),
            scheduler={"hdec_period_us": 100, "slice_us": 10_000},
        )
        result = runner.run(scenario, "xen-ppc")
        assert of(result, "a") == {"raised": 19, "serviced": 19}
        return result["latency_ns"]

    assert latency()["max"] < 10_000
    skipped = latency("softirqs-skipped")
    assert 50_000 < skipped["max"] < 110_000


# --------------------------------------------------------------------------------------------------------- whole runs


@pytest.mark.compiled
def test_an_edge_costs_one_entry_and_no_hypercall_while_its_owner_computes():
    scenario = small([{"name": "io", "compute": True}], [{"name": "a", "owner": "io", "arrival": periodic(100)}])
    result = runner.run(scenario, "xen-ppc")
    assert result["hypervisor_entries"]["external"] == 20
    assert set(result["hypervisor_entries"]) <= {"external", "hdec"}


@pytest.mark.compiled
def test_a_level_line_costs_one_hypercall_more():
    source = {"name": "a", "owner": "io", "trigger": "level", "arrival": periodic(100)}
    result = runner.run(small([{"name": "io", "compute": True}], [source]), "xen-ppc")
    assert result["hypervisor_entries"]["hcall_xen"] == 20


@pytest.mark.compiled
def test_the_domain_that_runs_does_not_see_a_foreign_interrupt():
    domains = [{"name": "io"}, {"name": "calc", "compute": True}]
    result, log = logged(small(domains, [{"name": "a", "owner": "io", "arrival": periodic(100)}]), "xen-ppc")
    assert (result["foreign"], result["spurious"]) == (0, 0)
    vectors = log[log["kind"] == 5]
    assert set(vectors["domain"].tolist()) == {0}
    assert vcpu(finished(small(domains), "xen-ppc"), 0).blocked == 1


@pytest.mark.compiled
def test_events_that_come_together_are_served_in_one_trip_through_0x500():
    """A POWER8's hypervisor takes an interrupt although the guest's handler has EE off, so ports of two words become
    ready during the trip."""
    sources = [
        {"name": f"s{s}", "owner": "io", "trigger": "edge" if s % 3 else "level", "arrival": periodic(400)}
        for s in range(70)
    ]
    result, log = logged(small([{"name": "io", "compute": True}], sources), "xen-ppc", cpu="power8")
    assert (result["lost"], result["pending"], result["violations"]) == (0, 0, [])
    assert result["serviced"] == result["raised"] == 70 * 5
    assert 10 * len(kinds(log, Kind.VECTOR)) < len(kinds(log, Kind.KNOW))
