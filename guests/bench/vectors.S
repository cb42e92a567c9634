/*
 * The processor's vectors for benchmarks (Power ISA Book III-S, Interrupt Definitions). System reset is the way in on
 * machines that begin there, as QEMU's pseries does with a firmware of its own; others jump to _start, which is the same.
 */
    .macro fatal offset
    .org \offset
    li 3, \offset
    b unexpected
    .endm

    .section .vectors, "ax"
vectors:
    .org 0x100
    b _start
    fatal 0x200                 /* machine check */
    fatal 0x300                 /* data storage */
    fatal 0x380                 /* data segment */
    fatal 0x400                 /* instruction storage */
    fatal 0x480                 /* instruction segment */
    .org 0x500
    b external_interrupt
    fatal 0x600                 /* alignment */
    fatal 0x700                 /* program */
    fatal 0x800                 /* floating-point unavailable */
    .org 0x900                  /* decrementer: nobody waits for it; r0 belongs to this handler while MSR[EE]=1 */
    lis 0, 0x7FFF
    mtdec 0
    rfid
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
    .globl unexpected
    .type unexpected, @function
unexpected:
    lis 1, (stack_top - 32)@ha  /* whatever r1 was, it may be what went wrong */
    addi 1, 1, (stack_top - 32)@l
    lis 2, .TOC.@ha
    addi 2, 2, .TOC.@l
    bl unexpected_interrupt
    b .
    .size unexpected, . - unexpected
