/* SPDX-License-Identifier: Apache-2.0 */

#include "bbolt.h"

#include <inttypes.h>
#include <stdlib.h>

#include "bbolt-page.h"

static int load_from_file(struct bbolt *db, uint64_t id, unsigned depth, struct page *ret)
{
        struct level *level = &db->levels[depth];
        const uint8_t *header;
        uint64_t overflow;
        int r;

        r = bbolt_window_load(db, &level->elements, id * db->meta.page_size, db->meta.page_size);
        if (r < 0)
                return r;
        header = level->elements.bytes;
        overflow = get32(header + 12);
        if (get64(header) != id)
                return bbolt_damaged(db, id, "it says that it is page %" PRIu64, get64(header));
        if (overflow >= db->meta.high_water - id)
                return bbolt_damaged(db, id, "it goes on behind the end");

        *ret = (struct page){
                .db = db,
                .level = level,
                .id = id,
                .at = id * db->meta.page_size,
                .size = (overflow + 1) * db->meta.page_size,
                .flags = get16(header + 8),
                .count = get16(header + 10),
        };
        r = bbolt_reach(db, id, overflow + 1);
        if (r < 0)
                return r;
        return overflow > 0 ? bbolt_window_load(db, &level->elements, ret->at, bbolt_piece(ret->size)) : 0;
}

static int load(struct bbolt *db, uint64_t id, unsigned depth, struct page *ret)
{
        if (id < META_COUNT || id >= db->meta.high_water)
                return bbolt_damaged(db, id, "it is named, and there are %" PRIu64, db->meta.high_water);
        return db->load(db, id, depth, ret);
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
                return bbolt_damaged(outer->db, outer->id, "a bucket in it has no page");
        r = bbolt_view(outer, &outer->level->data, at, PAGE_HEADER_SIZE, &header);
        if (r < 0)
                return r;
        page.at = outer->at + at;
        page.size = element->value_size - BUCKET_HEADER_SIZE;
        page.flags = get16(header + 8);
        page.count = get16(header + 10);
        r = bbolt_page_check(&page);
        if (r < 0)
                return r;
        if (page.flags != PAGE_LEAF)
                return bbolt_damaged(outer->db, outer->id, "a bucket in it is no leaf");
        return walk_elements(&page, depth, &outer->db->of_entries);
}

static int walk_bucket(const struct page *page, const struct element *element, unsigned depth)
{
        struct bbolt *db = page->db;
        const uint8_t *header;
        uint64_t root;
        int r;

        if (element->flags != ELEMENT_IS_BUCKET || element->value_size < BUCKET_HEADER_SIZE)
                return bbolt_damaged(db, page->id, "an entry outside of the buckets");
        r = db->handler->bucket(db->of_buckets.last, db->of_buckets.size, db->handler->userdata);
        if (r < 0)
                return r;
        r = bbolt_view(page, &page->level->data, element->key_at + element->key_size, BUCKET_HEADER_SIZE,
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
                return bbolt_damaged(db, page->id, "an element is no plain entry");
        return db->handler->entry(&entry, db->handler->userdata);
}

static int walk_elements(struct page *page, unsigned depth, struct order *order)
{
        struct bbolt *db = page->db;
        int r = 0;

        for (unsigned i = 0; i < page->count && r >= 0; i++) {
                struct element element;

                r = bbolt_element(page, i, &element);
                if (r < 0)
                        return r;
                r = bbolt_take_key(page, &element, order);
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

static int walk_digest(const struct page *page, struct order *order)
{
        const struct bbolt_digest *digest = page->digest;
        int r;

        if (order == &page->db->of_buckets)
                return bbolt_damaged(page->db, page->id, "an entry outside of the buckets");
        r = bbolt_take_order(page, digest->first, digest->first_size, order);
        if (r < 0)
                return r;
        memcpy(order->last, digest->last, digest->last_size);
        order->size = digest->last_size;
        return page->db->handler->digest(digest, page->db->handler->userdata);
}

static int walk_tree(struct bbolt *db, uint64_t id, unsigned depth, struct order *order)
{
        struct page page = { 0 };
        int r;

        if (depth >= DEPTH_MAX)
                return bbolt_damaged(db, id, "the tree is deeper than %d levels", DEPTH_MAX);
        if (db->n_reached % INTERRUPT_EVERY == 0 && interrupted(db->interrupt))
                return -ECANCELED;
        r = load(db, id, depth, &page);
        if (r < 0)
                return r;
        if (page.digest)
                return walk_digest(&page, order);
        r = bbolt_page_check(&page);
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

        r = load(db, db->meta.freelist, 0, &page);
        if (r < 0)
                return r;
        if (page.flags != PAGE_FREELIST)
                return bbolt_damaged(db, page.id, "it is no list of free pages");
        count = page.count;
        if (count == FREELIST_COUNT_BIG) {
                count = get64(page.level->elements.bytes + PAGE_HEADER_SIZE);
                at += sizeof(uint64_t);
        }
        if (count > (page.size - at) / sizeof(uint64_t))
                return bbolt_damaged(db, page.id, "its %" PRIu64 " numbers do not fit", count);

        for (uint64_t i = 0; i < count; i++, at += sizeof(uint64_t)) {
                uint64_t id;

                r = bbolt_view(&page, &page.level->elements, at, sizeof(uint64_t), &bytes);
                if (r < 0)
                        return r;
                id = get64(bytes);
                if (id < META_COUNT || id >= db->meta.high_water)
                        return bbolt_damaged(db, page.id, "it names page %" PRIu64 ", which does not exist",
                                             id);
                r = bbolt_reach(db, id, 1);
                if (r < 0)
                        return r;
        }
        if (db->n_reached != db->meta.high_water - META_COUNT)
                return bbolt_damaged(db, page.id, "%" PRIu64 " pages are neither in use nor free",
                                     db->meta.high_water - META_COUNT - db->n_reached);
        return 0;
}

void bbolt_clear(struct bbolt *db)
{
        for (size_t i = 0; i < DEPTH_MAX; i++) {
                free(db->levels[i].elements.bytes);
                free(db->levels[i].data.bytes);
        }
        free(db->of_buckets.last);
        free(db->of_entries.last);
        free(db->reached);
}

int bbolt_open(struct bbolt *db)
{
        db->reached = calloc(db->meta.high_water / 8 + 1, 1);
        db->of_buckets.last = malloc(BBOLT_KEY_MAX);
        db->of_entries.last = malloc(BBOLT_KEY_MAX);
        return db->reached && db->of_buckets.last && db->of_entries.last ? 0 : -ENOMEM;
}

int bbolt_walk_all(struct bbolt *db)
{
        int r;

        r = walk_tree(db, db->meta.root, 0, &db->of_buckets);
        if (r < 0 || db->meta.freelist == FREELIST_NONE)
                return r;
        return check_freelist(db);
}

int bbolt_walk(int fd, uint64_t size, const struct bbolt_handler *handler, const struct interrupt *interrupt,
               struct failure *failure)
{
        _cleanup_(bbolt_clear) struct bbolt db = { .fd = fd,
                                                   .load = load_from_file,
                                                   .handler = handler,
                                                   .interrupt = interrupt,
                                                   .failure = failure };
        int r;

        r = bbolt_choose_meta(&db, size);
        if (r < 0)
                return r;
        r = bbolt_meta_fits(&db, size);
        if (r < 0)
                return r;
        r = bbolt_open(&db);
        if (r < 0)
                return r;
        return bbolt_walk_all(&db);
}
