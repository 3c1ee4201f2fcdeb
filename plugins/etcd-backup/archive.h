/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The archive around a snapshot: tar (POSIX ustar; sizes from 8 GiB on in base 256, as GNU tar and libarchive
 * read them) compressed with zstd (RFC 8878), so that `zstd -d < COPY | tar x` takes it apart without this
 * program. Nothing is held in memory: bytes go through. */

#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "failure.h"

#define TAR_BLOCK_SIZE    512
#define TAR_NAME_SIZE_MAX 100

/* Where compressed bytes go. Negative errno ends the writing and is its result. */
typedef int (*archive_sink_fn)(const void *data, size_t size, void *userdata);

struct archive_writer;
int archive_writer_new(archive_sink_fn sink, void *userdata, struct archive_writer **ret);
struct archive_writer *archive_writer_free(struct archive_writer *writer);
DEFINE_CLEANUP(struct archive_writer *, archive_writer_free)

/* Starts a member of exactly `size` bytes, which archive_add must bring before the next begin or finish
 * (-EINVAL). */
int archive_begin(struct archive_writer *writer, const char *name, uint64_t size, uint64_t modified_usec);
/* The same with other permissions than 0600. */
int archive_begin_with_mode(struct archive_writer *writer, const char *name, unsigned mode, uint64_t size,
                            uint64_t modified_usec);
int archive_add(struct archive_writer *writer, const void *data, size_t size);
/* Ends archive and compression. */
int archive_finish(struct archive_writer *writer);

/* What a reader is told. Negative errno ends the reading and is its result. */
struct archive_handler {
        int (*begin)(const char *name, uint64_t size, void *userdata);
        int (*data)(const void *data, size_t size, void *userdata);
        int (*end)(void *userdata);
        void *userdata;
};

struct archive_reader;
int archive_reader_new(const struct archive_handler *handler, struct archive_reader **ret);
struct archive_reader *archive_reader_free(struct archive_reader *reader);
DEFINE_CLEANUP(struct archive_reader *, archive_reader_free)

/* Takes compressed bytes. Returns -EBADMSG with a failure for what is not such an archive: this reader
 * accepts only what the writer makes (regular files, plain names but below "node/"). */
int archive_feed(struct archive_reader *reader, const void *data, size_t size, struct failure *failure);
/* -EBADMSG with a failure when the archive is not at its end. */
int archive_reader_finish(struct archive_reader *reader, struct failure *failure);
