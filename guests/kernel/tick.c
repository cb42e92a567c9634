/* The decrementer: a periodic tick, if the device tree asks for one. */
#include "front.h"
#include "kernel.h"
#include "processor.h"

u64 ticks;         /* ticks taken; of several virtual processors, about */
static u64 period; /* in time base units; 0: no tick */

#define NS_PER_SECOND 1000000000UL

void tick_boot(void)
{
    if (config.tick_hz == 0)
        return;
    period = config.timebase_hz / config.tick_hz;
    if (period == 0 || period > DEC_FAR)
        give_up(EXIT_SETUP, "tick-hz out of range", config.tick_hz);
}

/*
 * At boot, on each virtual processor, interrupts off. Also without a tick: the decrementer starts at 0 and would
 * interrupt at once.
 */
void tick_start(void)
{
    u64 now = read_time_base();

    this_vcpu()->due = now + period;
    front_set_tick(period ? now + period : 0, now);
}

/*
 * Interrupts off. A hypervisor may bring a tick early, in place of its own timer, or late; those that were missed
 * altogether are not made up for.
 */
void tick(void)
{
    struct vcpu *vcpu = this_vcpu();
    u64 now = read_time_base();

    if (period == 0) {
        front_set_tick(0, now);
        return;
    }
    if ((s64)(now - vcpu->due) >= 0) {
        ticks++;
        vcpu->due += period;
        if ((s64)(now - vcpu->due) >= 0)
            vcpu->due = now + period;
    }
    front_set_tick(vcpu->due, now);
}

/* From vectors.S at 0x900. */
void tick_interrupt(void)
{
    tick();
    if (front_pending())
        external_interrupt();
}

u64 tick_next(void)
{
    return period ? this_vcpu()->due : 0;
}

/* Time base to nanoseconds, rounded up, without a product that does not fit. */
u64 nanoseconds(u64 timebase)
{
    u64 hz = config.timebase_hz;
    return timebase / hz * NS_PER_SECOND + (timebase % hz * NS_PER_SECOND + hz - 1) / hz;
}
