"""Big-endian loads and stores of RAM, aligned or not: a byte offset in, an int64 out (zero-extended).

Assembled from bytes this is one instruction too, as long as the bytes stay together: in the run loop LLVM hoists the
first byte out of the different widths and then loads all of them one by one (a doubleword took 26 instructions). So
compiled code uses one wide access and a byte swap; plain Python, and compiled code that checks bounds, uses bytes.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from irqvisor._fields import mark
from irqvisor._jit import BOUNDSCHECK, NOJIT, hot
from irqvisor.spec.bits import i8, u8


def _address(context: Any, builder: Any, signature: Any, args: Any, bits: int) -> Any:
    """A pointer to `bits` bits at byte offset args[1] of the array args[0]."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(bits).as_pointer())


def _wide_load(bits: int) -> Any:
    @intrinsic
    def wide(typingctx: Any, ram: Any, a: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = builder.load(_address(context, builder, signature, args, bits), align=1)
            mark(builder, value, "RAM")
            if bits > 8:
                value = builder.bswap(value)
            return builder.zext(value, ir.IntType(64)) if bits < 64 else value

        return types.int64(ram, types.int64), codegen

    return wide


def _wide_store(bits: int) -> Any:
    @intrinsic
    def wide(typingctx: Any, ram: Any, a: Any, v: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = builder.trunc(args[2], ir.IntType(bits)) if bits < 64 else args[2]
            if bits > 8:
                value = builder.bswap(value)
            mark(builder, builder.store(value, _address(context, builder, signature, args, bits), align=1), "RAM")
            return context.get_dummy_value()

        return types.none(ram, types.int64, types.int64), codegen

    return wide


def _byte_load(size: int) -> Any:
    @hot
    def assembled(ram, a):
        value = 0
        for k in range(size):
            value = (value << 8) | i8(ram[u8(a + k)])
        return value

    return assembled


def _byte_store(size: int) -> Any:
    @hot
    def taken_apart(ram, a, v):
        for k in range(size):
            ram[u8(a + k)] = (v >> (8 * (size - 1 - k))) & 0xFF

    return taken_apart


if NOJIT or BOUNDSCHECK:
    load8, load16, load32, load64 = (_byte_load(size) for size in (1, 2, 4, 8))
    store8, store16, store32, store64 = (_byte_store(size) for size in (1, 2, 4, 8))
else:
    load8, load16, load32, load64 = (_wide_load(bits) for bits in (8, 16, 32, 64))
    store8, store16, store32, store64 = (_wide_store(bits) for bits in (8, 16, 32, 64))
