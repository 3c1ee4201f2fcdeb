/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The main loop and the commands that every plugin has:
 *
 *   daemon                        the resident part: apply, keep, report (what the unit runs)
 *   validate [FILE]               say whether a configuration is good
 *   apply [--dry-run] [--root D]  apply once, without staying
 *   undo [--root D]               take back what was applied (package removal)
 *   status [--json]               show this plugin's report
 *   schema                        print the JSON Schema of its configuration
 *
 * Life of a plugin: apply(config) after start and after each change of the file; READY=1 after the first
 * attempt (10 s at most); then watch(config), again after each later apply. Conditions that were not set yet
 * are reported as Unknown/NotCheckedYet by the loop itself: a plugin sets a condition only when it knows
 * something. An invalid configuration changes nothing: the last good one (kept in STATE/applied) stays in
 * force. When the file goes: undo, report Disabled, exit 0. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "command.h"
#include "condition.h"
#include "config.h"
#include "failure.h"
#include "report.h"

struct plugin_context;

struct plugin {
        const char *name;
        const char *summary;
        const char *example; /* for --help */
        const struct config_type *config;
        /* A file of another capability for whose sake the plugin runs without a configuration of its own,
         * with all defaults; the agent knows of it, too (agent/agent/capability.c). May be NULL. */
        const char *also_for;
        const struct condition_type *conditions; /* ends with an entry without a type */
        uint64_t valid_for_usec;                 /* of the report; 0: two minutes */

        /* Makes the node so: desired − actual, idempotent, under ctx root; with dry_run says what it would
         * do, on standard output. No network, no waiting. Returns 0, or negative errno with a failure. May be
         * NULL. */
        int (*apply)(struct plugin_context *ctx, const void *config, struct failure *failure);
        /* Takes back all that apply did, from the plugin's own records. May be NULL. */
        int (*undo)(struct plugin_context *ctx, struct failure *failure);
        /* Starts or renews the event sources for this configuration, replacing those of the one before; sets
         * the conditions' first values. May be NULL. */
        int (*watch)(struct plugin_context *ctx, const void *config);
        /* Adds metrics, requests, checks, versions and info to a report that is about to be written. May be
         * NULL. */
        int (*report)(struct plugin_context *ctx, struct report *report);
        /* Whether nothing is to be done until a file changes or a timer of its own is due. The process is
         * then handed to a small program (stand-in.h) and starts anew: with the report's conditions and
         * counters, and with watch, but without apply when the configuration is the same. May be NULL: never.
         */
        bool (*rests)(const struct plugin_context *ctx);
        /* Frees ctx userdata, at exit. May be NULL. */
        void (*close)(struct plugin_context *ctx);

        const struct command
                *commands; /* own commands, ends with an empty row; userdata is the context. May be NULL. */
};

struct plugin_context {
        const struct plugin *plugin;
        const char *root;  /* "/" except for images and tests; every path below is already under it */
        char *config_path; /* ROOT/etc/capi-node-agent/NAME.json */
        char *state_dir;   /* ROOT/var/lib/capi-node-agent/NAME, exists in daemon, apply and undo */
        char *report_path; /* ROOT/run/capi-node-agent/reports/NAME.json */
        bool dry_run;
        sd_event *event; /* NULL outside daemon, unless a command makes it */
        void *userdata;  /* the plugin's own */
        struct plugin_daemon *daemon;
};

int plugin_main(const struct plugin *plugin, int argc, char *argv[]);

/* Sets one of the declared conditions and has the report written in this iteration of the loop. A change of
 * status is logged with MESSAGE_CONDITION_CHANGED. */
void plugin_set_condition(struct plugin_context *ctx, const char *type, enum condition_status status,
                          const char *reason, const char *format, ...) _printf_(5, 6);

/* Leaves a declared condition out of the report until it is set again: what is switched off claims nothing.
 */
void plugin_drop_condition(struct plugin_context *ctx, const char *type);

/* A counter, as the report in this boot had it before this process wrote one; 0 without. */
uint64_t plugin_counter(const struct plugin_context *ctx, const char *metric);

/* Has the report written in this iteration of the loop (metrics or requests changed). */
void plugin_touch_report(struct plugin_context *ctx);

/* Has the report written now if that is due soon: for a plugin that looks at everything now and then, and has
 * just done so. Then the node wakes once for both, and the report is as fresh as it can be. */
void plugin_renew_report(struct plugin_context *ctx);

/* Loads the configuration in force for a command: the file, else the last good one. Returns 0 with ret to be
 * freed by config_free, -ENOENT when there is none, or -EINVAL with a failure. */
int plugin_load_config(struct plugin_context *ctx, void **ret, struct failure *failure);
