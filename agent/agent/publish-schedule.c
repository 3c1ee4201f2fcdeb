/* SPDX-License-Identifier: Apache-2.0 */

#include "publish-schedule.h"

#include <string.h>

#include "mark.h"

/* 0 to range - 1, from 64 random bits; ranges here are far below 2^32, so that the bias is nothing. */
static uint64_t part_of(uint64_t range, uint64_t random)
{
        return range > 0 ? random % range : 0;
}

static uint64_t random_of(const char *key)
{
        return mark_spread(mark_add(MARK_START, key, strlen(key)));
}

void schedule_set_heartbeat(struct publish_schedule *schedule, uint64_t heartbeat_usec, const char *key)
{
        schedule->heartbeat_usec =
                heartbeat_usec - heartbeat_usec / 10 + part_of(heartbeat_usec / 5, random_of(key));
}

void schedule_changed(struct publish_schedule *schedule, uint64_t now_usec)
{
        if (schedule->changed_usec == 0)
                schedule->changed_usec = now_usec;
}

void schedule_begun(struct publish_schedule *schedule)
{
        schedule->changed_usec = 0;
}

static unsigned burst(const struct publish_schedule *schedule)
{
        return schedule->burst > 0 ? schedule->burst : 1;
}

/* A heartbeat counts, too, but nothing makes a change wait for longer than one batch. */
void schedule_succeeded(struct publish_schedule *schedule, uint64_t now_usec)
{
        uint64_t full = schedule->full_usec > now_usec ? schedule->full_usec : now_usec,
                 longest = now_usec + burst(schedule) * schedule->batch_usec;

        full += schedule->batch_usec;
        schedule->full_usec = full < longest ? full : longest;
        schedule->written_usec = now_usec;
        schedule->retry_usec = 0;
        schedule->window_usec = 0;
}

static uint64_t share_of(const struct publish_schedule *schedule, uint64_t range)
{
        return (uint64_t)(schedule->share * (double)range);
}

static void first_window(struct publish_schedule *schedule, uint64_t now_usec, uint64_t random)
{
        schedule->share = (double)random / ((double)UINT64_MAX + 1);
        schedule->window_start_usec = now_usec;
        schedule->window_usec = 0;
}

static void next_window(struct publish_schedule *schedule, uint64_t backoff_usec)
{
        uint64_t window = schedule->window_usec + schedule->window_usec / 2;

        if (window < backoff_usec)
                window = backoff_usec;
        schedule->window_start_usec += schedule->window_usec;
        schedule->window_usec = window < SCHEDULE_BACKOFF_MAX_USEC ? window : SCHEDULE_BACKOFF_MAX_USEC;
}

void schedule_failed(struct publish_schedule *schedule, uint64_t now_usec, uint64_t backoff_usec,
                     uint64_t retry_after_usec, uint64_t random)
{
        if (schedule->window_usec == 0)
                first_window(schedule, now_usec, random);
        /* A try that took long may have used up windows. */
        do {
                next_window(schedule, backoff_usec);
                schedule->retry_usec =
                        schedule->window_start_usec + share_of(schedule, schedule->window_usec);
        } while (schedule->retry_usec <= now_usec && schedule->window_start_usec < now_usec);
        if (retry_after_usec > 0)
                schedule->retry_usec = now_usec + retry_after_usec + share_of(schedule, retry_after_usec / 2);
}

uint64_t schedule_due(const struct publish_schedule *schedule)
{
        const uint64_t burst_usec = (burst(schedule) - 1) * schedule->batch_usec;
        uint64_t due = UINT64_MAX, change;

        if (schedule->retry_usec > 0)
                return schedule->retry_usec;
        if (schedule->written_usec > 0)
                due = schedule->written_usec + schedule->heartbeat_usec;
        if (schedule->changed_usec > 0) {
                change = schedule->changed_usec + SCHEDULE_SETTLE_USEC;
                if (change + burst_usec < schedule->full_usec)
                        change = schedule->full_usec - burst_usec;
                if (change < due)
                        due = change;
        }
        return due;
}
