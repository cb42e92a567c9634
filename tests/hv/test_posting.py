"""Posted interrupts against their plain model: hardware, and the hypervisor that says whom a descriptor notifies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import irqvisor.hv.loop  # noqa: F401  a buffer has every table
from irqvisor import tables
from irqvisor._jit import entry
from irqvisor.hv import posting
from irqvisor.hw import posted, timeline, wiring
from irqvisor.hw.state import NEVER, NOBODY, EventKind, pcpu
from irqvisor.spec import posted as spec
from irqvisor.tables import Table
from models.posted import Posted

CPUS, VPS = 2, 3
SOURCES = [(0, 0x31, False), (0, 0x52, False), (0, 0x33, True), (1, 0x31, False), (2, 0x54, True), (2, 0x31, False)]
"""(VP, vector, level): two of VP 0 in one class, one above; VP 2 shares VP 0's processor."""
RISE, FALL, SEND, ARRIVE, SERVE, END, PRIORITY, SELF, RUN, SLEEP, LOOK = range(11)
IPI = 50


@entry
def step(m, what, a, b):
    """One step by calling the functions for it."""
    if what == RISE:
        posted.trigger(m, a)
    elif what == FALL:
        posted.drop_line(m, a)
    elif what == SEND:
        posted.send(m, b, posted.posted_source(m, a).vp, posted.posted_source(m, a).vector)
    elif what == ARRIVE:
        timeline.cancel(m, EventKind.FORWARDED, a)
        wiring.forwarded(m, a)
    elif what == SERVE:
        return posted.load(m, a, spec.INTERRUPT_VECTOR, 4)[1]
    elif what == END:
        posted.store(m, a, spec.END_OF_INTERRUPT, 4, 0)
        irq = pcpu(m, a).watch_at
        if irq != NOBODY and posted.exits(m, irq):
            posting.end_level(m, a, irq)
    elif what == PRIORITY:
        posted.store(m, a, spec.TASK_PRIORITY, 4, b)
    elif what == SELF:
        posted.store(m, a, spec.SELF_IPI, 4, b)
    elif what == RUN:
        pcpu(m, a).context = b
        posting.before_entry(m, a)
    elif what == SLEEP:
        v = pcpu(m, a).context
        posting.arm(m, a, v)
        stays = posting.has_work(m, v)
        if not stays:
            pcpu(m, a).context = NOBODY
        posting.before_entry(m, a)
        return 0 if stays else 1
    elif what == LOOK:
        posting.on_notification(m, a)
    return 0


def vectors(words):
    """A set of 256 as a set."""
    return {64 * k + n for k, word in enumerate(words) for n in range(64) if int(word) >> n & 1}


class Board:
    """Three VPs, the first and the last on processor 0."""

    def __init__(self):
        state = tables.allocate(
            {
                Table.HEADER: 1,
                Table.PCPU: CPUS,
                Table.CONTEXT: VPS,
                Table.POSTED_SOURCE: len(SOURCES),
                Table.POSTED_VP: VPS,
                Table.VCPU: VPS,
                Table.PIRQ: len(SOURCES),
                Table.EVENT: VPS,
                Table.REQUEST: 1,
                Table.OBSERVED: 1,
                Table.PCPU_COUNT: CPUS,
                Table.CODEMAP: 1,
            }
        )
        self.m = tables.arrays(state, np.zeros(1, np.uint8), np.zeros(1, tables.CODE))
        self.views = tables.Views(state)
        h = self.views[Table.HEADER][0]
        h.n_pcpu, h.n_context, h.n_pirq, h.horizon = CPUS, VPS, len(SOURCES), NEVER
        h.phys_ipi, h.event_capacity, h.controller = IPI, VPS, int(wiring.Controller.POSTED)
        for line in self.views[Table.PIRQ]:
            line.source = NOBODY
        for p, pc in enumerate(self.views[Table.PCPU]):
            pc.context, pc.vcpus = NOBODY, p
        for v, w in enumerate(self.views[Table.POSTED_VP]):
            w.irq[:] = NOBODY
            w.sn, w.destination = 1, v % CPUS
            here = [u for u in range(VPS) if u % CPUS == v % CPUS]
            self.views[Table.VCPU][v].next = here[(here.index(v) + 1) % len(here)]
        for irq, (s, (vp, vector, level)) in enumerate(zip(self.views[Table.POSTED_SOURCE], SOURCES, strict=True)):
            s.vp, s.vector, s.level, s.server = vp, vector, int(level), vp % CPUS
            w = self.views[Table.POSTED_VP][vp]
            w.irq[vector] = irq
            if level:
                w.exits[vector // 64] |= 1 << vector % 64

    def do(self, what, a, b=0):
        return int(step(self.m, what, a, b))

    def seen(self):
        """What the model says too: outputs, calls of the hypervisor, notifications under way, and each VP."""
        pcpus, header = self.views[Table.PCPU], self.views[Table.HEADER][0]
        return (
            [bool(pc.external) for pc in pcpus],
            {p for p, pc in enumerate(pcpus) if pc.virtualization},
            {int(e.arg) for e in self.views[Table.EVENT][: int(header.events)]},
            [
                (vectors(w.pir), vectors(w.irr), vectors(w.isr), bool(w.on), bool(w.sn))
                for w in self.views[Table.POSTED_VP]
            ],
        )


def told(model):
    return (
        [model.line(p) for p in range(CPUS)],
        model.called,
        model.under_way,
        [(vp.posted, vp.requested, vp.serving, vp.outstanding, vp.suppressed) for vp in model.vps],
    )


irqs = st.integers(0, len(SOURCES) - 1)
cpus = st.integers(0, CPUS - 1)
nothing = st.just(0)
steps = st.lists(
    st.one_of(
        st.tuples(st.just(RISE), irqs, nothing),
        st.tuples(st.just(FALL), irqs, nothing),
        st.tuples(st.just(SEND), st.sampled_from([0, 3, 5]), cpus),
        st.tuples(st.just(ARRIVE), st.integers(0, VPS - 1), nothing),
        st.tuples(st.just(SERVE), cpus, nothing),
        st.tuples(st.just(END), cpus, nothing),
        st.tuples(st.just(PRIORITY), cpus, st.sampled_from([0, 0x30, 0x5F])),
        st.tuples(st.just(SELF), cpus, st.sampled_from([0x41, 0x31])),
        st.sampled_from([(RUN, 0, 0), (RUN, 0, 2), (RUN, 0, NOBODY), (RUN, 1, 1), (RUN, 1, NOBODY)]),
        st.tuples(st.just(SLEEP), cpus, nothing),
        st.tuples(st.just(LOOK), cpus, nothing),
    ),
    min_size=40,
    max_size=120,
)


@given(steps)
def test_descriptors_and_virtual_controllers_do_what_their_model_does(taken):
    board, model = Board(), Posted(SOURCES, VPS, CPUS)
    for what, a, b in [(RUN, 0, 0), (RUN, 1, 1), *taken]:
        if what in (SERVE, END, PRIORITY, SELF, SLEEP) and model.running[a] is None:
            continue
        if what == ARRIVE and a not in model.under_way:
            continue
        if what == RUN:
            model.run(a, None if b == NOBODY else b)
        elif what == LOOK:
            model.called.discard(a)
            model.take_levels(a)
        elif what == SEND:
            model.post(*SOURCES[a][:2], b)
        expected = {
            RISE: model.rise,
            FALL: model.fall,
            ARRIVE: model.arrive,
            SERVE: model.serve,
            END: model.end,
            SLEEP: model.sleep,
        }.get(what, lambda _: None)(a)
        if what == PRIORITY:
            model.set_task_priority(a, b)
        elif what == SELF:
            model.request(a, b)
        assert board.do(what, a, b) == int(expected or 0)
        assert board.seen() == told(model)


@pytest.fixture
def board():
    made = Board()
    made.do(RUN, 0, 0)
    made.do(RUN, 1, 1)
    return made


def test_a_vector_posted_by_another_processor_is_seen_by_who_runs_an_ipi_later(board):
    board.views[Table.PCPU][1].now = 7
    board.do(SEND, 0, 1)
    assert board.views[Table.PCPU][0].external == 0
    (event,) = board.views[Table.EVENT][: int(board.views[Table.HEADER][0].events)]
    assert (event.cycle, event.arg) == (7 + IPI, 0)
    board.do(ARRIVE, 0)
    assert (board.views[Table.PCPU][0].external, board.do(SERVE, 0)) == (1, 0x31)


def test_one_notification_is_on_its_way_however_many_vectors_are_posted_and_taken_over(board):
    for irq in (0, 1):
        board.do(SEND, irq, 1)
        board.do(RUN, 0, 0)  # the hypervisor was entered: who comes back takes over
    assert board.views[Table.HEADER][0].events == 1


def test_a_notification_that_is_overtaken_finds_nothing(board):
    board.do(SEND, 0, 1)
    board.do(RUN, 0, 0)
    assert board.do(SERVE, 0) == 0x31
    board.do(SLEEP, 0)
    board.do(ARRIVE, 0)
    assert board.views[Table.PCPU][0].virtualization == 0
