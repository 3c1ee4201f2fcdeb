/* SPDX-License-Identifier: Apache-2.0 */

/* What it takes to walk through a database as it passes, which is made on the way and never whole. */

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "etcd-database-file.h"
#include "etcd-database.h"
#include "files.h"

#define PIECE       (32 * 1024) /* as etcd sends it */
#define KEY_SIZE    17
#define VARINT_SIZE 5
/* key "k", create and mod revision, version 1, and where the value begins */
#define HEAD_SIZE  (3 + 2 * (1 + VARINT_SIZE) + 2 + 1 + VARINT_SIZE)
#define MEMORY_MAX (UINT64_C(20) << 20)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct feeder {
        struct etcd_reader *reader;
        uint8_t piece[PIECE];
        size_t filled;
};

static void feed(struct feeder *feeder, const uint8_t *bytes, size_t size)
{
        for (size_t n; size > 0; bytes += n, size -= n) {
                n = PIECE - feeder->filled < size ? PIECE - feeder->filled : size;
                memcpy(feeder->piece + feeder->filled, bytes, n);
                feeder->filled += n;
                if (feeder->filled == PIECE) {
                        etcd_reader_add(feeder->reader, feeder->piece, PIECE);
                        feeder->filled = 0;
                }
        }
}

static void put_key(uint8_t key[static KEY_SIZE], uint64_t revision)
{
        revision = htobe64(revision);
        memcpy(key, &revision, sizeof(revision));
        memset(key + 8, 0, KEY_SIZE - 8);
        key[8] = '_';
}

/* Always of five bytes, which a varint may have. */
static void put_varint(uint8_t *at, uint64_t value)
{
        for (unsigned i = 0; i < VARINT_SIZE; i++, value >>= 7)
                at[i] = (uint8_t)((value & 0x7f) | (i < VARINT_SIZE - 1 ? 0x80 : 0));
}

/* A leaf with one record that fills it. */
static void make_leaf(uint8_t *page, uint64_t id, uint32_t pages, uint64_t revision)
{
        static const uint8_t key[] = { 0x0a, 1, 'k', 0x10 }, version[] = { 0x20, 1, 0x2a };
        size_t value_size = (size_t)pages * DATABASE_PAGE_SIZE - 32 - KEY_SIZE;
        uint8_t *at = page + 32 + KEY_SIZE;

        put64(page, id);
        put16(page + 8, 2);
        put16(page + 10, 1);
        put32(page + 12, pages - 1);
        put32(page + 16, 0);
        put32(page + 20, 16);
        put32(page + 24, KEY_SIZE);
        put32(page + 28, (uint32_t)value_size);
        put_key(page + 32, revision);
        memcpy(at, key, sizeof(key));
        put_varint(at + 4, revision);
        at[4 + VARINT_SIZE] = 0x18;
        put_varint(at + 5 + VARINT_SIZE, revision);
        memcpy(at + 5 + 2 * VARINT_SIZE, version, sizeof(version));
        put_varint(at + 8 + 2 * VARINT_SIZE, value_size - HEAD_SIZE);
}

static uint8_t *make_branch(uint16_t leaves, uint32_t leaf_pages, uint32_t *ret_pages)
{
        size_t size = 16 + (size_t)leaves * (16 + KEY_SIZE);
        uint32_t pages = (uint32_t)((size + DATABASE_PAGE_SIZE - 1) / DATABASE_PAGE_SIZE);
        uint8_t *page = calloc(pages, DATABASE_PAGE_SIZE);

        assert_non_null(page);
        put64(page, PAGE_RECORDS);
        put16(page + 8, 1);
        put16(page + 10, leaves);
        put32(page + 12, pages - 1);
        for (uint32_t i = 0; i < leaves; i++) {
                size_t element = 16 + 16 * (size_t)i, key = 16 + 16 * (size_t)leaves + KEY_SIZE * (size_t)i;

                put32(page + element, (uint32_t)(key - element));
                put32(page + element + 4, KEY_SIZE);
                put64(page + element + 8, PAGE_RECORDS + pages + (uint64_t)i * leaf_pages);
                put_key(page + key, i + 2);
        }
        *ret_pages = pages;
        return page;
}

static void feed_database(struct feeder *feeder, uint8_t *branch, uint32_t branch_pages, uint16_t leaves,
                          uint32_t leaf_pages, uint64_t pages)
{
        uint8_t head[DATABASE_SIZE];
        _cleanup_free_ uint8_t *leaf = calloc(leaf_pages, DATABASE_PAGE_SIZE);

        assert_non_null(leaf);
        database_make(head);
        put64(head + 48, UINT64_MAX); /* no free list */
        put64(head + 56, pages);
        database_seal(head);
        feed(feeder, head, PAGE_AT(PAGE_RECORDS));
        feed(feeder, branch, (size_t)branch_pages * DATABASE_PAGE_SIZE);
        for (uint32_t i = 0; i < leaves; i++) {
                make_leaf(leaf, PAGE_RECORDS + branch_pages + (uint64_t)i * leaf_pages, leaf_pages, i + 2);
                feed(feeder, leaf, (size_t)leaf_pages * DATABASE_PAGE_SIZE);
        }
        etcd_reader_add(feeder->reader, feeder->piece, feeder->filled);
}

static uint64_t peak_bytes(void)
{
        _cleanup_free_ char *text = NULL;
        unsigned long long kib;
        const char *line;
        size_t size;

        assert_int_equal(file_read("/proc/self/status", 64 * 1024, &text, &size), 0);
        line = strstr(text, "VmHWM:");
        assert_non_null(line);
        kib = strtoull(line + strlen("VmHWM:"), NULL, 10);
        return kib * 1024;
}

static void walk_through(uint16_t leaves, uint32_t leaf_pages)
{
        static const char *const directories[] = { "/var/tmp", NULL };
        static struct feeder feeder;
        struct etcd_database database;
        _cleanup_failure_ failure = {};
        uint32_t branch_pages;
        _cleanup_free_ uint8_t *branch = make_branch(leaves, leaf_pages, &branch_pages);
        uint64_t pages = PAGE_RECORDS + branch_pages + (uint64_t)leaves * leaf_pages;
        uint64_t peak;

        feeder.filled = 0;
        assert_int_equal(etcd_reader_new(pages * DATABASE_PAGE_SIZE, directories, &feeder.reader), 0);
        feed_database(&feeder, branch, branch_pages, leaves, leaf_pages, pages);
        assert_int_equal(etcd_reader_finish(feeder.reader, NULL, &database, &failure), 0);
        feeder.reader = etcd_reader_free(feeder.reader);
        assert_int_equal(database.revision, leaves + 1);
        assert_int_equal(database.keys, leaves + 2); /* a member, and how far it applied */

        peak = peak_bytes();
        print_message("# %llu MiB: at most %llu KiB of memory\n",
                      (unsigned long long)(pages * DATABASE_PAGE_SIZE >> 20),
                      (unsigned long long)(peak >> 10));
        if (!SANITIZED) /* whose own memory it would be */
                assert_true(peak <= MEMORY_MAX);
}

/* As many as one branch holds. */
static void many_pages_take_no_more_memory(void **state)
{
        walk_through(SANITIZED ? 5000 : 65000, 1);
}

/* Values of 1.5 MiB, the most that etcd takes: three gigabytes of them. */
static void long_pages_take_no_more_memory(void **state)
{
        walk_through(SANITIZED ? 50 : 2048, 384);
}

/* bbolt splits no leaf of four records (node.go: splitTwo), whose values may be as large as that. */
static void the_longest_leaf_that_etcd_makes_is_looked_at_as_it_passes(void **state)
{
        walk_through(SANITIZED ? 12 : 500, 4 * 384 + 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(many_pages_take_no_more_memory),
                cmocka_unit_test(long_pages_take_no_more_memory),
                cmocka_unit_test(the_longest_leaf_that_etcd_makes_is_looked_at_as_it_passes),
        };

        /* meson has malloc write over all that it gives, which would touch what a walk never does. */
        (void)mallopt(M_PERTURB, 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
