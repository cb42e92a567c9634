/* Xen guests, after G4: two halves of a guest change MASK bits of one word, by a load, an or, and a store. The handler's change, made in
 * between, is stored away, and a port stays masked for ever. */
#include "zoo_xen.h"

void setup(void)
{
    mask_all();
    bind(&devices[0]);
    bind(&devices[1]);
    unmask(&devices[0]);
    mask(&devices[1]);
    enable();
    ready();
}

/* The first device's handler opens the second one's port. */
void external(void)
{
    do {
        if (take_selector()) {
            serve(&devices[0]);
            unmask(&devices[1]);
            serve(&devices[1]);
        }
    } while (*upcall());
}

NOINLINE void hold_third_port(void)
{
#ifdef FIXED
    atomic_set(&shared()->mask[0], 1UL << 40);
#else
    u64 word = shared()->mask[0];
    something_else();
    shared()->mask[0] = word | 1UL << 40;
#endif
}

void work(void)
{
    hold_third_port();
    disable();
    if (devices[0].tail && shared()->mask[0] & bit_of(&devices[1]))
        fail();
    usual_work();
}
