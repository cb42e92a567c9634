/*
 * What guests do wrong. The device tree's /irqvisor property `misbehave` chooses one; a hypervisor should
 * survive all of them, and its other guests should not notice more than they must.
 */
#include "front.h"
#include "kernel.h"
#include "processor.h"

#define NOWHERE 0x7FFFF000UL /* no board has memory there */
#define GARBAGE 0xDEADDEADDEADDEADUL

static void never_end_interrupts(void)
{
    never_eoi = 1;
    unusual_interrupts = 1;
}

/* Interrupts stay off. The guest works on, so that it is not merely asleep. */
static void mask_all(void)
{
    front_disable();
    for (;;)
        compute_unit(config.compute_unit);
}

static void jump_nowhere(void)
{
    ((void (*)(void))NOWHERE)();
}

/* As a driver with a wild pointer would: the ring is gone, and the doorbell tells of items that never were. */
static void overwrite_ring(void)
{
    for (struct source *source = sources; source < sources + source_count; source++) {
        source->ring->head = GARBAGE;
        for (u64 slot = 0; slot < source->slots; slot++)
            source->ring->item[slot] = GARBAGE;
        *source->doorbell = GARBAGE;
    }
}

static void flood_port(void)
{
    for (;;)
        front_send_self();
}

/* Interrupts on while SRR0 and SRR1 are said to be precious: whoever interrupts now cannot be returned from. */
static void unrecoverable(void)
{
    set_msr_ee_ri(MSR_EE);
    for (;;)
        compute_unit(config.compute_unit);
}

static void forget_recheck(void)
{
    front_forgets_recheck = 1;
}

static void report_failure(void)
{
    leave(EXIT_ASKED_TO_FAIL);
}

static const struct {
    const char *name;
    void (*act)(void);
} misdeeds[] = {
    {"never-eoi", never_end_interrupts},
    {"mask-all", mask_all},
    {"jump-nowhere", jump_nowhere},
    {"overwrite-ring", overwrite_ring},
    {"flood-port", flood_port},
    {"unrecoverable", unrecoverable},
    {"forget-recheck", forget_recheck},
    {"report-failure", report_failure},
};

/* After the ready mark. Comes back from misdeeds that only change how the kernel goes on. */
void misbehave(void)
{
    if (!config.misbehave)
        return;
    for (u64 i = 0; i < sizeof(misdeeds) / sizeof(misdeeds[0]); i++) {
        if (equal(config.misbehave, misdeeds[i].name)) {
            misdeeds[i].act();
            return;
        }
    }
    give_up(EXIT_SETUP, "no such misbehave, length", length_of(config.misbehave));
}
