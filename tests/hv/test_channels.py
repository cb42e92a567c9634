"""Channels: what guests and vCPUs notify each other of, and that the books of it balance (conservation.md)."""

import pytest

from hv.harness import BOOT_CYCLES, MANUAL, Parked, finished, of, periodic, ready, small, vcpu
from irqvisor.errors import ScenarioError
from irqvisor.hv.state import Exit
from irqvisor.hw.state import Phase
from irqvisor.lab import metrics, runner
from irqvisor.lab import scenario as scenarios
from irqvisor.paravirt import DOORBELL_BYTES, DOORBELLS, POSTS, SHARED_RINGS
from irqvisor.spec import papr
from irqvisor.spec.power_isa import MSR_EE, VEC_DATA_STORAGE
from irqvisor.tables import Table
from irqvisor.vcpu_controllers import TRIGGERS

SHORT = {"slice_us": 20, "hdec_period_us": 20}
BELL = {"name": "bell", "owner": "left", "arrival": periodic(1e6)}


def between(left, right, vcpu=0, **more):
    """Two channels, there and back."""
    return [
        {"name": "ping", "producer": left, "consumer": right, "vcpu": vcpu, "after": ["bell", "pong"], **more},
        {"name": "pong", "producer": right, "consumer": left, "after": ["ping"], **more},
    ]


def two_domains(compute=False, **settings):
    return small(
        [{"name": name, "compute": compute} for name in ("left", "right")],
        [BELL],
        channels=between("left", "right"),
        scheduler=SHORT,
        duration_ms=0.15,
        drain_ms=0.05,
        **settings,
    )


def two_vcpus(**settings):
    return small(
        [{"name": "left", "vcpus": 2}],
        [BELL],
        channels=between("left", "left", vcpu=1),
        scheduler=SHORT,
        duration_ms=0.2,
        drain_ms=0.2,
        **settings,
    )


POSTED = {"options": {"direct": {"variant": "posted"}}}
MAPPED = {"options": {"direct": {"ipi": "esb"}}}
COALESCING = {"options": {"direct": {"notify": "coalesce"}}}


@pytest.mark.slow
@pytest.mark.parametrize("pcpus", [1, 2])
@pytest.mark.parametrize(
    ("design", "made", "settings"),
    [
        ("xen-ppc", two_domains, {}),
        ("xen-ppc", two_vcpus, {}),
        ("rhype", two_vcpus, {}),
        ("xen-x86", two_domains, {}),
        ("xen-ia64", two_domains, {}),
        ("xen-ia64", two_vcpus, {}),
        ("hybrid", two_domains, {}),
        ("hybrid", two_vcpus, {}),
        ("direct", two_domains, {}),
        ("direct", two_domains, MAPPED),
        ("direct", two_domains, POSTED),
        ("direct", two_vcpus, {}),
        ("direct", two_vcpus, POSTED),
        ("direct", two_vcpus, COALESCING),
    ],
)
def test_an_item_goes_back_and_forth_until_the_sources_stop_and_none_is_lost(design, made, settings, pcpus):
    result = runner.run(made(pcpus=pcpus, **settings), design)
    ping, pong = of(result, "ping"), of(result, "pong")
    assert ping["raised"] > 15
    assert ping["raised"] - pong["raised"] in (0, 1)
    assert (result["lost"], result["pending"], result["dropped"], result["rescued"]) == (0, 0, 0, 0)
    assert result["serviced"] + result["coalesced"] == result["raised"]
    assert not result["violations"]
    assert not result["faults"]


@pytest.mark.slow
@pytest.mark.parametrize(("design", "settings"), [("xen-ppc", {}), ("direct", {}), ("direct", POSTED)])
def test_a_split_driver_passes_every_item_on_and_back(design, settings):
    scenario = small(
        [{"name": "driver"}, {"name": "guest"}],
        [{"name": "disk", "owner": "driver", "trigger": "level", "arrival": periodic(9)}],
        channels=[
            {"name": "request", "producer": "driver", "consumer": "guest", "after": ["disk"]},
            {"name": "response", "producer": "guest", "consumer": "driver", "after": ["request"]},
        ],
        pcpus=2,
        duration_ms=0.3,
        **settings,
    )
    result = runner.run(scenario, design)
    assert of(result, "disk")["raised"] == of(result, "request")["raised"] == of(result, "response")["raised"] > 30
    assert (result["lost"], result["pending"], result["rescued"]) == (0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("design", ["rhype", "xen-ppc", "xen-x86", "xen-ia64", "hybrid", "direct"])
def test_a_storm_of_ipis_loses_nothing(design):
    scenario = scenarios.with_overrides(scenarios.load("ipi-storm"), ["duration_ms=0.1", "drain_ms=0.1"])
    result = runner.run(scenario, design)
    assert result["raised"] > 100
    assert (result["lost"], result["pending"], result["dropped"], result["rescued"]) == (0, 0, 0, 0)
    assert result["serviced"] + result["coalesced"] == result["raised"]


@pytest.mark.slow
@pytest.mark.parametrize("design", ["rhype", "xen-ppc", "hybrid", "direct"])
def test_a_full_ring_drops_and_says_so(design):
    scenario = small(
        [{"name": "left", "vcpus": 2, "handler_work": 300}],
        [BELL | {"arrival": {"kind": "burst", "on_us": 6, "off_us": 5000, "period_us": 0.2}}],
        channels=[{"name": "ping", "producer": "left", "consumer": "left", "vcpu": 1, "after": ["bell"], "slots": 2}],
        pcpus=2,
        scheduler=SHORT,
        duration_ms=0.1,
        drain_ms=0.2,
    )
    result = runner.run(scenario, design)
    ping = of(result, "ping")
    assert ping["dropped"] > 0
    assert ping["raised"] == of(result, "bell")["raised"] - of(result, "bell").get("dropped", 0)
    assert result["dropped_by_rule"] == {"ring full": result["dropped"]}
    assert (result["lost"], result["pending"]) == (0, 0)


def test_what_a_design_cannot_express_is_a_row_with_the_reason():
    assert "own partition" in runner.run(two_domains(), "rhype")["skipped"]
    assert "nothing between them" in runner.run(two_domains(), "native")["skipped"]
    assert "second vCPU" in runner.run(two_vcpus(), "native")["skipped"]
    both = {"options": {"direct": {"variant": "posted", "ipi": "esb"}}}
    assert "no page" in runner.run(two_domains(**both), "direct")["skipped"]


def test_a_domain_that_lies_about_what_it_posted_is_stopped():
    machine = ready(two_domains(compute=True, pcpus=2), "xen-ppc")
    guest = Parked(machine, 0)
    guest.park(guest.STD_R4_R3)
    guest.cpu.gpr[3], guest.cpu.gpr[4] = POSTS + DOORBELL_BYTES * 1, 7
    machine.run(cycles=5_000)
    assert machine.views[Table.DOMAIN][0].exit == Exit.DOORBELL
    assert machine.views[Table.DOMAIN][1].alive


@pytest.mark.parametrize(
    ("v", "address"),
    [(0, POSTS + DOORBELL_BYTES * 2), (1, POSTS + DOORBELL_BYTES * 1), (0, DOORBELLS + DOORBELL_BYTES * 1), (0, POSTS)],
    ids=["another's channel", "its own inbox", "another's doorbell", "a device"],
)
def test_only_the_producer_posts_and_only_the_consumer_consumes(v, address):
    machine = ready(two_domains(compute=True, pcpus=2), "xen-ppc")
    guest = Parked(machine, v)
    guest.memory[0x300:0x304] = guest.SPIN.to_bytes(4, "big")
    guest.park(guest.STD_R4_R3)
    guest.cpu.gpr[3], guest.cpu.gpr[4] = address, 1
    machine.run(cycles=5_000)
    assert guest.at == 0x300


def test_domains_share_the_rings_of_their_channels_and_nothing_else():
    machine = ready(
        small(
            [{"name": "left"}, {"name": "right"}, {"name": "third"}],
            [BELL],
            channels=between("left", "right"),
            pcpus=3,
        ),
        "xen-ppc",
    )
    seen = []
    for v in range(3):
        c = machine.views[Table.CONTEXT][v]
        regions = machine.views[Table.REGION][int(c.region) : int(c.region + c.regions)]
        seen.append({int(r.ram) for r in regions if SHARED_RINGS <= r.start < DOORBELLS})
    assert seen[0] == seen[1]
    assert len(seen[0]) == 2
    assert seen[2] == set()


def test_a_saved_and_a_forked_machine_with_channels_go_on_as_the_one_they_were_made_of(tmp_path):
    straight = ready(two_domains(pcpus=2), "xen-ppc")
    straight.run(cycles=BOOT_CYCLES, until=Phase.RUN)
    straight.run(cycles=20_000)
    straight.save(tmp_path / "x.irqvisor")
    twins = [straight, type(straight).load(tmp_path / "x.irqvisor"), straight.fork()]
    for machine in twins:
        runner.finish(machine)
    assert len({machine.digest() for machine in twins}) == 1
    assert metrics.fates(straight)["balanced"]


def test_the_board_knows_of_an_item_before_the_ring_shows_it():
    """Or a consumer on another pCPU, which looks at that very instant, would be taken for a liar."""
    machine = ready(two_domains(pcpus=2), "xen-ppc")
    machine.run(cycles=BOOT_CYCLES, until=Phase.RUN)
    ping = machine.views[Table.SOURCE][1]
    shown = 0
    for _ in range(1500):
        machine.run(instructions=1)
        shown = int.from_bytes(machine.ram[int(ping.ring) : int(ping.ring) + 8].tobytes(), "big")
        assert shown <= ping.head
    assert shown > 1


def test_an_item_that_a_producer_was_about_to_post_when_the_channel_closed_is_taken():
    machine = ready(two_domains(compute=True, pcpus=2), "xen-ppc")
    guest = Parked(machine, 0)
    ping = machine.views[Table.SOURCE][1]
    assert (ping.closes, ping.active) == (1, 0)
    guest.park(guest.STD_R4_R3)
    guest.cpu.gpr[3], guest.cpu.gpr[4] = POSTS + DOORBELL_BYTES * 1, 1
    machine.run(cycles=1_000)
    assert ping.head == 1
    assert machine.views[Table.DOMAIN][0].alive


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"consumer": "nobody"}, 'channels[0].consumer: no domain "nobody"'),
        ({"after": ["bel"]}, 'channels[0].after: no source or channel "bel"'),
        ({"after": ["ping"]}, "channels[0].after: ping is consumed by right; expected one of left"),
        ({"vcpu": 1}, "channels[0].vcpu: right has no vCPU 1; expected 0..0"),
        ({"consumer": "left"}, "channels[0].consumer: the vCPU that posts; expected another domain, or another vCPU"),
        ({"slots": 3}, "channels[0].slots: found 3; expected a power of two"),
        ({"name": "bell"}, 'channels[0].name: "bell" is already another one\'s; expected a name of its own'),
    ],
)
def test_channels_that_make_no_sense_are_told_by_file_and_key(change, message):
    channels = between("left", "right")
    channels[0] |= change
    with pytest.raises(ScenarioError) as error:
        small([{"name": "left"}, {"name": "right"}], [BELL], channels=channels)
    assert message in str(error.value)


# --------------------------------------------------------------------------------------------- rhype: several servers


@pytest.fixture(scope="module")
def computing():
    scenario = small(
        [{"name": "smp", "vcpus": 2, "compute": True}],
        [{"name": "disk", "owner": "smp", "vcpu": 1, "arrival": MANUAL}],
        pcpus=2,
    )
    return ready(scenario, "rhype")


class SecondParked(Parked):
    HERE = Parked.HERE + 0x400
    DATA = Parked.HERE + 0x500


@pytest.fixture
def servers(computing):
    """Two vCPUs of a partition, parked, their controllers open."""
    machine = computing.fork()
    both = Parked(machine, 0), SecondParked(machine, 1)
    for guest in both:
        assert guest.call(papr.H_CPPR, 0xFF) == papr.H_SUCCESS
    return both


def xirr(guest):
    assert guest.call(papr.H_XIRR) == papr.H_SUCCESS
    return int(guest.cpu.gpr[4])


def test_an_ipi_to_another_server_arrives_there(servers):
    first, second = servers
    second.cpu.msr |= MSR_EE
    assert first.call(papr.H_IPI, 1, papr.IPI_PRIORITY) == papr.H_SUCCESS
    first.machine.run(cycles=10_000)
    assert second.at == 0x500
    assert xirr(second) == 0xFF << 24 | papr.XISR_IPI
    assert xirr(first) & papr.XISR_MASK == papr.XISR_NONE
    assert second.call(papr.H_IPI, 1, 0xFF) == papr.H_SUCCESS
    assert second.call(papr.H_EOI, 0xFF << 24 | papr.XISR_IPI) == papr.H_SUCCESS
    assert xirr(second) & papr.XISR_MASK == papr.XISR_NONE


def test_an_ipi_wakes_a_server_that_ceded(servers):
    first, second = servers
    second.call(papr.H_CEDE)
    assert vcpu(first.machine, 1).blocked == 1
    assert first.call(papr.H_IPI, 1, papr.IPI_PRIORITY) == papr.H_SUCCESS
    first.machine.run(cycles=10_000)
    assert (vcpu(first.machine, 1).blocked, second.at) == (0, 0x500)


def test_a_prod_ends_a_cede_or_the_next_one(servers):
    first, second = servers
    assert first.call(papr.H_PROD, 1) == papr.H_SUCCESS
    second.call(papr.H_CEDE)
    assert vcpu(first.machine, 1).blocked == 0  # it returned at once
    second.call(papr.H_CEDE)
    assert vcpu(first.machine, 1).blocked == 1
    assert first.call(papr.H_PROD, 1) == papr.H_SUCCESS
    assert vcpu(first.machine, 1).blocked == 0
    second.call(papr.H_CEDE)
    assert vcpu(first.machine, 1).blocked == 1  # that prod was used up


@pytest.mark.parametrize("call", [papr.H_IPI, papr.H_PROD, papr.H_CONFER, papr.H_IPOLL])
def test_a_server_that_the_partition_does_not_have_is_a_parameter_error(servers, call):
    for server in (2, -2, 1 << 40):
        assert servers[0].call(call, server, 0xFF) == papr.H_PARAMETER


def test_the_poll_of_another_server_shows_its_request(servers):
    first, second = servers
    second.call(papr.H_CPPR, 0)
    first.call(papr.H_IPI, 1, papr.IPI_PRIORITY)
    assert first.call(papr.H_IPOLL, 1) == papr.H_SUCCESS
    assert [int(first.cpu.gpr[r]) for r in (4, 5)] == [0, papr.IPI_PRIORITY]


def test_an_interrupt_for_another_server_of_the_partition_is_queued_for_it(servers):
    first, second = servers
    machine = first.machine
    machine.raise_irq(1)  # presented where its server runs
    machine.views[Table.PIRQ][1].server = 0  # as if it had been told to go to the other one
    assert xirr(second) & papr.XISR_MASK == papr.XISR_NONE
    assert vcpu(machine, 0).queued == 1
    assert xirr(first) & papr.XISR_MASK == papr.XISR_SOURCES + 1


def test_both_servers_take_their_own_sources():
    scenario = small(
        [{"name": "smp", "vcpus": 2}],
        [
            {"name": name, "owner": "smp", "vcpu": n, "trigger": trigger, "arrival": periodic(40 + n)}
            for n, (name, trigger) in enumerate([("disk", "edge"), ("net", "level")])
        ],
        pcpus=2,
        duration_ms=0.5,
    )
    machine = finished(scenario, "rhype")
    books = metrics.fates(machine)
    for name in ("disk", "net"):
        row = of(books, name)
        assert row == {"raised": row["raised"], "serviced": row["raised"]}


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("balance", ["false", "true"])
@pytest.mark.parametrize("design", ["xen-ppc", "xen-x86"])
def test_256_vcpus_that_talk_lose_nothing(design, balance):
    settings = ["duration_ms=1", "drain_ms=2", f"scheduler.balance={balance}"]
    result = runner.run(scenarios.with_overrides(scenarios.load("chatter"), settings), design)
    assert result["raised"] > 4000
    assert (result["lost"], result["pending"], result["dropped"], result["rescued"]) == (0, 0, 0, 0)
    assert not result["violations"]
    assert not result["faults"]


# ------------------------------------------------------------------------ direct: who may trigger whose source, and how


def sender(options, v=0):
    """A parked vCPU of the first domain of two that talk, and the controller sources of both channels."""
    machine = ready(two_domains(compute=True, pcpus=2, **options), "direct")
    guest = Parked(machine, v)
    guest.memory[0x300:0x304] = guest.SPIN.to_bytes(4, "big")
    return guest, machine.views[Table.XIVE_SOURCE][int(machine.views[Table.SOURCE][1].irq)]


@pytest.mark.parametrize(("v", "s", "answer"), [(0, 1, papr.H_SUCCESS), (0, 2, papr.H_PARAMETER)])
def test_h_notify_triggers_for_the_producer_only(v, s, answer):
    guest, _ = sender({}, v)
    assert guest.call(papr.H_NOTIFY, s) == answer


@pytest.mark.parametrize("s", [0, 3, -1, 1 << 40])
def test_h_notify_refuses_what_is_no_channel(s):
    assert sender({})[0].call(papr.H_NOTIFY, s) == papr.H_PARAMETER


def test_the_page_of_another_domains_source_is_there_only_if_it_was_granted_and_takes_only_triggers():
    for options, is_there in ((MAPPED, True), ({}, False)):
        guest, source = sender(options)
        before = int(source.pq)
        guest.park(guest.STD_R4_R3)
        guest.cpu.gpr[3] = TRIGGERS + 4096 * 1
        guest.machine.run(cycles=50)
        assert (guest.at == VEC_DATA_STORAGE) != is_there
        assert (int(source.pq) != before) == is_there
    guest, source = sender(MAPPED)
    guest.park(0xE8000000 | 4 << 21 | 3 << 16)  # ld r4, 0(r3)
    guest.cpu.gpr[3] = TRIGGERS + 4096 * 1
    guest.machine.run(cycles=50)
    assert guest.at == VEC_DATA_STORAGE
