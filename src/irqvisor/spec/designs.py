"""The delivery designs: numbers, names, and which of them this version has.

A design's number is what a machine's header holds; its functions are in hv/designs/ and reached through
hv/dispatch.py.
"""

from enum import IntEnum
from typing import NamedTuple


class Design(IntEnum):
    """Numbers of the delivery designs that run."""

    NATIVE = 0
    RHYPE = 1
    XEN_PPC = 2


class DesignInfo(NamedTuple):
    """A row of the registry."""

    name: str
    title: str
    number: Design | None  # None: not in this version
    reason: str = ""

    @property
    def available(self) -> bool:
        """Whether it runs."""
        return self.number is not None


LATER = "comes with a later version"
DESIGNS = (
    DesignInfo("native", "no hypervisor: the kernel takes the interrupt and asks the controller", Design.NATIVE),
    DesignInfo("rhype", "hardware interrupts the current domain; an hcall names the vector", Design.RHYPE),
    DesignInfo(
        "xen-ppc", "the hypervisor takes it and simulates 0x500; the kernel reads event channels", Design.XEN_PPC
    ),
    DesignInfo("xen-x86", "the hypervisor takes it and calls the registered callback", None, LATER),
    DesignInfo("xen-ia64", "the hypervisor takes it and virtualises the interrupt controller", None, LATER),
    DesignInfo("hybrid", "hardware interrupts the current domain; event channels for the rest", None, LATER),
    DesignInfo("direct", "hardware that knows the vCPU", None, LATER),
)
"""All designs, in the order of a comparison."""

NUMBERS = {row.name: row.number for row in DESIGNS if row.number is not None}
"""Name to number of the designs that run."""
