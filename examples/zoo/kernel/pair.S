/* Two processors of a bare machine: both begin here, with their numbers in r3. Whatever comes to a vector, the program has failed. */
#include "processor.h"

    .section .vectors, "ax"
fatal:                          /* 0x300 */
    lis 3, 0x7808
    sldi 3, 3, 1
    clrldi 3, 3, 32
    li 4, 0x300
    std 4, 8(3)
    b fatal
    .irp vector, 0x400, 0x500, 0x600, 0x700, 0x800, 0x900, 0xC00
    .org \vector - 0x300
    b fatal
    .endr

    .section .text.start, "ax"
    .globl _start
    .type _start, @function
_start:
    lis 1, (stack_top - 32)@ha
    addi 1, 1, (stack_top - 32)@l
    sldi 4, 3, 10               /* 1 KiB each */
    subf 1, 4, 1
    li 0, 0
    std 0, 0(1)
    lis 2, .TOC.@ha
    addi 2, 2, .TOC.@l
    bl pair_main
    b .
    .size _start, . - _start
