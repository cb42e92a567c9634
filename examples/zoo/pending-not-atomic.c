/* Xen guests, after G4: PENDING is cleared by a load, an and, and a store. The hypervisor takes interrupts whatever the guest's
 * MSR[EE] is; another port's bit, set between load and store, is stored away. */
#include "zoo_xen.h"

void work(void) { usual_work(); }

void setup(void)
{
    mask_all();
    bind(&devices[0]);
    bind(&devices[1]);
    unmask(&devices[0]);
    unmask(&devices[1]);
    enable();
    ready();
}

NOINLINE void clear_pending(u64 bit)
{
#ifdef FIXED
    atomic_clear(&shared()->pending[0], bit);
#else
    u64 word = shared()->pending[0];
    __asm__ volatile("" : "+r"(word));
    shared()->pending[0] = word & ~bit;
#endif
}

static void serve_port(struct device *device)
{
    if (shared()->pending[0] & bit_of(device)) {
        clear_pending(bit_of(device));
        drain(device);
    }
}

void external(void)
{
    do {
        if (take_selector()) {
            serve_port(&devices[0]);
            serve_port(&devices[1]);
        }
    } while (*upcall());
}
