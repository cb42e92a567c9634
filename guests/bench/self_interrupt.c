/*
 * The self-sent interrupt of a PAPR guest, for benchmarks: H_IPI, 0x500, H_XIRR, H_IPI to take it back, H_EOI, rfid.
 *
 * A few interrupts come first, so that an emulator that translates has done so. The answer is wrong if one of them was
 * not handled, or something else came.
 */
#include "bench.h"
#include "papr.h"
#include "processor.h"

#define INTERRUPTS 1000000
#define WARM_UP 1000

u64 self_interrupts(u64 count);

volatile u64 bench_rounds = INTERRUPTS; /* the host may change it before the start */

static const void *device_tree;

/* From start.S. */
NORETURN void kernel_main(const void *tree)
{
    u64 rounds = bench_rounds;

    device_tree = tree;
    write_decrementer(DEC_FAR);
    if (papr_call1(H_CPPR, CPPR_OPEN) != 0 || self_interrupts(WARM_UP) != WARM_UP)
        bench_end(tree, 1);
    bench_begin();
    bench_end(tree, self_interrupts(rounds) != rounds);
}

/* From vectors.S. */
NORETURN void unexpected_interrupt(u64 vector)
{
    bench_end(device_tree, UNEXPECTED + vector);
}
