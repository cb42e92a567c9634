/* Xen's interface as its PowerPC port had it in 2008: hypercalls, event channels, the shared page. */
#ifndef XEN_H
#define XEN_H

#include "types.h"

#define XEN_MARK 0xFFFFFFFFFFFF0000UL /* in r3, over the number: this is not a PAPR call */

enum xen_call {
    XEN_SET_CALLBACKS = 4,
    XEN_SET_TIMER_OP = 15,
    XEN_VERSION = 17,
    XEN_CONSOLE_IO = 18,
    XEN_VCPU_OP = 24,
    XEN_SCHED_OP = 29,
    XEN_EVENT_CHANNEL_OP = 32,
    XEN_PHYSDEV_OP = 33,
};

enum {
    CONSOLEIO_WRITE = 0,
    SCHEDOP_BLOCK = 1,
    EVTCHNOP_BIND_INTERDOMAIN = 0,
    EVTCHNOP_BIND_VIRQ = 1,
    EVTCHNOP_BIND_PIRQ = 2,
    EVTCHNOP_SEND = 4,
    EVTCHNOP_ALLOC_UNBOUND = 6,
    EVTCHNOP_BIND_IPI = 7,
    EVTCHNOP_BIND_VCPU = 8,
    EVTCHNOP_UNMASK = 9,
    EVTCHNOP_INIT_CONTROL = 11,
    EVTCHNOP_EXPAND_ARRAY = 12,
    EVTCHNOP_SET_PRIORITY = 13,
    VCPUOP_INITIALISE = 0,
    VCPUOP_UP = 1,
    PHYSDEVOP_IRQ_STATUS_QUERY = 5,
    PHYSDEVOP_EOI = 12,
    IRQ_STATUS_NEEDS_EOI = 1,
};

#define DOMID_SELF 0x7FF0
#define VIRQ_TIMER 0

struct evtchn_bind_interdomain {
    unsigned short remote_domain;
    u32 remote_port;
    u32 local_port; /* out */
};

struct evtchn_bind_virq {
    u32 virq;
    u32 vcpu;
    u32 port; /* out */
};

struct evtchn_bind_pirq {
    u32 pirq;
    u32 flags;
    u32 port; /* out */
};

struct evtchn_alloc_unbound {
    unsigned short domain;
    unsigned short remote_domain;
    u32 port; /* out */
};

struct physdev_irq_status_query {
    u32 irq;
    u32 flags; /* out */
};

struct evtchn_bind_ipi {
    u32 vcpu;
    u32 port; /* out */
};

struct evtchn_bind_vcpu {
    u32 port;
    u32 vcpu;
};

struct evtchn_init_control {
    u64 frame;
    u32 offset;
    u32 vcpu;
    u8 link_bits; /* out */
    u8 padding[7];
};

struct evtchn_expand_array {
    u64 frame;
};

struct evtchn_set_priority {
    u32 port;
    u32 priority;
};

/* VCPUOP_initialise: the registers that a vCPU begins with, as the PowerPC port had them in 2007. */
struct vcpu_context {
    u64 gprs[32];
    u64 lr;
    u64 ctr;
    u64 srr0;
    u64 srr1;
    u64 pc;
    u64 msr;
    u64 fpscr;
    u64 xer;
    u64 hid4;
    u64 dar;
    u32 dsisr;
    u32 cr;
    u32 padding;
    u32 entry_vector;
    u64 sdr1;
};
_Static_assert(OFFSET_OF(struct vcpu_context, cr) == 340, "arch-powerpc.h, cpu_user_regs");

#define EVENT_WORDS 64
#define SHARED_VCPUS 32

struct xen_vcpu_info {
    volatile u8 upcall_pending; /* Xen sets it, the guest clears it */
    volatile u8 upcall_mask;    /* xen-x86: no upcalls while it is 1. Xen/PPC ignores it: MSR[EE] is the mask */
    u8 padding[6];
    volatile u64 selector; /* bit w: look at pending[w]; bits count from the least significant */
    u8 time[32];           /* the PowerPC port never fills it */
};

struct xen_shared_info {
    struct xen_vcpu_info vcpu[SHARED_VCPUS];
    volatile u64 pending[EVENT_WORDS];
    volatile u64 mask[EVENT_WORDS];
};
_Static_assert(sizeof(struct xen_vcpu_info) == 48, "xen.h, vcpu_info without an arch part");
_Static_assert(OFFSET_OF(struct xen_shared_info, pending) == 1536, "xen.h, shared_info");
_Static_assert(OFFSET_OF(struct xen_shared_info, mask) == 2048, "xen.h, shared_info");

/* An inline xencomm handle: bit 63, and a real address of data in one piece. */
static inline u64 handle(const void *data)
{
    return 1UL << 63 | (u64)data;
}

/* All registers but r3 keep their values; SRR0 and SRR1 do not. */
static inline s64 xen_call1(u64 number, u64 a)
{
    register u64 r3 __asm__("r3") = XEN_MARK | number;
    register u64 r4 __asm__("r4") = a;
    __asm__ volatile("sc 1" : "+r"(r3) : "r"(r4) : "memory");
    return (s64)r3;
}

static inline s64 xen_call(u64 number, u64 a, u64 b)
{
    register u64 r3 __asm__("r3") = XEN_MARK | number;
    register u64 r4 __asm__("r4") = a;
    register u64 r5 __asm__("r5") = b;
    __asm__ volatile("sc 1" : "+r"(r3) : "r"(r4), "r"(r5) : "memory");
    return (s64)r3;
}

static inline s64 xen_call3(u64 number, u64 a, u64 b, u64 c)
{
    register u64 r3 __asm__("r3") = XEN_MARK | number;
    register u64 r4 __asm__("r4") = a;
    register u64 r5 __asm__("r5") = b;
    register u64 r6 __asm__("r6") = c;
    __asm__ volatile("sc 1" : "+r"(r3) : "r"(r4), "r"(r5), "r"(r6) : "memory");
    return (s64)r3;
}

#endif
