"""PAPR hypercalls of the control plane: console, modes, pages, virtual processor areas (LoPAPR, Hypervisor Call
Functions).

Each takes its arguments from r4 on and returns the status for r3. A wrong argument is the caller's error: H_PARAMETER,
or the status that names the argument. RTAS has a module of its own (`rtas`).
"""

from collections.abc import Callable
from typing import Any

from irqvisor.hv import partition
from irqvisor.hv.control import rtas
from irqvisor.hv.control.console import terminal_call
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.hv.control.real_memory import number_at, offset_of, put
from irqvisor.hw.state import NOBODY
from irqvisor.spec import papr
from irqvisor.spec.power_isa import LPCR_AIL, LPCR_AIL_SHIFT, LPCR_ILE
from irqvisor.tables import Table

MASK64 = (1 << 64) - 1
RANDOM_STEP = 0x9E3779B97F4A7C15


def papr_call(plane: Plane, number: int) -> int:
    """A hypercall of a partition: what r3 is to be."""
    found = CALLS.get(number)
    return papr.H_FUNCTION if found is None else found(plane)


def argument(plane: Plane, register: int) -> int:
    """A register of the caller, unsigned."""
    return int(plane.cpu.gpr[register]) & MASK64


def answer(plane: Plane, register: int, value: int) -> None:
    """Give a 64-bit number back."""
    plane.cpu.gpr[register] = ((value & MASK64) ^ 1 << 63) - (1 << 63)


def server(plane: Plane, v: int) -> int:
    """A server number as a caller may give it; H_PARAMETER if there is none."""
    if v >= len(plane.views[Table.SERVER]):
        raise CallError(papr.H_PARAMETER)
    return v


def get_term_char(plane: Plane) -> int:
    """H_GET_TERM_CHAR: what was typed, up to 16 bytes; none is no error."""
    return terminal_call(plane, papr.H_GET_TERM_CHAR)


# ------------------------------------------------------------------------------------------------------- the processors
def set_sprg0(plane: Plane) -> int:
    """H_SET_SPRG0."""
    plane.cpu.sprg[0] = plane.cpu.gpr[4]
    return papr.H_SUCCESS


def set_dabr(plane: Plane) -> int:
    """H_SET_DABR: a POWER8 has no such register."""
    return papr.H_HARDWARE


def ipoll(plane: Plane) -> int:
    """H_IPOLL: what a server has pending, without taking it."""
    s = plane.views[Table.SERVER][server(plane, argument(plane, 4))]
    answer(plane, 4, int(s.cppr) << papr.XIRR_CPPR_SHIFT | int(s.xisr))
    answer(plane, 5, int(s.mfrr))
    return papr.H_SUCCESS


def prod(plane: Plane) -> int:
    """H_PROD: end another's sleep."""
    partition.prod(plane.arrays, plane.pcpu, server(plane, argument(plane, 4)))
    return papr.H_SUCCESS


def confer(plane: Plane) -> int:
    """H_CONFER: every vCPU has a pCPU of its own, so there is no time slice to give."""
    if argument(plane, 4) != MASK64:
        server(plane, argument(plane, 4))
    return papr.H_SUCCESS


def set_mode(plane: Plane) -> int:
    """H_SET_MODE: endianness and location of interrupts, for all processors of the partition."""
    flags, resource, first, second = (argument(plane, r) for r in range(4, 8))
    if resource not in (papr.SET_MODE_ENDIAN, papr.SET_MODE_AIL):
        return papr.H_P2
    if first != 0:
        return papr.H_P3
    if second != 0:
        return papr.H_P4
    if flags not in ((0, 1) if resource == papr.SET_MODE_ENDIAN else (0, 2, 3)):
        return papr.H_UNSUPPORTED_FLAG
    for cpu in plane.views[Table.CONTEXT]:
        if resource == papr.SET_MODE_ENDIAN:
            cpu.lpcr = cpu.lpcr | LPCR_ILE if flags else cpu.lpcr & ~LPCR_ILE
        else:
            cpu.lpcr = (cpu.lpcr & ~LPCR_AIL) | flags << LPCR_AIL_SHIFT
    return papr.H_SUCCESS


# ----------------------------------------------------------------------------------------------------------- the memory
def page_init(plane: Plane) -> int:
    """H_PAGE_INIT: clear or copy a page; a copy goes before a clear."""
    flags, to, source = (argument(plane, r) for r in range(4, 7))
    known = papr.PAGE_ZERO | papr.PAGE_COPY | papr.PAGE_ICACHE_INVALIDATE | papr.PAGE_ICACHE_SYNC
    if flags & ~known or to % papr.PAGE_BYTES:
        return papr.H_PARAMETER
    at = offset_of(plane, to, papr.PAGE_BYTES)
    page = bytes(papr.PAGE_BYTES)
    if flags & papr.PAGE_COPY:
        if source % papr.PAGE_BYTES:
            return papr.H_PARAMETER
        begin = offset_of(plane, source, papr.PAGE_BYTES)
        page = plane.arrays.ram[begin : begin + papr.PAGE_BYTES].tobytes()
    if flags & (papr.PAGE_COPY | papr.PAGE_ZERO):
        put(plane, at, page)
    return papr.H_SUCCESS


def random(plane: Plane) -> int:
    """H_RANDOM: the machine's own numbers, so that a run can be repeated (splitmix64: Steele, Lea, Flood, 2014)."""
    state = plane.views[Table.PARTITION][0]
    z = int(state.random) + RANDOM_STEP & MASK64
    state.random = (z ^ 1 << 63) - (1 << 63)
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK64
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK64
    answer(plane, 4, z ^ z >> 31)
    return papr.H_SUCCESS


# ---------------------------------------------------------------------------------------------- virtual processor areas
def register_vpa(plane: Plane) -> int:
    """H_REGISTER_VPA: areas that a processor shares with the hypervisor."""
    subfunction = argument(plane, 4) >> papr.VPA_SUBFUNCTION_SHIFT & 7
    v = server(plane, argument(plane, 5))
    found = AREAS.get(subfunction)
    if found is None:
        return papr.H_PARAMETER
    return found(plane, v, plane.views[Table.SERVER][v], argument(plane, 6))


def register_area(plane: Plane, v: int, s: Any, address: int) -> int:
    """The area itself. It says its size, and may not cross a page."""
    if address % papr.VPA_ALIGN:
        return papr.H_PARAMETER
    at = offset_of(plane, address, papr.VPA_MIN_BYTES)
    size = number_at(plane, at + papr.VPA_SIZE_AT, 2)
    if size < papr.VPA_MIN_BYTES or address % papr.VPA_PAGE + size > papr.VPA_PAGE:
        return papr.H_PARAMETER
    s.vpa = at
    if number_at(plane, at + papr.VPA_DISPATCH_AT, 4) % 2:
        partition.tell_dispatch(plane.arrays, v)
    return papr.H_SUCCESS


def deregister_area(plane: Plane, v: int, s: Any, address: int) -> int:
    """The area goes last; its counter stays odd, as of a processor that does not run."""
    if s.dtl != NOBODY or s.shadow != NOBODY:
        return papr.H_RESOURCE
    partition.tell_dispatch(plane.arrays, v)
    s.vpa = NOBODY
    return papr.H_SUCCESS


def register_dtl(plane: Plane, v: int, s: Any, address: int) -> int:
    """A dispatch trace log. Accepted, and never written."""
    return _register_log(plane, s, "dtl", address, papr.DTL_MIN_BYTES)


def deregister_dtl(plane: Plane, v: int, s: Any, address: int) -> int:
    """No dispatch trace log any more."""
    s.dtl = NOBODY
    return papr.H_SUCCESS


def register_shadow(plane: Plane, v: int, s: Any, address: int) -> int:
    """An SLB shadow. Accepted, and never read: there is no SLB."""
    return _register_log(plane, s, "shadow", address, papr.SHADOW_MIN_BYTES)


def deregister_shadow(plane: Plane, v: int, s: Any, address: int) -> int:
    """No SLB shadow any more."""
    s.shadow = NOBODY
    return papr.H_SUCCESS


def _register_log(plane: Plane, s: Any, name: str, address: int, least: int) -> int:
    size = number_at(plane, offset_of(plane, address, 8) + papr.AREA_SIZE_AT, 4)
    if size < least:
        return papr.H_PARAMETER
    offset_of(plane, address, size)
    if s.vpa == NOBODY:
        return papr.H_RESOURCE
    s[name] = address
    return papr.H_SUCCESS


AREAS: dict[int, Callable[[Plane, int, Any, int], int]] = {
    papr.VPA_REGISTER: register_area,
    papr.VPA_REGISTER_DTL: register_dtl,
    papr.VPA_REGISTER_SHADOW: register_shadow,
    papr.VPA_DEREGISTER: deregister_area,
    papr.VPA_DEREGISTER_DTL: deregister_dtl,
    papr.VPA_DEREGISTER_SHADOW: deregister_shadow,
}

CALLS: dict[int, Callable[[Plane], int]] = {
    papr.H_SET_SPRG0: set_sprg0,
    papr.H_SET_DABR: set_dabr,
    papr.H_PAGE_INIT: page_init,
    papr.H_GET_TERM_CHAR: get_term_char,
    papr.H_IPOLL: ipoll,
    papr.H_REGISTER_VPA: register_vpa,
    papr.H_CONFER: confer,
    papr.H_PROD: prod,
    papr.H_RANDOM: random,
    papr.H_SET_MODE: set_mode,
    papr.H_RTAS: rtas.call,
}
