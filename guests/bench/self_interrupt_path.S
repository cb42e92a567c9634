/*
 * A processor that interrupts itself, as fast as it can: the whole of what a PAPR guest does for one interrupt.
 * Registers, while MSR[EE]=1: r0 is vector 0x900's; r6 handled, r7 sent, CTR still to send; the handler has the rest.
 */
#include "processor.h"

#define H_EOI 0x64
#define H_IPI 0x6C
#define H_XIRR 0x74
#define THIS_SERVER 0
#define XISR_IPI 2
#define MFRR_IPI 4
#define MFRR_NONE 0xFF

    .text

    /* u64 self_interrupts(u64 count): sends so many, each when the one before has been handled; returns those handled. */
    .globl self_interrupts
    .type self_interrupts, @function
self_interrupts:
    mtctr 3
    li 6, 0
    li 7, 0
    li 8, MSR_RI
    ori 8, 8, MSR_EE
    mtmsrd 8, 1
1:  li 3, H_IPI
    li 4, THIS_SERVER
    li 5, MFRR_IPI
    addi 7, 7, 1
    sc 1
2:  cmpld 6, 7
    bne 2b
    bdnz 1b
    li 8, MSR_RI
    mtmsrd 8, 1
    mr 3, 6
    blr
    .size self_interrupts, . - self_interrupts

    .globl external_interrupt
    .type external_interrupt, @function
external_interrupt:
    mfsrr0 11                   /* a hypercall is an interrupt, too */
    mfsrr1 12
    li 3, H_XIRR
    sc 1
    mr 10, 4
    clrldi 9, 4, 40             /* CPPR << 24 | XISR: the XISR */
    cmpldi 1, 9, XISR_IPI
    bne 1, 3f
    li 3, H_IPI
    li 4, THIS_SERVER
    li 5, MFRR_NONE
    sc 1
    li 3, H_EOI
    mr 4, 10
    sc 1
    addi 6, 6, 1
    mtsrr0 11
    mtsrr1 12
    rfid
3:  li 3, 0x500
    b unexpected
    .size external_interrupt, . - external_interrupt
