/* Xen/PPC, P14: a level interrupt stays in service at the controller until the guest says PHYSDEVOP_eoi. A guest that forgets it gets
 * no other from its device, and nobody of that priority does. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }
void work(void) { usual_work(); }

NOINLINE void serve_level(struct device *device)
{
    serve(device);
#ifdef FIXED
    xen_call(XEN_PHYSDEV_OP, PHYSDEVOP_EOI, handle(&device->irq));
#endif
}

void external(void)
{
    do {
        if (take_selector())
            serve_level(&devices[0]);
    } while (*upcall());
}
