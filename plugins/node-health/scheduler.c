/* SPDX-License-Identifier: Apache-2.0 */

#include "scheduler.h"

#include <string.h>

#include "node.h"
#include "phase.h"
#include "quantity.h"
#include "timestamp.h"

/* So much room lets sd-event put deadlines close to each other on the same moment, and leave its timer as it
 * is. */
#define TIMER_ACCURACY_USEC (250 * USEC_PER_MSEC)

struct scheduled_run {
        struct check_run run; /* first: check_finish finds the rest by it */
        struct check_state *state;
        struct scheduler *scheduler;
};

struct scheduler {
        sd_event_source *timer, *now; /* the latter for what is due already */
        struct schedule schedule;
        struct scheduled_run *runs; /* in the order of schedule.states */
        scheduler_changed_fn changed;
        scheduler_done_fn done; /* may be NULL */
        void *userdata;
};

static bool is_done(const struct scheduler *scheduler, uint64_t wakeup_usec)
{
        for (size_t i = 0; i < scheduler->schedule.count; i++)
                if (scheduler->schedule.states[i].running)
                        return false;
        return wakeup_usec > now_boottime_usec() + USEC_PER_SEC / 2;
}

static int arm(struct scheduler *scheduler)
{
        uint64_t wakeup_usec = schedule_wakeup(&scheduler->schedule);
        bool due = wakeup_usec <= now_boottime_usec();
        int r;

        if (scheduler->done && is_done(scheduler, wakeup_usec))
                scheduler->done(scheduler->userdata);
        r = sd_event_source_set_enabled(scheduler->now, due ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        if (r < 0 || due)
                return r;
        if (wakeup_usec == UINT64_MAX)
                return sd_event_source_set_enabled(scheduler->timer, SD_EVENT_OFF);
        r = sd_event_source_set_time(scheduler->timer, wakeup_usec);
        if (r >= 0)
                r = sd_event_source_set_time_accuracy(scheduler->timer,
                                                      TIMER_ACCURACY_USEC +
                                                              schedule_slack(&scheduler->schedule));
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(scheduler->timer, SD_EVENT_ONESHOT);
}

static void run_ended(struct scheduled_run *run, enum check_status before, bool changed)
{
        uint64_t now_usec = now_realtime_usec();

        run->run.cancel = NULL;
        run->run.userdata = NULL;
        run->state->last_run_realtime_usec = now_usec;
        if (run->state->result.status != before || run->state->since_realtime_usec == 0)
                run->state->since_realtime_usec = now_usec;
        /* Arming an existing timer fails only without memory; the next end of a run tries again. */
        (void)arm(run->scheduler);
        if (changed)
                run->scheduler->changed(run->scheduler->userdata);
}

void check_finish(struct check_run *run, const struct check_result *result)
{
        struct scheduled_run *scheduled = (struct scheduled_run *)run;
        enum check_status before = scheduled->state->result.status;

        run_ended(scheduled, before, schedule_finish(scheduled->state, result, now_boottime_usec()));
}

void check_finish_absent(struct check_run *run)
{
        struct scheduled_run *scheduled = (struct scheduled_run *)run;
        bool changed = schedule_absent(scheduled->state, now_boottime_usec());

        run->cancel = NULL;
        run->userdata = NULL;
        (void)arm(scheduled->scheduler);
        if (changed)
                scheduled->scheduler->changed(scheduled->scheduler->userdata);
}

static void cancel(struct scheduled_run *run)
{
        if (run->run.cancel)
                run->run.cancel(&run->run);
        run->run.cancel = NULL;
        run->run.userdata = NULL;
}

static void expire(struct scheduler *scheduler, struct check_state *state, uint64_t now_usec)
{
        struct scheduled_run *run = &scheduler->runs[state - scheduler->schedule.states];
        enum check_status before = state->result.status;

        cancel(run);
        run_ended(run, before, schedule_expire(state, now_usec));
}

static void begin(struct scheduler *scheduler, struct check_state *state)
{
        struct scheduled_run *run = &scheduler->runs[state - scheduler->schedule.states];
        struct check_result result;
        int r;

        if (!role_holds(state->check->role, run->run.node->root)) {
                check_finish_absent(&run->run);
                return;
        }
        r = state->check->start(&run->run);
        if (r >= 0)
                return;
        check_result_set(&result, CHECK_UNKNOWN, "CheckFailed", "cannot check: %s", strerror(-r));
        check_finish(&run->run, &result);
}

static int begin_due(struct scheduler *scheduler)
{
        struct check_state *state;

        while ((state = schedule_overdue(&scheduler->schedule, now_boottime_usec())))
                expire(scheduler, state, now_boottime_usec());
        while ((state = schedule_take_due(&scheduler->schedule, now_boottime_usec())))
                begin(scheduler, state);
        return arm(scheduler);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source;
        (void)usec;
        return begin_due(userdata);
}

static int on_now(sd_event_source *source, void *userdata)
{
        (void)source;
        return begin_due(userdata);
}

int scheduler_new(sd_event *event, struct node *node, const struct check *table, size_t count,
                  scheduler_changed_fn changed, void *userdata, struct scheduler **ret)
{
        _cleanup_(scheduler_freep) struct scheduler *scheduler = calloc(1, sizeof(*scheduler));
        int r;

        if (count == 0)
                return -EINVAL;
        if (!scheduler)
                return -ENOMEM;
        scheduler->changed = changed;
        scheduler->userdata = userdata;
        scheduler->schedule.states = calloc(count, sizeof(*scheduler->schedule.states));
        scheduler->runs = calloc(count, sizeof(*scheduler->runs));
        if (!scheduler->schedule.states || !scheduler->runs)
                return -ENOMEM;
        scheduler->schedule.count = count;
        for (size_t i = 0; i < count; i++) {
                struct check_state *state = &scheduler->schedule.states[i];

                state->check = &table[i];
                schedule_disable(state);
                scheduler->runs[i] = (struct scheduled_run){
                        .run = { .check = &table[i], .node = node },
                        .state = state,
                        .scheduler = scheduler,
                };
        }
        r = sd_event_add_time(event, &scheduler->timer, CLOCK_BOOTTIME, 0, TIMER_ACCURACY_USEC, on_timer,
                              scheduler);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(scheduler->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(event, &scheduler->now, on_now, scheduler);
        if (r >= 0)
                r = sd_event_source_set_enabled(scheduler->now, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(scheduler);
        return 0;
}

struct scheduler *scheduler_free(struct scheduler *scheduler)
{
        if (!scheduler)
                return NULL;
        for (size_t i = 0; i < scheduler->schedule.count && scheduler->runs; i++)
                cancel(&scheduler->runs[i]);
        sd_event_source_disable_unref(scheduler->timer);
        sd_event_source_disable_unref(scheduler->now);
        free(scheduler->schedule.states);
        free(scheduler->runs);
        free(scheduler);
        return NULL;
}

void scheduler_on_done(struct scheduler *scheduler, scheduler_done_fn done)
{
        scheduler->done = done;
}

void scheduler_pause(struct scheduler *scheduler)
{
        for (size_t i = 0; i < scheduler->schedule.count; i++) {
                cancel(&scheduler->runs[i]);
                if (scheduler->schedule.states[i].running)
                        schedule_abandon(&scheduler->schedule.states[i], now_boottime_usec());
        }
        (void)sd_event_source_set_enabled(scheduler->timer, SD_EVENT_OFF);
        (void)sd_event_source_set_enabled(scheduler->now, SD_EVENT_OFF);
}

static bool is_enabled(const struct check *check, const struct node_health_config *config)
{
        const struct switch_config *object = (const void *)((const char *)config + check->config);

        return object->enabled;
}

int scheduler_configure(struct scheduler *scheduler, const struct node_health_config *config,
                        const char *node_id)
{
        uint64_t now_usec = now_boottime_usec();

        scheduler_pause(scheduler);
        for (size_t i = 0; i < scheduler->schedule.count; i++) {
                struct check_state *state = &scheduler->schedule.states[i];
                uint64_t interval_usec =
                        state->check->interval_usec ? state->check->interval_usec : config->interval_usec;

                if (!is_enabled(state->check, config)) {
                        schedule_disable(state);
                        continue;
                }
                /* The same moment for all: a wake-up, with cold caches, costs as much as a check. They still
                   begin two at a time, and other nodes have other moments. */
                schedule_enable(state, interval_usec, phase_of(node_id, "node-health", interval_usec),
                                now_usec);
                /* At once, so that a worker never claims a condition of a control plane. */
                if (!role_holds(state->check->role, scheduler->runs[i].run.node->root)) {
                        (void)schedule_absent(state, now_usec);
                        state->due_usec = now_usec;
                }
        }
        return arm(scheduler);
}

const struct check_state *scheduler_states(const struct scheduler *scheduler)
{
        return scheduler->schedule.states;
}
