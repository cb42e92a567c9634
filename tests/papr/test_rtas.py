"""RTAS calls of a pseries board, by their names in LoPAPR."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw import asm
from irqvisor import pseries
from irqvisor.hw.state import Stop
from irqvisor.spec import papr, rtas
from irqvisor.spec.power_isa import LPCR_ILE, MSR_ME, MSR_SF
from irqvisor.tables import Table
from papr.partition import MASK64, SC, Partition

MEMORY = 8 << 20
NANOSECONDS = 1_000_000_000


def test_a_token_that_nobody_has_fails_the_hypercall_too():
    guest = Partition()
    assert guest.rtas(0x2FFF) == [rtas.PARAMETER_ERROR]
    assert guest.status == papr.H_PARAMETER


@pytest.mark.parametrize(("arguments", "returns"), [((), 8), ((1,), 1), ((), 1), ((), 7)])
def test_a_wrong_number_of_cells_is_a_parameter_error(arguments, returns):
    guest = Partition()
    answers = guest.rtas(rtas.SET_XIVE, *arguments, returns=returns)
    assert answers[0] == rtas.PARAMETER_ERROR
    assert guest.status == papr.H_SUCCESS


@pytest.mark.parametrize("at", [MEMORY, MEMORY - 8, MEMORY - 12, MASK64, 1 << 62])
def test_an_argument_block_outside_memory_is_refused(at):
    guest = Partition()
    if at < MEMORY:
        block = b"".join(cell.to_bytes(4, "big") for cell in (rtas.POWER_OFF, 2, 1))
        guest.machine.memory[at:MEMORY] = block[: MEMORY - at]
    assert guest.call(papr.H_RTAS, at) == papr.H_PARAMETER


def test_a_block_of_absurd_size_is_refused():
    guest = Partition()
    guest.machine.memory[0x8000:0x800C] = b"".join(
        c.to_bytes(4, "big") for c in (rtas.POWER_OFF, 0xFFFFFFFF, 0xFFFFFFFF)
    )
    assert guest.call(papr.H_RTAS, 0x8000) == papr.H_PARAMETER


def test_a_character_is_displayed():
    guest = Partition()
    assert guest.rtas(rtas.DISPLAY_CHARACTER, ord("!")) == [0]
    assert guest.machine.console == "!"


def test_the_clock_runs_with_virtual_time_and_can_be_set():
    guest = Partition(rtc=1_141_948_800, clock_hz=1000)
    assert guest.rtas(rtas.GET_TIME_OF_DAY, returns=8)[:7] == [0, 2006, 3, 10, 0, 0, 0]
    guest.machine.run(cycles=61_000)
    assert guest.rtas(rtas.GET_TIME_OF_DAY, returns=8)[:7] == [0, 2006, 3, 10, 0, 1, 1]
    assert guest.rtas(rtas.SET_TIME_OF_DAY, 2000, 2, 28, 23, 59, 59, 0) == [0]
    guest.machine.run(cycles=1000)
    assert guest.rtas(rtas.GET_TIME_OF_DAY, returns=8)[:7] == [0, 2000, 2, 29, 0, 0, 0]
    assert guest.rtas(rtas.SET_TIME_OF_DAY, 2000, 13, 1, 0, 0, 0, 0) == [rtas.PARAMETER_ERROR]


@pytest.mark.parametrize(
    "when",
    [
        *("1582-10-14T23:59:59", "1900-02-28T12:00:00", "1900-03-01T00:00:00", "1969-12-31T23:59:59"),
        *("2000-02-29T23:59:59", "2000-03-01T00:00:00", "2006-01-01T00:00:00", "2023-12-31T23:59:59"),
        *("2024-02-29T01:02:03", "2100-02-28T23:59:59", "2300-12-31T23:59:59", "9999-12-31T23:59:58"),
    ],
)
def test_the_clock_has_the_gregorian_calendar(when):
    date = datetime.fromisoformat(when).replace(tzinfo=UTC)
    guest = Partition(rtc=int(date.timestamp()), clock_hz=1000)
    assert guest.rtas(rtas.GET_TIME_OF_DAY, returns=8) == [0, *date.timetuple()[:6], 1_000_000]
    assert guest.rtas(rtas.SET_TIME_OF_DAY, *date.timetuple()[:6], 999_999_000) == [0]
    assert guest.rtas(rtas.GET_TIME_OF_DAY, returns=8) == [0, *(date + timedelta(seconds=1)).timetuple()[:6], 999_000]


@given(
    seconds=st.integers(0, 1 << 36),
    hz=st.sampled_from([1, 3, 1000, 32_000_000, 512_000_000, (1 << 40) - 1]),
    now=st.integers(0, 1 << 61),
)
def test_the_clock_agrees_with_the_naive_one(seconds, hz, now):
    now = min(now, hz << 37)
    guest = Partition(rtc=seconds, clock_hz=hz)
    guest.machine.views[Table.PCPU][0].now = now
    ns = seconds * NANOSECONDS + (now + 1) * NANOSECONDS // hz  # the sc took a cycle
    date = datetime.fromtimestamp(ns // NANOSECONDS, UTC)
    assert guest.rtas(rtas.GET_TIME_OF_DAY, returns=8) == [0, *date.timetuple()[:6], ns % NANOSECONDS]


@pytest.mark.parametrize(("at", "status"), [(MEMORY - 44, papr.H_SUCCESS), (MEMORY - 43, papr.H_PARAMETER)])
def test_the_time_fits_up_to_the_last_byte_of_memory(at, status):
    guest = Partition(rtc=0, clock_hz=1000)
    guest.machine.memory[at : at + 12] = b"".join(c.to_bytes(4, "big") for c in (rtas.GET_TIME_OF_DAY, 0, 8))
    assert guest.call(papr.H_RTAS, at) == status
    assert guest.machine.memory[at + 16 : at + 20] == ((1970).to_bytes(4, "big") if status == 0 else bytes(4))


@pytest.mark.parametrize(("arguments", "returns"), [((), 7), ((), 9), ((0,), 8), ((), 1)])
def test_the_time_is_told_only_who_asks_for_eight_cells(arguments, returns):
    guest = Partition()
    answers = guest.rtas(rtas.GET_TIME_OF_DAY, *arguments, returns=returns)
    assert (answers[0], guest.status) == (rtas.PARAMETER_ERROR, papr.H_SUCCESS)


@pytest.mark.parametrize(("token", "arguments", "status"), [(rtas.POWER_OFF, (-1, -1), 0), (rtas.SYSTEM_REBOOT, (), 1)])
def test_power_off_and_reboot_end_the_run(token, arguments, status):
    guest = Partition(cpus=2)
    guest.rtas(token, *(x & 0xFFFFFFFF for x in arguments))
    assert guest.machine.views[Table.DOMAIN][0].alive == 0
    assert guest.machine.views[Table.DOMAIN][0].status == status
    guest.machine.run(cycles=1000)
    assert guest.machine.stop_reason == Stop.DEADLOCK
    assert all(cpu.idle for cpu in guest.machine.cpu)


def test_a_processor_starts_as_qemu_starts_it():
    guest = Partition(cpus=1)
    assert guest.rtas(rtas.START_CPU, 1, SC, 7) == [rtas.PARAMETER_ERROR]
    assert guest.rtas(rtas.START_CPU, 0, SC, 7) == [rtas.HARDWARE_ERROR]
    guest = Partition(cpus=2)
    guest.call(papr.H_SET_MODE, 1, papr.SET_MODE_ENDIAN, 0, 0)
    assert guest.rtas(rtas.QUERY_CPU_STOPPED_STATE, 1, returns=2) == [0, rtas.CPU_RUNNING]
    stopped = guest.machine.views[Table.CONTEXT][1]
    guest.rtas(rtas.STOP_SELF, cpu=1)
    assert guest.machine.cpu[1].idle
    assert guest.rtas(rtas.QUERY_CPU_STOPPED_STATE, 1, returns=2) == [0, rtas.CPU_STOPPED]
    stopped.gpr[4:32] = 5
    guest.machine.memory[0x3000:0x3004] = asm.b(0).to_bytes(4, "big")
    assert guest.rtas(rtas.START_CPU, 1, 0x3000, 7) == [0]
    assert (int(stopped.nip), stopped.gpr[3:6].tolist()) == (0x3000, [7, 0, 0])
    assert stopped.msr == MSR_SF | MSR_ME
    assert stopped.lpcr & LPCR_ILE
    assert guest.rtas(rtas.QUERY_CPU_STOPPED_STATE, 5, returns=2)[0] == rtas.PARAMETER_ERROR


def test_a_stopped_processor_is_not_woken():
    guest = Partition(cpus=2)
    guest.rtas(rtas.STOP_SELF, cpu=1)
    guest.call(papr.H_IPI, 1, 4)
    guest.call(papr.H_PROD, 1)
    guest.machine.run(cycles=5000)
    assert guest.machine.cpu[1].idle
    assert guest.icp(1)[3] is False


def test_errors_are_never_found():
    guest = Partition()
    assert guest.rtas(rtas.CHECK_EXCEPTION, 0, 0, 0, 0, 0, 0) == [rtas.NO_ERRORS_FOUND]
    assert guest.rtas(rtas.EVENT_SCAN, 0, 0, 0, 0) == [rtas.NO_ERRORS_FOUND]


def test_nvram_keeps_what_is_stored():
    guest = Partition()
    memory = guest.machine.memory
    memory[0x9003:0x9013] = b"sixteen letters!"
    assert guest.rtas(rtas.NVRAM_STORE, 0xFFF0, 0x9003, 16, returns=2) == [0, 16]
    assert guest.rtas(rtas.NVRAM_FETCH, 0xFFF4, 0xA001, 5, returns=2) == [0, 5]
    assert memory[0xA000:0xA007] == b"\0een l\0"


@pytest.mark.parametrize(
    ("offset", "buffer", "length"),
    [(0xFFF1, 0x9000, 16), (0, MEMORY - 8, 16), (0xFFFFFFFF, 0x9000, 1), (0, 0, 1 << 31)],
)
def test_nvram_ends_where_it_ends(offset, buffer, length):
    for token in (rtas.NVRAM_FETCH, rtas.NVRAM_STORE):
        assert Partition().rtas(token, offset, buffer, length, returns=2)[0] == rtas.PARAMETER_ERROR


def test_the_entry_makes_the_call_and_returns():
    guest = Partition(rtas_entry=True)
    layout = pseries.lay_out(pseries.Config(memory_bytes=MEMORY, rtas_entry=True))
    cpu = guest.machine.cpu[0]
    guest.machine.memory[0x8000:0x8014] = b"".join(
        c.to_bytes(4, "big") for c in (rtas.DISPLAY_CHARACTER, 1, 1, ord("x"), 99)
    )
    cpu.pc, cpu.gpr[3], cpu.lr = layout.rtas, 0x8000, SC + 4
    guest.machine.run(instructions=6)
    assert (guest.machine.console, cpu.gpr[3], cpu.pc) == ("x", 0, SC + 4)
