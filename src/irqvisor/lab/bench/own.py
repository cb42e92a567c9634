"""Times of irqvisor alone: forks, the first instruction of a process, the compilation."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

from irqvisor.errors import RunnerError
from irqvisor.hw.state import Phase
from irqvisor.lab.bench.figures import Figure
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import Machine

FORKS = 500
FIRST_INSTRUCTION = "import irqvisor; irqvisor.Machine.from_scenario('closed', design='xen-ppc').step()"

AIM_1_MIB_US = 100
AIM_TWO_DOMAINS_US = 20
AIM_FIRST_INSTRUCTION_S = 1.5
AIM_COMPILATION_S = 40


class Seconds(NamedTuple):
    """How long something took."""

    wall: float
    cpu: float


def fork_machine(*domains: dict[str, object]) -> Machine:
    """A running machine with one pCPU; every domain has a source."""
    sources = [
        {"name": f"{domain['name']}-source", "owner": domain["name"], "arrival": {"kind": "periodic", "period_us": 50}}
        for domain in domains
    ]
    described = {"name": "fork", "duration_ms": 10, "domains": list(domains), "sources": sources}
    machine = Machine.from_scenario(Scenario.model_validate(described), design="xen-ppc")
    machine.run(until=Phase.RUN)
    machine.run(cycles=1_000_000)
    return machine


def one_mib() -> Machine:
    """One domain with 1 MiB."""
    return fork_machine({"name": "io", "ram_kib": 1024})


def two_domains() -> Machine:
    """Two domains of 64 KiB that share a pCPU: what is explored."""
    return fork_machine({"name": "io", "ram_kib": 64}, {"name": "calc", "ram_kib": 64, "compute": True})


def fork_time(machine: Machine) -> Seconds:
    """Of one fork, dropped before the next."""
    wall, cpu = time.perf_counter(), time.thread_time()
    for _ in range(FORKS):
        machine.fork()
    return Seconds((time.perf_counter() - wall) / FORKS, (time.thread_time() - cpu) / FORKS)


def process_time(*words: str, **environment: str) -> Seconds:
    """Of a Python process with these words, from its start to its end.

    Raises:
        RunnerError: it failed.
    """
    wall, before = time.perf_counter(), os.times()
    done = subprocess.run(  # noqa: S603  this Python, and words of this file
        [sys.executable, *words], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    after = os.times()
    if done.returncode:
        raise RunnerError("python " + " ".join(words), f"ended with status {done.returncode}", hint=done.stderr.strip())
    user, system = after.children_user - before.children_user, after.children_system - before.children_system
    return Seconds(time.perf_counter() - wall, user + system)


def first_instruction() -> Seconds:
    """From the start of Python, compiled code at hand."""
    return process_time("-c", FIRST_INSTRUCTION)


def compilation() -> Seconds:
    """Of everything a comparison needs, from the start of Python, in a cache folder that is empty."""
    with tempfile.TemporaryDirectory(prefix="irqvisor-bench-") as folder:
        return process_time("-m", "irqvisor", "doctor", "--compile", IRQVISOR_CACHE_DIR=folder)


def fastest(action: Callable[[], Seconds], rounds: int) -> Seconds:
    """The least of each clock."""
    taken = [action() for _ in range(rounds)]
    return Seconds(min(each.wall for each in taken), min(each.cpu for each in taken))


def steps(*, compile_too: bool) -> list[Callable[[int], Figure]]:
    """What to measure, in order; each is told how often, and the fastest counts."""
    found: list[Callable[[int], Figure]] = [
        lambda rounds: fork_figure("fork of a 1 MiB machine", one_mib(), AIM_1_MIB_US, rounds),
        lambda rounds: fork_figure("fork of two domains of 64 KiB", two_domains(), AIM_TWO_DOMAINS_US, rounds),
        lambda rounds: figure("first instruction", fastest(first_instruction, rounds), "s", AIM_FIRST_INSTRUCTION_S),
    ]
    if compile_too:
        found.append(lambda _: figure("compilation, all of it", compilation(), "s", AIM_COMPILATION_S))
    return found


def figure(name: str, taken: Seconds, unit: str, at_most: float, scale: float = 1) -> Figure:
    """Seconds as a row."""
    return Figure(name, taken.wall * scale, taken.cpu * scale, unit, at_most=at_most)


def fork_figure(name: str, machine: Machine, at_most: float, rounds: int) -> Figure:
    """The time of a fork as a row."""
    return figure(name, fastest(lambda: fork_time(machine), rounds), "us", at_most, scale=1e6)
