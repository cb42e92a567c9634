"""Processors that execute verbs: the smallest machine that a published result can be predicted with.

Each processor has a list of steps and a clock of its own. A step takes what the profile says for its verb; `signal`
makes another processor's `await` go on, and the sender does not wait for it. So what runs side by side is not added up:
a sender re-enters its guest while the receiver leaves its own.

This is for hypervisors that irqvisor runs no guest under: a trap to a host kernel, a virtual interface of the interrupt
controller. The verbs are those of the designs: a switch in halves, an emulated access, an injection, a direct EOI.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from irqvisor.errors import ScenarioError, did_you_mean
from irqvisor.lab.profile import Profile

Price = Callable[[Profile], float]
"""Nanoseconds under a profile."""


class Verb(NamedTuple):
    """One thing that a processor can do, and what it takes."""

    meaning: str
    price: Price


def ns(profile: Profile, charge: str) -> float:
    """A charge in nanoseconds, not rounded to cycles."""
    number = profile.numbers[charge]
    if number.unit == "ns":
        return number.value
    per = profile.hv_cycles_per_instruction if number.unit == "instructions" else 1
    return number.value * per / profile.numbers["clock_ghz"].value


def _half_switch(profile: Profile) -> float:
    return ns(profile, "world_switch_rt") / 2


def _charge(name: str) -> Price:
    return lambda profile: ns(profile, name)


def _beyond_switch(name: str) -> Price:
    """What an emulated access takes on top of the way out and back in."""
    return lambda profile: max(ns(profile, name) - ns(profile, "world_switch_rt"), 0.0)


VERBS: dict[str, Verb] = {
    "exit": Verb("from guest to hypervisor or host: half of world_switch_rt", _half_switch),
    "enter": Verb("back into a guest: the other half", _half_switch),
    "call": Verb("a hypercall on the minimal path, there and back: hcall_rt", _charge("hcall_rt")),
    "trap": Verb("an emulated access to the controller, there and back: pic_trap_emul", _charge("pic_trap_emul")),
    "emulate": Verb("its emulation alone: pic_trap_emul - world_switch_rt", _beyond_switch("pic_trap_emul")),
    "emulate-in-user": Verb(
        "the same in a host process: pic_trap_user - world_switch_rt", _beyond_switch("pic_trap_user")
    ),
    "interrupt": Verb("hardware enters a handler: exc_entry", _charge("exc_entry")),
    "return": Verb("a handler returns: exc_return", _charge("exc_return")),
    "acknowledge": Verb("the controller is asked: pic_mmio_read", _charge("pic_mmio_read")),
    "complete": Verb("the controller is told that it is done: pic_mmio_write", _charge("pic_mmio_write")),
    "complete-directly": Verb("a guest completes without an exit: eoi_direct", _charge("eoi_direct")),
    "inject": Verb("a virtual interrupt is marked and arranged: inject", _charge("inject")),
    "wake": Verb("a blocked vCPU is made to run: host_wakeup", _charge("host_wakeup")),
    "misses": Verb("what a switch left cold: switch_penalty", _charge("switch_penalty")),
}
"""Verbs without an argument."""

WITH_ARGUMENT = {
    "signal": "signal CPU: an inter-processor interrupt, phys_ipi later at that CPU; the sender goes on",
    "tell": "tell CPU: the same without a flight, for sources that give no number for one",
    "unknown": "unknown: what no profile has a number for; a check fits it to one of its rows",
    "await": "await: until the next signal, or one that came before, is there",
    "work": "work N cycles|ns|instructions: of a guest",
    "path": "path N: instructions of the hypervisor",
    "mark": "mark NAME: remember the time",
}
"""The others."""


@dataclass
class _Cpu:
    name: str
    steps: Sequence[str]
    now: float = 0.0
    at: int = 0
    arrived: list[float] = field(default_factory=list)


def check(where: str, cpus: Mapping[str, Sequence[str]]) -> list[ScenarioError]:
    """What is wrong with programs of steps, before they run."""
    problems = []
    for name, steps in cpus.items():
        for index, step in enumerate(steps):
            problem = _problem(step, cpus)
            if problem:
                problems.append(ScenarioError(f"{where}.{name}[{index}]", *problem))
    return problems


def _problem(step: str, cpus: Mapping[str, Sequence[str]]) -> tuple[str, str, str] | None:
    verb, _, argument = step.partition(" ")
    if verb in VERBS or verb in ("await", "unknown"):
        return (f'"{step}"', f"{verb} alone", "") if argument else None
    if verb in ("signal", "tell"):
        return None if argument in cpus else (f'no processor "{argument}"', "", did_you_mean(argument, cpus))
    if verb == "mark":
        return None if re.fullmatch(r"[\w-]+", argument) else (f'"{step}"', "mark NAME", "")
    if verb == "work":
        form = r"\d+(\.\d+)? (cycles|ns|instructions)"
        return None if re.fullmatch(form, argument) else (f'"{step}"', "work N cycles, ns or instructions", "")
    if verb == "path":
        return None if argument.isdecimal() else (f'"{step}"', "path N, instructions of the hypervisor", "")
    return (f'unknown verb "{verb}"', "", did_you_mean(verb, [*VERBS, *WITH_ARGUMENT]))


def run(
    where: str, cpus: Mapping[str, Sequence[str]], profile: Profile, *, unknown_ns: float = 0.0
) -> dict[str, float]:
    """Execute the programs of all processors, and tell when each mark was reached: ``CPU.NAME`` to ns.

    Args:
        where: how messages call the programs.
        cpus: by name of the processor, its steps; as `check` found them right.
        profile: what verbs take.
        unknown_ns: what the verb ``unknown`` takes.

    Raises:
        ScenarioError: a processor waits for a signal that never comes.
    """
    line = {name: _Cpu(name, steps) for name, steps in cpus.items()}
    marks: dict[str, float] = {}
    while True:
        moved = False
        for cpu in line.values():
            while cpu.at < len(cpu.steps) and _step(cpu, cpu.steps[cpu.at], line, profile, marks, unknown_ns):
                cpu.at += 1
                moved = True
        waiting = [cpu for cpu in line.values() if cpu.at < len(cpu.steps)]
        if not waiting:
            return marks
        if not moved:
            names = ", ".join(f"{cpu.name}[{cpu.at}]" for cpu in waiting)
            raise ScenarioError(f"{where}.{names}", "waits for a signal that never comes", "a signal to it")


def _step(
    cpu: _Cpu, step: str, line: Mapping[str, _Cpu], profile: Profile, marks: dict[str, float], unknown_ns: float
) -> bool:
    """Execute one step; False if it has to wait."""
    verb, _, argument = step.partition(" ")
    if verb == "await":
        if not cpu.arrived:
            return False
        cpu.now = max(cpu.now, cpu.arrived.pop(0))
    elif verb in ("signal", "tell"):
        line[argument].arrived.append(cpu.now + (ns(profile, "phys_ipi") if verb == "signal" else 0.0))
    elif verb == "unknown":
        cpu.now += unknown_ns
    elif verb == "mark":
        marks[f"{cpu.name}.{argument}"] = cpu.now
    elif verb == "work":
        amount, unit = argument.split()
        clock = profile.numbers["clock_ghz"].value
        per = {"ns": 1.0, "cycles": 1 / clock, "instructions": profile.cycles_per_instruction / clock}
        cpu.now += float(amount) * per[unit]
    elif verb == "path":
        cpu.now += int(argument) * profile.hv_cycles_per_instruction / profile.numbers["clock_ghz"].value
    else:
        cpu.now += VERBS[verb].price(profile)
    return True
