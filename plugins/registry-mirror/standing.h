/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a row of probes says of an endpoint, with hysteresis. Nothing here asks for the time: now_usec
 * (CLOCK_BOOTTIME) comes in with each result, so that a test drives days of it in an instant. */

#include "probe.h"

#define STANDING_BAD_AFTER     2 /* results in a row, before what was good is called bad */
#define STANDING_DEMOTE_AFTER  3
#define STANDING_RESTORE_AFTER 3

/* A demoted endpoint stays so for at least two intervals. Each further time within STANDING_QUIET intervals
 * after it came back doubles that, so that one that comes and goes does not have the files rewritten all day.
 */
#define STANDING_HOLD     2
#define STANDING_HOLD_MAX 64
#define STANDING_QUIET    120

/* Who has answered so often in a row is asked only each settled interval, until it does not: what is said of
 * an endpoint is a warning, while asking keeps a process awake. Not where the dead are demoted: pulls wait
 * for that. */
#define STANDING_SETTLED_AFTER 3

struct standing {
        struct probe_result last;
        enum probe_state state;         /* in force; the last one's after a confirmation */
        char detail[PROBE_DETAIL_SIZE]; /* of the result with which that began: what follows only tells other
                                           times */
        unsigned bad, dead, alive;      /* results in a row */
        bool was_good;                  /* when a process before this one last asked */
        bool demoted;
        uint64_t changed_usec; /* when demoted did; 0: never */
        unsigned hold;         /* intervals */
};

struct standing_rules {
        bool demote; /* whether anyone is ever demoted */
        uint64_t interval_usec, settled_usec;
};

bool standing_is_settled(const struct standing *standing, const struct standing_rules *rules);

/* How long after a result the next one is due. */
uint64_t standing_interval(const struct standing *standing, const struct standing_rules *rules);

/* Takes the next result. Returns true when the state in force or demoted changed. */
bool standing_note(struct standing *standing, const struct probe_result *result,
                   const struct standing_rules *rules, uint64_t now_usec);
