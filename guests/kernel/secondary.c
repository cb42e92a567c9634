/* The other virtual processors: the first starts them, each has a stack behind the kernel. */
#include "atomic.h"
#include "front.h"
#include "kernel.h"

struct vcpu first_vcpu;
static u64 vcpus_online;

extern char kernel_end[];
extern char secondary_start[];

#define FIRST_FRAME 32

/* Of the others, at the low end of its stack: the board's memory is zero where it put nothing. */
NOINLINE struct vcpu *vcpu_of(u64 number)
{
    u64 stacks = ((u64)kernel_end + 15) & ~15UL;

    return number == 0 ? &first_vcpu : (struct vcpu *)(stacks + STACK_BYTES * (number - 1));
}

void start_vcpus(void)
{
    if (config.vcpus > MAX_VCPUS)
        give_up(EXIT_SETUP, "more vCPUs than", MAX_VCPUS);
    for (u64 number = 1; number < config.vcpus; number++) {
        struct vcpu *vcpu = vcpu_of(number);
        vcpu->number = number;
        vcpu->stack = (u64)vcpu + STACK_BYTES - FIRST_FRAME;
        front_start_vcpu(number, (u64)secondary_start, (u64)vcpu);
    }
}

void online(void)
{
    if (atomic_add(&vcpus_online, 1) + 1 == config.vcpus)
        board()->ready = 1;
}

/* From secondary.S. */
NORETURN void secondary_main(void)
{
    front_init_secondary();
    front_ready();
    tick_start();
    front_enable();
    online();
    work();
}

/* Designs whose guests have one virtual processor need not say so. */
__attribute__((weak)) void front_start_vcpu(u64 number, u64 entry, u64 argument)
{
    (void)entry;
    (void)argument;
    give_up(EXIT_SETUP, "this design cannot start vCPU", number);
}

__attribute__((weak)) void front_init_secondary(void)
{
}
