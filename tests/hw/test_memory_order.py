"""Every load and store of the run loop against Unicorn, in both byte orders and both widths of addresses."""

import numpy as np
import pytest
from unicorn import ppc_const as ppc

from hw.bench import MASK64, START, Bench, signed
from hw.encode import random_word
from hw.ref_unicorn import CODE, GPRS, Reference
from irqvisor._jit import NOJIT
from irqvisor.hw import ops
from irqvisor.hw.decode import INSTRUCTIONS, Row
from irqvisor.hw.state import ISA_300
from irqvisor.spec.power_isa import MSR_HV, MSR_LE, MSR_ME, MSR_SF

CASES = 4 if NOJIT else 20
DATA, DATA_BYTES = 0x3000, 0x800
ROWS = [
    row
    for row in INSTRUCTIONS
    if ops.LBZ <= row.op < ops.MEM_END or ops.UPDATE_FIRST <= row.op < ops.UPDATE_END or row.op in (ops.LQ, ops.STQ)
]


QUADS = (ops.LQ, ops.STQ)


def case(rng: np.random.Generator, row: Row) -> tuple[int, list[int]]:
    """A word whose address is in the middle of DATA, and the registers that make it so."""
    t, a, b = 0, 0, 0
    while a in {0, t, t | 1, b} or (row.op in QUADS and t & 1):
        word = random_word(rng, row)
        t, a, b = word >> 21 & 31, word >> 16 & 31, (word >> 11 & 31 if row.primary == 31 else 0)
    registers = [int(rng.integers(1 << 64, dtype=np.uint64)) for _ in range(32)]
    middle = DATA + DATA_BYTES // 2 + 16 * int(rng.integers(8)) + (0 if row.op in QUADS else int(rng.integers(16)))
    if row.primary == 31:
        offset = registers[b]
    else:
        low = word & {"DS": 0xFFFC, "DQ": 0xFFF0}.get(row.form[:2], 0xFFFF)
        offset = (low ^ 0x8000) - 0x8000
    registers[a] = middle - offset & MASK64
    return word, registers


def theirs(
    reference: Reference, word: int, registers: list[int], memory: bytes, msr: int, order: str
) -> tuple[list[int], bytes]:
    uc = reference.uc
    uc.reg_write(ppc.UC_PPC_REG_MSR, msr & MASK64)
    for number, value in zip(GPRS, registers, strict=True):
        uc.reg_write(number, value)
    uc.mem_write(DATA, memory)
    uc.mem_write(CODE, word.to_bytes(4, order))
    uc.ctl_remove_cache(CODE, CODE + 4)
    uc.emu_start(CODE, CODE + 4, count=1)
    return [uc.reg_read(number) & MASK64 for number in GPRS], bytes(uc.mem_read(DATA, DATA_BYTES))


@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize("sf", [True, False], ids=["64-bit", "32-bit"])
def test_loads_and_stores_agree_with_unicorn(order: str, sf: bool) -> None:
    rng = np.random.default_rng(1904)
    reference = Reference()
    mode = MSR_LE if order == "little" else 0
    bench = Bench(isa=ISA_300)
    for row in ROWS:
        for _ in range(CASES):
            word, registers = case(rng, row)
            memory = rng.bytes(DATA_BYTES)
            bench.poke(DATA, memory)
            bench.put(START, word, little=order == "little")
            bench.cpu.gpr[:32] = [signed(value) for value in registers]
            bench.set(nip=START, msr=(MSR_SF if sf else 0) | MSR_HV | MSR_ME | mode)
            bench.step()
            assert bench.pc == START + 4, (row, hex(word))
            after = [bench.r(n) for n in range(32)], bench.ram[bench.base + DATA :][:DATA_BYTES].tobytes()
            assert after == theirs(reference, word, registers, memory, (MSR_SF if sf else 0) | mode, order), (
                row,
                hex(word),
            )
