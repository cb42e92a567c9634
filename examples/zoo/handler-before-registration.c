/* Xen guests, G2: the mask is clear at the start, and a port is bound before its handler is known. What comes in between is consumed
 * by the path for ports without a handler. */
#include "zoo_xen.h"

static void (*volatile handler)(struct device *);

static void drain_it(struct device *device) { drain(device); }

void work(void) { usual_work(); }

void external(void)
{
    do {
        if (take_selector() && shared()->pending[0]) {
            atomic_clear(&shared()->pending[0], ~0UL);
            if (handler)
                handler(&devices[0]);
        }
    } while (*upcall());
}

NOINLINE void attach(struct device *device)
{
#ifdef FIXED
    handler = drain_it;
    bind(device);
#else
    bind(device);
    handler = drain_it;
#endif
}

void setup(void)
{
    enable();
    ready();
    attach(&devices[0]);
    enable_and_look();
}
