/* Xen/PPC, the EE gap: setting MSR[EE] delivers nothing by itself; the hypervisor looks when it is entered. A guest that enables
 * interrupts without a look at the upcall computes on with an event pending. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }
void external(void) { usual_external(); }

NOINLINE void critical_section(void)
{
    disable();
    something_else();
#ifdef FIXED
    enable_and_look();
#else
    enable();
#endif
}

void work(void)
{
    critical_section();
    for (;;)
        __asm__ volatile("" : : : "memory");
}
