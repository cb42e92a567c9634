/* PAPR, H_EOI: its argument gives the priority back that H_XIRR has taken away. A guest that keeps only the source number closes
 * itself. */
#include "zoo_papr.h"

void setup(void) { usual_setup(); }
void work(void) { usual_work(); }

NOINLINE void end(u64 xirr)
{
#ifdef FIXED
    eoi(xirr);
#else
    eoi(xirr & XISR_MASK);
#endif
}

void external(void)
{
    u64 xirr = papr_xirr();

    if ((xirr & XISR_MASK) == XISR_NONE)
        return;
    drain(&devices[0]);
    end(xirr);
}
