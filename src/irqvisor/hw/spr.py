"""Special purpose registers: who may touch which, and what they hold (Power ISA Book III-S, Move To/From SPR).

Registers with a function have a field of their own in the context; the others of the architected set are storage,
`STORAGE` numbers their places in ``context.spr``. A number that is in neither is a no-op for privileged software.
"""

import numpy as np

from irqvisor._jit import hot, jit
from irqvisor.hw.doorbell import PRIVILEGED
from irqvisor.hw.ops import MTSPR
from irqvisor.hw.state import CONTEXT, ISA_201, ISA_207, ISA_300, Model, pcpu
from irqvisor.hw.timer import (
    decrementer,
    hypervisor_decrementer,
    read_timebase,
    set_decrementer,
    set_hypervisor_decrementer,
    set_timebase,
    timebase,
)
from irqvisor.hw.undefined import XER_KEPT_LOW
from irqvisor.spec.bits import add, i8, low32, sll, srl, sub
from irqvisor.spec.power_isa import (
    CAUSE_ILLEGAL,
    CAUSE_PRIVILEGED,
    FACILITY_DSCR,
    FACILITY_EBB,
    FACILITY_TAR,
    FACILITY_TM,
    FSCR_DSCR,
    FSCR_EBB,
    FSCR_TAR,
    LPCR_LD,
    LPCR_SINCE_300,
    MSR_HV,
    MSR_PR,
    MSR_TM,
    PVR_970,
    PVR_POWER8,
    PVR_POWER9,
    SPR_AMR,
    SPR_AMR_USER,
    SPR_BESCR,
    SPR_BESCRS,
    SPR_CFAR,
    SPR_CTR,
    SPR_CTRL_READ,
    SPR_CTRL_WRITE,
    SPR_DAR,
    SPR_DEC,
    SPR_DPDES,
    SPR_DSCR,
    SPR_DSCR_USER,
    SPR_DSISR,
    SPR_EBBRR,
    SPR_FSCR,
    SPR_HDEC,
    SPR_HEIR,
    SPR_HFSCR,
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
    SPR_NOOP_FIRST,
    SPR_NOOP_LAST,
    SPR_PIR,
    SPR_PRIVILEGED,
    SPR_PSSCR,
    SPR_PURR,
    SPR_PVR,
    SPR_SIAR,
    SPR_SIER,
    SPR_SPRG0,
    SPR_SPRG3_USER,
    SPR_SPURR,
    SPR_SRR0,
    SPR_SRR1,
    SPR_TAR,
    SPR_TB,
    SPR_TBL_WRITE,
    SPR_TBU,
    SPR_TBU40,
    SPR_TBU_WRITE,
    SPR_TEXASR,
    SPR_TEXASRU,
    SPR_TFHAR,
    SPR_USER_PMU,
    SPR_VTB,
    SPR_XER,
)

USER, SUPER, HYPER, READ_USER, READ_SUPER, SHOWN = 1, 2, 3, 4, 5, 6
"""Access classes; READ_* may be read there, and written by the hypervisor only; SHOWN is SUPER, and may be read in
problem state, which may not write because MMCR0[PMCC] never lets it."""

NOT_STORED = 255

REGISTERS = (
    # numbers, access class, first and last architecture level that has them
    ((1, 8, 9, 256), USER, ISA_201, ISA_300),
    ((3, 13, 128, 129, 130, 131, 800, 801, 802, 803, 804, 805, 806, 815, 896, 898), USER, ISA_207, ISA_300),
    ((18, 19, 22, 26, 27, 29, 152, 272, 273, 274, 275), SUPER, ISA_201, ISA_300),
    ((786, 787, 788, 789, 790, 791, 792, 795, 796, 797, 798), SUPER, ISA_201, ISA_300),
    ((793, 794), SUPER, ISA_201, ISA_201),
    ((17, 28, 61, 153, 157, 159, 784, 785), SUPER, ISA_207, ISA_300),
    ((48, 144, 823), SUPER, ISA_300, ISA_300),
    ((284, 285, 286, 304, 305, 310, 314, 315, 1008, 1009), HYPER, ISA_201, ISA_300),
    ((280, 311, 1012, 1013, 1014, 1015), HYPER, ISA_201, ISA_201),
    ((25,), HYPER, ISA_201, ISA_207),
    ((312,), HYPER, ISA_207, ISA_207),
    ((180, 186, 187, 188, 190, 306, 307, 313, 318, 319, 336, 337, 338, 339, 349), HYPER, ISA_207, ISA_300),
    ((464, 855), HYPER, ISA_300, ISA_300),
    ((136, 259, 268, 269, 780, 781, 782), READ_USER, ISA_201, ISA_300),
    ((770, 771, 772, 773, 774, 775, 776, 777, 778, 779), READ_USER, ISA_201, ISA_201),
    ((768, 769, 770, 771, 772, 773, 774, 775, 776, 779), SHOWN, ISA_207, ISA_300),
    ((287, 1023), READ_SUPER, ISA_201, ISA_300),
    ((176, 308, 309, 446, 848, 849), READ_SUPER, ISA_207, ISA_300),
)


def _access_table():
    """The access class of each number at each level; 0: no such register."""
    access = np.zeros((ISA_300 + 1, 1024), np.uint8)
    for numbers, kind, since, until in REGISTERS:
        access[since : until + 1, list(numbers)] = kind
    return access


ACCESS = _access_table()
EXISTS = ACCESS.any(axis=0)


PROBLEM_STATE_NAMES = {SPR_CTRL_READ: SPR_CTRL_WRITE, SPR_DSCR_USER: SPR_DSCR, SPR_AMR_USER: SPR_AMR} | {
    number - SPR_USER_PMU: number for number in range(SPR_SIER, SPR_MMCR1 + 1) if EXISTS[number]
}
"""Registers that have a second number for problem state."""


def _storage_table():
    """Places of the registers that only store."""
    place = np.full(1024, NOT_STORED, np.uint8)
    functional = {1, 8, 9, 18, 19, 22, 26, 27, 28, 131, 136, 176, 259, 268, 269, 272, 273, 274, 275, 284, 285, 286, 287}
    functional |= {304, 305, 310, 311, 314, 315, 318, 815, 1008, 1009, 1012, 1014, 1023}
    free = 0
    for number in range(1024):
        if EXISTS[number] and number not in functional | set(PROBLEM_STATE_NAMES):
            place[number] = free
            free += 1
    assert free <= CONTEXT["spr"].shape[0]
    for number, real in PROBLEM_STATE_NAMES.items():
        place[number] = place[real]
    return place


STORAGE = _storage_table()
WORDS = (152, 159, 188, 256, 306, 319, *range(787, 795), 801, 803, 898)
"""Stored registers of 32 bits: CTRL, PSPB, DAWRX0, VRSAVE, HDSISR, LPIDR, PMC1 to 8, BESCRSU, BESCRRU, PPR32."""
KEPT = np.array([0xFFFFFFFF if number in WORDS else -1 for number in range(1024)], np.int64)
"""The bits that a register keeps."""
FSCR = int(STORAGE[SPR_FSCR])
HEIR = int(STORAGE[SPR_HEIR])
BESCR = int(STORAGE[SPR_BESCR])
EBBRR = int(STORAGE[SPR_EBBRR])
HFSCR = int(STORAGE[SPR_HFSCR])
PSSCR = int(STORAGE[SPR_PSSCR])
SIAR = int(STORAGE[SPR_SIAR])
TEXASR = int(STORAGE[SPR_TEXASR])
"""Places in ``context.spr`` of registers that instructions and interrupts use."""


ABSENT = -1
REFUSED = -256
"""What `spr_access` returns beside causes: a no-op; less the reason, a facility that is not available."""


@hot
def quick_move(cpu, op, t, number, isa):
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
        g[t] = read_xer(cpu, isa)
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
def refusal(cpu, number):
    """Whether a facility that is off keeps this register from problem state: `REFUSED` less its reason, else 0. The
    registers of transactional memory need MSR[TM] in every state."""
    if SPR_TFHAR <= number <= SPR_TEXASRU:
        return 0 if cpu.msr & MSR_TM != 0 else REFUSED - FACILITY_TM
    if cpu.msr & MSR_PR != 0:
        if number == SPR_TAR and cpu.spr[FSCR] & FSCR_TAR == 0:
            return REFUSED - FACILITY_TAR
        if number == SPR_DSCR_USER and cpu.spr[FSCR] & FSCR_DSCR == 0:
            return REFUSED - FACILITY_DSCR
        if SPR_BESCRS <= number <= SPR_BESCR and cpu.spr[FSCR] & FSCR_EBB == 0:
            return REFUSED - FACILITY_EBB
    return 0


@jit
def spr_access(m, p, cpu, number, writing):
    """0: go on. `ABSENT`: a no-op. Positive: the program-interrupt cause that this access raises. `REFUSED` or less:
    the facility is not available."""
    kind = i8(ACCESS[pcpu(m, p).isa, number])
    if SPR_NOOP_FIRST <= number <= SPR_NOOP_LAST:
        return ABSENT
    user = cpu.msr & MSR_PR != 0
    if user:
        if number & SPR_PRIVILEGED != 0:
            return CAUSE_PRIVILEGED
        if kind == USER or ((kind == READ_USER or kind == SHOWN) and writing == 0):
            return refusal(cpu, number)
        return CAUSE_ILLEGAL
    if kind == 0:
        if number == 0 or (writing == 0 and 4 <= number <= 6):
            return CAUSE_ILLEGAL
        return ABSENT
    hypervisor = cpu.msr & MSR_HV != 0
    if (kind == HYPER or (READ_USER <= kind <= READ_SUPER and writing != 0)) and not hypervisor:
        return CAUSE_PRIVILEGED
    return refusal(cpu, number)


@jit
def read_xer(cpu, isa):
    """XER from its parts. OV32 and CA32 are kept at every level; earlier ones do not show them."""
    word = (i8(cpu.so) << 31) | (i8(cpu.ov) << 30) | (i8(cpu.ca) << 29) | i8(cpu.xer_low)
    return word | (i8(cpu.ov32) << 19) | (i8(cpu.ca32) << 18) if isa == ISA_300 else word


@jit
def write_xer(cpu, value):
    """XER into its parts."""
    cpu.so = (value >> 31) & 1
    cpu.ov = (value >> 30) & 1
    cpu.ca = (value >> 29) & 1
    cpu.ov32 = (value >> 19) & 1
    cpu.ca32 = (value >> 18) & 1
    cpu.xer_low = value & XER_KEPT_LOW


@jit
def read_time(m, p, cpu, number):
    """Time registers; decrementers of 32 bits read zero-extended, larger ones sign-extended."""
    pc = pcpu(m, p)
    if number == SPR_TB:
        return read_timebase(m, pc)
    if number == SPR_TBU:
        return srl(read_timebase(m, pc), 32)
    if number == SPR_DEC:
        left = decrementer(m, cpu, pc.now)
        return left if cpu.lpcr & LPCR_LD != 0 else left & 0xFFFFFFFF
    left = hypervisor_decrementer(m, pc)
    return left if pc.isa == ISA_300 else left & 0xFFFFFFFF


@jit
def version(pc):
    """PVR, by the model; a POWER8 whose level is 3.0 says that it is a POWER9."""
    if pc.model == Model.PPC970:
        return PVR_970
    return PVR_POWER9 if pc.isa == ISA_300 else PVR_POWER8


@jit
def read_control(m, p, cpu, number):
    """Registers that configure the processor or tell what it is."""
    if number == SPR_PVR:
        return version(pcpu(m, p))
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
    if number == SPR_PURR or number == SPR_SPURR or number == SPR_VTB:
        return add(cpu.spr[i8(STORAGE[number])], timebase(m, pcpu(m, p).now))
    if i8(STORAGE[number]) < 64:
        return cpu.spr[i8(STORAGE[number])]
    if number == SPR_TEXASRU:
        return srl(cpu.spr[TEXASR], 32)
    if number == SPR_DPDES:
        return pcpu(m, p).doorbell & PRIVILEGED
    return read_control(m, p, cpu, number)


@jit
def write_control(m, p, cpu, number, value):
    """Registers that configure the processor."""
    if number == SPR_LPCR:
        cpu.lpcr = value if pcpu(m, p).isa == ISA_300 else value & ~LPCR_SINCE_300
        cpu.dec_at = pcpu(m, p).now  # LD may have changed what DEC holds
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
        set_hypervisor_decrementer(m, pcpu(m, p), value)
    elif number == SPR_DPDES:
        pc = pcpu(m, p)
        pc.doorbell = (pc.doorbell & ~PRIVILEGED) | (value & PRIVILEGED)


@jit
def write_spr(m, p, cpu, number, value):
    """Write an SPR that may be written and is not one of `quick_move`'s."""
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
        set_timebase(m, pcpu(m, p), number, value)
    elif number == SPR_PURR or number == SPR_SPURR or number == SPR_VTB:
        cpu.spr[i8(STORAGE[number])] = sub(value, timebase(m, pcpu(m, p).now))
    elif i8(STORAGE[number]) < 64:
        cpu.spr[i8(STORAGE[number])] = value & KEPT[number]
    elif number == SPR_TEXASRU:
        cpu.spr[TEXASR] = sll(value, 32) | low32(cpu.spr[TEXASR])
    else:
        write_control(m, p, cpu, number, value)
