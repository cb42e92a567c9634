"""The processor: run one context on one pCPU until something outside the processor is needed.

`interpret` is the hot loop. It fetches decoded records, inlines the instruction groups (ALU, loads and stores,
branches, conditions, carries) and calls `system` for the rest without leaving compiled code. Its rules:

* It runs to a cycle, computed once: the horizon, the next decrementer exception, HDEC. There is no per-instruction
  interrupt test. Whatever can raise an interrupt or change the horizon (system instructions, devices) is in the slow
  groups, which look again afterwards.
* pCPU time is ``base + n * cpi`` between slow instructions and is written back before each.
* Interrupts are taken between instructions only, at entry and after slow instructions; so cutting a run in pieces
  changes nothing.

Entered with a context that is running; what hardware cannot finish by itself is reported as an `Outcome`.
"""

from irqvisor._jit import hot, jit
from irqvisor.hw import decode
from irqvisor.hw.alu import alu
from irqvisor.hw.branch import branch
from irqvisor.hw.carry import carry, record
from irqvisor.hw.condition import condition
from irqvisor.hw.exceptions import Due, enter, interrupt
from irqvisor.hw.memory import (
    disturbs,
    load8,
    load16,
    load32,
    load64,
    pool_is_shared,
    store8,
    store16,
    store32,
    store64,
)
from irqvisor.hw.ops import (
    ALU_END,
    BRANCH_END,
    CARRY_END,
    CONDITION_END,
    HRFID,
    LBZ,
    LD,
    LHA,
    LHBRX,
    LHZ,
    LWA,
    LWBRX,
    LWZ,
    MEM_END,
    MFSPR,
    MTSPR,
    NOP,
    PAGE_END,
    RC,
    RFID,
    STB,
    STD,
    STDBRX,
    STH,
    STHBRX,
    STORE_FIRST,
    STW,
    UNDECODED,
    UPDATE_END,
    UPDATE_FIRST,
)
from irqvisor.hw.outcome import Outcome
from irqvisor.hw.spr import quick_move
from irqvisor.hw.state import (
    CODE_PAGE,
    CODE_STRIDE,
    NEVER,
    PAGE_SHIFT,
    WATCHED,
    Stop,
    codemap,
    context,
    header,
    pcpu,
    request,
)
from irqvisor.hw.storage import data_access
from irqvisor.hw.system import system
from irqvisor.hw.timer import decrementer_due
from irqvisor.spec.bits import add, bswap16, bswap32, bswap64, i8, sext16, sext32, u8, ult
from irqvisor.spec.power_isa import (
    ISI_NO_TRANSLATION,
    ISI_PROTECTION,
    LPCR_MER,
    MSR_BE,
    MSR_DR,
    MSR_EE,
    MSR_IR,
    MSR_SE,
    MSR_SF,
    VEC_INSTRUCTION_STORAGE,
    VEC_TRACE,
)

EA_64 = (1 << 60) - 1
"""Real mode ignores the top four bits of an effective address."""
EA_32 = (1 << 32) - 1

FETCH_FAULT = -(1 << 62)
FETCH_COLD = FETCH_FAULT + 1
FETCH_UNKNOWN = FETCH_FAULT + 2
FETCH_FAILED = FETCH_FAULT + 3
"""Fetch biases below this are failures; real ones are far above."""


@hot
def load(ram, op, a):
    """The value of a plain load at a RAM offset."""
    if op == LBZ:
        return load8(ram, a)
    elif op == LHZ:
        return load16(ram, a)
    elif op == LWZ:
        return load32(ram, a)
    elif op == LD:
        return load64(ram, a)
    elif op == LHA:
        return sext16(load16(ram, a))
    elif op == LWA:
        return sext32(load32(ram, a))
    elif op == LHBRX:
        return bswap16(load16(ram, a))
    elif op == LWBRX:
        return bswap32(load32(ram, a))
    return bswap64(load64(ram, a))


@hot
def store(ram, op, a, v):
    """A plain store at a RAM offset."""
    if op == STB:
        store8(ram, a, v)
    elif op == STH:
        store16(ram, a, v)
    elif op == STW:
        store32(ram, a, v)
    elif op == STD:
        store64(ram, a, v)
    elif op == STHBRX:
        store16(ram, a, bswap16(v))
    elif op == STDBRX:
        store64(ram, a, bswap64(v))
    else:
        store32(ram, a, bswap32(v))


@jit
def code_bias(m, cpu, pc):
    """Where the decoded page of `pc` starts: index of a word = (pc >> 2) + bias. Makes room in the pool if needed."""
    real = pc & EA_64
    if not ult(real, cpu.win_size) or cpu.msr & MSR_IR != 0:
        return FETCH_FAULT
    page = (cpu.win_base + real) >> PAGE_SHIFT
    entry = i8(codemap(m, page).entry)
    if entry & WATCHED != 0:
        return FETCH_FAULT
    if entry & CODE_PAGE == 0:
        used = m.code[0].imm
        if pool_is_shared(m) != 0 or 1 + (used + 1) * CODE_STRIDE > len(m.code):
            return FETCH_COLD
        m.code[0].imm = used + 1
        m.code[(used + 1) * CODE_STRIDE].op = PAGE_END
        entry = entry | (used + 1)
        codemap(m, page).entry = entry
    return 1 + ((entry & CODE_PAGE) - 1) * CODE_STRIDE - ((pc >> PAGE_SHIFT) << (PAGE_SHIFT - 2))


@jit
def fetch_fault(m, p, cpu):
    """The instruction at NIP cannot be fetched."""
    enter(m, p, cpu, VEC_INSTRUCTION_STORAGE, ISI_NO_TRANSLATION if cpu.msr & MSR_IR != 0 else ISI_PROTECTION)


@jit
def trace_completed(m, p, cpu, op):
    """Trace interrupt after an instruction that completed with MSR[SE] or MSR[BE] on, before and after it."""
    if cpu.msr & MSR_SE != 0 or (cpu.msr & MSR_BE != 0 and MEM_END <= op < BRANCH_END):
        enter(m, p, cpu, VEC_TRACE, 0)


@hot
def is_quiet(pc, cpu):
    """Whether nothing asynchronous can be pending, so that `interrupt` need not be asked."""
    return pc.external == 0 and pc.now < pc.hdec_at and pc.now < cpu.dec_at and cpu.lpcr & LPCR_MER == 0


@hot
def until(m, pc, cpu):
    """The cycle to run to before something has to be looked at again: always a later one."""
    now = pc.now
    due = cpu.dec_at if now < cpu.dec_at else after_expiry(m, cpu, now)
    if pc.hdec_at > now and pc.hdec_at < due:
        due = pc.hdec_at
    horizon = header(m).horizon
    return due if due < horizon else horizon


@jit
def after_expiry(m, cpu, now):
    """The next decrementer exception while one exists or did: not now, since the guest holds it off; and not at all
    with MSR[EE]=0, since what sets that bit is a slow instruction."""
    if cpu.msr & MSR_EE == 0:
        return NEVER
    return max(decrementer_due(m, cpu, now), now + 1)


@hot
def instructions_for(cycles, cpi):
    """How many instructions reach that far: rounded up. The usual costs need no division."""
    if cpi == 1:
        return cycles
    elif cpi == 2:
        return (cycles + 1) >> 1
    return (cycles + cpi - 1) // cpi


@jit
def decode_at(m, cpu, pc, model, index):
    """Decode the word at `pc` into the pool; 0, or 1 if the pool is shared."""
    if pool_is_shared(m) != 0:
        return 1
    word = load32(m.ram, cpu.win_base + (pc & EA_64))
    decode.decode(word, model, m.code[index])
    return 0


@jit
def interpret(m, p, quota):
    """Run pCPU `p`'s context until the machine's horizon, for at most `quota` instructions. Returns an Outcome."""
    pc_ = pcpu(m, p)
    cpu = context(m, pc_.context)
    g = cpu.gpr
    ram = m.ram
    code = m.code
    cpi = header(m).cpi
    if not is_quiet(pc_, cpu):
        due = interrupt(m, p, cpu)
        if due == Due.EXTERNAL:
            return Outcome.EXTERNAL
        if due == Due.HDEC:
            return Outcome.HDEC
    done = 0  # instructions completed before base
    why = Outcome.LIMIT
    bias = FETCH_UNKNOWN
    pc = cpu.nip
    while True:
        # A stretch: state that slow instructions may change is read afresh here
        base = pc_.now
        n = 0
        budget = min(instructions_for(until(m, pc_, cpu) - base, cpi), quota - done)
        if budget <= 0:
            break
        tracing = cpu.msr & (MSR_SE | MSR_BE)
        if tracing != 0:
            budget = 1
        sf = cpu.msr & MSR_SF
        mask = EA_64 if sf != 0 else EA_32
        full = -1 if sf != 0 else EA_32
        win = cpu.win_base
        top = cpu.win_size - 8 if cpu.msr & MSR_DR == 0 else -1
        if sf == 0:
            pc &= EA_32
        if bias < FETCH_FAILED:
            bias = code_bias(m, cpu, pc)
        op = UNDECODED
        slow = 0
        while n < budget and bias >= FETCH_FAILED:
            d = code[u8((pc >> 2) + bias)]
            op = i8(d.op)
            y = add(g[d.c], d.imm)
            if ult(op - 1, ALU_END - 1):
                g[d.t] = alu(op, g[d.a], y, i8(d.x))
                pc += 4
            elif op < MEM_END:
                if op == UNDECODED:
                    if decode_at(m, cpu, pc, pc_.model, (pc >> 2) + bias) != 0:
                        bias = FETCH_COLD
                    continue
                ea = add(g[d.a], y) & mask
                if not ult(ea, top + 1):
                    slow = 1
                    break
                if op < STORE_FIRST:
                    g[d.t] = load(ram, op, win + ea)
                else:
                    if disturbs(m, win + ea, 8) != 0:
                        slow = 1
                        break
                    store(ram, op, win + ea, g[d.t])
                pc += 4
            elif op < BRANCH_END:
                target = branch(cpu, op, d, pc, sf)
                if (target ^ pc) >> PAGE_SHIFT != 0:
                    bias = code_bias(m, cpu, target)
                pc = target
            elif op < CONDITION_END:
                condition(cpu, op, d, g[d.a], y, pc)
                pc += 4
            elif op < CARRY_END:
                g[d.t] = carry(cpu, op, g[d.a], y, i8(d.x), sf)
                pc += 4
            elif op < UPDATE_END:
                ea = add(g[d.a], y) & full
                plain = op - UPDATE_FIRST + LBZ
                if not ult(ea & mask, top + 1):
                    slow = 1
                    break
                if plain < STORE_FIRST:
                    g[d.t] = load(ram, plain, win + (ea & mask))
                else:
                    if disturbs(m, win + (ea & mask), 8) != 0:
                        slow = 1
                        break
                    store(ram, plain, win + (ea & mask), g[d.t])
                g[d.a] = ea
                pc += 4
            elif op >= RC:
                if op - RC < ALU_END:
                    value = alu(op - RC, g[d.a], y, i8(d.x))
                else:
                    value = carry(cpu, op - RC, g[d.a], y, i8(d.x), sf)
                g[d.t] = value
                record(cpu, value, sf)
                pc += 4
            elif op == MFSPR or op == MTSPR:
                if not quick_move(cpu, op, i8(d.t), d.imm):
                    slow = 1
                    break
                pc += 4
            elif op == NOP:
                pc += 4
            elif op == PAGE_END:
                bias = code_bias(m, cpu, pc)
                continue
            else:
                slow = 1
                break
            n += 1
        cpu.nip = pc
        pc_.now = base + n * cpi
        pc_.icount += n
        done += n
        if slow == 0:
            if tracing != 0 and n != 0:
                trace_completed(m, p, cpu, op)
            if done >= quota:
                break
            if n < budget and bias < FETCH_FAILED:  # after the last of the budget, interrupts come first
                if bias == FETCH_COLD:
                    request(m).reason = Stop.CODE
                    request(m).pcpu = p
                    why = Outcome.AGAIN
                    break
                fetch_fault(m, p, cpu)
            if pc_.now >= header(m).horizon:
                break
        else:
            # One instruction that may touch anything
            d = code[u8((pc >> 2) + bias)]
            op = i8(d.op)
            if op < UPDATE_END:
                outcome = data_access(m, p, cpu, d)
            else:
                outcome = system(m, p, cpu, d)
            if outcome == Outcome.AGAIN:
                why = Outcome.AGAIN
                break
            done += 1
            pc_.icount += 1
            pc_.now += cpi
            if tracing & cpu.msr != 0 and outcome != Outcome.HCALL and op != RFID and op != HRFID:
                trace_completed(m, p, cpu, op)
            if outcome != Outcome.DONE:
                why = outcome
                break
            if pc_.now >= header(m).horizon or done >= quota:
                break
        if not is_quiet(pc_, cpu):
            due = interrupt(m, p, cpu)
            if due == Due.EXTERNAL:
                why = Outcome.EXTERNAL
                break
            if due == Due.HDEC:
                why = Outcome.HDEC
                break
        if cpu.msr & MSR_IR != 0 or (cpu.nip ^ pc) >> PAGE_SHIFT != 0:
            bias = FETCH_UNKNOWN
        pc = cpu.nip
    return why
