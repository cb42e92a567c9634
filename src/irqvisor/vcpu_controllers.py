"""The paravirt board's controllers that know vCPUs, for design direct: XIVE, or posted descriptors.

Controller sources are numbered: first the inputs, wired or not, then those that are no device's, domain by domain: an
IPI for each of its vCPUs, and one for each channel that it consumes. A guest counts the latter from the first of its
own, as if no other domain had any. `config` is a `paravirt.Config`.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from irqvisor.guest import devicetree
from irqvisor.hw.state import NOBODY
from irqvisor.spec import posted, xive
from irqvisor.spec.papr import IPI_PRIORITY
from irqvisor.tables import Table

TIMA = 0xF020_0000
"""The ring, or the virtual controller, of the processor that does the access."""
ESB = 0xF100_0000
"""The page of controller source 0; the others follow."""
ENDS = 0xF300_0000
"""The page of the event queue of a guest's vCPU 0, priority 0; the others follow, vCPU by vCPU."""
TRIGGERS = 0xF200_0000
"""Pages by which a guest may trigger sources of others: that of channel s is s pages further."""


@dataclass(frozen=True)
class Line:
    """A source of the controller."""

    number: int
    name: int  # what its guest calls it
    domain: int
    vcpu: int  # of its domain, which is told
    vp: int  # that one's number in the machine
    priority: int
    level: bool = False
    source: int = NOBODY  # the device or channel; NOBODY: an IPI


class Lines:
    """All that a machine's controller can be asked for."""

    def __init__(self, config: Any) -> None:
        inputs = config.inputs
        vcpus = [len(domain.pcpus) for domain in config.domains]
        numbered = list(enumerate(config.channels, start=len(config.sources)))
        consumed = [[(s, c) for s, c in numbered if c.consumer == d] for d in range(len(vcpus))]
        self.vp = [0, *accumulate(vcpus)]  # a domain's vCPU 0
        self.own = [inputs + n for n in [0, *accumulate(map(sum, zip(vcpus, map(len, consumed), strict=True)))]]
        self.count = self.own[-1]
        self.of_domain: list[list[Line]] = [[] for _ in vcpus]
        for s, e in enumerate(config.sources):
            vp = self.vp[e.domain] + e.vcpu
            self.of_domain[e.domain].append(Line(e.irq, e.irq, e.domain, e.vcpu, vp, e.priority, e.level, s))
        for d, mine in enumerate(self.of_domain):
            others = [(n, NOBODY) for n in range(vcpus[d])] + [(c.vcpu, s) for s, c in consumed[d]]
            for k, (n, s) in enumerate(others):
                vp = self.vp[d] + n
                mine.append(Line(self.own[d] + k, inputs + k, d, n, vp, IPI_PRIORITY, source=s))
        self.all = [line for mine in self.of_domain for line in mine]
        self.of_source = {line.source: line for line in self.all}


def queues(config: Any, d: int) -> list[list[tuple[int, int]]]:
    """The event queues of each vCPU of a domain by priority: (offset in its pages, order). Order 0: none. As many
    entries as may be unread at once, one a source, and two more."""
    found: list[list[tuple[int, int]]] = [[] for _ in config.domains[d].pcpus]
    places = [(line.vcpu, xive.xive_priority(line.priority)) for line in config.lines.of_domain[d]]
    at = 0
    for n, mine in enumerate(found):
        for priority in range(xive.PRIORITIES):
            count = places.count((n, priority))
            order = (count + 1).bit_length() if count else 0
            mine.append((at, order))
            at += xive.ENTRY_BYTES << order if order else 0
    return found


def queue_bytes(config: Any, d: int) -> int:
    """Memory that the event queues of a domain take."""
    return sum(xive.ENTRY_BYTES << order for mine in queues(config, d) for _, order in mine if order)


def set_up_xive(machine: Any, config: Any, pages_at: list[int]) -> None:
    """Routing and queues as a hypervisor's set-up calls would have made them; all off at the sources. `pages_at`: guest
    real address of each domain's queues."""
    lines: Lines = config.lines
    pages = machine.views[Table.XIVE_SOURCE]
    for page in pages:
        page.pq, page.lpid, page.entry, page.source = xive.PQ_OFF, NOBODY, NOBODY, NOBODY
    for line in lines.all:
        page = pages[line.number]
        page.level, page.vp, page.priority = int(line.level), line.vp, xive.xive_priority(line.priority)
        page.event, page.lpid, page.source = line.name, line.domain, line.source
    for d, domain in enumerate(config.domains):
        base = int(machine.views[Table.DOMAIN][d].ram) + pages_at[d]
        for n, by_priority in enumerate(queues(config, d)):
            v = lines.vp[d] + n
            w = machine.views[Table.XIVE_VP][v]
            w.cppr, w.escalation, w.server = xive.PRIORITY_NONE, xive.PQ_OFF, domain.pcpus[n]
            w.own, w.owns = lines.own[d], lines.own[d + 1] - lines.own[d]
            for priority, (place, order) in enumerate(by_priority):
                q = machine.views[Table.XIVE_QUEUE][xive.PRIORITIES * v + priority]
                q.start, q.order, q.generation = base + place, order, 1
                q.coalesces = int(config.coalesces)


def vectors(config: Any, d: int) -> dict[int, int]:
    """Posted: the vector of each controller source of a domain, the more favoured the higher. The IPIs of all its vCPUs
    have one vector."""
    mine = config.lines.of_domain[d]
    ipis = [line.number for line in mine if line.source == NOBODY]
    ordered = sorted((line.priority, line.number) for line in mine if line.number not in ipis[1:])
    found = {number: posted.LAST_VECTOR - k for k, (_, number) in enumerate(ordered)}
    return found | dict.fromkeys(ipis, found[ipis[0]])


def set_up_posting(machine: Any, config: Any) -> None:
    """Descriptors, empty, and which source is which vector."""
    lines: Lines = config.lines
    for w in machine.views[Table.POSTED_VP]:
        w.irq[:] = NOBODY
    for s in machine.views[Table.POSTED_SOURCE]:
        s.source = NOBODY
    for d, domain in enumerate(config.domains):
        for n, p in enumerate(domain.pcpus):
            w = machine.views[Table.POSTED_VP][lines.vp[d] + n]
            w.sn, w.destination = 1, p
        vector_of = vectors(config, d)
        for line in lines.of_domain[d]:
            vector = vector_of[line.number]
            s = machine.views[Table.POSTED_SOURCE][line.number]
            s.vp, s.vector, s.level, s.source = line.vp, vector, int(line.level), line.source
            s.server = domain.pcpus[line.vcpu]
            w = machine.views[Table.POSTED_VP][line.vp]
            w.irq[vector] = line.number
            if line.level:
                bit = 1 << vector % 64
                w.exits[vector // 64] |= bit - (1 << 64) if bit >> 63 else bit


def node(config: Any, d: int, pages_at: int) -> devicetree.Xive:
    """What a domain's device tree says of its controller. `pages_at`: guest real address of its queues."""
    if config.has_descriptors:
        return devicetree.Xive(tima=TIMA, esb=0, ipi=vectors(config, d)[config.lines.own[d]], queues=())
    every = tuple((pages_at + place, order) for mine in queues(config, d) for place, order in mine)
    return devicetree.Xive(tima=TIMA, esb=ESB, ipi=config.inputs, queues=every, ends=ENDS if config.coalesces else None)


def names(config: Any, d: int) -> dict[int, int]:
    """What the device tree calls the interrupt of each source of a domain: what a queue entry says, or the vector."""
    vector_of = vectors(config, d) if config.has_descriptors else {}
    return {line.source: vector_of.get(line.number, line.name) for line in config.lines.of_domain[d]}


def trigger_page(config: Any, s: int) -> int | None:
    """Where the producer of a channel has the page that triggers its source; None: nowhere, there is a hypercall."""
    channel = config.channels[s - len(config.sources)]
    if config.has_descriptors:
        return None
    if not channel.is_shared:
        return ESB + xive.ESB_BYTES * int(config.lines.of_source[s].name)
    return TRIGGERS + xive.ESB_BYTES * s if config.maps_triggers else None


def regions(config: Any, d: int) -> list[tuple[int, int, int]]:
    """The pages of a domain's sources, as (real address, bytes, first controller source): inputs, then its own."""
    lines: Lines = config.lines
    own = lines.own[d]
    return [
        (ESB, xive.ESB_BYTES * config.inputs, 0),
        (ESB + xive.ESB_BYTES * config.inputs, xive.ESB_BYTES * (lines.own[d + 1] - own), own),
    ]
