/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* etcd's own programs on this node, for a restore and its drill: bbolt files are only written by etcd's code.
 *
 * They are needed when etcd does not run, so they are kept in STATE/tools/IMAGE-TAG while it does, copied out
 * of its container's root file system (its image holds etcdutl from 3.5 on, and etcdctl). */

#include <stdbool.h>

#include "cleanup.h"
#include "failure.h"

enum etcd_program { ETCD_SERVER, ETCD_UTL, ETCD_CTL };

struct etcd_tool {
        enum etcd_program program;
        char *path;
        char version[32]; /* "3.5.16", as it says itself */
        bool bumps;       /* knows --bump-revision and --mark-compacted */
};
void etcd_tool_clear(struct etcd_tool *tool);
#define _cleanup_etcd_tool_ _cleanup_(etcd_tool_clear) struct etcd_tool

/* Copies what the running container has of them, where they are not kept yet. Returns how many are kept under
 * the tag now, or -errno; -ENOENT when no container runs. Programs of other tags go. */
int etcd_tools_keep(const char *root, const char *state_dir, const char *tag);

/* Finds etcdutl, or etcdctl where the version has no etcdutl: among the kept ones of the tag, else in PATH.
 * It must be of the same major and minor version as the tag, for a restore writes that version's files.
 * -ENOENT with a failure (RestoreToolMissing) that says what there is. */
int etcd_tool_find_restorer(const char *state_dir, const char *tag, struct etcd_tool *ret,
                            struct failure *failure);
/* etcd itself, likewise (EtcdProgramMissing). */
int etcd_tool_find_server(const char *state_dir, const char *tag, struct etcd_tool *ret,
                          struct failure *failure);

/* Whether two versions ("3.5.16-0", "3.5.9") have the same major and minor number; and how many minor
 * versions the second is ahead, INT_MAX when they cannot be compared. */
bool etcd_version_same(const char *one, const char *other);
int etcd_version_ahead(const char *from, const char *to);

/* Runs the program (no shell; no standard input; an environment of its own), with what it says collected.
 * Returns 0 with its exit status (or 128 + signal) and its output, owned by the caller, or -errno. */
int etcd_tool_run(const struct etcd_tool *tool, const char *const *arguments, int *ret_status,
                  char **ret_output);
