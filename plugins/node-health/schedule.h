/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* When a check runs, and what a row of results means. Nothing here asks for the time: now_usec
 * (CLOCK_BOOTTIME) comes in with each call, so that a test drives years of it in seconds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"

#define SCHEDULE_PARALLEL_MAX 2 /* all checks at once are a load spike (node-problem-detector#412) */

/* A check that has no status yet runs at least this often, so that also a failure is confirmed again after a
 * restart of the plugin while the report of the process before is still valid: the condition then keeps its
 * transition time. */
#define SCHEDULE_CONFIRM_USEC (30 * UINT64_C(1000000))

/* While a node starts, what is not there yet is looked for often, so that the node is known soon; only what
 * an interval or the time above lies between counts towards fail_after. */
#define SCHEDULE_START_USEC (2 * 60 * UINT64_C(1000000))
#define SCHEDULE_RETRY_USEC (5 * UINT64_C(1000000))

/* Starts may be this late, at most a third of the shortest interval: sd-event then puts them onto a moment
 * that all processes of the machine share, each ten seconds, so that they wake it together. */
#define SCHEDULE_SLACK_USEC (10 * UINT64_C(1000000))

struct check_state {
        const struct check *check;
        bool enabled;
        bool absent; /* what it looks at is not on this node: not reported, and looked for again */
        uint64_t interval_usec, phase_usec;

        bool running;
        uint64_t due_usec;     /* when not running */
        uint64_t started_usec; /* of the last run */
        uint64_t duration_usec;
        uint64_t timeouts;

        uint64_t enabled_usec;
        bool known;                 /* a result was adopted since the check was enabled */
        struct check_result result; /* in force */
        enum check_status latest;   /* what the last run said, and how many in a row said so */
        unsigned streak;
        uint64_t counted_usec; /* when the last of them was */

        /* CLOCK_REALTIME, for people only: of the last change of status and of the last run; 0: never.
         * Whoever calls schedule_finish sets them. */
        uint64_t since_realtime_usec, last_run_realtime_usec;
};

struct schedule {
        struct check_state *states;
        size_t count;
};

/* Switches a check on with this interval (a status it already has stays), or off (all is forgotten). */
void schedule_enable(struct check_state *state, uint64_t interval_usec, uint64_t phase_usec,
                     uint64_t now_usec);
void schedule_disable(struct check_state *state);

/* The next check to start now, marked as running; NULL: none is due, or enough are running. */
struct check_state *schedule_take_due(struct schedule *schedule, uint64_t now_usec);

/* The next run that is past its deadline; NULL: none. The caller cancels it and calls schedule_expire. */
struct check_state *schedule_overdue(const struct schedule *schedule, uint64_t now_usec);

/* Ends a run with its result. Returns true when the status or the reason in force changed. */
bool schedule_finish(struct check_state *state, const struct check_result *result, uint64_t now_usec);

/* Ends a run that did not answer in time: Unknown. Returns as schedule_finish. */
bool schedule_expire(struct check_state *state, uint64_t now_usec);

/* Ends a run that found nothing to look at: all is forgotten until a later run finds it. Returns true when
 * that is news. */
bool schedule_absent(struct check_state *state, uint64_t now_usec);

/* Ends a run without a result; the check is due again. */
void schedule_abandon(struct check_state *state, uint64_t now_usec);

/* When to look again: the earliest start that is allowed or deadline; UINT64_MAX: never. */
uint64_t schedule_wakeup(const struct schedule *schedule);

/* How much later than that will do: 0 while a check runs or has no status yet. */
uint64_t schedule_slack(const struct schedule *schedule);
