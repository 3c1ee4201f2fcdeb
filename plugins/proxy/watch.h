/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Keeps the proxy in force while the plugin runs: looks when a file changes that the settings are made of,
 * and now and then; writes what is different; asks the proxy; tells the condition. */

#include "apply.h"
#include "child.h"
#include "drop-in.h"
#include "file-watch.h"

#define CONDITION_PROXY "ProxyReady"

struct proxy_watch {
        struct plugin_context *ctx;
        const struct proxy_config *config;
        struct config_strings shadowing, overridden, stale;
        bool kubelet_runs;
        char *direct; /* of NO_PROXY, as it was last written */
        bool is_good;
        uint64_t repairs;

        struct child *child; /* a probe that runs */
        struct failure probe_failure;
        bool probed;
        uint64_t asked_usec;
        double probe_seconds; /* of the last one */

        struct file_watches files;
        sd_event_source *recheck, *ask;
};

#define CHANGES_METRIC "capi_node_proxy_changes_total"

int proxy_watch_start(struct plugin_context *ctx, const void *config);
bool proxy_watch_rests(const struct plugin_context *ctx);
void proxy_watch_close(struct plugin_context *ctx);
int proxy_report(struct plugin_context *ctx, struct report *report);
