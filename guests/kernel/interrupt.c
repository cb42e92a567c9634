/*
 * The path of an external interrupt: ask which, let its driver work, say that it is done.
 *
 * It is what the laboratory measures, so it is short: everything is inlined, and what is rare is a tail call, which
 * spares the usual path a stack frame.
 */
#include "front.h"
#include "kernel.h"
#include "ring.h"

u64 unusual_interrupts;
u64 never_eoi;

static struct ring always_empty;
struct source self = {.ring = &always_empty};
struct source clock = {.ring = &always_empty, .eoi_argument = EOI_IS_TICK};

NOINLINE void unknown_interrupt(void)
{
    complain("an interrupt that is not ours", 0);
    board()->exit = EXIT_UNKNOWN_IRQ;
}

NOINLINE static void wrong_item(struct source *source)
{
    complain("wrong item in the ring of source", source->number);
    board()->exit = EXIT_RING;
}

/* Let the driver work, and end the interrupt. Returns 0 after a wrong item. */
INLINE static int serve(struct source *source, struct scan *scan, int usual)
{
    if (UNLIKELY(!(usual ? ring_drain(source, 0) : drain_all(source))))
        return 0;
    if (usual || !never_eoi)
        eoi(source, scan);
    return 1;
}

/* All that this trip still finds. */
NOINLINE static void serve_the_rest(struct scan scan, int usual)
{
    for (;;) {
        struct source *source = next_irq(&scan);
        if (source == NO_IRQ)
            return;
        if (UNLIKELY(!serve(source, &scan, usual)))
            return wrong_item(source);
    }
}

INLINE static void take_interrupts(int usual)
{
    struct scan scan = {.smp = !usual};
    struct source *source = get_irq(&scan);

    if (LIKELY(source != NO_IRQ) && UNLIKELY(!serve(source, &scan, usual)))
        return wrong_item(source);
    if (UNLIKELY(more_irqs(&scan)))
        serve_the_rest(scan, usual);
}

NOINLINE static void take_unusual_interrupts(void)
{
    take_interrupts(0);
}

/*
 * From vectors.S at 0x500, MSR[EE]=0, and from the tick for what became pending meanwhile. The first interrupt of a
 * trip is seldom followed by another one, and alone it needs fewer registers than a loop.
 */
NOINLINE void external_interrupt(void)
{
    if (UNLIKELY(unusual_interrupts))
        return take_unusual_interrupts();
    take_interrupts(1);
}
