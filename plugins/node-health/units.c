/* SPDX-License-Identifier: Apache-2.0 */

#include "units.h"

#include <string.h>

#include "node.h"
#include "text.h"
#include "timestamp.h"

#define SYSTEMD      "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define ENABLED_MAX  512

/* Rows of the check table of their own. */
static const char *const elsewhere[] = { "containerd.service", "kubelet.service" };

void units_stop(struct units_watch *watch)
{
        watch->slot = sd_bus_slot_unref(watch->slot);
        watch->run = NULL;
}

static void cancel(struct check_run *run)
{
        units_stop(&run->node->units);
}

static void suspect(struct units_watch *watch, const char *name, enum unit_trouble trouble)
{
        struct unit_suspect *suspect = &watch->suspects[watch->n_suspects];

        for (size_t i = 0; i < ELEMENTS(elsewhere); i++)
                if (strcmp(name, elsewhere[i]) == 0)
                        return;
        if (watch->n_suspects == UNITS_SUSPECTS_MAX || strlen(name) >= UNITS_NAME_SIZE)
                return;
        *suspect = (struct unit_suspect){ .trouble = trouble };
        (void)snprintf(suspect->name, sizeof(suspect->name), "%s", name);
        watch->n_suspects++;
}

/* ---- the end ---- */

static void finish_unknown(struct units_watch *watch, const char *why)
{
        struct check_run *run = watch->run;
        struct check_result result;

        units_stop(watch);
        check_result_set(&result, CHECK_UNKNOWN, "BusUnavailable",
                         "cannot ask systemd for its units: %s; look at: systemctl status dbus.service", why);
        check_finish(run, &result);
}

/* Since when each is in trouble, by the looks before this one. */
static void remember(struct units_watch *watch, uint64_t now_usec)
{
        struct unit_suspect *suspects = watch->suspects;
        size_t n = 0;

        for (size_t i = 0; i < watch->n_suspects; i++) {
                if (suspects[i].cleared)
                        continue;
                suspects[i].since_usec = now_usec;
                for (size_t k = 0; k < watch->n_before; k++)
                        if (strcmp(watch->before[k].name, suspects[i].name) == 0)
                                suspects[i].since_usec = watch->before[k].since_usec;
                suspects[n++] = suspects[i];
        }
        watch->n_suspects = watch->n_before = n;
        memcpy(watch->before, suspects, n * sizeof(*suspects));
}

static unsigned list(const struct units_watch *watch, enum unit_trouble trouble, uint64_t until_usec,
                     char *buffer, size_t size)
{
        unsigned n = 0;

        for (size_t i = 0; i < watch->n_suspects; i++)
                if (watch->suspects[i].trouble == trouble && watch->suspects[i].since_usec <= until_usec)
                        text_append(buffer, size, "%s%s", n++ > 0 ? " " : "", watch->suspects[i].name);
        return n;
}

/* Those in trouble since that moment or before. Returns how many, with the reason that the first of them
 * gives; NULL: none. */
static unsigned describe(const struct units_watch *watch, uint64_t until_usec, const char **ret_reason,
                         char *text, size_t size)
{
        static const struct {
                enum unit_trouble trouble;
                const char *reason, *text;
        } rows[] = {
                { UNIT_FAILED, "UnitsFailed", "failed" },
                { UNIT_STARTING, "UnitsStuckStarting", "still starting" },
                { UNIT_STOPPING, "UnitsStuckStopping", "still stopping" },
                { UNIT_INACTIVE, "UnitsNotRunning", "enabled, but not running" },
        };
        unsigned count = 0;

        *ret_reason = NULL;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char names[200] = "";
                unsigned n = list(watch, rows[i].trouble, until_usec, names, sizeof(names));

                if (n == 0)
                        continue;
                text_append(text, size, "%s%s: %s", text[0] ? "; " : "", rows[i].text, names);
                *ret_reason = *ret_reason ?: rows[i].reason;
                count += n;
        }
        return count;
}

void units_judge(struct units_watch *watch, uint64_t now_usec, struct check_result *ret)
{
        uint64_t limit_usec = now_usec > UNITS_TROUBLE_USEC ? now_usec - UNITS_TROUBLE_USEC : 0;
        char text[400] = "";
        const char *reason;
        unsigned count;

        remember(watch, now_usec);
        count = describe(watch, limit_usec, &reason, text, sizeof(text));
        if (count > 0) {
                check_result_set(ret, CHECK_FAIL, reason, "%s; look at: systemctl status", text);
        } else if (describe(watch, now_usec, &reason, text, sizeof(text)) == 0) {
                check_result_set(ret, CHECK_OK, "UnitsFine", "all services are as they should be");
        } else {
                check_result_set(ret, watch->judged ? CHECK_OK : CHECK_UNKNOWN,
                                 watch->judged ? "UnitsFine" : "NotConfirmedYet",
                                 "not for five minutes yet: %s", text);
        }
        watch->judged |= ret->status != CHECK_UNKNOWN;
        ret->value = count;
        ret->threshold = 1;
}

static void finish(struct units_watch *watch)
{
        struct check_run *run = watch->run;
        struct check_result result;

        unit_bus_works(&run->node->bus);
        units_judge(watch, now_boottime_usec(), &result);
        units_stop(watch);
        check_finish(run, &result);
}

/* ---- what excuses a suspect, as in Gardener's SystemdUnitsReady ---- */

static void ask_next(struct units_watch *watch);

/* Each returns 1 when the unit is as it should be, 0 when not, or negative errno. */
static int is_oneshot(sd_bus_message *message)
{
        const char *type;
        int r = sd_bus_message_read(message, "v", "s", &type);

        return r < 0 ? r : strcmp(type, "oneshot") == 0;
}

static int is_triggered(sd_bus_message *message)
{
        int r = sd_bus_message_enter_container(message, 'v', "as");

        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'a', "s");
        return r < 0 ? r : sd_bus_message_at_end(message, false) == 0;
}

/* Its conditions did not hold, or nobody has wanted it started yet. */
static int is_conditioned_away(sd_bus_message *message)
{
        int held, r = sd_bus_message_read(message, "v", "b", &held);

        return r < 0 ? r : !held;
}

static const struct {
        const char *interface, *property;
        unsigned troubles; /* for which this is asked, a bit for each */
        int (*excuses)(sd_bus_message *message);
} questions[] = {
        { SYSTEMD ".Service", "Type", 1U << UNIT_STARTING | 1U << UNIT_INACTIVE, is_oneshot },
        { SYSTEMD ".Unit", "TriggeredBy", 1U << UNIT_INACTIVE, is_triggered },
        { SYSTEMD ".Unit", "ConditionResult", 1U << UNIT_INACTIVE, is_conditioned_away },
};

static int on_property(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct units_watch *watch = userdata;
        int r;

        (void)ret_error;
        watch->slot = sd_bus_slot_unref(watch->slot);
        /* A unit that is gone by now is no trouble. */
        r = sd_bus_message_is_method_error(message, NULL) ? 1 : questions[watch->question].excuses(message);
        if (r < 0) {
                finish_unknown(watch, strerror(-r));
                return 0;
        }
        watch->question++;
        if (r > 0) {
                watch->suspects[watch->at].cleared = true;
                watch->question = ELEMENTS(questions);
        }
        ask_next(watch);
        return 0;
}

static int ask(struct units_watch *watch)
{
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode(SYSTEMD_PATH "/unit", watch->suspects[watch->at].name, &path);
        if (r < 0)
                return r;
        return sd_bus_call_method_async(watch->run->node->bus.bus, &watch->slot, SYSTEMD, path,
                                        "org.freedesktop.DBus.Properties", "Get", on_property, watch, "ss",
                                        questions[watch->question].interface,
                                        questions[watch->question].property);
}

/* One question at a time: there are few suspects. */
static void ask_next(struct units_watch *watch)
{
        int r;

        for (; watch->at < watch->n_suspects; watch->at++, watch->question = 0)
                for (; watch->question < ELEMENTS(questions); watch->question++) {
                        if (!(questions[watch->question].troubles & 1U << watch->suspects[watch->at].trouble))
                                continue;
                        r = ask(watch);
                        if (r < 0)
                                finish_unknown(watch, strerror(-r));
                        return;
                }
        finish(watch);
}

/* ---- who is suspect ---- */

/* Calls each(name, active state, sub state) for every loaded unit of an answer of ListUnits…. */
static int each_unit(sd_bus_message *message, struct units_watch *watch,
                     void (*each)(struct units_watch *, const char *, const char *, const char *))
{
        const char *name, *load, *active, *sub;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "(ssssssouso)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(message, "(ssssssouso)", &name, NULL, &load, &active, &sub, NULL,
                                        NULL, NULL, NULL, NULL)) > 0)
                if (strcmp(load, "loaded") == 0)
                        each(watch, name, active, sub);
        return r;
}

static void suspect_inactive(struct units_watch *watch, const char *name, const char *active, const char *sub)
{
        (void)sub;
        if (strcmp(active, "inactive") == 0)
                suspect(watch, name, UNIT_INACTIVE);
}

static int on_enabled(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct units_watch *watch = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(message);
        int r;

        (void)ret_error;
        watch->slot = sd_bus_slot_unref(watch->slot);
        r = error ? -EIO : each_unit(message, watch, suspect_inactive);
        if (r < 0)
                finish_unknown(watch, error ? error->message : strerror(-r));
        else
                ask_next(watch);
        return 0;
}

/* The names of enabled services, but for templates, into the call that asks for their states. */
static int append_names(sd_bus_message *call, sd_bus_message *files)
{
        const char *path;
        unsigned n = 0;
        int r;

        r = sd_bus_message_open_container(call, 'a', "s");
        if (r >= 0)
                r = sd_bus_message_enter_container(files, 'a', "(ss)");
        while (r >= 0 && n < ENABLED_MAX && (r = sd_bus_message_read(files, "(ss)", &path, NULL)) > 0) {
                const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

                if (strstr(name, "@."))
                        continue;
                r = sd_bus_message_append(call, "s", name);
                n++;
        }
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int on_files(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        struct units_watch *watch = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(message);
        int r;

        (void)ret_error;
        watch->slot = sd_bus_slot_unref(watch->slot);
        r = error ? -EIO
                  : sd_bus_message_new_method_call(watch->run->node->bus.bus, &call, SYSTEMD, SYSTEMD_PATH,
                                                   SYSTEMD ".Manager", "ListUnitsByNames");
        if (r >= 0)
                r = append_names(call, message);
        if (r >= 0)
                r = sd_bus_call_async(watch->run->node->bus.bus, &watch->slot, call, on_enabled, watch, 0);
        if (r < 0)
                finish_unknown(watch, error ? error->message : strerror(-r));
        return 0;
}

static void suspect_failed(struct units_watch *watch, const char *name, const char *active, const char *sub)
{
        if (strcmp(active, "failed") == 0)
                suspect(watch, name, UNIT_FAILED);
        else if (strcmp(active, "activating") == 0 && strncmp(sub, "auto-restart", 12) != 0)
                suspect(watch, name, UNIT_STARTING);
        else if (strcmp(active, "deactivating") == 0)
                suspect(watch, name, UNIT_STOPPING);
}

static int on_states(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct units_watch *watch = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(message);
        int r;

        (void)ret_error;
        watch->slot = sd_bus_slot_unref(watch->slot);
        r = error ? -EIO : each_unit(message, watch, suspect_failed);
        if (r >= 0)
                r = sd_bus_call_method_async(watch->run->node->bus.bus, &watch->slot, SYSTEMD, SYSTEMD_PATH,
                                             SYSTEMD ".Manager", "ListUnitFilesByPatterns", on_files, watch,
                                             "asas", 1, "enabled", 1, "*.service");
        if (r < 0)
                finish_unknown(watch, error ? error->message : strerror(-r));
        return 0;
}

int units_start(struct check_run *run)
{
        struct units_watch *watch = &run->node->units;
        int r;

        watch->run = run;
        watch->n_suspects = watch->at = watch->question = 0;
        run->cancel = cancel;
        r = unit_bus_open(run->node);
        if (r >= 0)
                r = sd_bus_call_method_async(run->node->bus.bus, &watch->slot, SYSTEMD, SYSTEMD_PATH,
                                             SYSTEMD ".Manager", "ListUnitsByPatterns", on_states, watch,
                                             "asas", 3, "failed", "activating", "deactivating", 1,
                                             "*.service");
        if (r < 0)
                finish_unknown(watch, strerror(-r));
        return 0;
}
