"""Saved machines: one file, versioned and checksummed, no pickle.

Layout: magic, u32 version, u32 length of the description, the description (JSON), the state buffer and guest memory
(zlib), and a SHA-256 of everything before it. The description names the record layouts by digest: a file written by
another layout is refused instead of misread.
"""

import hashlib
import json
import os
import struct
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from irqvisor import tables
from irqvisor.errors import SnapshotError
from irqvisor.guest.image import Symbol
from irqvisor.machine import Labels, Machine, watch_pages

MAGIC = b"IRQVISOR"
VERSION = 1
CHECKSUM_BYTES = 32
PREFIX = struct.Struct(">8sII")
LEVEL = 1
"""Of zlib: memory is mostly zeros, and saving should be quick."""


def layout_digest() -> str:
    """A digest of every table's record layout, in table order."""
    text = repr([(number.name, tables.DTYPES[number].descr) for number in tables.Table])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save(machine: Machine, path: Path) -> None:
    """Write a machine; the file appears whole or not at all."""
    description = {
        "layout": layout_digest(),
        "state": len(machine.state),
        "ram": len(machine.ram),
        "labels": asdict(machine.labels),
        "consoles": [text.decode("latin-1") for text in machine.consoles],
    }
    text = json.dumps(description).encode()
    body = zlib.compress(machine.state.tobytes() + machine.ram.tobytes(), LEVEL)
    data = PREFIX.pack(MAGIC, VERSION, len(text)) + text + body
    beside = path.with_name(path.name + f".{os.getpid()}.part")
    try:
        beside.write_bytes(data + hashlib.sha256(data).digest())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise SnapshotError(str(path), f"cannot be written ({error.strerror})") from error


def load(path: Path) -> Machine:
    """Read a machine; every way a file can be wrong is a SnapshotError that says which."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SnapshotError(str(path), f"cannot be read ({error.strerror})") from error
    description, body = _open(str(path), data)
    state, ram = _unpack(str(path), description, body)
    labels = Labels(**{**description["labels"], "symbols": _symbols(description["labels"]["symbols"])})
    watch_pages(state)
    machine = Machine(state, ram, labels)
    machine.consoles = [bytearray(text.encode("latin-1")) for text in description["consoles"]]
    return machine


def _open(where: str, data: bytes) -> tuple[dict[str, Any], bytes]:
    """Check magic, version and checksum; returns the description and the compressed body."""
    if len(data) < PREFIX.size or data[:8] != MAGIC:
        raise SnapshotError(where, "not a saved machine", "a file that Machine.save wrote")
    _, version, length = PREFIX.unpack_from(data)
    if version != VERSION:
        raise SnapshotError(where, f"format version {version}", f"version {VERSION}", "save it again with this release")
    if (
        len(data) < PREFIX.size + CHECKSUM_BYTES
        or hashlib.sha256(data[:-CHECKSUM_BYTES]).digest() != data[-CHECKSUM_BYTES:]
    ):
        raise SnapshotError(where, "truncated or changed: the checksum is wrong", hint="copy or save it again")
    text = data[PREFIX.size : PREFIX.size + length]
    description = json.loads(text)
    if description["layout"] != layout_digest():
        raise SnapshotError(
            where,
            f"written by another layout of the machine ({description['layout']})",
            layout_digest(),
            "load it with the release that saved it",
        )
    return description, data[PREFIX.size + length : -CHECKSUM_BYTES]


def _unpack(where: str, description: dict[str, Any], body: bytes) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    try:
        whole = zlib.decompress(body)
    except zlib.error as error:
        raise SnapshotError(where, f"its data cannot be unpacked ({error})") from error
    if len(whole) != description["state"] + description["ram"]:
        raise SnapshotError(where, f"{len(whole)} bytes of data", f"{description['state'] + description['ram']}")
    data = np.frombuffer(whole, np.uint8)
    return data[: description["state"]].copy(), data[description["state"] :].copy()


def _symbols(saved: list[list[dict[str, Any]]]) -> list[list[Symbol]]:
    return [[Symbol(**s) for s in domain] for domain in saved]
