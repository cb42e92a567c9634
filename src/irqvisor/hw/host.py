"""How the hot loop calls host code that was generated for hot guest code (`translation/`).

A decoded page with host code has the operation HOST where such code begins, with its address as the immediate. The
page's last record says how far away its plain copy is. Host code is a function of

    machine, context, n, budget, word of the page, address of the instruction, top -> n, word to go on at

all int64 but the two pointers, with the meaning that they have in `stretch`. It completes instructions as `stretch`
would, until the count may not suffice for a block, or it meets a word that it does not hold. With STUCK in its answer
the word to go on at is one that no stretch completes. GONE in place of a word: NIP is in another page.
"""

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from irqvisor._jit import NOJIT

GONE = -1
STUCK = 1 << 16

KEEPERS = ("x86_64", "amd64", "aarch64", "arm64")
"""Processors, by the names that systems have for them, for which LLVM knows that convention."""
CALLING_CONVENTION = "preserve_mostcc" if platform.machine().lower() in KEEPERS else ""
"""The callee keeps nearly every register, so that a call in the hot loop costs it none."""

POINTER = ir.PointerType()
WORD = ir.IntType(64)
RESULT = ir.LiteralStructType([WORD, WORD])
SIGNATURE = ir.FunctionType(RESULT, [POINTER, POINTER, WORD, WORD, WORD, WORD, WORD])


@intrinsic
def _call(typingctx: Any, address: Any, m: Any, cpu: Any, n: Any, budget: Any, word: Any, pc: Any, top: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], SIGNATURE.as_pointer())
        result = builder.call(function, args[1:], cconv=CALLING_CONVENTION)
        return context.make_tuple(
            builder, signature.return_type, [builder.extract_value(result, 0), builder.extract_value(result, 1)]
        )

    numbers = [types.int64] * 5
    return types.UniTuple(types.int64, 2)(types.int64, m, cpu, *numbers), codegen


def _never(*_: Any) -> Any:
    raise AssertionError("plain Python has no host code")


call_host = _never if NOJIT else _call
