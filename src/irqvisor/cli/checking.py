"""The commands `bench`, `conformance` and `validate`: irqvisor beside emulators, Xen and published costs."""

from pathlib import Path
from typing import Annotated

import typer

from irqvisor.cli.options import Json, Status
from irqvisor.cli.terminal import compile_first, head, out, out_json, progress_bar, say, show
from irqvisor.errors import UsageError, did_you_mean

SUITES = ("event-channels",)
"""What `conformance` can replay."""
MOST_WORK = 1000
"""`bench --size`: beyond this a round takes longer than anybody waits."""


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
