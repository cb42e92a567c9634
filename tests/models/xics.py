"""XICS as the text has it (LoPAPR, Interrupt Controller; ties and errors as KVM): plain, slow, no tables.

A server presents the most favoured request it was offered; what it refuses is offered again later.
"""

from dataclasses import dataclass, field

NONE, IPI, CLOSED = 0, 2, 0xFF


@dataclass
class Source:
    number: int
    level: bool
    server: int = 0
    priority: int = CLOSED
    saved: int = CLOSED
    asserted: bool = False
    sent: bool = False
    rejected: bool = False
    masked_pending: bool = False


@dataclass
class Server:
    cppr: int = 0
    xisr: int = NONE
    priority: int = CLOSED
    mfrr: int = CLOSED


@dataclass
class Xics:
    sources: list[Source]
    servers: list[Server] = field(default_factory=list)

    def by_number(self, number):
        return next((s for s in self.sources if s.number == number), None)

    def reject(self, number):
        if number == IPI:
            return
        source = self.by_number(number)
        if source.level:
            source.sent = False
        else:
            source.rejected = True

    def replace(self, server, number, priority):
        before = server.xisr
        server.xisr, server.priority = number, priority
        if before != NONE:
            self.reject(before)

    def offer(self, source):
        server = self.servers[source.server]
        best = min(server.cppr, server.priority, server.mfrr)
        if source.priority < best:
            self.replace(server, source.number, source.priority)
        else:
            self.reject(source.number)

    def request(self, server):
        if server.mfrr < server.cppr and server.mfrr <= server.priority:
            self.replace(server, IPI, server.mfrr)

    def retry(self, source):
        if source.level:
            if source.asserted and not source.sent and source.priority != CLOSED:
                source.sent = True
                self.offer(source)
        elif source.rejected:
            source.rejected = False
            if source.priority == CLOSED:
                source.masked_pending = True
            else:
                self.offer(source)

    def retry_all(self, server):
        if server.xisr != NONE:
            return
        self.request(server)
        for source in self.sources:
            self.retry(source)

    # What guests and devices do

    def accept(self, v):
        server = self.servers[v]
        answer = server.cppr << 24 | server.xisr
        if server.xisr != NONE:
            server.cppr, server.xisr, server.priority = server.priority, NONE, CLOSED
        return answer

    def set_cppr(self, v, value):
        server = self.servers[v]
        lowered = value < server.cppr
        server.cppr = value
        if not lowered:
            self.retry_all(server)
        elif server.xisr != NONE and server.priority >= value:
            number, server.xisr, server.priority = server.xisr, NONE, CLOSED
            self.reject(number)

    def set_mfrr(self, v, value):
        server = self.servers[v]
        raised = value > server.mfrr
        server.mfrr = value
        self.request(server)
        if raised:
            self.retry_all(server)

    def end(self, v, xirr):
        server = self.servers[v]
        server.cppr = xirr >> 24 & 0xFF
        number = xirr & 0xFFFFFF
        source = self.by_number(number)
        if source is not None:
            source.sent = False
        self.retry_all(server)
        return number == IPI or source is not None

    def line(self, source, level):
        if source.level:
            source.asserted = bool(level)
            self.retry(source)
        elif level and source.priority == CLOSED:
            source.masked_pending = True
        elif level:
            self.offer(source)

    def steer(self, source, server, priority, saved):
        source.server, source.priority, source.saved = server, priority, saved
        if source.masked_pending and priority != CLOSED:
            source.masked_pending = False
            source.rejected = True
        self.retry(source)
