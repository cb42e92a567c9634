/* The decrementer: a periodic tick, if the device tree asks for one. */
#include "front.h"
#include "kernel.h"
#include "processor.h"

u64 ticks;         /* ticks taken */
static u64 period; /* in time base units; 0: no tick */
static u64 due;    /* time base at the next tick */

#define NS_PER_SECOND 1000000000UL

/* At boot, interrupts off. Also without a tick: the decrementer starts at 0 and would interrupt at once. */
void tick_start(void)
{
    u64 now = read_time_base();

    if (config.tick_hz == 0) {
        front_set_tick(0, now);
        return;
    }
    period = config.timebase_hz / config.tick_hz;
    if (period == 0 || period > DEC_FAR)
        give_up(EXIT_SETUP, "tick-hz out of range", config.tick_hz);
    due = now + period;
    front_set_tick(due, now);
}

/*
 * Interrupts off. A hypervisor may bring a tick early, in place of its own timer, or late; those that were missed
 * altogether are not made up for.
 */
void tick(void)
{
    u64 now = read_time_base();

    if (period == 0) {
        front_set_tick(0, now);
        return;
    }
    if ((s64)(now - due) >= 0) {
        ticks++;
        due += period;
        if ((s64)(now - due) >= 0)
            due = now + period;
    }
    front_set_tick(due, now);
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
    return period ? due : 0;
}

/* Time base to nanoseconds, rounded up, without a product that does not fit. */
u64 nanoseconds(u64 timebase)
{
    u64 hz = config.timebase_hz;
    return timebase / hz * NS_PER_SECOND + (timebase % hz * NS_PER_SECOND + hz - 1) / hz;
}
