"""FIFO event channels: what the vectors cannot show, which is how a guest and the hypervisor share the queues."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hv.harness import MANUAL, fates, finished, periodic, ready, small
from irqvisor.hv.state import Exit
from irqvisor.lab.conformance import steps
from irqvisor.lab.conformance.rig import Rig
from irqvisor.machine import Machine
from irqvisor.spec import xen
from irqvisor.tables import Table
from models.fifo_guest import LINKED, MASKED, PENDING, FifoGuest

GUEST = {"name": "guest", "abi": "modern", "event_channels": "fifo"}
DOMAIN = {
    "id": 1,
    "vcpus": 2,
    "max_port": 1023,
    "privileged": False,
    "hardware": False,
    "nr_pirqs": 16,
    "pirqs_permitted": [],
    "pirqs_mapped": [],
}
PORTS = range(1, 7)


class Domain:
    """A domain of two vCPUs with FIFO, six IPIs of its own, and a guest that takes them."""

    def __init__(self):
        self.rig = Rig([DOMAIN])
        for vcpu in range(2):
            self.call("init_control", control_gfn=8, offset=128 * vcpu, vcpu=vcpu)
        self.call("expand_array", array_gfn=16)
        for port in PORTS:
            self.call("bind_ipi", vcpu=port % 2)
        d = self.rig.domain(1)
        blocks = {v: int(self.rig.machine.views[Table.VCPU][v].control) for v in range(2)}
        self.guest = FifoGuest(self.load, self.store, int(d.event_page[0]), blocks)

    def load(self, at):
        return int.from_bytes(self.rig.machine.ram[at : at + 4].tobytes(), "big")

    def store(self, at, value):
        self.rig.machine.ram[at : at + 4] = list((value & 0xFFFFFFFF).to_bytes(4, "big"))

    def call(self, op, **args):
        answer = steps.perform(self.rig, {"kind": "hypercall", "op": op, "dom": 1, "vcpu": 0, "args": args})
        assert answer["rc"] == 0, (op, args, answer)

    def do(self, what, port, value):
        """One step of the guest."""
        if what == "send":
            self.call("send", port=port)
        elif what == "mask":
            self.guest.mask(port)
        elif what == "unmask":
            if self.guest.unmask(port):
                self.call("unmask", port=port)
        elif what == "priority":
            self.call("set_priority", port=port, priority=value)
        else:
            return self.guest.take(value % 2)
        return None

    def check(self):
        """I6: what is pending and not masked is in exactly one queue."""
        queues = [self.guest.queued(v, q) for v in range(2) for q in range(16)]
        for port in PORTS:
            times = sum(queue.count(port) for queue in queues)
            word = self.guest.word(port)
            assert times == bool(word & LINKED), port
            if word & (PENDING | MASKED) == PENDING:
                assert times == 1, port

    @property
    def raised(self):
        """Ports that a handler has to run for."""
        return {port for port in PORTS if self.guest.word(port) & (PENDING | MASKED) == PENDING}


WHAT = st.sampled_from(["send", "send", "send", "mask", "unmask", "unmask", "priority", "take", "take"])


@settings(max_examples=40)
@given(st.lists(st.tuples(WHAT, st.sampled_from(PORTS), st.integers(0, 15)), min_size=15, max_size=60))
def test_no_event_is_lost_or_linked_twice_whatever_a_guest_does_that_it_may(history):
    domain = Domain()
    waiting = set()
    for what, port, value in history:
        before = domain.raised
        taken = domain.do(what, port, value)
        domain.check()
        waiting = domain.raised
        if taken is not None:
            assert taken in before
            waiting.discard(taken)
    left = {taken for v in range(2) for taken in drain(domain, v)}
    assert left == waiting
    assert not domain.raised


def drain(domain, v):
    taken = domain.guest.take(v)
    while taken is not None:
        yield taken
        taken = domain.guest.take(v)


def test_a_port_that_was_the_tail_is_raised_again_alone_and_in_another_queue():
    """Linux and Xen, January 2014: a tail that is not linked any more must not be linked behind."""
    domain = Domain()
    for _ in range(2):
        domain.call("send", port=2)
        domain.check()
        assert list(drain(domain, 0)) == [2]
    domain.call("set_priority", port=2, priority=3)
    domain.call("send", port=2)
    domain.call("send", port=4)  # its queue's tail was the port that has moved
    domain.check()
    assert list(drain(domain, 0)) == [2, 4]


def test_a_more_urgent_queue_is_taken_first_and_each_in_order():
    domain = Domain()
    for port, priority in ((2, 7), (4, 7), (6, 0)):
        domain.call("set_priority", port=port, priority=priority)
        domain.call("send", port=port)
    assert list(drain(domain, 0)) == [6, 2, 4]


@pytest.mark.parametrize("word", [0xFFFFFFFF, LINKED | 1, LINKED | 0x1FFFF, 1 << 28, LINKED | 3 | 1 << 28])
def test_hostile_words_hurt_nobody_but_their_guest(word):
    """A stuck BUSY, LINK to itself, beyond all ports: the hypervisor never follows LINK."""
    domain = Domain()
    domain.call("send", port=2)
    domain.guest.change(2, clear=0xFFFFFFFF, put=word)
    for port in (2, 4, 2, 6):
        domain.call("send", port=port)
        domain.call("unmask", port=port)
    domain.call("close", port=4)
    domain.call("reset", dom=xen.DOMID_SELF)
    domain.call("bind_ipi", vcpu=1)


# --------------------------------------------------------------------------------------------------- the bundled kernel
def test_the_bundled_kernel_boots_with_fifo():
    machine = ready(
        small([{**GUEST, "compute": True}], [{"name": "a", "owner": "guest", "arrival": MANUAL}]), "xen-ppc"
    )
    d = machine.views[Table.DOMAIN][0]
    assert (d.fifo, d.words, d.exit) == (1, 1024, Exit.NONE)
    assert machine.views[Table.PORT][int(d.port) + 1].priority == 5  # its source's own


SOURCES = [
    {"name": "edge", "owner": "guest", "arrival": periodic(40)},
    {"name": "level", "owner": "guest", "trigger": "level", "arrival": periodic(70, 3)},
    {"name": "urgent", "owner": "guest", "priority": 1, "arrival": periodic(90, 1)},
]


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("vcpus", [1, 2])
def test_the_bundled_kernel_serves_its_devices_with_fifo(vcpus):
    sources = [{**source, "vcpu": k % vcpus} for k, source in enumerate(SOURCES)]
    machine = finished(small([{**GUEST, "vcpus": vcpus}], sources, pcpus=vcpus), "xen-ppc")
    for source in SOURCES:
        fate = fates(machine, source["name"])
        assert fate["raised"] == fate["serviced"] > 20


@pytest.mark.slow
@pytest.mark.compiled
def test_a_saved_machine_still_sees_a_guest_clear_pending(tmp_path):
    machine = ready(small([GUEST], SOURCES), "xen-ppc")
    machine.save(tmp_path / "fifo")
    twin = Machine.load(tmp_path / "fifo")
    for each in (machine, twin):
        each.run()
    assert machine.digest() == twin.digest()
    assert fates(twin, "edge") == fates(machine, "edge")


@pytest.mark.slow
@pytest.mark.compiled
def test_two_level_of_today_is_read_as_that_of_2008():
    machine = finished(small([{"name": "guest", "abi": "modern"}], SOURCES), "xen-ppc")
    assert fates(machine, "edge")["serviced"] == fates(machine, "edge")["raised"] > 20
