"""The hot loop: decoded instructions, one after another, until something else is needed.

A stretch knows one mode and one count. It leaves at the first instruction that it cannot finish by itself: a system
instruction, an access that is not plain RAM, a word that is not decoded. What it does execute can neither raise an
interrupt nor make one possible, so nobody looks for one before its count is up.

Where host code begins (`hw/host.py`) a `course` goes on in that, as far as the count suffices.

Speed rules, all measured: the place of the decoded word (`at`) and the count (`n`) are the only values that change from
one instruction to the next; nothing here is called, all is inlined; what is rare is left to `interpret`.
"""

from irqvisor._jit import cold, hot
from irqvisor.hw.alu import alu
from irqvisor.hw.branch import branch
from irqvisor.hw.carry import carry, record
from irqvisor.hw.condition import condition
from irqvisor.hw.host import ANSWERED, ELSEWHERE, STUCK, call_gate, call_host
from irqvisor.hw.memory import EA_64, disturbs, load8, load16, load32, load64, store8, store16, store32, store64
from irqvisor.hw.ops import (
    ALU_END,
    BC_FALSE_NEAR,
    BC_TRUE_NEAR,
    BDNZ_NEAR,
    BL_NEAR,
    BRANCH_END,
    CARRY_END,
    CONDITION_END,
    HOST,
    LBZ,
    LD,
    LDARX,
    LHA,
    LHABRX,
    LHBRX,
    LHZ,
    LWA,
    LWABRX,
    LWARX,
    LWBRX,
    LWZ,
    MEM_END,
    MFMSR,
    MFSPR,
    MTMSRD,
    MTSPR,
    NEAR_END,
    NEAR_FIRST,
    NOP,
    RC,
    STB,
    STD,
    STDBRX,
    STDCX,
    STH,
    STHBRX,
    STORE_FIRST,
    STW,
    STWCX,
    UNDECODED,
    UPDATE_END,
    UPDATE_FIRST,
)
from irqvisor.hw.spr import quick_move
from irqvisor.hw.state import CLEAN, CODE_PAGE, CODE_STRIDE, LITTLE, PAGE_SHIFT, PAGE_WORDS, WATCHED, codemap, request
from irqvisor.spec.bits import add, bswap16, bswap32, bswap64, i8, likely, low32, sext16, sext32, srl, sub, u8, ult
from irqvisor.spec.power_isa import CR_EQ, MSR_EE, MSR_IR, MSR_LE, MSR_PR, MSR_RI, MSR_SF

EA_32 = (1 << 32) - 1


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
    elif op == LHABRX:
        return sext16(bswap16(load16(ram, a)))
    elif op == LWABRX:
        return sext32(bswap32(load32(ram, a)))
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


@hot
def near(cpu, op, d, at, pc, sf):
    """A branch within its page, whose immediate counts words; returns the place to go on."""
    if op == BC_TRUE_NEAR:
        return at + d.imm if cpu.cr[d.a] & d.t != 0 else at + 1
    elif op == BC_FALSE_NEAR:
        return at + d.imm if cpu.cr[d.a] & d.t == 0 else at + 1
    elif op == BDNZ_NEAR:
        cpu.ctr = sub(cpu.ctr, 1)
        counter = cpu.ctr if sf != 0 else low32(cpu.ctr)
        return at + d.imm if counter != 0 else at + 1
    elif op == BL_NEAR:
        cpu.lr = add(pc, 4) if sf != 0 else low32(add(pc, 4))
    return at + d.imm


@hot
def is_heard(m, cpu, a):
    """Whether a store at a RAM offset, of 8 bytes or less, may concern anybody else: decoded words, forks, whoever
    watches those doublewords."""
    marks = disturbs(m, a, 8)
    if likely(marks == 0):
        return False
    return marks != WATCHED or (a + 8 > cpu.watch_from and a < cpu.watch_to)


@hot
def is_misaligned(op, ea):
    """Whether lwarx, ldarx, stwcx. or stdcx. cannot be done there."""
    return ea & (3 if op == LWARX or op == STWCX else 7) != 0


@hot
def load_reserve(ram, cpu, op, ea, a):
    """lwarx, ldarx of RAM: the value, and a reservation."""
    cpu.resv_addr = ea
    cpu.resv_ram = a
    if op == LWARX:
        cpu.resv = 4
        return load32(ram, a)
    cpu.resv = 8
    return load64(ram, a)


@hot
def store_conditional(ram, cpu, op, ea, a, value):
    """stwcx., stdcx. to RAM: done with a reservation of that address and size, which ends either way."""
    success = cpu.resv == (4 if op == STWCX else 8) and cpu.resv_addr == ea
    if success:
        if op == STWCX:
            store32(ram, a, value)
        else:
            store64(ram, a, value)
    cpu.resv = 0
    cpu.cr[0] = (CR_EQ if success else 0) | i8(cpu.so)


NOWHERE = -1
"""No place."""


@hot
def order_of(msr):
    """The byte order that MSR[LE] says, as the code map marks it."""
    return LITTLE if msr & MSR_LE != 0 else 0


@hot
def page_of(entry, order):
    """The page of the pool, from 1, that an entry of the code map names, if it has decoded words, right for this byte
    order, that the guest may run; else 0."""
    number = (entry ^ order) & ~CLEAN
    return number if number <= CODE_PAGE else 0


@hot
def place_of(m, cpu, msr, address):
    """The place of the decoded word at an address; NOWHERE if its page has nothing decoded that may be run."""
    real = address & EA_64
    if not ult(real, cpu.win_size) or msr & MSR_IR != 0:
        return NOWHERE
    number = page_of(i8(codemap(m, srl(cpu.win_base + real, PAGE_SHIFT)).entry), order_of(msr))
    if number == 0:
        return NOWHERE
    return 1 + (number - 1) * CODE_STRIDE + ((address >> 2) & (PAGE_WORDS - 1))


@hot
def plain(m, place, pc):
    """The place of a word at `pc` without host code: in the plain copy of its page, if such code begins there."""
    if i8(m.code[u8(place)].op) != HOST:
        return place
    return place + m.code[u8(place - ((pc >> 2) & (PAGE_WORDS - 1)) + PAGE_WORDS)].imm


@hot
def complete(m, cpu, isa, d, op, sf, top, pc):
    """Complete one instruction that is no branch: operation `op` of the decoded record `d` at `pc`.

    False, with nothing done, if the instruction cannot be finished here. `sf` is MSR[SF]; `top` is the highest window
    offset at which any access fits, -1 if there is none.
    """
    ram = m.ram
    g = cpu.gpr
    mask = -1 if sf != 0 else EA_32  # the four bits that real mode ignores are rarely set
    win = cpu.win_base
    y = add(g[d.c], d.imm)
    if ult(op - 1, ALU_END - 1):
        g[d.t] = alu(op, g[d.a], y, i8(d.x))
    elif op < MEM_END:
        ea = add(g[d.a], y) & mask
        if op == UNDECODED or not ult(ea, top + 1):
            return False
        if op < STORE_FIRST:
            g[d.t] = load(ram, op, win + ea)
        else:
            if is_heard(m, cpu, win + ea):
                return False
            store(ram, op, win + ea, g[d.t])
    elif op < CONDITION_END:
        condition(cpu, op, d, g[d.a], y, pc)
    elif op < CARRY_END:
        g[d.t] = carry(cpu, op, g[d.a], y, i8(d.x), sf)
    elif op < UPDATE_END:
        ea = add(g[d.a], y)
        real = ea & mask
        plain = op - UPDATE_FIRST + LBZ
        if not ult(real, top + 1):
            return False
        if plain < STORE_FIRST:
            g[d.t] = load(ram, plain, win + real)
        else:
            if is_heard(m, cpu, win + real):
                return False
            store(ram, plain, win + real, g[d.t])
        g[d.a] = ea if sf != 0 else low32(ea)
    elif op >= RC:
        if op - RC < ALU_END:
            value = alu(op - RC, g[d.a], y, i8(d.x))
        else:
            value = carry(cpu, op - RC, g[d.a], y, i8(d.x), sf)
        g[d.t] = value
        record(cpu, value, sf)
    elif op == MFSPR or op == MTSPR:
        return quick_move(cpu, op, i8(d.t), d.imm, isa)
    elif op == NOP:
        pass
    elif LWARX <= op <= LDARX or STWCX <= op <= STDCX:
        ea = add(g[d.a], y) if sf != 0 else low32(add(g[d.a], y))
        real = ea & mask
        if cpu.msr & MSR_LE != 0 or not ult(real, top + 1) or is_misaligned(op, real):
            return False
        if op <= LDARX:
            g[d.t] = load_reserve(ram, cpu, op, ea, win + real)
        elif is_heard(m, cpu, win + real):
            return False
        else:
            store_conditional(ram, cpu, op, ea, win + real, g[d.t])
    elif cpu.msr & MSR_PR != 0:
        return False
    elif op == MFMSR:
        g[d.t] = cpu.msr
    elif op == MTMSRD and d.x != 0 and g[d.t] & MSR_EE == 0:  # what turns EE off makes no interrupt possible
        cpu.msr = (cpu.msr & ~(MSR_EE | MSR_RI)) | (g[d.t] & MSR_RI)
    else:
        return False
    return True


@cold
def stretch(m, pc, cpu, place, n, budget, top):
    """Complete instructions of `cpu`, on the processor `pc`, until `n` reaches `budget`.

    `place` is that of the decoded word at NIP. `top` is the highest window offset at which any access fits, -1 if there
    is none. Returns n and the place of NIP, which with n < budget is of an instruction that is not done here, or where
    host code begins; NOWHERE if its page has nothing decoded.
    """
    code = m.code
    isa = pc.isa
    msr = cpu.msr
    sf = msr & MSR_SF
    at = place
    bias = at - (cpu.nip >> 2)
    while n < budget:
        d = code[u8(at)]
        op = i8(d.op)
        if ult(op - MEM_END, BRANCH_END - MEM_END):
            here = (at - bias) << 2
            target = branch(cpu, op, d, here, sf)
            n += 1
            if (target ^ here) >> PAGE_SHIFT != 0:
                at = place_of(m, cpu, msr, target)
                if at == NOWHERE:
                    cpu.nip = target
                    return n, NOWHERE
                bias = at - (target >> 2)
            else:
                at = (target >> 2) + bias
            continue
        elif ult(op - NEAR_FIRST, NEAR_END - NEAR_FIRST):
            at = near(cpu, op, d, at, (at - bias) << 2, sf)
            n += 1
            continue
        elif op == HOST or not complete(m, cpu, isa, d, op, sf, top, (at - bias) << 2):
            break
        n += 1
        at += 1
    cpu.nip = (at - bias) << 2
    return n, at


@hot
def course(m, pc, cpu, n, top, gate):
    """As `stretch`, for the budget in the request record, from NIP on, wherever its place is, and in host code where
    there is some. Returns n, the place of NIP, and why it ends: STUCK: NIP is known to be of an instruction that no
    stretch completes; ANSWERED: the hypervisor has answered, and all is accounted for; ELSEWHERE: none of these."""
    msr = cpu.msr  # EE and RI may change on the way
    takes_host = msr & MSR_SF != 0 and top >= 0
    while n < request(m).budget:
        if msr & MSR_SF == 0:
            cpu.nip &= EA_32
        nip = cpu.nip
        place = place_of(m, cpu, msr, nip)
        if place == NOWHERE:
            return n, NOWHERE, ELSEWHERE
        d = m.code[u8(place)]
        if i8(d.op) == HOST:
            if takes_host:
                n, why = call_host(d.imm, m, cpu, n, request(m).budget, nip, gate)
                if why == ELSEWHERE:
                    continue
                if why == ANSWERED:
                    return n, NOWHERE, ANSWERED
                place = plain(m, place + ((cpu.nip - nip) >> 2), cpu.nip)
                if why == STUCK:
                    return n, place, STUCK
            else:
                place = plain(m, place, nip)
        else:
            request(m).interpreted += 1
            request(m).interpreted_of = pc.context
            request(m).interpreted_at = nip
        n, place = stretch(m, pc, cpu, place, n, request(m).budget, top)
        if place == NOWHERE or i8(m.code[u8(place)].op) != HOST:
            return n, place, ELSEWHERE
    return n, NOWHERE, ELSEWHERE


@hot
def pass_gate(m, cpu, n, d, gate):
    """What host code does for an instruction that the gate is for. -1: there is none."""
    return call_gate(gate, m, cpu, n, d) if gate != 0 else -1


@cold
def operation_at(m, cpu, pc):
    """The operation at an address whose page is decoded, whether or not host code begins there."""
    return i8(m.code[u8(plain(m, place_of(m, cpu, cpu.msr, pc), pc))].op)
