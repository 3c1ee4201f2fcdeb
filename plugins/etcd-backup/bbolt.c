/* SPDX-License-Identifier: Apache-2.0 */

#include "bbolt.h"

#include <endian.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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

struct bbolt {
        int fd;
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
        uint64_t data_at; /* keys and values not seen yet begin here, or behind */
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

static uint16_t get16(const uint8_t *at)
{
        uint16_t value;

        memcpy(&value, at, sizeof(value));
        return le16toh(value);
}

static uint32_t get32(const uint8_t *at)
{
        uint32_t value;

        memcpy(&value, at, sizeof(value));
        return le32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
        uint64_t value;

        memcpy(&value, at, sizeof(value));
        return le64toh(value);
}

static int damaged(const struct bbolt *db, uint64_t page, const char *format, ...) _printf_(3, 4);
static int damaged(const struct bbolt *db, uint64_t page, const char *format, ...)
{
        char what[160];
        va_list list;

        va_start(list, format);
        (void)vsnprintf(what, sizeof(what), format, list);
        va_end(list);
        return failure_set(db->failure, -EBADMSG, "DatabaseDamaged", "page %" PRIu64 " of the database: %s",
                           page, what);
}

static int read_at(const struct bbolt *db, uint64_t at, uint8_t *bytes, size_t size)
{
        while (size > 0) {
                ssize_t n = pread(db->fd, bytes, size, (off_t)at);
                int r = n < 0 ? -errno : -EIO; /* 0: cut while it was read */

                if (r == -EINTR && n < 0)
                        continue;
                if (n <= 0)
                        return failure_set(db->failure, r, "ReadFailed",
                                           "cannot read the database at %" PRIu64 ": %s", at, strerror(-r));
                bytes += n;
                at += (uint64_t)n;
                size -= (size_t)n;
        }
        return 0;
}

static int window_load(const struct bbolt *db, struct window *window, uint64_t at, size_t size)
{
        int r;

        window->size = 0;
        if (size > window->capacity) {
                free(window->bytes);
                window->capacity = 0;
                window->bytes = malloc(size);
                if (!window->bytes)
                        return -ENOMEM;
                window->capacity = size;
        }
        r = read_at(db, at, window->bytes, size);
        if (r < 0)
                return r;
        window->at = at;
        window->size = size;
        return 0;
}

static const uint8_t *window_find(const struct window *window, uint64_t at, size_t size)
{
        if (at < window->at || size > window->size || at - window->at > window->size - size)
                return NULL;
        return window->bytes + (at - window->at);
}

static size_t piece_size(uint64_t left)
{
        return left < BBOLT_PIECE_MAX ? (size_t)left : BBOLT_PIECE_MAX;
}

/* Bytes of a page through one of its windows, which moves there if need be. */
static int page_view(const struct page *page, struct window *window, uint64_t at, size_t size,
                     const uint8_t **ret)
{
        const uint8_t *found = window_find(&page->level->elements, page->at + at, size);
        int r;

        if (!found)
                found = window_find(window, page->at + at, size);
        if (!found) {
                r = window_load(page->db, window, page->at + at, piece_size(page->size - at));
                if (r < 0)
                        return r;
                found = window->bytes;
        }
        *ret = found;
        return 0;
}

int bbolt_value(const struct bbolt_entry *entry, uint64_t offset, size_t size, const uint8_t **ret)
{
        const struct bbolt_place *place = entry->value;

        return page_view(place->page, &place->page->level->data, place->at + offset, size, ret);
}

static int parse_meta(const uint8_t *bytes, struct meta *ret)
{
        uint64_t fnv = UINT64_C(14695981039346656037);

        bytes += PAGE_HEADER_SIZE;
        for (size_t i = 0; i < META_SIZE - sizeof(fnv); i++)
                fnv = (fnv ^ bytes[i]) * UINT64_C(1099511628211);
        if (get32(bytes) != META_MAGIC || get32(bytes + 4) != META_VERSION || get64(bytes + 56) != fnv)
                return -EBADMSG;

        *ret = (struct meta){
                .page_size = get32(bytes + 8),
                .root = get64(bytes + 16),
                .freelist = get64(bytes + 32),
                .high_water = get64(bytes + 40),
                .transaction = get64(bytes + 48),
        };
        if (ret->page_size < PAGE_SIZE_MIN || ret->page_size > PAGE_SIZE_MAX ||
            (ret->page_size & (ret->page_size - 1)) != 0)
                return -EBADMSG;
        return 0;
}

/* Returns 1, or 0 when there is no valid one. */
static int read_meta(const struct bbolt *db, uint64_t size, uint64_t at, struct meta *ret)
{
        uint8_t bytes[PAGE_HEADER_SIZE + META_SIZE];
        int r;

        if (size < sizeof(bytes) || at > size - sizeof(bytes))
                return 0;
        r = read_at(db, at, bytes, sizeof(bytes));
        if (r < 0)
                return r;
        return parse_meta(bytes, ret) >= 0;
}

/* The valid one with the highest transaction counts. Where the second is depends on the page size, which the
 * first one tells if it is valid. */
static int choose_meta(struct bbolt *db, uint64_t size)
{
        struct meta first, second;
        int have_first, r = 0;

        have_first = read_meta(db, size, 0, &first);
        if (have_first < 0)
                return have_first;
        for (uint32_t at = have_first ? first.page_size : PAGE_SIZE_MIN; at <= PAGE_SIZE_MAX && r == 0;
             at *= 2) {
                r = read_meta(db, size, at, &second);
                if (r < 0)
                        return r;
                if (r > 0 && second.page_size != at)
                        r = 0;
                if (have_first)
                        break;
        }
        if (!have_first && r == 0)
                return damaged(db, 0, "neither meta page is valid");
        db->meta = r > 0 && (!have_first || second.transaction > first.transaction) ? second : first;
        return 0;
}

static int check_size(const struct bbolt *db, uint64_t size)
{
        uint64_t pages = size / db->meta.page_size;

        if (db->meta.high_water <= META_COUNT)
                return damaged(db, 0, "it names no page");
        if (db->meta.high_water > pages)
                return damaged(db, 0, "it names %" PRIu64 " pages, and the file has %" PRIu64,
                               db->meta.high_water, pages);
        return 0;
}

/* Every page is reached from one place only. */
static int reach(struct bbolt *db, uint64_t id, uint64_t count)
{
        for (uint64_t i = id; i < id + count; i++) {
                uint8_t bit = (uint8_t)(1u << (i & 7));

                if (db->reached[i >> 3] & bit)
                        return damaged(db, i, "it is in use twice");
                db->reached[i >> 3] |= bit;
        }
        db->n_reached += count;
        return 0;
}

static int page_load(struct bbolt *db, uint64_t id, unsigned depth, struct page *ret)
{
        const uint64_t high_water = db->meta.high_water;
        struct level *level = &db->levels[depth];
        const uint8_t *header;
        uint64_t overflow;
        int r;

        if (id < META_COUNT || id >= high_water)
                return damaged(db, id, "it is named, and there are %" PRIu64, high_water);
        r = window_load(db, &level->elements, id * db->meta.page_size, db->meta.page_size);
        if (r < 0)
                return r;
        header = level->elements.bytes;
        overflow = get32(header + 12);
        if (get64(header) != id)
                return damaged(db, id, "it says that it is page %" PRIu64, get64(header));
        if (overflow >= high_water - id)
                return damaged(db, id, "it goes on behind the end");

        *ret = (struct page){
                .db = db,
                .level = level,
                .id = id,
                .at = id * db->meta.page_size,
                .size = (overflow + 1) * db->meta.page_size,
                .flags = get16(header + 8),
                .count = get16(header + 10),
        };
        r = reach(db, id, overflow + 1);
        if (r < 0)
                return r;
        return overflow > 0 ? window_load(db, &level->elements, ret->at, piece_size(ret->size)) : 0;
}

static int page_check(struct page *page)
{
        page->data_at = PAGE_HEADER_SIZE + (uint64_t)page->count * ELEMENT_SIZE;
        if (page->flags != PAGE_LEAF && (page->flags != PAGE_BRANCH || page->count == 0))
                return damaged(page->db, page->id, "it is neither branch nor leaf");
        if (page->data_at > page->size)
                return damaged(page->db, page->id, "its %u elements do not fit", page->count);
        return 0;
}

/* bbolt writes keys and values one behind the other, in the elements' order; so no byte belongs to two, and
 * small files cannot make long work. */
static int element_get(struct page *page, unsigned i, struct element *ret)
{
        uint64_t at = PAGE_HEADER_SIZE + (uint64_t)i * ELEMENT_SIZE, end;
        bool leaf = page->flags == PAGE_LEAF;
        const uint8_t *bytes;
        int r;

        r = page_view(page, &page->level->elements, at, ELEMENT_SIZE, &bytes);
        if (r < 0)
                return r;
        *ret = leaf ? (struct element){ .flags = get32(bytes),
                                        .key_at = at + get32(bytes + 4),
                                        .key_size = get32(bytes + 8),
                                        .value_size = get32(bytes + 12) }
                    : (struct element){ .key_at = at + get32(bytes),
                                        .key_size = get32(bytes + 4),
                                        .child = get64(bytes + 8) };

        end = ret->key_at + ret->key_size + ret->value_size;
        if (ret->key_at < page->data_at || end > page->size)
                return damaged(page->db, page->id, "element %u is not within it", i);
        if (ret->key_size == 0 || ret->key_size > BBOLT_KEY_MAX)
                return damaged(page->db, page->id, "element %u has a key of %" PRIu32 " bytes", i,
                               ret->key_size);
        page->data_at = end;
        return 0;
}

/* Reads the element's key and holds it against the one before: in a branch it is the least that the child's
 * keys may be, in a leaf it is larger than all before. */
static int take_key(const struct page *page, const struct element *element, struct order *order)
{
        bool separator = page->flags == PAGE_BRANCH;
        const uint8_t *key;
        int c, r;

        r = page_view(page, &page->level->data, element->key_at, element->key_size, &key);
        if (r < 0)
                return r;
        if (order->any) {
                c = memcmp(key, order->last,
                           element->key_size < order->size ? element->key_size : order->size);
                if (c == 0)
                        c = (element->key_size > order->size) - (element->key_size < order->size);
                if (c < 0 || (c == 0 && !order->is_separator))
                        return damaged(page->db, page->id, "its keys are not in order");
        }

        memcpy(order->last, key, element->key_size);
        order->size = element->key_size;
        order->any = true;
        order->is_separator = separator;
        return 0;
}

static int walk_tree(struct bbolt *db, uint64_t id, unsigned depth, struct order *order);
static int walk_elements(struct page *page, unsigned depth, struct order *order);

static int walk_inline(const struct page *outer, const struct element *element, unsigned depth)
{
        uint64_t at = element->key_at + element->key_size + BUCKET_HEADER_SIZE;
        struct page page = *outer;
        const uint8_t *header;
        int r;

        if (element->value_size < BUCKET_HEADER_SIZE + PAGE_HEADER_SIZE)
                return damaged(outer->db, outer->id, "a bucket in it has no page");
        r = page_view(outer, &outer->level->data, at, PAGE_HEADER_SIZE, &header);
        if (r < 0)
                return r;
        page.at = outer->at + at;
        page.size = element->value_size - BUCKET_HEADER_SIZE;
        page.flags = get16(header + 8);
        page.count = get16(header + 10);
        r = page_check(&page);
        if (r < 0)
                return r;
        if (page.flags != PAGE_LEAF)
                return damaged(outer->db, outer->id, "a bucket in it is no leaf");
        return walk_elements(&page, depth, &outer->db->of_entries);
}

static int walk_bucket(const struct page *page, const struct element *element, unsigned depth)
{
        struct bbolt *db = page->db;
        const uint8_t *header;
        uint64_t root;
        int r;

        if (element->flags != ELEMENT_IS_BUCKET || element->value_size < BUCKET_HEADER_SIZE)
                return damaged(db, page->id, "an entry outside of the buckets");
        r = db->handler->bucket(db->of_buckets.last, db->of_buckets.size, db->handler->userdata);
        if (r < 0)
                return r;
        r = page_view(page, &page->level->data, element->key_at + element->key_size, BUCKET_HEADER_SIZE,
                      &header);
        if (r < 0)
                return r;
        root = get64(header);
        db->of_entries.any = false;
        return root == 0 ? walk_inline(page, element, depth)
                         : walk_tree(db, root, depth + 1, &db->of_entries);
}

static int walk_entry(const struct page *page, const struct element *element)
{
        struct bbolt *db = page->db;
        struct bbolt_place place = { .page = page, .at = element->key_at + element->key_size };
        const struct bbolt_entry entry = {
                .key = db->of_entries.last,
                .key_size = db->of_entries.size,
                .value_size = element->value_size,
                .value = &place,
        };

        if (element->flags != 0)
                return damaged(db, page->id, "an element is no plain entry");
        return db->handler->entry(&entry, db->handler->userdata);
}

static int walk_elements(struct page *page, unsigned depth, struct order *order)
{
        struct bbolt *db = page->db;
        int r = 0;

        for (unsigned i = 0; i < page->count && r >= 0; i++) {
                struct element element;

                r = element_get(page, i, &element);
                if (r < 0)
                        return r;
                r = take_key(page, &element, order);
                if (r < 0)
                        return r;
                if (page->flags == PAGE_BRANCH)
                        r = walk_tree(db, element.child, depth + 1, order);
                else if (order == &db->of_buckets)
                        r = walk_bucket(page, &element, depth);
                else
                        r = walk_entry(page, &element);
        }
        return r;
}

static int walk_tree(struct bbolt *db, uint64_t id, unsigned depth, struct order *order)
{
        struct page page;
        int r;

        if (depth >= DEPTH_MAX)
                return damaged(db, id, "the tree is deeper than %d levels", DEPTH_MAX);
        if (db->n_reached % INTERRUPT_EVERY == 0 && interrupted(db->interrupt))
                return -ECANCELED;
        r = page_load(db, id, depth, &page);
        if (r < 0)
                return r;
        r = page_check(&page);
        if (r < 0)
                return r;
        return walk_elements(&page, depth, order);
}

/* The pages that it names are just those that nothing reaches. */
static int check_freelist(struct bbolt *db)
{
        uint64_t count, at = PAGE_HEADER_SIZE;
        const uint8_t *bytes;
        struct page page;
        int r;

        r = page_load(db, db->meta.freelist, 0, &page);
        if (r < 0)
                return r;
        if (page.flags != PAGE_FREELIST)
                return damaged(db, page.id, "it is no list of free pages");
        count = page.count;
        if (count == FREELIST_COUNT_BIG) {
                count = get64(page.level->elements.bytes + PAGE_HEADER_SIZE);
                at += sizeof(uint64_t);
        }
        if (count > (page.size - at) / sizeof(uint64_t))
                return damaged(db, page.id, "its %" PRIu64 " numbers do not fit", count);

        for (uint64_t i = 0; i < count; i++, at += sizeof(uint64_t)) {
                uint64_t id;

                r = page_view(&page, &page.level->elements, at, sizeof(uint64_t), &bytes);
                if (r < 0)
                        return r;
                id = get64(bytes);
                if (id < META_COUNT || id >= db->meta.high_water)
                        return damaged(db, page.id, "it names page %" PRIu64 ", which does not exist", id);
                r = reach(db, id, 1);
                if (r < 0)
                        return r;
        }
        if (db->n_reached != db->meta.high_water - META_COUNT)
                return damaged(db, page.id, "%" PRIu64 " pages are neither in use nor free",
                               db->meta.high_water - META_COUNT - db->n_reached);
        return 0;
}

static void bbolt_clear(struct bbolt *db)
{
        for (size_t i = 0; i < DEPTH_MAX; i++) {
                free(db->levels[i].elements.bytes);
                free(db->levels[i].data.bytes);
        }
        free(db->of_buckets.last);
        free(db->of_entries.last);
        free(db->reached);
}

int bbolt_walk(int fd, uint64_t size, const struct bbolt_handler *handler, const struct interrupt *interrupt,
               struct failure *failure)
{
        _cleanup_(bbolt_clear) struct bbolt db = {
                .fd = fd, .handler = handler, .interrupt = interrupt, .failure = failure
        };
        int r;

        r = choose_meta(&db, size);
        if (r < 0)
                return r;
        r = check_size(&db, size);
        if (r < 0)
                return r;
        db.reached = calloc(db.meta.high_water / 8 + 1, 1);
        db.of_buckets.last = malloc(BBOLT_KEY_MAX);
        db.of_entries.last = malloc(BBOLT_KEY_MAX);
        if (!db.reached || !db.of_buckets.last || !db.of_entries.last)
                return -ENOMEM;

        r = walk_tree(&db, db.meta.root, 0, &db.of_buckets);
        if (r < 0 || db.meta.freelist == FREELIST_NONE)
                return r;
        return check_freelist(&db);
}
