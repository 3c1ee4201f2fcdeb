/* SPDX-License-Identifier: Apache-2.0 */

#include "archive.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "include-list.h"

/* 8 MiB is what a decompressor must support (RFC 8878 3.1.1.1.2); the writer's level needs 2. */
#define WINDOW_LOG_MAX 23

/* Offsets in a ustar header. */
#define AT_SIZE     124
#define AT_CHECKSUM 148
#define AT_TYPE     156
#define AT_MAGIC    257
#define AT_PREFIX   345

enum tar_state { TAR_HEADER, TAR_DATA, TAR_PADDING, TAR_END };

struct archive_reader {
        const struct archive_handler *handler;
        ZSTD_DCtx *decompressor;
        bool frame_ended; /* at the end of a zstd frame */

        enum tar_state state;
        uint8_t block[TAR_BLOCK_SIZE];
        size_t block_size;
        uint64_t left; /* of the member's data, or of its padding */
        size_t padding;
        bool one_empty; /* the first of the two empty blocks was seen */

        size_t buffer_size;
        uint8_t buffer[];
};

struct archive_reader *archive_reader_free(struct archive_reader *reader)
{
        if (!reader)
                return NULL;
        ZSTD_freeDCtx(reader->decompressor);
        free(reader);
        return NULL;
}

int archive_reader_new(const struct archive_handler *handler, struct archive_reader **ret)
{
        _cleanup_(archive_reader_freep) struct archive_reader *reader = NULL;
        size_t buffer_size = ZSTD_DStreamOutSize();

        reader = calloc(1, sizeof(*reader) + buffer_size);
        if (!reader)
                return -ENOMEM;
        reader->buffer_size = buffer_size;
        reader->handler = handler;
        reader->decompressor = ZSTD_createDCtx();
        if (!reader->decompressor)
                return -ENOMEM;
        ZSTD_DCtx_setParameter(reader->decompressor, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);

        *ret = TAKE_PTR(reader);
        return 0;
}

static int damaged(struct failure *failure, const char *what)
{
        return failure_set(failure, -EBADMSG, "ArchiveDamaged", "the archive is damaged: %s", what);
}

/* An octal number ended by NUL or space, or GNU's base 256. */
static int parse_size(const uint8_t *field, uint64_t *ret)
{
        uint64_t value = 0;

        if (field[0] & 0x80) {
                if (field[0] != 0x80 || field[1] || field[2] || field[3] || field[4] & 0x80)
                        return -EBADMSG;
                for (size_t i = 4; i < 12; i++)
                        value = value << 8 | field[i];
        } else {
                size_t i = 0;

                for (; i < 12 && field[i] >= '0' && field[i] <= '7'; i++)
                        value = value << 3 | (uint64_t)(field[i] - '0');
                if (i == 0 || i == 12 || (field[i] != '\0' && field[i] != ' '))
                        return -EBADMSG;
        }
        *ret = value;
        return 0;
}

static bool checksum_is_right(const uint8_t block[static TAR_BLOCK_SIZE])
{
        unsigned sum = 8 * ' ', found = 0;

        for (size_t i = 0; i < TAR_BLOCK_SIZE; i++)
                if (i < AT_CHECKSUM || i >= AT_CHECKSUM + 8)
                        sum += block[i];
        for (size_t i = AT_CHECKSUM; i < AT_CHECKSUM + 8 && block[i] >= '0' && block[i] <= '7'; i++)
                found = found << 3 | (unsigned)(block[i] - '0');
        return sum == found;
}

static bool is_empty(const uint8_t block[static TAR_BLOCK_SIZE])
{
        return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK_SIZE - 1) == 0;
}

static int end_member(struct archive_reader *reader)
{
        reader->left = reader->padding;
        reader->state = reader->left > 0 ? TAR_PADDING : TAR_HEADER;
        return reader->handler->end(reader->handler->userdata);
}

static int take_header(struct archive_reader *reader, struct failure *failure)
{
        const uint8_t *block = reader->block;
        uint64_t size;
        int r;

        if (is_empty(block)) {
                reader->state = reader->one_empty ? TAR_END : TAR_HEADER;
                reader->one_empty = true;
                return 0;
        }
        if (reader->one_empty || !checksum_is_right(block) || memcmp(block + AT_MAGIC, "ustar", 6) != 0)
                return damaged(failure, "a tar header is broken");
        if (block[AT_TYPE] != '0' || block[AT_PREFIX] != '\0' || block[0] == '\0' ||
            !memchr(block, '\0', TAR_NAME_SIZE_MAX) ||
            (strchr((const char *)block, '/') && !included_name_is_sound((const char *)block)))
                return damaged(failure, "it holds a member that is not a plain file");
        if (parse_size(block + AT_SIZE, &size) < 0)
                return damaged(failure, "a tar header has no size");

        reader->padding = (size_t)((TAR_BLOCK_SIZE - size % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE);
        reader->left = size;
        reader->state = TAR_DATA;
        r = reader->handler->begin((const char *)block, size, reader->handler->userdata);
        if (r < 0)
                return r;
        return size == 0 ? end_member(reader) : 0;
}

static int feed_header(struct archive_reader *reader, const uint8_t **at, const uint8_t *end,
                       struct failure *failure)
{
        size_t n = TAR_BLOCK_SIZE - reader->block_size;

        if (n > (size_t)(end - *at))
                n = (size_t)(end - *at);
        memcpy(reader->block + reader->block_size, *at, n);
        reader->block_size += n;
        *at += n;
        if (reader->block_size < TAR_BLOCK_SIZE)
                return 0;
        reader->block_size = 0;
        return take_header(reader, failure);
}

static int feed_data(struct archive_reader *reader, const uint8_t **at, const uint8_t *end)
{
        size_t n = (size_t)(end - *at);
        int r;

        if (n > reader->left)
                n = (size_t)reader->left;
        r = reader->handler->data(*at, n, reader->handler->userdata);
        if (r < 0)
                return r;
        *at += n;
        reader->left -= n;
        return reader->left == 0 ? end_member(reader) : 0;
}

static int feed_tar(struct archive_reader *reader, const uint8_t *at, size_t size, struct failure *failure)
{
        const uint8_t *end = at + size;
        int r = 0;

        while (at < end && r >= 0)
                switch (reader->state) {
                case TAR_HEADER:
                        r = feed_header(reader, &at, end, failure);
                        break;
                case TAR_DATA:
                        r = feed_data(reader, &at, end);
                        break;
                case TAR_PADDING:
                        if (*at++ != 0)
                                r = damaged(failure, "its padding is not empty");
                        else if (--reader->left == 0)
                                reader->state = TAR_HEADER;
                        break;
                case TAR_END:
                        r = damaged(failure, "something follows its end");
                        break;
                }

        return r;
}

int archive_feed(struct archive_reader *reader, const void *data, size_t size, struct failure *failure)
{
        ZSTD_inBuffer in = { .src = data, .size = size };
        bool full = false;
        size_t left;
        int r;

        while (in.pos < in.size || full) {
                ZSTD_outBuffer out = { .dst = reader->buffer, .size = reader->buffer_size };

                if (reader->frame_ended)
                        return damaged(failure, "something follows its end");
                left = ZSTD_decompressStream(reader->decompressor, &out, &in);
                if (ZSTD_isError(left))
                        return damaged(failure, ZSTD_getErrorName(left));
                r = feed_tar(reader, reader->buffer, out.pos, failure);
                if (r < 0)
                        return r;
                reader->frame_ended = left == 0;
                full = left > 0 && out.pos == out.size;
        }

        return 0;
}

int archive_reader_finish(struct archive_reader *reader, struct failure *failure)
{
        if (!reader->frame_ended || reader->state != TAR_END)
                return damaged(failure, "it ends too early");
        return 0;
}
