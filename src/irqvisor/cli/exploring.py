"""The commands `explore`, `replay` and `zoo`: interrupts at every instruction, and what that has found."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from irqvisor.cli.choosing import check_cpu, one_point
from irqvisor.cli.options import Cpu, Json, Profile, Settings, Status
from irqvisor.cli.terminal import compile_first, head, out_json, progress_bar, say, show
from irqvisor.errors import UsageError

if TYPE_CHECKING:
    from irqvisor.lab.explore.preempt.report import Report as Schedules
    from irqvisor.lab.explore.report import Report
    from irqvisor.lab.scenario import Scenario


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
    return _tell(
        found, text.lines, partial(files.save, asked), repro, require_complete=require_complete, as_json=as_json
    )


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
    from irqvisor.lab.explore.preempt import question, report, search, text
    from irqvisor.lab.explore.preempt import repro as files

    asked = question.ask(target, design, **options)
    compile_first(quiet=as_json)
    with progress_bar("exploring", quiet=as_json) as (progress, _):
        found = report.Report(search.explore(asked, lambda told: progress(told.share, told.note()), **who))
    return _tell(
        found, text.lines, partial(files.save, asked), repro, require_complete=require_complete, as_json=as_json
    )


def _tell(
    found: "Report | Schedules",
    lines: Callable[[Any], Iterator[str]],
    save: Callable[[Any, Path], None],
    repro: Path | None,
    *,
    require_complete: bool,
    as_json: bool,
) -> int:
    """What was found, and where asked for a file with the first of it; the exit status."""
    from irqvisor.lab import view

    if repro is not None and found.findings:
        save(found.findings[0], repro)
        say(f"{repro}: the first finding; irqvisor replay {repro} runs it again")
    if as_json:
        out_json(found.to_dict())
    else:
        show(view.sentences(lines(found)))
    return found.exit_status(require_complete=require_complete)


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
