/*
 * rhype: a virtualised PIC behind hypercalls. One interrupt, as the guest sees it:
 *
 * 1. The processor enters 0x500 by itself, whoever the interrupt is for.
 * 2. get_irq() asks by H_XIRR. The hypervisor reads the controller. If the interrupt is another guest's, it is queued
 *    there and the answer here is XISR 0: nothing was pending after all. No EOI is owed for that.
 * 3. The handler drains the ring.
 * 4. eoi() gives the XIRR back by H_EOI, and with it the old priority. What is still pending enters 0x500 again.
 */
#include "one_at_a_time.h"
#include "papr.h"
#include "real_line.h"

#define INPUTS 512

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

void front_idle(void)
{
    front_disable();
    papr_cede();
}

void front_send_self(void)
{
    papr_call(H_IPI, this_vcpu()->number, MFRR_IPI, 0, 0);
}

void front_console(const char *text, u64 length)
{
    papr_console(text, length);
}
