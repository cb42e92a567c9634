"""The interrupt controller against its plain model, and register by register."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.board import bare_board
from irqvisor import tables
from irqvisor._jit import entry
from irqvisor.hw import openpic, timeline
from irqvisor.hw.state import EventKind, pcpu
from irqvisor.spec import openpic as spec
from irqvisor.tables import Table
from models.openpic import OpenPic

INPUTS = 70  # two words of a raised set
CPUS = 3
USED = (0, 1, 2, 63, 64, INPUTS - 1, INPUTS, INPUTS + 1, INPUTS + spec.IPIS)  # inputs, two IPIs, a timer
RESULT, EXTERNAL, PRIORITY = 0, 1, 1 + CPUS
ACTIVE, PENDING = 1 + 2 * CPUS, 1 + 2 * CPUS + len(USED)
COLUMNS = 1 + 2 * CPUS + 2 * len(USED)

(LINE, PULSE, MASK, CONFIGURE, IACK, EOI, TASK, IPI, RESET, SOURCE_IACK) = range(10)


@entry
def read(m, p, offset):
    return openpic.read(m, p, offset)


@entry
def write(m, p, offset, value):
    return openpic.write(m, p, offset, value)


@entry
def set_line(m, irq, level):
    openpic.set_line(m, irq, level)


@entry
def pulse(m, irq):
    openpic.pulse(m, irq)


@entry
def reset(m):
    openpic.reset(m)


@entry
def is_pending(m, irq):
    return openpic.is_pending(m, irq)


@entry
def acknowledge_source(m, p):
    return openpic.acknowledge_source(m, p)


@entry
def pass_time(m, p, now):
    """Let the clock of a pCPU reach `now`, and everything happen that is due by then."""
    pcpu(m, p).now = now
    while timeline.due(m) <= now:
        e = timeline.first(m)
        cycle, t = e.cycle, e.arg
        timeline.drop_first(m)
        openpic.timer_expired(m, t, cycle)


@entry
def mapped_priorities(priority, cppr):
    return openpic.mpic_priority(priority), openpic.task_priority(cppr)


@entry
def registers_of(offset):
    return openpic.is_acknowledge(offset), openpic.is_end_of_interrupt(offset)


@entry
def last_acknowledged(m, p, offset):
    return openpic.last_acknowledged(m, p, offset)


@entry
def held_off(m, irq, p):
    return openpic.is_held_off(m, irq, p)


@entry
def configure_ipi(m, n, priority):
    openpic.configure_ipi(m, n, priority)


@entry
def send_ipi(m, n, cpu_mask):
    openpic.send_ipi(m, n, cpu_mask)


@entry
def step(m, what, a, b, c, d, e):
    """One step by calling the function for it."""
    if what == LINE:
        openpic.set_line(m, a, b)
    elif what == PULSE:
        openpic.pulse(m, a)
    elif what == MASK:
        if b != 0:
            openpic.mask(m, a)
        else:
            openpic.unmask(m, a)
    elif what == CONFIGURE:
        openpic.configure(m, a, b, c, d, e)
    elif what == IACK:
        return openpic.acknowledge(m, a)
    elif what == SOURCE_IACK:
        return openpic.acknowledge_source(m, a)
    elif what == EOI:
        return openpic.end_of_interrupt(m, a)
    elif what == TASK:
        openpic.set_task_priority(m, a, b)
    elif what == IPI:
        openpic.send_ipi(m, a, b)
    elif what == RESET:
        openpic.reset(m)
    return 0


@entry
def play(m, steps, used, seen):
    """Every step, and after each all that can be seen of the controller: one row of `seen`."""
    for k in range(len(steps)):
        w = steps[k]
        row = seen[k]
        row[RESULT] = step(m, w[0], w[1], w[2], w[3], w[4], w[5])
        for p in range(CPUS):
            row[EXTERNAL + p] = pcpu(m, p).external
            row[PRIORITY + p] = openpic.pending_priority(m, p)
        for i in range(len(used)):
            row[ACTIVE + i] = openpic.read_vpr(m, used[i]) & spec.VPR_ACTIVITY
            row[PENDING + i] = openpic.is_pending(m, used[i])


def step_model(model, what, a, b, c, d, e):
    if what == LINE:
        model.set_line(a, b)
    elif what == PULSE:
        model.pulse(a)
    elif what == MASK:
        model.mask(a, b)
    elif what == CONFIGURE:
        model.configure(a, b, c, d, e)
    elif what == IACK:
        return model.acknowledge(a)
    elif what == SOURCE_IACK:
        vector = model.acknowledge(a)
        return vector if vector != model.svr else -1
    elif what == EOI:
        return model.end_of_interrupt(a)
    elif what == TASK:
        model.set_task_priority(a, b)
    elif what == IPI:
        model.send_ipi(a, b)
    elif what == RESET:
        model.reset()
    return 0


def play_model(model, steps):
    rows = []
    for what, *arguments in steps:
        result = step_model(model, what, *arguments)
        rows.append(
            [result]
            + [model.external(p) for p in range(CPUS)]
            + [model.pending_priority(p) for p in range(CPUS)]
            + [spec.VPR_ACTIVITY * model.activity(irq) for irq in USED]
            + [model.is_pending(irq) for irq in USED]
        )
    return rows


def row(*numbers):
    return [*numbers, *[0] * (6 - len(numbers))]


inputs = st.sampled_from([irq for irq in USED if irq < INPUTS])
sources = st.sampled_from(USED)
edges = st.sampled_from([irq for irq in USED if irq < INPUTS or irq >= INPUTS + spec.IPIS])
processors = st.integers(0, CPUS - 1)
several = st.integers(0, (1 << CPUS) - 1)
flags = st.integers(0, 1)
# A source's vector is its number, so that acknowledging by vector and by source can be compared. Few priorities, so
# that ties are common.
priorities = st.sampled_from([0, 1, 7, 8, 8, 9, 15])
configurations = st.builds(
    lambda irq, priority, level, to: row(CONFIGURE, irq, irq, priority, level, to), sources, priorities, flags, several
)
steps = st.one_of(
    st.builds(lambda irq, level: row(LINE, irq, level), inputs, flags),
    st.builds(lambda irq: row(PULSE, irq), edges),
    st.builds(lambda irq, masked: row(MASK, irq, masked), sources, flags),
    configurations,
    st.builds(lambda p: row(IACK, p), processors),
    st.builds(lambda p: row(SOURCE_IACK, p), processors),
    st.builds(lambda p: row(EOI, p), processors),
    st.builds(lambda p, value: row(TASK, p, value), processors, st.sampled_from([0, 0, 7, 8, 15])),
    st.builds(lambda n, to: row(IPI, n, to), st.integers(0, 1), several),
)
openings = st.lists(priorities, min_size=len(USED), max_size=len(USED)).flatmap(
    lambda chosen: st.lists(several, min_size=len(USED), max_size=len(USED)).map(
        lambda to: (
            [row(TASK, p, 0) for p in range(CPUS)]
            + [row(CONFIGURE, irq, irq, chosen[i], i % 2, to[i]) for i, irq in enumerate(USED)]
            + [row(MASK, irq, 0) for irq in USED]
        )
    )
)
stories = st.builds(
    lambda opening, body, tail: [*opening, *body, row(RESET), *tail] if tail else [*opening, *body],
    openings,
    st.lists(steps, min_size=1, max_size=60),
    st.lists(steps, max_size=10),
)


def fresh(inputs=INPUTS, cpus=CPUS, events=4):
    m = bare_board(inputs=inputs, pcpus=cpus, events=events)
    reset(m)
    return m


@given(stories)
def test_the_controller_agrees_with_the_plain_model(story):
    m = fresh()
    seen = np.zeros((len(story), COLUMNS), np.int64)
    play(m, np.array(story, np.int64), np.array(USED, np.int64), seen)
    expected = play_model(OpenPic(INPUTS, CPUS), story)
    assert seen.tolist() == expected


def random_step(rng):
    """One step, mostly of few priorities, so that much waits and much is in service at once."""
    p, irq, to = int(rng.integers(CPUS)), int(rng.choice(USED)), int(rng.integers(1 << CPUS))
    line, edge = int(rng.choice(USED[:6])), int(rng.choice([*USED[:6], USED[-1]]))
    flag, priority = int(rng.integers(2)), int(rng.choice([7, 8, 8, 9]))
    choices = [
        row(LINE, line, flag),
        row(PULSE, edge),
        row(PULSE, edge),
        row(MASK, irq, int(rng.random() < 0.2)),
        row(CONFIGURE, irq, irq, priority, flag, to),
        row(IACK, p),
        row(SOURCE_IACK, p),
        row(EOI, p),
        row(EOI, p),
        row(TASK, p, int(rng.choice([0, 0, 0, 7, 8]))),
        row(IPI, flag, to),
    ]
    return choices[rng.integers(len(choices))]


@pytest.mark.parametrize("seed", range(2))
def test_the_controller_agrees_with_the_plain_model_over_a_long_run(seed):
    rng = np.random.default_rng(seed)
    story = [row(TASK, p, 0) for p in range(CPUS)] + [random_step(rng) for _ in range(1500)]
    seen = np.zeros((len(story), COLUMNS), np.int64)
    play(fresh(), np.array(story, np.int64), np.array(USED, np.int64), seen)
    assert seen.tolist() == play_model(OpenPic(INPUTS, CPUS), story)


# ------------------------------------------------------------------------------------ by registers, as drivers do

VPR = spec.SOURCE_BASE + spec.SOURCE_VPR
IDR = spec.SOURCE_BASE + spec.SOURCE_DESTINATION


class Board:
    """A controller behind its registers, in words of a driver."""

    def __init__(self, inputs=16, cpus=2, now=0):
        self.m = fresh(inputs, cpus)
        self.views = {number: tables.view(self.m.state, number) for number in (Table.PCPU, Table.HEADER)}

    def read(self, offset, p=0):
        return read(self.m, p, offset)

    def write(self, offset, value, p=0):
        return write(self.m, p, offset, value)

    def source(self, irq, vpr, to=1):
        self.write(IDR + spec.SOURCE_STRIDE * irq, to)
        self.write(VPR + spec.SOURCE_STRIDE * irq, vpr)

    def vpr(self, irq):
        return self.read(VPR + spec.SOURCE_STRIDE * irq)

    def line(self, irq, level):
        set_line(self.m, irq, level)

    def external(self, p=0):
        return int(self.views[Table.PCPU][p].external)

    def iack(self, p=0):
        return self.read(spec.CPU_IACK, p)

    def eoi(self, p=0):
        return self.write(spec.CPU_EOI, 0, p)

    def task_priority(self, value, p=0):
        self.write(spec.CPU_TASK_PRIORITY, value, p)


LEVEL = spec.VPR_SENSE | spec.VPR_POLARITY


def test_reset_masks_everything_and_holds_off_every_processor():
    b = Board()
    assert b.vpr(3) == spec.VPR_MASK
    assert b.read(IDR + 3 * spec.SOURCE_STRIDE) == 0
    assert b.read(spec.IPI_VECTOR) == spec.VPR_MASK
    assert b.read(spec.TIMER_BASE + spec.TIMER_VPR) == spec.VPR_MASK
    assert b.read(spec.TIMER_BASE + spec.TIMER_BASE_COUNT) == spec.TBCR_INHIBIT
    assert b.read(spec.TIMER_BASE + spec.TIMER_COUNT) == 0
    assert b.read(spec.CPU_TASK_PRIORITY) == 15
    assert b.read(spec.SVR) == 0xFF
    assert b.read(spec.TFRR) == 4160000
    assert b.read(spec.GCR) == 0
    assert b.iack() == 0xFF


def test_a_masked_source_shows_no_activity_and_raises_nothing():
    b = Board()
    b.line(3, 1)
    assert b.vpr(3) & spec.VPR_ACTIVITY == 0
    assert b.external() == 0


def test_the_worked_checks_of_nesting_hold():
    b = Board()
    b.line(3, 1)
    b.task_priority(0)
    b.source(3, 0x00C80003)
    assert b.vpr(3) == 0x40C80003
    assert b.external() == 1
    assert b.iack() == 3
    assert b.external() == 0
    assert b.vpr(3) & spec.VPR_ACTIVITY

    b.source(5, LEVEL | 9 << 16 | 5)
    b.line(5, 1)
    assert b.external() == 1  # 9 > 8
    assert b.iack() == 5
    b.source(6, LEVEL | 8 << 16 | 6)
    b.line(6, 1)
    assert b.external() == 0
    b.line(5, 0)
    assert b.eoi() == 5
    assert b.external() == 0  # 6: 8 is not above 8
    assert b.eoi() == 3
    assert b.external() == 1
    assert b.iack() == 3  # its line is still high, and it is the lowest number of 8
    b.line(3, 0)
    assert b.eoi() == 3
    assert b.iack() == 6


def test_a_task_priority_raised_after_the_line_makes_the_acknowledge_spurious():
    b = Board()
    b.task_priority(0)
    b.source(3, LEVEL | 8 << 16 | 3)
    b.line(3, 1)
    assert b.external() == 1
    b.task_priority(8)
    assert b.external() == 0
    assert b.iack() == 0xFF
    assert b.eoi() == -1  # nothing went into service
    b.task_priority(7)
    assert b.iack() == 3  # and nothing was lost


def test_an_edge_refused_for_the_task_priority_is_not_lost():
    b = Board()
    b.source(7, 8 << 16 | 7)
    b.task_priority(8)
    pulse(b.m, 7)
    assert b.iack() == 0xFF
    b.task_priority(0)
    assert b.iack() == 7


def test_edges_before_the_acknowledge_merge_and_one_in_service_waits_for_the_eoi():
    b = Board()
    b.task_priority(0)
    b.source(7, 8 << 16 | 7)
    pulse(b.m, 7)
    pulse(b.m, 7)
    assert b.iack() == 7
    assert b.vpr(7) & spec.VPR_ACTIVITY == 0
    assert b.iack() == 0xFF
    pulse(b.m, 7)
    assert b.external() == 0
    assert b.eoi() == 7
    assert b.external() == 1
    assert b.iack() == 7
    assert b.eoi() == 7
    assert b.external() == 0


def test_an_edge_is_latched_while_masked():
    b = Board()
    b.task_priority(0)
    b.source(7, spec.VPR_MASK | 8 << 16 | 7)
    pulse(b.m, 7)
    assert b.external() == 0
    b.source(7, 8 << 16 | 7)
    assert b.external() == 1


def test_an_edge_line_requests_at_its_transition_only():
    b = Board()
    b.task_priority(0)
    b.source(7, 8 << 16 | 7)
    b.line(7, 1)
    assert b.iack() == 7
    b.eoi()
    b.line(7, 1)
    assert b.external() == 0
    b.line(7, 0)
    assert b.external() == 0
    b.line(7, 1)
    assert b.external() == 1


def test_a_level_that_drops_before_the_acknowledge_leaves_a_spurious_one():
    b = Board()
    b.task_priority(0)
    b.source(3, LEVEL | 8 << 16 | 3)
    b.line(3, 1)
    b.line(3, 0)
    assert b.external() == 0
    assert b.iack() == 0xFF


def test_priority_0_is_never_delivered():
    b = Board()
    b.task_priority(0)
    b.source(3, LEVEL | 3)
    b.line(3, 1)
    assert b.vpr(3) & spec.VPR_ACTIVITY
    assert b.external() == 0
    assert b.iack() == 0xFF


def test_task_priority_15_holds_off_the_highest_priority():
    b = Board()
    b.source(3, LEVEL | 15 << 16 | 3)
    b.line(3, 1)
    assert b.external() == 0
    b.task_priority(14)
    assert b.external() == 1


def test_an_ipi_reaches_each_processor_once():
    b = Board()
    for p in range(2):
        b.task_priority(0, p)
    b.write(spec.IPI_VECTOR + spec.STRIDE, 10 << 16 | 252)
    b.write(spec.CPU_IPI_DISPATCH + spec.STRIDE, 3)
    assert [b.external(p) for p in range(2)] == [1, 1]
    b.write(spec.CPU_IPI_DISPATCH + spec.STRIDE, 3)  # merges
    assert b.iack(0) == 252
    assert b.iack(0) == 0xFF
    assert b.read(spec.IPI_VECTOR + spec.STRIDE) & spec.VPR_ACTIVITY  # processor 1 has not taken it
    assert b.iack(1) == 252
    assert b.read(spec.IPI_VECTOR + spec.STRIDE) & spec.VPR_ACTIVITY == 0
    b.write(spec.CPU_IPI_DISPATCH + spec.STRIDE, 1)
    assert b.external(0) == 0  # still in service
    b.eoi(0)
    assert b.iack(0) == 252


def test_an_ipi_to_a_processor_that_does_not_exist_goes_nowhere():
    b = Board()
    b.write(spec.IPI_VECTOR, 10 << 16 | 251)
    b.write(spec.CPU_IPI_DISPATCH, 0xFFFFFFFC)
    assert b.read(spec.IPI_VECTOR) & spec.VPR_ACTIVITY == 0


def test_an_ipi_register_reads_back_what_drivers_test_for():
    b = Board()
    b.write(spec.IPI_VECTOR, spec.VPR_MASK | LEVEL)
    assert b.read(spec.IPI_VECTOR) == spec.VPR_MASK


def test_an_external_input_wins_a_tie_over_an_ipi():
    b = Board()
    b.source(15, 8 << 16 | 15)
    b.write(spec.IPI_VECTOR, 8 << 16 | 251)
    b.write(spec.CPU_IPI_DISPATCH, 1)
    pulse(b.m, 15)
    b.task_priority(0)
    assert [b.iack(), b.eoi(), b.iack()] == [15, 15, 251]


def test_several_destinations_take_turns_and_an_offer_stays_where_it_is():
    b = Board(cpus=4)
    for p in range(4):
        b.task_priority(0, p)
    b.source(2, 8 << 16 | 2, to=0b1011)
    turns = []
    for _ in range(4):
        pulse(b.m, 2)
        p = [b.external(p) for p in range(4)].index(1)
        b.task_priority(15, p)  # the request does not move on
        assert [b.external(p) for p in range(4)] == [0, 0, 0, 0]
        b.task_priority(0, p)
        assert b.iack(p) == 2
        b.eoi(p)
        turns.append(p)
    assert turns == [0, 1, 3, 0]


def test_a_source_in_service_is_not_handed_to_a_second_processor():
    b = Board()
    for p in range(2):
        b.task_priority(0, p)
    b.source(2, 8 << 16 | 2, to=3)
    pulse(b.m, 2)
    assert b.iack(0) == 2
    pulse(b.m, 2)
    assert [b.external(0), b.external(1)] == [0, 0]
    b.eoi(0)
    assert [b.external(0), b.external(1)] == [1, 0]


def test_a_source_served_twice_follows_the_processor_that_took_it_last():
    b = Board()
    for p in range(2):
        b.task_priority(0, p)
    for p in range(2):
        b.source(2, 8 << 16 | 2, to=1 << p)
        pulse(b.m, 2)
        assert b.iack(p) == 2
    b.eoi(0)
    b.source(2, 8 << 16 | 2, to=3)
    pulse(b.m, 2)
    assert [b.external(0), b.external(1)] == [0, 0]  # waits for processor 1
    b.eoi(1)
    assert [b.external(0), b.external(1)] == [0, 1]


def test_a_level_source_is_not_pending_while_somebody_serves_it():
    b = Board()
    b.task_priority(0)
    b.source(3, LEVEL | 8 << 16 | 3)
    seen = []
    b.line(3, 1)
    for act in (lambda: None, b.iack, b.eoi, lambda: b.line(3, 0)):
        act()
        seen.append(is_pending(b.m, 3))
    assert seen == [1, 0, 1, 0]


def test_equals_are_taken_by_number_across_the_words_of_a_raised_set():
    b = Board(inputs=200)
    irqs = [130, 64, 3, 63, 199]
    for irq in irqs:
        b.source(irq, 8 << 16 | irq)
        pulse(b.m, irq)
    b.task_priority(0)
    taken = []
    for _ in irqs:
        taken.append(b.iack())
        b.eoi()
    assert taken == sorted(irqs)
    assert b.external() == 0


def test_a_destination_written_while_pending_moves_the_request():
    b = Board()
    for p in range(2):
        b.task_priority(0, p)
    b.source(2, 8 << 16 | 2, to=0)
    pulse(b.m, 2)
    assert b.vpr(2) & spec.VPR_ACTIVITY
    assert [b.external(0), b.external(1)] == [0, 0]
    b.write(IDR + 2 * spec.SOURCE_STRIDE, 2)
    assert [b.external(0), b.external(1)] == [0, 1]
    b.write(IDR + 2 * spec.SOURCE_STRIDE, 1)
    assert [b.external(0), b.external(1)] == [1, 0]


def test_the_block_decides_the_processor_and_the_alias_means_oneself():
    b = Board()
    b.task_priority(5, p=1)
    block = spec.CPU_BASE + spec.CPU_STRIDE
    assert b.read(block + spec.CPU_TASK_PRIORITY) == 5
    assert b.read(spec.CPU_TASK_PRIORITY, p=0) == 15
    assert [b.read(spec.CPU_WHOAMI, p=p) for p in range(2)] == [0, 1]
    assert b.read(block + spec.CPU_WHOAMI, p=0) == 1
    b.source(3, 8 << 16 | 3, to=2)
    pulse(b.m, 3)
    assert b.read(block + spec.CPU_IACK, p=0) == 3
    assert last_acknowledged(b.m, 0, block + spec.CPU_IACK) == 3
    assert last_acknowledged(b.m, 0, spec.CPU_IACK) == -1
    assert b.write(block + spec.CPU_EOI, 0, p=0) == 3


def test_only_the_registers_for_it_acknowledge_and_end():
    for offset in (spec.CPU_IACK, spec.CPU_BASE + spec.CPU_IACK, spec.CPU_BASE + spec.CPU_STRIDE + spec.CPU_IACK):
        assert registers_of(offset) == (True, False)
        assert registers_of(offset + 0x10) == (False, True)
    for offset in (0x10A0, 0x10B0, spec.SOURCE_BASE + spec.CPU_IACK, spec.CPU_BASE + 0x1A0):
        assert registers_of(offset) == (False, False)


def test_offsets_without_a_register_read_as_ones_and_swallow_writes():
    b = Board(inputs=16, cpus=2)
    before = b.m.state.copy()
    absent = [0x00, 0xC0, 0x44, 0x100, 0x1024, 0x1104, 0x1200, VPR + 16 * 0x20, IDR + 16 * 0x20, VPR + 4]
    absent += [spec.CPU_BASE + 2 * spec.CPU_STRIDE + spec.CPU_IACK, spec.CPU_BASE + 0x140, 0x3FFF0]
    for offset in absent:
        assert b.read(offset) == spec.UNASSIGNED, hex(offset)
        assert b.write(offset, 0xFFFFFFFF) == -1
    assert (b.m.state == before).all()


def test_read_only_and_write_only_registers_hold_to_that():
    b = Board()
    for offset in (spec.FRR, spec.FRR1, spec.VIR, spec.PIR, spec.VENDOR_SPECIFIC_0, spec.VENDOR_SPECIFIC_3):
        before = b.read(offset)
        b.write(offset, 0x12345678)
        assert b.read(offset) == before
    assert b.read(spec.CPU_EOI) == 0
    assert b.read(spec.CPU_IPI_DISPATCH) == 0
    for offset in (spec.GCR1, spec.TFRR):
        b.write(offset, 0x12345678)
        assert b.read(offset) == 0x12345678


def test_the_feature_register_counts_inputs_and_processors():
    assert Board(inputs=128, cpus=4).read(spec.FRR) == 0x007F0302


def test_a_destination_has_no_bits_of_absent_processors():
    b = Board()
    b.write(IDR, 0xFFFFFFFF)
    assert b.read(IDR) == 3


def test_vectors_have_8_bits_until_8_bits_are_too_few():
    b = Board(inputs=16)
    b.source(3, 0x7FF)
    assert b.vpr(3) == 0xFF
    b.write(spec.SVR, 0xFFFFFFFF)
    assert b.read(spec.SVR) == 0xFF
    b = Board(inputs=300)
    assert b.read(spec.SVR) == 0x7FF
    b.source(299, 8 << 16 | 299)
    b.task_priority(0)
    pulse(b.m, 299)
    assert b.iack() == 299


def test_a_reset_is_over_at_once_and_forgets_all_but_the_lines():
    b = Board()
    b.task_priority(0)
    b.source(3, LEVEL | 8 << 16 | 3)
    b.line(3, 1)
    b.write(spec.GCR, spec.GCR_MIXED)
    assert b.read(spec.GCR) == spec.GCR_MIXED
    b.write(spec.TIMER_BASE + spec.TIMER_BASE_COUNT, 5)
    b.write(spec.GCR, spec.GCR_RESET | spec.GCR_MIXED)
    assert b.read(spec.GCR) == 0
    assert b.vpr(3) == spec.VPR_MASK
    assert b.external() == 0
    assert int(b.views[Table.HEADER][0].events) == 0
    b.task_priority(0)
    b.source(3, LEVEL | 8 << 16 | 3)
    assert b.external() == 1


def test_a_reset_controller_is_a_new_controller():
    b = Board()
    new = b.m.state.copy()
    b.task_priority(0)
    b.source(3, LEVEL | 8 << 16 | 3)
    b.source(4, 9 << 16 | 4)
    b.line(3, 1)
    b.iack()
    pulse(b.m, 4)
    b.line(3, 0)
    b.write(spec.GCR, spec.GCR_RESET)
    assert (b.m.state == new).all()


# --------------------------------------------------------------------------------------------------------- timers

BASE_COUNT = spec.TIMER_BASE + spec.TIMER_BASE_COUNT
COUNT = spec.TIMER_BASE + spec.TIMER_COUNT


def ticking(count, divider=10):
    b = Board()
    tables.view(b.m.state, Table.PIC)[0].timer_divider = divider
    b.task_priority(0)
    b.write(spec.TIMER_BASE + spec.TIMER_DESTINATION, 1)
    b.write(spec.TIMER_BASE + spec.TIMER_VPR, 5 << 16 | 247)
    b.write(BASE_COUNT, count)
    return b


def test_a_timer_counts_down_reloads_toggles_and_interrupts():
    b = ticking(3)
    assert b.read(COUNT) == 3
    pass_time(b.m, 0, 29)
    assert b.read(COUNT) == 1
    assert b.external() == 0
    pass_time(b.m, 0, 30)
    assert b.read(COUNT) == spec.TCCR_TOGGLE | 3
    assert b.iack() == 247
    b.eoi()
    pass_time(b.m, 0, 95)
    assert b.read(COUNT) == spec.TCCR_TOGGLE | 3
    assert b.iack() == 247  # two expiries, one request


@pytest.mark.parametrize("now", [0, 9, 10, 29, 30, 31, 59, 60, 61, 95, 1234])
def test_the_count_is_right_before_the_timeline_has_come_to_the_expiry(now):
    late, punctual = ticking(3), ticking(3)
    tables.view(late.m.state, Table.PCPU)[0].now = now
    pass_time(punctual.m, 0, now)
    assert late.read(COUNT) == punctual.read(COUNT)


def test_an_inhibited_timer_keeps_its_count_and_starts_anew():
    b = ticking(3)
    pass_time(b.m, 0, 45)
    assert b.read(COUNT) == spec.TCCR_TOGGLE | 2
    b.write(BASE_COUNT, spec.TBCR_INHIBIT | 3)
    pass_time(b.m, 0, 500)
    assert b.read(COUNT) == spec.TCCR_TOGGLE | 2
    assert b.iack() == 247
    b.eoi()
    b.write(BASE_COUNT, 3)
    assert b.read(COUNT) == 3
    pass_time(b.m, 0, 529)
    assert b.external() == 0
    pass_time(b.m, 0, 530)
    assert b.external() == 1


def test_a_new_base_count_of_a_running_timer_counts_from_the_next_reload():
    b = ticking(3)
    b.write(BASE_COUNT, 7)
    pass_time(b.m, 0, 20)
    assert b.read(COUNT) == 1
    pass_time(b.m, 0, 30)
    assert b.read(COUNT) == spec.TCCR_TOGGLE | 7


def test_a_timer_that_runs_out_with_base_count_0_waits_for_another():
    b = ticking(3)
    b.write(BASE_COUNT, 0)
    pass_time(b.m, 0, 1000)
    assert b.read(COUNT) == spec.TCCR_TOGGLE
    assert int(b.views[Table.HEADER][0].events) == 0
    b.write(BASE_COUNT, 4)
    assert b.read(COUNT) == spec.TCCR_TOGGLE | 4


def test_no_order_of_writes_puts_two_events_of_a_timer_on_the_timeline():
    b = ticking(3)
    for value in (5, spec.TBCR_INHIBIT, 5, 0, spec.TBCR_INHIBIT, 0, 7, 7, spec.TBCR_INHIBIT | 1, 9):
        b.write(BASE_COUNT, value)
        assert int(b.views[Table.HEADER][0].events) <= 1
    event = tables.view(b.m.state, Table.EVENT)[0]
    assert (int(event.kind), int(event.arg), int(event.cycle)) == (EventKind.PIC_TIMER, 0, 90)


# -------------------------------------------------------------------------------------------- what hypervisors use


def test_a_configured_ipi_carries_its_drivers_vector_and_is_let_through():
    b = Board()
    configure_ipi(b.m, 1, 10)
    b.task_priority(0, p=1)
    send_ipi(b.m, 1, 2)
    assert b.iack(1) == 252
    assert b.eoi(1) == 16 + 1


def test_acknowledging_by_source_tells_the_source_and_minus_one_for_spurious():
    b = Board()
    b.task_priority(0)
    assert acknowledge_source(b.m, 0) == -1
    b.source(9, 8 << 16 | 77)
    pulse(b.m, 9)
    assert acknowledge_source(b.m, 0) == 9


def test_held_off_means_the_acknowledge_would_refuse_it():
    b = Board()
    b.source(9, 8 << 16 | 9)
    for value, expected in ((7, 0), (8, 1), (15, 1)):
        b.task_priority(value)
        assert held_off(b.m, 9, 0) == expected


def test_priorities_keep_their_order_from_xics_to_openpic():
    """The map of task priorities is exact for CPPRs up to 14, and for 255 (nothing held off)."""
    for cppr in (*range(15), 255):
        for priority in range(256):
            mpic, task = mapped_priorities(priority, cppr)
            assert (mpic > task) == (priority < cppr), (priority, cppr)
    assert mapped_priorities(255, 255) == (0, 0)
    assert mapped_priorities(4, 5) == (11, 10)


# ---------------------------------------------------------------------------------------------------------- layout


def test_registers_are_where_the_book_puts_them():
    assert (spec.FRR, spec.GCR, spec.VIR, spec.PIR, spec.SVR, spec.TFRR) == (
        0x1000,
        0x1020,
        0x1080,
        0x1090,
        0x10E0,
        0x10F0,
    )
    assert [spec.IPI_VECTOR + n * spec.STRIDE for n in range(4)] == [0x10A0, 0x10B0, 0x10C0, 0x10D0]
    assert [spec.TIMER_BASE + t * spec.TIMER_STRIDE for t in range(4)] == [0x1100, 0x1140, 0x1180, 0x11C0]
    assert (spec.TIMER_COUNT, spec.TIMER_BASE_COUNT, spec.TIMER_VPR, spec.TIMER_DESTINATION) == (0, 0x10, 0x20, 0x30)
    assert (spec.SOURCE_BASE, spec.SOURCE_STRIDE, spec.CPU_BASE, spec.CPU_STRIDE) == (0x10000, 0x20, 0x20000, 0x1000)
    assert (spec.CPU_IPI_DISPATCH, spec.CPU_TASK_PRIORITY, spec.CPU_WHOAMI, spec.CPU_IACK, spec.CPU_EOI) == (
        0x40,
        0x80,
        0x90,
        0xA0,
        0xB0,
    )
    assert spec.CPU_BASE + spec.MAX_CPUS * spec.CPU_STRIDE == spec.WINDOW_BYTES
    assert 1 << spec.CPU_SHIFT == spec.CPU_STRIDE


def test_records_have_the_size_that_snapshots_expect():
    assert openpic.PIC.itemsize == 8 * (7 + 5 * spec.TIMERS)
    assert openpic.PIC_CPU.itemsize == 8 * (4 + 4 + 16 + 16 * openpic.WORDS)
    assert openpic.PIC_SOURCE.itemsize == 8 * 12
    assert openpic.MAX_SOURCES >= 512 + openpic.INTERNAL_SOURCES
