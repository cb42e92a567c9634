/*
 * A front end: the one part of the kernel that differs between delivery designs. It answers "which interrupt?" and
 * says when it is done, as Linux's ppc_md.get_irq and irq_chip do. guests/front/ holds one file a design.
 */
#ifndef FRONT_H
#define FRONT_H

#include "kernel.h"

/*
 * What one trip through external_interrupt() remembers between get_irq() and eoi(). It begins as zeros. The parts are
 * for different front ends; it lives in registers, because everything is linked as one module.
 */
struct scan {
    u64 xirr;              /* rhype: what H_XIRR answered, for H_EOI */
    u64 selector;          /* xen-ppc: words of the bitmap still to look at */
    volatile u64 *pending; /* xen-ppc: the word being looked at, */
    u64 ready;             /* ... its ports still to handle, */
    const u8 *irqs;        /* ... and what they are called here */
};

/* At boot, MSR[EE]=0: put the interrupt controller, or the page shared with the hypervisor, into a known state. */
void front_init(void);

/* At boot, MSR[EE]=0: let the interrupts of sources[irq] arrive as `irq`. */
void front_register(u64 irq);

/* At boot, MSR[EE]=0, all sources registered: open the controller for this processor. */
void front_ready(void);

/*
 * At 0x500, MSR[EE]=0: which interrupt? Returns an index into `sources`, IRQ_SELF, IRQ_UNKNOWN, or NO_IRQ if nothing
 * was pending, in which case no eoi() is owed.
 */
INLINE u64 get_irq(struct scan *scan);

/* The interrupt that get_irq() named has been handled. */
INLINE void eoi(u64 irq, struct scan *scan);

/*
 * 1: external_interrupt() asks again until NO_IRQ. 0: it asks once, and whatever is still pending holds the line up and
 * enters 0x500 again.
 */
extern const u64 front_asks_again;

/* Interrupts on, also those that came while they were off. */
void front_enable(void);

/* Interrupts off. */
void front_disable(void);

/* Is anything pending that this processor's interrupt line does not show? A design with a real line: never. */
int front_pending(void);

/* Interrupts are on: make sure that nothing pending has been overlooked. A design with a real line: nothing to do. */
void front_recheck(void);

/* Interrupts are off, front_pending() said no: sleep. Returns with interrupts on, and one taken. */
void front_idle(void);

/* Send an interrupt to this very processor; it arrives as IRQ_SELF. The first call may set up what it needs. */
void front_send_self(void);

/* misbehave = "forget-recheck": front_enable() and front_recheck() no longer look at what came while EE was 0. */
extern u64 front_forgets_recheck;

/* Write text to the console. */
void front_console(const char *text, u64 length);

#endif
