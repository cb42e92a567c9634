/* Xen, before July 2008 (E3): EVTCHNOP_close leaves PENDING set. What came to the port last, and was not handled any more, waits for its
 * next owner, whose first event finds PENDING set already, and tells nobody. */
#include "zoo_xen.h"

void external(void) { usual_external(); }

/* The same interrupt gets the same port again. The ring is looked at, for nobody was told of what came meanwhile. */
NOINLINE void rebind(struct device *device)
{
    disable();
    close(device);
    take_selector();
#ifdef FIXED
    atomic_clear(&shared()->pending[0], bit_of(device));
#endif
    bind(device);
    drain(device);
    enable_and_look();
}

void setup(void) { usual_setup(); }

void work(void)
{
    rebind(&devices[0]);
    usual_work();
}
