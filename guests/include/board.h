/* The paravirt board as its guests see it: docs/reference/paravirt-board.md. */
#ifndef BOARD_H
#define BOARD_H

#include "types.h"

#define BOARD_REGISTERS 0xF0100000UL

struct board_registers {
    volatile u64 ready;   /* any value: initialised, interrupts enabled */
    volatile u64 exit;    /* a status, 0 is success; the store never returns */
    volatile u8 console;  /* one byte of text; without a hypervisor */
    u8 reserved[7];
    volatile u64 claim;       /* number of a channel << 32 | event channel that announces it */
    volatile u64 start_at;    /* where another vCPU begins ... */
    volatile u64 start_with;  /* ... and what is in its r3 */
    volatile u64 start;       /* its number: it begins */
};

static inline struct board_registers *board(void)
{
    return (struct board_registers *)BOARD_REGISTERS;
}

/* PAPR's start-cpu without RTAS: the board starts another vCPU. */
static inline void board_start_vcpu(u64 number, u64 entry, u64 argument)
{
    board()->start_at = entry;
    board()->start_with = argument;
    board()->start = number;
}

/* A device's ring in its owner's memory. Item k, counted from 0, is in slot k % slots and reads k + 1. */
struct ring {
    volatile u64 head; /* items ever posted; the device writes it */
    volatile u64 reserved; /* of a channel: items ever consumed; the consumer writes it */
    volatile u64 item[];
};

/* What this kernel exits with. A vector it did not expect exits with its own number, 0x100 and above. */
enum exit_status {
    EXIT_SUCCESS = 0,
    EXIT_ASKED_TO_FAIL = 1, /* misbehave = "report-failure" */
    EXIT_SETUP = 2,         /* the device tree or a hypercall at boot was not as documented */
    EXIT_RING = 3,          /* an item in a ring was not the next one */
    EXIT_UNKNOWN_IRQ = 4,   /* an interrupt that no source of this guest owns */
};

#endif
