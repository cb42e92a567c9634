"""Replay sequences of vectors, and compare every field of every step."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irqvisor.errors import VectorsError
from irqvisor.lab.conformance import steps, vectors
from irqvisor.lab.conformance.rig import Rig

STEPS_SHOWN = 6


@dataclass
class Divergence:
    """Where we differ from the recording first, and how."""

    file: str
    sequence: str
    index: int
    step: dict[str, Any]
    differs: dict[str, tuple[Any, Any]]  # what -> (expected, got)
    before: list[dict[str, Any]]  # steps before it, their states left out

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "file": self.file,
            "sequence": self.sequence,
            "step": self.index,
            "action": _bare(self.step),
            "differs": {name: {"expected": want, "got": got} for name, (want, got) in self.differs.items()},
            "before": self.before,
        }


@dataclass
class Report:
    """What a replay found."""

    files: dict[str, dict[str, int]] = field(default_factory=dict)  # per file: sequences, steps
    operations: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    first: Divergence | None = None
    diverging: int = 0  # sequences

    @property
    def exit_status(self) -> int:
        """0: everything was as recorded."""
        return 0 if self.first is None else 1

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "files": self.files,
            "operations": {
                name: {"steps": self.operations[name], "passed": self.passed[name]} for name in sorted(self.operations)
            },
            "sequences": sum(row["sequences"] for row in self.files.values()),
            "steps": sum(row["steps"] for row in self.files.values()),
            "diverging_sequences": self.diverging,
            "first_divergence": self.first.to_dict() if self.first else None,
        }


def replay(paths: Sequence[Path], progress: Callable[[float], None] = lambda _: None) -> Report:
    """Replay files; a sequence ends at its first divergence, the others go on.

    Raises:
        VectorsError: a file is not what it should be.
    """
    report = Report()
    for k, path in enumerate(paths):
        progress(k / len(paths))
        counts = report.files.setdefault(str(path), {"sequences": 0, "steps": 0})
        for sequence in vectors.load(path):
            counts["sequences"] += 1
            counts["steps"] += play(sequence, str(path), report)
    return report


def play(sequence: vectors.Sequence, file: str, report: Report) -> int:
    """Replay one sequence into a report; the number of its steps that were done."""
    name = f"{sequence['group']}/{sequence['name']}"
    rig = Rig(sequence["domains"])
    known: dict[int, tuple[bytes, int]] = {}
    done: list[dict[str, Any]] = []
    for index, (step, world) in enumerate(vectors.expected(sequence)):
        op = step["op"]
        report.operations[op] += 1
        try:
            answer = steps.perform(rig, step)
        except (KeyError, TypeError, OverflowError) as error:
            raise VectorsError(f"{file}: {name}, step {index}", f"{op} with {error!r}", "its arguments") from None
        except VectorsError as error:
            raise VectorsError(f"{file}: {name}, step {index}", error.found, error.expected) from None
        differs = compare(step, answer)
        if world is not None:
            differs |= compare_states(rig, world, known)
        if differs:
            report.diverging += 1
            if report.first is None:
                report.first = Divergence(file, name, index, step, differs, done[-STEPS_SHOWN:])
            return index + 1
        report.passed[op] += 1
        done.append(_bare(step))
    return len(sequence["steps"])


def compare(step: dict[str, Any], answer: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What a step returned that is not what it should."""
    return {
        key: (step.get(key), answer.get(key))
        for key in ("rc", "out", "notify")
        if step.get(key) != answer.get(key) and not (key == "rc" and "rc" not in step)
    }


def compare_states(
    rig: Rig, world: dict[int, vectors.State], known: dict[int, tuple[bytes, int]]
) -> dict[str, tuple[Any, Any]]:
    """Which domains are not in the state that they should be in, by field. `known`: per domain, what was equal."""
    differs: dict[str, tuple[Any, Any]] = {}
    for domain, want in world.items():
        mark = (steps.fingerprint(rig, domain), id(want))
        if known.get(domain) == mark:
            continue
        got = steps.state(rig, domain)
        if got != want:
            for key in sorted({*want, *(got or {})}):
                if got is None or want.get(key) != got.get(key):
                    differs[f"domain {domain}, {key}"] = (want.get(key), (got or {}).get(key))
        known[domain] = mark
    return differs


def _bare(step: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in step.items() if key != "state"}
