"""How far an exploration has come, how fast it goes, and how long it will take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """An exploration on its way. What a journal had is done, but counts for no rate.

    Attributes:
        done: tasks that are done.
        total: tasks that there are, as far as is known: which second injections are worth it, the first ones say.
        fresh: tasks that were done since this exploration began.
        examined: instants that were run to quiescence meanwhile.
        seconds: since it began.
    """

    done: int
    total: int
    fresh: int
    examined: int
    seconds: float

    @property
    def share(self) -> float:
        """Of the tasks that are done, 0 to 1."""
        return self.done / self.total if self.total else 1.0

    @property
    def rate(self) -> float:
        """Instants a second."""
        return self.examined / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """For the tasks that are left; None: too early to say."""
        return self.seconds / self.fresh * (self.total - self.done) if self.fresh else None

    def note(self) -> str:
        """Rate and time left, for a reader."""
        rate = f"{self.rate:,.0f} instants/s"
        if self.seconds_left is None:
            return rate
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return f"{rate}, {minutes}:{seconds:02d} left"


OnProgress = Callable[[Progress], None]
