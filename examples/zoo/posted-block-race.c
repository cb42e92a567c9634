/* Posted interrupts: a vCPU that blocks looks at ON, then sets the wake-up vector. What is posted in between notifies with the active
 * vector a processor that runs no guest, and leaves ON set: no notification follows, and the vCPU sleeps. The wake-up vector has to be
 * there before the look. */
#include "pair.h"

#define ON 1UL
#define SN 2UL
#define WAKE_UP 4UL /* the notification vector: the wake-up one, or else the active one */

static volatile u64 control; /* the descriptor's control word: ON, SN, notification vector */
static volatile u64 pir;
static volatile u64 wake_ups; /* notifications that the hypervisor hears of */
static volatile u64 blocked;

void setup(void) { }

/* The remapping hardware posts. */
NOINLINE void post(void)
{
    u64 before;

    atomic_set(&pir, 1);
    do {
        before = control;
        if (before & (ON | SN))
            return;
    } while (!atomic_replace(&control, before, before | ON));
    if (before & WAKE_UP)
        wake_ups = 1;
}

/* The hypervisor, for a vCPU that has nothing to do. */
NOINLINE void block(void)
{
#ifdef FIXED
    atomic_set(&control, WAKE_UP);
    if (control & ON)
        return;
#else
    if (control & ON)
        return;
    atomic_set(&control, WAKE_UP);
#endif
    blocked = 1;
}

void first(void) { post(); }

void second(void) { block(); }

void check(void)
{
    if (blocked && pir && !wake_ups)
        fail();
}
