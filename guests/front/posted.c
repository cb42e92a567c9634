/*
 * Posted interrupts: a virtual controller that hardware keeps, read and written without a trap. One interrupt, as the
 * guest sees it:
 *
 * 1. A notification makes the processor take over what is posted; it enters 0x500.
 * 2. get_irq() reads the vector to serve: it is in service then.
 * 3. The handler drains the ring.
 * 4. eoi() writes the end of it; the end of a level interrupt is an exit. What waits enters 0x500 again.
 */
#include "one_at_a_time.h"
#include "papr.h"
#include "real_line.h"

#define VECTORS 256
#define SPURIOUS_VECTOR 0xFF

#define INTERRUPT_VECTOR 0x00
#define END_OF_INTERRUPT 0x10
#define TASK_PRIORITY 0x20
#define SELF_IPI 0x30
#define PRIORITY_CLOSED 0xF0

static struct source *source_of_vector[VECTORS];

static inline volatile u32 *controller(u64 offset)
{
    return (volatile u32 *)(config.tima + offset);
}

void front_init(void)
{
    *controller(TASK_PRIORITY) = PRIORITY_CLOSED;
    if (config.ipi >= VECTORS)
        give_up(EXIT_SETUP, "no such vector", config.ipi);
    source_of_vector[config.ipi] = &self;
}

void front_init_secondary(void)
{
    *controller(TASK_PRIORITY) = PRIORITY_CLOSED;
}

void front_start_vcpu(u64 number, u64 entry, u64 argument)
{
    board_start_vcpu(number, entry, argument);
}

void front_register(struct source *source)
{
    if (source->irq >= VECTORS)
        give_up(EXIT_SETUP, "no such vector", source->irq);
    source_of_vector[source->irq] = source;
}

/* A channel has a vector of its own, as a device has. */
void front_register_channel(struct source *source)
{
    front_register(source);
}

void front_open_channel(struct channel *channel)
{
    (void)channel;
}

/* Only the hypervisor can post for another vCPU. */
void front_notify(const struct channel *channel)
{
    papr_call1(H_NOTIFY, channel->number);
}

void front_ready(void)
{
    *controller(TASK_PRIORITY) = 0;
}

struct source *get_irq(struct scan *scan)
{
    u32 vector = *controller(INTERRUPT_VECTOR);

    (void)scan;
    if (LIKELY(vector < VECTORS && source_of_vector[vector]))
        return source_of_vector[vector];
    if (vector != SPURIOUS_VECTOR)
        unknown_interrupt();
    return NO_IRQ;
}

void eoi(struct source *source, struct scan *scan)
{
    (void)source;
    (void)scan;
    *controller(END_OF_INTERRUPT) = 0;
}

void front_idle(void)
{
    front_disable();
    papr_cede();
}

void front_send_self(void)
{
    *controller(SELF_IPI) = (u32)config.ipi;
}

void front_console(const char *text, u64 length)
{
    papr_console(text, length);
}
