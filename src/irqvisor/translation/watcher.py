"""Where a machine's processors are, looked at now and then: what is hot."""

import os
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from irqvisor._jit import BOUNDSCHECK, NOJIT
from irqvisor.hw import panel
from irqvisor.hw.interpret import PAGE_BYTES
from irqvisor.hw.state import CODE_PAGE, PAGE_SHIFT, PAGE_WORDS
from irqvisor.tables import Arrays, Table, Views
from irqvisor.translation import install
from irqvisor.translation.region import regions

ENABLED = not NOJIT and not BOUNDSCHECK and os.environ.get("IRQVISOR_HOST_CODE", "1") != "0"
"""Generated code checks no indices."""

FIRST_LOOK = 100_003
"""Instructions until a machine is looked at, and again after something was translated. No round number: a loop shall
not be seen at the same place each time."""

LAST_LOOK = 1_600_033
"""In between the intervals double, up to this: some two milliseconds. A look takes 20 us."""

PAGE_WORK = 500_000
"""Instructions that a machine goes on for each page that a look has dealt with, which takes the time of 150,000: many
domains have many pages."""

WORTH = 200_000
"""Instructions for each word of a region that processors seem to have spent there, until it is translated: LLVM takes
about as long as to interpret twice as many."""


_spent: Counter[str] = Counter()
"""Instructions by the name of the region, of all machines."""


class Place(NamedTuple):
    """Where a processor is.

    Attributes:
        pcpu, context: who.
        page: of the pool of decoded code, from 1.
        word: in that page.
        isa: architecture level.
    """

    pcpu: int
    context: int
    page: int
    word: int
    isa: int


class Watcher:
    """Watches one machine."""

    def __init__(self) -> None:
        self._pause = FIRST_LOOK
        self._owed = 0  # for what was done at the last look
        self._passed = self._waited = 0
        self._covered: dict[tuple[int, int], int] = {}  # (page of the pool, word): the first word of its block

    @property
    def interval(self) -> int:
        """Instructions from one look to the next."""
        return self._pause + self._owed

    def is_due(self, instructions: int) -> bool:
        """Count instructions; whether it is time for a look."""
        self._passed += instructions
        return self._passed >= self.interval

    def look(self, views: Views, code: np.ndarray[Any, Any]) -> list[Place]:
        """Where processors are in code that is not translated."""
        self._pause = min(2 * self._pause + 1, LAST_LOOK)
        self._owed = 0
        self._waited, self._passed = self._passed, 0
        found: list[Place] = []
        if not ENABLED:
            return found
        for p, pcpu in enumerate(views[Table.PCPU]):
            if pcpu.context < 0:
                continue
            cpu = views[Table.CONTEXT][pcpu.context]
            if not 0 <= cpu.nip <= cpu.nip | PAGE_BYTES - 1 < cpu.win_size:
                continue
            page = int(views[Table.CODEMAP].entry[int(cpu.win_base + cpu.nip) >> PAGE_SHIFT]) & CODE_PAGE
            word = int(cpu.nip) >> 2 & PAGE_WORDS - 1
            if page and not self._is_covered(code, page, word):
                found.append(Place(p, int(pcpu.context), page, word, int(pcpu.isa)))
        return found

    def translate(self, machine: Arrays, place: Place, *, at_once: bool) -> None:
        """Host code for a place that was seen, if enough was spent there or `at_once`; and what its page has at hand.

        The machine's pool may be changed, and has room for another page if `install.needs_page`."""
        self._owed += PAGE_WORK
        first = install.prepare(machine.code, place.page)
        panel.decode_page(machine, place.pcpu, place.context, first)
        for region in regions(machine.code[first : first + PAGE_WORDS], place.isa):
            if self._is_covered(machine.code, place.page, region.words[0]):
                continue
            wanted = False
            if place.word in region.words:
                _spent[region.name] += self._waited
                wanted = at_once or _spent[region.name] >= WORTH * len(region.words)
            if wanted or install.is_at_hand(region):
                install.install(machine.code, place.page, region)
                self._pause = FIRST_LOOK
                for leader, block in region.blocks.items():
                    self._covered.update(dict.fromkeys(((place.page, word) for word in block), leader))

    def _is_covered(self, code: np.ndarray[Any, Any], page: int, word: int) -> bool:
        leader = self._covered.get((page, word))
        return leader is not None and install.begins(code, page, leader)
