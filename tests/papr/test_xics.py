"""The partition's interrupt controller: against a plain model, and the rules that guests rely on, by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw import asm
from irqvisor import pseries
from irqvisor.hv import xics
from irqvisor.spec import papr, rtas
from irqvisor.tables import Table
from models.xics import Server, Source, Xics
from papr.partition import QEMU, Partition

MSI, OTHER_MSI, LSI = 0x1300, 0x1301, 0x1200
PRIORITIES = st.sampled_from([0, 3, 4, 5, 6, 0xFF])
PLACES = st.integers(0, len(pseries.SOURCES) - 1)
CPUS = st.integers(0, 1)
STEPS = st.one_of(
    st.tuples(st.just("accept"), CPUS),
    st.tuples(st.just("cppr"), CPUS, PRIORITIES),
    st.tuples(st.just("ipi"), CPUS, CPUS, PRIORITIES),
    st.tuples(st.just("end"), CPUS, PRIORITIES, st.sampled_from([2, 0, 0x1300, 0x1200, 0x1234])),
    st.tuples(st.just("line"), PLACES, st.integers(0, 1)),
    st.tuples(st.just("steer"), PLACES, CPUS, PRIORITIES),
)


def shape(machine):
    """All of the controller, as the model keeps it."""
    servers = [Server(*(int(s[f]) for f in ("cppr", "xisr", "priority", "mfrr"))) for s in machine.views[Table.SERVER]]
    sources = [Source(*(int(v) for v in s)) for s in machine.views[Table.ICS]]
    return Xics(sources, servers)


def act(guest, model, step):
    """One step on both; what it answers must be the same."""
    name, *values = step
    if name == "accept":
        guest.call(papr.H_XIRR, cpu=values[0])
        assert guest.result(4, values[0]) == model.accept(values[0])
    elif name == "cppr":
        guest.call(papr.H_CPPR, values[1], cpu=values[0])
        model.set_cppr(*values)
    elif name == "ipi":
        guest.call(papr.H_IPI, values[1], values[2], cpu=values[0])
        model.set_mfrr(values[1], values[2])
    elif name == "end":
        xirr = values[1] << 24 | values[2]
        status = guest.call(papr.H_EOI, xirr, cpu=values[0])
        assert (status == papr.H_SUCCESS) == model.end(values[0], xirr)
    elif name == "line":
        xics.set_line(guest.machine.arrays, values[0], values[1])
        model.line(model.sources[values[0]], values[1])
    else:
        xics.write_xive(guest.machine.arrays, 0, values[0], values[1], values[2], values[2])
        model.steer(model.sources[values[0]], values[1], values[2], values[2])


@pytest.mark.compiled
@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(STEPS, max_size=25))
def test_the_controller_agrees_with_the_plain_model(steps):
    guest = Partition(cpus=2)
    model = shape(guest.machine)
    for step in steps:
        act(guest, model, step)
        assert shape(guest.machine) == model
        guest.settle()
        for v, server in enumerate(model.servers):
            assert guest.icp(v)[3] == (server.xisr != 0)


def ready(cppr=0xFF, **options):
    guest = Partition(**options)
    guest.call(papr.H_CPPR, cppr)
    guest.steer(MSI, priority=5)
    guest.steer(LSI, priority=5)
    return guest


def xirr(guest, cpu=0):
    guest.call(papr.H_XIRR, cpu=cpu)
    return guest.result(4, cpu)


def test_a_new_server_refuses_everything():
    guest = Partition()
    assert guest.icp() == (0, 0, 0xFF, False)
    guest.call(papr.H_IPI, 0, 4)
    assert guest.icp() == (0, 0, 4, False)


def test_an_interrupt_is_accepted_once_and_its_priority_holds_off_its_equals():
    guest = ready()
    guest.machine.raise_irq(MSI)
    assert guest.icp() == (0xFF, MSI, 0xFF, True)
    assert xirr(guest) == 0xFF000000 | MSI
    assert guest.icp() == (5, 0, 0xFF, False)
    guest.machine.raise_irq(MSI)
    guest.machine.raise_irq(MSI)
    assert guest.icp()[1] == 0
    assert guest.call(papr.H_EOI, 0xFF000000 | MSI) == papr.H_SUCCESS
    assert guest.icp() == (0xFF, MSI, 0xFF, True)


def test_nothing_pending_leaves_the_priority_alone_unless_the_quirk_is_on():
    guest = ready(cppr=5)
    assert (xirr(guest), xirr(guest)) == (0x05000000, 0x05000000)
    guest = ready(cppr=5, quirk=QEMU)
    assert (xirr(guest), xirr(guest)) == (0x05000000, 0xFF000000)


def test_a_line_that_is_still_up_comes_again_after_its_end():
    guest = ready()
    guest.machine.raise_irq(LSI, 1)
    taken = xirr(guest)
    guest.call(papr.H_EOI, taken)
    assert guest.icp()[1] == LSI
    taken = xirr(guest)
    guest.machine.raise_irq(LSI, 0)
    guest.call(papr.H_EOI, taken)
    assert guest.icp() == (0xFF, 0, 0xFF, False)


def test_lowering_a_line_does_not_withdraw_what_is_presented():
    guest = ready()
    guest.machine.raise_irq(LSI, 1)
    guest.machine.raise_irq(LSI, 0)
    assert guest.icp()[1] == LSI


def test_the_more_favoured_replaces_and_the_replaced_comes_back():
    guest = ready()
    guest.steer(OTHER_MSI, priority=3)
    guest.machine.raise_irq(MSI)
    guest.machine.raise_irq(OTHER_MSI)
    taken = xirr(guest)
    assert taken == 0xFF000000 | OTHER_MSI
    guest.call(papr.H_EOI, taken)
    assert guest.icp()[1] == MSI


def test_an_ipi_stays_until_its_request_is_withdrawn():
    guest = ready()
    guest.call(papr.H_IPI, 0, 4)
    taken = xirr(guest)
    assert taken == 0xFF000002
    guest.call(papr.H_EOI, taken)
    assert guest.icp()[1] == papr.XISR_IPI
    taken = xirr(guest)
    guest.call(papr.H_IPI, 0, 0xFF)
    guest.call(papr.H_EOI, taken)
    assert guest.icp() == (0xFF, 0, 0xFF, False)


def test_withdrawing_the_request_does_not_withdraw_an_ipi_that_is_presented():
    guest = ready()
    guest.call(papr.H_IPI, 0, 4)
    guest.call(papr.H_IPI, 0, 0xFF)
    assert xirr(guest) == 0xFF000002


def test_raising_the_priority_takes_back_what_is_presented():
    guest = ready()
    guest.machine.raise_irq(MSI)
    guest.call(papr.H_CPPR, 5)
    assert guest.icp() == (5, 0, 0xFF, False)
    guest.call(papr.H_CPPR, 6)
    assert guest.icp() == (6, MSI, 0xFF, True)


def test_the_end_of_an_unknown_source_is_an_error_that_sets_the_priority_all_the_same():
    guest = ready(cppr=5)
    assert guest.call(papr.H_EOI, 0xFF001234) == papr.H_PARAMETER
    assert guest.icp()[0] == 0xFF


def test_polling_takes_nothing():
    guest = ready()
    guest.machine.raise_irq(MSI)
    assert guest.call(papr.H_IPOLL, 0) == papr.H_SUCCESS
    assert (guest.result(4), guest.result(5)) == (0xFF000000 | MSI, 0xFF)
    assert guest.icp()[1] == MSI


@pytest.mark.parametrize("call", [papr.H_IPI, papr.H_IPOLL, papr.H_PROD, papr.H_CONFER])
@pytest.mark.parametrize("server", [1, 1 << 32, (1 << 64) - 2])
def test_a_server_that_is_not_there_is_an_error(call, server):
    assert Partition().call(call, server, 4) == papr.H_PARAMETER


def test_everybody_may_be_conferred_to():
    assert Partition().call(papr.H_CONFER, (1 << 64) - 1, 0) == papr.H_SUCCESS


def test_the_extended_call_tells_the_time():
    guest = ready()
    guest.machine.raise_irq(MSI)
    assert guest.call(papr.H_XIRR_X) == papr.H_SUCCESS
    assert (guest.result(4), guest.result(5)) == (0xFF000000 | MSI, guest.machine.now)


def test_masking_is_by_rtas_and_twice_loses_the_priority():
    guest = ready()
    assert guest.rtas(rtas.INT_OFF, MSI) == [0]
    guest.machine.raise_irq(MSI)
    assert guest.icp()[1] == 0
    assert guest.rtas(rtas.INT_ON, MSI) == [0]
    assert guest.icp()[1] == MSI
    guest.rtas(rtas.INT_OFF, MSI)
    guest.rtas(rtas.INT_OFF, MSI)
    guest.rtas(rtas.INT_ON, MSI)
    assert guest.rtas(rtas.GET_XIVE, MSI, returns=3) == [0, 0, 0xFF]


@pytest.mark.parametrize("arguments", [(0x1234, 0, 5), (MSI, 1, 5), (MSI, 0, 0x100)])
def test_steering_what_is_not_there_is_an_error(arguments):
    assert Partition().rtas(rtas.SET_XIVE, *arguments) == [rtas.PARAMETER_ERROR]


# ---- Several processors ----


def test_an_ipi_reaches_another_processor_after_an_ipis_time():
    guest = Partition(cpus=2)
    guest.call(papr.H_CPPR, 0xFF, cpu=1)
    guest.call(papr.H_IPI, 1, 4, cpu=0)
    assert guest.icp(1) == (0xFF, papr.XISR_IPI, 4, True)
    assert guest.icp(0)[3] is False


def test_a_prod_ends_the_sleep_of_another_and_one_before_counts():
    guest = Partition(cpus=2)
    guest.machine.views[Table.CONTEXT][1].dec_at = guest.machine.views[Table.CONTEXT][1].dec_base = 1 << 40
    pcpu = guest.machine.views[Table.PCPU][1]
    guest.call(papr.H_CEDE, cpu=1)
    assert pcpu.waiting == 1
    assert guest.enabled(1)
    guest.call(papr.H_PROD, 1, cpu=0)
    assert pcpu.waiting == 0
    guest.call(papr.H_PROD, 1, cpu=0)
    guest.call(papr.H_CEDE, cpu=1)
    assert pcpu.waiting == 0


def test_an_interrupt_ends_the_sleep_and_is_taken_behind_the_call():
    guest = ready()
    guest.machine.cpu[0].dec = 0x7FFFFFFF
    guest.call(papr.H_CEDE)
    guest.machine.raise_irq(MSI)
    guest.machine.memory[0x500:0x504] = asm.NOP.to_bytes(4, "big")
    cpu = guest.machine.cpu[0]
    guest.machine.run(instructions=1)
    assert cpu.srr0 == pseries.LOAD_ADDRESS + 4
    assert cpu.srr1 & 0x8000
    assert cpu.pc == 0x504
