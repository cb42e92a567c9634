"""Guest code around an instant, for people: a walk step by step, disassembled, with source lines if there are any."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from irqvisor.lab.explore import site
from irqvisor.machine import Machine
from irqvisor.spec.power_isa import MSR_SF
from irqvisor.tables import Table

WORD = 4
MASK = (1 << 64) - 1

DISPLACED = {
    32: ("load", 4), 33: ("load", 4), 34: ("load", 1), 35: ("load", 1), 36: ("store", 4), 37: ("store", 4),
    38: ("store", 1), 39: ("store", 1), 40: ("load", 2), 41: ("load", 2), 42: ("load", 2), 43: ("load", 2),
    44: ("store", 2), 45: ("store", 2), 58: ("load", 8), 62: ("store", 8),
}  # fmt: skip
"""Primary opcodes with a displacement: what they do, and bytes (Power ISA, Appendix Opcode Maps)."""
INDEXED = {
    20: ("load", 4), 21: ("load", 8), 23: ("load", 4), 53: ("load", 8), 55: ("load", 4), 84: ("load", 8),
    87: ("load", 1), 119: ("load", 1), 149: ("store", 8), 150: ("store", 4), 151: ("store", 4), 181: ("store", 8),
    183: ("store", 4), 214: ("store", 8), 215: ("store", 1), 247: ("store", 1), 279: ("load", 2), 343: ("load", 2),
    407: ("store", 2),
}  # fmt: skip
"""Extended opcodes of primary opcode 31."""


@dataclass(frozen=True)
class Step:
    """An instruction that is about to be executed.

    Attributes:
        instant: retired instructions since the walk began.
        address: where it is; None: everything sleeps.
        word: the instruction.
        domain: whose it is.
        access: ("load" or "store", real address, bytes), if it is one.
    """

    instant: int
    address: int | None
    word: int
    domain: int
    access: tuple[str, int, int] | None


def step_at(machine: Machine, instant: int) -> Step:
    """What the machine is about to do."""
    for p, pcpu in enumerate(machine.views[Table.PCPU]):
        if pcpu.context >= 0 and not pcpu.waiting:
            return step_of(machine, p, instant)
    return Step(instant, None, 0, -1, None)


def step_of(machine: Machine, p: int, instant: int) -> Step:
    """What a pCPU is about to do."""
    pcpu = machine.views[Table.PCPU][p]
    if pcpu.context < 0 or pcpu.waiting:
        return Step(instant, None, 0, -1, None)
    cpu = machine.views[Table.CONTEXT][int(pcpu.context)]
    domain = int(machine.views[Table.VCPU][int(pcpu.context)].domain)
    address = int(cpu.nip) & MASK
    memory = machine.memory_of(domain)
    word = int.from_bytes(memory[address : address + WORD], "big") if address + WORD <= len(memory) else 0
    return Step(instant, address, word, domain, access_of(word, cpu))


def access_of(word: int, cpu: Any) -> tuple[str, int, int] | None:
    """The access of a load or store instruction."""
    opcode, ra, rb = word >> 26, word >> 16 & 31, word >> 11 & 31
    base = int(cpu.gpr[ra]) if ra else 0
    if opcode in DISPLACED:
        kind, size = DISPLACED[opcode]
        offset = (word & 0xFFFF ^ 0x8000) - 0x8000
        if opcode in (58, 62):
            offset &= ~3
    elif opcode == 31 and word >> 1 & 0x3FF in INDEXED:
        kind, size = INDEXED[word >> 1 & 0x3FF]
        offset = int(cpu.gpr[rb])
    else:
        return None
    address = base + offset & MASK
    return kind, address if int(cpu.msr) & MSR_SF else address & 0xFFFFFFFF, size


def steps(machine: Machine, first: int, count: int) -> list[Step]:
    """The next instructions of a machine, one by one; it is run."""
    found = []
    for k in range(count):
        found.append(step_at(machine, first + k))
        _, done = site.run(machine, 1)
        if done == 0:
            break
    return found


def disassembled(word: int, address: int) -> str:
    """An instruction as text: by capstone if it is installed."""
    engine = _capstone()
    if engine is not None:
        for _, _, mnemonic, operands in engine.disasm_lite(word.to_bytes(WORD, "big"), address):
            return f"{mnemonic} {operands}".strip()
    return f".long {word:#010x}"


@cache
def _capstone() -> Any:
    """The disassembler, or None."""
    try:
        import capstone
    except ImportError:
        return None
    return capstone.Cs(capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | capstone.CS_MODE_BIG_ENDIAN)


@cache
def source_lines(image: Path) -> dict[int, str]:
    """``file:line`` by address, of an image with debug information; else empty."""
    found: dict[int, str] = {}
    try:
        with image.open("rb") as file:
            elf = ELFFile(file)
            if not elf.has_dwarf_info():
                return found
            info = elf.get_dwarf_info()
            for unit in info.iter_CUs():
                program = info.line_program_for_CU(unit)
                if program is None:
                    continue
                for entry in program.get_entries():
                    state = entry.state
                    if state is not None and state.line and not state.end_sequence:
                        files = program["file_entry"]
                        number = state.file - (0 if program["version"] >= 5 else 1)
                        name = files[number].name.decode() if 0 <= number < len(files) else "?"
                        found.setdefault(state.address, f"{name}:{state.line}")
    except Exception:  # noqa: BLE001  whatever is wrong with debug information, the finding is still one
        return {}
    return found


def source_line(lines: dict[int, str], address: int) -> str:
    """The source line of an address: the nearest entry at or before it, within a function's reach."""
    for back in range(0, 256, WORD):
        if address - back in lines:
            return lines[address - back]
    return ""
