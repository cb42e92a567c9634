"""The device tree of the pseries board: what a PAPR guest needs to find (LoPAPR, Device Tree; as QEMU says it).

`PseriesTree` says it in Python; `build` flattens it. What each node means is in docs/reference/pseries-board.md.
"""

from dataclasses import dataclass
from functools import lru_cache

import fdt

from irqvisor.guest.flattened import flatten, node, text, u64s
from irqvisor.spec import papr, rtas

CACHE_LINE = 128
PHANDLE_CONTROLLER = 0x1111
RTAS_BYTES = rtas.CELL * len(rtas.ENTRY)


@dataclass(frozen=True, slots=True)
class PseriesTree:
    """A pseries board as its guest sees it.

    Attributes:
        cpus: hardware threads; servers 0 to cpus - 1.
        threads: of one core, which is a node of the tree; divides `cpus`.
        memory_bytes: its memory, from 0 on.
        timebase_hz: time base and decrementer ticks a second.
        bootargs: command line.
        initrd: first address of the initial ramdisk and the one behind it; None: there is none.
        rtas_entry: where code is that makes RTAS calls; None: guests make H_RTAS themselves.
        nvram_bytes: size of the store.
    """

    cpus: int
    threads: int
    memory_bytes: int
    timebase_hz: int
    bootargs: str = ""
    initrd: tuple[int, int] | None = None
    rtas_entry: int | None = None
    nvram_bytes: int = 0


@lru_cache(maxsize=8)
def build(tree: PseriesTree) -> bytes:
    """The flattened device tree, version 17; its length is a multiple of 8."""
    blob = fdt.FDT()
    root = blob.root
    for item in (
        text("compatible", "qemu,pseries"),
        text("model", "irqvisor pseries"),
        text("device_type", "chrp"),
        fdt.PropWords("#address-cells", 2),
        fdt.PropWords("#size-cells", 2),
        node("memory@0", text("device_type", "memory"), u64s("reg", 0, tree.memory_bytes)),
        node(
            "cpus",
            fdt.PropWords("#address-cells", 1),
            fdt.PropWords("#size-cells", 0),
            *(_core(tree, first) for first in range(0, tree.cpus, tree.threads)),
        ),
        _rtas(tree),
        _chosen(tree),
        _vdevice(tree),
        _controller(tree),
        node("event-sources"),
    ):
        root.append(item)
    return flatten(blob)


def _core(tree: PseriesTree, first: int) -> fdt.Node:
    servers = range(first, first + tree.threads)
    return node(
        f"PowerPC,POWER8@{first:x}",
        text("device_type", "cpu"),
        text("status", "okay"),
        fdt.PropWords("reg", first),
        fdt.PropWords("ibm,ppc-interrupt-server#s", *servers),
        fdt.PropWords("ibm,ppc-interrupt-gserver#s", *(cell for server in servers for cell in (server, 0))),
        fdt.PropWords("i-cache-line-size", CACHE_LINE),
        fdt.PropWords("d-cache-line-size", CACHE_LINE),
        fdt.PropWords("timebase-frequency", tree.timebase_hz),
    )


def _rtas(tree: PseriesTree) -> fdt.Node:
    made = node("rtas", *(fdt.PropWords(name, token) for name, token in rtas.TOKENS.items()))
    if tree.rtas_entry is not None:
        made.append(fdt.PropWords("rtas-size", RTAS_BYTES))
        made.append(fdt.PropWords("linux,rtas-base", tree.rtas_entry))
        made.append(fdt.PropWords("linux,rtas-entry", tree.rtas_entry))
    return made


def _chosen(tree: PseriesTree) -> fdt.Node:
    made = node("chosen", text("bootargs", tree.bootargs), text("stdout-path", f"/vdevice/vty@{papr.VTY:x}"))
    if tree.initrd is not None:
        made.append(u64s("linux,initrd-start", tree.initrd[0]))
        made.append(u64s("linux,initrd-end", tree.initrd[1]))
    return made


def _vdevice(tree: PseriesTree) -> fdt.Node:
    return node(
        "vdevice",
        text("device_type", "vdevice"),
        text("compatible", "IBM,vdevice"),
        fdt.PropWords("#address-cells", 1),
        fdt.PropWords("#size-cells", 0),
        fdt.PropWords("interrupt-parent", PHANDLE_CONTROLLER),
        node(
            f"vty@{papr.VTY:x}",
            text("device_type", "serial"),
            text("compatible", "hvterm1"),
            fdt.PropWords("reg", papr.VTY),
            fdt.PropWords("interrupts", papr.XISR_CONSOLE, 0),
        ),
        node(
            f"nvram@{papr.NVRAM:x}",
            text("device_type", "nvram"),
            text("compatible", "qemu,spapr-nvram"),
            fdt.PropWords("reg", papr.NVRAM),
            fdt.PropWords("#bytes", tree.nvram_bytes),
        ),
    )


def _controller(tree: PseriesTree) -> fdt.Node:
    return node(
        "interrupt-controller",
        text("device_type", "PowerPC-External-Interrupt-Presentation"),
        text("compatible", "IBM,ppc-xicp"),
        fdt.PropBytes("interrupt-controller", data=b""),
        fdt.PropWords("#interrupt-cells", 2),
        fdt.PropWords("ibm,interrupt-server-ranges", 0, tree.cpus),
        fdt.PropWords("phandle", PHANDLE_CONTROLLER),
    )
