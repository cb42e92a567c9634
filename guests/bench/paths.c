/*
 * The hypervisor's own work, to be counted: minimal C for each step whose length src/irqvisor/spec/paths.py holds and
 * for which there is no counted original. It delivers nothing; it is there to be executed once.
 *
 * One function a step, named as the length is. kernel_main() calls each in the state that the step is for, and the host
 * counts instructions from a function's first to its blr, both included (tests/spec/test_paths.py). So that nothing is
 * charged twice, what has a charge of its own is not here: the way in and out and finding the call, the reading of a
 * controller register (its value is an argument) and the writing of one (pic_write() makes the value and ends there),
 * and what `inject` and `host_wakeup` cover. What several processors may touch is changed under a lock, or atomically.
 */
#include "atomic.h"
#include "board.h"
#include "processor.h"
#include "types.h"
#include "upcalls.h"

/* The compiler knows nothing about the value from here on. */
#define OPAQUE(value) __asm__ volatile("" : "+r"(value) : : "memory")

#define LINES 64
#define WORDS 8 /* of a bitmap with a bit for each of 512 lines */
#define PORTS 64

#define VECTOR_IPI 251
#define VECTOR_SPURIOUS 255

#define SOFTIRQ_SCHEDULE 2UL
#define BLOCKED 1UL
#define FAR (~0UL >> 1)
#define SLICE 512000UL
#define TICKS_PER_1024_NS 524UL

#define INLINE_HANDLE (1UL << 63)
#define EFAULT 14UL
#define EINVAL 22UL

#define CPPR_SHIFT 24
#define XISR_MASK 0xFFFFFFUL
#define XISR_LINES 0x1000UL
#define PRIORITY_NONE 0xFFUL
#define HIGHEST_TASK_PRIORITY 15UL
#define LPCR_MER 0x800UL

#define RING_KEPT 0x00FFFF0000FFFF00UL /* CPPR, IPB, INC, AGE */
#define RING_RESET 0xFF000000UL        /* LSMFB 0, ACK# 0xFF */
#define RING_PENDING(ring) ((ring) >> 40 & 0xFF)
#define RING_CPPR(ring) ((ring) >> 48 & 0xFF)
#define RING_VALID 0x80000000UL
#define PQ_P 2UL

#define ON 2UL /* in a vCPU's flags: a notification is outstanding, */
#define SN 4UL /* ... or suppressed */

#define PORT_INTERDOMAIN 3
#define POLL_MAX 128

struct line {
    struct vcpu *owner;
    u64 priority, level, port, in_flight, in_service;
};

struct port {
    u64 state, remote_port;
    struct domain *remote;
};

struct shared {
    volatile u8 upcall_pending;
    volatile u64 selector, pending[PORTS / 64], mask[PORTS / 64];
};

struct domain {
    volatile u32 lock;
    u64 ports;
    struct port *port;
    struct shared *shared;
};

struct vcpu {
    volatile u32 lock;
    volatile u64 flags; /* BLOCKED */
    u64 msr, lpcr, dec, timer, timer_ticks, prodded, polling;
    u64 cppr, mfrr, ipis, queued, soft[WORDS], level[WORDS];
    u64 ring, cam, escalates, escalating;
    u64 ram, ram_bytes;
    struct domain *domain;
    struct vcpu *next, *next_timer;
};

struct pcpu {
    volatile u32 lock;
    volatile u64 softirqs;
    struct vcpu *current, *first, *last, *timers;
    struct line *line;
    u64 lines, frame_msr, slice_end, hdec, spurious, checks, task_priority;
};

struct poll_argument {
    u64 ports;
    u32 count, unused;
    u64 timeout;
};

static inline void lock(volatile u32 *word)
{
    u32 seen;
    __asm__ volatile("1: lwarx %0,0,%1\n"
                     "   cmpwi %0,0\n"
                     "   bne- 1b\n"
                     "   stwcx. %1,0,%1\n"
                     "   bne- 1b\n"
                     "   isync"
                     : "=&r"(seen)
                     : "r"(word)
                     : "cr0", "memory");
}

static inline void unlock(volatile u32 *word)
{
    __asm__ volatile("lwsync" : : : "memory");
    *word = 0;
}

static inline void pic_write(u64 value)
{
    __asm__ volatile("" : : "r"(value));
}

/* mtspr HDEC in a hypervisor. A guest may not, and executes something as long. */
static inline void write_hdec(u64 ticks)
{
    __asm__ volatile("nop" : : "r"(ticks));
}

static inline u64 task_priority(u64 cppr)
{
    return cppr < HIGHEST_TASK_PRIORITY ? HIGHEST_TASK_PRIORITY - cppr : 0;
}

static inline void raise_softirq(struct pcpu *here, u64 which)
{
    atomic_set(&here->softirqs, which);
}

static inline u64 first_bit(u64 bits)
{
    return 63 - (u64)__builtin_clzl(bits & -bits);
}

/* ------------------------------------------------------------------------------------------------- every hypervisor */

/* Who runs next: who ran goes to the end of the queue if it still can, and the first gets a time slice. */
NOINLINE static struct vcpu *choose(struct pcpu *here, u64 now)
{
    struct vcpu *before = here->current, *chosen;

    lock(&here->lock);
    if (before && !(before->flags & BLOCKED)) {
        before->next = 0;
        if (here->first)
            here->last->next = before;
        else
            here->first = before;
        here->last = before;
    }
    chosen = here->first;
    if (chosen)
        here->first = chosen->next;
    here->current = chosen;
    unlock(&here->lock);
    here->slice_end = chosen ? now + SLICE : FAR;
    here->hdec = here->timers && here->timers->timer < here->slice_end ? here->timers->timer : here->slice_end;
    write_hdec(here->hdec - now);
    return chosen;
}

/* HDEC: no timer is due; when to come back, and whether the time slice is over. */
NOINLINE static void timers(struct pcpu *here, u64 now)
{
    struct vcpu *v = here->timers;
    u64 next = here->slice_end;

    if (v && v->timer < next)
        next = v->timer;
    if (now >= here->slice_end)
        raise_softirq(here, SOFTIRQ_SCHEDULE);
    here->hdec = next;
    write_hdec(next - now);
}

/* One timer that is due leaves the list; making its vCPU run is host_wakeup. */
NOINLINE static struct vcpu *expire(struct pcpu *here, u64 now)
{
    struct vcpu *v = here->timers;

    if (!v || v->timer > now)
        return 0;
    here->timers = v->next_timer;
    v->timer = FAR;
    if (v->timer_ticks)
        v->dec = 1;
    return v;
}

INLINE static void insert_timer(struct pcpu *here, struct vcpu *v, u64 at)
{
    struct vcpu **place = &here->timers;

    while (*place && (*place)->timer < at)
        place = &(*place)->next_timer;
    v->timer = at;
    v->next_timer = *place;
    *place = v;
    if (at < here->hdec) {
        here->hdec = at;
        write_hdec(at);
    }
}

/* ---------------------------------------------------------------------------------------------------------- xen-ppc */

/* do_external and the reading of the vector, as far as do_IRQ; an edge is ended. From there on it is in `inject`. */
NOINLINE static struct line *external(struct pcpu *here, u64 vector)
{
    struct line *line;

    if (UNLIKELY(!(here->frame_msr & MSR_EE) || read_msr() & MSR_EE))
        return 0;
    if (UNLIKELY(vector == VECTOR_SPURIOUS)) {
        here->spurious++;
        return 0;
    }
    here->spurious = 0;
    line = &here->line[vector];
    if (line->level)
        line->in_flight = 1;
    else
        pic_write(0);
    return line;
}

/* The same of an IPI: taking it is all there is to do. */
NOINLINE static void event_check(struct pcpu *here, u64 vector)
{
    if (UNLIKELY(!(here->frame_msr & MSR_EE) || read_msr() & MSR_EE))
        return;
    if (vector >= VECTOR_IPI && vector != VECTOR_SPURIOUS) {
        here->checks++;
        pic_write(0);
    }
}

/* An inline xencomm handle becomes an address of the hypervisor; 0 if it leaves the caller's memory. */
INLINE static void *argument(struct vcpu *v, u64 handle, u64 size)
{
    u64 real = handle & ~INLINE_HANDLE;

    if (!(handle & INLINE_HANDLE) || real > v->ram_bytes - size)
        return 0;
    return (void *)(v->ram + real);
}

/* EVTCHNOP_send up to the marking, which is in `inject`. */
NOINLINE static u64 send(struct vcpu *v, u64 handle)
{
    u32 *number = argument(v, handle, 4);
    struct port *port;
    u64 error = -EINVAL;

    if (!number)
        return -EFAULT;
    if (*number >= v->domain->ports)
        return -EINVAL;
    lock(&v->domain->lock);
    port = &v->domain->port[*number];
    if (port->state == PORT_INTERDOMAIN) {
        OPAQUE(port->remote);
        OPAQUE(port->remote_port);
        error = 0;
    }
    unlock(&v->domain->lock);
    return error;
}

/* EVTCHNOP_unmask of a port that was masked, up to its selector bit. */
NOINLINE static u64 unmask(struct vcpu *v, u64 handle)
{
    u32 *number = argument(v, handle, 4);
    u64 word, bit;

    if (!number)
        return -EFAULT;
    if (*number >= v->domain->ports)
        return -EINVAL;
    lock(&v->domain->lock);
    word = *number >> 6;
    bit = 1UL << (*number & 63);
    if (v->domain->shared->mask[word] & bit) {
        atomic_clear(&v->domain->shared->mask[word], bit);
        word = v->domain->shared->pending[word] & bit;
        OPAQUE(word);
    }
    unlock(&v->domain->lock);
    return 0;
}

/* PHYSDEVOP_eoi and PHYSDEVOP_irq_status_query: whose line it is. */
NOINLINE static u64 physdev(struct pcpu *here, struct vcpu *v, u64 handle)
{
    u32 *irq = argument(v, handle, 4);
    struct line *line;

    if (!irq)
        return -EFAULT;
    if (*irq >= here->lines)
        return -EINVAL;
    line = &here->line[*irq];
    return line->owner == v ? (u64)line : 0;
}

/* What is in flight ends at the controller. */
NOINLINE static void end_pirq(struct pcpu *here, struct line *line)
{
    lock(&here->lock);
    if (line->in_flight) {
        line->in_flight = 0;
        pic_write(0);
    }
    unlock(&here->lock);
}

INLINE static u64 try_block(struct pcpu *here, struct vcpu *v)
{
    v->msr |= MSR_EE;
    atomic_set(&v->flags, BLOCKED);
    if (v->domain->shared->upcall_pending) {
        atomic_clear(&v->flags, BLOCKED);
        return 0;
    }
    raise_softirq(here, SOFTIRQ_SCHEDULE);
    return 0;
}

/* SCHEDOP_block: nothing waits. */
NOINLINE static u64 block(struct pcpu *here, struct vcpu *v)
{
    return try_block(here, v);
}

/* SCHEDOP_block: an event is there already. */
NOINLINE static u64 block_not(struct pcpu *here, struct vcpu *v)
{
    return try_block(here, v);
}

/* SCHEDOP_yield. */
NOINLINE static u64 yield(struct pcpu *here)
{
    raise_softirq(here, SOFTIRQ_SCHEDULE);
    return 0;
}

/* SCHEDOP_poll, but for looking at the ports. */
NOINLINE static u64 poll(struct pcpu *here, struct vcpu *v, u64 handle)
{
    struct poll_argument *arg = argument(v, handle, sizeof(*arg));
    u32 *port;

    if (!arg)
        return -EFAULT;
    if (arg->count > POLL_MAX)
        return -EINVAL;
    port = argument(v, arg->ports, 4 * arg->count);
    if (!port)
        return -EFAULT;
    OPAQUE(port);
    atomic_set(&v->flags, BLOCKED);
    v->polling = 1;
    raise_softirq(here, SOFTIRQ_SCHEDULE);
    return 0;
}

/* One of its ports, which is not pending. */
NOINLINE static u64 poll_port(struct vcpu *v, u32 *port)
{
    if (*port >= v->domain->ports)
        return -EINVAL;
    return v->domain->shared->pending[*port >> 6] >> (*port & 63) & 1;
}

/* set_timer_op: an absolute time in ns becomes ticks, into the list. */
NOINLINE static u64 set_timer(struct pcpu *here, struct vcpu *v, u64 ns)
{
    v->timer_ticks = 1;
    insert_timer(here, v, ns / 1024 * TICKS_PER_1024_NS + ns % 1024 * TICKS_PER_1024_NS / 1024);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------------ rhype */

/* H_XIRR with nothing queued: what the caller could have, whether the controller holds something better, the answer. */
NOINLINE static u64 xirr(struct vcpu *v, u64 held)
{
    u64 limit, answer = 0;

    lock(&v->lock);
    limit = v->mfrr < v->cppr ? v->mfrr : v->cppr;
    if (v->queued == 0 && held <= task_priority(limit))
        answer = v->cppr << CPPR_SHIFT;
    unlock(&v->lock);
    return answer;
}

/* The most favoured of one queued interrupt. */
NOINLINE static u64 search(struct vcpu *v, struct line *line)
{
    u64 found = ~0UL, priority = v->mfrr;

    for (u64 word = 0; word < WORDS; word++) {
        for (u64 rest = v->soft[word]; rest; rest &= rest - 1) {
            u64 irq = 64 * word + first_bit(rest);
            if (line[irq].priority < priority) {
                found = irq;
                priority = line[irq].priority;
            }
        }
    }
    return found;
}

/* What came from the controller: an input, whose it is; ended there at once. */
NOINLINE static struct vcpu *take(struct pcpu *here, u64 vector)
{
    struct line *line;

    if (UNLIKELY(vector == VECTOR_SPURIOUS)) {
        here->spurious++;
        return 0;
    }
    if (UNLIKELY(vector >= here->lines)) {
        here->checks++;
        pic_write(0);
        return 0;
    }
    line = &here->line[vector];
    if (line->level)
        return 0; /* goes on in mask_level() */
    pic_write(0);
    return line->owner;
}

/* A level line is masked before it is ended, and noted. */
NOINLINE static void mask_level(struct vcpu *v, u64 irq)
{
    pic_write(0);
    v->level[irq >> 6] |= 1UL << (irq & 63);
}

/* It enters service: the answer, the CPPR, the controller's task priority. */
NOINLINE static u64 serve(struct pcpu *here, struct vcpu *v, u64 irq)
{
    struct line *line = &here->line[irq];
    u64 answer = v->cppr << CPPR_SHIFT | (XISR_LINES + irq);

    line->in_service++;
    v->cppr = line->priority;
    here->task_priority = task_priority(v->cppr);
    pic_write(here->task_priority);
    return answer;
}

/* What was queued is queued no more. */
NOINLINE static void unqueue(struct vcpu *v, u64 irq)
{
    v->soft[irq >> 6] &= ~(1UL << (irq & 63));
    v->queued--;
}

/* For an owner that is not here; making it run is host_wakeup. */
NOINLINE static u64 queue(struct vcpu *v, u64 irq)
{
    u64 word = irq >> 6, bit = 1UL << (irq & 63);

    lock(&v->lock);
    if (!(v->soft[word] & bit)) {
        v->soft[word] |= bit;
        v->queued++;
    }
    unlock(&v->lock);
    return v->flags & BLOCKED;
}

/* H_EOI: a line that is in service and the caller's, and its old CPPR. */
NOINLINE static u64 eoi(struct pcpu *here, struct vcpu *v, u64 value)
{
    u64 irq = (value & XISR_MASK) - XISR_LINES, word, bit, done = 0;
    struct line *line;

    if (irq >= here->lines)
        return -4UL;
    line = &here->line[irq];
    if (!line->in_service || line->owner != v)
        return -4UL;
    lock(&v->lock);
    line->in_service--;
    word = irq >> 6;
    bit = 1UL << (irq & 63);
    if (UNLIKELY(v->level[word] & bit))
        done = 1; /* goes on in unmask_level() */
    v->cppr = value >> CPPR_SHIFT & 0xFF;
    here->task_priority = task_priority(v->cppr);
    pic_write(here->task_priority);
    unlock(&v->lock);
    return done;
}

/* The line may come again. */
NOINLINE static void unmask_level(struct vcpu *v, u64 irq)
{
    v->level[irq >> 6] &= ~(1UL << (irq & 63));
    pic_write(0);
}

/* H_CPPR. */
NOINLINE static u64 cppr(struct pcpu *here, struct vcpu *v, u64 value)
{
    v->cppr = value & 0xFF;
    here->task_priority = task_priority(v->cppr);
    pic_write(here->task_priority);
    return 0;
}

/* H_IPI; H_PROD, H_CONFER and H_IPOLL check their server and do one thing as well. */
NOINLINE static u64 server(struct vcpu *v, u64 number, u64 value)
{
    if (number != 0)
        return -4UL;
    v->mfrr = value & 0xFF;
    return 0;
}

INLINE static u64 try_cede(struct pcpu *here, struct vcpu *v, u64 now)
{
    v->msr |= MSR_EE;
    if (v->prodded) {
        v->prodded = 0;
        return 0;
    }
    atomic_set(&v->flags, BLOCKED);
    if (v->queued != 0 || v->mfrr < v->cppr || v->dec <= now) {
        atomic_clear(&v->flags, BLOCKED);
        return 0;
    }
    v->timer_ticks = 0;
    insert_timer(here, v, v->dec);
    raise_softirq(here, SOFTIRQ_SCHEDULE);
    return 0;
}

/* H_CEDE: nothing waits; the decrementer is to end the sleep. */
NOINLINE static u64 cede(struct pcpu *here, struct vcpu *v, u64 now)
{
    return try_cede(here, v, now);
}

/* H_CEDE: something is queued already. */
NOINLINE static u64 cede_not(struct pcpu *here, struct vcpu *v, u64 now)
{
    return try_cede(here, v, now);
}

/* On each way out: nothing is queued, and the controller's task priority is right. */
NOINLINE static void look(struct pcpu *here, struct vcpu *v)
{
    u64 priority = task_priority(v->cppr);

    if (here->task_priority != priority) {
        here->task_priority = priority;
        pic_write(priority);
    }
    if (v->queued != 0 || v->mfrr < v->cppr)
        v->lpcr |= LPCR_MER;
    else
        v->lpcr &= ~LPCR_MER;
}

/* HDEC: lift the task priority, look whether the controller has something - it has not -, put it back. */
NOINLINE static u64 poll_controller(struct pcpu *here, u64 held)
{
    pic_write(0);
    if (held)
        return 1;
    pic_write(here->task_priority);
    return 0;
}

/* ----------------------------------------------------------------------------------------------------------- direct */

/* A vCPU's ring goes into the processor: its 8 bytes, then the word that makes it valid. */
NOINLINE static u64 push(struct vcpu *v)
{
    pic_write(v->ring);
    pic_write(RING_VALID | v->cam);
    return v->escalates; /* goes on in disarm() */
}

/* The escalation is off now, by a load that returned what it was: one may be on its way. */
NOINLINE static void disarm(struct vcpu *v, u64 pq)
{
    v->escalates = 0;
    if (pq & PQ_P)
        v->escalating = 1;
}

/* The ring as it was when it was pulled. */
NOINLINE static void pull(struct vcpu *v, u64 ring)
{
    v->ring = (ring & RING_KEPT) | RING_RESET;
}

/* The escalation is on now; is anything there already that the CPPR lets through? */
NOINLINE static u64 arm(struct vcpu *v, u64 kept)
{
    u64 pending = RING_PENDING(v->ring) | kept;

    v->escalates = 1;
    return pending && (u64)__builtin_clzl(pending) - 56 < RING_CPPR(v->ring);
}

/* An escalation arrived, by a load that returned whose; making the vCPU run is host_wakeup. */
NOINLINE static u64 escalation(struct pcpu *here, u64 number)
{
    struct line *line;

    if (UNLIKELY(number >= here->lines))
        return 0;
    line = &here->line[number];
    line->owner->escalates = 0;
    line->owner->escalating = 0;
    pic_write(0);
    return line->owner->flags & BLOCKED;
}

/* H_NOTIFY: the caller's channel, as it is to be; its number is all that there is to check. */
NOINLINE static u64 notify(struct vcpu *v, u64 number)
{
    struct domain *domain = v->domain;
    struct port *channel;

    if (number >= domain->ports)
        return -4UL;
    channel = &domain->port[number];
    if (channel->state != PORT_INTERDOMAIN || channel->remote != domain)
        return -4UL;
    pic_write(channel->remote_port);
    return 0;
}

/* A vector is posted by software; making its processor look is an IPI. */
NOINLINE static u64 post(struct vcpu *v, u64 vector)
{
    u64 word = vector >> 6, bit = 1UL << (vector & 63);

    if (v->soft[word] & bit)
        return 0;
    atomic_set(&v->soft[word], bit);
    if (v->flags & (ON | SN))
        return 0;
    atomic_set(&v->flags, ON);
    return 1;
}

/* ----------------------------------------------------------------------------------------------- each of them, once */

#define IRQ 5UL
#define NOW 1000000UL

static struct line line_table[LINES];
static struct port port_table[PORTS];
static struct shared shared_page;
static struct domain the_domain;
static struct vcpu vcpu_table[2];
static struct pcpu the_pcpu;
static u32 number_argument;
static struct poll_argument poll_argument;

static inline u64 handle(void *data)
{
    return (u64)data | INLINE_HANDLE;
}

#define KEEP(call)                       \
    do {                                 \
        u64 kept = (u64)(call);          \
        OPAQUE(kept);                    \
    } while (0)

/* A domain that owns line and port IRQ, which runs, and another vCPU that waits. */
static void set_up(struct pcpu *here, struct vcpu *v, struct vcpu *other)
{
    number_argument = IRQ;
    poll_argument.ports = handle(&number_argument);
    poll_argument.count = 1;
    line_table[IRQ].owner = v;
    line_table[IRQ].priority = 5;
    port_table[IRQ].state = PORT_INTERDOMAIN;
    port_table[IRQ].remote = &the_domain;
    the_domain.ports = PORTS;
    the_domain.port = port_table;
    the_domain.shared = &shared_page;
    v->domain = &the_domain;
    v->ram_bytes = 65536;
    v->cppr = v->mfrr = PRIORITY_NONE;
    v->dec = v->timer = FAR;
    here->line = line_table;
    here->lines = LINES;
    here->frame_msr = MSR_EE;
    here->current = v;
    here->first = here->last = other;
    here->slice_end = NOW + SLICE;
    here->hdec = NOW + SLICE;
}

NORETURN static void leave(u64 status)
{
    for (;;)
        board()->exit = status;
}

/* From start.S. */
NORETURN void kernel_main(const void *tree)
{
    struct pcpu *here = &the_pcpu;
    struct vcpu *v = &vcpu_table[0], *other = &vcpu_table[1];
    struct line *line = &line_table[IRQ];
    u64 irq = IRQ, none = 0, now = NOW, ipi = VECTOR_IPI + 1, open = PRIORITY_NONE;
    u64 number = handle(&number_argument), polled = handle(&poll_argument);
    u32 *ports = &number_argument;

    (void)tree;
    write_decrementer(DEC_FAR);
    set_up(here, v, other);
    OPAQUE(here);
    OPAQUE(v);
    OPAQUE(other);
    OPAQUE(line);
    OPAQUE(irq);
    OPAQUE(none);
    OPAQUE(now);
    OPAQUE(ipi);
    OPAQUE(open);
    OPAQUE(number);
    OPAQUE(polled);
    OPAQUE(ports);

    KEEP(external(here, irq));
    event_check(here, ipi);
    KEEP(send(v, number));
    shared_page.mask[0] = 1UL << IRQ;
    KEEP(unmask(v, number));
    KEEP(physdev(here, v, number));
    line->in_flight = 1;
    end_pirq(here, line);
    KEEP(poll(here, v, polled));
    KEEP(poll_port(v, ports));
    KEEP(yield(here));
    KEEP(block(here, v));
    shared_page.upcall_pending = 1;
    KEEP(block_not(here, v));
    v->flags = 0;
    KEEP(set_timer(here, v, now));
    v->timer = now;
    KEEP(expire(here, now));
    timers(here, now);
    KEEP(choose(here, now));

    KEEP(xirr(v, none));
    KEEP(take(here, irq));
    mask_level(v, irq);
    unmask_level(v, irq);
    KEEP(queue(v, irq));
    v->dec = now + 1;
    KEEP(cede_not(here, v, now));
    KEEP(search(v, line - IRQ));
    unqueue(v, irq);
    KEEP(serve(here, v, irq));
    KEEP(eoi(here, v, open << CPPR_SHIFT | (XISR_LINES + irq)));
    KEEP(cppr(here, v, open));
    KEEP(server(v, none, open));
    look(here, v);
    KEEP(poll_controller(here, none));
    KEEP(cede(here, v, now));
    count_upcalls();

    KEEP(push(v));
    disarm(v, none);
    pull(v, none);
    KEEP(arm(v, none));
    KEEP(escalation(here, irq));
    KEEP(notify(v, irq));
    KEEP(post(other, irq));
    leave(0);
}

/* From vectors.S: this program enables no interrupt, and causes none. */
NORETURN void unexpected_interrupt(u64 vector)
{
    leave(vector);
}

NORETURN void external_interrupt(void)
{
    leave(0x500);
}

NORETURN void tick_interrupt(void)
{
    leave(0x900);
}
