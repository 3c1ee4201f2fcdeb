/* SPDX-License-Identifier: Apache-2.0 */

#include "verify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>

#include "archive.h"
#include "crc32c.h"
#include "scratch.h"
#include "side-hasher.h"

#define READ_SIZE (256 * 1024)
/* Large, because each piece wakes the other thread. */
#define SIDE_READ_SIZE (1024 * 1024)

/* Without the page cache nobody reads ahead; its unit is the largest block that disks have. */
#define DIRECT_READ_SIZE (1024 * 1024)
#define DIRECT_UNIT      4096

enum member { MEMBER_NONE, MEMBER_SNAPSHOT, MEMBER_OF_NODE, MEMBER_MANIFEST };

struct examination {
        struct failure *failure;
        const struct interrupt *interrupt;
        const char *const *scratch_directories;
        bool whole;                 /* the database is to lie in the scratch file, */
        struct scratch scratch;     /* which is this */
        struct etcd_reader *reader; /* else it is read as it passes; NULL: not at all */
        enum member member;
        struct hasher *hasher;
        struct side_hasher *side; /* borrowed; NULL: nothing is hashed on the side */
        uint64_t db_left;         /* bytes of the database before its hash */
        uint8_t trailer[SHA256_SIZE];
        size_t trailer_size;
        struct included_reader included;
        char *manifest_text;
        size_t manifest_size;
        struct archive_facts facts;
};

void archive_facts_clear(struct archive_facts *facts)
{
        facts->manifest = manifest_free(facts->manifest);
        failure_clear(&facts->unwalked);
        *facts = (struct archive_facts){};
}

static void examination_clear(struct examination *examination)
{
        hasher_free(examination->hasher);
        etcd_reader_free(examination->reader);
        scratch_close(&examination->scratch);
        included_reader_clear(&examination->included);
        free(examination->manifest_text);
        archive_facts_clear(&examination->facts);
}

static int begin_snapshot(struct examination *examination, uint64_t size)
{
        int r = 0;

        if (size <= SHA256_SIZE)
                return failure_set(examination->failure, -EBADMSG, "ArchiveDamaged",
                                   "%s is too small: %" PRIu64 " bytes", SNAPSHOT_MEMBER, size);
        examination->member = MEMBER_SNAPSHOT;
        examination->facts.raw_size = size;
        examination->db_left = size - SHA256_SIZE;
        if (examination->whole)
                scratch_open(&examination->scratch, examination->scratch_directories, examination->db_left);
        else if (examination->scratch_directories)
                r = etcd_reader_new(examination->db_left, examination->scratch_directories,
                                    &examination->reader);
        return r < 0 ? r : hasher_new(&examination->hasher);
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
        int r;

        if (examination->member == MEMBER_NONE && strcmp(name, SNAPSHOT_MEMBER) == 0)
                return begin_snapshot(examination, size);
        if (examination->member == MEMBER_SNAPSHOT || examination->member == MEMBER_OF_NODE) {
                if (strcmp(name, MANIFEST_MEMBER) == 0)
                        return begin_manifest(examination, size);
                if (included_name_is_sound(name)) {
                        examination->member = MEMBER_OF_NODE;
                        r = included_reader_begin(&examination->included, name, size);
                        if (r != -E2BIG)
                                return r;
                }
        }
        return failure_set(examination->failure, -EBADMSG, "ArchiveDamaged",
                           "it holds an unexpected member %s", name);
}

static int on_data(const void *data, size_t size, void *userdata)
{
        struct examination *examination = userdata;
        size_t of_db = examination->db_left < size ? (size_t)examination->db_left : size;
        int r;

        if (examination->member == MEMBER_MANIFEST) {
                memcpy(examination->manifest_text + examination->manifest_size, data, size);
                examination->manifest_size += size;
                return 0;
        }
        if (examination->member == MEMBER_OF_NODE)
                return included_reader_add(&examination->included, data, size);

        examination->db_left -= of_db;
        r = examination->side ? side_hasher_add(examination->side, data, of_db)
                              : hasher_add(examination->hasher, data, of_db);
        if (r < 0)
                return r;
        if (examination->whole)
                scratch_write(&examination->scratch, data, of_db);
        else if (examination->reader)
                etcd_reader_add(examination->reader, data, of_db);
        memcpy(examination->trailer + examination->trailer_size, (const uint8_t *)data + of_db, size - of_db);
        examination->trailer_size += size - of_db;
        return 0;
}

static int walk_scratch(struct examination *examination)
{
        struct archive_facts *facts = &examination->facts;
        struct scratch *scratch = &examination->scratch;
        int r;

        if (scratch->error < 0) {
                scratch_explain(scratch, &facts->unwalked);
                return 0;
        }
        r = etcd_database_read(scratch->fd, scratch->size, examination->interrupt, &facts->database,
                               examination->failure);
        scratch_close(scratch);
        facts->walked = r >= 0;
        return r;
}

static int walk(struct examination *examination)
{
        struct archive_facts *facts = &examination->facts;
        _cleanup_failure_ found = {};
        int r;

        if (examination->whole)
                return walk_scratch(examination);
        if (!examination->reader)
                return 0;
        r = etcd_reader_finish(examination->reader, examination->interrupt, &facts->database, &found);
        facts->walked = r >= 0;
        if (etcd_reader_has_no_verdict(&found)) {
                facts->unwalked = found;
                found = (struct failure){};
                facts->walk_error = r;
                return 0;
        }
        if (r < 0 && found.reason)
                (void)failure_set(examination->failure, r, found.reason, "%s", found.message);
        return r;
}

static int end_snapshot(struct examination *examination)
{
        uint8_t digest[SHA256_SIZE];
        int r;

        r = examination->side ? side_hasher_wait(examination->side) : 0;
        if (r >= 0)
                r = hasher_peek(examination->hasher, digest);
        if (r < 0)
                return r;
        if (CRYPTO_memcmp(digest, examination->trailer, SHA256_SIZE) != 0)
                return failure_set(examination->failure, -EBADMSG, "HashMismatch",
                                   "the database in %s does not have the SHA-256 that etcd put behind it",
                                   SNAPSHOT_MEMBER);
        r = hasher_add(examination->hasher, examination->trailer, SHA256_SIZE);
        if (r >= 0)
                r = hasher_finish(examination->hasher, examination->facts.raw_sha256);
        return r < 0 ? r : walk(examination);
}

static int on_end(void *userdata)
{
        struct examination *examination = userdata;
        int r;

        if (examination->member == MEMBER_SNAPSHOT)
                return end_snapshot(examination);
        if (examination->member == MEMBER_OF_NODE)
                return included_reader_end(&examination->included);

        r = manifest_parse(examination->manifest_text, examination->manifest_size,
                           &examination->facts.manifest, examination->failure);
        if (r < 0) {
                failure_prefix(examination->failure, "%s in the archive", MANIFEST_MEMBER);
                return r == -EPROTONOSUPPORT || r == -EINVAL ? -EBADMSG : r;
        }
        return included_reader_match(&examination->included, &examination->facts.manifest->included,
                                     examination->failure);
}

/* Where what is read goes: all of it into the hash or the checksum, and if there is a reader, into that,
 * decrypted if there is a decryptor. */
struct intake {
        struct hasher *hasher; /* NULL: a CRC-32C does */
        uint32_t crc;
        struct archive_reader *reader;
        struct age_decryptor *decryptor;
        struct failure *failure;
};

static void intake_clear(struct intake *intake)
{
        hasher_free(intake->hasher);
        archive_reader_free(intake->reader);
        age_decryptor_free(intake->decryptor);
}

static int on_decrypted(const void *data, size_t size, void *userdata)
{
        struct intake *intake = userdata;

        return archive_feed(intake->reader, data, size, intake->failure);
}

static int take_in(struct intake *intake, const void *data, size_t size)
{
        int r = 0;

        if (intake->hasher)
                r = hasher_add(intake->hasher, data, size);
        else
                intake->crc = crc32c(intake->crc, data, size);
        if (r < 0 || !intake->reader)
                return r;
        return intake->decryptor ? age_decryptor_feed(intake->decryptor, data, size, intake->failure)
                                 : on_decrypted(data, size, intake);
}

static int finish_intake(struct intake *intake)
{
        int r = 0;

        if (intake->decryptor)
                r = age_decryptor_finish(intake->decryptor, intake->failure);
        if (r >= 0 && intake->reader)
                r = archive_reader_finish(intake->reader, intake->failure);
        return r;
}

/* Returns false when it was so, or cannot be. */
static bool read_past_cache(int fd, bool past)
{
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || ((flags & O_DIRECT) != 0) == past)
                return false;
        return fcntl(fd, F_SETFL, flags ^ O_DIRECT) == 0;
}

static int read_some(int fd, uint8_t *buffer, size_t size, off_t at, struct failure *failure)
{
        for (;;) {
                ssize_t n = pread(fd, buffer, size, at);
                int error = errno;

                if (n >= 0)
                        return (int)n;
                if (error == EINTR || (error == EINVAL && read_past_cache(fd, false)))
                        continue;
                return failure_set(failure, -error, "ReadFailed", "cannot read it back: %s", strerror(error));
        }
}

static int read_through(int fd, size_t piece, struct intake *intake, const struct interrupt *interrupt,
                        uint64_t *ret_size)
{
        _cleanup_free_ uint8_t *buffer = aligned_alloc(DIRECT_UNIT, piece);
        struct stat st;
        off_t at = 0;
        int r = 1;

        if (!buffer)
                return -ENOMEM;
        if (fstat(fd, &st) < 0)
                return -errno;
        while (at < st.st_size && r > 0) {
                int n = read_some(fd, buffer, piece, at, intake->failure);

                if (n < 0)
                        return n;
                if (interrupted(interrupt))
                        return -ECANCELED;
                r = take_in(intake, buffer, (size_t)n);
                if (r < 0)
                        return r;
                at += n;
                interrupt_tell(interrupt, (uint64_t)at, (uint64_t)st.st_size);
                r = n;
        }

        *ret_size = (uint64_t)at;
        return finish_intake(intake);
}

/* Not from the page cache, and what etcd reads shall not be displaced by it either. */
static int read_uncached(int fd, struct intake *intake, const struct interrupt *interrupt, uint64_t *ret_size)
{
        int r;

        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        r = read_through(fd, READ_SIZE, intake, interrupt, ret_size);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        return r;
}

static int examine(int fd, const struct age_opener *opener, const char *const *scratch_directories,
                   bool whole, const struct interrupt *interrupt, struct archive_facts *ret,
                   struct failure *failure)
{
        _cleanup_(examination_clear) struct examination examination = {
                .failure = failure,
                .interrupt = interrupt,
                .scratch_directories = scratch_directories,
                .whole = whole,
                .scratch = SCRATCH_NONE,
        };
        const struct archive_handler handler = { on_begin, on_data, on_end, &examination };
        _cleanup_(intake_clear) struct intake intake = { .failure = failure };
        int r;

        r = archive_reader_new(&handler, &intake.reader);
        if (r >= 0)
                r = hasher_new(&intake.hasher);
        if (r >= 0 && opener)
                r = age_decryptor_new(opener, on_decrypted, &intake, &intake.decryptor);
        if (r < 0)
                return r;

        r = read_uncached(fd, &intake, interrupt, &examination.facts.stored_size);
        if (r < 0)
                return r;
        if (!examination.facts.manifest)
                return failure_set(failure, -EBADMSG, "ArchiveDamaged", "the archive holds no %s",
                                   MANIFEST_MEMBER);
        r = hasher_finish(intake.hasher, examination.facts.stored_sha256);
        if (r < 0)
                return r;

        *ret = examination.facts;
        examination.facts = (struct archive_facts){};
        return 0;
}

int archive_examine(int fd, const struct age_opener *opener, const char *const *scratch_directories,
                    const struct interrupt *interrupt, struct archive_facts *ret, struct failure *failure)
{
        _cleanup_facts_ facts = {};
        int r;

        r = examine(fd, opener, scratch_directories, false, interrupt, &facts, failure);
        if (r >= 0 && facts.walk_error == -EOPNOTSUPP) {
                archive_facts_clear(&facts);
                r = examine(fd, opener, scratch_directories, true, interrupt, &facts, failure);
        }
        if (r < 0)
                return r;

        *ret = facts;
        facts = (struct archive_facts){};
        return 0;
}

/* While one piece is hashed, which takes longest, it is looked at, too, and the next one is read. */
static int read_snapshot(int fd, struct examination *examination)
{
        _cleanup_free_ uint8_t *buffers = malloc(2 * SIDE_READ_SIZE);
        _cleanup_(side_hasher_freep) struct side_hasher *side = NULL; /* lets go of them before they go */
        uint64_t size = examination->facts.raw_size;
        uint8_t *buffer = buffers;
        int r;

        if (!buffers)
                return -ENOMEM;
        r = side_hasher_new(examination->hasher, &side);
        if (r < 0)
                return r;
        examination->side = side;
        for (uint64_t at = 0; at < size;) {
                ssize_t n =
                        pread(fd, buffer, size - at < SIDE_READ_SIZE ? (size_t)(size - at) : SIDE_READ_SIZE,
                              (off_t)at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0) {
                        r = n < 0 ? -errno : -EIO; /* 0: cut while it was read */
                        return failure_set(examination->failure, r, "ReadFailed", "cannot read it: %s",
                                           strerror(-r));
                }
                if (interrupted(examination->interrupt))
                        return -ECANCELED;
                r = on_data(buffer, (size_t)n, examination);
                if (r < 0)
                        return r;
                at += (uint64_t)n;
                buffer = buffers + (buffer == buffers ? SIDE_READ_SIZE : 0);
                interrupt_tell(examination->interrupt, at, size);
        }
        return end_snapshot(examination);
}

int snapshot_file_examine(int fd, const char *const *scratch_directories, const struct interrupt *interrupt,
                          struct archive_facts *ret, struct failure *failure)
{
        _cleanup_(examination_clear) struct examination examination = {
                .failure = failure,
                .interrupt = interrupt,
                .scratch_directories = scratch_directories,
                .scratch = SCRATCH_NONE,
        };
        struct archive_facts *facts = &examination.facts;
        off_t size = lseek(fd, 0, SEEK_END);
        int r;

        if (size < 0)
                return -errno;
        if (size % TAR_BLOCK_SIZE != SHA256_SIZE) /* pages are multiples of it */
                return failure_set(
                        failure, -EBADMSG, "HashMissing",
                        "it does not end with etcd's hash of it: it was cut, or is no snapshot but a file "
                        "that etcd works on");
        r = begin_snapshot(&examination, (uint64_t)size);
        if (r >= 0)
                r = read_snapshot(fd, &examination);
        if (r >= 0 && facts->walk_error == -EOPNOTSUPP) {
                failure_clear(&facts->unwalked);
                r = etcd_database_read(fd, (uint64_t)size - SHA256_SIZE, interrupt, &facts->database,
                                       failure);
                facts->walked = r >= 0;
        }
        if (r < 0)
                return r;

        *ret = examination.facts;
        examination.facts = (struct archive_facts){};
        return 0;
}

static int check_stored(uint64_t size, const uint8_t sha256[static SHA256_SIZE],
                        const struct manifest *manifest, struct failure *failure)
{
        if (size == manifest->stored_size && memcmp(sha256, manifest->stored_sha256, SHA256_SIZE) == 0)
                return 0;
        return failure_set(failure, -EBADMSG, "CopyChanged",
                           "the stored bytes are not those that the manifest names");
}

int stored_bytes_match(int fd, const struct manifest *manifest, const struct interrupt *interrupt,
                       struct failure *failure)
{
        _cleanup_(intake_clear) struct intake intake = { .failure = failure };
        uint8_t sha256[SHA256_SIZE];
        uint64_t size;
        int r;

        r = hasher_new(&intake.hasher);
        if (r >= 0)
                r = read_uncached(fd, &intake, interrupt, &size);
        if (r >= 0)
                r = hasher_finish(intake.hasher, sha256);
        if (r < 0)
                return r;
        return check_stored(size, sha256, manifest, failure);
}

int stored_crc_match(int fd, uint64_t stored_size, uint32_t crc, const struct interrupt *interrupt,
                     struct failure *failure)
{
        _cleanup_(intake_clear) struct intake intake = { .failure = failure };
        uint64_t size;
        bool direct;
        int r;

        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        direct = read_past_cache(fd, true);
        r = read_through(fd, DIRECT_READ_SIZE, &intake, interrupt, &size);
        if (direct)
                (void)read_past_cache(fd, false);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        if (r < 0)
                return r;
        if (size != stored_size || intake.crc != crc)
                return failure_set(failure, -EBADMSG, "CopyChanged",
                                   "the stored bytes are not those that were written");
        return 0;
}

/* What the manifest says of the database. One that was not walked when it was stored has etcd's revision of
 * before the snapshot, which the database cannot be behind. */
static bool database_matches(const struct etcd_database *database, const struct manifest *manifest)
{
        if (!manifest->walked)
                return database->revision >= manifest->revision;
        return database->revision == manifest->revision && database->hash == manifest->hash &&
               database->keys == manifest->keys && database->consistent_index == manifest->consistent_index;
}

/* The one inside may have been written before the database was walked. */
static bool walk_matches(const struct manifest *inside, const struct manifest *beside)
{
        if (beside->walked && !inside->walked)
                return inside->revision <= beside->revision;
        return inside->walked == beside->walked && inside->revision == beside->revision &&
               inside->hash == beside->hash;
}

int archive_facts_match(const struct archive_facts *facts, const struct manifest *manifest,
                        struct failure *failure)
{
        const struct manifest *inside = facts->manifest;
        int r;

        r = check_stored(facts->stored_size, facts->stored_sha256, manifest, failure);
        if (r < 0)
                return r;
        if (facts->raw_size != manifest->raw_size ||
            memcmp(facts->raw_sha256, manifest->raw_sha256, SHA256_SIZE) != 0 ||
            inside->cluster_id != manifest->cluster_id || inside->sequence != manifest->sequence ||
            !walk_matches(inside, manifest) || !included_equal(&inside->included, &manifest->included) ||
            memcmp(inside->raw_sha256, manifest->raw_sha256, SHA256_SIZE) != 0)
                return failure_set(failure, -EBADMSG, "ManifestChanged",
                                   "the manifest beside the archive does not belong to what is inside");
        if (facts->walked && !database_matches(&facts->database, manifest))
                return failure_set(failure, -EBADMSG, "ManifestChanged",
                                   "the database is at revision %" PRId64 " with hash %" PRIx32
                                   ", and the manifest says otherwise",
                                   facts->database.revision, facts->database.hash);
        return 0;
}

int stored_copy_verify(int fd, const struct manifest *manifest, const struct age_opener *opener,
                       const char *const *scratch_directories, const struct interrupt *interrupt,
                       struct archive_facts *ret, struct failure *failure)
{
        bool encrypted = copy_is_encrypted(manifest->stored_file);
        _cleanup_facts_ facts = {};
        int r;

        if (encrypted && !opener)
                return stored_bytes_match(fd, manifest, interrupt, failure);
        r = archive_examine(fd, encrypted ? opener : NULL, scratch_directories, interrupt, &facts, failure);
        if (r >= 0)
                r = archive_facts_match(&facts, manifest, failure);
        if (r < 0)
                return r;

        *ret = facts;
        facts = (struct archive_facts){};
        return 0;
}

int copy_verify(const char *directory, const struct copy *copy, const struct age_opener *opener,
                const char *scratch_dir, const struct interrupt *interrupt, struct archive_facts *ret,
                struct failure *failure)
{
        _cleanup_free_ char *path = copy_path(directory, copy->manifest->stored_file, "");
        bool encrypted = copy_is_encrypted(copy->manifest->stored_file);
        /* What is encrypted shall not lie plain where the copy is, even without a name. */
        const char *const scratch_directories[] = { scratch_dir, encrypted ? NULL : directory, NULL };
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0) {
                r = -errno;
                return failure_set(failure, r, "CopyUnreadable", "cannot open %s: %s", path, strerror(-r));
        }
        return stored_copy_verify(fd, copy->manifest, opener, scratch_directories, interrupt, ret, failure);
}
