"""The control plane: hypercalls that are rare enough for ordinary Python.

The compiled loop stops with Stop.HCALL, `serve` finds the call in a table (`calls.py`), checks it in the order of the
book, acts, and puts the result in r3; `loop.resume` then goes on. Errors are Xen's (negative errno) or PAPR's, and a
bad pointer is the caller's error, never ours.
"""

from irqvisor.hv.control import hypervisor, ring_console
from irqvisor.hv.control.calls import xen_call
from irqvisor.hv.control.console import terminal_call
from irqvisor.hv.control.papr_calls import papr_call
from irqvisor.hv.control.plane import CallError, Host, Plane
from irqvisor.spec import xen
from irqvisor.spec.designs import Design
from irqvisor.tables import Table

__all__ = ["Host", "Plane", "attached", "serve", "typed"]


def serve(plane: Plane) -> None:
    """Finish the hypercall that the running vCPU made."""
    gpr = plane.cpu.gpr
    number = int(gpr[3])
    try:
        if plane.views[Table.HEADER][0].design == Design.PARTITION:
            result = papr_call(plane, number)
        elif number & xen.MARK == xen.MARK:
            result = xen_call(plane, number & 0xFFFF)
        else:
            result = terminal_call(plane, number)
    except CallError as refused:
        result = refused.code
    plane.cpu.gpr[3] = result


def attached(host: Host, domain: int, port: int) -> None:
    """A guest notified a port of the hypervisor's own in a domain: its console's, if anybody's."""
    plane = of_domain(host, domain)
    if port == int(plane.own.console_port):
        ring_console.serve(plane)


def typed(host: Host, domain: int) -> None:
    """Something was typed for a domain: its console ring gets it, or VIRQ_CONSOLE tells it to read."""
    plane = of_domain(host, domain)
    if plane.own.console_port:
        if ring_console.type_in(plane):
            ring_console.tell(plane)
    elif plane.own.valid:
        hypervisor.raise_domain_virq(plane, xen.VIRQ_CONSOLE)


def of_domain(host: Host, domain: int) -> Plane:
    """A plane of a domain's first vCPU, wherever it runs."""
    v = int(host.views[Table.DOMAIN][domain].vcpu)
    return Plane(host, domain, v, int(host.views[Table.VCPU][v].pcpu))
