"""hybrid: rhype's way in with Xen's events beside it (LoPAPR, H_XIRR and H_EOI; xen-devel, 10 March 2006).

What it shares with rhype is tested there (test_rhype.py): here is what comes on top, and its options. One pCPU, two
domains with an edge, a level and a favoured source each. The vCPU that runs is called `me`, the other `other`; both
spin with EE off and do what a test says.
"""

import pytest

from hv.harness import MANUAL, SHORT, booted, kinds, logged, of, parked, periodic, sharing, small, vcpu
from irqvisor.hv.state import Entry
from irqvisor.lab import runner
from irqvisor.spec import papr, xen
from irqvisor.spec.power_isa import LPCR_MER, MSR_EE, MSR_ME, MSR_RI, MSR_SF, SRR1_MEDIATED, VEC_EXTERNAL
from irqvisor.tables import Table
from irqvisor.trace import Kind

EE_ON = MSR_SF | MSR_ME | MSR_RI | MSR_EE
OPEN = 0xFF
EDGE, LEVEL, FAVOURED = 0, 1, 2
"""Sources of a domain, by position: priorities 5, 5 and 3."""
MTMSRD_EE = 0x7C000164 | 3 << 21 | 1 << 16


def made(cpu="power8", **options):
    sources = [
        {"name": f"{name}-{domain}", "owner": domain, "trigger": trigger, "priority": priority, "arrival": MANUAL}
        for domain in ("a", "b")
        for name, trigger, priority in (("edge", "edge", 5), ("level", "level", 5), ("favoured", "edge", 3))
    ]
    domains = [{"name": "a", "compute": True}, {"name": "b", "compute": True}]
    return sharing(small(domains, sources, scheduler=SHORT, cpu=cpu, options={"hybrid": options}), "hybrid")


@pytest.fixture(scope="module")
def machine():
    return made()


def two(machine):
    guests = parked(machine.fork())
    for guest in guests:
        guest.listen()
    me = guests[int(guests[0].machine.views[Table.PCPU][0].context)]
    return me, guests[1 - me.v]


@pytest.fixture
def pair(machine):
    """(me, other): both have everything open, nothing queued and no event."""
    return two(machine)


def irq_of(guest, which):
    return 1 + 3 * guest.v + which


def xisr(guest, which):
    return papr.XISR_SOURCES + irq_of(guest, which)


def post(guest, which):
    guest.machine.raise_irq(irq_of(guest, which))


def accept(guest):
    """H_XIRR: (CPPR before, source)."""
    assert guest.call(papr.H_XIRR, 0) == papr.H_SUCCESS
    xirr = int(guest.cpu.gpr[4])
    return xirr >> papr.XIRR_CPPR_SHIFT, xirr & papr.XISR_MASK


def end(guest, cppr, source):
    """H_EOI: (status, whether to ask again)."""
    status = guest.call(papr.H_EOI, cppr << papr.XIRR_CPPR_SHIFT | source)
    return status, int(guest.cpu.gpr[4])


def line(guest):
    return int(guest.machine.views[Table.PCPU][0].external)


def hdec(guest):
    guest.machine.views[Table.PCPU][0].hdec_at = guest.machine.now
    guest.machine.run(cycles=3000)


def event(guest):
    """Mark an event as another domain's send would: its own loopback channel's other end."""
    assert guest.evtchn(xen.EVTCHNOP_ALLOC_UNBOUND, "HHI", xen.DOMID_SELF, xen.DOMID_SELF, 0) == 0
    receiver = guest.out[2]
    assert guest.evtchn(xen.EVTCHNOP_BIND_INTERDOMAIN, "H2xII", xen.DOMID_SELF, receiver, 0) == 0
    sender = guest.out[2]
    guest.listen()
    assert guest.evtchn(xen.EVTCHNOP_SEND, "I", sender) == 0
    assert guest.upcall != 0


def mer(guest):
    return guest.cpu.lpcr & LPCR_MER != 0


def enable(guest):
    """Turn EE on, and see where that leads."""
    guest.park(MTMSRD_EE)
    guest.cpu.gpr[3] = EE_ON
    guest.machine.run(cycles=400)
    return guest.at


# ----------------------------------------------------------------------------------------------- beside what rhype does


def test_h_xirr_names_the_callers_own_and_queues_what_is_foreign(pair):
    me, other = pair
    post(other, LEVEL)
    post(me, EDGE)
    assert accept(me) == (OPEN, xisr(me, EDGE))
    assert end(me, OPEN, xisr(me, EDGE)) == (papr.H_SUCCESS, 1)
    assert accept(me) == (OPEN, papr.XISR_NONE)
    assert vcpu(me.machine, other.v).soft[0] == 1 << irq_of(other, LEVEL)
    assert line(me) == 0


def test_an_event_sets_the_mediated_request_and_comes_when_ee_is_on(pair):
    me, _ = pair
    event(me)
    assert mer(me)
    assert enable(me) == VEC_EXTERNAL
    assert me.cpu.srr1 == EE_ON | SRR1_MEDIATED


def test_a_queued_interrupt_sets_it_too(pair):
    me, _ = pair
    post(me, EDGE)
    hdec(me)
    assert mer(me)
    assert enable(me) == VEC_EXTERNAL


def test_on_the_way_out_of_h_xirr_and_h_eoi_events_do_not_count(pair):
    """Their caller looks at its events next: the request would bring it back to 0x500 for nothing."""
    me, _ = pair
    event(me)
    assert accept(me) == (OPEN, papr.XISR_NONE)
    assert not mer(me)
    me.listen()  # as its handler does
    assert enable(me) == me.HERE + 4


def test_after_the_last_entry_is_drained_there_is_no_further_entry(pair):
    me, _ = pair
    post(me, EDGE)
    hdec(me)
    assert accept(me) == (OPEN, xisr(me, EDGE))
    end(me, OPEN, xisr(me, EDGE))
    assert accept(me) == (OPEN, papr.XISR_NONE)
    assert not mer(me)
    assert enable(me) == me.HERE + 4


def test_the_request_falls_though_something_less_favoured_stays_queued(pair):
    """Cleared only when the queue is empty it would lead to 0x500 for ever."""
    me, _ = pair
    for which in (EDGE, LEVEL):
        post(me, which)
    hdec(me)
    assert accept(me)[1] == xisr(me, EDGE)
    assert vcpu(me.machine, me.v).queued == 1
    assert not mer(me)
    end(me, OPEN, xisr(me, EDGE))
    assert mer(me)


def test_with_ee_on_the_way_out_delivers_either(pair):
    me, other = pair
    event(me)
    me.cpu.lpcr &= ~LPCR_MER  # or hardware would be first
    assert me.xen(xen.HC_XEN_VERSION, xen.XENVER_VERSION, msr=EE_ON) != 0
    assert me.at == VEC_EXTERNAL
    assert me.cpu.srr1 & SRR1_MEDIATED == 0
    other.park(msr=EE_ON)
    post(other, EDGE)
    accept(me)
    other.take_turn()
    assert (other.at, other.cpu.srr0) == (VEC_EXTERNAL, other.HERE)


def test_h_eoi_of_a_source_not_in_service_is_h_parameter_and_changes_nothing(pair):
    me, other = pair
    for wrong in (xisr(me, EDGE), xisr(other, EDGE), papr.XISR_IPI, 0):
        assert end(me, 3, wrong)[0] == papr.H_PARAMETER
    assert vcpu(me.machine, me.v).cppr == OPEN


def test_task_priority_follows_a_queued_accept(pair):
    """Else the second edge of the source raises the line, H_XIRR refuses it, and the guest enters 0x500 for ever."""
    me, _ = pair
    post(me, EDGE)
    hdec(me)
    assert accept(me) == (OPEN, xisr(me, EDGE))
    post(me, EDGE)
    assert line(me) == 0
    end(me, OPEN, xisr(me, EDGE))
    assert line(me) == 1


def test_a_domain_preempted_in_service_holds_nobody_off(pair):
    me, other = pair
    post(me, FAVOURED)
    assert accept(me) == (OPEN, xisr(me, FAVOURED))
    other.take_turn()
    post(other, LEVEL)
    assert accept(other) == (OPEN, xisr(other, LEVEL))
    me.take_turn()
    assert vcpu(me.machine, me.v).cppr == 3
    assert end(me, OPEN, xisr(me, FAVOURED))[0] == papr.H_SUCCESS


@pytest.mark.parametrize("how", ["cede", "block"])
@pytest.mark.parametrize("what", ["nothing", "event", "queued"])
def test_going_to_sleep_looks_at_the_queue_and_at_the_upcall_byte(pair, how, what):
    me, _ = pair
    if what == "event":
        event(me)
    elif what == "queued":
        post(me, EDGE)
        hdec(me)
    me.park(me.SC_1)
    me.cpu.gpr[3], me.cpu.gpr[4] = (
        (papr.H_CEDE, 0) if how == "cede" else (xen.HC_SCHED_OP | xen.MARK, xen.SCHEDOP_BLOCK)
    )
    me.machine.run(cycles=1500)
    assert vcpu(me.machine, me.v).blocked == (what == "nothing")
    assert what == "nothing" or me.at == VEC_EXTERNAL


def test_a_foreign_interrupt_and_an_event_wake_a_sleeper(pair):
    me, other = pair
    me.call(papr.H_CEDE)
    assert vcpu(me.machine, me.v).blocked == 1
    other.take_turn()
    post(me, EDGE)
    accept(other)
    assert vcpu(me.machine, me.v).blocked == 0


# ------------------------------------------------------------------------------------------------------------ options


def test_without_a_mediated_request_the_next_entry_of_the_hypervisor_delivers():
    for settings in ({"mer": "off"}, {"cpu": "970"}):
        me, _ = two(made(**settings))
        post(me, EDGE)
        hdec(me)
        assert not mer(me)
        assert me.upcall != 0  # so that a guest that looks there makes a hypercall
        assert enable(me) == me.HERE + 4
        hdec(me)
        assert me.at == VEC_EXTERNAL


def test_h_eoi_tells_whether_to_ask_again():
    me, other = two(made(last="on"))
    post(me, EDGE)
    post(me, LEVEL)
    assert accept(me) == (OPEN, xisr(me, EDGE))
    assert end(me, OPEN, xisr(me, EDGE)) == (papr.H_SUCCESS, 1)
    assert accept(me) == (OPEN, xisr(me, LEVEL))
    me.consume(3 * me.v + LEVEL)
    assert end(me, OPEN, xisr(me, LEVEL)) == (papr.H_SUCCESS, 0)
    post(me, EDGE)
    accept(me)
    post(other, EDGE)  # on the line: it may be the caller's
    assert end(me, OPEN, xisr(me, EDGE)) == (papr.H_SUCCESS, 1)


@pytest.mark.compiled
@pytest.mark.parametrize(("last", "calls"), [("off", 3), ("on", 2)])
def test_an_interrupt_of_the_domain_that_runs_costs_no_exit_and_so_many_calls(last, calls):
    source = {"name": "a", "owner": "io", "arrival": periodic(20)}
    scenario = small([{"name": "io", "compute": True}], [source], cpu="power8", options={"hybrid": {"last": last}})
    result = runner.run(scenario, "hybrid")
    assert of(result, "a") == {"raised": 100, "serviced": 100}
    assert result["hypervisor_entries"]["hcall_papr"] == 100 * calls
    assert set(result["hypervisor_entries"]) == {"hcall_papr", "hdec"}


def kicked(**options):
    """The owner sleeps on the other pCPU than its line is routed to; a bystander computes on each."""
    domains = [
        {"name": "io", "pcpu": 0},
        {"name": "calc0", "pcpu": 0, "compute": True},
        {"name": "calc1", "pcpu": 1, "compute": True},
    ]
    source = {"name": "a", "owner": "io", "route": 1, "arrival": periodic(100)}
    return runner.run(small(domains, [source], pcpus=2, cpu="power8", options={"hybrid": options}), "hybrid")


@pytest.mark.compiled
def test_a_kick_enters_a_guest_unless_the_hypervisor_has_its_own_line():
    """Shared: the guest that runs there finds the IPI in its H_XIRR, for nothing. Separate: an exit."""
    shared, separate = kicked(), kicked(hyp_line="separate")
    assert of(shared, "a") == of(separate, "a") == {"raised": 20, "serviced": 20}
    assert (shared["foreign"], separate["foreign"]) == (20, 20)
    assert shared["spurious"] == 20
    assert "external" not in shared["hypervisor_entries"]
    assert separate["spurious"] == 0
    assert separate["hypervisor_entries"]["external"] == 20


@pytest.mark.compiled
def test_sources_that_follow_their_vcpu_disturb_nobody_on_the_other_pcpu():
    result = kicked(retarget="on")
    assert of(result, "a") == {"raised": 20, "serviced": 20}
    assert (result["foreign"], result["spurious"]) == (20, 0)  # calc0, which shares the owner's pCPU


@pytest.mark.compiled
@pytest.mark.parametrize("deed", ["mask-all", "never-eoi"])
@pytest.mark.parametrize("cpu", ["970", "power8"])
def test_a_hog_delays_others_by_an_hdec_period_at_most(deed, cpu):
    domains = [{"name": "hog", "misbehave": deed}, {"name": "io"}]
    sources = [{"name": name, "owner": name, "arrival": periodic(130)} for name in ("hog", "io")]
    scenario = small(domains, sources, cpu=cpu, scheduler={"hdec_period_us": 200}, duration_ms=4)
    result, log = logged(scenario, "hybrid")
    row = of(result, "io")
    assert row["serviced"] + row.get("coalesced", 0) == row["raised"] == 31
    raised = kinds(log, Kind.RAISE, source=1)["cycle"]
    accepted = kinds(log, Kind.ACCEPT, source=1)["cycle"]
    assert (accepted - raised).max() <= 200 * 3200 + 10_000


@pytest.mark.compiled
@pytest.mark.parametrize("settings", [{}, {"mer": "off"}, {"last": "on"}, {"hyp_line": "separate"}, {"retarget": "on"}])
@pytest.mark.parametrize("trigger", ["edge", "level"])
@pytest.mark.parametrize("pcpus", [1, 2])
def test_nothing_is_lost_with_any_option(settings, trigger, pcpus):
    domains = [
        {"name": "io", "pcpu": 0, "compute": True, "compute_unit": 20, "hold_units": 3},
        {"name": "other", "pcpu": pcpus - 1},
        {"name": "calc", "pcpu": 0, "compute": True},
    ]
    sources = [
        {
            "name": f"{owner}{k}",
            "owner": owner,
            "trigger": trigger,
            "priority": 5 + k,
            "route": route,
            "arrival": arrival,
        }
        for owner, route in (("io", 0), ("other", 0), ("io", pcpus - 1))
        for k, arrival in enumerate([{"kind": "poisson", "mean_us": 30}, periodic(70)])
        for owner in [owner]
    ]
    for n, source in enumerate(sources):
        source["name"] += f"-{n}"
    scenario = small(domains, sources, pcpus=pcpus, cpu="power8", scheduler={"slice_us": 37, "hdec_period_us": 50})
    scenario = scenario.model_copy(update={"options": {"hybrid": settings}})
    result = runner.run(scenario, "hybrid")
    assert (result["lost"], result["pending"], result["rescued"], result["violations"]) == (0, 0, 0, [])


@pytest.mark.compiled
def test_a_foreign_interrupt_costs_the_domain_disturbed_an_entry_and_a_call():
    domains = [{"name": "io"}, {"name": "calc", "compute": True}]
    machine = booted(small(domains, [{"name": "a", "owner": "io", "arrival": periodic(100)}], cpu="power8"), "hybrid")
    machine.run()
    entries = machine.views[Table.OBSERVED][0].entries
    assert machine.views[Table.DOMAIN_COUNT][1].foreign == 20
    assert entries[Entry.HCALL_PAPR] == 20 * (1 + 3 + 1)  # the victim's H_XIRR; the owner's three, and H_CEDE
    assert entries[Entry.EXTERNAL] == 0
