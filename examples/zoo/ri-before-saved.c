/* Xen/PPC, P7: MSR[RI]=1 says that SRR0 and SRR1 hold nothing that is still needed. An entry that says so, and lets interrupts in,
 * before it has saved them is interrupted once more, and returns to itself. */
#include "zoo_xen.h"

void setup(void)
{
    mask_all();
    bind(&devices[0]);
    unmask(&devices[0]);
    enable();
}

/* Nobody comes here twice. */
void work(void)
{
    static volatile u64 begun;

    if (begun++)
        fail();
    ready();
    usual_work();
}

/* Acknowledge, and let the next one in for a moment. */
static inline void acknowledge(void)
{
    take_selector();
    atomic_clear(&shared()->pending[0], bit_of(&devices[0]));
    enable();
    disable();
}

#ifdef FIXED
void external(void)
{
    acknowledge();
#else
void before_saving(void)
{
    acknowledge();
}

void external(void)
{
#endif
    drain(&devices[0]);
    while (*upcall())
        if (take_selector())
            serve(&devices[0]);
}
