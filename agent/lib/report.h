/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A plugin's report: /run/capi-node-agent/reports/NAME.json. The plugin loop writes it, the agent reads it;
 * any other program may be a plugin by keeping such a file current. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "condition.h"
#include "failure.h"
#include "json.h"

#define REPORT_SIZE_MAX       (1024 * 1024)
#define REPORT_CONDITIONS_MAX 16
#define REPORT_TIMERS_MAX     8
#define REPORT_RESTARTS_MAX   8
#define REPORT_CHECKS_MAX     128

/* A timer that the plugin wants from systemd, through the agent. */
struct timer_request {
        char *unit;     /* without suffix: "capi-node-etcd-snapshot" starts the service of that name */
        char *calendar; /* systemd.time(7) */
        uint64_t randomized_delay_usec;
};

/* A unit that the plugin wants try-restarted, once for each value of because. */
struct restart_request {
        char *unit;
        char *because;       /* "sha256:…" of what changed */
        uint64_t since_usec; /* CLOCK_REALTIME of the change; 0: when the configuration was applied */
};

struct report {
        char *plugin, *version, *boot_id;
        int64_t pid;
        uint64_t generated_usec; /* CLOCK_REALTIME of the writer; for people. Age is counted by the receiver.
                                  */
        uint64_t valid_for_usec;

        char *desired, *applied; /* "sha256:…" or NULL */
        uint64_t applied_usec;   /* CLOCK_REALTIME, 0: never */
        char *last_error;        /* NULL: none */
        uint64_t last_error_usec;

        struct condition *conditions;
        size_t n_conditions;
        struct timer_request *timers;
        size_t n_timers;
        char *daemon_reload; /* "sha256:…" of unit files that systemd shall read, once for each; or NULL */
        struct restart_request *restarts;
        size_t n_restarts;

        json_object *metrics;  /* array of families, see metric.h */
        json_object *checks;   /* array of the health document's checks; may be NULL */
        json_object *versions; /* object of strings; may be NULL */
        json_object *info;     /* the plugin's own facts; may be NULL */
};

/* An empty report with an empty "metrics" array. */
int report_new(const char *plugin, struct report **ret);
struct report *report_free(struct report *report);
DEFINE_CLEANUP(struct report *, report_free)

int report_add_timer(struct report *report, const char *unit, const char *calendar,
                     uint64_t randomized_delay_usec);
int report_add_restart(struct report *report, const char *unit, const char *because);
/* Units that started since then are left alone. */
int report_add_restart_since(struct report *report, const char *unit, const char *because,
                             uint64_t since_usec);

/* The report as JSON text, at most REPORT_SIZE_MAX bytes (-EFBIG); owned by the caller. */
int report_format(const struct report *report, char **ret_text, size_t *ret_size);
/* Strict about what it knows, silent about keys that it does not know. -EINVAL comes with a failure. */
int report_parse(const char *text, size_t size, struct report **ret, struct failure *failure);
/* The same for a reader that stays: the families of "metrics" are condensed (metric.h), and "info", which is
 * for `capi-node status`, is left out. before: the plugin's report before this one, for what did not change;
 * may be NULL. */
int report_parse_condensed(const char *text, size_t size, const struct report *before, struct report **ret,
                           struct failure *failure);

/* report_format + file_write_volatile, 0644; report_parse of report_read, which is file_read with a failure.
 */
int report_save(const struct report *report, const char *path);
int report_read(const char *path, char **ret_text, size_t *ret_size, struct failure *failure);
int report_load(const char *path, struct report **ret, struct failure *failure);
