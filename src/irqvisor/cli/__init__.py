"""The command line: each command is a few lines over `irqvisor.lab`.

Data goes to stdout, everything else to stderr; progress only to a terminal; nothing depends on colour. Whatever is slow
to import is imported by the command that needs it: ``irqvisor --help`` waits for nothing but Typer.

Exit status: 0 all held; 1 a property was violated; 2 usage or input error; 3 skipped; 4 internal error, a guest fault,
or a limit that ended a run before its answer; 130 interrupted.
"""

import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from irqvisor.cli.booting import boot
from irqvisor.cli.checking import bench, conformance, validate
from irqvisor.cli.comparing import compare
from irqvisor.cli.debugging import gdb
from irqvisor.cli.exploring import explore, replay, zoo
from irqvisor.cli.options import Status
from irqvisor.cli.running import run
from irqvisor.cli.showing import designs, doctor, profiles, scenarios
from irqvisor.cli.terminal import out, own_version, say
from irqvisor.errors import InvariantError, IrqvisorError

app = typer.Typer(
    name="irqvisor",
    help="How does an interrupt get from the hardware into the right guest, and what does it cost?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; what ``irqvisor`` on the command line calls.

    Args:
        arguments: without the program's name; None: those of the process.
    """
    try:
        status = app(arguments, prog_name="irqvisor", standalone_mode=False)
    except typer.TyperException as error:  # a wrong option or argument: Typer's own words, with the usage line
        explain = getattr(error, "show", None)
        explain() if explain is not None else say(error.format_message())
        return Status.USAGE
    except typer.Abort:
        return Status.INTERRUPTED
    except InvariantError as error:
        return _defect(error)
    except IrqvisorError as error:
        say(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        return Status.INTERRUPTED
    except Exception as error:  # noqa: BLE001  whatever it is, it is ours
        return _defect(error)
    if status == Status.INTERRUPTED:
        say("interrupted")
    return int(status or 0)


def _defect(error: Exception) -> int:
    if not isinstance(error, IrqvisorError):
        traceback.print_exception(error)
    say(f"{type(error).__name__}: {error}")
    say("this is a defect of irqvisor, not of your input. Please report it with the command, these lines, and")
    say(f"irqvisor {own_version()}, Python {sys.version.split()[0]}")
    return Status.FAILED


def _print_version(wanted: bool) -> None:
    if wanted:
        out(f"irqvisor {own_version()}")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


COMMANDS = (
    compare,
    run,
    bench,
    conformance,
    explore,
    validate,
    boot,
    replay,
    zoo,
    gdb,
    designs,
    profiles,
    scenarios,
    doctor,
)
"""In the order of `irqvisor --help`."""

for command in COMMANDS:
    app.command()(command)
