"""The parts of a scenario: arrivals, domains, sources, channels, and what they may hold."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from irqvisor.spec.designs import NUMBERS
from irqvisor.spec.xen import PORTS_FIFO

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
DefectName = Literal["unrecoverable-panics", "softirqs-skipped", "eoi-on-caller", "foreign-dropped"]
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


class Ring(Model):
    """What sources and channels have in common."""

    name: Name = Field(description="a name of its own")
    slots: int = Field(default=64, ge=2, le=4096, description="items the ring holds, a power of two")


class Source(Ring):
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


class Channel(Ring):
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
