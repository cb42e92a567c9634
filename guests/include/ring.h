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
    source->tail = 0;
    source->next = source->ring->item;
    source->end = source->ring->item + source->slots;
}

/*
 * Consume all that is there, with `work` iterations of the inner loop for each item. Returns 0 if an item was not the
 * next one. Called with the device's own notification acknowledged already, so whatever is posted after the last look
 * at head notifies again.
 */
static inline int ring_drain(struct source *source, u64 work)
{
    struct ring *ring = source->ring;
    volatile u64 *next = source->next;
    u64 tail = source->tail;

    while (ring->head != tail) {
        if (UNLIKELY(*next != tail + 1))
            return 0;
        tail++;
        next++;
        if (next == source->end)
            next = ring->item;
        if (work != 0)
            handler_work(work);
        *source->doorbell = tail;
    }
    source->tail = tail;
    source->next = next;
    return 1;
}

#endif
