/*
 * Where a call returns to: the host sees the interrupt. Nothing else sets r2 up, since the host calls routines by their
 * global entry points, with the address in r12.
 */
    .section .text.start, "ax"
    .globl _start
    .type _start, @function
_start:
    trap
    lis 2, .TOC.@ha             /* makes the linker define it before it compiles the rest */
    addi 2, 2, .TOC.@l
    b _start
    .size _start, . - _start
