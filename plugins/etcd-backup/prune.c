/* SPDX-License-Identifier: Apache-2.0 */

#include "prune.h"

#include <string.h>
#include <sys/statvfs.h>

#include "control-plane.h"
#include "files.h"
#include "proof.h"
#include "retention-clock.h"

/* In a row; an unreachable server would cost its time limit for each copy. */
#define REFUSALS_MAX 3
#define LOCKED_MAX   100 /* that long, a lock's wait is not made longer by asking for each */

void prune_plan_clear(struct prune_plan *plan)
{
        copies_clear(&plan->copies);
        free(plan->decisions);
        *plan = (struct prune_plan){};
}

void prune_look_at_clock(const char *root, const char *state_dir, struct present *ret)
{
        struct control_plane control_plane;

        moment_now(&ret->now);
        ret->boot_seen_usec = control_plane_look(root, state_dir, &control_plane) < 0
                                      ? ret->now.boottime_usec
                                      : control_plane.boot.boottime_usec;
}

static void measure(const char *root, const struct backup_target *target, struct retention_input *input)
{
        _cleanup_free_ char *path = NULL;
        struct statvfs st;

        if (target->kind != TARGET_DIRECTORY)
                return;
        path = path_under(root, target->path);
        if (!path || statvfs(path, &st) < 0)
                return;
        input->capacity = (uint64_t)st.f_blocks * st.f_frsize;
        input->free = (uint64_t)st.f_bavail * st.f_frsize;
}

static struct retention_copy describe(const struct copy *copy, const struct authentication_key *key)
{
        const struct manifest *manifest = copy->manifest;

        return (struct retention_copy){
                .node = manifest->node,
                .cluster_id = manifest->cluster_id,
                .member_id = manifest->member_id,
                .sequence = manifest->sequence,
                .revision = manifest->revision,
                .taken = manifest->finished,
                .size = manifest->stored_size,
                .whole = copy->whole,
                .walked = manifest->walked,
                .authentic = !key->data || manifest_prove_authentic(manifest, key, NULL) >= 0,
        };
}

int prune_decide(const struct prune_request *request, const struct backup_target *target, struct store *store,
                 struct prune_plan *ret, struct failure *failure)
{
        _cleanup_free_ struct retention_copy *copies = NULL;
        _cleanup_prune_plan_ plan = {};
        struct retention_input input = {
                .rules = &target->retention,
                .node = request->node,
                .cluster_id = request->cluster_id,
                .members = request->members,
                .present = request->present,
        };
        int r;

        r = store_list(store, request->config->cluster, NULL, &plan.copies, failure);
        if (r < 0)
                return r;
        copies = calloc(plan.copies.count + 1, sizeof(*copies));
        plan.decisions = calloc(plan.copies.count + 1, sizeof(*plan.decisions));
        if (!copies || !plan.decisions)
                return -ENOMEM;
        for (size_t i = 0; i < plan.copies.count; i++)
                copies[i] = describe(&plan.copies.items[i], request->key);
        input.copies = copies;
        input.count = plan.copies.count;
        measure(request->root, target, &input);
        if (request->held)
                (void)retention_clock_sound(&input, request->held);
        r = retention_decide(&input, plan.decisions);
        if (r < 0)
                return r;

        *ret = plan;
        plan = (struct prune_plan){};
        return 0;
}

int prune_carry_out(struct store *store, const struct prune_plan *plan, struct prune_count *ret,
                    struct failure *failure)
{
        unsigned refusals = 0;
        int first = 0;

        *ret = (struct prune_count){};
        for (size_t i = plan->copies.count; i-- > 0 && refusals < REFUSALS_MAX && ret->locked < LOCKED_MAX;) {
                _cleanup_failure_ found = {};
                int r;

                if (plan->decisions[i].verdict != RETENTION_DELETE)
                        continue;
                r = store_remove(store, &plan->copies.items[i], &found);
                if (r < 0 && found.reason && strcmp(found.reason, "ObjectLocked") == 0) {
                        ret->locked++;
                } else if (r < 0) {
                        if (first == 0)
                                first = failure_set(failure, r, found.reason ?: "TargetFailing", "%s",
                                                    found.message ?: strerror(-r));
                        refusals++;
                } else {
                        refusals = 0;
                        ret->removed++;
                }
        }
        return first;
}
