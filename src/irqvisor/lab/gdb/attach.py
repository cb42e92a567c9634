"""What gdb is attached to: a scenario under a design, or an image on the pseries board."""

from io import BytesIO
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from irqvisor import pseries
from irqvisor.errors import UsageError
from irqvisor.guest.image import ELF_MAGIC, FIRMWARE_MASK
from irqvisor.lab import boot
from irqvisor.lab.gdb.registers import Order
from irqvisor.lab.gdb.session import Session
from irqvisor.machine import Machine


def session(target: str, *, design: str, **options: Any) -> Session:
    """A session for a scenario (its name, or a TOML file) or an image (any other file).

    Raises:
        UsageError, ImageError, ScenarioError: as for what it is.
    """
    path = Path(target)
    if path.suffix == ".toml" or not path.is_file():
        unwanted = [name for name, value in options.items() if value != DEFAULTS[name]]
        if unwanted:
            raise UsageError(f"--{unwanted[0]}", f"{target} is a scenario", "an image, which is booted on a board")
        return Session(Machine.from_scenario(target, design=design))
    machine = boot.boot(path, design=design, **options)
    return of_image(machine, path.read_bytes(), firmware=options["firmware"])


DEFAULTS = {"cpus": 1, "memory": "256M", "append": "", "clock": "0", "firmware": False}
"""Options of an image's board, as `boot` has them."""


def of_image(machine: Machine, data: bytes, *, firmware: bool) -> Session:
    """A session for a machine that boots an image; what is typed on stdin is the guest's."""
    order, offset = layout(data, base=0 if firmware else pseries.LOAD_ADDRESS)
    made = Session(machine, order=order, offset=offset)
    made.more_input = boot.standard_input()
    return made


def layout(data: bytes, *, base: int) -> tuple[Order, int]:
    """An image's byte order, and how far from its addresses it was loaded."""
    if not data.startswith(ELF_MAGIC):
        return "big", 0
    elf = ELFFile(BytesIO(data))
    first = min(int(part["p_vaddr"]) for part in elf.iter_segments() if part["p_type"] == "PT_LOAD")
    return "little" if elf.little_endian else "big", base + (first & FIRMWARE_MASK) - first
