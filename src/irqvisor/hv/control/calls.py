"""The hypercalls of Xen: one table of names, numbers, arguments, errors and who answers.

`docs/reference/hypercalls.md` is made of it (scripts/hypercalls_page.py). The run loop answers the rows marked
`in_loop` itself, where their argument is in one piece of RAM (hv/hcall.py); all others come here.
"""

from collections.abc import Callable
from typing import NamedTuple

from irqvisor.hv.control import console, operations, pirqs, scheduling, vcpus
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.spec import xen


class Field(NamedTuple):
    """A field of an argument structure; big-endian, unsigned."""

    name: str
    offset: int
    size: int
    out: bool = False


class Operation(NamedTuple):
    """A command of a hypercall. With a structure, `act` gets its input fields by name and returns output fields or
    None; without, it gets the registers from r5 on, as many as the call has, and returns what r3 is to be."""

    number: int
    name: str
    act: Callable[..., object] | None
    errors: str  # for people, in the order of the checks
    size: int = 0  # bytes of the structure behind the handle; 0: none
    fields: tuple[Field, ...] = ()
    in_loop: bool = False
    modern: bool = False  # came after 2008: -ENOSYS there


class Hypercall(NamedTuple):
    """A hypercall: its number, what is in its registers from r4 on, its operations."""

    number: int
    name: str
    registers: tuple[str, ...]
    operations: tuple[Operation, ...]


EVTCHN_ERRORS = "EINVAL dying; ENOSPC no port free"
VCPU_ERRORS = "2008: EINVAL above 31. ENOENT no such vCPU"

EVENT_CHANNEL_OP = Hypercall(
    xen.HC_EVENT_CHANNEL_OP,
    "event_channel_op",
    ("command", "handle"),
    (
        Operation(
            xen.EVTCHNOP_BIND_INTERDOMAIN,
            "bind_interdomain",
            operations.bind_interdomain,
            f"ESRCH no such domain; {EVTCHN_ERRORS}; EINVAL the remote port is not unbound, or not for the caller",
            12,
            (Field("remote_dom", 0, 2), Field("remote_port", 4, 4), Field("local_port", 8, 4, out=True)),
        ),
        Operation(
            xen.EVTCHNOP_BIND_VIRQ,
            "bind_virq",
            operations.bind_virq,
            "EINVAL virq above 23, or a global one on another vCPU than 0; ENOENT no such vCPU; EEXIST bound already; "
            + EVTCHN_ERRORS,
            12,
            (Field("virq", 0, 4), Field("vcpu", 4, 4), Field("port", 8, 4, out=True)),
        ),
        Operation(
            xen.EVTCHNOP_BIND_PIRQ,
            "bind_pirq",
            operations.bind_pirq,
            f"EINVAL out of range; EPERM not the caller's; EEXIST bound already; {EVTCHN_ERRORS}; EINVAL no vector; "
            "EBUSY not bound for sharing by all, or by 7 guests",
            12,
            (Field("pirq", 0, 4), Field("flags", 4, 4), Field("port", 8, 4, out=True)),
        ),
        Operation(
            xen.EVTCHNOP_CLOSE,
            "close",
            operations.close,
            "EINVAL invalid, free, reserved, or the hypervisor's",
            4,
            (Field("port", 0, 4),),
        ),
        Operation(
            xen.EVTCHNOP_SEND,
            "send",
            operations.send,
            "EINVAL invalid, the hypervisor's, or not unbound, interdomain or IPI",
            4,
            (Field("port", 0, 4),),
            in_loop=True,
        ),
        Operation(
            xen.EVTCHNOP_STATUS,
            "status",
            operations.status,
            "2008: ESRCH no such domain; EPERM another domain's; EINVAL invalid port. "
            "Modern: ESRCH; EINVAL; EACCES the hypervisor's; EPERM",
            24,
            (
                Field("dom", 0, 2),
                Field("port", 4, 4),
                Field("status", 8, 4, out=True),
                Field("vcpu", 12, 4, out=True),
                Field("unbound_dom", 16, 2, out=True),
                Field("interdomain_dom", 16, 2, out=True),
                Field("interdomain_port", 20, 4, out=True),
                Field("pirq", 16, 4, out=True),
                Field("virq", 16, 4, out=True),
            ),
        ),
        Operation(
            xen.EVTCHNOP_ALLOC_UNBOUND,
            "alloc_unbound",
            operations.alloc_unbound,
            f"2008: ESRCH no such domain; EPERM unprivileged and not DOMID_SELF; {EVTCHN_ERRORS}. "
            f"Modern: ESRCH; {EVTCHN_ERRORS}; EPERM unprivileged and another domain",
            8,
            (Field("dom", 0, 2), Field("remote_dom", 2, 2), Field("port", 4, 4, out=True)),
        ),
        Operation(
            xen.EVTCHNOP_BIND_IPI,
            "bind_ipi",
            operations.bind_ipi,
            f"ENOENT no such vCPU; {EVTCHN_ERRORS}",
            8,
            (Field("vcpu", 0, 4), Field("port", 4, 4, out=True)),
        ),
        Operation(
            xen.EVTCHNOP_BIND_VCPU,
            "bind_vcpu",
            operations.bind_vcpu,
            "ENOENT no such vCPU; EINVAL invalid, free, the hypervisor's, an IPI or a vCPU's own virq",
            8,
            (Field("port", 0, 4), Field("vcpu", 4, 4)),
        ),
        Operation(
            xen.EVTCHNOP_UNMASK,
            "unmask",
            operations.unmask,
            "EINVAL invalid",
            4,
            (Field("port", 0, 4),),
            in_loop=True,
        ),
        Operation(
            xen.EVTCHNOP_RESET,
            "reset",
            operations.reset,
            "ESRCH no such domain; EPERM another domain's; modern: EINVAL another domain that is not paused",
            2,
            (Field("dom", 0, 2),),
        ),
        Operation(
            xen.EVTCHNOP_INIT_CONTROL,
            "init_control",
            operations.init_control,
            "ENOENT no such vCPU; EINVAL offset, it has one already, or the frame cannot be used",
            24,
            (
                Field("control_gfn", 0, 8),
                Field("offset", 8, 4),
                Field("vcpu", 12, 4),
                Field("link_bits", 16, 1, out=True),
            ),
            modern=True,
        ),
        Operation(
            xen.EVTCHNOP_EXPAND_ARRAY,
            "expand_array",
            operations.expand_array,
            "EOPNOTSUPP not FIFO; ENOSPC 128 pages already; EINVAL the frame cannot be used",
            8,
            (Field("array_gfn", 0, 8),),
            modern=True,
        ),
        Operation(
            xen.EVTCHNOP_SET_PRIORITY,
            "set_priority",
            operations.set_priority,
            "EINVAL invalid port; ENOSYS not FIFO; EACCES free, reserved or the hypervisor's; EINVAL priority above 15",
            8,
            (Field("port", 0, 4), Field("priority", 4, 4)),
            modern=True,
        ),
    ),
)

SCHED_OP = Hypercall(
    xen.HC_SCHED_OP,
    "sched_op",
    ("command", "handle"),
    (
        Operation(xen.SCHEDOP_YIELD, "yield", None, "", in_loop=True),
        Operation(xen.SCHEDOP_BLOCK, "block", None, "", in_loop=True),
        Operation(xen.SCHEDOP_SHUTDOWN, "shutdown", scheduling.shutdown, "", 4, (Field("reason", 0, 4),)),
        Operation(
            xen.SCHEDOP_POLL,
            "poll",
            scheduling.poll,
            "EINVAL more than 128 ports; EFAULT the array; for each port EFAULT, then EINVAL invalid "
            "(modern: free, reserved and the hypervisor's too)",
            24,
            (Field("ports_handle", 0, 8), Field("nr_ports", 8, 4), Field("timeout", 16, 8)),
        ),
    ),
)

PHYSDEV_OP = Hypercall(
    xen.HC_PHYSDEV_OP,
    "physdev_op",
    ("command", "handle"),
    (
        Operation(xen.PHYSDEVOP_IRQ_UNMASK_NOTIFY, "irq_unmask_notify", pirqs.unmask_notify, ""),
        Operation(
            xen.PHYSDEVOP_IRQ_STATUS_QUERY,
            "irq_status_query",
            pirqs.status_query,
            "EINVAL out of range",
            8,
            (Field("irq", 0, 4), Field("flags", 4, 4, out=True)),
        ),
        Operation(
            xen.PHYSDEVOP_ALLOC_IRQ_VECTOR,
            "alloc_irq_vector",
            pirqs.alloc_irq_vector,
            "EPERM unprivileged; EINVAL out of range",
            8,
            (Field("irq", 0, 4), Field("vector", 4, 4, out=True)),
        ),
        Operation(xen.PHYSDEVOP_EOI, "eoi", pirqs.eoi, "EINVAL out of range", 4, (Field("irq", 0, 4),), in_loop=True),
    ),
)

VCPU_OP = Hypercall(
    xen.HC_VCPU_OP,
    "vcpu_op",
    ("command", "vcpu", "handle"),
    (
        Operation(
            xen.VCPUOP_INITIALISE,
            "initialise",
            vcpus.initialise,
            f"{VCPU_ERRORS}; EFAULT; EEXIST initialised already",
        ),
        Operation(xen.VCPUOP_UP, "up", vcpus.up, f"{VCPU_ERRORS}; EINVAL not initialised"),
        Operation(xen.VCPUOP_DOWN, "down", vcpus.down, VCPU_ERRORS),
        Operation(xen.VCPUOP_IS_UP, "is_up", vcpus.is_up, VCPU_ERRORS),
        Operation(xen.VCPUOP_GET_RUNSTATE_INFO, "get_runstate_info", vcpus.get_runstate_info, f"{VCPU_ERRORS}; EFAULT"),
        Operation(
            xen.VCPUOP_SET_PERIODIC_TIMER,
            "set_periodic_timer",
            vcpus.set_periodic_timer,
            f"{VCPU_ERRORS}; EFAULT; EINVAL less than 1 ms, or more than 2^50 ns",
        ),
        Operation(xen.VCPUOP_STOP_PERIODIC_TIMER, "stop_periodic_timer", vcpus.stop_periodic_timer, VCPU_ERRORS),
        Operation(
            xen.VCPUOP_SET_SINGLESHOT_TIMER,
            "set_singleshot_timer",
            vcpus.set_singleshot_timer,
            f"{VCPU_ERRORS}; EINVAL not the caller; EFAULT; 2008: ETIME past, with flag 1",
        ),
        Operation(
            xen.VCPUOP_STOP_SINGLESHOT_TIMER,
            "stop_singleshot_timer",
            vcpus.stop_singleshot_timer,
            f"{VCPU_ERRORS}; EINVAL not the caller",
        ),
        Operation(
            xen.VCPUOP_REGISTER_VCPU_INFO,
            "register_vcpu_info",
            vcpus.register_vcpu_info,
            "2008: ENOSYS. ENOENT no such vCPU; EFAULT; EINVAL offset, registered already, another vCPU that is up, "
            "or the frame cannot be used",
        ),
        Operation(xen.VCPUOP_SEND_NMI, "send_nmi", vcpus.send_nmi, f"{VCPU_ERRORS}; EINVAL an argument"),
    ),
)

CONSOLE_IO = Hypercall(
    xen.HC_CONSOLE_IO,
    "console_io",
    ("command", "count", "handle"),
    (
        Operation(xen.CONSOLEIO_WRITE, "write", console.console_write, "EINVAL more than 4096 bytes; EFAULT"),
        Operation(xen.CONSOLEIO_READ, "read", console.console_read, "EINVAL more than 4096 bytes; EFAULT"),
    ),
)

SET_TIMER_OP = Hypercall(
    xen.HC_SET_TIMER_OP, "set_timer_op", ("time",), (Operation(0, "set_timer_op", None, "", in_loop=True),)
)
XEN_VERSION = Hypercall(
    xen.HC_XEN_VERSION, "xen_version", ("command",), (Operation(xen.XENVER_VERSION, "version", None, "", in_loop=True),)
)

HYPERCALLS = (
    SET_TIMER_OP,
    XEN_VERSION,
    CONSOLE_IO,
    VCPU_OP,
    SCHED_OP,
    EVENT_CHANNEL_OP,
    PHYSDEV_OP,
    SCHED_OP._replace(number=xen.HC_SCHED_OP_OLD, name="sched_op, older number"),
)

TABLE = {(call.number, operation.number): (call, operation) for call in HYPERCALLS for operation in call.operations}


def xen_call(plane: Plane, number: int) -> int:
    """Answer a hypercall: what r3 is to be."""
    gpr = plane.cpu.gpr
    found = TABLE.get((number, int(gpr[4])))
    if found is None or found[1].act is None or (found[1].modern and not plane.is_modern):
        return -xen.ENOSYS
    call, operation = found
    if operation.size:
        with_structure(plane, operation, int(gpr[5]))
        return 0
    arguments = (int(gpr[5 + k]) for k in range(len(call.registers) - 1))
    result = operation.act(plane, *arguments)  # type: ignore[misc]  # checked above
    assert isinstance(result, int)
    return result


def with_structure(plane: Plane, operation: Operation, handle: int) -> None:
    """Read the structure, act, write back what comes out. -EFAULT before anything happens, or after everything has."""
    argument = plane.argument(handle)
    data = argument.read(0, operation.size)
    given = {f.name: int.from_bytes(data[f.offset : f.offset + f.size], "big") for f in operation.fields if not f.out}
    assert operation.act is not None
    answer = operation.act(plane, **given)
    if isinstance(answer, dict):
        argument.check_writable(operation.size)
        for f in operation.fields:
            if f.out and f.name in answer:
                argument.write(f.offset, answer[f.name].to_bytes(f.size, "big"))


__all__ = ["HYPERCALLS", "TABLE", "CallError", "Field", "Hypercall", "Operation", "xen_call"]
