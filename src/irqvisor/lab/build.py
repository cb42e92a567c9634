"""A scenario and a design make a machine: units become cycles, names become numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from irqvisor import paravirt
from irqvisor.errors import ScenarioError, UsageError
from irqvisor.hv.state import Defect
from irqvisor.hw.state import LEVEL_OF, LEVELS, Arrival, Model
from irqvisor.lab import scenario as scenarios
from irqvisor.lab.profile import Profile
from irqvisor.lab.scenario import Scenario
from irqvisor.machine import Labels, Machine
from irqvisor.spec.designs import BY_NAME, NUMBERS, Design

IMAGES = Path(paravirt.__file__).parent / "guest" / "images"
MODELS = {"970": Model.PPC970, "power8": Model.POWER8, "power9": Model.POWER9}
DEFECTS = {
    "unrecoverable-panics": Defect.UNRECOVERABLE_PANICS,
    "softirqs-skipped": Defect.SOFTIRQS_SKIPPED,
    "eoi-on-caller": Defect.EOI_ON_CALLER,
    "foreign-dropped": Defect.FOREIGN_DROPPED,
}
START_AFTER_READY_NS = 1_000_000
"""Quiet time between the last ready mark and the first possible arrival."""
SEED_STEP = 0x9E3779B97F4A7C15
"""Golden ratio in 64 bits: spreads consecutive seeds over the state space of the sources' generators."""


def machine(scenario: str | Path | Scenario, design: str, **options: Any) -> Machine:
    """The machine of a scenario under a design, about to execute its guests' first instructions."""
    chosen = scenario if isinstance(scenario, Scenario) else scenarios.load(scenario)
    return paravirt.build(config(chosen, design, **options))


def config(scenario: Scenario, design: str, *, cpu: str | None = None, isa: str | None = None) -> paravirt.Config:
    """Everything a machine needs, in cycles and bytes. `isa`: the architecture level, if not the processor's own."""
    scenarios.check_design(design)
    if isa is not None and isa not in LEVELS:
        raise UsageError(f"isa={isa!r}", "no such architecture level", f"one of {', '.join(LEVELS)}")
    number = NUMBERS[design]
    model = processor(scenario, design, cpu)
    if model not in BY_NAME[design].cpus:
        raise UsageError(f"cpu={model!r}", f"{design} needs {needed(design)}", hint=BY_NAME[design].needs)
    profile = scenarios.resolve_profile(scenario)
    costs = costs_of(profile)
    in_cycles = Cycles(profile.clock_hz)
    slice_cycles = in_cycles(scenario.scheduler.slice_us * 1e3)
    labels = Labels(design=design, cpu=model, sources=[ring.name for ring in scenario.rings])
    domains = _kernels(scenario, labels) if number == Design.NATIVE else _domains(scenario, design, labels)
    return paravirt.Config(
        design=number,
        options=BY_NAME[design].bits(scenario.options.get(design, {})),
        model=MODELS[model],
        isa=LEVEL_OF[MODELS[model]] if isa is None else LEVELS[isa],
        costs=costs,
        pcpus=scenario.pcpus,
        domains=domains,
        sources=_sources(scenario, number, in_cycles, costs),
        channels=_channels(scenario),
        slice=slice_cycles,
        hdec_period=in_cycles(scenario.scheduler.hdec_period_us * 1e3),
        boost=scenario.scheduler.boost,
        balance=scenario.scheduler.balance,
        defects=sum(DEFECTS[name] for name in scenario.defects),
        start_at=in_cycles(START_AFTER_READY_NS),
        duration=in_cycles(scenario.duration_ns),
        drain=in_cycles(scenario.drain_ns),
        labels=labels,
    )


def processor(scenario: Scenario, design: str, cpu: str | None = None) -> str:
    """The processor model that a design runs on: the one asked for, else the scenario's, else the design's own."""
    if cpu is not None:
        return cpu
    models = BY_NAME[design].cpus
    return scenario.cpu if scenario.cpu in models else models[0]


def needed(design: str) -> str:
    """The processor models that a design runs on, in words."""
    return f"a {' or '.join(BY_NAME[design].cpus)}"


class Cycles:
    """Nanoseconds to cycles, rounded to nearest."""

    def __init__(self, clock_hz: int) -> None:
        self.clock_hz = clock_hz

    def __call__(self, ns: float) -> int:
        """That many nanoseconds."""
        return round(ns * self.clock_hz / 1e9)


def costs_of(profile: Profile) -> paravirt.Costs:
    """A profile's numbers, in cycles."""
    num, den = profile.timebase_ratio()
    return paravirt.Costs(
        clock_hz=profile.clock_hz,
        tb_num=num,
        tb_den=den,
        timebase_hz=profile.timebase_hz,
        cpi=profile.cycles_per_instruction,
        hv_cpi=profile.hv_cycles_per_instruction,
        exc_entry=profile.cycles("exc_entry"),
        exc_return=profile.cycles("exc_return"),
        hcall_rt=profile.cycles("hcall_rt"),
        world_switch_rt=profile.cycles("world_switch_rt"),
        pic_read=profile.cycles("pic_mmio_read"),
        pic_write=profile.cycles("pic_mmio_write"),
        phys_ipi=profile.cycles("phys_ipi"),
        inject=profile.cycles("inject"),
        switch_penalty=profile.cycles("switch_penalty"),
        host_wakeup=profile.cycles("host_wakeup"),
    )


def _domains(scenario: Scenario, design: str, labels: Labels) -> tuple[paravirt.DomainConfig, ...]:
    """One guest a domain."""
    labels.domains = [d.name for d in scenario.domains]
    labels.work = [loops(d) for d in scenario.domains]
    return tuple(
        paravirt.DomainConfig(
            name=d.name,
            pcpus=d.placement,
            affinity=sum(1 << p for p in set(d.affinity or range(scenario.pcpus))),
            image=Path(d.image) if d.image else IMAGES / f"{kernel(scenario, d, design)}.elf",
            ram_bytes=d.ram_kib * 1024,
            ram_base=d.ram_base_kib * 1024,
            loops=tuple(loops(d)),
            compute_unit=d.compute_unit,
            hold_units=d.hold_units,
            handler_work=d.handler_work,
            tick_hz=d.tick_hz,
            misbehave=d.misbehave or "",
            privileged=d.privileged,
            modern=d.abi == "modern",
            max_port=d.max_port,
            start=d.start,
        )
        for d in scenario.domains
    )


def kernel(scenario: Scenario, domain: scenarios.Domain, design: str) -> str:
    """The bundled kernel for a domain under a design. FIFO queues and posted descriptors have one of their own."""
    if design == "direct" and scenario.options.get(design, {}).get("variant") == "posted":
        return f"{design}-posted"
    return f"{design}-fifo" if domain.event_channels == "fifo" and design == "xen-ppc" else design


def loops(domain: scenarios.Domain) -> list[str]:
    """Names of a domain's compute loops: one a vCPU."""
    if not domain.compute:
        return []
    return [domain.name] if domain.vcpus == 1 else [f"{domain.name}.{n}" for n in range(domain.vcpus)]


def _kernels(scenario: Scenario, labels: Labels) -> tuple[paravirt.DomainConfig, ...]:
    """native: one kernel a pCPU, which owns the sources and runs the compute loops of all domains there in turn."""
    kernels: list[paravirt.DomainConfig] = []
    for p in range(scenario.pcpus):
        here = [d for d in scenario.domains if d.pcpu == p]
        computing = [d for d in here if d.compute]
        labels.domains.append("+".join(d.name for d in here) or f"pCPU {p}")
        labels.work.append([d.name for d in computing])
        kernels.append(
            paravirt.DomainConfig(
                name=f"kernel{p}",
                pcpus=(p,),
                affinity=1 << p,
                image=next((Path(d.image) for d in here if d.image), IMAGES / "native.elf"),
                ram_bytes=max(128, sum(d.ram_kib for d in here)) * 1024,
                ram_base=sum(kernel.ram_bytes for kernel in kernels),
                loops=tuple(d.name for d in computing),
                compute_unit=max((d.compute_unit for d in computing), default=200),
                hold_units=max((d.hold_units for d in here), default=0),
                handler_work=max((d.handler_work for d in here), default=0),
                tick_hz=max((d.tick_hz for d in here), default=0),
                misbehave=next((d.misbehave for d in here if d.misbehave), "") or "",
            )
        )
    return tuple(kernels)


def _sources(
    scenario: Scenario, design: Design, in_cycles: Cycles, costs: paravirt.Costs
) -> tuple[paravirt.SourceConfig, ...]:
    recorded = scenarios.arrivals(scenario)
    position = {d.name: i for i, d in enumerate(scenario.domains)}
    made = []
    for s, source in enumerate(scenario.sources):
        owner = scenario.domain(source.owner)
        arrival = source.arrival
        timing = _timing(arrival, in_cycles, recorded.get(source.name))
        if scenario.pcpus > 1 and isinstance(arrival, scenarios.Closed) and timing["response"] < costs.phys_ipi:
            raise ScenarioError(
                f"sources[{s}].arrival.response_us",
                f"{arrival.response_us} us is shorter than an inter-processor interrupt of the profile",
                f"at least {costs.phys_ipi * 1e6 / costs.clock_hz:.3f} us with several pCPUs",
            )
        made.append(
            paravirt.SourceConfig(
                name=source.name,
                domain=owner.pcpu if design == Design.NATIVE else position[source.owner],
                irq=source.pirq,
                level=source.trigger == "level",
                priority=source.priority,
                slots=source.slots,
                pcpu=owner.pcpu if design == Design.NATIVE else source.route,
                vcpu=source.vcpu,
                seed=_seed(scenario.seed, s),
                **timing,
            )
        )
    return tuple(made)


def _channels(scenario: Scenario) -> tuple[paravirt.ChannelConfig, ...]:
    domains = [d.name for d in scenario.domains]
    numbers = {ring.name: s for s, ring in enumerate(scenario.rings)}
    return tuple(
        paravirt.ChannelConfig(
            name=c.name,
            producer=domains.index(c.producer),
            consumer=domains.index(c.consumer),
            vcpu=c.vcpu,
            slots=c.slots,
            after=tuple(numbers[name] for name in c.after),
            closes=c.name in scenarios.origins(scenario, c.name),
        )
        for c in scenario.channels
    )


def _seed(seed: int, s: int) -> int:
    """A source's own seed: never 0, as int64."""
    mixed = ((seed + 1) * SEED_STEP + (s + 1) * 0xD1B54A32D192ED03) & ((1 << 64) - 1)
    return (mixed - (1 << 64) if mixed >> 63 else mixed) or 1


def _timing(arrival: Any, in_cycles: Cycles, recorded: np.ndarray[Any, Any] | None) -> dict[str, Any]:
    """How a source's arrivals are told to the hardware."""
    if isinstance(arrival, scenarios.Periodic):
        period = max(in_cycles(arrival.period_ns), 1)
        return {"kind": Arrival.PERIODIC, "period": period, "phase": in_cycles(arrival.phase_us * 1e3)}
    if isinstance(arrival, scenarios.Poisson):
        return {"kind": Arrival.POISSON, "period": max(in_cycles(arrival.mean_ns), 1)}
    if isinstance(arrival, scenarios.Burst):
        return {
            "kind": Arrival.BURST,
            "period": max(in_cycles(arrival.period_us * 1e3), 1),
            "on": in_cycles(arrival.on_us * 1e3),
            "off": in_cycles(arrival.off_us * 1e3),
        }
    if isinstance(arrival, scenarios.Closed):
        return {"kind": Arrival.CLOSED, "response": in_cycles(arrival.response_us * 1e3), "depth": arrival.depth}
    if isinstance(arrival, scenarios.Recorded):
        offsets = recorded if recorded is not None else np.zeros(0, np.int64)
        times = (offsets * (in_cycles.clock_hz // 1000) + 500_000) // 1_000_000
        return {"kind": Arrival.RECORDED, "arrivals": times.astype(np.int64)}
    return {"kind": Arrival.MANUAL}
