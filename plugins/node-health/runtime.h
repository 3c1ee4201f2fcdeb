/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The container runtime, asked over the kubelet's interface to it (kubernetes/cri-api: runtime/v1/api.proto).
 */

#include <stdbool.h>
#include <stdint.h>

#include "check.h"

struct runtime {
        bool serving;                /* by containerd's own health service, in the run under way */
        char version[64];            /* "1.7.13"; empty: not known */
        uint64_t version_until_usec; /* CLOCK_BOOTTIME: then it is asked again */
        bool pods_known;             /* at the last look */
        unsigned pods;               /* which of the known pods of kube-system ran then, a bit for each */
        struct check_result verdict; /* of the run under way */
};

/* Whether a pod of kube-system whose name begins so ran at the last look: "kube-proxy-", or that of a static
 * pod. */
bool runtime_has_pod(const struct runtime *runtime, const char *prefix);

int container_runtime_start(struct check_run *run);
