/* Xen/PPC, P2: MSR[EE]=1 with RI=0 says "interrupt me, but I cannot return". Xen itself crashed on a guest that was found so with an
 * event pending. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }
void external(void) { usual_external(); }

NOINLINE void unrecoverable_section(void)
{
#ifdef FIXED
    set_msr_ee_ri(0);
#else
    set_msr_ee_ri(MSR_EE);
#endif
    something_else();
    enable_and_look();
}

void work(void)
{
    unrecoverable_section();
    usual_work();
}
