"""A virtual local SAPIC: 256 vectors of a vCPU, by priority, in service, and above a task priority.

A vector is pending until it is accepted (GET_IVR), then in service until it is ended (EOI, which names none: the
highest ends). Among pending ones the highest number wins, if it is above what is in service, by number, and above the
task priority, by class of 16. Source: Intel Itanium Architecture Software Developer's Manual, volume 2, External
Interrupts; Xen of March 2006, arch/ia64/xen/vcpu.c, whose order of tests this is.

In mode *shared* the guest's interrupt enable is a word in the page it shares with the hypervisor, beside a hint that a
look may be worth a trap: PEND may be set falsely, never clear falsely. In mode *real* it is MSR[EE].
"""

from irqvisor import trace
from irqvisor._jit import cold, hot, jit
from irqvisor.hv import inject, notify
from irqvisor.hv.accounting import path
from irqvisor.hv.state import domain, pirq, vcpu
from irqvisor.hw.memory import load32, write_ram
from irqvisor.hw.state import NOBODY, header, pcpu, source
from irqvisor.spec import paths
from irqvisor.spec.bits import clz, sll, ult
from irqvisor.spec.designs import IA64_REAL
from irqvisor.spec.sapic import CLASS, EVENT_VECTOR, MAPPED, MAPPED_BYTES, MASK_ALL, PEND, SPURIOUS, TPR, VEE


@hot
def mapped(m, v):
    """RAM offset of the words that a vCPU shares with its controller."""
    d = vcpu(m, v).domain
    return domain(m, d).shared + MAPPED + MAPPED_BYTES * (v - domain(m, d).vcpu)


@hot
def is_shared(m):
    """Whether the interrupt enable is a word in the shared page."""
    return header(m).options & IA64_REAL == 0


@hot
def enabled(m, v):
    """VEE: whether the guest lets interrupts in. Mode shared."""
    return load32(m.ram, mapped(m, v) + VEE) != 0


@jit
def set_word(m, v, which, value):
    """Write a word of the shared page."""
    write_ram(m, mapped(m, v) + which, 4, value)


@jit
def has(words, vector):
    """Whether a vector's bit is set in four words."""
    return words[vector >> 6] & sll(1, vector & 63) != 0


@jit
def highest(words):
    """The highest vector set in four words, NOBODY if none."""
    for k in range(3, -1, -1):
        if words[k] != 0:
            return 64 * k + 63 - clz(words[k])
    return NOBODY


@jit
def pend(m, p, v, vector):
    """A vector of a vCPU becomes pending, if it is not, and the vCPU looks: pending first, then the wake-up or the IPI,
    or a sleeper would not be woken for it."""
    w = vcpu(m, v)
    if has(w.irr, vector):
        path(m, p, paths.PEND)
        return
    w.irr[vector >> 6] |= sll(1, vector & 63)
    set_word(m, v, PEND, 1)
    inject.charge_marking(m, p, v, paths.PEND)
    notify.alert(m, p, v)


@hot
def pend_events(m, v):
    """Events of other domains are one vector, and a level: it is pending again as long as upcall_pending is set and it
    is not in service."""
    if notify.upcall_pending(m, v):
        pend_event_vector(m, v)


@cold
def pend_event_vector(m, v):
    """There is an event."""
    w = vcpu(m, v)
    if not has(w.insvc, EVENT_VECTOR) and not has(w.irr, EVENT_VECTOR):
        w.irr[EVENT_VECTOR >> 6] |= sll(1, EVENT_VECTOR & 63)
        set_word(m, v, PEND, 1)


@jit
def check(m, v):
    """The vector that the guest would get if it asked now: check_pending. SPURIOUS if none."""
    pend_events(m, v)
    w = vcpu(m, v)
    vector = highest(w.irr)
    if vector == NOBODY or vector <= highest(w.insvc):
        return SPURIOUS
    tpr = load32(m.ram, mapped(m, v) + TPR)
    if tpr & MASK_ALL != 0 or (tpr & CLASS) + 15 >= vector:
        return SPURIOUS
    return vector


@jit
def get_ivr(m, p, v):
    """GET_IVR: accept the most urgent vector, if it may be."""
    w = vcpu(m, v)
    path(m, p, paths.GET_IVR)
    vector = check(m, v)
    if vector == SPURIOUS:
        set_word(m, v, PEND, 0)
        return SPURIOUS
    bit = sll(1, vector & 63)
    w.insvc[vector >> 6] |= bit
    w.irr[vector >> 6] &= ~bit
    irq = w.line[vector]
    s = pirq(m, irq).source if irq != 0 else NOBODY
    if s != NOBODY:
        trace.known(m, s, v, p, pcpu(m, p).now, source(m, s).head)
    elif vector != EVENT_VECTOR:
        trace.context_count(m, v).learned += 1  # the timer: no source, but not spurious either
    return vector


@jit
def set_tpr(m, p, v, value):
    """SET_TPR. A lower one may let something in."""
    path(m, p, paths.SET_TPR)
    set_word(m, v, TPR, value)
    if check(m, v) != SPURIOUS:
        set_word(m, v, PEND, 1)


@jit
def eoi(m, p, v):
    """EOI: the highest vector in service ends, whatever it is. Returns the line behind it, 0 if there is none."""
    w = vcpu(m, v)
    path(m, p, paths.SAPIC_EOI)
    vector = highest(w.insvc)
    if vector == NOBODY:
        return 0
    w.insvc[vector >> 6] &= ~sll(1, vector & 63)
    if check(m, v) != SPURIOUS:
        set_word(m, v, PEND, 1)
    return w.line[vector]


@jit
def holds_off(m, v, vector):
    """Whether the owner's own doing keeps a pending vector from it: its task priority, or what it has in service."""
    tpr = load32(m.ram, mapped(m, v) + TPR)
    return vector <= highest(vcpu(m, v).insvc) or tpr & MASK_ALL != 0 or ult(vector, (tpr & CLASS) + 16)
