/* SPDX-License-Identifier: Apache-2.0 */

#include "etcd-database.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "bbolt-stream.h"
#include "bbolt.h"
#include "crc32c.h"

/* A record's key: main revision, "_", sub revision, and "t" when it says that the key was deleted (etcd:
 * server/storage/mvcc/revision.go). */
#define REVISION_SIZE  17
#define TOMBSTONE_SIZE 18

/* mvccpb.KeyValue */
enum { KV_KEY = 1, KV_CREATE_REVISION, KV_MOD_REVISION, KV_VERSION, KV_VALUE, KV_LEASE };
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
#define VARINT_SIZE_MAX 10

struct reading;

struct bucket {
        const char *name;
        int (*take)(struct reading *reading, const struct bbolt_entry *entry);
        bool needed;
};

static int take_record(struct reading *reading, const struct bbolt_entry *entry);
static int take_meta(struct reading *reading, const struct bbolt_entry *entry);
static int take_member(struct reading *reading, const struct bbolt_entry *entry);

/* Those that we look into; all are hashed. */
static const struct bucket buckets[] = {
        { "key", take_record, true },
        { "meta", take_meta, true },
        { "members", take_member, false },
};

struct reading {
        struct failure *failure;
        struct etcd_database database;
        const struct bucket *bucket; /* NULL: one that we do not look into */
        bool seen[ELEMENTS(buckets)];
};

static int damaged(struct reading *reading, const char *what)
{
        return failure_set(reading->failure, -EBADMSG, "DatabaseDamaged",
                           "the database has %s (behind revision %" PRId64 ")", what,
                           reading->database.revision);
}

/* The main revision of a record's key. */
static int parse_revision(const uint8_t *key, size_t size, int64_t *ret)
{
        uint64_t main;

        if ((size != REVISION_SIZE && (size != TOMBSTONE_SIZE || key[REVISION_SIZE] != 't')) || key[8] != '_')
                return -EBADMSG;
        memcpy(&main, key, sizeof(main));
        *ret = (int64_t)be64toh(main);
        return *ret < 0 ? -EBADMSG : 0;
}

static void raise_revision(struct reading *reading, int64_t revision)
{
        if (revision > reading->database.revision)
                reading->database.revision = revision;
}

static int read_varint(const struct bbolt_entry *entry, uint64_t *at, uint64_t *ret)
{
        uint64_t left = entry->value_size - *at, value = 0;
        size_t n = left < VARINT_SIZE_MAX ? (size_t)left : VARINT_SIZE_MAX;
        const uint8_t *bytes;
        int r;

        r = bbolt_value(entry, *at, n, &bytes);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
                if (bytes[i] < 0x80) {
                        *at += i + 1;
                        *ret = value;
                        return 0;
                }
        }
        return -EBADMSG;
}

/* Steps over a field's bytes; of a varint, tells the value, of others the size. The value of a record may be
 * larger than what is in memory of it, which protobuf.h's reader does not do. */
static int read_field(const struct bbolt_entry *entry, uint64_t *at, unsigned wire, uint64_t *ret)
{
        int r;

        if (wire == WIRE_VARINT)
                return read_varint(entry, at, ret);
        if (wire == WIRE_BYTES) {
                r = read_varint(entry, at, ret);
                if (r < 0)
                        return r;
        } else if (wire == WIRE_FIXED64 || wire == WIRE_FIXED32) {
                *ret = wire == WIRE_FIXED64 ? 8 : 4;
        } else {
                return -EBADMSG;
        }
        if (*ret > entry->value_size - *at)
                return -EBADMSG;
        *at += *ret;
        return 0;
}

/* etcd does not start with a record that is no KeyValue. */
static int parse_record(const struct bbolt_entry *entry, bool *ret_named, uint64_t *ret_revision)
{
        uint64_t at = 0, tag, value, revision = 0;
        bool named = false;
        int r;

        while (at < entry->value_size) {
                r = read_varint(entry, &at, &tag);
                if (r < 0)
                        return r;
                r = read_field(entry, &at, tag & 7, &value);
                if (r < 0)
                        return r;
                if (tag == (KV_KEY << 3 | WIRE_BYTES))
                        named = value > 0;
                else if (tag == (KV_MOD_REVISION << 3 | WIRE_VARINT))
                        revision = value;
                else if (tag >> 3 == 0 || ((tag >> 3) <= KV_LEASE && (tag & 7) != WIRE_VARINT &&
                                           tag != (KV_VALUE << 3 | WIRE_BYTES)))
                        return -EBADMSG;
        }

        *ret_named = named;
        *ret_revision = revision;
        return 0;
}

static int take_record(struct reading *reading, const struct bbolt_entry *entry)
{
        uint64_t told;
        int64_t revision;
        bool named;
        int r;

        r = parse_revision(entry->key, entry->key_size, &revision);
        if (r < 0)
                return damaged(reading, "a record without a revision");
        raise_revision(reading, revision);
        if (entry->value_size == 0) /* etcdutl's --bump-revision puts such a one */
                return 0;

        r = parse_record(entry, &named, &told);
        if (r < 0 && r != -EBADMSG)
                return r;
        if (r < 0 || !named)
                return damaged(reading, "a record that is none");
        if (entry->key_size == REVISION_SIZE && told != (uint64_t)revision)
                return damaged(reading, "a record under another revision");
        return 0;
}

static bool key_is(const struct bbolt_entry *entry, const char *name)
{
        return entry->key_size == strlen(name) && memcmp(entry->key, name, entry->key_size) == 0;
}

static int take_meta(struct reading *reading, const struct bbolt_entry *entry)
{
        bool compaction = key_is(entry, "finishedCompactRev") || key_is(entry, "scheduledCompactRev");
        bool index = key_is(entry, "consistent_index");
        const char *broken = "a meta bucket with a broken entry";
        const uint8_t *bytes;
        int64_t revision;
        uint64_t value;
        int r;

        if (!compaction && !index)
                return 0;
        if (entry->value_size != (index ? sizeof(value) : REVISION_SIZE))
                return damaged(reading, broken);
        r = bbolt_value(entry, 0, (size_t)entry->value_size, &bytes);
        if (r < 0)
                return r;
        if (index) {
                memcpy(&value, bytes, sizeof(value));
                reading->database.consistent_index = be64toh(value);
                return reading->database.consistent_index <= INT64_MAX ? 0 : damaged(reading, broken);
        }
        r = parse_revision(bytes, REVISION_SIZE, &revision);
        if (r < 0)
                return damaged(reading, broken);
        raise_revision(reading, revision);
        return 0;
}

/* The keys are ids in hexadecimal digits. */
static int take_member(struct reading *reading, const struct bbolt_entry *entry)
{
        static const char digits[] = "0123456789abcdef";
        struct etcd_database *database = &reading->database;
        uint64_t id = 0;

        if (entry->key_size > 16 || database->n_members == ETCD_MEMBERS_MAX)
                return damaged(reading, "a broken list of members");
        for (size_t i = 0; i < entry->key_size; i++) {
                const char *digit = memchr(digits, entry->key[i], sizeof(digits) - 1);

                if (!digit)
                        return damaged(reading, "a broken list of members");
                id = id << 4 | (uint64_t)(digit - digits);
        }
        database->members[database->n_members++] = id;
        return 0;
}

static int on_bucket(const uint8_t *name, size_t size, void *userdata)
{
        struct reading *reading = userdata;

        reading->database.hash = crc32c(reading->database.hash, name, size);
        reading->bucket = NULL;
        for (size_t i = 0; i < ELEMENTS(buckets); i++)
                if (strlen(buckets[i].name) == size && memcmp(buckets[i].name, name, size) == 0) {
                        reading->bucket = &buckets[i];
                        reading->seen[i] = true;
                }
        return 0;
}

static int add_to_crc(const struct bbolt_entry *entry, uint32_t *crc)
{
        const uint8_t *bytes;
        uint64_t at = 0;
        int r;

        *crc = crc32c(*crc, entry->key, entry->key_size);
        while (at < entry->value_size) {
                uint64_t left = entry->value_size - at;
                size_t n = left < BBOLT_PIECE_MAX ? (size_t)left : BBOLT_PIECE_MAX;

                r = bbolt_value(entry, at, n, &bytes);
                if (r < 0)
                        return r;
                *crc = crc32c(*crc, bytes, n);
                at += n;
        }
        return 0;
}

static int on_entry(const struct bbolt_entry *entry, void *userdata)
{
        struct reading *reading = userdata;
        int r;

        reading->database.keys++;
        r = add_to_crc(entry, &reading->database.hash);
        if (r < 0)
                return r;
        return reading->bucket ? reading->bucket->take(reading, entry) : 0;
}

static bool is_record(const uint8_t *key, size_t size)
{
        int64_t revision;

        return parse_revision(key, size, &revision) >= 0;
}

static int add_to_digest(const struct bbolt_entry *entry, struct bbolt_digest *digest,
                         struct failure *failure)
{
        struct reading leaf = { .failure = failure, .database = { .revision = digest->revision } };
        int r;

        r = take_record(&leaf, entry);
        if (r < 0)
                return r;
        digest->revision = leaf.database.revision;
        digest->bytes += (uint32_t)(entry->key_size + entry->value_size);
        return add_to_crc(entry, &digest->crc);
}

static int on_digest(const struct bbolt_digest *digest, void *userdata)
{
        struct reading *reading = userdata;
        struct etcd_database *database = &reading->database;

        if (!reading->bucket || reading->bucket->take != take_record)
                return failure_set(reading->failure, -EOPNOTSUPP, "DatabaseNotWalked",
                                   "proven by its hashes only: what looks like records is in another bucket");
        database->keys += digest->entries;
        database->hash = crc32c_combine(database->hash, digest->crc, digest->bytes);
        raise_revision(reading, digest->revision);
        return 0;
}

static int finish(const struct reading *reading, struct etcd_database *ret)
{
        for (size_t i = 0; i < ELEMENTS(buckets); i++)
                if (buckets[i].needed && !reading->seen[i])
                        return failure_set(reading->failure, -EBADMSG, "DatabaseDamaged",
                                           "the database has no bucket \"%s\": it is not etcd's",
                                           buckets[i].name);

        *ret = reading->database;
        return 0;
}

/* An empty etcd is at revision 1. */
#define READING(f)                                           \
        {                                                    \
                .failure = (f), .database = {.revision = 1 } \
        }

int etcd_database_read(int fd, uint64_t size, const struct interrupt *interrupt, struct etcd_database *ret,
                       struct failure *failure)
{
        struct reading reading = READING(failure);
        const struct bbolt_handler handler = { on_bucket, on_entry, NULL, &reading };
        int r;

        r = bbolt_walk(fd, size, &handler, interrupt, failure);
        return r < 0 ? r : finish(&reading, ret);
}

struct etcd_reader {
        struct bbolt_stream *stream;
};

struct etcd_reader *etcd_reader_free(struct etcd_reader *reader)
{
        if (!reader)
                return NULL;
        bbolt_stream_free(reader->stream);
        free(reader);
        return NULL;
}

int etcd_reader_new(uint64_t size, const char *const *directories, struct etcd_reader **ret)
{
        static const struct bbolt_digester digester = { is_record, add_to_digest };
        _cleanup_(etcd_reader_freep) struct etcd_reader *reader = calloc(1, sizeof(*reader));
        int r;

        if (!reader)
                return -ENOMEM;
        r = bbolt_stream_new(size, directories, &digester, &reader->stream);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reader);
        return 0;
}

void etcd_reader_add(struct etcd_reader *reader, const void *data, size_t size)
{
        bbolt_stream_add(reader->stream, data, size);
}

int etcd_reader_finish(struct etcd_reader *reader, const struct interrupt *interrupt,
                       struct etcd_database *ret, struct failure *failure)
{
        struct reading reading = READING(failure);
        const struct bbolt_handler handler = { on_bucket, on_entry, on_digest, &reading };
        int r;

        r = bbolt_stream_finish(reader->stream, &handler, interrupt, failure);
        return r < 0 ? r : finish(&reading, ret);
}

bool etcd_reader_has_no_verdict(const struct failure *failure)
{
        return failure->reason && strcmp(failure->reason, "DatabaseNotWalked") == 0;
}

bool etcd_database_knows(const struct etcd_database *database, uint64_t member)
{
        for (size_t i = 0; i < database->n_members; i++)
                if (database->members[i] == member)
                        return true;
        return false;
}
