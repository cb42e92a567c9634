/*
 * What benchmarks have in common: the host takes the time between two lines on the console.
 *
 * The same image runs on irqvisor's paravirt board under rhype, and on any PAPR machine that begins at 0x100: both enter
 * with the device tree in r3, in real mode, and print by H_PUT_TERM_CHAR. They are left in different ways.
 */
#ifndef BENCH_H
#define BENCH_H

#include "types.h"

#define UNEXPECTED 0x1000 /* plus the vector: the status after an interrupt that nobody asked for */

/* What is not to be measured is over: the clock starts. */
void bench_begin(void);

/* The clock stops, and so does the machine. Status 0 is success. */
NORETURN void bench_end(const void *tree, u64 status);

#endif
