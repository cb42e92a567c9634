/* OpenPIC, a level line: EOI before the device was served. Its line is still up, so the interrupt comes again as soon as the handler
 * lets more urgent ones in, and finds itself half way through. */
#include "zoo_native.h"

void setup(void) { usual_setup(1); }
void work(void) { usual_work(); }

void external(void)
{
    if (acknowledge() == NOTHING)
        return;
#ifndef FIXED
    eoi();
#endif
    enable(); /* more urgent ones may come from here on */
    drain(&devices[0]);
    disable();
#ifdef FIXED
    eoi();
#endif
}
