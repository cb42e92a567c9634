/*
 * Of front ends whose interrupt line is real: MSR[EE] is all that stands between what is pending and 0x500. So there is
 * nothing to look at when interrupts are enabled, and nothing to forget. The tick is the decrementer's.
 */
#ifndef REAL_LINE_H
#define REAL_LINE_H

#include "front.h"
#include "processor.h"

u64 front_forgets_recheck;

void front_enable(void)
{
    set_msr_ee_ri(MSR_EE | MSR_RI);
}

void front_disable(void)
{
    set_msr_ee_ri(MSR_RI);
}

int front_pending(void)
{
    return 0;
}

void front_set_tick(u64 due, u64 now)
{
    write_decrementer(due ? due - now : DEC_FAR);
}

void front_recheck(void)
{
}

#endif
