/* OpenPIC, an edge: the ring is drained first and the interrupt acknowledged afterwards. An item that is posted in between merges with
 * the edge that is still pending, and is acknowledged with it. */
#include "zoo_native.h"

void setup(void) { usual_setup(0); }
void work(void) { usual_work(); }

NOINLINE void serve(void)
{
#ifdef FIXED
    if (acknowledge() == NOTHING)
        return;
    drain(&devices[0]);
#else
    drain(&devices[0]);
    if (acknowledge() == NOTHING)
        return;
#endif
    eoi();
}

void external(void) { serve(); }
