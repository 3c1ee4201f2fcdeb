/* SPDX-License-Identifier: Apache-2.0 */

/* etcd-backup: verified snapshots of this node's etcd member. The timer is a request in the report, the
 * snapshot itself is etcd-snapshot (snapshot-main.c); what stays resident watches that the result is good. */

#include "backup-report.h"
#include "commands.h"
#include "configuration.h"
#include "copies.h"
#include "drill-result.h"
#include "target-state.h"
#include "watch.h"

static const struct command commands[] = {
        { "snapshot", "", backup_run_snapshot, "Take a verified snapshot now" },
        { "list", "[--all] [--json]", backup_run_list,
          "Show this node's copies, or those of all nodes at every target",
          "capi-node etcd-backup list --all" },
        { "verify", "[NAME|FILE|--all|--target NAME [COPY]] [--identity FILE] [--json]", backup_run_verify,
          "Prove stored copies: by default the newest of each directory; or fetch one from a target",
          "capi-node etcd-backup verify --all\n"
          "  capi-node etcd-backup verify --target offsite --identity /run/identity.txt" },
        { "restore", "[SOURCE] [--target NAME] [--identity FILE] [--dry-run] [--yes] | --abort",
          backup_run_restore, "Bring this node's etcd back from a copy",
          "capi-node etcd-backup restore newest --dry-run\n"
          "  capi-node etcd-backup restore newest --target offsite --identity /run/identity.txt\n"
          "  capi-node etcd-backup restore /root/elsewhere/\n"
          "  capi-node etcd-backup restore --abort" },
        { "drill", "", backup_run_drill, "Prove now that the newest copy can be restored" },
        { "prune", "[--dry-run] [--target NAME] [--json]", backup_run_prune,
          "Remove what the retention gives up; a dry run explains each copy",
          "capi-node etcd-backup prune --dry-run --target offsite" },
        {},
};

static const struct condition_type conditions[] = {
        { .type = CONDITION_ETCD_BACKUP, .severity = SEVERITY_WARNING },
        { .type = CONDITION_ETCD_RESTORE, .severity = SEVERITY_WARNING },
        {},
};

/* Only what we know goes; backups outlive the wish for more of them. */
static int backup_undo(struct plugin_context *ctx, struct failure *failure)
{
        static const char *const files[] = { DRILL_FILE, LAST_RUN_FILE };
        int r;

        for (size_t i = 0; i < ELEMENTS(files); i++) {
                _cleanup_free_ char *path = copy_path(ctx->state_dir, files[i], "");

                if (!path)
                        return -ENOMEM;
                if (unlink(path) < 0 && errno != ENOENT)
                        return -errno;
        }
        r = target_states_forget(ctx->state_dir);
        return r < 0 ? r : control_plane_forget(ctx->state_dir);
}

static const struct plugin plugin = {
        .name = "etcd-backup",
        .summary = "Verified snapshots of this node's etcd member",
        .example = "capi-node etcd-backup snapshot\n"
                   "  capi-node etcd-backup list\n"
                   "  capi-node etcd-backup verify --all",
        .config = &backup_config_type,
        .conditions = conditions,
        .undo = backup_undo,
        .watch = backup_watch_start,
        .report = backup_report,
        .rests = backup_watch_rests,
        .close = backup_watch_close,
        .commands = commands,
};

int main(int argc, char *argv[])
{
        return plugin_main(&plugin, argc, argv);
}
