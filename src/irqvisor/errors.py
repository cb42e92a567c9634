"""Every exception irqvisor raises on purpose, written for the person who has to act on it.

A message says where, what was found, what was expected; then a hint::

    storm.toml: sources[1].owner: no domain "i0"; expected one of: calc, io
      hint: did you mean "io"?

The hierarchy, with the exit status of the command line (2: your input, 4: a run that ended before its answer)::

    IrqvisorError
    ├── UsageError        2   a command or a call that makes no sense: an unknown option value, a window outside the log
    ├── ScenarioError     2   a scenario that cannot be run as it is written
    ├── ProfileError      2   a hardware profile that is incomplete or contradicts itself
    ├── RecordingError    2   a trace file that is not what it should be
    ├── ImageError        2   a guest image that does not fit or is for another CPU
    ├── SnapshotError     2   a saved machine of another version, truncated, or something else altogether
    ├── ReproError        2   the file of a finding of another version, of another image, or something else altogether
    ├── VectorsError      2   a file of recorded behaviour that is not what it should be
    ├── GuestFault        4   a guest did something that its machine cannot continue from
    ├── TraceError        4   an event log that contradicts itself
    ├── RunnerError       4   a benchmark that did not get to its end
    │   └── WrongResult   1   ... because its guest found a wrong result
    └── InvariantError    4   a defect of irqvisor itself: please report it, with the snapshot

A confusing error message is a bug, even if the user was wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar, Self


class IrqvisorError(Exception):
    """The root: where, what was found, what was expected, and a hint.

    Args:
        where: file and key, file and line, option, or place in the machine. May be empty.
        found: what is wrong, as a phrase.
        expected: what would have been right; appended as "; expected ...".
        hint: what to do about it, on a line of its own.

    Attributes:
        problems: every problem that was found, one error each; just this one unless made by `together`.
    """

    exit_status: ClassVar[int] = 4

    def __init__(self, where: str, found: str, expected: str = "", hint: str = "") -> None:
        self.where = where
        self.found = found
        self.expected = expected
        self.hint = hint
        self.problems: tuple[IrqvisorError, ...] = (self,)
        super().__init__(where, found, expected, hint)

    @classmethod
    def together(cls, problems: Sequence[Self]) -> Self:
        """One error that reports several, in the given order; a single one comes back as it is."""
        if len(problems) == 1:
            return problems[0]
        first = problems[0]
        all_of_them = cls(first.where, first.found, first.expected, first.hint)
        all_of_them.problems = tuple(problems)
        return all_of_them

    def __str__(self) -> str:
        return "\n".join(problem.message() for problem in self.problems)

    def message(self) -> str:
        """This problem alone."""
        text = f"{self.where}: {self.found}" if self.where else self.found
        if self.expected:
            text += f"; expected {self.expected}"
        if self.hint:
            text += f"\n  hint: {self.hint}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between worker processes, all their problems included."""
        others = self.problems if self.problems != (self,) else ()
        return _rebuild, (type(self), (self.where, self.found, self.expected, self.hint), others)


class UsageError(IrqvisorError):
    """A command or a call that makes no sense."""

    exit_status = 2


class ScenarioError(IrqvisorError):
    """A scenario that cannot be run as it is written."""

    exit_status = 2


class ProfileError(IrqvisorError):
    """A hardware profile that is incomplete or contradicts itself."""

    exit_status = 2


class RecordingError(IrqvisorError):
    """A trace file that is not what it should be."""

    exit_status = 2


class ImageError(IrqvisorError):
    """A guest image that does not fit or is for another CPU."""

    exit_status = 2


class SnapshotError(IrqvisorError):
    """A saved machine of another version, truncated, or something else altogether."""

    exit_status = 2


class VectorsError(IrqvisorError):
    """A file of recorded behaviour that is not what it should be."""

    exit_status = 2


class ReproError(IrqvisorError):
    """The file of a finding of another version, of another image, or something else altogether."""

    exit_status = 2


class GuestFault(IrqvisorError):  # noqa: N818  the fault is the guest's
    """A guest did something that its machine cannot continue from.

    ``where`` names cycle, domain, vCPU and PC: ``cycle 48213, domain 1, vCPU 0, pc 0x0530``.
    """

    exit_status = 4


class TraceError(IrqvisorError):
    """An event log that contradicts itself: an event earlier than the one before, a journey without a beginning."""

    exit_status = 4


class RunnerError(IrqvisorError):
    """A benchmark that did not get to its end: a guest that never ended, an emulator or a process that failed."""

    exit_status = 4


class WrongResult(RunnerError):  # noqa: N818  as GuestFault
    """A benchmark whose guest found a wrong result."""

    exit_status = 1


class InvariantError(IrqvisorError):
    """A defect of irqvisor itself: please report it, with the snapshot."""

    exit_status = 4


def did_you_mean(word: str, known: Iterable[str], *, list_as: str = "Known") -> str:
    """A hint for a misspelt word: the known one that it begins, or the nearest, if any; then all of them in order."""
    names = sorted(known)
    begun = [name for name in names if word and name.startswith(word)]
    near = begun if len(begun) == 1 else difflib.get_close_matches(word, names, n=1)
    guess = f'did you mean "{near[0]}"? ' if near else ""
    return f"{guess}{list_as}: {', '.join(names)}"


def _rebuild(cls: type[IrqvisorError], args: tuple[str, str, str, str], others: tuple[IrqvisorError, ...]) -> object:
    error = cls(*args)
    if others:
        error.problems = others
    return error
