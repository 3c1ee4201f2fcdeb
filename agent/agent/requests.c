/* SPDX-License-Identifier: Apache-2.0 */

#include "requests.h"

#include <string.h>

#include "digest.h"
#include "files.h"
#include "json-file.h"
#include "log.h"
#include "quantity.h"
#include "timestamp.h"

#define SERVED_SIZE_MAX (64 * 1024)

/* Between two restarts of one unit: what is restarted more often does no work. */
#define RESTART_PAUSE_USEC (10 * USEC_PER_MIN)

enum grant_kind { GRANT_TIMER, GRANT_RELOAD, GRANT_RESTART };
#define DAEMON_RELOAD "daemon-reload" /* stands in a unit's place */

/* What each plugin may ask for. A plugin that is taken over by an attacker gets no further than this. */
static const struct grant {
        const char *plugin;
        enum grant_kind kind;
        const char *unit;
} grants[] = {
        { "etcd-backup", GRANT_TIMER, "capi-node-etcd-drill" },
        { "etcd-backup", GRANT_TIMER, "capi-node-etcd-snapshot" },
        { "registry-mirror", GRANT_RESTART, "containerd.service" },
        { "custom-ca", GRANT_RESTART, "containerd.service" },
        { "custom-ca", GRANT_RESTART, "kubelet.service" },
        { "proxy", GRANT_RELOAD, DAEMON_RELOAD },
        { "proxy", GRANT_RESTART, "containerd.service" },
        { "proxy", GRANT_RESTART, "kubelet.service" },
};

struct requests {
        char *served_path;
        json_object *served; /* "PLUGIN/UNIT": the last `because` that was served; "UNIT": when it was
                                restarted, by CLOCK_BOOTTIME */
        bool reloading;
        char *reload_refused; /* the last one */
};

struct requests *requests_free(struct requests *requests)
{
        if (!requests)
                return NULL;
        json_object_put(requests->served);
        free(requests->served_path);
        free(requests->reload_refused);
        free(requests);
        return NULL;
}

int requests_new(const char *served_path, struct requests **ret)
{
        _cleanup_(requests_freep) struct requests *requests = calloc(1, sizeof(*requests));
        int r;

        if (!requests)
                return -ENOMEM;
        requests->served_path = strdup(served_path);
        if (!requests->served_path)
                return -ENOMEM;
        r = json_load(served_path, SERVED_SIZE_MAX, &requests->served);
        if (r < 0)
                requests->served = json_object_new_object();
        if (!requests->served)
                return -ENOMEM;
        *ret = TAKE_PTR(requests);
        return 0;
}

static struct unit *timer_unit(struct units *units, const char *unit)
{
        _cleanup_free_ char *name = NULL;

        if (asprintf(&name, "%s.timer", unit) < 0) {
                name = NULL;
                return NULL;
        }
        return units_get(units, name);
}

int requests_watch(struct units *units)
{
        for (size_t i = 0; i < ELEMENTS(grants); i++) {
                struct unit *unit;

                if (grants[i].kind == GRANT_RELOAD)
                        continue;
                unit = grants[i].kind == GRANT_TIMER ? timer_unit(units, grants[i].unit)
                                                     : units_get(units, grants[i].unit);
                if (!unit)
                        return -ENOMEM;
        }
        return 0;
}

static bool is_granted(const char *plugin, enum grant_kind kind, const char *unit)
{
        for (size_t i = 0; i < ELEMENTS(grants); i++)
                if (grants[i].kind == kind && strcmp(grants[i].plugin, plugin) == 0 &&
                    strcmp(grants[i].unit, unit) == 0)
                        return true;
        return false;
}

static void refuse(struct capability *capability, const char *what, const char *unit, const char *why)
{
        char *message;

        if (asprintf(&message, "%s of %s was refused: %s", what, unit, why) < 0)
                return;
        free(capability->request_error);
        capability->request_error = message;
}

/* systemd tells a timer's calendar only in its normal form, so the description carries what was asked for. */
static char *timer_description(const char *plugin, const struct timer_request *timer)
{
        char delay[QUANTITY_SIZE];
        char *text;

        duration_format(timer->randomized_delay_usec, delay);
        return asprintf(&text, "%s at %s, up to %s later (capi-node-agent)", plugin, timer->calendar, delay) <
                               0
                       ? NULL
                       : text;
}

static void serve_timer(struct capability *capability, const struct timer_request *timer, struct units *units)
{
        _cleanup_free_ char *description = timer_description(capability->name, timer);
        struct unit *unit = timer_unit(units, timer->unit);

        if (!description || !unit || unit->activity == UNIT_UNKNOWN || unit->activity == UNIT_CHANGING)
                return;
        if (unit->error)
                refuse(capability, "timer", unit->name, unit->error);
        if (unit->activity == UNIT_ACTIVE && unit->description && strcmp(unit->description, description) == 0)
                return;
        if (unit->activity == UNIT_ACTIVE) {
                /* Made anew once systemd says that it is gone. */
                (void)units_stop(units, unit);
                return;
        }
        if (!unit->pending && !unit->error)
                log_message(LOG_INFO, MESSAGE_REQUEST_SERVED, "%s: timer %s: %s", capability->name,
                            unit->name, timer->calendar);
        (void)units_start_timer(units, unit, description, timer->calendar, timer->randomized_delay_usec);
}

static bool asks_for_timer(const struct capability *capability, const char *unit)
{
        for (size_t i = 0; capability->report && i < capability->report->n_timers; i++)
                if (strcmp(capability->report->timers[i].unit, unit) == 0)
                        return true;
        return false;
}

static void serve_timers(struct capability *capability, struct units *units)
{
        for (size_t i = 0; i < capability->report->n_timers; i++) {
                const struct timer_request *timer = &capability->report->timers[i];

                if (is_granted(capability->name, GRANT_TIMER, timer->unit))
                        serve_timer(capability, timer, units);
                else
                        refuse(capability, "timer", timer->unit, "this plugin may not ask for it");
        }
}

/* Timers that nobody asks for any more. A plugin without a report may only be down, and its schedule goes on.
 */
static void drop_timers(struct capabilities *capabilities, struct units *units)
{
        for (size_t i = 0; i < ELEMENTS(grants); i++) {
                struct capability *capability = capabilities_find(capabilities, grants[i].plugin);
                struct unit *unit;

                if (grants[i].kind != GRANT_TIMER ||
                    (capability && !capability->report && capability->configured) ||
                    (capability && asks_for_timer(capability, grants[i].unit)))
                        continue;
                unit = timer_unit(units, grants[i].unit);
                if (unit && unit->activity == UNIT_ACTIVE) {
                        log_message(LOG_INFO, MESSAGE_REQUEST_SERVED, "%s: timer %s withdrawn",
                                    grants[i].plugin, unit->name);
                        (void)units_stop(units, unit);
                }
        }
}

/* ---- restarts ---- */

struct restart {
        struct requests *requests;
        struct units *units;
        struct unit *unit;
        char *plugin, *key, *because;
        uint64_t since_usec;
};

static void restart_free(void *userdata)
{
        struct restart *restart = userdata;

        free(restart->plugin);
        free(restart->key);
        free(restart->because);
        free(restart);
}

static int save_served(struct requests *requests)
{
        const char *text = json_object_to_json_string(requests->served);
        int r;

        r = text ? file_write(requests->served_path, text, strlen(text), 0600) : -ENOMEM;
        if (r < 0)
                (void)log_error(r, "Cannot write %s", requests->served_path);
        return r;
}

static bool was_served(const struct requests *requests, const char *key, const char *because)
{
        const char *served = json_string(requests->served, key);

        return served && strcmp(served, because) == 0;
}

/* A unit that was started after the change has seen it, and a unit that is down will. Recorded before it is
 * done: a restart that is lost in a crash of the agent is better than one in a loop. */
static void on_active_since(uint64_t active_since_usec, void *userdata)
{
        struct restart *restart = userdata;
        struct requests *requests = restart->requests;
        const char *name = restart->unit->name;
        uint64_t now = now_boottime_usec(), last = (uint64_t)json_integer(requests->served, name, 0);
        bool needed = active_since_usec != 0 && active_since_usec <= restart->since_usec;

        if (was_served(requests, restart->key, restart->because))
                return;
        if (needed && last != 0 && now - last < RESTART_PAUSE_USEC)
                return; /* asked again with the next look */
        if (json_set_string(requests->served, restart->key, restart->because) < 0 ||
            (needed && json_set_integer(requests->served, name, (int64_t)now) < 0) ||
            save_served(requests) < 0 || !needed)
                return;
        log_message(LOG_NOTICE, MESSAGE_REQUEST_SERVED, "%s: restarting %s", restart->plugin, name);
        (void)units_try_restart(restart->units, restart->unit);
}

static void serve_restart(struct requests *requests, struct capability *capability,
                          const struct restart_request *request, struct units *units)
{
        struct unit *unit = units_get(units, request->unit);
        struct restart *restart;

        if (!unit || unit->activity == UNIT_UNKNOWN)
                return;
        restart = calloc(1, sizeof(*restart));
        if (!restart)
                return;
        *restart = (struct restart){
                .requests = requests,
                .units = units,
                .unit = unit,
                .plugin = strdup(capability->name),
                .because = strdup(request->because),
                .since_usec = request->since_usec ?: capability->report->applied_usec,
        };
        if (asprintf(&restart->key, "%s/%s", capability->name, request->unit) < 0)
                restart->key = NULL;
        if (!restart->plugin || !restart->because || !restart->key ||
            was_served(requests, restart->key, restart->because) ||
            units_active_since(units, unit, on_active_since, restart, restart_free) < 0)
                restart_free(restart);
}

static void serve_restarts(struct requests *requests, struct capability *capability, struct units *units)
{
        for (size_t i = 0; i < capability->report->n_restarts; i++) {
                const struct restart_request *request = &capability->report->restarts[i];

                if (is_granted(capability->name, GRANT_RESTART, request->unit))
                        serve_restart(requests, capability, request, units);
                else
                        refuse(capability, "restart", request->unit, "this plugin may not ask for it");
        }
}

static void on_reloaded(const char *refused, void *userdata)
{
        struct requests *requests = userdata;

        requests->reload_refused = refused ? strdup(refused) : NULL;
}

static void on_reload_over(void *userdata)
{
        ((struct requests *)userdata)->reloading = false;
}

/* Whether systemd has read what the capability's units are made of, so that they may be restarted. */
static bool serve_reload(struct requests *requests, struct capability *capability, struct units *units)
{
        const char *because = capability->report->daemon_reload;
        _cleanup_free_ char *key = NULL;

        if (!because)
                return true;
        if (!is_granted(capability->name, GRANT_RELOAD, DAEMON_RELOAD)) {
                refuse(capability, "daemon-reload", "systemd", "this plugin may not ask for it");
                return true;
        }
        if (requests->reloading || asprintf(&key, "%s/" DAEMON_RELOAD, capability->name) < 0)
                return false;
        if (was_served(requests, key, because)) {
                if (requests->reload_refused)
                        refuse(capability, "daemon-reload", "systemd", requests->reload_refused);
                return true;
        }
        if (units_reload(units, on_reloaded, requests, on_reload_over) < 0)
                return false;
        log_message(LOG_INFO, MESSAGE_REQUEST_SERVED, "%s: systemd reads its unit files again",
                    capability->name);
        free(requests->reload_refused);
        requests->reload_refused = NULL;
        requests->reloading = true;
        if (json_set_string(requests->served, key, because) >= 0)
                (void)save_served(requests);
        return false;
}

void requests_serve(struct requests *requests, struct capabilities *capabilities, struct units *units)
{
        for (size_t i = 0; i < capabilities->count; i++) {
                struct capability *capability = &capabilities->items[i];
                _cleanup_free_ char *before = TAKE_PTR(capability->request_error);

                if (!capability->report || capability->own)
                        continue;
                serve_timers(capability, units);
                if (serve_reload(requests, capability, units))
                        serve_restarts(requests, capability, units);
                if (capability->request_error && (!before || strcmp(before, capability->request_error) != 0))
                        log_message(LOG_ERR, MESSAGE_REQUEST_REFUSED, "%s: %s", capability->name,
                                    capability->request_error);
        }
        drop_timers(capabilities, units);
}

static int describe(const struct capability *capability, const struct timer_request *timer,
                    struct units *units, json_object *timers)
{
        const struct unit *unit = timer_unit(units, timer->unit);
        json_object *object = json_object_new_object();
        char time[TIMESTAMP_SIZE];
        int r;

        r = json_append(timers, object);
        if (r < 0 || !unit)
                return -ENOMEM;
        r |= json_set_string(object, "capability", capability->name);
        r |= json_set_string(object, "unit", unit->name);
        r |= json_set_string(object, "calendar", timer->calendar);
        r |= json_set_string(object, "next",
                             unit->next_usec ? timestamp_format(unit->next_usec, time) : NULL);
        return r == 0 ? 0 : -ENOMEM;
}

int requests_describe(const struct capabilities *capabilities, struct units *units, json_object *timers)
{
        int r = 0;

        for (size_t i = 0; i < capabilities->count; i++) {
                const struct capability *capability = &capabilities->items[i];
                size_t count = capability->report && !capability->own ? capability->report->n_timers : 0;

                for (size_t k = 0; r >= 0 && k < count; k++)
                        if (is_granted(capability->name, GRANT_TIMER, capability->report->timers[k].unit))
                                r = describe(capability, &capability->report->timers[k], units, timers);
        }
        return r;
}
