"""The interrupt registers of Itanium as a paravirtual domain had them, and how they are reached here (`vlsapic`).

Vectors 16 to 255 are a guest's; class of a vector is its number // 16. Source: Itanium Architecture Software
Developer's Manual, volume 2, External Interrupt Control Registers; Xen of March 2006, asm-ia64/privop.h.
"""

SPURIOUS = 0x0F
FIRST_VECTOR = 16
VECTORS = 256
EVENT_VECTOR = 0xE9  # event channels of other domains, all of them
TIMER_VECTOR = 0xEF
RESERVED = (EVENT_VECTOR, TIMER_VECTOR, 0xFD, 0xFE)  # the last two: inter-processor interrupts

# TPR
CLASS = 0xF0  # vectors of this class and below are masked
MASK_ALL = 1 << 16
TPR_RESERVED = 0xFF00

# Hyperprivops: r3 = HYPERPRIVOP | MARK, r4 = one of these, r5 and r6 its arguments; numbers as on Itanium
HYPERPRIVOP = 48
RFI = 1
SSM_I = 7
GET_IVR = 8
GET_TPR = 9
SET_TPR = 0xA
EOI = 0xB
RFI_CELLS = 5  # at r1: r3, r4, r5, r6, r1

# Words that a vCPU shares with its controller, u32, in the page of shared_info
MAPPED = 3072
MAPPED_BYTES = 32
VEE = 0  # virtual MSR[EE] (psr.i), mode shared
PEND = 4  # worth a look
TPR = 8
ITV = 12  # timer: vector, and bit 16 masks it


def vectors(priorities: list[int]) -> list[int] | None:
    """A vector for each of a guest's lines, by their XICS priority, 0 to 15: the more urgent, the higher its class.
    None if there are more lines than vectors."""
    free = [v for v in range(VECTORS - 1, FIRST_VECTOR - 1, -1) if v not in RESERVED]
    found: dict[int, int] = {}
    for k in sorted(range(len(priorities)), key=lambda k: priorities[k]):
        top = VECTORS - 16 * max(priorities[k], 1) - 1  # the first of its class
        vector = next((v for v in free if v <= top), None) or (free[-1] if free else None)
        if vector is None:
            return None
        free.remove(vector)
        found[k] = vector
    return [found[k] for k in range(len(priorities))]
