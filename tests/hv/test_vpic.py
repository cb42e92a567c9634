"""The virtual interrupt controller agrees with its plain model, whatever a domain does in whatever order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hv.harness import MANUAL, SHORT, parked, sharing, small, vcpu
from irqvisor.spec import papr
from irqvisor.tables import Table
from models.vpic import IPI, Line, VirtualPic

PRIORITIES = (5, 5, 3, 5)
TRIGGERS = ("edge", "level", "level", "edge")
COUNT = len(PRIORITIES)
CPPRS = st.sampled_from([0xFF, 14, 9, 6, 5, 4, 3, 0])
ANY_LINE = st.integers(1, 2 * COUNT)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("raise"), ANY_LINE),
        st.tuples(st.just("raise"), ANY_LINE),
        st.tuples(st.just("drain"), ANY_LINE),
        st.tuples(st.just("accept")),
        st.tuples(st.just("accept")),
        st.tuples(st.just("end"), CPPRS, st.sampled_from([-1, -1, 0])),
        st.tuples(st.just("end wrong"), ANY_LINE),
        st.tuples(st.just("cppr"), CPPRS),
        st.tuples(st.just("ipi"), CPPRS),
        st.tuples(st.just("hdec")),
    ),
    min_size=15,
    max_size=40,
)


@pytest.fixture(scope="module")
def machine():
    sources = [
        {"name": f"{domain}{k}", "owner": domain, "trigger": TRIGGERS[k], "priority": PRIORITIES[k], "arrival": MANUAL}
        for domain in ("a", "b")
        for k in range(COUNT)
    ]
    return sharing(
        small([{"name": "a", "compute": True}, {"name": "b", "compute": True}], sources, scheduler=SHORT), "rhype"
    )


def xisr(what):
    if what is None:
        return papr.XISR_NONE
    return papr.XISR_IPI if what == IPI else papr.XISR_SOURCES + what


def act(step, guest, model):
    """One step, for both; what they answer must agree."""
    m = guest.machine
    kind, *rest = step
    if kind == "raise":
        m.raise_irq(rest[0])
        model.raise_line(rest[0])
    elif kind == "drain":
        source = m.views[Table.SOURCE][rest[0] - 1]
        if source.level and source.lpid == guest.v:
            guest.consume(rest[0] - 1)
            model.lower_line(rest[0])
    elif kind == "accept":
        assert guest.call(papr.H_XIRR) == papr.H_SUCCESS
        cppr, what = model.accept()
        assert guest.cpu.gpr[4] == cppr << papr.XIRR_CPPR_SHIFT | xisr(what)
    elif kind == "end":
        what = model.service[rest[1]] if model.service else None
        expected = papr.H_SUCCESS if model.end(rest[0], what) else papr.H_PARAMETER
        assert guest.call(papr.H_EOI, rest[0] << papr.XIRR_CPPR_SHIFT | xisr(what)) == expected
    elif kind == "end wrong":
        if rest[0] not in model.service:
            assert guest.call(papr.H_EOI, 0xFF << papr.XIRR_CPPR_SHIFT | xisr(rest[0])) == papr.H_PARAMETER
    elif kind == "cppr":
        assert guest.call(papr.H_CPPR, rest[0]) == papr.H_SUCCESS
        model.cppr = rest[0]
    elif kind == "ipi":
        assert guest.call(papr.H_IPI, 0, rest[0]) == papr.H_SUCCESS
        model.mfrr = rest[0]
    else:
        m.views[Table.PCPU][0].hdec_at = m.now
        m.run(cycles=1)
        model.poll()


def agree(guest, model):
    """Every state that anybody can see."""
    m = guest.machine
    assert m.views[Table.PCPU][0].context == guest.v
    assert vcpu(m, guest.v).cppr == model.cppr
    assert vcpu(m, guest.v).ipis == model.service.count(IPI)
    for v in (0, 1):
        assert vcpu(m, v).soft[0] == sum(1 << number for number in model.queued[v])
    for number, line in model.lines.items():
        assert m.views[Table.PIRQ][number].in_service == model.service.count(number)
        assert m.views[Table.PIC_SOURCE][number].masked == line.masked
        assert m.views[Table.PIC_SOURCE][number].server == -1
    assert m.views[Table.PCPU][0].external == model.external()


@settings(max_examples=200)
@given(steps=STEPS)
def test_the_virtual_pic_agrees_with_the_plain_model(machine, steps):
    guests = parked(machine.fork())
    guest = guests[int(guests[0].machine.views[Table.PCPU][0].context)]
    lines = {
        1 + v * COUNT + k: Line(owner=v, priority=PRIORITIES[k], level=TRIGGERS[k] == "level")
        for v in (0, 1)
        for k in range(COUNT)
    }
    model = VirtualPic(lines, guest.v)
    for step in steps:
        act(step, guest, model)
        agree(guest, model)
