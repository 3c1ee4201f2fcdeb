/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a walk over a file (bbolt.c) and one over a stream (bbolt-stream.c) share: pages and what is on them.
 * For these two alone. */

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "bbolt.h"
#include "bbolt-stream.h"

/* A page: id u64, flags u16, count u16, overflow u32, and then its elements. */
#define PAGE_HEADER_SIZE 16
#define ELEMENT_SIZE     16
#define PAGE_SIZE_MIN    1024 /* bbolt looks for the second meta page from here */
#define PAGE_SIZE_MAX    65536

enum { PAGE_BRANCH = 0x01, PAGE_LEAF = 0x02, PAGE_FREELIST = 0x10 };

/* The two pages at the beginning: behind the header magic u32, version u32, page size u32, flags u32, root
 * page u64 and sequence u64, free list's page u64, high water mark u64, transaction u64, FNV-1a of these. */
#define META_SIZE          64
#define META_MAGIC         0xED0CDAEDu
#define META_VERSION       2
#define META_COUNT         2
#define META_REACH         (PAGE_SIZE_MAX + PAGE_HEADER_SIZE + META_SIZE) /* both are within so many bytes */
#define FREELIST_NONE      UINT64_MAX /* not stored: what no page reaches is free */
#define FREELIST_COUNT_BIG 0xFFFF     /* the count is the first of the numbers */

#define BUCKET_HEADER_SIZE 16 /* root page u64, sequence u64; root 0: its only page follows inline */
#define ELEMENT_IS_BUCKET  1

/* Two to four levels are usual. With two keys in each branch, this many would hold more pages than a file
 * has. */
#define DEPTH_MAX       32
#define INTERRUPT_EVERY 1024 /* pages */

struct meta {
        uint32_t page_size;
        uint64_t root, freelist, high_water, transaction;
};

/* A stretch of the file in memory. */
struct window {
        uint64_t at;
        size_t size, capacity;
        uint8_t *bytes;
};

/* Where the bytes of one level's page come from: the first window holds the page, or where that is too large
 * for it, slides over its elements, while the second one slides over keys and values. */
struct level {
        struct window elements, data;
};

/* The keys of a tree so far. */
struct order {
        uint8_t *last;
        size_t size;
        bool any, is_separator; /* of a branch: the first key below may be the same */
};

struct page;

struct bbolt {
        int fd;
        /* Finds a page that has such a number, and enters what it covers as reached. */
        int (*load)(struct bbolt *db, uint64_t id, unsigned depth, struct page *ret);
        const struct bbolt_handler *handler;
        const struct interrupt *interrupt;
        struct failure *failure;
        struct meta meta;
        uint8_t *reached; /* a bit per page */
        uint64_t n_reached;
        struct level levels[DEPTH_MAX];
        struct order of_buckets, of_entries;
};

/* A page with its overflow, or the one that is inline in a bucket's value. */
struct page {
        struct bbolt *db;
        struct level *level;
        uint64_t id;
        uint64_t at, size; /* in the file */
        uint16_t flags, count;
        uint64_t data_at;                  /* keys and values not seen yet begin here, or behind */
        const struct bbolt_digest *digest; /* instead of its bytes: a leaf that was looked at as it came */
};

struct element {
        uint32_t flags;
        uint64_t child;
        uint64_t key_at;
        uint32_t key_size, value_size;
};

struct bbolt_place {
        const struct page *page;
        uint64_t at; /* in the page */
};

static inline uint16_t get16(const uint8_t *at)
{
        uint16_t value;

        memcpy(&value, at, sizeof(value));
        return le16toh(value);
}

static inline uint32_t get32(const uint8_t *at)
{
        uint32_t value;

        memcpy(&value, at, sizeof(value));
        return le32toh(value);
}

static inline uint64_t get64(const uint8_t *at)
{
        uint64_t value;

        memcpy(&value, at, sizeof(value));
        return le64toh(value);
}

int bbolt_damaged(const struct bbolt *db, uint64_t page, const char *format, ...) _printf_(3, 4);

/* Reads a stretch of the file into the window. */
int bbolt_window_load(const struct bbolt *db, struct window *window, uint64_t at, size_t size);
/* Of what is left, as much as a window takes. */
size_t bbolt_piece(uint64_t left);
/* Bytes of a page through one of its windows, which moves there if need be. */
int bbolt_view(const struct page *page, struct window *window, uint64_t at, size_t size, const uint8_t **ret);

/* -EBADMSG: no valid one. */
int bbolt_meta_parse(const uint8_t *bytes, struct meta *ret);
/* Reads both meta pages, which lie in the first META_REACH bytes of the `size`, and takes the one that
 * counts.
 */
int bbolt_choose_meta(struct bbolt *db, uint64_t size);
int bbolt_meta_fits(const struct bbolt *db, uint64_t size);

/* Every page is reached from one place only. */
int bbolt_reach(struct bbolt *db, uint64_t id, uint64_t count);
int bbolt_page_check(struct page *page);
int bbolt_element(struct page *page, unsigned i, struct element *ret);
/* Holds a key against the one before: in a branch it is the least that the child's keys may be, in a leaf it
 * is larger than all before. */
int bbolt_take_order(const struct page *page, const uint8_t *key, size_t size, struct order *order);
int bbolt_take_key(const struct page *page, const struct element *element, struct order *order);

/* From the root to the last leaf, and through the list of free pages, by db->load. */
int bbolt_walk_all(struct bbolt *db);
int bbolt_open(struct bbolt *db); /* -ENOMEM */
void bbolt_clear(struct bbolt *db);
