/* Algorithms that several programs use, each with the memory that it is given. */
#ifndef ALGORITHMS_H
#define ALGORITHMS_H

#include "types.h"

/* Hoare's quicksort, the shorter side first, so that the stack stays flat. */
NOINLINE static void quicksort(u32 *low, u32 *high)
{
    while (low < high) {
        u32 pivot = low[(high - low) / 2];
        u32 *left = low, *right = high;

        while (left <= right) {
            while (*left < pivot)
                left++;
            while (*right > pivot)
                right--;
            if (left <= right) {
                u32 kept = *left;
                *left++ = *right;
                *right-- = kept;
            }
        }
        if (right - low < high - left) {
            quicksort(low, right);
            low = left;
        } else {
            quicksort(left, high);
            high = right;
        }
    }
}

/* CRC-32 (IEEE 802.3), a byte at a time. */
static inline void fill_crc_table(u32 *crc_of_byte)
{
    for (u32 n = 0; n < 256; n++) {
        u32 c = n;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? 0xEDB88320 ^ c >> 1 : c >> 1;
        crc_of_byte[n] = c;
    }
}

static inline u32 crc_of(const u32 *crc_of_byte, const u8 *byte, u64 size)
{
    u32 value = 0xFFFFFFFF;

    for (u64 i = 0; i < size; i++)
        value = crc_of_byte[(value ^ byte[i]) & 0xFF] ^ value >> 8;
    return value ^ 0xFFFFFFFF;
}

static inline char *copy_text(char *to, const char *from)
{
    while ((*to = *from++))
        to++;
    return to;
}

static inline int compare_text(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a - *b;
}

/* SHA-256 (FIPS 180-4). */
static const u32 sha_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static u32 turn(u32 x, int right)
{
    return x >> right | x << (32 - right);
}

NOINLINE static void sha_block(u32 *state, const u32 *block, u32 *w)
{
    u32 a = state[0], b = state[1], c = state[2], d = state[3];
    u32 e = state[4], f = state[5], g = state[6], h = state[7];

    for (int i = 0; i < 16; i++)
        w[i] = block[i];
    for (int i = 16; i < 64; i++) {
        u32 s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        u32 s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    for (int i = 0; i < 64; i++) {
        u32 s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
        u32 s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
        u32 one = h + s1 + ((e & f) ^ (~e & g)) + sha_constant[i] + w[i];
        u32 two = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

#define SHA_START { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 }

/* The product of two numbers of `limbs` words, lowest first. It takes twice as many. */
static inline void multiply(u64 *product, const u64 *a, const u64 *b, u64 limbs)
{
    for (u64 i = 0; i < 2 * limbs; i++)
        product[i] = 0;
    for (u64 i = 0; i < limbs; i++) {
        u64 carry = 0;
        for (u64 j = 0; j < limbs; j++) {
            unsigned __int128 t = (unsigned __int128)a[i] * b[j];
            t += product[i + j];
            t += carry;
            product[i + j] = (u64)t;
            carry = (u64)(t >> 64);
        }
        product[i + limbs] = carry;
    }
}

#endif
