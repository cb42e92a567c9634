"""Event channels in plain Python: sets and dictionaries, written from the reference and not from the code.

Sources: xen/include/public/event_channel.h; xen/common/event_channel.c and event_2l.c of 4.17, and of May 2008 where
`release` says so. One caller at a time. What a call returns is an error's name or a dictionary; notifications are
gathered in `told`, as the vectors write them.
"""

from dataclasses import dataclass, field
from typing import Any

SELF = 0x7FF0
PORTS = 4096
ALL_VCPUS_HAVE = {"2008": {0, 1, 7}, "modern": {0, 1, 7, 13}}
BUCKET = {"2008": 128, "modern": 64}


class Refused(Exception):  # noqa: N818  as Xen says it
    """A call fails with this errno."""


@dataclass
class Port:
    kind: str
    vcpu: int = 0
    dom: int | None = None
    number: int | None = None  # remote port, pirq or virq
    xen: bool = False


@dataclass
class Vcpu:
    upcall: int = 0
    mask: int = 0
    selector: set[int] = field(default_factory=set)
    sleeps: str = ""  # "", "block" or "poll"
    polls: int = -1  # the port polled; -1: several or none


@dataclass
class Domain:
    number: int
    privileged: bool
    vcpus: list[Vcpu]
    highest: int
    valid: int
    pirqs: set[int]
    ports: dict[int, Port] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    masked: set[int] = field(default_factory=set)


class Xen:
    """Domains and what they and the hypervisor may do."""

    def __init__(self, release: str, domains: list[dict[str, Any]]) -> None:
        self.release = release
        self.told: list[list[Any]] = []
        self.domains = {
            d["id"]: Domain(
                d["id"],
                d["privileged"],
                [Vcpu() for _ in range(d["vcpus"])],
                d["max_port"],
                BUCKET[release],
                set(d["pirqs_permitted"]),
            )
            for d in domains
        }

    # ------------------------------------------------------------------------------------------------- notification
    def wake(self, d: Domain, v: int) -> None:
        if d.vcpus[v].sleeps:
            d.vcpus[v].sleeps = ""
            self.told.append(["wake", d.number, v])

    def upcall(self, d: Domain, v: int) -> None:
        if not d.vcpus[v].upcall & 1:
            d.vcpus[v].upcall |= 1
            self.told.append(["kick", d.number, v])
            self.wake(d, v)

    def select(self, d: Domain, number: int) -> None:
        v = d.ports[number].vcpu if number in d.ports else 0
        if number // 64 not in d.vcpus[v].selector:
            d.vcpus[v].selector.add(number // 64)
            self.upcall(d, v)

    def raise_port(self, d: Domain, number: int) -> None:
        if number in d.pending:
            return
        d.pending.add(number)
        if number not in d.masked:
            self.select(d, number)
        for v, w in enumerate(d.vcpus):
            if w.sleeps == "poll" and (self.release == "2008" or w.polls in (-1, number)):
                self.wake(d, v)

    # ------------------------------------------------------------------------------------------------------ look-ups
    def named(self, caller: int, number: int) -> Domain:
        number = caller if number == SELF else number
        if number not in self.domains:
            raise Refused("ESRCH")
        return self.domains[number]

    def check_vcpu(self, d: Domain, v: int) -> None:
        if v >= len(d.vcpus):
            raise Refused("ENOENT")

    def check_valid(self, d: Domain, number: int) -> None:
        if number >= d.valid:
            raise Refused("EINVAL")

    def own(self, d: Domain, number: int) -> Port:
        """A port that is bound to something, and not the hypervisor's."""
        self.check_valid(d, number)
        if number not in d.ports or d.ports[number].xen:
            raise Refused("EINVAL")
        return d.ports[number]

    def free(self, d: Domain) -> int:
        number = next(n for n in range(1, PORTS + 1) if n not in d.ports)
        if number > d.highest or number >= PORTS:
            raise Refused("ENOSPC")
        d.valid = max(d.valid, -(-(number + 1) // BUCKET[self.release]) * BUCKET[self.release])
        return number

    def may(self, caller: int, d: Domain) -> None:
        if caller != d.number and not self.domains[caller].privileged:
            raise Refused("EPERM")

    # ---------------------------------------------------------------------------------------------------- operations
    def alloc_unbound(self, caller: int, dom: int, remote_dom: int) -> dict[str, int]:
        d = self.named(caller, dom)
        if self.release == "2008" and dom != SELF and not self.domains[caller].privileged:
            raise Refused("EPERM")
        number = self.free(d)
        self.may(caller, d)
        d.ports[number] = Port("unbound", dom=caller if remote_dom == SELF else remote_dom)
        return {"port": number}

    def bind_interdomain(self, caller: int, remote_dom: int, remote_port: int) -> dict[str, int]:
        far = self.named(caller, remote_dom)
        here = self.domains[caller]
        number = self.free(here)
        self.check_valid(far, remote_port)
        peer = far.ports.get(remote_port)
        if peer is None or peer.kind != "unbound" or peer.dom != caller:
            raise Refused("EINVAL")
        here.ports[number] = Port("interdomain", dom=far.number, number=remote_port)
        peer.kind, peer.dom, peer.number = "interdomain", caller, number
        self.raise_port(here, number)
        return {"local_port": number}

    def bind_virq(self, caller: int, virq: int, vcpu: int) -> dict[str, int]:
        d = self.domains[caller]
        if virq >= 24 or (virq not in ALL_VCPUS_HAVE[self.release] and vcpu != 0):
            raise Refused("EINVAL")
        self.check_vcpu(d, vcpu)
        if self.virq_port(d, virq, vcpu):
            raise Refused("EEXIST")
        number = self.free(d)
        d.ports[number] = Port("virq", vcpu, number=virq)
        return {"port": number}

    def virq_port(self, d: Domain, virq: int, vcpu: int) -> int:
        """The port of a VIRQ; a global one is found whatever vCPU it notifies by now."""
        is_global = virq not in ALL_VCPUS_HAVE[self.release]
        found = (
            n for n, p in d.ports.items() if p.kind == "virq" and p.number == virq and (is_global or p.vcpu == vcpu)
        )
        return next(found, 0)

    def bind_pirq(self, caller: int, pirq: int, flags: int) -> dict[str, int]:
        d = self.domains[caller]
        if pirq >= 16:
            raise Refused("EINVAL")
        if pirq not in d.pirqs:
            raise Refused("EPERM")
        if any(p.kind == "pirq" and p.number == pirq for p in d.ports.values()):
            raise Refused("EEXIST")
        number = self.free(d)
        d.ports[number] = Port("pirq", number=pirq)
        return {"port": number}

    def bind_ipi(self, caller: int, vcpu: int) -> dict[str, int]:
        d = self.domains[caller]
        self.check_vcpu(d, vcpu)
        number = self.free(d)
        d.ports[number] = Port("ipi", vcpu)
        return {"port": number}

    def bind_vcpu(self, caller: int, port: int, vcpu: int) -> None:
        d = self.domains[caller]
        self.check_vcpu(d, vcpu)
        p = self.own(d, port)
        if p.kind == "ipi" or (p.kind == "virq" and p.number in ALL_VCPUS_HAVE[self.release]):
            raise Refused("EINVAL")
        p.vcpu = vcpu

    def close(self, caller: int, port: int) -> None:
        d = self.domains[caller]
        self.own(d, port)
        self.free_port(d, port)

    def free_port(self, d: Domain, port: int) -> None:
        p = d.ports.pop(port)
        if p.kind == "interdomain":
            peer = self.domains[p.dom].ports[p.number]
            peer.kind, peer.dom, peer.number = "unbound", d.number, None
        if self.release == "modern":
            d.pending.discard(port)

    def send(self, caller: int, port: int) -> None:
        d = self.domains[caller]
        p = self.own(d, port)
        if p.kind == "interdomain":
            far = self.domains[p.dom]
            if far.ports[p.number].xen:
                self.told.append(["xen", far.number, far.ports[p.number].vcpu, p.number])
            else:
                self.raise_port(far, p.number)
        elif p.kind == "ipi":
            self.raise_port(d, port)
        elif p.kind != "unbound":
            raise Refused("EINVAL")

    def status(self, caller: int, dom: int, port: int) -> dict[str, Any]:
        d = self.named(caller, dom)
        if self.release == "2008":
            self.may(caller, d)
        self.check_valid(d, port)
        p = d.ports.get(port)
        if self.release == "modern":
            if p is not None and p.xen:
                raise Refused("EACCES")
            self.may(caller, d)
        if p is None:
            return {"status": "closed", "vcpu": 0}
        more: dict[str, Any] = {}
        if p.kind in ("unbound", "interdomain"):
            more["dom"] = p.dom
        if p.kind == "interdomain":
            more["port"] = p.number
        if p.kind in ("pirq", "virq"):
            more[p.kind] = p.number
        return {"status": p.kind, "vcpu": p.vcpu, **more}

    def unmask(self, caller: int, port: int) -> None:
        d = self.domains[caller]
        self.check_valid(d, port)
        if self.release == "modern" and (port not in d.ports or d.ports[port].xen):
            return
        if port in d.masked:
            d.masked.discard(port)
            if port in d.pending:
                self.select(d, port)

    def reset(self, caller: int, dom: int) -> None:
        d = self.named(caller, dom)
        self.may(caller, d)
        if self.release == "modern" and caller != d.number:
            raise Refused("EINVAL")  # nobody pauses anybody here
        for number in sorted(n for n, p in d.ports.items() if not p.xen):
            if number in d.ports:
                self.free_port(d, number)

    def sched_block(self, caller: int, vcpu: int) -> None:
        w = self.domains[caller].vcpus[vcpu]
        w.mask = 0
        if not w.upcall:
            w.sleeps = "block"

    def sched_poll(self, caller: int, vcpu: int, ports: list[int]) -> None:
        d = self.domains[caller]
        w = d.vcpus[vcpu]
        if self.release == "modern" and w.upcall and not w.mask:
            return
        for port in ports:
            if self.release == "2008":
                if port >= PORTS:
                    raise Refused("EINVAL")
            else:
                self.own(d, port)
            if port in d.pending:
                return
        w.sleeps, w.polls = "poll", ports[0] if len(ports) == 1 else -1

    # ----------------------------------------------------------------------------------------------------- the state
    def state(self, dom: int) -> dict[str, Any]:
        """As the vectors write it, but with plain sorted lists."""
        d = self.domains[dom]
        return {
            "valid": d.valid,
            "ports": {str(n): self.entry(p) for n, p in d.ports.items()},
            "pending": sorted(d.pending),
            "masked": sorted(d.masked),
            "vcpus": [self.shown(w) for w in d.vcpus],
            "abi": "2l",
        }

    def entry(self, p: Port) -> list[Any]:
        found: list[Any] = [p.kind, p.vcpu]
        if p.kind in ("unbound", "interdomain"):
            found.append(p.dom)
        if p.kind in ("interdomain", "pirq", "virq"):
            found.append(p.number)
        return [*found, "xen"] if p.xen else found

    def shown(self, w: Vcpu) -> dict[str, Any]:
        found: dict[str, Any] = {"up": w.upcall, "um": w.mask, "sel": sorted(w.selector)}
        if w.sleeps:
            found["blocked"] = 1
        if w.sleeps == "poll":
            found["poll"] = w.polls
        return found
