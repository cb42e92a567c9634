/*
 * The flattened device tree that the board passes in r3 (Devicetree Specification, Flattened Devicetree Format): a
 * stream of nodes and properties, read once from front to back. Cells are big-endian, as this processor is.
 */
#include "kernel.h"

struct configuration config;
struct source sources[MAX_SOURCES];
u64 source_count;

#define FDT_MAGIC 0xD00DFEED

enum token {
    FDT_BEGIN_NODE = 1, /* name, 0-terminated, padded to 4 */
    FDT_END_NODE = 2,
    FDT_PROP = 3, /* length, offset of its name, value padded to 4 */
    FDT_NOP = 4,
    FDT_END = 9,
};

struct header {
    u32 magic;
    u32 total_size;
    u32 structure; /* offset */
    u32 strings;   /* offset */
};

/* A property, where in its value a number of one or two cells begins, and which bytes of a record get it. */
struct field {
    const char *name;
    u32 at;
    u32 cells;
    u32 offset;
    u32 bytes;
};

#define FIELD(name, at, cells, type, field) {name, at, cells, OFFSET_OF(type, field), sizeof(((type *)0)->field)}
#define CONFIGURATION(name, at, cells, field) FIELD(name, at, cells, struct configuration, field)
#define SOURCE(name, at, cells, field) FIELD(name, at, cells, struct source, field)

static const struct field irqvisor_fields[] = {
    CONFIGURATION("work", 0, 2, work),
    CONFIGURATION("compute-loops", 0, 1, compute_loops),
    CONFIGURATION("compute-unit", 0, 1, compute_unit),
    CONFIGURATION("hold-units", 0, 1, hold_units),
    CONFIGURATION("handler-work", 0, 1, handler_work),
    CONFIGURATION("tick-hz", 0, 1, tick_hz),
    CONFIGURATION("design-options", 0, 1, design_options),
    {0},
};

static const struct field cpu_fields[] = {
    CONFIGURATION("timebase-frequency", 0, 1, timebase_hz),
    {0},
};

static const struct field xen_fields[] = {
    CONFIGURATION("shared-info", 0, 2, shared_info),
    {0},
};

static const struct field xive_fields[] = {
    CONFIGURATION("reg", 0, 2, tima),
    CONFIGURATION("esb", 0, 2, esb),
    CONFIGURATION("ends", 0, 2, ends),
    CONFIGURATION("ipi", 0, 1, ipi),
    {0},
};

static const struct field source_fields[] = {
    SOURCE("reg", 0, 2, ring),
    SOURCE("doorbell", 0, 2, doorbell),
    SOURCE("slots", 0, 1, slots),
    SOURCE("interrupts", 0, 1, irq),
    SOURCE("interrupts", 4, 1, level),
    SOURCE("priority", 0, 1, priority),
    SOURCE("number", 0, 1, number),
    SOURCE("vcpu", 0, 1, vcpu),
    SOURCE("channel", 0, 1, channel),
    {0},
};

#define CHANNEL(name, at, cells, field) FIELD(name, at, cells, struct channel, field)

static const struct field channel_fields[] = {
    CHANNEL("reg", 0, 2, ring),
    CHANNEL("post", 0, 2, post),
    CHANNEL("slots", 0, 1, slots),
    CHANNEL("number", 0, 1, number),
    CHANNEL("vcpu", 0, 1, vcpu),
    CHANNEL("remote", 0, 1, remote_domain),
    CHANNEL("remote", 4, 1, remote_port),
    CHANNEL("trigger", 0, 2, trigger),
    {0},
};

/* Which fields a node fills. Depth 1 is the root; names end at their unit address. */
struct place {
    const struct field *fields;
    void *record;
};

static int is_named(const char *node, const char *name)
{
    while (*name && *node == *name) {
        node++;
        name++;
    }
    return *name == 0 && (*node == 0 || *node == '@');
}

/* The node just begun; `parent` is the name of the one around it. */
static struct place place_of(u64 depth, const char *parent, const char *name)
{
    if (depth == 2 && is_named(name, "irqvisor"))
        return (struct place){irqvisor_fields, &config};
    if (depth == 2 && is_named(name, "xen"))
        return (struct place){xen_fields, &config};
    if (depth == 2 && is_named(name, "interrupt-controller"))
        return (struct place){xive_fields, &config};
    if (depth == 3 && is_named(parent, "cpus") && is_named(name, "cpu")) {
        config.vcpus++;
        return (struct place){cpu_fields, &config};
    }
    if (depth == 3 && is_named(parent, "sources") && is_named(name, "source")) {
        if (source_count == MAX_SOURCES)
            give_up(EXIT_SETUP, "more sources than", MAX_SOURCES);
        return (struct place){source_fields, &sources[source_count++]};
    }
    if (depth == 3 && is_named(parent, "channels") && is_named(name, "channel")) {
        if (channel_count == MAX_CHANNELS)
            give_up(EXIT_SETUP, "more channels than", MAX_CHANNELS);
        return (struct place){channel_fields, &channels[channel_count++]};
    }
    return (struct place){0, 0};
}

static void fill(struct place place, const char *name, const u32 *value, u32 length)
{
    if (place.fields == irqvisor_fields && equal(name, "misbehave"))
        config.misbehave = (const char *)value;
    if (place.fields == xive_fields && equal(name, "queues"))
        config.queues = (const struct queue_place(*)[XIVE_PRIORITIES])value;
    if (place.fields == channel_fields && equal(name, "after")) {
        ((struct channel *)place.record)->after = value;
        ((struct channel *)place.record)->after_count = length / 4;
    }
    for (const struct field *field = place.fields; field && field->name; field++) {
        if (!equal(name, field->name) || field->at + 4 * field->cells > length)
            continue;
        const u32 *cell = value + field->at / 4;
        u64 number = cell[0];
        if (field->cells == 2)
            number = number << 32 | cell[1];
        for (u32 byte = field->bytes; byte-- > 0; number >>= 8)
            ((u8 *)place.record)[field->offset + byte] = (u8)number;
    }
}

static const u32 *after(const u32 *cell, u64 bytes)
{
    return cell + (bytes + 3) / 4;
}

void read_device_tree(const void *tree)
{
    const struct header *header = tree;
    const char *strings = (const char *)tree + header->strings;
    const u32 *cell = (const u32 *)((const u8 *)tree + header->structure);
    const char *parent = "";
    struct place place = {0, 0};
    u64 depth = 0;

    if (header->magic != FDT_MAGIC)
        give_up(EXIT_SETUP, "no device tree at", (u64)tree);
    config.compute_unit = 200;
    for (;;) {
        switch (*cell++) {
        case FDT_BEGIN_NODE: {
            const char *name = (const char *)cell;
            cell = after(cell, length_of(name) + 1);
            depth++;
            place = place_of(depth, parent, name);
            if (depth == 2)
                parent = name;
            break;
        }
        case FDT_END_NODE:
            depth--;
            break;
        case FDT_PROP:
            fill(place, strings + cell[1], cell + 2, cell[0]);
            cell = after(cell + 2, cell[0]);
            break;
        case FDT_NOP:
            break;
        case FDT_END:
            return;
        default:
            give_up(EXIT_SETUP, "not a device tree token", cell[-1]);
        }
    }
}
