"""Guest memory, and how forks share it.

Up to 1 MiB it is a plain array, and a fork copies it whole. Above, it is a private mapping of a *base*: an image of
RAM that nobody changes. The OS keeps the base's pages once for all machines, and gives a machine its own copy of a
page when it is first written. The bit CLEAN in the code map says which pages are still the base's; every writer of RAM
clears it: stores of guests, devices and hypervisors (hw/memory.py `own`), and Python (machine.py `own`). So a fork
copies and a digest hashes only the pages that the machine owns.

Forks copy what is owned again and again. When they have copied more pages than their base holds, a new base is made
and nothing is owned any more: so making bases never takes longer than the copying that led to it.
"""

import ctypes
import hashlib
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from irqvisor.hw.state import CLEAN, PAGE_SHIFT

Array = np.ndarray[Any, Any]

PAGE = 1 << PAGE_SHIFT
COPIED_WHOLE = 1 << 20
"""RAM up to this size is a plain array: copying it takes no longer than mapping."""
BASE_COST = 64
"""Making a base, beside its pages, takes as long as copying about this many."""
HASH_BYTES = 32
NONE = np.zeros(0, np.int64)
ZERO_HASH = np.frombuffer(hashlib.sha256(bytes(PAGE)).digest(), np.uint8)


class Base:
    """An image of RAM that nobody changes, in a file without a name; without one it is all zeros.

    The RAM and the code map's entries of a machine that shares it are handed in.

    Attributes:
        pages: numbers of the pages that are not all zero, ascending.
        hashes: SHA-256 of each of them, where it is `known`.
        copied: pages that forks of all machines that share it have copied.
    """

    def __init__(self, size: int, pages: Array = NONE, file: int = -1) -> None:
        self.size = size
        self.pages = pages
        self.copied = 0
        self._file = file
        self.hashes = np.zeros((len(pages), HASH_BYTES), np.uint8)
        self.known = np.zeros(len(pages), np.bool_)
        if file >= 0:
            weakref.finalize(self, os.close, file).atexit = False

    def map(self) -> Array:
        """A copy, made page by page when they are written."""
        return private_mapping(self._file, self.size)

    def fork(self, ram: Array, entries: Array) -> Array:
        """RAM of a twin, whose code map is the same."""
        mine = owned(entries)
        fresh = self.map()
        for first, end in runs(mine):
            fresh[first * PAGE : end * PAGE] = ram[first * PAGE : end * PAGE]
        self.copied += len(mine)
        return fresh

    @property
    def is_due(self) -> bool:
        """Whether it is time for a new base."""
        return self.copied > BASE_COST + len(self.pages)

    def renewed(self, ram: Array, entries: Array) -> tuple[Array, "Base"]:
        """A base of what is in RAM now, and RAM as a mapping of it. If there is no room for one, nothing changes."""
        self.copied = 0
        try:
            base = Base._of(ram, self.filled(ram, entries))
            fresh = base.map()
        except OSError:
            return ram, self
        shared = is_clean(entries)[self.pages]
        places = np.searchsorted(base.pages, self.pages[shared])
        base.hashes[places], base.known[places] = self.hashes[shared], self.known[shared]
        entries |= CLEAN
        return fresh, base

    @classmethod
    def _of(cls, ram: Array, pages: Array) -> "Base":
        """A base of some RAM, of which these pages are not all zero.

        Raises:
            OSError: there is no room for a file, or for one more open file.
        """
        file = new_file()
        base = cls(len(ram), pages, file)  # from here on the file is closed with it
        with os.fdopen(file, "wb", closefd=False) as out:
            out.truncate(len(ram))
            for first, end in runs(pages):
                out.seek(first * PAGE)
                out.write(ram[first * PAGE : end * PAGE].data)
        return base

    def filled(self, ram: Array, entries: Array) -> Array:
        """Numbers of the pages of RAM that are not all zero, ascending."""
        mine = owned(entries)
        filled = [ram[page * PAGE : (page + 1) * PAGE].any() for page in mine.tolist()]
        shared = is_clean(entries)[self.pages]
        return np.sort(np.concatenate((self.pages[shared], mine[np.array(filled, np.bool_)])))

    def digest(self, ram: Array, entries: Array) -> bytes:
        """SHA-256 of what is in RAM, however it came there: of the numbers of the pages that are not all zero, then of
        the SHA-256 of each."""
        mine = owned(entries)
        hashes = _hash(ram, mine)
        filled = (hashes != ZERO_HASH).any(axis=1)
        shared = is_clean(entries)[self.pages]
        pages = np.concatenate((self.pages[shared], mine[filled]))
        order = np.argsort(pages)
        h = hashlib.sha256(pages[order].astype(">u4").data)
        h.update(np.concatenate((self._all_hashes()[shared], hashes[filled]))[order].data)
        return h.digest()

    def _all_hashes(self) -> Array:
        """SHA-256 of each of `pages`: each is computed once, for all machines and all bases that have the page."""
        missing = np.flatnonzero(~self.known)
        if len(missing):
            self.hashes[missing] = _hash(self.map(), self.pages[missing])
            self.known[missing] = True
        return self.hashes


def zeros(size: int) -> tuple[Array, Base | None]:
    """New RAM and its base. None: forks copy it whole. Else every page is clean, and the code map has to say so."""
    if size % PAGE:
        raise ValueError(f"{size} bytes of RAM are not whole pages")
    if size <= COPIED_WHOLE:
        return np.zeros(size, np.uint8), None
    base = Base(size)
    return base.map(), base


def is_clean(entries: Array) -> Array:
    """Of each page, whether it is still the base's."""
    clean: Array = (entries & CLEAN) != 0
    return clean


def owned(entries: Array) -> Array:
    """Numbers of the pages that a machine has for itself, ascending."""
    return np.flatnonzero((entries & CLEAN) == 0)


def runs(pages: Array) -> Iterator[tuple[int, int]]:
    """Ascending page numbers as pairs (first, end) of consecutive ones."""
    if not len(pages):
        return iter(())
    breaks = np.flatnonzero(np.diff(pages) != 1) + 1
    firsts = pages[np.concatenate(([0], breaks))]
    lasts = pages[np.concatenate((breaks - 1, [len(pages) - 1]))]
    return zip(firsts.tolist(), (lasts + 1).tolist(), strict=True)


def _hash(ram: Array, pages: Array) -> Array:
    """SHA-256 of each of the pages."""
    found = b"".join(hashlib.sha256(ram[p * PAGE : (p + 1) * PAGE].data).digest() for p in pages.tolist())
    return np.frombuffer(found, np.uint8).reshape(-1, HASH_BYTES)


# ------------------------------------------------------------------------------------------------ the operating system


def new_file() -> int:
    """Descriptor of an empty file without a name: in memory where the OS has such files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("irqvisor-ram")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _libc() -> ctypes.CDLL | None:
    """The C library's mmap and munmap, on systems that have them."""
    if os.name != "posix":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    )
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return libc


LIBC = _libc()
MAP_FAILED = ctypes.c_void_p(-1).value


def private_mapping(file: int, size: int) -> Array:
    """`size` bytes of a file, or of zeros (-1), as an array whose changes nobody else sees.

    Not Python's mmap where that can be helped: before 3.13 each of its mappings keeps a descriptor open, and a thousand
    forks would be all that a process may have.
    """
    if LIBC is None:
        return np.frombuffer(mmap.mmap(file, size, access=mmap.ACCESS_COPY), np.uint8)
    flags = mmap.MAP_PRIVATE | (mmap.MAP_ANONYMOUS if file < 0 else 0)
    at = LIBC.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, file, 0)
    if at == MAP_FAILED:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)}: {size} bytes of guest memory")
    block = (ctypes.c_ubyte * size).from_address(at)
    weakref.finalize(block, LIBC.munmap, at, size).atexit = False
    return np.frombuffer(memoryview(block), np.uint8)
