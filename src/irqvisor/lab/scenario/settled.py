"""What a scenario leaves out, filled in; what its parts cannot check alone, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from irqvisor.errors import (
    did_you_mean,
)
from irqvisor.lab import recording as recordings
from irqvisor.lab.scenario.parts import (
    FIFO_KIB,
    KERNEL_KIB,
    MAX_CHANNELS,
    MAX_PIRQ,
    MAX_RAM_KIB,
    STACK_BYTES,
    TREE_BYTES_PER_SOURCE,
    WORK_BYTES,
    Closed,
    Domain,
    Model,
    Recorded,
    Ring,
    Source,
)
from irqvisor.spec.designs import BY_NAME

if TYPE_CHECKING:
    from irqvisor.lab.scenario.model import Scenario


def settle_domains(domains: Sequence[Domain], pcpus: int) -> tuple[Domain, ...]:
    """Domains with their pCPUs and the base of their memory."""
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


def settle_sources(sources: Sequence[Source], domains: Sequence[Domain]) -> tuple[Source, ...]:
    """Sources with their interrupt numbers and the pCPUs that they are routed to."""
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


def contradictions(scenario: Scenario) -> Iterable[tuple[str, str, str, str]]:
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
    owned: list[Ring] = [source for source in scenario.sources if source.owner == domain.name]
    owned += [c for c in scenario.channels if c.consumer == domain.name]
    rings = sum(-(-(16 + 8 * part.slots) // 64) * 64 for part in owned)
    owned += [c for c in scenario.channels if c.producer == domain.name]
    stacks = STACK_BYTES * (domain.vcpus - 1)
    kernel = KERNEL_KIB + (FIFO_KIB if domain.event_channels == "fifo" else 0)
    return kernel + -(-(WORK_BYTES + rings + stacks + TREE_BYTES_PER_SOURCE * len(owned)) // 4096) * 4
