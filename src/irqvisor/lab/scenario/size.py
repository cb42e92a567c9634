"""How much a scenario is expected to post and to execute, before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irqvisor.lab.profile import Profile
from irqvisor.lab.scenario.model import Scenario
from irqvisor.lab.scenario.parts import (
    HOP_NS,
    Burst,
    Closed,
    Periodic,
    Poisson,
    Recorded,
    Source,
)
from irqvisor.lab.scenario.recorded import arrivals

INSTRUCTIONS_PER_INTERRUPT = 500
"""Entry, handler and return of the bundled kernel on a pCPU that otherwise sleeps, on the generous side."""

SPEED = 200_000_000
"""Guest instructions a second that every machine we know of reaches."""


def origins(scenario: Scenario, name: str) -> set[str]:
    """All that an item of a channel goes back to; the channel itself, if it is part of a circle."""
    made_after = {channel.name: set(channel.after) for channel in scenario.channels}
    found: set[str] = set()
    ahead = set(made_after.get(name, ()))
    while ahead:
        origin = ahead.pop()
        found.add(origin)
        ahead |= made_after.get(origin, set()) - found
    return found


def expected_interrupts(scenario: Scenario) -> float:
    """Items that sources and channels will post, about; exact for recorded ones."""
    recorded = arrivals(scenario)
    posted = {source.name: _posted(scenario, source, recorded) for source in scenario.sources}
    count = sum(posted.values())
    circling = set()
    for channel in scenario.channels:
        begun = origins(scenario, channel.name) & posted.keys()
        if channel.name in origins(scenario, channel.name):
            circling |= begun
        else:
            count += sum(posted[name] for name in begun)
    return count + sum(posted[name] for name in circling) * scenario.duration_ns / HOP_NS


def _posted(scenario: Scenario, source: Source, recorded: Mapping[str, Any]) -> float:
    """Items of one source."""
    match source.arrival:
        case Periodic() as periodic:
            return max(scenario.duration_ns / periodic.period_ns, 1)
        case Poisson() as poisson:
            return scenario.duration_ns / poisson.mean_ns
        case Burst() as burst:
            duty = burst.on_us / (burst.on_us + burst.off_us)
            return scenario.duration_ns * duty / (burst.period_us * 1e3)
        case Closed() as closed:
            return scenario.duration_ns * closed.depth / (closed.response_us * 1e3 + 1000)
        case Recorded():
            return len(recorded[source.name])
    return 0


def expected_instructions(scenario: Scenario, profile: Profile) -> int:
    """Guest instructions of one run under one design, about: what decides how long it takes.

    A pCPU that computes executes all the time; one that sleeps, only for its interrupts and ticks.
    """
    seconds = (scenario.duration_ns + scenario.drain_ns) / 1e9
    full_speed = seconds * profile.clock_hz / profile.cycles_per_instruction
    busy = {p for d in scenario.domains if d.compute or d.image is not None for p in d.placement}
    sleepers = [domain for domain in scenario.domains if domain.pcpu not in busy]
    awake = sum(domain.tick_hz * seconds for domain in sleepers)
    if sleepers:
        awake += expected_interrupts(scenario)
    work = max((domain.handler_work for domain in sleepers), default=0)
    asleep = min(awake * (INSTRUCTIONS_PER_INTERRUPT + 3 * work), full_speed * (scenario.pcpus - len(busy)))
    return round(full_speed * len(busy) + asleep)


def expected_seconds(scenario: Scenario, profile: Profile) -> float:
    """Wall time of one run under one design, about, without compilation."""
    return expected_instructions(scenario, profile) / SPEED
