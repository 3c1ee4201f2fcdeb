/* SPDX-License-Identifier: Apache-2.0 */

#include "unit-bus.h"

#include <string.h>

#include "files.h"
#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "timestamp.h"

#define BACKOFF_MIN_USEC (1 * USEC_PER_SEC)
#define BACKOFF_MAX_USEC USEC_PER_MIN

#define SYSTEMD "org.freedesktop.systemd1"

/* Beside the states, which come in one answer. Single properties: GetAll of a service is 250 of them, for
 * which systemd reads cgroup files. */
static const struct property {
        const char *name;
        char type;
        size_t offset, size; /* in struct unit_facts; size of a text */
        bool why;            /* asked only when the unit does not run */
} properties[] = {
        { "NRestarts", 'u', offsetof(struct unit_facts, n_restarts), 0, false },
        { "Result", 's', offsetof(struct unit_facts, result), sizeof((struct unit_facts){}.result), true },
        { "ExecMainStatus", 'i', offsetof(struct unit_facts, exit_status), 0, true },
};
_Static_assert(ELEMENTS(properties) == UNIT_PROPERTIES_MAX, "one answer for each property");

/* ---- the connection ---- */

void unit_bus_close(struct unit_bus *bus)
{
        bus->bus = sd_bus_close_unref(bus->bus);
}

/* The bus of a tree other than "/": a D-Bus address with all but letters, digits, - _ / . escaped. */
static char *address_under(const char *root)
{
        _cleanup_free_ char *path = path_under(root, "/run/dbus/system_bus_socket");
        char *address, *to;

        if (!path)
                return NULL;
        address = malloc(sizeof("unix:path=") + 3 * strlen(path));
        if (!address)
                return NULL;
        to = stpcpy(address, "unix:path=");
        for (const char *from = path; *from; from++)
                if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/.", *from))
                        *to++ = *from;
                else
                        to += sprintf(to, "%%%02x", (unsigned char)*from);
        *to = '\0';
        return address;
}

static int connect_bus(const struct node *node, sd_bus **ret)
{
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *address = NULL;
        int r;

        if (strcmp(node->root, "/") == 0) {
                r = sd_bus_open_system_with_description(&bus, "node-health");
        } else {
                address = address_under(node->root);
                if (!address)
                        return -ENOMEM;
                r = sd_bus_new(&bus);
                if (r >= 0)
                        r = sd_bus_set_address(bus, address);
                if (r >= 0)
                        r = sd_bus_set_bus_client(bus, true);
                if (r >= 0)
                        r = sd_bus_start(bus);
        }
        if (r < 0)
                return r;
        r = sd_bus_attach_event(bus, node->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

int unit_bus_open(struct node *node)
{
        struct unit_bus *bus = &node->bus;
        uint64_t now_usec = now_boottime_usec(), backoff_usec = bus->backoff_usec * 2;
        int r;

        if (bus->bus && sd_bus_is_open(bus->bus) > 0)
                return 0;
        unit_bus_close(bus);
        if (now_usec < bus->next_try_usec)
                return bus->error;

        backoff_usec = backoff_usec < BACKOFF_MIN_USEC ? BACKOFF_MIN_USEC : backoff_usec;
        bus->backoff_usec = backoff_usec > BACKOFF_MAX_USEC ? BACKOFF_MAX_USEC : backoff_usec;
        bus->next_try_usec = now_usec + bus->backoff_usec;
        r = connect_bus(node, &bus->bus);
        bus->error = r < 0 ? r : -ECONNRESET;
        return r;
}

void unit_bus_works(struct unit_bus *bus)
{
        bus->backoff_usec = 0;
        bus->next_try_usec = 0;
}

/* ---- one look ---- */

void unit_watch_stop(struct unit_watch *watch)
{
        watch->states = sd_bus_slot_unref(watch->states);
        for (size_t i = 0; i < ELEMENTS(watch->answers); i++)
                watch->answers[i].slot = sd_bus_slot_unref(watch->answers[i].slot);
        watch->run = NULL;
}

static void finish_unknown(struct unit_watch *watch, const char *why)
{
        struct check_run *run = watch->run;
        struct check_result result;

        unit_watch_stop(watch);
        check_result_set(&result, CHECK_UNKNOWN, "BusUnavailable",
                         "cannot ask systemd for %s: %s; look at: systemctl status dbus.service",
                         watch->name.unit, why);
        check_finish(run, &result);
}

static void finish_look(struct unit_watch *watch)
{
        struct check_run *run = watch->run;
        const struct checks_config *limits = &run->node->config->checks;
        uint64_t now_usec = now_boottime_usec();
        struct check_result result;

        unit_bus_works(&run->node->bus);
        watch->run = NULL;
        watch->facts = watch->incoming;
        unit_history_note(&watch->history, &watch->facts, now_usec);
        unit_judge(&watch->name, &watch->facts, &watch->history,
                   watch == &run->node->kubelet ? &limits->kubelet : &limits->containerd, now_usec, &result);
        check_finish(run, &result);
}

static int read_value(sd_bus_message *message, const struct property *property, struct unit_facts *facts)
{
        void *to = (char *)facts + property->offset;
        char type[2] = { property->type, '\0' };
        const char *text;
        int r;

        if (property->type != 's')
                return sd_bus_message_read(message, "v", type, to);
        r = sd_bus_message_read(message, "v", type, &text);
        if (r >= 0)
                (void)snprintf(to, property->size, "%s", text);
        return r;
}

static int ask_properties(struct unit_watch *watch, bool why);

/* Goes on when all that was asked has been answered. */
static void answered(struct unit_watch *watch)
{
        bool runs = strcmp(watch->incoming.active_state, "active") == 0;
        int r;

        if (watch->states)
                return;
        for (size_t i = 0; i < ELEMENTS(watch->answers); i++)
                if (watch->answers[i].slot)
                        return;
        if (runs || watch->asked_why) {
                finish_look(watch);
                return;
        }
        watch->asked_why = true;
        r = ask_properties(watch, true);
        if (r < 0)
                finish_unknown(watch, strerror(-r));
}

static const char *describe_error(const sd_bus_error *error, int r)
{
        return !error ? strerror(-r) : error->message ?: error->name;
}

static int on_property(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct unit_answer *answer = userdata;
        struct unit_watch *watch = answer->watch;
        const sd_bus_error *error = sd_bus_message_get_error(message);
        int r;

        (void)ret_error;
        answer->slot = sd_bus_slot_unref(answer->slot);
        r = error ? -EIO : read_value(message, &properties[answer - watch->answers], &watch->incoming);
        if (r < 0)
                finish_unknown(watch, describe_error(error, r));
        else
                answered(watch);
        return 0;
}

/* One (name, description, load, active and sub state, …) for the name that was asked for. */
static int read_states(sd_bus_message *message, struct unit_facts *facts)
{
        const char *load, *active, *sub;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "(ssssssouso)");
        if (r >= 0)
                r = sd_bus_message_read(message, "(ssssssouso)", NULL, NULL, &load, &active, &sub, NULL, NULL,
                                        NULL, NULL, NULL);
        if (r <= 0)
                return r < 0 ? r : -ENODATA;
        (void)snprintf(facts->load_state, sizeof(facts->load_state), "%s", load);
        (void)snprintf(facts->active_state, sizeof(facts->active_state), "%s", active);
        (void)snprintf(facts->sub_state, sizeof(facts->sub_state), "%s", sub);
        return 0;
}

static int on_states(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const sd_bus_error *error = sd_bus_message_get_error(message);
        struct unit_watch *watch = userdata;
        int r;

        (void)ret_error;
        watch->states = sd_bus_slot_unref(watch->states);
        r = error ? -EIO : read_states(message, &watch->incoming);
        if (r < 0)
                finish_unknown(watch, describe_error(error, r));
        else
                answered(watch);
        return 0;
}

/* A unit that is not loaded is loaded by naming its path. */
static int ask_properties(struct unit_watch *watch, bool why)
{
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", watch->name.unit, &path);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(properties); i++) {
                if (properties[i].why != why)
                        continue;
                watch->answers[i].watch = watch;
                r = sd_bus_call_method_async(watch->run->node->bus.bus, &watch->answers[i].slot, SYSTEMD,
                                             path, "org.freedesktop.DBus.Properties", "Get", on_property,
                                             &watch->answers[i], "ss", SYSTEMD ".Service",
                                             properties[i].name);
        }
        return r;
}

/* All at once. Each answer wakes the process, so what a unit that runs needs comes in two. */
static int ask(struct unit_watch *watch)
{
        int r;

        watch->asked_why = false;
        r = sd_bus_call_method_async(watch->run->node->bus.bus, &watch->states, SYSTEMD,
                                     "/org/freedesktop/systemd1", SYSTEMD ".Manager", "ListUnitsByNames",
                                     on_states, watch, "as", 1, watch->name.unit);
        return r < 0 ? r : ask_properties(watch, false);
}

/* Before kubeadm has run a kubelet that does not run is no fault: kubeadm's package restarts it in vain until
 * then. */
static bool not_bootstrapped(struct unit_watch *watch, struct check_run *run)
{
        struct check_result result;

        if (role_has_joined(run->node->root))
                return false;
        watch->history = (struct unit_history){};
        check_result_set(&result, CHECK_UNKNOWN, "NotBootstrapped",
                         "kubeadm has not run yet: there is no " KUBELET_CONF);
        check_finish(run, &result);
        return true;
}

static void cancel_kubelet(struct check_run *run)
{
        unit_watch_stop(&run->node->kubelet);
}

static void cancel_containerd(struct check_run *run)
{
        unit_watch_stop(&run->node->containerd);
}

static int start(struct check_run *run, struct unit_watch *watch)
{
        int r;

        if (watch->after_join && not_bootstrapped(watch, run))
                return 0;
        watch->run = run;
        watch->incoming = (struct unit_facts){};
        r = unit_bus_open(run->node);
        if (r >= 0)
                r = ask(watch);
        if (r < 0)
                finish_unknown(watch, strerror(-r));
        return 0;
}

int kubelet_start(struct check_run *run)
{
        run->cancel = cancel_kubelet;
        return start(run, &run->node->kubelet);
}

int containerd_start(struct check_run *run)
{
        run->cancel = cancel_containerd;
        return start(run, &run->node->containerd);
}

static int add_restarts(const struct unit_watch *watch, json_object *metrics)
{
        if (!watch->history.seen)
                return 0;
        return metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "unit_restarts",
                          "Automatic restarts since the unit was last started by hand (systemd's NRestarts).",
                          watch->facts.n_restarts, "unit", watch->name.unit, NULL);
}

int kubelet_metrics(const struct node *node, json_object *metrics)
{
        return add_restarts(&node->kubelet, metrics);
}

int containerd_metrics(const struct node *node, json_object *metrics)
{
        return add_restarts(&node->containerd, metrics);
}
