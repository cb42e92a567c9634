/* Xen, FIFO event channels, until January 2014: a port that was consumed is still the tail of its empty queue, while it is linked on
 * another one, for its priority has changed. What is added to the empty queue then is hung behind that port: it comes by the wrong
 * queue, and the next one that is added there drops it. The old queue has to forget its tail when the port moves. */
#include "pair_fifo.h"

#define MOVED 1
#define OTHER 2

void setup(void)
{
    head[0] = tail[0] = MOVED;
}

NOINLINE void set_pending(u64 port, u64 queue)
{
    u64 old = last_queue[port], alone;

    test_and_set(port, PENDING);
    lock_both(queue, old);
    if (test_and_set(port, LINKED)) {
        unlock_both(queue, old);
        return;
    }
#ifdef FIXED
    if (tail[old] == port)
        tail[old] = 0;
#else
    if (tail[queue] == port)
        tail[queue] = 0;
#endif
    last_queue[port] = queue;
    alone = append(queue, port);
    unlock_both(queue, old);
    if (alone)
        atomic_set(&ready, 1UL << queue);
}

void first(void) { set_pending(MOVED, 1); }

void second(void)
{
    consume();
    set_pending(OTHER, 0);
}

void check(void)
{
    consume();
    if (!handled[MOVED] || !handled[OTHER])
        fail();
}
