/*
 * XIVE: the controller interrupts whoever is meant, and is reached by plain loads and stores. One interrupt, as the
 * guest sees it:
 *
 * 1. The controller writes an entry into the event queue of a priority, and the processor enters 0x500.
 * 2. get_irq() loads the acknowledge register: that is the priority, and the CPPR now. Then the entry of that queue:
 *    that is the source. An entry is new if its top bit is the generation that this kernel expects.
 * 3. The handler drains the ring.
 * 4. eoi() loads the source's own page. What came meanwhile is queued again.
 * 5. more_irqs() looks at the queue once more. If it is empty the CPPR is opened: what waits at another priority, or came
 *    after that look, enters 0x500 again.
 */
#include "papr.h"
#include "real_line.h"

#define NUMBERS (512 + MAX_VCPUS + MAX_SOURCES) /* inputs; IPIs; channels, which have no input */

#define TIMA_CPPR 0x11
#define TIMA_ACKNOWLEDGE 0x810
#define ACKNOWLEDGED 0x8000u
#define CPPR_CLOSED 0

#define ESB_SHIFT 12
#define ESB_TRIGGER 0x000 /* a store */
#define ESB_EOI 0x000     /* a load */
#define ESB_SET_RESET 0xC00

#define ENTRY_GENERATION 0x80000000u
#define ENTRY_DATA 0x7FFFFFFFu

static struct source *source_of_number[NUMBERS];

static inline u64 esb_load(u64 number, u64 offset)
{
    return *(volatile u64 *)(config.esb + (number << ESB_SHIFT) + offset);
}

static inline void set_cppr(u64 value)
{
    *(volatile u8 *)(config.tima + TIMA_CPPR) = (u8)value;
}

/* Of this vCPU: its event queues and its own IPI. */
void front_init(void)
{
    struct vcpu *vcpu = this_vcpu();

    set_cppr(CPPR_CLOSED);
    for (u64 priority = 0; priority < XIVE_PRIORITIES; priority++) {
        const struct queue_place *place = &config.queues[vcpu->number][priority];
        struct event_queue *queue = &vcpu->queue[priority];
        queue->entry = (volatile u32 *)(u64)place->address;
        queue->last = (1u << place->order) - 1;
        queue->generation = ENTRY_GENERATION;
    }
    unusual_interrupts |= config.ends != 0;
    vcpu->ipi.ring = self.ring;
    vcpu->ipi.irq = (u32)(config.ipi + vcpu->number);
    front_register(&vcpu->ipi);
}

void front_init_secondary(void)
{
    front_init();
}

void front_start_vcpu(u64 number, u64 entry, u64 argument)
{
    board_start_vcpu(number, entry, argument);
}

void front_register(struct source *source)
{
    if (source->irq >= NUMBERS)
        give_up(EXIT_SETUP, "no such source", source->irq);
    source_of_number[source->irq] = source;
    source->eoi_argument = config.esb + ((u64)source->irq << ESB_SHIFT) + ESB_EOI;
    esb_load(source->irq, ESB_SET_RESET);
}

/* A channel has a source of its own, as a device has. */
void front_register_channel(struct source *source)
{
    front_register(source);
}

void front_open_channel(struct channel *channel)
{
    (void)channel;
}

/* By the page of the consumer's source if it is in this guest's memory map, or the hypervisor triggers it. */
void front_notify(const struct channel *channel)
{
    if (channel->trigger)
        *channel->trigger = 0;
    else
        papr_call1(H_NOTIFY, channel->number);
}

void front_ready(void)
{
    set_cppr(CPPR_OPEN);
}

static inline int has_entry(const struct event_queue *queue)
{
    return !((queue->entry[queue->index] ^ queue->generation) & ENTRY_GENERATION);
}

/*
 * The queue is empty. One that notifies once is told to notify again, and looked at once more: what came before it was
 * told has not notified. The usual path (interrupt.c) has queues that always notify.
 */
static inline int has_entry_after_all(const struct scan *scan)
{
    const struct vcpu *vcpu = this_vcpu();

    if (!scan->smp || !config.ends)
        return 0;
    u64 number = XIVE_PRIORITIES * vcpu->number + (u64)(scan->queue - vcpu->queue);
    (void)*(volatile u64 *)(config.ends + (number << ESB_SHIFT) + ESB_EOI);
    return has_entry(scan->queue);
}

/* The next new entry of a queue, or NO_IRQ. */
static inline struct source *take_entry(struct event_queue *queue)
{
    u32 entry = queue->entry[queue->index];

    if ((entry ^ queue->generation) & ENTRY_GENERATION)
        return NO_IRQ;
    if (UNLIKELY(queue->index == queue->last)) {
        queue->index = 0;
        queue->generation ^= ENTRY_GENERATION;
    } else {
        queue->index++;
    }
    return source_of_number[entry & ENTRY_DATA];
}

struct source *get_irq(struct scan *scan)
{
    u32 acknowledged = *(volatile u16 *)(config.tima + TIMA_ACKNOWLEDGE);

    scan->queue = &this_vcpu()->queue[acknowledged & (XIVE_PRIORITIES - 1)];
    if (UNLIKELY(!(acknowledged & ACKNOWLEDGED)))
        return NO_IRQ;
    return take_entry(scan->queue);
}

void eoi(struct source *source, struct scan *scan)
{
    (void)scan;
    (void)*(volatile u64 *)source->eoi_argument;
}

int more_irqs(const struct scan *scan)
{
    if (UNLIKELY(has_entry(scan->queue)) || has_entry_after_all(scan))
        return 1;
    set_cppr(CPPR_OPEN);
    return 0;
}

struct source *next_irq(struct scan *scan)
{
    struct source *source = take_entry(scan->queue);

    if (source == NO_IRQ && has_entry_after_all(scan))
        source = take_entry(scan->queue);
    if (source == NO_IRQ)
        set_cppr(CPPR_OPEN);
    return source;
}

void front_idle(void)
{
    front_disable();
    papr_cede();
}

void front_send_self(void)
{
    *(volatile u64 *)(config.esb + ((u64)this_vcpu()->ipi.irq << ESB_SHIFT) + ESB_TRIGGER) = 0;
}

void front_console(const char *text, u64 length)
{
    papr_console(text, length);
}
