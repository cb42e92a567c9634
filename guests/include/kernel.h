/* What the parts of the kernel know of each other. */
#ifndef KERNEL_H
#define KERNEL_H

#include "board.h"
#include "types.h"

#define MAX_SOURCES 256 /* as many as a machine has */
#define MAX_VCPUS 32     /* as many as the page shared with Xen has room for */
#define PORTS_PER_WORD 64
#define PORT_WORDS (MAX_SOURCES / PORTS_PER_WORD + 1) /* port 0 is nobody's, and a loopback channel takes two */
#define STACK_BYTES 2048 /* of each vCPU but the first, its struct vcpu included */

/*
 * One device, as the device tree describes it and as its driver remembers it. Inside this kernel it stands for its
 * interrupt too: a front end maps what its controller says (a vector, an XISR, a port) to a source.
 */
struct source {
    struct ring *ring;
    volatile u64 *doorbell; /* store: how many items are consumed */
    u64 tail;               /* items consumed */
    u64 last;               /* slot of the ring; tail & last is that of the next item */
    u64 eoi_argument;       /* xen-ppc: what PHYSDEVOP_eoi is called with; 0: its hypervisor need not hear of the end;
                               direct: address whose load ends the interrupt */
    u32 irq;                /* PIC input, XISR or pirq */
    u32 number;             /* the machine's number of this source */
    u32 slots;
    u16 priority;           /* XICS sense: 0 most favoured; 5 is a device's default */
    u16 level;              /* 1 level, 0 edge */
    u16 vcpu;               /* which is told of it */
    u16 channel;            /* 1: another guest or vCPU posts it, not a device; irq is an event channel then, or 0 */
    u32 posts;              /* channels that get an item for each of its items, as bits */
};
_Static_assert(sizeof(struct source) == 64, "an index becomes an address by one shift");

/* direct: what this kernel knows of one of its event queues. */
#define XIVE_PRIORITIES 8
struct event_queue {
    volatile u32 *entry;
    u32 index;      /* of the next entry */
    u32 last;       /* of the queue's last one */
    u32 generation; /* what the top bit of a new entry is */
};

/* What one virtual processor has for itself. r13 points at it, on each its own; nothing else uses r13. */
struct vcpu {
    u64 stack; /* where its r1 begins: secondary.S */
    u64 number;
    u64 due;                               /* time base at the next tick */
    union {
        struct {
            struct xen_vcpu_info *info;    /* xen designs: its part of the shared page */
            u64 bound[PORT_WORDS];         /* xen designs: the ports that notify it, counted like `scan.word` */
        };
        struct {
            struct event_queue queue[XIVE_PRIORITIES]; /* direct */
            struct source ipi;             /* direct: its own IPI, which is like `self` */
        };
    };
};
_Static_assert(OFFSET_OF(struct vcpu, stack) == 0, "secondary.S");
_Static_assert(OFFSET_OF(struct vcpu, info) == 24, "xen_x86_entry.S");

extern struct vcpu first_vcpu;

static inline struct vcpu *this_vcpu(void)
{
    struct vcpu *vcpu;
    __asm__("mr %0,13" : "=r"(vcpu));
    return vcpu;
}

#define MAX_CHANNELS 16

/* A ring that this guest fills for another guest, or for another of its own vCPUs. */
struct channel {
    struct ring *ring; /* its `reserved` says how many items have been consumed */
    volatile u64 *post; /* load: 1 while it takes items; store: how many are posted, 0: there was no room */
    const u32 *after;  /* numbers of the sources whose items it follows */
    u64 head;          /* items posted */
    u32 after_count;
    u32 slots;
    u32 number;
    u32 vcpu;          /* of the consumer */
    union {
        struct {
            u32 remote_domain; /* the consumer, if remote_port is not 0 */
            u32 remote_port;
        };
        volatile u64 *trigger; /* direct: the page that notifies it; null: a hypercall does */
    };
    u32 port;          /* what to send on */
};

#define NO_IRQ ((struct source *)0) /* nothing (more) is pending */

/* direct: the event queue of a priority, and log2 of its entries; 0: there is none. */
struct queue_place {
    u32 address, order;
};

/* What /irqvisor, /cpus, /xen and /interrupt-controller of the device tree say. */
struct configuration {
    u64 work;           /* address of one u64 counter a compute loop */
    u64 compute_loops;  /* 0: sleep when there is nothing to do */
    u64 compute_unit;   /* iterations of the inner loop in one unit of work */
    u64 hold_units;     /* 0, or: so many units at a time with MSR[EE]=0 */
    u64 handler_work;   /* iterations of the inner loop for each item */
    u64 tick_hz;        /* 0, or a periodic decrementer tick */
    u64 timebase_hz;
    u64 vcpus;          /* virtual processors */
    u64 shared_info;    /* xen designs: address of the page shared with the hypervisor */
    u64 design_options; /* bits of the design's options (src/irqvisor/spec/designs.py) */
    u64 tima, esb, ipi; /* direct: the ring; the page of source 0; the source that is vCPU 0's IPI */
    u64 ends;           /* direct: the page of vCPU 0's first event queue; 0: the queues notify of each entry */
    const struct queue_place (*queues)[XIVE_PRIORITIES]; /* direct: of each vCPU */
    const char *misbehave; /* what this guest does wrong; null: nothing */
};

extern struct configuration config;
extern struct source sources[MAX_SOURCES];
extern u64 source_count;
extern struct channel channels[MAX_CHANNELS];
extern u64 channel_count;
extern struct source self;  /* interrupts that this kernel sends to itself: its ring is always empty */
extern struct source clock; /* the tick, where it is not the decrementer's: the same; front ends call tick() for it */
#define EOI_IS_TICK 1       /* its eoi_argument, which is no handle */

/* devicetree.c */
void read_device_tree(const void *tree);

/* interrupt.c: from vectors.S, with MSR[EE]=0 */
void external_interrupt(void);
void unknown_interrupt(void);  /* the controller named something that is not ours; the guest ends */
extern u64 unusual_interrupts; /* 1: interrupts take the path that knows handler_work and never_eoi */
extern u64 never_eoi;          /* misbehave: 1 = takes interrupts and never ends them */

/* channel.c */
void open_channels(void);
struct source *source_of(u32 number);
int drain_all(struct source *source);
extern u64 channels_by_ipi; /* 1: an IPI, which arrives as &self, stands for every channel to this vCPU */

/* compute.c */
void compute_unit(u64 iterations);
NORETURN void compute_for_ever(void);

/* secondary.c: every other virtual processor */
void start_vcpus(void);
struct vcpu *vcpu_of(u64 number);
void online(void);     /* this one has its interrupts enabled; the last one stores the ready mark */
NORETURN void work(void);

/* tick.c */
extern u64 ticks;
void tick_boot(void);     /* the first virtual processor, once */
void tick_start(void);
void tick(void);
void tick_interrupt(void);
u64 tick_next(void);      /* time base at the next tick, 0: there is none */
u64 nanoseconds(u64 timebase);

/* console.c */
void print(const char *text);
void print_hex(u64 value);
void complain(const char *what, u64 value);
NORETURN void leave(u64 status);
NORETURN void give_up(u64 status, const char *what, u64 value);

/* misbehave.c */
void misbehave(void);

/* text.c */
int equal(const char *a, const char *b);
u64 length_of(const char *text);

#endif
