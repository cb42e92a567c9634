/* Xen guests: the handler looks at the upcall once and returns. On a processor whose hypervisor takes interrupts whatever MSR[EE] is, an
 * event that comes while the handler works finds the guest with interrupts off; the guest has to look again before it computes on. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }

NOINLINE void serve_once(void)
{
    if (take_selector())
        serve(&devices[0]);
}

void external(void)
{
#ifdef FIXED
    do
        serve_once();
    while (*upcall());
#else
    serve_once();
#endif
}

/* Computes, and looks at the upcall once in a while: what comes behind the handler's last look waits no longer than this. */
void work(void)
{
#ifdef FIXED
    for (;;)
        enable_and_look();
#else
    for (;;)
        __asm__ volatile("" : : : "memory");
#endif
}
