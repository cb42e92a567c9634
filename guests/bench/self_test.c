/*
 * The front end for rhype, tested by itself: interrupts that the guest sends to itself and the decrementer, held off,
 * taken, and slept for. Only what any PAPR machine has: the same lines come from irqvisor and from QEMU's pseries.
 */
#include "bench.h"
#include "front.h"
#include "papr.h"
#include "processor.h"

#define TIMES 4
#define SOON 5000 /* time base units */

struct vcpu first_vcpu;
struct source self;
u64 channels_by_ipi;

static const void *device_tree;
static volatile u64 interrupts, decrementers;

/* From vectors.S at 0x500. */
void external_interrupt(void)
{
    struct scan scan = {0};
    struct source *source = get_irq(&scan);

    if (source != &self)
        return;
    interrupts++;
    eoi(source, &scan);
}

/* From vectors.S at 0x900: once each time it is set. */
void tick_interrupt(void)
{
    decrementers++;
    front_set_tick(0, 0);
}

NOINLINE void unknown_interrupt(void)
{
    print("an interrupt that is not ours\n");
    bench_end(device_tree, 1);
}

/* From vectors.S. */
NORETURN void unexpected_interrupt(u64 vector, u64 srr0, u64 srr1, u64 dar, u64 dsisr)
{
    (void)srr1;
    (void)dar;
    (void)dsisr;
    print("unexpected interrupt ");
    print_hex(vector);
    print(" at ");
    print_hex(srr0);
    print("\n");
    bench_end(device_tree, UNEXPECTED + vector);
}

static void report(const char *what)
{
    print(what);
    print(": external ");
    print_hex(interrupts);
    print(", decrementer ");
    print_hex(decrementers);
    print("\n");
}

static void set_tick(void)
{
    u64 now = read_time_base();

    front_set_tick(now + SOON, now);
}

static void send_to_self(void)
{
    for (u64 sent = 1; sent <= TIMES; sent++) {
        front_send_self();
        while (interrupts < sent)
            ;
    }
    report("sent to itself");
}

static void wait_for_decrementers(void)
{
    for (u64 set = 1; set <= TIMES; set++) {
        set_tick();
        while (decrementers < set)
            ;
    }
    report("decrementer");
}

/* Two interrupts sent to the same server are one: MFRR has room for one. */
static void hold_off(void)
{
    front_disable();
    front_send_self();
    front_send_self();
    set_tick();
    for (u64 end = read_time_base() + 2 * SOON; read_time_base() < end;)
        ;
    report("held off");
    front_enable();
    while (interrupts < TIMES + 1 || decrementers < TIMES + 1)
        ;
    report("taken");
}

static void sleep_for_decrementers(void)
{
    for (u64 set = 1; set <= TIMES; set++) {
        front_disable();
        set_tick();
        while (decrementers < TIMES + 1 + set)
            front_idle();
    }
    report("slept");
}

/* From start.S. */
NORETURN void kernel_main(const void *tree)
{
    __asm__ volatile("mr 13,%0" : : "r"(&first_vcpu));
    device_tree = tree;
    bench_begin();
    front_init();
    front_set_tick(0, 0);
    front_ready();
    front_enable();
    send_to_self();
    wait_for_decrementers();
    hold_off();
    sleep_for_decrementers();
    bench_end(tree, interrupts != TIMES + 1 || decrementers != 2 * TIMES + 1);
}
