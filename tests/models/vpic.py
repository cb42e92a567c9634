"""rhype's virtual interrupt controller over an OpenPIC, as slowly and plainly as it can be said.

One pCPU, whose running domain makes all calls; interrupts of another domain are queued for it. Priorities are XICS's:
lower is more favoured.
"""

from dataclasses import dataclass, field

NONE = 0xFF
IPI = "ipi"


@dataclass
class Line:
    """An input of the controller."""

    owner: int
    priority: int
    level: bool
    waiting: bool = False  # an edge that nobody took, or a level line that is up
    masked: bool = False


@dataclass
class VirtualPic:
    """The controller, one queue a domain, and the running domain's CPPR, IPI request and interrupts in service."""

    lines: dict[int, Line]
    me: int
    cppr: int = NONE
    mfrr: int = NONE
    queued: dict[int, set[int]] = field(default_factory=lambda: {0: set(), 1: set()})
    service: list = field(default_factory=list)

    def raise_line(self, number):
        self.lines[number].waiting = True

    def lower_line(self, number):
        self.lines[number].waiting = False

    def offered(self):
        """What the controller would hand out, most favoured first; among equals the lowest number."""
        ready = [n for n, line in self.lines.items() if line.waiting and not line.masked]
        return sorted(ready, key=lambda n: (self.lines[n].priority, n))

    def external(self):
        """The interrupt input of the processor."""
        return any(self.lines[n].priority < self.cppr for n in self.offered())

    def take(self, number):
        line = self.lines[number]
        if line.level:
            line.masked = True
        else:
            line.waiting = False

    def best_queued(self):
        """(priority, what) of the most favoured that is queued for the running domain; an IPI before its equals."""
        found = (self.mfrr, IPI) if self.mfrr < NONE else (NONE, None)
        for number in sorted(self.queued[self.me]):
            if self.lines[number].priority < found[0]:
                found = (self.lines[number].priority, number)
        return found

    def accept(self):
        """H_XIRR: (CPPR before, what); None: nothing was pending after all."""
        old = self.cppr
        priority, what = self.best_queued()
        while self.offered() and self.lines[self.offered()[0]].priority < min(priority, old):
            number = self.offered()[0]
            self.take(number)
            if self.lines[number].owner == self.me:
                self.service.append(number)
                self.cppr = self.lines[number].priority
                return old, number
            self.queued[self.lines[number].owner].add(number)
        if priority >= old:
            return old, None
        self.queued[self.me].discard(what)
        self.service.append(what)
        self.cppr = priority
        return old, what

    def end(self, cppr, what):
        """H_EOI; False: it is not in service."""
        if what not in self.service:
            return False
        self.service.remove(what)
        if what != IPI:
            self.lines[what].masked = False
        self.cppr = cppr
        return True

    def poll(self):
        """HDEC: everything goes to its owner's queue, whatever the CPPR."""
        for number in self.offered():
            self.take(number)
            self.queued[self.lines[number].owner].add(number)
