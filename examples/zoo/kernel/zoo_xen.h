/* A guest with event channels, as it should be; a guest of the zoo replaces one of its functions. */
#ifndef ZOO_XEN_H
#define ZOO_XEN_H

#include "xen.h"
#include "zoo.h"

#define EVTCHNOP_CLOSE 3

static inline struct xen_shared_info *shared(void)
{
    return (struct xen_shared_info *)shared_info;
}

static inline volatile u8 *upcall(void)
{
    return &shared()->vcpu[0].upcall_pending;
}

static inline volatile u64 *selector(void)
{
    return &shared()->vcpu[0].selector;
}

static inline u64 bit_of(const struct device *device)
{
    return 1UL << device->port;
}

/* Every port is masked until somebody has bound it. */
static inline void mask_all(void)
{
    shared()->mask[0] = ~0UL;
}

struct evtchn_close {
    u32 port;
};

static inline void close(struct device *device)
{
    struct evtchn_close call = {.port = device->port};

    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_CLOSE, handle(&call)) != 0)
        fail();
}

static inline void bind(struct device *device)
{
    struct evtchn_bind_pirq call = {.pirq = device->irq};

    if (xen_call(XEN_EVENT_CHANNEL_OP, EVTCHNOP_BIND_PIRQ, handle(&call)) != 0)
        fail();
    device->port = call.port;
}

/* Clear MASK; then look at PENDING, for what came while it was set left no selector bit. */
static inline void unmask(const struct device *device)
{
    atomic_clear(&shared()->mask[0], bit_of(device));
    barrier();
    if (shared()->pending[0] & bit_of(device)) {
        atomic_set(selector(), 1);
        *upcall() = 1;
    }
}

static inline void mask(const struct device *device)
{
    atomic_set(&shared()->mask[0], bit_of(device));
}

/* Whether there is a selected word: the upcall is cleared first, or a fresh one would be discarded with the old. */
static inline u64 take_selector(void)
{
    *upcall() = 0;
    barrier();
    return atomic_exchange(selector(), 0);
}

/* PENDING is cleared before the ring is read, or what comes meanwhile would be discarded with it. */
static inline void serve(struct device *device)
{
    if (shared()->pending[0] & ~shared()->mask[0] & bit_of(device)) {
        atomic_clear(&shared()->pending[0], bit_of(device));
        drain(device);
    }
}

/* Interrupts on; what came while they were off is delivered by any hypercall. */
static inline void enable_and_look(void)
{
    enable();
    if (*upcall())
        xen_call(XEN_VERSION, 0, 0);
}

/* Sleep; called with interrupts off, which the hypervisor turns on, and looks before it blocks. */
static inline void block(void)
{
    xen_call1(XEN_SCHED_OP, SCHEDOP_BLOCK);
}

static inline void usual_setup(void)
{
    mask_all();
    bind(&devices[0]);
    unmask(&devices[0]);
    enable();
    ready();
}

static inline void usual_external(void)
{
    do {
        if (take_selector())
            serve(&devices[0]);
    } while (*upcall());
}

static inline NORETURN void usual_work(void)
{
    for (;;)
        block();
}

#endif
