"""The paravirt board's controllers that know vCPUs, for design direct: XIVE, or posted descriptors.

`config` is a `paravirt.Config`; a domain has one vCPU, of its own number.
"""

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


def queues(config: Any, d: int) -> list[tuple[int, int]]:
    """The event queues of a domain by priority: (offset in its page, order). Order 0: none. As many entries as may be
    unread at once, one a source and its own IPI's, and two more."""
    found = []
    place = 0
    for priority in range(xive.PRIORITIES):
        count = sum(s.domain == d and xive.xive_priority(s.priority) == priority for s in config.sources)
        count += priority == xive.xive_priority(IPI_PRIORITY)
        order = (count + 1).bit_length() if count else 0
        found.append((place, order))
        place += xive.ENTRY_BYTES << order if order else 0
    return found


def set_up_xive(machine: Any, config: Any, pages_at: list[int]) -> None:
    """Routing and queues as a hypervisor's set-up calls would have made them; all off at the sources. `pages_at`: guest
    real address of each domain's page of queues."""
    pages = machine.views[Table.XIVE_SOURCE]
    for page in pages:
        page.pq, page.lpid, page.entry = xive.PQ_OFF, NOBODY, NOBODY
    ipis = [(config.inputs + d, d, False, IPI_PRIORITY) for d in range(len(config.domains))]
    for irq, d, level, priority in [*((s.irq, s.domain, s.level, s.priority) for s in config.sources), *ipis]:
        page = pages[irq]
        page.level, page.vp, page.priority = int(level), d, xive.xive_priority(priority)
        page.event, page.lpid = irq, d
    for d, domain in enumerate(config.domains):
        v = machine.views[Table.XIVE_VP][d]
        v.cppr, v.escalation, v.server = xive.PRIORITY_NONE, xive.PQ_OFF, domain.pcpus[0]
        base = int(machine.views[Table.DOMAIN][d].ram) + pages_at[d]
        for priority, (place, order) in enumerate(queues(config, d)):
            q = machine.views[Table.XIVE_QUEUE][xive.PRIORITIES * d + priority]
            q.start, q.order, q.generation = base + place, order, 1


def vectors(config: Any, d: int) -> tuple[dict[int, int], int]:
    """The vector of each source of a domain, by its input, and that of its IPI: the more favoured the higher."""
    order = sorted((s.priority, s.irq) for s in config.sources if s.domain == d)
    order = sorted([*order, (IPI_PRIORITY, config.inputs + d)])
    found = {irq: posted.LAST_VECTOR - k for k, (_, irq) in enumerate(order)}
    return found, found.pop(config.inputs + d)


def set_up_posting(machine: Any, config: Any) -> None:
    """Descriptors, empty, and which source is which vector."""
    for w in machine.views[Table.POSTED_VP]:
        w.irq[:] = NOBODY
    for d, domain in enumerate(config.domains):
        w = machine.views[Table.POSTED_VP][d]
        w.sn, w.destination = 1, domain.pcpus[0]
        found, ipi = vectors(config, d)
        level = {s.irq for s in config.sources if s.level}
        for irq, vector in [*found.items(), (config.inputs + d, ipi)]:
            s = machine.views[Table.POSTED_SOURCE][irq]
            s.vp, s.vector, s.level, s.server = d, vector, int(irq in level), domain.pcpus[0]
            w.irq[vector] = irq
            if irq in level:
                bit = 1 << vector % 64
                w.exits[vector // 64] |= bit - (1 << 64) if bit >> 63 else bit


def node(config: Any, d: int, page_at: int) -> devicetree.Xive:
    """What a domain's device tree says of its controller. `page_at`: guest real address of its page of queues."""
    if config.has_descriptors:
        return devicetree.Xive(tima=TIMA, esb=0, ipi=vectors(config, d)[1], queues=())
    return devicetree.Xive(
        tima=TIMA,
        esb=ESB,
        ipi=config.inputs + d,
        queues=tuple((page_at + place, order) for place, order in queues(config, d)),
    )
