"""Sequences of instructions in irqvisor: a bare machine in problem state, which a trap behind the sequence stops."""

from differential.layout import CODE, RAM_BYTES, SCRATCH, SCRATCH_BYTES, State
from hw import asm
from irqvisor import Machine, Stop
from irqvisor.spec.power_isa import FSCR_TAR, SPR_FSCR

MSR_SF, MSR_PR, MSR_LE = 1 << 63, 1 << 14, 1
SRR1_TRAP = 1 << 17
PROGRAM, HYPERVISOR_EMULATION_ASSISTANCE = 0x700, 0xE40
VECTORS = {
    PROGRAM: "illegal",
    0x300: "storage",
    0x400: "storage",
    0x600: "alignment",
    HYPERVISOR_EMULATION_ASSISTANCE: "illegal",
}
LONGEST_RUN = 10_000


class Ours:
    """One bare machine, used again for each sequence."""

    def __init__(self, cpu: str, isa: str, *, sf: bool = True, little: bool = False, problem: bool = True) -> None:
        self.machine = Machine.bare(memory_bytes=RAM_BYTES, cpu=cpu, isa=isa, little_endian=little)
        self._cpu = self.machine.cpu[0]
        self._memory = self.machine.memory
        self._order = "little" if little else "big"
        self._msr = (MSR_SF if sf else 0) | (MSR_PR if problem else 0) | (MSR_LE if little else 0)
        self._cpu.write_spr(SPR_FSCR, FSCR_TAR)
        self.completed = 0
        self._end = CODE

    def run(self, words: list[int], before: State) -> State:
        """The state after the words, which go on to what follows them or take an interrupt."""
        code = b"".join(w.to_bytes(4, self._order) for w in [*words, asm.TRAP])
        self._memory[CODE : CODE + len(code)] = code
        self._end = CODE + 4 * len(words)
        self._begin(before)
        return self._finish()

    def run_host_code(self, before: State) -> State:
        """The same once more, by host code that is generated for it."""
        self._begin(before)
        self.machine.translate()
        return self._finish()

    def _begin(self, before: State) -> None:
        cpu = self._cpu
        self._memory[SCRATCH : SCRATCH + SCRATCH_BYTES] = before.memory
        cpu.gpr = before.gpr
        cpu.cr, cpu.xer, cpu.lr, cpu.ctr, cpu.tar = before.cr, before.xer, before.lr, before.ctr, before.tar
        cpu.pc, cpu.msr = CODE, self._msr

    def _finish(self) -> State:
        cpu = self._cpu
        self.completed = self.machine.run(instructions=LONGEST_RUN)
        vector = self.machine.interrupt
        pc = cpu.hsrr0 if vector == HYPERVISOR_EMULATION_ASSISTANCE else cpu.srr0
        if self.machine.stop_reason != Stop.INTERRUPT:
            pc, ended = cpu.pc, self.machine.stop_reason.name
        elif vector == PROGRAM and cpu.srr1 & SRR1_TRAP:
            ended = "end" if pc == self._end else "trap"
        else:
            ended = VECTORS.get(vector, f"{vector:#x}")
        scratch = self._memory[SCRATCH : SCRATCH + SCRATCH_BYTES]
        return State(cpu.gpr[:], cpu.cr, cpu.xer, cpu.lr, cpu.ctr, cpu.tar, pc, scratch, ended)
