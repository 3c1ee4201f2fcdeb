/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a systemd service's properties mean for the node: pure decisions, without a bus. */

#include <stdbool.h>
#include <stdint.h>

#include "check-result.h"
#include "node-health-config.h"

/* As org.freedesktop.systemd1(5) has them. */
struct unit_facts {
        char load_state[24];   /* "loaded", "not-found", "masked", "bad-setting", "error" */
        char active_state[24]; /* "active", "reloading", "inactive", "failed", "activating", "deactivating" */
        char sub_state[24];    /* "running", "dead", "auto-restart", "start", … */
        char result[24];       /* "success", "exit-code", "signal", "oom-kill", "watchdog", … */
        uint32_t n_restarts;   /* automatic restarts since somebody last started it */
        int32_t exit_status;   /* of the main process */
};

/* What must be remembered between two looks. All zero: nothing. */
struct unit_history {
        bool seen;
        uint32_t n_restarts;                              /* at the last look */
        uint64_t restarts_usec[NODE_HEALTH_RESTARTS_MAX]; /* CLOCK_BOOTTIME of the latest restarts, a ring */
        unsigned n_noted;                                 /* ever written to the ring */
        uint64_t starting_since_usec;                     /* 0: not starting */
};

struct unit_name {
        const char *unit;   /* "kubelet.service" */
        const char *check;  /* "kubelet" */
        const char *prefix; /* of its reasons: "Kubelet" */
};

/* Adds one look. Restarts from before the first look are not counted: nobody knows when they were. */
void unit_history_note(struct unit_history *history, const struct unit_facts *facts, uint64_t now_usec);

/* How many restarts were noted within the window before now. */
unsigned unit_history_restarts(const struct unit_history *history, uint64_t window_usec, uint64_t now_usec);

/* The result for these facts, which the history already contains. */
void unit_judge(const struct unit_name *name, const struct unit_facts *facts,
                const struct unit_history *history, const struct unit_config *config, uint64_t now_usec,
                struct check_result *ret);
