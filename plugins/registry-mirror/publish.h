/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From a plan to what containerd reads: the copies of certificates, certs.d/HOST/hosts.toml, and the file
 * that makes containerd look there. */

#include "containerd-config.h"
#include "containerd-state.h"
#include "plan.h"
#include "plugin.h"

/* A directory below certs.d that is not ours and goes before what is. */
struct mirror_shadow {
        char *directory;  /* as the node knows it */
        const char *host; /* the configured registry whose place it has, borrowed from the plan; NULL: it
                             keeps the default from the registry that it is named after */
        bool empty;       /* without hosts.toml, so that the registry itself is asked */
};

/* What was found when publishing. */
struct mirror_facts {
        struct containerd_state containerd;
        struct containerd_config config;
        struct failure config_failure; /* why there is no config; else empty */
        char *directory;               /* certs.d */
        bool drop_in;                  /* whether our file is there, or would be */
        struct mirror_shadow *shadows;
        size_t n_shadows;
};
#define _cleanup_facts_ _cleanup_(mirror_facts_clear) struct mirror_facts
void mirror_facts_clear(struct mirror_facts *facts);

/* Makes it so, each chain in its own order. What has others' directories in its way is left out and told in
 * the facts. Copies that are in use no longer stay until mirror_sweep: a pull that began before may be about
 * to read them. Returns 0, or negative errno with a failure (HostsFileRefused, FileNotWritten,
 * StateNotWritten). */
int mirror_publish(struct plugin_context *ctx, const struct mirror_config *config,
                   const struct mirror_plan *plan, struct mirror_facts *ret, struct failure *failure);

/* What publish would find; differences: where it prints what it would change, as unified diffs. NULL:
 * nowhere. */
int mirror_examine(struct plugin_context *ctx, const struct mirror_config *config,
                   const struct mirror_plan *plan, FILE *differences, struct mirror_facts *ret,
                   struct failure *failure);

/* Whether mirror_sweep has nothing to do. */
bool mirror_is_swept(const struct plugin_context *ctx, const struct mirror_plan *plan);

/* Removes the copies that the plan does not name; NULL: all. Returns 0 or -errno. */
int mirror_sweep(const struct plugin_context *ctx, const struct mirror_plan *plan);
