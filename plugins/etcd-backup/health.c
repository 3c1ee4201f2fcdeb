/* SPDX-License-Identifier: Apache-2.0 */

#include "health.h"

#include <stdio.h>

#include "quantity.h"

static void say(struct health_verdict *verdict, enum condition_status status, const char *reason)
{
        verdict->status = status;
        verdict->reason = reason;
}

#define SAY(verdict, status, reason, ...) \
        (say(verdict, status, reason),    \
         (void)snprintf((verdict)->message, sizeof((verdict)->message), __VA_ARGS__))

static void recheck(struct health_verdict *verdict, uint64_t after_usec)
{
        if (after_usec < verdict->recheck_usec)
                verdict->recheck_usec = after_usec;
}

static void judge_waiting(const struct health_input *input, struct health_verdict *ret)
{
        char limit[QUANTITY_SIZE];

        if (input->waited_usec < input->max_age_usec) {
                recheck(ret, input->max_age_usec - input->waited_usec);
                SAY(ret, CONDITION_UNKNOWN, "WaitingForControlPlane",
                    "waiting for kubeadm: neither " ETCD_MANIFEST_PATH " nor " KUBELET_CONF_PATH
                    " is there yet");
                return;
        }
        SAY(ret, CONDITION_FALSE, "NoCopyWithinMaxAge",
            "no copy for longer than maxAge (%s): kubeadm has not run, neither " ETCD_MANIFEST_PATH
            " nor " KUBELET_CONF_PATH " is there; see /var/log/cloud-init-output.log",
            duration_format(input->max_age_usec, limit));
}

/* The first target whose newest copy is missing or too old; NULL: all are well. */
static const struct health_target *find_bad(const struct health_input *input, struct health_verdict *ret)
{
        const struct health_target *bad = NULL;

        for (size_t i = 0; i < input->n_targets; i++) {
                const struct health_target *target = &input->targets[i];

                if (target->copy && target->age_usec < input->max_age_usec)
                        recheck(ret, input->max_age_usec - target->age_usec);
                else if (!bad)
                        bad = target;
        }
        return bad;
}

static void judge_fresh(const struct health_input *input, struct health_verdict *ret)
{
        if (input->last && !input->last->success)
                SAY(ret, CONDITION_TRUE, "VerifiedCopyFresh",
                    "%s is fresh enough, but the last run failed: %s", input->targets[0].copy,
                    input->last->message);
        else
                SAY(ret, CONDITION_TRUE, "VerifiedCopyFresh", "%s is verified", input->targets[0].copy);
}

static void judge_missing(const struct health_input *input, const struct health_target *bad,
                          struct health_verdict *ret)
{
        char limit[QUANTITY_SIZE];

        if (input->last) {
                SAY(ret, CONDITION_FALSE, "NoCopyAtTarget",
                    "target %s holds no whole copy, though the last run succeeded: copies were removed, "
                    "damaged, or the "
                    "target is new; type: capi-node etcd-backup snapshot",
                    bad->name);
        } else if (input->waited_usec < input->max_age_usec) {
                recheck(ret, input->max_age_usec - input->waited_usec);
                SAY(ret, CONDITION_UNKNOWN, "NoBackupYet",
                    "no snapshot was taken yet; the timer takes one, or type: capi-node etcd-backup "
                    "snapshot");
        } else {
                SAY(ret, CONDITION_FALSE, "NoCopyWithinMaxAge",
                    "no snapshot was even tried for longer than maxAge (%s); see systemctl list-timers "
                    "capi-node-etcd-snapshot.timer",
                    duration_format(input->max_age_usec, limit));
        }
}

static void judge_control_plane(const struct health_input *input, struct health_verdict *ret)
{
        const struct health_target *bad = find_bad(input, ret);
        char limit[QUANTITY_SIZE];

        if (!bad)
                judge_fresh(input, ret);
        else if (bad->trouble)
                SAY(ret, CONDITION_FALSE, "TargetFailed", "no verified copy younger than %s, and: %s",
                    duration_format(input->max_age_usec, limit), bad->trouble);
        else if (input->last && !input->last->success)
                SAY(ret, CONDITION_FALSE, "LastRunFailed",
                    "target %s has no verified copy younger than %s, and: %s", bad->name,
                    duration_format(input->max_age_usec, limit), input->last->message);
        else if (bad->copy)
                SAY(ret, CONDITION_FALSE, "LastCopyTooOld",
                    "target %s: %s is older than maxAge (%s); see systemctl list-timers "
                    "capi-node-etcd-snapshot.timer",
                    bad->name, bad->copy, duration_format(input->max_age_usec, limit));
        else
                judge_missing(input, bad, ret);
}

void health_judge(const struct health_input *input, struct health_verdict *ret)
{
        ret->recheck_usec = UINT64_MAX;
        switch (input->role) {
        case ROLE_WAITING:
                judge_waiting(input, ret);
                break;
        case ROLE_WORKER:
                SAY(ret, CONDITION_TRUE, "NotAControlPlane",
                    "this node has joined without an etcd member of its own: nothing to back up here");
                break;
        case ROLE_CONTROL_PLANE:
                judge_control_plane(input, ret);
                break;
        }
}
