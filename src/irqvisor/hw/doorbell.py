"""Doorbells: msgsnd, msgsndp and their like (Power ISA Book III-S, Processor Control).

A pCPU has two exceptions, one for privileged and one for hypervisor software; delivery ends them. One that comes from
another pCPU is under way as long as an inter-processor interrupt, as an event of the timeline: that keeps what each
pCPU sees independent of the order in which they are simulated. A core has one thread.
"""

from irqvisor._jit import jit
from irqvisor.hw import ops, timeline
from irqvisor.hw.state import NOBODY, EventKind, context, header, pcpu
from irqvisor.spec.power_isa import MESSAGE_DOORBELL, MESSAGE_TAG, MESSAGE_THREAD, MESSAGE_TYPE

PRIVILEGED = 1
HYPERVISOR = 2
"""Bits of ``pcpu.doorbell``: exceptions that exist; of ``pcpu.ringing``: those under way."""
KINDS = 4
"""In the argument of an event: pCPU times this, and the bit."""


@jit
def thread_of(m, tag):
    """The pCPU whose thread has this identification, or NOBODY."""
    for q in range(header(m).n_pcpu):
        c = pcpu(m, q).context
        if c >= 0 and context(m, c).pir == tag:
            return q
    return NOBODY


@jit
def message(m, p, op, value):
    """msgsnd, msgclr, msgsndp, msgclrp; messages of other types do nothing."""
    if value & MESSAGE_TYPE != MESSAGE_DOORBELL:
        return
    pc = pcpu(m, p)
    if op == ops.MSGCLR:
        pc.doorbell &= ~HYPERVISOR
    elif op == ops.MSGSNDP or op == ops.MSGCLRP:
        if value & MESSAGE_THREAD == 0:
            pc.doorbell = (pc.doorbell | PRIVILEGED) if op == ops.MSGSNDP else (pc.doorbell & ~PRIVILEGED)
    else:
        ring(m, p, thread_of(m, value & MESSAGE_TAG))


@jit
def ring(m, p, q):
    """A hypervisor doorbell from pCPU `p` to `q`."""
    if q == p:
        pcpu(m, q).doorbell |= HYPERVISOR
    elif q != NOBODY and pcpu(m, q).ringing & HYPERVISOR == 0:
        pcpu(m, q).ringing |= HYPERVISOR
        timeline.schedule(m, pcpu(m, p).now + header(m).phys_ipi, 0, EventKind.DOORBELL, q * KINDS + HYPERVISOR)


@jit
def arrive(m, arg):
    """One that was under way is there."""
    pc = pcpu(m, arg // KINDS)
    pc.ringing &= ~(arg % KINDS)
    pc.doorbell |= arg % KINDS
