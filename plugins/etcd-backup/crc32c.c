/* SPDX-License-Identifier: Apache-2.0 */

#include "crc32c.h"

#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL 0x82F63B78u /* 0x1EDC6F41, its bits reflected */

/* The product of two polynomials modulo ours; the highest bit is the coefficient of x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
        uint32_t product = 0;

        for (uint32_t bit = UINT32_C(1) << 31; a != 0; bit >>= 1) {
                if (a & bit)
                        product ^= b;
                a &= ~bit;
                b = b >> 1 ^ (b & 1 ? POLYNOMIAL : 0);
        }
        return product;
}

#ifdef __x86_64__
#include <nmmintrin.h>

/* 8 bytes of each of three stretches at a time, for the processor's instruction takes 3 cycles, and can begin
 * with another in each of them. */
#define STRETCH 512

/* stretch_table[k][b]: what byte k of a remainder, being b, comes to when a stretch follows. */
static uint32_t stretch_table[4][256];

static void make_stretch_table(void)
{
        uint32_t shift = UINT32_C(1) << 31; /* x^0 */

        for (unsigned bit = 0; bit < 8 * STRETCH; bit++)
                shift = shift >> 1 ^ (shift & 1 ? POLYNOMIAL : 0);
        for (unsigned k = 0; k < 4; k++)
                for (uint32_t b = 0; b < 256; b++)
                        stretch_table[k][b] = multiply(b << (8 * k), shift);
}

static uint32_t pass_stretch(uint64_t crc)
{
        return stretch_table[0][crc & 0xff] ^ stretch_table[1][crc >> 8 & 0xff] ^
               stretch_table[2][crc >> 16 & 0xff] ^ stretch_table[3][crc >> 24 & 0xff];
}

static uint64_t word_at(const uint8_t *at)
{
        uint64_t word;

        memcpy(&word, at, sizeof(word));
        return word;
}

__attribute__((target("sse4.2"))) static uint32_t add_stretches(uint32_t crc, const uint8_t *at)
{
        uint64_t a = crc, b = 0, c = 0;

        if (stretch_table[0][1] == 0)
                make_stretch_table();
        for (const uint8_t *end = at + STRETCH; at < end; at += sizeof(a)) {
                a = _mm_crc32_u64(a, word_at(at));
                b = _mm_crc32_u64(b, word_at(at + STRETCH));
                c = _mm_crc32_u64(c, word_at(at + 2 * STRETCH));
        }
        return pass_stretch(pass_stretch(a) ^ b) ^ (uint32_t)c;
}

__attribute__((target("sse4.2"))) static uint32_t add_by_processor(uint32_t crc, const uint8_t *at,
                                                                   size_t size)
{
        uint64_t wide;

        for (; size >= 3 * STRETCH; at += 3 * STRETCH, size -= 3 * STRETCH)
                crc = add_stretches(crc, at);
        for (wide = crc; size >= sizeof(wide); at += sizeof(wide), size -= sizeof(wide))
                wide = _mm_crc32_u64(wide, word_at(at));
        crc = (uint32_t)wide;
        while (size-- > 0)
                crc = _mm_crc32_u8(crc, *at++);
        return crc;
}

static bool processor_can(void)
{
        return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t add_by_processor(uint32_t crc, const uint8_t *at, size_t size)
{
        (void)at;
        (void)size;
        return crc;
}

static bool processor_can(void)
{
        return false;
}
#endif

/* tables[k][b]: what the byte b does to the CRC when k more bytes follow it (Intel's "slicing by 8"). */
static uint32_t tables[8][256];

static void make_tables(void)
{
        for (uint32_t b = 0; b < 256; b++) {
                uint32_t crc = b;

                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
                tables[0][b] = crc;
        }
        for (unsigned k = 1; k < 8; k++)
                for (unsigned b = 0; b < 256; b++)
                        tables[k][b] = tables[k - 1][b] >> 8 ^ tables[0][tables[k - 1][b] & 0xff];
}

static uint32_t add_by_tables(uint32_t crc, const uint8_t *at, size_t size)
{
        if (tables[0][1] == 0)
                make_tables();
        for (; size >= 8; at += 8, size -= 8)
                crc = tables[7][(crc ^ at[0]) & 0xff] ^ tables[6][(crc >> 8 ^ at[1]) & 0xff] ^
                      tables[5][(crc >> 16 ^ at[2]) & 0xff] ^ tables[4][(crc >> 24 ^ at[3]) & 0xff] ^
                      tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^ tables[0][at[7]];
        while (size-- > 0)
                crc = crc >> 8 ^ tables[0][(crc ^ *at++) & 0xff];
        return crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
        return ~(processor_can() ? add_by_processor(~crc, data, size) : add_by_tables(~crc, data, size));
}

#define SHIFT_BITS 12

/* x^8n, and x^8n to the power 2^SHIFT_BITS. */
static uint32_t shifts[2][1 << SHIFT_BITS];

static void make_shifts(void)
{
        uint32_t step = UINT32_C(1) << (31 - 8);

        for (unsigned k = 0; k < 2; k++) {
                uint32_t shift = UINT32_C(1) << 31;

                for (unsigned n = 0; n < 1 << SHIFT_BITS; n++, shift = multiply(shift, step))
                        shifts[k][n] = shift;
                step = shift;
        }
}

/* As zlib's crc32_combine: the bytes of B shift the remainder of A. */
uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t b_size)
{
        const uint64_t mask = (1 << SHIFT_BITS) - 1;

        if (shifts[0][0] == 0)
                make_shifts();
        for (; b_size >> (2 * SHIFT_BITS) != 0; b_size -= mask << SHIFT_BITS)
                a = multiply(shifts[1][mask], a);
        a = multiply(shifts[1][b_size >> SHIFT_BITS], a);
        return multiply(shifts[0][b_size & mask], a) ^ b;
}
