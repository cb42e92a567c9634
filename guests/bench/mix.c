/*
 * What compiled C does all day, for benchmarks: no interrupts, one answer.
 *
 * One round runs each part below once and leaves its result in mix_result; the host has computed the same results in its
 * own way (tests/models/mix.py). Rounds are alike; the clock starts after the first, when whoever decodes or translates
 * has done so. Exits with 0 if every result of every round was right, with the number of the first wrong part, counted
 * from 1, if not. MIX_ROUNDS rounds are about a hundred million instructions.
 *
 * Memory is used from 64 KiB on, of which it needs the first half MiB.
 */
#include "algorithms.h"
#include "bench.h"
#include "processor.h"

#define MIX_ROUNDS 12
#define ARENA 0x10000UL

#define SIEVE 65536
#define NUMBERS 16384
#define CRC_BYTES (4 * NUMBERS)
#define NODES 4096
#define WALKS 48
#define FIBONACCI 22
#define LINES 2048
#define LINE_BYTES 32
#define HASH_BYTES 16384
#define LIMBS 96
#define SQUARINGS 8

enum part { PART_SIEVE, PART_SORT, PART_CRC, PART_LIST, PART_RECURSION, PART_TEXT, PART_HASH, PART_BIG, PARTS };

struct node {
    u64 value;
    struct node *next;
    u64 unused[6]; /* a cache line each, as lists in real memory tend to have it */
};

struct arena {
    u8 composite[SIEVE];
    u32 number[NUMBERS];
    u32 crc_of_byte[256];
    struct node node[NODES];
    char line[LINES][LINE_BYTES];
    char copy[LINES][LINE_BYTES];
    u32 schedule[64];
    u64 factor[LIMBS];
    u64 product[2 * LIMBS];
};

volatile u64 mix_rounds = MIX_ROUNDS; /* the host may change it before the start */
u64 mix_result[PARTS];
const u64 mix_expected[PARTS] = {
    0x00000c0eabd7198e, 0x05540a5d903613a7, 0x00000000d7eeb6df, 0x8ec903048503bc80,
    0x000000000000452f, 0x000081b008000402, 0x689f9afefac64b5e, 0x0f7505d5223739b8,
};

static struct arena *const arena = (struct arena *)ARENA;

/* Knuth's MMIX generator; the upper half is the good one. */
static u32 random32(u64 *state)
{
    *state = *state * 6364136223846793005UL + 1442695040888963407UL;
    return (u32)(*state >> 32);
}

/* Sum and number of the primes below SIEVE. */
NOINLINE static u64 sieve(void)
{
    u64 sum = 0, count = 0;

    for (u64 n = 0; n < SIEVE; n++)
        arena->composite[n] = 0;
    for (u64 n = 2; n < SIEVE; n++) {
        if (arena->composite[n])
            continue;
        sum += n;
        count++;
        for (u64 k = n * n; k < SIEVE; k += n)
            arena->composite[k] = 1;
    }
    return sum << 16 | count;
}

NOINLINE static u64 sort(void)
{
    u64 state = 1, sum = 0;

    for (u64 i = 0; i < NUMBERS; i++)
        arena->number[i] = random32(&state);
    quicksort(arena->number, arena->number + NUMBERS - 1);
    for (u64 i = 0; i < NUMBERS; i++)
        sum += (i + 1) * arena->number[i];
    return sum;
}

/* CRC-32 (IEEE 802.3) of the sorted numbers' bytes. */
NOINLINE static u64 crc(void)
{
    fill_crc_table(arena->crc_of_byte);
    return crc_of(arena->crc_of_byte, (const u8 *)arena->number, CRC_BYTES);
}

/* A ring of nodes in random order, walked again and again; every value is added to the next and kept. */
NOINLINE static u64 list(void)
{
    u64 state = 2, carried = 0;
    u32 *order = (u32 *)arena->line;
    struct node *at = arena->node;

    for (u32 i = 0; i < NODES; i++)
        order[i] = i;
    for (u32 i = NODES - 1; i > 0; i--) {
        u32 j = random32(&state) % (i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    for (u32 i = 0; i < NODES; i++) {
        arena->node[order[i]].value = i;
        arena->node[order[i]].next = &arena->node[order[(i + 1) % NODES]];
    }
    for (u64 step = 0; step < (u64)WALKS * NODES; step++) {
        carried += at->value;
        at->value = carried;
        at = at->next;
    }
    return carried;
}

NOINLINE static u64 fibonacci(u64 n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/* Lines of random letters: copied, compared with their copies and with their neighbours. */
NOINLINE static u64 text(void)
{
    u64 state = 3, letters = 0, equal = 0, ascents = 0;

    for (u64 i = 0; i < LINES; i++) {
        u64 length = random32(&state) % (LINE_BYTES - 1) + 1;
        for (u64 k = 0; k < length; k++)
            arena->line[i][k] = (char)('a' + (random32(&state) >> 30));
        arena->line[i][length] = 0;
    }
    for (u64 i = 0; i < LINES; i++)
        letters += (u64)(copy_text(arena->copy[i], arena->line[i]) - arena->copy[i]);
    for (u64 i = 0; i < LINES; i++) {
        equal += compare_text(arena->line[i], arena->copy[i]) == 0;
        ascents += compare_text(arena->line[i], arena->copy[(i + 1) % LINES]) < 0;
    }
    return letters << 32 | equal << 16 | ascents;
}

/* What ends a message of HASH_BYTES bytes: one bit, zeros, its length in bits. */
static const u32 sha_padding[16] = { [0] = 0x80000000, [15] = 8 * HASH_BYTES };

/* The first eight bytes of the digest of the first sorted numbers. */
NOINLINE static u64 hash(void)
{
    u32 state[8] = SHA_START;

    for (u64 at = 0; at < HASH_BYTES / 4; at += 16)
        sha_block(state, arena->number + at, arena->schedule);
    sha_block(state, sha_padding, arena->schedule);
    return (u64)state[0] << 32 | state[1];
}

/* A number of LIMBS words, squared and cut to its middle, several times; words of the result, folded. */
NOINLINE static u64 big(void)
{
    u64 state = 4, folded = 0;

    for (u64 i = 0; i < LIMBS; i++) {
        u64 upper = random32(&state);
        arena->factor[i] = upper << 32 | random32(&state);
    }
    for (int n = 0; n < SQUARINGS; n++) {
        multiply(arena->product, arena->factor, arena->factor, LIMBS);
        for (u64 i = 0; i < LIMBS; i++)
            arena->factor[i] = arena->product[i + LIMBS / 2];
    }
    for (u64 i = 0; i < LIMBS; i++)
        folded = (folded << 7 | folded >> 57) ^ arena->factor[i];
    return folded;
}

static const void *device_tree;

/* From start.S. */
NORETURN void kernel_main(const void *tree)
{
    device_tree = tree;
    write_decrementer(DEC_FAR); /* an exception that is held off all the time would be measured too */
    for (u64 round = 0; round < mix_rounds; round++) {
        mix_result[PART_SIEVE] = sieve();
        mix_result[PART_SORT] = sort();
        mix_result[PART_CRC] = crc();
        mix_result[PART_LIST] = list();
        mix_result[PART_RECURSION] = fibonacci(FIBONACCI);
        mix_result[PART_TEXT] = text();
        mix_result[PART_HASH] = hash();
        mix_result[PART_BIG] = big();
        for (u64 part = 0; part < PARTS; part++) {
            if (mix_result[part] != mix_expected[part])
                bench_end(tree, 1 + part);
        }
        if (round == 0)
            bench_begin();
    }
    bench_end(tree, 0);
}

/* From vectors.S: this program enables no interrupt, and causes none. */
NORETURN void unexpected_interrupt(u64 vector)
{
    bench_end(device_tree, UNEXPECTED + vector);
}

NORETURN void external_interrupt(void)
{
    unexpected_interrupt(0x500);
}
