/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Keeps the trust store right while the plugin runs: looks when something below it changes, and now and
 * then; repairs in the event loop; tells the condition. */

#include "apply.h"
#include "desired.h"
#include "file-watch.h"
#include "last-change.h"

#define CONDITION_CUSTOM_CAS "CustomCAsReady"

struct ca_watch {
        struct plugin_context *ctx;
        const struct custom_ca_config *config;
        struct trust_store store;
        struct desired desired;
        struct last_change changed;
        struct config_strings stale; /* units with the store from before the last change */
        uint64_t repairs;

        struct trust_change change; /* under way while child is not NULL */
        int lock;
        bool again; /* something changed meanwhile */
        bool is_good;
        uint64_t looked_usec; /* CLOCK_BOOTTIME */
        struct file_watches files;
        sd_event_source *recheck, *child, *deadline;
        pid_t pid;
};

#define REPAIRS_METRIC "capi_node_custom_ca_repairs_total"

int ca_watch_start(struct plugin_context *ctx, const void *config);
bool ca_watch_rests(const struct plugin_context *ctx);
void ca_watch_close(struct plugin_context *ctx);
