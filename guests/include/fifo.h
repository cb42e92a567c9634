/*
 * FIFO event channels (Xen 4.4 and later). Part of events.h.
 *
 * Each port has an event word. A port that is raised is linked to the end of one of 16 queues of the vCPU that it
 * notifies, the lowest first. The guest takes it from the head:
 *
 * 1. It clears upcall_pending, then takes `ready`, which has a bit for each queue that got a new head.
 * 2. Of the lowest queue: its own head, or, if it has none, that of the control block.
 * 3. In one step it clears LINKED and LINK, which names the next port, and PENDING, unless the port is masked.
 * 4. If there is no next port, the queue is done. It looks at `ready` again before each event: a more urgent queue may
 *    have become ready.
 */
#ifndef FIFO_H
#define FIFO_H

#define EVENT_PENDING (1U << 31)
#define EVENT_MASKED (1U << 30)
#define EVENT_LINKED (1U << 29)
#define EVENT_BUSY (1U << 28)
#define EVENT_LINK ((1U << 17) - 1)
#define PRIORITIES 16
#define WORDS_PER_PAGE 1024

struct control_block {
    volatile u32 ready; /* bit q: queue q has a new head */
    u32 reserved;
    volatile u32 head[PRIORITIES];
    u32 padding[14];
};
_Static_assert(sizeof(struct control_block) == 128, "none crosses the end of a page");

static volatile u32 event_word[WORDS_PER_PAGE] __attribute__((aligned(4096)));
static struct control_block control_block[MAX_VCPUS] __attribute__((aligned(128)));
static u32 own_head[MAX_VCPUS][PRIORITIES]; /* where each queue goes on; 0: look at its head */
static struct source *source_of_event[PORTS];

static inline u32 exchange_word(volatile u32 *word, u32 fresh)
{
    u32 old;
    __asm__ volatile("1: lwarx %0,0,%1\n"
                     "   stwcx. %2,0,%1\n"
                     "   bne- 1b"
                     : "=&r"(old)
                     : "r"(word), "r"(fresh)
                     : "cr0", "memory");
    return old;
}

/* Store `fresh` if the word is still `old`. */
static inline int replace_word(volatile u32 *word, u32 old, u32 fresh)
{
    u32 found;
    __asm__ volatile("1: lwarx %0,0,%1\n"
                     "   cmplw %0,%2\n"
                     "   bne 2f\n"
                     "   stwcx. %3,0,%1\n"
                     "   bne- 1b\n"
                     "2:"
                     : "=&r"(found)
                     : "r"(word), "r"(old), "r"(fresh)
                     : "cr0", "memory");
    return found == old;
}

/* Take a port from its queue, and clear PENDING unless it is masked; returns what its word was. */
static inline u32 unlink_event(volatile u32 *word)
{
    u32 old, fresh;
    __asm__ volatile("1: lwarx %0,0,%2\n"
                     "   and %1,%0,%3\n"
                     "   andis. 0,%0,0x4000\n"
                     "   bne 2f\n"
                     "   and %1,%0,%4\n"
                     "2: stwcx. %1,0,%2\n"
                     "   bne- 1b"
                     : "=&r"(old), "=&r"(fresh)
                     : "r"(word), "r"(EVENT_PENDING | EVENT_MASKED | EVENT_BUSY), "r"(EVENT_BUSY)
                     : "r0", "cr0", "memory");
    return old;
}

static struct control_block *block_of(u64 vcpu)
{
    return &control_block[vcpu];
}

static void give_control_block(u64 vcpu)
{
    u64 at = (u64)block_of(vcpu);
    struct evtchn_init_control init = {.frame = at >> 12, .offset = at & 4095, .vcpu = vcpu};

    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_INIT_CONTROL, handle(&init)) != 0)
        give_up(EXIT_SETUP, "init_control refused", vcpu);
}

/* A fresh page is to be masked everywhere before Xen has it. */
static void channels_init(void)
{
    struct evtchn_expand_array expand = {.frame = (u64)event_word >> 12};

    for (u64 port = 0; port < WORDS_PER_PAGE; port++)
        event_word[port] = EVENT_MASKED;
    give_control_block(0);
    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_EXPAND_ARRAY, handle(&expand)) != 0)
        give_up(EXIT_SETUP, "expand_array refused", 0);
}

static inline void channels_init_vcpu(void)
{
    give_control_block(this_vcpu()->number);
}

/*
 * Let a port's events in. Its queue is its source's priority, 0 the most urgent. While BUSY is set Xen is linking the
 * port, and MASKED must not change. What is pending already only Xen may link.
 */
static void listen(u32 port, struct source *source, u64 vcpu, int binds)
{
    struct evtchn_bind_vcpu bind = {.port = port, .vcpu = (u32)vcpu};
    struct evtchn_set_priority set = {.port = port, .priority = source->priority % PRIORITIES};
    volatile u32 *word = &event_word[port];
    u32 old;

    if (port >= PORTS)
        give_up(EXIT_SETUP, "port out of range", port);
    if (binds && vcpu != 0 && xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_VCPU, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_vcpu refused", port);
    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_SET_PRIORITY, handle(&set)) != 0)
        give_up(EXIT_SETUP, "set_priority refused", port);
    source_of_event[port] = source;
    do {
        old = *word & ~EVENT_BUSY;
    } while (!replace_word(word, old, old & ~EVENT_MASKED));
    if (old & EVENT_PENDING)
        xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_UNMASK, handle(&set.port));
}

static inline void take_notification(struct scan *scan)
{
    info_of(scan)->upcall_pending = 0;
    barrier();
}

/* The next port that is pending and not masked, of the most urgent queue. */
static inline struct source *next_event(struct scan *scan)
{
    u64 vcpu = scan->smp ? this_vcpu()->number : 0;
    struct control_block *block = block_of(vcpu);

    for (;;) {
        if (block->ready)
            scan->selector |= exchange_word(&block->ready, 0);
        if (scan->selector == 0)
            return NO_IRQ;
        u64 queue = (u64)__builtin_ctzl(scan->selector);
        u32 port = own_head[vcpu][queue];
        if (port == 0)
            port = block->head[queue];
        u32 was = unlink_event(&event_word[port]);
        own_head[vcpu][queue] = was & EVENT_LINK;
        if ((was & EVENT_LINK) == 0)
            scan->selector &= ~(1UL << queue);
        if ((was & (EVENT_PENDING | EVENT_MASKED)) == EVENT_PENDING)
            return source_of_event[port];
    }
}

/* The upcall byte is set, or nobody would have called. */
static inline struct source *first_event(struct scan *scan)
{
    scan->selector = scan->ready = scan->ticked = 0;
    scan->shared = shared;
    take_notification(scan);
    return next_event(scan);
}

/* Whether what was taken is not all handled. */
static inline int has_event(const struct scan *scan)
{
    return scan->selector != 0;
}

#endif
