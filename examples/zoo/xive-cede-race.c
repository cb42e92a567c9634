/* XIVE, KVM on the first POWER9s, 2017: a guest finds nothing to do and says H_CEDE, and the hypervisor takes its context off the
 * processor and puts it to sleep. It never looks at what the context says is pending: an event that came after the guest had looked
 * waits there, and as it came to a processor there was no escalation. That look has to come when escalation is on. */
#include "pair.h"

#define VALID 0x100UL
#define PRIORITY_0 0x80UL
#define PQ_OPEN 0UL
#define PQ_OFF 1UL
#define PQ_PENDING 2UL

static volatile u64 ring;         /* the processor's thread context: VALID, and its IPB */
static volatile u64 saved_ipb;    /* of the vCPU, while it is on no processor */
static volatile u64 escalation;
static volatile u64 interrupts;   /* escalation interrupts for the hypervisor */
static volatile u64 blocked;

void setup(void)
{
    ring = VALID;
    escalation = PQ_OFF;
}

/* The controller presents an event. */
NOINLINE void present(void)
{
    u64 before = ring;

    while (before & VALID) {
        if (atomic_replace(&ring, before, before | PRIORITY_0))
            return;
        before = ring;
    }
    atomic_set(&saved_ipb, PRIORITY_0);
    if (atomic_replace(&escalation, PQ_OPEN, PQ_PENDING))
        interrupts = 1;
}

/* The hypervisor: H_CEDE. */
NOINLINE void cede(void)
{
    atomic_set(&saved_ipb, atomic_exchange(&ring, 0) & ~VALID);
    escalation = PQ_OPEN;
#ifdef FIXED
    if (saved_ipb)
        return;
#endif
    blocked = 1;
}

/* The guest, interrupts off. */
NOINLINE void idle(void)
{
    if (!(ring & PRIORITY_0))
        cede();
}

void first(void) { present(); }

void second(void) { idle(); }

void check(void)
{
    if (blocked && saved_ipb && !interrupts)
        fail();
}
