"""Machine: owns the arrays of one machine; runs it, forks it, saves it, shows it.

All of a machine is two arrays, the state buffer (`tables.py`) and guest memory (`ram.py`); the third holds decoded
code, which can be rebuilt. What cannot change what happens - names, symbols, what guests printed - is kept beside them.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from irqvisor import ram, tables
from irqvisor.errors import InvariantError, UsageError
from irqvisor.guest.image import Symbol, name_at
from irqvisor.hv import control, loop
from irqvisor.hw.state import (
    CLEAN,
    CODE_PAGE,
    CODE_STRIDE,
    NEVER,
    NOBODY,
    PAGE_SHIFT,
    WATCHED,
    Phase,
    Stop,
)
from irqvisor.tables import Table

NO_QUOTA = 1 << 60
FIRST_CODE_PAGES = 16


@dataclass
class Labels:
    """Names for people: nothing here changes what a machine does."""

    design: str = ""
    cpu: str = ""
    domains: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    work: list[list[str]] = field(default_factory=list)  # per domain, the name of each compute loop
    symbols: list[list[Symbol]] = field(default_factory=list)  # per domain, by address


class Machine:
    """One machine. Make one with `Machine.from_scenario`, `fork` or `load`.

    Attributes:
        cpu: the contexts that run on each pCPU, as `Cpu`; ``m.cpu[0].gpr[3]``.
        memory: guest memory of the first domain; ``m.memory[0x500:0x520]`` is bytes.
        stop_reason: why the last `run` returned, a `Stop`.
    """

    def __init__(
        self,
        state: np.ndarray[Any, Any],
        ram_bytes: int,
        labels: Labels,
        code: np.ndarray[Any, Any] | None = None,
    ) -> None:
        self.state = state
        self.ram, self.base = ram.zeros(ram_bytes)
        self.labels = labels
        self.code = new_code(FIRST_CODE_PAGES) if code is None else code
        self.stop_reason = Stop.BUDGET
        self.consoles: list[bytearray] = [bytearray() for _ in labels.domains]
        self.typed: list[bytearray] = [bytearray() for _ in labels.domains]
        self.on_log: Callable[[np.ndarray[Any, Any]], None] | None = None
        self._bind()
        if self.base is not None:
            self._pages[:] |= CLEAN

    @classmethod
    def from_scenario(cls, scenario: Any, *, design: str = "native", **options: Any) -> "Machine":
        """Build a machine from a bundled scenario's name, a path, or a loaded Scenario.

        Raises:
            ScenarioError, ProfileError, ImageError: what was handed in cannot be built.
        """
        from irqvisor.lab import build

        return build.machine(scenario, design, **options)

    def _bind(self) -> None:
        self.views = tables.Views(self.state)
        self.arrays = tables.arrays(self.state, self.ram, self.code)

    @property
    def _pages(self) -> Any:
        """The code map's entries: one a page of RAM."""
        return self.views[Table.CODEMAP].entry

    # Looking

    @property
    def header(self) -> Any:
        """The header record (hw/state.py HEADER)."""
        return self.views[Table.HEADER][0]

    @property
    def phase(self) -> Phase:
        return Phase(int(self.header.phase))

    @property
    def now(self) -> int:
        """The cycle that every pCPU has reached."""
        return int(self.views[Table.PCPU].now.min())

    @property
    def cpu(self) -> "list[Cpu]":
        return [Cpu(self, p) for p in range(len(self.views[Table.PCPU]))]

    @property
    def memory(self) -> "Memory":
        return Memory(self, 0)

    def memory_of(self, domain: int) -> "Memory":
        """Guest memory of a domain, by guest real address."""
        return Memory(self, domain)

    @property
    def console(self) -> str:
        """What all guests printed, domain after domain."""
        return "".join(text.decode("utf-8", "replace") for text in self.consoles)

    def digest(self) -> str:
        """SHA-256 of everything that decides what happens next: behaviour and memory, not what was observed."""
        h = hashlib.sha256(tables.behaviour(self.state).data)
        h.update(self.ram.data if self.base is None else self.base.digest(self.ram, self._pages))
        return h.hexdigest()

    @property
    def owned_pages(self) -> int:
        """Pages of RAM, 4 KiB each, that this machine has for itself; forks share the others."""
        return len(ram.owned(self._pages))

    def filled_pages(self) -> np.ndarray[Any, Any]:
        """Numbers of the pages of RAM that are not all zero, ascending."""
        if self.base is None:
            return np.flatnonzero(self.ram.reshape(-1, ram.PAGE).any(axis=1))
        return self.base.filled(self.ram, self._pages)

    def symbol(self, domain: int, address: int) -> str:
        """The guest's name for an address, as ``name+0x10``; empty if it has none."""
        return name_at(self.labels.symbols[domain], address) if domain < len(self.labels.symbols) else ""

    # Doing

    def run(self, *, cycles: int | None = None, instructions: int | None = None, until: Phase | None = None) -> int:
        """Run for a number of cycles or guest instructions, or until a phase is reached; else to the end.

        With several pCPUs a run of cycles ends with the first round that reaches them. Returns guest instructions
        completed; `stop_reason` says why it stopped.
        """
        limit = self.now + cycles if cycles is not None else NEVER
        quota = instructions if instructions is not None else NO_QUOTA
        if until is not None:
            return self._run_to_phase(until, limit, quota)
        return self._run(limit, quota)

    def step(self, count: int = 1) -> int:
        """Complete `count` guest instructions."""
        return self.run(instructions=count)

    def _run_to_phase(self, until: Phase, limit: int, quota: int) -> int:
        done = 0
        while self.phase < until and done < quota:
            due = int(self.views[Table.EVENT][0].cycle) if int(self.header.events) else NEVER
            target = min(limit, max(due, int(self.header.horizon) + 1) if due < NEVER else self.now + SEARCH_CYCLES)
            done += self._run(target, quota - done)
            if self.stop_reason != Stop.BUDGET or target >= limit:
                break
        return done

    def _run(self, limit: int, quota: int) -> int:
        done = 0
        request = self.views[Table.REQUEST][0]
        with np.errstate(over="ignore"):
            while True:
                done += int(loop.run(self.arrays, limit, quota - done))
                reason = Stop(int(request.reason))
                if reason == Stop.CODE:
                    self._make_code_room()
                elif reason == Stop.HCALL:
                    self._serve(int(request.pcpu))
                elif reason == Stop.CONSOLE:
                    self.consoles[int(request.domain)].append(int(request.value))
                elif reason == Stop.LOG:
                    self.spill_log()
                elif reason == Stop.PANIC:
                    raise InvariantError("machine", f"a compiled invariant broke (value {int(request.value)})")
                else:
                    self.stop_reason = reason
                    return done
                if done >= quota:
                    self.stop_reason = Stop.BUDGET
                    return done
                request = self.views[Table.REQUEST][0]

    def _serve(self, p: int) -> None:
        v = int(self.views[Table.PCPU][p].context)
        plane = control.Plane(
            arrays=self.arrays,
            views=self.views,
            domain=int(self.views[Table.VCPU][v].domain),
            vcpu=v,
            pcpu=p,
            write_console=lambda d, text: self.consoles[d].extend(text),
            read_console=self._read_console,
            grow_ports=self._grow_ports,
        )
        control.serve(plane)
        loop.resume(self.arrays, p)

    def _read_console(self, d: int, count: int) -> bytes:
        text = bytes(self.typed[d][:count])
        del self.typed[d][:count]
        return text

    def _grow_ports(self, d: int, count: int) -> None:
        """Give a domain more event-channel ports: its ports move to the end of a longer pool, in place."""
        pool = self.views[Table.PORT]
        record = self.views[Table.DOMAIN][d]
        first, old = int(record.port), int(record.ports)
        fresh = tables.grown(self.state, Table.PORT, len(pool) + count)
        tables.view(fresh, Table.PORT)[len(pool) : len(pool) + old] = pool[first : first + old]
        moved = tables.view(fresh, Table.DOMAIN)[d]
        moved.port, moved.ports = len(pool), count
        self.state = fresh
        self._bind()

    def _make_code_room(self) -> None:
        """The decoded-code pool is full, or shared with a fork: take a copy of our own, twice as large if full."""
        used = int(self.code[0]["imm"])
        pages = (len(self.code) - 1) // CODE_STRIDE
        fresh = new_code(2 * pages if used >= pages else pages)
        fresh[: len(self.code)] = self.code
        fresh[0]["x"] = 0
        self.code = fresh
        self._bind()

    def raise_irq(self, irq: int, level: int = 1) -> None:
        """Raise an input of the interrupt controller; if a source is wired to it, an item arrives there."""
        pirqs = self.views[Table.PIRQ]
        if not 0 <= irq < len(pirqs):
            raise UsageError(f"raise_irq({irq})", "no such input", f"0 to {len(pirqs) - 1}")
        s = int(pirqs[irq].source)
        if s == NOBODY:
            loop.raise_line(self.arrays, irq, level)
        else:
            loop.post_item(self.arrays, s, self.now)

    def own(self, at: int, size: int) -> None:
        """RAM is about to be written from outside, `size` bytes at an offset: its pages are this machine's own then."""
        self._pages[at >> PAGE_SHIFT : ((at + size - 1) >> PAGE_SHIFT) + 1] &= ~CLEAN

    def fork(self) -> "Machine":
        """A twin that goes its own way. Copies state, and of memory what it must; shares decoded code until either
        changes it."""
        self.code[0]["x"] = 1
        twin = Machine.__new__(Machine)
        if self.base is not None and self.base.is_due:
            self.ram, self.base = self.base.renewed(self.ram, self._pages)
            self._bind()
        twin.state = self.state.copy()
        twin.ram = self.ram.copy() if self.base is None else self.base.fork(self.ram, self._pages)
        twin.base = self.base
        twin.code = self.code
        twin.labels = self.labels
        twin.stop_reason = self.stop_reason
        twin.consoles = [bytearray(text) for text in self.consoles]
        twin.typed = [bytearray(text) for text in self.typed]
        twin.on_log = None
        twin._bind()
        return twin

    def save(self, path: str | Path) -> None:
        """Write the machine to one versioned, checksummed file (beside, then renamed)."""
        from irqvisor import snapshot

        snapshot.save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> "Machine":
        """Read a machine that `save` wrote.

        Raises:
            SnapshotError: not such a file, another version, truncated or changed.
        """
        from irqvisor import snapshot

        return snapshot.load(Path(path))

    # The event log

    def start_log(self, size: int, *, ring: bool) -> None:
        """Record events from now on: bounded and spilled to `on_log`, or the last `size` in a ring."""
        self.state = tables.grown(self.state, Table.LOG, size)
        self._bind()
        o = self.views[Table.OBSERVED][0]
        o.log_on, o.log_size = (2 if ring else 1), size

    def spill_log(self) -> np.ndarray[Any, Any]:
        """Take the records written since the last call, in order; also hands them to `on_log`."""
        o = self.views[Table.OBSERVED][0]
        size = int(o.log_size)
        if size == 0:
            return np.zeros(0, tables.DTYPES[Table.LOG])
        first = max(int(o.log_spilled), int(o.log_count) - size)
        places = np.arange(first, int(o.log_count)) % size
        records = np.asarray(self.views[Table.LOG])[places].copy()
        o.log_spilled = o.log_count
        if self.on_log is not None:
            self.on_log(records)
        return records


SEARCH_CYCLES = 1 << 22
"""While nothing is scheduled yet (guests boot), how far to run before looking at the phase again."""


def new_code(pages: int) -> np.ndarray[Any, Any]:
    """An empty pool for `pages` decoded pages. Record 0: imm = pages in use, x = shared."""
    return np.zeros(1 + pages * CODE_STRIDE, tables.CODE)


def watch_pages(state: np.ndarray[Any, Any]) -> None:
    """(Re)build the code map: nothing decoded, shared_info pages watched, who owns what as before."""
    views = tables.Views(state)
    entries = views[Table.CODEMAP].entry
    entries &= CLEAN
    for d in views[Table.DOMAIN]:
        if d.shared != NOBODY:
            entries[int(d.shared) >> PAGE_SHIFT] |= WATCHED
    assert not np.any(entries & CODE_PAGE)


class Cpu:
    """The context that a pCPU runs, or ran last: plain Python values."""

    FIELDS = ("msr", "lr", "ctr", "srr0", "srr1", "hsrr0", "hsrr1", "dar", "dsisr", "lpcr", "hid4")

    def __init__(self, machine: Machine, pcpu: int) -> None:
        self._machine = machine
        self._pcpu = machine.views[Table.PCPU][pcpu]

    @property
    def record(self) -> Any:
        """The context's record, or the last one's while the pCPU is idle."""
        c = int(self._pcpu.context)
        return self._machine.views[Table.CONTEXT][c if c >= 0 else max(int(self._pcpu.loaded), 0)]

    @property
    def idle(self) -> bool:
        return int(self._pcpu.context) < 0

    @property
    def now(self) -> int:
        return int(self._pcpu.now)

    @property
    def instructions(self) -> int:
        return int(self._pcpu.icount)

    @property
    def untranslated(self) -> int:
        """Storage interrupts because MSR[IR] or MSR[DR] was set: there is no translation."""
        return int(self._pcpu.untranslated)

    @property
    def pc(self) -> int:
        return int(self.record.nip) & MASK64

    @property
    def gpr(self) -> list[int]:
        return [int(x) & MASK64 for x in self.record.gpr[:32]]

    @property
    def cr(self) -> int:
        value = 0
        for part in self.record.cr:
            value = value << 4 | int(part)
        return value

    def __getattr__(self, name: str) -> int:
        if name in Cpu.FIELDS:
            return int(self.record[name]) & MASK64
        raise AttributeError(name)

    def __repr__(self) -> str:
        what = " idle" if self.idle else " MSR[IR/DR] set, no translation configured" if self.untranslated else ""
        return f"<Cpu pc={self.pc:#x} msr={self.msr:#x} now={self.now}{what}>"


MASK64 = (1 << 64) - 1


class Memory:
    """Guest memory of one domain by guest real address: bytes, like a bytearray that cannot be resized."""

    def __init__(self, machine: Machine, domain: int) -> None:
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
        """Write memory from outside. Decoded code of the machine is dropped, so changed instructions count."""
        if isinstance(where, slice):
            touched = range(self._size)[where]
            if touched:
                first, last = sorted((touched[0], touched[-1]))
                self._machine.own(self._ram + first, last + 1 - first)
            self._bytes[where] = np.frombuffer(bytes(value), np.uint8)
        else:
            self._machine.own(self._ram + range(self._size)[where], 1)
            self._bytes[where] = value
        self._machine.code = new_code((len(self._machine.code) - 1) // CODE_STRIDE)
        watch_pages(self._machine.state)
        self._machine._bind()
