"""xen-ia64: a virtual interrupt controller behind traps (Xen of March 2006; docs/explanation/designs/xen-ia64.md).

One pCPU, two domains with three sources each. The vCPU that runs is called `me`, the other `other`; both spin and do
what a test says, so each step is seen by itself.
"""

import struct

import pytest

from hv.harness import MANUAL, SHORT, of, parked, periodic, sharing, small, vcpu
from irqvisor.errors import IrqvisorError
from irqvisor.hv.loop import whereabouts
from irqvisor.hv.state import Exit, Where
from irqvisor.lab import runner
from irqvisor.machine import Machine
from irqvisor.spec import sapic, xen
from irqvisor.spec.power_isa import LPCR_MER, MSR_EE, MSR_ME, MSR_RI, MSR_SF, SRR1_CLEARED, SRR1_MEDIATED, VEC_EXTERNAL
from irqvisor.tables import Table

ON = MSR_SF | MSR_ME | MSR_RI | MSR_EE
EDGE, LEVEL, URGENT = 0, 1, 2
"""Sources of a domain, by position: priorities 5, 5 and 3."""
VECTOR = {EDGE: 0xAF, LEVEL: 0xAE, URGENT: 0xCF}
CALLBACK = 0x11000
SPIN = (0x48000000).to_bytes(4, "big")


def board(**options):
    sources = [
        {"name": f"{name}-{domain}", "owner": domain, "trigger": trigger, "priority": priority, "arrival": MANUAL}
        for domain in ("a", "b")
        for name, trigger, priority in (("edge", "edge", 5), ("level", "level", 5), ("urgent", "edge", 3))
    ]
    domains = [{"name": "a", "compute": True}, {"name": "b", "compute": True}]
    return sharing(small(domains, sources, options={"xen-ia64": options}, scheduler=SHORT), "xen-ia64")


@pytest.fixture(scope="module")
def shared():
    return board()


@pytest.fixture(scope="module")
def real():
    return board(mode="real")


def pair_of(machine):
    guests = parked(machine.fork())
    for guest in guests:
        set_word(guest, sapic.VEE, 0)
    running = int(guests[0].machine.views[Table.PCPU][0].context)
    return guests[running], guests[1 - running]


@pytest.fixture
def pair(shared):
    """(me, other): mode shared, interrupts off."""
    return pair_of(shared)


@pytest.fixture
def real_pair(real):
    """(me, other): mode real, EE off."""
    return pair_of(real)


def word(guest, which):
    at = guest.shared + sapic.MAPPED + which
    return int.from_bytes(guest.memory[at : at + 4], "big")


def set_word(guest, which, value):
    at = guest.shared + sapic.MAPPED + which
    guest.memory[at : at + 4] = value.to_bytes(4, "big")


def post(guest, which, cycles=4000):
    """An item for one of a guest's sources, and time for the hypervisor to see to it."""
    guest.machine.raise_irq(1 + 3 * guest.v + which)
    guest.machine.run(cycles=cycles)


def privop(guest, number, argument=0, msr=ON):
    return guest.xen(sapic.HYPERPRIVOP, number, argument, msr=msr)


def ivr(guest):
    return privop(guest, sapic.GET_IVR)


def ready(guest):
    """Interrupts on in mode shared, and spinning."""
    guest.park(msr=ON)
    set_word(guest, sapic.VEE, 1)


def domain_of(guest):
    return guest.machine.views[Table.DOMAIN][guest.v]


# --------------------------------------------------------------------------------------------------------- delivery


def test_delivery_is_as_by_hardware_but_the_enable_is_a_word(pair):
    me, _ = pair
    ready(me)
    post(me, EDGE)
    assert (me.at, me.cpu.srr0) == (VEC_EXTERNAL, me.HERE)
    assert me.cpu.srr1 == ON & ~SRR1_CLEARED
    assert me.cpu.msr == ON & ~MSR_RI  # EE stays
    assert word(me, sapic.VEE) == 0
    assert word(me, sapic.PEND) == 1


def test_a_guest_with_the_word_off_is_not_interrupted_and_a_foreign_interrupt_is_taken_all_the_same(pair):
    me, other = pair
    me.park(msr=ON)
    post(me, EDGE)
    post(other, EDGE)
    assert me.at == me.HERE
    assert whereabouts(me.machine.arrays, 3 * me.v) == Where.DISABLED
    assert word(other, sapic.PEND) == 1


def test_the_vector_is_not_handed_over_a_higher_one_may_come_first(pair):
    me, _ = pair
    ready(me)
    post(me, EDGE)
    post(me, URGENT)  # between delivery and the question
    assert [ivr(me), privop(me, sapic.EOI), ivr(me), privop(me, sapic.EOI), ivr(me)] == [
        VECTOR[URGENT],
        0,
        VECTOR[EDGE],
        0,
        sapic.SPURIOUS,
    ]


def test_asking_when_nothing_is_pending_is_spurious_and_clears_the_hint(pair):
    me, _ = pair
    set_word(me, sapic.PEND, 1)
    assert ivr(me) == sapic.SPURIOUS
    assert word(me, sapic.PEND) == 0


def test_what_is_in_service_masks_by_number_and_not_by_class(pair):
    me, _ = pair
    post(me, LEVEL)
    assert ivr(me) == VECTOR[LEVEL]
    ready(me)
    post(me, EDGE)
    assert me.at == VEC_EXTERNAL  # same class, higher number: VT-i would mask it
    assert ivr(me) == VECTOR[EDGE]
    me.consume(3 * me.v + LEVEL)


@pytest.mark.parametrize(("tpr", "gets"), [(0xA0, False), (0x90, True), (1 << 16, False), (0xAF & 0xFF, False)])
def test_the_task_priority_masks_by_class(pair, tpr, gets):
    me, _ = pair
    post(me, EDGE)
    assert privop(me, sapic.SET_TPR, tpr) == 0
    assert privop(me, sapic.GET_TPR) == tpr
    assert (ivr(me) == VECTOR[EDGE]) == gets


def test_reserved_bits_of_the_task_priority_are_refused(pair):
    me, _ = pair
    assert privop(me, sapic.SET_TPR, 0x100) == -1
    assert word(me, sapic.TPR) == 0


def test_an_eoi_with_nothing_in_service_changes_nothing(pair):
    me, _ = pair
    post(me, EDGE)
    assert privop(me, sapic.EOI) == 0
    assert ivr(me) == VECTOR[EDGE]


def test_an_eoi_ends_the_highest_vector_in_service(pair):
    me, _ = pair
    post(me, EDGE)
    assert ivr(me) == VECTOR[EDGE]
    post(me, URGENT)
    assert ivr(me) == VECTOR[URGENT]
    privop(me, sapic.EOI)
    assert [int(w) for w in vcpu(me.machine, me.v).insvc] == [0, 0, 1 << (VECTOR[EDGE] & 63), 0]


def test_three_arrivals_while_in_service_are_one_more_delivery(pair):
    me, _ = pair
    post(me, EDGE)
    assert ivr(me) == VECTOR[EDGE]
    for _ in range(3):
        post(me, EDGE)
    assert ivr(me) == sapic.SPURIOUS
    privop(me, sapic.EOI)
    assert ivr(me) == VECTOR[EDGE]
    privop(me, sapic.EOI)
    assert ivr(me) == sapic.SPURIOUS


# --------------------------------------------------------------------------------------------- the enable, and the hint

LI_R5_1, STW_VEE, LWZ_PEND = 0x38A00001, 0x90A60000, 0x80E60004  # li r5,1; stw r5,0(r6); lwz r7,4(r6)


def enabling(guest, *words):
    guest.park(LI_R5_1, *words, msr=ON)
    guest.cpu.gpr[6] = guest.shared + sapic.MAPPED
    set_word(guest, sapic.PEND, 0)
    while guest.at < guest.HERE + 8:
        guest.machine.step()


def test_an_interrupt_between_enabling_and_the_look_is_delivered(pair):
    me, _ = pair
    enabling(me, STW_VEE, LWZ_PEND)
    post(me, EDGE)
    assert (me.at, me.cpu.srr0) == (VEC_EXTERNAL, me.HERE + 8)


def test_an_interrupt_between_the_look_and_enabling_is_not_seen_before_the_next_exit(pair):
    """The wrong order: test PEND, then VEE = 1."""
    me, _ = pair
    enabling(me, LWZ_PEND, STW_VEE)
    post(me, EDGE)
    assert (me.at, int(me.cpu.gpr[7]), word(me, sapic.PEND)) == (me.HERE + 12, 0, 1)
    me.xen(xen.HC_XEN_VERSION, 0, msr=ON)
    assert me.at == VEC_EXTERNAL


def test_ssm_i_enables_and_delivers_in_the_same_trap(pair):
    me, _ = pair
    post(me, EDGE)
    privop(me, sapic.SSM_I)
    assert (me.at, me.cpu.srr0, word(me, sapic.VEE)) == (VEC_EXTERNAL, me.HERE + 4, 0)


def test_ssm_i_for_what_the_task_priority_masks_delivers_nothing_and_keeps_the_hint(pair):
    me, _ = pair
    privop(me, sapic.SET_TPR, 0xF0)
    post(me, EDGE)
    privop(me, sapic.SSM_I)
    assert me.at == me.HERE + 4
    assert (word(me, sapic.VEE), word(me, sapic.PEND)) == (1, 1)
    set_word(me, sapic.VEE, 0)
    privop(me, sapic.SET_TPR, 0)
    privop(me, sapic.SSM_I)
    assert me.at == VEC_EXTERNAL


def test_rfi_restores_the_context_and_the_enable_in_one_step(pair):
    me, _ = pair
    block = 0x12000
    me.memory[block : block + 40] = struct.pack(">5q", 33, 44, 55, 66, 0x13330)
    me.park(me.SC_1, msr=ON)
    values = {1: block, 3: sapic.HYPERPRIVOP | xen.MARK, 4: sapic.RFI, 5: ON, 6: CALLBACK}
    for r, value in values.items():
        me.cpu.gpr[r] = value
    me.memory[CALLBACK : CALLBACK + 4] = SPIN
    me.machine.run(cycles=2000)
    assert me.at == CALLBACK
    assert [int(me.cpu.gpr[r]) for r in (3, 4, 5, 6, 1)] == [33, 44, 55, 66, 0x13330]
    assert (word(me, sapic.VEE), me.cpu.msr) == (1, ON)


def test_ri_off_with_an_interrupt_to_deliver_stops_the_domain(pair):
    me, other = pair
    ready(me)
    me.cpu.msr = ON & ~MSR_RI
    post(me, EDGE)
    assert (domain_of(me).alive, domain_of(me).exit) == (0, Exit.UNRECOVERABLE)
    assert domain_of(other).alive == 1


def test_block_looks_whatever_the_enable_says(pair):
    """A block that honours VEE would sleep here for ever: the idle loop has it off."""
    me, _ = pair
    post(me, EDGE)
    me.xen(xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK, msr=ON)
    assert vcpu(me.machine, me.v).blocked == 0
    assert me.at == me.HERE + 4  # and does not deliver: VEE is 0


# ------------------------------------------------------------------------------------------------------- level lines


def test_a_level_line_is_masked_until_its_eoi_and_comes_again_then(pair):
    """Not masked, it would be pending again before the handler has quieted the device; not unmasked, dead after one."""
    me, _ = pair
    post(me, LEVEL)
    assert ivr(me) == VECTOR[LEVEL]
    me.machine.run(cycles=4000)
    assert ivr(me) == sapic.SPURIOUS
    privop(me, sapic.EOI)  # the line is still up
    me.machine.run(cycles=4000)
    assert ivr(me) == VECTOR[LEVEL]
    me.consume(3 * me.v + LEVEL)
    privop(me, sapic.EOI)
    assert ivr(me) == sapic.SPURIOUS


# ----------------------------------------------------------------------------------------- event channels, one vector


def test_events_are_one_vector_and_a_level(pair):
    """Acknowledged without clearing upcall_pending, it is raised again."""
    me, _ = pair
    assert me.evtchn(xen.EVTCHNOP_BIND_IPI, "II", 0, 0) == 0
    port = me.out[1]
    me.set_bits(xen.EVTCHN_MASK, me.mask() & ~(1 << port))
    assert me.evtchn(xen.EVTCHNOP_SEND, "I", port) == 0
    for _ in range(2):
        assert ivr(me) == sapic.EVENT_VECTOR
        assert ivr(me) == sapic.SPURIOUS  # while it is in service
        privop(me, sapic.EOI)
    me.memory[me.shared] = 0
    assert ivr(me) == sapic.EVENT_VECTOR  # it was pended once more by that EOI
    privop(me, sapic.EOI)
    assert ivr(me) == sapic.SPURIOUS


def test_the_timer_is_a_vector_unless_it_is_masked(pair):
    me, _ = pair
    for itv, gets in ((sapic.TIMER_VECTOR, sapic.TIMER_VECTOR), (sapic.MASK_ALL | 0xEF, sapic.SPURIOUS)):
        set_word(me, sapic.ITV, itv)
        now = me.machine.now * 10**9 // int(me.machine.header.clock_hz)
        me.xen(xen.HC_SET_TIMER_OP, now + 20_000)
        me.park(msr=ON)
        me.machine.run(cycles=200_000)
        assert ivr(me) == gets
        privop(me, sapic.EOI)


# --------------------------------------------------------------------------------------------------------- mode real


def test_mode_real_delivers_when_ee_becomes_1_by_a_mediated_interrupt(real_pair):
    me, _ = real_pair
    me.park(msr=ON & ~MSR_EE)
    post(me, EDGE)
    assert (me.at, bool(me.cpu.lpcr & LPCR_MER)) == (me.HERE, True)
    me.cpu.msr = ON
    me.machine.run(cycles=500)
    assert me.at == VEC_EXTERNAL
    assert me.cpu.srr1 & SRR1_MEDIATED
    assert ivr_off(me) == VECTOR[EDGE]
    assert not me.cpu.lpcr & LPCR_MER  # or there would be one spurious 0x500 more
    privop(me, sapic.EOI, msr=ON & ~MSR_EE)


def ivr_off(guest):
    return privop(guest, sapic.GET_IVR, msr=ON & ~MSR_EE)


def test_mode_real_without_mediation_waits_for_the_next_exit():
    me, _ = pair_of(board(mode="real", mer="off"))
    me.park(msr=ON & ~MSR_EE)
    post(me, EDGE)
    me.cpu.msr = ON
    me.machine.run(cycles=500)
    assert me.at == me.HERE
    me.xen(xen.HC_XEN_VERSION, 0, msr=ON)
    assert me.at == VEC_EXTERNAL


# --------------------------------------------------------------------------------------- the later one: event channels


def test_after_the_move_to_event_channels_it_is_a_callback_and_srr0_and_srr1():
    me, _ = pair_of(board(events="callback"))
    me.memory[CALLBACK : CALLBACK + 4] = SPIN
    vcpu(me.machine, me.v).event_callback = CALLBACK
    me.memory[me.shared + xen.UPCALL_MASK] = 1
    me.park(msr=ON)
    post(me, EDGE)
    assert (me.at, me.upcall) == (me.HERE, 1)
    me.memory[me.shared + xen.UPCALL_MASK] = 0
    me.xen(xen.HC_XEN_VERSION, 0, msr=ON)
    assert (me.at, me.cpu.srr0) == (CALLBACK, me.HERE + 4)
    assert me.cpu.msr == ON & ~MSR_RI
    assert me.memory[me.shared + xen.UPCALL_MASK] == 1


# -------------------------------------------------------------------------------------------------------------- limits


def test_more_sources_than_vectors_is_an_input_error():
    sources = [{"name": f"s{s}", "owner": "io", "slots": 2, "arrival": MANUAL} for s in range(240)]
    with pytest.raises(IrqvisorError, match="240 sources; expected as many as its controller has vectors"):
        Machine.from_scenario(small([{"name": "io", "ram_kib": 256}], sources), design="xen-ia64")


def test_vectors_follow_priorities_and_leave_out_the_reserved_ones():
    assert sapic.vectors([5, 5, 3, 13]) == [0xAF, 0xAE, 0xCF, 0x2F]
    many = sapic.vectors([1] * 20)
    assert len(set(many)) == 20
    assert not set(many) & {*sapic.RESERVED, *range(16)}
    assert sapic.vectors([5] * 237) is None
    assert sorted(sapic.vectors([5] * 236)) == sorted(set(range(16, 256)) - set(sapic.RESERVED))


# ---------------------------------------------------------------------------------------------------------- whole runs


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({}, 7),  # the sheet's 4n + 3: GET_IVR twice, GET_TPR, SET_TPR twice, EOI, RFI
        ({"tpr": "none"}, 4),
        ({"mode": "real"}, 6),
        ({"mode": "real", "tpr": "none"}, 3),
        ({"events": "callback"}, 1),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else str(value),
)
def test_an_interrupt_costs_one_entry_and_as_many_traps_as_registers_are_touched(options, calls):
    scenario = small(
        [{"name": "io", "compute": True}],
        [{"name": "a", "owner": "io", "arrival": periodic(100)}],
        options={"xen-ia64": options},
    )
    result = runner.run(scenario, "xen-ia64")
    assert result["hypervisor_entries"]["external"] == 20
    assert result["hypervisor_entries"]["hcall_xen"] == 20 * calls


VARIANTS = [{}, {"tpr": "none"}, {"mode": "real"}, {"mode": "real", "mer": "off"}, {"events": "callback"}]


@pytest.mark.compiled
@pytest.mark.parametrize("options", VARIANTS, ids=lambda options: "-".join(options.values()) or "usual")
@pytest.mark.parametrize("trigger", ["edge", "level"])
def test_every_variant_loses_nothing(options, trigger):
    scenario = small(
        [{"name": "io"}, {"name": "busy", "compute": True, "compute_unit": 20, "hold_units": 5, "tick_hz": 20_000}],
        [
            {"name": "a", "owner": "io", "trigger": trigger, "arrival": {"kind": "poisson", "mean_us": 30}},
            {"name": "b", "owner": "busy", "trigger": trigger, "arrival": {"kind": "poisson", "mean_us": 20}},
            {"name": "c", "owner": "busy", "trigger": trigger, "priority": 3, "arrival": periodic(50)},
        ],
        options={"xen-ia64": options},
        scheduler={"slice_us": 37, "hdec_period_us": 37},
    )
    result = runner.run(scenario, "xen-ia64")
    assert (result["lost"], result["pending"], result["violations"], result["faults"]) == (0, 0, [], [])
    assert of(result, "c")["raised"] == 40
    if options.get("mer") != "off":
        assert result["rescued"] < 10


def test_a_970_is_refused():
    with pytest.raises(IrqvisorError, match="xen-ia64 needs a power8"):
        Machine.from_scenario(small([{"name": "io"}]), design="xen-ia64", cpu="970")
