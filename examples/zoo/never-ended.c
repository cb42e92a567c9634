/* OpenPIC: an interrupt that is never ended keeps its priority in service; the next one of the same priority waits for ever. */
#include "zoo_native.h"

void setup(void) { usual_setup(0); }
void work(void) { usual_work(); }

NOINLINE void end(void)
{
#ifdef FIXED
    eoi();
#endif
}

void external(void)
{
    if (acknowledge() == NOTHING)
        return;
    drain(&devices[0]);
    end();
}
