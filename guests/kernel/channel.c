/* Rings between guests, and between the vCPUs of one: what is consumed here is passed on there. */
#include "front.h"
#include "kernel.h"
#include "processor.h"
#include "ring.h"

struct channel channels[MAX_CHANNELS];
u64 channel_count;
u64 channels_by_ipi;

NOINLINE struct source *source_of(u32 number)
{
    for (struct source *source = sources; source < sources + source_count; source++)
        if (source->number == number)
            return source;
    give_up(EXIT_SETUP, "no source", number);
}

/* At boot, when every source is registered. */
void open_channels(void)
{
    for (u64 i = 0; i < channel_count; i++) {
        struct channel *channel = &channels[i];
        for (u64 k = 0; k < channel->after_count; k++)
            source_of(channel->after[k])->posts |= 1u << i;
        front_open_channel(channel);
    }
}

/*
 * An item for another: into the ring, then head, then the notification. The board is told before head moves: whoever
 * sees the item may consume it at once, and the board has to know of it by then. A channel that takes no items any more
 * says so.
 */
static void post(struct channel *channel)
{
    struct ring *ring = channel->ring;

    if (*channel->post == 0)
        return;
    if (channel->head - ring->reserved >= channel->slots) {
        *channel->post = 0;
        return;
    }
    ring->item[channel->head & (channel->slots - 1)] = channel->head + 1;
    channel->head++;
    barrier();
    *channel->post = channel->head;
    ring->head = channel->head;
    front_notify(channel);
}

static int drain(struct source *source)
{
    u64 before = source->tail;

    if (!ring_drain(source, config.handler_work))
        return 0;
    if (source->channel)
        source->ring->reserved = source->tail;
    for (; before != source->tail && source->posts; before++)
        for (u32 left = source->posts; left != 0; left &= left - 1)
            post(&channels[__builtin_ctz(left)]);
    return 1;
}

/* The driver of an unusual interrupt. Returns 0 after a wrong item. */
NOINLINE int drain_all(struct source *source)
{
    if (source != &self || !channels_by_ipi)
        return drain(source);
    for (source = sources; source < sources + source_count; source++)
        if (source->channel && source->vcpu == this_vcpu()->number && !drain(source))
            return 0;
    return 1;
}

/* Designs whose guests have nobody to notify need not say so. */
__attribute__((weak)) void front_register_channel(struct source *source)
{
    give_up(EXIT_SETUP, "this design cannot notify by channel", source->number);
}

__attribute__((weak)) void front_open_channel(struct channel *channel)
{
    give_up(EXIT_SETUP, "this design cannot notify by channel", channel->number);
}

__attribute__((weak)) void front_notify(const struct channel *channel)
{
    (void)channel;
}
