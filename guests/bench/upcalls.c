/*
 * More of paths.c: the hypervisor's own work in the designs that enter a guest in ways of their own, in minimal C, to be
 * executed once and counted. The rules are those of paths.c.
 */
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

enum { R1, R3, R4, PC, MASK, MSR, CAUSE, DAR, CELLS };

struct shared {
    volatile u8 upcall_pending, upcall_mask;
};

/* A guest's registers as the way in saved them. */
struct vcpu {
    u64 gpr[32], pc, msr;
    u64 event_callback, failsafe_callback, kernel_stack;
    u64 ram, ram_bytes;
    struct shared *shared;
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

/* ----------------------------------------------------------------------------------------------- each of them, once */

static struct shared shared_page;
static struct vcpu the_vcpu;
static u64 memory[256];

void count_upcalls(void)
{
    struct vcpu *v = &the_vcpu;
    u64 callback = 0x40, cause = 0x500;

    v->shared = &shared_page;
    v->ram = (u64)memory;
    v->ram_bytes = sizeof(memory);
    v->gpr[1] = 1024;
    v->msr = MSR_EE;
    OPAQUE(v);
    OPAQUE(callback);
    OPAQUE(cause);

    KEEP(enroll(v, callback, callback));
    KEEP(test_events(v));
    shared_page.upcall_pending = 1;
    KEEP(frame(v, callback, cause));
    KEEP(iret(v));
}
