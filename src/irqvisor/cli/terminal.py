"""What is said to whom: data to stdout, messages and progress to stderr."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import RenderableType


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
