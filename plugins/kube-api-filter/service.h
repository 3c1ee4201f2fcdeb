/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The resident filter: proves new lists, keeps the table, follows what the lists are made of. */

#include <systemd/sd-event.h>

#include "child.h"
#include "effectiveness.h"
#include "file-watch.h"
#include "filter.h"
#include "filter-config.h"
#include "monitor.h"
#include "plugin.h"

#define CONDITION_READY     "KubeAPIFilterReady"
#define CONDITION_EFFECTIVE "KubeAPIFilterEffective"

/* Repairs in a minute at once; after these, one every REPAIR_PAUSE. */
#define REPAIRS_MAX 10

struct service {
        struct plugin_context *ctx;
        struct filter *filter;
        int lock; /* STATE/lock: whoever holds it is the only one that changes the table */
        const struct filter_config *config;
        struct monitor *monitor;
        sd_event_source *tick, *repair_later, *look_again;
        struct file_watch *request_watch;
        struct file_watches allow_watches; /* of allowFiles */
        struct child *probe, *look_up;
        struct endpoint *endpoint; /* of the probe that runs */
        uint64_t next_probe_usec, next_look_up_usec, next_observation_usec, observing_since_usec;
        char inputs[SHA256_TEXT_SIZE]; /* of what the list was made of */
        struct filter_list *automatic; /* what "auto" stands for in it; NULL: cannot be read */

        char *answer;  /* of the last probe: "answered" or what went wrong; NULL: none yet */
        char *refusal; /* why a trial was not begun */
        char *missing; /* who has not been heard of in this trial */
        enum effectiveness effectiveness;

        uint64_t repair_times_usec[REPAIRS_MAX]; /* the last ones, a ring */
        size_t n_repairs;
        struct touched_sets touched; /* since the last one */
        char writer[WRITER_SIZE];    /* who made the last one necessary */
        uint64_t last_repair_usec;   /* how long it took */
        uint64_t exposed_usec;       /* of that, before packets were judged again */
        bool fighting;
};

/* The plugin's functions. */
int service_apply(struct plugin_context *ctx, const void *config, struct failure *failure);
int service_undo(struct plugin_context *ctx, struct failure *failure);
int service_watch(struct plugin_context *ctx, const void *config);
int service_report(struct plugin_context *ctx, struct report *report);
void service_close(struct plugin_context *ctx);

/* What a command asks for, in the process that holds the lock. text (owned by the caller) says what was done,
 * or why not. */
enum operation {
        OPERATION_APPLY,
        OPERATION_CONFIRM,
        OPERATION_ROLLBACK,
        OPERATION_DISABLE,
        OPERATION_ENABLE
};
struct request {
        enum operation operation;
        uint64_t usec; /* apply: to confirm; disable: for so long */
        bool force;
};
int service_perform(struct service *service, const struct request *request, char **ret_text);

/* Opens the filter and takes the lock. -EBUSY when another process has it. */
int service_open(struct plugin_context *ctx, struct service **ret, struct failure *failure);

/* Around everything that changes the table: the monitor does not hear of it. After it, what others changed in
 * the meantime is looked for. */
void service_pause(struct service *service);
void service_resume(struct service *service);
/* Repairs what others change; calm: forgets a fight that is over. */
int service_watch_table(struct service *service);
void service_calm(struct service *service);

/* Sets the conditions; observe at most once a minute. */
void service_set_ready(struct service *service);
void service_observe(struct service *service);
/* Makes the list anew if what it is made of has changed. */
void service_follow(struct service *service);
/* Looks at everything that follows the clock, in the next iteration. */
int service_tick_now(struct service *service);

/* Requests of other processes: STATE/request.json, answered in STATE/answer.json. */
int service_watch_requests(struct service *service);
int service_ask(const char *directory, const struct request *request, char **ret_text);
