"""xen-x86: the hypervisor takes every interrupt and calls the guest, which chose the address and owns the stack.

1. A source raises its line; the OpenPIC drives the external input of a pCPU. LPES0=0, and the guest's MSR[EE] is
   always 1: the processor enters the hypervisor at once, whatever the guest thinks of interrupts. It must be one that
   enters by HSRR0 and HSRR1, for the guest may be using SRR0 and SRR1.
2. The hypervisor reads IACK; an edge is ended there, a level line stays in service until the guest says it is done.
3. pirq to port: PENDING, then MASK, selector, upcall_pending of the port's vCPU; a blocked vCPU is woken, one running
   on another pCPU is kicked.
4. On every resume of any domain: upcall_pending, upcall_mask 0, MSR[EE] 1? Then eight cells go onto the guest's stack -
   r1, r3, r4, PC, the mask, MSR, cause, DAR - the mask becomes 1, and the guest goes on at the event callback that it
   registered (set_callbacks). SRR0 and SRR1 are left alone, and translation stays as it was.
5. The guest clears upcall_pending, takes the selector, scans PENDING and not MASK, clears PENDING, serves; for a level
   line it makes PHYSDEVOP_eoi. Upcalls do not nest while the mask is 1; a handler that clears it may be called again.
6. It returns by the iret hypercall: frame to registers, the mask from the frame, and step 4 again, onto the stack as it
   was before. Or by itself (option iret=direct): it clears the mask, and whatever comes before its rfid it must fix up.
7. The guest masks by a store. It unmasks by a store and a look at upcall_pending; if that is set, any hypercall helps.
8. SCHEDOP_block clears the mask, marks the vCPU blocked, then looks. Timers are VIRQ_TIMER: a decrementer interrupt
   would strike while the guest has its interrupts off.

Source: Xen of March 2006, arch/x86/x86_64, entry.S and traps.c; Linux 2.6.16-xen, entry-xen.S. The frame and the
numbers for PowerPC are ours: docs/explanation/designs/xen-x86.md.
"""

from irqvisor import trace
from irqvisor._jit import hot, jit
from irqvisor.hv import accounting, board, event_channel, external, guest_stack, hcall, notify
from irqvisor.hv.state import ANY_ENTRY, Enable, Exit, Where, domain, pirq, vcpu
from irqvisor.hw.memory import EA_64, write_ram
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NEVER, NOBODY, context, header, pcpu, source
from irqvisor.hw.system import restored
from irqvisor.spec import papr, paths, xen
from irqvisor.spec.bits import i8, ult
from irqvisor.spec.power_isa import (
    MSR_BE,
    MSR_EE,
    MSR_FE0,
    MSR_FE1,
    MSR_FP,
    MSR_HV,
    MSR_PR,
    MSR_SE,
    MSR_VEC,
    VEC_EXTERNAL,
    VEC_INSTRUCTION_STORAGE,
)

CELLS = 8
R1, R3, R4, PC, MASK, MSR, CAUSE, DAR = range(CELLS)
"""What the cells of a frame hold, the first at the new r1. MSR has EE = not MASK in it."""
RED_ZONE = 288
"""Bytes below r1 that a 64-bit function may use (ELFv2 ABI, The Stack Frame)."""
DROPPED = MSR_PR | MSR_FP | MSR_FE0 | MSR_FE1 | MSR_SE | MSR_BE | MSR_VEC


@jit
def setup(m):
    """External interrupts enter the hypervisor: LPES0 is 0 at reset. Guests begin masked, and without a decrementer,
    which the hypervisor keeps reloading; one that writes it has itself to blame."""
    external.open_controller(m)
    for d in range(header(m).n_domain):
        domain(m, d).enable = Enable.MASK_BYTE
    for v in range(header(m).n_context):
        context(m, v).dec_at = NEVER
        vcpu(m, v).timer_event = 1
        set_mask(m, v, 1)


@jit
def on_external(m, p):
    """Ask the controller once, and mark the event; a vCPU that it wakes here waits for the way out."""
    external.take(m, p)


@jit
def on_hcall(m, p, v, cpu):
    """Xen's calls, those of x86 among them, and the console of PAPR."""
    if not hcall.is_marked(cpu.gpr[3]):
        if cpu.gpr[3] == papr.H_PUT_TERM_CHAR or cpu.gpr[3] == papr.H_GET_TERM_CHAR:
            return hcall.cold(m, p)
        cpu.gpr[3] = papr.H_PARAMETER
        return hcall.Answer.DONE
    number = cpu.gpr[3] & 0xFFFF
    w = vcpu(m, v)
    if number == xen.HC_IRET:
        w.marked = pcpu(m, p).serial  # this call is one that looks
        iret(m, p, v, cpu)
        return hcall.Answer.DONE
    if number == xen.HC_SET_CALLBACKS or number == xen.HC_STACK_SWITCH:
        if number == xen.HC_STACK_SWITCH:
            w.kernel_stack = cpu.gpr[4]
        else:
            w.event_callback = cpu.gpr[4]
            w.failsafe_callback = cpu.gpr[5]
        accounting.path(m, p, paths.ENROLL)
        cpu.gpr[3] = 0
        return hcall.Answer.DONE
    if number == xen.HC_XEN_VERSION:
        w.marked = pcpu(m, p).serial  # the dummy call of a guest that found the upcall set
    return hcall.xen_call(m, p, v, cpu)


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
    """test_all_events: call the guest back if an upcall is pending, not masked, and SRR0 and SRR1 are not in use."""
    pc = pcpu(m, p)
    v = pc.context
    if v < 0:
        return
    w = vcpu(m, v)
    if w.ticked != 0:
        w.ticked = 0
        event_channel.send_virq(m, p, v, xen.VIRQ_TIMER)
    cpu = context(m, v)
    if not notify.upcall_pending(m, v) or is_masked(m, v) or cpu.msr & MSR_EE == 0:
        accounting.path(m, p, paths.TEST_EVENTS)
        return
    rescuer = 0 if w.marked == pc.serial or w.marked == ANY_ENTRY else pc.entry
    if bounce(m, p, v, cpu, w.event_callback, VEC_EXTERNAL):
        accounting.charge(m, p, header(m).inject)
        accounting.path(m, p, paths.CALLBACK)
        w.owed = 0
        trace.vectored(m, v, p, pc.now, rescuer)


@hot
def is_masked(m, v):
    """evtchn_upcall_mask of a vCPU: its virtual MSR[EE], inverted."""
    return i8(m.ram[vcpu(m, v).info + xen.UPCALL_MASK]) != 0


@jit
def set_mask(m, v, value):
    """Write evtchn_upcall_mask of a vCPU."""
    write_ram(m, vcpu(m, v).info + xen.UPCALL_MASK, 1, value)


@jit
def bounce(m, p, v, cpu, callback, cause):
    """Build a frame on the guest's stack and continue the guest at a callback. Stores go from the highest address
    down. A guest without a callback, or without memory there, is crashed: False."""
    size = guest_stack.cell_bytes(cpu)
    if cpu.msr & MSR_PR != 0:
        base = vcpu(m, v).kernel_stack
    else:
        base = cpu.gpr[1] - (RED_ZONE if size == 8 else 0)
    frame = (base & ~15) - CELLS * size
    a = guest_stack.place(cpu, frame, CELLS * size)
    if callback == 0 or a == NOBODY:
        board.stop_domain(m, p, vcpu(m, v).domain, Exit.UPCALL, 0)
        return False
    masked = 1 if is_masked(m, v) else 0
    guest_stack.put(m, cpu, a + DAR * size, size, 0)
    guest_stack.put(m, cpu, a + CAUSE * size, size, cause)
    guest_stack.put(m, cpu, a + MSR * size, size, cpu.msr & ~(MSR_HV | MSR_EE) | (0 if masked != 0 else MSR_EE))
    guest_stack.put(m, cpu, a + MASK * size, size, masked)
    guest_stack.put(m, cpu, a + PC * size, size, cpu.nip)
    guest_stack.put(m, cpu, a + R4 * size, size, cpu.gpr[4])
    guest_stack.put(m, cpu, a + R3 * size, size, cpu.gpr[3])
    guest_stack.put(m, cpu, a + R1 * size, size, cpu.gpr[1])
    set_mask(m, v, 1)
    cpu.gpr[1] = frame
    cpu.nip = callback & ~3
    cpu.msr &= ~DROPPED
    return True


@jit
def iret(m, p, v, cpu):
    """The iret hypercall: the frame at r1 becomes the guest's registers, MSR[EE] of it the mask. A frame that cannot be
    read crashes the guest; one that leads nowhere is reported to its failsafe callback."""
    accounting.path(m, p, paths.IRET)
    size = guest_stack.cell_bytes(cpu)
    a = guest_stack.place(cpu, cpu.gpr[1], CELLS * size)
    if a == NOBODY:
        board.stop_domain(m, p, vcpu(m, v).domain, Exit.UPCALL, 0)
        return
    target = guest_stack.get(m, cpu, a + PC * size, size)
    if not ult(target & EA_64, cpu.win_size):
        accounting.path(m, p, paths.FRAME)
        bounce(m, p, v, cpu, vcpu(m, v).failsafe_callback, VEC_INSTRUCTION_STORAGE)
        return
    msr = guest_stack.get(m, cpu, a + MSR * size, size)
    r1 = guest_stack.get(m, cpu, a + R1 * size, size)
    cpu.gpr[3] = guest_stack.get(m, cpu, a + R3 * size, size)
    cpu.gpr[4] = guest_stack.get(m, cpu, a + R4 * size, size)
    cpu.gpr[1] = r1
    cpu.nip = target & ~3
    cpu.msr = restored(cpu.msr, msr | MSR_EE, pcpu(m, p).isa)
    set_mask(m, v, 0 if msr & MSR_EE != 0 else 1)
    if msr & MSR_EE != 0:
        trace.returned(m, v, vcpu(m, v).domain, p, pcpu(m, p).now)


@jit
def whereabouts(m, s):
    """In the controller, pending at the port, masked or held off by the guest, or nowhere."""
    where = external.whereabouts(m, s)
    r = pirq(m, source(m, s).irq)
    v = event_channel.notified(m, r.domain, r.port)
    return Where.DISABLED if where == Where.UNDER_WAY and is_masked(m, v) else where
