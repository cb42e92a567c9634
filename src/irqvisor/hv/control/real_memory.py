"""The caller's memory as the control plane's PAPR calls use it: real addresses, numbers in big-endian order."""

from irqvisor.hv import loop
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.spec.papr import H_PARAMETER

SIZES = (8, 4, 2, 1)
"""Of stores, the largest first."""


def offset_of(plane: Plane, real: int, size: int) -> int:
    """RAM offset of bytes in the caller's memory; H_PARAMETER if they are not all there."""
    cpu = plane.cpu
    if not 0 <= real <= int(cpu.win_size) - size:
        raise CallError(H_PARAMETER)
    return int(cpu.win_base) + real


def number_at(plane: Plane, at: int, size: int) -> int:
    """The unsigned number at a RAM offset."""
    return int.from_bytes(plane.arrays.ram[at : at + size].tobytes(), "big")


def put(plane: Plane, at: int, data: bytes) -> None:
    """Store bytes at a RAM offset, as a device does: decoded code and reservations notice."""
    end = at + len(data)
    while at < end:
        size = next(n for n in SIZES if at % n == 0 and at + n <= end)
        value, data = int.from_bytes(data[:size], "big", signed=True), data[size:]
        loop.write_ram(plane.arrays, at, size, value)
        at += size
