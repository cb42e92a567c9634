"""Recordings: the interrupts of a real machine, from an ftrace text log.

Reads what ``/sys/kernel/tracing/trace`` and ``trace-cmd report`` print, plain or gzipped::

              task-0     [001] d.h..  1477.713840: irq_handler_entry: irq=36 name=virtio1-req.0
      kworker/0:1-events-77    [000]  1477.713840123: irq_handler_entry:    irq=36 name=virtio1-req.0

Only ``irq_handler_entry`` matters; other events and comments are passed over, what is neither counts as a broken line.
An arrival is the *handler's entry* on the recorded machine: the device raised its line a little earlier, and when two
came together the second one waited for the first. Whoever shows the numbers says so.

Reading is streaming: memory holds one block of text, and 16 bytes an interrupt.
"""

from __future__ import annotations

import gzip
import re
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irqvisor.errors import RecordingError, UsageError, did_you_mean

if TYPE_CHECKING:
    import numpy as np

FOLDER = Path(__file__).parents[1] / "data" / "recordings"
SUFFIX = ".ftrace.gz"

BLOCK = 1 << 20
"""Bytes read at a time, and the longest line that can still be a line of text."""

SHOWN = 100
"""Characters of a broken line that a message quotes."""

NS = 1_000_000_000

EXPECTED = 'lines such as "task-0  [001] d.h..  1477.713840: irq_handler_entry: irq=36 name=eth0"'

# TASK-PID, perhaps (TGID), [CPU] and flags, then SECONDS.FRACTION and the event. The task may hold anything: lazy, so
# that it ends at the first "-PID" behind which everything else fits.
_EVENT = re.compile(
    rb".*?-\d+\s+(?:\(\s*(?:\d+|-+)\)\s+)?(?:\[(\d{1,5})\]\s+)?(?:[.#A-Za-z0-9]{1,8}\s+)?(\d{1,10})\.(\d{1,9}):\s+"
    rb"(?:(?:irq:)?irq_handler_entry:\s*(.*)|\S.*)"
)
_ENTRY = re.compile(rb"irq=(\d{1,9}) name=(.+)")

# What the tracing file and trace-cmd print besides events: the header, lost events, the parts of a stack trace.
_NO_EVENT = re.compile(
    rb"|#.*|=>.*|(?:version|cpus)\s*=\s*\d+|cpu\s*\d+ is empty|cpu:\s*\d+ \[.*(?:lost|dropped).*\]|\[\d+ events .*\]",
    re.IGNORECASE,
)

_OTHER_FORMATS = (
    (b"\x17\x08\x44tracing", "a binary trace.dat", "trace-cmd report trace.dat > trace.txt"),
    (b"PERFILE2", "a binary perf.data", "perf script > trace.txt, or record with trace-cmd"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "zstd -d first: plain text and .gz can be read"),
    (b"\xfd7zXZ", "compressed with xz", "unxz first: plain text and .gz can be read"),
    (b"BZh", "compressed with bzip2", "bunzip2 first: plain text and .gz can be read"),
)


@dataclass(frozen=True, eq=False)
class Recording:
    """Interrupts of a recorded machine, in order of time, or the part of them that was chosen.

    All times count from the first event of the log. Choosing never renames: ``names`` and ``total`` stay the file's.

    Attributes:
        path: where it was read.
        names: the names of the interrupts, in order of first appearance.
        time_ns, irq, cpu, name: shape (n,); ``name`` indexes ``names``; ``cpu`` is -1 where the log has none.
        start_ns, length_ns: the window; at first all of the log.
        whole_ns: length of the whole log.
        total: interrupts in the whole log.
        lines: lines in the file.
        bad_lines: lines that were neither events nor comments, and skipped.
        first_bad: number and text of the first of them.
        rate: how much faster than it was recorded it is to be played.
    """

    path: Path
    names: tuple[str, ...]
    time_ns: np.ndarray[Any, np.dtype[np.int64]] = field(repr=False)
    irq: np.ndarray[Any, np.dtype[np.int32]] = field(repr=False)
    cpu: np.ndarray[Any, np.dtype[np.int32]] = field(repr=False)
    name: np.ndarray[Any, np.dtype[np.int32]] = field(repr=False)
    start_ns: int
    length_ns: int
    whole_ns: int
    total: int
    lines: int = 0
    bad_lines: int = 0
    first_bad: tuple[int, str] | None = None
    rate: float = 1.0

    def __len__(self) -> int:
        return len(self.time_ns)

    def counts(self) -> dict[str, int]:
        """Interrupts per name, of those chosen; names without any are left out."""
        import numpy as np

        found = np.bincount(self.name, minlength=len(self.names))
        return {name: int(count) for name, count in zip(self.names, found, strict=True) if count}

    def window(self, start_s: float, length_s: float) -> Recording:
        """The interrupts from ``start_s`` on, for ``length_s``: recorded seconds, the end excluded.

        Raises:
            UsageError: nothing of the window lies within the recording.
        """
        start, length = round(start_s * NS), round(length_s * NS)
        if length <= 0 or start < 0 or start >= self.whole_ns:
            raise UsageError(
                f"window {start_s:g}:{length_s:g}",
                "lies outside the recording" if length > 0 else "is empty",
                f"a start and a length in seconds within 0-{self.whole_ns / NS:.2f} s of {self.path.name}",
            )
        chosen = (self.time_ns >= start) & (self.time_ns < start + length)
        return replace(self._only(chosen), start_ns=start, length_ns=length)

    def densest(self, length_s: float) -> float:
        """Where a window of ``length_s`` has to start, in recorded seconds, to hold the most interrupts.

        Of equal windows the first. It begins with an interrupt unless it would run past the end of the log.
        """
        import numpy as np

        length = round(length_s * NS)
        if len(self) == 0 or length >= self.whole_ns:
            return 0.0
        held = np.searchsorted(self.time_ns, self.time_ns + length, side="left") - np.arange(len(self))
        start = int(self.time_ns[int(np.argmax(held))])
        return min(start, self.whole_ns - length) / NS

    def select(self, names: Sequence[str], cpus: Sequence[int] | None = None) -> Recording:
        """Only the interrupts of these names, and of these CPUs of the recorded machine.

        Raises:
            RecordingError: a name that the log does not have.
        """
        import numpy as np

        for name in names:
            if name not in self.names:
                hint = did_you_mean(name, self.names, list_as="In the log")
                raise RecordingError(str(self.path), f'no interrupt named "{name}"', hint=hint)
        chosen = np.isin(self.name, [self.names.index(name) for name in names])
        if cpus is not None:
            chosen &= np.isin(self.cpu, list(cpus))
        return self._only(chosen)

    def speed(self, x: float) -> Recording:
        """The same, played ``x`` times as fast; twice makes it ``x * x``.

        Raises:
            UsageError: not a speed.
        """
        if not 0 < x <= 1_000_000:
            raise UsageError("speed", f"found {x:g}", "more than 0, such as 0.5 (half as fast) or 2")
        return replace(self, rate=self.rate * x)

    @property
    def duration_ns(self) -> int:
        """How long the chosen window takes when played."""
        return round(self.length_ns / self.rate)

    def offsets(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Arrivals in ns from the start of the window, as played: ascending, each within ``duration_ns``."""
        import numpy as np

        recorded = self.time_ns - self.start_ns
        return recorded if self.rate == 1 else np.floor(recorded / self.rate).astype(np.int64)

    def describe(self) -> str:
        """How much of the log was chosen: "604 of 2,583 interrupts, 4.04-4.24 s"."""
        start, end = self.start_ns / NS, (self.start_ns + self.length_ns) / NS
        text = f"{len(self):,} of {self.total:,} interrupts, {start:.2f}-{end:.2f} s"
        return text if self.rate == 1 else f"{text}, at {self.rate:g} times the speed"

    def _only(self, chosen: np.ndarray[Any, Any]) -> Recording:
        return replace(
            self, time_ns=self.time_ns[chosen], irq=self.irq[chosen], cpu=self.cpu[chosen], name=self.name[chosen]
        )


def bundled() -> list[str]:
    """The recordings that come with irqvisor."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def resolve(name_or_path: str | Path) -> Path:
    """The file of a bundled recording, or the path as given."""
    text = str(name_or_path)
    return FOLDER / f"{text}{SUFFIX}" if text in bundled() else Path(name_or_path)


def read(path: str | Path, *, skip_bad_lines: bool = False) -> Recording:
    """Read an ftrace log, or a bundled recording by name.

    CPUs are merged by time; interrupts of the same instant keep the order of the file.

    Args:
        path: plain text or gzip, told by the content.
        skip_bad_lines: go on when lines are neither events nor comments, and count them.

    Raises:
        RecordingError: no such file, not text, cut short, broken lines, or no ``irq_handler_entry`` in it.
    """
    import numpy as np

    path = resolve(path)
    where = str(path)
    times, irqs, cpus, ids = array("q"), array("i"), array("i"), array("i")
    names: dict[bytes, int] = {}
    first, last = (1 << 63) - 1, 0
    lines = bad = 0
    first_bad: tuple[int, str] | None = None
    match_event, match_entry = _EVENT.fullmatch, _ENTRY.fullmatch

    for number, raw in enumerate(_lines(path), 1):
        lines, line = number, raw.strip()
        event = match_event(line)
        if event is not None:
            cpu, seconds, fraction, rest = event.groups()
            time = int(seconds) * NS + int(fraction.ljust(9, b"0"))
            entry = match_entry(rest) if rest is not None else None
            if time < 1 << 63 and (rest is None or entry is not None):
                first, last = min(first, time), max(last, time)
                if entry is not None:
                    irq, name = entry.groups()
                    times.append(time)
                    irqs.append(int(irq))
                    cpus.append(-1 if cpu is None else int(cpu))
                    ids.append(names.setdefault(name, len(names)))
                continue
        elif _NO_EVENT.fullmatch(line):
            continue
        bad += 1
        first_bad = first_bad or (number, _shown(line))

    if first_bad is not None and not skip_bad_lines:
        number, text = first_bad
        count = f"{bad:,} broken line{'s' if bad > 1 else ''} of {lines:,}, the first" if lines > 1 else "a broken line"
        hint = "--skip-bad-lines goes on without them" if times else "is this the text of an ftrace log?"
        raise RecordingError(f"{where}: line {number}", f'{count}: "{text}"', EXPECTED, hint)
    if not times:
        raise RecordingError(
            where,
            f"no irq_handler_entry in its {lines:,} lines" if lines else "empty",
            EXPECTED,
            "record with: trace-cmd record -e irq:irq_handler_entry; trace-cmd report > trace.txt",
        )
    time_ns = np.array(times, np.int64) - first
    order = np.argsort(time_ns, kind="stable")
    whole = last - first + 1
    return Recording(
        path=path,
        names=tuple(name.decode("utf-8", "replace") for name in names),
        time_ns=time_ns[order],
        irq=np.array(irqs, np.int32)[order],
        cpu=np.array(cpus, np.int32)[order],
        name=np.array(ids, np.int32)[order],
        start_ns=0,
        length_ns=whole,
        whole_ns=whole,
        total=len(times),
        lines=lines,
        bad_lines=bad,
        first_bad=first_bad,
    )


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a text file, gzipped or not, without their ends; one block in memory at a time."""
    where = str(path)
    number = 0
    try:
        with path.open("rb") as raw:
            magic = raw.read(16)
            raw.seek(0)
            for start, what, remedy in _OTHER_FORMATS:
                if magic.startswith(start):
                    raise RecordingError(where, what, "the text of an ftrace log, plain or .gz", remedy)
            file = gzip.GzipFile(fileobj=raw) if magic.startswith(b"\x1f\x8b") else raw
            rest = b""
            while block := file.read(BLOCK):
                if b"\0" in block or len(rest) > BLOCK:
                    found = f"binary data after line {number:,}" if number else "binary data"
                    raise RecordingError(where, found, "the text of an ftrace log, plain or .gz")
                *whole, rest = (rest + block).split(b"\n")
                number += len(whole)
                yield from whole
            if rest:
                yield rest
    except FileNotFoundError:
        raise RecordingError(where, "no such file", hint=f"bundled: {', '.join(bundled())}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        found = f"the compressed data is cut short or damaged after line {number:,} ({error})"
        raise RecordingError(where, found, "a complete .gz file", "copy or compress the file again") from None
    except OSError as error:
        raise RecordingError(where, f"cannot be read: {error.strerror or error}") from None


def _shown(line: bytes) -> str:
    """A line as a message can quote it: printable and short."""
    text = "".join(c if c.isprintable() else "?" for c in line.decode("utf-8", "replace").strip())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
