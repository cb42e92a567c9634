/* Xen, send against block: the guest looks for work with interrupts on, finds none, and blocks. What comes between the look and the
 * hypercall is noted by the handler, but the guest sleeps. */
#include "zoo_xen.h"

static volatile u64 noted;

void setup(void) { usual_setup(); }

/* The upper half only notes; the lower half, in work(), drains. */
void external(void)
{
    do {
        if (take_selector() && shared()->pending[0] & bit_of(&devices[0])) {
            atomic_clear(&shared()->pending[0], bit_of(&devices[0]));
            noted = 1;
        }
    } while (*upcall());
}

NOINLINE void sleep_if_idle(void)
{
#ifdef FIXED
    disable();
#endif
    if (!noted)
        block();
    enable_and_look();
}

void work(void)
{
    for (;;) {
        sleep_if_idle();
        if (noted) {
            noted = 0;
            drain(&devices[0]);
        }
    }
}
