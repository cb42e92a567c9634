/* Xen guests: the selector is read and then set to 0, in place of an exchange. A bit that the hypervisor sets in between is gone, and
 * with it all events of that word. */
#include "zoo_xen.h"

void work(void) { usual_work(); }

/* The second device gets a port of the second word: those before it are used up. */
void setup(void)
{
    mask_all();
    shared()->mask[1] = 0;
    bind(&devices[0]);
    unmask(&devices[0]);
    for (u64 n = devices[0].port; n < 64; n++) {
        struct evtchn_alloc_unbound call = {.domain = DOMID_SELF, .remote_domain = DOMID_SELF};
        xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_ALLOC_UNBOUND, handle(&call));
    }
    bind(&devices[1]);
    if (devices[1].port < 64)
        fail();
    enable();
    ready();
}

NOINLINE u64 take(void)
{
    *upcall() = 0;
    barrier();
#ifdef FIXED
    return atomic_exchange(selector(), 0);
#else
    u64 taken = *selector();
    *selector() = 0;
    return taken;
#endif
}

void external(void)
{
    do {
        u64 words = take();
        if (words & 1)
            serve(&devices[0]);
        if (words & 2 && shared()->pending[1]) {
            atomic_clear(&shared()->pending[1], ~0UL);
            drain(&devices[1]);
        }
    } while (*upcall());
}
