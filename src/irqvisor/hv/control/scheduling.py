"""sched_op's rare operations (xen/common/schedule.c)."""

from irqvisor.hv import loop
from irqvisor.hv.control import ports
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.hv.state import Exit
from irqvisor.spec import paths, xen


def shutdown(plane: Plane, reason: int) -> None:
    """The domain ends; a crash is a guest that reports failure."""
    why = Exit.CRASHED if reason == xen.SHUTDOWN_CRASH else Exit.SHUTDOWN
    loop.end_domain(plane.arrays, plane.pcpu, plane.domain, int(why), reason)


def poll(plane: Plane, ports_handle: int, nr_ports: int, timeout: int) -> None:
    """Sleep until one of the ports is pending, masked or not, or until a timeout. Modern: not if an upcall waits to be
    delivered."""
    plane.spend(paths.POLL)
    if nr_ports > xen.POLL_MAX_PORTS:
        raise CallError(-xen.EINVAL)
    handle = ports_handle - (1 << 64) if ports_handle >> 63 else ports_handle
    array = plane.argument(handle) if nr_ports else None
    if plane.is_modern and loop.needs_delivery(plane.arrays, plane.vcpu):
        return
    number = -1
    for k in range(nr_ports):
        plane.spend(paths.POLL_PORT)
        assert array is not None
        number = array.number(4 * k, 4)
        check_pollable(plane, number)
        if ports.is_pending(plane, plane.domain, number):
            return
    only = number if nr_ports == 1 else -1
    signed = timeout - (1 << 64) if timeout >> 63 else timeout
    loop.sleep_polling(plane.arrays, plane.pcpu, plane.vcpu, only, signed)


def check_pollable(plane: Plane, number: int) -> None:
    """2008: any number that the ABI has. Modern: a port that can wake somebody."""
    if not plane.is_modern:
        if number >= xen.PORTS_2L:
            raise CallError(-xen.EINVAL)
    elif not ports.is_usable(ports.port(plane, plane.domain, number)):
        raise CallError(-xen.EINVAL)
