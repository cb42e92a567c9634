"""Consoles: Xen's console_io, and PAPR's terminal calls."""

from irqvisor.hv.control.plane import Plane
from irqvisor.spec import papr, xen


def console_write(plane: Plane, count: int, handle: int) -> int:
    """CONSOLEIO_write."""
    if not 0 <= count <= xen.SHARED_INFO_BYTES:
        return -xen.EINVAL
    plane.host.write_console(plane.domain, plane.argument(handle).read(0, count))
    return 0


def console_read(plane: Plane, count: int, handle: int) -> int:
    """CONSOLEIO_read: how many bytes there were."""
    if not 0 <= count <= xen.SHARED_INFO_BYTES:
        return -xen.EINVAL
    place = plane.argument(handle)
    place.check_writable(count)
    text = plane.host.read_console(plane.domain, count)
    place.write(0, text)
    return len(text)


def terminal_call(plane: Plane, number: int) -> int:
    """H_PUT_TERM_CHAR and H_GET_TERM_CHAR."""
    gpr = plane.cpu.gpr
    if int(gpr[4]) not in papr.TERMINALS:
        return papr.H_PARAMETER
    if number == papr.H_PUT_TERM_CHAR:
        count = int(gpr[5])
        if not 0 <= count <= papr.TERM_MAX:
            return papr.H_PARAMETER
        text = b"".join((int(gpr[r]) & (1 << 64) - 1).to_bytes(8, "big") for r in (6, 7))
        plane.host.write_console(plane.domain, text[:count])
        return papr.H_SUCCESS
    text = plane.host.read_console(plane.domain, papr.TERM_MAX)
    gpr[4] = len(text)
    padded = text.ljust(papr.TERM_MAX, b"\0")
    gpr[5] = int.from_bytes(padded[:8], "big", signed=True)
    gpr[6] = int.from_bytes(padded[8:], "big", signed=True)
    return papr.H_SUCCESS
