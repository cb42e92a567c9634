/*
 * Xen/PPC: event channels in shared memory, 0x500 simulated by the hypervisor. One interrupt, as the guest sees it:
 *
 * 1. The hypervisor takes the interrupt, finds whose it is, sets PENDING[port], the selector bit of its word and
 *    upcall_pending, and resumes the guest at 0x500.
 * 2. get_irq() clears upcall_pending, then takes the selector, then reads the words it names: that order, or a fresh
 *    notification is discarded with an old one.
 * 3. It clears PENDING[port] before the handler runs, so that what comes during the handler notifies again.
 *    A pirq whose hypervisor waits for the end of the interrupt is also masked until then.
 * 4. The handler drains the ring.
 * 5. eoi(): PHYSDEVOP_eoi for such a pirq, and unmask. No hypercall for the others.
 * 6. get_irq() again, until upcall_pending stays clear.
 *
 * The gap: nothing is delivered by setting MSR[EE]; the hypervisor looks when it is entered. So a guest that enables
 * interrupts looks at upcall_pending and, if it is set, makes a hypercall, any hypercall. One hole cannot be closed: if
 * the guest is preempted between get_irq()'s last look and rfid, the event waits for the next look, and that is why
 * compute_for_ever() has one after each unit of work.
 */
#include "atomic.h"
#include "front.h"
#include "processor.h"
#include "xen.h"

#define PORTS 256
#define PORTS_PER_WORD 64

const u64 front_asks_again = 1;
u64 front_forgets_recheck;

static struct xen_shared_info *shared;
static u8 irq_of_port[PORTS];
static u32 self_port; /* the end of a loopback channel that front_send_self() sends on; 0: not made yet */

/* The number of the least significant bit that is set. */
static inline u64 lowest(u64 bits)
{
    return 63 - (u64)__builtin_clzl(bits & -bits);
}

/* Every port starts unmasked, in the hypervisor's eyes: mask what nobody has bound. */
void front_init(void)
{
    shared = (struct xen_shared_info *)config.shared_info;
    if (!shared)
        give_up(EXIT_SETUP, "no shared-info in the device tree", 0);
    for (u64 port = 0; port < PORTS; port++)
        irq_of_port[port] = IRQ_UNKNOWN;
    for (u64 word = 0; word < EVENT_WORDS; word++)
        shared->mask[word] = ~0UL;
}

/*
 * Let a port's events in: clear MASK, then look at PENDING, for an event that came while it was masked left no selector
 * bit. Only this vCPU writes MASK, and only with interrupts off, so a plain store will do.
 */
static void listen(u32 port, u64 irq)
{
    u64 word = port / PORTS_PER_WORD;
    u64 bit = 1UL << port % PORTS_PER_WORD;

    if (port >= PORTS)
        give_up(EXIT_SETUP, "port out of range", port);
    irq_of_port[port] = (u8)irq;
    shared->mask[word] &= ~bit;
    barrier();
    if (shared->pending[word] & bit) {
        atomic_set(&shared->vcpu[0].selector, 1UL << word);
        shared->vcpu[0].upcall_pending = 1;
    }
}

void front_register(u64 irq)
{
    struct source *source = &sources[irq];
    struct evtchn_bind_pirq bind = {.pirq = (u32)source->irq};
    struct physdev_irq_status_query query = {.irq = (u32)source->irq};

    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_PIRQ, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_pirq refused", source->irq);
    if (xen_call(XEN_PHYSDEV_OP, PHYSDEVOP_IRQ_STATUS_QUERY, handle(&query)) != 0)
        give_up(EXIT_SETUP, "irq_status_query refused", source->irq);
    source->bit = 1UL << bind.port % PORTS_PER_WORD;
    source->eoi_irq = (u32)source->irq;
    source->eoi_argument = query.flags & IRQ_STATUS_NEEDS_EOI ? handle(&source->eoi_irq) : 0;
    listen(bind.port, irq);
}

void front_ready(void)
{
}

/*
 * The next word that has something to handle; 0: there is none. Only ports that are bound are ever unmasked, so every
 * port found here has its name in irq_of_port.
 */
static inline int next_word(struct scan *scan)
{
    do {
        if (scan->selector == 0) {
            if (!shared->vcpu[0].upcall_pending)
                return 0;
            shared->vcpu[0].upcall_pending = 0;
            barrier();
            scan->selector = atomic_exchange(&shared->vcpu[0].selector, 0);
            if (UNLIKELY(scan->selector == 0))
                continue;
        }
        u64 word = lowest(scan->selector);
        scan->selector &= scan->selector - 1;
        scan->pending = &shared->pending[word];
        scan->irqs = &irq_of_port[word * PORTS_PER_WORD];
        scan->ready = scan->pending[0] & ~scan->pending[EVENT_WORDS];
    } while (UNLIKELY(scan->ready == 0));
    return 1;
}

u64 get_irq(struct scan *scan)
{
    if (scan->ready == 0 && !next_word(scan))
        return NO_IRQ;

    u64 bit = scan->ready & -scan->ready;
    u64 irq = scan->irqs[lowest(bit)];

    scan->ready ^= bit;
    if (irq < MAX_SOURCES && sources[irq].eoi_argument)
        scan->pending[EVENT_WORDS] |= bit;
    atomic_clear(scan->pending, bit);
    return irq;
}

/* An event that came while the port was masked is found by looking after unmasking, and handled in this same trip. */
void eoi(u64 irq, struct scan *scan)
{
    if (irq < MAX_SOURCES && sources[irq].eoi_argument) {
        xen_call(XEN_PHYSDEV_OP, PHYSDEVOP_EOI, sources[irq].eoi_argument);
        scan->pending[EVENT_WORDS] &= ~sources[irq].bit;
        barrier();
        scan->ready |= *scan->pending & sources[irq].bit;
    }
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

/* A blocked vCPU's decrementer does not wake it, so the hypervisor is told when the next tick is due. Sets EE. */
void front_idle(void)
{
    u64 tick = tick_next();

    if (UNLIKELY(tick != 0))
        xen_call(XEN_SET_TIMER_OP, nanoseconds(tick), 0);
    xen_call(XEN_SCHED_OP, SCHEDOP_BLOCK, 0);
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
    listen(alloc.port, IRQ_SELF);
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
