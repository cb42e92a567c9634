"""How compiled code reaches the fields of records: LLVM is told that no two of them share memory.

All tables of a machine lie in one array of bytes. For all that LLVM sees there, whatever is written to one record may
change any other, and what was read before has to be read again. Here every access says which field of which table it
is of (metadata ``tbaa``), so a charge of cycles does not make anybody read the scheduler's state anew. Numba's own
accesses say nothing, and still go together with all.

In compiled code an index is never negative: nobody counts from the end.
"""

import operator
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, lower_getattr_generic, lower_setattr_generic, models, register_model
from numba.np.arrayobj import record_getattr

from irqvisor._jit import BOUNDSCHECK


class Record(types.Record):
    """A record of the table `owner`."""

    def __init__(self, owner: str, dtype: np.dtype[Any]) -> None:
        plain = numba.from_dtype(dtype)
        fields: list[tuple[str, Any]] = []
        for name, field in plain.fields.items():
            kind = field.type
            if isinstance(kind, types.NestedArray) and kind.ndim == 1:
                kind = Row(f"{owner}.{name}", kind)
            fields.append((name, {"type": kind, "offset": field.offset, "alignment": field.alignment}))
        super().__init__(fields, plain.size, plain.aligned)
        self.owner = owner
        self.name = f"record_{owner}"

    def can_convert_to(self, typingctx: Any, other: Any) -> None:
        """To none, though their fields be the same."""


class Row(types.NestedArray):
    """A field of one dimension, `owner` being its table and name."""

    def __init__(self, owner: str, array: types.NestedArray) -> None:
        super().__init__(array.dtype, array.shape)
        self.owner = owner
        self.name = f"row_{owner}"

    @property
    def key(self) -> Any:
        """Rows are the same if they are the same field."""
        return self.name


register_model(Record)(models.RecordModel)
register_model(Row)(models.NestedArrayModel)


def mark(builder: Any, access: Any, owner: str) -> None:
    """Say of a load or store which memory it is of: accesses of different owners never meet."""
    root = builder.module.add_metadata(["irqvisor"])
    kind = builder.module.add_metadata([owner, root, ir.Constant(ir.IntType(64), 0)])
    access.set_metadata("tbaa", builder.module.add_metadata([kind, kind, ir.Constant(ir.IntType(64), 0)]))


def _place(context: Any, builder: Any, kind: Record, record: Any, name: str) -> Any:
    return cgutils.get_record_member(builder, record, kind.offset(name), context.get_data_type(kind.typeof(name)))


@lower_getattr_generic(Record)
def _get(context: Any, builder: Any, kind: Any, record: Any, name: str) -> Any:
    if isinstance(kind.typeof(name), types.NestedArray):
        return record_getattr(context, builder, kind, record, name)
    value = builder.load(_place(context, builder, kind, record, name))
    mark(builder, value, f"{kind.owner}.{name}")
    return value


@lower_setattr_generic(Record)
def _set(context: Any, builder: Any, signature: Any, args: Any, name: str) -> None:
    kind, given = signature.args
    value = context.cast(builder, args[1], given, kind.typeof(name))
    mark(builder, builder.store(value, _place(context, builder, kind, args[0], name)), f"{kind.owner}.{name}")


def _element(context: Any, builder: Any, kind: Row, row: Any, index: Any, given: Any) -> Any:
    array = context.make_array(kind)(context, builder, row)
    at = context.cast(builder, index, given, types.intp)
    if BOUNDSCHECK:
        cgutils.do_boundscheck(context, builder, at, context.get_constant(types.intp, kind.shape[0]), 0)
    return builder.gep(array.data, [at])


@lower_builtin(operator.getitem, Row, types.Integer)
def _get_item(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind, given = signature.args
    value = builder.load(_element(context, builder, kind, args[0], args[1], given))
    mark(builder, value, kind.owner)
    return value


@lower_builtin(operator.setitem, Row, types.Integer, types.Any)
def _set_item(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind, given, value_kind = signature.args
    value = context.cast(builder, args[2], value_kind, kind.dtype)
    mark(builder, builder.store(value, _element(context, builder, kind, args[0], args[1], given)), kind.owner)
    return context.get_dummy_value()
