"""The command `gdb`, and what `-s` and `-S` of others do."""

from typing import TYPE_CHECKING, Annotated

import typer

from irqvisor.cli.options import GDB_PORT, LOOPBACK, Firmware, Status
from irqvisor.cli.terminal import compile_first, put, say

if TYPE_CHECKING:
    from irqvisor.lab.gdb.session import Session


def gdb(
    target: Annotated[str, typer.Argument(metavar="SCENARIO|IMAGE", help="A scenario, or a file to boot.")],
    design: Annotated[str, typer.Option(metavar="NAME", help="The delivery design; an image has rhype.")] = "rhype",
    port: Annotated[int, typer.Option(metavar="N", help="Where to listen; 0: any free port.")] = GDB_PORT,
    listen: Annotated[str, typer.Option(metavar="ADDRESS", help="On which address: others than you may reach it.")] = (
        LOOPBACK
    ),
    cpus: Annotated[int, typer.Option(metavar="N", help="An image's processors.")] = 1,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="An image's memory.")] = "256M",
    append: Annotated[str, typer.Option(metavar="TEXT", help="An image's command line.")] = "",
    clock: Annotated[str, typer.Option(metavar="HZ", help="An image's instructions a second; 0: one a tick.")] = "0",
    firmware: Firmware = False,
) -> int:
    """A scenario or an image with gdb attached: it waits for gdb before its first instruction."""
    from irqvisor.lab.gdb import attach

    session = attach.session(
        target, design=design, cpus=cpus, memory=memory, append=append, clock=clock, firmware=firmware
    )
    session.machine.on_console = session.timeline.console = lambda _, text: put(text)
    compile_first(quiet=False)
    serve_gdb(session, port, listen, running=False)
    return Status.HELD


def serve_gdb(session: "Session", port: int, address: str, *, running: bool) -> None:
    """Serve gdb until the machine has ended."""
    from irqvisor.lab.gdb.server import Server

    session.prepare()
    server = Server(session, port=port, address=address)
    say(f"gdb: target remote {address}:{server.port}")
    say("single steps hold interrupts off; maintenance packet Qqemu.sstep=1 lets them in")
    try:
        server.serve(running=running)
    finally:
        server.close()
