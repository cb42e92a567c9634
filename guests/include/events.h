/*
 * Event channels as every front end has them: binding, the end of an interrupt. What differs is how the hypervisor makes
 * the guest look, and when the guest looks again; and how it looks, in the bitmaps of bitmap.h or the queues of fifo.h.
 * With the bitmaps:
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
static u32 self_port; /* the end of a loopback channel that front_send_self() sends on; 0: not made yet */

static inline struct xen_vcpu_info *info_of(const struct scan *scan)
{
    return scan->smp ? this_vcpu()->info : &scan->shared->vcpu[0];
}

#ifdef FIFO_EVENTS
#include "fifo.h"
#else
#include "bitmap.h"
#endif

static void events_init(void)
{
    shared = (struct xen_shared_info *)config.shared_info;
    if (!shared)
        give_up(EXIT_SETUP, "no shared-info in the device tree", 0);
    channels_init();
    this_vcpu()->info = &shared->vcpu[0];
}

static inline void events_init_secondary(void)
{
    this_vcpu()->info = &shared->vcpu[this_vcpu()->number];
    channels_init_vcpu();
}

/* The registers are all that a vCPU is given: the rest of its state is in memory. */
static inline void events_start_vcpu(u64 number, u64 entry, u64 argument)
{
    static struct vcpu_context context;

    context.pc = entry;
    context.gprs[3] = argument;
    context.msr = read_msr();
    if (xen_call3(XEN_VCPU_OP, VCPUOP_INITIALISE, number, handle(&context)) != 0)
        give_up(EXIT_SETUP, "VCPUOP_initialise refused", number);
    if (xen_call3(XEN_VCPU_OP, VCPUOP_UP, number, 0) != 0)
        give_up(EXIT_SETUP, "VCPUOP_up refused", number);
}

static inline void events_register(struct source *source)
{
    struct evtchn_bind_pirq bind = {.pirq = source->irq};
    struct physdev_irq_status_query query = {.irq = source->irq};

    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_PIRQ, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_pirq refused", source->irq);
    if (xen_call(XEN_PHYSDEV_OP, PHYSDEVOP_IRQ_STATUS_QUERY, handle(&query)) != 0)
        give_up(EXIT_SETUP, "irq_status_query refused", source->irq);
    source->eoi_argument = query.flags & IRQ_STATUS_NEEDS_EOI ? handle(&source->irq) : 0;
    listen(bind.port, source, source->vcpu, 1);
}

/* The tick of this vCPU is an event: VIRQ_TIMER, which each has for itself. */
static inline void events_bind_tick(void)
{
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER, .vcpu = (u32)this_vcpu()->number};

    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_VIRQ, handle(&bind)) != 0)
        give_up(EXIT_SETUP, "bind_virq refused", VIRQ_TIMER);
    listen(bind.port, &clock, this_vcpu()->number, 0);
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
    listen(source->irq, source, source->vcpu, !is_ipi);
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
    listen(alloc.port, &self, 0, 0);
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
