/*
 * The smallest kernel that can lose an interrupt. A guest of the zoo has three functions: setup() binds its devices and
 * stores the ready mark, external() is its handler, work() is what it does otherwise.
 */
#ifndef ZOO_H
#define ZOO_H

#include "atomic.h"
#include "board.h"
#include "processor.h"
#include "types.h"

struct device {
    struct ring *ring;
    volatile u64 *doorbell;
    u64 tail;
    u32 irq;  /* PIC input, XISR or pirq */
    u32 port; /* of a guest with event channels */
};

extern struct device devices[4];
extern u64 shared_info;

void setup(void);
void external(void);
NORETURN void work(void);

/* Consume all that is in a ring. */
static inline void drain(struct device *device)
{
    while (device->ring->head != device->tail)
        *device->doorbell = ++device->tail;
}

/* Initialised: the window of exploration begins. */
static inline void ready(void)
{
    board()->ready = 1;
}

/* The guest's own judgement. */
static inline void fail(void)
{
    board()->exit = 1;
}

static inline void enable(void)
{
    set_msr_ee_ri(MSR_EE | MSR_RI);
}

static inline void disable(void)
{
    set_msr_ee_ri(MSR_RI);
}

/* Something else to do, for as long as a handful of instructions takes. */
static inline void something_else(void)
{
    for (u64 n = 0; n < 4; n++)
        __asm__ volatile("" : : : "memory");
}

#endif
