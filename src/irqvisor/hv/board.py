"""The paravirt board's control registers, and the ends of domains (docs/reference/paravirt-board.md).

READY: the guest is initialised; when the last one is, the sources are scheduled to start. EXIT: the guest ends.
CONSOLE: one byte, for guests that have no hypervisor to print for them. CLAIM: which event channel announces a channel
of the board. START and the two before it: another vCPU begins, where the hypervisor has no call for that.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import channel, event_channel, lines, scheduler
from irqvisor.hv.state import Exit, domain, vcpu
from irqvisor.hw import timeline
from irqvisor.hw.memory import load64
from irqvisor.hw.state import EventKind, Phase, Stop, context, header, pcpu, request
from irqvisor.spec.bits import srl
from irqvisor.spec.power_isa import MSR_ME, MSR_SF
from irqvisor.spec.xen import VIRQ_DOM_EXC

READY = 0x00
EXIT = 0x08
CONSOLE = 0x10
CLAIM = 0x18
START_AT = 0x20
START_WITH = 0x28
START = 0x30


@jit
def on_board(m, p):
    """A guest stored to a board register."""
    pc = pcpu(m, p)
    d = vcpu(m, pc.context).domain
    if pc.watch_at == READY:
        ready(m, d, pc.now)
    elif pc.watch_at == EXIT:
        stop_domain(m, p, d, Exit.SHUTDOWN if pc.watch_new == 0 else Exit.CRASHED, pc.watch_new)
    elif pc.watch_at == CLAIM:
        channel.claim(m, d, srl(pc.watch_new, 32), pc.watch_new & 0xFFFFFFFF)
    elif pc.watch_at == START_AT:
        domain(m, d).start_at = pc.watch_new
    elif pc.watch_at == START_WITH:
        domain(m, d).start_with = pc.watch_new
    elif pc.watch_at == START:
        start(m, p, d, pc.watch_new)
    elif pc.watch_at == CONSOLE:
        r = request(m)
        r.reason = Stop.CONSOLE
        r.pcpu = p
        r.domain = d
        r.value = pc.watch_new & 0xFF


@jit
def start(m, p, d, number):
    """A vCPU that has not been started begins, in 64-bit mode and with machine checks enabled, as after PAPR's
    start-cpu; any other number does nothing."""
    e = domain(m, d)
    if number < 0 or number >= e.vcpus or vcpu(m, e.vcpu + number).initialised != 0:
        return
    v = e.vcpu + number
    cpu = context(m, v)
    cpu.nip = e.start_at
    cpu.gpr[3] = e.start_with
    cpu.msr = MSR_SF | MSR_ME
    vcpu(m, v).initialised = 1
    scheduler.take_up(m, p, v)


@jit
def ready(m, d, now):
    """A domain's ready mark; after the last one the sources start."""
    if domain(m, d).ready == 0:
        domain(m, d).ready = 1
        one_less(m, now)


@jit
def one_less(m, now):
    """One domain fewer to wait for."""
    h = header(m)
    h.unready -= 1
    if h.unready == 0 and h.phase == Phase.BOOT:
        h.phase = Phase.ARMED
        timeline.schedule(m, now + h.start_at, 0, EventKind.START, 0)


@jit
def stop_domain(m, p, d, why, value):
    """End a domain: it never runs again. `why` is an Exit, `value` what goes with it."""
    e = domain(m, d)
    if e.alive == 0:
        return
    pc = pcpu(m, p)
    e.alive = 0
    e.exit = why
    e.status = value
    e.exit_cycle = pc.now
    here = pc.context >= 0 and vcpu(m, pc.context).domain == d
    e.exit_pc = context(m, pc.context if here else e.vcpu).nip
    trace.emit(m, trace.Kind.DOMAIN_STOP, pc.now, p, d, -1, 0, why)
    if pc.hypervisor != 0:
        lines.abandon(m, d)
        tell_of_end(m, p)
    if here:
        scheduler.unload(m, p)
    for v in range(e.vcpu, e.vcpu + e.vcpus):
        if vcpu(m, v).running != 0:
            scheduler.kick(m, p, vcpu(m, v).pcpu)  # it stops running when the IPI arrives
    pc.resched = 1
    if e.ready == 0:
        one_less(m, pc.now)


@jit
def tell_of_end(m, p):
    """VIRQ_DOM_EXC: the hardware domain hears that a domain has ended."""
    for d in range(header(m).n_domain):
        e = domain(m, d)
        if e.hardware != 0 and e.alive != 0:
            number = vcpu(m, e.vcpu).virq[VIRQ_DOM_EXC]
            if number != 0:
                event_channel.set_pending(m, p, d, number)


@jit
def panic(m, p):
    """The hypervisor itself goes down, as a historical defect would have it: every domain with it."""
    for d in range(header(m).n_domain):
        stop_domain(m, p, d, Exit.PANIC, 0)
    for q in range(header(m).n_pcpu):
        scheduler.unload(m, q)


@jit
def begin_counting(m):
    """The sources start: counters begin here, so that booting is not measured."""
    o = trace.observed(m, 0)
    for k in range(len(o.entries)):
        o.entries[k] = 0
    for p in range(header(m).n_pcpu):
        c = trace.pcpu_count(m, p)
        c.hypervisor = 0
        c.idle = 0
        c.began = pcpu(m, p).now
        c.began_icount = pcpu(m, p).icount
    for d in range(header(m).n_domain):
        c = trace.domain_count(m, d)
        c.spurious = 0
        c.foreign = 0
        for k in range(domain(m, d).loops):
            c.work[k] = load64(m.ram, domain(m, d).work + 8 * k)


@jit
def end_counting(m):
    """The sources stop: what was done until here is the work; interrupts in flight still count."""
    for p in range(header(m).n_pcpu):
        c = trace.pcpu_count(m, p)
        c.ended = pcpu(m, p).now
        c.ended_icount = pcpu(m, p).icount
        c.ended_hypervisor = c.hypervisor
        c.ended_idle = c.idle
    for d in range(header(m).n_domain):
        c = trace.domain_count(m, d)
        for k in range(domain(m, d).loops):
            c.work[k] = load64(m.ram, domain(m, d).work + 8 * k) - c.work[k]
