/*
 * rhype: a virtualised PIC behind hypercalls. One interrupt, as the guest sees it:
 *
 * 1. The processor enters 0x500 by itself, whoever the interrupt is for.
 * 2. get_irq() asks by H_XIRR. The hypervisor reads the controller. If the interrupt is another guest's, it is queued
 *    there and the answer here is XISR 0: nothing was pending after all. No EOI is owed for that.
 * 3. The handler drains the ring.
 * 4. eoi() gives the XIRR back by H_EOI, and with it the old priority. What is still pending enters 0x500 again.
 */
#include "front.h"
#include "papr.h"
#include "processor.h"

#define INPUTS 512

u64 front_forgets_recheck; /* the line is real, as the hypervisor shows it: there is nothing to forget */

static struct source *source_of_input[INPUTS];

void front_init(void)
{
}

/* Priority and owner of a source are set before its guest starts: this board has no RTAS to ask. */
void front_register(struct source *source)
{
    u64 input = source->irq - XISR_DEVICES;

    if (input >= INPUTS)
        give_up(EXIT_SETUP, "no such XISR", source->irq);
    source_of_input[input] = source;
}

void front_start_vcpu(u64 number, u64 entry, u64 argument)
{
    board_start_vcpu(number, entry, argument);
}

/* One IPI a vCPU: it stands for every channel to it. */
void front_register_channel(struct source *source)
{
    (void)source;
    channels_by_ipi = 1;
}

void front_open_channel(struct channel *channel)
{
    (void)channel;
}

void front_notify(const struct channel *channel)
{
    papr_call(H_IPI, channel->vcpu, MFRR_IPI, 0, 0);
}

void front_ready(void)
{
    if (papr_call1(H_CPPR, CPPR_OPEN) != 0)
        give_up(EXIT_SETUP, "H_CPPR refused", CPPR_OPEN);
}

struct source *get_irq(struct scan *scan)
{
    u64 xirr = papr_xirr();
    u64 xisr = xirr & XISR_MASK;

    scan->xirr = xirr;
    if (LIKELY(xisr - XISR_DEVICES < INPUTS && source_of_input[xisr - XISR_DEVICES]))
        return source_of_input[xisr - XISR_DEVICES];
    if (xisr == XISR_IPI) {
        papr_call(H_IPI, this_vcpu()->number, MFRR_NONE, 0, 0);
        return &self;
    }
    if (xisr != XISR_NONE)
        unknown_interrupt();
    return NO_IRQ;
}

void eoi(struct source *source, struct scan *scan)
{
    (void)source;
    papr_call1(H_EOI, scan->xirr);
}

int more_irqs(const struct scan *scan)
{
    (void)scan;
    return 0;
}

struct source *next_irq(struct scan *scan)
{
    (void)scan;
    return NO_IRQ;
}

void front_enable(void)
{
    set_msr_ee_ri(MSR_EE | MSR_RI);
}

void front_disable(void)
{
    set_msr_ee_ri(MSR_RI);
}

int front_pending(void)
{
    return 0;
}

void front_set_tick(u64 due, u64 now)
{
    write_decrementer(due ? due - now : DEC_FAR);
}

void front_recheck(void)
{
}

/* H_CEDE sets EE, and does not sleep if an interrupt is pending. By convention it is called with EE=0. */
void front_idle(void)
{
    front_disable();
    papr_call1(H_CEDE, 0);
}

void front_send_self(void)
{
    papr_call(H_IPI, this_vcpu()->number, MFRR_IPI, 0, 0);
}

void front_console(const char *text, u64 length)
{
    papr_console(text, length);
}
