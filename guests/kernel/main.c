/*
 * The bundled guest kernel: boots, registers its sources, then computes or sleeps. Its devices interrupt it.
 *
 * In the order of a boot: start.S, kernel_main() below, and from then on vectors.S, interrupt.c, ring.h.
 */
#include "front.h"
#include "kernel.h"
#include "ring.h"

/* Nothing to do: sleep until an interrupt, for ever. */
NOINLINE NORETURN void idle(void)
{
    for (;;) {
        front_idle();
    }
}

/* From start.S: 64-bit mode, a stack, the address of the device tree. */
NORETURN void kernel_main(const void *tree)
{
    __asm__ volatile("mr 13,%0" : : "r"(&first_vcpu));
    read_device_tree(tree);
    unusual_interrupts = config.handler_work != 0 || config.vcpus > 1 || channel_count != 0;
    front_init();
    for (struct source *source = sources; source < sources + source_count; source++) {
        ring_open(source);
        if (source->channel) {
            front_register_channel(source);
            unusual_interrupts = 1;
        } else {
            front_register(source);
        }
    }
    open_channels();
    front_ready();
    tick_boot();
    tick_start();
    start_vcpus();
    front_enable();
    online();
    misbehave();
    work();
}

/* What is left to do when everything is set up. */
NORETURN void work(void)
{
    if (config.compute_loops)
        compute_for_ever();
    idle();
}

/* From vectors.S: an interrupt that this kernel has no use for. */
NORETURN void unexpected_interrupt(u64 vector, u64 srr0, u64 srr1, u64 dar, u64 dsisr)
{
    print("unexpected interrupt ");
    print_hex(vector);
    print(": srr0 ");
    print_hex(srr0);
    print(" srr1 ");
    print_hex(srr1);
    print(" dar ");
    print_hex(dar);
    print(" dsisr ");
    print_hex(dsisr);
    print("\n");
    leave(vector);
}
