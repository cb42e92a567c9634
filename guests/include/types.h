/* Integers by size, and the few macros that everything uses. There are no floating-point types in this kernel. */
#ifndef TYPES_H
#define TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef signed long s64;

_Static_assert(sizeof(u32) == 4 && sizeof(u64) == 8, "LP64");

#define NOINLINE __attribute__((noinline))
#define INLINE __attribute__((always_inline)) /* across files: everything is linked as one module */
#define NORETURN __attribute__((noreturn))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define ASSUME(condition) ((condition) ? (void)0 : __builtin_unreachable()) /* known to people, not to a compiler */
#define OFFSET_OF(type, field) __builtin_offsetof(type, field)

#endif
