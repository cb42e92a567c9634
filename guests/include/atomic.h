/* Words that the hypervisor changes at the same time: load-and-reserve, store-conditional. */
#ifndef ATOMIC_H
#define ATOMIC_H

#include "types.h"

/* Store `fresh`, return what was there. */
static inline u64 atomic_exchange(volatile u64 *word, u64 fresh)
{
    u64 old;
    __asm__ volatile("1: ldarx %0,0,%1\n"
                     "   stdcx. %2,0,%1\n"
                     "   bne- 1b"
                     : "=&r"(old)
                     : "r"(word), "r"(fresh)
                     : "cr0", "memory");
    return old;
}

/* Add, return what was there. */
static inline u64 atomic_add(volatile u64 *word, u64 more)
{
    u64 old, sum;
    __asm__ volatile("1: ldarx %0,0,%2\n"
                     "   add %1,%0,%3\n"
                     "   stdcx. %1,0,%2\n"
                     "   bne- 1b"
                     : "=&r"(old), "=&r"(sum)
                     : "r"(word), "r"(more)
                     : "cr0", "memory");
    return old;
}

static inline void atomic_clear(volatile u64 *word, u64 bits)
{
    u64 value;
    __asm__ volatile("1: ldarx %0,0,%1\n"
                     "   andc %0,%0,%2\n"
                     "   stdcx. %0,0,%1\n"
                     "   bne- 1b"
                     : "=&r"(value)
                     : "r"(word), "r"(bits)
                     : "cr0", "memory");
}

static inline void atomic_set(volatile u64 *word, u64 bits)
{
    u64 value;
    __asm__ volatile("1: ldarx %0,0,%1\n"
                     "   or %0,%0,%2\n"
                     "   stdcx. %0,0,%1\n"
                     "   bne- 1b"
                     : "=&r"(value)
                     : "r"(word), "r"(bits)
                     : "cr0", "memory");
}

#endif
