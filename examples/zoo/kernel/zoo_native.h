/* A guest on bare metal, which owns an OpenPIC, as it should be; a guest of the zoo replaces one of its functions. */
#ifndef ZOO_NATIVE_H
#define ZOO_NATIVE_H

#include "openpic.h"
#include "zoo.h"

#define VECTOR 1
#define NOTHING 0xFF

static inline void open_source(struct device *device, u32 level)
{
    openpic_write(OPENPIC_SPURIOUS_VECTOR, NOTHING);
    openpic_write(OPENPIC_SOURCE_DESTINATION + 0x20 * device->irq, 1);
    openpic_write(OPENPIC_SOURCE_VECTOR_PRIORITY + 0x20 * device->irq,
                  VECTOR_POSITIVE | (level ? VECTOR_LEVEL : 0) | 8 << VECTOR_PRIORITY_SHIFT | VECTOR);
    openpic_write(OPENPIC_MY_TASK_PRIORITY, TASK_PRIORITY_OPEN);
}

static inline u32 acknowledge(void)
{
    return openpic_read(OPENPIC_MY_ACKNOWLEDGE) & 0xFF;
}

static inline void eoi(void)
{
    openpic_write(OPENPIC_MY_EOI, 0);
}

static inline void allow_nap(void)
{
    u64 hid0;

    __asm__ volatile("mfspr %0,%1" : "=r"(hid0) : "i"(SPR_HID0));
    __asm__ volatile("sync; mtspr %0,%1; isync" : : "i"(SPR_HID0), "r"(hid0 | HID0_NAP) : "memory");
}

static inline void usual_setup(u32 level)
{
    allow_nap();
    open_source(&devices[0], level);
    enable();
    ready();
}

/* EE and POW come in one instruction: an interrupt that is pending wakes the processor at once. */
static inline void nap(void)
{
    write_msr(read_msr() | MSR_POW | MSR_EE | MSR_RI);
    __asm__ volatile("isync" : : : "memory");
}

static inline NORETURN void usual_work(void)
{
    for (;;)
        nap();
}

#endif
