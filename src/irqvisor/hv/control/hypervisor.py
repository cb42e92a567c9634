"""What the hypervisor and its toolstack do to a domain's event channels (xen/common/event_channel.c, domain.c).
In these, the plane's domain and vCPU are the target."""

from irqvisor.hv import loop
from irqvisor.hv.control import operations, ports
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.hv.state import Attached, Dying, PortState
from irqvisor.spec import xen
from irqvisor.tables import Table


def raise_port(plane: Plane, number: int) -> None:
    """Make a port of the domain pending; 0: nothing is bound."""
    if number:
        loop.raise_port(plane.arrays, plane.pcpu, plane.domain, number)


def raise_vcpu_virq(plane: Plane, virq: int) -> None:
    """A VIRQ of one vCPU."""
    raise_port(plane, int(plane.views[Table.VCPU][plane.vcpu].virq[virq]))


def raise_domain_virq(plane: Plane, virq: int) -> None:
    """A VIRQ that the domain has once."""
    raise_port(plane, int(plane.views[Table.VCPU][int(plane.own.vcpu)].virq[virq]))


def virq_handler(plane: Plane, virq: int) -> int | None:
    """The domain that a global VIRQ goes to: the one appointed, else the hardware domain."""
    found = None
    for k, d in enumerate(plane.views[Table.DOMAIN]):
        if d.dying == Dying.NOT:
            if int(d.handles) >> virq & 1:
                return k
            if d.hardware:
                found = k
    return found


def raise_global_virq(plane: Plane, virq: int) -> None:
    """A VIRQ of the machine."""
    domain = virq_handler(plane, virq)
    if domain is not None:
        raise_domain_virq(plane._replace(domain=domain), virq)


def set_virq_handler(plane: Plane, virq: int) -> None:
    """Make the domain the handler of a global VIRQ: -EINVAL if it is none."""
    if virq >= xen.NR_VIRQS or not operations.is_global(plane, virq):
        raise CallError(-xen.EINVAL)
    for d in plane.views[Table.DOMAIN]:
        d.handles &= ~(1 << virq)
    plane.own.handles |= 1 << virq


def raise_pirq(plane: Plane, number: int) -> None:
    """A physical interrupt that the domain has bound."""
    raise_port(plane, int(plane.views[Table.PIRQ][int(plane.own.pirq) + number].port))


def attach(plane: Plane, remote_dom: int) -> int:
    """Allocate an unbound port whose end in the domain is the hypervisor's own; it notifies the plane's vCPU."""
    number = ports.allocate(plane, plane.domain)
    vcpu = plane.vcpu - int(plane.own.vcpu)
    owned = int(Attached.OWNED)
    ports.bind(plane, plane.domain, number, PortState.UNBOUND, vcpu, attached=owned, remote_domain=remote_dom)
    return number


def detach(plane: Plane, number: int) -> None:
    """Close such a port."""
    ports.close(plane, plane.domain, number)


def notify(plane: Plane, number: int) -> None:
    """Send through such a port."""
    loop.notify_peer(plane.arrays, plane.pcpu, plane.domain, number)


def unblock(plane: Plane) -> None:
    """Wake a vCPU for a reason of the hypervisor's."""
    loop.unblock(plane.arrays, plane.pcpu, plane.vcpu)


def end_poll(plane: Plane) -> None:
    """A poll's time is over."""
    if plane.views[Table.VCPU][plane.vcpu].polling:
        unblock(plane)


def pause(plane: Plane, by: int) -> None:
    """The domain's controller pauses it once more (1) or once less (-1)."""
    plane.own.pauses += by


def kill(plane: Plane) -> None:
    """The domain starts dying: all its ports are closed, and it handles no VIRQ any more."""
    plane.own.dying = int(Dying.DYING)
    ports.close_all(plane, plane.domain, with_attached=True)
    plane.own.handles = 0
    operations.leave_fifo(plane, plane.domain)


def reap(plane: Plane) -> None:
    """Nobody can name the dying domain any more."""
    plane.own.dying = int(Dying.GONE)
