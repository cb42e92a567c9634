/*
 * A front end: the one part of the kernel that differs between delivery designs. It answers "which interrupt?" and
 * says when it is done, as Linux's ppc_md.get_irq and irq_chip do. guests/front/ holds one file a design.
 */
#ifndef FRONT_H
#define FRONT_H

#include "kernel.h"

/*
 * What one trip through external_interrupt() remembers between get_irq(), eoi() and next_irq(). The parts are for
 * different front ends; it lives in registers, because everything is linked as one module.
 */
struct scan {
    u64 smp;                        /* 1: look for this vCPU's own only; 0: there is one */
    union {                         /* more than eight words would not be passed in registers */
        u64 xirr;                   /* rhype, hybrid: what H_XIRR answered, for H_EOI */
        u64 ticked;                 /* xen-x86: the tick is to be handled */
        u64 vector;                 /* xen-ia64: what GET_IVR answered */
    };
    struct xen_shared_info *shared; /* xen-ppc */
    u64 selector;                   /* xen-ppc: words of the bitmap still to look at */
    u64 word;                       /* xen-ppc: the one being looked at, counted by cntlzd, */
    u64 ready;                      /* ... and its ports still to handle */
    union {
        struct event_queue *queue;  /* direct: of the priority that is served */
        u64 tpr;                    /* xen-ia64: the task priority that was interrupted */
        struct source *next;        /* hybrid: what it was told when it asked again */
    };
};

/* At boot, MSR[EE]=0: put the interrupt controller, or the page shared with the hypervisor, into a known state. */
void front_init(void);

/* At boot, MSR[EE]=0: let the interrupts of this source in. */
void front_register(struct source *source);

/* At boot, MSR[EE]=0, all sources registered: open the controller for this processor. */
void front_ready(void);

/* At boot: have another vCPU begin at `entry` in 64-bit mode with `argument` in r3. */
void front_start_vcpu(u64 number, u64 entry, u64 argument);

/* There, MSR[EE]=0, before front_ready(): what front_init() does for the first. */
void front_init_secondary(void);

/*
 * At 0x500, MSR[EE]=0: which interrupt? Returns its source, &self, or NO_IRQ if nothing was found at once, in which
 * case no eoi() is owed.
 */
INLINE struct source *get_irq(struct scan *scan);

/* The interrupt that get_irq() or next_irq() named has been handled. */
INLINE void eoi(struct source *source, struct scan *scan);

/*
 * Then: is there more to do in this same trip? If so, next_irq() is called, and again after each eoi(), until it says
 * NO_IRQ. Never where whatever is still pending holds the line up and enters 0x500 again. Saying no ends the trip.
 */
INLINE int more_irqs(const struct scan *scan);
INLINE struct source *next_irq(struct scan *scan);

/* Interrupts on, also those that came while they were off. */
void front_enable(void);

/* Interrupts off. */
void front_disable(void);

/* Is anything pending that this processor's interrupt line does not show? A design with a real line: never. */
int front_pending(void);

/*
 * Interrupts are off: let the tick come at `due`, a value of the time base; 0: no tick at all. It comes as a decrementer
 * interrupt, or as an interrupt for which the front end calls tick().
 */
void front_set_tick(u64 due, u64 now);

/* Interrupts are on: make sure that nothing pending has been overlooked. A design with a real line: nothing to do. */
void front_recheck(void);

/* Interrupts are on: sleep, unless something is pending. Returns with interrupts on, and one taken. */
void front_idle(void);

/* Send an interrupt to this very processor; it arrives as &self, or as a source that is a copy of it. The first call may set up what it needs. */
void front_send_self(void);

/* misbehave = "forget-recheck": front_enable() and front_recheck() no longer look at what came while EE was 0. */
extern u64 front_forgets_recheck;

/* At boot, MSR[EE]=0: let the notifications of this channel in, for the vCPU that it names. */
void front_register_channel(struct source *source);

/* At boot, MSR[EE]=0, then: be able to notify its consumer. */
void front_open_channel(struct channel *channel);

/* Notify its consumer. */
void front_notify(const struct channel *channel);

/* Write text to the console. */
void front_console(const char *text, u64 length);

#endif
