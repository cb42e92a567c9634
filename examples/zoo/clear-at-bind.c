/* mini-os, 2008 (G1): a guest clears PENDING after it has bound a port, to start clean. What came since the binding is swallowed. */
#include "zoo_xen.h"

void external(void) { usual_external(); }
void work(void) { usual_work(); }

NOINLINE void bind_port(struct device *device)
{
    bind(device);
#ifndef FIXED
    atomic_clear(&shared()->pending[0], bit_of(device));
#endif
    unmask(device);
}

void setup(void)
{
    mask_all();
    ready();
    bind_port(&devices[0]);
    enable_and_look();
}
