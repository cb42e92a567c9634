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

NOINLINE static void unknown_interrupt(void)
{
    complain("an interrupt that is not ours", 0);
    board()->exit = EXIT_UNKNOWN_IRQ;
}

NOINLINE static void wrong_item(struct source *source)
{
    complain("wrong item in the ring of source", source->number);
    board()->exit = EXIT_RING;
}

static inline void take_interrupts(int usual)
{
    struct scan scan = {0};

    do {
        u64 irq = get_irq(&scan);
        if (LIKELY(irq < MAX_SOURCES)) {
            if (UNLIKELY(!ring_drain(&sources[irq], usual ? 0 : config.handler_work)))
                return wrong_item(&sources[irq]);
        } else if (irq == NO_IRQ) {
            return;
        } else if (irq != IRQ_SELF) {
            return unknown_interrupt();
        }
        if (usual || !never_eoi)
            eoi(irq, &scan);
    } while (front_asks_again);
}

NOINLINE static void take_unusual_interrupts(void)
{
    take_interrupts(0);
}

/* From vectors.S at 0x500, MSR[EE]=0, and from the tick for what became pending meanwhile. */
NOINLINE void external_interrupt(void)
{
    if (UNLIKELY(unusual_interrupts))
        return take_unusual_interrupts();
    take_interrupts(1);
}
