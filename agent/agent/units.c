/* SPDX-License-Identifier: Apache-2.0 */

#include "units.h"

#include <stdbool.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "timestamp.h"

#define DESTINATION  "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define UNIT_PATH    "/org/freedesktop/systemd1/unit"
#define CALL_TIMEOUT (10 * UINT64_C(1000000))

struct units {
        sd_event *event;
        sd_bus *bus;
        void (*changed)(void *userdata);
        void *userdata;
        struct unit **items;
        size_t count;
        bool asking;    /* for states */
        bool ask_again; /* something changed since that question was sent */
};

/* What an asynchronous answer needs to find its unit again. */
struct call {
        struct units *units;
        struct unit *unit;
        void (*found)(uint64_t usec, void *userdata);
        void (*done)(const char *refused, void *userdata);
        void *userdata;
        void (*destroy)(void *userdata);
};

static void disconnect(struct units *units)
{
        units->bus = sd_bus_close_unref(units->bus);
        units->asking = false;
        for (size_t i = 0; i < units->count; i++)
                units->items[i]->pending = units->items[i]->answered = false;
}

struct units *units_free(struct units *units)
{
        if (!units)
                return NULL;
        disconnect(units);
        for (size_t i = 0; i < units->count; i++) {
                free(units->items[i]->name);
                free(units->items[i]->description);
                free(units->items[i]->status_text);
                free(units->items[i]->error);
                free(units->items[i]);
        }
        free(units->items);
        sd_event_unref(units->event);
        free(units);
        return NULL;
}

int units_new(sd_event *event, void (*changed)(void *userdata), void *userdata, struct units **ret)
{
        struct units *units = calloc(1, sizeof(*units));

        if (!units)
                return -ENOMEM;
        *units = (struct units){ .event = sd_event_ref(event), .changed = changed, .userdata = userdata };
        *ret = units;
        return 0;
}

struct unit *units_get(struct units *units, const char *name)
{
        struct unit **grown, *unit;

        for (size_t i = 0; i < units->count; i++)
                if (strcmp(units->items[i]->name, name) == 0)
                        return units->items[i];

        grown = reallocarray(units->items, units->count + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        units->items = grown;
        unit = calloc(1, sizeof(*unit));
        if (!unit)
                return NULL;
        unit->name = strdup(name);
        if (!unit->name) {
                free(unit);
                return NULL;
        }
        units->items[units->count++] = unit;
        return unit;
}

static int connect_bus(struct units *units)
{
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        if (units->bus && sd_bus_is_open(units->bus) > 0)
                return 0;
        disconnect(units);

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return -ENOTCONN;
        r = sd_bus_attach_event(bus, units->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        r = sd_bus_set_method_call_timeout(bus, CALL_TIMEOUT);
        if (r < 0)
                return r;
        units->bus = TAKE_PTR(bus);
        return 0;
}

static enum unit_activity activity_of(const char *load, const char *active, const char *sub, uint32_t job)
{
        if (job != 0)
                return UNIT_CHANGING;
        if (strcmp(load, "not-found") == 0)
                return UNIT_MISSING;
        if (strcmp(active, "active") == 0 || strcmp(active, "reloading") == 0)
                return UNIT_ACTIVE;
        if (strcmp(sub, "auto-restart") == 0)
                return UNIT_RESTARTING;
        if (strcmp(active, "activating") == 0)
                return UNIT_CHANGING;
        return UNIT_DOWN;
}

static bool replace_text(char **text, const char *with)
{
        if (*text && with && strcmp(*text, with) == 0)
                return false;
        if (!*text && !with)
                return false;
        free(*text);
        *text = with ? strdup(with) : NULL;
        return true;
}

static void call_destroy(void *userdata)
{
        struct call *call = userdata;

        if (call->destroy)
                call->destroy(call->userdata);
        free(call);
}

static int send_call(struct units *units, sd_bus_message *message, sd_bus_message_handler_t handler,
                     struct call call)
{
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_free_ struct call *copy = malloc(sizeof(*copy));
        int r;

        if (!copy)
                return -ENOMEM;
        call.units = units;
        *copy = call;
        r = sd_bus_call_async(units->bus, &slot, message, handler, copy, 0);
        if (r < 0)
                return r;
        r = sd_bus_slot_set_destroy_callback(slot, call_destroy);
        if (r < 0)
                return r;
        copy = NULL; /* the slot owns it, and the bus the slot */
        return sd_bus_slot_set_floating(slot, true);
}

static int on_status_text(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct call *call = userdata;
        const char *text;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "v", "s", &text) < 0)
                return 0;
        if (replace_text(&call->unit->status_text, text[0] ? text : NULL))
                call->units->changed(call->units->userdata);
        return 0;
}

static int property_call(struct units *units, struct unit *unit, const char *interface, const char *property,
                         sd_bus_message **ret)
{
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode(UNIT_PATH, unit->name, &path);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(units->bus, ret, DESTINATION, path,
                                           "org.freedesktop.DBus.Properties", "Get");
        if (r < 0)
                return r;
        return sd_bus_message_append(*ret, "ss", interface, property);
}

static int ask_status_text(struct units *units, struct unit *unit)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        r = property_call(units, unit, "org.freedesktop.systemd1.Service", "StatusText", &message);
        if (r < 0)
                return r;
        return send_call(units, message, on_status_text, (struct call){ .unit = unit });
}

/* When a timer elapses next moves nothing here, so nobody is told. */
static int on_next_elapse(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct call *call = userdata;
        uint64_t usec;

        if (!sd_bus_message_is_method_error(reply, NULL) && sd_bus_message_read(reply, "v", "t", &usec) >= 0)
                call->unit->next_usec = usec == UINT64_MAX ? 0 : usec;
        return 0;
}

static int ask_next_elapse(struct units *units, struct unit *unit)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        r = property_call(units, unit, "org.freedesktop.systemd1.Timer", "NextElapseUSecRealtime", &message);
        if (r < 0)
                return r;
        return send_call(units, message, on_next_elapse, (struct call){ .unit = unit });
}

static bool is_timer(const char *name)
{
        const char *dot = strrchr(name, '.');

        return dot && strcmp(dot, ".timer") == 0;
}

static int read_states(struct units *units, sd_bus_message *reply, bool *ret_changed)
{
        const char *name, *description, *load, *active, *sub;
        uint32_t job;
        bool changed = false;
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(reply, "(ssssssouso)", &name, &description, &load, &active, &sub,
                                        NULL, NULL, &job, NULL, NULL)) > 0) {
                struct unit *unit = units_get(units, name);
                enum unit_activity activity = activity_of(load, active, sub, job);

                if (!unit)
                        return -ENOMEM;
                changed |= unit->activity != activity;
                unit->activity = activity;
                if (replace_text(&unit->description, description)) {
                        unit->next_usec = 0;
                        changed = true;
                }
                if (activity != UNIT_ACTIVE)
                        unit->next_usec = 0;
                else if (is_timer(name) && unit->next_usec <= now_realtime_usec())
                        (void)ask_next_elapse(units, unit);
                if (activity == UNIT_ACTIVE)
                        changed |= replace_text(&unit->status_text, NULL);
                else if (activity != UNIT_MISSING)
                        (void)ask_status_text(units, unit);
        }
        *ret_changed = changed;
        return r;
}

/* No memory is the only trouble that ends the agent's handler; a lost bus is found at the next refresh. */
static int ask_again(struct units *units)
{
        units->ask_again = false;
        return units_refresh(units) == -ENOMEM ? -ENOMEM : 0;
}

static int on_states(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct units *units = ((struct call *)userdata)->units;
        bool changed = false;

        units->asking = false;
        if (sd_bus_message_is_method_error(reply, NULL) || read_states(units, reply, &changed) < 0)
                return 0; /* asked again at the next refresh */
        if (units->ask_again)
                return ask_again(units);
        for (size_t i = 0; i < units->count; i++)
                if (units->items[i]->answered)
                        units->items[i]->pending = units->items[i]->answered = false;
        if (changed)
                units->changed(units->userdata);
        return 0;
}

int units_refresh(struct units *units)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        r = connect_bus(units);
        if (r < 0)
                return r;
        if (units->asking || units->count == 0)
                return 0;
        r = sd_bus_message_new_method_call(units->bus, &message, DESTINATION, MANAGER_PATH, MANAGER,
                                           "ListUnitsByNames");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(message, 'a', "s");
        if (r < 0)
                return r;
        for (size_t i = 0; i < units->count; i++) {
                r = sd_bus_message_append(message, "s", units->items[i]->name);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(message);
        if (r < 0)
                return r;
        r = send_call(units, message, on_states, (struct call){});
        if (r >= 0)
                units->asking = true;
        return r;
}

bool units_known(const struct units *units)
{
        for (size_t i = 0; i < units->count; i++)
                if (units->items[i]->activity == UNIT_UNKNOWN)
                        return false;
        return true;
}

static int on_request_done(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct call *call = userdata;
        const sd_bus_error *refused = sd_bus_message_get_error(reply);

        call->unit->answered = true;
        if (replace_text(&call->unit->error, refused ? refused->message : NULL))
                call->units->changed(call->units->userdata);
        if (call->units->asking) {
                call->units->ask_again = true;
                return 0;
        }
        return ask_again(call->units);
}

static int send_request(struct units *units, struct unit *unit, sd_bus_message *message)
{
        int r;

        r = send_call(units, message, on_request_done, (struct call){ .unit = unit });
        if (r >= 0)
                unit->pending = true;
        return r;
}

static int job_call(struct units *units, struct unit *unit, const char *method, const char *mode)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        if (unit->pending)
                return 0;
        r = connect_bus(units);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(units->bus, &message, DESTINATION, MANAGER_PATH, MANAGER, method);
        if (r < 0)
                return r;
        r = sd_bus_message_append(message, "ss", unit->name, mode);
        if (r < 0)
                return r;
        return send_request(units, unit, message);
}

int units_start(struct units *units, struct unit *unit)
{
        /* "fail": never cancels a stop job, so a shutdown is not held up by a plugin that the agent wants. */
        return job_call(units, unit, "StartUnit", "fail");
}

int units_stop(struct units *units, struct unit *unit)
{
        return job_call(units, unit, "StopUnit", "replace");
}

int units_try_restart(struct units *units, struct unit *unit)
{
        return job_call(units, unit, "TryRestartUnit", "replace");
}

static int on_reloaded(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct call *call = userdata;
        const sd_bus_error *refused = sd_bus_message_get_error(reply);

        call->done(refused ? refused->message : NULL, call->userdata);
        call->units->changed(call->units->userdata); /* looks in the next iteration, when this call is over */
        return 0;
}

int units_reload(struct units *units, void (*done)(const char *refused, void *userdata), void *userdata,
                 void (*destroy)(void *userdata))
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        r = connect_bus(units);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(units->bus, &message, DESTINATION, MANAGER_PATH, MANAGER,
                                           "Reload");
        if (r < 0)
                return r;
        return send_call(units, message, on_reloaded,
                         (struct call){ .done = done, .userdata = userdata, .destroy = destroy });
}

int units_start_timer(struct units *units, struct unit *unit, const char *description, const char *calendar,
                      uint64_t randomized_delay_usec)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        if (unit->pending)
                return 0;
        r = connect_bus(units);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(units->bus, &message, DESTINATION, MANAGER_PATH, MANAGER,
                                           "StartTransientUnit");
        if (r < 0)
                return r;
        r = sd_bus_message_append(message, "ssa(sv)a(sa(sv))", unit->name, "replace", 5, /* properties */
                                  "Description", "s", description, "TimersCalendar", "a(ss)", 1, "OnCalendar",
                                  calendar, "Persistent", "b", 1, "RandomizedDelayUSec", "t",
                                  randomized_delay_usec, "FixedRandomDelay", "b", 1, 0 /* auxiliary units */);
        if (r < 0)
                return r;
        return send_request(units, unit, message);
}

static int on_active_since(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
        struct call *call = userdata;
        uint64_t usec;

        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "v", "t", &usec) < 0)
                return 0; /* asked again with the next report */
        call->found(call->unit->activity == UNIT_ACTIVE ? usec : 0, call->userdata);
        return 0;
}

int units_active_since(struct units *units, struct unit *unit, void (*found)(uint64_t usec, void *userdata),
                       void *userdata, void (*destroy)(void *userdata))
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        /* Its answer comes before the one to this question. */
        r = units_refresh(units);
        if (r < 0)
                return r;
        r = property_call(units, unit, "org.freedesktop.systemd1.Unit", "ActiveEnterTimestamp", &message);
        if (r < 0)
                return r;
        return send_call(units, message, on_active_since,
                         (struct call){
                                 .unit = unit, .found = found, .userdata = userdata, .destroy = destroy });
}
