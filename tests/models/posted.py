"""A plain model of posted interrupts and of the virtual controller behind them (Intel SDM, Posted-Interrupt Processing;
Linux, arch/x86/kvm/vmx/posted_intr.c): sets, and a hypervisor of four deeds."""

from dataclasses import dataclass, field


@dataclass
class Vp:
    destination: int
    posted: set = field(default_factory=set)
    requested: set = field(default_factory=set)
    serving: set = field(default_factory=set)
    outstanding: bool = False
    suppressed: bool = True
    asleep: bool = False
    task_priority: int = 0


@dataclass
class Source:
    vp: int
    vector: int
    level: bool
    server: int
    up: bool = False
    masked: bool = False
    waiting: bool = False


class Posted:
    """Sources are made by the caller: (VP, vector, level). VP v belongs to processor v % cpus, and nowhere else."""

    def __init__(self, sources, vps, cpus):
        self.sources = [Source(*each, server=each[0] % cpus) for each in sources]
        self.vps = [Vp(v % cpus) for v in range(vps)]
        self.running = [None] * cpus
        self.called = set()  # processors whose hypervisor was told
        self.under_way = set()  # VPs with a notification from another processor on its way

    # What devices and other processors do

    def rise(self, irq):
        s = self.sources[irq]
        if s.level:
            s.up = True
            self.ask_for(s)
        else:
            self.post(s.vp, s.vector)

    def fall(self, irq):
        self.sources[irq].up = self.sources[irq].waiting = False

    def ask_for(self, s):
        if s.up and not s.masked:
            s.waiting = True
            self.called.add(s.server)

    def post(self, number, vector, cpu=None):
        """By a device, or by software on a processor."""
        vp = self.vps[number]
        if vector in vp.posted:
            return
        vp.posted.add(vector)
        if vp.outstanding or vp.suppressed:
            return
        vp.outstanding = True
        if cpu in (None, vp.destination):
            self.notify(vp)
        else:
            self.under_way.add(number)

    def arrive(self, number):
        self.under_way.remove(number)
        if self.vps[number].outstanding:
            self.notify(self.vps[number])

    def notify(self, vp):
        if vp.asleep:
            self.called.add(vp.destination)
        elif self.running[vp.destination] is not None:
            self.take_over(self.vps[self.running[vp.destination]])

    def take_over(self, vp):
        vp.outstanding = False
        vp.requested |= vp.posted
        vp.posted.clear()

    # What the guest sees

    def best(self, vp):
        vector = max(vp.requested, default=-1)
        held = max(max(vp.serving, default=-1) // 16, vp.task_priority // 16)
        return vector if vector // 16 > held else None

    def line(self, cpu):
        return self.running[cpu] is not None and self.best(self.vps[self.running[cpu]]) is not None

    def serve(self, cpu):
        vp = self.vps[self.running[cpu]]
        vector = self.best(vp)
        if vector is None:
            return 0xFF
        vp.requested.remove(vector)
        vp.serving.add(vector)
        return vector

    def end(self, cpu):
        vp = self.vps[self.running[cpu]]
        if not vp.serving:
            return
        vector = max(vp.serving)
        vp.serving.remove(vector)
        for s in self.sources:
            if s.level and (self.vps[s.vp], s.vector) == (vp, vector):
                s.masked = False
                self.ask_for(s)

    def set_task_priority(self, cpu, value):
        self.vps[self.running[cpu]].task_priority = value

    def request(self, cpu, vector):
        self.vps[self.running[cpu]].requested.add(vector)

    # What the hypervisor does

    def run(self, cpu, number):
        """Another VP runs on a processor from now on, or none."""
        self.running[cpu] = number
        for k, vp in enumerate(self.vps):
            if k % len(self.running) == cpu and k != number and not vp.asleep:
                vp.suppressed = True
        if number is None:
            return
        vp = self.vps[number]
        if vp.suppressed or vp.asleep:
            vp.suppressed = vp.asleep = False
            vp.outstanding = vp.outstanding or bool(vp.posted)
        if vp.outstanding:
            self.take_over(vp)

    def sleep(self, cpu):
        """Whether it really does."""
        number = self.running[cpu]
        vp = self.vps[number]
        vp.asleep = True
        stays = bool(vp.outstanding or vp.posted or self.best(vp) is not None)
        self.run(cpu, number if stays else None)
        return not stays

    def take_levels(self, cpu):
        for s in self.sources:
            if s.waiting and s.server == cpu:
                s.waiting, s.masked = False, True
                self.post(s.vp, s.vector, cpu)
