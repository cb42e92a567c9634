/* What the board says in its device tree: rings, doorbells, interrupts, and the page shared with Xen. */
#include "zoo.h"

struct device devices[4];
u64 shared_info;

static u64 word_at(const u8 *at)
{
    return *(const u32 *)at;
}

static int is(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void property(struct device *device, const char *name, const u8 *value)
{
    if (is(name, "doorbell"))
        device->doorbell = (volatile u64 *)*(const u64 *)value;
    else if (is(name, "interrupts"))
        device->irq = (u32)word_at(value);
    else if (is(name, "shared-info"))
        shared_info = *(const u64 *)value;
}

NORETURN void zoo_main(const u8 *tree)
{
    const u8 *at = tree + word_at(tree + 8);
    const char *strings = (const char *)tree + word_at(tree + 12);
    struct device *device = devices;
    u64 reg = 0;

    for (;;) {
        u64 token = word_at(at);
        at += 4;
        if (token == 9)
            break;
        if (token == 1) {
            while (*at++)
                ;
            at = (const u8 *)(((u64)at + 3) & ~3UL);
        } else if (token == 2) {
            if (device->doorbell) {
                device->ring = (struct ring *)reg;
                device++;
            }
        } else if (token == 3) {
            const char *name = strings + word_at(at + 4);
            u64 length = word_at(at);
            if (is(name, "reg") && length >= 8)
                reg = word_at(at + 8) << 32 | word_at(at + 12);
            property(device, name, at + 8);
            at += 8 + ((length + 3) & ~3UL);
        }
    }
    setup();
    work();
}
