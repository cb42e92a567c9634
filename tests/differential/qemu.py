"""Sequences of instructions in qemu-ppc64 and qemu-ppc64le: one process that runs test after test.

The process runs a program of our own, put together here word by word. It reads a record from its input - registers,
scratch memory, code - straight to where they belong, jumps to the code, and writes registers and scratch memory to its
output. A signal ends a test as its last instruction does, with the number of the signal.
"""

import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from differential.layout import (
    CODE,
    IN,
    OUT,
    PLACE_CR,
    PLACE_PC,
    PLACE_SIGNAL,
    RAM_BYTES,
    RECORD_BYTES,
    RESULT_BYTES,
    STUBS,
    State,
    load_registers,
    pack,
    store_registers,
    unpack,
)
from hw import asm

LOWEST = 0x1000
SIGNAL_STACK = 0x4000
STACK_RECORD, ACTION_RECORD = 0x3F00, 0x3F20
READ, WRITE, EXIT, SIGACTION, SIGALTSTACK = 3, 4, 1, 173, 185
SIGNALS = {4: "illegal", 5: "trap", 7: "alignment", 11: "storage"}
SA_ONSTACK, SA_NODEFER = 0x08000000, 0x40000000
SIGSET_BYTES = 8
GREGS = 232
"""Offset of the registers in what a handler gets (Linux, arch/powerpc/include/uapi/asm: ucontext.h, sigcontext.h)."""
NIP, CTR, LINK, XER, CCR = 32, 35, 36, 37, 38
ELF_V2 = 2
SC = asm.sc()
TAR = 815


class Assembler:
    """Words one after another; branches to labels are filled in at the end."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.words: list[int] = []
        self.labels: dict[str, int] = {}
        self._open: list[tuple[int, str, int]] = []

    def put(self, *words: int) -> None:
        self.words += words

    @property
    def here(self) -> int:
        return self.at + 4 * len(self.words)

    def label(self, name: str) -> None:
        self.labels[name] = self.here

    def branch(self, word: int, name: str) -> None:
        """A branch with displacement 0, to a label."""
        self._open.append((len(self.words), name, word))
        self.words.append(word)

    def finish(self) -> list[int]:
        for place, name, word in self._open:
            bits = 0x03FFFFFC if word >> 26 == 18 else 0xFFFC
            self.words[place] = word | (self.labels[name] - self.at - 4 * place) & bits
        return self.words


def cmpdi(a: int, value: int) -> int:
    return 11 << 26 | 1 << 21 | a << 16 | value & 0xFFFF


def program(*, has_tar: bool) -> Assembler:
    """Handlers for signals, then: read a record, run it, write the result."""
    a = Assembler(STUBS)
    a.put(asm.li(0, SIGALTSTACK), asm.li(3, STACK_RECORD), asm.li(4, 0), SC)
    for signal in SIGNALS:
        a.put(asm.li(0, SIGACTION), asm.li(3, signal), asm.li(4, ACTION_RECORD), asm.li(5, 0))
        a.put(asm.li(6, SIGSET_BYTES), SC)
    a.label("next")
    a.put(asm.li(31, IN), asm.li(30, RECORD_BYTES))
    a.label("read")
    a.put(asm.li(0, READ), asm.li(3, 0), asm.addi(4, 31, 0), asm.addi(5, 30, 0), SC, cmpdi(3, 0))
    a.branch(asm.bc(4, 1, 0), "exit")  # not greater: the end of the input
    a.put(asm.add(31, 31, 3), asm.subf_(30, 3, 30))
    a.branch(asm.bc(4, 2, 0), "read")  # not equal: there is more of it
    a.put(*load_registers(a.here, has_tar=has_tar))
    a.label("exit")
    a.put(asm.li(0, EXIT), asm.li(3, 0), SC)
    a.label("done")
    a.put(*store_registers(has_tar=has_tar))
    a.label("send")
    a.put(asm.li(0, WRITE), asm.li(3, 1), asm.li(4, OUT), asm.li(5, RESULT_BYTES), SC)
    a.branch(asm.b(0), "next")
    a.label("handler")  # r3: signal, r5: context
    a.put(asm.std(3, OUT + PLACE_SIGNAL, 0))
    saved = [(k, 8 * k) for k in range(32)]
    saved += [(CCR, PLACE_CR), (XER, PLACE_CR + 8), (LINK, PLACE_CR + 16), (CTR, PLACE_CR + 24), (NIP, PLACE_PC)]
    for register, place in saved:
        a.put(asm.ld(6, GREGS + 8 * register, 5), asm.std(6, OUT + place, 0))
    if has_tar:
        a.put(asm.mfspr(6, TAR), asm.std(6, OUT + PLACE_CR + 32, 0))
    a.branch(asm.b(0), "send")
    a.finish()
    return a


def elf(made: Assembler, *, little: bool) -> bytes:
    """An executable of one segment that may be read, written and executed."""
    end = "<" if little else ">"
    memory = bytearray(RAM_BYTES)
    for at, data in (
        (made.at, struct.pack(f"{end}{len(made.words)}I", *made.words)),
        (STACK_RECORD, struct.pack(f"{end}QIIQ", SIGNAL_STACK, 0, 0, RAM_BYTES - SIGNAL_STACK)),
        (ACTION_RECORD, struct.pack(f"{end}QQQQ", made.labels["handler"], SA_ONSTACK | SA_NODEFER, 0, 0)),
    ):
        memory[at : at + len(data)] = data
    header = struct.pack("4sBBBBQ", b"\x7fELF", 2, 1 if little else 2, 1, 0, 0)
    header += struct.pack(f"{end}HHIQQQIHHHHHH", 2, 21, 1, made.at, 64, 0, ELF_V2, 64, 56, 1, 0, 0, 0)
    size = RAM_BYTES - LOWEST
    header += struct.pack(f"{end}IIQQQQQQ", 1, 7, LOWEST, LOWEST, LOWEST, size, size, LOWEST)
    return header.ljust(LOWEST, b"\0") + bytes(memory[LOWEST:])


class Qemu:
    """One process of qemu-ppc64 or qemu-ppc64le."""

    def __init__(self, cpu: str, *, little: bool) -> None:
        self._little = little
        made = program(has_tar=cpu != "970")
        self._done = made.labels["done"]
        self._folder = tempfile.TemporaryDirectory(prefix="irqvisor-differential-")
        image = Path(self._folder.name) / "program"
        image.write_bytes(elf(made, little=little))
        image.chmod(0o755)
        command = [executable(little=little) or "qemu-ppc64", "-cpu", cpu, str(image)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def run(self, words: list[int], before: State) -> State:
        """The state after the words, which go on to what follows them or raise a signal."""
        end = CODE + 4 * len(words)
        self._process.stdin.write(pack(before, [*words, asm.b(self._done - end)], little=self._little))
        data = b""
        while len(data) < RESULT_BYTES:
            piece = self._process.stdout.read(RESULT_BYTES - len(data))
            if not piece:
                raise RuntimeError(f"{self._process.args[0]} ended with status {self._process.wait()}")
            data += piece
        after, signal = unpack(data, little=self._little)
        after.ended = SIGNALS[signal] if signal else "end"
        if not signal:
            after.pc = end
        return after

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()


def executable(*, little: bool) -> str | None:
    """The path of the emulator, None if it is not installed."""
    return shutil.which("qemu-ppc64le" if little else "qemu-ppc64")
