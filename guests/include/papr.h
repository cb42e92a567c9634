/* Hypercalls of the PAPR platform (LoPAPR, Hypervisor Call Functions): `sc 1`, number in r3, status in r3. */
#ifndef PAPR_H
#define PAPR_H

#include "types.h"

enum papr_call {
    H_PUT_TERM_CHAR = 0x58, /* r4 terminal, r5 length <= 16, r6 and r7 bytes, first on top */
    H_EOI = 0x64,           /* r4 XIRR */
    H_CPPR = 0x68,          /* r4 priority: only what is more favoured is presented */
    H_IPI = 0x6C,           /* r4 server, r5 MFRR */
    H_XIRR = 0x74,          /* returns r4 = CPPR << 24 | XISR, and takes the interrupt */
    H_CEDE = 0xE0,          /* sleep with MSR[EE] <- 1 */
    H_NOTIFY = 0xEF00,      /* this board's own: r4 number of a channel; notify its consumer */
};

#define XISR_MASK 0xFFFFFF
#define XISR_NONE 0
#define XISR_IPI 2
#define XISR_DEVICES 0x1000 /* + input of the interrupt controller */
#define CPPR_OPEN 0xFF
#define MFRR_NONE 0xFF
#define MFRR_IPI 4

/* This board's hypervisor preserves every register but r3 and the documented outputs. */
static inline s64 papr_call(u64 number, u64 a, u64 b, u64 c, u64 d)
{
    register u64 r3 __asm__("r3") = number;
    register u64 r4 __asm__("r4") = a;
    register u64 r5 __asm__("r5") = b;
    register u64 r6 __asm__("r6") = c;
    register u64 r7 __asm__("r7") = d;
    __asm__ volatile("sc 1" : "+r"(r3), "+r"(r4) : "r"(r5), "r"(r6), "r"(r7) : "memory");
    return (s64)r3;
}

static inline s64 papr_call1(u64 number, u64 a)
{
    register u64 r3 __asm__("r3") = number;
    register u64 r4 __asm__("r4") = a;
    __asm__ volatile("sc 1" : "+r"(r3), "+r"(r4) : : "memory");
    return (s64)r3;
}

/* H_EOI of the hybrid: whether to ask by H_XIRR once more. */
static inline u64 papr_eoi(u64 xirr)
{
    register u64 r3 __asm__("r3") = H_EOI;
    register u64 r4 __asm__("r4") = xirr;
    __asm__ volatile("sc 1" : "+r"(r3), "+r"(r4) : : "memory");
    return r4;
}

static inline u64 papr_xirr(void)
{
    register u64 r3 __asm__("r3") = H_XIRR;
    register u64 r4 __asm__("r4");
    __asm__ volatile("sc 1" : "+r"(r3), "=r"(r4) : : "memory");
    return r4;
}

/* H_CEDE sets EE, and does not sleep if an interrupt is pending. By convention it is called with EE=0. */
static inline void papr_cede(void)
{
    papr_call1(H_CEDE, 0);
}

/* Up to 16 bytes a call, the first on top of r6. */
static inline void papr_console(const char *text, u64 length)
{
    while (length > 0) {
        u64 count = length < 16 ? length : 16;
        u64 bytes[2] = {0, 0};
        for (u64 i = 0; i < count; i++)
            bytes[i / 8] |= (u64)(u8)text[i] << (56 - 8 * (i % 8));
        papr_call(H_PUT_TERM_CHAR, 0, count, bytes[0], bytes[1]);
        text += count;
        length -= count;
    }
}

#endif
