"""Sequences of instructions in Unicorn, which is QEMU's translator of 5.0 with a POWER10 as its default model."""

from unicorn import UC_ARCH_PPC, UC_MODE_BIG_ENDIAN, UC_MODE_PPC64, UC_TLB_VIRTUAL, Uc
from unicorn import ppc_const as ppc

from differential.layout import (
    CODE,
    CODE_BYTES,
    IN,
    OUT,
    RAM_BYTES,
    RESULT_BYTES,
    STUBS,
    State,
    load_registers,
    pack,
    store_registers,
    unpack,
)
from hw import asm

MSR_SF, MSR_LE = 1 << 63, 1
DONE = STUBS + 0x400


class Unicorn:
    """One Unicorn processor."""

    def __init__(self, *, sf: bool = True, little: bool = False) -> None:
        self._little = little
        self.uc = Uc(UC_ARCH_PPC, UC_MODE_PPC64 | UC_MODE_BIG_ENDIAN)
        self.uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        self.uc.mem_map(0, RAM_BYTES)
        self._msr = (MSR_SF if sf else 0) | (MSR_LE if little else 0)
        self._put(STUBS, load_registers(STUBS, has_tar=True))
        words = store_registers(has_tar=True)
        self._put(DONE, words)
        self._end = DONE + 4 * len(words)

    def _put(self, at: int, words: list[int]) -> None:
        order = "little" if self._little else "big"
        self.uc.mem_write(at, b"".join(word.to_bytes(4, order) for word in words))

    def run(self, words: list[int], before: State) -> State:
        """The state after the words, which go on to what follows them."""
        end = CODE + 4 * len(words)
        uc = self.uc
        uc.mem_write(IN, pack(before, [*words, asm.b(DONE - end)], little=self._little))
        uc.ctl_remove_cache(CODE, CODE + CODE_BYTES)
        uc.reg_write(ppc.UC_PPC_REG_MSR, self._msr)
        uc.emu_start(STUBS, self._end)
        while (pc := uc.reg_read(ppc.UC_PPC_REG_PC)) != self._end:  # it pauses at or rx,rx,rx, a priority hint
            uc.emu_start(pc, self._end)
        after, _ = unpack(uc.mem_read(OUT, RESULT_BYTES), little=self._little)
        after.ended, after.pc = "end", end
        return after

    def close(self) -> None:
        pass
