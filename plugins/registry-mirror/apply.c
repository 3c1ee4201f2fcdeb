/* SPDX-License-Identifier: Apache-2.0 */

#include "apply.h"

#include <string.h>

#include "owned-files.h"
#include "publish.h"

int mirror_apply(struct plugin_context *ctx, const void *config, struct failure *failure)
{
        _cleanup_facts_ facts = {};
        _cleanup_plan_ plan = {};
        int r;

        r = mirror_plan_load(config, ctx->root, &plan, failure);
        if (r >= 0)
                r = ctx->dry_run ? mirror_examine(ctx, config, &plan, stdout, &facts, failure)
                                 : mirror_publish(ctx, config, &plan, &facts, failure);
        if (r < 0 || ctx->dry_run || ctx->event) /* the resident part sweeps later */
                return r;
        return mirror_sweep(ctx, &plan);
}

int mirror_undo(struct plugin_context *ctx, struct failure *failure)
{
        int r;

        r = owned_files_apply(ctx->root, ctx->state_dir, NULL, 0, failure);
        if (r < 0)
                return r;
        r = mirror_sweep(ctx, NULL);
        if (r >= 0)
                r = containerd_state_forget(ctx->state_dir);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritten", "cannot remove what lies below %s: %s",
                                   ctx->state_dir, strerror(-r));
        return 0;
}
