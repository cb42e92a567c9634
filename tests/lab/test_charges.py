"""Each step of a delivery is charged once, as docs/reference/charges.md lists it: to the cycle.

One interrupt of a quiet machine is followed from its raise to its completion. That takes the sum of what the
table says, under any profile, plus the guest's instructions.
"""

import pytest

from hv.harness import MANUAL, booted, small
from irqvisor.lab import profile as profiles
from irqvisor.lab import scenario as scenarios
from irqvisor.tables import Table

pytestmark = pytest.mark.compiled

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
    },
}

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
}


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
    expected = sum(int(count * charges.cycles(name)) for name, count in CHARGED[design, situation, trigger].items())
    assert observed.stage.sum() == expected + instructions * charges.cycles_per_instruction


@pytest.mark.parametrize("design", ["rhype", "xen-ppc"])
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

    second_entry = charges.cycles("exc_entry") + charges.cycles("pic_mmio_read") + charges.cycles("pic_mmio_write")
    assert cycles(scenario) - cycles(alone) == pytest.approx(charges.cycles("phys_ipi") + second_entry, abs=2)


@pytest.mark.parametrize("name", ["power9-2021", "ppc970-2006"])
def test_a_charge_in_any_unit_is_taken_in_cycles(name):
    profile = profiles.load(name)
    scenario = small([{"name": "io"}], [{"name": "a", "owner": "io", "arrival": MANUAL}], profile=name)
    header = booted(scenario, "rhype").header
    fields = {"pic_mmio_read": "pic_read", "pic_mmio_write": "pic_write"}
    for charge in profiles.CHARGES:
        assert header[fields.get(charge, charge)] == profile.cycles(charge)
