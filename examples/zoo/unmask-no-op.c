/* Xen event channels, E10 (Linux, 2012): the guest clears MASK by itself, finds PENDING, and asks the hypervisor to unmask. For the
 * hypervisor the port is not masked any more, so it does nothing. The guest has to set MASK again first. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }
void external(void) { usual_external(); }

NOINLINE void unmask_by_call(struct device *device)
{
    u32 port = device->port;

    atomic_clear(&shared()->mask[0], bit_of(device));
    barrier();
    if (shared()->pending[0] & bit_of(device)) {
#ifdef FIXED
        mask(device);
#endif
        xen_call(XEN_EVENT_CHANNEL_OP, 9, handle(&port));
    }
}

void work(void)
{
    mask(&devices[0]);
    something_else();
    unmask_by_call(&devices[0]);
    usual_work();
}
