"""The pseries board's hypercalls that are on an interrupt's path; all others are the control plane's (`papr_calls`).

A partition by itself on the machine, each vCPU on a pCPU of its own: the hypervisor never preempts and nothing is
foreign. Interrupts come as under rhype: at 0x500, into the partition, which asks H_XIRR for the vector and ends it with
H_EOI; the controller asked is the partition's own (`xics`). LoPAPR, Hypervisor Call Functions.
"""

from irqvisor._jit import entry, jit
from irqvisor.hv import hcall, scheduler, time_of_day, xics
from irqvisor.hv.state import printed, server, vcpu
from irqvisor.hw.memory import load32, write_ram
from irqvisor.hw.state import NOBODY, Stop, header, pcpu, request
from irqvisor.hw.timer import read_timebase
from irqvisor.spec import papr
from irqvisor.spec.bits import add, ult
from irqvisor.spec.power_isa import MSR_EE
from irqvisor.tables import borrow

PRINTED_BYTES = 4096
"""Room for what is printed between two looks of Python."""


@jit
def on_hcall(m, p, v, cpu):
    """The XICS calls, H_CEDE, the console, and the time of day."""
    number = cpu.gpr[3]
    if number == papr.H_XIRR or number == papr.H_XIRR_X:
        cpu.gpr[4] = xics.accept(m, p, v)
        if number == papr.H_XIRR_X:
            cpu.gpr[5] = read_timebase(m, pcpu(m, p))
    elif number == papr.H_EOI:
        if not xics.end(m, p, v, cpu.gpr[4]):
            cpu.gpr[3] = papr.H_PARAMETER
            return hcall.Answer.DONE
    elif number == papr.H_CPPR:
        xics.set_cppr(m, p, v, cpu.gpr[4] & 0xFF)
    elif number == papr.H_IPI:
        if not ult(cpu.gpr[4], header(m).n_context):
            cpu.gpr[3] = papr.H_PARAMETER
            return hcall.Answer.DONE
        xics.set_mfrr(m, p, cpu.gpr[4], cpu.gpr[5] & 0xFF)
    elif number == papr.H_CEDE:
        cede(m, p, v, cpu)
    elif number == papr.H_PUT_TERM_CHAR:
        cpu.gpr[3] = put_term_char(m, p, cpu)
        return hcall.Answer.DONE
    elif number == papr.H_RTAS and time_of_day.is_asked(m, cpu, cpu.gpr[4]):
        time_of_day.answer(m, p, cpu, cpu.gpr[4])
    else:
        return hcall.cold(m, p)
    cpu.gpr[3] = papr.H_SUCCESS
    return hcall.Answer.DONE


@jit
def put_term_char(m, p, cpu):
    """H_PUT_TERM_CHAR: up to 16 bytes, the first in the top byte of r6. Python takes them when the loop returns, which
    it does for this reason only if there is no room for more, or somebody waits for them."""
    count = cpu.gpr[5]
    if (cpu.gpr[4] != 0 and cpu.gpr[4] != papr.VTY) or not ult(count, papr.TERM_MAX + 1):
        return papr.H_PARAMETER
    ask = request(m)
    for k in range(count):
        printed(m, ask.printed + k).byte = (cpu.gpr[6 + (k >> 3)] >> (56 - 8 * (k & 7))) & 0xFF
    ask.printed += count
    if ask.prompt != 0 or ask.printed > PRINTED_BYTES - papr.TERM_MAX:
        ask.reason = Stop.CONSOLE
        ask.pcpu = p
    return papr.H_SUCCESS


@jit
def cede(m, p, v, cpu):
    """H_CEDE: enable interrupts and sleep until one is pending, or a prod; one prod from before counts."""
    cpu.msr |= MSR_EE
    w = vcpu(m, v)
    if w.prodded != 0:
        w.prodded = 0
        return
    pcpu(m, p).waiting = 1
    count_dispatch(m, v)


@jit
def count_dispatch(m, v):
    """A vCPU stops or goes on: its dispatch counter, odd while it does not run, tells the partition."""
    a = server(m, v).vpa
    if a != NOBODY:
        a += papr.VPA_DISPATCH_AT
        write_ram(m, a, 4, add(load32(m.ram, a), 1))


@jit
def kicked(m, p):
    """What another pCPU did has reached this one: its interrupt line, or a prod."""
    v = pcpu(m, p).context
    if v < 0:
        return
    xics.drive(m, p, v)
    w = vcpu(m, v)
    if w.prodded != 0 and pcpu(m, p).waiting != 0:
        w.prodded = 0
        pcpu(m, p).waiting = 0
        count_dispatch(m, v)


@entry
def prod(m, p, v):
    """H_PROD: end a vCPU's sleep, now or the next time."""
    m = borrow(m)
    vcpu(m, v).prodded = 1
    if vcpu(m, v).pcpu != p:
        scheduler.kick(m, p, vcpu(m, v).pcpu)


@entry
def tell_dispatch(m, v):
    """`count_dispatch` for the control plane."""
    m = borrow(m)
    count_dispatch(m, v)


@entry
def drive(m, p, v):
    """`xics.drive` for the control plane, which starts and stops vCPUs."""
    m = borrow(m)
    xics.drive(m, p, v)
