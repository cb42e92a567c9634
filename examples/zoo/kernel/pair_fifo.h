/*
 * FIFO event channels, both sides: Xen's, which adds an event to a queue of a vCPU, and the guest's, which takes the queues apart.
 * Steps are numbered as Xen's evtchn_fifo_set_pending goes: F1 PENDING, F2 MASKED, F3 LINKED, F4 the old queue's tail, F5 which queue,
 * F6 the new queue's tail, F7 its head, F8 its tail, F9 unlock, F10 READY. Left out: BUSY, which only a guest needs that misbehaves,
 * and the upcall.
 */
#ifndef PAIR_FIFO_H
#define PAIR_FIFO_H

#include "pair.h"

#define PENDING 0x80000000UL
#define LINKED 0x20000000UL
#define LINK 0x1FFFFUL
#define PORTS 8
#define QUEUES 2

/* An event word each. They are doublewords here, so that the atomic operations of the other guests will do. */
static volatile u64 words[PORTS];

/* The control block: what both sides share. */
static volatile u64 ready;
static volatile u64 head[QUEUES];

/* Xen's own: a lock and the tail of each queue, and the queue that each port was linked on last. */
static volatile u64 locked[QUEUES];
static volatile u64 tail[QUEUES];
static volatile u64 last_queue[PORTS];

/* The guest's own. */
static u64 local_head[QUEUES];
static volatile u64 handled[PORTS];

static inline void lock(u64 queue)
{
    while (atomic_exchange(&locked[queue], 1))
        ;
}

static inline void unlock(u64 queue)
{
    locked[queue] = 0;
}

/* The queue that a port is to be on, and the one that it was on; in ascending order. */
static inline void lock_both(u64 queue, u64 other)
{
    lock(queue < other ? queue : other);
    if (queue != other)
        lock(queue < other ? other : queue);
}

static inline void unlock_both(u64 queue, u64 other)
{
    unlock(queue);
    if (queue != other)
        unlock(other);
}

/* Whether the bit was set before. */
static inline u64 test_and_set(u64 port, u64 bit)
{
    return atomic_fetch_set(&words[port], bit) & bit;
}

/* F6: let the tail name the next port, if it is still linked. */
static inline u64 set_link(u64 port, u64 next)
{
    for (;;) {
        u64 word = words[port];

        if (!(word & LINKED))
            return 0;
        if (atomic_replace(&words[port], word, (word & ~LINK) | next))
            return 1;
    }
}

/* F6 to F8: a port that is LINKED becomes the last of a queue. Returns whether it is the first as well. */
static inline u64 append(u64 queue, u64 port)
{
    u64 old = tail[queue];
    u64 alone = !old || !set_link(old, port);

    if (alone)
        head[queue] = port;
    tail[queue] = port;
    return alone;
}

/* The guest: everything that is ready, queue 0 first. A port has to come by the queue that it is linked on: nobody can move it before
 * it is unlinked. */
static NOINLINE void consume(void)
{
    u64 mine = atomic_exchange(&ready, 0);

    while (mine) {
        u64 queue = mine & 1 ? 0 : 1;
        u64 port = local_head[queue] ? local_head[queue] : head[queue];
        u64 linked_on = last_queue[port];
        u64 word = words[port];

        while (!atomic_replace(&words[port], word, word & ~(LINKED | LINK)))
            word = words[port];
        if (word & LINKED && linked_on != queue)
            fail();
        if (!(word & LINK))
            mine &= ~(1UL << queue);
        if (words[port] & PENDING) {
            atomic_clear(&words[port], PENDING);
            handled[port]++;
        }
        local_head[queue] = word & LINK;
        mine |= atomic_exchange(&ready, 0);
    }
}

#endif
