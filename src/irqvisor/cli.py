"""The command line: each command is a few lines over `irqvisor.lab`.

Data goes to stdout, everything else to stderr; progress only to a terminal; nothing depends on colour. Whatever is slow
to import is imported by the command that needs it: ``irqvisor --help`` waits for nothing but Typer.

Exit status: 0 all held; 1 a property was violated; 2 usage or input error; 3 skipped; 4 internal error, a guest fault,
or a limit that ended a run before its answer; 130 interrupted.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from irqvisor.errors import InvariantError, IrqvisorError, UsageError, did_you_mean

if TYPE_CHECKING:
    from rich.console import RenderableType

    from irqvisor.lab.gdb.session import Session
    from irqvisor.lab.scenario import Scenario
    from irqvisor.machine import Machine


class Status(IntEnum):
    """How the program ends."""

    HELD = 0
    VIOLATED = 1
    USAGE = 2
    SKIPPED = 3
    FAILED = 4
    INTERRUPTED = 130


SUITES = ("event-channels",)
"""What `conformance` can replay."""

GDB_PORT = 1234
LOOPBACK = "127.0.0.1"
DEFAULT_SCENARIO = "disk-and-net"
MOST_WORK = 1000
"""`bench --size`: beyond this a round takes longer than anybody waits."""

app = typer.Typer(
    name="irqvisor",
    help="How does an interrupt get from the hardware into the right guest, and what does it cost?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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


# ------------------------------------------------------------------------------------------------------------ speaking
def say(text: str) -> None:
    """A message for the person: to stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def out(text: str) -> None:
    """Data: to stdout. A reader that went away (``| head``) is no error, and does not change the answer."""
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def put(text: bytes) -> None:
    """What a guest prints: to stdout at once, as it is."""
    try:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def out_json(data: dict[str, Any]) -> None:
    """Data as JSON; numbers of NumPy are none of the reader's business."""
    out(json.dumps(data, indent=2, default=_plain))


def _plain(value: object) -> object:
    for convert in ("tolist", "_asdict", "model_dump"):
        if hasattr(value, convert):
            return getattr(value, convert)()
    return str(value)


def show(*parts: "RenderableType") -> None:
    """Tables and sentences, to stdout."""
    from irqvisor.lab import view

    for part in parts:
        out(view.render(part, terminal=sys.stdout.isatty()))


class Move(Protocol):
    """What moves a progress bar."""

    def __call__(self, share: float, note: str = "") -> None:
        """To a share of 0 to 1; the note stands behind it."""


def _stay(share: float, note: str = "") -> None:
    """There is no bar."""
    del share, note


@contextmanager
def progress_bar(what: str, *, quiet: bool) -> "Iterator[tuple[Move, Callable[[str], None]]]":
    """A bar on stderr if that is a terminal: yields what moves it, and what prints a line above it."""
    if quiet or not sys.stderr.isatty():
        yield _stay, (lambda _: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False, markup=False)
    shape = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn())
    with Progress(*shape, TextColumn("{task.fields[note]}"), console=console, transient=True) as bars:
        task = bars.add_task(what, total=1.0, note="")
        yield (lambda share, note="": bars.update(task, completed=share, note=note)), bars.console.print


def compile_first(*, quiet: bool) -> None:
    """Compile, if that has not been done yet, where it can be told: within a run it would look like a slow run."""
    from irqvisor.lab import doctor

    if doctor.is_compiled():
        return
    with progress_bar("compiling", quiet=quiet) as (_, line):
        doctor.compile_all(lambda what: line(f"compiling what {what} needs"))


def own_version() -> str:
    """The version of this package, as it was installed."""
    try:
        return version("irqvisor")
    except PackageNotFoundError:
        return "(not installed)"


def head() -> dict[str, Any]:
    """The header of JSON that no run stands behind."""
    return {"irqvisor": own_version()}


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


# ------------------------------------------------------------------------------------------------------------- running
@app.command()
def compare(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A bundled scenario, or a TOML file.")
    ] = DEFAULT_SCENARIO,
    design: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this design; repeat for more.")] = None,
    cpu: Cpu = None,
    profile: Profile = None,
    settings: Settings = None,
    recording: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An ftrace log in place of the scenario's interrupts.")
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(metavar="START:LENGTH|all", help="Part of the recording, in seconds; default: the densest."),
    ] = None,
    irq: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this interrupt of the recording; repeat for more.")
    ] = None,
    speed: Annotated[float | None, typer.Option(metavar="X", help="Play the recording X times as fast.")] = None,
    skip_bad_lines: Annotated[
        bool, typer.Option("--skip-bad-lines", help="Go on when the recording has broken lines.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 2,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Run the ranges of the profile: is the order of each pair decided?")
    ] = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Take each design apart, and search for what would change their order."),
    ] = False,
    by: Annotated[
        str, typer.Option(metavar="MEASURE", help="What ranks designs: latency, vector, known, tail, overhead.")
    ] = "latency",
    as_json: Json = False,
) -> int:
    """The same work under every design: one table, and why they differ."""
    from irqvisor.lab import compare as lab
    from irqvisor.lab import doctor, view

    chosen = lab.prepare(
        scenario,
        profile=profile,
        overrides=settings or (),
        recording=recording,
        window=window,
        irq=irq or (),
        speed=speed,
        skip_bad_lines=skip_bad_lines,
    )
    check_cpu(cpu)
    lab.choose(design)
    if sensitivity:
        return _sensitivity(chosen, design, cpu, by, workers=workers, as_json=as_json)
    if explain:
        return _explain(chosen, design, cpu, by, workers=workers, as_json=as_json)
    if not as_json:
        say(lab.plan(chosen, design, workers=workers, compiled=doctor.is_compiled()))
    compile_first(quiet=as_json)
    with progress_bar("running", quiet=as_json) as (progress, line):
        result = lab.compare(
            chosen,
            design,
            cpu=cpu,
            workers=workers,
            on_row=lambda label, row: line(view.one_line(label, row)),
            on_progress=progress,
        )
    if as_json:
        out_json(result.to_dict())
    elif len(result.points) > 1:
        points = [(point.label, point.designs) for point in result.points]
        show(view.sweep(points), view.sentences(["", *result.reasons(), "", *view.footer(result.header)]))
    else:
        show(view.comparison(result.designs), view.sentences(["", *result.reasons(), "", *view.footer(result.header)]))
    return result.exit_status


def _sensitivity(
    chosen: "Scenario", design: list[str] | None, cpu: str | None, by: str, *, workers: int, as_json: bool
) -> int:
    from irqvisor.lab import compare as lab
    from irqvisor.lab.ranking import experiments, measures, sensitivity, table

    measures.choose(by)
    names = [info.name for info in lab.choose(design)]
    runs = experiments.Experiments(experiments.shorten(one_point(chosen)), cpu=cpu, workers=workers)
    if not as_json:
        what = f"the ranges of {chosen.name}'s profile under {', '.join(names)}"
        say(table.plan(what, runs, sensitivity.expected_runs(runs, names), workers=workers))
    compile_first(quiet=as_json)
    with progress_bar("running", quiet=as_json) as (progress, _):
        found = sensitivity.sensitivity(runs, names, by=by, on_progress=progress)
    if as_json:
        out_json({"header": lab.header(found.scenario), "sensitivity": found.to_dict()})
    else:
        show(table.sensitivity(found))
    if found.violations:
        return Status.VIOLATED
    return Status.HELD if found.values else Status.SKIPPED


def _explain(
    chosen: "Scenario", design: list[str] | None, cpu: str | None, by: str, *, workers: int, as_json: bool
) -> int:
    from irqvisor.lab import compare as lab
    from irqvisor.lab import doctor, view
    from irqvisor.lab.ranking import explain, explain_table, measures

    measures.choose(by)
    names = [info.name for info in lab.choose(design)]
    if not as_json:
        say(lab.plan(one_point(chosen), names, workers=workers, compiled=doctor.is_compiled()))
        say("and then, to see what would flip the ranking, some hundred short runs: a minute or less")
    compile_first(quiet=as_json)
    with progress_bar("running", quiet=as_json) as (progress, _):
        found = explain.explain(one_point(chosen), names, cpu=cpu, by=by, workers=workers, on_progress=progress)
    if as_json:
        out_json({"header": lab.header(chosen), "explanation": found.to_dict()})
    else:
        show(explain_table.explanation(found), view.sentences(["", *view.footer(lab.header(chosen))]))
    if found.violations:
        return Status.VIOLATED
    return Status.HELD if found.values else Status.SKIPPED


@app.command()
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
        _debug(session, GDB_PORT, LOOPBACK, running=running)
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


def one_point(scenario: "Scenario") -> "Scenario":
    """The scenario without its sweep, which only `compare` follows."""
    if scenario.sweep is None:
        return scenario
    say(f"{scenario.name} sweeps {scenario.sweep.key}; this is one run with the value it has. --set chooses another")
    return scenario.model_copy(update={"sweep": None})


def check_cpu(model: str | None) -> None:
    """Refuse a processor model that does not exist.

    Raises:
        UsageError: it does not.
    """
    from irqvisor.lab.build import MODELS

    if model is not None and model not in MODELS:
        raise UsageError("--cpu", f'unknown processor model "{model}"', hint=did_you_mean(model, MODELS))


@app.command()
def bench(
    peer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Only this peer; repeat for more: qemu, qemu-counting, unicorn, unicorn-counting."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often everybody runs; the fastest counts.")] = 5,
    size: Annotated[float, typer.Option(metavar="X", help="X times the usual work a round.")] = 1.0,
    compile_too: Annotated[bool, typer.Option("--compile", help="Compile everything once more, and time it.")] = False,
    as_json: Json = False,
) -> int:
    """How fast irqvisor is, side by side with the emulators that are installed."""
    from irqvisor.lab.bench import measure, own, runners, table

    if not 0 < size <= MOST_WORK:
        raise UsageError("--size", f"found {size:g}", f"more than 0, at most {MOST_WORK}")
    chosen = runners.choose(peer)
    absent = {runner.name: runner.missing() for runner in chosen if runner.missing()}
    if peer and absent:
        say("\n".join(f"{name}: {why}" for name, why in absent.items()))
        return Status.SKIPPED
    compile_first(quiet=as_json)
    with progress_bar("measuring", quiet=as_json) as (progress, _):
        found = measure.measure(
            chosen,
            rounds=rounds,
            size=size,
            own_steps=own.steps(compile_too=compile_too),
            on_progress=progress,
        )
    if as_json:
        out_json(found.to_dict())
    else:
        show(table.report(found))
    return found.exit_status


@app.command()
def conformance(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="What to replay: event-channels.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Files of vectors in place of the bundled ones.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Recorded behaviour of Xen, replayed through the code that guests use."""
    from irqvisor.lab.conformance import replay, text, vectors

    if suite not in SUITES:
        raise UsageError("conformance", f'unknown suite "{suite}"', hint=did_you_mean(suite, SUITES))
    chosen = paths or vectors.bundled()
    with progress_bar("replaying", quiet=as_json) as (progress, _):
        report = replay.replay(chosen, progress)
    if as_json:
        out_json({"header": head(), "suite": suite, **report.to_dict()})
    else:
        out("\n".join(text.lines(report)))
    return report.exit_status


# ----------------------------------------------------------------------------------------------------------- exploring
@app.command()
def explore(
    scenario: Annotated[
        str, typer.Argument(help="A bundled scenario or a TOML file with a free source, or an ELF image.")
    ],
    design: Annotated[str, typer.Option(metavar="NAME", help="The delivery design.")],
    sources: Annotated[
        str | None, typer.Option(metavar="A,B", help="Inject only these of the free sources; default: all.")
    ] = None,
    injections: Annotated[
        int, typer.Option(metavar="N", help="Items to inject, at ordered instants: 1 or 2; with --random up to 8.")
    ] = 1,
    random: Annotated[
        int | None, typer.Option(metavar="N", help="Run N schedules of injections, chosen at random, in place of all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of --random.")] = 1,
    window: Annotated[
        int | None, typer.Option(metavar="N", help="Examine only the first N instants; default: up to quiescence.")
    ] = None,
    bound: Annotated[
        int, typer.Option(metavar="N", help="Instructions a guest may take to come to rest after an injection.")
    ] = 20_000,
    max_latency_ns: Annotated[
        float | None, typer.Option(metavar="NS", help="An item consumed later than this is a finding.")
    ] = None,
    reentry: Annotated[
        bool, typer.Option("--reentry", help="A handler entered again before it has returned is a finding.")
    ] = False,
    merging: Annotated[
        bool, typer.Option("--merging/--no-merging", help="Instants that lead to a seen state share its outcome.")
    ] = True,
    repro: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the first finding to a file for `irqvisor replay`.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads; default: all cores.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Let the workers of a Dask cluster do it.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what is done in a file, and go on from it.")
    ] = None,
    before: Annotated[
        int, typer.Option(metavar="N", min=0, help="Of an ELF image: items there when the window begins.")
    ] = 1,
    devices: Annotated[
        int, typer.Option(metavar="N", min=1, max=4, help="Of an ELF image: its devices, disk, net, third and fourth.")
    ] = 1,
    neighbour: Annotated[
        bool, typer.Option("--neighbour", help="Of an ELF image: a second domain runs it too, without a device.")
    ] = False,
    preemptions: Annotated[
        int | None,
        typer.Option(
            "--preempt", metavar="N", help="No injections: every schedule of several pCPUs with at most N preemptions."
        ),
    ] = None,
    pcpus: Annotated[int, typer.Option(metavar="N", help="Of an ELF image under the design bare: its processors.")] = 2,
    require_complete: Annotated[
        bool, typer.Option("--require-complete", help="Fail (status 4) unless all of the window was examined.")
    ] = False,
    cpu: Cpu = None,
    profile: Profile = None,
    settings: Settings = None,
    as_json: Json = False,
) -> int:
    """An interrupt at every instruction: find the instant at which a wake-up is lost, or certify that there is none."""
    from irqvisor.lab import compare as lab
    from irqvisor.lab import scenario as scenarios
    from irqvisor.lab import view
    from irqvisor.lab.explore import handler, question, report, search, text
    from irqvisor.lab.explore import repro as files

    check_cpu(cpu)
    is_image = handler.is_image(scenario)
    if preemptions is not None:
        if sources or random is not None or injections != 1 or window is not None or max_latency_ns or reentry:
            raise UsageError("--preempt", "together with an option of injections", "one or the other")
        target = scenario if is_image else one_point(lab.prepare(scenario, profile=profile, overrides=settings or ()))
        return _explore_switches(
            target,
            design,
            {"preemptions": preemptions, "pcpus": pcpus, "cpu": cpu, "bound": bound, "merging": merging},
            {"workers": workers, "scheduler": scheduler, "journal": resume},
            repro,
            require_complete=require_complete,
            as_json=as_json,
        )
    if is_image:
        guest = handler.scenario_of(scenario, before=before, devices=devices, neighbour=neighbour)
        chosen = scenarios.with_overrides(guest, settings or ())
    else:
        chosen = one_point(lab.prepare(scenario, profile=profile, overrides=settings or ()))
    asked = question.ask(
        chosen,
        design,
        cpu=cpu,
        sources=[name.strip() for name in sources.split(",")] if sources else (),
        injections=injections,
        random=random,
        seed=seed,
        window=window,
        bound=bound,
        max_latency_ns=max_latency_ns,
        reentry=reentry,
        merging=merging,
    )
    compile_first(quiet=as_json)
    with progress_bar("exploring", quiet=as_json) as (progress, _):
        found = report.Report(
            search.explore(
                asked,
                lambda told: progress(told.share, told.note()),
                workers=workers,
                scheduler=scheduler,
                journal=resume,
            )
        )
    if repro is not None and found.findings:
        files.save(asked, found.findings[0], repro)
        say(f"{repro}: the first finding; irqvisor replay {repro} runs it again")
    if as_json:
        out_json(found.to_dict())
    else:
        show(view.sentences(text.lines(found)))
    return found.exit_status(require_complete=require_complete)


def _explore_switches(
    target: "str | Scenario",
    design: str,
    options: dict[str, Any],
    who: dict[str, Any],
    repro: Path | None,
    *,
    require_complete: bool,
    as_json: bool,
) -> int:
    from irqvisor.lab import view
    from irqvisor.lab.explore.preempt import question, report, search, text
    from irqvisor.lab.explore.preempt import repro as files

    asked = question.ask(target, design, **options)
    compile_first(quiet=as_json)
    with progress_bar("exploring", quiet=as_json) as (progress, _):
        found = report.Report(search.explore(asked, lambda told: progress(told.share, told.note()), **who))
    if repro is not None and found.findings:
        files.save(asked, found.findings[0], repro)
        say(f"{repro}: the first finding; irqvisor replay {repro} runs it again")
    if as_json:
        out_json(found.to_dict())
    else:
        show(view.sentences(text.lines(found)))
    return found.exit_status(require_complete=require_complete)


@app.command()
def validate(
    check: Annotated[
        list[str] | None, typer.Argument(metavar="[CHECK]...", help="Only these: P1 to P11, B1 to B4.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Your machine: for the behaviour, or for your workload.")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Your workload: a scenario, or a file of checks.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 2,
    as_json: Json = False,
) -> int:
    """Predicted against published: what elementary costs make of results that were measured as a whole."""
    from irqvisor.lab import view
    from irqvisor.lab.validate import report, table

    plan = report.plan(check or (), profile=profile, scenario=scenario)
    if not as_json:
        say(plan.line(workers))
    compile_first(quiet=as_json)
    with progress_bar("running", quiet=as_json) as (progress, _):
        found = plan.run(workers=workers, on_progress=progress)
    if as_json:
        out_json({"header": head(), **found.to_dict()})
    else:
        show(table.report(found), view.sentences(["", table.summary(found)]))
    return Status.HELD if found.held else Status.VIOLATED


# ------------------------------------------------------------------------------------------------------------- booting
@app.command()
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
        _debug(session, GDB_PORT, LOOPBACK, running=not debug_first)
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


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A finding that `irqvisor explore --repro` wrote.")],
    as_json: Json = False,
) -> int:
    """A finding, again, exactly; and why it happens."""
    from irqvisor.lab import view
    from irqvisor.lab.explore import repro
    from irqvisor.lab.explore.preempt import repro as schedules

    data = repro.load(file)
    compile_first(quiet=as_json)
    found = (schedules if schedules.is_mine(data) else repro).replay(data, str(file))
    if as_json:
        out_json({"header": head(), "replay": {"judge": found.judge, "same": found.same, "lines": found.lines}})
    else:
        show(view.sentences(found.lines))
    if not found.same:
        say(f"{file}: the run ended in another state than it did when it was found")
        return Status.FAILED
    return Status.VIOLATED


@app.command()
def zoo(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Only these; default: all.")] = None,
    as_json: Json = False,
) -> int:
    """Real bugs of interrupt paths, found; and their fixes, certified."""
    from irqvisor.lab import view
    from irqvisor.lab.explore import text
    from irqvisor.lab.explore import zoo as lab

    chosen = lab.choose(names or ())
    compile_first(quiet=as_json)
    outcomes = []
    with progress_bar("visiting", quiet=as_json) as (progress, _):
        for outcome in lab.visit(chosen):
            outcomes.append(outcome)
            progress(len(outcomes) / len(chosen))
    if as_json:
        out_json({"header": head(), "entries": [outcome.to_dict() for outcome in outcomes]})
    else:
        show(view.sentences(text.of_zoo(outcomes)))
    return Status.VIOLATED if any(outcome.problems for outcome in outcomes) else Status.HELD


@app.command()
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
    _debug(session, port, listen, running=False)
    return Status.HELD


def _debug(session: "Session", port: int, address: str, *, running: bool) -> None:
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


# -------------------------------------------------------------------------------------------------------- what there is
@app.command()
def designs(as_json: Json = False) -> int:
    """The ways to deliver an interrupt."""
    from irqvisor.lab import runner, view

    found = runner.designs()
    if as_json:
        out_json({"header": head(), "designs": [info.to_dict() for info in found]})
    else:
        rows = [(info.name, info.title) for info in found]
        show(
            view.words(("design", "who takes the interrupt, and how the guest learns of it"), rows), view.options(found)
        )
    return Status.HELD


@app.command()
def profiles(
    name: Annotated[str | None, typer.Argument(help="A bundled profile, or a TOML file.")] = None, as_json: Json = False
) -> int:
    """What each step costs on some hardware, with class and source for every number."""
    from irqvisor.lab import profile, view

    if name is not None:
        data = profile.load(name).to_dict()
        if as_json:
            out_json({"header": head(), "profile": data})
        else:
            show(view.profile(data, profile.RATES))
        return Status.HELD
    found = [profile.load(each) for each in profile.names()]
    if as_json:
        out_json({"header": head(), "profiles": [each.to_dict() for each in found]})
    else:
        show(view.words(("profile", "description"), [(each.name, each.description) for each in found]))
    return Status.HELD


@app.command()
def scenarios(
    name: Annotated[str | None, typer.Argument(help="A bundled scenario, or a TOML file.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of scenario files.")] = False,
    as_json: Json = False,
) -> int:
    """What can be compared: the bundled scenarios, one of them in full, or the schema of the files."""
    from irqvisor.lab import scenario, view

    if schema:
        out_json(scenario.schema())
        return Status.HELD
    if name is not None:
        chosen = scenario.load(name)
        if as_json:
            hashed = {**head(), "scenario_hash": scenario.fingerprint(chosen)}
            out_json({"header": hashed, "scenario": chosen.model_dump(mode="json")})
        else:
            path = scenario.FOLDER / f"{name}.toml"
            out((path if path.is_file() else Path(name)).read_text(encoding="utf-8"))
        return Status.HELD
    found = [scenario.load(each) for each in scenario.names()]
    if as_json:
        out_json({"header": head(), "scenarios": [{"name": s.name, "description": s.description} for s in found]})
    else:
        show(view.words(("scenario", "description"), [(s.name, " ".join(s.description.split())) for s in found]))
    return Status.HELD


@app.command()
def doctor(
    compile_now: Annotated[
        bool, typer.Option("--compile", help="Compile everything that comparisons and explorations need.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Is everything here that a comparison needs?"""
    from irqvisor.lab import doctor as lab
    from irqvisor.lab import view

    checks = list(lab.examine())
    if compile_now:
        with progress_bar("compiling", quiet=as_json) as (_, line):
            checks.append(lab.compile_all(lambda what: line(f"compiling what {what} needs")))
            line("compiling what explore needs")
            checks.append(lab.compile_exploration())
    if as_json:
        out_json({"header": head(), "checks": [check._asdict() for check in checks]})
    else:
        rows = [("ok" if check.ok else "PROBLEM", check.name, check.detail) for check in checks]
        show(view.words(("", "check", "found"), rows))
    return Status.HELD if all(check.ok for check in checks) else Status.FAILED
