"""Cycles that the hypervisor spends, charged once each (docs/reference/charges.md)."""

from irqvisor import trace
from irqvisor._jit import hot, jit
from irqvisor.hv.state import Entry
from irqvisor.hw.state import header, pcpu


@hot
def charge(m, p, cycles):
    """Spend cycles in the hypervisor on this pCPU."""
    pcpu(m, p).now += cycles
    trace.pcpu_count(m, p).hypervisor += cycles


@jit
def path(m, p, instructions):
    """Execute instructions of the hypervisor's own (spec/paths.py)."""
    charge(m, p, instructions * header(m).hv_cpi)


@hot
def enter(m, p, reason):
    """The hypervisor is entered; the caller charges what the way in costs."""
    pc = pcpu(m, p)
    pc.entry = reason
    pc.serial += 1
    trace.pcpu_count(m, p).entered = pc.now
    trace.observed(m, 0).entries[reason] += 1
    trace.emit(m, trace.Kind.ENTER_HV, pc.now, p, pc.context, -1, 0, reason)


@hot
def read_pic(m, p):
    """The hypervisor reads a controller register."""
    charge(m, p, header(m).pic_read)


@hot
def write_pic(m, p):
    """The hypervisor writes a controller register."""
    charge(m, p, header(m).pic_write)


@hot
def is_hypercall(reason):
    return reason == Entry.HCALL_XEN or reason == Entry.HCALL_PAPR
