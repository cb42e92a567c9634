"""An independent judge of single instructions: Unicorn, which is QEMU's PowerPC translator."""

from dataclasses import dataclass, field

from unicorn import UC_ARCH_PPC, UC_ERR_FETCH_UNMAPPED, UC_MODE_BIG_ENDIAN, UC_MODE_PPC64, UC_TLB_VIRTUAL, Uc, UcError
from unicorn import ppc_const as ppc

CODE = 0x10000
"""Where the instruction lies. A branch may leave the memory there is; only the address it goes to counts."""

MASK64 = (1 << 64) - 1
MSR_SF = 1 << 63
MTXER_R0 = 0x7C0103A6
MFXER_R0 = 0x7C0102A6
GPRS = [ppc.UC_PPC_REG_0 + n for n in range(32)]


@dataclass
class Registers:
    """The user-visible registers an integer instruction may read or change, as unsigned numbers."""

    gpr: list[int] = field(default_factory=lambda: [0] * 32)
    cr: int = 0
    xer: int = 0
    lr: int = 0
    ctr: int = 0
    pc: int = CODE


class Reference:
    """One Unicorn processor, used again for each instruction."""

    def __init__(self) -> None:
        self.uc = Uc(UC_ARCH_PPC, UC_MODE_PPC64 | UC_MODE_BIG_ENDIAN)
        # No address translation: that of its default model needs a hypervisor state that it cannot be put into
        self.uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        self.uc.mem_map(0, 0x20000)
        self.uc.mem_write(CODE - 8, MTXER_R0.to_bytes(4, "big"))
        self.uc.mem_write(CODE + 8, MFXER_R0.to_bytes(4, "big"))

    def step(self, word: int, before: Registers, *, sf: bool = True) -> Registers:
        """The registers after one instruction. XER moves by instructions: Unicorn's own access misses SO, OV and CA."""
        uc = self.uc
        uc.reg_write(ppc.UC_PPC_REG_MSR, MSR_SF if sf else 0)
        uc.reg_write(ppc.UC_PPC_REG_0, before.xer)
        uc.emu_start(CODE - 8, CODE - 4, count=1)
        for number, value in zip(GPRS, before.gpr, strict=True):
            uc.reg_write(number, value)
        uc.reg_write(ppc.UC_PPC_REG_CR, before.cr)
        uc.reg_write(ppc.UC_PPC_REG_LR, before.lr)
        uc.reg_write(ppc.UC_PPC_REG_CTR, before.ctr)
        uc.mem_write(CODE, word.to_bytes(4, "big"))
        uc.ctl_remove_cache(CODE, CODE + 4)
        try:
            uc.emu_start(CODE, CODE + 4, count=1)
        except UcError as error:
            if error.errno != UC_ERR_FETCH_UNMAPPED:
                raise
        after = Registers(
            [uc.reg_read(number) & MASK64 for number in GPRS],
            uc.reg_read(ppc.UC_PPC_REG_CR),
            0,
            uc.reg_read(ppc.UC_PPC_REG_LR) & MASK64,
            uc.reg_read(ppc.UC_PPC_REG_CTR) & MASK64,
            uc.reg_read(ppc.UC_PPC_REG_PC) & MASK64,
        )
        uc.emu_start(CODE + 8, CODE + 12, count=1)
        after.xer = uc.reg_read(ppc.UC_PPC_REG_0)
        return after
