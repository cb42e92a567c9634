"""The delivery designs: numbers, names, options.

A design's number and the bits of its options are what a machine's header holds; its functions are in hv/designs/ and
reached through hv/dispatch.py.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple


class Design(IntEnum):
    """Numbers of the delivery designs that run."""

    NATIVE = 0
    RHYPE = 1
    XEN_PPC = 2
    XEN_X86 = 3
    XEN_IA64 = 4
    HYBRID = 5
    DIRECT = 6
    PARTITION = 16  # the pseries board: rhype's interface, with an interrupt controller that is the partition's own


class Option(NamedTuple):
    """A choice that a design leaves to the scenario: ``[options.DESIGN]``, ``--set options.DESIGN.NAME=VALUE``."""

    name: str
    values: Mapping[str, int]  # each with its bits in the header's `options`; the first is the default and has none
    meaning: str

    @property
    def default(self) -> str:
        """What it is unless a scenario says otherwise."""
        return next(iter(self.values))


class DesignInfo(NamedTuple):
    """A row of the registry."""

    name: str
    title: str
    number: Design
    cpus: tuple[str, ...] = ("970", "power8", "power9")  # the processor models it runs on, the usual one first
    needs: str = ""  # why it runs on no other
    options: tuple[Option, ...] = ()
    one_vcpu: str = "its bundled kernel has one vCPU"  # why its guests have no more; empty: they may
    no_channels: str = "its bundled kernel notifies nobody"  # why no domain notifies another; empty: they may

    def bits(self, chosen: Mapping[str, str]) -> int:
        """What a machine's header holds for these values of options."""
        return sum(option.values[chosen[option.name]] for option in self.options if option.name in chosen)

    def settings(self, chosen: Mapping[str, str]) -> dict[str, str]:
        """Every option with its value."""
        return {option.name: chosen.get(option.name, option.default) for option in self.options}

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        options = [option._asdict() | {"values": list(option.values)} for option in self.options]
        return {**self._asdict(), "options": options}


X86_IRET_DIRECT = 1
DIRECT_POSTED, DIRECT_ESB, DIRECT_COALESCE = 1, 2, 4
HYBRID_SEPARATE, HYBRID_LAST, HYBRID_RETARGET, HYBRID_MER_OFF = 1, 2, 4, 8
IA64_REAL, IA64_TPR_NONE, IA64_MER_OFF, IA64_EVENTS = 1, 2, 4, 8

HSRR = "a 970's external interrupts overwrite SRR0 and SRR1, which its guest, always interruptible, may be using"
XIVE = "its interrupt controller, and the interrupt that is only the hypervisor's, came with it"
DESIGNS = (
    DesignInfo(
        "native",
        "no hypervisor: the kernel takes the interrupt and asks the controller",
        Design.NATIVE,
        no_channels="native has a kernel per pCPU and nothing between them that could notify",
        one_vcpu="native runs one kernel per pCPU, each in its own memory; a second vCPU has no place there",
    ),
    DesignInfo(
        "rhype",
        "hardware interrupts the current domain; an hcall names the vector",
        Design.RHYPE,
        one_vcpu="",
        no_channels="PAPR's H_IPI names vCPUs of the caller's own partition: no domain can notify another",
    ),
    DesignInfo(
        "xen-ppc",
        "the hypervisor takes it and simulates 0x500; the kernel reads event channels",
        Design.XEN_PPC,
        one_vcpu="",
        no_channels="",
    ),
    DesignInfo(
        "xen-x86",
        "the hypervisor takes it and calls the registered callback",
        Design.XEN_X86,
        cpus=("power8", "power9"),
        needs=HSRR,
        options=(
            Option(
                "iret",
                {"hypercall": 0, "direct": X86_IRET_DIRECT},
                "how the guest returns from its handler: by the iret hypercall, or by itself, unmasking first",
            ),
        ),
        one_vcpu="",
        no_channels="",
    ),
    DesignInfo(
        "xen-ia64",
        "the hypervisor takes it and virtualises the interrupt controller",
        Design.XEN_IA64,
        cpus=("power8", "power9"),
        needs=HSRR,
        one_vcpu="",
        no_channels="",
        options=(
            Option(
                "mode",
                {"shared": 0, "real": IA64_REAL},
                "where the guest's interrupt enable is: a word in the shared page, or MSR[EE] itself",
            ),
            Option(
                "tpr",
                {"linux": 0, "none": IA64_TPR_NONE},
                "whether the guest's handler sets the task priority around each interrupt, as Linux/ia64 did",
            ),
            Option(
                "mer",
                {"on": 0, "off": IA64_MER_OFF},
                "mode real: whether the processor tells the hypervisor when EE becomes 1 (LPCR[MER])",
            ),
            Option(
                "events",
                {"vector": 0, "callback": IA64_EVENTS},
                "as of March 2006, or after the move to event channels: no virtual controller, a registered callback",
            ),
        ),
    ),
    DesignInfo(
        "hybrid",
        "hardware interrupts the current domain, which asks by an hcall; event channels for the rest",
        Design.HYBRID,
        one_vcpu="",
        no_channels="",
        options=(
            Option(
                "hyp_line",
                {"shared": 0, "separate": HYBRID_SEPARATE},
                "where the hypervisor's own interrupts come: on the guests' line, or on one that is only its own",
            ),
            Option(
                "last",
                {"off": 0, "on": HYBRID_LAST},
                "whether H_EOI tells when nothing more is pending, which spares the last H_XIRR",
            ),
            Option(
                "retarget",
                {"off": 0, "on": HYBRID_RETARGET},
                "whether a vCPU's sources are steered to the pCPU that it is loaded on",
            ),
            Option(
                "mer",
                {"on": 0, "off": HYBRID_MER_OFF},
                "whether the processor delivers what is queued as soon as EE becomes 1 (LPCR[MER]); a 970 never does",
            ),
        ),
    ),
    DesignInfo(
        "direct",
        "the controller knows which vCPU runs and interrupts it; untrapped loads and stores",
        Design.DIRECT,
        cpus=("power9",),
        needs=XIVE,
        one_vcpu="",
        no_channels="",
        options=(
            Option(
                "variant",
                {"xive": 0, "posted": DIRECT_POSTED},
                "event queues and rings (XIVE, POWER9), or posted descriptors and a virtual APIC, as on x86",
            ),
            Option(
                "ipi",
                {"hcall": 0, "esb": DIRECT_ESB},
                "how a domain notifies another: by a hypercall, which checks, or by the other's page in its memory map",
            ),
            Option(
                "notify",
                {"always": 0, "coalesce": DIRECT_COALESCE},
                "when an event queue notifies: at each entry, or once until its reader has asked again (XIVE's ESn)",
            ),
        ),
    ),
)
"""All designs, in the order of a comparison."""

NUMBERS = {row.name: row.number for row in DESIGNS}
"""Name to number."""

BY_NAME = {row.name: row for row in DESIGNS}
"""Name to row."""
