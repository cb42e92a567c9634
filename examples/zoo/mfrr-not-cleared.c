/* PAPR, H_IPI: an IPI is requested until its receiver writes 0xFF to the MFRR. A handler that only says H_EOI gets it again, for ever. */
#include "zoo_papr.h"

void setup(void) { usual_setup(); }
void work(void) { usual_work(); }

NOINLINE void take_ipi(void)
{
#ifdef FIXED
    papr_call(H_IPI, 0, MFRR_NONE, 0, 0);
#endif
    drain(&devices[0]);
}

/* The device's own handler leaves the work to a softer one, which it sends itself. */
void external(void)
{
    u64 xirr = papr_xirr();

    if ((xirr & XISR_MASK) == XISR_NONE)
        return;
    if ((xirr & XISR_MASK) == XISR_IPI)
        take_ipi();
    else
        papr_call(H_IPI, 0, MFRR_IPI, 0, 0);
    eoi(xirr);
}
