/* Ring protocols, NAPI: a consumer that polls with notifications off drains the ring, turns them on, and sleeps. What came between
 * its last look and the turning on told nobody. Once they are on, the ring has to be looked at again: the final check. */
#include "zoo_xen.h"

static volatile u64 scheduled;

void setup(void) { usual_setup(); }

/* No more notifications; the ring is for poll(). */
void external(void)
{
    do {
        if (take_selector() && (shared()->pending[0] & ~shared()->mask[0] & bit_of(&devices[0]))) {
            mask(&devices[0]);
            scheduled = 1;
        }
    } while (*upcall());
}

NOINLINE void poll(void)
{
    drain(&devices[0]);
    atomic_clear(&shared()->pending[0], bit_of(&devices[0]));
    unmask(&devices[0]);
#ifdef FIXED
    drain(&devices[0]);
#endif
}

void work(void)
{
    for (;;) {
        disable();
        if (!scheduled)
            block();
        enable_and_look();
        if (scheduled) {
            scheduled = 0;
            poll();
        }
    }
}
