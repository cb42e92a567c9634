"""Two vCPUs at once: each ordering of docs/explanation/event-channels.md, constructed instruction by instruction.

The hypervisor's steps are one piece for the guest, as they are under Xen's locks; what can come between is a whole
hypercall of another vCPU, between any two instructions of this one. So each test lets one vCPU execute k instructions,
then lets the other send, then goes on, for every k. An order that is right never loses an event; the order that is
known to be wrong must lose one for some k, or the test could not have seen it.
"""

from contextlib import contextmanager

import pytest

from hv.harness import BOOT_CYCLES, FOR_EVER, Parked, ready, small, vcpu
from hw import asm
from irqvisor.hv.state import PortState
from irqvisor.hw.state import NOBODY, Phase
from irqvisor.lab import metrics
from irqvisor.paravirt import DOORBELL_BYTES, POSTS, RING_HEADER
from irqvisor.spec import papr, xen
from irqvisor.spec.power_isa import MSR_EE, MSR_ME, MSR_RI, MSR_SF
from irqvisor.tables import Table
from irqvisor.vcpu_controllers import TRIGGERS

MSR = MSR_SF | MSR_ME | MSR_RI
SYNC = 0x7C0004AC
WORD = Parked.HERE + 0x200
"""A word of memory that stands for a ring: what the sender writes before it sends."""


class SecondParked(Parked):
    """The second vCPU of a domain, in the same memory at another place."""

    HERE = Parked.HERE + 0x400
    DATA = Parked.HERE + 0x500


@contextmanager
def frozen(machine, *pcpus):
    """Some pCPUs stand still; their clocks are set on afterwards."""
    for p in pcpus:
        machine.views[Table.PCPU][p].now += FOR_EVER
    yield
    now = min(int(pcpu.now) for p, pcpu in enumerate(machine.views[Table.PCPU]) if p not in pcpus)
    for p in pcpus:
        machine.views[Table.PCPU][p].now = max(int(machine.views[Table.PCPU][p].now) - FOR_EVER, now)


def step(machine, p, count):
    """Execute instructions on one pCPU, none on the others."""
    others = [q for q in range(len(machine.views[Table.PCPU])) if q != p]
    with frozen(machine, *others):
        if count:
            machine.run(instructions=count)


@pytest.fixture(scope="module")
def computing():
    scenario = small([{"name": "smp", "vcpus": 2, "compute": True}], pcpus=2)
    machine = ready(scenario, "xen-ppc")
    machine.header.slice = machine.header.hdec_period = FOR_EVER
    for pcpu in machine.views[Table.PCPU]:
        pcpu.slice_end = pcpu.hdec_at = pcpu.now + FOR_EVER
    return machine


class Race:
    """A receiver that executes a program, and a sender with two ports of the receiver."""

    def __init__(self, machine):
        self.machine = machine
        self.receiver, self.sender = Parked(machine, 0), SecondParked(machine, 1)
        self.receiver.listen()
        with frozen(machine, 0):
            self.first, self.second = (self.bind() for _ in range(2))

    def bind(self):
        assert self.sender.evtchn(xen.EVTCHNOP_BIND_IPI, "II", 0, 0) == 0
        return self.sender.out[1]

    def send(self, port):
        """The sender's whole hypercall, between two instructions of the receiver."""
        with frozen(self.machine, 0):
            assert self.sender.evtchn(xen.EVTCHNOP_SEND, "I", port) == 0

    def load(self, words, msr=MSR):
        """The receiver's program; r3 is its vcpu_info, r5 PENDING, r7 the selector, r11 MASK, r12 the ring."""
        self.end = self.receiver.HERE + 4 * len(words)
        self.receiver.park(*words, msr=msr)
        shared = self.receiver.shared
        registers = {3: 0, 5: xen.EVTCHN_PENDING, 7: xen.PENDING_SEL, 11: xen.EVTCHN_MASK}
        for r, offset in registers.items():
            self.receiver.cpu.gpr[r] = shared + offset
        self.receiver.cpu.gpr[12], self.receiver.cpu.gpr[4] = WORD, 0

    def go(self, count):
        step(self.machine, 0, count)

    def finish(self):
        """To the end of the program: a conditional store may have failed on the way."""
        for _ in range(60):
            if self.receiver.at == self.end:
                return
            step(self.machine, 0, 1)
        raise AssertionError("the program did not end")


def exchange(target, old):
    """target <- 0 atomically, old <- what was there; r4 is 0."""
    return asm.ldarx(old, 0, target), asm.stdcx(4, 0, target), asm.bc(4, 2, -8)


def clear(target, bits):
    """The bits of a register out of a doubleword, atomically, by r9 and r10."""
    andc = asm._x(60, t=9, a=10, b=bits)
    return asm.ldarx(9, 0, target), andc, asm.stdcx(10, 0, target), asm.bc(4, 2, -12)


CLEAR_UPCALL = (asm.stb(4, 0, 3), SYNC)
TAKE_SELECTOR = exchange(7, 6)
READ_PENDING = (asm.ld(8, 0, 5),)
READ_RING = (asm.ld(14, 0, 12),)


def losses(computing, program, prepare, act, lost):
    """For how many instants k a race ends in a lost event: k instructions, `act`, the rest."""
    found = []
    for k in range(len(program) + 1):
        race = Race(computing.fork())
        prepare(race)
        race.load(program)
        race.go(k)
        act(race)
        race.finish()
        if lost(race):
            found.append(k)
    return found


# ---------------------------------------------------------------------------------------------------------- send, scan


def first_event(race):
    race.send(race.first)


def second_event(race):
    race.send(race.second)


def is_stuck(race):
    """The second port is pending, the scan did not see it, and nothing will make the vCPU look again; or a selector bit
    is left without an upcall, where every later send of that word would stop."""
    g = race.receiver
    bit = 1 << race.second
    announced = g.upcall and g.selector & 1
    unseen = g.pending() & bit and not int(g.cpu.gpr[8]) & bit
    return bool((unseen and not announced) or (g.selector and not g.upcall))


SCAN = (*CLEAR_UPCALL, *TAKE_SELECTOR, *READ_PENDING, *clear(5, 8))
SCAN_UPCALL_LAST = (*TAKE_SELECTOR, *CLEAR_UPCALL, *READ_PENDING, *clear(5, 8))


def test_a_scan_that_clears_the_upcall_first_misses_no_send_at_any_instant(computing):
    assert losses(computing, SCAN, first_event, second_event, is_stuck) == []


def test_a_scan_that_clears_the_upcall_last_loses_a_send_in_between(computing):
    assert losses(computing, SCAN_UPCALL_LAST, first_event, second_event, is_stuck)  # historical bug G5


# ------------------------------------------------------------------------------------------------------- send, handler


def work_and_send(race):
    """The producer's order: data, then the notification, for the port that is being handled."""
    race.receiver.memory[WORD : WORD + 8] = (1).to_bytes(8, "big")
    race.send(race.first)


def is_swallowed(race):
    """The work is there, the handler did not see it, and the event is gone."""
    g = race.receiver
    return int(g.cpu.gpr[14]) == 0 and not g.pending() & 1 << race.first


def no_work(race):
    race.receiver.memory[WORD : WORD + 8] = bytes(8)
    race.send(race.first)


HANDLER = (*CLEAR_UPCALL, *TAKE_SELECTOR, *READ_PENDING, *clear(5, 8), SYNC, *READ_RING)
HANDLER_CLEARS_LAST = (*CLEAR_UPCALL, *TAKE_SELECTOR, *READ_PENDING, *READ_RING, *clear(5, 8))


def test_a_handler_that_clears_pending_before_it_reads_the_ring_swallows_no_work(computing):
    assert losses(computing, HANDLER, no_work, work_and_send, is_swallowed) == []


def test_a_handler_that_clears_pending_after_it_has_read_the_ring_swallows_work(computing):
    assert losses(computing, HANDLER_CLEARS_LAST, no_work, work_and_send, is_swallowed)  # historical bug G6


# -------------------------------------------------------------------------------------------------------- send, unmask


def mask_first(race):
    race.receiver.set_bits(xen.EVTCHN_MASK, 1 << race.first)


def send_first(race):
    race.send(race.first)


def is_lost_edge(race):
    """PENDING and not masked, with no selector bit, and the unmasker did not see it."""
    g = race.receiver
    bit = 1 << race.first
    return bool(g.pending() & bit and not g.mask() & bit and not g.selector & 1 and not int(g.cpu.gpr[8]) & bit)


def unmasking(race_first, *, right):
    bit = (asm.li(15, 1 << race_first),)
    lift = clear(11, 15)
    return (*bit, *lift, SYNC, *READ_PENDING) if right else (*bit, *READ_PENDING, *lift)


def test_unmasking_and_then_looking_at_pending_loses_no_edge(computing):
    port = Race(computing.fork()).first
    assert losses(computing, unmasking(port, right=True), mask_first, send_first, is_lost_edge) == []


def test_looking_at_pending_and_then_unmasking_loses_an_edge(computing):
    port = Race(computing.fork()).first
    assert losses(computing, unmasking(port, right=False), mask_first, send_first, is_lost_edge)


def test_the_hypervisors_unmask_loses_no_edge_before_or_after_a_send(computing):
    for sends_first in (True, False):
        race = Race(computing.fork())
        mask_first(race)
        actions = [lambda r: r.send(r.first), lambda r: r.sender.evtchn(xen.EVTCHNOP_UNMASK, "I", r.first)]
        for act in actions if sends_first else reversed(actions):
            with frozen(race.machine, 0):
                act(race)
        assert (race.receiver.selector, race.receiver.upcall) == (1, 1)


# --------------------------------------------------------------------------------------------------- send, block, poll


def sleeping(race, *registers):
    """The receiver is about to make a sched_op."""
    race.load((asm.sc(1),))
    for r, value in enumerate((xen.HC_SCHED_OP | xen.MARK, *registers), start=3):
        race.receiver.cpu.gpr[r] = value


def poll_of(race, port, timeout=0):
    g = race.receiver
    ports = g.DATA + 64
    g.memory[ports : ports + 4] = port.to_bytes(4, "big")
    handle = (xen.XENCOMM_INLINE | ports) % (1 << 64)
    argument = handle.to_bytes(8, "big") + (1).to_bytes(4, "big") + bytes(4) + timeout.to_bytes(8, "big")
    g.memory[g.DATA : g.DATA + 24] = argument
    sleeping(race, xen.SCHEDOP_POLL, xen.XENCOMM_INLINE | g.DATA)


@pytest.mark.parametrize("sends_first", [True, False])
def test_a_send_before_a_block_keeps_it_awake_and_one_after_it_wakes_it(computing, sends_first):
    race = Race(computing.fork())
    sleeping(race, xen.SCHEDOP_BLOCK, 0)
    if sends_first:
        race.send(race.first)
    race.go(1)
    w = vcpu(race.machine, 0)
    assert w.blocked == (not sends_first)
    if not sends_first:
        race.send(race.first)
        assert w.blocked == 0
    race.machine.run(cycles=10_000)
    assert (w.running, int(race.receiver.cpu.srr0)) == (1, race.end)


@pytest.mark.parametrize("sends_first", [True, False])
def test_a_send_before_a_poll_ends_it_at_once_and_one_after_it_wakes_it(computing, sends_first):
    race = Race(computing.fork())
    poll_of(race, race.first)
    if sends_first:
        race.send(race.first)
    race.go(1)
    w = vcpu(race.machine, 0)
    assert w.blocked == (not sends_first)
    if not sends_first:
        race.send(race.first)
    assert (w.blocked, w.polling, int(race.machine.views[Table.DOMAIN][0].pollers)) == (0, 0, 0)
    race.machine.run(cycles=10_000)
    assert race.receiver.at == race.end


def test_a_poll_whose_time_runs_out_as_a_port_becomes_pending_ends_once(computing):
    race = Race(computing.fork())
    pcpu = race.machine.views[Table.PCPU][0]
    hz = int(race.machine.header.clock_hz)
    poll_of(race, race.first, timeout=(int(pcpu.now) + 4000) * 10**9 // hz)
    race.go(1)
    w = vcpu(race.machine, 0)
    assert (w.polling, w.timer < 1 << 60) == (1, True)
    race.send(race.first)
    assert (w.polling, w.timer > 1 << 60) == (0, True)  # the timer was only there to end this sleep
    race.machine.run(cycles=20_000)
    assert race.receiver.at == race.end
    assert race.machine.views[Table.DOMAIN][0].pollers == 0


# ------------------------------------------------------------------------------------------------------------- rebind


def loopback(race):
    """A channel of the domain to itself: (the end that may be bound elsewhere, the one to send on)."""
    s = race.sender
    with frozen(race.machine, 0):
        assert s.evtchn(xen.EVTCHNOP_ALLOC_UNBOUND, "HHI", xen.DOMID_SELF, xen.DOMID_SELF, 0) == 0
        end = s.out[2]
        assert s.evtchn(xen.EVTCHNOP_BIND_INTERDOMAIN, "HxxII", xen.DOMID_SELF, end, 0) == 0
        other = s.out[2]
    race.receiver.listen()
    return end, other


def test_one_more_event_may_arrive_on_the_old_vcpu_after_a_rebind(computing):
    race = Race(computing.fork())
    end, other = loopback(race)
    race.send(other)
    with frozen(race.machine, 0):
        assert race.sender.evtchn(xen.EVTCHNOP_BIND_VCPU, "II", end, 1) == 0
        assert race.sender.evtchn(xen.EVTCHNOP_SEND, "I", other) == 0
    assert (race.receiver.selector, race.sender.selector) == (1, 0)  # the second send stopped: PENDING was set
    race.receiver.set_bits(xen.PENDING_SEL, 0)  # a vCPU that takes the selector and ignores a port bound elsewhere
    race.receiver.memory[race.receiver.shared] = 0
    with frozen(race.machine, 0):
        assert race.sender.evtchn(xen.EVTCHNOP_SEND, "I", other) == 0
    assert (race.receiver.selector, race.sender.selector) == (0, 0)  # stuck: historical bug E19
    race.receiver.set_bits(xen.EVTCHN_PENDING, 0)
    with frozen(race.machine, 0):
        assert race.sender.evtchn(xen.EVTCHNOP_SEND, "I", other) == 0
    assert (race.receiver.selector, race.sender.selector) == (0, 1)


# ------------------------------------------------------------------------------------------------------- kick, resume


def test_a_kick_from_another_pcpu_outlasts_a_critical_section(computing):
    race = Race(computing.fork())
    race.load((asm.mtmsrd(16, 1), *[0x60000000] * 4))
    race.receiver.cpu.gpr[16] = MSR_EE | MSR_RI
    race.send(race.first)
    with frozen(race.machine, 0):
        race.machine.run(cycles=10_000)  # the IPI has arrived, and the guest has EE=0
    assert race.machine.views[Table.PCPU][0].external == 1
    entries = race.machine.views[Table.OBSERVED][0].entries.copy()
    race.go(1)
    race.machine.run(cycles=3_000)
    assert int(race.receiver.cpu.srr0) == race.receiver.HERE + 4
    assert race.machine.views[Table.OBSERVED][0].entries[1] == entries[1] + 1  # by the latched IPI alone


def test_an_event_from_the_same_pcpu_does_not_outlast_a_critical_section(computing):
    race = Race(computing.fork())
    g = race.receiver
    assert g.evtchn(xen.EVTCHNOP_SEND, "I", race.first) == 0  # to itself, with EE=0
    race.load((asm.mtmsrd(16, 1),))
    g.cpu.gpr[16] = MSR_EE | MSR_RI
    g.cpu.srr0 = 0
    race.machine.run(cycles=10_000)
    assert (g.upcall, g.at, int(g.cpu.srr0)) == (1, race.end, 0)  # the gap: EE=1, pending, and nobody looks
    assert g.xen(xen.HC_XEN_VERSION, 0, msr=MSR | MSR_EE) is not None
    assert int(g.cpu.srr0) == g.HERE + 4  # any hypercall ends it


def test_a_vcpu_that_waits_for_its_turn_finds_the_event_when_it_resumes():
    domains = [{"name": "a", "compute": True}, {"name": "b", "vcpus": 2, "placement": [0, 1], "compute": True}]
    machine = ready(small(domains, pcpus=2, scheduler={"slice_us": 5, "hdec_period_us": 5}), "xen-ppc")
    machine.header.slice = machine.header.hdec_period = FOR_EVER
    for pcpu in machine.views[Table.PCPU]:
        pcpu.slice_end = pcpu.hdec_at = pcpu.now + FOR_EVER
    a, b0, b1 = Parked(machine, 0), Parked(machine, 1), SecondParked(machine, 2)
    a.take_turn()
    b0.listen()
    assert b1.evtchn(xen.EVTCHNOP_BIND_IPI, "II", 0, 0) == 0
    events = int(machine.header.sequence)
    assert b1.evtchn(xen.EVTCHNOP_SEND, "I", b1.out[1]) == 0
    assert machine.header.sequence == events  # not running: no IPI
    b0.cpu.msr |= MSR_EE
    at = b0.at
    b0.take_turn()
    assert int(b0.cpu.srr0) == at


# ------------------------------------------------------------------------------------------------- the bundled kernel


WAYS = [
    ("xen-ppc", {}),
    ("hybrid", {}),
    ("direct", {}),
    ("direct", {"ipi": "esb"}),
    ("direct", {"notify": "coalesce"}),
    ("direct", {"variant": "posted"}),
]


def notify(guest, design, options):
    """The first domain, whose vCPU is parked, has posted to the channel, source 1."""
    if design != "direct":
        ports = guest.machine.views[Table.PORT][: int(guest.machine.views[Table.DOMAIN][0].ports)]
        port = next(n for n, e in enumerate(ports) if e.state == PortState.INTERDOMAIN)
        assert guest.evtchn(xen.EVTCHNOP_SEND, "I", port) == 0
    elif options.get("ipi") == "esb":
        guest.park(guest.STD_R4_R3)
        guest.cpu.gpr[3] = TRIGGERS + 4096
        guest.machine.run(cycles=200)
    else:
        assert guest.call(papr.H_NOTIFY, 1) == papr.H_SUCCESS


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize(("design", "options"), WAYS)
def test_the_kernel_misses_no_item_that_comes_at_any_instant_of_its_handler_or_of_falling_asleep(design, options):
    """Send against scan, handler, ring, resume and block at once: from 0x500 until it sleeps again."""
    scenario = small(
        [{"name": "left", "compute": True}, {"name": "right"}],
        [{"name": "bell", "owner": "left", "arrival": {"kind": "manual"}}],
        channels=[{"name": "ping", "producer": "left", "consumer": "right", "after": ["bell"]}],
        pcpus=2,
        options={design: options},
    )
    machine = ready(scenario, design)
    machine.run(cycles=BOOT_CYCLES, until=Phase.RUN)
    sender = Parked(machine, 0)
    assert machine.views[Table.PCPU][1].context == NOBODY

    def post(m, item):
        guest = Parked(m, 0)
        source = m.views[Table.SOURCE][1]
        with frozen(m, 1):
            for at, value in ((RING_HEADER + 8 * (item - 1), item), (0, item)):
                m.ram[int(source.ring) + at : int(source.ring) + at + 8] = list(item.to_bytes(8, "big"))
                assert value == item
            guest.park(guest.STD_R4_R3)
            guest.cpu.gpr[3], guest.cpu.gpr[4] = POSTS + DOORBELL_BYTES, item
            m.run(cycles=200)
            notify(guest, design, options)

    if design != "direct":
        sender.listen()
    post(machine, 1)
    step(machine, 1, 1)  # it wakes, and executes the first instruction of its handler
    instants = 0
    while machine.views[Table.PCPU][1].context != NOBODY:
        twin = machine.fork()
        post(twin, 2)
        twin.run(cycles=30_000)
        source = twin.views[Table.SOURCE][1]
        assert source.tail == source.head == 2, f"after {instants} instructions"
        assert metrics.fates(twin)["rescued"] == 0, f"after {instants} instructions"
        step(machine, 1, 1)
        instants += 1
    assert instants > 100
