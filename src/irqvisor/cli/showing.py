"""The commands `designs`, `profiles`, `scenarios` and `doctor`: what there is."""

from pathlib import Path
from typing import Annotated

import typer

from irqvisor.cli.options import Json, Status
from irqvisor.cli.terminal import head, out, out_json, progress_bar, show


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
