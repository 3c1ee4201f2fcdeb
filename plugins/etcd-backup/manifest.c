/* SPDX-License-Identifier: Apache-2.0 */

#include "manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "files.h"
#include "json.h"
#include "timestamp.h"

#define ID_SIZE     17 /* 16 hexadecimal digits, as etcdctl's tables show ids */
#define HASH_SIZE   9  /* up to 8 */
#define SHA256_HEX  (2 * SHA256_SIZE)
#define DB_SIZE_MAX (UINT64_C(1) << 50)

struct manifest *manifest_free(struct manifest *manifest)
{
        if (!manifest)
                return NULL;
        free(manifest->cluster);
        free(manifest->node);
        free(manifest->etcd_version);
        free(manifest->kubernetes_version);
        free(manifest->stored_file);
        included_clear(&manifest->included);
        manifest_seal_clear(&manifest->seal);
        free(manifest);
        return NULL;
}

static int set_id(json_object *object, const char *key, uint64_t id)
{
        char text[ID_SIZE];

        snprintf(text, sizeof(text), "%016" PRIx64, id);
        return json_set_string(object, key, text);
}

static int set_time(json_object *object, const char *key, uint64_t usec)
{
        char text[TIMESTAMP_SIZE];

        return json_set_string(object, key, timestamp_format(usec, text));
}

/* { "file": …, "size": …, "sha256": … }, the digest as sha256sum prints it. */
static int set_file(json_object *object, const char *key, const char *file, uint64_t size,
                    const uint8_t *sha256)
{
        _cleanup_json_ json_object *part = json_object_new_object();
        char text[SHA256_TEXT_SIZE];
        int r;

        if (!part)
                return -ENOMEM;
        r = json_set_string(part, "file", file);
        if (r < 0)
                return r;
        r = json_set_integer(part, "size", (int64_t)size);
        if (r < 0)
                return r;
        r = json_set_string(part, "sha256", strchr(digest_format(sha256, text), ':') + 1);
        if (r < 0)
                return r;
        return json_set(object, key, TAKE_PTR(part));
}

static int set_origin(json_object *object, const struct manifest *manifest)
{
        int r;

        r = json_set_integer(object, "schemaVersion", MANIFEST_SCHEMA_VERSION);
        if (r < 0)
                return r;
        r = json_set_string(object, "cluster", manifest->cluster);
        if (r < 0)
                return r;
        r = json_set_string(object, "node", manifest->node);
        if (r < 0)
                return r;
        r = set_id(object, "clusterId", manifest->cluster_id);
        if (r < 0)
                return r;
        r = set_id(object, "memberId", manifest->member_id);
        if (r < 0)
                return r;
        r = json_set_string(object, "etcdVersion", manifest->etcd_version);
        if (r < 0 || !manifest->kubernetes_version)
                return r;
        return json_set_string(object, "kubernetesVersion", manifest->kubernetes_version);
}

/* The hash as etcdutl prints it. */
static int set_database(json_object *object, const struct manifest *manifest)
{
        char hash[HASH_SIZE];
        int r;

        (void)snprintf(hash, sizeof(hash), "%" PRIx32, manifest->hash);
        r = json_set_string(object, "hash", hash);
        if (r < 0)
                return r;
        r = json_set_integer(object, "keyCount", (int64_t)manifest->keys);
        if (r < 0)
                return r;
        return json_set_integer(object, "consistentIndex", (int64_t)manifest->consistent_index);
}

static int set_position(json_object *object, const struct manifest *manifest)
{
        int r;

        r = json_set_integer(object, "revision", manifest->revision);
        if (r < 0)
                return r;
        if (manifest->walked) {
                r = set_database(object, manifest);
                if (r < 0)
                        return r;
        }
        r = json_set_integer(object, "raftIndex", (int64_t)manifest->raft_index);
        if (r < 0)
                return r;
        r = json_set_integer(object, "sequence", (int64_t)manifest->sequence);
        if (r < 0)
                return r;
        r = set_time(object, "startedAt", manifest->started_usec);
        if (r < 0)
                return r;
        return moment_write(&manifest->finished, object, "finished");
}

int manifest_format(const struct manifest *manifest, bool stored, char **ret_text)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        const char *text;
        char *copy;
        int r;

        if (!object)
                return -ENOMEM;
        r = set_origin(object, manifest);
        if (r < 0)
                return r;
        r = set_position(object, manifest);
        if (r < 0)
                return r;
        r = json_set_integer(object, "dbSize", (int64_t)manifest->db_size);
        if (r < 0)
                return r;
        r = set_file(object, "raw", SNAPSHOT_MEMBER, manifest->raw_size, manifest->raw_sha256);
        if (r < 0)
                return r;
        r = included_write(&manifest->included, object);
        if (r < 0)
                return r;
        if (stored) {
                r = set_file(object, "stored", manifest->stored_file, manifest->stored_size,
                             manifest->stored_sha256);
                if (r < 0)
                        return r;
                r = set_time(object, "verifiedAt", manifest->verified_usec);
                if (r < 0)
                        return r;
                r = manifest_seal_write(&manifest->seal, object);
                if (r < 0)
                        return r;
        }

        text = json_object_to_json_string_ext(object,
                                              JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text || asprintf(&copy, "%s\n", text) < 0)
                return -ENOMEM;
        *ret_text = copy;
        return 0;
}

static int refuse(struct failure *failure, const char *key, const char *allowed)
{
        return failure_set(failure, -EINVAL, "InvalidManifest", "/%s: missing, or not %s", key, allowed);
}

static int get_text(json_object *object, const char *key, char **ret, struct failure *failure)
{
        const char *text = json_string(object, key);

        if (!text || !*text)
                return refuse(failure, key, "a text");
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int get_number(json_object *object, const char *key, uint64_t maximum, uint64_t *ret,
                      struct failure *failure)
{
        int64_t value = json_integer(object, key, -1);

        if (value < 0 || (uint64_t)value > maximum)
                return refuse(failure, key, "a whole number of its range");
        *ret = (uint64_t)value;
        return 0;
}

static int get_time(json_object *object, const char *key, uint64_t *ret, struct failure *failure)
{
        const char *text = json_string(object, key);

        if (!text || timestamp_parse(text, ret) < 0)
                return refuse(failure, key, "a time as 2026-11-21T10:00:00Z");
        return 0;
}

static int digit(char c)
{
        const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

        return at ? (int)(at - digits) : -1;
}

static int get_hexadecimal(json_object *object, const char *key, uint8_t *ret, size_t size,
                           struct failure *failure)
{
        const char *text = json_string(object, key);

        if (!text || strlen(text) != 2 * size)
                return refuse(failure, key, "lower-case hexadecimal digits");
        for (size_t i = 0; i < size; i++) {
                int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

                if (high < 0 || low < 0)
                        return refuse(failure, key, "lower-case hexadecimal digits");
                ret[i] = (uint8_t)(high << 4 | low);
        }
        return 0;
}

static int get_id(json_object *object, const char *key, uint64_t *ret, struct failure *failure)
{
        uint8_t bytes[sizeof(uint64_t)];
        int r;

        r = get_hexadecimal(object, key, bytes, sizeof(bytes), failure);
        if (r < 0)
                return r;
        *ret = 0;
        for (size_t i = 0; i < sizeof(bytes); i++)
                *ret = *ret << 8 | bytes[i];
        return 0;
}

static int get_file(json_object *object, const char *key, char **ret_file, uint64_t *ret_size,
                    uint8_t *ret_sha256, struct failure *failure)
{
        json_object *part = json_member(object, key, json_type_object);
        int r;

        if (!part)
                return refuse(failure, key, "an object");
        r = get_text(part, "file", ret_file, failure);
        if (r < 0)
                return r;
        r = get_number(part, "size", DB_SIZE_MAX, ret_size, failure);
        if (r < 0)
                return r;
        return get_hexadecimal(part, "sha256", ret_sha256, SHA256_SIZE, failure);
}

static int get_origin(json_object *object, struct manifest *manifest, struct failure *failure)
{
        int r;

        r = get_text(object, "cluster", &manifest->cluster, failure);
        if (r < 0)
                return r;
        r = get_text(object, "node", &manifest->node, failure);
        if (r < 0)
                return r;
        r = get_id(object, "clusterId", &manifest->cluster_id, failure);
        if (r < 0)
                return r;
        r = get_id(object, "memberId", &manifest->member_id, failure);
        if (r < 0)
                return r;
        r = get_text(object, "etcdVersion", &manifest->etcd_version, failure);
        if (r < 0 || !json_object_object_get_ex(object, "kubernetesVersion", NULL))
                return r;
        return get_text(object, "kubernetesVersion", &manifest->kubernetes_version, failure);
}

static int get_position(json_object *object, struct manifest *manifest, struct failure *failure)
{
        uint64_t revision = 0;
        int r;

        r = get_number(object, "revision", INT64_MAX, &revision, failure);
        if (r < 0)
                return r;
        r = get_number(object, "raftIndex", INT64_MAX, &manifest->raft_index, failure);
        if (r < 0)
                return r;
        r = get_number(object, "sequence", INT64_MAX, &manifest->sequence, failure);
        if (r < 0)
                return r;
        r = get_time(object, "startedAt", &manifest->started_usec, failure);
        if (r < 0)
                return r;
        if (moment_read(object, "finished", &manifest->finished) < 0)
                return refuse(failure, "finishedAt", "a time with its boot");

        manifest->revision = (int64_t)revision;
        return 0;
}

static bool has(json_object *object, const char *key)
{
        return json_object_object_get_ex(object, key, NULL);
}

static int get_database(json_object *object, struct manifest *manifest, struct failure *failure)
{
        const char *hash = json_string(object, "hash");
        uint32_t value = 0;
        int r;

        if (!has(object, "hash") && !has(object, "keyCount") && !has(object, "consistentIndex"))
                return 0;
        if (!hash || !*hash || strlen(hash) >= HASH_SIZE)
                return refuse(failure, "hash", "up to 8 lower-case hexadecimal digits");
        for (; *hash; hash++) {
                if (digit(*hash) < 0)
                        return refuse(failure, "hash", "up to 8 lower-case hexadecimal digits");
                value = value << 4 | (uint32_t)digit(*hash);
        }
        r = get_number(object, "keyCount", INT64_MAX, &manifest->keys, failure);
        if (r < 0)
                return r;
        r = get_number(object, "consistentIndex", INT64_MAX, &manifest->consistent_index, failure);
        if (r < 0)
                return r;

        manifest->hash = value;
        manifest->walked = true;
        return 0;
}

static int get_files(json_object *object, struct manifest *manifest, struct failure *failure)
{
        _cleanup_free_ char *raw = NULL;
        int r;

        r = get_number(object, "dbSize", DB_SIZE_MAX, &manifest->db_size, failure);
        if (r < 0)
                return r;
        r = get_file(object, "raw", &raw, &manifest->raw_size, manifest->raw_sha256, failure);
        if (r < 0)
                return r;
        r = included_read(object, &manifest->included, failure);
        if (r < 0)
                return r;
        if (!json_object_object_get_ex(object, "stored", NULL))
                return 0;

        r = get_file(object, "stored", &manifest->stored_file, &manifest->stored_size,
                     manifest->stored_sha256, failure);
        if (r < 0)
                return r;
        r = get_time(object, "verifiedAt", &manifest->verified_usec, failure);
        if (r < 0)
                return r;
        return manifest_seal_read(object, &manifest->seal, failure);
}

int manifest_parse(const char *text, size_t size, struct manifest **ret, struct failure *failure)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_json_ json_object *object = NULL;
        int64_t version;
        int r;

        r = json_parse(text, size, &object, failure);
        if (r < 0)
                return r;
        version = json_integer(object, "schemaVersion", -1);
        if (version != MANIFEST_SCHEMA_VERSION)
                return failure_set(failure, -EPROTONOSUPPORT, "UnknownSchemaVersion",
                                   "/schemaVersion: not %d; written by a newer version, or not a manifest",
                                   MANIFEST_SCHEMA_VERSION);

        manifest = calloc(1, sizeof(*manifest));
        if (!manifest)
                return -ENOMEM;
        r = get_origin(object, manifest, failure);
        if (r < 0)
                return r;
        r = get_position(object, manifest, failure);
        if (r < 0)
                return r;
        r = get_database(object, manifest, failure);
        if (r < 0)
                return r;
        r = get_files(object, manifest, failure);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(manifest);
        return 0;
}

int manifest_load(const char *path, struct manifest **ret, struct failure *failure)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = file_read(path, MANIFEST_SIZE_MAX, &text, &size);
        if (r < 0)
                return failure_set(failure, r, "ManifestUnreadable", "cannot read %s: %s", path,
                                   strerror(-r));
        r = manifest_parse(text, size, ret, failure);
        if (r < 0)
                failure_prefix(failure, "%s", path);
        return r;
}
