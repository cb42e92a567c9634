/* Registers of the processor that C cannot name (Power ISA Book III-S). Included by assembly too. */
#ifndef PROCESSOR_H
#define PROCESSOR_H

#define MSR_SF_SHIFT 63       /* Sixty-Four-bit mode */
#define MSR_POW 0x40000       /* POWer management: sleep (970) */
#define MSR_EE 0x8000         /* External interrupt Enable; gates the decrementer too */
#define MSR_RI 0x2            /* Recoverable Interrupt: SRR0 and SRR1 hold nothing that is still needed */

#define SPR_PIR 1023          /* number of this processor */
#define SPR_HID0 1008         /* 970, hypervisor state only */
#define HID0_NAP (1UL << (63 - 9))

#define DEC_FAR 0x7FFFFFFF    /* as far ahead as the decrementer counts */

#ifndef __ASSEMBLER__
#include "types.h"

/* mtmsrd with L=1: sets EE and RI to those of `bits` and touches nothing else. */
static inline void set_msr_ee_ri(u64 bits)
{
    __asm__ volatile("mtmsrd %0,1" : : "r"(bits) : "memory");
}

static inline u64 read_msr(void)
{
    u64 msr;
    __asm__ volatile("mfmsr %0" : "=r"(msr));
    return msr;
}

/* The whole MSR, but HV, ME and LE, which mtmsrd cannot change. */
static inline void write_msr(u64 msr)
{
    __asm__ volatile("mtmsrd %0" : : "r"(msr) : "memory");
}

static inline u64 read_time_base(void)
{
    u64 ticks;
    __asm__ volatile("mfspr %0,268" : "=r"(ticks));
    return ticks;
}

static inline void write_decrementer(u64 ticks)
{
    __asm__ volatile("mtdec %0" : : "r"(ticks));
}

/* Full barrier: all earlier storage accesses before all later ones. */
static inline void barrier(void)
{
    __asm__ volatile("sync" : : : "memory");
}

#endif
#endif
