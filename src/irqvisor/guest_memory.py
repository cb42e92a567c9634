"""A domain's memory, for people and harnesses: ``machine.memory[0x500:0x520]``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from irqvisor.tables import Table

if TYPE_CHECKING:
    from irqvisor.machine import Machine


class Memory:
    """Guest memory of one domain by guest real address: bytes, like a bytearray that cannot be resized."""

    def __init__(self, machine: "Machine", domain: int) -> None:
        d = machine.views[Table.DOMAIN][domain]
        self._machine = machine
        self._ram = int(d.ram)
        self._size = int(d.ram_bytes)

    @property
    def _bytes(self) -> np.ndarray[Any, Any]:
        """Looked up each time: a fork may have moved it."""
        return self._machine.ram[self._ram : self._ram + self._size]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        return iter(self._bytes.tolist())

    def __getitem__(self, where: int | slice) -> Any:
        if isinstance(where, slice):
            return self._bytes[where].tobytes()
        return int(self._bytes[where])

    def __setitem__(self, where: int | slice, value: Any) -> None:
        """Write memory from outside. Instructions that it changes count."""
        chosen = range(self._size)[where]
        touched = chosen if isinstance(chosen, range) else range(chosen, chosen + 1)
        if touched:
            first, last = sorted((touched[0], touched[-1]))
            self._machine.own(self._ram + first, last + 1 - first)
        self._bytes[where] = np.frombuffer(bytes(value), np.uint8) if isinstance(where, slice) else value
        if touched:
            self._machine.forget_code(self._ram + first, last + 1 - first)
