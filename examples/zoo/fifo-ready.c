/* Xen, FIFO event channels, until November 2013: READY is set for every event, not only for one that is a new head. The guest may
 * have consumed the event before that, and its queue is empty; then it reads the head that was, and takes that port from whatever
 * queue it is linked on now. */
#include "pair_fifo.h"

#define EARLIER 1
#define LATER 2

void setup(void)
{
    words[EARLIER] = PENDING | LINKED;
    head[0] = tail[0] = EARLIER;
    ready = 1;
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
    if (tail[old] == port)
        tail[old] = 0;
    last_queue[port] = queue;
    alone = append(queue, port);
    unlock_both(queue, old);
#ifndef FIXED
    alone = 1;
#endif
    if (alone)
        atomic_set(&ready, 1UL << queue);
}

/* Its priority has changed when it is raised again. */
void first(void)
{
    set_pending(LATER, 0);
    set_pending(EARLIER, 1);
}

void second(void) { consume(); }

void check(void)
{
    consume();
    if (!handled[EARLIER] || !handled[LATER])
        fail();
}
