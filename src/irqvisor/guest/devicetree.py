"""The device tree of the paravirt board: what a booting guest is told about its machine.

`BoardTree` says it in Python; `build` flattens it (Devicetree Specification, Flattened Devicetree Format). What each
node and property means to a guest is in docs/reference/paravirt-board.md. The same tree gives the same bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import fdt

from irqvisor.errors import ImageError
from irqvisor.guest.flattened import flatten
from irqvisor.guest.flattened import node as _node
from irqvisor.guest.flattened import text as _text
from irqvisor.guest.flattened import u64s as _u64s

BOARD_REGISTERS = 0xF0100000
OPENPIC_BASE = 0xF8040000
OPENPIC_BYTES = 0x40000
SHARED_INFO_BYTES = 4096

FrontEnd = Literal["native", "rhype", "xen", "hybrid", "xive"]
"""How a guest asks which interrupt came: its own OpenPIC, PAPR hypercalls, event channels, both, or event queues."""
SHARING = ("xen", "hybrid")
"""Those that share a page with Xen."""

MISDEEDS = (
    "never-eoi",
    "mask-all",
    "jump-nowhere",
    "overwrite-ring",
    "flood-port",
    "unrecoverable",
    "forget-recheck",
    "report-failure",
)
"""What the bundled kernel can be told to do wrong (guests/kernel/misbehave.c)."""


@dataclass(frozen=True, slots=True)
class BoardSource:
    """One source as its owner sees it.

    Attributes:
        number: the machine's number of this source.
        ring: guest real address of its ring; 8-byte aligned.
        bytes: size of the ring: 16 and 8 a slot.
        doorbell: guest real address of its doorbell.
        slots: items the ring holds.
        irq: PIC input (native), pirq (xen), 0x1000 + PIC input (rhype, hybrid), or what a queue entry says (xive).
        level: whether the line is level; edge otherwise.
        label: what it is, for people: "disk".
        priority: XICS sense, 0 most favoured.
        vcpu: which of the guest's vCPUs is told of it.
        channel: whether another guest, or another vCPU, posts it; `irq` is then the event channel it is announced
            by, 0: the guest makes one itself, or uses IPIs.
    """

    number: int
    ring: int
    bytes: int
    doorbell: int
    slots: int
    irq: int
    level: bool = False
    label: str = ""
    priority: int = 5
    vcpu: int = 0
    channel: bool = False


@dataclass(frozen=True, slots=True)
class BoardChannel:
    """A channel as its producer sees it.

    Attributes:
        number: the machine's number of this source.
        ring: guest real address of its ring.
        bytes: size of the ring.
        post: guest real address of the register that items are told to.
        slots: items the ring holds.
        after: numbers of the sources, one item of which makes one of this channel.
        vcpu: the consumer's vCPU.
        remote_domain: the consumer, if it is another domain and has event channels.
        remote_port: the consumer's unbound event channel there.
        trigger: guest real address of the page that notifies the consumer (xive); None: a hypercall does.
    """

    number: int
    ring: int
    bytes: int
    post: int
    slots: int
    after: tuple[int, ...]
    vcpu: int = 0
    remote_domain: int | None = None
    remote_port: int = 0
    trigger: int | None = None


@dataclass(frozen=True, slots=True)
class Xive:
    """The XIVE as one guest sees it.

    Attributes:
        tima: guest real address of its processor's ring.
        esb: of the page of source 0; the page of source n is n times 4096 further.
        ipi: the source that is the inter-processor interrupt of its vCPU 0; those of the others follow.
        queues: (guest real address, log2 of the entries) of the event queue of each priority, vCPU by vCPU; log2 0:
            there is none. Empty: not XIVE but the virtual controller of posted interrupts, at `tima`, and `ipi` is a
            vector, the same for all its vCPUs.
        ends: of the page of the first queue; the others follow. None: the queues notify of each entry.
    """

    tima: int
    esb: int
    ipi: int
    queues: tuple[tuple[int, int], ...]
    ends: int | None = None


@dataclass(frozen=True, slots=True)
class XenStart:
    """What Xen's own start of day adds to the tree of a domain.

    Attributes:
        privileged: it is domain 0, whose console is the hypervisor's.
        console: (guest real address, port) of its console page; None: domain 0.
        store: the same of its page of the store.
    """

    privileged: bool = False
    console: tuple[int, int] | None = None
    store: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class BoardTree:
    """A paravirt board as one guest sees it.

    Attributes:
        ram_bytes: size of its memory, which begins at 0.
        timebase_hz: time base and decrementer ticks a second.
        vcpus: how many vCPUs it has.
        sources: what it owns; their ``reg`` properties are real addresses in its memory.
        channels: what it posts to.
        work: address of its work counters, one u64 a compute loop; 0: none.
        compute_loops: how many loops it runs in turn; 0: it sleeps when there is nothing to do.
        compute_unit: iterations of the inner loop in one unit of work.
        hold_units: 0, or: so many units at a time with MSR[EE]=0.
        handler_work: iterations of the inner loop for each item.
        tick_hz: 0, or the frequency of a periodic tick.
        misbehave: what it is to do wrong, one of `MISDEEDS`; empty: nothing.
        bootargs: its command line.
        design_options: which options of the design a scenario chose (spec/designs.py); 0: the usual ones.
        front_end: how it asks which interrupt came.
        shared_info: address of the page shared with Xen; None for the other front ends.
        xive: its controller, for that front end.
        xen_start: what a domain that begins as under Xen itself finds besides.
    """

    ram_bytes: int
    timebase_hz: int
    vcpus: int = 1
    sources: tuple[BoardSource, ...] = ()
    channels: tuple[BoardChannel, ...] = ()
    work: int = 0
    compute_loops: int = 0
    compute_unit: int = 200
    hold_units: int = 0
    handler_work: int = 0
    tick_hz: int = 0
    misbehave: str = ""
    bootargs: str = ""
    design_options: int = 0
    front_end: FrontEnd = "native"
    shared_info: int | None = None
    xive: Xive | None = None
    xen_start: XenStart | None = None


def build(tree: BoardTree) -> bytes:
    """The flattened device tree that a guest finds at the address in r3.

    Returns:
        A tree of version 17; its length is a multiple of 8, so that whatever is put behind it is aligned.

    Raises:
        ImageError: the front end and the shared page contradict each other.
    """
    if (tree.front_end in SHARING) != (tree.shared_info is not None):
        raise ImageError(
            "device tree",
            f"front end {tree.front_end} {'without' if tree.shared_info is None else 'with'} a shared_info page",
            f"a shared_info page with front end {' or '.join(SHARING)}, and only there",
        )
    blob = fdt.FDT()
    root = blob.root
    root.append(_text("compatible", "irqvisor,paravirt"))
    root.append(fdt.PropWords("#address-cells", 2))
    root.append(fdt.PropWords("#size-cells", 2))
    nodes = [
        _node(
            "memory@0",
            _text("device_type", "memory"),
            _u64s("reg", 0, tree.ram_bytes),
        ),
        _cpus(tree),
        _node("chosen", _text("bootargs", tree.bootargs), *_chosen(tree)),
        _irqvisor(tree),
        _sources(tree.sources),
        *([_channels(tree.channels)] if tree.channels else []),
        *_controllers(tree),
    ]
    for node in nodes:
        root.append(node)
    return flatten(blob)


def _cpus(tree: BoardTree) -> fdt.Node:
    cpus = [
        _node(
            f"cpu@{n:x}",
            _text("device_type", "cpu"),
            fdt.PropWords("reg", n),
            fdt.PropWords("timebase-frequency", tree.timebase_hz),
        )
        for n in range(tree.vcpus)
    ]
    return _node("cpus", fdt.PropWords("#address-cells", 1), fdt.PropWords("#size-cells", 0), *cpus)


def _irqvisor(tree: BoardTree) -> fdt.Node:
    node = _node(
        "irqvisor",
        _u64s("work", tree.work),
        fdt.PropWords("compute-loops", tree.compute_loops),
        fdt.PropWords("compute-unit", tree.compute_unit),
        fdt.PropWords("hold-units", tree.hold_units),
        fdt.PropWords("handler-work", tree.handler_work),
        fdt.PropWords("tick-hz", tree.tick_hz),
        _u64s("board", BOARD_REGISTERS),
    )
    if tree.design_options:
        node.append(fdt.PropWords("design-options", tree.design_options))
    if tree.misbehave:
        node.append(_text("misbehave", tree.misbehave))
    return node


def _sources(sources: Iterable[BoardSource]) -> fdt.Node:
    node = _node("sources", fdt.PropWords("#address-cells", 2), fdt.PropWords("#size-cells", 2))
    for source in sources:
        node.append(
            _node(
                f"source@{source.number}",
                _u64s("reg", source.ring, source.bytes),
                _u64s("doorbell", source.doorbell),
                fdt.PropWords("slots", source.slots),
                fdt.PropWords("interrupts", source.irq, int(source.level)),
                fdt.PropWords("number", source.number),
                _text("label", source.label),
                fdt.PropWords("priority", source.priority),
                fdt.PropWords("vcpu", source.vcpu),
                *([fdt.PropWords("channel", 1)] if source.channel else []),
            )
        )
    return node


def _channels(channels: Iterable[BoardChannel]) -> fdt.Node:
    node = _node("channels", fdt.PropWords("#address-cells", 2), fdt.PropWords("#size-cells", 2))
    for channel in channels:
        node.append(
            _node(
                f"channel@{channel.number}",
                _u64s("reg", channel.ring, channel.bytes),
                _u64s("post", channel.post),
                fdt.PropWords("slots", channel.slots),
                fdt.PropWords("number", channel.number),
                fdt.PropWords("vcpu", channel.vcpu),
                *(
                    [fdt.PropWords("remote", channel.remote_domain, channel.remote_port)]
                    if channel.remote_domain is not None
                    else []
                ),
                *([_u64s("trigger", channel.trigger)] if channel.trigger is not None else []),
                fdt.PropWords("after", *channel.after),
            )
        )
    return node


XEN_PHANDLE = 1
"""Of /xen, which stands for the interrupt controller."""


def _chosen(tree: BoardTree) -> list[Any]:
    if tree.xen_start is None:
        return []
    return [fdt.PropWords("interrupt-controller", XEN_PHANDLE), _text("linux,stdout-path", "/xen/console")]


def _xen_start(start: XenStart | None) -> list[Any]:
    """What Xen/PPC (ofd_fixup.c) and its toolstack (mk_flatdevtree.c) put below /xen."""
    if start is None:
        return []
    found: list[Any] = [fdt.PropWords("linux,phandle", XEN_PHANDLE), fdt.PropWords("phandle", XEN_PHANDLE)]
    if start.privileged:
        found += [fdt.Property("privileged"), fdt.Property("initdomain"), _text("version", "3.2")]
        return [*found, _node("console", fdt.PropWords("interrupts", 0, 0))]
    for name, place in (("console", start.console), ("store", start.store)):
        if place is not None:
            found.append(_node(name, _u64s("reg", place[0], 4096), fdt.PropWords("interrupts", place[1], 0)))
    return found


def _controllers(tree: BoardTree) -> list[fdt.Node]:
    """The nodes that tell a guest which front end its machine answers."""
    xicp = _node("interrupt-controller", _text("compatible", "IBM,ppc-xicp"))
    if tree.shared_info is not None:
        xen = _node(
            "xen",
            _text("compatible", "xen,xen-3.0"),
            _u64s("shared-info", tree.shared_info, SHARED_INFO_BYTES),
            *_xen_start(tree.xen_start),
        )
        return [xen, xicp] if tree.front_end == "hybrid" else [xen]
    if tree.xive is not None:
        return [
            _node(
                f"interrupt-controller@{tree.xive.tima:x}",
                _text("compatible", "ibm,power-ivpe" if tree.xive.queues else "irqvisor,posted"),
                _u64s("reg", tree.xive.tima, 4096),
                _u64s("esb", tree.xive.esb),
                fdt.PropWords("ipi", tree.xive.ipi),
                *([_u64s("ends", tree.xive.ends)] if tree.xive.ends is not None else []),
                fdt.PropWords("queues", *(cell for queue in tree.xive.queues for cell in queue)),
            )
        ]
    if tree.front_end == "rhype":
        return [xicp]
    return [
        _node(
            f"interrupt-controller@{OPENPIC_BASE:x}",
            _text("compatible", "open-pic"),
            _u64s("reg", OPENPIC_BASE, OPENPIC_BYTES),
        )
    ]
