"""Boot an image on a board: a guest that nobody here wrote, its console, and how it ended."""

import os
import re
import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from irqvisor import pseries
from irqvisor.errors import ImageError, UsageError, did_you_mean
from irqvisor.guest.image import Image
from irqvisor.hv.state import Quirk
from irqvisor.hw.state import NEVER, Stop
from irqvisor.lab import units
from irqvisor.machine import NO_QUOTA, Machine
from irqvisor.spec.designs import DESIGNS
from irqvisor.spec.power_isa import VEC_SYSTEM_RESET
from irqvisor.tables import Table

BOARDS = ("pseries",)
QUIRKS = {"xirr-opens": Quirk.XIRR_OPENS}
NANOSECONDS = 1_000_000_000
SLICE_CYCLES = 4_000_000
"""Between two looks at what was typed and printed."""
READ_BYTES = 4096
VERDICT = re.compile(rb"^EXIT: STATUS=([0-9]{1,9})\s*$", re.MULTILINE)
VERDICT_BYTES = 64
"""The guest's verdict is among its last words."""

NO_OTHER = "a guest written for PAPR asks H_XIRR for its vector; under this design it would have to be changed"
OTHER_DESIGNS = {
    "hybrid": "a guest written for PAPR does not look at event channels, where hybrid leaves what H_XIRR does not "
    "tell; and alone on its board it would be under hybrid what it is under rhype"
}
"""Why not, for one that might be thought to fit."""

REASONS = {
    Stop.EXIT: "power-off",
    Stop.BUDGET: "limit",
    Stop.DEADLOCK: "deadlock",
    Stop.CHECKSTOP: "checkstop",
    Stop.ATTENTION: "attention",
}


def boot(
    image: str | Path | bytes,
    *,
    board: str = "pseries",
    design: str = "rhype",
    cpus: int = 1,
    threads: int = 1,
    memory: str | int = "256M",
    append: str = "",
    timebase: str | int = "512M",
    clock: str | int = 0,
    rtc: str | int = "2006-03-10",
    initrd: str | Path | bytes = b"",
    rtas_entry: bool = False,
    firmware: bool = False,
    quirks: tuple[str, ...] = (),
) -> Machine:
    """A machine that is about to run an image (docs/reference/pseries-board.md).

    Args:
        image: an ELF file of either byte order or a raw image: its path, or its bytes.
        board: "pseries".
        design: "rhype": a PAPR guest asks for its vectors.
        cpus: processors; all but the first wait for start-cpu.
        threads: processors of one core.
        memory: bytes, or text like "256M".
        append: the guest's command line.
        timebase: ticks of the time base a second.
        clock: instructions a second; 0: one a tick.
        rtc: date and time at which the real-time clock starts.
        initrd: a file that the guest is given in memory: its path, or its bytes.
        rtas_entry: give the guest code that makes RTAS calls, besides H_RTAS.
        firmware: the image is what the machine begins with: it lies at address 0 and is entered by a reset.
        quirks: what another implementation does differently: "xirr-opens".

    Raises:
        UsageError: there is no such board, or no board can be like that.
        ImageError: the image cannot be read, is for another machine, or does not fit.
    """
    if board not in BOARDS:
        raise UsageError(f"boot(board={board!r})", "no such board", hint=did_you_mean(board, BOARDS))
    check_design(design)
    for quirk in quirks:
        if quirk not in QUIRKS:
            raise UsageError("quirks", f'no quirk "{quirk}"', hint=did_you_mean(quirk, QUIRKS))
    config = pseries.Config(
        cpus=cpus,
        threads=threads,
        memory_bytes=units.size_bytes("memory", str(memory)),
        bootargs=append,
        timebase_hz=units.rate_hz("timebase", str(timebase)),
        clock_hz=units.rate_hz("clock", str(clock)),
        rtc=units.date_seconds("rtc", str(rtc)),
        initrd=_bytes(initrd),
        rtas_entry=rtas_entry,
        quirks=sum(QUIRKS[quirk] for quirk in set(quirks)),
    )
    name = "image" if isinstance(image, bytes) else str(image)
    base, entry = (0, VEC_SYSTEM_RESET) if firmware else (pseries.LOAD_ADDRESS, None)
    return pseries.build(Image.from_firmware(_bytes(image), base=base, entry=entry, name=name), config)


def check_design(design: str) -> None:
    """Complain about a design under which no PAPR guest runs.

    Raises:
        UsageError: any but rhype.
    """
    known = [info.name for info in DESIGNS]
    if design not in known:
        raise UsageError("design", f'no design "{design}"', hint=did_you_mean(design, known))
    if design != "rhype":
        raise UsageError("design", f"{design} on the pseries board", "rhype", OTHER_DESIGNS.get(design, NO_OTHER))


def _bytes(source: str | Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise ImageError(str(source), f"cannot be read ({error.strerror})", "a guest image") from None


class Ending(NamedTuple):
    """How a guest ended."""

    stop: str  # power-off, reboot, limit, deadlock, checkstop ...
    status: int | None  # n of its EXIT: STATUS=n line
    instructions: int
    virtual_ns: int

    @property
    def reported_failure(self) -> bool:
        """Whether the guest said so."""
        return self.status is not None and self.status >> 1 != 0

    @property
    def finished(self) -> bool:
        """Whether it ended by itself."""
        return self.stop in ("power-off", "reboot")


def run(
    machine: Machine,
    *,
    instructions: int | None = None,
    virtual_ns: int | None = None,
    more_input: Callable[[float | None], bytes | None] | None = None,
) -> Ending:
    """Run until the guest powers off or a limit is reached.

    Args:
        machine: what `boot` made.
        instructions: at most so many.
        virtual_ns: at most so much virtual time, in nanoseconds.
        more_input: what was typed since the last call, waiting for it so many seconds (None: for ever); None: there
            will be no more.
    """
    clock_hz = int(machine.header.clock_hz)
    left = NO_QUOTA if instructions is None else instructions
    end = NEVER if virtual_ns is None else virtual_ns * clock_hz // NANOSECONDS
    done = 0
    while done < left and machine.now < end:
        done += machine.run(cycles=min(end - machine.now, SLICE_CYCLES), instructions=left - done)
        asleep = machine.stop_reason == Stop.DEADLOCK
        if machine.stop_reason != Stop.BUDGET and not asleep:
            break
        if more_input is not None:
            text = more_input(None if asleep else 0)
            if text is None:
                more_input = None
            else:
                machine.type_in(text)
                continue
        if asleep:
            break
    return ending(machine)._replace(instructions=done)


def ending(machine: Machine) -> Ending:
    """How a machine that `boot` made has ended, or why it stands still."""
    virtual_ns = machine.now * NANOSECONDS // int(machine.header.clock_hz)
    done = int(machine.views[Table.PCPU].icount.sum())
    return Ending(_reason(machine), verdict(machine), done, virtual_ns)


def _reason(machine: Machine) -> str:
    if machine.stop_reason == Stop.EXIT and machine.views[Table.DOMAIN][0].status != 0:
        return "reboot"
    return REASONS.get(machine.stop_reason, machine.stop_reason.name.lower())


def verdict(machine: Machine) -> int | None:
    """N of the ``EXIT: STATUS=n`` line that the guest ended with, if it did."""
    found = VERDICT.findall(bytes(machine.consoles[0][-VERDICT_BYTES:]).replace(b"\r", b""))
    return int(found[-1]) if found else None


def standard_input() -> Callable[[float | None], bytes | None] | None:
    """What is typed on stdin, for `run` and for gdb's session; None if there is none."""
    try:
        file = sys.stdin.fileno()
    except (AttributeError, ValueError, OSError):
        return None

    def more(seconds: float | None) -> bytes | None:
        if not select.select([file], [], [], seconds)[0]:
            return b""
        return os.read(file, READ_BYTES) or None

    return more


def to_dict(machine: Machine, image: str, ending: Ending) -> dict[str, Any]:
    """The ending for a program to read."""
    return {
        "image": image,
        "board": "pseries",
        "stop": ending.stop,
        "status": ending.status,
        "console": machine.console,
        "instructions": ending.instructions,
        "virtual_ns": ending.virtual_ns,
        "cpus": [
            {"pc": cpu.pc, "symbol": machine.symbol(0, cpu.pc), "msr": cpu.msr, "idle": cpu.idle} for cpu in machine.cpu
        ],
        "digest": machine.digest(),
    }
