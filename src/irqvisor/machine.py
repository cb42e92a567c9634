"""Machine: owns the arrays of one machine; runs it, forks it, saves it, shows it.

All of a machine is two arrays, the state buffer (`tables.py`) and guest memory (`ram.py`); the third holds decoded
code, which can be rebuilt. What cannot change what happens - names, symbols, what guests printed - is kept beside them.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from irqvisor import ram, tables
from irqvisor.errors import InvariantError, UsageError
from irqvisor.guest.image import Symbol, name_at
from irqvisor.guest_memory import Memory
from irqvisor.hv import control, loop, xics
from irqvisor.hw.state import (
    CLEAN,
    CODE_PAGE,
    CODE_STRIDE,
    NEVER,
    NOBODY,
    PAGE_SHIFT,
    PAGE_WORDS,
    WATCHED,
    Phase,
    Stop,
)
from irqvisor.registers import Cpu
from irqvisor.spec.designs import Design
from irqvisor.spec.papr import XISR_CONSOLE
from irqvisor.tables import Table
from irqvisor.translation import install
from irqvisor.translation.watcher import Watcher

NO_QUOTA = 1 << 60
FIRST_CODE_PAGES = 16
WORD_SHIFT = 2

BARE = "bare"
"""The design of a machine without one: `Machine.bare`."""

NOT_COMPLETED = frozenset({0x200, 0x300, 0x380, 0x600, 0x700, 0x800, 0xE40, 0xF20, 0xF40, 0xF60, 0xF80})
"""Vectors of interrupts in place of the instruction that SRR0 or HSRR0 points at (Book III-S, Interrupts)."""


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
    """One machine. Make one with `Machine.from_scenario`, `Machine.bare`, `fork` or `load`.

    Attributes:
        cpu: the contexts that run on each pCPU, as `Cpu`; ``m.cpu[0].gpr[3]``.
        memory: guest memory of the first domain; ``m.memory[0x500:0x520]`` is bytes.
        stop_reason: why the last `run` returned, a `Stop`.
        interrupt: the vector of the interrupt that the last `run` stopped at; None if it did not stop at one.
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
        self.interrupt: int | None = None
        self.consoles: list[bytearray] = [bytearray() for _ in labels.domains]
        self.typed: list[bytearray] = [bytearray() for _ in labels.domains]
        self._awaited, self._printed = b"", bytearray()
        self.on_log: Callable[[np.ndarray[Any, Any]], None] | None = None
        self.on_console: Callable[[int, bytes], None] | None = None
        self._watcher = Watcher()
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

    @classmethod
    def bare(
        cls,
        *,
        memory_bytes: int = 1 << 20,
        cpu: str = "970",
        isa: str | None = None,
        little_endian: bool = False,
        pcpus: int = 1,
    ) -> "Machine":
        """Processors and their memory: no hypervisor, no devices, no guest (docs/reference/bare-machine.md).

        Args:
            memory_bytes: RAM from address 0 on, a multiple of 4096.
            cpu: "970" or "power8".
            isa: the architecture level, "2.01", "2.07" or "3.0", if not the processor's own.
            little_endian: whether MSR[LE] is on, and interrupts turn it on.
            pcpus: how many processors share the memory.

        Raises:
            UsageError: there is no such processor.
        """
        from irqvisor import bare

        return bare.machine(memory_bytes, cpu, isa, little_endian=little_endian, pcpus=pcpus)

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
    def cpu(self) -> list[Cpu]:
        return [Cpu(self, p) for p in range(len(self.views[Table.PCPU]))]

    @property
    def memory(self) -> Memory:
        return Memory(self, 0)

    def memory_of(self, domain: int) -> Memory:
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

    def run(
        self,
        *,
        cycles: int | None = None,
        instructions: int | None = None,
        until: Phase | str | None = None,
        stop_at_interrupts: bool | None = None,
    ) -> int:
        """Run for a number of cycles or guest instructions, or until a phase is reached or a text was printed since the
        call; else to the end.

        With several pCPUs a run of cycles ends with the first round that reaches them. A machine with one pCPU can stop
        when its context has taken an interrupt, before the handler's first instruction: a bare machine does so unless
        told not to. Returns guest instructions completed; `stop_reason` says why it stopped.
        """
        self._watch_interrupts(stop=self._is_harness if stop_at_interrupts is None else stop_at_interrupts)
        done = self._run_limited(cycles, instructions, until)
        self.interrupt = None
        if self.stop_reason == Stop.INTERRUPT:
            self.interrupt = int(self.views[Table.REQUEST][0].value)
            done -= self.interrupt in NOT_COMPLETED
        return done

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing but processors and memory."""
        return self.labels.design == BARE

    @property
    def _is_harness(self) -> bool:
        """Whether instructions are run by themselves, and an interrupt ends a run."""
        return self.is_bare and len(self.views[Table.PCPU]) == 1

    def _watch_interrupts(self, *, stop: bool) -> None:
        if stop and len(self.views[Table.PCPU]) > 1:
            raise UsageError(
                "run(stop_at_interrupts=True)", f"{len(self.views[Table.PCPU])} pCPUs", "a machine with one"
            )
        self.views[Table.REQUEST][0].interrupts = int(stop)

    def _run_limited(self, cycles: int | None, instructions: int | None, until: Phase | str | None) -> int:
        limit = self.now + cycles if cycles is not None else NEVER
        quota = instructions if instructions is not None else NO_QUOTA
        if isinstance(until, str):
            return self._run_to_text(until.encode(), limit, quota)
        if until is not None:
            return self._run_to_phase(until, limit, quota)
        if cycles is None and instructions is None and self.phase == Phase.END:
            self.stop_reason = Stop.ENDED  # guests may compute on for ever
            return 0
        return self._run(limit, quota)

    def step(self, count: int = 1) -> int:
        """Complete `count` guest instructions."""
        return self.run(instructions=count)

    def _run_to_text(self, text: bytes, limit: int, quota: int) -> int:
        if self.header.design != Design.PARTITION:
            raise UsageError(f"run(until={text.decode()!r})", "a text", "a Phase: only what boot made waits for texts")
        request = self.views[Table.REQUEST][0]
        self._awaited, request.prompt = text, 1
        self._printed.clear()
        try:
            return self._run(limit, quota)
        finally:
            self._awaited, request.prompt = b"", 0

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
        with np.errstate(over="ignore"):
            while True:
                asked = min(quota - done, self._watcher.interval)
                ran = int(loop.run(self.arrays, limit, asked))
                done += ran
                if self._watcher.is_due(ran):
                    self.translate(at_once=False)
                if not self.attend():
                    reason = Stop(int(self.views[Table.REQUEST][0].reason))
                    if reason != Stop.BUDGET or ran < asked:
                        self.stop_reason = reason
                        return done
                if done >= quota:
                    self.stop_reason = Stop.BUDGET
                    return done

    def translate(self, *, at_once: bool = True) -> None:
        """Generate host code for where the processors are (`translation`).

        Unless `at_once`, only if that is worth it by now, which `run` asks by itself. Changes nothing but the time that
        things take."""
        for place in self._watcher.look(self.views, self.code):
            is_full = (int(self.code[0]["imm"]) + 1) * CODE_STRIDE >= len(self.code)
            if int(self.code[0]["x"]) or (is_full and install.needs_page(self.code, place.page)):
                self._make_code_room()
            self._watcher.translate(self.arrays, place, at_once=at_once)

    def attend(self) -> bool:
        """Do what compiled code came back for; False if there is nothing to do.

        Raises:
            InvariantError: it found a defect of irqvisor's own.
        """
        request = self.views[Table.REQUEST][0]
        reason = Stop(int(request.reason))
        if request.printed:
            self._take_printed()
        if reason == Stop.CODE:
            self._make_code_room()
        elif reason == Stop.HCALL:
            self._serve(int(request.pcpu))
            return bool(request.reason != Stop.EXIT)
        elif reason == Stop.CONSOLE:
            if self.header.design == Design.PARTITION:
                return not self._awaited or self._awaited not in self._printed
            self.write_console(int(request.domain), bytes([int(request.value)]))
        elif reason == Stop.ATTACHED:
            control.attached(self, int(request.domain), int(request.value))
        elif reason == Stop.LOG:
            self.spill_log()
        elif reason == Stop.PANIC:
            raise InvariantError("machine", f"a compiled invariant broke (value {int(request.value)})")
        else:
            return False
        return True

    def _serve(self, p: int) -> None:
        v = int(self.views[Table.PCPU][p].context)
        control.serve(control.Plane(self, int(self.views[Table.VCPU][v].domain), v, p))
        request = self.views[Table.REQUEST][0]
        if request.reason == Stop.ATTACHED:
            control.attached(self, int(request.domain), int(request.value))
        loop.resume(self.arrays, p)

    def _take_printed(self) -> None:
        """What a partition printed since the last look."""
        request = self.views[Table.REQUEST][0]
        text = self.views[Table.PRINTED].byte[: int(request.printed)].tobytes()
        request.printed = 0
        self.write_console(0, text)

    # What the control plane asks for (hv/control/plane.py Host)

    def write_console(self, domain: int, text: bytes) -> None:
        self.consoles[domain].extend(text)
        if self._awaited:
            self._printed.extend(text)
        if self.on_console is not None:
            self.on_console(domain, text)

    def read_console(self, domain: int, count: int) -> bytes:
        text = bytes(self.typed[domain][:count])
        del self.typed[domain][:count]
        return text

    def grow_ports(self, domain: int, count: int) -> None:
        """Give a domain more event-channel ports: its ports move to the end of a longer pool, in place."""
        pool = self.views[Table.PORT]
        record = self.views[Table.DOMAIN][domain]
        first, old = int(record.port), int(record.ports)
        fresh = tables.grown(self.state, Table.PORT, len(pool) + count)
        tables.view(fresh, Table.PORT)[len(pool) : len(pool) + old] = pool[first : first + old]
        moved = tables.view(fresh, Table.DOMAIN)[domain]
        moved.port, moved.ports = len(pool), count
        self.state = fresh
        self._bind()

    def forget_code(self, at: int, size: int) -> None:
        """RAM was written from outside, `size` bytes at an offset: decode the words there anew."""
        first, end = at >> WORD_SHIFT, (at + size - 1 >> WORD_SHIFT) + 1
        page = first // PAGE_WORDS
        entries = self.views[Table.CODEMAP].entry[page : (end - 1) // PAGE_WORDS + 1] & CODE_PAGE
        decoded = np.flatnonzero(entries)
        if len(decoded) and int(self.code[0]["x"]):
            self._make_code_room()
        for k in decoded.tolist():
            begin = (page + k) * PAGE_WORDS
            words = slice(max(first - begin, 0), min(end - begin, PAGE_WORDS))
            install.forget(self.code, int(entries[k]), words)

    def set_breakpoints(self, places: Iterable[tuple[int, int]]) -> None:
        """Stop before these instructions, (domain, guest real address) each, and no others. `run` returns with
        `Stop.BREAKPOINT`; to go on, take away the breakpoint that it stopped at for one instruction."""
        domains = self.views[Table.DOMAIN]
        wanted = sorted({int(domains[d].ram) + address for d, address in places})
        request = self.views[Table.REQUEST][0]
        known = self.views[Table.BREAKPOINT].at[: int(request.breakpoints)].tolist()
        if len(wanted) > len(self.views[Table.BREAKPOINT]):
            self.state = tables.grown(self.state, Table.BREAKPOINT, len(wanted))
            self._bind()
        self.views[Table.BREAKPOINT].at[: len(wanted)] = wanted
        self.views[Table.REQUEST][0].breakpoints = len(wanted)
        for at in set(known) ^ set(wanted):
            self.forget_code(at, 4)

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
        """Raise an input of the interrupt controller; if a source is wired to it, an item arrives there. On a pseries
        board `irq` is the number that the partition knows a source by."""
        if self.header.design == Design.PARTITION:
            self._raise_source(irq, level)
            return
        pirqs = self.views[Table.PIRQ]
        if not 0 <= irq < len(pirqs):
            raise UsageError(f"raise_irq({irq})", "no such input", f"0 to {len(pirqs) - 1}")
        s = int(pirqs[irq].source)
        if s == NOBODY:
            loop.raise_line(self.arrays, irq, level)
        else:
            loop.post_item(self.arrays, s, self.now)

    def _raise_source(self, number: int, level: int) -> None:
        known = self.views[Table.ICS].number.tolist()
        if number not in known:
            raise UsageError(
                f"raise_irq({number:#x})", "no such source", f"one of: {', '.join(f'{n:#x}' for n in known)}"
            )
        xics.set_line(self.arrays, known.index(number), level)

    def type_in(self, text: bytes, domain: int = 0) -> None:
        """Bytes arrive at a domain's console, which its guest reads. On a pseries board the console interrupts; where
        there are event channels the guest gets one."""
        self.typed[domain].extend(text)
        if self.header.design == Design.PARTITION and text:
            self._raise_source(XISR_CONSOLE, 1)
        elif text:
            with np.errstate(over="ignore"):
                control.typed(self, domain)

    def own(self, at: int, size: int) -> None:
        """RAM is about to be written from outside, `size` bytes at an offset: its pages are this machine's own then."""
        self._pages[at >> PAGE_SHIFT : ((at + size - 1) >> PAGE_SHIFT) + 1] &= ~CLEAN

    def fork(self) -> "Machine":
        """A twin that goes its own way. Copies state, and of memory what it must; shares decoded code until either
        changes it."""
        if not self.views[Table.REQUEST][0].breakpoints:
            self.code[0]["x"] = 1
        if self.base is not None and self.base.is_due:
            self.ram, self.base = self.base.renewed(self.ram, self._pages)
            self._bind()
        return self._twin(self.code)

    def copy(self) -> "Machine":
        """A twin that shares no decoded code; this machine is only read."""
        code = self.code.copy()
        code[0]["x"] = 0
        return self._twin(code)

    def _twin(self, code: np.ndarray[Any, Any]) -> "Machine":
        twin = Machine.__new__(Machine)
        twin.state = self.state.copy()
        twin.ram = self.ram.copy() if self.base is None else self.base.fork(self.ram, self._pages)
        twin.base = self.base
        twin.code = code
        if self.views[Table.REQUEST][0].breakpoints:  # they are in the decoded code, and are not the twin's
            twin.code = new_code(FIRST_CODE_PAGES)
            watch_pages(twin.state)
            tables.Views(twin.state)[Table.REQUEST][0].breakpoints = 0
        twin.labels = self.labels
        twin.stop_reason, twin.interrupt = self.stop_reason, self.interrupt
        twin.consoles = [bytearray(text) for text in self.consoles]
        twin.typed = [bytearray(text) for text in self.typed]
        twin._awaited, twin._printed = b"", bytearray()
        twin.on_log = twin.on_console = None
        twin._watcher = Watcher()
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
    """(Re)build the code map: nothing decoded, pages where guests clear PENDING watched, who owns what as before."""
    views = tables.Views(state)
    entries = views[Table.CODEMAP].entry
    entries &= CLEAN
    for d in views[Table.DOMAIN]:
        if d.shared != NOBODY:
            entries[int(d.shared) >> PAGE_SHIFT] |= WATCHED
        if d.words:
            entries[int(d.event_page[0]) >> PAGE_SHIFT] |= WATCHED
    assert not np.any(entries & CODE_PAGE)
