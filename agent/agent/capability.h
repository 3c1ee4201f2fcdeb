/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One capability as the agent sees it: its configuration file, its unit and its report, and how far the
 * report can be trusted now. */

#include <stdbool.h>
#include <stdint.h>

#include "files.h"
#include "report.h"
#include "units.h"

/* A plugin is given so long to write its first report before it counts as silent. */
#define FIRST_REPORT_USEC (30 * UINT64_C(1000000))

enum capability_state {
        CAPABILITY_IN_FORCE,
        CAPABILITY_PENDING,
        CAPABILITY_FAILED,
        CAPABILITY_SILENT,
        CAPABILITY_DISABLED,
};

struct capability {
        char *name;
        struct unit *unit;
        bool configured;     /* /etc/capi-node-agent/NAME.json is there, or another wants it */
        bool applied;        /* /var/lib/capi-node-agent/NAME/applied is there */
        bool own;            /* the agent's or the gateway's: the agent itself writes the report, in memory */
        uint64_t since_usec; /* CLOCK_BOOTTIME: when the configuration, or the unit's absence, was first seen
                              */

        struct report *report; /* NULL: none yet */
        struct file_stamp report_stamp;
        uint64_t report_mark; /* of the text that report was made from, see report-news.h */
        uint64_t restarts;    /* how often a report came from another process than the one before */
        uint64_t seen_usec;   /* CLOCK_BOOTTIME: when this report was first seen; age counts from here */
        char *report_error;   /* the report file is not a report */
        char *request_error;  /* what it asks for was refused */
        const char *distrust; /* capability_distrust() of the last time, so that only a change is logged */
};

struct capabilities {
        struct capability *items; /* sorted by name */
        size_t count;
};

void capabilities_clear(struct capabilities *capabilities);

/* The capability of that name, made when it is new. NULL: no memory. Moves the others: keep no pointers. */
struct capability *capabilities_get(struct capabilities *capabilities, const char *name);
struct capability *capabilities_find(const struct capabilities *capabilities, const char *name);

/* Looks which configurations, applied marks and reports exist, and loads the reports that changed. A name
 * that is new is also asked of units. Returns 0 or -errno. */
int capabilities_scan(struct capabilities *capabilities, struct units *units, const char *config_dir,
                      const char *state_dir, const char *reports_dir);

/* Only loads the reports that changed. Returns whether anybody waits for what they say (report-news.h), or a
 * report came or went: then capabilities_scan() is to be called. */
bool capabilities_renew(struct capabilities *capabilities, const char *reports_dir);

/* CLOCK_BOOTTIME: when the next report will be too old, or have failed to come; UINT64_MAX: none. */
uint64_t capabilities_expiry(const struct capabilities *capabilities, uint64_t now_usec);

/* NULL when the report is to be believed; otherwise the reason why the plugin counts as gone, PluginSilent
 * (no report yet), PluginLate (runs, but the report is older than its validFor) or PluginDead (late, and its
 * unit does not run). */
const char *capability_distrust(const struct capability *capability, uint64_t now_usec);

/* Whether a plugin that is configured has not reported yet and may still do so in time. */
bool capabilities_awaited(const struct capabilities *capabilities, uint64_t now_usec);

/* ret_message: one line that says why it is not in force; owned by the caller; NULL when it is, or without
 * memory. */
enum capability_state capability_state(const struct capability *capability, uint64_t now_usec,
                                       char **ret_message);
const char *capability_state_name(enum capability_state state);

/* Whether the plugin's unit should be running: something is configured, or something applied is to be undone.
 */
bool capability_wants_unit(const struct capability *capability);
