/* SPDX-License-Identifier: Apache-2.0 */

#include "bbolt-stream.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "bbolt-page.h"
#include "scratch.h"

/* A page with its overflow; etcd's requests are at most 1.5 MiB, and a leaf of up to four records is never
 * split (bbolt: node.go, splitTwo). */
#define SPAN_MAX (UINT64_C(13) << 19)
/* Pages that began and have not ended. One over the other is only what is left of freed ones. */
#define OPEN_MAX 64
/* All pages that are looked at, stale ones included, and the bytes kept of them. A made-up file could ask for
 * far more. */
#define WORK_MAX(size) (4 * (size) + (UINT64_C(64) << 20))
#define KEPT_MAX(size) ((size) / 4 + (UINT64_C(16) << 20))

enum kind { NO_PAGE, DIGEST, KEPT, DAMAGED, TOO_LONG };

/* What is known of the page that has this number; all zero where none begins. */
struct record {
        uint8_t kind;
        uint32_t span; /* pages */
        union {
                struct bbolt_digest digest;
                struct {
                        uint64_t at; /* among the kept bytes: the page, or what is wrong with it */
                        uint64_t size;
                };
        };
};

#define BLOCK_RECORDS 64
#define CACHE_BLOCKS  128

struct block {
        uint64_t number; /* plus 1; 0: empty */
        struct record records[BLOCK_RECORDS];
};

struct open_page {
        uint64_t id, end;
};

struct bbolt_stream {
        struct bbolt db; /* as the walk at the end sees it */
        const struct bbolt_digester *digester;
        uint64_t size, received;
        int error;    /* no walk any more */
        bool walking; /* all records are in their file */

        uint8_t *held; /* bytes that are needed still */
        size_t held_size, held_capacity;
        uint64_t held_at;
        uint64_t next; /* the page to begin next */
        struct open_page open[OPEN_MAX];
        size_t n_open;
        uint64_t work;

        struct scratch kept, records;
        struct block *blocks; /* the last of the records, and at the end a cache of them */
        struct order order;   /* of the keys in the leaf that is looked at */
};

struct bbolt_stream *bbolt_stream_free(struct bbolt_stream *stream)
{
        if (!stream)
                return NULL;
        bbolt_clear(&stream->db);
        scratch_close(&stream->kept);
        scratch_close(&stream->records);
        free(stream->held);
        free(stream->blocks);
        free(stream->order.last);
        free(stream);
        return NULL;
}

int bbolt_stream_new(uint64_t size, const char *const *directories, const struct bbolt_digester *digester,
                     struct bbolt_stream **ret)
{
        _cleanup_(bbolt_stream_freep) struct bbolt_stream *stream = calloc(1, sizeof(*stream));

        if (!stream)
                return -ENOMEM;
        stream->kept.fd = stream->records.fd = -EBADF;
        stream->size = size;
        stream->digester = digester;
        stream->blocks = calloc(CACHE_BLOCKS, sizeof(*stream->blocks));
        stream->order.last = malloc(BBOLT_KEY_MAX);
        if (!stream->blocks || !stream->order.last)
                return -ENOMEM;

        scratch_open(&stream->kept, directories, size / 32 + META_REACH);
        scratch_open(&stream->records, directories, size / 32 + META_REACH);
        stream->error = stream->kept.error ?: stream->records.error;
        stream->db.fd = stream->kept.fd;
        *ret = TAKE_PTR(stream);
        return 0;
}

static void give_up(struct bbolt_stream *stream, int error)
{
        if (stream->error >= 0)
                stream->error = error;
        free(stream->held);
        stream->held = NULL;
        stream->held_size = stream->held_capacity = 0;
}

static void write_block(struct bbolt_stream *stream, const struct block *block)
{
        off_t at = (off_t)((block->number - 1) * sizeof(block->records));
        ssize_t n = pwrite(stream->records.fd, block->records, sizeof(block->records), at);

        if (n != (ssize_t)sizeof(block->records))
                give_up(stream, n < 0 ? -errno : -ENOSPC);
}

static void read_block(struct bbolt_stream *stream, struct block *block)
{
        off_t at = (off_t)((block->number - 1) * sizeof(block->records));
        ssize_t n = pread(stream->records.fd, block->records, sizeof(block->records), at);

        if (n < 0)
                give_up(stream, -errno);
        else /* behind the last that was written */
                memset((uint8_t *)block->records + n, 0, sizeof(block->records) - (size_t)n);
}

/* Pages end nearly in the order in which they begin, so a block is rarely needed again before the walk. */
static struct record *record_of(struct bbolt_stream *stream, uint64_t id)
{
        uint64_t number = id / BLOCK_RECORDS + 1;
        struct block *block = &stream->blocks[number % CACHE_BLOCKS];

        if (block->number != number) {
                if (block->number != 0 && !stream->walking)
                        write_block(stream, block);
                block->number = number;
                read_block(stream, block);
        }
        return &block->records[id % BLOCK_RECORDS];
}

static void keep(struct bbolt_stream *stream, uint64_t id, const void *data, size_t size,
                 struct record record)
{
        if (stream->kept.size + size > KEPT_MAX(stream->size)) {
                give_up(stream, -EOPNOTSUPP);
                return;
        }
        record.at = stream->kept.size;
        record.size = size;
        scratch_write(&stream->kept, data, size);
        if (stream->kept.error < 0)
                give_up(stream, stream->kept.error);
        else
                *record_of(stream, id) = record;
}

static int digest_entry(struct page *page, unsigned i, struct bbolt_stream *stream,
                        struct bbolt_digest *digest, struct failure *failure)
{
        struct order *order = &stream->order;
        struct element element;
        int r;

        r = bbolt_element(page, i, &element);
        if (r < 0)
                return r;
        r = bbolt_take_key(page, &element, order);
        if (r < 0)
                return r;
        if (element.flags != 0)
                return bbolt_damaged(page->db, page->id, "an element is no plain entry");

        r = stream->digester->add(
                &(struct bbolt_entry){
                        .key = order->last,
                        .key_size = order->size,
                        .value_size = element.value_size,
                        .value = &(struct bbolt_place){ page, element.key_at + element.key_size },
                },
                digest, failure);
        if (r < 0)
                return r;
        digest->entries++;
        if (i == 0) {
                digest->first_size = (uint8_t)order->size;
                memcpy(digest->first, order->last, order->size);
        }
        return 0;
}

static int digest_leaf(struct bbolt_stream *stream, struct page *page, struct bbolt_digest *ret)
{
        struct bbolt_digest digest = {};
        int r = 0;

        for (unsigned i = 0; i < page->count && r >= 0; i++)
                r = digest_entry(page, i, stream, &digest, page->db->failure);
        if (r < 0)
                return r;
        digest.last_size = (uint8_t)stream->order.size;
        memcpy(digest.last, stream->order.last, stream->order.size);
        *ret = digest;
        return 0;
}

/* Whether it is a leaf of records, 0 or 1. A bucket stands in none but the tree's root. */
static int holds_records(struct bbolt_stream *stream, const struct page *page)
{
        struct page first = *page;
        struct element element;
        const uint8_t *key;
        int r;

        if (page->flags != PAGE_LEAF || page->count == 0 || page->id == stream->db.meta.root)
                return 0;
        r = bbolt_element(&first, 0, &element);
        if (r < 0)
                return r;
        if (element.flags != 0)
                return bbolt_damaged(page->db, page->id, "an element is no plain entry");
        r = bbolt_view(&first, &first.level->data, element.key_at, element.key_size, &key);
        return r < 0 ? r : stream->digester->is_record(key, element.key_size);
}

static int look_at(struct bbolt_stream *stream, struct page *page, struct record *record)
{
        int r;

        if (page->flags == PAGE_FREELIST)
                return 0;
        r = bbolt_page_check(page);
        if (r < 0)
                return r;
        r = holds_records(stream, page);
        if (r <= 0)
                return r;
        r = digest_leaf(stream, page, &record->digest);
        if (r >= 0)
                record->kind = DIGEST;
        return r;
}

/* All of the page is there. */
static void end_page(struct bbolt_stream *stream, uint64_t id, uint64_t end, const uint8_t *bytes)
{
        _cleanup_failure_ failure = {};
        const size_t size = (size_t)((end - id) * stream->db.meta.page_size);
        struct level level = { .elements = { id * stream->db.meta.page_size, size, 0, (uint8_t *)bytes } };
        struct page page = { .db = &stream->db,
                             .level = &level,
                             .id = id,
                             .at = level.elements.at,
                             .size = size,
                             .flags = get16(bytes + 8),
                             .count = get16(bytes + 10) };
        struct record record = { .kind = KEPT, .span = (uint32_t)(end - id) };
        int r;

        stream->work += size;
        if (stream->work > WORK_MAX(stream->size)) {
                give_up(stream, -EOPNOTSUPP);
                return;
        }
        stream->order.any = false;
        stream->db.failure = &failure;
        r = look_at(stream, &page, &record);
        stream->db.failure = NULL;
        if (r == -EBADMSG) {
                record.kind = DAMAGED;
                keep(stream, id, failure.message, strlen(failure.message), record);
        } else if (r < 0) {
                give_up(stream, r);
        } else if (record.kind == KEPT) {
                keep(stream, id, bytes, size, record);
        } else {
                *record_of(stream, id) = record;
        }
}

/* Whether a page may begin here, and behind which one it ends. */
static bool begins_page(const struct bbolt *db, uint64_t id, const uint8_t *header, uint64_t *ret_end)
{
        uint16_t flags = get16(header + 8);
        uint64_t overflow = get32(header + 12);

        if (get64(header) != id || overflow >= db->meta.high_water - id)
                return false;
        if (flags != PAGE_LEAF && flags != PAGE_BRANCH && (flags != PAGE_FREELIST || id != db->meta.freelist))
                return false;
        *ret_end = id + overflow + 1;
        return true;
}

static void begin_page(struct bbolt_stream *stream, uint64_t id, uint64_t end)
{
        if ((end - id) * stream->db.meta.page_size > SPAN_MAX)
                *record_of(stream, id) = (struct record){ .kind = TOO_LONG, .span = (uint32_t)(end - id) };
        else if (stream->n_open == OPEN_MAX)
                give_up(stream, -EOPNOTSUPP);
        else
                stream->open[stream->n_open++] = (struct open_page){ id, end };
}

/* Looks at what can be looked at of the bytes. Returns where the first that are needed again begin. */
static uint64_t look_through(struct bbolt_stream *stream, const uint8_t *bytes, uint64_t at, uint64_t size)
{
        const uint64_t page_size = stream->db.meta.page_size, pages = (at + size) / page_size;
        uint64_t first, end;
        size_t still = 0;

        for (size_t i = 0; i < stream->n_open && stream->error >= 0; i++) {
                struct open_page page = stream->open[i];

                if (page.end > pages)
                        stream->open[still++] = page;
                else
                        end_page(stream, page.id, page.end, bytes + (page.id * page_size - at));
        }
        stream->n_open = still;
        for (; stream->next < pages && stream->next < stream->db.meta.high_water && stream->error >= 0;
             stream->next++) {
                const uint8_t *header = bytes + (stream->next * page_size - at);

                if (!begins_page(&stream->db, stream->next, header, &end))
                        continue;
                if (end <= pages)
                        end_page(stream, stream->next, end, header);
                else
                        begin_page(stream, stream->next, end);
        }

        first = stream->next < stream->db.meta.high_water ? stream->next : pages;
        for (size_t i = 0; i < stream->n_open; i++)
                if (stream->open[i].id < first)
                        first = stream->open[i].id;
        return first * page_size;
}

static void hold(struct bbolt_stream *stream, const uint8_t *data, size_t size)
{
        if (size == 0) /* an empty piece may have no address, which memcpy must not see */
                return;
        if (stream->held_size + size > stream->held_capacity) {
                size_t capacity = 2 * (stream->held_size + size);
                uint8_t *held = realloc(stream->held, capacity);

                if (!held) {
                        give_up(stream, -ENOMEM);
                        return;
                }
                stream->held = held;
                stream->held_capacity = capacity;
        }
        memcpy(stream->held + stream->held_size, data, size);
        stream->held_size += size;
}

/* Lets go of held bytes before `first`, when they are many; to move the rest costs as much. */
static void let_go(struct bbolt_stream *stream, uint64_t first)
{
        uint64_t gone = first > stream->held_at ? first - stream->held_at : 0;

        if (gone >= stream->held_size) {
                stream->held_at += stream->held_size;
                stream->held_size = 0;
        } else if (gone >= stream->held_size / 2) {
                memmove(stream->held, stream->held + gone, stream->held_size - (size_t)gone);
                stream->held_at += gone;
                stream->held_size -= (size_t)gone;
        }
}

/* Both meta pages are at the beginning; their reader takes them from a file. */
static void begin(struct bbolt_stream *stream)
{
        int r;

        scratch_write(&stream->kept, stream->held, stream->held_size);
        if (stream->kept.error < 0) {
                give_up(stream, stream->kept.error);
                return;
        }
        r = bbolt_choose_meta(&stream->db, stream->held_size);
        if (r >= 0)
                r = bbolt_meta_fits(&stream->db, stream->size);
        if (r < 0)
                give_up(stream, r);
        stream->next = META_COUNT;
}

void bbolt_stream_add(struct bbolt_stream *stream, const void *data, size_t size)
{
        const uint8_t *bytes = data;
        uint64_t at = stream->received, first;

        stream->received += size;
        if (stream->error < 0)
                return;
        if (stream->held_size > 0 || stream->next == 0) {
                hold(stream, bytes, size);
                if (stream->error >= 0 && stream->next == 0 &&
                    (stream->held_size >= META_REACH || stream->received >= stream->size))
                        begin(stream);
                if (stream->error < 0 || stream->next == 0)
                        return;
                let_go(stream, look_through(stream, stream->held, stream->held_at, stream->held_size));
                return;
        }

        first = look_through(stream, bytes, at, size);
        stream->held_at = first < at ? at : first;
        if (stream->error >= 0 && stream->held_at < at + size)
                hold(stream, bytes + (stream->held_at - at), (size_t)(at + size - stream->held_at));
}

static int not_walked(const struct bbolt *db, uint64_t id)
{
        return failure_set(
                db->failure, -EOPNOTSUPP, "DatabaseNotWalked",
                "proven by its hashes only: page %llu of the database lies so that one pass through it "
                "does not do",
                (unsigned long long)id);
}

static int damaged_before(struct bbolt *db, const struct record *record)
{
        char what[256] = "";
        size_t size = record->size < sizeof(what) ? (size_t)record->size : sizeof(what) - 1;

        if (pread(db->fd, what, size, (off_t)record->at) < 0)
                return -errno;
        return failure_set(db->failure, -EBADMSG, "DatabaseDamaged", "%s", what);
}

static int load_kept(struct bbolt *db, uint64_t id, unsigned depth, const struct record *record,
                     struct page *ret)
{
        struct level *level = &db->levels[depth];
        int r;

        r = bbolt_window_load(db, &level->elements, record->at, bbolt_piece(record->size));
        if (r < 0)
                return r;
        *ret = (struct page){ .db = db,
                              .level = level,
                              .id = id,
                              .at = record->at,
                              .size = record->size,
                              .flags = get16(level->elements.bytes + 8),
                              .count = get16(level->elements.bytes + 10) };
        return 0;
}

static int load_from_stream(struct bbolt *db, uint64_t id, unsigned depth, struct page *ret)
{
        struct bbolt_stream *stream = (struct bbolt_stream *)((char *)db - offsetof(struct bbolt_stream, db));
        const struct record *record = record_of(stream, id);
        int r;

        if (stream->error < 0)
                return stream->error;
        switch ((enum kind)record->kind) {
        case NO_PAGE:
                return bbolt_damaged(db, id, "it is named, and no page begins there");
        case DAMAGED:
                return damaged_before(db, record);
        case TOO_LONG:
                return not_walked(db, id);
        case KEPT:
                r = bbolt_reach(db, id, record->span);
                return r < 0 ? r : load_kept(db, id, depth, record, ret);
        case DIGEST:
                *ret = (struct page){ .db = db, .id = id, .flags = PAGE_LEAF, .digest = &record->digest };
                return bbolt_reach(db, id, record->span);
        }
        return -EBADMSG;
}

/* The records of the last pages go to the file too, so that the blocks can serve as a cache of it. */
static void flush(struct bbolt_stream *stream)
{
        for (size_t i = 0; i < CACHE_BLOCKS && stream->error >= 0; i++)
                if (stream->blocks[i].number != 0)
                        write_block(stream, &stream->blocks[i]);
}

int bbolt_stream_finish(struct bbolt_stream *stream, const struct bbolt_handler *handler,
                        const struct interrupt *interrupt, struct failure *failure)
{
        struct bbolt *db = &stream->db;
        int r;

        db->failure = failure;
        if (stream->received != stream->size)
                return -EINVAL;
        if (stream->error >= 0)
                flush(stream);
        stream->walking = true;
        r = stream->error;
        if (r == -EBADMSG || (r >= 0 && stream->next == 0)) /* said again, for whoever finishes */
                r = bbolt_choose_meta(db, stream->kept.size) ?: bbolt_meta_fits(db, stream->size);
        else if (r == -EOPNOTSUPP)
                return not_walked(db, stream->next);
        else if (r < 0)
                scratch_explain(&(struct scratch){ .error = r, .room = stream->kept.room }, failure);
        if (r < 0)
                return r;

        r = bbolt_open(db);
        if (r < 0)
                return r;
        db->load = load_from_stream;
        db->handler = handler;
        db->interrupt = interrupt;
        return bbolt_walk_all(db);
}
