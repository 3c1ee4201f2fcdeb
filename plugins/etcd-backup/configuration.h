/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/etcd-backup.json. */

#include <stdbool.h>

#include "config.h"
#include "retention-rules.h"

#define BACKUP_TARGETS_MAX 8

struct etcd_access {
        char *endpoint;
        char *ca_file, *cert_file, *key_file; /* not used by an http:// endpoint */
};

struct backup_encryption {
        struct config_strings recipients; /* none: not encrypted */
        char *authentication_key_file;    /* NULL: manifests carry no HMAC */
};

enum target_kind { TARGET_DIRECTORY, TARGET_S3 };
enum s3_addressing { S3_ADDRESSING_PATH, S3_ADDRESSING_VIRTUAL };

struct s3_access {
        char *endpoint, *region, *bucket;
        char *prefix;           /* of every key; NULL: none */
        int addressing;         /* enum s3_addressing */
        char *ca_file, *proxy;  /* NULL: the system's authorities; none */
        char *credentials_file; /* see s3-credentials.h */
};

struct backup_target {
        char *name;
        int kind;            /* enum target_kind */
        char *path;          /* of a directory, else NULL */
        struct s3_access s3; /* of S3 */
        bool allow_plaintext;
        struct target_retention retention;
};

struct backup_drill {
        char *schedule;
        uint64_t min_free;
};

struct backup_config {
        char *schedule;
        uint64_t randomized_delay_usec, max_age_usec;
        char *cluster;
        struct etcd_access etcd;
        struct backup_encryption encryption;
        struct config_strings include; /* of include.h */
        struct config_objects targets; /* struct backup_target */
        struct backup_drill drill;
};

extern const struct config_type backup_config_type;

/* "directory", "s3". */
const char *target_kind_name(int kind);

#define BACKUP_STATE_DIR "/var/lib/capi-node-agent/etcd-backup"

/* The configuration below root, or the last good one of the state; for the programs that run and end.
 * plugin_load_config's errors, with a failure. config_free frees it. */
int backup_config_load(const char *root, struct backup_config **ret, struct failure *failure);

/* The i-th target. */
const struct backup_target *backup_config_target(const struct backup_config *config, size_t i);

/* The node's name as copies carry it: the host name, or "node" where that cannot stand in a file name. */
#define NODE_NAME_SIZE 65
char *node_name(char buffer[static NODE_NAME_SIZE]);
