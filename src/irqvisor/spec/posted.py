"""Posted interrupts and the virtual local APIC behind them: sizes, and where this machine has its registers."""

VECTORS = 256
WORDS = VECTORS // 64
CLASS_SHIFT = 4  # a vector's upper half is its priority
FIRST_VECTOR = 0x20  # those below are reserved
LAST_VECTOR = 0xEF  # those above are the platform's
USABLE = LAST_VECTOR - FIRST_VECTOR + 1
SPURIOUS_VECTOR = 0xFF

# The page of the virtual controller; 4-byte registers
INTERRUPT_VECTOR = 0x00  # load: the vector to serve; SPURIOUS_VECTOR: none
END_OF_INTERRUPT = 0x10  # store
TASK_PRIORITY = 0x20
SELF_IPI = 0x30  # store: request a vector of one's own
