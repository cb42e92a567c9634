"""Hypercalls: the convention, and the calls that designs share.

`sc 1` with r3 = number. Xen's calls carry MARK in r3, take arguments from r4 and return in r3; SRR0 and SRR1 read -1
afterwards, since the entry destroyed them. PAPR's take arguments from r4, return a status in r3 and outputs from r4 on,
and preserve everything else. Each call first decodes and checks, then acts and cannot fail. What is rare is left to
the control plane: `COLD` stops the loop, `hv/control` finishes the call, and the run goes on.
"""

from enum import IntEnum

from irqvisor import trace
from irqvisor._jit import hot, jit
from irqvisor.hv import accounting, event_channel, lines, notify, scheduler
from irqvisor.hv.state import Entry, domain, vcpu
from irqvisor.hw.memory import find_region, load32
from irqvisor.hw.state import NEVER, NOBODY, RegionKind, Stop, header, pcpu, region, request
from irqvisor.spec import paths, xen
from irqvisor.spec.papr import H_FUNCTION, H_PRIVILEGE
from irqvisor.spec.power_isa import MSR_PR
from irqvisor.spec.xen import NANOSECONDS


class Answer(IntEnum):
    """What became of a call."""

    DONE = 0  # the result is in r3
    COLD = 1  # the control plane finishes it
    NOT_MINE = 2


@hot
def begin(m, p, cpu):
    """Enter the hypervisor for a call; charges the minimal round trip. True if the caller may make one."""
    number = cpu.gpr[3]
    is_xen = is_marked(number)
    accounting.enter(m, p, Entry.HCALL_XEN if is_xen else Entry.HCALL_PAPR)
    trace.emit(m, trace.Kind.HCALL, pcpu(m, p).now, p, cpu.lpid, -1, 0, number)
    accounting.charge(m, p, header(m).hcall_rt)
    if cpu.srr1 & MSR_PR != 0:
        cpu.gpr[3] = -xen.EPERM if is_xen else H_PRIVILEGE
        return False
    return True


@hot
def is_marked(number):
    """Whether a number is a Xen hypercall."""
    return number & xen.MARK == xen.MARK


@jit
def clobber_srr(cpu):
    """The entry destroyed the guest's SRR0 and SRR1, and Xen/PPC says so with -1."""
    cpu.srr0 = -1
    cpu.srr1 = -1


@jit
def cold(m, p):
    """Leave the call to the control plane."""
    request(m).reason = Stop.HCALL
    request(m).pcpu = p
    return Answer.COLD


@jit
def unknown(m, p, cpu):
    """A number nobody implements."""
    cpu.gpr[3] = -xen.ENOSYS if is_marked(cpu.gpr[3]) else H_FUNCTION
    return Answer.DONE


@jit
def argument(m, cpu, handle, size):
    """RAM offset of a call's argument structure behind an inline xencomm handle, or NOBODY if it is not in RAM."""
    if handle >= 0:
        return NOBODY
    real = handle & ~xen.XENCOMM_INLINE
    k = find_region(m, cpu, real, size)
    if k == NOBODY or region(m, k).kind != RegionKind.RAM:
        return NOBODY
    return region(m, k).ram + real - region(m, k).start


@jit
def xen_call(m, p, v, cpu):
    """The Xen hypercalls of every design that offers them. Returns an Answer."""
    number = cpu.gpr[3] & 0xFFFF
    if number == xen.HC_EVENT_CHANNEL_OP:
        return event_channel_op(m, p, v, cpu)
    if number == xen.HC_SCHED_OP or number == xen.HC_SCHED_OP_OLD:
        return sched_op(m, p, v, cpu)
    if number == xen.HC_PHYSDEV_OP:
        return physdev_op(m, p, v, cpu)
    if number == xen.HC_SET_TIMER_OP:
        accounting.path(m, p, paths.SET_TIMER)
        set_timer(m, p, v, cpu.gpr[4])
        cpu.gpr[3] = 0
        return Answer.DONE
    if number == xen.HC_XEN_VERSION and cpu.gpr[4] == xen.XENVER_VERSION:
        cpu.gpr[3] = xen.XEN_VERSION_3_2
        return Answer.DONE
    return cold(m, p)


@jit
def event_channel_op(m, p, v, cpu):
    """event_channel_op: send and unmask here, unless their argument is behind a descriptor; the control operations in
    the control plane."""
    command = cpu.gpr[4]
    if cpu.gpr[5] >= 0 or (command != xen.EVTCHNOP_SEND and command != xen.EVTCHNOP_UNMASK):
        return cold(m, p)
    accounting.path(m, p, paths.SEND if command == xen.EVTCHNOP_SEND else paths.UNMASK)
    a = argument(m, cpu, cpu.gpr[5], 4)
    if a == NOBODY:
        cpu.gpr[3] = -xen.EFAULT
        return Answer.DONE
    d = vcpu(m, v).domain
    number = load32(m.ram, a)
    if command == xen.EVTCHNOP_SEND:
        cpu.gpr[3] = event_channel.send(m, p, d, number)
    else:
        cpu.gpr[3] = event_channel.unmask(m, p, d, number)
    return Answer.DONE


@jit
def sched_op(m, p, v, cpu):
    """sched_op: yield and block here, the others in the control plane."""
    command = cpu.gpr[4]
    if command == xen.SCHEDOP_YIELD:
        accounting.path(m, p, paths.YIELD + paths.RESCHEDULE)
        pcpu(m, p).resched = 1
        cpu.gpr[3] = 0
        return Answer.DONE
    if command == xen.SCHEDOP_BLOCK:
        cpu.gpr[3] = 0
        block(m, p, v, cpu)
        return Answer.DONE
    return cold(m, p)


@jit
def block(m, p, v, cpu):
    """SCHEDOP_block: enable delivery, mark blocked, then look: an event already there ends the sleep."""
    notify.enable_upcalls(m, v)
    sleep(m, p, v, notify.upcall_pending(m, v))


@jit
def sleep(m, p, v, pending):
    """Put a vCPU to sleep that asked for it, unless something is pending that would have woken it."""
    w = vcpu(m, v)
    w.blocked = 1
    if pending:
        w.blocked = 0
        accounting.path(m, p, paths.BLOCK_NOT)
        w.marked = pcpu(m, p).serial  # this call is the one that looks
        return
    accounting.path(m, p, paths.BLOCK + paths.RESCHEDULE)
    scheduler.fall_asleep(m, p)


@jit
def sleep_polling(m, p, v, number, timeout):
    """A poll that has found nothing pending goes to sleep."""
    accounting.path(m, p, paths.RESCHEDULE)
    w = vcpu(m, v)
    w.blocked = 1
    w.polling = 1
    w.poll_port = number
    domain(m, w.domain).pollers += 1
    if timeout != 0:
        accounting.path(m, p, paths.SET_TIMER)
        scheduler.set_timer(m, v, cycle_of_system_time(m, timeout), 0)
    scheduler.unload(m, p)
    pcpu(m, p).resched = 1


@jit
def physdev_op(m, p, v, cpu):
    """physdev_op: eoi here, the others in the control plane."""
    if cpu.gpr[4] != xen.PHYSDEVOP_EOI or cpu.gpr[5] >= 0:
        return cold(m, p)
    accounting.path(m, p, paths.PHYSDEV)
    a = argument(m, cpu, cpu.gpr[5], 4)
    if a == NOBODY:
        cpu.gpr[3] = -xen.EFAULT
        return Answer.DONE
    cpu.gpr[3] = end_pirq_of(m, p, vcpu(m, v).domain, load32(m.ram, a))
    return Answer.DONE


@jit
def end_pirq_of(m, p, d, number):
    """PHYSDEVOP_eoi: a domain is done with one of its pirqs. 0 also when there was nothing to end; or -errno."""
    e = domain(m, d)
    if number >= e.pirqs:
        return -xen.EINVAL
    irq = e.pirq + number
    if irq < header(m).n_pirq:
        lines.finish(m, p, irq, d)
    return 0


@jit
def set_timer(m, p, v, ns):
    """set_timer_op and VCPUOP_set_singleshot_timer: one timer, in absolute ns of system time; 0 cancels. A negative
    time, or one further ahead than 2^50 ns, is taken for a mistake and expires after 100 ms."""
    now = pcpu(m, p).now
    due = cycle_of_system_time(m, ns)
    if ns < 0 or (due > now + cycle_of_system_time(m, xen.TIMER_FAR_NS) and ns != 0):
        due = now + cycle_of_system_time(m, xen.TIMER_FAR_EXPIRES_NS)
    scheduler.set_timer(m, v, due, 1)


@jit
def cycle_of_system_time(m, ns):
    """Xen's system time counts nanoseconds of the time base; the cycle at which it reaches `ns`. 0: never."""
    if ns <= 0:
        return NEVER
    h = header(m)
    seconds = ns // NANOSECONDS
    if seconds > 1 << 32:
        return NEVER
    rest = ns - seconds * NANOSECONDS
    return seconds * h.clock_hz + (rest * (h.clock_hz // 1000) + 999_999) // 1_000_000
