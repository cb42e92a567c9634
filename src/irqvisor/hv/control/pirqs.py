"""Physical interrupts that domains bind and are told of (xen/arch/x86/irq.c and physdev.c, which the PowerPC port
compiled in; hv/lines.py has what the run loop does)."""

from typing import Any

from irqvisor.hv import loop
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.spec import paths, xen
from irqvisor.tables import Table


def line(plane: Plane, domain: int, number: int) -> int:
    """The machine's line of a domain's pirq: -EINVAL if it has none of that number."""
    d = plane.domain_of(domain)
    if not 0 <= number < int(d.pirqs):
        raise CallError(-xen.EINVAL)
    return int(d.pirq) + number


def record(plane: Plane, domain: int, number: int) -> Any:
    """The record of a pirq that a domain may bind: its own, or any if it is privileged; else -EPERM."""
    irq = line(plane, domain, number)
    table = plane.views[Table.PIRQ]
    if irq < len(table) and (table[irq].domain == domain or is_shared_out(plane, table[irq], domain)):
        return table[irq]
    raise CallError(-xen.EPERM)


def is_shared_out(plane: Plane, r: Any, domain: int) -> bool:
    """Whether a domain may have a line beside its owner: the privileged have all that are wired."""
    return bool(plane.domain_of(domain).privileged and r.domain >= 0)


def is_bound(r: Any, domain: int) -> bool:
    """Whether a domain has bound a line."""
    return bool(r.port and r.domain == domain) or domain in r.sharer[: int(r.sharers)].tolist()


def bind(plane: Plane, domain: int, number: int, port: int, *, will_share: bool) -> None:
    """Bind a pirq to a port; the first guest unmasks its line. -EINVAL if it has no vector; -EBUSY if it is bound and
    not by all for sharing, or by 7."""
    r = record(plane, domain, number)
    if r.vector == 0:
        raise CallError(-xen.EINVAL)
    first = not r.port and not r.sharers
    if not first and not (will_share and r.shareable):
        raise CallError(-xen.EBUSY)
    if r.domain == domain:
        r.port = port
    elif r.sharers == len(r.sharer):
        raise CallError(-xen.EBUSY)
    else:
        r.sharer[r.sharers], r.sharer_port[r.sharers] = domain, port
        r.sharers += 1
    if first:
        r.shareable = int(will_share)
        loop.unmask_line(plane.arrays, line(plane, domain, number))


def unbind(plane: Plane, domain: int, number: int) -> None:
    """Take a pirq from its port: what the domain has not ended is ended; the last guest's leaving masks the line."""
    loop.leave_line(plane.arrays, plane.pcpu, line(plane, domain, number), domain)


def eoi(plane: Plane, irq: int) -> None:
    """PHYSDEVOP_eoi."""
    plane.spend(paths.PHYSDEV)
    result = int(loop.end_pirq_of(plane.arrays, plane.pcpu, plane.domain, irq))
    if result:
        raise CallError(result)


def unmask_notify(plane: Plane, handle: int) -> int:
    """PHYSDEVOP_IRQ_UNMASK_NOTIFY: an EOI for each pirq that the caller owes one and whose port it has unmasked."""
    plane.spend(paths.PHYSDEV)
    for number in range(min(int(plane.own.pirqs), len(plane.views[Table.PIRQ]) - int(plane.own.pirq))):
        r = plane.views[Table.PIRQ][int(plane.own.pirq) + number]
        if r.in_flight and is_bound(r, plane.domain) and not loop.is_masked(*port_of(plane, r)):
            loop.end_pirq_of(plane.arrays, plane.pcpu, plane.domain, number)
    return 0


def port_of(plane: Plane, r: Any) -> tuple[Any, int, int]:
    """The caller's port of a line, as the data plane takes it."""
    if r.domain == plane.domain:
        return plane.arrays, plane.domain, int(r.port)
    return plane.arrays, plane.domain, int(r.sharer_port[r.sharer.tolist().index(plane.domain)])


def status_query(plane: Plane, irq: int) -> dict[str, int]:
    """PHYSDEVOP_irq_status_query: whether the line needs an EOI of who is told of it, and whether it is shared. Anybody
    may ask."""
    plane.spend(paths.PHYSDEV)
    number = line(plane, plane.domain, irq)
    table = plane.views[Table.PIRQ]
    if number >= len(table):
        return {"flags": 0}
    r = table[number]
    guests = int(r.sharers) + bool(r.port)
    return {"flags": (xen.IRQ_STATUS_NEEDS_EOI if r.level else 0) | (xen.IRQ_STATUS_SHARED if guests > 1 else 0)}


def alloc_irq_vector(plane: Plane, irq: int) -> dict[str, int]:
    """PHYSDEVOP_alloc_irq_vector: it has one already, of its own number."""
    if not plane.own.privileged:
        raise CallError(-xen.EPERM)
    line(plane, plane.domain, irq)
    return {"vector": irq}
