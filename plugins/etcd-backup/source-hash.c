/* SPDX-License-Identifier: Apache-2.0 */

#include "source-hash.h"

#include <string.h>

#include "copies.h"
#include "json-file.h"
#include "revision-journal.h"

#define FILE_NAME     "source-hash.json"
#define FILE_SIZE_MAX 4096
#define HASHED_MAX    (UINT64_C(1) << 30)

static int save(const char *state_dir, const char *copy, const struct etcd_hash *hash)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_free_ char *path = copy_path(state_dir, FILE_NAME, "");
        int r;

        if (!object || !path)
                return -ENOMEM;
        r = json_set_string(object, "copy", copy);
        if (r >= 0)
                r = json_set_integer(object, "hashKv", hash->hash);
        if (r >= 0)
                r = json_set_integer(object, "compactRevision", hash->compact_revision);
        if (r < 0)
                return r;
        return json_save(path, object);
}

int source_hash_record(const char *root, const char *state_dir, const struct etcd_access *access,
                       const struct manifest *manifest)
{
        _cleanup_etcd_peer_ peer = {};
        struct etcd_hash hash;
        int r;

        r = revision_journal_add(state_dir,
                                 &(struct revision_mark){ .realtime_usec = manifest->finished.realtime_usec,
                                                          .cluster_id = manifest->cluster_id,
                                                          .revision = manifest->revision,
                                                          .raft_index = manifest->raft_index });
        if (r < 0 || !manifest->walked || manifest->db_size > HASHED_MAX)
                return r;
        r = etcd_peer_make(root, access, &peer);
        if (r >= 0)
                r = etcd_ask_hash(&peer, manifest->revision, &hash, NULL);
        return r < 0 ? r : save(state_dir, manifest->stored_file, &hash);
}

int source_hash_load(const char *state_dir, const char *copy, struct etcd_hash *ret)
{
        _cleanup_free_ char *path = copy_path(state_dir, FILE_NAME, "");
        _cleanup_json_ json_object *object = NULL;
        int64_t hash, compact;
        const char *name;
        int r;

        if (!path)
                return -ENOMEM;
        r = json_load(path, FILE_SIZE_MAX, &object);
        if (r < 0)
                return r;
        name = json_string(object, "copy");
        hash = json_integer(object, "hashKv", -1);
        compact = json_integer(object, "compactRevision", INT64_MIN);
        if (!name || strcmp(name, copy) != 0 || hash < 0 || hash > UINT32_MAX || compact == INT64_MIN)
                return -ENOENT;
        *ret = (struct etcd_hash){ (uint32_t)hash, compact };
        return 0;
}
