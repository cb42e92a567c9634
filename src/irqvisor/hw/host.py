"""How the hot loop calls host code that was generated for hot guest code (`translation/`).

A decoded page with host code has the operation HOST where such code begins, with its address as the immediate. The
page's last record says how far away its plain copy is. Host code is a function of

    machine, context, n, budget, address of the instruction, top -> n, why it left

all int64 but the two pointers, with the meaning that they have in `stretch`. It completes instructions as `stretch`
would, and sets NIP. It leaves for where it has no code (ELSEWHERE); for an instruction of its page that no stretch
completes (STUCK); or because the count may not suffice for the next block (SHORT).
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from irqvisor._jit import NOJIT

ELSEWHERE, STUCK, SHORT = range(3)

POINTER = ir.PointerType()
WORD = ir.IntType(64)
RESULT = ir.LiteralStructType([WORD, WORD])
SIGNATURE = ir.FunctionType(RESULT, [POINTER, POINTER, WORD, WORD, WORD, WORD])


@intrinsic
def _call(typingctx: Any, address: Any, m: Any, cpu: Any, n: Any, budget: Any, pc: Any, top: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], SIGNATURE.as_pointer())
        result = builder.call(function, args[1:])
        return context.make_tuple(
            builder, signature.return_type, [builder.extract_value(result, 0), builder.extract_value(result, 1)]
        )

    numbers = [types.int64] * 4
    return types.UniTuple(types.int64, 2)(types.int64, m, cpu, *numbers), codegen


def _never(*_: Any) -> Any:
    raise AssertionError("plain Python has no host code")


call_host = _never if NOJIT else _call
