"""The decorators of compiled code, and every Numba option the project uses.

`entry` is called from Python, `jit` from compiled code; of the latter `hot` is inlined by LLVM into its caller, and
`cold` never is. The same source runs as plain Python under ``NUMBA_DISABLE_JIT=1``.

Numba's disk cache looks only at the file of the function itself: an edit in a callee's file would leave a cached
caller returning the old answer. So the cache folder is named after a digest of everything compiled code is made of.
Importing this module sets that folder.
"""

import hashlib
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import njit, types

from irqvisor._link import Apart, Part, Whole, pipeline

F = TypeVar("F", bound=Callable[..., Any])

PACKAGE = Path(__file__).parent
COMPILED = ("_fields.py", "_jit.py", "_link.py", "tables.py", "trace.py", "spec", "hw", "hv", "translation")
"""Files and folders whose text compiled code depends on, relative to the package."""

NOJIT = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
BOUNDSCHECK = os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0")


def sources() -> list[Path]:
    """Every source file that compiled code depends on, in a fixed order."""
    found: list[Path] = []
    for name in COMPILED:
        path = PACKAGE / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return found


def cache_root() -> Path:
    """Where compiled code is kept: ``$IRQVISOR_CACHE_DIR``, else the user's cache folder."""
    chosen = os.environ.get("IRQVISOR_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "irqvisor"


def cache_key() -> str:
    """A digest of the compiled sources, of the tools that compile them, and of the options that change the code."""
    digest = hashlib.sha256(repr((sys.version, version("numba"), version("numpy"), BOUNDSCHECK)).encode())
    for path in sources():
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


CACHE_DIR = cache_root() / cache_key()
if not NOJIT:
    # Not by $NUMBA_CACHE_DIR alone: Numba reads that when it is first imported, which may have been by somebody else.
    # Then it would cache beside the sources, by file, and a change of a record's layout would go unnoticed.
    numba.config.CACHE_DIR = str(CACHE_DIR)  # type: ignore[attr-defined]

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
_ENTRY: dict[str, Any] = {**_OPTIONS, "pipeline_class": pipeline(Whole), "cache": True}
_INNER: dict[str, Any] = {**_OPTIONS, "pipeline_class": pipeline(Part), "no_cpython_wrapper": True, "no_rewrites": True}
_COLD: dict[str, Any] = {**_INNER, "pipeline_class": pipeline(Apart), "forceinline": False}


def entry(function: F) -> F:
    """Compile a function that Python calls."""
    return njit(**_ENTRY)(function)  # type: ignore[no-any-return]


def _once(dispatcher: Any) -> Any:
    """Make every caller share one compilation.

    Numba compiles a callee anew for each literal argument and each enumeration: 463 compilations in place of 320, a
    third of the first start. LLVM inlines constants where they matter all the same."""
    if NOJIT:
        return dispatcher
    template = dispatcher.get_call_template

    def widened(args: Any, kws: Any) -> Any:
        plain = tuple(types.int64 if isinstance(a, types.IntEnumMember) else types.unliteral(a) for a in args)  # type: ignore[no-untyped-call]
        return template(plain, kws)

    dispatcher.get_call_template = widened
    return dispatcher


def jit(function: F) -> F:
    """Compile a function that only compiled code calls.

    Without ``forceinline=False`` Numba takes the option over from the caller that is being compiled: whatever a `hot`
    function was the first to call would be inlined everywhere, and so would what that calls."""
    return _once(njit(**_INNER, forceinline=False)(function))  # type: ignore[no-any-return]


def hot(function: F) -> F:
    """Compile a function that LLVM must inline into its caller: the instruction groups of the run loop."""
    return _once(njit(**_INNER, forceinline=True)(function))  # type: ignore[no-any-return]


def cold(function: F) -> F:
    """Compile a function that LLVM must not inline: what a hot loop calls now and then.

    LLVM inlines whatever has one caller, however large. What that needs - constants, room for results - is then made
    ready where the caller begins, each time, and takes the registers of its loop."""
    return _once(njit(**_COLD)(function))  # type: ignore[no-any-return]
