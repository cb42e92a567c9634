/* Where another virtual processor begins: r3 is its struct vcpu. 64-bit mode, MSR[EE]=0. */
    .section .text.secondary, "ax"
    .globl secondary_start
    .type secondary_start, @function
secondary_start:
    mr 13, 3
    ld 1, 0(13)
    li 0, 0
    std 0, 0(1)                 /* the end of the chain of frames */
    lis 2, .TOC.@ha
    addi 2, 2, .TOC.@l
    bl secondary_main
    b .
    .size secondary_start, . - secondary_start
