/* The OpenPIC of 970 machines, big-endian, 32-bit registers (OpenPIC Register Interface Specification 1.2). */
#ifndef OPENPIC_H
#define OPENPIC_H

#include "types.h"

#define OPENPIC_BASE 0xF8040000UL

/* The first 256 bytes are the registers of whichever processor does the access. */
enum openpic_register {
    OPENPIC_MY_IPI_DISPATCH = 0x40, /* + 0x10 * n; a bit mask of processors */
    OPENPIC_MY_TASK_PRIORITY = 0x80,
    OPENPIC_MY_ACKNOWLEDGE = 0xA0, /* a read takes the interrupt */
    OPENPIC_MY_EOI = 0xB0,
    OPENPIC_GLOBAL_CONFIGURATION = 0x1020,
    OPENPIC_IPI_VECTOR_PRIORITY = 0x10A0, /* + 0x10 * n */
    OPENPIC_SPURIOUS_VECTOR = 0x10E0,
    OPENPIC_SOURCE_VECTOR_PRIORITY = 0x10000, /* + 0x20 * n */
    OPENPIC_SOURCE_DESTINATION = 0x10010,     /* + 0x20 * n; a bit mask of processors */
};

#define CONFIGURATION_MIXED 0x20000000u /* the sources are this controller's, not an 8259's */
#define VECTOR_POSITIVE 0x00800000u /* active high, or rising edge */
#define VECTOR_LEVEL 0x00400000u
#define VECTOR_PRIORITY_SHIFT 16
#define VECTOR_FIELD 0x7FFu /* of which a classic controller has the lower 8 bits */

#define PRIORITY_MOST_FAVOURED 15
#define TASK_PRIORITY_CLOSED 15
#define TASK_PRIORITY_OPEN 0

#define VECTORS_OF_IPIS 4 /* 970 kernels give them the last vectors before the spurious one: 251 to 254 */

static inline u32 openpic_read(u64 offset)
{
    return *(volatile u32 *)(OPENPIC_BASE + offset);
}

static inline void openpic_write(u64 offset, u32 value)
{
    *(volatile u32 *)(OPENPIC_BASE + offset) = value;
}

#endif
