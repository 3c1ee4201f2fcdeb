/* SPDX-License-Identifier: Apache-2.0 */

#include "schedule.h"

#include <string.h>

#include "phase.h"
#include "quantity.h"

static bool is_starting(const struct check_state *state, uint64_t now_usec)
{
        return state->result.status == CHECK_UNKNOWN && now_usec < state->enabled_usec + SCHEDULE_START_USEC;
}

static uint64_t next_start(const struct check_state *state, uint64_t now_usec)
{
        uint64_t due = phase_next(state->phase_usec, state->interval_usec, now_usec), limit = UINT64_MAX;

        if (is_starting(state, now_usec))
                limit = now_usec + SCHEDULE_RETRY_USEC;
        else if (!state->known)
                limit = now_usec + SCHEDULE_CONFIRM_USEC;
        return due < limit ? due : limit;
}

static void forget(struct check_state *state)
{
        state->absent = false;
        state->known = false;
        state->streak = 0;
        state->duration_usec = 0;
        state->started_usec = 0;
        state->since_realtime_usec = 0;
        state->last_run_realtime_usec = 0;
        check_result_set(&state->result, CHECK_UNKNOWN, "NotCheckedYet", "not checked yet");
}

void schedule_enable(struct check_state *state, uint64_t interval_usec, uint64_t phase_usec,
                     uint64_t now_usec)
{
        if (!state->enabled) {
                forget(state);
                state->enabled_usec = now_usec;
        }
        state->enabled = true;
        state->interval_usec = interval_usec;
        state->phase_usec = phase_usec;
        state->due_usec = now_usec;
}

void schedule_disable(struct check_state *state)
{
        state->enabled = false;
        forget(state);
}

static size_t count_running(const struct schedule *schedule)
{
        size_t n = 0;

        for (size_t i = 0; i < schedule->count; i++)
                n += schedule->states[i].running;
        return n;
}

struct check_state *schedule_take_due(struct schedule *schedule, uint64_t now_usec)
{
        struct check_state *best = NULL;

        if (count_running(schedule) >= SCHEDULE_PARALLEL_MAX)
                return NULL;
        for (size_t i = 0; i < schedule->count; i++) {
                struct check_state *state = &schedule->states[i];

                if (state->enabled && !state->running && state->due_usec <= now_usec &&
                    (!best || state->due_usec < best->due_usec))
                        best = state;
        }
        if (!best)
                return NULL;
        best->running = true;
        best->started_usec = now_usec;
        return best;
}

struct check_state *schedule_overdue(const struct schedule *schedule, uint64_t now_usec)
{
        for (size_t i = 0; i < schedule->count; i++) {
                struct check_state *state = &schedule->states[i];

                if (state->running && now_usec >= state->started_usec + state->check->deadline_usec)
                        return state;
        }
        return NULL;
}

static bool is_good(enum check_status status)
{
        return status == CHECK_OK || status == CHECK_WARN;
}

/* Whether two results in a row point the same way. Seen from a good status, a failure and no answer are both
 * bad, or a check that fails and times out by turns would stay good for ever; seen from a bad one they
 * differ. */
static bool agree(enum check_status from, enum check_status a, enum check_status b)
{
        if (is_good(a) || is_good(b))
                return is_good(a) && is_good(b);
        return a == b || is_good(from);
}

/* How many results in a row it takes to go from the status in force to that of the latest. */
static unsigned needed(const struct check_state *state, enum check_status latest)
{
        enum check_status from = state->result.status;

        if (is_good(latest))
                return from == CHECK_FAIL ? state->check->ok_after : 1;
        if (!state->known && latest == CHECK_UNKNOWN)
                return 1; /* there is no status to lose, and this one has a reason */
        return state->check->fail_after;
}

static void count(struct check_state *state, enum check_status from, enum check_status latest,
                  uint64_t now_usec)
{
        uint64_t apart =
                state->interval_usec < SCHEDULE_CONFIRM_USEC ? state->interval_usec : SCHEDULE_CONFIRM_USEC;

        if (state->streak == 0 || !agree(from, state->latest, latest))
                state->streak = 0;
        else if (!is_good(latest) && is_starting(state, now_usec) && now_usec < state->counted_usec + apart)
                return;
        state->streak += state->streak < UINT32_MAX;
        state->counted_usec = now_usec;
}

static void say_unconfirmed(struct check_state *state, const struct check_result *result)
{
        struct check_result latest = *result;

        check_result_set(&state->result, CHECK_UNKNOWN, "NotConfirmedYet", "%u of %u results in a row: %s",
                         state->streak, state->check->fail_after, latest.message);
}

bool schedule_finish(struct check_state *state, const struct check_result *result, uint64_t now_usec)
{
        struct check_result before = state->result;
        bool was_absent = state->absent;

        state->running = false;
        state->absent = false;
        state->duration_usec = now_usec - state->started_usec;

        count(state, before.status, result->status, now_usec);
        state->latest = result->status;

        if ((state->known && result->status == before.status) ||
            state->streak >= needed(state, result->status)) {
                state->known = true;
                state->result = *result;
        } else if (before.status == CHECK_UNKNOWN) {
                say_unconfirmed(state, result);
        }
        state->result.value = result->value;
        state->result.threshold = result->threshold;
        state->due_usec = next_start(state, now_usec);
        return was_absent || state->result.status != before.status ||
               strcmp(state->result.reason, before.reason) != 0;
}

bool schedule_expire(struct check_state *state, uint64_t now_usec)
{
        char deadline[QUANTITY_SIZE];
        struct check_result result;

        check_result_set(&result, CHECK_UNKNOWN, "CheckTimedOut", "no answer within %s",
                         duration_format(state->check->deadline_usec, deadline));
        state->timeouts++;
        return schedule_finish(state, &result, now_usec);
}

bool schedule_absent(struct check_state *state, uint64_t now_usec)
{
        bool was_absent = state->absent;

        forget(state);
        state->running = false;
        state->absent = true;
        state->due_usec = phase_next(state->phase_usec, state->interval_usec, now_usec);
        return !was_absent;
}

void schedule_abandon(struct check_state *state, uint64_t now_usec)
{
        state->running = false;
        state->due_usec = now_usec;
}

uint64_t schedule_wakeup(const struct schedule *schedule)
{
        bool full = count_running(schedule) >= SCHEDULE_PARALLEL_MAX;
        uint64_t earliest = UINT64_MAX;

        for (size_t i = 0; i < schedule->count; i++) {
                const struct check_state *state = &schedule->states[i];
                uint64_t at = UINT64_MAX;

                if (state->running)
                        at = state->started_usec + state->check->deadline_usec;
                else if (state->enabled && !full)
                        at = state->due_usec;
                earliest = at < earliest ? at : earliest;
        }
        return earliest;
}

uint64_t schedule_slack(const struct schedule *schedule)
{
        uint64_t slack = SCHEDULE_SLACK_USEC;

        for (size_t i = 0; i < schedule->count; i++) {
                const struct check_state *state = &schedule->states[i];

                if (!state->enabled)
                        continue;
                if (state->running || (!state->absent && !state->known))
                        return 0;
                if (slack > state->interval_usec / 3)
                        slack = state->interval_usec / 3;
        }
        return slack;
}
