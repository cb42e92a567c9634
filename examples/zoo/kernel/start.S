/* Entry and the one vector that matters. Two guests have their bug here. */
#include "processor.h"

    .section .vectors, "ax"
fatal:                          /* 0x300: whatever comes there, the guest has failed */
    lis 3, 0x7808
    sldi 3, 3, 1
    clrldi 3, 3, 32
    li 4, 0x300
    std 4, 8(3)
    b fatal
    .org 0x100                  /* 0x400 */
    b fatal
    .org 0x200                  /* 0x500 */
    b vector_external
    .org 0x300                  /* 0x600 */
    b fatal
    .org 0x400                  /* 0x700 */
    b fatal
    .org 0x600                  /* 0x900 */
    lis 13, 0x7FFF
    mtdec 13
    rfid
    .org 0x900                  /* 0xC00 */
    b fatal

    .macro keep_gprs operation
    \operation 0, 112(1)
    \operation 3, 120(1)
    \operation 4, 128(1)
    \operation 5, 136(1)
    \operation 6, 144(1)
    \operation 7, 152(1)
    \operation 8, 160(1)
    \operation 9, 168(1)
    \operation 10, 176(1)
    \operation 11, 184(1)
    \operation 12, 192(1)
    .endm

    .text
    .globl vector_external
    .type vector_external, @function
vector_external:
    stdu 1, -288(1)
    keep_gprs std
    mflr 5
    mfctr 6
    mfcr 7
    std 5, 216(1)
    std 6, 224(1)
    std 7, 232(1)
#if (defined(ZOO_SRR_CLOBBERED) || defined(ZOO_RI_BEFORE_SAVED)) && !defined(FIXED)
    bl before_saving            /* SRR0 and SRR1 are still in their registers */
#endif
    mfsrr0 3
    mfsrr1 4
    std 3, 200(1)
    std 4, 208(1)
    li 9, MSR_RI
    mtmsrd 9, 1
    bl external
vector_return:
    ld 3, 200(1)
    ld 4, 208(1)
    ld 5, 216(1)
    ld 6, 224(1)
    ld 7, 232(1)
    li 9, 0
    mtmsrd 9, 1
    mtsrr0 3
    mtsrr1 4
    mtlr 5
    mtctr 6
    mtcr 7
    keep_gprs ld
    addi 1, 1, 288
    rfid
    .size vector_external, . - vector_external

    .section .text.start, "ax"
    .globl _start
    .type _start, @function
_start:
    mfmsr 5
    li 6, 1
    sldi 6, 6, MSR_SF_SHIFT
    or 5, 5, 6
    mtmsrd 5
    isync
    lis 7, DEC_FAR@h
    ori 7, 7, DEC_FAR@l
    mtdec 7
    lis 1, (stack_top - 32)@ha
    addi 1, 1, (stack_top - 32)@l
    li 0, 0
    std 0, 0(1)
    lis 2, .TOC.@ha
    addi 2, 2, .TOC.@l
    bl zoo_main
    b .
    .size _start, . - _start
