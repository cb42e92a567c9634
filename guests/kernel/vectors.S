/*
 * Where the processor arrives: one vector an interrupt (Power ISA Book III-S, Interrupt Definitions).
 *
 * Handlers run with MSR[EE]=0 on the stack that was in use, below the 288 bytes that a leaf function may keep under r1
 * (ELFv2 ABI, The Stack Frame). They save what a C function may change. r2 has one value for the whole kernel, and
 * nothing here uses r13.
 */
#include "processor.h"

#define RED_ZONE 288
#define SAVED 32                /* after the header that ELFv2 gives each frame */
#define FRAME ((RED_ZONE + SAVED + 17 * 8 + 15) & ~15)

    .macro keep_gprs operation
    \operation 0, SAVED(1)
    \operation 3, SAVED + 8(1)
    \operation 4, SAVED + 16(1)
    \operation 5, SAVED + 24(1)
    \operation 6, SAVED + 32(1)
    \operation 7, SAVED + 40(1)
    \operation 8, SAVED + 48(1)
    \operation 9, SAVED + 56(1)
    \operation 10, SAVED + 64(1)
    \operation 11, SAVED + 72(1)
    \operation 12, SAVED + 80(1)
    .endm

    /* An interrupt with a handler in C. RI=1 says that another one could come back here: SRR0 and SRR1 are saved. */
    .macro handled name, handler
    .globl \name
    .type \name, @function
\name:
    stdu 1, -FRAME(1)
    keep_gprs std
    mfsrr0 3
    mfsrr1 4
    mflr 5
    mfctr 6
    mfxer 7
    mfcr 8
    std 3, SAVED + 88(1)
    std 4, SAVED + 96(1)
    std 5, SAVED + 104(1)
    std 6, SAVED + 112(1)
    std 7, SAVED + 120(1)
    std 8, SAVED + 128(1)
    li 9, MSR_RI
    mtmsrd 9, 1
    bl \handler
    ld 3, SAVED + 88(1)
    ld 4, SAVED + 96(1)
    ld 5, SAVED + 104(1)
    ld 6, SAVED + 112(1)
    ld 7, SAVED + 120(1)
    ld 8, SAVED + 128(1)
    li 9, 0                     /* from here on SRR0 and SRR1 hold what nobody else knows */
    mtmsrd 9, 1
    mtsrr0 3
    mtsrr1 4
    mtlr 5
    mtctr 6
    mtxer 7
    mtcr 8
    keep_gprs ld
    addi 1, 1, FRAME
    rfid
    .size \name, . - \name
    .endm

    /* An interrupt that this kernel does not expect: say so, and exit with the vector as status. */
    .macro fatal offset
    .org \offset
    li 3, \offset
    b unexpected
    .endm

    .section .vectors, "ax"
vectors:
#ifdef BEGIN_AT_RESET
    .org 0x100
    b _start
#else
    fatal 0x100                 /* system reset */
#endif
    fatal 0x200                 /* machine check */
    fatal 0x300                 /* data storage */
    fatal 0x380                 /* data segment */
    fatal 0x400                 /* instruction storage */
    fatal 0x480                 /* instruction segment */
    .org 0x500
    handled vector_external, external_interrupt
    fatal 0x600                 /* alignment */
    fatal 0x700                 /* program */
    fatal 0x800                 /* floating-point unavailable */
    .org 0x900
    b vector_decrementer        /* there are only 32 instructions before the next vector */
    fatal 0x980                 /* hypervisor decrementer */
    fatal 0xA00                 /* doorbell */
    fatal 0xB00
    fatal 0xC00                 /* system call */
    fatal 0xD00                 /* trace */
    fatal 0xE00                 /* the hypervisor's own, 0x20 apart */
    fatal 0xE20
    fatal 0xE40
    fatal 0xE60
    fatal 0xE80
    fatal 0xEA0
    fatal 0xF00                 /* performance monitor */
    fatal 0xF20                 /* vector unavailable */
    fatal 0xF40
    fatal 0xF60
    fatal 0xF80

    .org 0x1000
    handled vector_decrementer, tick_interrupt

    .globl unexpected
    .type unexpected, @function
unexpected:
    mfsrr0 4
    mfsrr1 5
    mfdar 6
    mfdsisr 7
    lis 1, (stack_top - 32)@ha  /* whatever r1 was, it may be what went wrong */
    addi 1, 1, (stack_top - 32)@l
    lis 2, .TOC.@ha
    addi 2, 2, .TOC.@l
    bl unexpected_interrupt
    b .
    .size unexpected, . - unexpected
