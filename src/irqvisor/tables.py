"""The machine is one buffer: tables of records behind a directory.

A machine's state is a single array of bytes. It begins with a directory, one (offset, length) pair a table, and
holds each table as consecutive records. So a snapshot is one copy, a fork is one copy, equality is equality of
bytes, and compiled functions carry one array instead of twenty. Lengths come from the scenario and are data: the
compiled code never depends on them.

Modules that own state declare their record and get an accessor::

    VCPU = np.dtype([("runnable", "i8"), ...])
    vcpu = table(Table.VCPU, VCPU)      # in compiled code: v = vcpu(m, 3); v.runnable = 1

What an accessor returns is a reference into the buffer, in compiled code and in plain Python alike. With
``NUMBA_BOUNDSCHECK=1`` compiled accessors check the index.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr, models, register_model

from irqvisor._fields import Record
from irqvisor._jit import BOUNDSCHECK, NOJIT

ALIGN = 64
"""Tables begin at multiples of this many bytes: a cache line, so that no two tables share one."""


class Table(IntEnum):
    """Every table of a machine, in buffer order. First two that are observation, but of one record each: so compiled
    code knows where they are, and what follows up to the first table of any length. Then behaviour, then observation,
    then caches."""

    REQUEST = 0
    OBSERVED = 1
    HEADER = 2
    PCPU = 3
    CONTEXT = 4
    REGION = 5
    PIC = 6
    PIC_CPU = 7
    PIC_SOURCE = 8
    XIVE_SOURCE = 9
    XIVE_QUEUE = 10
    XIVE_VP = 11
    XIVE_RING = 12
    POSTED_SOURCE = 13
    POSTED_VP = 14
    EVENT = 15
    SOURCE = 16
    ARRIVAL = 17
    DOMAIN = 18
    VCPU = 19
    PORT = 20
    PIRQ = 21
    PARTITION = 22
    SERVER = 23
    ICS = 24
    PRINTED = 25
    PCPU_COUNT = 26
    CONTEXT_COUNT = 27
    DOMAIN_COUNT = 28
    JOURNEY = 29
    POSTED = 30
    LOG = 31
    BREAKPOINT = 32
    CODEMAP = 33


FIRST_BEHAVIOUR = Table.HEADER
"""From here on, up to FIRST_OBSERVATION, tables decide what happens; a digest covers them."""

FIRST_OBSERVATION = Table.PRINTED
"""Tables from here on say what was seen, as those before the behaviour do; they never change what happens, and digests
leave them out."""

FIRST_OF_ANY_LENGTH = Table.PCPU
"""Tables before this one have one record."""

FIRST_CACHE = Table.CODEMAP
"""Tables from here on can be rebuilt from the rest."""

DIRECTORY_BYTES = 16 * len(Table)

CODE = np.dtype(
    [
        ("op", "u2"),  # dense operation id of hw/ops.py; 0 = not decoded yet
        ("t", "u1"),  # target register, 0..31
        ("a", "u1"),  # first operand register; 32 reads as zero
        ("c", "u1"),  # second operand register; 32 reads as zero
        ("x", "u1"),  # a small extra field: CR field, BO, mask ...
        ("imm", "i8"),  # immediate, added to the second operand
    ],
    align=True,
)
"""One decoded instruction word."""


class Arrays(NamedTuple):
    """What compiled functions receive as ``m``: all of a machine, and nothing else."""

    state: np.ndarray[Any, Any]  # u1, the buffer that this module lays out
    ram: np.ndarray[Any, Any]  # u1, guest memory, domain after domain
    code: np.ndarray[Any, Any]  # CODE, decoded pages; a cache


DTYPES: dict[Table, np.dtype[Any]] = {}
"""Filled by `table`: the record of each table."""


def table(number: Table, dtype: np.dtype[Any]) -> Any:
    """Declare a table; returns its accessor ``(m, index) -> record reference``, for compiled code and plain Python."""
    clash = [name for name in dtype.names or () if hasattr(np.void, name)]
    if clash:  # in plain Python a record's attribute would be NumPy's
        raise NameError(f"table {number.name}: NumPy's records have attributes called {', '.join(clash)}")
    DTYPES[number] = dtype
    return _plain(number) if NOJIT else _compiled(number, dtype)


def _plain(number: Table) -> Any:
    def at(m: Arrays, index: int) -> Any:
        return m.state.table(number)[index]  # type: ignore[attr-defined]  # a `Buffer`, see `arrays`

    return at


def _compiled(number: Table, dtype: np.dtype[Any]) -> Any:
    record = Record(number.name, dtype)
    size = dtype.itemsize
    slot = 2 * int(number)

    @intrinsic
    def at(typingctx: Any, m: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            int64 = context.get_value_type(types.int64)
            base = _array(context, builder, signature.args[0], args[0], STATE).data
            directory = builder.bitcast(base, int64.as_pointer())
            if number <= FIRST_OF_ANY_LENGTH:
                offset = context.get_constant(types.int64, _offsets({}, number)[number])
            else:
                offset = _constant_load(builder, builder.gep(directory, [context.get_constant(types.intp, slot)]))
            if BOUNDSCHECK:
                length = builder.load(builder.gep(directory, [context.get_constant(types.intp, slot + 1)]))
                with builder.if_then(builder.icmp_unsigned(">=", args[1], length), likely=False):
                    message = (f"no record of that index in table {number.name}",)
                    context.call_conv.return_user_exc(builder, IndexError, message)
            at_byte = builder.add(offset, builder.mul(args[1], context.get_constant(types.int64, size)))
            return builder.bitcast(builder.gep(base, [at_byte]), context.get_value_type(record))

        return record(m, types.int64), codegen

    return at


STATE, RAM, POOL = range(3)
"""Places of the arrays in `Arrays`."""


class Handle(types.Type):
    """What ``m`` is inside compiled code: one pointer to the three arrays, so that a call passes one word, and an
    access counts no references. Made by `borrow`; looks like `Arrays`."""

    def __init__(self) -> None:
        super().__init__(name="Machine")


HANDLE = Handle()
BYTES = types.Array(types.uint8, 1, "C")
WORDS = types.Array(numba.from_dtype(CODE), 1, "C")
PARTS = types.Tuple((BYTES, BYTES, WORDS))

register_model(Handle)(models.OpaqueModel)


@infer_getattr
class _HandleAttributes(AttributeTemplate):
    """Types of m.state, m.ram and m.code."""

    key = Handle

    def resolve_state(self, m: Any) -> Any:
        return BYTES

    def resolve_ram(self, m: Any) -> Any:
        return BYTES

    def resolve_code(self, m: Any) -> Any:
        return WORDS


def _constant_load(builder: Any, pointer: Any) -> Any:
    """Load what does not change while compiled code runs, and tell LLVM: it then loads once, not after every store."""
    value = builder.load(pointer)
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


def _array(context: Any, builder: Any, kind: Any, m: Any, place: int) -> Any:
    """One of the arrays of a machine, given as a handle or as `Arrays`."""
    if isinstance(kind, Handle):
        parts = builder.bitcast(m, context.get_value_type(PARTS).as_pointer())
        array = context.make_array(PARTS.types[place])(
            context, builder, _constant_load(builder, cgutils.gep_inbounds(builder, parts, 0, place))
        )
        _disown(array)
        return array
    return context.make_array(kind.types[place])(context, builder, builder.extract_value(m, place))


def _disown(array: Any) -> None:
    """Count no references: who calls compiled code keeps the arrays alive."""
    array.meminfo = cgutils.get_null_value(array.meminfo.type)
    array.parent = cgutils.get_null_value(array.parent.type)


def _lower_attribute(name: str, place: int) -> None:
    @lower_getattr(Handle, name)
    def attribute(context: Any, builder: Any, kind: Any, m: Any) -> Any:
        return _array(context, builder, kind, m, place)._getvalue()  # noqa: SLF001  Numba's own name


for _name, _place in (("state", STATE), ("ram", RAM), ("code", POOL)):
    _lower_attribute(_name, _place)


@intrinsic
def _handle(typingctx: Any, m: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        parts = args[0]
        for place in range(len(signature.args[0].types)):
            array = _array(context, builder, signature.args[0], parts, place)
            _disown(array)
            parts = builder.insert_value(parts, array._getvalue(), place)  # noqa: SLF001  Numba's own name
        kept = cgutils.alloca_once(builder, context.get_value_type(PARTS))
        for place in range(len(signature.args[0].types)):
            builder.store(builder.extract_value(parts, place), cgutils.gep_inbounds(builder, kept, 0, place))
        handle = builder.bitcast(kept, context.get_value_type(HANDLE))
        # LLVM must not see through the pointer: for it, what constant loads find was there all the time
        same = ir.FunctionType(handle.type, [handle.type])
        return builder.asm(same, "", "=r,0,~{memory}", [handle], side_effect=True)

    return HANDLE(m), codegen


def _itself(m: Arrays) -> Arrays:
    return m


borrow = _itself if NOJIT else _handle
"""``m`` for the inside of an @entry function, which must outlive its use: the first line of each."""


class Buffer(np.ndarray[Any, Any]):
    """The state buffer in plain Python mode: remembers its tables, so that an access is one look-up."""

    def table(self, number: Table) -> np.ndarray[Any, Any]:
        known = self.__dict__.setdefault("known", {})
        if number not in known:
            known[number] = view(np.asarray(self), number)
        return known[number]


def view(state: np.ndarray[Any, Any], number: Table) -> np.ndarray[Any, Any]:
    """The records of one table, as a recarray over the buffer (no copy)."""
    offset, length = (int(x) for x in state[16 * number : 16 * number + 16].view(np.int64))
    dtype = DTYPES[number]
    return state[offset : offset + length * dtype.itemsize].view(dtype).view(np.recarray)


class Views:
    """Python's side of a state buffer: ``views[Table.PCPU][0].now``. Records are references, as in compiled code."""

    def __init__(self, state: np.ndarray[Any, Any]) -> None:
        self._state = state
        self._known: dict[Table, np.ndarray[Any, Any]] = {}

    def __getitem__(self, number: Table) -> Any:
        """The records of a table: a recarray, whose fields no type checker knows."""
        if number not in self._known:
            self._known[number] = view(self._state, number)
        return self._known[number]


def lengths(state: np.ndarray[Any, Any]) -> dict[Table, int]:
    """How many records each table of a buffer has."""
    directory = state[:DIRECTORY_BYTES].view(np.int64)
    return {number: int(directory[2 * number + 1]) for number in Table}


def grown(state: np.ndarray[Any, Any], number: Table, length: int) -> np.ndarray[Any, Any]:
    """A copy of a buffer with one table longer; the new records are zero."""
    wanted = lengths(state)
    wanted[number] = length
    fresh = allocate(wanted)
    for each, count in lengths(state).items():
        view(fresh, each)[:count] = view(state, each)
    return fresh


def allocate(lengths: dict[Table, int]) -> np.ndarray[Any, Any]:
    """A zeroed buffer with the given number of records in each table (absent: none, or the one that it always has). The
    only maker of machines."""
    offsets = _offsets(lengths)
    directory = np.zeros(2 * len(Table), np.int64)
    directory[::2] = offsets[:-1]
    directory[1::2] = [_length(lengths, number) for number in Table]
    state = np.zeros(offsets[-1], np.uint8)
    state[:DIRECTORY_BYTES] = directory.view(np.uint8)
    return state


def _length(lengths: dict[Table, int], number: Table) -> int:
    return 1 if number < FIRST_OF_ANY_LENGTH else lengths.get(number, 0)


def _offsets(lengths: dict[Table, int], end: int = len(Table)) -> list[int]:
    """Where each table begins, up to `end`, and where that begins: after the last one the buffer ends."""
    offsets = [_aligned(DIRECTORY_BYTES)]
    for number in list(Table)[:end]:
        offsets.append(_aligned(offsets[-1] + _length(lengths, number) * DTYPES[number].itemsize))
    return offsets


def behaviour(state: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The part of the buffer that decides what happens next: all that a digest covers, beside memory."""
    directory = state[:DIRECTORY_BYTES].view(np.int64)
    return state[int(directory[2 * FIRST_BEHAVIOUR]) : int(directory[2 * FIRST_OBSERVATION])]


def arrays(state: np.ndarray[Any, Any], ram: np.ndarray[Any, Any], code: np.ndarray[Any, Any]) -> Arrays:
    """The value that compiled functions take as ``m``."""
    if NOJIT:
        return Arrays(state.view(Buffer), ram, code.view(np.recarray))
    return Arrays(state, ram, code)


def _aligned(offset: int) -> int:
    return -(-offset // ALIGN) * ALIGN
