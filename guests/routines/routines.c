/*
 * Compiled C to be called from outside, routine by routine, in both byte orders: tests/guest/test_routines.py puts the
 * arguments into registers and memory, calls, and computes the same on the host.
 *
 * Every routine that has a name of its own in the image is NOINLINE and USED. None needs more stack than a page.
 */
#include "algorithms.h"

#define USED __attribute__((used, retain, noinline))

typedef short s16;
typedef unsigned short u16;

USED void sort_words(u32 *number, u64 count)
{
    if (count)
        quicksort(number, number + count - 1);
}

/* Insertion sort, signed halfwords. */
USED void sort_halfwords(s16 *number, u64 count)
{
    for (u64 i = 1; i < count; i++) {
        s16 moving = number[i];
        u64 k = i;

        for (; k > 0 && number[k - 1] > moving; k--)
            number[k] = number[k - 1];
        number[k] = moving;
    }
}

static void sift(s64 *number, u64 root, u64 count)
{
    for (u64 child; (child = 2 * root + 1) < count; root = child) {
        s64 kept = number[root];

        if (child + 1 < count && number[child + 1] > number[child])
            child++;
        if (kept >= number[child])
            return;
        number[root] = number[child];
        number[child] = kept;
    }
}

/* Heap sort, signed doublewords. */
USED void sort_doublewords(s64 *number, u64 count)
{
    for (u64 root = count / 2; root-- > 0;)
        sift(number, root, count);
    for (u64 end = count; end-- > 1;) {
        s64 largest = number[0];

        number[0] = number[end];
        number[end] = largest;
        sift(number, 0, end);
    }
}

USED u32 crc32(const u8 *bytes, u64 size)
{
    static u32 table[256];

    fill_crc_table(table);
    return crc_of(table, bytes, size);
}

USED u64 add_numbers(u64 *sum, const u64 *a, const u64 *b, u64 limbs)
{
    u64 carry = 0;

    for (u64 i = 0; i < limbs; i++) {
        unsigned __int128 t = (unsigned __int128)a[i] + b[i] + carry;
        sum[i] = (u64)t;
        carry = (u64)(t >> 64);
    }
    return carry;
}

/* a - b; 1 if that borrows. */
USED u64 subtract_numbers(u64 *difference, const u64 *a, const u64 *b, u64 limbs)
{
    u64 borrow = 0;

    for (u64 i = 0; i < limbs; i++) {
        unsigned __int128 t = (unsigned __int128)a[i] - b[i] - borrow;
        difference[i] = (u64)t;
        borrow = (u64)(t >> 64) & 1;
    }
    return borrow;
}

USED void multiply_numbers(u64 *product, const u64 *a, const u64 *b, u64 limbs)
{
    multiply(product, a, b, limbs);
}

/* Divide a number in place by 32 bits; what remains. Half a word at a time, so that the quotients fit. */
USED u32 divide_number(u64 *number, u64 limbs, u32 divisor)
{
    u64 remainder = 0;

    for (u64 i = limbs; i-- > 0;) {
        u64 high = remainder << 32 | number[i] >> 32;
        u64 low = (high % divisor) << 32 | (u32)number[i];

        number[i] = (high / divisor) << 32 | low / divisor;
        remainder = low % divisor;
    }
    return (u32)remainder;
}

/* base to the power of exponent, modulo a number of 32 bits. */
USED u32 power_modulo(u64 base, u64 exponent, u32 modulus)
{
    u64 result = 1 % modulus;

    for (base %= modulus; exponent; exponent >>= 1) {
        if (exponent & 1)
            result = result * base % modulus;
        base = base * base % modulus;
    }
    return (u32)result;
}

/* Quotient and remainder of signed numbers, by the processor's own division. */
USED s64 quotient_of(s64 a, s64 b)
{
    return a / b;
}

USED int remainder_of(int a, int b)
{
    return a % b;
}

static u32 word_of(const u8 *bytes)
{
    return (u32)bytes[0] << 24 | (u32)bytes[1] << 16 | (u32)bytes[2] << 8 | bytes[3];
}

static void put_word(u8 *bytes, u32 word)
{
    for (int k = 0; k < 4; k++)
        bytes[k] = (u8)(word >> (24 - 8 * k));
}

USED void sha256(u8 *digest, const u8 *bytes, u64 size)
{
    u32 state[8] = SHA_START;
    u32 block[16], schedule[64];

    for (u64 at = 0; at < size + 9; at += 64) {
        u8 padded[64];

        for (u64 k = 0; k < 64; k++)
            padded[k] = at + k < size ? bytes[at + k] : at + k == size ? 0x80 : 0;
        for (int k = 0; k < 16; k++)
            block[k] = word_of(padded + 4 * k);
        if (at + 64 >= size + 9) {
            block[14] = (u32)(size >> 29);
            block[15] = (u32)(size << 3);
        }
        sha_block(state, block, schedule);
    }
    for (int k = 0; k < 8; k++)
        put_word(digest + 4 * k, state[k]);
}

USED u64 length_of(const char *text)
{
    const char *end = text;

    while (*end)
        end++;
    return (u64)(end - text);
}

USED char *copy(char *to, const char *from)
{
    return copy_text(to, from);
}

USED int compare(const char *a, const char *b)
{
    return compare_text(a, b);
}

/* Where `wanted` first is in `text`; -1 if it is not. */
USED s64 find(const char *text, const char *wanted)
{
    for (u64 at = 0;; at++) {
        u64 k = 0;

        while (wanted[k] && text[at + k] == wanted[k])
            k++;
        if (!wanted[k])
            return (s64)at;
        if (!text[at])
            return -1;
    }
}

USED void reverse(char *text)
{
    char *last = text + length_of(text);

    while (text < last) {
        char kept = *text;
        *text++ = *--last;
        *last = kept;
    }
}

/* A signed number in decimal; its length. */
USED u64 to_decimal(char *text, s64 number)
{
    u64 left = number < 0 ? 0 - (u64)number : (u64)number;
    char *at = text;

    do
        *at++ = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        *at++ = '-';
    *at = 0;
    reverse(text);
    return (u64)(at - text);
}

USED s64 from_decimal(const char *text)
{
    int negative = *text == '-';
    u64 number = 0;

    for (text += negative; *text; text++)
        number = number * 10 + (u64)(*text - '0');
    return (s64)(negative ? 0 - number : number);
}

/* Bits set, leading zeros, bytes exchanged: what compilers have instructions for. */
USED u64 bits_of(u64 x)
{
    return (u64)__builtin_popcountl(x) << 32 | (u64)__builtin_clzl(x | 1) << 16 | (u64)__builtin_ctzl(x | 1UL << 63);
}

USED u64 exchanged(u64 x)
{
    return __builtin_bswap64(x) ^ (u64)__builtin_bswap32((u32)x) ^ (u64)__builtin_bswap16((u16)(x >> 48));
}
