/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The messages of etcd's Maintenance.Snapshot, checked as they come. etcd sends the database in pieces, each
 * with the number of bytes that remain, and at last the SHA-256 of all of it (etcd:
 * server/etcdserver/api/v3rpc/maintenance.go). Only the announced size and that hash prove a stream whole: a
 * stream's orderly end does not. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "digest.h"
#include "failure.h"

/* etcd's pieces are 32 KiB in all versions; leave room for one that sends more. */
#define SNAPSHOT_MESSAGE_MAX (4 * 1024 * 1024)

struct snapshot_message {
        uint64_t remaining;
        const uint8_t *blob; /* borrowed */
        size_t blob_size;
};

/* Returns -EBADMSG for bytes that are not a SnapshotResponse. */
int snapshot_message_parse(const uint8_t *message, size_t size, struct snapshot_message *ret);

struct snapshot_stream {
        struct hasher *hasher;
        uint64_t total;    /* of the database; 0 before the first message */
        uint64_t received; /* of it */
        unsigned empty;    /* messages without a byte, in a row */
        bool proven;       /* all of it came and its hash is right */
};

int snapshot_stream_init(struct snapshot_stream *ret);
void snapshot_stream_clear(struct snapshot_stream *stream);

/* Takes one message. Its bytes, which belong into the file in any case, are at ret->blob. Returns -EBADMSG
 * with a failure when the stream contradicts itself or the hash differs. */
int snapshot_stream_take(struct snapshot_stream *stream, const uint8_t *message, size_t size,
                         struct snapshot_message *ret, struct failure *failure);

/* The SHA-256 of database and trailing hash, which is the file that etcdctl would have saved. -EBADMSG with a
 * failure when the stream was not proven whole. */
int snapshot_stream_finish(struct snapshot_stream *stream, uint8_t ret_sha256[static SHA256_SIZE],
                           struct failure *failure);
