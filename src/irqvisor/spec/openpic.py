"""Register offsets and bits of the Open Programmable Interrupt Controller (OpenPIC Register Interface 1.2).

Bit masks count from the least significant bit, as that book does. Offsets are from the controller's base; every
register is 32 bits wide and stands alone in 16 bytes.
"""

STRIDE = 0x10
UNASSIGNED = 0xFFFFFFFF  # what an offset without a register reads as

# Blocks
ALIAS_BASE = 0x00000  # the per-processor registers of whoever does the access
ALIAS_END = 0x00100
GLOBAL_BASE = 0x01000
TIMER_BASE = 0x01100
TIMER_STRIDE = 0x40
TIMER_END = 0x01200
SOURCE_BASE = 0x10000
SOURCE_STRIDE = 0x20
CPU_BASE = 0x20000
CPU_STRIDE = 0x1000
CPU_SHIFT = 12  # log2 of CPU_STRIDE
WINDOW_BYTES = 0x40000

# Global registers, absolute
FRR = 0x1000  # feature reporting 0
FRR1 = 0x1010
GCR = 0x1020  # global configuration 0
GCR1 = 0x1030
VENDOR_SPECIFIC_0 = 0x1040
VENDOR_SPECIFIC_3 = 0x1070
VIR = 0x1080  # vendor identification
PIR = 0x1090  # processor initialisation
IPI_VECTOR = 0x10A0  # IPI 0; the others follow at STRIDE
SVR = 0x10E0  # spurious vector
TFRR = 0x10F0  # timer frequency, Hz

FRR_LAST_SOURCE_SHIFT = 16
FRR_LAST_CPU_SHIFT = 8
FRR_VERSION_1_2 = 0x02
GCR_RESET = 0x80000000
GCR_MIXED = 0x20000000  # 8259 pass-through disable
TFRR_RESET = 4160000

# Vector/priority registers of sources, IPIs and timers
VPR_MASK = 0x80000000  # 1: not delivered
VPR_ACTIVITY = 0x40000000  # read only: requested and not masked
VPR_POLARITY = 0x00800000
VPR_SENSE = 0x00400000  # 1: level
VPR_PRIORITY_SHIFT = 16
VPR_PRIORITY = 0xF  # after the shift
VECTOR_8_BITS = 0xFF  # classic parts
VECTOR_11_BITS = 0x7FF  # parts with more interrupts than 8 bits can tell apart

# A source's block
SOURCE_VPR = 0x00
SOURCE_DESTINATION = 0x10

# A timer's block
TIMER_COUNT = 0x00  # TCCR
TIMER_BASE_COUNT = 0x10  # TBCR
TIMER_VPR = 0x20
TIMER_DESTINATION = 0x30
TCCR_TOGGLE = 0x80000000
TBCR_INHIBIT = 0x80000000
TIMER_COUNT_BITS = 0x7FFFFFFF

# A processor's block
CPU_IPI_DISPATCH = 0x40  # IPI 0; the others follow at STRIDE
CPU_IPI_DISPATCH_LAST = 0x70
CPU_TASK_PRIORITY = 0x80  # CTPR
CPU_WHOAMI = 0x90
CPU_IACK = 0xA0
CPU_EOI = 0xB0

TASK_PRIORITY_BITS = 0xF
WHOAMI_BITS = 0x1F
PRIORITIES = 16
HIGHEST_PRIORITY = 15
IPIS = 4
TIMERS = 4
MAX_CPUS = 32
FIRST_IPI_VECTOR = 251  # by convention of the Linux and Xen drivers (mpic.c): 251 to 254, and 255 is spurious
