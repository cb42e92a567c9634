"""Parts of a flattened device tree (Devicetree Specification, Flattened Devicetree Format). The same tree gives the
same bytes.
"""

import fdt

FDT_VERSION = 17
FDT_COMPATIBLE_VERSION = 16


def node(name: str, *items: object) -> fdt.Node:
    """A node with its properties and children."""
    made = fdt.Node(name)
    for item in items:
        made.append(item)
    return made


def text(name: str, value: str) -> fdt.PropBytes:
    """A property of one string. Not PropStrings, which takes no empty ones."""
    return fdt.PropBytes(name, data=value.encode() + b"\0")


def u64s(name: str, *values: int) -> fdt.PropWords:
    """A property of 64-bit numbers, two cells each."""
    return fdt.PropWords(name, *(cell for value in values for cell in (value >> 32, value & 0xFFFFFFFF)))


def flatten(blob: fdt.FDT) -> bytes:
    """The tree's bytes; their number, in its header too, is rounded up to 8, so that what follows is aligned."""
    flat: bytes = blob.to_dtb(version=FDT_VERSION, last_comp_version=FDT_COMPATIBLE_VERSION, boot_cpuid_phys=0)
    length = -(-len(flat) // 8) * 8
    return flat[:4] + length.to_bytes(4, "big") + flat[8:].ljust(length - 8, b"\0")
