/* After Regehr, "Random Testing of Interrupt-Driven Software" (2005): a counter that the handler and the main loop both add to, by a
 * load, an add, and a store. An interrupt between load and store is not counted. */
#include "zoo_papr.h"

static volatile u64 count;
static u64 own, theirs;

void setup(void) { usual_setup(); }

static inline void add_one(void)
{
    count++;
}

void external(void)
{
    u64 xirr = papr_xirr();

    if ((xirr & XISR_MASK) == XISR_NONE)
        return;
    drain(&devices[0]);
    add_one();
    theirs++;
    eoi(xirr);
}

NOINLINE void main_counts(void)
{
#ifdef FIXED
    disable();
#endif
    add_one();
    own++;
#ifdef FIXED
    enable();
#endif
}

void work(void)
{
    main_counts();
    for (;;) {
        disable();
        if (count != own + theirs)
            fail();
        cede();
    }
}
