/* Posted interrupts: a vCPU is preempted with SN set, and runs again with SN clear. What was posted in between set a bit of PIR and
 * nothing else; the entry looks at ON, and leaves it there. Who clears SN has to set ON if PIR is not empty. */
#include "pair.h"

#define ON 1UL
#define SN 2UL

static volatile u64 control;
static volatile u64 pir;
static volatile u64 irr;
static volatile u64 notified; /* the active notification, which a guest that runs takes */

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
    notified = 1;
}

NOINLINE void preempt(void) { atomic_set(&control, SN); }

NOINLINE void resume(void)
{
    atomic_clear(&control, SN);
#ifdef FIXED
    if (pir)
        atomic_set(&control, ON);
#endif
}

/* At each entry to the guest. */
NOINLINE void sync(void)
{
    if (control & ON) {
        atomic_clear(&control, ON);
        irr |= atomic_exchange(&pir, 0);
    }
}

void first(void) { post(); }

void second(void)
{
    preempt();
    resume();
    sync();
}

void check(void)
{
    if (pir && !notified)
        fail();
}
