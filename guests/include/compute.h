/*
 * Work, in units of a loop that mixes a pseudo-random sequence (Marsaglia, Xorshift RNGs, 2003) into a small table:
 * it is arithmetic, loads, stores and a branch in about the proportions of ordinary integer code.
 */
#ifndef COMPUTE_H
#define COMPUTE_H

#include "kernel.h"

#define TABLE_ENTRIES 64

extern u64 table[TABLE_ENTRIES];
extern u64 handler_state;

static inline u64 mix(u64 x, u64 iterations)
{
    while (iterations-- > 0) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        table[x % TABLE_ENTRIES] += x;
    }
    return x;
}

/* What a handler does for one item. Its state is its own, for it may have interrupted compute_unit(). */
static inline void handler_work(u64 iterations)
{
    handler_state = mix(handler_state, iterations);
}

#endif
