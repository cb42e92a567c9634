"""The command `compare`: the same work under every design."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from irqvisor.cli.choosing import check_cpu, one_point
from irqvisor.cli.options import Cpu, Json, Profile, Settings, Status
from irqvisor.cli.terminal import compile_first, out_json, progress_bar, say, show

if TYPE_CHECKING:
    from irqvisor.lab.scenario import Scenario

DEFAULT_SCENARIO = "disk-and-net"


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
