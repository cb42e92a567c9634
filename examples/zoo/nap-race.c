/* Bare metal, POW: the guest looks for work with interrupts on, and naps. What comes between the look and the nap is noted by the
 * handler, but the processor sleeps. Interrupts have to be off until the instruction that turns on EE and POW together. */
#include "zoo_native.h"

static volatile u64 noted;

void setup(void) { usual_setup(0); }

void external(void)
{
    if (acknowledge() == NOTHING)
        return;
    noted = 1;
    eoi();
}

NOINLINE void sleep_if_idle(void)
{
#ifdef FIXED
    disable();
#endif
    if (!noted)
        nap();
    enable();
}

void work(void)
{
    for (;;) {
        sleep_if_idle();
        if (noted) {
            noted = 0;
            drain(&devices[0]);
        }
    }
}
