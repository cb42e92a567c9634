/* rhype: an interrupt enters whichever domain runs. If it is not that domain's, the hypervisor queues it for its owner and says that
 * nothing was pending. One that only ends it and says so, defect "foreign-dropped", leaves the owner asleep. The owner has a device and
 * sleeps; its neighbour, the same image without a device, computes. */
#include "zoo_papr.h"

void setup(void) { usual_setup(); }
void external(void) { usual_external(); }

NORETURN NOINLINE void compute(void)
{
    for (;;)
        __asm__ volatile("" : : : "memory");
}

void work(void)
{
    if (devices[0].ring)
        usual_work();
    compute();
}
