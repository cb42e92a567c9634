/* Linux, powerpc: interrupts are disabled by a flag in memory. One that comes nevertheless is noted, and made up for by whoever clears
 * the flag. To look at the note before the flag is cleared is too early: what is noted in between stays there, and with it, since it
 * is not ended, all that would come later. */
#include "zoo_papr.h"

static volatile u64 soft_disabled;
static volatile u64 happened;

void setup(void) { usual_setup(); }

static void serve(u64 xirr)
{
    drain(&devices[0]);
    eoi(xirr);
}

void external(void)
{
    u64 xirr = papr_xirr();

    if ((xirr & XISR_MASK) == XISR_NONE)
        return;
    if (soft_disabled)
        happened = xirr;
    else
        serve(xirr);
}

NOINLINE void soft_enable(void)
{
    u64 xirr;

#ifdef FIXED
    soft_disabled = 0;
#endif
    xirr = happened;
    if (xirr) {
        happened = 0;
        serve(xirr);
    }
#ifndef FIXED
    soft_disabled = 0;
#endif
}

void work(void)
{
    soft_disabled = 1;
    something_else();
    soft_enable();
    usual_work();
}
