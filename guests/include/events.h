/*
 * Event channels as every front end reads them that has them: binding, the scan, the end of an interrupt. What differs is
 * how the hypervisor makes the guest look, and when the guest looks again.
 *
 * 1. get_irq() clears upcall_pending, then takes the selector, then reads the words it names: that order, or a fresh
 *    notification is discarded with an old one.
 * 2. It clears PENDING[port] before the handler runs, so that what comes during the handler notifies again.
 * 3. The handler drains the ring.
 * 4. eoi(): PHYSDEVOP_eoi for a pirq whose hypervisor waits for the end of the interrupt; until then no other comes, so
 *    its port need not be masked meanwhile. No hypercall for the others.
 * 5. The rest of the word, then the other words that the selector named.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "atomic.h"
#include "front.h"
#include "processor.h"
#include "xen.h"

#define WORDS PORT_WORDS
#define PORTS (WORDS * PORTS_PER_WORD)

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
static void events_init(void)
{
    shared = (struct xen_shared_info *)config.shared_info;
    if (!shared)
        give_up(EXIT_SETUP, "no shared-info in the device tree", 0);
    for (u64 word = 0; word < EVENT_WORDS; word++)
        shared->mask[word] = ~0UL;
    this_vcpu()->info = &shared->vcpu[0];
}

static inline void events_init_secondary(void)
{
    this_vcpu()->info = &shared->vcpu[this_vcpu()->number];
}

static inline void events_start_vcpu(u64 number, const struct vcpu_context *context)
{
    if (xen_call3(XEN_VCPU_OP, VCPUOP_INITIALISE, number, handle(context)) != 0)
        give_up(EXIT_SETUP, "VCPUOP_initialise refused", number);
    if (xen_call3(XEN_VCPU_OP, VCPUOP_UP, number, 0) != 0)
        give_up(EXIT_SETUP, "VCPUOP_up refused", number);
}

/*
 * Let a port's events in: clear MASK, then look at PENDING, for an event that came while it was masked left no selector
 * bit. Interrupts are off. Events are told to the first vCPU unless the port is bound to another, here, before there
 * are any.
 */
static void listen(u32 port, struct source *source, int binds)
{
    u64 word = port / PORTS_PER_WORD;
    u64 bit = 1UL << port % PORTS_PER_WORD;
    struct evtchn_bind_vcpu bind = {.port = port, .vcpu = source->vcpu};

    if (port >= PORTS)
        give_up(EXIT_SETUP, "port out of range", port);
    if (binds && source->vcpu != 0 && xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_VCPU, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_vcpu refused", port);
    *place_of(EVENT_WORDS - 1 - word, leading_zeros(bit)) = source;
    vcpu_of(source->vcpu)->bound[WORDS - 1 - word] |= bit;
    atomic_clear(&shared->mask[word], bit);
    barrier();
    if (shared->pending[word] & bit) {
        atomic_set(&shared->vcpu[source->vcpu].selector, 1UL << word);
        shared->vcpu[source->vcpu].upcall_pending = 1;
    }
}

static void events_register(struct source *source)
{
    struct evtchn_bind_pirq bind = {.pirq = source->irq};
    struct physdev_irq_status_query query = {.irq = source->irq};

    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_PIRQ, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_pirq refused", source->irq);
    if (xen_call(XEN_PHYSDEV_OP, PHYSDEVOP_IRQ_STATUS_QUERY, handle(&query)) != 0)
        give_up(EXIT_SETUP, "irq_status_query refused", source->irq);
    source->eoi_argument = query.flags & IRQ_STATUS_NEEDS_EOI ? handle(&source->irq) : 0;
    listen(bind.port, source, 1);
}

static inline struct xen_vcpu_info *info_of(const struct scan *scan)
{
    return scan->smp ? this_vcpu()->info : &scan->shared->vcpu[0];
}

/*
 * A channel from another guest has a port that the toolstack allocated and the other guest binds to; one from another
 * vCPU needs a port of this guest's own. The board is told which, before there are events.
 */
static void events_register_channel(struct source *source)
{
    struct evtchn_bind_ipi bind = {.vcpu = source->vcpu};
    int is_ipi = source->irq == 0;

    if (is_ipi) {
        if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_IPI, handle(&bind)) != 0)
            give_up(EXIT_SETUP, "bind_ipi refused", source->number);
        source->irq = bind.port;
    }
    board()->claim = (u64)source->number << 32 | source->irq;
    listen(source->irq, source, !is_ipi);
}

/* The new local port is pending at once, and stays masked: nobody sends to it. */
static void events_open_channel(struct channel *channel)
{
    struct evtchn_bind_interdomain bind = {.remote_port = channel->remote_port};

    if (channel->remote_port == 0) {
        channel->port = source_of(channel->number)->irq;
        return;
    }
    bind.remote_domain = (unsigned short)channel->remote_domain;
    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_INTERDOMAIN, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_interdomain refused", channel->number);
    channel->port = bind.local_port;
}

static inline void events_notify(const struct channel *channel)
{
    xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_SEND, handle(&channel->port));
}

/*
 * Steps R1 to R3 of docs/explanation/event-channels.md. Xen may set a selector bit at any time, from another processor
 * too, so only an atomic exchange loses none. The upcall byte is just stored: whatever Xen sets before is found in the
 * selector, and what it sets afterwards stays.
 */
static inline void take_notification(struct scan *scan)
{
    struct xen_vcpu_info *info = info_of(scan);

    info->upcall_pending = 0;
    barrier();
    scan->selector = atomic_exchange(&info->selector, 0);
}

static inline volatile u64 *pending_word(const struct scan *scan)
{
    return &scan->shared->pending[EVENT_WORDS - 1 - scan->word];
}

/*
 * R4: the lowest word that the selector names, and its ports that are pending and not masked. The words are the
 * domain's, the selector is the vCPU's: of several, each handles the ports that are bound to it.
 */
static inline void take_word(struct scan *scan)
{
    u64 bit = scan->selector & -scan->selector;

    scan->selector ^= bit;
    scan->word = leading_zeros(bit);
    scan->ready = pending_word(scan)[0] & ~pending_word(scan)[EVENT_WORDS];
    if (scan->smp)
        scan->ready &= this_vcpu()->bound[scan->word - (EVENT_WORDS - WORDS)];
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

/* The upcall byte is set, or nobody would have called. */
static inline struct source *first_event(struct scan *scan)
{
    scan->shared = shared;
    scan->word = scan->ready = scan->ticked = 0;
    take_notification(scan);
    if (UNLIKELY(scan->selector == 0))
        return NO_IRQ;
    take_word(scan);
    return LIKELY(scan->ready != 0) ? take_port(scan) : NO_IRQ;
}

/* Whether what was taken is not all handled. */
static inline int has_event(const struct scan *scan)
{
    return (scan->ready | scan->selector) != 0;
}

/* The next port of what was taken. */
static inline struct source *next_event(struct scan *scan)
{
    while (scan->ready == 0) {
        if (scan->selector == 0)
            return NO_IRQ;
        take_word(scan);
    }
    return take_port(scan);
}

static inline void end_event(const struct source *source)
{
    if (source->eoi_argument)
        xen_call(XEN_PHYSDEV_OP, PHYSDEVOP_EOI, source->eoi_argument);
}

static inline int upcall_pending(void)
{
    return this_vcpu()->info->upcall_pending;
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
    listen(alloc.port, &self, 0);
    self_port = bind.local_port;
    front_enable();
}

static void events_send_self(void)
{
    if (self_port == 0)
        make_loopback();
    xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_SEND, handle(&self_port));
}

static void events_console(const char *text, u64 length)
{
    xen_call3(XEN_CONSOLE_IO, CONSOLEIO_WRITE, length, handle(text));
}

#endif
