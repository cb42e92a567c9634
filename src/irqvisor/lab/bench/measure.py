"""Everybody runs every guest, in turns. The fastest of several rounds counts: what disturbs a run only slows it."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from irqvisor import _jit
from irqvisor.errors import RunnerError
from irqvisor.lab.bench.figures import Figure
from irqvisor.lab.bench.guests import GUESTS, MIX, SELF_INTERRUPT, Guest, Program, prepare
from irqvisor.lab.bench.runners import Irqvisor, Runner, Sample

AIM_MIX = 250
AIM_SELF_INTERRUPT = 30
MILLION = 1e6


@dataclass
class Result:
    """What one runner made of one guest."""

    runner: Runner
    program: Program
    skipped: str = ""
    failure: RunnerError | None = None
    samples: list[Sample] = field(default_factory=list)

    @property
    def wall_s(self) -> float | None:
        """The least wall time; None if there is no answer."""
        return min((sample.wall_s for sample in self.samples), default=None) if not self.failure else None

    @property
    def cpu_s(self) -> float | None:
        """The least CPU time."""
        known = [sample.cpu_s for sample in self.samples if sample.cpu_s]
        return min(known, default=None) if not self.failure else None

    def take(self) -> None:
        """Run once more, unless there is no use in it."""
        if self.skipped or self.failure:
            return
        try:
            self.samples.append(self.runner.run(self.program))
        except RunnerError as error:
            self.failure = error


@dataclass
class Race:
    """One guest and everybody who ran it, irqvisor first."""

    program: Program
    results: list[Result]

    @property
    def guest(self) -> Guest:
        """What they ran."""
        return self.program.guest

    @property
    def count(self) -> int | None:
        """Instructions or interrupts in a sample. Only irqvisor counts its instructions, and they are everybody's."""
        if self.guest.unit != "instruction":
            return self.program.turns
        counts = {sample.instructions for sample in self.results[0].samples}
        return counts.pop() if len(counts) == 1 else None

    def rate(self, seconds: float | None) -> float | None:
        """Instructions or interrupts a second."""
        return self.count / seconds if self.count and seconds else None

    def ratio(self, name: str, *, cpu: bool = False) -> float | None:
        """How many times as fast as this runner irqvisor is."""
        by_name = {result.runner.name: result for result in self.results}
        if name not in by_name:
            return None
        ours, theirs = (r.cpu_s if cpu else r.wall_s for r in (self.results[0], by_name[name]))
        return theirs / ours if ours and theirs else None

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "guest": self.guest.name,
            "title": self.guest.title,
            "unit": self.guest.unit,
            "count": self.count,
            "turns": self.program.turns,
            "image_sha256": self.program.digest,
            "results": [
                {
                    "runner": result.runner.name,
                    "skipped": result.skipped,
                    "failed": str(result.failure or ""),
                    "wall_s": result.wall_s,
                    "cpu_s": result.cpu_s,
                    "per_second": self.rate(result.wall_s),
                    "per_cpu_second": self.rate(result.cpu_s),
                    "irqvisor_is_times": self.ratio(result.runner.name),
                    "irqvisor_is_times_cpu": self.ratio(result.runner.name, cpu=True),
                    "samples": [sample._asdict() for sample in result.samples],
                }
                for result in self.results
            ],
        }


@dataclass
class Report:
    """All that was measured."""

    header: dict[str, Any]
    runners: list[dict[str, str]]
    races: list[Race]
    own: list[Figure]

    @property
    def figures(self) -> list[Figure]:
        """What has an aim, of every kind."""
        return [*figures(self.races), *self.own]

    @property
    def failures(self) -> list[str]:
        """Who was here and gave no answer, and why."""
        return [
            f"{race.guest.name}: {result.failure}" for race in self.races for result in race.results if result.failure
        ]

    @property
    def exit_status(self) -> int:
        """0: everybody who is here answered; 1: a guest found a wrong result; 4: somebody ended before its answer."""
        found = [result.failure for race in self.races for result in race.results if result.failure]
        return min((failure.exit_status for failure in found), default=0)

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "header": self.header,
            "runners": self.runners,
            "guests": [race.to_dict() for race in self.races],
            "figures": [each.to_dict() for each in self.figures],
            "failures": self.failures,
        }


def measure(
    runners: Sequence[Runner],
    *,
    rounds: int,
    size: float = 1.0,
    guests: Sequence[Guest] = GUESTS,
    own_steps: Sequence[Callable[[int], Figure]] = (),
    on_progress: Callable[[float], None] = lambda _: None,
) -> Report:
    """Let everybody who is here run every guest, `rounds` times, in turns.

    Args:
        runners: irqvisor first.
        rounds: how often everybody runs.
        size: how much work a round is, as a multiple of the usual.
        guests: what they run.
        own_steps: what else to measure (`own.steps`).
        on_progress: is told the share that is done.
    """
    began = time.perf_counter()
    describe = [{"name": r.name, "about": r.about, "version": r.version(), "missing": r.missing()} for r in runners]
    absent = {each["name"]: each["missing"] for each in describe}
    races = []
    for guest in guests:
        program = prepare(guest, size)
        results = [Result(r, program, skipped=absent[r.name] or r.refuses(guest)) for r in runners]
        races.append(Race(program, results))
    turns = [result for race in races for result in race.results] * rounds
    for done, result in enumerate(turns, 1):
        result.take()
        on_progress(done / (len(turns) + len(own_steps)))
    found = []
    for done, step in enumerate(own_steps, len(turns) + 1):
        found.append(step(rounds))
        on_progress(done / (len(turns) + len(own_steps)))
    return Report(header(rounds, size, time.perf_counter() - began), describe, races, found)


def figures(races: Sequence[Race]) -> list[Figure]:
    """The aims that concern guests: what could be measured of them."""
    found = []
    for race in races:
        ours = race.results[0]
        wall, cpu = race.rate(ours.wall_s), race.rate(ours.cpu_s)
        if wall is None:
            continue
        aim = AIM_MIX if race.guest is MIX else None
        name = f"{race.guest.name}: {race.guest.unit}s"
        found.append(Figure(name, wall / MILLION, cpu and cpu / MILLION, "M/s", at_least=aim))
        for peer, least in AIMS.get(race.guest.name, {}).items():
            times = race.ratio(peer)
            if times is not None:
                name = f"{race.guest.name}: against {peer}"
                found.append(Figure(name, times, race.ratio(peer, cpu=True), "times", at_least=least))
    return found


AIMS = {MIX.name: {"unicorn-counting": 1, "qemu-counting": 1}, SELF_INTERRUPT.name: {"qemu": AIM_SELF_INTERRUPT}}
"""Guest, peer, and how many times as fast irqvisor is meant to be."""


def header(rounds: int, size: float, wall_s: float) -> dict[str, Any]:
    """What the figures rest on."""
    return {
        "irqvisor": Irqvisor().version(),
        "python": platform.python_version(),
        "numba": version("numba"),
        "compiled": not _jit.NOJIT,
        "machine": f"{processor()}, {platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
        "rounds": rounds,
        "size": size,
        "wall_s": wall_s,
    }


def processor() -> str:
    """The processor's name, as well as the system knows it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
