/*
 * More of paths.c: the hypervisor's own work in the designs that enter a guest in ways of their own, in minimal C, to be
 * executed once and counted. The rules are those of paths.c.
 */
#include "atomic.h"
#include "processor.h"
#include "types.h"
#include "upcalls.h"

#define OPAQUE(value) __asm__ volatile("" : "+r"(value) : : "memory")

#define KEEP(call)                \
    do {                          \
        u64 kept = (u64)(call);   \
        OPAQUE(kept);             \
    } while (0)

#define MSR_HV (1UL << 60)
#define MSR_PR 0x4000UL
#define MSR_DROPPED 0x2006E00UL /* what an entry at a callback turns off: VEC, PR, FP, FE0, FE1, SE, BE */
#define RED_ZONE 288
#define EFAULT 14UL
#define SPURIOUS 15UL
#define MASK_ALL 0x10000UL
#define EVENT_BIT (1UL << (0xE9 & 63))

enum { R1, R3, R4, PC, MASK, MSR, CAUSE, DAR, CELLS };

struct shared {
    volatile u8 upcall_pending, upcall_mask;
};

/* What a guest shares with its virtual SAPIC. */
struct mapped {
    volatile u32 vee, pend, tpr;
};

/* A guest's registers as the way in saved them. */
struct vcpu {
    u64 gpr[32], pc, msr;
    u64 event_callback, failsafe_callback, kernel_stack;
    u64 ram, ram_bytes;
    volatile u64 irr[4];
    u64 insvc[4], line[256];
    struct shared *shared;
    struct mapped *mapped;
};

/* ---------------------------------------------------------------------------------------------------------- xen-x86 */

/* test_all_events: nothing to deliver. */
NOINLINE static u64 test_events(struct vcpu *v)
{
    struct shared *shared = v->shared;

    return shared->upcall_pending && !shared->upcall_mask && v->msr & MSR_EE;
}

static inline u64 *stack(struct vcpu *v, u64 address)
{
    return address <= v->ram_bytes - CELLS * 8 ? (u64 *)(v->ram + address) : 0;
}

/* create_bounce_frame: a kernel was interrupted. */
NOINLINE static u64 frame(struct vcpu *v, u64 callback, u64 cause)
{
    u64 base = v->msr & MSR_PR ? v->kernel_stack : v->gpr[1] - RED_ZONE;
    u64 at = (base & ~15UL) - CELLS * 8;
    volatile u64 *cell = stack(v, at);
    u64 masked = v->shared->upcall_mask;

    if (!cell || !callback)
        return -EFAULT;
    v->shared->upcall_mask = 1;
    cell[DAR] = 0;
    cell[CAUSE] = cause;
    cell[MSR] = (v->msr & ~(MSR_HV | MSR_EE)) | (masked ? 0 : MSR_EE);
    cell[MASK] = masked;
    cell[PC] = v->pc;
    cell[R4] = v->gpr[4];
    cell[R3] = v->gpr[3];
    cell[R1] = v->gpr[1];
    v->gpr[1] = at;
    v->pc = callback;
    v->msr &= ~MSR_DROPPED;
    return 0;
}

/* iret: the frame becomes the registers, its MSR[EE] the mask. */
NOINLINE static u64 iret(struct vcpu *v)
{
    volatile u64 *cell = stack(v, v->gpr[1]);
    u64 msr;

    if (!cell || cell[PC] >= v->ram_bytes)
        return -EFAULT;
    msr = cell[MSR];
    v->pc = cell[PC];
    v->gpr[4] = cell[R4];
    v->gpr[3] = cell[R3];
    v->gpr[1] = cell[R1];
    v->msr = (msr & ~MSR_HV) | MSR_EE;
    v->shared->upcall_mask = msr & MSR_EE ? 0 : 1;
    return v->gpr[3];
}

/* set_callbacks; stack_switch is shorter. */
NOINLINE static u64 enroll(struct vcpu *v, u64 event, u64 failsafe)
{
    v->event_callback = event;
    v->failsafe_callback = failsafe;
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- xen-ia64 */

static inline u64 top_of(u64 word)
{
    return 63 - (u64)__builtin_clzl(word);
}

/* check_pending: the vector that would be accepted now. */
INLINE static u64 check_pending(struct vcpu *v)
{
    u64 vector = 0, served = 0, tpr = v->mapped->tpr;

    if (v->shared->upcall_pending && !(v->insvc[3] & EVENT_BIT))
        v->irr[3] |= EVENT_BIT;
    for (u64 k = 4; k-- > 0;) {
        if (v->irr[k]) {
            vector = 64 * k + top_of(v->irr[k]);
            break;
        }
        if (v->insvc[k])
            return SPURIOUS;
    }
    if (!vector)
        return SPURIOUS;
    served = v->insvc[vector >> 6];
    if (served >= 1UL << (vector & 63) || tpr & MASK_ALL || (tpr & 0xF0) + 15 >= vector)
        return SPURIOUS;
    return vector;
}

/* Each resume: nothing is pending. */
NOINLINE static u64 check(struct vcpu *v)
{
    return check_pending(v) != SPURIOUS && v->mapped->vee;
}

/* A vector becomes pending. Other processors may do the same; waking is host_wakeup. */
NOINLINE static u64 pend(struct vcpu *v, u64 vector)
{
    u64 bit = 1UL << (vector & 63), seen = v->irr[vector >> 6];

    atomic_set(&v->irr[vector >> 6], bit);
    v->mapped->pend = 1;
    return seen & bit;
}

/* One vector is pending and accepted. */
NOINLINE static u64 get_ivr(struct vcpu *v)
{
    u64 vector = check_pending(v), bit = 1UL << (vector & 63);

    if (vector == SPURIOUS) {
        v->mapped->pend = 0;
        return vector;
    }
    v->insvc[vector >> 6] |= bit;
    atomic_clear(&v->irr[vector >> 6], bit);
    return vector;
}

NOINLINE static u64 get_tpr(struct vcpu *v)
{
    return v->mapped->tpr;
}

NOINLINE static u64 set_tpr(struct vcpu *v, u64 value)
{
    if (value & 0xFF00)
        return -1UL;
    v->mapped->tpr = (u32)value;
    if (check_pending(v) != SPURIOUS)
        v->mapped->pend = 1;
    return 0;
}

/* The only vector in service ends; nothing else is pending. */
NOINLINE static u64 sapic_eoi(struct vcpu *v)
{
    for (u64 k = 4; k-- > 0;) {
        if (v->insvc[k]) {
            u64 vector = top_of(v->insvc[k]);
            v->insvc[k] &= ~(1UL << vector);
            if (check_pending(v) != SPURIOUS)
                v->mapped->pend = 1;
            return v->line[64 * k + vector];
        }
    }
    return 0;
}

/* RFI: a context and the enable word. */
NOINLINE static u64 rfi(struct vcpu *v)
{
    volatile u64 *cell = stack(v, v->gpr[1]);

    if (!cell)
        return -EFAULT;
    v->pc = v->gpr[6] & ~3UL;
    v->msr = (v->gpr[5] & ~MSR_HV) | MSR_EE;
    v->mapped->vee = v->gpr[5] & MSR_EE ? 1 : 0;
    v->gpr[3] = cell[0];
    v->gpr[4] = cell[1];
    v->gpr[5] = cell[2];
    v->gpr[6] = cell[3];
    v->gpr[1] = cell[4];
    return v->gpr[3];
}

/* ----------------------------------------------------------------------------------------------- each of them, once */

static struct shared shared_page;
static struct vcpu the_vcpu;
static struct mapped mapped_words;
static u64 memory[256];

void count_upcalls(void)
{
    struct vcpu *v = &the_vcpu;
    u64 callback = 0x40, cause = 0x500, vector = 0xA5;

    v->shared = &shared_page;
    v->ram = (u64)memory;
    v->ram_bytes = sizeof(memory);
    v->gpr[1] = 1024;
    v->msr = MSR_EE;
    OPAQUE(v);
    OPAQUE(callback);
    OPAQUE(cause);
    OPAQUE(vector);

    KEEP(enroll(v, callback, callback));
    KEEP(test_events(v));
    shared_page.upcall_pending = 1;
    KEEP(frame(v, callback, cause));
    KEEP(iret(v));

    shared_page.upcall_pending = 0;
    v->mapped = &mapped_words;
    mapped_words.vee = 1;
    v->gpr[5] = MSR_EE;
    KEEP(check(v));
    KEEP(pend(v, vector));
    KEEP(get_ivr(v));
    KEEP(get_tpr(v));
    KEEP(set_tpr(v, vector));
    mapped_words.tpr = 0;
    KEEP(sapic_eoi(v));
    KEEP(rfi(v));
}
