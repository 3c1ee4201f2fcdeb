/* SPDX-License-Identifier: Apache-2.0 */

#include "archive.h"

#include <stdio.h>
#include <string.h>
#include <zstd.h>

/* Measured on 1.3 GB of Kubernetes' objects. Level 3 gains a thousandth over level 1 and takes 1.8 times as
 * long; the fast levels below take 0.7 of the time and a quarter more room for each copy. Tables that stay in
 * the processor's nearest cache take 0.9 of level 1's time and a hundredth more room; matches of 6 bytes
 * instead of 7 gain a little of both back. */
#define COMPRESSION_LEVEL 1
#define WINDOW_LOG        18
#define HASH_LOG          12
#define MATCH_MIN         6

/* Beside the thread that receives, decrypts and hashes, so that etcd need not wait for either; in the
 * smallest pieces that libzstd makes, for the sake of memory. A libzstd without threads refuses both, and
 * does it here. */
#define WORKERS  1
#define JOB_SIZE (512 * 1024)

/* POSIX.1-2017, pax, "ustar Interchange Format". */
struct ustar_header {
        char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
        char magic[6], version[2], user[32], group[32], device_major[8], device_minor[8], prefix[155],
                padding[12];
};
_Static_assert(sizeof(struct ustar_header) == TAR_BLOCK_SIZE, "a tar header is one block");

struct archive_writer {
        ZSTD_CCtx *compressor;
        archive_sink_fn sink;
        void *userdata;
        uint64_t member_left;
        unsigned padding;
        size_t buffer_size;
        uint8_t buffer[];
};

struct archive_writer *archive_writer_free(struct archive_writer *writer)
{
        if (!writer)
                return NULL;
        ZSTD_freeCCtx(writer->compressor);
        free(writer);
        return NULL;
}

int archive_writer_new(archive_sink_fn sink, void *userdata, struct archive_writer **ret)
{
        _cleanup_(archive_writer_freep) struct archive_writer *writer = NULL;
        size_t buffer_size = ZSTD_CStreamOutSize();

        writer = calloc(1, sizeof(*writer) + buffer_size);
        if (!writer)
                return -ENOMEM;
        writer->buffer_size = buffer_size;
        writer->sink = sink;
        writer->userdata = userdata;
        writer->compressor = ZSTD_createCCtx();
        if (!writer->compressor)
                return -ENOMEM;
        ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
        ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_windowLog, WINDOW_LOG);
        ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_hashLog, HASH_LOG);
        ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_minMatch, MATCH_MIN);
        ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_nbWorkers, WORKERS);
        ZSTD_CCtx_setParameter(writer->compressor, ZSTD_c_jobSize, JOB_SIZE);

        *ret = TAKE_PTR(writer);
        return 0;
}

static int compress(struct archive_writer *writer, const void *data, size_t size, ZSTD_EndDirective end)
{
        ZSTD_inBuffer in = { .src = data, .size = size };
        size_t left;
        int r;

        do {
                ZSTD_outBuffer out = { .dst = writer->buffer, .size = writer->buffer_size };

                left = ZSTD_compressStream2(writer->compressor, &out, &in, end);
                if (ZSTD_isError(left))
                        return -EIO;
                r = out.pos > 0 ? writer->sink(writer->buffer, out.pos, writer->userdata) : 0;
                if (r < 0)
                        return r;
        } while (end == ZSTD_e_end ? left > 0 : in.pos < in.size);

        return 0;
}

static void put_octal(char *field, size_t size, uint64_t value)
{
        for (size_t i = size - 1; i-- > 0; value >>= 3)
                field[i] = (char)('0' + (value & 7));
}

static void put_size(char field[static 12], uint64_t size)
{
        if (size < UINT64_C(1) << 33) {
                put_octal(field, 12, size);
                return;
        }
        /* GNU's base 256: the top bit of the first byte, then a big-endian number. */
        field[0] = (char)0x80;
        for (size_t i = 11; i > 0; i--, size >>= 8)
                field[i] = (char)(size & 0xff);
}

static int make_header(struct ustar_header *header, const char *name, unsigned mode, uint64_t size,
                       uint64_t modified_usec)
{
        const uint8_t *bytes = (const uint8_t *)header;
        unsigned sum = 0;

        if (strlen(name) >= TAR_NAME_SIZE_MAX)
                return -ENAMETOOLONG;
        strcpy(header->name, name);
        put_octal(header->mode, sizeof(header->mode), mode);
        put_octal(header->uid, sizeof(header->uid), 0);
        put_octal(header->gid, sizeof(header->gid), 0);
        put_size(header->size, size);
        put_octal(header->mtime, sizeof(header->mtime), modified_usec / 1000000);
        header->type = '0';
        memcpy(header->magic, "ustar", 6);
        memcpy(header->version, "00", 2);
        strcpy(header->user, "root");
        strcpy(header->group, "root");
        memset(header->checksum, ' ', sizeof(header->checksum));
        for (size_t i = 0; i < sizeof(*header); i++)
                sum += bytes[i];
        put_octal(header->checksum, 7, sum);
        header->checksum[6] = '\0';
        return 0;
}

/* Zeros up to the next block. */
static int end_member(struct archive_writer *writer)
{
        static const uint8_t zeros[TAR_BLOCK_SIZE];

        if (writer->member_left > 0)
                return -EINVAL;
        return compress(writer, zeros, writer->padding, ZSTD_e_continue);
}

int archive_begin(struct archive_writer *writer, const char *name, uint64_t size, uint64_t modified_usec)
{
        return archive_begin_with_mode(writer, name, 0600, size, modified_usec);
}

int archive_begin_with_mode(struct archive_writer *writer, const char *name, unsigned mode, uint64_t size,
                            uint64_t modified_usec)
{
        struct ustar_header header = {};
        int r;

        r = end_member(writer);
        if (r < 0)
                return r;
        r = make_header(&header, name, mode, size, modified_usec);
        if (r < 0)
                return r;
        writer->member_left = size;
        writer->padding = (unsigned)((TAR_BLOCK_SIZE - size % TAR_BLOCK_SIZE) % TAR_BLOCK_SIZE);
        return compress(writer, &header, sizeof(header), ZSTD_e_continue);
}

int archive_add(struct archive_writer *writer, const void *data, size_t size)
{
        if (size > writer->member_left)
                return -EINVAL;
        writer->member_left -= size;
        return compress(writer, data, size, ZSTD_e_continue);
}

int archive_finish(struct archive_writer *writer)
{
        static const uint8_t end[2 * TAR_BLOCK_SIZE];
        int r;

        r = end_member(writer);
        if (r < 0)
                return r;
        return compress(writer, end, sizeof(end), ZSTD_e_end);
}
