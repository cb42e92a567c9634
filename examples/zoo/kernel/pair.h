/*
 * A race between two sides of a hypervisor, or of a hypervisor and its hardware, on the two processors of a bare machine. A
 * program of the zoo has four functions: setup() comes before the window, first() and second() run at once, and check() is called
 * by whoever is the last to finish. What hardware does in one step is one access here, or one conditional store.
 */
#ifndef PAIR_H
#define PAIR_H

#include "atomic.h"
#include "board.h"
#include "processor.h"
#include "types.h"

void setup(void);
void first(void);
void second(void);
void check(void);

/* The program's own judgement: it ends here. */
static inline void fail(void)
{
    board()->exit = 1;
}

/* Set bits, return what was there. */
static inline u64 atomic_fetch_set(volatile u64 *word, u64 bits)
{
    u64 old, value;
    __asm__ volatile("1: ldarx %0,0,%2\n"
                     "   or %1,%0,%3\n"
                     "   stdcx. %1,0,%2\n"
                     "   bne- 1b"
                     : "=&r"(old), "=&r"(value)
                     : "r"(word), "r"(bits)
                     : "cr0", "memory");
    return old;
}

/* Store `fresh` if `old` is there; whether it was. */
static inline u64 atomic_replace(volatile u64 *word, u64 old, u64 fresh)
{
    u64 found;
    __asm__ volatile("1: ldarx %0,0,%1\n"
                     "   cmpd %0,%2\n"
                     "   bne- 2f\n"
                     "   stdcx. %3,0,%1\n"
                     "   bne- 1b\n"
                     "2:"
                     : "=&r"(found)
                     : "r"(word), "r"(old), "r"(fresh)
                     : "cr0", "memory");
    return found == old;
}

#endif
