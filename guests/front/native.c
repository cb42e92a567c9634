/*
 * Bare metal: this kernel owns the OpenPIC. One interrupt, as the guest sees it:
 *
 * 1. A source raises its input. The OpenPIC compares priorities and raises the processor's line.
 * 2. The processor enters 0x500: no software in between.
 * 3. get_irq() reads the acknowledge register; that names the vector, and lowers the line.
 * 4. The handler drains the ring.
 * 5. eoi() writes the EOI register: the priority in service drops. What is still pending raises the line again.
 *
 * A machine of several processors runs one such kernel on each, in its own memory, with its own sources. They share the
 * controller, which is as a reset left it; so nobody resets it, and what all of them write is the same.
 */
#include "one_at_a_time.h"
#include "openpic.h"
#include "real_line.h"

/* A vector is the place of its source in `sources`, whatever input that has. These two are the highest there are. */
static u32 vector_spurious;
static u32 vector_ipi;
static u32 this_cpu; /* its bit in destinations */
static u64 msr_asleep;

/* The other way round: XICS's most favoured is 0, OpenPIC's is 15, and OpenPIC's 0 is never delivered. */
static u32 openpic_priority(u64 priority)
{
    return priority < PRIORITY_MOST_FAVOURED - 1 ? PRIORITY_MOST_FAVOURED - (u32)priority : 1;
}

void front_init(void)
{
    openpic_write(OPENPIC_MY_TASK_PRIORITY, TASK_PRIORITY_CLOSED);
    /* A controller of many inputs has more than the classic 8 bits for a vector: what it keeps says how many. */
    openpic_write(OPENPIC_SPURIOUS_VECTOR, VECTOR_FIELD);
    vector_spurious = openpic_read(OPENPIC_SPURIOUS_VECTOR) & VECTOR_FIELD;
    vector_ipi = vector_spurious - VECTORS_OF_IPIS;
    openpic_write(OPENPIC_GLOBAL_CONFIGURATION, CONFIGURATION_MIXED);
    openpic_write(OPENPIC_IPI_VECTOR_PRIORITY, openpic_priority(4) << VECTOR_PRIORITY_SHIFT | vector_ipi);

    u64 number;
    __asm__ volatile("mfspr %0,%1" : "=r"(number) : "i"(SPR_PIR));
    this_cpu = 1u << number;

    /* MSR[POW] means nap (PowerPC 970FX User's Manual, Power Management). The other half is in front_idle(). */
    u64 hid0;
    __asm__ volatile("mfspr %0,%1" : "=r"(hid0) : "i"(SPR_HID0));
    __asm__ volatile("sync; mtspr %0,%1; isync" : : "i"(SPR_HID0), "r"(hid0 | HID0_NAP) : "memory");
    msr_asleep = read_msr() | MSR_POW | MSR_EE | MSR_RI;
}

void front_register(struct source *source)
{
    u32 vector = (u32)(source - sources);

    if (vector >= vector_ipi)
        give_up(EXIT_SETUP, "no vector left for input", source->irq);
    openpic_write(OPENPIC_SOURCE_DESTINATION + 0x20 * source->irq, this_cpu);
    openpic_write(OPENPIC_SOURCE_VECTOR_PRIORITY + 0x20 * source->irq,
                  VECTOR_POSITIVE | (source->level ? VECTOR_LEVEL : 0) |
                      openpic_priority(source->priority) << VECTOR_PRIORITY_SHIFT | vector);
}

void front_ready(void)
{
    openpic_write(OPENPIC_MY_TASK_PRIORITY, TASK_PRIORITY_OPEN);
}

struct source *get_irq(struct scan *scan)
{
    u64 vector = openpic_read(OPENPIC_MY_ACKNOWLEDGE) & VECTOR_FIELD;

    (void)scan;
    if (LIKELY(vector < source_count))
        return &sources[vector];
    if (vector == vector_ipi)
        return &self;
    if (vector != vector_spurious)
        unknown_interrupt();
    return NO_IRQ;
}

/* 970 kernels read WHOAMI afterwards to push the store out; this board's stores do not linger. */
void eoi(struct source *source, struct scan *scan)
{
    (void)source;
    (void)scan;
    openpic_write(OPENPIC_MY_EOI, 0);
}

/* EE and POW come in one instruction: an interrupt that is pending wakes the processor at once. */
void front_idle(void)
{
    barrier();
    write_msr(msr_asleep);
    __asm__ volatile("isync" : : : "memory");
}

void front_send_self(void)
{
    openpic_write(OPENPIC_MY_IPI_DISPATCH, this_cpu);
}

void front_console(const char *text, u64 length)
{
    while (length-- > 0)
        board()->console = (u8)*text++;
}
