/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The resident part of the plugin loop: plugin-daemon.c follows the configuration, plugin-report.c keeps the
 * conditions and writes the report. Private to libagent. */

#include <stdbool.h>

#include "digest.h"
#include "file-watch.h"
#include "plugin.h"

/* The argument of `daemon` after a rest. */
#define PLUGIN_RESUMED "resumed"

struct reported_condition {
        struct condition condition;
        bool set;     /* by this process; until then it holds what the process before it reported */
        bool dropped; /* not reported */
};

struct plugin_daemon {
        struct plugin_context *ctx;
        struct reported_condition *conditions;
        size_t n_conditions;

        void *config;                   /* in force; NULL: none */
        char desired[SHA256_TEXT_SIZE]; /* "": no file */
        char applied[SHA256_TEXT_SIZE]; /* "": nothing */
        uint64_t applied_usec;
        char previous[SHA256_TEXT_SIZE]; /* what the process before this one had applied, and when */
        uint64_t previous_usec;
        char *last_error;
        uint64_t last_error_usec;
        bool retry; /* apply failed for a reason that may pass */

        sd_event_source *report_now, *refresh, *ready_limit;
        char *notified;        /* the status that systemd was told last; NULL: none */
        uint64_t written_usec; /* CLOCK_BOOTTIME: when a report was last written, or held back */
        struct file_watch *config_watch, *other_watch;
        uint64_t hold_until_usec; /* CLOCK_BOOTTIME; see hold_report */
        bool ready, settled, stopping;
        bool was_resting; /* this process took over from the stand-in */
        bool resumed; /* … and has not looked at the configuration yet, which is in force if it is the same */
        unsigned quiet;        /* refreshes since the plugin last had something to tell */
        bool resting;          /* to be handed to the stand-in */
        bool without_stand_in; /* it cannot be run */
};

/* Runs until the configuration is withdrawn or SIGTERM comes. resumed: after a rest. Returns an exit status.
 */
int plugin_daemon_run(struct plugin_context *ctx, bool resumed);

/* How long a report may be believed. */
uint64_t plugin_valid_for(const struct plugin_daemon *daemon);

/* Makes the declared conditions, with what the process before this one reported in this boot: statuses and
 * times to carry on from. Returns 0 or -ENOMEM. */
int plugin_conditions_make(struct plugin_daemon *daemon);

/* Writes the report now, unless it is held back (see hold_report in plugin-report.c). A failure is logged. */
int plugin_report_write(struct plugin_daemon *daemon);

/* Reads the configuration file. Returns -ENOENT without one, -EPERM when others could write it, -EINVAL when
 * it is invalid. ret_text (NUL-terminated) is set, for the record and the digest, also when it was read but
 * refused. */
int plugin_read_config(struct plugin_context *ctx, char **ret_text, void **ret_config,
                       struct failure *failure);

/* STATE/applied: the text of the last good configuration. */
int plugin_save_applied(struct plugin_context *ctx, const char *text);
int plugin_load_applied(struct plugin_context *ctx, char **ret_text, void **ret_config,
                        struct failure *failure);
int plugin_forget_applied(struct plugin_context *ctx);
