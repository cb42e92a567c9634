"""How the hot loop calls host code that was generated for hot guest code (`translation/`).

A decoded page with host code has the operation HOST where such code begins, with its address as the immediate. The
page's last record says how far away its plain copy is. Host code is a function of

    machine, context, n, budget, address of the instruction, gate -> n, why it left

all int64 but the two pointers, with the meaning that they have in `stretch`. It completes instructions as `stretch`
would, and sets NIP. It leaves for where it has no code (ELSEWHERE); for an instruction of its page that no stretch
completes (STUCK); or because the count may not suffice for the next block (SHORT).

The *gate* is a compiled function's address (`interpreter`), or 0: there is none. It is given the machine, the context,
n, and the decoded record of an instruction that every interrupt needs and no stretch completes: a hypercall, the return
from an interrupt, `mtmsrd`. It does that, and returns a new budget for a count that begins again: then the context goes
on at NIP. Else 0, and the host code leaves (ANSWERED).
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from irqvisor._jit import NOJIT

ELSEWHERE, STUCK, SHORT, ANSWERED = range(4)

POINTER = ir.PointerType()
WORD = ir.IntType(64)
RESULT = ir.LiteralStructType([WORD, WORD])
GATE = ir.FunctionType(ir.IntType(32), [POINTER, POINTER, POINTER, POINTER, WORD, POINTER])
"""As Numba has it: first of all comes where the result goes, then an exception; a status is returned."""
SIGNATURE = ir.FunctionType(RESULT, [POINTER, POINTER, WORD, WORD, WORD, WORD])


@intrinsic
def _call(typingctx: Any, address: Any, m: Any, cpu: Any, n: Any, budget: Any, nip: Any, gate: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], SIGNATURE.as_pointer())
        result = builder.call(function, args[1:])
        return context.make_tuple(
            builder, signature.return_type, [builder.extract_value(result, 0), builder.extract_value(result, 1)]
        )

    numbers = [types.int64] * 4
    return types.UniTuple(types.int64, 2)(types.int64, m, cpu, *numbers), codegen


@intrinsic
def _pass(typingctx: Any, gate: Any, m: Any, cpu: Any, n: Any, d: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        answer, raised = cgutils.alloca_once(builder, WORD), cgutils.alloca_once(builder, POINTER)
        function = builder.inttoptr(args[0], GATE.as_pointer())
        builder.call(function, [answer, raised, *args[1:]])
        return builder.load(answer, typ=WORD)

    return types.int64(types.int64, m, cpu, types.int64, d), codegen


@intrinsic
def _address(typingctx: Any, gate: Any, m: Any, cpu: Any, d: Any) -> Any:
    arguments = (m, cpu, types.int64, d)
    gate.get_call_type(typingctx, arguments, {})
    compiled = gate.dispatcher.overloads[arguments]

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        context.active_code_library.add_linking_library(compiled.library)
        return builder.ptrtoint(context.declare_function(builder.module, compiled.fndesc), WORD)

    return types.int64(gate, m, cpu, d), codegen


def _never(*_: Any) -> Any:
    raise AssertionError("plain Python has no host code")


def _nowhere(*_: Any) -> int:
    return 0


call_host = _never if NOJIT else _call
call_gate = _never if NOJIT else _pass
gate_address = _nowhere if NOJIT else _address
"""The address of a gate; the others say of what types its arguments are."""
