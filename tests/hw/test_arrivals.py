"""When items arrive: exact for regular sources, the right distribution for random ones."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.board import bare_board
from irqvisor import tables
from irqvisor._jit import NOJIT, entry
from irqvisor.hw import arrivals
from irqvisor.hw.state import NEVER, Arrival, source
from irqvisor.tables import Table

DRAWS = 200_000
MASK64 = (1 << 64) - 1


@entry
def first_arrivals(m, s, start, out):
    """Fill `out` with the first arrivals of a source, as the machine asks for them; returns how many came."""
    cycle = arrivals.first_arrival(m, s, start)
    for k in range(len(out)):
        if cycle >= NEVER:
            return k
        out[k] = cycle
        cycle = arrivals.next_arrival(m, s, cycle)
    return len(out)


@entry
def draw(m, s, mean, out):
    for k in range(len(out)):
        out[k] = arrivals.exponential(source(m, s), mean)


@entry
def draw_bits(m, s, out):
    for k in range(len(out)):
        out[k] = arrivals.random(source(m, s))


def board(n=1, recorded=(), **fields):
    """Sources with these fields, each the same but for its seed."""
    m = bare_board(sources=n, arrivals=len(recorded))
    for k, record in enumerate(tables.view(m.state, Table.SOURCE)):
        record.rng = 1 + k
        for name, value in fields.items():
            record[name] = value
    tables.view(m.state, Table.ARRIVAL).at[:] = recorded
    return m


def times(m, count, start=0, s=0):
    out = np.zeros(count, np.int64)
    return out[: first_arrivals(m, s, start, out)].tolist()


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 30), st.integers(1, 1 << 40))
def test_item_k_of_a_periodic_source_arrives_k_periods_after_the_first(start, phase, period):
    m = board(kind=Arrival.PERIODIC, phase=phase, period=period)
    assert times(m, 20, start) == [start + phase + k * period for k in range(20)]


@given(st.integers(1, 50), st.integers(1, 200), st.integers(0, 200), st.integers(0, 100))
def test_a_burst_is_a_periodic_source_seen_through_its_windows(period, on, off, start):
    m = board(kind=Arrival.BURST, phase=7, period=period, on=on, off=off)
    expected = [start + 7 + window * (on + off) + at for window in range(12) for at in range(0, on, period)]
    assert times(m, 12, start) == expected[:12]


def test_a_recording_is_replayed_from_the_start_and_then_silent():
    m = board(recorded=[99, 3, 3, 10], kind=Arrival.RECORDED, first=1, arrivals=3)
    assert times(m, 10, start=1000) == [1003, 1003, 1010]


@pytest.mark.parametrize("kind", [Arrival.MANUAL, Arrival.CLOSED])
def test_a_source_that_others_drive_has_no_arrival_of_its_own(kind):
    assert times(board(kind=kind, period=5), 10) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": Arrival.PERIODIC},
        {"kind": Arrival.POISSON},
        {"kind": Arrival.BURST, "period": 5},
        {"kind": Arrival.BURST, "on": 5},
        {"kind": Arrival.RECORDED},
    ],
)
def test_a_source_without_a_rate_is_silent(fields):
    assert times(board(**fields), 10) == []


def test_starting_again_begins_at_the_first_item():
    m = board(kind=Arrival.BURST, period=3, on=7, off=10)
    assert times(m, 5) == times(m, 5) == [0, 3, 6, 17, 20]


def test_random_bits_are_xorshift64star():
    m = board()
    out = np.zeros(100, np.int64)
    draw_bits(m, 0, out)
    x = 1
    for bits in out:
        x, expected = plain_random(x)
        assert int(bits) & MASK64 == expected
    assert arrivals.XORSHIFT_MULTIPLIER == 2685821657736338717


def test_the_table_of_sums_is_knuths():
    term, total = 1.0, 0.0
    for k, q in enumerate(arrivals.Q, 1):
        term *= math.log(2) / k
        total += term
        assert q / 2**63 == pytest.approx(total, abs=1e-15)
    assert arrivals.Q[0] == arrivals.LN2


def test_poisson_items_differ_by_draws_from_the_sources_own_generator():
    m = board(n=2, kind=Arrival.POISSON, phase=5, period=1000)
    other = board(n=2)
    gaps = np.zeros(50, np.int64)
    draw(other, 0, 1000, gaps)
    assert times(m, 50, start=100) == (105 + np.cumsum(gaps)).tolist()
    assert times(m, 50, start=100, s=1) != times(board(n=2, kind=Arrival.POISSON, phase=5, period=1000), 50, start=100)


def plain_random(x):
    """xorshift64* on Python's integers: (next state, output)."""
    x ^= x >> 12
    x ^= x << 25 & MASK64
    x ^= x >> 27
    return x, x * arrivals.XORSHIFT_MULTIPLIER & MASK64


def plain_exponential(state):
    """Knuth's Algorithm S with exact fractions and ln 2 in floating point: (next state, variate)."""
    state, bits = plain_random(state)
    ones = 0
    while bits >> 63:
        bits = bits << 1 & MASK64
        ones += 1
    u = Fraction(bits << 1 & MASK64, 1 << 64)
    if u < math.log(2):
        return state, ones * math.log(2) + float(u)
    k, total, term = 1, math.log(2), math.log(2)
    while u >= total:
        k += 1
        term *= math.log(2) / k
        total += term
    uniforms = []
    for _ in range(k):
        state, bits = plain_random(state)
        uniforms.append(Fraction(bits, 1 << 64))
    return state, float(ones + min(uniforms)) * math.log(2)


def test_draws_agree_with_the_algorithm_in_plain_python():
    mean = 1_000_000
    out = np.zeros(500 if not NOJIT else 20, np.int64)
    draw(board(), 0, mean, out)
    state = 1
    for cycles in out:
        state, variate = plain_exponential(state)
        assert abs(int(cycles) - variate * mean) < 0.51  # rounded to nearest


def test_the_draws_are_the_same_on_every_machine():
    out = np.zeros(6, np.int64)
    draw(board(), 0, 1_000_000, out)
    assert out.tolist() == [561670, 1377696, 732086, 1648904, 1896389, 927891]


@pytest.mark.compiled
@pytest.mark.parametrize("mean", [1000, 123_457, 1 << 40])
def test_draws_have_the_mean_the_spread_and_the_shape_of_an_exponential(mean):
    out = np.zeros(DRAWS, np.int64)
    draw(board(), 0, mean, out)
    x = out / mean
    assert x.min() >= 0
    assert x.mean() == pytest.approx(1, abs=4 / math.sqrt(DRAWS))  # four standard errors
    assert x.var() == pytest.approx(1, abs=4 * math.sqrt(8 / DRAWS))
    cells = 50  # equally likely, by the inverse of the distribution function
    edges = -np.log1p(-np.arange(1, cells) / cells)
    counts = np.bincount(np.searchsorted(edges, x + 0.5 / mean), minlength=cells)
    chi_square = ((counts - DRAWS / cells) ** 2 / (DRAWS / cells)).sum()
    if mean > 10_000:  # else a cell's edge falls inside a cycle
        assert chi_square < 85  # 49 degrees of freedom: one in a thousand exceeds it
    correlation = np.corrcoef(x[:-1], x[1:])[0, 1]
    assert abs(correlation) < 4 / math.sqrt(DRAWS)
    assert (x > 8).mean() == pytest.approx(math.exp(-8), rel=0.35)
