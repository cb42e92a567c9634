"""Is everything here that a comparison needs? One check a line, with what to do about it."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from irqvisor import _jit
from irqvisor.errors import IrqvisorError

PACKAGES = ("numba", "llvmlite", "numpy", "pydantic", "typer", "rich", "pyelftools", "fdt")


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


def examine() -> Iterator[Check]:
    """Look at everything that can be looked at without compiling."""
    yield Check("python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.platform()}")
    yield Check("cores", ok=True, detail=f"{os.cpu_count()}")
    for name in PACKAGES:
        yield _package(name)
    yield from _cache()
    yield from _data()


def is_compiled() -> bool:
    """Compiled code of exactly these sources lies in the cache. An interrupted compilation counts, too."""
    return _jit.NOJIT or any(_jit.CACHE_DIR.rglob("*.nbi"))


def compile_exploration() -> Check:
    """Compile what an exploration needs besides."""
    from irqvisor.lab import runner, scenario
    from irqvisor.lab.explore import question, search

    began = time.perf_counter()
    with runner.rare_collections():
        search.explore(question.ask(scenario.load("wake-up"), "xen-ppc", window=2))
    return Check("compilation of explore", ok=True, detail=f"{time.perf_counter() - began:.1f} s")


def compile_all(progress: Callable[[str], None] | None = None) -> Check:
    """Compile what a comparison needs, and say how long it took."""
    from irqvisor.lab import runner

    seconds = runner.compile_all(progress)
    return Check("compilation", ok=True, detail=f"{seconds:.1f} s")


def _package(name: str) -> Check:
    try:
        return Check(name, ok=True, detail=version(name))
    except PackageNotFoundError:
        return Check(name, ok=False, detail="not installed; run: make compare")


def _cache() -> Iterator[Check]:
    if _jit.NOJIT:
        yield Check("cache", ok=True, detail="not used: NUMBA_DISABLE_JIT is set, everything runs as plain Python")
        return
    folder = _jit.CACHE_DIR
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        remedy = "set IRQVISOR_CACHE_DIR to a folder that can be written"
        yield Check("cache", ok=False, detail=f"{folder}: {error.strerror}; {remedy}")
        return
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    state = f"{size:.0f} MB" if is_compiled() else "empty: the first run compiles for about 30 s"
    yield Check("cache", ok=True, detail=f"{folder}, {state}")


def _data() -> Iterator[Check]:
    from irqvisor.guest.image import Image
    from irqvisor.lab import profile, recording, runner, scenario

    kinds: tuple[tuple[str, list[str], Callable[[str], object]], ...] = (
        ("guests", [info.name for info in runner.designs()], Image.bundled),
        ("scenarios", scenario.names(), scenario.load),
        ("profiles", profile.names(), profile.load),
        ("recordings", recording.bundled(), lambda name: recording.resolve(name).stat()),
    )
    for kind, names, load in kinds:
        broken = []
        for name in names:
            try:
                load(name)
            except (IrqvisorError, OSError) as error:
                broken.append(f"{name}: {error}")
        yield Check(kind, bool(names) and not broken, "; ".join(broken) or ", ".join(names) or "none found")
