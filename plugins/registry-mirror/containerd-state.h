/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is remembered of containerd: STATE/containerd.json. */

#include "containerd-version.h"
#include "digest.h"

struct containerd_state {
        struct containerd_version
                version; /* that it told in this boot; else unknown: it may be another by now */
        char drop_in[SHA256_TEXT_SIZE]; /* the file of ours that it imports; "": none */
        uint64_t changed_usec;          /* CLOCK_REALTIME, when that changed; 0: never */
        uint64_t changed_boottime_usec; /* likewise since the boot; 0: before it */
};

/* No file, or one that is not ours, is the empty state. */
void containerd_state_load(const char *state_dir, struct containerd_state *ret);
int containerd_state_save(const char *state_dir, const struct containerd_state *state);

/* `containerd --version` below the root of an image. Returns 0, or -errno when it is not there, does not end
 * within ten seconds, or says something else. */
int containerd_version_ask(const char *root, struct containerd_version *ret);
