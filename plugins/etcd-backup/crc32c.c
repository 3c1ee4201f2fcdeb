/* SPDX-License-Identifier: Apache-2.0 */

#include "crc32c.h"

#include <stdbool.h>
#include <string.h>

#ifdef __x86_64__
#include <nmmintrin.h>

/* The processor's own instruction: 8 bytes in 3 cycles. */
__attribute__((target("sse4.2"))) static uint32_t add_by_processor(uint32_t crc, const uint8_t *at,
                                                                   size_t size)
{
        uint64_t wide = crc, word;

        for (; size >= sizeof(word); at += sizeof(word), size -= sizeof(word)) {
                memcpy(&word, at, sizeof(word));
                wide = _mm_crc32_u64(wide, word);
        }
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

#define POLYNOMIAL 0x82F63B78u /* 0x1EDC6F41, its bits reflected */

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
