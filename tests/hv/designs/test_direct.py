"""direct: a controller that knows which vCPU runs (XIVE, generation 1), and a hypervisor that pushes and pulls.

One pCPU, two domains with an edge, a level and a favoured source each. The vCPU that runs is called `me`, the other
`other`; both spin with EE off and do what a test says, so each step is seen by itself.
"""

from collections import Counter

import pytest

from hv.designs.test_contract import work
from hv.harness import (
    MANUAL,
    SHORT,
    booted,
    fates,
    finished,
    kinds,
    logged,
    of,
    parked,
    periodic,
    sharing,
    small,
    vcpu,
)
from irqvisor._jit import NOJIT
from irqvisor.hv.designs import direct
from irqvisor.hv.state import Entry
from irqvisor.hw import xive
from irqvisor.lab import build, runner
from irqvisor.spec import papr
from irqvisor.spec.power_isa import MSR_EE, MSR_ME, MSR_RI, MSR_SF, VEC_DATA_STORAGE, VEC_EXTERNAL
from irqvisor.spec.xive import PQ_OFF, PQ_QUEUED, PQ_RESET, TIMA_ACKNOWLEDGE, TIMA_CPPR
from irqvisor.tables import Table
from irqvisor.trace import Kind
from irqvisor.vcpu_controllers import ESB, TIMA

EE_ON = MSR_SF | MSR_ME | MSR_RI | MSR_EE
OPEN = 0xFF
EDGE, LEVEL, FAVOURED = 0, 1, 2
"""Sources of a domain, by position: priorities 5, 5 and 3."""
PRIORITY = {EDGE: 5, LEVEL: 5, FAVOURED: 3}
LHZ, LWZ, LD = 0xA0000000 | 4 << 21 | 3 << 16, 0x80000000 | 4 << 21 | 3 << 16, 0xE8000000 | 4 << 21 | 3 << 16
STB = 0x98000000 | 4 << 21 | 3 << 16
MTMSRD_EE = 0x7C000164 | 3 << 21 | 1 << 16


@pytest.fixture(scope="module")
def machine():
    sources = [
        {"name": f"{name}-{domain}", "owner": domain, "trigger": trigger, "priority": priority, "arrival": MANUAL}
        for domain in ("a", "b")
        for name, trigger, priority in (("edge", "edge", 5), ("level", "level", 5), ("favoured", "edge", 3))
    ]
    domains = [{"name": "a", "compute": True}, {"name": "b", "compute": True}]
    return sharing(small(domains, sources, scheduler=SHORT), "direct")


@pytest.fixture
def pair(machine):
    """(me, other): rings open, nothing pending, escalations off."""
    guests = [Guest(each) for each in parked(machine.fork())]
    me = guests[int(guests[0].machine.views[Table.PCPU][0].context)]
    return me, guests[1 - me.v]


class Guest:
    """A parked vCPU with what XIVE shows it."""

    def __init__(self, parked):
        self.parked = parked
        self.index = dict.fromkeys((3, 4, 5), 0)

    def __getattr__(self, name):
        return getattr(self.parked, name)

    def access(self, instruction, address, value=0):
        """One load or store at an address; r4."""
        self.park(instruction, msr=self.cpu.msr & ~MSR_EE)
        self.cpu.gpr[3], self.cpu.gpr[4] = address, value
        self.machine.run(cycles=2)
        return int(self.cpu.gpr[4])

    def page(self, which):
        return ESB + 4096 * (1 + 3 * self.v + which)

    def irq(self, which):
        return 1 + 3 * self.v + which

    def source(self, which):
        return self.machine.views[Table.XIVE_SOURCE][self.irq(which)]

    @property
    def vp(self):
        return self.machine.views[Table.XIVE_VP][self.v]

    def acknowledge(self):
        return self.access(LHZ, TIMA + TIMA_ACKNOWLEDGE)

    def open(self, cppr=OPEN):
        self.access(STB, TIMA + TIMA_CPPR, cppr)

    def next_entry(self, priority):
        """The source that the next new entry of a queue names, None if there is none."""
        queue = self.machine.views[Table.XIVE_QUEUE][8 * self.v + priority]
        size = 1 << int(queue.order)
        at = int(queue.start) - int(self.machine.views[Table.DOMAIN][self.v].ram)
        entry = self.access(LWZ, at + 4 * (self.index[priority] % size))
        if entry >> 31 == self.index[priority] // size & 1:
            return None
        self.index[priority] += 1
        return (entry & 0x7FFFFFFF) - 1 - 3 * self.v

    def end(self, which):
        return self.access(LD, self.page(which))

    @property
    def line(self):
        return int(self.machine.views[Table.PCPU][0].external)

    @property
    def called(self):
        return int(self.machine.views[Table.PCPU][0].virtualization)


def post(guest, which):
    """An item for one of a guest's sources."""
    guest.machine.raise_irq(guest.irq(which))


# -------------------------------------------------------------------------------------------------- it runs: hands off


def test_hardware_enters_the_owner_and_three_loads_and_a_store_serve_it(pair):
    me, _ = pair
    me.park(msr=EE_ON)
    post(me, EDGE)
    me.machine.run(cycles=400)
    assert me.at == VEC_EXTERNAL
    assert (me.cpu.srr0, me.cpu.srr1) == (me.HERE, EE_ON)
    assert me.acknowledge() == 0x8005
    assert me.line == 0
    assert me.next_entry(5) == EDGE
    assert me.next_entry(5) is None
    me.end(EDGE)
    assert me.source(EDGE).pq == PQ_RESET
    me.open()
    assert me.line == 0


def test_three_triggers_before_the_end_are_two_runs_of_the_handler(pair):
    me, _ = pair
    for _ in range(3):
        post(me, EDGE)
    assert me.source(EDGE).pq == PQ_QUEUED
    assert me.acknowledge() == 0x8005
    assert [me.next_entry(5), me.next_entry(5)] == [EDGE, None]
    me.end(EDGE)
    assert [me.next_entry(5), me.next_entry(5)] == [EDGE, None]
    me.end(EDGE)
    assert me.source(EDGE).pq == PQ_RESET


def test_a_level_line_still_up_at_its_end_is_queued_again(pair):
    me, _ = pair
    post(me, LEVEL)
    me.acknowledge()
    assert me.next_entry(5) == LEVEL
    me.end(LEVEL)
    assert me.next_entry(5) == LEVEL
    me.consume(3 * me.v + LEVEL)
    me.end(LEVEL)
    assert me.next_entry(5) is None


def test_the_more_favoured_is_acknowledged_first_and_the_line_rises_again_for_the_other(pair):
    me, _ = pair
    post(me, EDGE)
    post(me, FAVOURED)
    assert me.acknowledge() == 0x8003
    assert me.line == 0
    assert me.next_entry(3) == FAVOURED
    me.end(FAVOURED)
    me.open()
    assert me.line == 1
    assert me.acknowledge() == 0x8005


def test_what_came_and_was_drained_in_one_run_leaves_an_empty_acknowledge(pair):
    me, _ = pair
    post(me, EDGE)
    assert me.acknowledge() == 0x8005
    post(me, LEVEL)  # the same queue
    assert [me.next_entry(5), me.next_entry(5), me.next_entry(5)] == [EDGE, LEVEL, None]
    me.open()
    assert me.acknowledge() == 0x8005
    assert me.next_entry(5) is None
    me.open()
    assert me.line == 0


def test_an_acknowledge_without_an_exception_is_the_cppr_and_changes_nothing(pair):
    me, _ = pair
    assert me.acknowledge() == OPEN
    me.open(4)
    post(me, EDGE)
    assert (me.line, me.acknowledge()) == (0, 4)
    me.open()
    assert me.acknowledge() == 0x8005


def test_ee_off_at_the_raise_then_on(pair):
    me, _ = pair
    post(me, EDGE)
    me.machine.run(cycles=500)
    assert me.at == me.HERE
    me.park(MTMSRD_EE)
    me.cpu.gpr[3] = EE_ON
    me.machine.run(cycles=300)
    assert (me.at, me.cpu.srr0) == (VEC_EXTERNAL, me.HERE + 4)


def test_another_domains_pages_are_not_there(pair):
    me, other = pair
    for address in (other.page(EDGE), other.page(EDGE) + 0xC00, TIMA + 0x100):
        me.access(LD, address)
        assert (me.at, me.cpu.srr0, me.cpu.dar) == (VEC_DATA_STORAGE, me.HERE, address)
    assert other.source(EDGE).pq == PQ_RESET


def test_a_source_switched_off_is_silent(pair):
    me, _ = pair
    me.access(LD, me.page(EDGE) + 0xD00)
    post(me, EDGE)
    assert (me.source(EDGE).pq, me.line, me.next_entry(5)) == (PQ_OFF, 0, None)


# ------------------------------------------------------------------------------------------ it does not run: push, pull


def test_nobody_is_disturbed_for_a_preempted_owner(pair):
    me, other = pair
    post(other, EDGE)
    assert (me.line, me.called) == (0, 0)
    assert other.vp.ipb == 0x80 >> 5
    other.take_turn()
    assert (other.line, other.vp.ipb) == (1, 0)
    assert other.acknowledge() == 0x8005
    assert other.next_entry(5) == EDGE


def test_the_cppr_goes_with_its_vcpu(pair):
    me, other = pair
    post(me, FAVOURED)
    me.acknowledge()
    other.take_turn()
    ring = me.machine.views[Table.XIVE_RING][0]
    assert (ring.vp, ring.cppr, me.vp.cppr) == (other.v, OPEN, 3)
    me.take_turn()
    assert (ring.vp, ring.cppr) == (me.v, 3)


def asleep(guest):
    """Make it cede, with nothing to wait for."""
    guest.call(papr.H_CEDE)
    assert vcpu(guest.machine, guest.v).blocked == 1


def test_an_event_for_a_sleeper_is_one_call_of_the_hypervisor_whatever_ee_is(pair):
    me, other = pair
    asleep(me)
    other.take_turn()
    entries = other.machine.views[Table.OBSERVED][0].entries
    before = int(entries[Entry.EXTERNAL])
    assert other.cpu.msr & MSR_EE == 0
    for which in (EDGE, FAVOURED, LEVEL):
        post(me, which)
    assert other.called == 1
    other.machine.run(cycles=10)
    assert entries[Entry.EXTERNAL] == before + 1
    assert (vcpu(me.machine, me.v).blocked, me.vp.escalation, other.called) == (0, PQ_OFF, 0)
    me.machine.run(cycles=20_000)
    assert me.at == VEC_EXTERNAL


def test_a_vcpu_that_an_escalation_woke_can_sleep_again(pair):
    """The handler leaves the escalation off, or the next push would take what is handled for one on its way."""
    me, _ = pair
    for _ in range(2):
        asleep(me)
        post(me, EDGE)
        me.machine.run(cycles=30_000)
        assert vcpu(me.machine, me.v).escalating == 0
        assert me.acknowledge() == 0x8005
        assert me.next_entry(5) == EDGE
        me.consume(3 * me.v + EDGE)
        me.end(EDGE)
        me.open()


def test_h_cede_with_something_pending_does_not_sleep(pair):
    me, _ = pair
    post(me, EDGE)
    me.call(papr.H_CEDE)
    assert vcpu(me.machine, me.v).blocked == 0
    me.machine.run(cycles=2000)
    assert me.at == VEC_EXTERNAL


WINDOWS = ("pull", "save", "set_escalation", "is_deliverable")


@pytest.mark.skipif(not NOJIT, reason="puts an event between two lines of the hypervisor")
@pytest.mark.parametrize("window", WINDOWS)
def test_an_event_in_any_window_of_going_to_sleep_is_not_lost_and_wakes_once(pair, monkeypatch, window):
    me, _ = pair
    step = getattr(xive, window)
    fired = []

    def with_an_event(*args):
        result = step(*args)
        if not fired:
            fired.append(window)
            post(me, EDGE)
        return result

    monkeypatch.setattr(xive, window, with_an_event)
    me.park(me.SC_1)
    me.cpu.gpr[3] = papr.H_CEDE
    wakes = me.machine.views[Table.OBSERVED][0].entries
    before = int(wakes[Entry.EXTERNAL])
    for _ in range(100):
        me.machine.run(cycles=500)
        if me.at == VEC_EXTERNAL:
            break
    assert (fired, me.at) == ([window], VEC_EXTERNAL)
    assert wakes[Entry.EXTERNAL] - before <= 1
    assert (me.vp.rung, vcpu(me.machine, me.v).escalating, me.vp.escalation) == (0, 0, PQ_OFF)
    assert me.acknowledge() == 0x8005


@pytest.mark.skipif(not NOJIT, reason="calls the hypervisor's functions")
def test_an_escalation_under_way_keeps_its_vcpu_from_sleeping_until_it_arrives(pair):
    """However often it is preempted meanwhile: two of them could be under way at once."""
    me, _ = pair
    m = me.machine.arrays
    direct.undispatch(m, 0)
    direct.arm(m, 0, me.v)
    post(me, EDGE)
    direct.dispatch(m, 0, me.v)
    assert vcpu(me.machine, me.v).escalating == 1
    direct.undispatch(m, 0)
    direct.dispatch(m, 0, me.v)  # preempted and back: the escalation is off now, the other one still comes
    assert vcpu(me.machine, me.v).escalating == 1
    direct.cede(m, 0, me.v, me.cpu)
    assert (vcpu(me.machine, me.v).blocked, me.vp.escalation) == (0, PQ_OFF)
    direct.on_external(m, 0)
    assert (vcpu(me.machine, me.v).escalating, me.vp.rung) == (0, 0)


def test_a_wake_by_the_decrementer_leaves_an_escalation_that_comes_late_without_effect(pair):
    me, _ = pair
    asleep(me)
    post(me, EDGE)
    vcpu(me.machine, me.v).blocked = 0  # its timer came first
    me.machine.run(cycles=30_000)
    assert (me.vp.rung, me.vp.escalation, vcpu(me.machine, me.v).escalating) == (0, PQ_OFF, 0)


# ----------------------------------------------------------------------------------------------------------- whole runs


def test_a_queue_has_room_for_all_sources_and_two_more():
    sources = [
        {"name": f"s{k}", "owner": "io", "priority": 5 + k % 2, "arrival": MANUAL, "slots": 2} for k in range(200)
    ]
    machine = booted(small([{"name": "io", "ram_kib": 256}], sources), "direct")
    unread = machine.views[Table.XIVE_QUEUE]
    for priority in range(8):
        count = sum(
            1 for source in machine.views[Table.XIVE_SOURCE][:201] if source.lpid == 0 and source.priority == priority
        )
        count += priority == 4
        assert (1 << unread[priority].order) >= count + 2 if count else unread[priority].order == 0
    last = unread[6]
    assert last.start + (4 << last.order) <= machine.views[Table.DOMAIN][0].ram_bytes


def test_the_queues_of_many_vcpus_have_room_and_memory_of_their_own():
    sources = [
        {"name": f"s{k}", "owner": "smp", "vcpu": k % 32, "priority": 1 + k // 32 % 6, "arrival": MANUAL, "slots": 2}
        for k in range(250)
    ]
    machine = build.machine(small([{"name": "smp", "vcpus": 32, "ram_kib": 512}], sources), "direct")
    pages = machine.views[Table.XIVE_SOURCE]
    owned = Counter((int(page.vp), int(page.priority)) for page in pages if page.lpid == 0)
    assert {vp for vp, _ in owned} == set(range(32))
    end = 0
    for k, queue in enumerate(machine.views[Table.XIVE_QUEUE]):
        count = owned[k // 8, k % 8]
        assert queue.order == 0 if count == 0 else 1 << queue.order >= count + 2
        if count:
            assert queue.start >= end
            end = int(queue.start) + (4 << int(queue.order))
    assert end <= machine.views[Table.DOMAIN][0].ram_bytes


@pytest.mark.compiled
def test_an_interrupt_of_a_vcpu_that_runs_needs_neither_exit_nor_hypercall():
    source = {"name": "a", "owner": "io", "arrival": periodic(10)}
    result = runner.run(small([{"name": "io", "compute": True}], [source]), "direct")
    assert of(result, "a") == {"raised": 200, "serviced": 200}
    assert set(result["hypervisor_entries"]) == {"hdec"}
    assert (result["spurious"], result["foreign"]) == (0, 0)


@pytest.mark.compiled
def test_a_sleeper_costs_an_exit_and_a_hypercall_each_time():
    result = runner.run(small([{"name": "io"}], [{"name": "a", "owner": "io", "arrival": periodic(100)}]), "direct")
    assert result["hypervisor_entries"] == {"external": 20, "hcall_papr": 20}


@pytest.mark.compiled
def test_every_entry_of_a_queue_is_read_before_it_is_overwritten():
    sources = [
        {"name": f"s{k}", "owner": "io", "arrival": {"kind": "burst", "on_us": 20, "off_us": 80, "period_us": 1}}
        for k in range(5)
    ]
    machine = finished(small([{"name": "io", "handler_work": 50}], sources), "direct")
    for s in range(5):
        row = fates(machine, f"s{s}")
        assert row["raised"] == row["serviced"] + row["coalesced"] + row.get("dropped", 0)


@pytest.mark.compiled
@pytest.mark.parametrize("trigger", ["edge", "level"])
def test_queues_that_coalesce_keep_the_promises_and_cost_a_load_each_time(trigger):
    def run(notify):
        scenario = work("computing", "burst", trigger, 2, 3)
        return logged(scenario.model_copy(update={"options": {"direct": {"notify": notify}}}), "direct")

    (always, _), (coalescing, log) = run("always"), run("coalesce")
    assert (coalescing["lost"], coalescing["pending"], coalescing["rescued"], coalescing["violations"]) == (0, 0, 0, [])
    assert coalescing["raised"] == always["raised"]
    for s, source in enumerate(coalescing["sources"]):
        consumed = kinds(log, Kind.SERVICE, source=s)["value"].tolist()
        assert consumed == list(range(source["raised"] - source["dropped"]))


@pytest.mark.compiled
def test_a_flood_of_another_domain_changes_no_latency():
    def latency(deed):
        flood = {"name": "bad", "pcpu": 1, **({"misbehave": "flood-port"} if deed else {"compute": True})}
        io = {"name": "io", "pcpu": 0, "compute": True}
        return runner.run(
            small([io, flood], [{"name": "a", "owner": "io", "arrival": periodic(50)}], pcpus=2), "direct"
        )

    assert latency(deed=True)["latency_ns"] == latency(deed=False)["latency_ns"]


@pytest.mark.compiled
def test_a_guest_with_ee_off_delays_nobody_else():
    """What rhype bounds by HDEC only."""
    domains = [{"name": "hog", "misbehave": "mask-all"}, {"name": "io"}]
    scenario = small(domains, [{"name": "a", "owner": "io", "arrival": periodic(130)}])
    direct_ns, rhype_ns = (runner.run(scenario, design)["vector_latency_ns"]["max"] for design in ("direct", "rhype"))
    assert rhype_ns > 100_000
    assert direct_ns < 10_000


@pytest.mark.compiled
def test_it_makes_no_difference_where_the_line_is_routed():
    def log(route):
        source = {"name": "a", "owner": "io", "route": route, "arrival": periodic(70)}
        domains = [{"name": "io", "pcpu": 0, "compute": True}, {"name": "calc", "pcpu": 1, "compute": True}]
        return logged(small(domains, [source], pcpus=2), "direct")[1]

    assert kinds(log(0), Kind.KNOW).tolist() == kinds(log(1), Kind.KNOW).tolist()
