/* The compute loops: what a guest does with the processor time that interrupts leave it. */
#include "compute.h"
#include "front.h"
#include "kernel.h"

u64 table[TABLE_ENTRIES];
u64 handler_state = 88172645463325252UL;
static u64 unit_state = 88172645463325252UL;

/* One unit of work. */
NOINLINE void compute_unit(u64 iterations)
{
    unit_state = mix(unit_state, iterations);
}

/* All loops in turn, or with several vCPUs its own; each counts its units where the board can see them. */
NOINLINE NORETURN void compute_for_ever(void)
{
    volatile u64 *work = (volatile u64 *)config.work;
    u64 first = config.vcpus > 1 ? this_vcpu()->number : 0;
    u64 end = config.vcpus > 1 ? first + 1 : config.compute_loops;

    for (;;) {
        for (u64 loop = first; loop < end; loop++) {
            if (config.hold_units == 0) {
                compute_unit(config.compute_unit);
                work[loop]++;
                front_recheck();
                continue;
            }
            front_disable();
            for (u64 unit = 0; unit < config.hold_units; unit++) {
                compute_unit(config.compute_unit);
                work[loop]++;
            }
            front_enable();
        }
    }
}
