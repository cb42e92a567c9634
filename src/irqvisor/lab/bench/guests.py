"""The guests that are run by everybody: the same bytes, and one word in them that says how much to do.

A guest prints a line when its clock starts and a line when it stops (guests/bench/bench.h).
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from irqvisor.guest.image import IMAGES, Image

RAM_BYTES = 1 << 20
BEGIN, END, FAILED = "begin", "end", "failed"
"""The lines that a guest prints. A guest that says `FAILED` has found a wrong result."""


@dataclass(frozen=True)
class Guest:
    """A benchmark guest.

    Attributes:
        unit: what one of it does is counted in; "instruction" or "interrupt".
        counter: the symbol of the word that says how many turns to make.
        turns: how many to make while the clock runs, at size 1.
        before: how many more the counter has to say: those that come before the clock starts.
    """

    name: str
    title: str
    unit: str
    counter: str
    turns: int
    before: int = 0

    @property
    def path(self) -> Path:
        """Its image."""
        return IMAGES / f"{self.name}.elf"


MIX = Guest("mix", "compiled C without interrupts", "instruction", "mix_rounds", turns=23, before=1)
SELF_INTERRUPT = Guest(
    "self-interrupt",
    "H_IPI to itself, 0x500, H_XIRR, H_IPI, H_EOI, rfid",
    "interrupt",
    "bench_rounds",
    turns=300_000,
)
GUESTS = (MIX, SELF_INTERRUPT)


@dataclass(frozen=True)
class Program:
    """A guest with its work set: what a runner is handed.

    Attributes:
        turns: turns made while the clock runs.
        memory: real memory from address 0 on as the guest is to find it, the word with its work included.
        digest: SHA-256 of the image file.
    """

    guest: Guest
    turns: int
    entry: int
    memory: bytes = field(repr=False)
    digest: str


def prepare(guest: Guest, size: float = 1.0) -> Program:
    """Load a guest and set its work: `size` times the usual, and at least one turn."""
    image = Image.load(guest.path)
    turns = max(1, round(guest.turns * size))
    counter = image.address_of(guest.counter)
    memory = bytearray(image.place(RAM_BYTES))
    memory[counter : counter + 8] = (turns + guest.before).to_bytes(8, "big")
    digest = hashlib.sha256(guest.path.read_bytes()).hexdigest()
    return Program(guest, turns, image.entry, bytes(memory), digest)
