/* Xen/PPC, P17: upcall_pending is a level. A handler that does not clear it is entered again whenever the guest resumes. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }
void work(void) { usual_work(); }

void external(void)
{
#ifdef FIXED
    *upcall() = 0;
    barrier();
#endif
    if (atomic_exchange(selector(), 0))
        serve(&devices[0]);
}
