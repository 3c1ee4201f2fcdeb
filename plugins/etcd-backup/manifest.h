/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a copy says about itself: inside the archive as manifest.json, and beside it as NAME.manifest.json,
 * there with what is known only when the archive is written. The one beside the archive is written last,
 * after the stored bytes were read back and proven: no such file, no copy. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "digest.h"
#include "failure.h"
#include "include-list.h"
#include "manifest-seal.h"
#include "moment.h"

#define MANIFEST_SIZE_MAX       (64 * 1024)
#define MANIFEST_SCHEMA_VERSION 1
#define MANIFEST_SUFFIX         ".manifest.json"
#define SNAPSHOT_MEMBER         "snapshot.db"
#define MANIFEST_MEMBER         "manifest.json"

struct manifest {
        char *cluster, *node, *etcd_version;
        char *kubernetes_version; /* NULL: not known */
        uint64_t cluster_id, member_id;
        bool walked;      /* whether the database was read from end to end */
        int64_t revision; /* the database's; if not walked, etcd's before the snapshot: a floor */
        uint64_t keys;    /* of all buckets, as etcdctl's totalKey; 0 if not walked, as the next two */
        uint64_t consistent_index;
        uint32_t hash; /* as etcdctl and etcdutl compute it */
        uint64_t raft_index;
        uint64_t sequence; /* counts this node's copies; orders them, because clocks jump */
        uint64_t started_usec;
        struct moment finished; /* when the last byte came from etcd */
        uint64_t db_size;       /* without the trailing hash */
        uint64_t raw_size;      /* snapshot.db as `sha256sum` sees it */
        uint8_t raw_sha256[SHA256_SIZE];
        struct included included;

        char *stored_file; /* NULL inside the archive, as all below */
        uint64_t stored_size;
        uint8_t stored_sha256[SHA256_SIZE];
        uint64_t verified_usec; /* what was stored was read back and proven, also when encrypted */
        struct manifest_seal seal;
};

struct manifest *manifest_free(struct manifest *manifest);
DEFINE_CLEANUP(struct manifest *, manifest_free)

/* The JSON text, owned by the caller; `stored` says whether with the part about the stored file. */
int manifest_format(const struct manifest *manifest, bool stored, char **ret_text);

/* Keys that it does not know are skipped (another version may have written them); of those that it knows none
 * may be missing or of another form, except that what only a walk tells may be missing together. Returns
 * -EINVAL, or -EPROTONOSUPPORT for an unknown schema version, with a failure. */
int manifest_parse(const char *text, size_t size, struct manifest **ret, struct failure *failure);

/* manifest_parse of the file. */
int manifest_load(const char *path, struct manifest **ret, struct failure *failure);
