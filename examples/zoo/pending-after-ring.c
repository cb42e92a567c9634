/* Xen event channels, G6: PENDING is cleared after the ring was read. An event that comes between the last look at the ring and the
 * clearing finds PENDING set, stops at once, and is erased. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }
void work(void) { usual_work(); }

NOINLINE void serve_port(struct device *device)
{
#ifdef FIXED
    atomic_clear(&shared()->pending[0], bit_of(device));
    drain(device);
#else
    drain(device);
    atomic_clear(&shared()->pending[0], bit_of(device));
#endif
}

void external(void)
{
    do {
        if (take_selector() && shared()->pending[0] & bit_of(&devices[0]))
            serve_port(&devices[0]);
    } while (*upcall());
}
