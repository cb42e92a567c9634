"""A scenario: one frozen model, with everything filled in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from irqvisor.errors import (
    ScenarioError,
    did_you_mean,
)
from irqvisor.lab import profile as profiles
from irqvisor.lab.profile import Profile
from irqvisor.lab.scenario.parts import (
    CUSTOM,
    DESIGNS,
    Channel,
    DefectName,
    Domain,
    Model,
    Name,
    RecordingUse,
    Ring,
    Scheduler,
    Source,
    Sweep,
)
from irqvisor.lab.scenario.settled import contradictions, settle_domains, settle_sources


class Scenario(Model):
    """A machine, its work, and how long it runs."""

    name: Name = Field(description="what it is called; of a file: its own name if left out")
    description: str = Field(default="", description="what it shows, for a reader")
    board: Literal["paravirt"] = Field(
        default="paravirt", description="how the machine is wired and guests are started"
    )
    cpu: Literal["970", "power8", "power9"] = Field(default="970", description="processor model")
    profile: str = Field(
        default="power9-2021", min_length=1, description="what each step costs: a bundled profile or a file"
    )
    profile_overrides: dict[str, float | str] = Field(
        default_factory=dict, description="numbers of the profile to replace, as --set profile.NAME=VALUE does"
    )
    pcpus: int = Field(default=1, ge=1, le=16, description="physical CPUs")
    duration_ms: float = Field(gt=0, le=3_600_000, description="how long the sources run, in virtual time")
    drain_ms: float = Field(default=20, ge=0, le=60_000, description="time to finish after the sources have stopped")
    seed: int = Field(default=1, ge=0, lt=1 << 63, description="of all randomness")
    defects: Annotated[tuple[DefectName, ...], Field(strict=False)] = Field(
        default=(), description="historical bugs to switch on"
    )
    options: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="variants of designs: a table of options for each, such as [options.xen-ia64]"
    )
    scheduler: Scheduler = Field(default=Scheduler(), description="how vCPUs share a pCPU")
    recording: RecordingUse | None = Field(default=None, description="where recorded sources take their arrivals from")
    sweep: Sweep | None = Field(default=None, description="one key to vary")
    domains: Annotated[tuple[Domain, ...], Field(strict=False, min_length=1, max_length=64)] = Field(
        description="the guests"
    )
    sources: Annotated[tuple[Source, ...], Field(strict=False, max_length=256)] = Field(
        default=(), description="the devices"
    )
    channels: Annotated[tuple[Channel, ...], Field(strict=False, max_length=1024)] = Field(
        default=(), description="what guests and vCPUs notify each other of"
    )

    @property
    def rings(self) -> tuple[Ring, ...]:
        """Sources and channels, in the order of a machine's table of sources."""
        return (*self.sources, *self.channels)

    @property
    def duration_ns(self) -> int:
        """How long the sources run."""
        return round(self.duration_ms * 1e6)

    @property
    def drain_ns(self) -> int:
        """How long the machine may go on after that."""
        return round(self.drain_ms * 1e6)

    def domain(self, name: str) -> Domain:
        """The domain of that name."""
        return next(domain for domain in self.domains if domain.name == name)

    def source(self, name: str) -> Source:
        """The source of that name."""
        return next(source for source in self.sources if source.name == name)

    @model_validator(mode="after")
    def _settle(self) -> Self:
        """Fill in what was left out, then check what no part can check alone."""
        self._fill("domains", settle_domains(self.domains, self.pcpus))
        self._fill("sources", settle_sources(self.sources, self.domains))
        problems = list(contradictions(self))
        if problems:
            raise PydanticCustomError(CUSTOM, "{text}", {"text": problems[0][1], "problems": problems})
        return self

    def _fill(self, key: str, parts: tuple[Model, ...]) -> None:
        # Not through pydantic, which would refuse, and would note the key as set by the user.
        object.__setattr__(self, key, parts)


def check_design(name: str, where: str = "--design", known: Sequence[str] = DESIGNS) -> str:
    """The name, if it is that of a delivery design.

    Raises:
        ScenarioError: it is not; the message names those there are.
    """
    if name not in known:
        raise ScenarioError(where, f'unknown delivery design "{name}"', hint=did_you_mean(name, known))
    return name


def resolve_profile(scenario: Scenario) -> Profile:
    """The scenario's profile, its overrides applied."""
    chosen = profiles.load(scenario.profile)
    return chosen.with_overrides(scenario.profile_overrides) if scenario.profile_overrides else chosen
