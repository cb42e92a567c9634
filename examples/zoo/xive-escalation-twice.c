/* XIVE: a vCPU was entered while its escalation interrupt was still in the hypervisor's queue, and cedes. The cede is aborted, as it
 * should be, but escalation is opened all the same: the next event puts a second entry of one source into a queue that has room for
 * one. It has to look triggered until the entry is taken. */
#include "pair.h"

#define PQ_OPEN 0UL
#define PQ_OFF 1UL
#define PQ_PENDING 2UL
#define PQ_QUEUED 3UL

static volatile u64 escalation;
static volatile u64 in_flight; /* an entry is in the queue */
static volatile u64 entries;   /* and how many are */

void setup(void)
{
    escalation = PQ_PENDING;
    in_flight = entries = 1;
}

/* The controller has an event for a vCPU that is on no processor: its escalation is triggered. */
NOINLINE void escalate(void)
{
    if (atomic_replace(&escalation, PQ_OPEN, PQ_PENDING)) {
        if (atomic_add(&entries, 1))
            fail();
    } else {
        atomic_replace(&escalation, PQ_PENDING, PQ_QUEUED);
    }
}

/* The vCPU is entered: no escalation, and one that is under way stays noted. */
NOINLINE void enter(void)
{
    u64 old = atomic_exchange(&escalation, PQ_OFF);

    if (!(old & PQ_PENDING))
        in_flight = 0;
}

/* It has said H_CEDE. */
NOINLINE void cede(void)
{
    if (in_flight) {
#ifdef FIXED
        escalation = PQ_PENDING;
#else
        escalation = PQ_OPEN;
#endif
        return;
    }
    escalation = PQ_OPEN;
}

/* The hypervisor takes the entry from its queue. */
NOINLINE void take(void)
{
    entries = 0;
    in_flight = 0;
}

void first(void) { escalate(); }

void second(void)
{
    enter();
    cede();
    take();
}

void check(void) { }
