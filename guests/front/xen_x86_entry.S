/*
 * Where the hypervisor's upcalls arrive, and the ways back (docs/explanation/designs/xen-x86.md).
 *
 * At entry r1 is the frame, eight cells: r1, r3, r4, PC, the mask, MSR, cause, DAR of what was interrupted; r3 and r4 are
 * free, upcall_mask is 1, and SRR0 and SRR1 are as they were. What a C function may change is saved below the frame, and
 * r1 stays there until all is loaded again: loads take nothing away, so a return that is interrupted can begin anew.
 */
#include "processor.h"

#define SAVED 32                /* after the header that ELFv2 gives each frame */
#define FRAME (SAVED + 13 * 8 + 8)
#define R1_CELL (FRAME + 0)
#define R3_CELL (FRAME + 8)
#define R4_CELL (FRAME + 16)
#define PC_CELL (FRAME + 24)
#define MASK_CELL (FRAME + 32)
#define MSR_CELL (FRAME + 40)

#define INFO 24                 /* in struct vcpu, at r13: where vcpu_info is */
#define UPCALL_MASK 1           /* in vcpu_info; upcall_pending is its first byte */
#define IRET 23

    .macro keep_gprs operation
    \operation 0, SAVED(1)
    \operation 5, SAVED + 8(1)
    \operation 6, SAVED + 16(1)
    \operation 7, SAVED + 24(1)
    \operation 8, SAVED + 32(1)
    \operation 9, SAVED + 40(1)
    \operation 10, SAVED + 48(1)
    \operation 11, SAVED + 56(1)
    \operation 12, SAVED + 64(1)
    .endm

    .macro save
    stdu 1, -FRAME(1)
    keep_gprs std
    mflr 3
    mfctr 4
    std 3, SAVED + 72(1)
    std 4, SAVED + 80(1)
    mfxer 3
    mfcr 4
    std 3, SAVED + 88(1)
    std 4, SAVED + 96(1)
    .endm

    .macro restore
    ld 3, SAVED + 72(1)
    ld 4, SAVED + 80(1)
    mtlr 3
    mtctr 4
    ld 3, SAVED + 88(1)
    ld 4, SAVED + 96(1)
    mtxer 3
    mtcr 4
    keep_gprs ld
    .endm

    .text

/* iret=hypercall: back by the hypervisor, which restores r1, r3 and r4, and the mask in the same instant. */
    .globl upcall
    .type upcall, @function
upcall:
    save
    bl external_interrupt
    restore
    addi 1, 1, FRAME
    lis 3, -1
    ori 3, 3, IRET
    sc 1
    .size upcall, . - upcall

/*
 * iret=direct: back without the hypervisor. Unmasking and returning are two steps here, and an upcall may come between
 * them. From critical on, the handler was leaving, so the new upcall takes its place: it drops its own frame and goes on
 * with the old one, and the stack does not grow. Only at the rfid the old frame is gone already; what it was about to
 * return to is in SRR0 and SRR1 and goes into the new frame.
 */
    .globl upcall_direct
    .type upcall_direct, @function
upcall_direct:
    save
#ifndef NO_FIXUP
    ld 3, PC_CELL(1)
    lis 4, critical@ha
    addi 4, 4, critical@l
    sub 3, 3, 4
    cmpldi 3, critical_end - critical
    blt- fixup
#endif
scan:
    bl external_interrupt
    ld 3, MASK_CELL(1)
    cmpdi 3, 0
    bne- back                   /* whom it interrupted had masked already: nothing comes */
    ld 3, INFO(13)
    li 4, 0
    stb 4, UPCALL_MASK(3)
critical:
    lbz 4, 0(3)
    cmpwi 4, 0
    bne- again
back:
    restore
    ld 3, PC_CELL(1)
    ld 4, MSR_CELL(1)
    ori 4, 4, MSR_EE
    mtsrr0 3
    mtsrr1 4
    ld 4, R4_CELL(1)
    ld 3, R3_CELL(1)
    ld 1, R1_CELL(1)
last:
    rfid
again:
    li 4, 1
    stb 4, UPCALL_MASK(3)
    b scan
critical_end:

fixup:                          /* r3: how far it had come */
    cmpldi 3, last - critical
    beq- 1f
    ld 1, R1_CELL(1)
    b scan
1:  mfsrr0 3
    mfsrr1 4
    std 3, PC_CELL(1)
    std 4, MSR_CELL(1)
    b scan
    .size upcall_direct, . - upcall_direct

/* An iret that leads nowhere. */
    .globl failsafe
    .type failsafe, @function
failsafe:
    li 3, 0x400
    b unexpected
    .size failsafe, . - failsafe
