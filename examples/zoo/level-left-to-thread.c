/* Linux, IRQF_ONESHOT: the handler of a level line leaves its device to a thread, and ends the interrupt. The line is still up, and
 * interrupts again at once: the thread never runs. The source has to be masked until the thread has served the device. */
#include "zoo_native.h"

#define SOURCE_MASKED 0x80000000u

static volatile u64 noted;

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
#ifdef FIXED
    configure(SOURCE_MASKED);
#endif
    noted = 1;
    eoi();
}

NOINLINE void thread(void)
{
    drain(&devices[0]);
    configure(0);
}

void work(void)
{
    for (;;) {
        disable();
        if (!noted)
            nap();
        enable();
        if (noted) {
            noted = 0;
            thread();
        }
    }
}
