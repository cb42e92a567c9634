/* PAPR, the oldest mistake: a hypercall is an interrupt. A handler that makes one before it has saved SRR0 and SRR1 returns to itself. */
#include "zoo_papr.h"

void setup(void) { usual_setup(); }

/* Nobody comes here twice. */
void work(void)
{
    static volatile u64 begun;

    if (begun++)
        fail();
    usual_work();
}

static volatile u64 taken;

#ifdef FIXED
void external(void)
{
    taken = papr_xirr();
#else
void before_saving(void)
{
    taken = papr_xirr();
}

void external(void)
{
#endif
    if ((taken & XISR_MASK) == XISR_NONE)
        return;
    drain(&devices[0]);
    eoi(taken);
}
