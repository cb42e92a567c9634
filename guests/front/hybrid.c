/*
 * hybrid: hypercalls for this guest's own sources, event channels for the rest. One trip, as the guest sees it:
 *
 * 1. The processor enters 0x500 by itself, or the hypervisor makes it; the guest need not know which.
 * 2. get_irq() asks by H_XIRR; eoi() gives the XIRR back by H_EOI, which says whether to ask again, and does.
 * 3. When H_XIRR answers 0 the events are next, as events.h tells, until upcall_pending stays clear.
 *
 * Where the processor has no mediated request (970) nothing is delivered by setting MSR[EE]: whoever enables interrupts
 * looks at upcall_pending, which is set for what is queued for H_XIRR too, and makes a hypercall.
 */
#include "ee_gap.h"
#include "papr.h"

#define INPUTS 512

static u16 number_of_input[INPUTS]; /* place in `sources`, counted from 1; a table of pointers would not fit in 40 KiB */

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

/* Priority and owner of a source are set before its guest starts: this board has no RTAS to ask. */
void front_register(struct source *source)
{
    u64 input = source->irq - XISR_DEVICES;

    if (input >= INPUTS)
        give_up(EXIT_SETUP, "no such XISR", source->irq);
    number_of_input[input] = (u16)(source - sources + 1);
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
    if (papr_call1(H_CPPR, CPPR_OPEN) != 0)
        give_up(EXIT_SETUP, "H_CPPR refused", CPPR_OPEN);
}

/* Ask once: a source, or NO_IRQ when the turn is the events'. */
static inline struct source *ask(struct scan *scan)
{
    u64 xirr = papr_xirr();
    u64 xisr = xirr & XISR_MASK;

    scan->xirr = xirr;
    if (LIKELY(xisr - XISR_DEVICES < INPUTS && number_of_input[xisr - XISR_DEVICES]))
        return &sources[number_of_input[xisr - XISR_DEVICES] - 1];
    if (xisr != XISR_NONE)
        unknown_interrupt();
    scan->xirr = 0;
    return NO_IRQ;
}

struct source *get_irq(struct scan *scan)
{
    scan->shared = shared;
    scan->word = scan->ready = scan->selector = 0;
    scan->next = NO_IRQ;
    return ask(scan);
}

void eoi(struct source *source, struct scan *scan)
{
    if (UNLIKELY(!scan->xirr))
        return end_event(source);
    if (papr_eoi(scan->xirr))
        scan->next = ask(scan);
    else
        scan->xirr = 0;
}

int more_irqs(const struct scan *scan)
{
    return scan->next != NO_IRQ || info_of(scan)->upcall_pending;
}

struct source *next_irq(struct scan *scan)
{
    struct source *source = scan->next;

    scan->next = NO_IRQ;
    if (source != NO_IRQ)
        return source;
    scan->xirr = 0;
    for (;;) {
        source = next_event(scan);
        if (source != NO_IRQ || !upcall_pending())
            return source;
        take_notification(scan);
    }
}

void front_idle(void)
{
    front_disable();
    papr_cede();
}

void front_send_self(void)
{
    events_send_self();
}

void front_console(const char *text, u64 length)
{
    events_console(text, length);
}
