"""native: no hypervisor. The kernel takes the interrupt and asks the controller itself.

1. A source raises its line; the OpenPIC offers it to its destination and drives the external input of that pCPU.
2. With MSR[EE]=1 the processor saves PC and MSR in SRR0 and SRR1, turns EE off and enters real mode at 0x500.
3. The kernel reads IACK: the controller drops the line, puts the source in service, and names its vector.
4. It serves the source and writes EOI; the source leaves service.
5. rfid restores PC and MSR. If another source has been waiting, the line is still up and step 2 follows at once.

Source: OpenPIC Register Interface Specification, delivery; Power ISA Book III-S, External Interrupt. One kernel per
pCPU owns every source there and runs all compute loops in turn, so this is a lower bound: nothing is shared.
"""

from irqvisor import trace
from irqvisor._jit import jit
from irqvisor.hv import hcall
from irqvisor.hv.state import Where, pirq
from irqvisor.hw import openpic
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.state import NOBODY, pcpu, source


@jit
def setup(m):
    """The kernel programs the controller itself."""


@jit
def on_external(m, p):
    """Never: the processor enters the kernel directly."""


@jit
def on_hcall(m, p, v, cpu):
    """Never: sc 1 is the kernel's own system call."""
    return hcall.Answer.NOT_MINE


@jit
def on_hdec(m, p):
    """Never."""


@jit
def on_access(m, p, what):
    """IACK: the kernel knows the source. EOI: its journey is complete."""
    pc = pcpu(m, p)
    irq = pc.watch_at
    if irq == NOBODY:
        return
    if not openpic.is_input(m, irq):
        if what == Outcome.ACKNOWLEDGED:
            trace.context_count(m, pc.context).learned += 1  # an IPI or a timer: no source, but not spurious either
        return
    s = pirq(m, irq).source
    if s == NOBODY:
        return
    if what == Outcome.ACKNOWLEDGED:
        trace.known(m, s, pc.context, p, pc.now, source(m, s).head)
    elif what == Outcome.ENDED:
        trace.finish(m, s, p, pc.now)


@jit
def on_switch(m, p):
    """Nothing here depends on who runs."""


@jit
def before_entry(m, p):
    """Nobody is between the kernel and its context."""


@jit
def whereabouts(m, s):
    """In the controller, masked there, held off there, or nowhere."""
    irq = source(m, s).irq
    if source(m, s).level != 0 and openpic.pic_source(m, irq).server != NOBODY:
        return Where.PRIORITY  # in service, not ended
    if openpic.is_pending(m, irq) == 0:
        return Where.NOWHERE
    if openpic.is_masked(m, irq) != 0:
        return Where.MASKED
    if openpic.is_held_off(m, irq, pirq(m, irq).pcpu) != 0:
        return Where.PRIORITY
    return Where.UNDER_WAY
