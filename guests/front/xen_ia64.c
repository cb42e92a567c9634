/*
 * Xen/ia64: a virtual interrupt controller behind traps, 0x500 simulated by the hypervisor. One interrupt, as the guest
 * sees it:
 *
 * 1. The hypervisor takes the interrupt, makes its vector pending in this vCPU's controller, and resumes the guest at
 *    0x500, where xen_ia64_entry.S is, or in mode real the usual vector.
 * 2. get_irq() asks for the vector: GET_IVR, a trap, which puts it into service; 15 is spurious.
 * 3. Option tpr=linux: it saves the task priority and raises it to the vector, two traps, as Linux/ia64 did.
 * 4. The handler drains the ring.
 * 5. eoi(): the task priority back (a trap), EOI (a trap), and GET_IVR again until there is nothing more.
 * 6. Back by RFI, a trap; in mode real by rfid.
 *
 * Mode shared: the interrupt enable is a word, VEE, and MSR[EE] is always 1. Enabling is a store, then a look at PEND; if
 * that is set, SSM_I. Events of other guests are vector 0xe9, the tick is vector 0xef.
 *
 * Option events=callback: no controller, but a callback, event channels and their mask byte, as in the next version.
 */
#include "events.h"

u64 front_forgets_recheck;

/* xen_ia64_entry.S */
extern const u32 ia64_entry[];

enum { OPTION_REAL = 1, OPTION_TPR_NONE = 2, OPTION_EVENTS = 8 }; /* of design-options */
enum { RFI = 1, SSM_I = 7, GET_IVR = 8, GET_TPR = 9, SET_TPR = 0xA, SAPIC_EOI = 0xB };

#define HYPERPRIVOP 48
#define MAPPED 3072 /* in the page of shared_info, for each vCPU */
#define SPURIOUS 0x0F
#define EVENT_VECTOR 0xE9
#define TIMER_VECTOR 0xEF
#define VECTORS 256
#define OPEN 0x100  /* beside a vector in scan->vector: its bitmaps have been taken */
#define TAKEN 0x200 /* it is being served; if it still is when the next one is asked for, eoi() was not called */

struct mapped {
    volatile u32 vee;
    volatile u32 pend;
    volatile u32 tpr;
    volatile u32 itv;
    u32 padding[4];
};

static u8 place_of_vector[VECTORS]; /* 1 + place of its source in `sources`; 0: not a device's */
static u64 uses_tpr, by_events, shared_mode, enables_by_word;

static inline struct mapped *mapped(void)
{
    return (struct mapped *)((u64)shared + MAPPED) + this_vcpu()->number;
}

static inline u64 privop(u64 number, u64 argument)
{
    return (u64)xen_call(HYPERPRIVOP, number, argument);
}

static inline struct source *source_of_vector(u64 vector)
{
    return vector < VECTORS && place_of_vector[vector] ? &sources[place_of_vector[vector] - 1] : NO_IRQ;
}

/* A branch to ia64_entry at 0x500, in place of the vector that comes back by rfid. */
static void take_vector(void)
{
    volatile u32 *vector = (volatile u32 *)0x500;

    *vector = 0x48000000U | ((u32)(u64)ia64_entry - 0x500);
    __asm__ volatile("dcbst 0,%0; sync; icbi 0,%0; isync" : : "r"(vector) : "memory");
}

/* Each vCPU for itself. */
static void enroll(void)
{
    mapped()->itv = TIMER_VECTOR;
    if (by_events)
        xen_call(XEN_SET_CALLBACKS, (u64)ia64_entry, 0);
    set_msr_ee_ri(shared_mode ? MSR_EE | MSR_RI : MSR_RI);
}

void front_init(void)
{
    events_init();
    by_events = config.design_options & OPTION_EVENTS;
    shared_mode = by_events || !(config.design_options & OPTION_REAL);
    uses_tpr = !(config.design_options & OPTION_TPR_NONE);
    enables_by_word = shared_mode && !by_events;
    if (enables_by_word)
        take_vector();
    enroll();
}

void front_init_secondary(void)
{
    events_init_secondary();
    enroll();
}

void front_start_vcpu(u64 number, u64 entry, u64 argument)
{
    events_start_vcpu(number, entry, argument);
}

void front_register(struct source *source)
{
    if (by_events)
        events_register(source);
    else if (source->irq >= VECTORS)
        give_up(EXIT_SETUP, "no such vector", source->irq);
    else
        place_of_vector[source->irq] = (u8)(1 + (source - sources));
}

void front_register_channel(struct source *source)
{
    events_register_channel(source);
}

void front_open_channel(struct channel *channel)
{
    events_open_channel(channel);
}

void front_notify(const struct channel *channel)
{
    events_notify(channel);
}

void front_ready(void)
{
    if (by_events && config.tick_hz != 0)
        events_bind_tick();
}

static inline void begin_vector(struct scan *scan)
{
    if (uses_tpr)
        privop(SET_TPR, scan->vector);
}

static inline void end_vector(struct scan *scan)
{
    if (enables_by_word)
        mapped()->vee = 0;
    if (uses_tpr)
        privop(SET_TPR, scan->tpr);
    privop(SAPIC_EOI, 0);
    scan->vector = privop(GET_IVR, 0);
}

/* A device's vector is answered here. What is rarer is left to next_irq(). */
struct source *get_irq(struct scan *scan)
{
    if (by_events)
        return first_event(scan);
    scan->shared = shared;
    scan->selector = scan->ready = 0;
    scan->vector = privop(GET_IVR, 0);
    if (uses_tpr)
        scan->tpr = privop(GET_TPR, 0);
    struct source *source = source_of_vector(scan->vector);
    if (UNLIKELY(source == NO_IRQ))
        return NO_IRQ;
    begin_vector(scan);
    scan->vector |= TAKEN;
    return source;
}

int more_irqs(const struct scan *scan)
{
    return by_events ? has_event(scan) | scan->ticked : scan->vector != SPURIOUS;
}

/* Vector 0xe9: the next port, or the first if its bitmaps have not been taken yet. */
static struct source *event_of_vector(struct scan *scan)
{
    if (scan->vector & OPEN)
        return next_event(scan);
    begin_vector(scan);
    take_notification(scan);
    scan->vector |= OPEN;
    return next_event(scan);
}

static struct source *next_of_vector(struct scan *scan)
{
    for (;;) {
        struct source *source;

        if (scan->vector == SPURIOUS || scan->vector & TAKEN)
            return NO_IRQ;
        if ((scan->vector & ~(u64)OPEN) == EVENT_VECTOR) {
            source = event_of_vector(scan);
            if (source != NO_IRQ)
                return source;
        } else {
            begin_vector(scan);
            source = source_of_vector(scan->vector);
            if (source != NO_IRQ) {
                scan->vector |= TAKEN;
                return source;
            }
            if (scan->vector != TIMER_VECTOR)
                unknown_interrupt();
            tick();
        }
        end_vector(scan);
    }
}

struct source *next_irq(struct scan *scan)
{
    if (!by_events)
        return next_of_vector(scan);
    if (scan->ticked) {
        scan->ticked = 0;
        tick();
    }
    return next_event(scan);
}

/* A port of vector 0xe9 has no end of its own. */
void eoi(struct source *source, struct scan *scan)
{
    if (by_events) {
        if (source->eoi_argument == EOI_IS_TICK)
            scan->ticked = 1;
        else
            end_event(source);
    } else if (!(scan->vector & OPEN)) {
        end_vector(scan);
    }
}

/* The store first: what came in between is delivered at once, or is in the hint. */
static inline void enable_by_word(struct mapped *words)
{
    words->vee = 1;
    if (UNLIKELY(words->pend) && !front_forgets_recheck)
        privop(SSM_I, 0);
}

void front_enable(void)
{
    if (by_events) {
        this_vcpu()->info->upcall_mask = 0;
        if (UNLIKELY(upcall_pending()) && !front_forgets_recheck)
            xen_call(XEN_VERSION, 0, 0);
    } else if (enables_by_word) {
        enable_by_word(mapped());
    } else {
        set_msr_ee_ri(MSR_EE | MSR_RI);
    }
}

void front_disable(void)
{
    if (by_events)
        this_vcpu()->info->upcall_mask = 1;
    else if (enables_by_word)
        mapped()->vee = 0;
    else
        set_msr_ee_ri(MSR_RI);
}

int front_pending(void)
{
    return 0;
}

void front_recheck(void)
{
}

void front_set_tick(u64 due, u64 now)
{
    (void)now;
    if (due)
        xen_call1(XEN_SET_TIMER_OP, nanoseconds(due));
}

/* Interrupts off, a look for work (there is never any), and sleep: SCHEDOP_block looks whatever the enable says. */
void front_idle(void)
{
    struct mapped *words = mapped();

    if (UNLIKELY(!enables_by_word)) {
        front_disable();
        xen_call1(XEN_SCHED_OP, SCHEDOP_BLOCK);
        front_enable();
        return;
    }
    words->vee = 0;
    xen_call1(XEN_SCHED_OP, SCHEDOP_BLOCK);
    enable_by_word(words);
}

void front_send_self(void)
{
    events_send_self();
}

void front_console(const char *text, u64 length)
{
    events_console(text, length);
}
