"""xen-x86: the hypervisor calls the guest back (Xen of March 2006, arch/x86; docs/explanation/designs/xen-x86.md).

One pCPU, two domains with an edge and a level source each, at ports 1 and 2. The vCPU that runs is called `me`, the
other `other`; both spin and do what a test says, so each step is seen by itself. The bundled guest's own way back is
tested in test_xen_x86_return.py.
"""

import struct

import pytest

from hv.harness import MANUAL, SHORT, kinds, logged, of, parked, periodic, pirq, sharing, small, vcpu
from irqvisor.errors import IrqvisorError
from irqvisor.hv.loop import whereabouts
from irqvisor.hv.state import Exit, Where
from irqvisor.lab import runner
from irqvisor.machine import Machine
from irqvisor.spec import xen
from irqvisor.spec.power_isa import (
    MSR_BE,
    MSR_DR,
    MSR_EE,
    MSR_FE0,
    MSR_FP,
    MSR_HV,
    MSR_IR,
    MSR_ME,
    MSR_PR,
    MSR_RI,
    MSR_SE,
    MSR_SF,
    VEC_EXTERNAL,
)
from irqvisor.tables import Table
from irqvisor.trace import Kind

ON = MSR_SF | MSR_ME | MSR_RI | MSR_EE
EDGE, LEVEL = 0, 1
CALLBACK, FAILSAFE = 0x11000, 0x11100
STACK, KERNEL_STACK = 0x14008, 0x15000
SPIN = (0x48000000).to_bytes(4, "big")
R1, R3, R4, PC, MASK, MSR, CAUSE, DAR = range(8)
RED_ZONE, FRAME = 288, 64


@pytest.fixture(scope="module")
def machine():
    sources = [
        {"name": f"{trigger}-{domain}", "owner": domain, "trigger": trigger, "arrival": MANUAL}
        for domain in ("a", "b")
        for trigger in ("edge", "level")
    ]
    domains = [{"name": "a", "compute": True}, {"name": "b", "compute": True}]
    return sharing(small(domains, sources, scheduler=SHORT), "xen-x86")


@pytest.fixture
def pair(machine):
    """(me, other): both have callbacks and a stack, and are not masked."""
    guests = parked(machine.fork())
    for guest in guests:
        for place in (CALLBACK, FAILSAFE):
            guest.memory[place : place + 4] = SPIN
        guest.cpu.gpr[1] = STACK
        vcpu(guest.machine, guest.v).event_callback = CALLBACK
        vcpu(guest.machine, guest.v).failsafe_callback = 0
        set_mask(guest, 0)
    running = int(guests[0].machine.views[Table.PCPU][0].context)
    return guests[running], guests[1 - running]


def set_mask(guest, value):
    guest.memory[guest.shared + xen.UPCALL_MASK] = value


def mask(guest):
    return guest.memory[guest.shared + xen.UPCALL_MASK]


def post(guest, which, cycles=4000):
    """An item for one of a guest's sources, and time for the hypervisor to see to it."""
    guest.machine.raise_irq(1 + 2 * guest.v + which)
    guest.machine.run(cycles=cycles)


def frame(guest, cell=8):
    """The cells at r1."""
    data = bytes(guest.memory[int(guest.cpu.gpr[1]) : int(guest.cpu.gpr[1]) + 8 * cell])
    return struct.unpack(">8q" if cell == 8 else ">8I", data)


def put_frame(guest, at, **cells):
    """A frame as a handler leaves it for iret."""
    names = ("r1", "r3", "r4", "pc", "mask", "msr", "cause", "dar")
    guest.memory[at : at + FRAME] = struct.pack(">8q", *(cells.get(name, 0) for name in names))


def iret(guest, at, **cells):
    """Make the hypercall with r1 at a frame, and let the guest go on."""
    put_frame(guest, at, **cells)
    guest.park(guest.SC_1, msr=ON)
    guest.cpu.gpr[1], guest.cpu.gpr[3] = at, xen.HC_IRET | xen.MARK
    guest.machine.run(cycles=2000)


def take_events(guest):
    """Scan: nothing is pending any more."""
    guest.memory[guest.shared] = 0
    guest.set_bits(xen.PENDING_SEL, 0)
    guest.set_bits(xen.EVTCHN_PENDING, 0)


def domain_of(guest):
    return guest.machine.views[Table.DOMAIN][guest.v]


# ------------------------------------------------------------------------------------------------------ the upcall


def test_an_upcall_is_a_frame_on_the_guests_stack_and_an_entry_at_its_callback(pair):
    me, _ = pair
    dropped = MSR_FP | MSR_FE0 | MSR_SE | MSR_BE
    me.park(msr=ON)
    for r in (0, *range(2, 32)):
        me.cpu.gpr[r] = 0x0101 * r
    me.cpu.srr0, me.cpu.srr1 = 0x1110, 0x2220
    me.machine.raise_irq(1 + 2 * me.v)
    me.cpu.msr = ON | MSR_FP | MSR_FE0
    me.machine.run(cycles=4000)
    assert me.at == CALLBACK
    assert int(me.cpu.gpr[1]) == (STACK - RED_ZONE & ~15) - FRAME
    assert int(me.cpu.gpr[1]) % 16 == 0
    assert frame(me) == (STACK, 0x303, 0x404, me.HERE, 0, ON | MSR_FP | MSR_FE0, VEC_EXTERNAL, 0)
    assert me.cpu.msr == ON & ~dropped  # EE among what stays
    assert [int(me.cpu.gpr[r]) for r in (0, *range(2, 32))] == [0x0101 * r for r in (0, *range(2, 32))]
    assert (me.cpu.srr0, me.cpu.srr1) == (0x1110, 0x2220)
    assert mask(me) == 1
    assert (me.pending(), me.selector, me.upcall) == (1 << 1, 1, 1)


def test_a_masked_guest_is_not_called_and_its_event_waits(pair):
    me, _ = pair
    set_mask(me, 1)
    me.park(msr=ON)
    post(me, EDGE)
    assert (me.at, me.upcall) == (me.HERE, 1)
    assert whereabouts(me.machine.arrays, 2 * me.v) == Where.DISABLED


def test_a_guest_with_ee_off_is_not_called_for_srr0_and_srr1_are_in_use(pair):
    """Else there would be a frame at the first instruction of the guest's own exception handler."""
    me, _ = pair
    me.park(msr=ON & ~MSR_EE)
    post(me, EDGE)
    assert (me.at, me.upcall, mask(me)) == (me.HERE, 1, 0)


def test_interrupts_reach_the_hypervisor_whatever_the_guest_has_masked(pair):
    me, other = pair
    set_mask(me, 1)
    me.park(msr=ON & ~MSR_EE)
    post(other, EDGE)
    assert other.upcall == 1


def test_a_program_is_interrupted_onto_the_kernel_stack(pair):
    me, _ = pair
    assert me.xen(xen.HC_STACK_SWITCH, KERNEL_STACK) == 0
    me.park(msr=ON | MSR_PR)
    me.cpu.gpr[1] = 0xDEAD0000
    post(me, EDGE)
    assert me.at == CALLBACK
    assert int(me.cpu.gpr[1]) == KERNEL_STACK - FRAME
    assert frame(me)[R1] == 0xDEAD0000
    assert frame(me)[MSR] & MSR_PR
    assert not me.cpu.msr & MSR_PR


def test_a_32_bit_guest_gets_cells_of_four_bytes_and_keeps_no_red_zone(pair):
    me, _ = pair
    me.park(msr=ON & ~MSR_SF)
    post(me, EDGE)
    assert int(me.cpu.gpr[1]) == (STACK & ~15) - FRAME // 2
    assert frame(me, cell=4)[PC] == me.HERE
    assert not me.cpu.msr & MSR_SF


def test_upcalls_nest_when_the_handler_clears_the_mask(pair):
    me, _ = pair
    me.park(msr=ON)
    post(me, EDGE)
    first = int(me.cpu.gpr[1])
    take_events(me)
    post(me, EDGE)
    assert (int(me.cpu.gpr[1]), me.upcall) == (first, 1)  # not while the mask is 1
    take_events(me)
    set_mask(me, 0)
    post(me, EDGE)
    assert int(me.cpu.gpr[1]) == (first - RED_ZONE & ~15) - FRAME
    assert frame(me)[R1] == first
    assert frame(me)[PC] == CALLBACK


def test_two_events_while_masked_are_one_upcall(pair):
    me, _ = pair
    set_mask(me, 1)
    me.park(msr=ON)
    post(me, EDGE)
    post(me, LEVEL)
    set_mask(me, 0)
    me.xen(xen.HC_XEN_VERSION, 0, msr=ON)
    assert me.at == CALLBACK
    assert me.pending() == 1 << 1 | 1 << 2
    take_events(me)
    iret(me, int(me.cpu.gpr[1]), r1=STACK, pc=me.HERE + 4, msr=ON)
    assert me.at == me.HERE + 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda me: setattr(vcpu(me.machine, me.v), "event_callback", 0),
        lambda me: me.cpu.gpr.__setitem__(1, 0x7FFF0000),
        lambda me: setattr(me.cpu, "msr", ON | MSR_IR | MSR_DR),
    ],
    ids=["no callback", "no memory", "translated, and nothing translates"],
)
def test_a_guest_that_cannot_be_called_is_crashed_and_nobody_else(pair, damage):
    me, other = pair
    me.park(msr=ON)
    me.machine.raise_irq(1 + 2 * me.v)
    damage(me)
    me.machine.run(cycles=4000)
    assert (domain_of(me).alive, domain_of(me).exit) == (0, Exit.UPCALL)
    assert domain_of(other).alive == 1
    assert int(me.machine.views[Table.PCPU][0].context) == other.v


# ------------------------------------------------------------------------------------------------------------ iret


def test_iret_restores_what_the_frame_says_and_the_mask_with_it(pair):
    me, _ = pair
    iret(me, 0x12000, r1=0x13330, r3=3, r4=4, pc=FAILSAFE, msr=ON | MSR_HV)
    assert me.at == FAILSAFE
    assert (me.cpu.gpr[1], me.cpu.gpr[3], me.cpu.gpr[4]) == (0x13330, 3, 4)
    assert me.cpu.msr == ON
    assert mask(me) == 0


def test_iret_with_ee_off_in_the_frame_stays_masked_and_really_interruptible(pair):
    """On 10 March 2006 the 64-bit version did not restore the mask at all; fixed on the 29th."""
    me, _ = pair
    iret(me, 0x12000, r1=STACK, pc=me.HERE + 4, msr=ON & ~MSR_EE)
    assert mask(me) == 1
    assert me.cpu.msr & MSR_EE


def test_iret_with_an_event_pending_calls_again_on_the_restored_context(pair):
    """No window, and no growth: the frame that was returned from is gone before the next one is built."""
    me, _ = pair
    me.park(msr=ON)
    post(me, EDGE)
    at = int(me.cpu.gpr[1])
    post(me, LEVEL)
    iret(me, at, r1=STACK, r3=7, pc=me.HERE, msr=ON)
    assert me.at == CALLBACK
    assert int(me.cpu.gpr[1]) == at
    assert (frame(me)[PC], frame(me)[R3], mask(me)) == (me.HERE, 7, 1)


def test_an_iret_that_leads_nowhere_goes_to_the_failsafe_callback(pair):
    me, _ = pair
    assert me.xen(xen.HC_SET_CALLBACKS, CALLBACK, FAILSAFE) == 0
    iret(me, 0x12000, r1=STACK, pc=0x7FFF0000, msr=ON)
    assert me.at == FAILSAFE
    assert int(me.cpu.gpr[1]) == 0x12000 - RED_ZONE - FRAME
    assert frame(me)[PC] == me.HERE + 4
    assert frame(me)[CAUSE] == 0x400


@pytest.mark.parametrize(("at", "pc"), [(0x7FFF0000, 0), (0x12000, 0x7FFF0000)], ids=["frame", "target"])
def test_without_one_it_crashes_the_domain(pair, at, pc):
    me, other = pair
    if at < 0x20000:
        put_frame(me, at, r1=STACK, pc=pc, msr=ON)
    me.park(me.SC_1, msr=ON)
    me.cpu.gpr[1], me.cpu.gpr[3] = at, xen.HC_IRET | xen.MARK
    me.machine.run(cycles=2000)
    assert (domain_of(me).alive, domain_of(me).exit) == (0, Exit.UPCALL)
    assert domain_of(other).alive == 1


# --------------------------------------------------------------------------------------- masking, and what goes wrong

LI_R5_0, STB_MASK = 0x38A00000, 0x98A60001  # li r5,0; stb r5,1(r6)
LBZ_PENDING = 0x88E60000  # lbz r7,0(r6)


def unmasking(guest, *words):
    """A guest about to unmask, r6 at its vcpu_info."""
    set_mask(guest, 1)
    guest.park(LI_R5_0, *words, msr=ON)
    guest.cpu.gpr[6] = guest.shared


def test_an_event_between_unmasking_and_the_look_is_delivered_by_the_exit_path(pair):
    me, _ = pair
    unmasking(me, STB_MASK, LBZ_PENDING)
    while me.at < me.HERE + 8:
        me.machine.step()
    post(me, EDGE)
    assert (me.at, frame(me)[PC]) == (CALLBACK, me.HERE + 8)


def test_an_event_between_a_look_and_unmasking_is_not_seen_before_the_next_exit(pair):
    """The wrong order: read pending, then unmask."""
    me, _ = pair
    unmasking(me, LBZ_PENDING, STB_MASK)
    while me.at < me.HERE + 8:
        me.machine.step()
    post(me, EDGE)
    assert (me.at, int(me.cpu.gpr[7]), me.upcall, mask(me)) == (me.HERE + 12, 0, 1, 0)
    me.xen(xen.HC_XEN_VERSION, 0, msr=ON)
    assert me.at == CALLBACK


def test_pending_cleared_after_the_scan_erases_what_came_between(pair):
    me, _ = pair
    me.park(msr=ON)
    post(me, EDGE)
    me.set_bits(xen.PENDING_SEL, 0)
    me.set_bits(xen.EVTCHN_PENDING, 0)  # the scan
    post(me, LEVEL)
    me.memory[me.shared] = 0  # too late
    iret(me, int(me.cpu.gpr[1]), r1=STACK, pc=me.HERE + 4, msr=ON)
    assert (me.at, me.pending()) == (me.HERE + 4, 1 << 2)
    assert whereabouts(me.machine.arrays, 2 * me.v + 1) == Where.NOWHERE


def test_a_guests_exception_left_by_rfid_loses_the_wake_up_and_by_iret_does_not(pair):
    rfid = 0x4C000024
    me, _ = pair
    me.park(rfid, msr=ON & ~MSR_EE)
    me.cpu.srr0, me.cpu.srr1 = me.HERE + 4, ON
    me.machine.raise_irq(1 + 2 * me.v)
    me.machine.run(cycles=4000)
    assert (me.at, me.upcall, mask(me)) == (me.HERE + 4, 1, 0)  # interruptible, pending, and nobody looks
    iret(me, 0x12000, r1=STACK, pc=me.HERE + 4, msr=ON)
    assert me.at == CALLBACK


def test_block_lets_upcalls_in_and_does_not_sleep_on_a_pending_one(pair):
    me, _ = pair
    set_mask(me, 1)
    me.park(msr=ON)
    post(me, EDGE)
    me.xen(xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK, msr=ON)
    assert me.at == CALLBACK
    assert vcpu(me.machine, me.v).blocked == 0


def test_the_timer_is_an_event_and_not_a_decrementer_interrupt(pair):
    me, _ = pair
    assert me.evtchn(xen.EVTCHNOP_BIND_VIRQ, "III", xen.VIRQ_TIMER, 0, 0) == 0
    port = me.out[2]
    me.set_bits(xen.EVTCHN_MASK, me.mask() & ~(1 << port))
    me.xen(xen.HC_SET_TIMER_OP, me.machine.now * 10**9 // int(me.machine.header.clock_hz) + 20_000)
    me.park(msr=ON)
    set_mask(me, 1)
    me.machine.run(cycles=200_000)
    assert (me.at, me.pending()) == (me.HERE, 1 << port)
    set_mask(me, 0)
    me.xen(xen.HC_XEN_VERSION, 0, msr=ON)
    assert me.at == CALLBACK


def test_a_level_line_stays_in_service_until_the_guest_says_that_it_is_done(pair):
    me, _ = pair
    me.park(msr=ON)
    post(me, LEVEL)
    assert pirq(me.machine, 2 + 2 * me.v).in_flight == 1
    assert me.op(xen.HC_PHYSDEV_OP, xen.PHYSDEVOP_EOI, "I", 2 + 2 * me.v) == 0
    assert pirq(me.machine, 2 + 2 * me.v).in_flight == 0


# ----------------------------------------------------------------------------------------------------------- the 970


def test_a_970_is_refused_since_it_would_destroy_srr0_and_srr1():
    scenario = small([{"name": "io"}])
    with pytest.raises(IrqvisorError, match="needs a power8") as caught:
        Machine.from_scenario(scenario, design="xen-x86", cpu="970")
    assert "SRR0 and SRR1" in str(caught.value)
    assert runner.run(scenario, "xen-x86", cpu="970")["skipped"].startswith("needs a power8 or power9: ")
    assert Machine.from_scenario(scenario, design="xen-x86").labels.cpu == "power8"


# ---------------------------------------------------------------------------------------------------------- whole runs


@pytest.mark.compiled
@pytest.mark.parametrize(("iret", "calls"), [("hypercall", 20), ("direct", 0)])
def test_an_edge_costs_one_entry_and_the_iret_hypercall_if_it_is_used(iret, calls):
    scenario = small(
        [{"name": "io", "compute": True}],
        [{"name": "a", "owner": "io", "arrival": periodic(100)}],
        options={"xen-x86": {"iret": iret}},
    )
    result = runner.run(scenario, "xen-x86")
    assert result["hypervisor_entries"]["external"] == 20
    assert result["hypervisor_entries"].get("hcall_xen", 0) == calls
    assert result["options"] == {"iret": iret}


@pytest.mark.compiled
@pytest.mark.parametrize("iret", ["hypercall", "direct"])
def test_events_that_come_together_are_served_in_one_upcall(iret):
    sources = [
        {"name": f"s{s}", "owner": "io", "trigger": "edge" if s % 3 else "level", "arrival": periodic(400)}
        for s in range(70)
    ]
    scenario = small([{"name": "io", "compute": True}], sources, options={"xen-x86": {"iret": iret}})
    result, log = logged(scenario, "xen-x86")
    assert (result["lost"], result["pending"], result["rescued"], result["violations"]) == (0, 0, 0, [])
    share = 10 if iret == "direct" else 2  # the hypercall calls again for what came during the trip
    assert share * len(kinds(log, Kind.VECTOR)) < len(kinds(log, Kind.KNOW))


@pytest.mark.compiled
@pytest.mark.parametrize("iret", ["hypercall", "direct"])
def test_a_guest_that_masks_most_of_the_time_loses_nothing(iret):
    """Rescued is what another interrupt found between the store and the look: it would not have needed it."""
    scenario = small(
        [{"name": "io", "compute": True, "compute_unit": 20, "hold_units": 5, "tick_hz": 20_000}],
        [{"name": "a", "owner": "io", "arrival": {"kind": "poisson", "mean_us": 7}}],
        duration_ms=10,
        options={"xen-x86": {"iret": iret}},
    )
    result = runner.run(scenario, "xen-x86")
    assert (result["lost"], result["pending"]) == (0, 0)
    assert of(result, "a")["raised"] > 1000
    assert result["rescued"] < 10
