"""The OpenPIC as a plain object: every question is answered by looking at everything.

No bitmap, no cache, nothing kept that can be computed: a source knows what its registers hold, whether it requests,
and who was offered the request; a processor knows its task priority and what it has in service.
"""

from dataclasses import dataclass, field

SPURIOUS = 0xFF


@dataclass
class Source:
    is_ipi: bool = False
    is_input: bool = True
    masked: bool = True
    priority: int = 0
    vector: int = 0
    level: bool = False
    destination: set[int] = field(default_factory=set)
    line: bool = False
    latched: bool = False
    targets: set[int] = field(default_factory=set)
    offered: set[int] = field(default_factory=set)
    last: int = 0
    server: int | None = None

    @property
    def requests(self) -> bool:
        if self.is_ipi:
            return bool(self.targets)
        return self.line if self.level else self.latched


@dataclass
class Cpu:
    task_priority: int = 15
    service: list[tuple[int, int]] = field(default_factory=list)  # (priority, source)

    @property
    def held_off(self) -> int:
        return max([self.task_priority] + [priority for priority, _ in self.service])


class OpenPic:
    def __init__(self, inputs: int, cpus: int) -> None:
        self.inputs = inputs
        self.n_cpu = cpus
        self.lines = [False] * inputs
        self.reset()

    def reset(self) -> None:
        self.svr = SPURIOUS
        self.cpus = [Cpu() for _ in range(self.n_cpu)]
        self.sources = [Source(line=line) for line in self.lines]
        self.sources += [Source(is_ipi=True, is_input=False) for _ in range(4)]
        self.sources += [Source(is_input=False) for _ in range(4)]
        for source in self.sources:
            source.last = self.n_cpu - 1

    # What devices and processors see

    def external(self, p: int) -> int:
        best = self.best(p)
        return int(best is not None and self.sources[best].priority > self.cpus[p].held_off)

    def best(self, p: int) -> int | None:
        raised = [k for k, source in enumerate(self.sources) if p in source.offered]
        return min(raised, key=lambda k: (-self.sources[k].priority, k)) if raised else None

    def activity(self, irq: int) -> bool:
        return self.sources[irq].requests and not self.sources[irq].masked

    def is_pending(self, irq: int) -> int:
        source = self.sources[irq]
        return int(source.requests and (not source.level or source.server is None))

    def pending_priority(self, p: int) -> int:
        best = self.best(p)
        serving = max([0] + [priority for priority, _ in self.cpus[p].service])
        return self.sources[best].priority if best is not None and self.sources[best].priority > serving else 0

    # What happens

    def refresh(self, irq: int) -> None:
        source = self.sources[irq]
        if not self.activity(irq):
            source.offered = set()
        elif source.is_ipi:
            source.offered = set(source.targets)
        elif len(source.destination) < 2:
            source.offered = set(source.destination)
        elif not source.offered & source.destination:
            if source.server in source.destination:
                source.offered = {source.server}
            else:
                order = [(source.last + 1 + k) % self.n_cpu for k in range(self.n_cpu)]
                source.last = next(c for c in order if c in source.destination)
                source.offered = {source.last}
        else:
            source.offered &= source.destination

    def set_line(self, irq: int, level: int) -> None:
        source = self.sources[irq]
        if level and not source.line and not source.level:
            source.latched = True
        source.line = self.lines[irq] = bool(level)
        self.refresh(irq)

    def pulse(self, irq: int) -> None:
        if not self.sources[irq].level:
            self.sources[irq].latched = True
        self.refresh(irq)

    def mask(self, irq: int, masked: int) -> None:
        self.sources[irq].masked = bool(masked)
        self.refresh(irq)

    def configure(self, irq: int, vector: int, priority: int, level: int, destination: int) -> None:
        source = self.sources[irq]
        source.vector = vector & 0xFF
        source.priority = priority & 0xF
        source.destination = self.processors(destination)
        if source.is_input:
            if source.level and not level:
                source.latched = source.line
            elif level and not source.level:
                source.latched = False
            source.level = bool(level)
        self.refresh(irq)

    def processors(self, bits: int) -> set[int]:
        return {c for c in range(self.n_cpu) if bits >> c & 1}

    def send_ipi(self, n: int, cpu_mask: int) -> None:
        self.sources[self.inputs + n].targets |= self.processors(cpu_mask)
        self.refresh(self.inputs + n)

    def acknowledge(self, p: int) -> int:
        if not self.external(p):
            return self.svr
        irq = self.best(p)
        source = self.sources[irq]
        self.cpus[p].service.append((source.priority, irq))
        if not source.level:
            source.latched = False
            source.offered.discard(p)
            source.targets.discard(p)
        source.server = p
        self.refresh(irq)
        return source.vector

    def end_of_interrupt(self, p: int) -> int:
        service = self.cpus[p].service
        if not service:
            return -1
        highest = max(service)
        service.remove(highest)
        source = self.sources[highest[1]]
        if source.server == p:
            source.server = None
        return highest[1]

    def set_task_priority(self, p: int, value: int) -> None:
        self.cpus[p].task_priority = value & 0xF
