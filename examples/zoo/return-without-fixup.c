/* Xen/x86: a handler that returns by itself unmasks, restores registers, and returns; an upcall may come between any two of these steps.
 * Its entry has to find out, and to put both activations together, or the return registers are those of the inner one. */
#include "zoo_xen.h"

#ifdef FIXED
#define FIXUP                           /* r3: how far the return had come */           \
    "   ld 3,PC_CELL(1)\n"                                                              \
    "   lis 4,.Lcritical@ha; addi 4,4,.Lcritical@l; sub 3,3,4\n"                        \
    "   cmpldi 3,.Lcritical_end - .Lcritical; bge+ 2f\n"                                \
    "   cmpldi 3,.Llast - .Lcritical; beq- 1f\n"                                        \
    "   ld 1,R1_CELL(1); b 2f\n"                                                        \
    "1: mfsrr0 3; mfsrr1 4; std 3,PC_CELL(1); std 4,MSR_CELL(1)\n"                      \
    "2:\n"
#else
#define FIXUP
#endif

/* At entry r1 is the frame of the upcall: r1, r3, r4, PC, mask, MSR of what was interrupted. r1 stays below it to the last. */
__asm__(".set R1_CELL,144; .set R3_CELL,152; .set R4_CELL,160; .set PC_CELL,168; .set MSR_CELL,184\n"
        "   .macro keep_kept operation\n"
        "   \\operation 0,32(1); \\operation 5,40(1); \\operation 6,48(1); \\operation 7,56(1); \\operation 8,64(1)\n"
        "   \\operation 9,72(1); \\operation 10,80(1); \\operation 11,88(1); \\operation 12,96(1)\n"
        "   .endm\n"
        "   .text\n"
        "   .globl upcall_entry\n"
        "   .type upcall_entry,@function\n"
        "upcall_entry:\n"
        "   stdu 1,-144(1)\n"
        "   keep_kept std\n"
        "   mflr 3; mfctr 4; std 3,104(1); std 4,112(1)\n"
        "   mfxer 3; mfcr 4; std 3,120(1); std 4,128(1)\n"
        FIXUP
        ".Lserve:\n"
        "   bl external\n"
        "   lis 3,shared_info@ha; ld 3,shared_info@l(3)\n"
        "   li 4,0; stb 4,1(3)\n"
        ".Lcritical:\n"
        "   lbz 4,0(3); cmpwi 4,0; bne- .Lagain\n"
        "   ld 3,104(1); ld 4,112(1); mtlr 3; mtctr 4\n"
        "   ld 3,120(1); ld 4,128(1); mtxer 3; mtcr 4\n"
        "   keep_kept ld\n"
        "   ld 3,PC_CELL(1); ld 4,MSR_CELL(1); ori 4,4,0x8000; mtsrr1 4; mtsrr0 3\n"
        "   ld 4,R4_CELL(1); ld 3,R3_CELL(1); ld 1,R1_CELL(1)\n"
        ".Llast:\n"
        "   rfid\n"
        ".Lagain:\n"
        "   li 4,1; stb 4,1(3); b .Lserve\n"
        ".Lcritical_end:\n"
        "   .size upcall_entry, . - upcall_entry\n");

void upcall_entry(void);

static void unmask_upcalls(void)
{
    shared()->vcpu[0].upcall_mask = 0;
    if (*upcall())
        xen_call(XEN_VERSION, 0, 0);
}

void setup(void)
{
    mask_all();
    bind(&devices[0]);
    unmask(&devices[0]);
    xen_call(XEN_SET_CALLBACKS, (u64)upcall_entry, (u64)fail);
    enable();
    unmask_upcalls();
    ready();
}

static volatile u64 noted;

void external(void)
{
    do {
        if (take_selector() && (shared()->pending[0] & bit_of(&devices[0]))) {
            atomic_clear(&shared()->pending[0], bit_of(&devices[0]));
            noted = 1;
        }
    } while (*upcall());
}

/* What the handler noted is done here, if it ever comes back. */
void work(void)
{
    for (;;) {
        shared()->vcpu[0].upcall_mask = 1;
        if (!noted)
            block();
        unmask_upcalls();
        noted = 0;
        drain(&devices[0]);
    }
}
