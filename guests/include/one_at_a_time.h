/* Of front ends that name one interrupt a trip: what is still pending holds the line up, and enters 0x500 again. */
#ifndef ONE_AT_A_TIME_H
#define ONE_AT_A_TIME_H

#include "front.h"

int more_irqs(const struct scan *scan)
{
    (void)scan;
    return 0;
}

struct source *next_irq(struct scan *scan)
{
    (void)scan;
    return NO_IRQ;
}

#endif
