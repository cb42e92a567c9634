"""What a check is: what was published, and what is run to predict it (TOML, docs/reference/validation.md)."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from irqvisor.errors import ProfileError, ScenarioError, did_you_mean
from irqvisor.lab import profile as profiles
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.validate import steps as machine
from irqvisor.spec.designs import BY_NAME

FOLDER = Path(__file__).parents[2] / "data" / "checks"

UNKNOWN = "unknown"
"""What a fit may look for beside a number of the profile: what the verb of that name takes."""

Texts = Annotated[tuple[str, ...], Field(strict=False)]


class Model(BaseModel):
    """What all parts of a check have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)


class Steps(Model):
    """Programs of verbs (`steps`), and the two marks between which time is taken."""

    cpus: dict[str, Texts] = Field(min_length=1)
    begins: str = Field(description="CPU.MARK")
    ends: str = Field(description="CPU.MARK")


class Run(Model):
    """A scenario under a design, and the number of its result that counts."""

    scenario: str
    design: str
    quantity: str = Field(
        description="path in the JSON of `run`, or of `compare --explain` behind `explain:`; A/B divides"
    )
    cpu: str | None = None
    settings: Texts = Field(default=(), description="as --set takes them")


class Row(Model):
    """A published number, and how it is predicted: ``of``, less ``minus``, over ``over``, names of steps or runs."""

    name: str
    of: str
    minus: str | None = None
    over: str | None = Field(default=None, description="the result is a percentage of this")
    profile: str | None = Field(default=None, description="in place of the check's")
    unit: Literal["ns", "cycles", "%", "count"]
    published: float | None = None
    between: Annotated[tuple[float, float], Field(strict=False)] | None = Field(
        default=None, description="where no number but a range is what has to be met"
    )
    tolerance: float | None = Field(default=None, ge=0, description="percent, in place of the check's")
    why: str = Field(default="", description="the mechanism that explains a miss")

    @model_validator(mode="after")
    def _something_to_meet(self) -> Self:
        if (self.published is None) and (self.between is None):
            raise ValueError("neither published nor between")
        return self


class Fit(Model):
    """One free parameter, fitted to one row; the others are predictions."""

    number: str = Field(description="of the profile, or unknown, the verb of steps")
    row: str


class Need(Model):
    """A number of the profile whose value a row asks for: what it would have to be."""

    number: str
    row: str
    note: str = ""


class Check(Model):
    """Published results of one source, and their prediction."""

    id: str
    title: str
    source: str
    grade: Literal["A", "B", "D", "E"] = Field(alias="class", description="of what was published")
    profile: str
    tolerance: float = Field(ge=0, description="percent")
    steps: dict[str, Steps] = Field(default_factory=dict)
    runs: dict[str, Run] = Field(default_factory=dict)
    rows: Annotated[tuple[Row, ...], Field(strict=False, min_length=1)]
    fit: Fit | None = None
    needs: Annotated[tuple[Need, ...], Field(strict=False)] = ()
    note: str = ""


def names() -> list[str]:
    """Ids of the bundled checks, in order."""
    return [check.id for check in bundled()]


def bundled() -> list[Check]:
    """The checks that come with irqvisor, in order of their numbers."""
    found = [load(path) for path in FOLDER.glob("*.toml")]
    return sorted(found, key=lambda check: int(check.id.removeprefix("P")))


def load(path: Path) -> Check:
    """Read a check.

    Raises:
        ScenarioError: it is not one; every problem.
    """
    return from_dict(_read(path), path.name, path.parent)


def is_check(path: Path) -> bool:
    """Whether a TOML file is a check, and not a scenario."""
    return "rows" in _read(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ScenarioError(str(path), f"cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(str(path), f"not TOML: {error}") from None


def from_dict(data: dict[str, Any], where: str = "check", folder: Path | None = None) -> Check:
    """A check from parsed TOML; files that it names may be relative to it.

    Raises:
        ScenarioError: every problem there is.
    """
    try:
        check = Check.model_validate(data)
    except ValidationError as error:
        problems = []
        for one in error.errors(include_url=False):
            place = ".".join(str(part) for part in one["loc"])
            text = one["msg"].removeprefix("Value error, ")
            problems.append(ScenarioError(f"{where}: {place}", text[0].lower() + text[1:]))
        raise ScenarioError.together(problems) from None
    check = _located(check, folder or Path())
    problems = list(_problems(check, where))
    if problems:
        raise ScenarioError.together(problems)
    return check


def _located(check: Check, folder: Path) -> Check:
    def find(name: str, known: list[str]) -> str:
        return str(folder / name) if name not in known and (folder / name).is_file() else name

    runs = {
        key: run.model_copy(update={"scenario": find(run.scenario, scenarios.names())})
        for key, run in check.runs.items()
    }
    rows = tuple(
        row.model_copy(update={"profile": find(row.profile, profiles.names())}) if row.profile else row
        for row in check.rows
    )
    return check.model_copy(update={"runs": runs, "rows": rows, "profile": find(check.profile, profiles.names())})


def _problems(check: Check, where: str) -> list[ScenarioError]:
    problems = []
    for name, program in check.steps.items():
        place = f"{where}: steps.{name}"
        problems += machine.check(f"{place}.cpus", program.cpus)
        marks = {
            f"{cpu}.{step.removeprefix('mark ')}"
            for cpu, steps in program.cpus.items()
            for step in steps
            if step.startswith("mark ")
        }
        for key in ("begins", "ends"):
            if getattr(program, key) not in marks:
                found, hint = f'no mark "{getattr(program, key)}"', did_you_mean(getattr(program, key), marks)
                problems.append(ScenarioError(f"{place}.{key}", found, hint=hint))
    for name, run in check.runs.items():
        if run.design not in BY_NAME:
            found, hint = f'unknown delivery design "{run.design}"', did_you_mean(run.design, BY_NAME)
            problems.append(ScenarioError(f"{where}: runs.{name}.design", found, hint=hint))
    terms = [*check.steps, *check.runs]
    rows = [row.name for row in check.rows]
    for index, row in enumerate(check.rows):
        for key in ("of", "minus", "over"):
            term = getattr(row, key)
            if term is not None and term not in terms:
                hint = did_you_mean(term, terms, list_as="Steps and runs")
                problems.append(ScenarioError(f"{where}: rows[{index}].{key}", f'no steps or run "{term}"', hint=hint))
    asked: list[tuple[str, Fit | Need]] = [("fit", check.fit)] if check.fit else []
    asked += [(f"needs[{i}]", need) for i, need in enumerate(check.needs)]
    for place, part in asked:
        if part.row not in rows:
            hint = did_you_mean(part.row, rows, list_as="Rows")
            problems.append(ScenarioError(f"{where}: {place}.row", f'no row "{part.row}"', hint=hint))
        known = [*profiles.CHARGES, UNKNOWN] if place == "fit" else list(profiles.CHARGES)
        if part.number not in known:
            hint = did_you_mean(part.number, known)
            problems.append(ScenarioError(f"{where}: {place}.number", f'no charge "{part.number}"', hint=hint))
    named = [("profile", check.profile), *((f"rows[{i}].profile", row.profile) for i, row in enumerate(check.rows))]
    for place, profile in named:
        if profile is not None:
            try:
                profiles.load(profile)
            except ProfileError as error:
                problems += [ScenarioError(f"{where}: {place}", str(p)) for p in error.problems]
    return problems
