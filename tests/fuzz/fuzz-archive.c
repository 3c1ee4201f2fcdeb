/* SPDX-License-Identifier: Apache-2.0 */
#include "../../plugins/etcd-backup/archive-reader.c"

#include <errno.h>

#include "fuzz.h"

struct told {
        bool inside;
        uint64_t announced, given;
};

static int on_begin(const char *name, uint64_t size, void *userdata)
{
        struct told *told = userdata;

        PROMISE(!told->inside);
        PROMISE(name[0] != '\0' && strlen(name) < TAR_NAME_SIZE_MAX);
        PROMISE(!strchr(name, '/') || included_name_is_sound(name));
        *told = (struct told){ .inside = true, .announced = size };
        return 0;
}

static int on_data(const void *data, size_t size, void *userdata)
{
        struct told *told = userdata;

        PROMISE(told->inside && size > 0);
        told->given += size;
        PROMISE(told->given <= told->announced);
        return 0;
}

static int on_end(void *userdata)
{
        struct told *told = userdata;

        PROMISE(told->inside && told->given == told->announced);
        told->inside = false;
        return 0;
}

/* Members come in order, each as long as announced, from hostile tar as from hostile zstd. The first byte
 * says which, and how the bytes are split. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct told told = {};
        const struct archive_handler handler = { on_begin, on_data, on_end, &told };
        _cleanup_(archive_reader_freep) struct archive_reader *reader = NULL;
        _cleanup_failure_ failure = {};
        size_t piece;
        int r = 0;

        if (size == 0)
                return 0;
        piece = (size_t)(data[0] >> 1) * 8 + 1;
        PROMISE(archive_reader_new(&handler, &reader) == 0);
        for (size_t at = 1; at < size && r >= 0; at += piece) {
                size_t n = size - at < piece ? size - at : piece;

                r = data[0] & 1 ? feed_tar(reader, data + at, n, &failure)
                                : archive_feed(reader, data + at, n, &failure);
        }
        if (r >= 0)
                r = archive_reader_finish(reader, &failure);
        if (r < 0)
                promise_one_line(failure.message);
        else
                PROMISE(!told.inside);
        return 0;
}
