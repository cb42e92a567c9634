"""XIVE against its plain model, then rule by rule (QEMU, docs/specs/ppc-xive.rst)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import irqvisor.hv.state
import irqvisor.hw.wiring
import irqvisor.trace  # noqa: F401  a buffer has every table
from irqvisor import tables
from irqvisor._jit import entry
from irqvisor.hw import timeline, xive
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NEVER, NOBODY, EventKind
from irqvisor.spec import xive as spec
from irqvisor.tables import Table
from models.xive import Xive

CPUS, VPS, ORDER = 2, 3, 3
SOURCES = [(0, 0, False), (0, 3, False), (0, 3, True), (1, 3, False), (1, 6, True), (2, 0, False)]
"""(VP, priority, level)."""
(TRIGGER, FALL, END, SET, MASK, ACK, CPPR, PUSH, PULL, SAVE, ESCALATION, READ, PENDING, SEND, ARRIVE, REARM) = range(16)
IPI = 50
PAGE = 4096


@entry
def step(m, what, a, b):
    """One step by calling the function for it."""
    if what == TRIGGER:
        xive.trigger(m, a)
    elif what == FALL:
        xive.drop_line(m, a)
    elif what == END:
        return xive.end(m, b, a)
    elif what == SET:
        return xive.set_state(m, a, b)
    elif what == MASK:
        xive.set_masked(m, a, b)
    elif what == ACK:
        return xive.load_tima(m, a, spec.TIMA_ACKNOWLEDGE, 2)[1]
    elif what == CPPR:
        xive.store_tima(m, a, spec.TIMA_CPPR, 1, b)
    elif what == PUSH:
        xive.push(m, a, b)
    elif what == PULL:
        return xive.pull(m, a)
    elif what == SAVE:
        xive.save(m, a)
    elif what == ESCALATION:
        return 1 if xive.set_escalation(m, a, b) else 0
    elif what == READ:
        xive.read_entry(m, 0, a, b)
    elif what == PENDING:
        xive.store_tima(m, a, spec.TIMA_SET_PENDING, 1, b)
    elif what == SEND:
        xive.send(m, b, a)
    elif what == ARRIVE:
        timeline.cancel(m, EventKind.FORWARDED, a)
        xive.arrive(m, a)
    elif what == REARM:
        return xive.rearm(m, spec.PRIORITIES * a + b)
    return 0


@entry
def load_esb(m, lpid, offset):
    return xive.load_esb(m, 0, lpid, 0, offset)


@entry
def store_esb(m, lpid, offset, may_trigger):
    return xive.store_esb(m, 0, lpid, 0, offset, may_trigger)


@entry
def load_end(m, p, first, offset):
    return xive.load_end(m, p, first, offset)


@entry
def load_tima(m, p, offset, size):
    return xive.load_tima(m, p, offset, size)


class Board:
    """Sources of three VPs on two processors; VP v's partition is v. Reads queues as a guest does."""

    def __init__(self, *, coalesces=False):
        state = tables.allocate(
            {
                Table.HEADER: 1,
                Table.PCPU: CPUS,
                Table.CONTEXT: VPS,
                Table.XIVE_SOURCE: len(SOURCES),
                Table.XIVE_QUEUE: spec.PRIORITIES * VPS,
                Table.XIVE_VP: VPS,
                Table.XIVE_RING: CPUS,
                Table.EVENT: len(SOURCES),
                Table.REQUEST: 1,
                Table.CODEMAP: 1,
            }
        )
        self.ram = np.zeros(PAGE, np.uint8)
        self.m = tables.arrays(state, self.ram, np.zeros(1, tables.CODE))
        self.views = tables.Views(state)
        header = self.views[Table.HEADER][0]
        header.n_pcpu, header.n_pirq, header.horizon = CPUS, len(SOURCES), NEVER
        header.phys_ipi, header.event_capacity = IPI, len(SOURCES)
        for irq, (page, (vp, priority, level)) in enumerate(zip(self.views[Table.XIVE_SOURCE], SOURCES, strict=True)):
            page.pq, page.vp, page.priority, page.level = spec.PQ_OFF, vp, priority, int(level)
            page.event, page.lpid, page.entry = irq, vp, NOBODY
        for k, queue in enumerate(self.views[Table.XIVE_QUEUE]):
            queue.start, queue.order, queue.generation = k * 4 << ORDER, ORDER, 1
            queue.coalesces = int(coalesces)
        for pc in self.views[Table.PCPU]:
            pc.context = NOBODY
        for v, vp in enumerate(self.views[Table.XIVE_VP]):
            vp.cppr, vp.escalation, vp.server = 0xFF, spec.PQ_OFF, v % CPUS
        self.readers = {}

    def do(self, what, a, b=0):
        return int(step(self.m, what, a, b))

    def source(self, irq):
        return self.views[Table.XIVE_SOURCE][irq]

    def external(self, p):
        return int(self.views[Table.PCPU][p].external)

    def called(self, p):
        return int(self.views[Table.PCPU][p].virtualization)

    def under_way(self):
        """Sources with an event on the timeline, and when each arrives."""
        header = self.views[Table.HEADER][0]
        return {int(e.arg): int(e.cycle) for e in self.views[Table.EVENT][: int(header.events)]}

    def read(self, vp, priority):
        """The next entry of a queue, or -1."""
        index, generation = self.readers.get((vp, priority), (0, 1))
        at = int(self.views[Table.XIVE_QUEUE][spec.PRIORITIES * vp + priority].start) + 4 * index
        value = int.from_bytes(self.ram[at : at + 4].tobytes(), "big")
        if value >> 31 != generation:
            return -1
        self.do(READ, at, value)
        index += 1
        self.readers[vp, priority] = (index % (1 << ORDER), generation ^ (index >> ORDER))
        return value & 0x7FFFFFFF


@pytest.fixture
def board():
    made = Board()
    for irq in range(len(SOURCES)):
        made.do(SET, irq, spec.PQ_RESET)
    made.do(PUSH, 0, 0)
    return made


irqs = st.integers(0, len(SOURCES) - 1)
cpus = st.integers(0, CPUS - 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just(TRIGGER), irqs, st.just(0)),
        st.tuples(st.just(FALL), irqs, st.just(0)),
        st.tuples(st.just(END), irqs, cpus),
        st.tuples(st.just(SEND), irqs, cpus),
        st.tuples(st.just(ARRIVE), irqs, st.just(0)),
        st.tuples(st.just(REARM), st.integers(0, VPS - 1), st.sampled_from([0, 3, 6])),
        st.tuples(st.just(MASK), irqs, st.integers(0, 1)),
        st.tuples(st.just(ACK), cpus, st.just(0)),
        st.tuples(st.just(CPPR), cpus, st.sampled_from([0, 3, 7, 0xFF])),
        st.tuples(st.just(PUSH), cpus, st.integers(0, VPS - 1)),
        st.tuples(st.just(PULL), cpus, st.just(0)),
        st.tuples(st.just(ESCALATION), st.integers(0, VPS - 1), st.sampled_from([spec.PQ_RESET, spec.PQ_OFF])),
        st.tuples(st.just(READ), st.integers(0, VPS - 1), st.sampled_from([0, 3, 6])),
    ),
    max_size=60,
)


@given(steps, st.booleans())
def test_the_controller_does_what_its_model_does(taken, coalesces):
    board, model = Board(coalesces=coalesces), Xive(SOURCES, VPS, CPUS, coalesces=coalesces)
    for irq in range(len(SOURCES)):
        board.do(SET, irq, spec.PQ_RESET)
        model.set_state(irq, spec.PQ_RESET)
    for what, a, b in taken:
        running = [vp.cpu for vp in model.vps]
        expected = seen = 0
        if what == PUSH:
            if a in running or running[b] is not None:
                continue
            model.push(a, b)
            board.do(PUSH, a, b)
        elif what == PULL:
            if a not in running:
                continue
            model.pull(a)
            board.do(PULL, a)
            board.do(SAVE, a)
        elif what in (ACK, CPPR):
            if a not in running:
                continue
            expected = model.acknowledge(a) if what == ACK else model.set_cppr(a, b) or 0
            seen = board.do(what, a, b)
        elif what == REARM:
            if not coalesces:
                continue
            expected, seen = model.rearm(a, b), board.do(REARM, a, b)
        elif what == READ:
            expected, seen = model.read(a, b), board.read(a, b)
        elif what == ESCALATION:
            expected, seen = model.escalation(a, b == spec.PQ_RESET), board.do(what, a, b)
        elif what in (END, SEND):
            expected = (model.end if what == END else model.trigger)(a, b) or 0
            seen = board.do(what, a, b)
        elif what == ARRIVE:
            if a not in model.under_way:
                continue
            model.arrive(a)
            board.do(ARRIVE, a)
        else:
            action = {TRIGGER: model.trigger, FALL: model.fall}.get(what)
            expected = (model.mask(a, bool(b)) if what == MASK else action(a)) or 0
            seen = board.do(what, a, b)
        assert seen == expected
        assert [board.external(p) for p in range(CPUS)] == [int(model.line(p)) for p in range(CPUS)]
        assert {p for p in range(CPUS) if board.called(p)} == model.called
        assert board.under_way().keys() == model.under_way
        assert [int(s.pq) for s in board.views[Table.XIVE_SOURCE]] == [model.state(k) for k in range(len(SOURCES))]


# -------------------------------------------------------------------------------------------------------- rule by rule


def test_an_edge_while_one_is_pending_is_forwarded_once_after_the_end(board):
    for _ in range(3):
        board.do(TRIGGER, 0)
    assert board.source(0).pq == spec.PQ_QUEUED
    assert [board.read(0, 0), board.read(0, 0)] == [0, -1]
    assert board.do(END, 0) == 1
    assert board.source(0).pq == spec.PQ_PENDING
    assert [board.read(0, 0), board.read(0, 0)] == [0, -1]
    assert board.do(END, 0) == 0
    assert board.source(0).pq == spec.PQ_RESET


def test_a_source_is_not_dead_after_two_edges(board):
    """The end forwards by routing: a trigger at P=1 would only set Q again, and nothing would ever come."""
    for _ in range(2):
        board.do(TRIGGER, 0)
    board.do(END, 0)
    board.do(END, 0)
    board.do(TRIGGER, 0)
    assert board.source(0).pq == spec.PQ_PENDING


def test_a_level_line_still_up_at_its_end_comes_again_and_one_that_fell_does_not(board):
    board.do(TRIGGER, 2)
    assert board.read(0, 3) == 2
    assert board.do(END, 2) == 1
    assert board.read(0, 3) == 2
    board.do(FALL, 2)
    assert board.do(END, 2) == 0
    assert (board.read(0, 3), board.source(2).pq) == (-1, spec.PQ_RESET)


def test_a_level_line_that_falls_and_rises_before_the_end_comes_again(board):
    board.do(TRIGGER, 2)
    assert board.read(0, 3) == 2
    board.do(FALL, 2)
    board.do(TRIGGER, 2)
    assert (board.read(0, 3), board.do(END, 2), board.read(0, 3)) == (-1, 1, 2)


def test_a_source_that_is_off_drops_its_events(board):
    assert board.do(SET, 0, spec.PQ_OFF) == spec.PQ_RESET
    board.do(TRIGGER, 0)
    board.do(END, 0)
    assert (board.source(0).pq, board.read(0, 0), board.external(0)) == (spec.PQ_OFF, -1, 0)


def test_the_generation_flips_at_exactly_the_end_of_the_queue(board):
    for k in range(3 << ORDER):
        board.do(TRIGGER, 0)
        queue = board.views[Table.XIVE_QUEUE][0]
        assert (queue.index, queue.generation) == ((k + 1) % (1 << ORDER), 1 ^ (k + 1 >> ORDER & 1))
        assert (board.read(0, 0), board.read(0, 0)) == (0, -1)
        board.do(END, 0)


def test_the_most_favoured_is_acknowledged_first_and_the_other_when_the_cppr_opens(board):
    board.do(TRIGGER, 1)
    board.do(TRIGGER, 0)
    assert board.external(0) == 1
    assert board.do(ACK, 0) == 0x8000
    assert board.external(0) == 0
    board.do(CPPR, 0, 3)
    assert board.external(0) == 0
    board.do(CPPR, 0, 0xFF)
    assert board.external(0) == 1
    assert board.do(ACK, 0) == 0x8003
    assert board.do(ACK, 0) == 3  # nothing more: no exception, and the CPPR


def test_a_cppr_above_7_is_open(board):
    board.do(CPPR, 0, 8)
    assert load_tima(board.m, 0, spec.TIMA_CPPR, 1)[1] == 0xFF


def test_the_ring_reads_as_the_book_lays_it_out(board):
    board.do(TRIGGER, 1)
    assert int(load_tima(board.m, 0, spec.TIMA_OS, 8)[1]) & ((1 << 64) - 1) == 0x80FF_1000_FF00_0003
    assert [load_tima(board.m, 0, spec.TIMA_OS + k, 1)[1] for k in range(4)] == [0x80, 0xFF, 0x10, 0]
    assert load_tima(board.m, 0, spec.TIMA_OS + 4, 4)[1] == 0xFF00_0003


def test_a_priority_can_be_made_pending_by_hand(board):
    board.do(PENDING, 0, 5)
    assert (board.external(0), board.do(ACK, 0)) == (1, 0x8005)


def test_an_event_between_pull_and_save_is_kept(board):
    """Saving adds: it must not overwrite what came since the ring was pulled."""
    board.do(TRIGGER, 1)
    board.do(PULL, 0)
    board.do(TRIGGER, 0)
    board.do(SAVE, 0)
    assert board.views[Table.XIVE_VP][0].ipb == 0x90
    board.do(PUSH, 1, 0)
    assert (board.external(0), board.external(1), board.do(ACK, 1)) == (0, 1, 0x8000)


def test_a_push_moves_what_was_kept(board):
    """Else the next sleep would find the bit again, and end at once, for ever."""
    board.do(PULL, 0)
    board.do(SAVE, 0)
    board.do(TRIGGER, 0)
    board.do(PUSH, 0, 0)
    assert board.views[Table.XIVE_VP][0].ipb == 0


def test_only_an_escalation_that_is_on_calls_the_hypervisor_and_only_once(board):
    board.do(TRIGGER, 3)
    assert board.called(1) == 0
    board.do(ESCALATION, 1, spec.PQ_RESET)
    board.do(END, 3)
    for irq in (3, 4):
        board.do(TRIGGER, irq)
    assert (board.called(0), board.called(1)) == (0, 1)
    board.views[Table.PCPU][1].virtualization = 0
    board.do(END, 3)
    board.do(TRIGGER, 3)
    assert board.called(1) == 0
    assert board.do(ESCALATION, 1, spec.PQ_OFF) == 1  # it was on its way


def test_an_event_of_a_masked_assignment_comes_at_the_unmasking(board):
    board.do(MASK, 0, 1)
    board.do(TRIGGER, 0)
    assert (board.source(0).pq, board.read(0, 0)) == (spec.PQ_PENDING, -1)
    board.do(MASK, 0, 0)
    assert (board.read(0, 0), board.read(0, 0)) == (0, -1)


def test_unmasking_forwards_nothing_that_is_still_in_a_queue(board):
    board.do(TRIGGER, 0)
    board.do(MASK, 0, 1)
    board.do(MASK, 0, 0)
    assert (board.read(0, 0), board.read(0, 0)) == (0, -1)


def test_a_page_ends_reads_and_sets(board):
    base = 1 << spec.ESB_SHIFT
    board.do(TRIGGER, 1)
    assert load_esb(board.m, 0, base | 0x800)[1] == spec.PQ_PENDING
    for pq in range(4):
        assert load_esb(board.m, 0, base | 0xC00 | pq << 8)[1] == (pq - 1 if pq else spec.PQ_PENDING)
        assert board.source(1).pq == pq
    load_esb(board.m, 0, base | 0xC00)
    assert store_esb(board.m, 0, base | 0x000, False) == Outcome.TRIGGERED
    assert board.source(1).pq == spec.PQ_PENDING
    assert store_esb(board.m, 0, base | 0x400, False) == Outcome.ENDED
    assert board.source(1).pq == spec.PQ_RESET


def test_another_partition_has_no_page_of_a_source():
    board = Board()
    assert load_esb(board.m, 1, 0xC00)[0] == Outcome.ABSENT
    assert store_esb(board.m, 1, 0, False) == Outcome.ABSENT
    assert board.source(0).pq == spec.PQ_OFF


def test_a_partition_with_a_trigger_page_triggers_and_does_nothing_else(board):
    assert store_esb(board.m, 1, 0x000, True) == Outcome.TRIGGERED
    assert board.source(0).pq == spec.PQ_PENDING
    assert store_esb(board.m, 1, 0x400, True) == Outcome.ABSENT
    assert store_esb(board.m, 1, 0x800, True) == Outcome.ABSENT
    assert board.source(0).pq == spec.PQ_PENDING


def test_an_event_for_another_processor_is_let_through_at_once_and_arrives_an_ipi_later(board):
    board.views[Table.PCPU][1].now = 7
    board.do(SEND, 0, 1)
    assert (board.source(0).pq, board.external(0), board.read(0, 0)) == (spec.PQ_PENDING, 0, -1)
    assert board.under_way() == {0: 7 + IPI}
    board.do(ARRIVE, 0)
    assert (board.external(0), board.read(0, 0)) == (1, 0)


def coalescing():
    """VP 0 runs, CPPR open; its sources 1 and 2 have one queue."""
    made = Board(coalesces=True)
    for irq in range(len(SOURCES)):
        made.do(SET, irq, spec.PQ_RESET)
    made.do(PUSH, 0, 0)
    return made


def acknowledged(board):
    """Acknowledge, and open the CPPR again: what a handler does that finds its queue empty; was there an exception?"""
    found = board.do(ACK, 0) >> 15
    board.do(CPPR, 0, 0xFF)
    return found


def test_a_queue_that_coalesces_notifies_once_until_its_reader_has_asked_again():
    board = coalescing()
    board.do(TRIGGER, 1)
    assert acknowledged(board)
    board.do(TRIGGER, 2)
    assert not acknowledged(board)
    assert (board.read(0, 3), board.read(0, 3)) == (1, 2)  # a reader finds both
    assert board.do(REARM, 0, 3) == 1
    assert acknowledged(board)  # it is told of the second, too
    assert board.do(REARM, 0, 3) == 0
    assert not acknowledged(board)
    board.do(END, 1, 0)
    board.do(TRIGGER, 1)
    assert acknowledged(board)


def test_what_comes_between_the_last_look_and_the_end_of_the_notification_is_notified():
    board = coalescing()
    board.do(TRIGGER, 1)
    board.do(ACK, 0)
    assert (board.read(0, 3), board.read(0, 3)) == (1, -1)
    board.do(TRIGGER, 2)
    assert load_end(board.m, 0, 0, 3 << spec.ESB_SHIFT) == (Outcome.DONE, 1)
    board.do(CPPR, 0, 0xFF)
    assert (acknowledged(board), board.read(0, 3)) == (1, 2)


def test_the_page_of_a_queue_shows_its_bits_to_its_own_vcpu_only():
    board = coalescing()
    board.do(TRIGGER, 1)
    at = 3 << spec.ESB_SHIFT
    assert load_end(board.m, 0, 0, at | 0x800) == (Outcome.DONE, spec.PQ_PENDING)
    assert load_end(board.m, 0, 0, at | 0xD00) == (Outcome.DONE, spec.PQ_PENDING)
    assert load_end(board.m, 0, 0, at | 0x800) == (Outcome.DONE, spec.PQ_OFF)
    assert load_end(board.m, 0, spec.PRIORITIES, at)[0] == Outcome.ABSENT


def test_an_event_for_the_processor_that_made_it_is_there_at_once(board):
    board.do(SEND, 0, 0)
    assert (board.under_way(), board.external(0), board.read(0, 0)) == ({}, 1, 0)


def test_however_often_a_guest_ends_and_triggers_one_event_is_on_its_way(board):
    for _ in range(5):
        board.do(SEND, 0, 1)
        board.do(END, 0, 1)
    assert list(board.under_way()) == [0]
    board.do(ARRIVE, 0)
    assert (board.read(0, 0), board.read(0, 0)) == (0, -1)


def test_an_event_for_a_sleeper_goes_to_where_it_slept(board):
    board.do(ESCALATION, 1, spec.PQ_RESET)
    board.do(SEND, 3, 0)
    assert (board.called(1), list(board.under_way())) == (0, [3])
    board.do(ARRIVE, 3)
    assert board.called(1) == 1
