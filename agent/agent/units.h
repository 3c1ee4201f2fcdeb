/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the agent asks of systemd, over the system bus and never waited for: the state of units, starting
 * plugin units, transient timers, try-restarts (org.freedesktop.systemd1(5)). */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cleanup.h"

enum unit_activity {
        UNIT_UNKNOWN,    /* systemd has not answered yet */
        UNIT_MISSING,    /* no such unit file */
        UNIT_DOWN,       /* inactive or failed */
        UNIT_CHANGING,   /* starting, or a job for it is queued */
        UNIT_RESTARTING, /* it died and systemd waits before the next start */
        UNIT_ACTIVE,
};

struct unit {
        char *name;
        enum unit_activity activity;
        char *description;
        char *status_text;  /* the STATUS= line of a unit that is not active; may be NULL */
        uint64_t next_usec; /* CLOCK_REALTIME when an active timer elapses next; 0: not known */
        bool pending;       /* a request was sent and its effect is not seen yet: no second one is sent */
        bool answered;      /* systemd has taken or refused it */
        char *error;        /* why the last request for this unit was refused by systemd; NULL: it was not */
};

struct units;

/* changed is called from the event loop when systemd's answer brought something new. */
int units_new(sd_event *event, void (*changed)(void *userdata), void *userdata, struct units **ret);
struct units *units_free(struct units *units);
DEFINE_CLEANUP(struct units *, units_free)

/* The unit of that name, from now on among those asked for; valid until units_free. NULL: no memory. */
struct unit *units_get(struct units *units, const char *name);

/* Asks for the states of all units again; connects to the bus when needed. Returns -ENOTCONN when the bus is
 * not there: the next call tries again. */
int units_refresh(struct units *units);

/* Whether systemd has told of every unit at least once. */
bool units_known(const struct units *units);

/* Each sends one request. The answer, when it is an error, becomes unit->error; then changed is called. */
int units_start(struct units *units, struct unit *unit);
int units_stop(struct units *units, struct unit *unit);
int units_try_restart(struct units *units, struct unit *unit);

/* Has systemd read all unit files again. Its answer (NULL: done, else why not) is told to done; destroy is
 * called in any case, when there will be no answer any more. */
int units_reload(struct units *units, void (*done)(const char *refused, void *userdata), void *userdata,
                 void (*destroy)(void *userdata));

/* Makes the transient timer `unit` (its name ends in .timer): calendar, Persistent, and a random delay that
 * is the same at each run on this node (FixedRandomDelay). */
int units_start_timer(struct units *units, struct unit *unit, const char *description, const char *calendar,
                      uint64_t randomized_delay_usec);

/* Asks whether and since when the unit is active and calls found(CLOCK_REALTIME microseconds, 0 when it is
 * not active).
 */
int units_active_since(struct units *units, struct unit *unit, void (*found)(uint64_t usec, void *userdata),
                       void *userdata, void (*destroy)(void *userdata));
