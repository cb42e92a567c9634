"""Options that several commands have, and the exit status of all."""

from enum import IntEnum
from typing import Annotated

import typer


class Status(IntEnum):
    """How the program ends."""

    HELD = 0
    VIOLATED = 1
    USAGE = 2
    SKIPPED = 3
    FAILED = 4
    INTERRUPTED = 130


GDB_PORT = 1234
LOOPBACK = "127.0.0.1"
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change the scenario or its profile: duration_ms=50, profile.hcall_rt=900."
    ),
]
Profile = Annotated[str | None, typer.Option(metavar="NAME|FILE", help="Hardware profile in place of the scenario's.")]
Cpu = Annotated[
    str | None, typer.Option(metavar="MODEL", help="Processor model in place of the scenario's: 970, power8.")
]
Firmware = Annotated[
    bool, typer.Option("--firmware", help="The image is the board's firmware: it lies at 0 and begins at 0x100.")
]
Debug = Annotated[bool, typer.Option("-s", help=f"Let gdb attach at localhost:{GDB_PORT}.")]
DebugFirst = Annotated[bool, typer.Option("-S", help="Wait there for gdb before the first instruction.")]
