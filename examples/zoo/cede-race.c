/* PAPR, H_CEDE: the guest looks for work with interrupts on, and cedes. What comes between the look and the call is noted by the
 * handler, but the guest sleeps. H_CEDE is to be called with interrupts off: it turns them on, and does not sleep if one is pending. */
#include "zoo_papr.h"

static volatile u64 noted;

void setup(void) { usual_setup(); }

void external(void)
{
    u64 xirr = papr_xirr();

    if ((xirr & XISR_MASK) == XISR_NONE)
        return;
    noted = 1;
    eoi(xirr);
}

NOINLINE void sleep_if_idle(void)
{
#ifdef FIXED
    disable();
#endif
    if (!noted)
        cede();
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
