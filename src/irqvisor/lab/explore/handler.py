"""A guest of one's own as a scenario: one domain, some devices, all of them free."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from irqvisor.guest.image import ELF_MAGIC
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.scenario import Scenario

DEVICES = ("disk", "net", "third", "fourth")
"""What the devices are called."""
RAM_KIB = 64
SLOTS = 16


def scenario_of(
    image: str | Path,
    *,
    devices: int = 1,
    before: int = 1,
    trigger: Literal["edge", "level"] = "edge",
    ram_kib: int = RAM_KIB,
    slots: int = SLOTS,
    cpu: str = "970",
    neighbour: bool = False,
) -> Scenario:
    """The smallest scenario for an image.

    Args:
        image: an ELF file for the paravirt board (docs/reference/paravirt-board.md).
        devices: 1 to 4, named as in `DEVICES`, of interrupt 1 and so on.
        before: items of the first device that are there when the window begins.
        trigger: of the devices' lines.
        ram_kib: memory of the guest.
        slots: of each ring.
        cpu: "970" or "power8".
        neighbour: a second domain on the same pCPU runs the same image, without a device.

    Raises:
        ScenarioError: there is no such file, or the numbers make no sense.
    """
    names = DEVICES[:devices]
    guest = {"ram_kib": ram_kib, "image": str(image), "pcpu": 0}
    return scenarios.from_dict(
        {
            "name": Path(image).stem,
            "duration_ms": 1,
            "cpu": cpu,
            "domains": [{"name": name, **guest} for name in (["guest", "neighbour"] if neighbour else ["guest"])],
            "sources": [
                {
                    "name": name,
                    "owner": "guest",
                    "slots": slots,
                    "trigger": trigger,
                    "arrival": {"kind": "free", "before": before if name == names[0] else 0},
                }
                for name in names
            ],
        },
        str(image),
    )


def is_image(text: str) -> bool:
    """Whether a word of a command line names an ELF file."""
    try:
        with Path(text).open("rb") as file:
            return file.read(len(ELF_MAGIC)) == ELF_MAGIC
    except OSError:
        return False
