/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A small bbolt file as etcd fills it, made by hand, for what no etcd writes to be changed into it. */

#include <stddef.h>
#include <stdint.h>

#define DATABASE_PAGE_SIZE 4096
#define DATABASE_REVISION  5
#define DATABASE_MEMBER    UINT64_C(0x8e9e05c52164694d)

/* What is on each page. */
enum {
        PAGE_META,
        PAGE_OTHER_META,
        PAGE_BUCKETS, /* key, members and meta: three elements; the latter two buckets are inline */
        PAGE_RECORDS, /* of the bucket "key": a branch over the next two */
        PAGE_FIRST_LEAF,
        PAGE_SECOND_LEAF, /* the largest record goes on over the next page */
        PAGE_OVERFLOW,
        PAGE_FREELIST, /* names the last one */
        PAGE_FREE,
        DATABASE_PAGES,
};

#define DATABASE_SIZE (DATABASE_PAGES * DATABASE_PAGE_SIZE)

void database_make(uint8_t ret[static DATABASE_SIZE]);

/* Rights the checksum of the first meta page, the one that counts. */
void database_seal(uint8_t database[static DATABASE_SIZE]);

/* Where a field is. Elements follow the header, 16 bytes each. */
#define PAGE_AT(page)       ((size_t)(page)*DATABASE_PAGE_SIZE)
#define ELEMENT_AT(page, i) (PAGE_AT(page) + 16 + 16 * (size_t)(i))

void put16(uint8_t *at, uint16_t value);
void put32(uint8_t *at, uint32_t value);
void put64(uint8_t *at, uint64_t value);
