"""Scenario and design to a finished run: what `irqvisor run` and `compare` call."""

import gc
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np

from irqvisor.errors import InvariantError
from irqvisor.hw.state import Phase, Stop
from irqvisor.lab import build, metrics
from irqvisor.lab import journey as journeys
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import Machine
from irqvisor.spec import posted
from irqvisor.spec.designs import BY_NAME, DESIGNS, NUMBERS, DesignInfo
from irqvisor.tables import Table
from irqvisor.translation import verbs, watcher

LOG_RECORDS = 1 << 16
BOOT_LIMIT_NS = 1_000_000_000
"""Virtual time a guest has to write its ready mark."""
CHUNKS = 20
"""Progress is told this often a run."""
RARE_COLLECTIONS = (200_000, 50, 50)
"""Garbage collection thresholds while compiling, which makes millions of objects that stay: a fifth of the time."""

Progress = Callable[[float], None]


def designs() -> list[DesignInfo]:
    """All designs, in the order of a comparison."""
    return list(DESIGNS)


def header(scenario: Scenario) -> dict[str, Any]:
    """What a result has to say about where it comes from."""
    profile = scenarios.resolve_profile(scenario)
    return {
        "irqvisor": version("irqvisor"),
        "python": platform.python_version(),
        "numba": version("numba"),
        "numpy": version("numpy"),
        "scenario": scenario.name,
        "scenario_hash": scenarios.fingerprint(scenario),
        "profile": profile.name,
        "profile_hash": profile.fingerprint(),
        "estimates": profile.rests_on_estimates(),
        "clock_hz": profile.clock_hz,
        "seed": scenario.seed,
        "options": scenario.options,
        "virtual_ns": scenario.duration_ns,
    }


def skipped(scenario: Scenario, design: str, cpu: str | None = None) -> str | None:
    """Why a design cannot express a scenario, or does not run on the processor asked for; or None."""
    if cpu is not None and cpu not in BY_NAME[design].cpus:
        return f"needs {build.needed(design)}: {BY_NAME[design].needs}"
    if BY_NAME[design].one_vcpu and any(d.vcpus > 1 for d in scenario.domains):
        return BY_NAME[design].one_vcpu
    if BY_NAME[design].no_channels and any(c.producer != c.consumer for c in scenario.channels):
        return BY_NAME[design].no_channels
    if design == "direct" and scenario.options.get(design, {}).get("variant") == "posted":
        owners = [s.owner for s in scenario.sources] + [c.consumer for c in scenario.channels]
        crowded = [d.name for d in scenario.domains if owners.count(d.name) >= posted.USABLE]
        if crowded:
            return f"{', '.join(crowded)} has more sources than posted interrupts have vectors, {posted.USABLE - 1}"
        if scenario.options[design].get("ipi") == "esb":
            return "posted interrupts have no page that another domain could be given: ipi=hcall"
        if scenario.options[design].get("notify") == "coalesce":
            return "posted interrupts have no event queues that could notify less often: notify=always"
    if design == "native":
        shared = [d.name for d in scenario.domains if d.image and sum(e.pcpu == d.pcpu for e in scenario.domains) > 1]
        if shared:
            return f"native runs one kernel per pCPU; {', '.join(shared)} has an image and shares one"
        stray = [s.name for s in scenario.sources if s.route != scenario.domain(s.owner).pcpu]
        if stray:
            return f"{', '.join(stray)} is routed to another pCPU than its owner's: the kernel there owns it"
    return None


def run(
    scenario: Scenario,
    design: str,
    *,
    log: Callable[[np.ndarray[Any, Any]], None] | None = None,
    log_last: int = 0,
    cpu: str | None = None,
    progress: Progress | None = None,
    on_machine: Callable[[Machine], None] | None = None,
    drive: Callable[[Machine], Machine] | None = None,
) -> dict[str, Any]:
    """Run a scenario under a design to its end; the per-design JSON object. `on_machine` gets the machine afterwards.
    `drive` runs it in place of `finish`, and returns the machine that reached the end: gdb goes back by replacing it.

    Raises:
        InvariantError: the books do not balance, which is a defect of irqvisor.
    """
    reason = skipped(scenario, design, cpu)
    if reason:
        return {"design": design, "skipped": reason}
    began = time.perf_counter()
    machine = build.machine(scenario, design, cpu=cpu)
    if log is not None or log_last:
        machine.start_log(log_last or LOG_RECORDS, ring=bool(log_last))
        machine.on_log = log
    if drive is None:
        finish(machine, progress)
    else:
        machine = drive(machine)
    if log is not None:
        machine.spill_log()
    if on_machine is not None:
        on_machine(machine)
    options = BY_NAME[design].settings(scenario.options.get(design, {}))
    result = {"design": design, "skipped": None, "options": options, **metrics.summary(machine, NUMBERS[design])}
    result["virtual_ns"] = scenario.duration_ns
    result["wall_s"] = round(time.perf_counter() - began, 3)
    result["lower_bound"] = design == "native"
    result["violations"] = violations(machine, result)
    if result["unbalanced"]:
        raise InvariantError(
            f"{scenario.name} under {design}", "the books do not balance: " + "; ".join(result["unbalanced"])
        )
    return result


def journey(scenario: Scenario, design: str, which: str, *, cpu: str | None = None) -> list[dict[str, Any]]:
    """The life of one interrupt: a number of the event log, ``slowest`` or ``lost``; empty if there is none."""
    machine = build.machine(scenario, design, cpu=cpu)
    records: list[np.ndarray[Any, Any]] = []
    machine.start_log(LOG_RECORDS, ring=False)
    machine.on_log = records.append
    finish(machine)
    machine.spill_log()
    return journeys.rows(machine, np.concatenate(records), journeys.number_of(machine, which))


def finish(machine: Machine, progress: Progress | None = None) -> None:
    """Boot, run, drain; stops early if nothing can happen any more."""
    clock = int(machine.header.clock_hz)
    limit = round(BOOT_LIMIT_NS * clock / 1e9)
    machine.run(cycles=limit, until=Phase.RUN)
    if machine.phase < Phase.RUN:
        return
    total = int(machine.header.duration + machine.header.drain)
    while machine.phase < Phase.END:
        machine.run(cycles=max(total // CHUNKS, 1))
        if machine.stop_reason not in (Stop.BUDGET, Stop.ENDED):
            return
        if progress is not None:
            progress(min((machine.now - int(machine.header.started)) / total, 1.0))


def violations(machine: Machine, result: dict[str, Any]) -> list[str]:
    """What did not hold: lost interrupts, guests that failed, guests that never became ready."""
    found = []
    if result["lost"]:
        names = ", ".join(f"{s['name']} {s['lost']}" for s in result["sources"] if s["lost"])
        found.append(f"{result['lost']} interrupts lost ({names})")
    found += result["failures"]
    if machine.phase < Phase.RUN:
        late = [n for n, e in zip(machine.labels.domains, machine.views[Table.DOMAIN], strict=True) if not e.ready]
        found.append(f"never ready: {', '.join(late)}")
    return found


def compile_all(progress: Callable[[str], None] | None = None) -> float:
    """Compile what a comparison needs, in this process, once; returns the seconds it took."""
    began = time.perf_counter()
    with rare_collections():
        for design in NUMBERS:
            if progress is not None:
                progress(design)
            scenario = scenarios.with_overrides(scenarios.load("periodic"), ["duration_ms=1", "drain_ms=1"])
            run(scenario, design)
        if watcher.ENABLED:
            verbs.bitcode()
    return time.perf_counter() - began


@contextmanager
def rare_collections() -> Iterator[None]:
    """While something is compiled."""
    usual = gc.get_threshold()
    gc.set_threshold(*RARE_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
