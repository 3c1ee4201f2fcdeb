/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The resident part: looks at the node's role, the copies and the last run whenever one of them changes, and
 * when a copy would become too old. */

#include "configuration.h"
#include "control-plane.h"
#include "copies.h"
#include "file-watch.h"
#include "last-run.h"
#include "plugin.h"
#include "target-state.h"

#define CONDITION_ETCD_BACKUP  "EtcdBackupHealthy"
#define CONDITION_ETCD_RESTORE "EtcdRestoreProven"

struct watched_target {
        const struct backup_target *target;
        char *directory; /* NULL: what is there, the last run told */
        struct target_state state;
        struct copies copies; /* of a directory; else the newest alone */
        struct file_watch *watch;
};

struct backup_watch {
        struct plugin_context *ctx;
        const struct backup_config *config;
        char node[NODE_NAME_SIZE];

        struct control_plane control_plane;
        struct last_run last_run;
        bool ran; /* last_run holds one */
        struct watched_target *targets;
        size_t n_targets;

        struct file_watch *manifest_watch, *kubelet_watch, *last_run_watch, *drill_watch;
        sd_event_source *recheck;
};

int backup_watch_start(struct plugin_context *ctx, const void *config);
bool backup_watch_rests(const struct plugin_context *ctx);
void backup_watch_close(struct plugin_context *ctx);
