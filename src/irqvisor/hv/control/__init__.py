"""The control plane: hypercalls that are rare enough for ordinary Python.

The compiled loop stops with Stop.HCALL, `serve` finds the call in a table (`calls.py`), checks it in the order of the
book, acts, and puts the result in r3; `loop.resume` then goes on. Errors are Xen's (negative errno) or PAPR's, and a
bad pointer is the caller's error, never ours.
"""

from irqvisor.hv.control.calls import xen_call
from irqvisor.hv.control.console import terminal_call
from irqvisor.hv.control.papr_calls import papr_call
from irqvisor.hv.control.plane import CallError, Host, Plane
from irqvisor.spec import xen
from irqvisor.spec.designs import Design
from irqvisor.tables import Table

__all__ = ["Host", "Plane", "serve"]


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
