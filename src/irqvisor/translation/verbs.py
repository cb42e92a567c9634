"""The hot loop's verbs as LLVM's intermediate code, for use in other code: `complete`, `branch`, `near` and
`pass_gate`.

They are what the interpreter itself is made of. Given a constant record they shrink to what that one instruction does.
The code is made once and kept in the cache folder, beside the compiled entries.
"""

from typing import Any

import numba
from numba import types

from irqvisor._fields import Record
from irqvisor._link import program
from irqvisor.hw.branch import branch
from irqvisor.hw.state import CONTEXT
from irqvisor.hw.stretch import complete, near, pass_gate
from irqvisor.tables import CODE, HANDLE, Table
from irqvisor.translation.cache import kept

_RECORD = numba.from_dtype(CODE)
_CPU = Record(Table.CONTEXT.name, CONTEXT)
_I = types.int64

VERBS = {
    "complete": (complete, (HANDLE, _CPU, _I, _RECORD, _I, _I, _I, _I)),
    "branch": (branch, (_CPU, _I, _RECORD, _I, _I)),
    "pass_gate": (pass_gate, (HANDLE, _CPU, _I, _RECORD, _I)),
    "near": (near, (_CPU, _I, _RECORD, _I, _I, _I)),
}
"""Each verb, and the types of what it is given: first of all comes where its result goes, then Numba's exception."""


def bitcode() -> bytes:
    """A module with the verbs by name, everything they call included."""
    return kept("verbs.bc", _make)


def _make() -> bytes:
    made: bytes = program({name: _compiled(*what) for name, what in VERBS.items()}).as_bitcode()
    return made


def _compiled(dispatcher: Any, signature: tuple[Any, ...]) -> Any:
    dispatcher.compile(signature)
    return dispatcher.overloads[signature]
