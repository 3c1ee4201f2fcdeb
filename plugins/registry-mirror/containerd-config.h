/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* containerd's own configuration (containerd-config.toml(5)) with its imports, as far as it decides where
 * hosts.toml is looked for. It is read only; where the setting lacks, a file of ours is imported. */

#include "failure.h"
#include "toml.h"

#define CERTS_DIRECTORY   "/etc/containerd/certs.d"
#define CONTAINERD_CONFIG "/etc/containerd/config.toml"
#define DROP_IN_NAME      "zz-capi-node-registry-mirror.toml" /* imported in the order of names */

struct containerd_config {
        char *path;                 /* of the main file, as the node knows it */
        char *config_path;          /* registry.config_path in force without our file; NULL: none */
        char *drop_in;              /* where our file goes; NULL: nothing is imported */
        char *plugin;               /* the id of the plugin that pulls images */
        int64_t version;            /* of the main file's format */
        struct toml_value *section; /* the plugin's table, or NULL */
        char *overridden_by;        /* a file imported behind ours that has that table, too; NULL: none */
        bool mirrors; /* registry.mirrors or registry.configs.*.tls, which config_path excludes */
};
#define _cleanup_containerd_config_ _cleanup_(containerd_config_clear) struct containerd_config
void containerd_config_clear(struct containerd_config *config);

/* Reads `path` and what it imports, below root. Returns -ENOENT with a failure (ConfigPathMissing) when there
 * is none, -EINVAL (ContainerdConfigUnreadable) when one does not parse, or another -errno. */
int containerd_config_load(const char *root, const char *path, struct containerd_config *ret,
                           struct failure *failure);

/* The directory in which containerd looks: the first of config_path; CERTS_DIRECTORY when there is none. */
char *containerd_config_directory(const struct containerd_config *config);

/* Whether config_path names more than one directory: containerd 2.1 takes them for one (containerd: #12415).
 */
bool containerd_config_is_list(const struct containerd_config *config);

/* The text of our file. containerd before 2.1 puts an imported table in the place of the whole table of that
 * plugin, so it is the plugin's table with config_path added. Owned by the caller; NULL: no memory. */
char *containerd_config_drop_in(const struct containerd_config *config);
