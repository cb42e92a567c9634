/* Linux, note_interrupt ("nobody cared"): a level line interrupts before its driver is there to serve the device, again as soon as it was
 * ended, and the driver never gets so far. A line that nobody has served for a while has to be masked until somebody can. */
#include "zoo_native.h"

#define SOURCE_MASKED 0x80000000u
#define ENOUGH 4

static volatile u64 attached;
static u64 unhandled;

void setup(void) { usual_setup(1); }

static void configure(u32 masked)
{
    openpic_write(OPENPIC_SOURCE_VECTOR_PRIORITY + 0x20 * devices[0].irq,
                  masked | VECTOR_POSITIVE | VECTOR_LEVEL | 8 << VECTOR_PRIORITY_SHIFT | VECTOR);
}

void external(void)
{
    if (acknowledge() == NOTHING)
        return;
    if (attached)
        drain(&devices[0]);
#ifdef FIXED
    else if (unhandled == ENOUGH)
        configure(SOURCE_MASKED);
#endif
    unhandled++;
    eoi();
}

/* The driver comes late: it polls once, and opens the line, which may have been masked. */
NOINLINE void attach(void)
{
    something_else();
    attached = 1;
    disable();
    drain(&devices[0]);
    configure(0);
    enable();
}

void work(void)
{
    attach();
    usual_work();
}
