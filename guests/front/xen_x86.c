/*
 * Xen/x86: the hypervisor calls this kernel, at an address and on a stack that the kernel chose. One interrupt, as the
 * guest sees it:
 *
 * 1. The hypervisor takes the interrupt, whatever this kernel has masked, and finds whose it is: PENDING[port], the
 *    selector bit of its word, upcall_pending. If upcall_mask is 0, it puts a frame on the stack, sets upcall_mask, and
 *    resumes the guest at the callback: xen_x86_entry.S, which saves what C may change.
 * 2. get_irq(), the handler and eoi() do as events.h tells.
 * 3. Back in xen_x86_entry.S: the iret hypercall, which clears upcall_mask and looks once more; or, if the option says
 *    so, a return without the hypervisor.
 *
 * upcall_mask is this kernel's MSR[EE], and MSR[EE] itself is always 1: masking is a store, and so is unmasking, with a
 * look at upcall_pending behind it. That order, or an event in between is not seen by anybody. There is no decrementer
 * interrupt, which a mask in memory could not hold off: the tick is an event, VIRQ_TIMER.
 */
#include "events.h"

u64 front_forgets_recheck;

/* xen_x86_entry.S */
void upcall(void);
void upcall_direct(void);
void failsafe(void);

#define OPTION_IRET_DIRECT 1 /* of design-options */

static void enroll(void)
{
    xen_call(XEN_SET_CALLBACKS, (u64)(config.design_options & OPTION_IRET_DIRECT ? upcall_direct : upcall), (u64)failsafe);
    set_msr_ee_ri(MSR_EE | MSR_RI); /* the mask is still 1, as a new vCPU's is */
}

void front_init(void)
{
    events_init();
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
    events_register(source);
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
    if (config.tick_hz != 0)
        events_bind_tick();
}

struct source *get_irq(struct scan *scan)
{
    return first_event(scan);
}

int more_irqs(const struct scan *scan)
{
    return has_event(scan) | scan->ticked;
}

/* What is raised after the selector was taken is delivered by the way back. */
struct source *next_irq(struct scan *scan)
{
    if (scan->ticked) {
        scan->ticked = 0;
        tick();
    }
    return next_event(scan);
}

void eoi(struct source *source, struct scan *scan)
{
    if (source->eoi_argument == EOI_IS_TICK)
        scan->ticked = 1;
    else
        end_event(source);
}

void front_enable(void)
{
    this_vcpu()->info->upcall_mask = 0;
    if (UNLIKELY(upcall_pending()) && !front_forgets_recheck)
        xen_call(XEN_VERSION, 0, 0);
}

void front_disable(void)
{
    this_vcpu()->info->upcall_mask = 1;
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

/* SCHEDOP_block clears upcall_mask, and looks at upcall_pending before it sleeps. */
void front_idle(void)
{
    xen_call1(XEN_SCHED_OP, SCHEDOP_BLOCK);
}

void front_send_self(void)
{
    events_send_self();
}

void front_console(const char *text, u64 length)
{
    events_console(text, length);
}
