/* Xen/PPC, P14: a level interrupt is in service on the pCPU that acknowledged it; its guest, and so PHYSDEVOP_eoi, is on another. A
 * hypervisor that writes the EOI register of the pCPU it is called on, defect "eoi-on-caller", ends nothing there, and the first pCPU
 * takes no other interrupt of that priority. */
#include "zoo_xen.h"

void setup(void) { usual_setup(); }
void work(void) { usual_work(); }

void external(void)
{
    do {
        if (take_selector()) {
            serve(&devices[0]);
            xen_call(XEN_PHYSDEV_OP, PHYSDEVOP_EOI, handle(&devices[0].irq));
        }
    } while (*upcall());
}
