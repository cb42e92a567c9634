"""PAPR hypervisor calls: numbers, return codes, and the layout of an XIRR (LoPAPR)."""

H_GET_TERM_CHAR = 0x54
H_PUT_TERM_CHAR = 0x58
H_EOI = 0x64
H_CPPR = 0x68
H_IPI = 0x6C
H_IPOLL = 0x70
H_XIRR = 0x74
H_CEDE = 0xE0
H_CONFER = 0xE4
H_PROD = 0xE8

H_SUCCESS = 0
H_HARDWARE = -1
H_FUNCTION = -2
H_PRIVILEGE = -3
H_PARAMETER = -4

TERM_MAX = 16  # bytes a terminal call moves

XIRR_CPPR_SHIFT = 24
XISR_MASK = 0xFFFFFF
XISR_NONE = 0
XISR_IPI = 2
XISR_SOURCES = 0x1000  # interrupt number of controller input 0
PRIORITY_NONE = 0xFF  # masked, or nothing pending
IPI_PRIORITY = 4  # what guests use
DEVICE_PRIORITY = 5
