"""Physical interrupts that domains have bound (xen/arch/x86/irq.c, which the PowerPC port compiled in)."""

from typing import Any

from irqvisor.hv import loop
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.spec import paths, xen
from irqvisor.tables import Table


def record(plane: Plane, domain: int, number: int) -> Any:
    """The record of a domain's pirq: -EINVAL if it has none of that number, -EPERM if it may not have it."""
    d = plane.domain_of(domain)
    if not 0 <= number < int(d.pirqs):
        raise CallError(-xen.EINVAL)
    irq = int(d.pirq) + number
    table = plane.views[Table.PIRQ]
    if irq >= len(table) or table[irq].domain != domain:
        raise CallError(-xen.EPERM)
    return table[irq]


def bind(plane: Plane, domain: int, number: int, port: int) -> None:
    """Bind a pirq to a port, and unmask its line. -EINVAL if it has no vector."""
    r = record(plane, domain, number)
    if r.vector == 0:
        raise CallError(-xen.EINVAL)
    r.port = port
    loop.unmask_line(plane.arrays, int(plane.domain_of(domain).pirq) + number)


def unbind(plane: Plane, domain: int, number: int) -> None:
    """Take a pirq from its port: a running EOI is made, then the line is masked."""
    loop.mask_line(plane.arrays, plane.pcpu, int(plane.domain_of(domain).pirq) + number)
    record(plane, domain, number).port = 0


def eoi(plane: Plane, irq: int) -> None:
    """PHYSDEVOP_eoi."""
    plane.spend(paths.PHYSDEV)
    result = int(loop.end_pirq_of(plane.arrays, plane.pcpu, plane.domain, irq))
    if result:
        raise CallError(result)


def status_query(plane: Plane, irq: int) -> dict[str, int]:
    """PHYSDEVOP_irq_status_query: whether the caller has to make an EOI."""
    plane.spend(paths.PHYSDEV)
    if not 0 <= irq < int(plane.own.pirqs):
        raise CallError(-xen.EINVAL)
    try:
        needs_eoi = bool(record(plane, plane.domain, irq).level)
    except CallError:
        needs_eoi = False
    return {"flags": xen.IRQ_STATUS_NEEDS_EOI if needs_eoi else 0}
