"""What each kind of step does (docs/reference/conformance.md), and what a domain's state is afterwards."""

from collections.abc import Callable
from typing import Any

import numpy as np

from irqvisor.errors import VectorsError
from irqvisor.hv.control import hypervisor
from irqvisor.hv.control.calls import EVENT_CHANNEL_OP, SCHED_OP, Operation
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.hv.state import Attached, Dying, PortState
from irqvisor.lab.conformance.rig import NOWHERE, PAGE, SCRATCH, Rig
from irqvisor.lab.conformance.vectors import runs
from irqvisor.spec import xen
from irqvisor.tables import Table

Step = dict[str, Any]
Answer = dict[str, Any]

ERRNO = {
    getattr(xen, name): f"-{name}"
    for name in (
        *("EPERM", "ENOENT", "ESRCH", "EAGAIN", "ENOMEM", "EACCES", "EFAULT", "EBUSY", "EEXIST", "EINVAL", "ENOSPC"),
        *("ENOSYS", "ETIME", "EOPNOTSUPP"),
    )
}
OPERATIONS = {operation.name: operation for operation in EVENT_CHANNEL_OP.operations}
POLL = next(operation for operation in SCHED_OP.operations if operation.number == xen.SCHEDOP_POLL)
STATUS = ("closed", "unbound", "interdomain", "pirq", "virq", "ipi")
BOUND = {
    PortState.UNBOUND: "unbound",
    PortState.INTERDOMAIN: "interdomain",
    PortState.PIRQ: "pirq",
    PortState.VIRQ: "virq",
    PortState.IPI: "ipi",
}
SHOWN = {1: {"dom": "unbound_dom"}, 2: {"dom": "interdomain_dom", "port": "interdomain_port"}, 3: {"pirq": "pirq"}}
SHOWN[4] = {"virq": "virq"}


def perform(rig: Rig, step: Step) -> Answer:
    """Do a step: what it returned (rc, out, notify), as the vectors write it."""
    kind, op = step["kind"], step["op"]
    if kind == "hypercall":
        answer = hypercall(rig, step)
    else:
        table: dict[str, Callable[[Rig, Step], Answer]] = GUEST if kind == "guest" else HYPERVISOR
        if op not in table:
            raise VectorsError("", f"{kind} step {op!r}", f"one of: {', '.join(table)}")
        answer = table[op](rig, step)
    notify = rig.notifications()
    if notify:
        answer["notify"] = notify
    return answer


# ------------------------------------------------------------------------------------------------------- hypercalls
def hypercall(rig: Rig, step: Step) -> Answer:
    """A hypercall of a vCPU, through the hypervisor's own way in."""
    op, args, dom, vcpu = step["op"], step.get("args", {}), step["dom"], step["vcpu"]
    fault = step.get("fault")
    if op == "sched_block":
        return {"rc": named(rig.call(dom, vcpu, xen.HC_SCHED_OP, xen.SCHEDOP_BLOCK, 0))}
    if op == "sched_poll":
        return poll(rig, dom, vcpu, args, fault)
    if op == "cmd":
        return {"rc": named(rig.call(dom, vcpu, xen.HC_EVENT_CHANNEL_OP, args["cmd"], xen.XENCOMM_INLINE | SCRATCH))}
    if op not in OPERATIONS:
        raise VectorsError(
            "", f"hypercall step {op!r}", f"one of: {', '.join(OPERATIONS)}, sched_block, sched_poll, cmd"
        )
    operation = OPERATIONS[op]
    at = rig.address(fault)
    if at != NOWHERE:
        rig.put(dom, at, structure(operation, args))
    code = rig.call(dom, vcpu, xen.HC_EVENT_CHANNEL_OP, operation.number, xen.XENCOMM_INLINE | at)
    answer: Answer = {"rc": named(code)}
    if code == 0 and any(field.out for field in operation.fields):
        answer["out"] = output(operation, rig.get(dom, at, operation.size))
    return answer


def named(code: int) -> int | str:
    """A return code as the vectors write it."""
    return 0 if code == 0 else ERRNO.get(-code, str(code))


def structure(operation: Operation, args: dict[str, int]) -> bytes:
    """The bytes of an operation's argument."""
    data = bytearray(operation.size)
    for field in operation.fields:
        if not field.out:
            mask = (1 << 8 * field.size) - 1
            data[field.offset : field.offset + field.size] = (args[field.name] & mask).to_bytes(field.size, "big")
    return bytes(data)


def output(operation: Operation, data: bytes) -> dict[str, Any]:
    """What an operation gave back; of a status, what belongs to its kind."""
    values = {
        field.name: int.from_bytes(data[field.offset : field.offset + field.size], "big")
        for field in operation.fields
        if field.out
    }
    if operation.number != xen.EVTCHNOP_STATUS:
        return values
    shown = SHOWN.get(values["status"], {})
    return {
        "status": STATUS[values["status"]],
        "vcpu": values["vcpu"],
        **{name: values[field] for name, field in shown.items()},
    }


def poll(rig: Rig, dom: int, vcpu: int, args: dict[str, Any], fault: str | None) -> Answer:
    """SCHEDOP_poll. `element`: the array begins at the end of memory; `handle`: its address is no handle."""
    ports = args["ports"]
    array = b"".join((port & 0xFFFFFFFF).to_bytes(4, "big") for port in ports)
    at = SCRATCH + 256
    if fault != "element":
        rig.put(dom, at, array)
    handle = 0 if fault == "handle" else (xen.XENCOMM_INLINE | (NOWHERE if fault == "element" else at)) % (1 << 64)
    fields = {"ports_handle": handle, "nr_ports": len(ports), "timeout": args["timeout"]}
    where = rig.address(fault)
    if where != NOWHERE:
        rig.put(dom, where, structure(POLL, fields))
    return {"rc": named(rig.call(dom, vcpu, xen.HC_SCHED_OP, xen.SCHEDOP_POLL, xen.XENCOMM_INLINE | where))}


# ----------------------------------------------------------------------------------------------------- guest actions
def bit_step(bitmap: int, value: int) -> Callable[[Rig, Step], Answer]:
    """A guest sets or clears its bit of a port, nothing else."""

    def act(rig: Rig, step: Step) -> Answer:
        number = step["args"]["port"]
        at = int(rig.domain(step["dom"]).shared) + bitmap + 8 * (number // 64) + 7 - number % 64 // 8
        bit = 1 << number % 8
        old = int(rig.machine.ram[at])
        rig.machine.ram[at] = old | bit if value else old & ~bit
        return {}

    return act


def mask_all(rig: Rig, step: Step) -> Answer:
    """A guest masks every port."""
    at = int(rig.domain(step["dom"]).shared) + xen.EVTCHN_MASK
    rig.machine.ram[at : at + xen.PORTS_2L // 8] = 0xFF
    return {}


def byte_step(offset: int) -> Callable[[Rig, Step], Answer]:
    """A guest stores a byte of its vcpu_info."""

    def act(rig: Rig, step: Step) -> Answer:
        rig.machine.ram[info(rig, step) + offset] = step["args"]["value"]
        return {}

    return act


def info(rig: Rig, step: Step) -> int:
    """RAM offset of the caller's vcpu_info."""
    return int(rig.machine.views[Table.VCPU][rig.vcpu(step["dom"], step["vcpu"])].info)


def take_sel(rig: Rig, step: Step) -> Answer:
    """A guest exchanges its selector with 0."""
    at = info(rig, step) + xen.PENDING_SEL
    words = set_bits(rig.machine.ram[at : at + 8])
    rig.machine.ram[at : at + 8] = 0
    return {"out": {"sel": runs(words)}}


def clear_sel(rig: Rig, step: Step) -> Answer:
    """A guest clears one selector bit."""
    word = step["args"]["word"]
    rig.machine.ram[info(rig, step) + xen.PENDING_SEL + 7 - word // 8] &= 0xFF & ~(1 << word % 8)
    return {}


def fifo_page_fill(rig: Rig, step: Step) -> Answer:
    """A guest fills a frame with a word."""
    rig.put(step["dom"], step["args"]["gfn"] * PAGE, step["args"]["value"].to_bytes(4, "big") * (PAGE // 4))
    return {}


def fifo_word(rig: Rig, step: Step) -> Answer:
    """A guest changes an event word."""
    args = step["args"]
    d = rig.domain(step["dom"])
    number = args["port"]
    page = int(d.event_page[number // xen.FIFO_WORDS_PER_PAGE])
    change(rig, page + 4 * (number % xen.FIFO_WORDS_PER_PAGE), args.get("clear", 0), args.get("set", 0))
    return {}


def fifo_ready(rig: Rig, step: Step) -> Answer:
    """A guest clears bits of a control block's ready word."""
    v = rig.machine.views[Table.VCPU][rig.vcpu(step["dom"], step["vcpu"])]
    change(rig, int(v.control) + xen.FIFO_READY, step["args"]["clear"], 0)
    return {}


def change(rig: Rig, at: int, clear: int, put: int) -> None:
    """Make a word (word & ~clear) | put."""
    old = int.from_bytes(rig.machine.ram[at : at + 4].tobytes(), "big")
    rig.machine.ram[at : at + 4] = np.frombuffer(((old & ~clear) | put).to_bytes(4, "big"), np.uint8)


GUEST: dict[str, Callable[[Rig, Step], Answer]] = {
    "mask": bit_step(xen.EVTCHN_MASK, 1),
    "clear_mask": bit_step(xen.EVTCHN_MASK, 0),
    "mask_all": mask_all,
    "set_pending": bit_step(xen.EVTCHN_PENDING, 1),
    "clear_pending": bit_step(xen.EVTCHN_PENDING, 0),
    "set_upcall_pending": byte_step(xen.UPCALL_PENDING),
    "set_upcall_mask": byte_step(xen.UPCALL_MASK),
    "take_sel": take_sel,
    "clear_sel": clear_sel,
    "fifo_page_fill": fifo_page_fill,
    "fifo_word": fifo_word,
    "fifo_ready": fifo_ready,
}


# ------------------------------------------------------------------------------------------------ hypervisor actions
def hv_step(act: Callable[..., object], *names: str, answers: bool = False) -> Callable[[Rig, Step], Answer]:
    """The hypervisor does something to a domain; `answers`: there is a return code."""

    def perform_it(rig: Rig, step: Step) -> Answer:
        rig.run_all()
        plane = target(rig, step)
        try:
            with np.errstate(over="ignore"):
                result = act(plane, *(step["args"][name] for name in names))
        except CallError as refused:
            return {"rc": named(refused.code)}
        answer: Answer = {"rc": 0} if answers else {}
        if isinstance(result, int):
            answer["out"] = {"port": result}
        return answer

    return perform_it


def target(rig: Rig, step: Step) -> Plane:
    """The domain and vCPU that a step of the hypervisor is about."""
    return rig.plane(step.get("dom", rig.domains[0]["id"]), step.get("vcpu", 0))


HYPERVISOR: dict[str, Callable[[Rig, Step], Answer]] = {
    "vcpu_virq": hv_step(hypervisor.raise_vcpu_virq, "virq"),
    "domain_virq": hv_step(hypervisor.raise_domain_virq, "virq"),
    "global_virq": hv_step(hypervisor.raise_global_virq, "virq"),
    "set_virq_handler": hv_step(hypervisor.set_virq_handler, "virq", answers=True),
    "pirq": hv_step(hypervisor.raise_pirq, "pirq"),
    "xen_alloc": hv_step(hypervisor.attach, "remote_dom", answers=True),
    "xen_free": hv_step(hypervisor.detach, "port"),
    "xen_notify": hv_step(hypervisor.notify, "port"),
    "pause": hv_step(lambda plane: hypervisor.pause(plane, 1)),
    "unpause": hv_step(lambda plane: hypervisor.pause(plane, -1)),
    "unblock": hv_step(hypervisor.unblock),
    "poll_timeout": hv_step(hypervisor.end_poll),
    "kill": hv_step(hypervisor.kill, answers=True),
    "reap": hv_step(hypervisor.reap),
}


# ------------------------------------------------------------------------------------------------------------- state
def set_bits(words: Any) -> list[int]:
    """Numbers of the bits set in big-endian doublewords."""
    bits = np.unpackbits(words.reshape(-1, 8)[:, ::-1], bitorder="little")
    return np.flatnonzero(bits).tolist()


def fingerprint(rig: Rig, domain: int) -> bytes:
    """Everything that `state` looks at, in a form that is quick to compare."""
    d = rig.domain(domain)
    views = rig.machine.views
    ram = rig.machine.ram
    parts = [
        d.tobytes(),
        views[Table.PORT][int(d.port) : int(d.port + d.ports)].tobytes(),
        views[Table.VCPU][int(d.vcpu) : int(d.vcpu + d.vcpus)].tobytes(),
        ram[int(d.shared) : int(d.shared) + PAGE].tobytes(),
    ]
    parts += [ram[int(at) : int(at) + PAGE].tobytes() for at in d.event_page[: int(d.words) // xen.FIFO_WORDS_PER_PAGE]]
    if d.fifo:
        for v in views[Table.VCPU][int(d.vcpu) : int(d.vcpu + d.vcpus)]:
            if v.control >= 0:
                parts.append(ram[int(v.control) : int(v.control) + xen.FIFO_CONTROL_BYTES].tobytes())
    return b"".join(parts)


def state(rig: Rig, domain: int) -> dict[str, Any] | None:
    """The state of a domain as the vectors write it; None once it has been reaped."""
    d = rig.domain(domain)
    if d.dying == Dying.GONE:
        return None
    shared = rig.machine.ram[int(d.shared) : int(d.shared) + PAGE]
    first, count = int(d.vcpu), int(d.vcpus)
    vcpus = rig.machine.views[Table.VCPU][first : first + count]
    found: dict[str, Any] = {
        "valid": int(d.valid),
        "ports": _ports(rig, d),
        "pending": runs(set_bits(shared[xen.EVTCHN_PENDING : xen.EVTCHN_PENDING + xen.PORTS_2L // 8])),
        "masked": runs(set_bits(shared[xen.EVTCHN_MASK : xen.EVTCHN_MASK + xen.PORTS_2L // 8])),
        "vcpus": [_vcpu(rig, v) for v in vcpus],
    }
    if d.dying:
        found["dying"] = 1
    else:
        found["abi"] = "fifo" if d.fifo else "2l"
    if d.fifo:
        found["fifo"] = _fifo(rig, d, vcpus)
    return found


def _ports(rig: Rig, d: Any) -> dict[str, list[Any]]:
    table = rig.machine.views[Table.PORT][int(d.port) : int(d.port + d.ports)]
    found = {}
    for number in np.flatnonzero(table.state > PortState.RESERVED).tolist():
        e = table[number]
        kind = PortState(int(e.state))
        entry: list[Any] = [BOUND[kind], int(e.notify - d.vcpu)]
        if kind in (PortState.UNBOUND, PortState.INTERDOMAIN):
            entry.append(int(e.remote_domain))
        if kind in (PortState.INTERDOMAIN, PortState.PIRQ, PortState.VIRQ):
            entry.append(int(e.remote_port))
        if e.attached & Attached.OWNED:
            entry.append("xen")
        found[str(number)] = entry
    return found


def _vcpu(rig: Rig, v: Any) -> dict[str, Any]:
    at = int(v.info)
    shown: dict[str, Any] = {
        "up": int(rig.machine.ram[at + xen.UPCALL_PENDING]),
        "um": int(rig.machine.ram[at + xen.UPCALL_MASK]),
        "sel": runs(set_bits(rig.machine.ram[at + xen.PENDING_SEL : at + xen.PENDING_SEL + 8])),
    }
    if v.blocked:
        shown["blocked"] = 1
        if v.polling:
            shown["poll"] = int(v.poll_port)
    return shown


def _fifo(rig: Rig, d: Any, vcpus: Any) -> dict[str, Any]:
    ram = rig.machine.ram
    blocks = {}
    for n, v in enumerate(vcpus):
        at = int(v.control)
        if at >= 0:
            words = ram[at : at + xen.FIFO_CONTROL_BYTES].view(">u4")
            heads = {str(q): int(words[2 + q]) for q in range(xen.FIFO_PRIORITIES) if words[2 + q]}
            ready = [q for q in range(32) if int(words[0]) >> q & 1]
            blocks[str(n)] = {"ready": runs(ready), "head": heads}
    by_value: dict[str, list[int]] = {}
    for k, at in enumerate(d.event_page[: int(d.words) // xen.FIFO_WORDS_PER_PAGE].tolist()):
        words = ram[at : at + PAGE].view(">u4")
        for port in np.flatnonzero(words).tolist():
            by_value.setdefault(f"0x{int(words[port]):08x}", []).append(k * xen.FIFO_WORDS_PER_PAGE + port)
    return {"n": int(d.words), "cb": blocks, "words": {value: runs(ports) for value, ports in by_value.items()}}


__all__ = ["fingerprint", "perform", "state"]
