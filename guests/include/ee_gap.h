/*
 * Of front ends that are not told by MSR[EE] alone: nothing may be delivered by setting it, so whoever enables interrupts
 * looks at upcall_pending and, if it is set, makes a hypercall, any hypercall. The tick is the decrementer's.
 */
#ifndef EE_GAP_H
#define EE_GAP_H

#include "events.h"

u64 front_forgets_recheck;

void front_recheck(void)
{
    if (UNLIKELY(upcall_pending()) && !front_forgets_recheck)
        xen_call(XEN_VERSION, 0, 0);
}

void front_enable(void)
{
    set_msr_ee_ri(MSR_EE | MSR_RI);
    front_recheck();
}

void front_disable(void)
{
    set_msr_ee_ri(MSR_RI);
}

int front_pending(void)
{
    return upcall_pending();
}

void front_set_tick(u64 due, u64 now)
{
    write_decrementer(due ? due - now : DEC_FAR);
}

#endif
