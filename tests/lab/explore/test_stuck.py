"""Stuck states of event channels: each is seen, in both ABIs, and none where there is none.

A guest that has masked its only device is at rest. A state is put into its memory by hand; then an item arrives, which
is lost in any case, so that the judges are asked and the guest does nothing that would repair it.
"""

import numpy as np
import pytest

from irqvisor.hv.explore.verdict import Verdict
from irqvisor.hv.state import PortState
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.explore import question, report, search, site
from irqvisor.lab.explore.bench import Bench
from irqvisor.spec import xen
from irqvisor.tables import Table

pytestmark = pytest.mark.compiled

FIFO = ("domains.sleeper.abi=modern", "domains.sleeper.event_channels=fifo", "domains.sleeper.ram_kib=128")
OTHER = 20
"""A port that the guest does not use; neither the two after it."""
READY_7 = 1 << xen.FIFO_DEFAULT_PRIORITY


def asked(*settings, **options):
    return question.ask(scenarios.with_overrides(scenarios.load("wake-up"), settings), "xen-ppc", **options)


class Guest:
    """A sleeping guest whose device is masked, and its memory."""

    def __init__(self, *settings):
        question = asked(*settings, "sources.disk.arrival.before=0")
        start = site.prepare(question)
        self.bench = Bench(question, start)
        self.machine = site.walk(start, 10_000).machine
        self.domain = self.machine.views[Table.DOMAIN][0]
        self.vcpu = self.machine.views[Table.VCPU][0]
        port = int(self.machine.views[Table.PIRQ].port.max())
        assert port > 0
        if self.domain.fifo:
            self.set_word(port, xen.FIFO_MASKED)
        else:
            self.set_bit(xen.EVTCHN_MASK, port)

    def store(self, at, size, value):
        self.machine.ram[at : at + size] = np.frombuffer(value.to_bytes(size, "big"), np.uint8)

    def set_bit(self, bitmap, port, on=1):
        at = int(self.domain.shared) + bitmap + 8 * (port // 64)
        old = int.from_bytes(self.machine.ram[at : at + 8].tobytes(), "big")
        self.store(at, 8, old & ~(1 << port % 64) | on << port % 64)

    def set_word(self, port, value):
        self.store(int(self.domain.event_page[0]) + 4 * port, 4, value)

    def set_info(self, at, size, value):
        self.store(int(self.vcpu.info) + at, size, value)

    def set_control(self, at, value):
        self.store(int(self.vcpu.control) + at, 4, value)

    def set_head(self, queue, port):
        self.set_control(xen.FIFO_HEAD + 4 * queue, port)

    def own(self, port):
        self.machine.views[Table.PORT][int(self.domain.port) + port].state = PortState.IPI

    def verdict(self):
        """What the judges object to, but that the item is lost."""
        verdict = int(self.bench.examine(site.Piece(0, 1, self.machine), "disk", None).verdict[0])
        assert verdict & Verdict.LOST
        return verdict & ~Verdict.LOST


# ------------------------------------------------------------------------------------------------------------ 2-level
def test_an_event_without_a_selector_bit_is_stuck():
    guest = Guest()
    guest.own(OTHER)
    guest.set_bit(xen.EVTCHN_MASK, OTHER)
    guest.set_bit(xen.EVTCHN_PENDING, OTHER)
    assert guest.verdict() == 0, "masked: its owner has to look when it unmasks"
    guest.set_bit(xen.EVTCHN_MASK, OTHER, 0)
    assert guest.verdict() == Verdict.EDGE
    guest.set_info(xen.PENDING_SEL, 8, 1 << OTHER // 64)
    assert guest.verdict() == Verdict.SELECTOR, "and with that bit, if no upcall says so"


def test_an_upcall_that_a_sleeper_could_take_is_stuck():
    guest = Guest()
    guest.set_info(0, 1, 1)
    assert guest.verdict() == Verdict.UPCALL


@pytest.mark.parametrize("settings", [(), FIFO], ids=["2-level", "fifo"])
def test_pending_on_a_port_that_nobody_owns_is_stale(settings):
    guest = Guest(*settings)
    if settings:
        guest.set_word(OTHER, xen.FIFO_PENDING)
    else:
        guest.set_bit(xen.EVTCHN_PENDING, OTHER)
    assert guest.verdict() == Verdict.STALE


@pytest.mark.parametrize("settings", [(), FIFO], ids=["2-level", "fifo"])
def test_a_poll_of_a_pending_port_is_stuck(settings):
    guest = Guest(*settings)
    guest.own(OTHER)
    guest.vcpu.polling, guest.vcpu.poll_port = 1, OTHER
    assert guest.verdict() == 0
    if settings:
        guest.set_word(OTHER, xen.FIFO_PENDING | xen.FIFO_MASKED)
    else:
        guest.set_bit(xen.EVTCHN_MASK, OTHER)
        guest.set_bit(xen.EVTCHN_PENDING, OTHER)
    assert guest.verdict() == Verdict.POLL, "a poll looks at PENDING whatever the mask says"
    guest.vcpu.poll_port = -1
    assert guest.verdict() == 0, "the hypervisor does not remember a list of several"


# --------------------------------------------------------------------------------------------------------------- FIFO
@pytest.fixture
def fifo():
    """A guest that owns three more ports, of which the first is pending and linked; its upcall is masked by MSR[EE]."""
    guest = Guest(*FIFO)
    for port in (OTHER, OTHER + 1, OTHER + 2):
        guest.own(port)
    guest.set_word(OTHER, xen.FIFO_PENDING | xen.FIFO_LINKED)
    return guest


def test_what_no_queue_leads_to_is_stuck(fifo):
    fifo.set_word(OTHER, xen.FIFO_PENDING | xen.FIFO_MASKED)
    assert fifo.verdict() == 0, "masked: it is linked when it is unmasked"
    fifo.set_word(OTHER, xen.FIFO_PENDING)
    assert fifo.verdict() == Verdict.QUEUE, "not linked"
    fifo.set_word(OTHER, xen.FIFO_PENDING | xen.FIFO_LINKED)
    fifo.set_control(xen.FIFO_READY, READY_7)
    assert fifo.verdict() == Verdict.QUEUE | Verdict.SELECTOR, "linked, but the queue begins nowhere"


def test_what_one_queue_leads_to_is_not_stuck(fifo):
    fifo.set_head(xen.FIFO_DEFAULT_PRIORITY, OTHER + 2)
    fifo.set_word(OTHER + 2, xen.FIFO_LINKED | (OTHER + 1))
    fifo.set_word(OTHER + 1, xen.FIFO_LINKED | OTHER)
    assert fifo.verdict() == Verdict.QUEUE, "the guest was not told that this queue holds something"
    fifo.set_control(xen.FIFO_READY, READY_7)
    assert fifo.verdict() == Verdict.SELECTOR, "told in the ready word, but by no upcall"
    fifo.set_info(0, 1, 1)
    assert fifo.verdict() == Verdict.UPCALL, "now only the sleeping vCPU is wrong"


def test_a_queue_that_a_word_which_is_not_linked_cuts_in_two_leads_nowhere(fifo):
    fifo.set_head(xen.FIFO_DEFAULT_PRIORITY, OTHER + 2)
    fifo.set_control(xen.FIFO_READY, READY_7)
    fifo.set_info(0, 1, 1)
    fifo.set_word(OTHER + 2, xen.FIFO_LINKED | (OTHER + 1))
    fifo.set_word(OTHER + 1, OTHER)
    assert fifo.verdict() == Verdict.QUEUE | Verdict.UPCALL


def test_a_port_in_two_queues_is_stuck_and_a_ring_ends(fifo):
    fifo.set_info(0, 1, 1)
    fifo.set_control(xen.FIFO_READY, READY_7 | 1)
    fifo.set_head(xen.FIFO_DEFAULT_PRIORITY, OTHER)
    assert fifo.verdict() == Verdict.UPCALL
    fifo.set_head(0, OTHER)
    assert fifo.verdict() == Verdict.QUEUE | Verdict.UPCALL
    fifo.set_head(0, OTHER + 1)
    fifo.set_word(OTHER + 1, xen.FIFO_LINKED | (OTHER + 1))
    assert fifo.verdict() == Verdict.UPCALL, "a word that links to itself leads nowhere else"


def test_the_bundled_guest_with_fifo_queues_is_certified():
    told = report.Report(search.explore(asked(*FIFO)))
    assert told.findings == []
    assert told.is_complete
