/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/etcd-backup/snapshot-stream.c"

#include <string.h>

#include "fuzz.h"

/* A stream of messages, each behind a byte with its length: nothing is proven but what adds up, and refusals
 * leave a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(snapshot_stream_clear) struct snapshot_stream stream = {};
        _cleanup_failure_ failure = {};
        uint8_t digest[SHA256_SIZE];

        PROMISE(snapshot_stream_init(&stream) == 0);
        for (size_t at = 0; at < size;) {
                size_t n = data[at++];
                struct snapshot_message message;

                if (n > size - at)
                        n = size - at;
                if (snapshot_stream_take(&stream, data + at, n, &message, &failure) < 0) {
                        promise_one_line(failure.message);
                        return 0;
                }
                PROMISE(message.blob_size <= n);
                PROMISE(stream.received <= stream.total);
                PROMISE(!stream.proven || stream.received == stream.total);
                at += n;
        }
        if (snapshot_stream_finish(&stream, digest, &failure) < 0)
                promise_one_line(failure.message);
        else
                PROMISE(stream.proven);
        return 0;
}
