"""Ports of a domain: which are valid, which is free, what binds and closes them (xen/common/event_channel.c).

A domain's valid ports grow a bucket at a time and never shrink. Records are made for the lower ones only, as many as it
takes to hold those in use; a valid port beyond is free.
"""

from typing import Any

import numpy as np

from irqvisor.hv import loop
from irqvisor.hv.control import pirqs
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.hv.state import Attached, PortState, Release
from irqvisor.spec import xen
from irqvisor.tables import Table


def limit(d: Any) -> int:
    """Ports that a domain's ABI has."""
    return xen.PORTS_FIFO if d.fifo else xen.PORTS_2L


def bucket(d: Any) -> int:
    """Ports that become valid at a time."""
    return xen.PORT_BUCKET_2008 if d.release == Release.XEN_2008 else xen.PORT_BUCKET_MODERN


def records(plane: Plane, domain: int) -> Any:
    """A domain's port records."""
    d = plane.domain_of(domain)
    return plane.views[Table.PORT][int(d.port) : int(d.port + d.ports)]


def valid(plane: Plane, domain: int, number: int) -> int:
    """A port's number if it is valid, else -EINVAL."""
    if not 0 <= number < int(plane.domain_of(domain).valid):
        raise CallError(-xen.EINVAL)
    return number


def port(plane: Plane, domain: int, number: int) -> Any:
    """A valid port's record, or None if it has none yet, and so is free; -EINVAL if it is not valid."""
    valid(plane, domain, number)
    d = plane.domain_of(domain)
    return plane.views[Table.PORT][int(d.port) + number] if number < int(d.ports) else None


def is_usable(record: Any) -> bool:
    """Whether a port is bound to something and the guest's own."""
    return record is not None and record.state > PortState.RESERVED and not record.attached & Attached.OWNED


def word(plane: Plane, domain: int, number: int) -> int | None:
    """FIFO: RAM offset of a port's event word; None before its page is there."""
    d = plane.domain_of(domain)
    if number >= int(d.words):
        return None
    return int(d.event_page[number // xen.FIFO_WORDS_PER_PAGE]) + 4 * (number % xen.FIFO_WORDS_PER_PAGE)


def big_endian(plane: Plane, at: int, size: int) -> int:
    """An unsigned number in RAM."""
    return int.from_bytes(plane.arrays.ram[at : at + size].tobytes(), "big")


def is_pending(plane: Plane, domain: int, number: int) -> bool:
    """Whether a port's PENDING is set."""
    d = plane.domain_of(domain)
    if d.fifo:
        at = word(plane, domain, number)
        return at is not None and bool(big_endian(plane, at, 4) & xen.FIFO_PENDING)
    at = int(d.shared) + xen.EVTCHN_PENDING + 8 * (number // 64)
    return bool(big_endian(plane, at, 8) >> number % 64 & 1)


def clear_pending(plane: Plane, domain: int, number: int) -> None:
    """Clear a port's PENDING, where it has one."""
    d = plane.domain_of(domain)
    if not d.fifo:
        if number < xen.PORTS_2L:
            byte = int(d.shared) + xen.EVTCHN_PENDING + 8 * (number // 64) + 7 - number % 64 // 8
            loop.write_ram(plane.arrays, byte, 1, int(plane.arrays.ram[byte]) & ~(1 << number % 8))
        return
    at = word(plane, domain, number)
    if at is not None:
        loop.write_ram(plane.arrays, at, 4, big_endian(plane, at, 4) & ~xen.FIFO_PENDING)


def is_linked(plane: Plane, domain: int, number: int) -> bool:
    """FIFO: whether a port is still in a queue, and so must not be given to anybody."""
    at = word(plane, domain, number) if plane.domain_of(domain).fifo else None
    return at is not None and bool(big_endian(plane, at, 4) & xen.FIFO_LINKED)


def allocate(plane: Plane, domain: int) -> int:
    """The lowest free port of a domain, with a record: -EINVAL if it is dying, -ENOSPC at its limit."""
    d = plane.domain_of(domain)
    if d.dying:
        raise CallError(-xen.EINVAL)
    for number in np.flatnonzero(records(plane, domain).state == PortState.FREE).tolist():
        if number > int(d.max_port):
            raise CallError(-xen.ENOSPC)
        if not is_linked(plane, domain, number):
            return number
    number = int(d.ports)
    while number < int(d.valid) and is_linked(plane, domain, number):
        number += 1
    if number > int(d.max_port) or number >= limit(d):
        raise CallError(-xen.ENOSPC)
    if number >= int(d.valid):
        d.valid = number - number % bucket(d) + bucket(d)
    make_records(plane, domain, number + 1)
    return number


def make_records(plane: Plane, domain: int, count: int) -> None:
    """See that a domain has records for its ports below `count`; doubles them, since growing copies."""
    d = plane.domain_of(domain)
    if int(d.ports) < count:
        plane.host.grow_ports(domain, min(max(count, 2 * int(d.ports)), int(d.valid)))


def bind(plane: Plane, domain: int, number: int, state: PortState, vcpu: int = 0, **what: int) -> Any:
    """Make a free port something; it notifies the domain's vCPU of that number. Returns its record."""
    here = port(plane, domain, number)
    here.state = int(state)
    here.notify = int(plane.domain_of(domain).vcpu) + vcpu
    here.priority = xen.FIFO_DEFAULT_PRIORITY
    for field, value in what.items():
        here[field] = value
    return here


def close(plane: Plane, domain: int, number: int) -> None:
    """Free a port that is bound, whoever owns it. A linked peer becomes unbound and is not told; a pirq's line is
    masked, a running EOI is made. Modern clears PENDING, 2008 leaves it."""
    here = port(plane, domain, number)
    if here.state == PortState.PIRQ:
        pirqs.unbind(plane, domain, int(here.remote_port))
    elif here.state == PortState.VIRQ:
        d = plane.domain_of(domain)
        for v in plane.views[Table.VCPU][int(d.vcpu) : int(d.vcpu + d.vcpus)]:
            if v.virq[int(here.remote_port)] == number:
                v.virq[int(here.remote_port)] = 0
    elif here.state == PortState.INTERDOMAIN:
        peer = port(plane, int(here.peer), int(here.remote_port))
        peer.state, peer.remote_domain, peer.remote_port, peer.peer = (
            int(PortState.UNBOUND),
            int(plane.domain_of(domain).id),
            0,
            0,
        )
        peer.attached &= ~int(Attached.REMOTE)
    if plane.domain_of(domain).release == Release.MODERN:
        clear_pending(plane, domain, number)
    here.state, here.notify, here.attached = int(PortState.FREE), plane.domain_of(domain).vcpu, 0
    here.peer = here.remote_domain = here.remote_port = here.source = 0


def is_open(record: Any) -> bool:
    """Whether there is something to close."""
    return record is not None and record.state > PortState.RESERVED


def close_all(plane: Plane, domain: int, *, with_attached: bool) -> None:
    """Close every port of a domain, with or without those of the hypervisor. 2008 lowest first; modern too when it
    resets, but highest first when the domain dies."""
    d = plane.domain_of(domain)
    numbers = range(1, int(d.ports))
    for number in reversed(numbers) if with_attached and d.release == Release.MODERN else numbers:
        here = port(plane, domain, number)
        if is_open(here) and (with_attached or not here.attached & Attached.OWNED):
            close(plane, domain, number)
