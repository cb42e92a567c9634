"""xen-ia64: the virtualised hardware way: the domain sees an interrupt controller, and the hypervisor keeps it.

1. A source raises its line; the OpenPIC drives the external input of a pCPU. LPES0=0: the processor enters the
   hypervisor, by HSRR0 and HSRR1.
2. The hypervisor reads IACK; a level line is masked; both are ended there. The vector of the line becomes pending in
   the owner's virtual controller, the hint PEND is set in shared memory; a blocked owner is woken, one that runs on
   another pCPU is kicked.
3. On every resume of any domain: interrupts enabled, and a vector above what is in service and above the task priority?
   Then the domain finds itself at 0x500 as by hardware. Which vector it is, it is not told.
4. It asks: GET_IVR, a trap, which puts the highest vector into service, or answers 15, spurious: a higher one may have
   come since, or the reason gone. It raises its task priority (SET_TPR, a trap), serves, lowers it, ends the vector
   (EOI, a trap, which unmasks a level line), and asks again until the answer is 15.
5. It returns by RFI, a trap: the enable word and the context in one step.
6. Mode shared: the enable is a word in the shared page, and MSR[EE] is always 1. Disabling is a store; enabling is a
   store, then a look at PEND, then SSM_I if it is set. Mode real: the enable is MSR[EE]; for a guest with EE=0 the
   hypervisor asks the processor to be told when that changes (LPCR[MER], option mer).
7. Events of other domains are one vector, 0xe9, whatever the port. The timer is another.
8. SCHEDOP_block: mark blocked, then look, whatever the enable says.

Option events=callback is what the port became in May 2006: pirqs are bound to event channels, the context goes to SRR0
and SRR1 as before, but the domain is entered at a callback and reads the bitmaps. Of the traps only RFI is left.

Source: Xen of March to May 2006, arch/ia64/xen, vcpu.c, process.c, hyperprivop.S. What they are on a PowerPC is ours:
docs/explanation/designs/xen-ia64.md.
"""

from irqvisor import trace
from irqvisor._jit import hot, jit
from irqvisor.hv import accounting, board, event_channel, external, guest_stack, hcall, inject, notify, vlsapic, vpic
from irqvisor.hv.state import ANY_ENTRY, Enable, Exit, Where, domain, pirq, vcpu
from irqvisor.hw import openpic
from irqvisor.hw.memory import load32, write_ram
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NEVER, NOBODY, context, header, pcpu, source
from irqvisor.hw.system import restored
from irqvisor.spec import papr, paths, sapic, xen
from irqvisor.spec.designs import IA64_EVENTS, IA64_MER_OFF
from irqvisor.spec.power_isa import LPCR_MER, MSR_EE, MSR_RI


@jit
def has_events(m):
    """Option events=callback: no virtual controller."""
    return header(m).options & IA64_EVENTS != 0


@jit
def setup(m):
    """External interrupts enter the hypervisor: LPES0 is 0 at reset. Every source is open at the controller, every
    guest still closed. No decrementer: it would strike while a guest has its interrupts off in memory."""
    for v in range(header(m).n_context):
        context(m, v).dec_at = NEVER
        vcpu(m, v).timer_event = 1
    if has_events(m):
        for d in range(header(m).n_domain):
            domain(m, d).enable = Enable.MASK_BYTE
        for v in range(header(m).n_context):
            set_mask(m, v, 1)
        external.open_controller(m)
        return
    for irq in range(header(m).n_pirq):
        r = pirq(m, irq)
        if r.source != NOBODY:
            vcpu(m, r.server).line[r.sapic] = irq
            openpic.unmask(m, irq)
    for p in range(header(m).n_pcpu):
        openpic.set_task_priority(m, p, openpic.task_priority(papr.PRIORITY_NONE))


@jit
def on_external(m, p):
    """Ask the controller once, and make what it names pending; a vCPU that it wakes here waits for the way out."""
    if has_events(m):
        external.take(m, p)
        return
    irq = vpic.take_from_controller(m, p)
    pc = pcpu(m, p)
    if irq == vpic.NONE or not openpic.is_input(m, irq):
        if pc.context >= 0:
            vcpu(m, pc.context).marked = pc.serial  # a kick is the delivery of what was made pending
        return
    r = pirq(m, irq)
    if r.source != NOBODY:
        trace.accepted(m, r.source, p, r.domain, pc.now)
    v = vpic.owner(m, irq)
    if v >= 0:
        vlsapic.pend(m, p, v, r.sapic)


@jit
def on_hcall(m, p, v, cpu):
    """Xen's calls, the hyperprivops among them, and the console of PAPR."""
    if not hcall.is_marked(cpu.gpr[3]):
        if cpu.gpr[3] == papr.H_PUT_TERM_CHAR or cpu.gpr[3] == papr.H_GET_TERM_CHAR:
            return hcall.cold(m, p)
        cpu.gpr[3] = papr.H_PARAMETER
        return hcall.Answer.DONE
    number = cpu.gpr[3] & 0xFFFF
    w = vcpu(m, v)
    if number == sapic.HYPERPRIVOP:
        cpu.gpr[3] = hyperprivop(m, p, v, cpu)
        return hcall.Answer.DONE
    if number == xen.HC_SET_CALLBACKS:
        accounting.path(m, p, paths.ENROLL)
        w.event_callback = cpu.gpr[4]
        cpu.gpr[3] = 0
        return hcall.Answer.DONE
    if number == xen.HC_SCHED_OP and cpu.gpr[4] == xen.SCHEDOP_BLOCK and not has_events(m):
        if not vlsapic.is_shared(m):
            cpu.msr |= MSR_EE
        cpu.gpr[3] = 0
        hcall.sleep(m, p, v, vlsapic.check(m, v) != sapic.SPURIOUS)
        return hcall.Answer.DONE
    if number == xen.HC_XEN_VERSION:
        w.marked = pcpu(m, p).serial  # the dummy call of a guest that found something pending
    return hcall.xen_call(m, p, v, cpu)


@jit
def hyperprivop(m, p, v, cpu):
    """An access to an interrupt register; returns what goes into r3."""
    n = cpu.gpr[4]
    w = vcpu(m, v)
    if n == sapic.GET_IVR:
        return vlsapic.get_ivr(m, p, v)
    if n == sapic.EOI:
        irq = vlsapic.eoi(m, p, v)
        if irq != 0:
            vpic.finish(m, p, irq)
        return 0
    if n == sapic.SET_TPR:
        if cpu.gpr[5] & sapic.TPR_RESERVED != 0:
            return -1
        vlsapic.set_tpr(m, p, v, cpu.gpr[5])
        return 0
    if n == sapic.GET_TPR:
        accounting.path(m, p, paths.GET_TPR)
        return load32(m.ram, vlsapic.mapped(m, v) + sapic.TPR)
    if n == sapic.SSM_I:
        w.marked = pcpu(m, p).serial  # this call and the next are those that look
        vlsapic.set_word(m, v, sapic.VEE, 1)
        return 0
    if n == sapic.RFI:
        w.marked = pcpu(m, p).serial
        return rfi(m, p, v, cpu)
    return -xen.ENOSYS


@jit
def rfi(m, p, v, cpu):
    """RFI: MSR from r5, PC from r6, five registers from the stack, the enable from MSR[EE]. Returns the guest's r3."""
    accounting.path(m, p, paths.RFI)
    size = guest_stack.cell_bytes(cpu)
    a = guest_stack.place(cpu, cpu.gpr[1], sapic.RFI_CELLS * size)
    if a == NOBODY:
        board.stop_domain(m, p, vcpu(m, v).domain, Exit.UPCALL, 0)
        return 0
    on = cpu.gpr[5] & MSR_EE != 0
    cpu.nip = cpu.gpr[6] & ~3
    cpu.msr = restored(cpu.msr, cpu.gpr[5] | MSR_EE, pcpu(m, p).isa)
    cpu.gpr[4] = guest_stack.get(m, cpu, a + size, size)
    cpu.gpr[5] = guest_stack.get(m, cpu, a + 2 * size, size)
    cpu.gpr[6] = guest_stack.get(m, cpu, a + 3 * size, size)
    cpu.gpr[1] = guest_stack.get(m, cpu, a + 4 * size, size)
    if has_events(m):
        set_mask(m, v, 0 if on else 1)
    else:
        vlsapic.set_word(m, v, sapic.VEE, 1 if on else 0)
    if on:
        trace.returned(m, v, vcpu(m, v).domain, p, pcpu(m, p).now)
    return guest_stack.get(m, cpu, a, size)


@jit
def set_mask(m, v, value):
    """events=callback: evtchn_upcall_mask is the enable, inverted."""
    write_ram(m, vcpu(m, v).info + xen.UPCALL_MASK, 1, value)


@jit
def on_hdec(m, p):
    """No guest can hold an interrupt off from the hypervisor."""


@jit
def on_access(m, p, what):
    """The guest cleared a PENDING bit: it knows."""
    if what == Outcome.STORED:
        event_channel.observe_store(m, p)


@jit
def on_switch(m, p):
    """Nothing here depends on who runs."""


@hot
def before_entry(m, p):
    """Deliver, if something is pending and the guest lets it in; mode real: else ask to be told when it does."""
    pc = pcpu(m, p)
    v = pc.context
    if v < 0:
        return
    cpu = context(m, v)
    if has_events(m):
        before_entry_by_events(m, p, v, cpu)
        return
    if vcpu(m, v).ticked != 0:
        tick(m, p, v)
    shared = vlsapic.is_shared(m)
    on = cpu.msr & MSR_EE != 0 and (not shared or vlsapic.enabled(m, v))
    if shared and not on:
        vlsapic.pend_events(m, v)  # seen all the same
        accounting.path(m, p, paths.CHECK)
        return
    deliverable = vlsapic.check(m, v) != sapic.SPURIOUS
    if not shared:
        if deliverable and not on and header(m).options & IA64_MER_OFF == 0:
            cpu.lpcr |= LPCR_MER
        else:
            cpu.lpcr &= ~LPCR_MER
    if not deliverable or not on:
        accounting.path(m, p, paths.CHECK)
        return
    reflect(m, p, v, cpu)
    if shared:
        cpu.msr |= MSR_EE
        vlsapic.set_word(m, v, sapic.VEE, 0)


@jit
def reflect(m, p, v, cpu):
    """As if hardware had interrupted the guest at 0x500; its SRR0 and SRR1 must be free, or it could not return."""
    pc = pcpu(m, p)
    w = vcpu(m, v)
    if cpu.msr & MSR_RI == 0:
        board.stop_domain(m, p, w.domain, Exit.UNRECOVERABLE, 0)
        return
    inject.inject(m, p, cpu, 0 if w.marked == pc.serial or w.marked == ANY_ENTRY else pc.entry)


@jit
def tick(m, p, v):
    """The timer: its vector becomes pending, unless the guest masks it."""
    vcpu(m, v).ticked = 0
    itv = load32(m.ram, vlsapic.mapped(m, v) + sapic.ITV)
    if itv & sapic.MASK_ALL == 0 and itv & 0xFF >= sapic.FIRST_VECTOR:
        vlsapic.pend(m, p, v, itv & 0xFF)


@jit
def before_entry_by_events(m, p, v, cpu):
    """reflect_event: as `reflect`, but to the callback."""
    w = vcpu(m, v)
    if w.ticked != 0:
        w.ticked = 0
        event_channel.send_virq(m, p, v, xen.VIRQ_TIMER)
    if not notify.upcall_pending(m, v) or not notify.upcalls_enabled(m, v) or cpu.msr & MSR_EE == 0:
        accounting.path(m, p, paths.TEST_EVENTS)
        return
    if w.event_callback == 0:
        board.stop_domain(m, p, w.domain, Exit.UPCALL, 0)
        return
    reflect(m, p, v, cpu)
    if domain(m, w.domain).alive != 0:
        cpu.msr |= MSR_EE
        cpu.nip = w.event_callback & ~3
        set_mask(m, v, 1)


@jit
def whereabouts(m, s):
    """Pending in the owner's controller, held off there or by the enable word, in the real one, or nowhere."""
    irq = source(m, s).irq
    r = pirq(m, irq)
    if has_events(m):
        where = external.whereabouts(m, s)
        v = event_channel.notified(m, r.domain, r.port)
        return Where.DISABLED if where == Where.UNDER_WAY and not notify.upcalls_enabled(m, v) else where
    w = vcpu(m, r.server)
    if vlsapic.has(w.irr, r.sapic):
        if vlsapic.holds_off(m, r.server, r.sapic):
            return Where.PRIORITY
        return Where.DISABLED if vlsapic.is_shared(m) and not vlsapic.enabled(m, r.server) else Where.UNDER_WAY
    if r.level != 0 and vlsapic.has(w.insvc, r.sapic):
        return Where.PRIORITY  # in service, not ended
    return Where.UNDER_WAY if openpic.is_pending(m, irq) != 0 else Where.NOWHERE
