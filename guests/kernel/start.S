/*
 * From the board to C. r3 is the address of the device tree, all else is zero; a hypervisor starts its guest with
 * MSR = 0, which is 32-bit mode.
 */
#include "processor.h"

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
    lis 1, (stack_top - 32)@ha
    addi 1, 1, (stack_top - 32)@l
    li 0, 0
    std 0, 0(1)                 /* the end of the chain of frames */
    lis 2, .TOC.@ha
    addi 2, 2, .TOC.@l
    bl kernel_main
    b .
    .size _start, . - _start
