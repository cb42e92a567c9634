"""A plain model of XIVE, generation 1 (QEMU, docs/specs/ppc-xive.rst): dictionaries, lists and sets."""

from dataclasses import dataclass, field

NOTHING = 0xFF


@dataclass
class Source:
    vp: int
    priority: int
    level: bool
    p: bool = False
    q: bool = False
    off: bool = True
    up: bool = False
    masked: bool = False
    dropped: bool = False


@dataclass
class Vp:
    cpu: int | None = None
    cppr: int = NOTHING
    pending: set = field(default_factory=set)
    queues: dict = field(default_factory=dict)  # priority: entries written and not read, oldest first
    escalation: str = "off"  # off, ready, fired, fired again


class Xive:
    """Sources are made by the caller: (vp, priority, level). Queues that coalesce notify once until they are read."""

    def __init__(self, sources, vps, cpus, *, coalesces=False):
        self.coalesces = coalesces
        self.notified = {}  # (vp, priority) of queues that have notified: whether something came since
        self.sources = [Source(*each) for each in sources]
        self.vps = [Vp() for _ in range(vps)]
        self.called = set()  # processors whose hypervisor was told
        self.under_way = set()  # sources with an event that one processor made and that is for another
        self.home = {vp: vp % cpus for vp in range(vps)}

    def state(self, irq):
        s = self.sources[irq]
        return 1 if s.off else 2 * s.p + s.q

    def set_state(self, irq, pq):
        s = self.sources[irq]
        s.off, s.p, s.q = pq == 1, pq >= 2, pq == 3

    def trigger(self, irq, cpu=None):
        """By a device, or by a processor."""
        s = self.sources[irq]
        s.up = s.up or s.level
        if s.off:
            return
        if not s.p:
            s.p = True
            self.forward(irq, cpu)
        elif not s.level:
            s.q = True

    def forward(self, irq, cpu):
        vp = self.sources[irq].vp
        there = self.home[vp] if self.vps[vp].cpu is None else self.vps[vp].cpu
        if cpu in (None, there):
            self.route(irq)
        else:
            self.under_way.add(irq)

    def arrive(self, irq):
        self.under_way.remove(irq)
        self.route(irq)

    def fall(self, irq):
        self.sources[irq].up = False

    def end(self, irq, cpu):
        s = self.sources[irq]
        if s.off:
            return 0
        again = s.q or (s.level and s.up)
        s.p, s.q = again, False
        if again:
            self.forward(irq, cpu)
        return int(again)

    def mask(self, irq, masked):
        s = self.sources[irq]
        s.masked = masked
        if not masked and s.dropped:
            s.dropped = False
            self.route(irq)

    def route(self, irq):
        s = self.sources[irq]
        if s.masked:
            s.dropped = True
            return
        vp = self.vps[s.vp]
        vp.queues.setdefault(s.priority, []).append(irq)
        if self.coalesces and (s.vp, s.priority) in self.notified:
            self.notified[s.vp, s.priority] = True
        else:
            self.notified[s.vp, s.priority] = False
            self.present(s.vp, s.priority)

    def rearm(self, number, priority):
        if not self.notified.pop((number, priority), False):
            return 0
        self.notified[number, priority] = False
        self.present(number, priority)
        return 1

    def present(self, number, priority):
        vp = self.vps[number]
        vp.pending.add(priority)
        if vp.cpu is None:
            if vp.escalation == "ready":
                vp.escalation = "fired"
                self.called.add(self.home[number])
            elif vp.escalation == "fired":
                vp.escalation = "fired again"

    def line(self, cpu):
        for vp in self.vps:
            if vp.cpu == cpu:
                return bool(vp.pending) and min(vp.pending) < vp.cppr
        return False

    def acknowledge(self, cpu):
        vp = next((vp for vp in self.vps if vp.cpu == cpu), None)
        if vp is None:
            return None
        if not self.line(cpu):
            return vp.cppr
        vp.cppr = min(vp.pending)
        vp.pending.remove(vp.cppr)
        return 0x8000 | vp.cppr

    def set_cppr(self, cpu, value):
        for vp in self.vps:
            if vp.cpu == cpu:
                vp.cppr = value if value < 8 else NOTHING

    def push(self, cpu, number):
        self.vps[number].cpu = cpu

    def pull(self, cpu):
        for number, vp in enumerate(self.vps):
            if vp.cpu == cpu:
                vp.cpu = None
                self.home[number] = cpu

    def escalation(self, number, on):
        before = self.vps[number].escalation
        self.vps[number].escalation = "ready" if on else "off"
        return int(before.startswith("fired"))

    def read(self, number, priority):
        queue = self.vps[number].queues.get(priority)
        return queue.pop(0) if queue else -1
