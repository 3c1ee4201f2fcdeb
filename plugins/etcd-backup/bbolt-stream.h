/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* bbolt_walk's proof on a database that passes by once, in the order of the file, without keeping it. Each
 * page is looked at while its bytes are there. What the walk through the tree needs of it goes to a small
 * temporary file, a few hundredths of the database: of a leaf of records its digest, of all other pages the
 * bytes. At the end the tree is walked over these. So memory stays the same at any size: the longest page
 * (SPAN_MAX in bbolt-stream.c), a cache, and a bit per page.
 *
 * Which of the pages that pass are alive is only known at the end, and what looks like a page may be left
 * over from an earlier one, or be a part of a value that was made to look like one. So everything that may be
 * a page is taken for one until then, and what is wrong with it only counts if the tree reaches it. */

#include "bbolt.h"

#define BBOLT_RECORD_KEY_MAX 18

/* What a leaf of records comes to. */
struct bbolt_digest {
        int64_t revision; /* the handler's: what it found */
        uint32_t crc;     /* CRC-32C of all keys and values, in their order */
        uint32_t entries, bytes;
        uint8_t first_size, last_size;
        uint8_t first[BBOLT_RECORD_KEY_MAX], last[BBOLT_RECORD_KEY_MAX];
};

/* Who knows what a record is. */
struct bbolt_digester {
        /* By the leaf's first key: its leaf becomes a digest, all keys in it being such ones. */
        bool (*is_record)(const uint8_t *key, size_t size);
        /* Adds one to the digest, which is empty before the leaf's first. -EBADMSG with a failure in *failure
         * is that of whoever reaches this leaf. */
        int (*add)(const struct bbolt_entry *entry, struct bbolt_digest *digest, struct failure *failure);
};

struct bbolt_stream;

/* For a database of `size` bytes; its temporary files go into the first of the directories (a list that ends
 * with NULL) that has room. All is borrowed until the stream is freed. Returns 0 or -ENOMEM. */
int bbolt_stream_new(uint64_t size, const char *const *directories, const struct bbolt_digester *digester,
                     struct bbolt_stream **ret);
struct bbolt_stream *bbolt_stream_free(struct bbolt_stream *stream);
DEFINE_CLEANUP(struct bbolt_stream *, bbolt_stream_free)

/* The next bytes of the database. What goes wrong is remembered. */
void bbolt_stream_add(struct bbolt_stream *stream, const void *data, size_t size);

/* When all came. Calls the handler as bbolt_walk does, but for leaves of records its `digest`, which returns
 * -EOPNOTSUPP where it needs the entries. Errors as of bbolt_walk; also, with a failure (DatabaseNotWalked)
 * that is a remark and no verdict: -EOPNOTSUPP when pages lie so that one pass does not do (a page of more
 * than 6.5 MiB, many stale ones over each other), and what scratch_open or writing its files returned. */
int bbolt_stream_finish(struct bbolt_stream *stream, const struct bbolt_handler *handler,
                        const struct interrupt *interrupt, struct failure *failure);
