"""rhype: hardware interrupts the current domain, a hypercall names the vector (LoPAPR, interrupt presentation).

One pCPU, two domains with an edge and a level source each. The vCPU that runs is called `me`, the other `other`; both
spin with EE off and do what a test says, so each step is seen by itself.
"""

import pytest

from hv.harness import MANUAL, SHORT, booted, finished, kinds, logged, of, parked, periodic, sharing, small, vcpu
from irqvisor.lab import runner
from irqvisor.spec import papr
from irqvisor.spec.power_isa import LPCR_MER, MSR_EE, MSR_ME, MSR_RI, MSR_SF, SRR1_MEDIATED, VEC_EXTERNAL
from irqvisor.tables import Table
from irqvisor.trace import Kind

EE_ON = MSR_SF | MSR_ME | MSR_RI | MSR_EE
OPEN = 0xFF
IPI_PRIORITY = 4
EDGE, LEVEL, FAVOURED = 0, 1, 2
"""Sources of a domain, by position: priorities 5, 5 and 3."""


@pytest.fixture(scope="module")
def machine():
    sources = [
        {"name": f"{name}-{domain}", "owner": domain, "trigger": trigger, "priority": priority, "arrival": MANUAL}
        for domain in ("a", "b")
        for name, trigger, priority in (("edge", "edge", 5), ("level", "level", 5), ("favoured", "edge", 3))
    ]
    domains = [{"name": "a", "compute": True}, {"name": "b", "compute": True}]
    return sharing(small(domains, sources, scheduler=SHORT), "rhype")


@pytest.fixture
def pair(machine):
    """(me, other): both have everything open and nothing queued."""
    guests = parked(machine.fork())
    me = guests[running(guests[0].machine)]
    return me, guests[1 - me.v]


def running(machine):
    return int(machine.views[Table.PCPU][0].context)


def irq_of(guest, which):
    return 1 + 3 * guest.v + which


def xisr(guest, which):
    return papr.XISR_SOURCES + irq_of(guest, which)


def post(guest, which):
    """An item for one of a guest's sources."""
    guest.machine.raise_irq(irq_of(guest, which))


def accept(guest):
    """H_XIRR: (CPPR before, source)."""
    assert guest.call(papr.H_XIRR, 0) == papr.H_SUCCESS
    xirr = int(guest.cpu.gpr[4])
    return xirr >> papr.XIRR_CPPR_SHIFT, xirr & papr.XISR_MASK


def end(guest, cppr, source):
    return guest.call(papr.H_EOI, cppr << papr.XIRR_CPPR_SHIFT | source)


def open_to(guest, cppr):
    assert guest.call(papr.H_CPPR, cppr) == papr.H_SUCCESS


def pic(guest, irq):
    return guest.machine.views[Table.PIC_SOURCE][irq]


def line(guest):
    """The external input of the pCPU."""
    return int(guest.machine.views[Table.PCPU][0].external)


def in_service(guest):
    """How many interrupts the domain accepted and did not end."""
    lines = guest.machine.views[Table.PIRQ][irq_of(guest, EDGE) : irq_of(guest, FAVOURED) + 1]
    return int(lines.in_service.sum() + vcpu(guest.machine, guest.v).ipis)


def task_priority(guest):
    return int(guest.machine.views[Table.PIC_CPU][0].task_priority)


def drain(guest, which):
    """Consume what is in a source's ring."""
    guest.consume(3 * guest.v + which)


# ------------------------------------------------------------------------------------------------------ H_XIRR, H_EOI


def test_nothing_pending_is_source_0_with_the_cppr_as_it_was(pair):
    me, _ = pair
    for cppr in (OPEN, 5, 0):
        open_to(me, cppr)
        assert accept(me) == (cppr, papr.XISR_NONE)
        assert vcpu(me.machine, me.v).cppr == cppr
    assert in_service(me) == 0  # no EOI is owed


def test_the_owner_is_told_its_source_and_its_cppr_becomes_the_priority(pair):
    me, _ = pair
    post(me, EDGE)
    assert line(me) == 1
    assert accept(me) == (OPEN, xisr(me, EDGE))
    assert line(me) == 0
    assert vcpu(me.machine, me.v).cppr == 5
    assert end(me, OPEN, xisr(me, EDGE)) == papr.H_SUCCESS
    assert vcpu(me.machine, me.v).cppr == OPEN


def test_the_wrong_domain_is_told_that_nothing_was_pending(pair):
    me, other = pair
    post(other, EDGE)
    assert line(me) == 1  # hardware interrupts whoever runs
    assert accept(me) == (OPEN, papr.XISR_NONE)
    assert vcpu(me.machine, me.v).cppr == OPEN
    assert in_service(me) == 0
    assert line(me) == 0
    assert vcpu(me.machine, other.v).soft[0] == 1 << irq_of(other, EDGE)


def test_its_owner_gets_it_when_it_runs_by_simulated_delivery(pair):
    me, other = pair
    other.park(msr=EE_ON)
    post(other, EDGE)
    accept(me)
    other.take_turn()
    assert other.at == VEC_EXTERNAL
    assert (other.cpu.srr0, other.cpu.srr1) == (other.HERE, EE_ON)
    assert other.cpu.msr & (MSR_EE | MSR_RI) == 0
    assert accept(other) == (OPEN, xisr(other, EDGE))
    assert end(other, OPEN, xisr(other, EDGE)) == papr.H_SUCCESS
    assert accept(other) == (OPEN, papr.XISR_NONE)


def test_one_call_queues_all_foreign_interrupts_and_still_finds_its_own(pair):
    me, other = pair
    post(other, FAVOURED)
    post(other, EDGE)
    post(me, LEVEL)
    assert accept(me) == (OPEN, xisr(me, LEVEL))
    expected = 1 << irq_of(other, FAVOURED)
    if irq_of(other, EDGE) < irq_of(me, LEVEL):  # among equals the lowest number is looked at first
        expected |= 1 << irq_of(other, EDGE)
    assert vcpu(me.machine, other.v).soft[0] == expected


def test_h_eoi_of_a_source_not_in_service_is_h_parameter_and_changes_nothing(pair):
    me, other = pair
    for wrong in (xisr(me, EDGE), xisr(other, EDGE), papr.XISR_IPI, papr.XISR_NONE, 0xFFFFFF):
        assert end(me, 3, wrong) == papr.H_PARAMETER
    assert vcpu(me.machine, me.v).cppr == OPEN
    post(me, LEVEL)
    accept(me)
    assert end(me, 3, xisr(me, EDGE)) == papr.H_PARAMETER
    assert vcpu(me.machine, me.v).cppr == 5
    assert in_service(me) == 1
    assert pic(me, irq_of(me, LEVEL)).masked == 1
    assert task_priority(me) == 10


def test_interrupts_nest_by_priority_and_end_in_reverse(pair):
    me, _ = pair
    post(me, EDGE)
    assert accept(me) == (OPEN, xisr(me, EDGE))
    post(me, LEVEL)
    assert line(me) == 0  # no more favoured than what is in service
    assert accept(me) == (5, papr.XISR_NONE)
    post(me, FAVOURED)
    assert line(me) == 1
    assert accept(me) == (5, xisr(me, FAVOURED))
    assert end(me, 5, xisr(me, FAVOURED)) == papr.H_SUCCESS
    assert line(me) == 0
    assert end(me, OPEN, xisr(me, EDGE)) == papr.H_SUCCESS
    assert line(me) == 1
    assert accept(me) == (OPEN, xisr(me, LEVEL))


def test_an_end_is_by_name_and_brings_back_the_cppr_it_is_given(pair):
    me, _ = pair
    post(me, LEVEL)
    accept(me)
    post(me, FAVOURED)
    assert accept(me) == (5, xisr(me, FAVOURED))
    assert end(me, OPEN, xisr(me, LEVEL)) == papr.H_SUCCESS  # the outer one first
    assert (vcpu(me.machine, me.v).cppr, pic(me, irq_of(me, LEVEL)).masked, in_service(me)) == (OPEN, 0, 1)
    assert end(me, 5, xisr(me, FAVOURED)) == papr.H_SUCCESS
    assert end(me, 5, xisr(me, FAVOURED)) == papr.H_PARAMETER
    assert (vcpu(me.machine, me.v).cppr, in_service(me)) == (5, 0)


def test_a_guest_may_nest_as_deep_as_it_likes(pair):
    """A lower MFRR each time, or an open CPPR before anything has ended: all that was accepted can be ended."""
    me, _ = pair
    levels = range(0xFE, 0xD0, -1)
    for mfrr in levels:
        assert me.call(papr.H_IPI, 0, mfrr) == papr.H_SUCCESS
        assert accept(me) == (mfrr + 1, papr.XISR_IPI)
    assert me.call(papr.H_IPI, 0, OPEN) == papr.H_SUCCESS
    for _ in levels:
        open_to(me, OPEN)
        post(me, EDGE)
        assert accept(me) == (OPEN, xisr(me, EDGE))
    assert in_service(me) == 2 * len(levels)
    for _ in levels:
        assert end(me, OPEN, xisr(me, EDGE)) == papr.H_SUCCESS
    for mfrr in reversed(levels):
        assert end(me, mfrr + 1, papr.XISR_IPI) == papr.H_SUCCESS
    assert (vcpu(me.machine, me.v).cppr, in_service(me)) == (OPEN, 0)


def test_an_edge_during_service_comes_after_h_eoi(pair):
    me, _ = pair
    post(me, EDGE)
    accept(me)
    post(me, EDGE)
    assert accept(me) == (5, papr.XISR_NONE)
    end(me, OPEN, xisr(me, EDGE))
    assert accept(me) == (OPEN, xisr(me, EDGE))


# ------------------------------------------------------------------------------------------------------- level lines


def test_a_level_line_is_masked_at_accept_and_unmasked_at_h_eoi(pair):
    me, _ = pair
    irq = irq_of(me, LEVEL)
    post(me, LEVEL)
    assert accept(me) == (OPEN, xisr(me, LEVEL))
    assert (pic(me, irq).masked, pic(me, irq).server) == (1, -1)  # nothing stays in service at the controller
    drain(me, LEVEL)
    assert end(me, OPEN, xisr(me, LEVEL)) == papr.H_SUCCESS
    assert pic(me, irq).masked == 0
    assert line(me) == 0


def test_a_level_line_still_up_at_h_eoi_comes_again(pair):
    me, _ = pair
    post(me, LEVEL)
    accept(me)
    end(me, OPEN, xisr(me, LEVEL))
    assert line(me) == 1
    assert accept(me) == (OPEN, xisr(me, LEVEL))


def test_a_foreign_level_line_is_masked_so_that_looking_ends(pair):
    me, other = pair
    irq = irq_of(other, LEVEL)
    post(other, LEVEL)
    assert accept(me) == (OPEN, papr.XISR_NONE)
    assert (pic(me, irq).masked, pic(me, irq).line, line(me)) == (1, 1, 0)
    assert accept(me) == (OPEN, papr.XISR_NONE)
    other.take_turn()
    assert accept(other) == (OPEN, xisr(other, LEVEL))
    drain(other, LEVEL)
    assert end(other, OPEN, xisr(other, LEVEL)) == papr.H_SUCCESS
    assert pic(me, irq).masked == 0
    post(other, LEVEL)
    assert accept(other) == (OPEN, xisr(other, LEVEL))


def test_a_domain_preempted_in_service_holds_nobody_off(pair):
    me, other = pair
    post(me, LEVEL)
    accept(me)
    other.take_turn()
    assert task_priority(other) == 0
    post(other, EDGE)
    assert line(other) == 1
    assert accept(other) == (OPEN, xisr(other, EDGE))
    me.take_turn()
    assert task_priority(me) == 10
    assert end(me, OPEN, xisr(me, LEVEL)) == papr.H_SUCCESS


# -------------------------------------------------------------------------------------------------- CPPR, HDEC, H_CEDE


@pytest.mark.parametrize(("cppr", "expected"), [(0xFF, 0), (14, 1), (5, 10), (4, 11), (0, 15)])
def test_the_controllers_task_priority_follows_the_cppr(pair, cppr, expected):
    me, other = pair
    open_to(me, cppr)
    assert task_priority(me) == expected
    other.take_turn()
    assert task_priority(me) == 0
    me.take_turn()
    assert task_priority(me) == expected


def test_task_priority_follows_accept_and_end_of_a_queued_interrupt_too(pair):
    """Else an edge that the CPPR refuses holds the line up, and the guest enters 0x500 for ever."""
    me, other = pair
    post(other, EDGE)
    accept(me)
    other.take_turn()
    assert accept(other) == (OPEN, xisr(other, EDGE))  # from the queue
    assert task_priority(other) == 10
    post(other, EDGE)
    assert line(other) == 0
    end(other, OPEN, xisr(other, EDGE))
    assert task_priority(other) == 0
    assert line(other) == 1


def test_hdec_lifts_the_task_priority_and_queues_everything_even_the_running_vcpus(pair):
    me, other = pair
    open_to(me, 0)
    post(me, EDGE)
    post(other, LEVEL)
    assert line(me) == 0
    me.machine.views[Table.PCPU][0].hdec_at = me.machine.now
    me.machine.run(cycles=2000)
    assert vcpu(me.machine, me.v).soft[0] == 1 << irq_of(me, EDGE)
    assert vcpu(me.machine, other.v).soft[0] == 1 << irq_of(other, LEVEL)
    assert pic(me, irq_of(other, LEVEL)).masked == 1
    assert task_priority(me) == 15
    assert accept(me) == (0, papr.XISR_NONE)
    open_to(me, OPEN)
    assert accept(me) == (OPEN, xisr(me, EDGE))


def test_what_is_queued_comes_when_the_guest_enables(pair):
    me, _ = pair
    post(me, EDGE)
    me.machine.views[Table.PCPU][0].hdec_at = me.machine.now
    me.machine.run(cycles=2000)
    assert me.cpu.lpcr & LPCR_MER
    assert me.at == me.HERE
    mtmsrd_ee = 0x7C000164 | 3 << 21 | 1 << 16
    me.park(mtmsrd_ee)
    me.cpu.gpr[3] = EE_ON
    me.machine.run(cycles=300)
    assert me.at == VEC_EXTERNAL
    assert (me.cpu.srr0, me.cpu.srr1) == (me.HERE + 4, EE_ON | SRR1_MEDIATED)
    assert accept(me) == (OPEN, xisr(me, EDGE))
    assert me.cpu.lpcr & LPCR_MER == 0


def test_the_request_falls_when_what_remains_is_refused_by_the_cppr(pair):
    me, _ = pair
    for which in (EDGE, LEVEL):
        post(me, which)
    me.machine.views[Table.PCPU][0].hdec_at = me.machine.now
    me.machine.run(cycles=3000)
    assert accept(me)[1] == xisr(me, EDGE)
    assert me.cpu.lpcr & LPCR_MER == 0  # the other is no more favoured
    end(me, OPEN, xisr(me, EDGE))
    assert me.cpu.lpcr & LPCR_MER


def test_queued_and_hardware_are_chosen_by_priority_and_the_older_wins_a_tie(pair):
    me, _ = pair
    post(me, LEVEL)
    me.machine.views[Table.PCPU][0].hdec_at = me.machine.now
    me.machine.run(cycles=2000)
    post(me, EDGE)
    post(me, FAVOURED)
    assert accept(me) == (OPEN, xisr(me, FAVOURED))
    end(me, OPEN, xisr(me, FAVOURED))
    assert accept(me) == (OPEN, xisr(me, LEVEL))
    drain(me, LEVEL)
    end(me, OPEN, xisr(me, LEVEL))
    assert accept(me) == (OPEN, xisr(me, EDGE))


def test_h_cede_enables_and_sleeps_until_its_interrupt_comes(pair):
    me, other = pair
    me.call(papr.H_CEDE)
    assert vcpu(me.machine, me.v).blocked == 1
    assert me.cpu.msr & MSR_EE
    other.take_turn()
    post(me, EDGE)
    assert accept(other) == (OPEN, papr.XISR_NONE)  # wakes its owner
    me.take_turn()
    assert (me.at, me.cpu.srr0) == (VEC_EXTERNAL, me.HERE + 4)
    assert me.cpu.srr1 & MSR_EE


def test_h_cede_with_something_queued_does_not_sleep(pair):
    me, _ = pair
    post(me, EDGE)
    me.machine.views[Table.PCPU][0].hdec_at = me.machine.now
    me.machine.run(cycles=2000)
    me.call(papr.H_CEDE)
    assert vcpu(me.machine, me.v).blocked == 0
    assert me.at == VEC_EXTERNAL
    assert me.cpu.gpr[3] == papr.H_SUCCESS


def test_h_prod_ends_the_next_sleep(pair):
    me, _ = pair
    assert me.call(papr.H_PROD, 0) == papr.H_SUCCESS
    me.call(papr.H_CEDE)
    assert vcpu(me.machine, me.v).blocked == 0
    me.call(papr.H_CEDE)
    assert vcpu(me.machine, me.v).blocked == 1


# --------------------------------------------------------------------------------------------------- IPIs, other calls


def test_an_ipi_to_oneself_comes_until_it_is_cleared(pair):
    me, _ = pair
    assert me.call(papr.H_IPI, 0, IPI_PRIORITY) == papr.H_SUCCESS
    assert accept(me) == (OPEN, papr.XISR_IPI)
    assert vcpu(me.machine, me.v).cppr == IPI_PRIORITY
    assert end(me, OPEN, papr.XISR_IPI) == papr.H_SUCCESS
    assert accept(me) == (OPEN, papr.XISR_IPI)  # not cleared: again
    assert me.call(papr.H_IPI, 0, OPEN) == papr.H_SUCCESS
    assert end(me, OPEN, papr.XISR_IPI) == papr.H_SUCCESS
    assert accept(me) == (OPEN, papr.XISR_NONE)


def test_h_ipoll_shows_and_changes_nothing(pair):
    me, _ = pair
    me.call(papr.H_IPI, 0, IPI_PRIORITY)
    for _ in range(2):
        assert me.call(papr.H_IPOLL, 0) == papr.H_SUCCESS
        assert me.cpu.gpr[4] == OPEN << papr.XIRR_CPPR_SHIFT | papr.XISR_IPI
        assert me.cpu.gpr[5] == IPI_PRIORITY


@pytest.mark.parametrize("number", [papr.H_IPI, papr.H_IPOLL, papr.H_PROD, papr.H_CONFER])
def test_an_unknown_server_is_h_parameter(pair, number):
    me, _ = pair
    for server in (1, 99, -2):
        assert me.call(number, server, 4) == papr.H_PARAMETER


@pytest.mark.parametrize("number", [0, 3, 0x65, 0x78, 0x2FF, 0xF000, -1 << 16 | 32])
def test_unknown_calls_are_h_function(pair, number):
    me, _ = pair
    assert me.call(number) == (papr.H_FUNCTION if number >= 0 else -38)


def test_problem_state_may_not_call_and_nothing_happens(pair):
    me, _ = pair
    post(me, EDGE)
    assert me.call(papr.H_XIRR, msr=EE_ON & ~MSR_EE | 1 << 14) == papr.H_PRIVILEGE
    assert in_service(me) == 0


def test_a_call_keeps_everything_but_its_outputs(pair):
    me, _ = pair
    for r in range(5, 32):
        me.cpu.gpr[r] = 0x1111 * r
    me.cpu.lr, me.cpu.ctr = 0x1234, 0x5678
    before = [int(x) for x in me.cpu.gpr[5:32]]
    accept(me)
    assert [int(x) for x in me.cpu.gpr[5:32]] == before
    assert (me.cpu.lr, me.cpu.ctr) == (0x1234, 0x5678)


def test_the_terminal_prints_and_reads(pair):
    me, _ = pair
    before = len(me.machine.consoles[me.v])
    text = [int.from_bytes(part, "big") for part in (b"abcdefgh", b"ijklmnop")]
    assert me.call(papr.H_PUT_TERM_CHAR, 0, 10, *text) == papr.H_SUCCESS
    assert bytes(me.machine.consoles[me.v][before:]) == b"abcdefghij"
    assert me.call(papr.H_PUT_TERM_CHAR, 0, 17, *text) == papr.H_PARAMETER
    assert me.call(papr.H_PUT_TERM_CHAR, 7, 1, *text) == papr.H_PARAMETER
    assert me.call(papr.H_GET_TERM_CHAR, 0) == papr.H_SUCCESS
    assert me.cpu.gpr[4] == 0
    me.machine.typed[me.v] += b"yes"
    assert me.call(papr.H_GET_TERM_CHAR, 0) == papr.H_SUCCESS
    assert (me.cpu.gpr[4], int(me.cpu.gpr[5]) >> 40) == (3, int.from_bytes(b"yes", "big"))


# ---------------------------------------------------------------------------------------------------------- whole runs


@pytest.mark.compiled
@pytest.mark.parametrize("trigger", ["edge", "level"])
@pytest.mark.parametrize("period_us", [100, 500])
def test_a_guest_with_ee_off_delays_a_foreign_interrupt_by_one_hdec_period_at_most(trigger, period_us):
    scenario = small(
        [{"name": "hog", "misbehave": "mask-all"}, {"name": "io"}],
        [{"name": "a", "owner": "io", "trigger": trigger, "arrival": {"kind": "poisson", "mean_us": 300}}],
        duration_ms=6,
        scheduler={"hdec_period_us": period_us},
    )
    result, log = logged(scenario, "rhype")
    assert (result["lost"], result["pending"]) == (0, 0)
    path_us = 10  # the switch to the owner, and its way to the ring
    assert result["latency_ns"]["max"] < (period_us + path_us) * 1000
    assert result["latency_ns"]["max"] > period_us * 1000 / 3
    assert len(kinds(log, Kind.QUEUE)) > 0


@pytest.mark.compiled
def test_a_foreign_interrupt_enters_the_wrong_domain_once():
    scenario = small(
        [{"name": "io"}, {"name": "calc", "compute": True}], [{"name": "a", "owner": "io", "arrival": periodic(100)}]
    )
    result = runner.run(scenario, "rhype")
    assert (result["foreign"], result["spurious"]) == (20, 0)
    assert of(result, "a") == {"raised": 20, "serviced": 20}


@pytest.mark.compiled
@pytest.mark.parametrize("design", ["rhype", "hybrid"])
def test_a_foreign_interrupt_that_is_not_queued_is_lost(design):
    """The defect: its owner sleeps for ever; what comes while nobody runs still finds it."""
    scenario = small(
        [{"name": "io"}, {"name": "calc", "compute": True}],
        [{"name": "a", "owner": "io", "arrival": periodic(100)}],
        defects=["foreign-dropped"],
    )
    result = runner.run(scenario, design, **({"cpu": "power8"} if design == "hybrid" else {}))
    assert of(result, "a") == {"raised": 20, "lost": 20}
    assert result["foreign"] == 20


@pytest.mark.compiled
def test_own_interrupts_need_no_hypervisor_entry_but_the_calls():
    scenario = small([{"name": "io", "compute": True}], [{"name": "a", "owner": "io", "arrival": periodic(100)}])
    result = runner.run(scenario, "rhype")
    assert result["hypervisor_entries"]["hcall_papr"] == 2 * 20
    assert set(result["hypervisor_entries"]) <= {"hcall_papr", "hdec"}
    assert finished(scenario, "rhype").views[Table.PIC_CPU][0].serving == 0
    assert booted(scenario, "rhype").views[Table.PIC_CPU][0].task_priority == 0
