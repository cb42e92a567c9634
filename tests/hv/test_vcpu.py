"""Several vCPUs a domain under xen-ppc: how they come up, what vcpu_op answers, who is notified, and who is kicked.

Expected values are those of the 2008 tree (xen/common/domain.c, do_vcpu_op; public/vcpu.h; common/event_channel.c).
"""

import struct

import pytest

from hv.harness import MANUAL, Parked, booted, context, finished, of, periodic, ready, small, vcpu
from irqvisor.hv.state import Exit, RunState
from irqvisor.hw.state import NOBODY
from irqvisor.lab import runner
from irqvisor.spec import xen
from irqvisor.spec.power_isa import MSR_EE, MSR_ME, MSR_RI, MSR_SF
from irqvisor.tables import Table

SMP = {"name": "smp", "vcpus": 2, "privileged": True}
MSR = MSR_SF | MSR_ME | MSR_RI
SHORT = {"slice_us": 20, "hdec_period_us": 20}


@pytest.fixture(scope="module")
def computing():
    """One domain, two computing vCPUs, each on a pCPU of its own, and a third pCPU with nothing."""
    scenario = small([SMP | {"compute": True}], [{"name": "disk", "owner": "smp", "arrival": MANUAL}], pcpus=3)
    return ready(scenario, "xen-ppc")


@pytest.fixture
def both(computing):
    """The two vCPUs, parked, with no events about; the disk is at port 1, where the kernel bound it."""
    machine = computing.fork()
    first, second = Parked(machine, 0), SecondParked(machine, 1)
    first.listen()
    second.set_bits(second.info, 0)
    second.set_bits(second.info + xen.PENDING_SEL, 0)
    return first, second


class SecondParked(Parked):
    """The second of a domain, in the same memory at another place."""

    HERE = Parked.HERE + 0x400
    DATA = Parked.HERE + 0x500


def vcpu_op(guest, command, number, layout="", *fields):
    guest.layout = ">" + layout
    data = struct.pack(guest.layout, *fields)
    guest.memory[guest.DATA : guest.DATA + len(data)] = data
    return guest.xen(xen.HC_VCPU_OP, command, number, xen.XENCOMM_INLINE | guest.DATA)


def bind_ipi(guest, number):
    assert guest.evtchn(xen.EVTCHNOP_BIND_IPI, "II", number, 0) == 0
    return guest.out[1]


def send(guest, port):
    return guest.evtchn(xen.EVTCHNOP_SEND, "I", port)


def bind_vcpu(guest, port, number):
    return guest.evtchn(xen.EVTCHNOP_BIND_VCPU, "II", port, number)


# ---------------------------------------------------------------------------------------------------------- coming up


def test_only_the_first_vcpu_is_up_and_the_kernel_starts_the_others():
    machine = ready(small([SMP | {"vcpus": 3}], pcpus=2), "xen-ppc")
    assert [int(w.down) for w in machine.views[Table.VCPU]] == [0, 0, 0]
    assert [int(w.pcpu) for w in machine.views[Table.VCPU]] == [0, 1, 0]
    machine.run(cycles=5_000)
    assert [int(w.blocked) for w in machine.views[Table.VCPU]] == [1, 1, 1]  # nothing to do


def test_a_domain_is_ready_when_its_last_vcpu_is():
    machine = ready(small([SMP], pcpus=1, scheduler=SHORT), "xen-ppc")
    assert all(context(machine, v).gpr[1] for v in range(2))


@pytest.mark.parametrize("pcpus", [1, 2, 3])
def test_a_source_is_told_to_the_vcpu_it_names(pcpus):
    scenario = small(
        [SMP | {"vcpus": 3}],
        [{"name": name, "owner": "smp", "vcpu": n, "arrival": periodic(70 + n)} for n, name in enumerate("abc")],
        pcpus=pcpus,
        scheduler=SHORT,
    )
    machine = finished(scenario, "xen-ppc")
    result = runner.metrics.fates(machine)
    assert result["balanced"]
    for name in "abc":
        row = of(result, name)
        assert row == {"raised": row["raised"], "serviced": row["raised"]}
    assert [int(machine.views[Table.CONTEXT_COUNT][v].vectored > 0) for v in range(3)] == [1, 1, 1]
    assert not machine.views[Table.DOMAIN_COUNT][0].spurious


def test_initialise_and_up():
    machine = ready(small([{"name": "one", "compute": True}, SMP], pcpus=3), "xen-ppc")
    fresh = Parked(machine, 0)
    assert vcpu_op(fresh, xen.VCPUOP_INITIALISE, 1) == -xen.ENOENT  # it has one vCPU
    assert vcpu_op(fresh, xen.VCPUOP_UP, 32) == -xen.EINVAL  # no domain can have that
    assert vcpu_op(fresh, xen.VCPUOP_INITIALISE, 0) == -xen.EEXIST


def test_a_vcpu_begins_with_the_registers_it_was_given(both):
    first, second = both
    w = vcpu(first.machine, 0)
    first.cpu.msr |= MSR_EE  # or it would run on until HDEC
    assert vcpu_op(second, xen.VCPUOP_DOWN, 0) == 0
    first.machine.run(cycles=5_000)
    assert first.machine.views[Table.PCPU][0].context == NOBODY
    vcpu(first.machine, 0).initialised = 0  # as if it had never been
    assert vcpu_op(second, xen.VCPUOP_UP, 0) == -xen.EINVAL
    fields = [0] * 45
    fields[:36] = range(100, 136)
    fields[36], fields[37], fields[39] = first.HERE, MSR, 1 << 29
    assert second.xen(xen.HC_VCPU_OP, xen.VCPUOP_INITIALISE, 0, 0) == -xen.EFAULT
    fields[42] = 0x12345678  # dsisr, cr
    assert vcpu_op(second, xen.VCPUOP_INITIALISE, 0, "45q", *fields) == 0
    assert vcpu_op(second, xen.VCPUOP_IS_UP, 0) == 0
    assert vcpu_op(second, xen.VCPUOP_UP, 0) == 0
    assert vcpu_op(second, xen.VCPUOP_IS_UP, 0) == 1
    first.machine.run(cycles=5_000)
    c = first.cpu
    assert list(c.gpr[:32]) == list(range(100, 132))
    assert (c.lr, c.ctr, c.nip, c.ca) == (132, 133, first.HERE, 1)
    assert list(c.cr) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert w.running == 1


def test_a_vcpu_that_takes_itself_down_stops_and_an_event_does_not_wake_it(both):
    first, second = both
    port = bind_ipi(first, 1)
    second.park(second.SC_1)
    for r, value in enumerate((xen.HC_VCPU_OP | xen.MARK, xen.VCPUOP_DOWN, 1, 0), start=3):
        second.cpu.gpr[r] = value
    first.machine.run(cycles=5_000)
    w = vcpu(first.machine, 1)
    assert (w.down, w.running, w.state) == (1, 0, RunState.OFFLINE)
    assert second.at == second.HERE + 4
    assert send(first, port) == 0
    first.machine.run(cycles=5_000)
    assert (w.running, second.upcall) == (0, 1)  # the event waits
    second.cpu.msr |= MSR_EE
    assert vcpu_op(first, xen.VCPUOP_UP, 1) == 0
    first.machine.run(cycles=5_000)
    assert (w.running, int(second.cpu.srr0)) == (1, second.HERE + 4)  # and is delivered when it runs again


def test_a_vcpu_that_was_blocked_is_blocked_when_it_comes_up_again(both):
    first, second = both
    assert second.xen(xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK, 0) == 0
    w = vcpu(first.machine, 1)
    assert w.blocked == 1
    assert vcpu_op(first, xen.VCPUOP_DOWN, 1) == 0
    assert w.state == RunState.OFFLINE
    assert vcpu_op(first, xen.VCPUOP_UP, 1) == 0
    first.machine.run(cycles=5_000)
    assert (w.blocked, w.running, w.state) == (1, 0, RunState.BLOCKED)


def test_a_domain_stops_on_all_its_pcpus(both):
    first, second = both
    data = (0).to_bytes(4, "big")
    first.memory[first.DATA : first.DATA + 4] = data
    first.park(first.SC_1)
    for r, value in enumerate((xen.HC_SCHED_OP | xen.MARK, xen.SCHEDOP_SHUTDOWN, xen.XENCOMM_INLINE | first.DATA), 3):
        first.cpu.gpr[r] = value
    second.cpu.msr |= MSR_EE
    first.machine.run(cycles=10_000)
    domain = first.machine.views[Table.DOMAIN][0]
    assert (domain.alive, domain.exit) == (0, Exit.SHUTDOWN)
    assert [int(pcpu.context) for pcpu in first.machine.views[Table.PCPU]] == [NOBODY] * 3


# ---------------------------------------------------------------------------------------------------- who is notified


def test_an_ipi_port_notifies_its_own_vcpu_only(both):
    first, second = both
    port = bind_ipi(first, 1)
    assert send(first, port) == 0
    assert (first.upcall, first.selector) == (0, 0)
    assert (second.upcall, second.selector, second.pending()) == (1, 1, 1 << port)
    assert first.evtchn(xen.EVTCHNOP_BIND_IPI, "II", 2, 0) == -xen.ENOENT


def test_bind_vcpu_moves_future_events_and_leaves_what_is_pending(both):
    first, second = both
    assert first.evtchn(xen.EVTCHNOP_ALLOC_UNBOUND, "HHI", xen.DOMID_SELF, xen.DOMID_SELF, 0) == 0
    end = first.out[2]
    assert first.evtchn(xen.EVTCHNOP_BIND_INTERDOMAIN, "HxxII", xen.DOMID_SELF, end, 0) == 0
    other = first.out[2]
    first.listen()
    assert send(first, other) == 0
    assert (first.selector, second.selector) == (1, 0)
    assert bind_vcpu(second, end, 2) == -xen.ENOENT
    assert bind_vcpu(second, end, 1) == 0
    assert (first.selector, second.selector) == (1, 0)  # still with the old one
    first.set_bits(xen.EVTCHN_PENDING, 0)
    assert send(first, other) == 0
    assert (second.selector, second.upcall) == (1, 1)


def test_a_per_vcpu_virq_is_bound_once_for_each_vcpu(both):
    first, second = both
    bind = xen.EVTCHNOP_BIND_VIRQ
    assert first.evtchn(bind, "III", 0, 0, 0) == 0
    assert first.evtchn(bind, "III", 0, 1, 0) == 0
    assert first.evtchn(bind, "III", 0, 1, 0) == -xen.EEXIST
    assert first.evtchn(bind, "III", 0, 2, 0) == -xen.ENOENT
    assert second.evtchn(bind, "III", 2, 1, 0) == -xen.EINVAL  # a global one


def test_a_port_that_becomes_pending_wakes_a_poller_on_any_vcpu(both):
    first, second = both
    port = bind_ipi(first, 0)  # bound elsewhere: historical bug E1
    data = struct.pack(">QIxxxxQ", 0, 0, 0)
    second.memory[second.DATA : second.DATA + len(data)] = data
    assert second.xen(xen.HC_SCHED_OP, xen.SCHEDOP_POLL, xen.XENCOMM_INLINE | second.DATA) == 0
    w = vcpu(first.machine, 1)
    assert (w.blocked, w.polling) == (1, 1)
    assert send(first, port) == 0
    assert (w.blocked, w.polling) == (0, 0)


def test_a_running_vcpu_elsewhere_is_kicked_and_a_sleeping_one_is_woken_by_one_ipi_each(both):
    first, second = both
    port = bind_ipi(first, 1)
    second.cpu.msr |= MSR_EE
    events = int(first.machine.header.sequence)
    assert send(first, port) == 0
    assert first.machine.header.sequence == events + 1
    first.machine.run(cycles=5_000)
    assert second.cpu.srr0 == second.HERE
    second.memory[second.shared + second.info] = 0
    first.set_bits(xen.EVTCHN_PENDING, 0)
    second.set_bits(second.info + xen.PENDING_SEL, 0)
    assert second.xen(xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK, 0) == 0
    events = int(first.machine.header.sequence)
    assert send(first, port) == 0
    assert first.machine.header.sequence == events + 1  # is_running was sampled before the wake-up


# --------------------------------------------------------------------------------------------- run state and timers


def test_the_run_state_accounts_for_all_time(both):
    first, second = both
    assert vcpu_op(second, xen.VCPUOP_GET_RUNSTATE_INFO, 0, "iiqqqqq", *[0] * 7) == 0
    state, _, entry, *times = second.out
    assert state == RunState.RUNNING
    hz = int(first.machine.header.clock_hz)
    now = int(first.machine.views[Table.PCPU][1].now) * 1e9 / hz
    assert abs(sum(times) - now) < 3000
    assert 0 <= entry <= now
    first.xen(xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK, 0)
    first.machine.run(cycles=10_000)
    assert vcpu_op(second, xen.VCPUOP_GET_RUNSTATE_INFO, 0, "iiqqqqq", *[0] * 7) == 0
    assert second.out[0] == RunState.BLOCKED
    assert second.out[3 + RunState.BLOCKED] - times[RunState.BLOCKED] >= 10_000 * 1e9 / hz * 0.9
    assert second.xen(xen.HC_VCPU_OP, xen.VCPUOP_GET_RUNSTATE_INFO, 0, 0) == -xen.EFAULT


def test_areas_are_not_registered_with_the_powerpc_port(both):
    first, _ = both
    for command in (xen.VCPUOP_REGISTER_RUNSTATE_AREA, xen.VCPUOP_REGISTER_VCPU_INFO, 12, 99):
        assert vcpu_op(first, command, 0, "qii", 0, 0, 0) == -xen.ENOSYS


def test_a_registered_vcpu_info_is_where_events_go_from_then_on_and_nothing_is_lost_on_the_way():
    """Modern only (xen/common/domain.c, map_vcpu_info): once a vCPU, and it looks at every word afterwards."""
    machine = ready(small([SMP | {"compute": True, "abi": "modern"}], pcpus=2), "xen-ppc")
    first, second = Parked(machine, 0), SecondParked(machine, 1)
    first.listen()
    register = xen.VCPUOP_REGISTER_VCPU_INFO
    page = 0x11000
    frame, at = page >> 12, 0x100
    port = bind_ipi(first, 0)
    assert vcpu_op(first, register, 0, "QII", frame, 4096 - 47, 0) == -xen.EINVAL
    assert vcpu_op(first, register, 0, "QII", 0x80000, 0, 0) == -xen.EINVAL  # no such frame
    assert vcpu_op(second, register, 0, "QII", frame, at, 0) == -xen.EINVAL  # another vCPU, and it is up
    assert vcpu_op(first, register, 2, "QII", frame, at, 0) == -xen.ENOENT
    assert vcpu_op(first, register, 0, "QII", frame, at, 0) == 0
    assert first.memory[page + at : page + at + 16] == bytes([1]) + bytes(7) + b"\xff" * 8
    assert vcpu_op(first, register, 0, "QII", frame, 0, 0) == -xen.EINVAL  # once
    first.memory[page + at : page + at + 16] = bytes(16)
    assert send(first, port) == 0
    assert first.memory[page + at : page + at + 16] == bytes([1]) + bytes(14) + bytes([1])
    assert first.memory[first.shared : first.shared + 16] == bytes(16)  # the old place is nobody's


def now_ns(guest):
    pcpu = guest.machine.views[Table.PCPU][int(vcpu(guest.machine, guest.v).pcpu)]
    return int(pcpu.now) * 10**9 // int(guest.machine.header.clock_hz)


def test_the_single_shot_timer_is_the_callers_own_and_arrives_as_a_decrementer_exception(both):
    first, second = both
    shot = xen.VCPUOP_SET_SINGLESHOT_TIMER
    assert vcpu_op(first, shot, 1, "qii", now_ns(first) + 5000, 0, 0) == -xen.EINVAL
    assert vcpu_op(first, shot, 0, "qii", 1000, 1, 0) == -xen.ETIME
    assert first.xen(xen.HC_VCPU_OP, shot, 0, 0) == -xen.EFAULT
    assert vcpu_op(second, shot, 1, "qii", now_ns(second) + 3000, 1, 0) == 0
    second.park(msr=MSR | MSR_EE)
    first.machine.run(cycles=15_000)
    assert second.at == 0x900
    assert vcpu_op(second, xen.VCPUOP_STOP_SINGLESHOT_TIMER, 0) == -xen.EINVAL


def test_the_periodic_timer_ticks_only_while_its_vcpu_runs(both):
    first, second = both
    periodic_timer = xen.VCPUOP_SET_PERIODIC_TIMER
    assert vcpu_op(first, periodic_timer, 1, "q", 999_999) == -xen.EINVAL
    assert first.xen(xen.HC_VCPU_OP, periodic_timer, 1, 0) == -xen.EFAULT
    assert vcpu_op(first, periodic_timer, 1, "q", 1_000_000) == 0
    w = vcpu(first.machine, 1)
    period = int(first.machine.header.clock_hz) // 1000
    assert w.period == period
    second.xen(xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK, 0)
    w.period_at = int(first.machine.views[Table.PCPU][1].now) + 1000
    first.machine.run(cycles=10_000)
    assert w.blocked == 1  # missed
    second.cpu.dec_at = 1 << 60
    port = bind_ipi(first, 1)
    second.cpu.msr &= ~MSR_EE
    before = int(w.period_at)
    send(first, port)
    first.machine.run(cycles=5_000)
    assert w.period_at > before + period // 2  # one for all, when it runs again
    assert second.cpu.dec_at <= first.machine.now
    assert vcpu_op(first, xen.VCPUOP_STOP_PERIODIC_TIMER, 1) == 0
    assert w.period == 0


@pytest.mark.parametrize("when", [-1, (1 << 62) - 1])
def test_a_timer_too_far_ahead_or_before_the_beginning_expires_after_100_ms(both, when):
    first, _ = both
    assert first.xen(xen.HC_SET_TIMER_OP, when) == 0
    left = int(vcpu(first.machine).timer) - int(first.machine.views[Table.PCPU][0].now)
    assert left * 1e9 / int(first.machine.header.clock_hz) == pytest.approx(100e6, rel=0.001)
    assert first.xen(xen.HC_SET_TIMER_OP, 0) == 0
    assert vcpu(first.machine).timer > 1 << 60


# ------------------------------------------------------------------------------------------------ the same machine


def test_a_saved_and_a_forked_machine_go_on_as_the_one_they_were_made_of(tmp_path):
    scenario = small(
        [SMP | {"vcpus": 4}, {"name": "other", "vcpus": 2}],
        [
            {"name": "disk", "owner": "smp", "vcpu": 3, "arrival": periodic(90)},
            {"name": "net", "owner": "other", "vcpu": 1, "trigger": "level", "arrival": periodic(110)},
        ],
        pcpus=3,
        scheduler=SHORT,
    )
    straight = booted(scenario, "xen-ppc")
    straight.save(tmp_path / "x.irqvisor")
    loaded, forked = type(straight).load(tmp_path / "x.irqvisor"), straight.fork()
    for machine in (straight, loaded, forked):
        runner.finish(machine)
    assert straight.digest() == loaded.digest() == forked.digest()
