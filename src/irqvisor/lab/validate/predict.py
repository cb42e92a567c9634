"""A check's predictions: its steps and scenarios, run with a profile that holds elementary numbers only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from irqvisor.errors import ProfileError, UsageError
from irqvisor.lab import profile as profiles
from irqvisor.lab import runner
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.pool import WORKERS, run_all
from irqvisor.lab.profile import Profile
from irqvisor.lab.ranking.decompose import decompose
from irqvisor.lab.validate import steps as machine
from irqvisor.lab.validate.checks import UNKNOWN, Check, Fit, Need, Row, Run

REPRODUCED = "reproduced"
EXPLAINED = "missed, explained"
MISSED = "missed"
FITTED = "fitted"
NOT_RUN = "not run"

EXPLAIN = "explain:"
HALVINGS = 80
LARGEST_NS = 1e7
"""A number that has to be found is looked for up to here."""


@dataclass(frozen=True)
class Prediction:
    """One row of a check, predicted.

    Attributes:
        check: its id.
        row: what was published.
        profile: name of the profile.
        predicted: in the row's unit; None: not run.
        low, high: the least and the most that the profile's estimates allow; None where that was not asked, or where no
            estimate takes part.
        difference: percent of what was published; None where a range is to be met.
        verdict: `REPRODUCED`, `EXPLAINED`, `MISSED`, `FITTED` or `NOT_RUN`.
        why: the mechanism behind a miss, or why it was not run.
    """

    check: str
    row: Row
    profile: str
    predicted: float | None
    low: float | None
    high: float | None
    difference: float | None
    verdict: str
    why: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "check": self.check,
            "row": self.row.name,
            "profile": self.profile,
            "unit": self.row.unit,
            "published": self.row.published,
            "between": self.row.between,
            "predicted": self.predicted,
            "predicted_low": self.low,
            "predicted_high": self.high,
            "difference_percent": self.difference,
            "verdict": self.verdict,
            "why": self.why,
        }


@dataclass(frozen=True)
class Needed:
    """What a number of a profile would have to be for a row to come out as published.

    Attributes:
        check, row, number: names.
        ns: what it would have to be; None: no value will do.
        has_ns: what it is.
        low_ns, high_ns: its range.
        note: what to compare it with.
    """

    check: str
    row: str
    number: str
    ns: float | None
    has_ns: float
    low_ns: float
    high_ns: float
    note: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.__dict__}


class Predictor:
    """Predicts one check.

    Attributes:
        check: which.
    """

    def __init__(self, check: Check, *, profile: str | None = None, workers: int = WORKERS) -> None:
        self.check = check
        self._override = profile
        self._workers = workers
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}

    def profile_of(self, row: Row) -> str:
        """Name or path of the profile that a row is predicted with."""
        return self._override or row.profile or self.check.profile

    def jobs(self) -> list[tuple[str, str]]:
        """(run, profile) of the scenarios that have to run."""
        wanted = []
        for row in self.check.rows:
            for term in (row.of, row.minus, row.over):
                job = (term or "", self.profile_of(row))
                if term in self.check.runs and job not in wanted:
                    wanted.append(job)
        return wanted

    def predict(self, on_progress: Callable[[float], None] | None = None) -> list[Prediction]:
        """Run what has to run, then compare.

        Raises:
            IrqvisorError: something cannot be run, or a number has no profile.
        """

        def one(job: tuple[str, str], tell: Callable[[float], None]) -> dict[str, Any]:
            return run_scenario(self.check.runs[job[0]], job[1], tell)

        jobs = self.jobs()
        if jobs:
            self._rows.update(run_all(jobs, one, workers=self._workers, on_progress=on_progress))
        return [self._row(row) for row in self.check.rows]

    def needs(self) -> list[Needed]:
        """What `check.needs` asks for; after `predict`."""
        return [self._need(need) for need in self.check.needs]

    # ------------------------------------------------------------------------------------------------------- one row
    def _row(self, row: Row) -> Prediction:
        name = self.profile_of(row)
        reason = next((r for t in (row.of, row.minus, row.over) if t and (r := self._skipped(t, name))), "")
        profile = profiles.load(name)
        if reason:
            return Prediction(self.check.id, row, profile.name, None, None, None, None, NOT_RUN, reason)
        predicted = self._fitted_value(row, profile)
        low, high = self._range(row, profile)
        difference = None
        if row.published is not None:
            difference = round(100 * (predicted - row.published) / row.published, 1) + 0.0  # no -0
            tolerance = self.check.tolerance if row.tolerance is None else row.tolerance
            held = abs(difference) <= tolerance
        else:
            assert row.between is not None
            held = row.between[0] <= predicted <= row.between[1]
        verdict = REPRODUCED if held else EXPLAINED if row.why else MISSED
        if self.check.fit is not None and self.check.fit.row == row.name:
            verdict = FITTED
        return Prediction(
            self.check.id, row, profile.name, predicted, low, high, difference, verdict, "" if held else row.why
        )

    def _skipped(self, term: str, profile: str) -> str:
        """Why a run cannot be had, or nothing."""
        row = self._rows.get((term, profile))
        return f"{row['design']}: {row['skipped']}" if row is not None and row["skipped"] else ""

    def _value(self, row: Row, profile: Profile, unknown_ns: float = 0.0) -> float:
        """A row's number, in its unit."""
        name = self.profile_of(row)
        value = self._term(row.of, name, profile, unknown_ns)
        if row.minus is not None:
            value -= self._term(row.minus, name, profile, unknown_ns)
        if row.over is not None:
            value *= 100 / self._term(row.over, name, profile, unknown_ns)
        if row.unit == "cycles":
            value *= profile.numbers["clock_ghz"].value
        return value

    def _term(self, term: str, name: str, profile: Profile, unknown_ns: float) -> float:
        if term in self.check.runs:
            return quantity(self._rows[term, name], self.check.runs[term].quantity)
        program = self.check.steps[term]
        where = f"{self.check.id}: steps.{term}.cpus"
        marks = machine.run(where, program.cpus, profile, unknown_ns=unknown_ns)
        return marks[program.ends] - marks[program.begins]

    # ------------------------------------------------------------------------------------------- estimates, and fitting
    def _is_steps(self, row: Row) -> bool:
        return all(term is None or term in self.check.steps for term in (row.of, row.minus, row.over))

    def _range(self, row: Row, profile: Profile) -> tuple[float | None, float | None]:
        """The least and the most that the estimates allow, all together."""
        if not self._is_steps(row):
            return None, None
        middle = self._fitted_value(row, profile)
        lowest: dict[str, str] = {}
        highest: dict[str, str] = {}
        for name, number in profile.numbers.items():
            if number.grade != "E" or number.low == number.high or (self.check.fit and name == self.check.fit.number):
                continue  # what is fitted is fitted anew at each end
            values = {end: self._at(row, profile, {name: end}) for end in ("low", "high")}
            known = {end: value for end, value in values.items() if value is not None}
            if known and min(known.values()) < middle:
                lowest[name] = min(known, key=lambda end: known[end])
            if known and max(known.values()) > middle:
                highest[name] = max(known, key=lambda end: known[end])
        low, high = self._at(row, profile, lowest), self._at(row, profile, highest)
        if low is None or high is None or high - low <= 1e-6 * abs(middle):
            return None, None
        return low, high

    def _at(self, row: Row, profile: Profile, ends: dict[str, str]) -> float | None:
        """A row's number at ends of ranges; None if nothing can be fitted there."""
        try:
            return self._fitted_value(row, profile.with_overrides(ends))
        except ProfileError:
            return None

    def _fitted_value(self, row: Row, profile: Profile) -> float:
        """A row's number with the free parameter at the value that one row asks for."""
        fit = self.check.fit
        if fit is None:
            return self._value(row, profile)
        found = self._solve(fit, profile)
        if found is None:
            raise ProfileError(f"{self.check.id}: fit", f"no value of {fit.number} gives {fit.row}")
        return self._with(row, profile, fit.number, found)

    def _with(self, row: Row, profile: Profile, number: str, amount_ns: float) -> float:
        """A row's number with a number of the profile, or what is unknown, at some ns."""
        if number == UNKNOWN:
            return self._value(row, profile, amount_ns)
        return self._value(row, profile.with_overrides({number: f"{amount_ns:.6f}ns"}))

    def _solve(self, fit: Fit | Need, profile: Profile) -> float | None:
        """The value of a number, in ns, at which a row is what was published; None if there is none. Bisection."""
        (row,) = [each for each in self.check.rows if each.name == fit.row]
        target = row.published
        assert target is not None

        def is_below(amount: float) -> bool:
            return self._with(row, profile, fit.number, amount) < target

        low, high = 0.0, LARGEST_NS
        below = is_below(low)
        if is_below(high) == below:
            return None
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if is_below(middle) == below:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def _need(self, need: Need) -> Needed:
        (row,) = [each for each in self.check.rows if each.name == need.row]
        profile = profiles.load(self.profile_of(row))
        number = profile.numbers[need.number]
        has = machine.ns(profile, need.number)
        per = has / number.value if number.value else 0.0
        ns = self._solve(need, profile)
        return Needed(self.check.id, row.name, need.number, ns, has, number.low * per, number.high * per, need.note)


def run_scenario(run: Run, profile: str, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
    """A run of a check: its result, taken apart if the quantity asks for that."""
    scenario = scenarios.load(run.scenario)
    scenario = scenarios.with_overrides(scenario, [f'profile="{profile}"', *run.settings])
    if not run.quantity.startswith(EXPLAIN):
        return runner.run(scenario, run.design, cpu=run.cpu, progress=progress)
    reason = runner.skipped(scenario, run.design, run.cpu)
    if reason:
        return {"design": run.design, "skipped": reason}
    return decompose(scenario, run.design, cpu=run.cpu, progress=progress).to_dict()


def quantity(row: dict[str, Any], text: str) -> float:
    """A number of a result: ``latency_ns.mean``, ``hypervisor_entries.external/serviced``; what is absent is 0.

    Raises:
        UsageError: it leads to no number.
    """
    parts = [_number(row, part) for part in text.removeprefix(EXPLAIN).split("/")]
    value = parts[0]
    for divisor in parts[1:]:
        value = value / divisor if divisor else 0.0
    return value


def _number(row: dict[str, Any], path: str) -> float:
    found: Any = row
    for key in path.split("."):
        if isinstance(found, dict) and key not in found and found is not row:
            return 0.0  # a reason that did not occur
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, int | float):
        raise UsageError(f"quantity {path}", "leads to no number", "a path such as latency_ns.mean")
    return float(found)


def all_held(predictions: Sequence[Prediction]) -> bool:
    """Whether nothing was missed without an explanation."""
    return all(each.verdict != MISSED for each in predictions)
