/* SPDX-License-Identifier: Apache-2.0 */

#include "bbolt-page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

int bbolt_damaged(const struct bbolt *db, uint64_t page, const char *format, ...)
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

int bbolt_window_load(const struct bbolt *db, struct window *window, uint64_t at, size_t size)
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

size_t bbolt_piece(uint64_t left)
{
        return left < BBOLT_PIECE_MAX ? (size_t)left : BBOLT_PIECE_MAX;
}

int bbolt_view(const struct page *page, struct window *window, uint64_t at, size_t size, const uint8_t **ret)
{
        const uint8_t *found = window_find(&page->level->elements, page->at + at, size);
        int r;

        if (!found)
                found = window_find(window, page->at + at, size);
        if (!found) {
                r = bbolt_window_load(page->db, window, page->at + at, bbolt_piece(page->size - at));
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

        return bbolt_view(place->page, &place->page->level->data, place->at + offset, size, ret);
}

int bbolt_meta_parse(const uint8_t *bytes, struct meta *ret)
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
        return bbolt_meta_parse(bytes, ret) >= 0;
}

/* The valid one with the highest transaction counts. Where the second is depends on the page size, which the
 * first one tells if it is valid. */
int bbolt_choose_meta(struct bbolt *db, uint64_t size)
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
                return bbolt_damaged(db, 0, "neither meta page is valid");
        db->meta = r > 0 && (!have_first || second.transaction > first.transaction) ? second : first;
        return 0;
}

int bbolt_meta_fits(const struct bbolt *db, uint64_t size)
{
        uint64_t pages = size / db->meta.page_size;

        if (db->meta.high_water <= META_COUNT)
                return bbolt_damaged(db, 0, "it names no page");
        if (db->meta.high_water > pages)
                return bbolt_damaged(db, 0, "it names %" PRIu64 " pages, and the file has %" PRIu64,
                                     db->meta.high_water, pages);
        return 0;
}

int bbolt_reach(struct bbolt *db, uint64_t id, uint64_t count)
{
        for (uint64_t i = id; i < id + count; i++) {
                uint8_t bit = (uint8_t)(1u << (i & 7));

                if (db->reached[i >> 3] & bit)
                        return bbolt_damaged(db, i, "it is in use twice");
                db->reached[i >> 3] |= bit;
        }
        db->n_reached += count;
        return 0;
}

int bbolt_page_check(struct page *page)
{
        page->data_at = PAGE_HEADER_SIZE + (uint64_t)page->count * ELEMENT_SIZE;
        if (page->flags != PAGE_LEAF && (page->flags != PAGE_BRANCH || page->count == 0))
                return bbolt_damaged(page->db, page->id, "it is neither branch nor leaf");
        if (page->data_at > page->size)
                return bbolt_damaged(page->db, page->id, "its %u elements do not fit", page->count);
        return 0;
}

/* bbolt writes keys and values one behind the other, in the elements' order; so no byte belongs to two, and
 * small files cannot make long work. */
int bbolt_element(struct page *page, unsigned i, struct element *ret)
{
        uint64_t at = PAGE_HEADER_SIZE + (uint64_t)i * ELEMENT_SIZE, end;
        bool leaf = page->flags == PAGE_LEAF;
        const uint8_t *bytes;
        int r;

        r = bbolt_view(page, &page->level->elements, at, ELEMENT_SIZE, &bytes);
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
                return bbolt_damaged(page->db, page->id, "element %u is not within it", i);
        if (ret->key_size == 0 || ret->key_size > BBOLT_KEY_MAX)
                return bbolt_damaged(page->db, page->id, "element %u has a key of %" PRIu32 " bytes", i,
                                     ret->key_size);
        page->data_at = end;
        return 0;
}

int bbolt_take_order(const struct page *page, const uint8_t *key, size_t size, struct order *order)
{
        int c;

        if (order->any) {
                c = memcmp(key, order->last, size < order->size ? size : order->size);
                if (c == 0)
                        c = (size > order->size) - (size < order->size);
                if (c < 0 || (c == 0 && !order->is_separator))
                        return bbolt_damaged(page->db, page->id, "its keys are not in order");
        }

        memcpy(order->last, key, size);
        order->size = size;
        order->any = true;
        order->is_separator = page->flags == PAGE_BRANCH;
        return 0;
}

int bbolt_take_key(const struct page *page, const struct element *element, struct order *order)
{
        const uint8_t *key;
        int r;

        r = bbolt_view(page, &page->level->data, element->key_at, element->key_size, &key);
        return r < 0 ? r : bbolt_take_order(page, key, element->key_size, order);
}
