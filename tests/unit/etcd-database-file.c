/* SPDX-License-Identifier: Apache-2.0 */

#include "etcd-database-file.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

enum { BRANCH = 0x01, LEAF = 0x02, META = 0x04, FREELIST = 0x10 };

void put16(uint8_t *at, uint16_t value)
{
        value = htole16(value);
        memcpy(at, &value, sizeof(value));
}

void put32(uint8_t *at, uint32_t value)
{
        value = htole32(value);
        memcpy(at, &value, sizeof(value));
}

void put64(uint8_t *at, uint64_t value)
{
        value = htole64(value);
        memcpy(at, &value, sizeof(value));
}

static void put_header(uint8_t *page, uint64_t id, uint16_t flags, uint16_t count, uint32_t overflow)
{
        put64(page, id);
        put16(page + 8, flags);
        put16(page + 10, count);
        put32(page + 12, overflow);
}

static void put_meta(uint8_t *page, uint64_t id, uint64_t transaction)
{
        put_header(page, id, META, 0, 0);
        put32(page + 16, 0xED0CDAED);
        put32(page + 20, 2);
        put32(page + 24, DATABASE_PAGE_SIZE);
        put64(page + 32, PAGE_BUCKETS);
        put64(page + 48, PAGE_FREELIST);
        put64(page + 56, DATABASE_PAGES);
        put64(page + 64, transaction);
}

static void seal(uint8_t *page)
{
        uint64_t fnv = UINT64_C(14695981039346656037);

        for (size_t i = 16; i < 72; i++)
                fnv = (fnv ^ page[i]) * UINT64_C(1099511628211);
        put64(page + 72, fnv);
}

void database_seal(uint8_t database[static DATABASE_SIZE])
{
        seal(database);
}

/* Fills a leaf: elements from the front, keys and values behind them. */
struct leaf {
        uint8_t *page;
        unsigned count, next;
        size_t data;
};

static struct leaf leaf_begin(uint8_t *page, uint64_t id, uint16_t count, uint32_t overflow)
{
        put_header(page, id, LEAF, count, overflow);
        return (struct leaf){ .page = page, .count = count, .data = 16 + 16 * (size_t)count };
}

static void leaf_add(struct leaf *leaf, bool bucket, const void *key, size_t key_size, const void *value,
                     size_t value_size)
{
        size_t at = 16 + 16 * (size_t)leaf->next++;

        put32(leaf->page + at, bucket);
        put32(leaf->page + at + 4, (uint32_t)(leaf->data - at));
        put32(leaf->page + at + 8, (uint32_t)key_size);
        put32(leaf->page + at + 12, (uint32_t)value_size);
        memcpy(leaf->page + leaf->data, key, key_size);
        memcpy(leaf->page + leaf->data + key_size, value, value_size);
        leaf->data += key_size + value_size;
}

static void make_key(uint8_t key[static 17], uint64_t revision)
{
        memset(key, 0, 17);
        key[7] = (uint8_t)revision;
        key[8] = '_';
}

/* mvccpb.KeyValue with key "k", the revisions, version 1, and a value of that size below 16384. */
static size_t make_record(uint8_t *at, uint64_t revision, size_t value_size)
{
        const uint8_t head[] = { 0x0a,
                                 1,
                                 'k',
                                 0x10,
                                 2,
                                 0x18,
                                 (uint8_t)revision,
                                 0x20,
                                 1,
                                 0x2a,
                                 (uint8_t)(value_size | 0x80),
                                 (uint8_t)(value_size >> 7) };

        memcpy(at, head, sizeof(head));
        memset(at + sizeof(head), 'v', value_size);
        return sizeof(head) + value_size;
}

static void add_record(struct leaf *leaf, uint64_t revision, size_t value_size)
{
        uint8_t key[17], record[2 * DATABASE_PAGE_SIZE];
        size_t size = make_record(record, revision, value_size);

        make_key(key, revision);
        leaf_add(leaf, false, key, sizeof(key), record, size);
}

static void make_records(uint8_t *database)
{
        uint8_t *branch = database + PAGE_AT(PAGE_RECORDS), key[18] = "";
        struct leaf leaf;

        put_header(branch, PAGE_RECORDS, BRANCH, 2, 0);
        for (unsigned i = 0; i < 2; i++) {
                size_t element = 16 + 16 * (size_t)i, data = 48 + 17 * (size_t)i;

                put32(branch + element, (uint32_t)(data - element));
                put32(branch + element + 4, 17);
                put64(branch + element + 8, PAGE_FIRST_LEAF + i);
                make_key(branch + data, i == 0 ? 2 : 4);
        }

        leaf = leaf_begin(database + PAGE_AT(PAGE_FIRST_LEAF), PAGE_FIRST_LEAF, 2, 0);
        add_record(&leaf, 2, 100);
        add_record(&leaf, 3, 200);
        leaf = leaf_begin(database + PAGE_AT(PAGE_SECOND_LEAF), PAGE_SECOND_LEAF, 2, 1);
        add_record(&leaf, 4, 6000);
        make_key(key, DATABASE_REVISION);
        key[17] = 't';
        leaf_add(&leaf, false, key, 18, "\x0a\x01k", 3);
}

/* The value of a bucket whose only page is inline: root page 0, sequence, page. */
static size_t make_inline(uint8_t value[static 512], const char *key, const void *entry, size_t entry_size)
{
        struct leaf leaf = leaf_begin(value + 16, 0, 1, 0);

        leaf_add(&leaf, false, key, strlen(key), entry, entry_size);
        return 16 + leaf.data;
}

void database_make(uint8_t ret[static DATABASE_SIZE])
{
        uint8_t value[512] = "";
        struct leaf leaf;
        size_t size;

        memset(ret, 0, DATABASE_SIZE);
        put_meta(ret, PAGE_META, 8);
        put_meta(ret + PAGE_AT(PAGE_OTHER_META), PAGE_OTHER_META, 7);
        seal(ret);
        seal(ret + PAGE_AT(PAGE_OTHER_META));

        leaf = leaf_begin(ret + PAGE_AT(PAGE_BUCKETS), PAGE_BUCKETS, 3, 0);
        put64(value, PAGE_RECORDS);
        leaf_add(&leaf, true, "key", 3, value, 16);
        memset(value, 0, sizeof(value));
        size = make_inline(value, "8e9e05c52164694d", "{}", 2);
        leaf_add(&leaf, true, "members", 7, value, size);
        memset(value, 0, sizeof(value));
        size = make_inline(value, "consistent_index", "\0\0\0\0\0\0\0\x09", 8);
        leaf_add(&leaf, true, "meta", 4, value, size);

        make_records(ret);
        put_header(ret + PAGE_AT(PAGE_FREELIST), PAGE_FREELIST, FREELIST, 1, 0);
        put64(ret + PAGE_AT(PAGE_FREELIST) + 16, PAGE_FREE);
}
