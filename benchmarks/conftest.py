"""What all benchmarks share: clocks, the speed of the mix guest, and the table of figures at the end.

Machines are shared, so CPU time is taken beside wall time, and the fastest of several rounds counts: what disturbs a
run only ever makes it slower. A missed aim is shown and fails nothing: benchmarks measure, they do not gate.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from irqvisor import paravirt
from irqvisor.hv.state import Exit
from irqvisor.lab.bench.figures import Figure, quantity
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import Machine
from irqvisor.spec.designs import NUMBERS
from irqvisor.tables import Table
from irqvisor.translation import watcher

DESIGNS = tuple(NUMBERS)
MIX_IMAGE = Path(paravirt.__file__).parent / "guest" / "images" / "mix.elf"
MIX_RAM_KIB = 1024
MIX_ROUND = 10_000_000
"""Instructions of one round of the mix guest, and a few more: after these, all its code is decoded."""
SPEED_ROUNDS = 5


class Seconds(NamedTuple):
    """How long something took, and what it returned."""

    wall: float
    cpu: float
    result: Any = None

    def per(self, count: float) -> "Seconds":
        """The time of each of so many."""
        return Seconds(self.wall / count, self.cpu / count, self.result)


FIGURES = pytest.StashKey[list[Figure]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Put a row into the final table: ``figure(name, wall, cpu, unit, at_most=...)``."""

    def add(*args: Any, **kwargs: Any) -> None:
        request.config.stash[FIGURES].append(Figure(*args, **kwargs))

    return add


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    yield
    if config.stash[FIGURES]:
        show(terminalreporter, config.stash[FIGURES])


def show(terminalreporter: pytest.TerminalReporter, figures: list[Figure]) -> None:
    """The table of figures."""
    rows = [("figure", "measured", "in CPU time", "aim", "met")]
    rows += [(f.name, quantity(f.wall, f.unit), quantity(f.cpu, f.unit), f.aim, f.verdict) for f in figures]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    rows.insert(1, tuple("-" * width for width in widths))
    terminalreporter.section("figures")
    terminalreporter.write_line(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs, fastest of some rounds")
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:3], widths[1:3], strict=True))]
        cells += [c.ljust(w) for c, w in zip(row[3:], widths[3:], strict=True)]
        terminalreporter.write_line(" | ".join(cells).rstrip())


# ------------------------------------------------------------------------------------------------------------- clocks
def timed(action: Callable[..., Any], *args: Any) -> Seconds:
    """Run something once."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = action(*args)
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu, result)


@pytest.fixture
def fastest(benchmark: Any) -> Callable[..., Seconds]:
    """Benchmark `action`, each round on what `setup` made; the fastest round, by each clock."""

    def measure(action: Callable[..., Any], setup: Callable[[], Any], *, rounds: int, warm_up: int = 1) -> Seconds:
        taken: list[Seconds] = []

        def target(*args: Any) -> Any:
            taken.append(timed(action, *args))
            return taken[-1].result

        benchmark.pedantic(target, setup=lambda: ((setup(),), {}), rounds=rounds, warmup_rounds=warm_up)
        counted = taken[warm_up:]
        return Seconds(min(t.wall for t in counted), min(t.cpu for t in counted), counted[-1].result)

    return measure


class Process(NamedTuple):
    """A child process that ended: how long it took, and the most memory it had at once."""

    seconds: Seconds
    peak_bytes: int


def command(*words: str, **environment: str) -> Process:
    """Run Python with these words to its end; a failure is an error."""
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, words
    return Process(Seconds(time.perf_counter() - began, usage.ru_utime + usage.ru_stime), peak(usage))


def peak(usage: resource.struct_rusage) -> int:
    """Peak resident memory in bytes: Linux tells KiB, macOS bytes."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.fixture
def run_command() -> Callable[..., Process]:
    """`command`."""
    return command


# ------------------------------------------------------------------------------------------------------ the mix guest
def mix_machine() -> Machine:
    """The mix guest about to execute its first instruction. rhype leaves a guest that asks for nothing alone."""
    domain = {"name": "mix", "image": str(MIX_IMAGE), "ram_kib": MIX_RAM_KIB}
    scenario = Scenario.model_validate({"name": "mix", "duration_ms": 1000, "domains": [domain]})
    return Machine.from_scenario(scenario, design="rhype")


def decoded_mix() -> Machine:
    """The same after its first round, when all its code is decoded."""
    machine = mix_machine()
    machine.run(instructions=MIX_ROUND)
    return machine


def run_mix(machine: Machine) -> int:
    """Run the mix guest to its end; the instructions it took. It has checked its results."""
    count = machine.run()
    domain = machine.views[Table.DOMAIN][0]
    assert (domain.exit, domain.status) == (Exit.SHUTDOWN, 0)
    return count


@pytest.fixture
def mix() -> Callable[[], Machine]:
    """Makes a mix machine that has decoded nothing yet."""
    return mix_machine


@pytest.fixture
def warm_mix() -> Callable[[], Machine]:
    """Makes a mix machine that has decoded everything."""
    return decoded_mix


@pytest.fixture
def to_the_end() -> Callable[[Machine], int]:
    """`run_mix`."""
    return run_mix


@pytest.fixture(scope="session")
def instruction_seconds() -> Seconds:
    """The time of one guest instruction at mix speed, measured in this session."""
    return mix_seconds()


@pytest.fixture(scope="session")
def interpreted_seconds() -> Seconds:
    """The same without host code."""
    with only_interpreted():
        return mix_seconds()


def mix_seconds() -> Seconds:
    """The time of one instruction of the mix guest."""
    for _ in range(SPEED_ROUNDS):  # until what is hot has been translated
        run_mix(mix_machine())
    taken = [timed(run_mix, decoded_mix()) for _ in range(SPEED_ROUNDS)]
    count = taken[0].result
    return Seconds(min(t.wall for t in taken), min(t.cpu for t in taken)).per(count)


@contextmanager
def only_interpreted() -> Generator[None]:
    """Machines that are made in here get no host code."""
    usual, watcher.ENABLED = watcher.ENABLED, False
    try:
        yield
    finally:
        watcher.ENABLED = usual


@pytest.fixture
def fastest_interpreted() -> Callable[..., Seconds]:
    """As `fastest`, one round to warm up included, without host code and without the benchmark's own table."""

    def measure(action: Callable[..., Any], setup: Callable[[], Any], *, rounds: int) -> Seconds:
        with only_interpreted():
            taken = [timed(action, setup()) for _ in range(rounds + 1)][1:]
        return Seconds(min(t.wall for t in taken), min(t.cpu for t in taken), taken[-1].result)

    return measure


@pytest.fixture(params=DESIGNS)
def design(request: pytest.FixtureRequest) -> str:
    """Every design in turn."""
    return str(request.param)
