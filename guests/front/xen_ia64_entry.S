/*
 * Where a Xen/ia64 guest is entered in mode shared, and with option events=callback: SRR0 and SRR1 hold what was
 * interrupted, MSR[RI] is 0 until they are saved, MSR[EE] stays 1. The way back is the RFI operation, which restores the
 * enable word and the context in one step: by rfid, an interrupt between the two would overwrite SRR0 and SRR1.
 */
#include "processor.h"

#define RED_ZONE 288
#define BLOCK 32                /* after the header that ELFv2 gives each frame: r3 to r6 and r1, for RFI */
#define SAVED (BLOCK + 5 * 8)
#define FRAME ((RED_ZONE + SAVED + 13 * 8 + 15) & ~15)

#define HYPERPRIVOP 48
#define RFI 1

    .macro keep_gprs operation
    \operation 0, SAVED(1)
    \operation 7, SAVED + 8(1)
    \operation 8, SAVED + 16(1)
    \operation 9, SAVED + 24(1)
    \operation 10, SAVED + 32(1)
    \operation 11, SAVED + 40(1)
    \operation 12, SAVED + 48(1)
    .endm

    .text
    .globl ia64_entry
    .type ia64_entry, @function
ia64_entry:
    stdu 1, -FRAME(1)
    std 3, BLOCK(1)
    std 4, BLOCK + 8(1)
    std 5, BLOCK + 16(1)
    std 6, BLOCK + 24(1)
    addi 3, 1, FRAME
    std 3, BLOCK + 32(1)
    keep_gprs std
    mfsrr0 3
    mfsrr1 4
    mflr 5
    mfctr 6
    mfxer 7
    mfcr 8
    std 3, SAVED + 56(1)
    std 4, SAVED + 64(1)
    std 5, SAVED + 72(1)
    std 6, SAVED + 80(1)
    std 7, SAVED + 88(1)
    std 8, SAVED + 96(1)
    li 9, MSR_RI
    ori 9, 9, MSR_EE
    mtmsrd 9, 1
    bl external_interrupt
    ld 6, SAVED + 56(1)
    ld 5, SAVED + 64(1)
    ld 7, SAVED + 72(1)
    ld 8, SAVED + 80(1)
    ld 9, SAVED + 88(1)
    ld 10, SAVED + 96(1)
    mtlr 7
    mtctr 8
    mtxer 9
    mtcr 10
    keep_gprs ld
    addi 1, 1, BLOCK
    lis 3, -1
    ori 3, 3, HYPERPRIVOP
    li 4, RFI
    sc 1
    .size ia64_entry, . - ia64_entry
