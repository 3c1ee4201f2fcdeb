/* SPDX-License-Identifier: Apache-2.0 */

#include "verify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <string.h>

#include "archive.h"

#define READ_SIZE (256 * 1024)

enum member { MEMBER_NONE, MEMBER_SNAPSHOT, MEMBER_MANIFEST };

struct examination {
        struct failure *failure;
        enum member member;
        struct hasher *hasher;
        uint64_t db_left; /* bytes of the database before its hash */
        uint8_t trailer[SHA256_SIZE];
        size_t trailer_size;
        char *manifest_text;
        size_t manifest_size;
        struct archive_facts facts;
};

void archive_facts_clear(struct archive_facts *facts)
{
        facts->manifest = manifest_free(facts->manifest);
}

static void examination_clear(struct examination *examination)
{
        hasher_free(examination->hasher);
        free(examination->manifest_text);
        archive_facts_clear(&examination->facts);
}

static int begin_snapshot(struct examination *examination, uint64_t size)
{
        if (size <= SHA256_SIZE)
                return failure_set(examination->failure, -EBADMSG, "ArchiveDamaged",
                                   "%s is too small: %" PRIu64 " bytes", SNAPSHOT_MEMBER, size);
        examination->member = MEMBER_SNAPSHOT;
        examination->facts.raw_size = size;
        examination->db_left = size - SHA256_SIZE;
        return hasher_new(&examination->hasher);
}

static int begin_manifest(struct examination *examination, uint64_t size)
{
        if (size > MANIFEST_SIZE_MAX)
                return failure_set(examination->failure, -EBADMSG, "ArchiveDamaged",
                                   "%s is too large: %" PRIu64 " bytes", MANIFEST_MEMBER, size);
        examination->member = MEMBER_MANIFEST;
        examination->manifest_text = malloc(size + 1);
        return examination->manifest_text ? 0 : -ENOMEM;
}

static int on_begin(const char *name, uint64_t size, void *userdata)
{
        struct examination *examination = userdata;

        if (examination->member == MEMBER_NONE && strcmp(name, SNAPSHOT_MEMBER) == 0)
                return begin_snapshot(examination, size);
        if (examination->member == MEMBER_SNAPSHOT && strcmp(name, MANIFEST_MEMBER) == 0)
                return begin_manifest(examination, size);
        return failure_set(examination->failure, -EBADMSG, "ArchiveDamaged",
                           "it holds an unexpected member %s", name);
}

static int on_data(const void *data, size_t size, void *userdata)
{
        struct examination *examination = userdata;
        size_t of_db = examination->db_left < size ? (size_t)examination->db_left : size;

        if (examination->member == MEMBER_MANIFEST) {
                memcpy(examination->manifest_text + examination->manifest_size, data, size);
                examination->manifest_size += size;
                return 0;
        }

        examination->db_left -= of_db;
        memcpy(examination->trailer + examination->trailer_size, (const uint8_t *)data + of_db, size - of_db);
        examination->trailer_size += size - of_db;
        return hasher_add(examination->hasher, data, of_db);
}

static int end_snapshot(struct examination *examination)
{
        uint8_t digest[SHA256_SIZE];
        int r;

        r = hasher_peek(examination->hasher, digest);
        if (r < 0)
                return r;
        if (CRYPTO_memcmp(digest, examination->trailer, SHA256_SIZE) != 0)
                return failure_set(examination->failure, -EBADMSG, "HashMismatch",
                                   "the database in %s does not have the SHA-256 that etcd put behind it",
                                   SNAPSHOT_MEMBER);
        r = hasher_add(examination->hasher, examination->trailer, SHA256_SIZE);
        if (r < 0)
                return r;
        return hasher_finish(examination->hasher, examination->facts.raw_sha256);
}

static int on_end(void *userdata)
{
        struct examination *examination = userdata;
        int r;

        if (examination->member == MEMBER_SNAPSHOT)
                return end_snapshot(examination);

        r = manifest_parse(examination->manifest_text, examination->manifest_size,
                           &examination->facts.manifest, examination->failure);
        if (r < 0)
                failure_prefix(examination->failure, "%s in the archive", MANIFEST_MEMBER);
        return r == -EPROTONOSUPPORT || r == -EINVAL ? -EBADMSG : r;
}

static int read_through(int fd, struct archive_reader *reader, struct hasher *hasher,
                        const struct interrupt *interrupt, uint64_t *ret_size, struct failure *failure)
{
        _cleanup_free_ uint8_t *buffer = malloc(READ_SIZE);
        off_t at = 0;
        int r;

        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n = pread(fd, buffer, READ_SIZE, at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        r = -errno;
                        return failure_set(failure, r, "ReadFailed", "cannot read it back: %s", strerror(-r));
                }
                if (n == 0)
                        break;
                if (interrupt && interrupt->asked(interrupt->userdata))
                        return -ECANCELED;
                r = hasher_add(hasher, buffer, (size_t)n);
                if (r < 0)
                        return r;
                r = archive_feed(reader, buffer, (size_t)n, failure);
                if (r < 0)
                        return r;
                at += n;
        }

        *ret_size = (uint64_t)at;
        return archive_reader_finish(reader, failure);
}

int archive_examine(int fd, const struct interrupt *interrupt, struct archive_facts *ret,
                    struct failure *failure)
{
        _cleanup_(examination_clear) struct examination examination = { .failure = failure };
        const struct archive_handler handler = { on_begin, on_data, on_end, &examination };
        _cleanup_(archive_reader_freep) struct archive_reader *reader = NULL;
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        int r;

        r = archive_reader_new(&handler, &reader);
        if (r < 0)
                return r;
        r = hasher_new(&hasher);
        if (r < 0)
                return r;

        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        r = read_through(fd, reader, hasher, interrupt, &examination.facts.stored_size, failure);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* nor shall it displace what etcd reads */
        if (r < 0)
                return r;
        if (!examination.facts.manifest)
                return failure_set(failure, -EBADMSG, "ArchiveDamaged", "the archive holds no %s",
                                   MANIFEST_MEMBER);
        r = hasher_finish(hasher, examination.facts.stored_sha256);
        if (r < 0)
                return r;

        *ret = examination.facts;
        examination.facts = (struct archive_facts){};
        return 0;
}

int archive_facts_match(const struct archive_facts *facts, const struct manifest *manifest,
                        struct failure *failure)
{
        const struct manifest *inside = facts->manifest;

        if (facts->stored_size != manifest->stored_size ||
            memcmp(facts->stored_sha256, manifest->stored_sha256, SHA256_SIZE) != 0)
                return failure_set(failure, -EBADMSG, "CopyChanged",
                                   "the stored bytes are not those that the manifest names");
        if (facts->raw_size != manifest->raw_size ||
            memcmp(facts->raw_sha256, manifest->raw_sha256, SHA256_SIZE) != 0 ||
            inside->cluster_id != manifest->cluster_id || inside->revision != manifest->revision ||
            inside->sequence != manifest->sequence ||
            memcmp(inside->raw_sha256, manifest->raw_sha256, SHA256_SIZE) != 0)
                return failure_set(failure, -EBADMSG, "ManifestChanged",
                                   "the manifest beside the archive does not belong to what is inside");
        return 0;
}

int copy_verify(const char *directory, const struct copy *copy, const struct interrupt *interrupt,
                struct failure *failure)
{
        _cleanup_free_ char *path = copy_path(directory, copy->manifest->stored_file, "");
        _cleanup_facts_ facts = {};
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0) {
                r = -errno;
                return failure_set(failure, r, "CopyUnreadable", "cannot open %s: %s", path, strerror(-r));
        }
        r = archive_examine(fd, interrupt, &facts, failure);
        if (r < 0)
                return r;
        return archive_facts_match(&facts, copy->manifest, failure);
}
