"""RTAS of the pseries board: time, power, processors, interrupt sources, NVRAM (LoPAPR, RTAS Call Definitions).

H_RTAS hands over the address of an argument block of big-endian cells. A service gets the arguments and returns a
status and what else it has to say. A wrong number of either is a parameter error; a token that nobody has is one too,
and makes the hypercall itself fail. get-time-of-day comes here only if its block is wrong (`hv/time_of_day.py`).
"""

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from irqvisor.hv import partition, xics
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.hv.control.real_memory import offset_of, put
from irqvisor.hv.state import Exit
from irqvisor.hw.state import NOBODY, Stop
from irqvisor.spec import papr, rtas
from irqvisor.spec.power_isa import LPCR_ILE, MSR_ME, MSR_SF
from irqvisor.tables import Table

NANOSECONDS = 1_000_000_000
CELL_MASK = (1 << 32) - 1
Answer = tuple[int, ...]
"""Status, then the other returns."""


class Service(NamedTuple):
    """One RTAS call."""

    serve: Callable[[Plane, Sequence[int]], Answer]
    arguments: int
    returns: int


def call(plane: Plane) -> int:
    """H_RTAS."""
    block = int(plane.cpu.gpr[4])
    at = offset_of(plane, block, rtas.FIRST_AT)
    token, n_arguments, n_returns = _cells(plane, at, 3)
    if n_arguments > rtas.MOST or n_returns > rtas.MOST:
        raise CallError(papr.H_PARAMETER)
    offset_of(plane, block, rtas.FIRST_AT + rtas.CELL * (n_arguments + n_returns))
    first = at + rtas.FIRST_AT
    service = SERVICES.get(token)
    if service is None or (n_arguments, n_returns) != (service.arguments, service.returns):
        answers: Answer = (rtas.PARAMETER_ERROR,)
    else:
        answers = service.serve(plane, _cells(plane, first, n_arguments))
    cells = b"".join((value & CELL_MASK).to_bytes(rtas.CELL, "big") for value in answers[:n_returns])
    put(plane, first + rtas.CELL * n_arguments, cells)
    return papr.H_SUCCESS if token in SERVICES or token == rtas.GET_TIME_OF_DAY else papr.H_PARAMETER


def _cells(plane: Plane, at: int, count: int) -> tuple[int, ...]:
    """Unsigned cells at a RAM offset."""
    return struct.unpack(f">{count}I", plane.arrays.ram[at : at + rtas.CELL * count].tobytes())


def display_character(plane: Plane, arguments: Sequence[int]) -> Answer:
    """A byte for the console."""
    plane.host.write_console(plane.domain, bytes([arguments[0] & 0xFF]))
    return (rtas.SUCCESS,)


# ------------------------------------------------------------------------------------------------------------- the time
def elapsed_ns(plane: Plane) -> int:
    """Virtual time since the machine began."""
    return int(plane.views[Table.PCPU][plane.pcpu].now) * NANOSECONDS // int(plane.views[Table.HEADER][0].clock_hz)


def set_time_of_day(plane: Plane, arguments: Sequence[int]) -> Answer:
    """Set it: year, month, day, hour, minute, second, nanoseconds."""
    try:
        wanted = datetime(*arguments[:6], tzinfo=UTC)  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError):
        return (rtas.PARAMETER_ERROR,)
    ns = int(wanted.timestamp()) * NANOSECONDS + arguments[6] % NANOSECONDS
    own = plane.views[Table.PARTITION][0]
    own.rtc, own.rtc_ns = divmod(ns - elapsed_ns(plane), NANOSECONDS)
    return (rtas.SUCCESS,)


# ------------------------------------------------------------------------------------------------------------ the power
def power_off(plane: Plane, arguments: Sequence[int]) -> Answer:
    """The machine is off."""
    return _end(plane, reboot=0)


def system_reboot(plane: Plane, arguments: Sequence[int]) -> Answer:
    """A reboot ends the run too; the domain's status is 1."""
    return _end(plane, reboot=1)


def _end(plane: Plane, *, reboot: int) -> Answer:
    pc = plane.views[Table.PCPU][plane.pcpu]
    own = plane.own
    own.alive, own.exit, own.status = 0, int(Exit.SHUTDOWN), reboot
    own.exit_cycle, own.exit_pc = pc.now, plane.cpu.nip
    for v in range(len(plane.views[Table.VCPU])):
        stop(plane, v)
    plane.views[Table.REQUEST][0].reason = int(Stop.EXIT)
    return (rtas.SUCCESS,)


# ------------------------------------------------------------------------------------------------------- the processors
def query_cpu_stopped_state(plane: Plane, arguments: Sequence[int]) -> Answer:
    """Whether a processor runs."""
    if arguments[0] >= len(plane.views[Table.VCPU]):
        return (rtas.PARAMETER_ERROR,)
    running = plane.views[Table.VCPU][arguments[0]].running
    return (rtas.SUCCESS, rtas.CPU_RUNNING if running else rtas.CPU_STOPPED)


def start_cpu(plane: Plane, arguments: Sequence[int]) -> Answer:
    """Start a stopped processor at an address with a value in r3: 64-bit, big-endian, as QEMU does."""
    v, address, value = arguments
    vcpus = plane.views[Table.VCPU]
    if v >= len(vcpus):
        return (rtas.PARAMETER_ERROR,)
    if vcpus[v].running:
        return (rtas.HARDWARE_ERROR,)
    cpu = plane.views[Table.CONTEXT][v]
    cpu.gpr[:] = 0
    cpu.nip, cpu.gpr[3], cpu.msr = address, value, MSR_SF | MSR_ME
    cpu.lpcr = (cpu.lpcr & ~LPCR_ILE) | (plane.cpu.lpcr & LPCR_ILE)
    mine, other = plane.views[Table.PCPU][plane.pcpu], plane.views[Table.PCPU][vcpus[v].pcpu]
    other.now, other.tb_offset = max(other.now, mine.now), mine.tb_offset
    other.context, other.waiting = v, 0
    vcpus[v].running, vcpus[v].blocked, vcpus[v].prodded = 1, 0, 0
    partition.drive(plane.arrays, int(vcpus[v].pcpu), v)
    return (rtas.SUCCESS,)


def stop_self(plane: Plane, arguments: Sequence[int]) -> Answer:
    """The caller stops until somebody starts it."""
    stop(plane, plane.vcpu)
    return (rtas.SUCCESS,)


def stop(plane: Plane, v: int) -> None:
    """A vCPU runs no more."""
    w = plane.views[Table.VCPU][v]
    pc = plane.views[Table.PCPU][w.pcpu]
    cpu = plane.views[Table.CONTEXT][v]
    w.running, w.blocked = 0, 1
    pc.context, pc.external, pc.waiting = NOBODY, 0, 0
    cpu.msr, cpu.resv = 0, 0


# ------------------------------------------------------------------------------------------------ the interrupt sources
def _source(plane: Plane, name: int) -> int:
    """The place of a source, NOBODY if there is none."""
    for k, source in enumerate(plane.views[Table.ICS]):
        if source.number == name:
            return k
    return NOBODY


def set_xive(plane: Plane, arguments: Sequence[int]) -> Answer:
    """Steer a source to a server with a priority."""
    name, server, priority = arguments
    k = _source(plane, name)
    if k == NOBODY or server >= len(plane.views[Table.SERVER]) or priority > papr.PRIORITY_NONE:
        return (rtas.PARAMETER_ERROR,)
    xics.write_xive(plane.arrays, plane.pcpu, k, server, priority, priority)
    return (rtas.SUCCESS,)


def get_xive(plane: Plane, arguments: Sequence[int]) -> Answer:
    """Where a source goes."""
    k = _source(plane, arguments[0])
    if k == NOBODY:
        return (rtas.PARAMETER_ERROR,)
    source = plane.views[Table.ICS][k]
    return (rtas.SUCCESS, int(source.server), int(source.priority))


def int_off(plane: Plane, arguments: Sequence[int]) -> Answer:
    """Mask a source; its priority is saved, twice in a row loses it."""
    k = _source(plane, arguments[0])
    if k == NOBODY:
        return (rtas.PARAMETER_ERROR,)
    source = plane.views[Table.ICS][k]
    xics.write_xive(plane.arrays, plane.pcpu, k, int(source.server), papr.PRIORITY_NONE, int(source.priority))
    return (rtas.SUCCESS,)


def int_on(plane: Plane, arguments: Sequence[int]) -> Answer:
    """The saved priority comes back."""
    k = _source(plane, arguments[0])
    if k == NOBODY:
        return (rtas.PARAMETER_ERROR,)
    source = plane.views[Table.ICS][k]
    xics.write_xive(plane.arrays, plane.pcpu, k, int(source.server), int(source.saved), int(source.saved))
    return (rtas.SUCCESS,)


def no_errors(plane: Plane, arguments: Sequence[int]) -> Answer:
    """check-exception and event-scan: nothing ever happens here."""
    return (rtas.NO_ERRORS_FOUND,)


# ------------------------------------------------------------------------------------------------------------ the NVRAM
def nvram_fetch(plane: Plane, arguments: Sequence[int]) -> Answer:
    """Offset, buffer, length: from the store to memory."""
    offset, buffer, length = arguments
    inside = _nvram(plane, offset, buffer, length)
    if inside is None:
        return (rtas.PARAMETER_ERROR,)
    store, memory = inside
    put(plane, memory, plane.arrays.ram[store : store + length].tobytes())
    return (rtas.SUCCESS, length)


def nvram_store(plane: Plane, arguments: Sequence[int]) -> Answer:
    """Offset, buffer, length: from memory to the store."""
    offset, buffer, length = arguments
    inside = _nvram(plane, offset, buffer, length)
    if inside is None:
        return (rtas.PARAMETER_ERROR,)
    store, memory = inside
    put(plane, store, plane.arrays.ram[memory : memory + length].tobytes())
    return (rtas.SUCCESS, length)


def _nvram(plane: Plane, offset: int, buffer: int, length: int) -> tuple[int, int] | None:
    """RAM offsets of a piece of the store and of the caller's buffer; None if either is not there."""
    store = plane.views[Table.PARTITION][0]
    if offset + length > store.nvram_bytes:
        return None
    try:
        return int(store.nvram) + offset, offset_of(plane, buffer, length)
    except CallError:
        return None


SERVICES = {
    rtas.DISPLAY_CHARACTER: Service(display_character, 1, 1),
    rtas.SET_TIME_OF_DAY: Service(set_time_of_day, 7, 1),
    rtas.POWER_OFF: Service(power_off, 2, 1),
    rtas.SYSTEM_REBOOT: Service(system_reboot, 0, 1),
    rtas.QUERY_CPU_STOPPED_STATE: Service(query_cpu_stopped_state, 1, 2),
    rtas.START_CPU: Service(start_cpu, 3, 1),
    rtas.STOP_SELF: Service(stop_self, 0, 1),
    rtas.SET_XIVE: Service(set_xive, 3, 1),
    rtas.GET_XIVE: Service(get_xive, 1, 3),
    rtas.INT_OFF: Service(int_off, 1, 1),
    rtas.INT_ON: Service(int_on, 1, 1),
    rtas.CHECK_EXCEPTION: Service(no_errors, 6, 1),
    rtas.EVENT_SCAN: Service(no_errors, 4, 1),
    rtas.NVRAM_FETCH: Service(nvram_fetch, 3, 2),
    rtas.NVRAM_STORE: Service(nvram_store, 3, 2),
}
