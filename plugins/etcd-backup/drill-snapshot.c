/* SPDX-License-Identifier: Apache-2.0 */

#include "drill-snapshot.h"

#include "etcd.h"
#include "files.h"
#include "snapshot-stream.h"

struct taking {
        struct snapshot_stream stream;
        int fd;
        bool done;
        int error;
        struct failure *failure;
};

static int on_message(const uint8_t *bytes, size_t size, void *userdata)
{
        struct taking *taking = userdata;
        struct snapshot_message message;
        int r;

        r = snapshot_stream_take(&taking->stream, bytes, size, &message, taking->failure);
        return r < 0 ? r : write_all(taking->fd, message.blob, message.blob_size);
}

static void on_done(int error, bool confirmed, struct failure *found, void *userdata)
{
        struct taking *taking = userdata;

        (void)confirmed; /* the hash is the proof */
        taking->done = true;
        taking->error = error;
        if (error < 0 && taking->failure && !taking->failure->reason)
                (void)failure_set(taking->failure, error, found->reason, "%s", found->message);
}

static int run(sd_event *event, struct etcd_client *client, struct taking *taking)
{
        uint8_t sha256[SHA256_SIZE];
        int r;

        r = etcd_snapshot_start(client, on_message, on_done, taking);
        while (r >= 0 && !taking->done)
                r = sd_event_run(event, UINT64_MAX);
        if (r >= 0)
                r = taking->error;
        return r < 0 ? r : snapshot_stream_finish(&taking->stream, sha256, taking->failure);
}

int drill_snapshot_take(const char *root, const struct etcd_access *access, const char *path,
                        struct failure *failure)
{
        _cleanup_(new_file_discard) struct new_file file = NEW_FILE_NONE;
        struct taking taking = { .failure = failure };
        struct etcd_client *client = NULL;
        sd_event *event = NULL;
        int r;

        r = snapshot_stream_init(&taking.stream);
        if (r < 0)
                return r;
        r = new_file_open(path, 0600, &file);
        if (r >= 0) {
                taking.fd = file.fd;
                r = sd_event_new(&event);
        }
        if (r >= 0)
                r = etcd_client_new(event, root, access, &client, failure);
        if (r >= 0)
                r = run(event, client, &taking);
        if (r >= 0)
                r = new_file_publish(&file);
        etcd_client_free(client);
        sd_event_unref(event);
        snapshot_stream_clear(&taking.stream);
        return r;
}
