"""Scenarios: which machine, which domains, which sources, for how long.

A scenario is a TOML file (docs/reference/scenarios.md) read into frozen pydantic models. Everything that can be wrong
with it is found before anything runs, reported together, and named by file and key::

    storm.toml: sources[1].owner: no domain "i0"
      hint: did you mean "io"? Domains: calc, io

Values left out are filled in when the model is made (`Domain.pcpu`, `Domain.ram_base_kib`, `Source.pirq`,
`Source.route`), so readers of a `Scenario` find plain numbers.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from irqvisor.errors import (
    ProfileError,
    RecordingError,
    ScenarioError,
    UsageError,
    did_you_mean,
)
from irqvisor.lab import profile as profiles
from irqvisor.lab import recording as recordings
from irqvisor.lab.profile import Profile
from irqvisor.lab.recording import Recording
from irqvisor.spec.designs import BY_NAME, NUMBERS
from irqvisor.spec.xen import PORTS_FIFO

if TYPE_CHECKING:
    import numpy as np

FOLDER = Path(__file__).parents[1] / "data" / "scenarios"
DEFAULT = "disk-and-net"

DESIGNS = tuple(NUMBERS)
"""The delivery designs of this version, in the order of a comparison."""

MAX_RAM_KIB = 1 << 20
"""All domains together: 1 GiB."""

MAX_PIRQ = 511
"""The highest interrupt number of a source: as far as the tables of every design go."""

MAX_VCPUS = 32
"""vCPUs of a domain: as many as its shared page has room for."""

MAX_CHANNELS = 16
"""Channels that the bundled kernel posts to."""

STACK_BYTES = 2048
"""RAM that each vCPU of the bundled kernel takes beyond the first."""

KERNEL_KIB = 52
"""RAM that the bundled kernel with its stack (44 KiB at most), its device tree and the shared page take."""

FIFO_KIB = 20
"""RAM that the bundled kernel takes beyond that for the queues of FIFO event channels."""

WORK_BYTES = 512
"""RAM that its work counters take."""

TREE_BYTES_PER_SOURCE = 192
"""What a source takes of the device tree, at most."""

HOP_NS = 2000
"""Time that an item takes from one guest or vCPU to the next, about."""

CUSTOM = "irqvisor"
"""Type of the pydantic errors made here; their context holds (path, found, expected, hint) of each problem."""


class Model(BaseModel):
    """What all parts of a scenario have in common: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _unset() -> int:
    """The default of numbers that `Scenario` fills in; never seen afterwards."""
    return -1


Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]([ -~]*[!-~])?$")]
Microseconds = Annotated[float, Field(ge=0.1, le=1e9)]
DefectName = Literal["unrecoverable-panics", "softirqs-skipped", "eoi-on-caller"]
Hertz = Annotated[float, Field(ge=0.001, le=1e7)]


# ------------------------------------------------------------------------------------------------------------- arrivals
class _Rated(Model):
    """An arrival that is told by the time between items, or by their rate."""

    rate_hz: Hertz | None = Field(default=None, description="items a second; in place of the time between them")

    def _either(self, name: str) -> None:
        given = [key for key in (name, "rate_hz") if getattr(self, key) is not None]
        if len(given) != 1:
            found = f"both {name} and rate_hz" if given else f"neither {name} nor rate_hz"
            raise PydanticCustomError(CUSTOM, "{text}", {"text": found, "problems": [("", found, "one of them", "")]})

    def _ns(self, between_us: float | None) -> float:
        return between_us * 1e3 if between_us is not None else 1e9 / (self.rate_hz or 1)


class Periodic(_Rated):
    """One item a period."""

    kind: Literal["periodic"] = "periodic"
    period_us: Microseconds | None = Field(default=None, description="time between items")
    phase_us: float = Field(default=0, ge=0, le=1e9, description="time of the first item")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        self._either("period_us")
        return self

    @property
    def period_ns(self) -> float:
        """Time between items, however it was told."""
        return self._ns(self.period_us)


class Poisson(_Rated):
    """Independent arrivals at a mean rate, from the scenario's seed."""

    kind: Literal["poisson"] = "poisson"
    mean_us: Microseconds | None = Field(default=None, description="mean time between items")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        self._either("mean_us")
        return self

    @property
    def mean_ns(self) -> float:
        """Mean time between items, however it was told."""
        return self._ns(self.mean_us)


class Burst(Model):
    """Items at a fixed period while on, none while off, again and again."""

    kind: Literal["burst"] = "burst"
    on_us: Microseconds = Field(description="length of a burst")
    off_us: Microseconds = Field(description="silence after it")
    period_us: Microseconds = Field(description="time between items of a burst")


class Closed(Model):
    """Request and response: the next item comes a fixed time after one was consumed."""

    kind: Literal["closed"] = "closed"
    response_us: float = Field(ge=0, le=1e9, description="time from a doorbell to the next item")
    depth: int = Field(default=1, ge=1, le=4096, description="items outstanding at most")


class Recorded(Model):
    """Arrival times from the scenario's recording."""

    kind: Literal["recorded"] = "recorded"
    names: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        description="names of the interrupts in the log"
    )
    cpus: Annotated[tuple[int, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, description="only those taken on these CPUs of the recorded machine"
    )


class Manual(Model):
    """Silent until `Machine.raise_irq`."""

    kind: Literal["manual"] = "manual"


class Free(Model):
    """No time of its own: ``irqvisor explore`` chooses it, each in turn. Silent everywhere else."""

    kind: Literal["free"] = "free"
    before: int = Field(
        default=0, ge=0, le=64, description="items that are there when the window of exploration begins"
    )


Arrival = Annotated[Periodic | Poisson | Burst | Closed | Recorded | Manual | Free, Field(discriminator="kind")]

ARRIVALS: dict[str, type[Model]] = {
    "periodic": Periodic,
    "poisson": Poisson,
    "burst": Burst,
    "closed": Closed,
    "recorded": Recorded,
    "manual": Manual,
    "free": Free,
}


# ---------------------------------------------------------------------------------------------- the parts of a scenario
class Domain(Model):
    """A guest: the bundled kernel unless ``image`` says otherwise. Without ``compute`` it sleeps when it can."""

    name: Name = Field(description="a name of its own")
    pcpu: int = Field(
        default_factory=_unset, ge=0, le=15, description="where it runs; default: round robin by position"
    )
    vcpus: int = Field(default=1, ge=1, le=MAX_VCPUS, description="how many virtual CPUs it has")
    placement: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        default=(),
        description="the pCPU of each vCPU; default: `pcpu` for the first, the following pCPUs for the others",
    )
    affinity: Annotated[tuple[int, ...], Field(strict=False)] = Field(
        default=(), description="the pCPUs that a balancing scheduler may move its vCPUs to; default: all"
    )
    compute: bool = Field(default=False, description="runs a compute loop whenever nothing else is to do")
    compute_unit: int = Field(
        default=200, ge=1, le=1_000_000, description="iterations of the inner loop per unit of work"
    )
    hold_units: int = Field(
        default=0, ge=0, le=1_000_000, description="units of work done at a time with interrupts disabled"
    )
    handler_work: int = Field(
        default=0, ge=0, le=1_000_000, description="iterations of the inner loop per item, in the handler"
    )
    tick_hz: int = Field(default=0, ge=0, le=100_000, description="periodic decrementer tick; 0: none")
    ram_kib: int = Field(
        default=128, ge=64, le=MAX_RAM_KIB, multiple_of=4, description="memory from its real address 0"
    )
    ram_base_kib: int = Field(
        default_factory=_unset,
        ge=0,
        lt=MAX_RAM_KIB,
        multiple_of=4,
        description="where that memory lies in the machine's; default: behind the domain before",
    )
    privileged: bool = Field(default=False, description="may use the hypercalls reserved for domain 0")
    abi: Literal["2008", "modern"] = Field(
        default="2008", description="whose event channels: Xen's of 2008 or of today (4.17); xen-ppc"
    )
    event_channels: Literal["2-level", "fifo"] = Field(
        default="2-level", description="how its kernel reads event channels; fifo: modern only, and only under xen-ppc"
    )
    start: Literal["board", "domu", "dom0"] = Field(
        default="board",
        description="how it begins under a design of Xen: as the board has it, or as Xen starts a domU or domain 0",
    )
    max_port: int = Field(
        default=PORTS_FIFO - 1, ge=1, lt=PORTS_FIFO, description="the highest event-channel port it may use"
    )
    image: str | None = Field(default=None, min_length=1, description="an ELF or raw image of your own")
    misbehave: (
        Literal[
            "never-eoi",
            "mask-all",
            "jump-nowhere",
            "overwrite-ring",
            "flood-port",
            "unrecoverable",
            "forget-recheck",
            "report-failure",
        ]
        | None
    ) = Field(default=None, description="what the bundled kernel is to do wrong")


class _Ring(Model):
    """What sources and channels have in common."""

    name: Name = Field(description="a name of its own")
    slots: int = Field(default=64, ge=2, le=4096, description="items the ring holds, a power of two")


class Source(_Ring):
    """A simulated device: posts items into a ring in its owner's memory and drives a line."""

    owner: str = Field(description="name of the domain whose memory holds the ring")
    arrival: Arrival = Field(description="when items come")
    trigger: Literal["edge", "level"] = Field(
        default="edge", description="one pulse an item, or high while the ring holds any"
    )
    priority: int = Field(default=5, ge=1, le=13, description="XICS sense: 1 is the most favoured")
    pirq: int = Field(
        default_factory=_unset, ge=1, le=MAX_PIRQ, description="interrupt number; default: the next free one"
    )
    vcpu: int = Field(default=0, ge=0, lt=MAX_VCPUS, description="which of its owner's vCPUs is told")
    route: int = Field(
        default_factory=_unset, ge=0, le=15, description="pCPU that gets its interrupts; default: its owner's"
    )


class Channel(_Ring):
    """A ring that one guest, or one vCPU, fills for another and notifies it of: an item for each item of others."""

    producer: str = Field(description="name of the domain that posts")
    consumer: str = Field(description="name of the domain that is notified: another one, or the same on another vCPU")
    vcpu: int = Field(default=0, ge=0, lt=MAX_VCPUS, description="which of the consumer's vCPUs is notified")
    after: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = Field(
        description="sources and channels of the producer: for each item of theirs that it has consumed it posts one"
    )


class Scheduler(Model):
    """How vCPUs share a pCPU."""

    slice_us: float = Field(default=1000, ge=1, le=1e6, description="round-robin time slice")
    boost: bool = Field(default=True, description="a vCPU that wakes may preempt at once")
    balance: bool = Field(default=False, description="vCPUs that can run move to pCPUs that are idle")
    hdec_period_us: float = Field(
        default=1000, ge=1, le=1e6, description="longest time between two hypervisor decrementers"
    )


class RecordingUse(Model):
    """Which part of which recording plays; as much of it as the scenario lasts."""

    file: str = Field(min_length=1, description="a bundled recording, or an ftrace text log, plain or .gz")
    start_s: float = Field(default=0, ge=0, description="seconds after its first event")
    speed: float = Field(default=1, gt=0, le=1e6, description="how much faster than recorded")
    skip_bad_lines: bool = Field(default=False, description="go on when the log has broken lines")


class Sweep(Model):
    """The same scenario once per value of one key."""

    key: str = Field(min_length=1, description="what changes, as --set writes it")
    values: Annotated[tuple[int | float | str, ...], Field(strict=False, min_length=1)] = Field(
        description="its values, in order"
    )


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
    def rings(self) -> tuple[_Ring, ...]:
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
        self._fill("domains", _settle_domains(self.domains, self.pcpus))
        self._fill("sources", _settle_sources(self.sources, self.domains))
        problems = list(_contradictions(self))
        if problems:
            raise PydanticCustomError(CUSTOM, "{text}", {"text": problems[0][1], "problems": problems})
        return self

    def _fill(self, key: str, parts: tuple[Model, ...]) -> None:
        # Not through pydantic, which would refuse, and would note the key as set by the user.
        object.__setattr__(self, key, parts)


def _settle_domains(domains: Sequence[Domain], pcpus: int) -> tuple[Domain, ...]:
    settled = []
    free_kib = 0
    for position, domain in enumerate(domains):
        pcpu = domain.pcpu if domain.pcpu >= 0 else position % pcpus
        pcpu = domain.placement[0] if domain.placement else pcpu
        base = domain.ram_base_kib if domain.ram_base_kib >= 0 else free_kib
        free_kib = max(free_kib, base + domain.ram_kib)
        placement = domain.placement or (pcpu, *((pcpu + n) % pcpus for n in range(1, domain.vcpus)))
        settled.append(_filled(domain, pcpu=pcpu, ram_base_kib=base, placement=placement))
    return tuple(settled)


def _settle_sources(sources: Sequence[Source], domains: Sequence[Domain]) -> tuple[Source, ...]:
    taken = {source.pirq for source in sources}
    free = iter(pirq for pirq in range(1, MAX_PIRQ + 1) if pirq not in taken)
    home = {domain.name: domain for domain in domains}
    settled = []
    for source in sources:
        pirq = source.pirq if source.pirq > 0 else next(free)
        route = source.route if source.route >= 0 else _home(home.get(source.owner), source.vcpu)
        settled.append(_filled(source, pirq=pirq, route=route))
    return tuple(settled)


def _home(owner: Domain | None, vcpu: int) -> int:
    """The pCPU of a vCPU, 0 if there is none: that is complained about later."""
    return owner.placement[vcpu] if owner is not None and vcpu < len(owner.placement) else 0


M = TypeVar("M", bound=Model)


def _filled(part: M, **values: Any) -> M:
    """A copy with values that do not count as set by the user, so that overriding can settle them anew."""
    part = part.model_copy()
    for key, value in values.items():
        object.__setattr__(part, key, value)
    return part


def _contradictions(scenario: Scenario) -> Iterable[tuple[str, str, str, str]]:
    """(path, found, expected, hint) of all that is wrong between the parts of a scenario."""
    names = [domain.name for domain in scenario.domains]
    for key, its_names in (("domains", names), ("sources", [source.name for source in scenario.sources])):
        for i, name in enumerate(its_names):
            if its_names.index(name) != i:
                yield f"{key}[{i}].name", f'"{name}" is already {key}[{its_names.index(name)}]', "a name of its own", ""

    yield from _wrong_options(scenario)
    for i, domain in enumerate(scenario.domains):
        if domain.pcpu >= scenario.pcpus:
            yield f"domains[{i}].pcpu", *_no_such_pcpu(domain.pcpu, scenario.pcpus)
        if domain.event_channels == "fifo" and domain.abi != "modern":
            hint = f'set domains.{domain.name}.abi = "modern"'
            yield f"domains[{i}].event_channels", "fifo", "2-level, which is all that 2008 had", hint
        if len(domain.placement) != domain.vcpus:
            found = f"{len(domain.placement)} pCPUs for {domain.vcpus} vCPUs"
            yield f"domains[{i}].placement", found, "one for each vCPU", "leave placement out to have them placed"
        for n, pcpu in enumerate(domain.placement):
            if domain.pcpu < scenario.pcpus <= pcpu or pcpu < 0:
                yield f"domains[{i}].placement[{n}]", *_no_such_pcpu(pcpu, scenario.pcpus)
        for n, pcpu in enumerate(domain.affinity):
            if not 0 <= pcpu < scenario.pcpus:
                yield f"domains[{i}].affinity[{n}]", *_no_such_pcpu(pcpu, scenario.pcpus)
        needed = ram_needed_kib(scenario, domain)
        if domain.image is None and domain.ram_kib < needed:
            found = f"{domain.ram_kib} is too small for the kernel and its sources' rings"
            yield f"domains[{i}].ram_kib", found, f"at least {needed}", "or fewer slots"
        end = domain.ram_base_kib + domain.ram_kib
        for j, other in enumerate(scenario.domains[:i]):
            other_end = other.ram_base_kib + other.ram_kib
            if domain.ram_base_kib < other_end and other.ram_base_kib < end:
                found = f"{domain.ram_base_kib}-{end} KiB overlaps domains[{j}], {other.ram_base_kib}-{other_end} KiB"
                yield (
                    f"domains[{i}].ram_base_kib",
                    found,
                    "memory of its own",
                    "leave ram_base_kib out to have it placed",
                )
        if end > MAX_RAM_KIB:
            found = f"all memory ends at {end:,} KiB"
            yield f"domains[{i}].ram_kib", found, f"{MAX_RAM_KIB:,} KiB or less", ""

    yield from _wrong_channels(scenario)

    owners: dict[int, int] = {}
    for i, source in enumerate(scenario.sources):
        place = f"sources[{i}]"
        if source.owner not in names:
            hint = did_you_mean(source.owner, names, list_as="Domains")
            yield f"{place}.owner", f'no domain "{source.owner}"', "", hint
        elif source.vcpu >= (vcpus := scenario.domain(source.owner).vcpus):
            yield f"{place}.vcpu", f"{source.owner} has no vCPU {source.vcpu}", f"0..{vcpus - 1}", ""
        if owners.setdefault(source.pirq, i) != i:
            other_source = scenario.sources[owners[source.pirq]]
            found = f'{source.pirq} is already that of sources[{owners[source.pirq]}] ("{other_source.name}")'
            yield f"{place}.pirq", found, "a number of its own", "leave pirq out to get the next free one"
        if source.route >= scenario.pcpus:
            yield f"{place}.route", *_no_such_pcpu(source.route, scenario.pcpus)
        if source.slots & (source.slots - 1):
            yield f"{place}.slots", f"found {source.slots}", "a power of two", f"use {1 << source.slots.bit_length()}"
        arrival = source.arrival
        if isinstance(arrival, Closed) and arrival.depth > source.slots:
            found = f"{arrival.depth} items outstanding do not fit a ring of {source.slots}"
            yield f"{place}.arrival.depth", found, "at most slots", ""
        if isinstance(arrival, Recorded) and scenario.recording is None:
            hint = f'add [recording] with file = "{recordings.bundled()[0]}", or your own ftrace log'
            yield f"{place}.arrival", "recorded, but the scenario has no recording", "a table [recording]", hint


def _wrong_options(scenario: Scenario) -> Iterable[tuple[str, str, str, str]]:
    for name, chosen in scenario.options.items():
        if name not in BY_NAME:
            yield f"options.{name}", "no such delivery design", "", did_you_mean(name, BY_NAME)
            continue
        known = {option.name: option for option in BY_NAME[name].options}
        for key, value in chosen.items():
            place = f"options.{name}.{key}"
            if not known:
                yield place, f"{name} has no options", "", ""
            elif key not in known:
                yield place, "no such option", "", did_you_mean(key, known)
            elif value not in known[key].values:
                yield place, f'found "{value}"', "", did_you_mean(value, known[key].values)


def _wrong_channels(scenario: Scenario) -> Iterable[tuple[str, str, str, str]]:
    """What is wrong with channels."""
    domains = {domain.name: domain for domain in scenario.domains}
    consumed = {source.name: (source.owner, source.vcpu) for source in scenario.sources}
    known = consumed | {channel.name: (channel.consumer, channel.vcpu) for channel in scenario.channels}
    posts: dict[str, int] = {}
    for i, channel in enumerate(scenario.channels):
        place = f"channels[{i}]"
        if channel.name in consumed or channel.name in [c.name for c in scenario.channels[:i]]:
            yield f"{place}.name", f'"{channel.name}" is already another one\'s', "a name of its own", ""
        for key in ("producer", "consumer"):
            if getattr(channel, key) not in domains:
                hint = did_you_mean(getattr(channel, key), list(domains), list_as="Domains")
                yield f"{place}.{key}", f'no domain "{getattr(channel, key)}"', "", hint
        if channel.consumer in domains and channel.vcpu >= domains[channel.consumer].vcpus:
            vcpus = domains[channel.consumer].vcpus
            yield f"{place}.vcpu", f"{channel.consumer} has no vCPU {channel.vcpu}", f"0..{vcpus - 1}", ""
        if channel.slots & (channel.slots - 1):
            yield f"{place}.slots", f"found {channel.slots}", "a power of two", f"use {1 << channel.slots.bit_length()}"
        posts[channel.producer] = posts.get(channel.producer, 0) + 1
        if posts[channel.producer] == MAX_CHANNELS + 1:
            yield f"{place}.producer", f"{channel.producer} posts to more channels", f"at most {MAX_CHANNELS}", ""
        for name in channel.after:
            if name not in known:
                yield f"{place}.after", f'no source or channel "{name}"', "", did_you_mean(name, list(known))
            elif known[name][0] != channel.producer:
                yield f"{place}.after", f"{name} is consumed by {known[name][0]}", f"one of {channel.producer}", ""
        where = {known[name] for name in channel.after if name in known}
        if len({vcpu for _, vcpu in where}) > 1:
            yield f"{place}.after", "consumed on several vCPUs", "all on one: a ring has one producer", ""
        if (channel.consumer, channel.vcpu) in where:
            yield f"{place}.consumer", "the vCPU that posts", "another domain, or another vCPU", ""


def _no_such_pcpu(pcpu: int, pcpus: int) -> tuple[str, str, str]:
    last = "0: there is one pCPU" if pcpus == 1 else f"0..{pcpus - 1}: pcpus is {pcpus}"
    return f"no pCPU {pcpu}", last, ""


def ram_needed_kib(scenario: Scenario, domain: Domain) -> int:
    """Least memory in which the bundled kernel runs with the rings of the domain's sources."""
    owned: list[_Ring] = [source for source in scenario.sources if source.owner == domain.name]
    owned += [c for c in scenario.channels if c.consumer == domain.name]
    rings = sum(-(-(16 + 8 * part.slots) // 64) * 64 for part in owned)
    owned += [c for c in scenario.channels if c.producer == domain.name]
    stacks = STACK_BYTES * (domain.vcpus - 1)
    kernel = KERNEL_KIB + (FIFO_KIB if domain.event_channels == "fifo" else 0)
    return kernel + -(-(WORK_BYTES + rings + stacks + TREE_BYTES_PER_SOURCE * len(owned)) // 4096) * 4


# ------------------------------------------------------------------------------------------------- reading and changing
def names() -> list[str]:
    """The bundled scenarios."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name_or_path: str | Path) -> Scenario:
    """Read a scenario: a bundled one by name, or a file. Paths within it are relative to it.

    Raises:
        ScenarioError: no such scenario, not TOML, or every problem there is with what it says.
    """
    text = str(name_or_path)
    bundled = names()
    if text in bundled:
        path, where = FOLDER / f"{text}.toml", f"{text}.toml"
    elif isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or Path(text).exists():
        path, where = Path(text), text
    else:
        hint = f"{did_you_mean(text, bundled)}; or give a file, ./NAME.toml"
        raise ScenarioError("", f'unknown scenario "{text}"', hint=hint)
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        hint = f"bundled scenarios: {', '.join(bundled)}"
        raise ScenarioError(where, f"cannot be read: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError:
        raise ScenarioError(where, "not text in UTF-8", "a scenario in TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(where, f"not TOML: {error}") from None
    return from_dict({"name": path.stem, **data}, where, path.parent)


def from_dict(data: Mapping[str, Any], where: str = "scenario", folder: Path | None = None) -> Scenario:
    """A scenario from parsed TOML, with its files, profile and sweep checked too.

    Args:
        data: what the file says.
        where: how messages call the file.
        folder: where relative paths start; default: the working directory.

    Raises:
        ScenarioError: every problem there is.
    """
    scenario = _validated(_located(data, folder or Path()), where)
    problems = [
        ScenarioError(f"{where}: domains[{i}].image", f'no such file "{domain.image}"')
        for i, domain in enumerate(scenario.domains)
        if domain.image is not None and not Path(domain.image).is_file()
    ]
    if scenario.recording is not None and not recordings.resolve(scenario.recording.file).is_file():
        hint = f"bundled recordings: {', '.join(recordings.bundled())}"
        found = f'no such file "{scenario.recording.file}"'
        problems.append(ScenarioError(f"{where}: recording.file", found, hint=hint))
    try:
        resolve_profile(scenario)
    except ProfileError as error:
        problems += [
            ScenarioError(_join(f"{where}: profile", p.where), p.found, p.expected, p.hint) for p in error.problems
        ]
    if problems:
        raise ScenarioError.together(problems)
    _expand(scenario, where)
    return scenario


def _validated(data: Mapping[str, Any], where: str) -> Scenario:
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError.together(_explain(error, where)) from None


def _located(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same data with paths that are relative to the scenario's folder made independent of it."""

    def locate(table: Any, key: str) -> None:
        if isinstance(table, dict) and isinstance(table.get(key), str) and (folder / table[key]).is_file():
            table[key] = str(folder / table[key])

    copied = copy.deepcopy(dict(data))
    if copied.get("profile") not in profiles.names():
        locate(copied, "profile")
    recorded = copied.get("recording")
    if isinstance(recorded, dict) and recorded.get("file") not in recordings.bundled():
        locate(recorded, "file")
    domains = copied.get("domains")
    for domain in domains if isinstance(domains, list) else []:
        locate(domain, "image")
    return copied


def schema() -> dict[str, Any]:
    """The JSON schema of a scenario file."""
    return Scenario.model_json_schema()


def fingerprint(scenario: Scenario) -> str:
    """A stable hash of all that decides a result: not the name, and not where files lie, but what is in them."""
    data = scenario.model_dump(mode="json")
    for key in ("name", "description", "profile_overrides", *(() if scenario.options else ("options",))):
        del data[key]
    data["profile"] = resolve_profile(scenario).fingerprint()
    if scenario.recording is not None:
        data["recording"]["file"] = _digest(recordings.resolve(scenario.recording.file))
    for domain in data["domains"]:
        for key in ("abi", "event_channels", "start", "max_port"):
            if domain[key] == Domain.model_fields[key].default:
                del domain[key]
        if domain["image"] is not None:
            domain["image"] = _digest(Path(domain["image"]))
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ScenarioError(str(path), f"cannot be read: {error.strerror}") from None


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


def with_overrides(scenario: Scenario, settings: Iterable[str]) -> Scenario:
    """The scenario with some keys changed, as the option ``--set`` writes them.

    Args:
        scenario: it stays as it is.
        settings: ``duration_ms=50``, ``sources.disk.arrival.rate_hz=9000``, ``domains[0].compute=true``,
            ``profile.hcall_rt=900``. Values are TOML; what is no TOML is text.

    Raises:
        ScenarioError: a key that leads nowhere, or a scenario that no longer makes sense.
    """
    pairs: list[tuple[str, Any]] = []
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise ScenarioError("--set", f'"{text}" has no "="', "KEY=VALUE, such as duration_ms=50")
        pairs.append((key.strip(), _value(value.strip())))
    if not pairs:
        return scenario
    options = " ".join(f"--set {key}={_plain(value)}" for key, value in pairs)
    return _changed(scenario, pairs, f"{scenario.name} with {options}")


def expand(scenario: Scenario) -> list[tuple[str, Scenario]]:
    """The runs that a scenario asks for, a label each: one per value of its sweep, or itself with an empty label."""
    return _expand(scenario, scenario.name)


def _expand(scenario: Scenario, where: str) -> list[tuple[str, Scenario]]:
    if scenario.sweep is None:
        return [("", scenario)]
    key, values = scenario.sweep.key, scenario.sweep.values
    alone = scenario.model_copy(update={"sweep": None})
    short = key.rpartition(".")[2]
    return [(f"{short}={_plain(value)}", _changed(alone, [(key, value)], f"{where}: sweep")) for value in values]


def _changed(scenario: Scenario, pairs: Sequence[tuple[str, Any]], where: str) -> Scenario:
    data: dict[str, Any] = scenario.model_dump(exclude_unset=True)
    for key in ("domains", "sources", "channels"):
        data[key] = [dict(part) for part in data.get(key, ())]
    for key, value in pairs:
        place = f"{where}: {key}"
        if key.startswith("profile."):
            data["profile_overrides"] = {**data.get("profile_overrides", {}), key.removeprefix("profile."): value}
        else:
            _assign(data, key, value, place)
    changed = _validated(data, where)
    try:
        resolve_profile(changed)
    except ProfileError as error:
        problems = [ScenarioError(_join(where, p.where), p.found, p.expected, p.hint) for p in error.problems]
        raise ScenarioError.together(problems) from None
    return changed


def _assign(data: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set one key of a scenario's data, where parts of a list go by name or by [number]."""
    table: Any = data
    rest = key
    while True:
        head = re.match(r"([A-Za-z_][A-Za-z0-9_-]*)(?:\[(\d+)\]|\.(?=.)|$)", rest)
        if head is None or not isinstance(table, dict):
            raise ScenarioError(where, f'"{rest}" leads nowhere', "a key such as sources.disk.arrival.rate_hz")
        name, index = head[1], head[2]
        rest = rest[head.end() :]
        if not rest and index is None:
            for other in _TELLS_THE_SAME.get(name, ()):
                table.pop(other, None)
            table[name] = value
            return
        inner = table.setdefault(name, {})
        if isinstance(inner, tuple | list):
            position, rest = _part(name, inner, index, rest, where)
            inner = inner[position]
        table = inner


_TELLS_THE_SAME = {"rate_hz": ("period_us", "mean_us"), "period_us": ("rate_hz",), "mean_us": ("rate_hz",)}


def _part(key: str, parts: Sequence[Any], index: str | None, rest: str, where: str) -> tuple[int, str]:
    """Which part of a list the rest of a key begins with, and what remains. Names may hold dots: the longest wins."""
    known = [part.get("name", "") for part in parts]
    if index is not None:
        if int(index) >= len(parts) or not rest.startswith("."):
            found = f"no {key}[{index}]" if int(index) >= len(parts) else "ends in a table"
            last = f" .. {key}[{len(parts) - 1}].KEY" if len(parts) > 1 else ""
            raise ScenarioError(where, found, f"{key}[0].KEY{last}")
        return int(index), rest[1:]
    matches = [name for name in known if rest.startswith(f"{name}.")]
    if not matches:
        wanted = rest.partition(".")[0]
        hint = did_you_mean(wanted, known, list_as=key.capitalize())
        raise ScenarioError(where, f'no {key.removesuffix("s")} "{wanted}"', hint=hint)
    name = max(matches, key=len)
    return known.index(name), rest[len(name) + 1 :]


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


# ------------------------------------------------------------------------------------------------------- recorded input
_open: dict[tuple[str, int, int, bool], Recording] = {}


def open_recording(name_or_path: str | Path, *, skip_bad_lines: bool = False) -> Recording:
    """Read a recording, or the one that was read before from the same unchanged file."""
    path = recordings.resolve(name_or_path)
    key = _identity(path, skip_bad_lines=skip_bad_lines)
    if key is None:
        return recordings.read(path, skip_bad_lines=skip_bad_lines)  # which says why there is none
    if key not in _open:
        _open[key] = recordings.read(path, skip_bad_lines=skip_bad_lines)
    return _open[key]


def _identity(path: Path, *, skip_bad_lines: bool) -> tuple[str, int, int, bool] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path.absolute()), found.st_mtime_ns, found.st_size, skip_bad_lines


def recorded_input(scenario: Scenario) -> Recording | None:
    """The part of its recording that a scenario plays; None if it plays none.

    `Recording.describe` of it says "604 of 2,583 interrupts, 4.04-4.24 s".

    Raises:
        RecordingError: the file, or a name that is not in it.
        UsageError: a window outside of it.
    """
    named = [
        name for source in scenario.sources if isinstance(source.arrival, Recorded) for name in source.arrival.names
    ]
    if not named or scenario.recording is None:
        return None
    use = scenario.recording
    whole = open_recording(use.file, skip_bad_lines=use.skip_bad_lines)
    return whole.select(named).speed(use.speed).window(use.start_s, scenario.duration_ns / 1e9 * use.speed)


def arrivals(scenario: Scenario) -> dict[str, np.ndarray[Any, np.dtype[np.int64]]]:
    """When each recorded source posts its items.

    Returns:
        by name of the source: int64 ns from the start of the sources, ascending, each before ``duration_ns``.

    Raises:
        RecordingError: the file, or a name that is not in it.
        UsageError: a window outside of it.
    """
    played = recorded_input(scenario)
    if played is None:
        return {}
    found = {}
    for source in scenario.sources:
        if isinstance(source.arrival, Recorded):
            offsets = played.select(source.arrival.names, source.arrival.cpus).offsets()
            found[source.name] = offsets[offsets < scenario.duration_ns]
    return found


def use_recording(
    scenario: Scenario,
    recording: Recording,
    *,
    window: str | None = None,
    irq: Sequence[str] = (),
    speed: float = 1.0,
) -> Scenario:
    """The scenario with a log of your own in place of its recorded sources (of all its sources, if none is recorded).

    One source per name that occurs in the window; each takes trigger, priority, owner and route from the source that it
    replaces, or from the first replaced.

    Args:
        scenario: it stays as it is.
        recording: as `recording.read` or `open_recording` return it.
        window: ``START:LENGTH`` in recorded seconds, ``all``, or None for the window of the scenario's length that
            holds the most interrupts.
        irq: names to take; all when empty.
        speed: how much faster than recorded.

    Raises:
        UsageError: a window or a speed that is none.
        RecordingError: a name that is not in the log, or nothing in the window.
        ScenarioError: more names than a machine has interrupt numbers.
    """
    chosen = (recording.select(list(irq)) if irq else recording).speed(speed)
    duration_ms = scenario.duration_ms
    if window is None:
        start_s = chosen.densest(scenario.duration_ns / 1e9 * speed)
        length_s = scenario.duration_ns / 1e9 * speed
    else:
        start_s, length_s = _window(window, recording)
        duration_ms = length_s / speed * 1e3
    counts = chosen.window(start_s, length_s).counts()
    if not counts:
        which = f" named {', '.join(irq)}" if irq else ""
        found = f"no interrupt{which} in the window {start_s:.2f}-{start_s + length_s:.2f} s"
        raise RecordingError(str(recording.path), found, hint="--window all takes the whole log")

    replaced = [s for s in scenario.sources if isinstance(s.arrival, Recorded)] or list(scenario.sources)
    kept = [s for s in scenario.sources if s not in replaced]
    taken = {source.name for source in kept}
    data: dict[str, Any] = scenario.model_dump(exclude_unset=True)
    data["sources"] = [source.model_dump(exclude_unset=True) for source in kept]
    sleeper = next((domain for domain in scenario.domains if not domain.compute), scenario.domains[0])
    for name in counts:
        model = _model_for(name, replaced)
        like = {} if model is None else model.model_dump(exclude_unset=True, exclude={"name", "pirq", "arrival"})
        label = _label(name, taken)
        taken.add(label)
        arrival = {"kind": "recorded", "names": [name]}
        data["sources"].append({"owner": sleeper.name, **like, "name": label, "arrival": arrival})
    data["duration_ms"] = duration_ms
    data["sweep"] = None
    data["recording"] = {
        "file": str(recording.path),
        "start_s": start_s,
        "speed": speed,
        "skip_bad_lines": recording.bad_lines > 0,
    }
    if len(data["sources"]) > 255:
        found = f"{len(data['sources'])} names of interrupts in the window"
        raise ScenarioError(str(recording.path), found, "255 or fewer", "--irq NAME picks some")
    key = _identity(recording.path, skip_bad_lines=recording.bad_lines > 0)
    if key is not None and len(recording) == recording.total:
        _open.setdefault(key, recording)
    return _validated(data, f"{scenario.name} with {recording.path.name}")


def _label(name: str, taken: set[str]) -> str:
    """A source's name for a recorded one: printable, not too long, and its own."""
    short = "".join(c if " " <= c <= "~" else "?" for c in name)[:48].strip()
    return next(label for label in (short, *(f"{short} ({n})" for n in range(2, 1000))) if label not in taken)


def _model_for(name: str, replaced: Sequence[Source]) -> Source | None:
    """The source whose wiring a recorded name takes over."""
    for source in replaced:
        if isinstance(source.arrival, Recorded) and name in source.arrival.names:
            return source
    return replaced[0] if replaced else None


def _window(text: str, recording: Recording) -> tuple[float, float]:
    """Start and length in recorded seconds."""
    if text == "all":
        return 0.0, recording.whole_ns / 1e9
    match = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", text)
    if match is None:
        raise UsageError("--window", f'found "{text}"', "START:LENGTH in seconds, such as 4.04:0.2, or all")
    start, length = float(match[1]), float(match[2])
    recording.window(start, length)  # says what is wrong with it
    return start, length


# ----------------------------------------------------------------------------------------------------------------- size
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


# ------------------------------------------------------------------------------------------------------------- messages
_PARTS: dict[tuple[type[Model], str], type[Model]] = {
    (Scenario, "domains"): Domain,
    (Scenario, "sources"): Source,
    (Scenario, "channels"): Channel,
    (Scenario, "scheduler"): Scheduler,
    (Scenario, "recording"): RecordingUse,
    (Scenario, "sweep"): Sweep,
}

_UNITS = (
    "ns",
    "us",
    "ms",
    "s",
    "sec",
    "hz",
    "khz",
    "mhz",
    "kib",
    "mib",
    "gib",
    "kb",
    "mb",
    "bytes",
    "cycles",
    "percent",
)

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "at least one character",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "string_pattern_mismatch": "printable characters, none of them a space at the ends",
}

_EXPECTED_LIMIT = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_long": "at most {max_length} characters",
    "too_long": "at most {max_length}",
    "too_short": "at least {min_length}",
}


def _explain(error: ValidationError, where: str) -> list[ScenarioError]:
    """Pydantic's errors as ours: the path as TOML has it, what was found, what was expected, and a hint."""
    problems: list[ScenarioError] = []
    misspelt: set[str] = set()
    for one in error.errors(include_url=False):
        model, path = _place(one["loc"])
        kind, context, found = one["type"], one.get("ctx", {}), one["input"]
        if kind == "too_short" and len(found) >= context["min_length"]:
            continue  # pydantic does not count items that are wrong themselves
        if kind == CUSTOM:
            for sub_path, text, expected, hint in context["problems"]:
                problems.append(ScenarioError(_at(where, path, sub_path), text, expected, hint))
            continue
        place = _at(where, path)
        if kind == "extra_forbidden":
            key = str(one["loc"][-1])
            text, hint, meant = _unknown_key(key, model)
            misspelt.add(_at(where, path.removesuffix(key) + meant))
            problems.append(ScenarioError(place, text, hint=hint))
        elif kind == "missing":
            key = str(one["loc"][-1])
            described = model.model_fields[key].description if model is not None and key in model.model_fields else ""
            problems.append(ScenarioError(place, "missing", described or "a value"))
        elif kind in ("union_tag_not_found", "union_tag_invalid"):
            given = found.get("kind") if isinstance(found, Mapping) else None
            if isinstance(found, Mapping) and given is None:
                problems.append(ScenarioError(_at(where, path, "kind"), "missing", f"one of: {', '.join(ARRIVALS)}"))
            elif isinstance(given, str):
                text, hint = f'unknown kind of arrival "{given}"', did_you_mean(given, ARRIVALS)
                problems.append(ScenarioError(_at(where, path, "kind"), text, hint=hint))
            else:
                problems.append(ScenarioError(place, f"found {_quoted(found)}", "a table with a kind"))
        elif kind == "literal_error":
            allowed = re.findall(r"'([^']*)'", context["expected"])
            hint = did_you_mean(found, allowed) if isinstance(found, str) else ""
            expected = "" if hint else f"one of: {', '.join(allowed)}"
            problems.append(ScenarioError(place, f"found {_quoted(found)}", expected, hint))
        else:
            limit = _EXPECTED_LIMIT.get(kind, "").format(**context)
            expected = _EXPECTED.get(kind) or limit or one["msg"]
            if model is Source and path.endswith(".arrival"):
                expected = "a table with a kind"
            if path in ("domains", "sources") and kind in ("tuple_type", "list_type"):
                expected = f"a list of tables, each beginning with [[{path}]]"
            counted = kind in ("too_long", "too_short")
            text = f"{context.get('actual_length', 0)} of them" if counted else f"found {_quoted(found)}"
            before = problems[-1] if problems else None
            if before is not None and (before.where, before.found) == (place, text):
                problems.pop()  # each type of a choice complains
                expected = f"{before.expected} or {expected}"
            problems.append(ScenarioError(place, text, expected))
    # "duration_s: wrong unit" says all there is to say about a missing duration_ms.
    return [problem for problem in problems if problem.found != "missing" or problem.where not in misspelt]


def _place(location: Sequence[int | str]) -> tuple[type[Model] | None, str]:
    """The model that a key belongs to, and its path: ``sources[1].arrival.period_us``."""
    model: type[Model] | None = Scenario
    path = ""
    parts = list(location)
    while parts:
        part = parts.pop(0)
        if isinstance(part, int):
            path += f"[{part}]"
            continue
        path = f"{path}.{part}" if path else part
        if model is Source and part == "arrival":
            model = ARRIVALS[str(parts.pop(0))] if parts else Source
        elif model is not None and parts:
            model = _PARTS.get((model, part))
    # A choice of types (float | str) appends the type it tried, which is no part of the file.
    return model, re.sub(r"\.(float|str|int|constrained-\w+)$", "", path)


def _unknown_key(key: str, model: type[Model] | None) -> tuple[str, str, str]:
    """What to say, the hint, and the key that was meant, if it is clear."""
    known = list(model.model_fields) if model is not None else []
    stem, _, unit = key.rpartition("_")
    stem = stem if stem and unit in _UNITS else key
    for name in known:
        its_stem, _, its_unit = name.rpartition("_")
        if its_stem == stem and its_unit in _UNITS:
            return f"unknown key: {'wrong' if stem != key else 'no'} unit", f"use {name}", name
    near = difflib.get_close_matches(key, known, n=1)
    return "unknown key", did_you_mean(key, known), near[0] if near else ""


def _at(where: str, *path: str) -> str:
    key = ".".join(part for part in path if part)
    return f"{where}: {key}" if key else where


def _join(where: str, inner: str) -> str:
    return f"{where}: {inner}" if inner else where


def _quoted(value: object) -> str:
    """A value as the file may have written it."""
    match value:
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "a table"
        case list() | tuple():
            return "a list"
        case str():
            return f'"{value}"' if len(value) <= 80 else f'"{value[:80]}..."'
        case _:
            return str(value)


def _plain(value: object) -> str:
    """A value as ``--set`` writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value == int(value) and abs(value) < 1e15:
            return str(int(value))
        case _:
            return str(value)
