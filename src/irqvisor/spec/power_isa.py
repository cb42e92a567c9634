"""Power ISA: registers, vectors, causes and instruction fields, by name.

Bits are numbered as in the books: bit 0 is the most significant of 64, so ``1 << (63 - 48)`` is MSR bit 48. 32-bit
registers use the low word's numbers 32 to 63. The top bit alone is negative, because registers are int64.
"""

# MSR: Power ISA Book III-S, Machine State Register
MSR_SF = -(1 << 63)  # bit 0: Sixty-Four-bit mode
MSR_HV = 1 << (63 - 3)  # HyperVisor state, if PR = 0
MSR_TS = 3 << (63 - 30)  # Transaction State, 2.07
MSR_TM = 1 << (63 - 31)  # Transactional Memory available, 2.07
MSR_VEC = 1 << (63 - 38)  # VECtor available
MSR_VSX = 1 << (63 - 40)  # VSX available, 2.06
MSR_S = 1 << (63 - 41)  # Secure state, 3.0; never changed by mtmsr
MSR_POW = 1 << (63 - 45)  # POWer management, 970
MSR_EE = 1 << (63 - 48)  # External interrupt Enable
MSR_PR = 1 << (63 - 49)  # PRoblem state
MSR_FP = 1 << (63 - 50)  # Floating-Point available
MSR_ME = 1 << (63 - 51)  # Machine check Enable
MSR_FE0 = 1 << (63 - 52)  # Floating-point Exception mode
MSR_SE = 1 << (63 - 53)  # Single-step trace Enable
MSR_BE = 1 << (63 - 54)  # Branch trace Enable
MSR_FE1 = 1 << (63 - 55)
MSR_IR = 1 << (63 - 58)  # Instruction Relocate
MSR_DR = 1 << (63 - 59)  # Data Relocate
MSR_PMM = 1 << (63 - 61)  # Performance Monitor Mark
MSR_RI = 1 << (63 - 62)  # Recoverable Interrupt
MSR_LE = 1 << (63 - 63)  # Little-Endian

MSR_SUPPORTED = (
    MSR_SF | MSR_HV | MSR_VEC | MSR_EE | MSR_PR | MSR_FP | MSR_ME | MSR_FE0 | MSR_SE | MSR_BE | MSR_FE1
) | (MSR_IR | MSR_DR | MSR_PMM | MSR_RI)
"""Bits a 970 keeps; the others read as zero. POW is an order, not a state."""

MSR_SUPPORTED_207 = MSR_SUPPORTED | MSR_TS | MSR_TM | MSR_VSX | MSR_LE
"""Bits a POWER8 keeps."""

MSR_SUPPORTED_300 = MSR_SUPPORTED_207 & ~MSR_TS
"""Bits a POWER9 keeps."""

MSR_SUSPENDED = 1 << (63 - 30)
"""MSR[TS, TM] = 0b010: the transaction is suspended, its facility is off."""

# Interrupt vectors: Book III-S, Interrupt Definitions
VEC_SYSTEM_RESET = 0x100
VEC_MACHINE_CHECK = 0x200
VEC_DATA_STORAGE = 0x300
VEC_DATA_SEGMENT = 0x380
VEC_INSTRUCTION_STORAGE = 0x400
VEC_INSTRUCTION_SEGMENT = 0x480
VEC_EXTERNAL = 0x500
VEC_ALIGNMENT = 0x600
VEC_PROGRAM = 0x700
VEC_FP_UNAVAILABLE = 0x800
VEC_DECREMENTER = 0x900
VEC_HDEC = 0x980
VEC_PRIVILEGED_DOORBELL = 0xA00
VEC_SYSTEM_CALL = 0xC00
VEC_TRACE = 0xD00
VEC_HYPERVISOR_DATA_STORAGE = 0xE00
VEC_HYPERVISOR_INSTRUCTION_STORAGE = 0xE20
VEC_EMULATION_ASSISTANCE = 0xE40
VEC_HYPERVISOR_MAINTENANCE = 0xE60
VEC_HYPERVISOR_DOORBELL = 0xE80
VEC_HYPERVISOR_VIRTUALIZATION = 0xEA0
VEC_PERFORMANCE_MONITOR = 0xF00
VEC_VEC_UNAVAILABLE = 0xF20
VEC_VSX_UNAVAILABLE = 0xF40
VEC_FACILITY_UNAVAILABLE = 0xF60
VEC_HYPERVISOR_FACILITY_UNAVAILABLE = 0xF80
VEC_SYSTEM_CALL_VECTORED = 0x17000  # 3.0; and 32 bytes for each LEV

# SRR1: Book III-S, Interrupt Processing
SRR1_CLEARED = 0x783F0000
"""Bits 33:36 and 42:47 of SRR1 and HSRR1: cause information, or zero; all others are the old MSR."""
SRR1_MEDIATED = 1 << (63 - 42)  # external interrupt asked for by LPCR[MER]
SRR1_DATA_CHECK = 1 << (63 - 42)  # machine check of a data access (POWER7 and later)
SRR1_WAKE_SHIFT = 63 - 45  # bits 42:45 of a system reset: what ended the power-saving mode
SRR1_WAKE_EXTERNAL = 8 << SRR1_WAKE_SHIFT
SRR1_WAKE_DECREMENTER = 6 << SRR1_WAKE_SHIFT
SRR1_WAKE_PRIVILEGED_DOORBELL = 5 << SRR1_WAKE_SHIFT
SRR1_WAKE_HYPERVISOR_DOORBELL = 3 << SRR1_WAKE_SHIFT
SRR1_WAKE_NOTHING_LOST = 1 << (63 - 47)

# Program interrupt, SRR1[42:47]
CAUSE_TM_BAD_THING = 1 << (63 - 42)
CAUSE_FP = 1 << (63 - 43)
CAUSE_ILLEGAL = 1 << (63 - 44)
CAUSE_PRIVILEGED = 1 << (63 - 45)
CAUSE_TRAP = 1 << (63 - 46)

# Instruction storage interrupt, SRR1[33:36]
ISI_NO_TRANSLATION = 1 << (63 - 33)
ISI_GUARDED = 1 << (63 - 35)
ISI_PROTECTION = 1 << (63 - 36)

# Data storage interrupt, DSISR
DSISR_NO_TRANSLATION = 1 << (63 - 33)
DSISR_PROTECTION = 1 << (63 - 36)
DSISR_WRONG_STORAGE = 1 << (63 - 37)  # reservation or quadword access to caching-inhibited storage
DSISR_STORE = 1 << (63 - 38)  # OR-ed with the cause

# MSR after rfid: Book III-S, rfid. HV and ME follow rules of their own
RFID_FROM_SRR1 = ~(SRR1_CLEARED | MSR_HV | MSR_ME)
"""Bits 0:2, 4:32, 37:41, 48:50, 52:63 come from SRR1 (EE, IR and DR also from SRR1[PR]); 29:31 with an exception."""

# XER: Book I, Fixed-Point Exception Register
XER_SO = 1 << (63 - 32)  # Summary Overflow
XER_OV = 1 << (63 - 33)  # OVerflow
XER_CA = 1 << (63 - 34)  # CArry
XER_OV32 = 1 << (63 - 44)  # 3.0
XER_CA32 = 1 << (63 - 45)  # 3.0
XER_LENGTH = 0x7F  # bits 57:63: bytes moved by lswx and stswx

# A CR field: Book I, Condition Register
CR_LT = 8
CR_GT = 4
CR_EQ = 2
CR_SO = 1

# LPCR: Book III-S, Logical Partitioning Control Register
LPCR_RMLS_SHIFT = 63 - 37
LPCR_RMLS = 0xF << LPCR_RMLS_SHIFT  # Real Mode Limit Selector
LPCR_PECE = 0x1F000  # bits 47 to 51: what ends a power-saving mode
LPCR_ILE = 1 << (63 - 38)  # Interrupt Little-Endian
LPCR_AIL_SHIFT = 63 - 40
LPCR_AIL = 3 << LPCR_AIL_SHIFT  # Alternate Interrupt Location
LPCR_LD = 1 << (63 - 46)  # Large Decrementer, 3.0
LPCR_PECE = 0x1F << (63 - 51)  # Power-saving mode Exit Cause Enables
LPCR_MER = 1 << (63 - 52)  # Mediated External Request
LPCR_HEIC = 1 << (63 - 59)  # Hypervisor External Interrupt Control, 3.0
LPCR_LPES0 = 1 << (63 - 60)  # 1: externals to the partition
LPCR_LPES1 = 1 << (63 - 61)  # before 2.07
LPCR_HVICE = 1 << (63 - 62)  # Hypervisor Virtualization Interrupt Conditionally Enable, 3.0
LPCR_HDICE = 1 << (63 - 63)  # Hypervisor Decrementer Interrupt Conditionally Enable

LPCR_SINCE_300 = LPCR_LD | LPCR_HEIC | LPCR_HVICE
"""Bits that earlier levels do not have."""

# The 970 has no LPCR. HID0, HID4 and HID5: Xen/PPC ppc970-hid.h
HID0_NAP = 1 << (63 - 9)  # what MSR[POW] leads to
HID0_DPM = 1 << (63 - 11)
HID0_NHR = 1 << (63 - 15)
HID0_HDICE = 1 << (63 - 23)
HID0_EN_ATTN = 1 << (63 - 31)
HID0_EN_MCK = 1 << (63 - 32)
HID4_LPES0 = -(1 << 63)  # bit 0
HID4_RMLR_LOW_SHIFT = 63 - 2  # RMLR[1:2] in bits 1:2
HID4_LPID_LOW_SHIFT = 63 - 6  # LPID[2:5] in bits 3:6
HID4_RMOR_SHIFT = 63 - 22  # RMOR[0:15] in bits 7:22, units of 64 MB
HID4_RM_CI = 1 << (63 - 23)
HID4_LPES1 = 1 << (63 - 57)
HID4_RMLR_HIGH = 1 << (63 - 58)  # RMLR[0]
HID4_LG_PG_DIS = 1 << (63 - 61)
HID4_LPID_HIGH = 3  # LPID[0:1] in bits 62:63
HID5_HRMOR_SHIFT = 63 - 47  # bits 32:47
HID5_DCBZ_SIZE = 1 << (63 - 56)  # 1: dcbz clears 32 bytes
HID5_DCBZ32_ILLEGAL = 1 << (63 - 57)

HID0_POWER9_EN_ATTN = 1 << (63 - 3)
HID0_POWER8_HILE = 1 << (63 - 19)  # Hypervisor Interrupt Little-Endian
HID0_POWER9_HILE = 1 << (63 - 4)

# Processor version register: Book III-S, and Linux arch/powerpc cputable
PVR_970 = 0x00390202
PVR_970FX = 0x003C0301
PVR_970MP = 0x00440100
PVR_POWER7 = 0x003F0203
PVR_POWER8 = 0x004D0200
PVR_POWER9 = 0x004E1200

# FSCR: Book III-S, Facility Status and Control Register. The reason of an interrupt in bits 0:7, and the enables
FSCR_REASON_SHIFT = 63 - 7
FSCR_SCV = 1 << (63 - 51)  # 3.0
FSCR_TAR = 1 << (63 - 55)
FSCR_EBB = 1 << (63 - 56)
FSCR_DSCR = 1 << (63 - 61)
FACILITY_DSCR = 2
FACILITY_TM = 5
FACILITY_EBB = 7
FACILITY_TAR = 8
FACILITY_SCV = 12

HFSCR_MSGP = 1 << (63 - 53)
FACILITY_MSGP = 10

# PSSCR: Book III, Processor Stop Status and Control Register, 3.0
PSSCR_LOSES = 3 << (63 - 43)
"""ESL and EC: what ends the stop is a system reset interrupt."""

# BESCR: Book II, Branch Event Status and Control Register
BESCR_GE = -(1 << 63)  # bit 0: Global Enable

# Special purpose registers: Book III-S, and the 970 manual
SPR_XER = 1
SPR_DSCR_USER = 3
SPR_LR = 8
SPR_CTR = 9
SPR_AMR_USER = 13
SPR_DSCR = 17
SPR_DSISR = 18
SPR_DAR = 19
SPR_DEC = 22
SPR_SDR1 = 25
SPR_SRR0 = 26
SPR_SRR1 = 27
SPR_CFAR = 28
SPR_AMR = 29
SPR_PIDR = 48
SPR_IAMR = 61
SPR_TFHAR = 128
SPR_TFIAR = 129
SPR_TEXASR = 130
SPR_TEXASRU = 131
SPR_CTRL_READ = 136
SPR_TIDR = 144
SPR_CTRL_WRITE = 152
SPR_FSCR = 153
SPR_UAMOR = 157
SPR_PSPB = 159
SPR_DPDES = 176
SPR_DAWR0 = 180
SPR_RPR = 186
SPR_CIABR = 187
SPR_DAWRX0 = 188
SPR_HFSCR = 190
SPR_VRSAVE = 256
SPR_SPRG3_USER = 259
SPR_TB = 268
SPR_TBU = 269
SPR_SPRG0 = 272
SPR_SPRG1 = 273
SPR_SPRG2 = 274
SPR_SPRG3 = 275
SPR_ASR = 280
SPR_TBL_WRITE = 284
SPR_TBU_WRITE = 285
SPR_TBU40 = 286
SPR_PVR = 287
SPR_HSPRG0 = 304
SPR_HSPRG1 = 305
SPR_HDSISR = 306
SPR_HDAR = 307
SPR_SPURR = 308
SPR_PURR = 309
SPR_HDEC = 310
SPR_HIOR = 311
SPR_RMOR = 312
SPR_HRMOR = 313
SPR_HSRR0 = 314
SPR_HSRR1 = 315
SPR_LPCR = 318
SPR_LPIDR = 319
SPR_HMER = 336
SPR_HMEER = 337
SPR_PCR = 338
SPR_HEIR = 339
SPR_AMOR = 349
SPR_TIR = 446
SPR_PTCR = 464
SPR_SIER = 784
SPR_MMCR2 = 785
SPR_MMCRA = 786
SPR_PMC1 = 787  # PMC1 to PMC6 follow each other; problem state reads them 16 lower
SPR_PMC6 = 792
SPR_MMCR0 = 795
SPR_SIAR = 796
SPR_SDAR = 797
SPR_MMCR1 = 798
SPR_USER_PMU = 16  # what to subtract for the problem-state name
SPR_BESCRS = 800
SPR_EBBRR = 805
SPR_BESCR = 806
SPR_NOOP_FIRST = 808  # 808 to 811: reserved no-ops
SPR_NOOP_LAST = 811
SPR_TAR = 815
SPR_PSSCR_USER = 823
SPR_IC = 848
SPR_VTB = 849
SPR_PSSCR = 855
SPR_PPR = 896
SPR_PPR32 = 898
SPR_HID0 = 1008
SPR_HID1 = 1009
SPR_HID4 = 1012
SPR_DABR = 1013
SPR_HID5 = 1014
SPR_DABRX = 1015
SPR_PIR = 1023
SPR_PRIVILEGED = 0x10
"""A register whose number has this bit is privileged (Book III-S, Move To/From System Register Instructions)."""

# BO: Book I, Branch Instructions
BO_IGNORE_CR = 0x10
BO_CR_TRUE = 0x08
BO_KEEP_CTR = 0x04
BO_CTR_ZERO = 0x02
BO_HINTS = 0x09
"""Branch prediction, where BO asks for CTR alone (1a00t)."""

# TO: Book I, Fixed-Point Trap Instructions
TO_LESS = 0x10
TO_GREATER = 0x08
TO_EQUAL = 0x04
TO_BELOW = 0x02  # unsigned
TO_ABOVE = 0x01  # unsigned

# Message types and tags of msgsnd: Book III-S, Processor Control
MESSAGE_TYPE = 0x1F << (63 - 36)
MESSAGE_DOORBELL = 5 << (63 - 36)
MESSAGE_TAG = (1 << 20) - 1
MESSAGE_THREAD = 0x7F
