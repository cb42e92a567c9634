/* Xen guests, G7 (a scan that loses its turn): the handler serves one port of a word and forgets that it took the selector for the
 * others too. */
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

NOINLINE void scan(void)
{
#ifdef FIXED
    serve(&devices[0]);
    serve(&devices[1]);
#else
    if (shared()->pending[0] & bit_of(&devices[0]))
        serve(&devices[0]);
    else
        serve(&devices[1]);
#endif
}

void external(void)
{
    do {
        if (take_selector())
            scan();
    } while (*upcall());
}
