/* Xen event channels, G5: the guest takes the selector, then clears the upcall. Another port's event that is sent between the
 * two sets the selector again, and its upcall is erased with the old one: whatever comes next finds the selector set and stops there. */
#include "zoo_xen.h"

void work(void) { usual_work(); }

void setup(void)
{
    mask_all();
    bind(&devices[0]);
    bind(&devices[1]);
    unmask(&devices[0]);
    unmask(&devices[1]);
    enable();
    ready();
}

NOINLINE u64 take(void)
{
#ifdef FIXED
    *upcall() = 0;
    barrier();
    return atomic_exchange(selector(), 0);
#else
    u64 taken = atomic_exchange(selector(), 0);
    barrier();
    *upcall() = 0;
    return taken;
#endif
}

void external(void)
{
    do {
        if (take()) {
            serve(&devices[0]);
            serve(&devices[1]);
        }
    } while (*upcall());
}
