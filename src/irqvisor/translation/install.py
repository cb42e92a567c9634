"""Host code in a decoded page: the operation HOST where a block begins, and a plain copy of the page (hw/host.py)."""

import threading
from typing import Any

import numpy as np
from llvmlite import binding as llvm

from irqvisor.hw import ops
from irqvisor.hw.state import CODE_STRIDE, PAGE_WORDS
from irqvisor.translation import generate
from irqvisor.translation.cache import is_kept, kept
from irqvisor.translation.region import Region

_loaded: dict[str, tuple[Any, int]] = {}
"""Host code by the name of its region: what keeps it alive, for pools of decoded code point into it; its address."""
_making = threading.Lock()


def needs_page(code: np.ndarray[Any, Any], number: int) -> bool:
    """Whether a decoded page has no plain copy yet: then `prepare` takes a page of the pool."""
    return not code[_first(number) + PAGE_WORDS]["imm"]


def forget(code: np.ndarray[Any, Any], number: int, words: slice) -> None:
    """Drop words of a decoded page; all of them where there may be host code for some: hw/memory.py `forget_code`."""
    first = _first(number)
    page = code["op"][first : first + PAGE_WORDS]
    if not needs_page(code, number):
        aside = first + int(code[first + PAGE_WORDS]["imm"])
        code["op"][aside : aside + PAGE_WORDS][words] = 0
        if page[words].any():
            page[:] = 0
    page[words] = 0


def prepare(code: np.ndarray[Any, Any], number: int) -> int:
    """Give a decoded page a plain copy, with what is decoded in the page by now. Returns where it begins.

    Args:
        code: a pool of decoded pages that is not shared, with room for another page if `needs_page`.
        number: of the page in the pool, from 1.
    """
    first = _first(number)
    if needs_page(code, number):
        code[0]["imm"] += 1
        code[first + PAGE_WORDS]["imm"] = (int(code[0]["imm"]) - number) * CODE_STRIDE
    page = code[first : first + CODE_STRIDE]
    aside = first + int(page[PAGE_WORDS]["imm"])
    plain = code[aside : aside + CODE_STRIDE]
    known = (page["op"] != ops.HOST) & (page["op"] != ops.UNDECODED)
    plain[known] = page[known]
    return aside


def begins(code: np.ndarray[Any, Any], number: int, word: int) -> bool:
    """Whether host code begins at a word of a decoded page."""
    return bool(code[_first(number) + word]["op"] == ops.HOST)


def is_at_hand(region: Region) -> bool:
    """Whether a region was translated before."""
    return region.name in _loaded or is_kept(_file(region))


def install(code: np.ndarray[Any, Any], number: int, region: Region) -> None:
    """Translate a region of a prepared page, and put it there."""
    words = np.array(region.words) + _first(number)
    code[words] = region.records[region.words]  # decoded: so that a store there is noticed
    leaders = np.array(list(region.blocks)) + _first(number)
    code["imm"][leaders] = _host_code(region)
    code["op"][leaders] = ops.HOST


def _first(number: int) -> int:
    return 1 + (number - 1) * CODE_STRIDE


def _file(region: Region) -> str:
    return f"{region.name}.o"


def _host_code(region: Region) -> int:
    """The address of host code for a region."""
    with _making:
        if region.name not in _loaded:
            code = kept(_file(region), lambda: generate.object_code(region))
            engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), generate.target_machine())
            engine.add_object_file(llvm.ObjectFileRef.from_data(code))
            engine.finalize_object()
            _loaded[region.name] = engine, engine.get_function_address(generate.NAME)
        return _loaded[region.name][1]
