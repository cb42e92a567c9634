/* Xen, FIFO event channels, until January 2014: a port that was consumed is still the tail of its empty queue. One processor adds
 * it again and has set LINKED, but does not hold the lock yet; another adds a second port, takes the old tail for a linked one, and
 * hangs its port there. The head never changes, and both are out of reach. LINKED has to be set under the lock. */
#include "pair_fifo.h"

#define OLD_TAIL 1
#define OTHER 2

void setup(void)
{
    head[0] = tail[0] = OLD_TAIL;
}

NOINLINE void set_pending(u64 port)
{
    u64 alone;

    test_and_set(port, PENDING);
#ifdef FIXED
    lock(0);
    if (test_and_set(port, LINKED)) {
        unlock(0);
        return;
    }
#else
    if (test_and_set(port, LINKED))
        return;
    lock(0);
#endif
    if (tail[0] == port)
        tail[0] = 0;
    alone = append(0, port);
    unlock(0);
    if (alone)
        atomic_set(&ready, 1);
}

void first(void) { set_pending(OLD_TAIL); }

void second(void) { set_pending(OTHER); }

void check(void)
{
    consume();
    if (!handled[OLD_TAIL] || !handled[OTHER])
        fail();
}
