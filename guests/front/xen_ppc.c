/*
 * Xen/PPC: event channels in shared memory, 0x500 simulated by the hypervisor. One interrupt, as the guest sees it:
 *
 * 1. The hypervisor takes the interrupt, finds whose it is, sets PENDING[port], the selector bit of its word and
 *    upcall_pending, and resumes the guest at 0x500.
 * 2. get_irq(), the handler and eoi() do as events.h tells.
 * 3. next_irq() goes on: the rest of the word, the other words, and all over again until upcall_pending stays clear.
 *
 * The gap: nothing is delivered by setting MSR[EE]; the hypervisor looks when it is entered. So a guest that enables
 * interrupts looks at upcall_pending and, if it is set, makes a hypercall, any hypercall. One hole cannot be closed: if
 * the guest is preempted between next_irq()'s last look and rfid, the event waits for the next look, and that is why
 * compute_for_ever() has one after each unit of work.
 */
#include "ee_gap.h"

void front_init(void)
{
    events_init();
}

void front_init_secondary(void)
{
    events_init_secondary();
}

void front_start_vcpu(u64 number, u64 entry, u64 argument)
{
    events_start_vcpu(number, entry, argument);
}

void front_register(struct source *source)
{
    events_register(source);
}

void front_register_channel(struct source *source)
{
    events_register_channel(source);
}

void front_open_channel(struct channel *channel)
{
    events_open_channel(channel);
}

void front_notify(const struct channel *channel)
{
    events_notify(channel);
}

void front_ready(void)
{
}

struct source *get_irq(struct scan *scan)
{
    return first_event(scan);
}

int more_irqs(const struct scan *scan)
{
    return (scan->ready | scan->selector | info_of(scan)->upcall_pending) != 0;
}

/* R6: until upcall_pending stays clear. */
struct source *next_irq(struct scan *scan)
{
    for (;;) {
        struct source *source = next_event(scan);
        if (source != NO_IRQ || !upcall_pending())
            return source;
        take_notification(scan);
    }
}

void eoi(struct source *source, struct scan *scan)
{
    (void)scan;
    end_event(source);
}

/*
 * SCHEDOP_block sets EE, and looks at upcall_pending before it sleeps. A blocked vCPU's decrementer does not wake it,
 * so the hypervisor is told when the next tick is due: with EE=0, lest the tick come before it has been told.
 */
void front_idle(void)
{
    if (UNLIKELY(tick_next() != 0)) {
        front_disable();
        xen_call1(XEN_SET_TIMER_OP, nanoseconds(tick_next()));
    }
    xen_call1(XEN_SCHED_OP, SCHEDOP_BLOCK);
}

void front_send_self(void)
{
    events_send_self();
}

void front_console(const char *text, u64 length)
{
    events_console(text, length);
}
