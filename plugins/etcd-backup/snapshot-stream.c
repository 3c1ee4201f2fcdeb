/* SPDX-License-Identifier: Apache-2.0 */

#include "snapshot-stream.h"

#include <inttypes.h>
#include <openssl/crypto.h>

#include "protobuf.h"

/* When etcd meets an early end of its own file it sends empty pieces for ever. */
#define EMPTY_MAX 64

/* rpc.proto: SnapshotResponse */
enum { FIELD_REMAINING_BYTES = 2, FIELD_BLOB = 3 };

int snapshot_message_parse(const uint8_t *message, size_t size, struct snapshot_message *ret)
{
        struct protobuf_reader reader = { message, message + size };
        struct snapshot_message parsed = {};
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0) {
                if (field.number == FIELD_REMAINING_BYTES) {
                        if (field.wire != PROTOBUF_VARINT)
                                return -EBADMSG;
                        parsed.remaining = field.value;
                } else if (field.number == FIELD_BLOB) {
                        if (field.wire != PROTOBUF_BYTES)
                                return -EBADMSG;
                        parsed.blob = field.bytes;
                        parsed.blob_size = field.size;
                }
        }
        if (r < 0)
                return r;

        *ret = parsed;
        return 0;
}

int snapshot_stream_init(struct snapshot_stream *ret)
{
        struct snapshot_stream stream = {};
        int r;

        r = hasher_new(&stream.hasher);
        if (r < 0)
                return r;
        *ret = stream;
        return 0;
}

void snapshot_stream_clear(struct snapshot_stream *stream)
{
        stream->hasher = hasher_free(stream->hasher);
}

static int contradiction(struct failure *failure, const char *what)
{
        return failure_set(
                failure, -EBADMSG, "StreamInvalid",
                "etcd's snapshot stream contradicts itself: %s; nothing was kept, the next run tries again",
                what);
}

static int take_hash(struct snapshot_stream *stream, const struct snapshot_message *message,
                     struct failure *failure)
{
        uint8_t digest[SHA256_SIZE];
        int r;

        if (message->blob_size != SHA256_SIZE || message->remaining != 0)
                return contradiction(failure, "no SHA-256 follows the database");
        r = hasher_peek(stream->hasher, digest);
        if (r < 0)
                return r;
        if (CRYPTO_memcmp(digest, message->blob, SHA256_SIZE) != 0)
                return failure_set(
                        failure, -EBADMSG, "HashMismatch",
                        "the %" PRIu64 " bytes received do not have the SHA-256 that etcd sent with them: "
                        "a byte changed on the way or in etcd's memory; nothing was kept, the next run tries "
                        "again",
                        stream->received);

        stream->proven = true;
        return hasher_add(stream->hasher, message->blob, message->blob_size);
}

static int take_piece(struct snapshot_stream *stream, const struct snapshot_message *message,
                      struct failure *failure)
{
        if (stream->total == 0) {
                if (message->blob_size == 0 || message->remaining > UINT64_MAX / 2)
                        return contradiction(failure, "it announces no size");
                stream->total = message->remaining + message->blob_size;
        }

        stream->empty = message->blob_size == 0 ? stream->empty + 1 : 0;
        if (stream->empty > EMPTY_MAX)
                return contradiction(failure,
                                     "it goes on without bytes, as etcd does when its file ended early");
        if (message->blob_size > stream->total - stream->received ||
            message->remaining != stream->total - stream->received - message->blob_size)
                return contradiction(failure, "the bytes that remain do not add up");

        stream->received += message->blob_size;
        return hasher_add(stream->hasher, message->blob, message->blob_size);
}

int snapshot_stream_take(struct snapshot_stream *stream, const uint8_t *bytes, size_t size,
                         struct snapshot_message *ret, struct failure *failure)
{
        struct snapshot_message message;
        int r;

        r = snapshot_message_parse(bytes, size, &message);
        if (r < 0)
                return contradiction(failure, "a message is not protobuf");
        if (stream->proven)
                return contradiction(failure, "it goes on behind its end");

        r = stream->total > 0 && stream->received == stream->total ? take_hash(stream, &message, failure)
                                                                   : take_piece(stream, &message, failure);
        if (r < 0)
                return r;

        *ret = message;
        return 0;
}

int snapshot_stream_finish(struct snapshot_stream *stream, uint8_t ret_sha256[static SHA256_SIZE],
                           struct failure *failure)
{
        if (!stream->proven)
                return failure_set(failure, -EBADMSG, "StreamBroken",
                                   "etcd ended the snapshot stream after %" PRIu64 " of %" PRIu64
                                   " bytes%s; nothing was kept, the next run tries again",
                                   stream->received, stream->total,
                                   stream->total > 0 && stream->received == stream->total
                                           ? ", without their hash"
                                           : "");
        return hasher_finish(stream->hasher, ret_sha256);
}
