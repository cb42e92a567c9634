/* A guest of a PAPR hypervisor, as it should be; a guest of the zoo replaces one of its functions. */
#ifndef ZOO_PAPR_H
#define ZOO_PAPR_H

#include "papr.h"
#include "zoo.h"

static inline void usual_setup(void)
{
    papr_call1(H_CPPR, CPPR_OPEN);
    enable();
    ready();
}

static inline void eoi(u64 xirr)
{
    papr_call1(H_EOI, xirr);
}

static inline void usual_external(void)
{
    u64 xirr = papr_xirr();

    if ((xirr & XISR_MASK) == XISR_NONE)
        return;
    drain(&devices[0]);
    eoi(xirr);
}

/* Sleep; called with interrupts off, which the hypervisor turns on, and looks before it sleeps. */
static inline void cede(void)
{
    papr_call1(H_CEDE, 0);
}

static inline NORETURN void usual_work(void)
{
    for (;;) {
        disable();
        cede();
    }
}

#endif
