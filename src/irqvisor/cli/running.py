"""The command `run`: one scenario under one design."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from irqvisor.cli.choosing import check_cpu, one_point
from irqvisor.cli.debugging import serve_gdb
from irqvisor.cli.options import GDB_PORT, LOOPBACK, Cpu, Debug, DebugFirst, Json, Profile, Settings, Status
from irqvisor.cli.terminal import compile_first, out_json, progress_bar, say, show
from irqvisor.errors import UsageError

if TYPE_CHECKING:
    from irqvisor.lab.scenario import Scenario
    from irqvisor.machine import Machine


def run(
    scenario: Annotated[str, typer.Argument(help="A bundled scenario, or a TOML file.")],
    design: Annotated[str, typer.Option(metavar="NAME", help="The delivery design.")],
    cpu: Cpu = None,
    profile: Profile = None,
    settings: Settings = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the event log, one JSON object a line.")
    ] = None,
    log_last: Annotated[int, typer.Option(metavar="N", min=0, help="Only the last N events of the log.")] = 0,
    journey: Annotated[
        str | None,
        typer.Option(metavar="ID|slowest|lost", help="Print the life of one interrupt instead of the summary."),
    ] = None,
    debug: Debug = False,
    debug_first: DebugFirst = False,
    as_json: Json = False,
) -> int:
    """One scenario under one design: a summary, its event log, or the life of one interrupt."""
    from irqvisor.lab import compare as lab
    from irqvisor.lab import view

    if log_last and log is None:
        raise UsageError("--log-last", "there is no log", "--log FILE with it")
    if (debug or debug_first) and (log is not None or journey is not None):
        raise UsageError("-s, -S", "with --log or --journey", "gdb alone; its monitor journey shows what is under way")
    chosen = one_point(lab.prepare(scenario, profile=profile, overrides=settings or ()))
    check_cpu(cpu)
    lab.choose([design])
    compile_first(quiet=as_json)
    if journey is not None:
        return _journey(chosen, design, journey, cpu, as_json=as_json)
    if debug or debug_first:
        row = _debugged(chosen, design, cpu, running=not debug_first)
    else:
        with progress_bar("running", quiet=as_json) as (progress, _):
            row = _logged(chosen, design, cpu, log, log_last, progress)
    if as_json:
        out_json({"header": lab.header(chosen), "run": row})
    else:
        show(view.run(row), view.sentences(["", *view.footer(lab.header(chosen))]))
    if row["skipped"]:
        return Status.SKIPPED
    if view.is_violated(row):
        return Status.VIOLATED
    return Status.FAILED if row["faults"] else Status.HELD


def _logged(
    chosen: "Scenario", design: str, cpu: str | None, path: Path | None, last: int, progress: Callable[[float], None]
) -> dict[str, Any]:
    from irqvisor.lab import runner

    if path is None:
        return runner.run(chosen, design, cpu=cpu, progress=progress)
    from irqvisor.lab.logfile import LogFile

    with LogFile(path) as log:
        row = runner.run(chosen, design, log=log.write, log_last=last, cpu=cpu, progress=progress)
    say(f"{path}: {log.records:,} events")
    return row


def _debugged(chosen: "Scenario", design: str, cpu: str | None, *, running: bool) -> dict[str, Any]:
    from irqvisor.lab import runner
    from irqvisor.lab.gdb.session import Session

    def drive(machine: "Machine") -> "Machine":
        session = Session(machine)
        serve_gdb(session, GDB_PORT, LOOPBACK, running=running)
        if session.is_killed:
            raise typer.Abort
        return session.machine

    return runner.run(chosen, design, cpu=cpu, drive=drive)


def _journey(chosen: "Scenario", design: str, which: str, cpu: str | None, *, as_json: bool) -> int:
    from irqvisor.lab import compare as lab
    from irqvisor.lab import runner, view

    if which not in ("slowest", "lost") and not which.isdecimal():
        raise UsageError("--journey", f'found "{which}"', "a number from the event log, slowest, or lost")
    steps = runner.journey(chosen, design, which, cpu=cpu)
    if as_json:
        out_json({"header": lab.header(chosen), "design": design, "journey": steps})
    elif steps:
        show(view.journey(steps))
    if not steps:
        say("nothing was lost" if which == "lost" else f"there is no journey {which}")
        return Status.HELD if which == "lost" else Status.USAGE
    return Status.VIOLATED if which == "lost" else Status.HELD
