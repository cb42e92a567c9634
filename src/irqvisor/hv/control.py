"""The control plane: hypercalls that are rare enough for ordinary Python.

The compiled loop stops with Stop.HCALL, `serve` decodes the call, checks it in the order of the book, acts, and
puts the result in r3; `loop.resume` then goes on. Errors are Xen's (negative errno) or PAPR's, and a bad pointer is
the caller's error, never ours. The guest's memory is reached through the same regions as its own accesses.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from irqvisor.hv import loop
from irqvisor.hv.state import Exit, PortState
from irqvisor.hw.state import NEVER, RegionKind
from irqvisor.spec import papr, xen
from irqvisor.tables import Arrays, Table, Views

PORT_BUCKET = 128
"""Ports Xen allocates at a time (2008)."""

VCPU_VIRQS = frozenset({0, 1, 7})
"""Virtual interrupts that each vCPU has for itself: timer, debug, oprofile. The others are global (2008)."""


class CallError(Exception):
    """A call is refused: the errno or PAPR status that the guest gets."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Argument(NamedTuple):
    """A structure in the caller's RAM."""

    arrays: Arrays
    at: int  # its offset in the RAM array
    size: int

    def read(self, offset: int = 0, size: int | None = None) -> bytes:
        first = self.at + offset
        return self.arrays.ram[first : self.at + self.size if size is None else first + size].tobytes()

    def u16(self, offset: int) -> int:
        return int.from_bytes(self.read(offset, 2), "big")

    def u32(self, offset: int) -> int:
        return int.from_bytes(self.read(offset, 4), "big")

    def put8(self, offset: int, value: int) -> None:
        loop.write_ram(self.arrays, self.at + offset, 1, value)

    def put32(self, offset: int, value: int) -> None:
        loop.write_ram(self.arrays, self.at + offset, 4, value)


class Plane(NamedTuple):
    """What a control-plane call works on."""

    arrays: Arrays
    views: Views
    domain: int
    vcpu: int
    pcpu: int
    write_console: Callable[[int, bytes], None]
    read_console: Callable[[int, int], bytes]
    grow_ports: Callable[[int, int], None]

    @property
    def cpu(self) -> Any:
        return self.views[Table.CONTEXT][self.vcpu]

    @property
    def own(self) -> Any:
        return self.views[Table.DOMAIN][self.domain]

    def memory(self, real: int, size: int) -> Argument:
        """Bytes of the caller's RAM; -EFAULT outside."""
        cpu = self.cpu
        for r in self.views[Table.REGION][int(cpu.region) : int(cpu.region + cpu.regions)]:
            if r.kind == RegionKind.RAM and r.start <= real and real + size <= r.start + r.bytes:
                return Argument(self.arrays, int(r.ram + real - r.start), size)
        raise CallError(-xen.EFAULT)

    def argument(self, handle: int, size: int) -> Argument:
        """The structure behind an inline xencomm handle."""
        if handle >= 0:
            raise CallError(-xen.EFAULT)
        return self.memory(handle & ~xen.XENCOMM_INLINE, size)

    def port(self, domain: int, number: int) -> Any:
        """An allocated port's record; -EINVAL if there is none."""
        if not 0 <= number < int(self.views[Table.DOMAIN][domain].ports):
            raise CallError(-xen.EINVAL)
        return self.views[Table.PORT][int(self.views[Table.DOMAIN][domain].port) + number]


def serve(plane: Plane) -> None:
    """Finish the hypercall that the running vCPU made."""
    gpr = plane.cpu.gpr
    number = int(gpr[3])
    try:
        if number & xen.MARK == xen.MARK:
            result = xen_call(plane, number & 0xFFFF)
        else:
            result = terminal_call(plane, number)
    except CallError as refused:
        result = refused.code
    gpr[3] = result
    grow_ahead(plane)


def xen_call(plane: Plane, number: int) -> int:
    """The Xen hypercalls that the data plane leaves."""
    gpr = plane.cpu.gpr
    command = int(gpr[4])
    if number == xen.HC_EVENT_CHANNEL_OP:
        return EVENT_CHANNEL_OPS[command](plane, int(gpr[5]))
    if number == xen.HC_CONSOLE_IO:
        return console_io(plane, command, int(gpr[5]), int(gpr[6]))
    if number in (xen.HC_SCHED_OP, xen.HC_SCHED_OP_OLD):
        return shutdown(plane, int(gpr[5]))
    if number == xen.HC_VCPU_OP:
        return vcpu_op(plane, command, int(gpr[5]), int(gpr[6]))
    return -xen.ENOSYS


def terminal_call(plane: Plane, number: int) -> int:
    """H_PUT_TERM_CHAR and H_GET_TERM_CHAR."""
    gpr = plane.cpu.gpr
    if int(gpr[4]) != 0:
        return papr.H_PARAMETER
    if number == papr.H_PUT_TERM_CHAR:
        count = int(gpr[5])
        if not 0 <= count <= papr.TERM_MAX:
            return papr.H_PARAMETER
        text = b"".join((int(gpr[r]) & (1 << 64) - 1).to_bytes(8, "big") for r in (6, 7))
        plane.write_console(plane.domain, text[:count])
        return papr.H_SUCCESS
    text = plane.read_console(plane.domain, papr.TERM_MAX)
    gpr[4] = len(text)
    padded = text.ljust(papr.TERM_MAX, b"\0")
    gpr[5] = int.from_bytes(padded[:8], "big", signed=True)
    gpr[6] = int.from_bytes(padded[8:], "big", signed=True)
    return papr.H_SUCCESS


def target_domain(plane: Plane, number: int) -> int:
    """A domain id as a caller may give it; -ESRCH if there is none."""
    if number == xen.DOMID_SELF:
        return plane.domain
    if number >= len(plane.views[Table.DOMAIN]) or not plane.views[Table.DOMAIN][number].alive:
        raise CallError(-xen.ESRCH)
    return number


def allocate_port(plane: Plane, domain: int) -> int:
    """The lowest free port of a domain; -ENOSPC when all are taken, which is at the limit: see `grow_ahead`."""
    free = free_ports(plane, domain)
    if not free.size:
        raise CallError(-xen.ENOSPC)
    return int(free[0])


def free_ports(plane: Plane, domain: int) -> np.ndarray[Any, Any]:
    """The numbers of a domain's free ports, ascending."""
    d = plane.views[Table.DOMAIN][domain]
    return np.flatnonzero(plane.views[Table.PORT][int(d.port) : int(d.port + d.ports)].state == PortState.FREE)


def grow_ahead(plane: Plane) -> None:
    """Give a bucket of ports to each domain that has used up its own. Growing moves the machine's tables, and so comes
    last, when the call is finished: the next one finds a free port."""
    for domain, d in enumerate(plane.views[Table.DOMAIN]):
        count = int(d.ports)
        if 0 < count < xen.PORTS_2L and not free_ports(plane, domain).size:
            plane.grow_ports(domain, min(count + PORT_BUCKET, xen.PORTS_2L))


def bind_interdomain(plane: Plane, handle: int) -> int:
    """Link a new local port to a remote unbound one; the local port starts pending, since the peer may have sent."""
    arg = plane.argument(handle, 12)
    remote_domain = target_domain(plane, arg.u16(0))
    local = allocate_port(plane, plane.domain)
    number = arg.u32(4)
    remote = plane.port(remote_domain, number)
    if remote.state != PortState.UNBOUND or remote.remote_domain != plane.domain:
        raise CallError(-xen.EINVAL)
    here = plane.port(plane.domain, local)
    here.remote_domain, here.remote_port, here.state = remote_domain, number, PortState.INTERDOMAIN
    remote.remote_domain, remote.remote_port, remote.state = plane.domain, local, PortState.INTERDOMAIN
    here.notify = plane.vcpu
    arg.put32(8, local)
    loop.raise_port(plane.arrays, plane.pcpu, plane.domain, local)
    return 0


def bind_virq(plane: Plane, handle: int) -> int:
    """Bind a virtual interrupt of a vCPU to a new port."""
    arg = plane.argument(handle, 12)
    virq = arg.u32(0)
    if virq >= xen.NR_VIRQS:
        raise CallError(-xen.EINVAL)
    if arg.u32(4) != 0:
        raise CallError(-xen.ENOENT if virq in VCPU_VIRQS else -xen.EINVAL)
    ports = plane.views[Table.PORT][int(plane.own.port) : int(plane.own.port + plane.own.ports)]
    if np.any((ports.state == PortState.VIRQ) & (ports.virq == virq)):
        raise CallError(-xen.EEXIST)
    number = allocate_port(plane, plane.domain)
    here = plane.port(plane.domain, number)
    here.state, here.virq, here.notify = PortState.VIRQ, virq, plane.vcpu
    arg.put32(8, number)
    return 0


def bind_pirq(plane: Plane, handle: int) -> int:
    """Bind a physical interrupt that the domain owns to a new port and unmask its line. Line 0 cannot be bound."""
    arg = plane.argument(handle, 12)
    irq = arg.u32(0)
    pirqs = plane.views[Table.PIRQ]
    if irq >= xen.NR_PIRQS:
        raise CallError(-xen.EINVAL)
    if irq >= len(pirqs) or pirqs[irq].domain != plane.domain:
        raise CallError(-xen.EPERM)
    if pirqs[irq].port != 0:
        raise CallError(-xen.EEXIST)
    number = allocate_port(plane, plane.domain)
    if irq == 0:
        raise CallError(-xen.EINVAL)
    here = plane.port(plane.domain, number)
    here.state, here.remote_port, here.notify = PortState.PIRQ, irq, plane.vcpu
    plane.views[Table.PIRQ][irq].port = number
    arg.put32(8, number)
    loop.unmask_line(plane.arrays, irq)
    return 0


def close(plane: Plane, handle: int) -> int:
    """Free a port. A linked peer becomes unbound and is not told; a pirq's line is masked, a running EOI is made."""
    number = plane.argument(handle, 4).u32(0)
    here = plane.port(plane.domain, number)
    if here.state in (PortState.FREE, PortState.RESERVED):
        raise CallError(-xen.EINVAL)
    if here.state == PortState.INTERDOMAIN:
        peer = plane.port(int(here.remote_domain), int(here.remote_port))
        peer.state, peer.remote_domain, peer.remote_port = PortState.UNBOUND, plane.domain, 0
    elif here.state == PortState.PIRQ:
        irq = int(here.remote_port)
        loop.mask_line(plane.arrays, plane.pcpu, irq)
        plane.views[Table.PIRQ][irq].port = 0
    here.state, here.remote_domain, here.remote_port, here.virq, here.notify = PortState.FREE, 0, 0, 0, 0
    return 0


def status(plane: Plane, handle: int) -> int:
    """What a port is bound to."""
    arg = plane.argument(handle, 24)
    domain = target_domain(plane, arg.u16(0))
    if domain != plane.domain and not plane.own.privileged:
        raise CallError(-xen.EPERM)
    here = plane.port(domain, arg.u32(4))
    state = PortState(int(here.state))
    arg.put32(8, max(int(state) - 1, 0))
    arg.put32(12, 0)
    if state == PortState.UNBOUND:
        arg.put32(16, int(here.remote_domain) << 16)
    elif state == PortState.INTERDOMAIN:
        arg.put32(16, int(here.remote_domain) << 16)
        arg.put32(20, int(here.remote_port))
    elif state == PortState.PIRQ:
        arg.put32(16, int(here.remote_port))
    elif state == PortState.VIRQ:
        arg.put32(16, int(here.virq))
    return 0


def alloc_unbound(plane: Plane, handle: int) -> int:
    """A new port that another domain may bind to."""
    arg = plane.argument(handle, 8)
    if arg.u16(0) != xen.DOMID_SELF:
        domain = target_domain(plane, arg.u16(0))
        if not plane.own.privileged:
            raise CallError(-xen.EPERM)
    else:
        domain = plane.domain
    number = allocate_port(plane, domain)
    remote = arg.u16(2)
    here = plane.port(domain, number)
    here.state = PortState.UNBOUND
    here.remote_domain = plane.domain if remote == xen.DOMID_SELF else remote
    here.notify = plane.views[Table.DOMAIN][domain].vcpu
    arg.put32(4, number)
    return 0


def bind_ipi(plane: Plane, handle: int) -> int:
    """A port that notifies the domain itself."""
    arg = plane.argument(handle, 8)
    if arg.u32(0) != 0:
        raise CallError(-xen.ENOENT)
    number = allocate_port(plane, plane.domain)
    here = plane.port(plane.domain, number)
    here.state, here.notify = PortState.IPI, plane.vcpu
    arg.put32(4, number)
    return 0


def bind_vcpu(plane: Plane, handle: int) -> int:
    """Choose the vCPU that a port notifies; a domain has one so far, so only the checks do anything."""
    arg = plane.argument(handle, 8)
    if arg.u32(4) != 0:
        raise CallError(-xen.ENOENT)
    here = plane.port(plane.domain, arg.u32(0))
    if here.state in (PortState.FREE, PortState.RESERVED, PortState.IPI):
        raise CallError(-xen.EINVAL)
    if here.state == PortState.VIRQ and int(here.virq) in VCPU_VIRQS:
        raise CallError(-xen.EINVAL)
    return 0


def reset(plane: Plane, handle: int) -> int:
    """Close every port of the caller."""
    arg = plane.argument(handle, 2)
    if target_domain(plane, arg.u16(0)) != plane.domain:
        raise CallError(-xen.EPERM)
    for number in range(1, int(plane.own.ports)):
        here = plane.port(plane.domain, number)
        if here.state == PortState.PIRQ:
            loop.mask_line(plane.arrays, plane.pcpu, int(here.remote_port))
            plane.views[Table.PIRQ][int(here.remote_port)].port = 0
        elif here.state == PortState.INTERDOMAIN:
            peer = plane.port(int(here.remote_domain), int(here.remote_port))
            peer.state, peer.remote_domain, peer.remote_port = PortState.UNBOUND, plane.domain, 0
        here.state = PortState.FREE
    return 0


def _hot(plane: Plane, handle: int) -> int:
    """Send and unmask are the data plane's."""
    raise AssertionError("the data plane answers this")


EVENT_CHANNEL_OPS: dict[int, Callable[[Plane, int], int]] = {
    xen.EVTCHNOP_BIND_INTERDOMAIN: bind_interdomain,
    xen.EVTCHNOP_BIND_VIRQ: bind_virq,
    xen.EVTCHNOP_BIND_PIRQ: bind_pirq,
    xen.EVTCHNOP_CLOSE: close,
    xen.EVTCHNOP_SEND: _hot,
    xen.EVTCHNOP_STATUS: status,
    xen.EVTCHNOP_ALLOC_UNBOUND: alloc_unbound,
    xen.EVTCHNOP_BIND_IPI: bind_ipi,
    xen.EVTCHNOP_BIND_VCPU: bind_vcpu,
    xen.EVTCHNOP_UNMASK: _hot,
    xen.EVTCHNOP_RESET: reset,
}


def console_io(plane: Plane, command: int, count: int, handle: int) -> int:
    """console_io: write bytes, or read what was typed."""
    if count < 0 or count > xen.SHARED_INFO_BYTES:
        return -xen.EINVAL
    if command == xen.CONSOLEIO_WRITE:
        plane.write_console(plane.domain, plane.argument(handle, count).read())
        return 0
    if command == xen.CONSOLEIO_READ:
        place = plane.argument(handle, count)
        text = plane.read_console(plane.domain, count)
        for k, character in enumerate(text):
            place.put8(k, character)
        return len(text)
    return -xen.ENOSYS


def shutdown(plane: Plane, handle: int) -> int:
    """SCHEDOP_shutdown: the domain ends; a crash is a guest that reports failure."""
    reason = plane.argument(handle, 4).u32(0)
    why = Exit.CRASHED if reason == xen.SHUTDOWN_CRASH else Exit.SHUTDOWN
    loop.end_domain(plane.arrays, plane.pcpu, plane.domain, int(why), reason)
    return 0


def vcpu_op(plane: Plane, command: int, vcpu: int, handle: int) -> int:
    """vcpu_op: the timers, and whether a vCPU is up."""
    if vcpu != 0:
        return -xen.ENOENT
    if command == xen.VCPUOP_IS_UP:
        return 1
    if command == xen.VCPUOP_SET_SINGLESHOT_TIMER:
        arg = plane.argument(handle, 16)
        when = int.from_bytes(arg.read(size=8), "big", signed=True)
        loop.arm_timer(plane.arrays, plane.vcpu, when)
        return 0
    if command == xen.VCPUOP_STOP_SINGLESHOT_TIMER:
        plane.views[Table.VCPU][plane.vcpu].timer = NEVER
        return 0
    return -xen.ENOSYS
