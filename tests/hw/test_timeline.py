"""The heap of future events against a sorted list."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hw.board import bare_board
from irqvisor import tables
from irqvisor._jit import entry
from irqvisor.hw import timeline
from irqvisor.hw.state import NEVER, Stop
from irqvisor.tables import Table

SCHEDULE, DROP, CANCEL = range(3)
CAPACITY = 64


@entry
def schedule(m, cycle, priority, kind, arg):
    return timeline.schedule(m, cycle, priority, kind, arg)


@entry
def play(m, steps, seen):
    """Every step, and after each the earliest event: due, priority, kind, arg, sequence."""
    for k in range(len(steps)):
        w = steps[k]
        row = seen[k]
        if w[0] == SCHEDULE:
            row[0] = timeline.schedule(m, w[1], w[2], w[3], w[4])
        elif w[0] == CANCEL:
            row[0] = timeline.cancel(m, w[3], w[4])
        elif timeline.due(m) < NEVER:
            timeline.drop_first(m)
        row[1] = timeline.due(m)
        if row[1] < NEVER:
            e = timeline.first(m)
            row[2] = e.priority
            row[3] = e.sequence
            row[4] = e.kind
            row[5] = e.arg


def play_model(steps):
    events, rows, sequence = [], [], 0
    for what, cycle, priority, kind, arg in steps:
        result = 0
        if what == SCHEDULE:
            sequence += 1
            result = sequence
            events.append((cycle, priority, sequence, kind, arg))
        elif what == CANCEL:
            result = sum(e[3:] == (kind, arg) for e in events)
            events = [e for e in events if e[3:] != (kind, arg)]
        elif events:
            events.remove(min(events))
        rows.append([result, *(min(events) if events else (NEVER, 0, 0, 0, 0))])
    return rows


steps = st.lists(
    st.tuples(
        st.sampled_from([SCHEDULE, SCHEDULE, SCHEDULE, DROP, DROP, CANCEL]),
        st.integers(0, 8),
        st.integers(0, 2),
        st.integers(0, 1),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=CAPACITY,
)


@given(steps)
def test_the_timeline_agrees_with_a_sorted_list(steps):
    m = bare_board(events=CAPACITY)
    seen = np.zeros((len(steps), 6), np.int64)
    play(m, np.array(steps, np.int64), seen)
    assert seen.tolist() == play_model(steps)


def test_a_long_busy_timeline_agrees_with_a_sorted_list():
    rng = np.random.default_rng(1)
    steps = np.stack([rng.integers(0, high, 1500) for high in (3, 100, 3, 2, 8)], axis=1)
    steps[:50, 0] = SCHEDULE
    steps[50:, 0] = rng.choice([SCHEDULE, DROP, CANCEL], len(steps) - 50, p=[0.53, 0.42, 0.05])
    m = bare_board(events=len(steps))
    seen = np.zeros((len(steps), 6), np.int64)
    play(m, steps, seen)
    assert seen.tolist() == play_model(steps.tolist())


def test_a_full_timeline_stops_the_machine_and_writes_nothing_outside():
    m = bare_board(events=2, sources=1)
    source = tables.view(m.state, Table.SOURCE)
    for k in range(3):
        schedule(m, k, 0, 0, k)
    assert int(tables.view(m.state, Table.REQUEST)[0].reason) == Stop.PANIC
    assert int(tables.view(m.state, Table.HEADER)[0].events) == 2
    assert not source.view(np.uint8).any()


def test_with_one_pcpu_an_earlier_event_pulls_the_horizon_in():
    m = bare_board(events=4)
    header = tables.view(m.state, Table.HEADER)[0]
    header.horizon = 100
    schedule(m, 120, 0, 0, 0)
    assert int(header.horizon) == 100
    schedule(m, 80, 0, 0, 0)
    assert int(header.horizon) == 80
    schedule(m, 90, 0, 0, 0)
    assert int(header.horizon) == 80


def test_with_several_pcpus_the_horizon_stays_where_it_is():
    m = bare_board(events=4, pcpus=2)
    header = tables.view(m.state, Table.HEADER)[0]
    header.horizon = 100
    schedule(m, 80, 0, 0, 0)
    assert int(header.horizon) == 100
