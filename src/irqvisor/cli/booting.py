"""The command `boot`: a guest from elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from irqvisor.cli.debugging import serve_gdb
from irqvisor.cli.options import GDB_PORT, LOOPBACK, Debug, DebugFirst, Firmware, Json, Status
from irqvisor.cli.terminal import compile_first, head, out_json, put, say
from irqvisor.errors import UsageError


def boot(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="An ELF file or a raw image.")],
    board: Annotated[str, typer.Option(metavar="NAME", help="The board: pseries.")] = "pseries",
    design: Annotated[str, typer.Option(metavar="NAME", help="The delivery design: rhype, as PAPR has it.")] = "rhype",
    cpus: Annotated[int, typer.Option(metavar="N", help="Processors.")] = 1,
    threads: Annotated[int, typer.Option(metavar="N", help="Processors of one core.")] = 1,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Memory.")] = "256M",
    append: Annotated[str, typer.Option(metavar="TEXT", help="The guest's command line.")] = "",
    initrd: Annotated[Path | None, typer.Option(metavar="FILE", help="A file that the guest finds in memory.")] = None,
    timebase: Annotated[str, typer.Option(metavar="HZ", help="Ticks of the time base a second.")] = "512M",
    clock: Annotated[str, typer.Option(metavar="HZ", help="Instructions a second; 0: one a tick.")] = "0",
    rtc: Annotated[
        str, typer.Option(metavar="DATE", help="Where the real-time clock starts: a date, or seconds since 1970.")
    ] = "2006-03-10",
    rtas_entry: Annotated[bool, typer.Option("--rtas-entry", help="Give the guest code for RTAS calls.")] = False,
    firmware: Firmware = False,
    quirk: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Do as another implementation: xirr-opens.")
    ] = None,
    max_instructions: Annotated[int | None, typer.Option(metavar="N", min=0, help="Stop after so many.")] = None,
    timeout_virtual: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop after so much virtual time: 10s.")
    ] = None,
    debug: Debug = False,
    debug_first: DebugFirst = False,
    as_json: Json = False,
) -> int:
    """A guest from elsewhere on a board of its own: its console on stdout, stdin is typed there."""
    from irqvisor.lab import boot as lab
    from irqvisor.lab import units

    limit = None if timeout_virtual is None else units.time_ns("--timeout-virtual", timeout_virtual)
    machine = lab.boot(
        image,
        board=board,
        design=design,
        cpus=cpus,
        threads=threads,
        memory=memory,
        append=append,
        timebase=timebase,
        clock=clock,
        rtc=rtc,
        initrd=initrd or b"",
        rtas_entry=rtas_entry,
        firmware=firmware,
        quirks=tuple(quirk or ()),
    )
    compile_first(quiet=as_json)
    if not as_json:
        machine.on_console = lambda _, text: put(text)
    if debug or debug_first:
        if as_json or limit is not None or max_instructions is not None:
            raise UsageError("-s, -S", "with a limit or --json", "gdb alone")
        from irqvisor.lab.gdb import attach

        session = attach.of_image(machine, image.read_bytes(), firmware=firmware)
        serve_gdb(session, GDB_PORT, LOOPBACK, running=not debug_first)
        if session.is_killed:
            return Status.HELD
        machine = session.machine
        ending = lab.ending(machine)
    else:
        more_input = None if as_json else lab.standard_input()
        ending = lab.run(machine, instructions=max_instructions, virtual_ns=limit, more_input=more_input)
    if as_json:
        out_json({"header": head(), "boot": lab.to_dict(machine, str(image), ending)})
    if not ending.finished:
        at = machine.cpu[0]
        say(f"{image}: stopped by a {ending.stop} after {ending.instructions:,} instructions, pc {at.pc:#x}")
        return Status.FAILED
    return Status.VIOLATED if ending.reported_failure else Status.HELD
