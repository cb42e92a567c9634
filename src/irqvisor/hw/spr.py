"""Special purpose registers: who may touch which, and what they hold (Power ISA Book III-S, Move To/From SPR).

Registers with a function have a field of their own in the context; the others of the architected set are storage,
`STORAGE` numbers their places in ``context.spr``. A number that is in neither is a no-op for privileged software.
"""

import numpy as np

from irqvisor._jit import hot, jit
from irqvisor.hw.exceptions import Model
from irqvisor.hw.ops import MTSPR
from irqvisor.hw.state import CONTEXT, NEVER, pcpu
from irqvisor.hw.timer import cycle_of, decrementer, set_decrementer, timebase
from irqvisor.spec.bits import i8, sext32, srl
from irqvisor.spec.power_isa import (
    CAUSE_ILLEGAL,
    CAUSE_PRIVILEGED,
    MSR_HV,
    MSR_PR,
    PVR_970,
    PVR_POWER8,
    SPR_AMR,
    SPR_AMR_USER,
    SPR_CFAR,
    SPR_CTR,
    SPR_CTRL_READ,
    SPR_CTRL_WRITE,
    SPR_DAR,
    SPR_DEC,
    SPR_DSCR,
    SPR_DSCR_USER,
    SPR_DSISR,
    SPR_HDEC,
    SPR_HID0,
    SPR_HID1,
    SPR_HID4,
    SPR_HID5,
    SPR_HIOR,
    SPR_HSPRG0,
    SPR_HSRR0,
    SPR_HSRR1,
    SPR_LPCR,
    SPR_LR,
    SPR_MMCR1,
    SPR_MMCR2,
    SPR_NOOP_FIRST,
    SPR_NOOP_LAST,
    SPR_PIR,
    SPR_PRIVILEGED,
    SPR_PVR,
    SPR_SPRG0,
    SPR_SPRG3_USER,
    SPR_SRR0,
    SPR_SRR1,
    SPR_TAR,
    SPR_TB,
    SPR_TBL_WRITE,
    SPR_TBU,
    SPR_TBU40,
    SPR_TBU_WRITE,
    SPR_USER_PMU,
    SPR_XER,
)

USER, SUPER, HYPER, READ_USER, READ_SUPER = 1, 2, 3, 4, 5
"""Access classes; READ_* may be read there, and written by the hypervisor only."""

NOT_STORED = 255


def _access_table():
    access = np.zeros(1024, np.uint8)
    for numbers, kind in (
        ((1, 3, 8, 9, 13, 128, 129, 130, 256, 800, 801, 802, 803, 804, 805, 806, 815, 896, 898), USER),
        ((17, 18, 19, 22, 26, 27, 28, 29, 48, 61, 152, 153, 157, 159, 272, 273, 274, 275), SUPER),
        ((785, 786, 787, 788, 789, 790, 791, 792, 795, 796, 797, 798, 823), SUPER),
        ((25, 180, 186, 187, 188, 190, 280, 284, 285, 286, 304, 305, 306, 307, 310, 311, 312, 313, 314, 315), HYPER),
        ((318, 319, 336, 337, 338, 339, 349, 464, 855, 1008, 1009, 1012, 1013, 1014, 1015), HYPER),
        ((136, 259, 268, 269, 769, 770, 771, 772, 773, 774, 775, 776, 779, 780, 781, 782), READ_USER),
        ((176, 287, 308, 309, 446, 848, 849, 1023), READ_SUPER),
    ):
        access[list(numbers)] = kind
    return access


ACCESS = _access_table()


PROBLEM_STATE_NAMES = {SPR_CTRL_READ: SPR_CTRL_WRITE, SPR_DSCR_USER: SPR_DSCR, SPR_AMR_USER: SPR_AMR} | {
    number - SPR_USER_PMU: number for number in range(SPR_MMCR2, SPR_MMCR1 + 1) if ACCESS[number] != 0
}
"""Registers that have a second number for problem state."""


def _storage_table():
    """Places of the registers that only store."""
    place = np.full(1024, NOT_STORED, np.uint8)
    functional = {1, 8, 9, 18, 19, 22, 26, 27, 28, 136, 259, 268, 269, 272, 273, 274, 275, 284, 285, 286, 287}
    functional |= {304, 305, 310, 311, 314, 315, 318, 815, 1008, 1009, 1012, 1014, 1023}
    free = 0
    for number in range(1024):
        if ACCESS[number] != 0 and number not in functional | set(PROBLEM_STATE_NAMES):
            place[number] = free
            free += 1
    assert free <= CONTEXT["spr"].shape[0]
    for number, real in PROBLEM_STATE_NAMES.items():
        place[number] = place[real]
    return place


STORAGE = _storage_table()


@hot
def quick_move(cpu, op, t, number):
    """mfspr and mtspr of the registers that every function and every interrupt handler saves, without leaving the
    run loop; False for all others, and for privileged ones in problem state."""
    g = cpu.gpr
    if op == MTSPR:
        if number == SPR_LR:
            cpu.lr = g[t]
        elif number == SPR_CTR:
            cpu.ctr = g[t]
        elif number == SPR_XER:
            write_xer(cpu, g[t])
        elif cpu.msr & MSR_PR != 0:
            return False
        elif number == SPR_SRR0:
            cpu.srr0 = g[t]
        elif number == SPR_SRR1:
            cpu.srr1 = g[t]
        elif SPR_SPRG0 <= number < SPR_SPRG0 + 4:
            cpu.sprg[number - SPR_SPRG0] = g[t]
        else:
            return False
        return True
    if number == SPR_LR:
        g[t] = cpu.lr
    elif number == SPR_CTR:
        g[t] = cpu.ctr
    elif number == SPR_XER:
        g[t] = read_xer(cpu)
    elif cpu.msr & MSR_PR != 0:
        return False
    elif number == SPR_SRR0:
        g[t] = cpu.srr0
    elif number == SPR_SRR1:
        g[t] = cpu.srr1
    elif SPR_SPRG0 <= number < SPR_SPRG0 + 4:
        g[t] = cpu.sprg[number - SPR_SPRG0]
    else:
        return False
    return True


@jit
def spr_access(m, p, cpu, number, writing):
    """0: go on. -1: a no-op. Else the program-interrupt cause that this access raises."""
    kind = i8(ACCESS[number])
    if SPR_NOOP_FIRST <= number <= SPR_NOOP_LAST:
        return -1
    user = cpu.msr & MSR_PR != 0
    if user:
        if number & SPR_PRIVILEGED != 0:
            return CAUSE_PRIVILEGED
        if kind == USER or (kind == READ_USER and writing == 0):
            return 0
        return CAUSE_ILLEGAL
    if kind == 0:
        if number == 0 or (writing == 0 and 4 <= number <= 6):
            return CAUSE_ILLEGAL
        return -1
    hypervisor = cpu.msr & MSR_HV != 0
    if (kind == HYPER or (kind >= READ_USER and writing != 0)) and not hypervisor:
        return CAUSE_PRIVILEGED
    return 0


@jit
def read_xer(cpu):
    """XER from its parts."""
    return (i8(cpu.so) << 31) | (i8(cpu.ov) << 30) | (i8(cpu.ca) << 29) | i8(cpu.xer_low)


@jit
def write_xer(cpu, value):
    """XER into its parts."""
    cpu.so = (value >> 31) & 1
    cpu.ov = (value >> 30) & 1
    cpu.ca = (value >> 29) & 1
    cpu.ov32 = 0
    cpu.ca32 = 0
    cpu.xer_low = value & 0x7F


@jit
def read_time(m, p, cpu, number):
    """Time registers; the decrementer reads as 32 bits, zero-extended."""
    now = pcpu(m, p).now
    if number == SPR_TB:
        return timebase(m, now)
    if number == SPR_TBU:
        return srl(timebase(m, now), 32)
    if number == SPR_DEC:
        return decrementer(m, cpu, now) & 0xFFFFFFFF
    at = pcpu(m, p).hdec_at
    if at >= NEVER:
        return 0x7FFFFFFF
    return (timebase(m, at) - 1 - timebase(m, now)) & 0xFFFFFFFF


@jit
def read_control(m, p, cpu, number):
    """Registers that configure the processor or tell what it is."""
    if number == SPR_PVR:
        return PVR_970 if pcpu(m, p).model == Model.PPC970 else PVR_POWER8
    if number == SPR_PIR:
        return cpu.pir
    if number == SPR_LPCR:
        return cpu.lpcr
    if number == SPR_HID0:
        return cpu.hid0
    if number == SPR_HID1:
        return cpu.hid1
    if number == SPR_HID4:
        return cpu.hid4
    if number == SPR_HID5:
        return cpu.hid5
    if number == SPR_HIOR:
        return cpu.hior
    if number == SPR_HSRR0:
        return cpu.hsrr0
    if number == SPR_HSRR1:
        return cpu.hsrr1
    if number == SPR_HSPRG0 or number == SPR_HSPRG0 + 1:
        return cpu.hsprg[number - SPR_HSPRG0]
    return 0


@jit
def read_spr(m, p, cpu, number):
    """The value of an SPR that may be read and is not one of `quick_move`'s."""
    if number == SPR_SPRG3_USER:
        return cpu.sprg[3]
    if number == SPR_DAR:
        return cpu.dar
    if number == SPR_DSISR:
        return cpu.dsisr
    if number == SPR_TB or number == SPR_TBU or number == SPR_DEC or number == SPR_HDEC:
        return read_time(m, p, cpu, number)
    if number == SPR_TAR:
        return cpu.tar
    if number == SPR_CFAR:
        return cpu.cfar
    if i8(STORAGE[number]) < 64:
        return cpu.spr[i8(STORAGE[number])]
    return read_control(m, p, cpu, number)


@jit
def write_control(m, p, cpu, number, value):
    """Registers that configure the processor."""
    if number == SPR_LPCR:
        cpu.lpcr = value
    elif number == SPR_HID0:
        cpu.hid0 = value
    elif number == SPR_HID1:
        cpu.hid1 = value
    elif number == SPR_HID4:
        cpu.hid4 = value
    elif number == SPR_HID5:
        cpu.hid5 = value
    elif number == SPR_HIOR:
        cpu.hior = value
    elif number == SPR_HSRR0:
        cpu.hsrr0 = value
    elif number == SPR_HSRR1:
        cpu.hsrr1 = value
    elif number == SPR_HSPRG0 or number == SPR_HSPRG0 + 1:
        cpu.hsprg[number - SPR_HSPRG0] = value
    elif number == SPR_HDEC:
        pc = pcpu(m, p)
        pc.hdec_at = cycle_of(m, timebase(m, pc.now) + sext32(value) + 1)


@jit
def write_spr(m, p, cpu, number, value):
    """Write an SPR that may be written and is not one of `quick_move`'s. Writes to the time base change nothing."""
    if number == SPR_DEC:
        set_decrementer(m, cpu, pcpu(m, p).now, value)
    elif number == SPR_DAR:
        cpu.dar = value
    elif number == SPR_DSISR:
        cpu.dsisr = value & 0xFFFFFFFF
    elif number == SPR_TAR:
        cpu.tar = value
    elif number == SPR_CFAR:
        cpu.cfar = value
    elif number == SPR_TBL_WRITE or number == SPR_TBU_WRITE or number == SPR_TBU40:
        return
    elif i8(STORAGE[number]) < 64:
        cpu.spr[i8(STORAGE[number])] = value
    else:
        write_control(m, p, cpu, number, value)
