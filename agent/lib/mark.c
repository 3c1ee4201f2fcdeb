/* SPDX-License-Identifier: Apache-2.0 */

#include "mark.h"

#include <string.h>

/* FNV-1a (RFC 9923), but eight bytes at a time, for which the shift carries high bits down. */
uint64_t mark_add(uint64_t mark, const void *data, size_t size)
{
        const char *at = data;
        uint64_t word;

        while (size > 0) {
                size_t n = size < sizeof(word) ? size : sizeof(word);

                word = n;
                memcpy(&word, at, n);
                mark = (mark ^ word) * UINT64_C(0x100000001b3);
                mark ^= mark >> 29;
                at += n;
                size -= n;
        }
        return mark;
}

/* The last step of MurmurHash3 (github.com/aappleby/smhasher). */
uint64_t mark_spread(uint64_t mark)
{
        mark = (mark ^ mark >> 33) * UINT64_C(0xff51afd7ed558ccd);
        mark = (mark ^ mark >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
        return mark ^ mark >> 33;
}
