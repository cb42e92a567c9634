/* Xen event channels, G10: a port is masked for a while and unmasked by clearing its bit. An event that comes meanwhile sets PENDING
 * and leaves no selector bit; nobody looks. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }
void external(void) { usual_external(); }

NOINLINE void masked_section(void)
{
    mask(&devices[0]);
    something_else();
#ifdef FIXED
    disable();
    unmask(&devices[0]);
    enable_and_look();
#else
    atomic_clear(&shared()->mask[0], bit_of(&devices[0]));
#endif
}

void work(void)
{
    masked_section();
    usual_work();
}
