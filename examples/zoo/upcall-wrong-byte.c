/* Xen on big-endian machines, E8 and P1: evtchn_upcall_pending is the first byte, and whoever takes it for bit 0 of a long looks at
 * the eighth. This guest closes the EE gap, but looks at the wrong byte. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }
void external(void) { usual_external(); }

static int is_pending(void)
{
#ifdef FIXED
    return *upcall() != 0;
#else
    return *(volatile u64 *)upcall() & 1;
#endif
}

NOINLINE void critical_section(void)
{
    disable();
    something_else();
    enable();
    if (is_pending())
        xen_call(XEN_VERSION, 0, 0);
}

void work(void)
{
    critical_section();
    for (;;)
        __asm__ volatile("" : : : "memory");
}
