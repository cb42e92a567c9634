"""event_channel_op: each operation, its checks in Xen's order (xen/common/event_channel.c; releases differ where
`is_modern` is asked). Structures are read and written by `calls.py`; an operation gets fields and returns fields."""

from typing import Any

from irqvisor.hv import loop
from irqvisor.hv.control import pirqs, ports
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.hv.state import Attached, PortState
from irqvisor.hw.state import PAGE_SHIFT, WATCHED
from irqvisor.spec import paths, xen
from irqvisor.tables import Table


def is_global(plane: Plane, virq: int) -> bool:
    """Whether a domain has a VIRQ once, not each of its vCPUs."""
    return not (xen.VCPU_VIRQS_MODERN if plane.is_modern else xen.VCPU_VIRQS_2008) >> virq & 1


def bind_interdomain(plane: Plane, remote_dom: int, remote_port: int) -> dict[str, int]:
    """Link a new local port to a remote unbound one. The local port starts pending: the peer may have sent before."""
    remote_domain = plane.named(remote_dom)
    local = ports.allocate(plane, plane.domain)
    remote = ports.port(plane, remote_domain, remote_port)
    if remote is None or remote.state != PortState.UNBOUND or remote.remote_domain != int(plane.own.id):
        raise CallError(-xen.EINVAL)
    ports.bind(
        plane,
        plane.domain,
        local,
        PortState.INTERDOMAIN,
        attached=int(Attached.REMOTE) if remote.attached & Attached.OWNED else 0,
        peer=remote_domain,
        remote_domain=int(plane.domain_of(remote_domain).id),
        remote_port=remote_port,
    )
    remote.state, remote.peer = int(PortState.INTERDOMAIN), plane.domain
    remote.remote_domain, remote.remote_port = int(plane.own.id), local
    loop.raise_port(plane.arrays, plane.pcpu, plane.domain, local)
    return {"local_port": local}


def bind_virq(plane: Plane, virq: int, vcpu: int) -> dict[str, int]:
    """Bind a virtual interrupt of a vCPU to a new port; a global one is the first vCPU's."""
    if virq >= xen.NR_VIRQS or (is_global(plane, virq) and vcpu != 0):
        raise CallError(-xen.EINVAL)
    v = plane.vcpu_of(plane.domain, vcpu)
    if plane.views[Table.VCPU][v].virq[virq]:
        raise CallError(-xen.EEXIST)
    number = ports.allocate(plane, plane.domain)
    ports.bind(plane, plane.domain, number, PortState.VIRQ, vcpu, remote_port=virq)
    plane.views[Table.VCPU][v].virq[virq] = number
    return {"port": number}


def bind_pirq(plane: Plane, pirq: int, flags: int) -> dict[str, int]:
    """Bind a physical interrupt that the domain may have to a new port, and unmask its line."""
    if pirqs.is_bound(pirqs.record(plane, plane.domain, pirq), plane.domain):
        raise CallError(-xen.EEXIST)
    number = ports.allocate(plane, plane.domain)
    pirqs.bind(plane, plane.domain, pirq, number, will_share=bool(flags & xen.BIND_PIRQ_WILL_SHARE))
    ports.bind(plane, plane.domain, number, PortState.PIRQ, remote_port=pirq)
    return {"port": number}


def close(plane: Plane, port: int) -> None:
    """Free a port. A peer becomes unbound again, for the closer, and is not told."""
    here = ports.port(plane, plane.domain, port)
    if not ports.is_usable(here):
        raise CallError(-xen.EINVAL)
    ports.close(plane, plane.domain, port)


def send(plane: Plane, port: int) -> None:
    """Notify the other end. To an unbound port: 0, and dropped."""
    plane.spend(paths.SEND)
    checked(int(loop.send_port(plane.arrays, plane.pcpu, plane.domain, port)))


def status(plane: Plane, dom: int, port: int) -> dict[str, int]:
    """What a port is bound to."""
    domain = plane.named(dom)
    is_foreign = domain != plane.domain and not plane.own.privileged
    if is_foreign and not plane.is_modern:
        raise CallError(-xen.EPERM)
    here = ports.port(plane, domain, port)
    if plane.is_modern and here is not None and here.attached & Attached.OWNED:
        raise CallError(-xen.EACCES)
    if is_foreign:
        raise CallError(-xen.EPERM)
    if here is None or here.state <= PortState.RESERVED:
        return {"status": 0, "vcpu": 0}
    answer = {"status": int(here.state) - 1, "vcpu": int(here.notify - plane.domain_of(domain).vcpu)}
    if here.state == PortState.UNBOUND:
        answer["unbound_dom"] = int(here.remote_domain)
    elif here.state == PortState.INTERDOMAIN:
        answer["interdomain_dom"], answer["interdomain_port"] = int(here.remote_domain), int(here.remote_port)
    elif here.state == PortState.PIRQ:
        answer["pirq"] = int(here.remote_port)
    elif here.state == PortState.VIRQ:
        answer["virq"] = int(here.remote_port)
    return answer


def alloc_unbound(plane: Plane, dom: int, remote_dom: int) -> dict[str, int]:
    """A new port that another domain may bind to. It need not exist."""
    domain = plane.named(dom)
    if not plane.is_modern and dom != xen.DOMID_SELF and not plane.own.privileged:
        raise CallError(-xen.EPERM)
    number = ports.allocate(plane, domain)
    if domain != plane.domain and not plane.own.privileged:
        raise CallError(-xen.EPERM)
    remote = int(plane.own.id) if remote_dom == xen.DOMID_SELF else remote_dom
    ports.bind(plane, domain, number, PortState.UNBOUND, remote_domain=remote)
    return {"port": number}


def bind_ipi(plane: Plane, vcpu: int) -> dict[str, int]:
    """A port that notifies a vCPU of the domain itself, for life."""
    plane.vcpu_of(plane.domain, vcpu)
    number = ports.allocate(plane, plane.domain)
    ports.bind(plane, plane.domain, number, PortState.IPI, vcpu)
    return {"port": number}


def bind_vcpu(plane: Plane, port: int, vcpu: int) -> None:
    """Choose the vCPU that a port notifies from now on. What is pending already stays where it is."""
    v = plane.vcpu_of(plane.domain, vcpu)
    here = ports.port(plane, plane.domain, port)
    if not ports.is_usable(here) or here.state == PortState.IPI:
        raise CallError(-xen.EINVAL)
    if here.state == PortState.VIRQ and not is_global(plane, int(here.remote_port)):
        raise CallError(-xen.EINVAL)
    here.notify = v


def unmask(plane: Plane, port: int) -> None:
    """Unmask a port; if it was masked and is pending, deliver."""
    plane.spend(paths.UNMASK)
    checked(int(loop.unmask_port(plane.arrays, plane.pcpu, plane.domain, port)))


def reset(plane: Plane, dom: int) -> None:
    """Close every port of a domain that is not the hypervisor's, and go back to the 2-level ABI. Modern: another domain
    must have been paused by its controller."""
    domain = plane.named(dom)
    if domain != plane.domain and not plane.own.privileged:
        raise CallError(-xen.EPERM)
    d = plane.domain_of(domain)
    if plane.is_modern and domain != plane.domain and not d.pauses:
        raise CallError(-xen.EINVAL)
    ports.close_all(plane, domain, with_attached=False)
    leave_fifo(plane, domain)


# FIFO (xen/common/event_fifo.c)


def leave_fifo(plane: Plane, domain: int) -> None:
    """A domain has the 2-level ABI, and no FIFO structures."""
    d = plane.domain_of(domain)
    d.fifo = d.words = 0
    d.event_page[:] = 0
    for v in plane.views[Table.VCPU][int(d.vcpu) : int(d.vcpu + d.vcpus)]:
        v.control = -1
        v.tail[:] = 0
    first = int(d.shared) + xen.EVTCHN_PENDING
    watch(plane, domain, first, first + xen.PORTS_2L // 8)


def watch(plane: Plane, domain: int, first: int, end: int) -> None:
    """Have the domain's stores between two RAM offsets of a page reported: it clears PENDING there."""
    d = plane.domain_of(domain)
    cpus = plane.views[Table.CONTEXT][int(d.vcpu) : int(d.vcpu + d.vcpus)]
    cpus.watch_from, cpus.watch_to = first, end
    plane.views[Table.CODEMAP][first >> PAGE_SHIFT].entry |= WATCHED


def init_control(plane: Plane, control_gfn: int, offset: int, vcpu: int) -> dict[str, int]:
    """Give a vCPU its control block. The first switches the domain to FIFO: 2-level bits that are pending are
    remembered, every priority is the default."""
    v = plane.vcpu_of(plane.domain, vcpu)
    if offset > 4096 - xen.FIFO_CONTROL_BYTES or offset % 8:
        raise CallError(-xen.EINVAL)
    if plane.views[Table.VCPU][v].control >= 0:
        raise CallError(-xen.EINVAL)
    at = plane.frame(control_gfn) + offset
    if not plane.own.fifo:
        remember_pending(plane)
        plane.own.fifo = 1
    plane.views[Table.VCPU][v].control = at
    return {"link_bits": xen.FIFO_LINK_BITS}


def remember_pending(plane: Plane) -> None:
    """Events that are pending 2-level are raised anew when their port has an event word."""
    pending = [n for n in range(1, min(int(plane.own.valid), xen.PORTS_2L)) if ports.is_pending(plane, plane.domain, n)]
    if pending:
        ports.make_records(plane, plane.domain, pending[-1] + 1)
    here = ports.records(plane, plane.domain)
    here.priority = xen.FIFO_DEFAULT_PRIORITY
    here.notify[here.state == PortState.FREE] = plane.own.vcpu  # even those are raised
    here.pending[pending] = 1


def expand_array(plane: Plane, array_gfn: int) -> None:
    """Add a page of event words, and raise what was remembered for its ports."""
    d = plane.own
    if not d.fifo:
        raise CallError(-xen.EOPNOTSUPP)
    first = int(d.words)
    if first >= xen.FIFO_PAGES * xen.FIFO_WORDS_PER_PAGE:
        raise CallError(-xen.ENOSPC)
    page = plane.frame(array_gfn)
    d.event_page[first // xen.FIFO_WORDS_PER_PAGE] = page
    d.words = first + xen.FIFO_WORDS_PER_PAGE
    if first == 0:
        watch(plane, plane.domain, page, page + 4096)
    fresh = ports.records(plane, plane.domain)[first : int(d.words)]
    for k in fresh.pending.nonzero()[0].tolist():
        loop.raise_port(plane.arrays, plane.pcpu, plane.domain, first + k)


def set_priority(plane: Plane, port: int, priority: int) -> None:
    """Choose the queue that a port is linked to next."""
    here = ports.port(plane, plane.domain, port)
    if not plane.own.fifo:
        raise CallError(-xen.ENOSYS)
    if not ports.is_usable(here):
        raise CallError(-xen.EACCES)
    if priority >= xen.FIFO_PRIORITIES:
        raise CallError(-xen.EINVAL)
    here.priority = priority


def checked(result: int) -> Any:
    """What the data plane answers."""
    if result:
        raise CallError(result)
