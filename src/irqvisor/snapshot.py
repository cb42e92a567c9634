"""Saved machines: one file, versioned and checksummed, no pickle.

Layout: magic, u32 version, u32 length of the description, the description (JSON), a gzip stream, and a SHA-256 of
everything before it. The stream holds the state buffer, then the pages of guest memory that are not all zero: their
numbers, u32 each, ascending, and their bytes. The description names the record layouts by digest: a file written by
another layout is refused instead of misread.
"""

import gzip
import hashlib
import io
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
from irqvisor.ram import PAGE

MAGIC = b"IRQVISOR"
VERSION = 2
CHECKSUM_BYTES = 32
PREFIX = struct.Struct(">8sII")
LEVEL = 1
"""Of gzip: saving should be quick."""
NUMBER = np.dtype(">u4")


def layout_digest() -> str:
    """A digest of every table's record layout, in table order."""
    text = repr([(number.name, tables.DTYPES[number].descr) for number in tables.Table])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save(machine: Machine, path: Path) -> None:
    """Write a machine; the file appears whole or not at all."""
    pages = machine.filled_pages()
    description = {
        "layout": layout_digest(),
        "state": len(machine.state),
        "ram": len(machine.ram),
        "pages": len(pages),
        "labels": asdict(machine.labels),
        "consoles": [text.decode("latin-1") for text in machine.consoles],
    }
    text = json.dumps(description).encode()
    data = io.BytesIO()
    data.write(PREFIX.pack(MAGIC, VERSION, len(text)) + text)
    with gzip.GzipFile(fileobj=data, mode="wb", compresslevel=LEVEL, mtime=0) as body:
        body.write(machine.state.data)
        body.write(pages.astype(NUMBER).data)
        for page in pages.tolist():
            body.write(machine.ram[page * PAGE : (page + 1) * PAGE].data)
    checksum = hashlib.sha256(data.getbuffer()).digest()
    beside = path.with_name(path.name + f".{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(data.getbuffer())
            file.write(checksum)
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
    try:
        machine = _unpack(str(path), description, body)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SnapshotError(str(path), f"its data cannot be unpacked ({error})") from error
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


def _unpack(where: str, description: dict[str, Any], body: bytes) -> Machine:
    labels = Labels(**{**description["labels"], "symbols": _symbols(description["labels"]["symbols"])})
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
        state = _read(where, stream, np.empty(description["state"], np.uint8))
        pages = _read(where, stream, np.empty(description["pages"], NUMBER))
        machine = Machine(state, description["ram"], labels)
        watch_pages(state)
        for page in pages.tolist():
            machine.own(page * PAGE, PAGE)
            _read(where, stream, machine.ram[page * PAGE : (page + 1) * PAGE])
        if stream.read(1):
            raise SnapshotError(where, "more data than its description says")
    return machine


def _read(where: str, stream: gzip.GzipFile, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Fill an array from the stream."""
    data = stream.read(array.nbytes)
    if len(data) != array.nbytes:
        raise SnapshotError(where, f"{len(data)} bytes of data", f"{array.nbytes}")
    array.view(np.uint8)[:] = np.frombuffer(data, np.uint8)
    return array


def _symbols(saved: list[list[dict[str, Any]]]) -> list[list[Symbol]]:
    return [[Symbol(**s) for s in domain] for domain in saved]
