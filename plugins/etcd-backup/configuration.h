/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* /etc/capi-node-agent/etcd-backup.json. */

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

enum target_kind { TARGET_DIRECTORY };

struct backup_target {
        char *name;
        int kind; /* enum target_kind */
        char *path;
        struct target_retention retention;
};

struct backup_config {
        char *schedule;
        uint64_t randomized_delay_usec, max_age_usec;
        char *cluster;
        struct etcd_access etcd;
        struct backup_encryption encryption;
        struct config_objects targets; /* struct backup_target */
};

extern const struct config_type backup_config_type;

#define BACKUP_STATE_DIR "/var/lib/capi-node-agent/etcd-backup"

/* The configuration below root, or the last good one of the state; for the programs that run and end.
 * plugin_load_config's errors, with a failure. config_free frees it. */
int backup_config_load(const char *root, struct backup_config **ret, struct failure *failure);

/* The i-th target. */
const struct backup_target *backup_config_target(const struct backup_config *config, size_t i);

/* The node's name as copies carry it: the host name, or "node" where that cannot stand in a file name. */
#define NODE_NAME_SIZE 65
char *node_name(char buffer[static NODE_NAME_SIZE]);
