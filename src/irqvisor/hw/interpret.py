"""The processor: run one context on one pCPU until something outside the processor is needed.

`interpret` runs stretches of plain instructions (`hw/stretch.py`, the hot loop) and calls `system` or `data_access` for
what ends one, or passes the `gate`, without leaving compiled code. Its rules:

* A stretch runs to a cycle, computed once: the horizon, the next decrementer exception, HDEC. There is no
  per-instruction interrupt test. Whatever can raise an interrupt or change the horizon (system instructions, devices)
  is slow, and `interpret` looks again afterwards.
* The clock and the count of a pCPU are right before each slow instruction; in between only `n` counts.
* Interrupts are taken between instructions only, at entry and after slow instructions; so cutting a run in pieces
  changes nothing.
* The hypervisor answers a call in the gate, for `interpret` and for host code alike. What is remembered across it is
  looked at again.

Entered with a context that is running; what hardware cannot finish by itself is reported as an `Outcome`.
"""

from enum import IntEnum
from typing import Any

from irqvisor._jit import cold, hot, jit
from irqvisor.hw import decode
from irqvisor.hw.exceptions import Due, checks_machine, enter, interrupt, machine_check
from irqvisor.hw.host import ANSWERED, ELSEWHERE, STUCK, gate_address
from irqvisor.hw.memory import EA_64, fetch, forget_page, pool_is_shared
from irqvisor.hw.ops import (
    ATTN,
    B_NEAR,
    BC,
    BC_FALSE,
    BC_FALSE_NEAR,
    BC_TRUE,
    BC_TRUE_NEAR,
    BDNZ_NEAR,
    BL_NEAR,
    BRANCH_END,
    DATA_END,
    HRFID,
    MEM_END,
    NEAR_END,
    NEAR_FIRST,
    PAGE_END,
    RFID,
    SC,
    UNDECODED,
    B,
)
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.spr import SIAR
from irqvisor.hw.state import (
    CLEAN,
    CODE_PAGE,
    CODE_STRIDE,
    LITTLE,
    NEVER,
    PAGE_SHIFT,
    WATCHED,
    Stop,
    breakpoint_at,
    codemap,
    context,
    header,
    pcpu,
    request,
)
from irqvisor.hw.storage import data_access
from irqvisor.hw.stretch import NOWHERE, course, operation_at, order_of, page_of
from irqvisor.hw.system import call_hypervisor, return_from_interrupt, supervisor, system
from irqvisor.hw.timer import decrementer_due
from irqvisor.spec.bits import i8, likely, u8, ult
from irqvisor.spec.power_isa import (
    BO_HINTS,
    BO_IGNORE_CR,
    ISI_NO_TRANSLATION,
    ISI_PROTECTION,
    LPCR_MER,
    MSR_BE,
    MSR_DR,
    MSR_EE,
    MSR_IR,
    MSR_LE,
    MSR_PR,
    MSR_RI,
    MSR_SE,
    VEC_INSTRUCTION_STORAGE,
    VEC_TRACE,
)

PAGE_BYTES = 1 << PAGE_SHIFT


class Fetch(IntEnum):
    """What became of an instruction that has to be had."""

    READY = 0
    FAULT = 1  # it is nowhere
    COLD = 2  # the pool of decoded words is full, or shared: Python makes room


@jit
def make_code(m, cpu):
    """Give the page of NIP decoded words, or another byte order: makes room in the pool. Returns a Fetch."""
    real = cpu.nip & EA_64
    if not ult(real, cpu.win_size) or cpu.msr & MSR_IR != 0:
        return Fetch.FAULT
    page = (cpu.win_base + real) >> PAGE_SHIFT
    entry = i8(codemap(m, page).entry)
    if entry & WATCHED != 0:
        return Fetch.FAULT
    if page_of(entry, order_of(cpu.msr)) != 0:
        return Fetch.READY
    if pool_is_shared(m) != 0:
        return Fetch.COLD
    if entry & CODE_PAGE == 0:
        used = m.code[0].imm
        if 1 + (used + 1) * CODE_STRIDE > len(m.code):
            return Fetch.COLD
        m.code[0].imm = used + 1
        m.code[(used + 1) * CODE_STRIDE].op = PAGE_END
        codemap(m, page).entry = (entry & CLEAN) | (used + 1) | order_of(cpu.msr)
    else:  # its words mean something else now
        number = entry & CODE_PAGE
        forget_page(m, number)
        forget_page(m, number + m.code[number * CODE_STRIDE].imm // CODE_STRIDE)  # its plain copy, or again itself
        codemap(m, page).entry = entry ^ LITTLE
    return Fetch.READY


@cold
def make_ready(m, cpu, isa, place):
    """The instruction at NIP is not decoded, or its page is not, or the page before has ended. Returns a Fetch."""
    if place == NOWHERE:
        return make_code(m, cpu)
    if m.code[place].op == UNDECODED:
        if pool_is_shared(m) != 0:
            return Fetch.COLD
        decode_at(m, cpu, isa, place, cpu.nip)
    return Fetch.READY


@cold
def fetch_fault(m, p, cpu):
    """The instruction at NIP cannot be fetched. False if that stops the processor."""
    if cpu.msr & MSR_IR != 0:
        pcpu(m, p).untranslated += 1
        enter(m, p, cpu, VEC_INSTRUCTION_STORAGE, ISI_NO_TRANSLATION)
    elif checks_machine(pcpu(m, p), cpu):
        return machine_check(m, p, cpu, 0)
    else:
        enter(m, p, cpu, VEC_INSTRUCTION_STORAGE, ISI_PROTECTION)
    return True


@cold
def trace_completed(m, p, cpu, op, address):
    """Trace interrupt after an instruction that completed with MSR[SE] or MSR[BE] on, before and after it. SIAR keeps
    where it was."""
    is_branch = MEM_END <= op < BRANCH_END or NEAR_FIRST <= op < NEAR_END
    if cpu.msr & MSR_SE != 0 or (cpu.msr & MSR_BE != 0 and is_branch):
        cpu.spr[SIAR] = address
        enter(m, p, cpu, VEC_TRACE, 0)


@hot
def is_quiet(pc, cpu):
    """Whether nothing asynchronous can be pending, so that `interrupt` need not be asked."""
    waiting = pc.external | pc.virtualization | pc.doorbell
    if waiting != 0 or pc.now >= pc.hdec_at or pc.now >= cpu.dec_at:
        return False
    return cpu.lpcr & LPCR_MER == 0 or cpu.msr & MSR_EE == 0


@cold
def until(m, pc, cpu):
    """The cycle to run to before something has to be looked at again: always a later one. What is pending already is
    held off, and what sets MSR[EE] is a slow instruction: with that bit off no decrementer exception needs a look."""
    now = pc.now
    due = cpu.dec_at
    if now >= due:
        due = NEVER if cpu.msr & MSR_EE == 0 else max(decrementer_due(m, cpu, now), now + 1)
    if pc.hdec_at > now:
        due = min(due, pc.hdec_at)
    return min(due, header(m).horizon)


@hot
def instructions_for(cycles, cpi):
    """How many instructions reach that far: rounded up. The usual costs need no division."""
    if cpi == 1:
        return cycles
    elif cpi == 2:
        return (cycles + 1) >> 1
    return (cycles + cpi - 1) // cpi


@hot
def quiet_until(m, pc, cpu):
    """The cycle to run to while nothing is pending: the next decrementer exception, HDEC, the horizon."""
    return min(cpu.dec_at, pc.hdec_at, header(m).horizon)


@hot
def budget_to(m, pc, end, last):
    """How many instructions may complete until a cycle, and until the pCPU's count is `last`; none: not above 0."""
    return min(instructions_for(end - pc.now, header(m).cpi), last - pc.icount)


@hot
def is_at_limit(m, pc, last):
    """Whether a pCPU has reached the horizon, or its count is `last`."""
    return pc.now >= header(m).horizon or pc.icount >= last


@jit
def shorten(d, pc):
    """Rewrite a branch that stays in its page to one that counts words: there it needs no address."""
    if not 0 <= (pc & (PAGE_BYTES - 1)) + d.imm < PAGE_BYTES:
        return
    op = i8(d.op)
    if op == BC_TRUE:
        d.op = BC_TRUE_NEAR
    elif op == BC_FALSE:
        d.op = BC_FALSE_NEAR
    elif op == B:
        d.op = BL_NEAR if d.x != 0 else B_NEAR
    elif op == BC and d.x == 0 and i8(d.t) & ~BO_HINTS == BO_IGNORE_CR:
        d.op = BDNZ_NEAR
    else:
        return
    d.imm >>= 2


@hot
def is_instruction(m, place):
    """Whether an instruction was decoded at a place."""
    if place == NOWHERE:
        return False
    op = i8(m.code[u8(place)].op)
    return op != UNDECODED and op != PAGE_END


@hot
def calls_hypervisor(m, pc, place):
    """Whether a decoded instruction is a call of the hypervisor."""
    d = m.code[u8(place)]
    return i8(d.op) == SC and d.imm & 1 != 0 and pc.hypervisor != 0


@jit
def is_breakpoint(m, a):
    """Whether somebody wants to stop before the instruction at a RAM offset."""
    for k in range(request(m).breakpoints):
        if breakpoint_at(m, k).at == a:
            return True
    return False


@jit
def decode_at(m, cpu, isa, place, pc):
    """Decode the word at an address into its place, in a pool that is not shared."""
    d = m.code[place]
    decode.decode(fetch(m, cpu, pc), isa, d)
    if cpu.msr & MSR_LE != 0:
        decode.exchange(d)
    shorten(d, pc)
    if request(m).breakpoints != 0 and is_breakpoint(m, cpu.win_base + (pc & EA_64)):
        decode.put(d, ATTN, 0, 0, 0, 1, 0)


def interpreter(hypercall: Any) -> Any:
    """A processor whose hypervisor is `hypercall`, a compiled function of the machine and the pCPU: it answers the call
    that the context has made, all the way out, and says whether that context goes on at once."""

    @cold
    def gate(m, cpu, n, d):
        """A slow instruction, `n` instructions after the last that were accounted for (`hw/host.py`): `sc 1` to the
        hypervisor, `rfid`, or `mtmsrd` with L=1."""
        p = cpu.pcpu
        pc = pcpu(m, p)
        ask = request(m)
        msr = cpu.msr
        ask.forgotten = 0
        ask.resumed = 1
        if likely(i8(d.op) == SC):
            pc.now += (n + 1) * header(m).cpi
            pc.icount += n + 1
            call_hypervisor(cpu)
            if not hypercall(m, p):
                ask.resumed = 0
                return 0
        else:
            pc.now += n * header(m).cpi
            if i8(d.op) == RFID and msr & MSR_PR == 0:  # the usual one, without a call
                return_from_interrupt(m, p, cpu, cpu.srr0, cpu.srr1, False)
            else:
                supervisor(m, p, cpu, i8(d.op), i8(d.t), 1, 0)
            pc.now += header(m).cpi
            pc.icount += n + 1
        if (cpu.msr ^ msr) & ~(MSR_EE | MSR_RI) != 0 or ask.forgotten != 0 or not is_quiet(pc, cpu):
            return 0
        ask.budget = budget_to(m, pc, quiet_until(m, pc, cpu), ask.last)
        return max(ask.budget, 0)

    @cold
    def interpret(m, p, quota):
        """Run pCPU `p`'s context until the machine's horizon, for at most `quota` instructions. Returns an Outcome."""
        pc = pcpu(m, p)
        cpu = context(m, pc.context)
        ask = request(m)
        last = pc.icount + quota
        ask.last = last
        while True:
            # State that slow instructions may change is read afresh here
            if likely(is_quiet(pc, cpu)):
                end = quiet_until(m, pc, cpu)
            else:
                due = interrupt(m, p, cpu)
                if due == Due.EXTERNAL:
                    return Outcome.EXTERNAL
                if due == Due.HDEC:
                    return Outcome.HDEC
                end = until(m, pc, cpu)
            budget = budget_to(m, pc, end, last)
            if budget <= 0:
                return Outcome.LIMIT
            msr = cpu.msr
            top = cpu.win_size - 8
            if msr & (MSR_DR | MSR_SE | MSR_BE) != 0:
                if msr & MSR_DR != 0:
                    top = -1
                if msr & (MSR_SE | MSR_BE) != 0:
                    budget = 1
            way = gate_address(gate, m, cpu, m.code[0]) if msr & (MSR_SE | MSR_BE) == 0 and pc.hypervisor != 0 else 0
            ask.budget = budget
            address = cpu.nip
            n = 0
            place = NOWHERE
            why = ELSEWHERE
            fetched = Fetch.READY
            while fetched == Fetch.READY:
                n, place, why = course(m, pc, cpu, n, top, way)
                if why != ELSEWHERE or n >= ask.budget or is_instruction(m, place):
                    break
                fetched = make_ready(m, cpu, pc.isa, place)
            is_slow = why == STUCK or (why == ELSEWHERE and n < ask.budget and fetched == Fetch.READY)
            if is_slow and calls_hypervisor(m, pc, place):
                gate(m, cpu, n, m.code[u8(place)])
                why = ANSWERED
            if why == ANSWERED:
                if ask.resumed == 0:
                    return Outcome.HCALL
                if is_at_limit(m, pc, last):
                    return Outcome.LIMIT
                continue
            pc.now += n * header(m).cpi
            pc.icount += n
            if is_slow:
                # One instruction that may touch anything
                d = m.code[u8(place)]
                op = i8(d.op)
                address = cpu.nip
                outcome = data_access(m, p, cpu, d) if op < DATA_END else system(m, p, cpu, d)
                if outcome == Outcome.AGAIN:
                    return Outcome.AGAIN
                pc.icount += 1
                pc.now += header(m).cpi
                if msr & cpu.msr & (MSR_SE | MSR_BE) != 0 and op != RFID and op != HRFID:
                    trace_completed(m, p, cpu, op, address)
                if outcome != Outcome.DONE:
                    return outcome
            elif n >= ask.budget:
                if msr & (MSR_SE | MSR_BE) != 0:
                    trace_completed(m, p, cpu, operation_at(m, cpu, address), address)
            elif fetched == Fetch.COLD:
                ask.reason = Stop.CODE
                ask.pcpu = p
                return Outcome.AGAIN
            elif not fetch_fault(m, p, cpu):
                return Outcome.AGAIN
            if is_at_limit(m, pc, last):
                return Outcome.LIMIT

    return interpret
