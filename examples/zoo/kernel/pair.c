/* Two processors, one program. */
#include "pair.h"

static volatile u64 finished;

static void sleep_for_ever(void)
{
    u64 hid0;

    __asm__ volatile("mfspr %0,%1" : "=r"(hid0) : "i"(SPR_HID0));
    __asm__ volatile("sync; mtspr %0,%1; isync" : : "i"(SPR_HID0), "r"(hid0 | HID0_NAP) : "memory");
    for (;;)
        write_msr(read_msr() | MSR_POW);
}

void pair_main(u64 number)
{
    if (number == 0) {
        setup();
        board()->ready = 1;
        first();
    } else {
        second();
    }
    if (atomic_add(&finished, 1) == 1)
        check();
    sleep_for_ever();
}
