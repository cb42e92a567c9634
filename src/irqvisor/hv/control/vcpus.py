"""vcpu_op: vCPUs are initialised, taken up and down, asked for their run state, and given timers.

Source: xen/common/domain.c, do_vcpu_op; public/vcpu.h. The PowerPC port of 2008 has no register_runstate_area and no
register_vcpu_info. The periodic tick of 10 ms that Xen gave every vCPU from 2007 on is off until a guest asks.
"""

from typing import Any

from irqvisor.hv import loop
from irqvisor.hv.control.plane import CallError, Plane
from irqvisor.hv.state import RunState
from irqvisor.hw.state import NEVER
from irqvisor.spec import xen
from irqvisor.spec.power_isa import MSR_HV, MSR_ME
from irqvisor.spec.xen import NANOSECONDS
from irqvisor.tables import Table

XER_SO, XER_OV, XER_CA = 1 << 31, 1 << 30, 1 << 29
PAGE = 4096


def named(plane: Plane, number: int) -> int:
    """The place in the vCPU table of the caller's vCPU; -ENOENT, in 2008 -EINVAL for one that no domain can have."""
    if not plane.is_modern and not 0 <= number < xen.MAX_VCPUS:
        raise CallError(-xen.EINVAL)
    return plane.vcpu_of(plane.domain, number)


def record(plane: Plane, v: int) -> Any:
    """A vCPU's record."""
    return plane.views[Table.VCPU][v]


def initialise(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_initialise: the registers that a vCPU begins with, in a vcpu_guest_context of 2007."""
    v = named(plane, vcpu)
    argument = plane.argument(handle)
    data = argument.read(0, xen.CONTEXT_BYTES)
    if record(plane, v).initialised:
        return -xen.EEXIST

    def s64(offset: int) -> int:
        return int.from_bytes(data[offset : offset + 8], "big", signed=True)

    c = plane.views[Table.CONTEXT][v]
    c.gpr[:32] = [s64(xen.CONTEXT_GPR + 8 * r) for r in range(32)]
    c.lr, c.ctr, c.srr0, c.srr1 = (
        s64(at) for at in (xen.CONTEXT_LR, xen.CONTEXT_CTR, xen.CONTEXT_SRR0, xen.CONTEXT_SRR1)
    )
    c.nip, c.msr = s64(xen.CONTEXT_PC), s64(xen.CONTEXT_MSR) & ~MSR_HV | MSR_ME
    cr, xer = s64(xen.CONTEXT_CR - 4), s64(xen.CONTEXT_XER)
    c.cr[:] = [cr >> shift & 15 for shift in range(28, -4, -4)]
    c.so, c.ov, c.ca = bool(xer & XER_SO), bool(xer & XER_OV), bool(xer & XER_CA)
    record(plane, v).initialised = 1
    return 0


def up(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_up."""
    v = named(plane, vcpu)
    if not record(plane, v).initialised:
        return -xen.EINVAL
    loop.take_up(plane.arrays, plane.pcpu, v)
    return 0


def down(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_down, the caller itself too."""
    loop.take_down(plane.arrays, plane.pcpu, named(plane, vcpu))
    return 0


def is_up(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_is_up."""
    return int(not record(plane, named(plane, vcpu)).down)


def get_runstate_info(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_get_runstate_info: {s32 state @0, u64 entry @8, u64 time[4] @16}, in ns of system time."""
    w = record(plane, named(plane, vcpu))
    hz = int(plane.views[Table.HEADER][0].clock_hz)
    spent = [int(cycles) for cycles in w.spent]
    spent[int(w.state)] += max(now_of(plane) - int(w.since), 0)
    argument = plane.argument(handle)
    argument.check_writable(xen.RUNSTATE_INFO_BYTES)
    argument.write(0, int(w.state).to_bytes(4, "big"))
    argument.write(8, (int(w.since) * NANOSECONDS // hz).to_bytes(8, "big"))
    for state in RunState:
        argument.write(16 + 8 * state, (spent[state] * NANOSECONDS // hz).to_bytes(8, "big"))
    return 0


def register_vcpu_info(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_register_vcpu_info {u64 frame, u32 offset}: a vCPU's vcpu_info moves, once. Whatever happened while it
    moved, the vCPU looks everywhere."""
    if not plane.is_modern:
        return -xen.ENOSYS
    v = named(plane, vcpu)
    argument = plane.argument(handle)
    frame, offset = argument.number(0, 8), argument.number(8, 4)
    if offset > PAGE - xen.VCPU_INFO_BYTES or record(plane, v).moved:
        return -xen.EINVAL
    if v != plane.vcpu and not record(plane, v).down:
        return -xen.EINVAL
    loop.move_info(plane.arrays, plane.pcpu, v, plane.frame(frame) + offset)
    return 0


def now_of(plane: Plane) -> int:
    """The caller's cycle."""
    return int(plane.views[Table.PCPU][plane.pcpu].now)


def set_periodic_timer(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_set_periodic_timer {u64 period in ns}."""
    v = named(plane, vcpu)
    period = plane.argument(handle).number(0, 8)
    if not xen.SHORTEST_PERIOD_NS <= period <= xen.TIMER_FAR_NS:
        return -xen.EINVAL
    hz = int(plane.views[Table.HEADER][0].clock_hz)
    loop.set_periodic_timer(plane.arrays, v, period * hz // NANOSECONDS, now_of(plane))
    return 0


def stop_periodic_timer(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_stop_periodic_timer."""
    loop.set_periodic_timer(plane.arrays, named(plane, vcpu), 0, now_of(plane))
    return 0


def set_singleshot_timer(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_set_singleshot_timer {u64 absolute ns, u32 flags; bit 0: only in the future}; the caller's own. Modern:
    the flag is ignored."""
    if named(plane, vcpu) != plane.vcpu:
        return -xen.EINVAL
    data = plane.argument(handle).read(0, 16)
    when = int.from_bytes(data[:8], "big", signed=True)
    hz = int(plane.views[Table.HEADER][0].clock_hz)
    must_be_ahead = data[11] & xen.VCPU_SSHOTTMR_FUTURE and not plane.is_modern
    if must_be_ahead and when < now_of(plane) * NANOSECONDS // hz:
        return -xen.ETIME
    loop.arm_timer(plane.arrays, plane.pcpu, plane.vcpu, when)
    return 0


def stop_singleshot_timer(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_stop_singleshot_timer; the caller's own."""
    if named(plane, vcpu) != plane.vcpu:
        return -xen.EINVAL
    record(plane, plane.vcpu).timer = NEVER
    return 0


def send_nmi(plane: Plane, vcpu: int, handle: int) -> int:
    """VCPUOP_send_nmi: there is no such interrupt on PowerPC; what can be checked is."""
    named(plane, vcpu)
    return -xen.EINVAL if handle != 0 else 0
