"""Each step of a delivery is charged once, as docs/reference/charges.md lists it: to the cycle.

One interrupt of a quiet machine is followed from its raise to its completion. That takes the sum of what the
table says, under any profile, plus the guest's instructions. What is not in that journey - other hypercalls, HDEC,
events that need no delivery of their own - is compared with the hypervisor's own counter.
"""

import pytest

from hv.harness import MANUAL, booted, parked, sharing, small, vcpu
from irqvisor.lab import profile as profiles
from irqvisor.lab import scenario as scenarios
from irqvisor.spec import papr, paths, xen
from irqvisor.tables import Table

PROFILES = {
    "power9-2021": {},
    "ppc970-2006": {},
    # Numbers of which no small multiples add up to another
    "odd": {
        "exc_entry": 101,
        "exc_return": 1_009,
        "hcall_rt": 10_007,
        "world_switch_rt": 200_006,
        "pic_mmio_read": "1_000_003cycles",
        "pic_mmio_write": "40_009cycles",
        "inject": "300_007cycles",
        "switch_penalty": 7_001,
        "host_wakeup": "60_013cycles",
        "cycles_per_instruction": 3,
        "hv_cycles_per_instruction": 7,
    },
}

UPCALL = {"exc_entry": 1, "pic_mmio_read": 1, "pic_mmio_write": 1, "inject": 1, "exc_return": 1}

# docs/reference/charges.md, from raise to completion; a world switch is charged by halves
CHARGED = {
    ("native", "computing", "edge"): {"exc_entry": 1, "pic_mmio_read": 1, "pic_mmio_write": 1},
    ("native", "computing", "level"): {"exc_entry": 1, "pic_mmio_read": 1, "pic_mmio_write": 1},
    ("native", "asleep", "edge"): {"exc_entry": 1, "pic_mmio_read": 1, "pic_mmio_write": 1},
    ("rhype", "computing", "edge"): {"exc_entry": 1, "hcall_rt": 2, "pic_mmio_read": 1, "pic_mmio_write": 2},
    ("rhype", "computing", "level"): {"exc_entry": 1, "hcall_rt": 2, "pic_mmio_read": 1, "pic_mmio_write": 3},
    ("rhype", "asleep", "edge"): {
        "exc_entry": 1,
        "pic_mmio_read": 1,
        "pic_mmio_write": 2,
        "host_wakeup": 1,
        "exc_return": 1,
        "inject": 1,
        "hcall_rt": 2,
    },
    ("rhype", "foreign", "edge"): {
        "exc_entry": 1,
        "hcall_rt": 3,
        "pic_mmio_read": 1,
        "pic_mmio_write": 2,
        "host_wakeup": 1,
        "world_switch_rt": 0.5,
        "switch_penalty": 1,
        "inject": 1,
    },
    ("xen-ppc", "computing", "edge"): {
        "exc_entry": 1,
        "pic_mmio_read": 1,
        "pic_mmio_write": 1,
        "inject": 1,
        "exc_return": 2,  # the hypervisor's, and the guest's, which completes the journey
    },
    ("xen-ppc", "computing", "level"): {
        "exc_entry": 1,
        "pic_mmio_read": 1,
        "inject": 1,
        "exc_return": 1,
        "hcall_rt": 1,
        "pic_mmio_write": 1,
    },
    ("xen-ppc", "asleep", "edge"): {
        "exc_entry": 1,
        "pic_mmio_read": 1,
        "pic_mmio_write": 1,
        "host_wakeup": 1,
        "inject": 1,
        "exc_return": 2,
    },
    ("xen-ppc", "foreign", "edge"): {
        "exc_entry": 1,
        "pic_mmio_read": 1,
        "pic_mmio_write": 1,
        "host_wakeup": 1,
        "world_switch_rt": 0.5,
        "switch_penalty": 1,
        "inject": 1,
        "exc_return": 2,
    },
    ("xen-x86", "computing", "edge"): {**UPCALL, "hcall_rt": 1},
    ("xen-x86", "computing", "level"): {**UPCALL, "hcall_rt": 1},
    ("xen-x86", "asleep", "edge"): {**UPCALL, "host_wakeup": 1, "hcall_rt": 1},
    ("xen-x86", "foreign", "edge"): {
        **UPCALL,
        "host_wakeup": 1,
        "world_switch_rt": 0.5,
        "switch_penalty": 1,
        "hcall_rt": 1,
    },
}

ASKED = {"exc_entry": 1, "pic_mmio_read": 1, "pic_mmio_write": 1, "inject": 1, "exc_return": 1, "hcall_rt": 5}
WOKEN = {**ASKED, "host_wakeup": 1, "hcall_rt": 6}
CHARGED |= {
    ("xen-ia64", "computing", "edge"): ASKED,
    ("xen-ia64", "computing", "level"): {**ASKED, "pic_mmio_write": 2},
    ("xen-ia64", "asleep", "edge"): WOKEN,
    ("xen-ia64", "foreign", "edge"): {**WOKEN, "world_switch_rt": 0.5, "switch_penalty": 1},
}
CHARGED |= {
    ("direct", "computing", "edge"): {"exc_entry": 1, "pic_mmio_read": 2},
    ("direct", "computing", "level"): {"exc_entry": 1, "pic_mmio_read": 2},
    ("direct", "asleep", "edge"): {
        "exc_entry": 2,
        "pic_mmio_read": 4,
        "pic_mmio_write": 3,
        "host_wakeup": 1,
        "exc_return": 1,
    },
    ("direct", "foreign", "edge"): {
        "exc_entry": 2,
        "pic_mmio_read": 6,
        "pic_mmio_write": 3,
        "host_wakeup": 1,
        "world_switch_rt": 0.5,
        "switch_penalty": 1,
        "exc_return": 1,
    },
}

RHYPES = [("computing", "edge"), ("computing", "level"), ("asleep", "edge"), ("foreign", "edge")]
CHARGED |= {("hybrid", *case): CHARGED["rhype", *case] for case in RHYPES}  # what comes on top comes after completion

# The hypervisor's own work on the same way
REGISTERS = ("GET_IVR", "CHECK", "GET_TPR", "CHECK", "SET_TPR", "CHECK", "SET_TPR", "CHECK", "SAPIC_EOI")
ANSWERED = ("XIRR", "SERVE", "LOOK", "EOI")
QUEUED = ("XIRR", "SEARCH", "UNQUEUE", "SERVE", "LOOK", "EOI")
PATHS = {
    ("rhype", "computing", "edge"): ("TAKE", *ANSWERED),
    ("rhype", "computing", "level"): ("TAKE", "MASK_LEVEL", *ANSWERED),
    ("rhype", "asleep", "edge"): ("TAKE", "SEARCH", *QUEUED),
    ("rhype", "foreign", "edge"): ("XIRR", "TAKE", "SEARCH", *QUEUED),
    ("direct", "asleep", "edge"): ("ESCALATION", "PUSH"),
    ("direct", "foreign", "edge"): ("ESCALATION", "PULL", "PUSH"),
    ("xen-ppc", "computing", "edge"): ("EXTERNAL",),
    ("xen-ppc", "computing", "level"): ("EXTERNAL", "PHYSDEV", "END_PIRQ"),
    ("xen-ppc", "asleep", "edge"): ("EXTERNAL",),
    ("xen-ppc", "foreign", "edge"): ("EXTERNAL",),
    ("xen-ia64", "computing", "edge"): ("TAKE", *REGISTERS),
    ("xen-ia64", "computing", "level"): ("TAKE", "MASK_LEVEL", *REGISTERS),
    ("xen-ia64", "asleep", "edge"): ("TAKE", "CHECK", *REGISTERS),
    ("xen-ia64", "foreign", "edge"): ("TAKE", "CHECK", *REGISTERS),
    ("xen-x86", "computing", "edge"): ("EXTERNAL", "CALLBACK", "IRET"),
    ("xen-x86", "computing", "level"): ("EXTERNAL", "CALLBACK", "PHYSDEV", "END_PIRQ"),
    ("xen-x86", "asleep", "edge"): ("EXTERNAL", "CALLBACK", "IRET"),
    ("xen-x86", "foreign", "edge"): ("EXTERNAL", "CALLBACK", "IRET"),
}

PATHS |= {("hybrid", *case): PATHS["rhype", *case] for case in RHYPES}


def price(charges, names, steps=()):
    """Cycles of some charges, how often each, and of some paths."""
    path = sum(getattr(paths, step) for step in steps)
    return sum(int(n * charges.cycles(name)) for name, n in names.items()) + path * charges.hv_cycles_per_instruction


def board(situation, trigger, profile):
    """One item for "io", which computes, sleeps alone, or sleeps while another computes."""
    base = "power9-2021" if profile == "odd" else profile
    others = [{"name": "calc", "compute": True}] if situation == "foreign" else []
    return small(
        [{"name": "io", "compute": situation == "computing"}, *others],
        [{"name": "a", "owner": "io", "trigger": trigger, "arrival": MANUAL}],
        profile=base,
        profile_overrides=PROFILES[profile],
        duration_ms=100,
        scheduler={"slice_us": 100_000, "hdec_period_us": 100_000},
    )


@pytest.mark.compiled
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("design", "situation", "trigger"), CHARGED, ids=["-".join(key) for key in CHARGED])
def test_a_delivery_costs_what_the_table_says(design, situation, trigger, profile):
    scenario = board(situation, trigger, profile)
    machine = booted(scenario, design)
    while situation != "asleep" and machine.cpu[0].idle:
        machine.run(cycles=1000)
    machine.run(cycles=100_000)
    observed = machine.views[Table.OBSERVED][0]
    machine.raise_irq(1)
    instructions = -1 if design == "xen-ppc" and trigger == "edge" else 0  # its rfid ends when it is complete
    while observed.completed == 0:
        instructions += machine.step()
    charges = scenarios.resolve_profile(scenario)
    case = design, situation, trigger
    expected = price(charges, CHARGED[case], PATHS.get(case, ()))
    assert observed.stage.sum() == expected + instructions * charges.cycles_per_instruction


@pytest.mark.compiled
@pytest.mark.parametrize("design", ["rhype", "xen-ppc", "xen-x86", "xen-ia64"])
def test_a_kick_takes_the_ipi_charge_on_top(design):
    """The owner sleeps on another pCPU: its own entry and exit, and the way there."""
    scenario = small(
        [{"name": "io", "pcpu": 1}, {"name": "other", "pcpu": 0}],
        [{"name": "a", "owner": "io", "route": 0, "arrival": {"kind": "periodic", "period_us": 300}}],
        pcpus=2,
    )
    alone = small([{"name": "io"}], [{"name": "a", "owner": "io", "arrival": {"kind": "periodic", "period_us": 300}}])
    charges = profiles.load("power9-2021")

    def cycles(which):
        machine = booted(which, design)
        machine.run()
        observed = machine.views[Table.OBSERVED][0]
        assert observed.completed == 7
        return int(observed.stage.sum()) / 7

    names = {"exc_entry": 1, "pic_mmio_read": 1, "pic_mmio_write": 1, "phys_ipi": 1}
    second_entry = price(charges, names, ["TAKE" if design in ("rhype", "xen-ia64") else "EVENT_CHECK"])
    assert cycles(scenario) - cycles(alone) == pytest.approx(second_entry, abs=2)


class Meter:
    """The one vCPU of a machine, parked with EE off, and what the hypervisor spends on it."""

    def __init__(self, design):
        scenario = small(
            [{"name": "io", "compute": True}],
            [{"name": "a", "owner": "io", "trigger": "level", "arrival": MANUAL}],
            profile_overrides=PROFILES["odd"],
        )
        self.charges = scenarios.resolve_profile(scenario)
        self.machine = sharing(scenario, design)
        (self.guest,) = parked(self.machine)
        self.guest.listen()
        self.pcpu = self.machine.views[Table.PCPU][0]
        vcpu(self.machine).owed = 0

    @property
    def spent(self):
        return int(self.machine.views[Table.PCPU_COUNT][0].hypervisor)

    def hdec(self):
        self.pcpu.hdec_at = self.pcpu.now
        self.machine.run(cycles=100)

    def assert_costs(self, names, steps, action, *args):
        before = self.spent
        action(*args)
        assert self.spent - before == price(self.charges, names, steps)


@pytest.fixture
def xen_ppc():
    return Meter("xen-ppc")


@pytest.fixture
def rhype():
    return Meter("rhype")


@pytest.fixture
def direct():
    return Meter("direct")


CALL = {"hcall_rt": 1}


def loopback(guest):
    """A channel of a domain with itself: the port to send on, and the one that becomes pending. Nothing is."""
    assert guest.evtchn(xen.EVTCHNOP_ALLOC_UNBOUND, "HHI", xen.DOMID_SELF, xen.DOMID_SELF, 0) == 0
    receiver = guest.out[2]
    assert guest.evtchn(xen.EVTCHNOP_BIND_INTERDOMAIN, "H2xII", xen.DOMID_SELF, receiver, 0) == 0
    sender = guest.out[2]
    guest.listen()
    vcpu(guest.machine, guest.v).owed = 0
    return sender, receiver


def test_an_event_that_needs_no_delivery_of_its_own_is_charged_for_how_far_it_came(xen_ppc):
    guest = xen_ppc.guest
    sender, receiver = loopback(guest)

    def assert_sending_takes(*steps):
        steps = ["SEND", *steps, "DELIVER_EE_OFF"]
        xen_ppc.assert_costs(CALL, steps, guest.evtchn, xen.EVTCHNOP_SEND, "I", sender)

    assert_sending_takes()  # the delivery will pay for this one
    assert_sending_takes("PENDING")
    guest.set_bits(xen.EVTCHN_PENDING, 0)
    assert_sending_takes("PENDING", "SELECTOR")
    guest.set_bits(xen.EVTCHN_PENDING, 0)
    guest.set_bits(xen.PENDING_SEL, 0)
    assert_sending_takes("PENDING", "SELECTOR", "UPCALL")
    guest.listen()
    assert_sending_takes("PENDING", "SELECTOR", "UPCALL", "KICK")  # the guest found the first one by itself
    guest.listen()
    guest.set_bits(xen.EVTCHN_MASK, 1 << receiver)
    assert_sending_takes("PENDING")
    steps = ["UNMASK", "SELECTOR", "UPCALL", "KICK", "DELIVER_EE_OFF"]
    xen_ppc.assert_costs(CALL, steps, guest.evtchn, xen.EVTCHNOP_UNMASK, "I", receiver)


def test_a_delivery_pays_for_one_marking(xen_ppc):
    guest = xen_ppc.guest
    sender, _ = loopback(guest)
    for _ in range(2):
        xen_ppc.assert_costs(CALL, ["SEND", "DELIVER_EE_OFF"], guest.evtchn, xen.EVTCHNOP_SEND, "I", sender)
        names = {"hcall_rt": 1, "inject": 1}
        xen_ppc.assert_costs(names, ["BLOCK_NOT"], guest.xen, xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK)
        guest.listen()


@pytest.mark.parametrize(
    ("number", "args", "steps"),
    [
        (xen.HC_XEN_VERSION, (xen.XENVER_VERSION,), []),
        (xen.HC_SET_TIMER_OP, (1 << 50,), ["SET_TIMER"]),
        (xen.HC_SCHED_OP, (xen.SCHEDOP_YIELD,), ["YIELD", "RESCHEDULE"]),
    ],
)
def test_a_call_of_xens_costs_its_path(xen_ppc, number, args, steps):
    xen_ppc.assert_costs(CALL, [*steps, "DELIVER_EE_OFF"], xen_ppc.guest.xen, number, *args)


def test_asking_for_the_state_of_a_line_costs_its_path(xen_ppc):
    query = xen.HC_PHYSDEV_OP, xen.PHYSDEVOP_IRQ_STATUS_QUERY, "II", 1, 0
    xen_ppc.assert_costs(CALL, ["PHYSDEV", "DELIVER_EE_OFF"], xen_ppc.guest.op, *query)


def test_a_poll_costs_each_port_that_it_looks_at(xen_ppc):
    guest = xen_ppc.guest
    guest.set_bits(xen.EVTCHN_PENDING, 1 << 6)
    ports = guest.DATA + 24
    guest.memory[ports : ports + 8] = bytes([0, 0, 0, 5, 0, 0, 0, 6])
    steps = ["POLL", "POLL_PORT", "POLL_PORT", "DELIVER_EE_OFF"]
    asked = xen.XENCOMM_INLINE | ports, 2, 0, 0
    xen_ppc.assert_costs(CALL, steps, guest.op, xen.HC_SCHED_OP, xen.SCHEDOP_POLL, "qIIQ", *asked)


@pytest.mark.parametrize(
    ("number", "args", "names", "steps"),
    [
        (papr.H_XIRR, (), {}, ["XIRR"]),
        (papr.H_EOI, (0xFF000000 | papr.XISR_SOURCES,), {}, ["EOI"]),
        (papr.H_CPPR, (0xFF,), {"pic_mmio_write": 1}, ["CPPR"]),
        (papr.H_IPI, (0, 0xFF), {}, ["SERVER"]),
        (papr.H_IPOLL, (0,), {}, ["SERVER"]),
        (papr.H_CONFER, (-1, 0), {}, ["SERVER", "RESCHEDULE"]),
    ],
)
def test_a_call_of_paprs_costs_its_path(rhype, number, args, names, steps):
    rhype.assert_costs({**CALL, **names}, [*steps, "LOOK"], rhype.guest.call, number, *args)


def test_a_sleep_that_ends_before_it_begins_costs_the_ring_and_the_escalation(direct):
    direct.machine.raise_irq(1)
    names = {**CALL, "pic_mmio_read": 4, "pic_mmio_write": 2}
    direct.assert_costs(names, ["PULL", "ARM", "CEDE_NOT", "PUSH", "DISARM"], direct.guest.call, papr.H_CEDE)


def test_yielding_under_direct_costs_its_path(direct):
    direct.assert_costs(CALL, ["SERVER", "RESCHEDULE"], direct.guest.call, papr.H_CONFER, -1, 0)


def test_a_sleep_that_a_prod_prevents_costs_its_path(rhype):
    rhype.assert_costs(CALL, ["SERVER", "LOOK"], rhype.guest.call, papr.H_PROD, 0)
    rhype.assert_costs(CALL, ["CEDE_NOT", "LOOK"], rhype.guest.call, papr.H_CEDE)


@pytest.mark.parametrize(
    ("design", "names", "steps"),
    [
        ("xen-ppc", {}, ["DELIVER_EE_OFF"]),
        ("xen-x86", {}, ["TEST_EVENTS"]),
        ("xen-ia64", {}, ["CHECK"]),
        ("direct", {}, []),
        ("hybrid", {"pic_mmio_write": 2}, ["POLL_CONTROLLER", "LOOK"]),
        ("rhype", {"pic_mmio_write": 2}, ["POLL_CONTROLLER", "LOOK"]),
    ],
)
def test_hdec_costs_its_handler_and_the_end_of_a_slice_another_choice(design, names, steps):
    meter = Meter(design)
    meter.guest.park()
    names = {"exc_entry": 1, "exc_return": 1, **names}
    meter.assert_costs(names, ["HDEC", "RUN_TIMERS", *steps], meter.hdec)
    meter.pcpu.slice_end = meter.pcpu.now
    meter.assert_costs(names, ["HDEC", "RUN_TIMERS", "RESCHEDULE", *steps], meter.hdec)
    vcpu(meter.machine).timer = meter.pcpu.now
    meter.assert_costs(names, ["HDEC", "RUN_TIMERS", "EXPIRE", *steps], meter.hdec)


ROUND = {"exc_entry": 1, "pic_mmio_read": 1, "host_wakeup": 1, "exc_return": 1, "inject": 1}


@pytest.mark.parametrize(
    ("design", "names", "steps"),
    [
        ("xen-ppc", {"pic_mmio_write": 1, "hcall_rt": 1}, ["EXTERNAL", "BLOCK", "RESCHEDULE"]),
        (
            "xen-ia64",
            {"pic_mmio_write": 1, "hcall_rt": 9},
            ["TAKE", "CHECK", *REGISTERS, "CHECK", "GET_IVR", "CHECK", "RFI", "CHECK", "BLOCK", "RESCHEDULE"],
        ),
        (
            "xen-x86",
            {"pic_mmio_write": 1, "hcall_rt": 2},
            ["EXTERNAL", "CALLBACK", "IRET", "TEST_EVENTS", "BLOCK", "RESCHEDULE"],
        ),
        (
            "rhype",
            {"pic_mmio_write": 3, "hcall_rt": 3},
            ["TAKE", "SEARCH", *QUEUED, "LOOK", "CEDE", "RESCHEDULE"],
        ),
        (
            "hybrid",
            {"pic_mmio_write": 3, "hcall_rt": 4},
            ["TAKE", "SEARCH", *QUEUED, "LOOK", "XIRR", "LOOK", "CEDE", "RESCHEDULE"],
        ),
        (
            "direct",
            {"pic_mmio_read": 5, "pic_mmio_write": 3, "hcall_rt": 1, "inject": 0},
            ["ESCALATION", "PUSH", "PULL", "ARM", "CEDE", "RESCHEDULE"],
        ),
    ],
)
def test_a_whole_round_from_sleep_to_sleep_costs_what_the_table_says(design, names, steps):
    """All that the hypervisor does for one interrupt of a domain that sleeps before and after."""
    scenario = board("asleep", "edge", "odd")
    assert spent_until_asleep(scenario, design, [1]) == price_of(scenario, {**ROUND, **names}, steps)


def test_what_is_queued_beside_another_one_is_charged_for_the_queueing():
    sources = [{"name": name, "owner": "io", "arrival": MANUAL} for name in "ab"]
    scenario = small([{"name": "io"}], sources, profile_overrides=PROFILES["odd"], duration_ms=100)
    names = {**ROUND, "pic_mmio_read": 2, "pic_mmio_write": 6, "hcall_rt": 5}
    steps = [
        *("TAKE", "TAKE", "QUEUE", "SEARCH"),
        *("XIRR", "SEARCH", "UNQUEUE", "SERVE", "LOOK", "SEARCH"),
        *("EOI", "LOOK", "SEARCH"),  # EE is 0: the other one enters by itself when it is 1
        *("XIRR", "SEARCH", "UNQUEUE", "SERVE", "LOOK"),
        *("EOI", "LOOK"),
        *("CEDE", "RESCHEDULE"),
    ]
    assert spent_until_asleep(scenario, "rhype", [1, 2]) == price_of(scenario, names, steps)


def spent_until_asleep(scenario, design, irqs):
    """Cycles of the hypervisor from these interrupts of a sleeping domain until it sleeps again."""
    machine = booted(scenario, design)
    counter = machine.views[Table.PCPU_COUNT][0]
    pcpu = machine.views[Table.PCPU][0]
    assert pcpu.context < 0
    before = int(counter.hypervisor)
    for irq in irqs:
        machine.raise_irq(irq)
    machine.run(cycles=20_000_000)
    assert pcpu.context < 0
    return int(counter.hypervisor) - before


def price_of(scenario, names, steps):
    return price(scenarios.resolve_profile(scenario), names, steps)


@pytest.mark.parametrize("name", ["power9-2021", "ppc970-2006"])
def test_a_charge_in_any_unit_is_taken_in_cycles(name):
    profile = profiles.load(name)
    scenario = small([{"name": "io"}], [{"name": "a", "owner": "io", "arrival": MANUAL}], profile=name)
    header = booted(scenario, "rhype").header
    fields = {"pic_mmio_read": "pic_read", "pic_mmio_write": "pic_write"}
    for charge in set(profiles.CHARGES) - set(profiles.STEPS_ONLY):
        assert header[fields.get(charge, charge)] == profile.cycles(charge)
