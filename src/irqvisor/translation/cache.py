"""What was generated once is kept in the cache folder, beside Numba's: files named by what they were made of."""

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from llvmlite import binding as llvm

from irqvisor import _jit


def kept(name: str, make: Callable[[], bytes]) -> bytes:
    """A file of the cache folder for this kind of processor, made if it is not there."""
    found = find(name)
    if found is None:
        found = make()
        keep(name, found)
    return found


def find(name: str) -> bytes | None:
    """A file of that folder, if it was there when this process looked first, or made it."""
    if name not in _present():
        return None
    try:
        return _path(name).read_bytes()
    except OSError:
        return None


def keep(name: str, data: bytes) -> None:
    """Put a file into that folder. If it cannot be kept, it is made again next time."""
    path = _path(name)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
    else:
        _present().add(name)


def is_kept(name: str) -> bool:
    """Whether `find` would find it."""
    return name in _present()


@cache
def _present() -> set[str]:
    """Names of files there. There are many questions, and few files."""
    try:
        return {path.name for path in _folder().iterdir()}
    except OSError:
        return set()


def _path(name: str) -> Path:
    return _folder() / name


@cache
def _folder() -> Path:
    """Of processors like this one: what virtual machines let their guests use of the same one may differ."""
    features = hashlib.sha256(llvm.get_host_cpu_features().flatten().encode()).hexdigest()[:8]
    return _jit.CACHE_DIR / "host" / f"{llvm.get_host_cpu_name()}-{features}"
