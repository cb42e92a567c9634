"""Where things are while a sequence runs, the same in irqvisor and in every reference, and the state that is compared.

IN, OUT, scratch memory and code follow each other, so that one read fills them and one write sends them. All are below
0x8000, where a displacement alone reaches.
"""

import struct
from dataclasses import dataclass, field

from hw import asm

IN = 0x1800
"""Registers before: 32 general ones, CR, XER, LR, CTR, TAR."""
OUT = 0x1A00
"""The same after, and then the address of what raised a signal, and the signal."""
SCRATCH = 0x1C00
SCRATCH_BYTES = 0x400
CODE = 0x2000
CODE_BYTES = 0x800
STUBS = 0x3000
"""Where a reference has code of its own."""
RAM_BYTES = 0x8000
RECORD_BYTES = CODE + CODE_BYTES - IN
RESULT_BYTES = SCRATCH + SCRATCH_BYTES - OUT

MTCR = 0x7C0FF120
MFCR = 0x7C000026
SPECIAL = (1, 8, 9, 815)
"""XER, LR, CTR, TAR, in the order of the records. A 970 has no TAR."""
PLACE_CR = 8 * 32
PLACE_PC, PLACE_SIGNAL = 8 * 37, 8 * 38


@dataclass
class State:
    """What a sequence may read or change, as unsigned numbers."""

    gpr: list[int] = field(default_factory=lambda: [0] * 32)
    cr: int = 0
    xer: int = 0
    lr: int = 0
    ctr: int = 0
    tar: int = 0
    pc: int = CODE
    memory: bytes = bytes(SCRATCH_BYTES)
    ended: str = ""  # "end": behind the last instruction; else what stopped it, at pc


def pack(before: State, words: list[int], *, little: bool) -> bytes:
    """Memory from IN on, to the end of the code."""
    end = "<" if little else ">"
    registers = struct.pack(f"{end}37Q", *before.gpr, before.cr, before.xer, before.lr, before.ctr, before.tar)
    code = struct.pack(f"{end}{len(words)}I", *words)
    return registers.ljust(SCRATCH - IN, b"\0") + before.memory + code.ljust(CODE_BYTES, b"\0")


def unpack(data: bytes, *, little: bool) -> tuple[State, int]:
    """The state of memory from OUT on, and the signal, 0 if there was none."""
    *gpr, cr, xer, lr, ctr, tar, pc, signal = struct.unpack_from(f"{'<' if little else '>'}39Q", data)
    return State(gpr, cr & 0xFFFFFFFF, xer & 0xFFFFFFFF, lr, ctr, tar, pc, bytes(data[SCRATCH - OUT :])), signal


def load_registers(at: int, *, has_tar: bool) -> list[int]:
    """Instructions at `at` that fill every register from IN and go to the code: displacements reach without a base."""
    words = [asm.ld(0, IN + PLACE_CR, 0), MTCR]
    for k, number in enumerate(SPECIAL[: 3 + has_tar]):
        words += [asm.ld(0, IN + PLACE_CR + 8 + 8 * k, 0), asm.mtspr(number, 0)]
    words += [asm.li(0, 0), asm.std(0, OUT + PLACE_PC, 0), asm.std(0, OUT + PLACE_SIGNAL, 0)]
    words += [asm.ld(r, IN + 8 * r, 0) for r in (*range(1, 32), 0)]
    return [*words, asm.b(CODE - at - 4 * len(words))]


def store_registers(*, has_tar: bool) -> list[int]:
    """Instructions that put every register to OUT."""
    words = [asm.std(r, OUT + 8 * r, 0) for r in range(32)]
    words += [MFCR, asm.std(0, OUT + PLACE_CR, 0)]
    for k, number in enumerate(SPECIAL[: 3 + has_tar]):
        words += [asm.mfspr(0, number), asm.std(0, OUT + PLACE_CR + 8 + 8 * k, 0)]
    return words
