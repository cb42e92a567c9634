/*
 * Xen/PPC: event channels in shared memory, 0x500 simulated by the hypervisor. One interrupt, as the guest sees it:
 *
 * 1. The hypervisor takes the interrupt, finds whose it is, sets PENDING[port], the selector bit of its word and
 *    upcall_pending, and resumes the guest at 0x500.
 * 2. get_irq() clears upcall_pending, then takes the selector, then reads the words it names: that order, or a fresh
 *    notification is discarded with an old one.
 * 3. It clears PENDING[port] before the handler runs, so that what comes during the handler notifies again.
 * 4. The handler drains the ring.
 * 5. eoi(): PHYSDEVOP_eoi for a pirq whose hypervisor waits for the end of the interrupt; until then no other comes, so
 *    its port need not be masked meanwhile. No hypercall for the others.
 * 6. next_irq() goes on: the rest of the word, the other words, and all over again until upcall_pending stays clear.
 *
 * The gap: nothing is delivered by setting MSR[EE]; the hypervisor looks when it is entered. So a guest that enables
 * interrupts looks at upcall_pending and, if it is set, makes a hypercall, any hypercall. One hole cannot be closed: if
 * the guest is preempted between next_irq()'s last look and rfid, the event waits for the next look, and that is why
 * compute_for_ever() has one after each unit of work.
 */
#include "atomic.h"
#include "front.h"
#include "processor.h"
#include "xen.h"

#define PORTS_PER_WORD 64
#define WORDS (MAX_SOURCES / PORTS_PER_WORD + 1) /* port 0 is nobody's, and a loopback channel takes two */
#define PORTS (WORDS * PORTS_PER_WORD)

u64 front_forgets_recheck;

static struct xen_shared_info *shared;
static struct source *source_of_port[WORDS][PORTS_PER_WORD]; /* in the order in which cntlzd counts: see place_of() */
static u32 self_port; /* the end of a loopback channel that front_send_self() sends on; 0: not made yet */

static inline u64 leading_zeros(u64 bits)
{
    return (u64)__builtin_clzl(bits);
}

/* Where the source of a port is noted, word and bit being counted from the most significant. */
static inline struct source **place_of(u64 word, u64 bit)
{
    return &source_of_port[word - (EVENT_WORDS - WORDS)][bit];
}

/* Every port starts unmasked, in the hypervisor's eyes: mask what nobody has bound. */
void front_init(void)
{
    shared = (struct xen_shared_info *)config.shared_info;
    if (!shared)
        give_up(EXIT_SETUP, "no shared-info in the device tree", 0);
    for (u64 word = 0; word < EVENT_WORDS; word++)
        shared->mask[word] = ~0UL;
}

/*
 * Let a port's events in: clear MASK, then look at PENDING, for an event that came while it was masked left no selector
 * bit. Only this vCPU writes MASK, and only with interrupts off, so a plain store will do.
 */
static void listen(u32 port, struct source *source)
{
    u64 word = port / PORTS_PER_WORD;
    u64 bit = 1UL << port % PORTS_PER_WORD;

    if (port >= PORTS)
        give_up(EXIT_SETUP, "port out of range", port);
    *place_of(EVENT_WORDS - 1 - word, leading_zeros(bit)) = source;
    shared->mask[word] &= ~bit;
    barrier();
    if (shared->pending[word] & bit) {
        atomic_set(&shared->vcpu[0].selector, 1UL << word);
        shared->vcpu[0].upcall_pending = 1;
    }
}

void front_register(struct source *source)
{
    struct evtchn_bind_pirq bind = {.pirq = source->irq};
    struct physdev_irq_status_query query = {.irq = source->irq};

    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_PIRQ, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_pirq refused", source->irq);
    if (xen_call(XEN_PHYSDEV_OP, PHYSDEVOP_IRQ_STATUS_QUERY, handle(&query)) != 0)
        give_up(EXIT_SETUP, "irq_status_query refused", source->irq);
    source->eoi_argument = query.flags & IRQ_STATUS_NEEDS_EOI ? handle(&source->irq) : 0;
    listen(bind.port, source);
}

void front_ready(void)
{
}

/*
 * Steps R1 to R3 of docs/explanation/event-channels.md. Xen may set a selector bit at any time, from another processor
 * too, so only an atomic exchange loses none. The upcall byte is just stored: whatever Xen sets before is found in the
 * selector, and what it sets afterwards stays.
 */
static inline void take_notification(struct scan *scan)
{
    scan->shared->vcpu[0].upcall_pending = 0;
    barrier();
    scan->selector = atomic_exchange(&scan->shared->vcpu[0].selector, 0);
}

static inline volatile u64 *pending_word(const struct scan *scan)
{
    return &scan->shared->pending[EVENT_WORDS - 1 - scan->word];
}

/* R4: the lowest word that the selector names, and its ports that are pending and not masked. */
static inline void take_word(struct scan *scan)
{
    u64 bit = scan->selector & -scan->selector;

    scan->selector ^= bit;
    scan->word = leading_zeros(bit);
    scan->ready = pending_word(scan)[0] & ~pending_word(scan)[EVENT_WORDS];
}

/*
 * R5: the lowest port that is ready. PENDING is cleared atomically, for Xen sets bits of other ports in the same word.
 * Only ports that are bound are ever unmasked, so each has a source.
 */
static inline struct source *take_port(struct scan *scan)
{
    u64 bit = scan->ready & -scan->ready;
    struct source *source = *place_of(scan->word, leading_zeros(bit));

    scan->ready ^= bit;
    atomic_clear(pending_word(scan), bit);
    ASSUME(source != NO_IRQ);
    return source;
}

/* The upcall byte is set, or the hypervisor would not have entered 0x500. */
struct source *get_irq(struct scan *scan)
{
    scan->shared = shared;
    scan->word = scan->ready = 0;
    take_notification(scan);
    if (UNLIKELY(scan->selector == 0))
        return NO_IRQ;
    take_word(scan);
    return LIKELY(scan->ready != 0) ? take_port(scan) : NO_IRQ;
}

int more_irqs(const struct scan *scan)
{
    return (scan->ready | scan->selector | scan->shared->vcpu[0].upcall_pending) != 0;
}

/* R6 when nothing is left. */
struct source *next_irq(struct scan *scan)
{
    while (scan->ready == 0) {
        if (scan->selector != 0)
            take_word(scan);
        else if (scan->shared->vcpu[0].upcall_pending)
            take_notification(scan);
        else
            return NO_IRQ;
    }
    return take_port(scan);
}

void eoi(struct source *source, struct scan *scan)
{
    (void)scan;
    if (source->eoi_argument)
        xen_call(XEN_PHYSDEV_OP, PHYSDEVOP_EOI, source->eoi_argument);
}

/* Interrupts are on. If an event came while they were off, a hypercall that does nothing gets it delivered. */
void front_recheck(void)
{
    if (UNLIKELY(shared->vcpu[0].upcall_pending) && !front_forgets_recheck)
        xen_call(XEN_VERSION, 0, 0);
}

void front_enable(void)
{
    set_msr_ee_ri(MSR_EE | MSR_RI);
    front_recheck();
}

void front_disable(void)
{
    set_msr_ee_ri(MSR_RI);
}

int front_pending(void)
{
    return shared->vcpu[0].upcall_pending;
}

/*
 * SCHEDOP_block sets EE, and looks at upcall_pending before it sleeps. A blocked vCPU's decrementer does not wake it,
 * so the hypervisor is told when the next tick is due: with EE=0, lest the tick come before it has been told.
 */
void front_idle(void)
{
    if (UNLIKELY(tick_next() != 0)) {
        front_disable();
        xen_call1(XEN_SET_TIMER_OP, nanoseconds(tick_next()));
    }
    xen_call1(XEN_SCHED_OP, SCHEDOP_BLOCK);
}

/* A channel from this domain to itself: what is sent on one end arrives at the other. */
static void make_loopback(void)
{
    struct evtchn_alloc_unbound alloc = {.domain = DOMID_SELF, .remote_domain = DOMID_SELF};
    struct evtchn_bind_interdomain bind = {.remote_domain = DOMID_SELF};

    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_ALLOC_UNBOUND, handle(&alloc)) != 0)
        give_up(EXIT_SETUP, "alloc_unbound refused", 0);
    bind.remote_port = alloc.port;
    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_INTERDOMAIN, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_interdomain refused", alloc.port);
    front_disable();
    listen(alloc.port, &self);
    self_port = bind.local_port;
    front_enable();
}

void front_send_self(void)
{
    if (self_port == 0)
        make_loopback();
    xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_SEND, handle(&self_port));
}

void front_console(const char *text, u64 length)
{
    xen_call3(XEN_CONSOLE_IO, CONSOLEIO_WRITE, length, handle(text));
}
