/* PAPR: a list that the handler and the main loop both change, and a main loop that does not keep interrupts off meanwhile. The item that
 * the handler hands over between the two halves of the change is forgotten. */
#include "zoo_papr.h"

static volatile u64 handed; /* items that the handler handed over */
static volatile u64 queue;  /* 1: there are some */

void setup(void) { usual_setup(); }

void external(void)
{
    u64 xirr = papr_xirr();

    if ((xirr & XISR_MASK) == XISR_NONE)
        return;
    handed = devices[0].ring->head;
    queue = 1;
    eoi(xirr);
}

NOINLINE void take_over(void)
{
#ifdef FIXED
    queue = 0;
    something_else();
    while (devices[0].tail != handed)
        *devices[0].doorbell = ++devices[0].tail;
#else
    while (devices[0].tail != handed)
        *devices[0].doorbell = ++devices[0].tail;
    something_else();
    queue = 0;
#endif
}

void work(void)
{
    for (;;) {
        disable();
        if (!queue)
            cede();
        enable();
        if (queue)
            take_over();
    }
}
