"""Run single instructions that touch no memory, many at once, each in a context of its own."""

import numpy as np

import irqvisor.hv.state
import irqvisor.hw.wiring
import irqvisor.trace  # noqa: F401  a buffer has every table
from hw.ref_unicorn import CODE, MASK64, Registers
from irqvisor import tables
from irqvisor._jit import entry
from irqvisor.hw import ops
from irqvisor.hw.alu import alu
from irqvisor.hw.branch import branch
from irqvisor.hw.carry import carry, record
from irqvisor.hw.condition import condition
from irqvisor.hw.decode import ISA_300, decode, exchange
from irqvisor.hw.state import context
from irqvisor.spec.bits import add, i8
from irqvisor.spec.power_isa import MSR_SF
from irqvisor.tables import Table

ALU_END, MEM_END, BRANCH_END = ops.ALU_END, ops.MEM_END, ops.BRANCH_END
CONDITION_END, CARRY_END, RC = ops.CONDITION_END, ops.CARRY_END, ops.RC


@entry
def decode_all(words, isa, code):
    """Decode each word into the record of the same number."""
    for k in range(len(words)):
        decode(words[k], isa, code[k])


@entry
def decode_all_little(words, isa, code):
    """The same in little-endian mode."""
    for k in range(len(words)):
        decode(words[k], isa, code[k])
        exchange(code[k])


@entry
def execute_all(m, count):
    """Execute record `k` on context `k`, as the run loop does. Operations of other groups leave NIP at -1."""
    for k in range(count):
        cpu = context(m, k)
        g = cpu.gpr
        d = m.code[k]
        sf = cpu.msr & MSR_SF
        op = i8(d.op)
        plain = op & ~RC
        y = add(g[d.c], d.imm)
        pc = cpu.nip
        cpu.nip = pc + 4
        if plain < ALU_END:
            g[d.t] = alu(plain, g[d.a], y, i8(d.x))
        elif plain < MEM_END:
            cpu.nip = -1
        elif plain < BRANCH_END:
            cpu.nip = branch(cpu, op, d, pc, sf)
        elif plain < CONDITION_END:
            condition(cpu, op, d, g[d.a], y, pc)
        elif plain < CARRY_END:
            g[d.t] = carry(cpu, plain, g[d.a], y, i8(d.x), sf)
        else:
            cpu.nip = -1
        if op & RC != 0:
            record(cpu, g[d.t], sf)


def decoded(words: list[int], isa: int = ISA_300, *, little: bool = False) -> np.recarray:
    """The CODE record of each word."""
    code = np.zeros(max(len(words), 1), tables.CODE).view(np.recarray)
    (decode_all_little if little else decode_all)(np.array(words, np.int64), isa, code)
    return code


def execute(words: list[int], before: list[Registers], *, sf: bool = True, isa: int = ISA_300) -> list[Registers]:
    """The registers after each instruction. The PC of an instruction of another group is 2**64 - 1."""
    state = tables.allocate({Table.HEADER: 1, Table.PCPU: 1, Table.CONTEXT: len(words)})
    at = tables.view(state, Table.CONTEXT)
    at.gpr[:, :32] = np.array([r.gpr for r in before], np.uint64).view(np.int64)
    at.lr = np.array([r.lr for r in before], np.uint64).view(np.int64)
    at.ctr = np.array([r.ctr for r in before], np.uint64).view(np.int64)
    cr = np.array([r.cr for r in before], np.int64)
    xer = np.array([r.xer for r in before], np.int64)
    for n in range(8):
        at.cr[:, n] = cr >> (28 - 4 * n) & 15
    for name, bit in XER_BITS.items():
        at[name] = xer >> bit & 1
    at.nip = [r.pc for r in before]
    at.msr = MSR_SF if sf else 0
    m = tables.arrays(state, np.zeros(8, np.uint8), decoded(words, isa))
    execute_all(m, len(words))
    assert not at.gpr[:, 32].any()
    cr = sum(at.cr[:, n].astype(np.int64) << (28 - 4 * n) for n in range(8))
    xer = sum(at[name].astype(np.int64) << bit for name, bit in XER_BITS.items())
    gpr, lr, ctr, nip = (at[name].view(np.uint64).tolist() for name in ("gpr", "lr", "ctr", "nip"))
    return [Registers(gpr[k][:32], int(cr[k]), int(xer[k]), lr[k], ctr[k], nip[k]) for k in range(len(words))]


XER_BITS = {"so": 31, "ov": 30, "ca": 29, "ov32": 19, "ca32": 18}

INTERESTING = [
    *(0, 1, 2, 3, 31, 32, 63, 64, 65, 127, 128),
    *(0x7FFF, 0x8000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, 0x100000000),
    *(0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0x8000000000000001, 0xFFFFFFFF7FFFFFFF, 0xFFFFFFFF80000000),
    *(MASK64, MASK64 - 1, 0x5555555555555555, 0x0123456789ABCDEF),
]
"""Values at which carries, signs and shift counts change their minds."""


def value(rng: np.random.Generator) -> int:
    """A register value: an interesting one, one of few bits, or any."""
    kind = rng.integers(4)
    if kind == 0:
        return INTERESTING[rng.integers(len(INTERESTING))]
    if kind == 1:
        return int(rng.integers(200))
    any_value = int(rng.integers(1 << 64, dtype=np.uint64))
    return any_value if kind == 2 else any_value >> int(rng.integers(64))


def registers(rng: np.random.Generator) -> Registers:
    """A random state. Branch targets are where nothing is mapped, in 64-bit and 32-bit mode alike."""
    return Registers(
        gpr=[value(rng) for _ in range(32)],
        cr=int(rng.integers(1 << 32)),
        xer=sum(int(rng.integers(2)) << bit for bit in XER_BITS.values()),
        lr=int(rng.integers(0x1000000)) + 0x40000,
        ctr=int(rng.integers(3)) if rng.integers(2) else int(rng.integers(0x1000000)) + 0x40000,
        pc=CODE,
    )
