/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Keeps what is published right while the plugin runs: looks when a file that it is made from, or
 * containerd's configuration, or certs.d changes, and every minute while something is not as it should be;
 * asks containerd for its version, and the endpoints whether they answer; tells the condition. */

#include "file-watch.h"
#include "grpc.h"
#include "mirror-verdict.h"
#include "probes.h"
#include "publish.h"

#define CONDITION_REGISTRY_MIRRORS "RegistryMirrorsReady"

struct mirror_watch {
        struct plugin_context *ctx;
        const struct mirror_config *config;
        struct mirror_plan plan;
        struct mirror_facts facts;
        bool restart_pending, restart_asked;
        struct probes *probes;
        struct http_client *http;
        struct grpc_call *asking;
        struct containerd_version told; /* by the call under way */
        struct file_watches files;
        sd_event_source *recheck;
        bool is_good; /* the mirrors are in place, and everybody answers */
};

int mirror_watch_start(struct plugin_context *ctx, const void *config);
bool mirror_watch_rests(const struct plugin_context *ctx);
void mirror_watch_close(struct plugin_context *ctx);
