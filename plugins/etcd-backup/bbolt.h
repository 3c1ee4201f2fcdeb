/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* bbolt's file format (go.etcd.io/bbolt: page.go, bucket.go, db.go), read only and trusting nothing: every
 * offset is checked against its page, and every page against the file. One walk proves that the file can be
 * opened and read through: meta page with its checksum, each page under its own number and reached exactly
 * once, elements within their pages, keys in order, and the list of free pages, where the file has one,
 * naming just those that nothing reaches.
 *
 * The file is read with pread and not mapped: a bad sector is then an error and not SIGBUS, and memory stays
 * the same at any size of the database (a bit per page, and two windows per level of a tree). */

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "interrupt.h"

#define BBOLT_KEY_MAX   32768        /* bbolt's MaxKeySize */
#define BBOLT_PIECE_MAX (128 * 1024) /* of a value, looked at in one go */

struct bbolt_entry {
        const uint8_t *key; /* until the handler returns */
        size_t key_size;
        uint64_t value_size;
        struct bbolt_place *value;
};

/* The bytes [offset, offset + size) of the entry's value, which must lie within it; size is at most
 * BBOLT_PIECE_MAX. Valid until the next call. Returns -errno of reading. */
int bbolt_value(const struct bbolt_entry *entry, uint64_t offset, size_t size, const uint8_t **ret);

struct bbolt_digest;

/* What a walk meets, in the order of the keys: each bucket, then its entries. A bucket within a bucket is
 * damage, for etcd makes none. Negative errno ends the walk and is its result. */
struct bbolt_handler {
        int (*bucket)(const uint8_t *name, size_t size, void *userdata);
        int (*entry)(const struct bbolt_entry *entry, void *userdata);
        int (*digest)(const struct bbolt_digest *digest, void *userdata); /* bbolt-stream.h; else NULL */
        void *userdata;
};

/* Walks the database in the first `size` bytes of the file. Returns -EBADMSG with a failure (DatabaseDamaged)
 * that names the page, -errno of reading with a failure (ReadFailed), or -ECANCELED. */
int bbolt_walk(int fd, uint64_t size, const struct bbolt_handler *handler, const struct interrupt *interrupt,
               struct failure *failure);
