"""Where a machine's processors are, looked at now and then: what is hot."""

import os
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from irqvisor._jit import BOUNDSCHECK, NOJIT
from irqvisor.hw import panel
from irqvisor.hw.interpret import PAGE_BYTES
from irqvisor.hw.state import CODE_PAGE, LITTLE, PAGE_SHIFT, PAGE_WORDS, WATCHED
from irqvisor.spec.power_isa import MSR_LE
from irqvisor.tables import Arrays, Table, Views
from irqvisor.translation import entrances, install
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

SELDOM = 10_000
"""Instructions: where somebody has to be interpreted less often than once in so many, that is not worth a thing."""

_spent: Counter[str] = Counter()
"""Instructions since a region was translated last, by the name that its page shows, of all machines."""


class Place(NamedTuple):
    """Where a context is, or was, interpreted.

    Attributes:
        context: whose.
        address: of its page.
        page: of the pool of decoded code, from 1.
        word: in that page.
        isa: architecture level.
        entrance: a word where one came from code of other pages, or from what only the interpreter does; -1: none.
    """

    context: int
    address: int
    page: int
    word: int
    isa: int
    entrance: int = -1


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
        """Where processors are in code that is not translated, and where one came last that did not find any."""
        self._pause = min(2 * self._pause + 1, LAST_LOOK)
        self._owed = 0
        self._waited, self._passed = self._passed, 0
        if not ENABLED:
            return []
        found = []
        contexts = views[Table.CONTEXT]
        for pcpu in views[Table.PCPU]:
            if pcpu.context >= 0:
                place = _place(views, int(pcpu.context), int(contexts[pcpu.context].nip))
                if place is not None and not self._is_covered(code, place.page, place.word):
                    found.append(place)
        request = views[Table.REQUEST][0]
        if request.interpreted * SELDOM > self._waited:
            place = _place(views, int(request.interpreted_of), int(request.interpreted_at))
            if place is not None and not install.begins(code, place.page, place.word):
                same_page = [k for k, other in enumerate(found) if other.page == place.page]
                if same_page:
                    found[same_page[0]] = found[same_page[0]]._replace(entrance=place.word)
                else:
                    found.append(place._replace(entrance=place.word))
        request.interpreted = 0
        return found

    def translate(self, machine: Arrays, place: Place, *, at_once: bool) -> None:
        """Host code for a place that was seen, if enough was spent there or `at_once`; and what its page has at hand.

        The machine's pool may be changed, and has room for another page if `install.needs_page`."""
        self._owed += PAGE_WORK
        first = install.prepare(machine.code, place.page)
        panel.decode_page(machine, place.context, place.address, first)
        for shown in regions(machine.code[first : first + PAGE_WORDS], place.isa):
            is_here = place.word in shown.words
            if place.entrance in shown.words:
                entrances.note(shown, place.entrance)
            is_covered = self._is_covered(machine.code, place.page, shown.words[0])
            if is_covered and not is_here:
                continue
            if is_here:
                _spent[shown.name] += self._waited
            wanted = is_here and (at_once or _spent[shown.name] >= WORTH * len(shown.words))
            region = entrances.with_noted(shown) if wanted else entrances.with_remembered(shown)
            if wanted or (not is_covered and install.is_at_hand(region)):
                _spent[shown.name] = 0
                install.install(machine.code, place.page, region)
                self._pause = FIRST_LOOK
                for leader, block in region.blocks.items():
                    self._covered.update(dict.fromkeys(((place.page, word) for word in block), leader))

    def _is_covered(self, code: np.ndarray[Any, Any], page: int, word: int) -> bool:
        leader = self._covered.get((page, word))
        return leader is not None and install.begins(code, page, leader)


def _place(views: Views, c: int, address: int) -> Place | None:
    """A context at an address, if its page there is decoded as the context would."""
    cpu = views[Table.CONTEXT][c]
    if not 0 <= address <= address | PAGE_BYTES - 1 < cpu.win_size:
        return None
    entry = int(views[Table.CODEMAP].entry[int(cpu.win_base) + address >> PAGE_SHIFT])
    order = LITTLE if cpu.msr & MSR_LE else 0
    if not entry & CODE_PAGE or entry & (WATCHED | LITTLE) != order:
        return None
    word = address >> 2 & PAGE_WORDS - 1
    isa = int(views[Table.PCPU][cpu.pcpu].isa)
    return Place(c, address & -PAGE_BYTES, entry & CODE_PAGE, word, isa)
