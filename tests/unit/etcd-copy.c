/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "copies.h"
#include "etcd-copy.h"
#include "etcd-database-file.h"
#include "files.h"
#include "quantity.h"

#define STARTED (UINT64_C(1795255200) * USEC_PER_SEC) /* 2026-11-21T10:00:00Z */

struct manifest *sample_manifest(const char *cluster, const char *node, uint64_t sequence)
{
        struct manifest *manifest = calloc(1, sizeof(*manifest));

        assert_non_null(manifest);
        *manifest = (struct manifest){
                .cluster = strdup(cluster),
                .node = strdup(node),
                .etcd_version = strdup("3.5.30"),
                .cluster_id = UINT64_C(0xcdf818194e3a8c32),
                .member_id = UINT64_C(0x8e9e05c52164694d),
                .revision = (int64_t)(1000 + sequence),
                .raft_index = 4711,
                .sequence = sequence,
                .started_usec = STARTED + sequence * USEC_PER_SEC,
                .finished = { .realtime_usec = STARTED + sequence * USEC_PER_SEC,
                              .boottime_usec = 77,
                              .boot_id = "9035813c-9956-4e86-b0ac-c900a30792bc" },
        };
        return manifest;
}

void bytes_clear(struct bytes *bytes)
{
        free(bytes->data);
        *bytes = (struct bytes){};
}

int bytes_append(const void *data, size_t size, void *userdata)
{
        struct bytes *bytes = userdata;

        bytes->data = realloc(bytes->data, bytes->size + size);
        assert_non_null(bytes->data);
        memcpy(bytes->data + bytes->size, data, size);
        bytes->size += size;
        return 0;
}

void manifest_take_stored(struct manifest *manifest, const struct bytes *stored)
{
        struct hasher *hasher;

        assert_int_equal(hasher_new(&hasher), 0);
        assert_int_equal(hasher_add(hasher, stored->data, stored->size), 0);
        assert_int_equal(hasher_finish(hasher, manifest->stored_sha256), 0);
        hasher_free(hasher);
        manifest->stored_size = stored->size;
}

void make_archive(struct manifest *manifest, size_t size, struct bytes *ret)
{
        _cleanup_free_ uint8_t *db = malloc(size);

        assert_non_null(db);
        for (size_t i = 0; i < size; i++)
                db[i] = (uint8_t)(i * 2654435761u >> 13);
        make_archive_of(manifest, db, size, ret);
}

void make_archive_of(struct manifest *manifest, const uint8_t *db, size_t size, struct bytes *ret)
{
        _cleanup_(archive_writer_freep) struct archive_writer *writer = NULL;
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        _cleanup_free_ char *text = NULL;
        uint8_t trailer[SHA256_SIZE];

        assert_int_equal(hasher_new(&hasher), 0);
        assert_int_equal(hasher_add(hasher, db, size), 0);
        assert_int_equal(hasher_peek(hasher, trailer), 0);
        assert_int_equal(hasher_add(hasher, trailer, SHA256_SIZE), 0);
        assert_int_equal(hasher_finish(hasher, manifest->raw_sha256), 0);
        manifest->db_size = size;
        manifest->raw_size = size + SHA256_SIZE;

        assert_int_equal(archive_writer_new(bytes_append, ret, &writer), 0);
        assert_int_equal(archive_begin(writer, SNAPSHOT_MEMBER, manifest->raw_size, manifest->started_usec),
                         0);
        assert_int_equal(archive_add(writer, db, size), 0);
        assert_int_equal(archive_add(writer, trailer, SHA256_SIZE), 0);
        assert_int_equal(manifest_format(manifest, false, &text), 0);
        assert_int_equal(archive_begin(writer, MANIFEST_MEMBER, strlen(text), manifest->started_usec), 0);
        assert_int_equal(archive_add(writer, text, strlen(text)), 0);
        assert_int_equal(archive_finish(writer), 0);
        manifest_take_stored(manifest, ret);
}

char *place_copy(const char *directory, const char *cluster, const char *node, uint64_t sequence)
{
        _cleanup_(manifest_freep) struct manifest *manifest = sample_manifest(cluster, node, sequence);
        _cleanup_free_ char *archive = NULL, *beside = NULL, *text = NULL;
        _cleanup_(bytes_clear) struct bytes bytes = {};
        uint8_t db[DATABASE_SIZE];

        database_make(db);
        manifest->revision = DATABASE_REVISION;
        make_archive_of(manifest, db, sizeof(db), &bytes);
        manifest->stored_file = copy_name(cluster, node, manifest->started_usec, manifest->revision, false);
        manifest->verified_usec = manifest->started_usec;
        archive = copy_path(directory, manifest->stored_file, "");
        beside = copy_path(directory, manifest->stored_file, MANIFEST_SUFFIX);
        assert_int_equal(manifest_format(manifest, true, &text), 0);
        assert_int_equal(file_write(archive, bytes.data, bytes.size, 0600), 0);
        assert_int_equal(file_write(beside, text, strlen(text), 0600), 0);
        return TAKE_PTR(manifest->stored_file);
}
