/*
 * The driver of every device here: consume what is in its ring, item by item.
 *
 * A device writes an item before it moves head, and the board's processors execute in order; on another machine a
 * barrier (lwsync) belongs between reading head and reading the item.
 */
#ifndef RING_H
#define RING_H

#include "compute.h"
#include "kernel.h"

/* Start with an empty ring. */
static inline void ring_open(struct source *source)
{
    if (source->slots & (source->slots - 1))
        give_up(EXIT_SETUP, "slots, not a power of two", source->slots);
    source->tail = 0;
    source->last = source->slots - 1;
}

/*
 * Consume all that is there, with `work` iterations of the inner loop for each item. Returns 0 if an item was not the
 * next one. Called with the device's own notification acknowledged already, so whatever is posted after the last look
 * at head notifies again.
 */
static inline int ring_drain(struct source *source, u64 work)
{
    struct ring *ring = source->ring;
    u64 tail = source->tail;

    if (UNLIKELY(ring->head == tail))
        return 1;
    do {
        u64 slot = tail & source->last;
        tail++;
        if (UNLIKELY(ring->item[slot] != tail))
            return 0;
        if (work != 0)
            handler_work(work);
        *source->doorbell = tail;
    } while (UNLIKELY(ring->head != tail));
    source->tail = tail;
    return 1;
}

#endif
