"""The hot loop: decoded instructions, one after another, until something else is needed.

A stretch knows one code page, one mode and one count. It leaves at the first instruction that it cannot finish by
itself, and says which operation that was: a system instruction, an access that is not plain RAM, a word that is not
decoded, the edge of the page. What it does execute can neither raise an interrupt nor make one possible, so nobody
looks for one before its count is up.

Speed rules, all measured: the place in the page (`at`) and the count (`n`) are the only values that change from one
instruction to the next; nothing here is called, all is inlined; what is rare is left to `interpret`.
"""

from irqvisor._jit import hot, jit
from irqvisor.hw.alu import alu
from irqvisor.hw.branch import branch
from irqvisor.hw.carry import carry, record
from irqvisor.hw.condition import condition
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
    LBZ,
    LD,
    LHA,
    LHABRX,
    LHBRX,
    LHZ,
    LWA,
    LWABRX,
    LWBRX,
    LWZ,
    MEM_END,
    MFMSR,
    MFSPR,
    MTMSRD,
    MTSPR,
    NEAR_FIRST,
    NOP,
    PAGE_END,
    RC,
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
from irqvisor.hw.spr import quick_move
from irqvisor.hw.state import PAGE_SHIFT
from irqvisor.spec.bits import add, bswap16, bswap32, bswap64, i8, low32, sext16, sext32, sub, u8, ult
from irqvisor.spec.power_isa import MSR_EE, MSR_PR, MSR_RI, MSR_SF

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


@jit
def stretch(m, cpu, isa, bias, n, budget, top):
    """Complete instructions of `cpu`, at architecture level `isa`, from NIP on until `n` reaches `budget`.

    `bias` says where the decoded page lies: a word's place is (address >> 2) + bias. `top` is the highest window offset
    at which any access fits, -1 if there is none. Returns (n, op): with n < budget, op is the operation that NIP
    stopped at and that is not done; PAGE_END if NIP is in another page now.
    """
    ram = m.ram
    code = m.code
    g = cpu.gpr
    sf = cpu.msr & MSR_SF
    mask = EA_64 if sf != 0 else EA_32
    win = cpu.win_base
    at = (cpu.nip >> 2) + bias
    while n < budget:
        d = code[u8(at)]
        op = i8(d.op)
        y = add(g[d.c], d.imm)
        if ult(op - 1, ALU_END - 1):
            g[d.t] = alu(op, g[d.a], y, i8(d.x))
        elif op < MEM_END:
            ea = add(g[d.a], y) & mask
            if op == UNDECODED or not ult(ea, top + 1):
                break
            if op < STORE_FIRST:
                g[d.t] = load(ram, op, win + ea)
            else:
                if disturbs(m, win + ea, 8) != 0:
                    break
                store(ram, op, win + ea, g[d.t])
        elif op < BRANCH_END:
            pc = (at - bias) << 2
            target = branch(cpu, op, d, pc, sf)
            n += 1
            if (target ^ pc) >> PAGE_SHIFT != 0:
                cpu.nip = target
                return n, PAGE_END
            at = (target >> 2) + bias
            continue
        elif op < CONDITION_END:
            condition(cpu, op, d, g[d.a], y, (at - bias) << 2)
        elif op < CARRY_END:
            g[d.t] = carry(cpu, op, g[d.a], y, i8(d.x), sf)
        elif op < UPDATE_END:
            ea = add(g[d.a], y)
            real = ea & mask
            plain = op - UPDATE_FIRST + LBZ
            if not ult(real, top + 1):
                break
            if plain < STORE_FIRST:
                g[d.t] = load(ram, plain, win + real)
            else:
                if disturbs(m, win + real, 8) != 0:
                    break
                store(ram, plain, win + real, g[d.t])
            g[d.a] = ea if sf != 0 else low32(ea)
        elif op >= RC:
            if op - RC < ALU_END:
                value = alu(op - RC, g[d.a], y, i8(d.x))
            else:
                value = carry(cpu, op - RC, g[d.a], y, i8(d.x), sf)
            g[d.t] = value
            record(cpu, value, sf)
        elif op >= NEAR_FIRST:
            at = near(cpu, op, d, at, (at - bias) << 2, sf)
            n += 1
            continue
        elif op == MFSPR or op == MTSPR:
            if not quick_move(cpu, op, i8(d.t), d.imm, isa):
                break
        elif op == NOP:
            pass
        elif cpu.msr & MSR_PR != 0:
            break
        elif op == MFMSR:
            g[d.t] = cpu.msr
        elif op == MTMSRD and d.x != 0 and g[d.t] & MSR_EE == 0:  # what turns EE off makes no interrupt possible
            cpu.msr = (cpu.msr & ~(MSR_EE | MSR_RI)) | (g[d.t] & MSR_RI)
        else:
            break
        n += 1
        at += 1
    cpu.nip = (at - bias) << 2
    return n, i8(code[u8(at)].op)
