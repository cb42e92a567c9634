"""Which guest code is translated together: about a function, as far as one page shows it."""

import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from irqvisor.hw.ops import (
    B_NEAR,
    BCCTR,
    BCLR,
    BCTAR,
    BL_NEAR,
    BRANCH_END,
    DATA_END,
    ILLEGAL,
    MEM_END,
    MTMSRD,
    NEAR_END,
    NEAR_FIRST,
    RC,
    RFID,
    SC,
    UNDECODED,
    B,
)
from irqvisor.hw.state import PAGE_WORDS
from irqvisor.spec.power_isa import BO_IGNORE_CR, BO_KEEP_CTR
from irqvisor.tables import CODE

MOST_WORDS = 512
"""A larger region is not translated: LLVM takes about a millisecond a word."""

ALWAYS = BO_IGNORE_CR | BO_KEEP_CTR


@dataclass(frozen=True)
class Region:
    """Decoded words of a page that are translated together.

    Attributes:
        records: the page's decoded records, PAGE_WORDS of them.
        isa: architecture level.
        blocks: the words of each straight run, by its first word, ascending. A run ends before what has other
            predecessors.
    """

    records: np.ndarray[Any, Any]
    isa: int
    blocks: dict[int, range]

    @cached_property
    def words(self) -> list[int]:
        """Its words, ascending."""
        return [word for block in self.blocks.values() for word in block]

    @cached_property
    def name(self) -> str:
        """Regions with the same name have the same host code."""
        what = np.array([self.isa, *self.blocks, -1, *self.words]).tobytes() + self.records[self.words].tobytes()
        return hashlib.sha256(what).hexdigest()[:32]

    def entered_at(self, words: Iterable[int]) -> "Region":
        """The same region, where a run begins at these of its words, too: others come there from elsewhere."""
        blocks = dict(self.blocks)
        for word in words:
            leader = max((leader for leader in blocks if leader <= word), default=word)
            if leader < word and word in blocks[leader]:
                blocks[word] = range(word, blocks[leader].stop)
                blocks[leader] = range(leader, word)
        return Region(self.records, self.isa, dict(sorted(blocks.items())))


def is_branch(op: int) -> bool:
    """Whether an operation is a branch."""
    return MEM_END <= op < BRANCH_END or is_near(op)


def is_near(op: int) -> bool:
    """Whether it is one within its page, whose immediate counts words."""
    return NEAR_FIRST <= op < NEAR_END


def has_gate(record: Any) -> bool:
    """Whether an instruction is one that the gate is for (`hw/host.py`)."""
    op = int(record["op"])
    return op == RFID or (op == SC and int(record["imm"]) & 1 != 0) or (op == MTMSRD and bool(record["x"]))


def _may_end_a_stretch(op: int) -> bool:
    """Whether the interpreter may have to do it, and comes back behind it."""
    return DATA_END <= op < RC and not is_near(op)


def _successors(op: int, record: Any, word: int) -> list[int]:
    """Where a function may go on after one of its instructions; after a call, where that returns to."""
    following = [word + 1]
    if is_near(op):
        target = word + int(record["imm"])
        return [target] if op == B_NEAR else following if op == BL_NEAR else [word + 1, target]
    if op in (BCLR, BCCTR, BCTAR):
        always = int(record["t"]) & ALWAYS == ALWAYS
        return [] if always and not record["x"] else following
    return [] if op == B and not record["x"] else following


def regions(records: np.ndarray[Any, Any], isa: int) -> list[Region]:
    """The regions of a page, by its decoded records: what branches and plain succession connect, whatever their
    direction. Each word is in at most one."""
    same = np.zeros(PAGE_WORDS, CODE)  # but for the padding between the fields
    for field in CODE.names or ():
        same[field] = records[field]
    return _regions(same.tobytes(), isa)


@lru_cache(maxsize=64)
def _regions(text: bytes, isa: int) -> list[Region]:
    records = np.frombuffer(text, CODE)
    ops = records["op"].tolist()
    known = [here for here, op in enumerate(ops) if op not in (UNDECODED, ILLEGAL)]
    edges = {here: _successors(ops[here], records[here], here) for here in known}
    connected: dict[int, list[int]] = {here: [] for here in edges}
    for here, successors in edges.items():
        for there in successors:
            if there in connected:
                connected[here].append(there)
                connected[there].append(here)
    found = []
    while connected:
        waiting = deque([next(iter(connected))])
        reached = set(waiting)
        while waiting:
            new = set(connected.pop(waiting.popleft())) - reached
            reached.update(new)
            waiting.extend(new)
        if len(reached) <= MOST_WORDS:
            found.append(Region(records, isa, _blocks(ops, {here: edges[here] for here in sorted(reached)})))
    return found


def _blocks(ops: list[int], reached: dict[int, list[int]]) -> dict[int, range]:
    leaders = set()
    for word, successors in reached.items():
        if is_branch(ops[word]) or _may_end_a_stretch(ops[word]):
            leaders.update(successors)
        if word - 1 not in reached or word not in reached[word - 1]:
            leaders.add(word)
    blocks = {}
    for leader in sorted(leaders & set(reached)):
        end = leader + 1
        while end in reached and end not in leaders and not is_branch(ops[end - 1]):
            end += 1
        blocks[leader] = range(leader, end)
    return blocks
