/* 2-level event channels: the bitmaps of the shared page. Part of events.h. */
#ifndef BITMAP_H
#define BITMAP_H

static struct source *source_of_port[WORDS][PORTS_PER_WORD]; /* in the order in which cntlzd counts: see place_of() */

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
static void channels_init(void)
{
    for (u64 word = 0; word < EVENT_WORDS; word++)
        shared->mask[word] = ~0UL;
}

static inline void channels_init_vcpu(void)
{
}

/*
 * Let a port's events in: clear MASK, then look at PENDING, for an event that came while it was masked left no selector
 * bit. Interrupts are off. Events are told to the first vCPU unless the port is bound to another: here, before there
 * are any, or (`binds` is 0) by the call that made it.
 */
static void listen(u32 port, struct source *source, u64 vcpu, int binds)
{
    u64 word = port / PORTS_PER_WORD;
    u64 bit = 1UL << port % PORTS_PER_WORD;
    struct evtchn_bind_vcpu bind = {.port = port, .vcpu = (u32)vcpu};

    if (port >= PORTS)
        give_up(EXIT_SETUP, "port out of range", port);
    if (binds && vcpu != 0 && xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_VCPU, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_vcpu refused", port);
    *place_of(EVENT_WORDS - 1 - word, leading_zeros(bit)) = source;
    vcpu_of(vcpu)->bound[WORDS - 1 - word] |= bit;
    atomic_clear(&shared->mask[word], bit);
    barrier();
    if (shared->pending[word] & bit) {
        atomic_set(&shared->vcpu[vcpu].selector, 1UL << word);
        shared->vcpu[vcpu].upcall_pending = 1;
    }
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

#endif
