"""Where delivery begins: a vCPU's upcall becomes pending, or one that polls is woken. Both event-channel ABIs end here.

Entering the vCPU is the design's business (`before_entry`).
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import inject, scheduler
from irqvisor.hv.accounting import path
from irqvisor.hv.state import ANY_ENTRY, Enable, Release, domain, vcpu
from irqvisor.hw.memory import load64, write_ram
from irqvisor.hw.state import context, pcpu
from irqvisor.spec import paths
from irqvisor.spec.bits import i8
from irqvisor.spec.power_isa import MSR_EE
from irqvisor.spec.xen import PENDING_SEL, UPCALL_MASK, UPCALL_PENDING_BIT, VCPU_INFO_BYTES


@jit
def test_and_set(m, a, bits):
    """Set bits in the doubleword at a RAM offset; True if they were all set before."""
    old = load64(m.ram, a)
    if old & bits == bits:
        return True
    write_ram(m, a, 8, old | bits)
    return False


@jit
def upcall_pending(m, v):
    """evtchn_upcall_pending of a vCPU: any non-zero byte."""
    return i8(m.ram[vcpu(m, v).info]) != 0


@jit
def upcalls_enabled(m, v):
    """Whether a vCPU lets upcalls in: by MSR[EE] or by its mask byte, as its domain has it."""
    if domain(m, vcpu(m, v).domain).enable == Enable.MSR_EE:
        return context(m, v).msr & MSR_EE != 0
    return i8(m.ram[vcpu(m, v).info + UPCALL_MASK]) == 0


@jit
def enable_upcalls(m, v):
    """SCHEDOP_block lets them in."""
    if domain(m, vcpu(m, v).domain).enable == Enable.MSR_EE:
        context(m, v).msr |= MSR_EE
    else:
        write_ram(m, vcpu(m, v).info + UPCALL_MASK, 1, 0)


@jit
def mark(m, p, v, work):
    """S4: set the upcall byte; if it was clear, kick: sample is_running, unblock, IPI if it runs elsewhere. `work`: the
    instructions that it took to get here."""
    w = vcpu(m, v)
    if test_and_set(m, w.info, UPCALL_PENDING_BIT):
        path(m, p, work + paths.UPCALL)
        return
    inject.charge_marking(m, p, v, work + paths.UPCALL + paths.KICK)
    trace.emit(m, trace.Kind.UPCALL, pcpu(m, p).now, p, w.domain, -1, 0, v)
    alert(m, p, v)


@jit
def alert(m, p, v):
    """Make a vCPU look at what was marked for it: wake it if it sleeps, kick where it runs elsewhere."""
    w = vcpu(m, v)
    was_running = w.running != 0
    scheduler.wake(m, p, v)
    if was_running and w.pcpu != p:
        w.marked = ANY_ENTRY
        scheduler.kick(m, p, w.pcpu)
    elif was_running:
        w.marked = pcpu(m, p).serial


@jit
def wake_pollers(m, p, d, number):
    """S5: a port became pending. 2008: it ends every poll of its domain. Modern: those of this port, and of several or
    none. The caller has seen that somebody polls."""
    e = domain(m, d)
    for v in range(e.vcpu, e.vcpu + e.vcpus):
        w = vcpu(m, v)
        if w.polling != 0 and (e.release == Release.XEN_2008 or w.poll_port < 0 or w.poll_port == number):
            scheduler.wake(m, p, v)


@jit
def move_info(m, p, v, at):
    """A vCPU's vcpu_info moves. So that no event is lost on the way, the vCPU looks at all words."""
    w = vcpu(m, v)
    for offset in range(0, VCPU_INFO_BYTES, 8):
        write_ram(m, at + offset, 8, load64(m.ram, w.info + offset))
    w.info = at
    w.moved = 1
    write_ram(m, at + PENDING_SEL, 8, -1)
    mark(m, p, v, 0)
