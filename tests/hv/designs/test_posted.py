"""direct, variant posted: descriptors and a virtual APIC (Linux, arch/x86/kvm/vmx/posted_intr.c).

One pCPU, two domains with an edge, a level and a favoured source each; the vCPU that runs is called `me`.
"""

import itertools

import pytest

from hv.designs.test_contract import work
from hv.harness import MANUAL, SHORT, booted, kinds, logged, of, parked, periodic, sharing, small, vcpu
from irqvisor._jit import NOJIT
from irqvisor.hv import posting
from irqvisor.hv.state import Entry
from irqvisor.hw import posted
from irqvisor.lab import runner
from irqvisor.lab import scenario as scenarios
from irqvisor.spec import papr
from irqvisor.spec.posted import END_OF_INTERRUPT, INTERRUPT_VECTOR, LAST_VECTOR, SPURIOUS_VECTOR, TASK_PRIORITY
from irqvisor.spec.power_isa import MSR_EE, MSR_ME, MSR_RI, MSR_SF, VEC_EXTERNAL
from irqvisor.tables import Table
from irqvisor.trace import Kind
from irqvisor.vcpu_controllers import TIMA
from lab.test_charges import board, price

EE_ON = MSR_SF | MSR_ME | MSR_RI | MSR_EE
POSTED = {"direct": {"variant": "posted"}}
EDGE, LEVEL, FAVOURED = 0, 1, 2
"""Sources of a domain, by position: priorities 5, 5 and 3; its IPI has 4."""
VECTOR = {FAVOURED: LAST_VECTOR, EDGE: LAST_VECTOR - 2, LEVEL: LAST_VECTOR - 3}
LWZ, STW = 0x80000000 | 4 << 21 | 3 << 16, 0x90000000 | 4 << 21 | 3 << 16


@pytest.fixture(scope="module")
def machine():
    sources = [
        {"name": f"{name}-{domain}", "owner": domain, "trigger": trigger, "priority": priority, "arrival": MANUAL}
        for domain in ("a", "b")
        for name, trigger, priority in (("edge", "edge", 5), ("level", "level", 5), ("favoured", "edge", 3))
    ]
    domains = [{"name": "a", "compute": True}, {"name": "b", "compute": True}]
    return sharing(small(domains, sources, scheduler=SHORT, options=POSTED), "direct")


@pytest.fixture
def pair(machine):
    guests = parked(machine.fork())
    me = guests[int(guests[0].machine.views[Table.PCPU][0].context)]
    return me, guests[1 - me.v]


def post(guest, which):
    guest.machine.raise_irq(1 + 3 * guest.v + which)


def access(guest, instruction, register, value=0):
    guest.park(instruction, msr=guest.cpu.msr & ~MSR_EE)
    guest.cpu.gpr[3], guest.cpu.gpr[4] = TIMA + register, value
    guest.machine.run(cycles=2)
    return int(guest.cpu.gpr[4])


def take(guest):
    """The vector to serve."""
    return access(guest, LWZ, INTERRUPT_VECTOR)


def end(guest):
    access(guest, STW, END_OF_INTERRUPT)


def descriptor(guest):
    return guest.machine.views[Table.POSTED_VP][guest.v]


def line(guest):
    return int(guest.machine.views[Table.PCPU][0].external)


def entries(guest, why):
    return int(guest.machine.views[Table.OBSERVED][0].entries[why])


def test_an_edge_for_who_runs_enters_0x500_and_is_served_without_an_exit(pair):
    me, _ = pair
    before = me.machine.views[Table.OBSERVED][0].entries.copy()
    me.park(msr=EE_ON)
    post(me, EDGE)
    assert descriptor(me).on == 0  # taken over at once
    me.machine.run(cycles=400)
    assert (me.at, me.cpu.srr0) == (VEC_EXTERNAL, me.HERE)
    assert take(me) == VECTOR[EDGE]
    assert line(me) == 0
    end(me)
    assert take(me) == SPURIOUS_VECTOR
    assert me.machine.views[Table.OBSERVED][0].entries.tolist() == before.tolist()


def test_the_more_favoured_is_served_first_and_the_other_after_its_end(pair):
    me, _ = pair
    post(me, EDGE)
    post(me, FAVOURED)
    assert take(me) == VECTOR[FAVOURED]
    assert take(me) == SPURIOUS_VECTOR
    end(me)
    assert (line(me), take(me)) == (1, VECTOR[EDGE])


def test_the_task_priority_holds_a_vector_off_until_it_falls(pair):
    me, _ = pair
    access(me, STW, TASK_PRIORITY, 0xF0)
    post(me, EDGE)
    assert (line(me), take(me)) == (0, SPURIOUS_VECTOR)
    access(me, STW, TASK_PRIORITY, 0)
    assert (line(me), take(me)) == (1, VECTOR[EDGE])


def test_a_preempted_vcpu_is_suppressed_and_finds_what_was_posted_at_its_switch_in(pair):
    """Without SN a notification would be outstanding that nobody acts on; without the look at what is posted it would
    never be."""
    me, other = pair
    assert descriptor(other).sn == 1
    post(other, EDGE)
    assert (descriptor(other).on, line(me)) == (0, 0)
    other.take_turn()
    assert (descriptor(other).sn, descriptor(other).on, descriptor(me).sn) == (0, 0, 1)
    assert take(other) == VECTOR[EDGE]


def test_the_next_post_after_a_preemption_notifies_again(pair):
    _, other = pair
    post(other, EDGE)
    other.take_turn()
    assert take(other) == VECTOR[EDGE]
    end(other)
    post(other, EDGE)
    assert (line(other), take(other)) == (1, VECTOR[EDGE])


def test_a_sleeper_is_woken_by_one_interrupt_of_the_hypervisors_whatever_ee_is(pair):
    me, other = pair
    me.call(papr.H_CEDE)
    assert (vcpu(me.machine, me.v).blocked, descriptor(me).wakes) == (1, 1)
    other.take_turn()
    before = entries(me, Entry.EXTERNAL)
    post(me, EDGE)
    post(me, FAVOURED)
    other.machine.run(cycles=10)
    assert entries(me, Entry.EXTERNAL) == before + 1
    assert vcpu(me.machine, me.v).blocked == 0
    me.machine.run(cycles=20_000)
    assert me.at == VEC_EXTERNAL
    assert take(me) == VECTOR[FAVOURED]


@pytest.mark.parametrize("where", ["posted", "requested"])
def test_going_to_sleep_looks_at_what_is_posted_and_at_what_was_taken_over(pair, where):
    me, _ = pair
    post(me, EDGE)
    if where == "posted":
        descriptor(me).pir[:] = descriptor(me).irr
        descriptor(me).irr[:] = 0
        descriptor(me).on = 1
    me.call(papr.H_CEDE)
    assert vcpu(me.machine, me.v).blocked == 0
    me.machine.run(cycles=3000)
    assert me.at == VEC_EXTERNAL


@pytest.mark.skipif(not NOJIT, reason="puts a post between two lines of the hypervisor")
@pytest.mark.parametrize("window", ["arm", "has_work"])
def test_a_post_in_any_window_of_going_to_sleep_is_not_lost(pair, monkeypatch, window):
    me, _ = pair
    step = getattr(posting, window)
    fired = []

    def with_a_post(*args):
        if not fired and window == "arm":
            fired.append(window)
            post(me, EDGE)
        result = step(*args)
        if not fired:
            fired.append(window)
            post(me, EDGE)
        return result

    monkeypatch.setattr(posting, window, with_a_post)
    me.park(me.SC_1)
    me.cpu.gpr[3] = papr.H_CEDE
    for _ in range(60):
        me.machine.run(cycles=500)
        if me.at == VEC_EXTERNAL:
            break
    assert (fired, me.at) == ([window], VEC_EXTERNAL)
    assert take(me) == VECTOR[EDGE]


def test_a_level_line_is_taken_by_the_hypervisor_and_its_end_is_an_exit(pair):
    me, _ = pair
    source = me.machine.views[Table.POSTED_SOURCE][1 + 3 * me.v + LEVEL]
    post(me, LEVEL)
    me.machine.run(cycles=10)
    assert (source.masked, source.waiting, line(me)) == (1, 0, 1)
    assert take(me) == VECTOR[LEVEL]
    exits = entries(me, Entry.ACCESS)
    end(me)
    assert entries(me, Entry.ACCESS) == exits + 1
    assert (source.masked, source.waiting) == (0, 1)  # the ring was not drained
    me.machine.run(cycles=10)
    assert take(me) == VECTOR[LEVEL]
    me.consume(3 * me.v + LEVEL)
    end(me)
    me.machine.run(cycles=10)
    assert (source.masked, source.waiting, take(me)) == (0, 0, SPURIOUS_VECTOR)


@pytest.mark.skipif(not NOJIT, reason="calls the hardware's functions")
def test_a_vector_that_is_posted_already_joins_it(pair):
    me, other = pair
    for _ in range(3):
        posted.post(me.machine.arrays, other.v, VECTOR[EDGE])
    other.take_turn()
    assert take(other) == VECTOR[EDGE]
    end(other)
    assert take(other) == SPURIOUS_VECTOR


# ----------------------------------------------------------------------------------------------------------- whole runs
CASES = list(itertools.product(("asleep", "computing", "preempted", "holding"), ("edge", "level"), ((1, 3), (2, 3))))


@pytest.mark.compiled
@pytest.mark.parametrize(("owner", "trigger", "size"), CASES)
@pytest.mark.parametrize("arrival", ["poisson", "burst", "closed"])
def test_the_contract_holds(owner, trigger, size, arrival):
    scenario = work(owner, arrival, trigger, *size).model_copy(update={"options": POSTED})
    result, log = logged(scenario, "direct")
    assert (result["lost"], result["pending"], result["rescued"], result["violations"]) == (0, 0, 0, [])
    for s, source in enumerate(result["sources"]):
        consumed = kinds(log, Kind.SERVICE, source=s)
        assert consumed["value"].tolist() == list(range(source["raised"] - source["dropped"]))
        assert set(kinds(log, Kind.KNOW, source=s)["domain"].tolist()) == {s % 2}


@pytest.mark.compiled
def test_an_interrupt_of_a_vcpu_that_runs_needs_neither_exit_nor_hypercall():
    source = {"name": "a", "owner": "io", "arrival": periodic(10)}
    result = runner.run(small([{"name": "io", "compute": True}], [source], options=POSTED), "direct")
    assert of(result, "a") == {"raised": 200, "serviced": 200}
    assert set(result["hypervisor_entries"]) == {"hdec"}


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("situation", "names", "steps"),
    [
        ("computing", {"exc_entry": 1, "pic_mmio_read": 1, "pic_mmio_write": 1}, ()),
        (
            "asleep",
            {"exc_entry": 2, "pic_mmio_read": 2, "pic_mmio_write": 2, "host_wakeup": 1, "exc_return": 1},
            ("ESCALATION", "PUSH"),
        ),
    ],
)
def test_a_delivery_costs_what_the_page_says(situation, names, steps):
    scenario = board(situation, "edge", "odd").model_copy(update={"options": POSTED})
    machine = booted(scenario, "direct")
    machine.run(cycles=100_000)
    observed = machine.views[Table.OBSERVED][0]
    machine.raise_irq(1)
    instructions = 0
    while observed.completed == 0:
        instructions += machine.step()
    charges = scenarios.resolve_profile(scenario)
    assert observed.stage.sum() == price(charges, names, steps) + instructions * charges.cycles_per_instruction


@pytest.mark.compiled
def test_level_interrupts_cost_two_exits_each():
    source = {"name": "a", "owner": "io", "trigger": "level", "arrival": periodic(100)}
    result = runner.run(small([{"name": "io", "compute": True}], [source], options=POSTED), "direct")
    assert (result["hypervisor_entries"]["external"], result["hypervisor_entries"]["access"]) == (20, 20)


@pytest.mark.compiled
def test_more_sources_than_vectors_cannot_be_expressed():
    sources = [{"name": f"s{k}", "owner": "io", "slots": 2, "arrival": MANUAL} for k in range(208)]
    scenario = small([{"name": "io", "ram_kib": 256}], sources, options=POSTED)
    assert "more sources than posted interrupts have vectors" in runner.run(scenario, "direct")["skipped"]
