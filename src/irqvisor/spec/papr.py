"""PAPR hypervisor calls: numbers, return codes, and the layout of an XIRR (LoPAPR)."""

H_SET_SPRG0 = 0x24
H_SET_DABR = 0x28
H_PAGE_INIT = 0x2C
H_GET_TERM_CHAR = 0x54
H_PUT_TERM_CHAR = 0x58
H_EOI = 0x64
H_CPPR = 0x68
H_IPI = 0x6C
H_IPOLL = 0x70
H_XIRR = 0x74
H_REGISTER_VPA = 0xDC
H_CEDE = 0xE0
H_CONFER = 0xE4
H_PROD = 0xE8
H_XIRR_X = 0x2FC
H_RANDOM = 0x300
H_SET_MODE = 0x31C
H_NOTIFY = 0xEF00  # private to this project's board: r4 the number of a channel; notify its consumer (design direct)
H_RTAS = 0xF000  # private to KVM and QEMU: the RTAS argument block's address in r4

H_SUCCESS = 0
H_HARDWARE = -1
H_FUNCTION = -2
H_PRIVILEGE = -3
H_PARAMETER = -4
H_P2 = -55  # the second argument is wrong, and so on
H_P3 = -56
H_P4 = -57
H_RESOURCE = -16
H_UNSUPPORTED_FLAG = -256

TERM_MAX = 16  # bytes a terminal call moves
VTY = 0x71000000  # unit address of the console
NVRAM = 0x71000001  # and of the NVRAM
TERMINALS = (0, VTY)  # 0 stands for the first

XIRR_CPPR_SHIFT = 24
XISR_MASK = 0xFFFFFF
XISR_NONE = 0
XISR_IPI = 2
XISR_SOURCES = 0x1000  # interrupt number of controller input 0
XISR_CONSOLE = 0x1100  # pseries board: the first virtual device
PRIORITY_NONE = 0xFF  # masked, or nothing pending
IPI_PRIORITY = 4  # what guests use
DEVICE_PRIORITY = 5

# H_SET_MODE
SET_MODE_ENDIAN = 4
SET_MODE_AIL = 3
SET_MODE_CIABR = 1
SET_MODE_DAWR = 2

# H_PAGE_INIT
PAGE_ICACHE_INVALIDATE = 0x800000
PAGE_ICACHE_SYNC = 0x400000
PAGE_ZERO = 0x8000
PAGE_COPY = 0x4000
PAGE_BYTES = 4096

# H_REGISTER_VPA: the subfunction is in bits 16 to 18 of the flags
VPA_SUBFUNCTION_SHIFT = 45
VPA_REGISTER = 1
VPA_REGISTER_DTL = 2
VPA_REGISTER_SHADOW = 3
VPA_DEREGISTER = 5
VPA_DEREGISTER_DTL = 6
VPA_DEREGISTER_SHADOW = 7
VPA_ALIGN = 128
VPA_PAGE = 4096  # an area may not cross such a boundary
VPA_MIN_BYTES = 640
SHADOW_MIN_BYTES = 8
DTL_MIN_BYTES = 48
AREA_SIZE_AT = 4  # DTL and SLB shadow: their size, 4 bytes
VPA_SIZE_AT = 4  # 2 bytes
VPA_DISPATCH_AT = 0x100  # 4 bytes: even while the processor runs, odd while it does not
