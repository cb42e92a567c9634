"""What data the next instruction of a vCPU touches, from its word: plain and update forms, reservations, multiples."""

from typing import NamedTuple

from irqvisor.machine import Machine
from irqvisor.spec.power_isa import MSR_LE, MSR_SF
from irqvisor.tables import Table

EA_64 = (1 << 60) - 1


class Access(NamedTuple):
    """Bytes that an instruction is about to load or store."""

    address: int
    size: int
    stores: bool


D_FORMS = {32: 4, 33: 4, 34: 1, 35: 1, 36: -4, 37: -4, 38: -1, 39: -1, 40: 2, 41: 2, 42: 2, 43: 2, 44: -2, 45: -2}
"""Primary opcode to size, negative for stores (Power ISA Book I, Load and Store Instructions)."""
X_FORMS = {
    **dict.fromkeys((87, 119, 52), 1),
    **dict.fromkeys((279, 311, 343, 375, 790, 116), 2),
    **dict.fromkeys((23, 55, 341, 373, 534, 20), 4),
    **dict.fromkeys((21, 53, 532, 84), 8),
    276: 16,
    **dict.fromkeys((215, 247, 694), -1),
    **dict.fromkeys((407, 439, 918, 726), -2),
    **dict.fromkeys((151, 183, 662, 150), -4),
    **dict.fromkeys((149, 181, 660, 214), -8),
    182: -16,
}
"""Extended opcode of primary 31."""


def data_of(machine: Machine, v: int, domain: int) -> Access | None:
    """The access of the next instruction; None if it is no load or store, or cannot be fetched."""
    cpu = machine.views[Table.CONTEXT][v]
    memory = machine.memory_of(domain)
    at = int(cpu.nip) & EA_64
    if not 0 <= at <= len(memory) - 4:
        return None
    word = int.from_bytes(memory[at : at + 4], "little" if cpu.msr & MSR_LE else "big")
    primary, ra, rb = word >> 26, word >> 16 & 31, word >> 11 & 31
    base = int(cpu.gpr[ra]) if ra else 0
    displacement = ((word & 0xFFFF) ^ 0x8000) - 0x8000
    if primary in D_FORMS:
        size, address = D_FORMS[primary], base + displacement
    elif primary == 58 and word & 3 < 3:
        size, address = 4 if word & 3 == 2 else 8, base + (displacement & ~3)
    elif primary == 62 and word & 3 < 3:
        size, address = -16 if word & 3 == 2 else -8, base + (displacement & ~3)
    elif primary in (46, 47):
        count = 4 * (32 - (word >> 21 & 31))
        size, address = count if primary == 46 else -count, base + displacement
    elif primary == 31 and word >> 1 & 0x3FF in X_FORMS:
        size, address = X_FORMS[word >> 1 & 0x3FF], base + int(cpu.gpr[rb])
    else:
        return None
    address &= EA_64 if cpu.msr & MSR_SF else 0xFFFFFFFF
    return Access(address, abs(size), size < 0)
