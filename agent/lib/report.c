/* SPDX-License-Identifier: Apache-2.0 */

#include "report.h"

#include <string.h>

#include "config.h"
#include "files.h"
#include "metric.h"
#include "quantity.h"
#include "timestamp.h"

#define VALID_FOR_MAX (24 * USEC_PER_HOUR)

struct report *report_free(struct report *report)
{
        if (!report)
                return NULL;
        for (size_t i = 0; i < report->n_conditions; i++)
                condition_clear(&report->conditions[i]);
        for (size_t i = 0; i < report->n_timers; i++) {
                free(report->timers[i].unit);
                free(report->timers[i].calendar);
        }
        for (size_t i = 0; i < report->n_restarts; i++) {
                free(report->restarts[i].unit);
                free(report->restarts[i].because);
        }
        free(report->conditions);
        free(report->timers);
        free(report->restarts);
        free(report->daemon_reload);
        free(report->plugin);
        free(report->version);
        free(report->boot_id);
        free(report->desired);
        free(report->applied);
        free(report->last_error);
        json_object_put(report->metrics);
        json_object_put(report->checks);
        json_object_put(report->versions);
        json_object_put(report->info);
        free(report);
        return NULL;
}

int report_new(const char *plugin, struct report **ret)
{
        _cleanup_(report_freep) struct report *report = calloc(1, sizeof(*report));

        if (!report)
                return -ENOMEM;
        report->plugin = strdup(plugin);
        report->version = strdup(PROJECT_VERSION);
        report->boot_id = strdup(boot_id());
        report->metrics = json_object_new_array();
        if (!report->plugin || !report->version || !report->boot_id || !report->metrics)
                return -ENOMEM;
        *ret = TAKE_PTR(report);
        return 0;
}

int report_add_timer(struct report *report, const char *unit, const char *calendar,
                     uint64_t randomized_delay_usec)
{
        struct timer_request timer = { .randomized_delay_usec = randomized_delay_usec }, *grown;

        if (report->n_timers >= REPORT_TIMERS_MAX)
                return -E2BIG;
        grown = reallocarray(report->timers, report->n_timers + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        report->timers = grown;
        timer.unit = strdup(unit);
        timer.calendar = strdup(calendar);
        report->timers[report->n_timers++] = timer;
        return timer.unit && timer.calendar ? 0 : -ENOMEM;
}

int report_add_restart_since(struct report *report, const char *unit, const char *because,
                             uint64_t since_usec)
{
        struct restart_request restart = { .since_usec = since_usec }, *grown;

        if (report->n_restarts >= REPORT_RESTARTS_MAX)
                return -E2BIG;
        grown = reallocarray(report->restarts, report->n_restarts + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        report->restarts = grown;
        restart.unit = strdup(unit);
        restart.because = strdup(because);
        report->restarts[report->n_restarts++] = restart;
        return restart.unit && restart.because ? 0 : -ENOMEM;
}

int report_add_restart(struct report *report, const char *unit, const char *because)
{
        return report_add_restart_since(report, unit, because, 0);
}

static int set_time(json_object *object, const char *key, uint64_t usec)
{
        char time[TIMESTAMP_SIZE];

        return json_set_string(object, key, usec ? timestamp_format(usec, time) : NULL);
}

static json_object *config_object(const struct report *report)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        int r = 0;

        if (!object)
                return NULL;
        r |= json_set_string(object, "desired", report->desired);
        r |= json_set_string(object, "applied", report->applied);
        r |= set_time(object, "appliedAt", report->applied_usec);
        r |= json_set_string(object, "lastError", report->last_error);
        r |= set_time(object, "lastErrorAt", report->last_error_usec);
        return r == 0 ? TAKE_PTR(object) : NULL;
}

static json_object *conditions_array(const struct report *report)
{
        _cleanup_json_ json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < report->n_conditions; i++) {
                json_object *condition;

                if (condition_write(&report->conditions[i], &condition) < 0 ||
                    json_append(array, condition) < 0)
                        return NULL;
        }
        return TAKE_PTR(array);
}

static json_object *requests_object(const struct report *report)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        json_object *timers = json_object_new_array(), *restarts = json_object_new_array();
        char text[QUANTITY_SIZE];
        int r = 0;

        /* json_set owns both arrays from here, also when it fails. */
        r |= json_set(object, "timers", timers);
        r |= json_set(object, "restart", restarts);
        if (!object || r != 0)
                return NULL;
        for (size_t i = 0; i < report->n_timers; i++) {
                json_object *timer = json_object_new_object();

                r |= json_append(timers, timer);
                r |= json_set_string(timer, "unit", report->timers[i].unit);
                r |= json_set_string(timer, "calendar", report->timers[i].calendar);
                r |= json_set_string(timer, "randomizedDelay",
                                     duration_format(report->timers[i].randomized_delay_usec, text));
        }
        for (size_t i = 0; i < report->n_restarts; i++) {
                json_object *restart = json_object_new_object();

                r |= json_append(restarts, restart);
                r |= json_set_string(restart, "unit", report->restarts[i].unit);
                r |= json_set_string(restart, "because", report->restarts[i].because);
                if (report->restarts[i].since_usec)
                        r |= set_time(restart, "since", report->restarts[i].since_usec);
        }
        if (report->daemon_reload)
                r |= json_set_string(object, "daemonReload", report->daemon_reload);
        return r == 0 ? TAKE_PTR(object) : NULL;
}

/* Another reference for an optional part, so that json_set can own it. */
static int set_shared(json_object *object, const char *key, json_object *value)
{
        return value ? json_set(object, key, json_object_get(value)) : 0;
}

int report_format(const struct report *report, char **ret_text, size_t *ret_size)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        char valid_for[QUANTITY_SIZE];
        const char *line;
        size_t size;
        int r = 0;

        r |= json_set_string(object, "apiVersion", CONFIG_API_VERSION);
        r |= json_set_string(object, "plugin", report->plugin);
        r |= json_set_string(object, "version", report->version);
        r |= json_set_integer(object, "pid", report->pid);
        r |= json_set_string(object, "bootId", report->boot_id);
        r |= set_time(object, "generatedAt", report->generated_usec);
        r |= json_set_string(object, "validFor", duration_format(report->valid_for_usec, valid_for));
        r |= json_set(object, "config", config_object(report));
        r |= json_set(object, "conditions", conditions_array(report));
        r |= json_set(object, "requests", requests_object(report));
        r |= set_shared(object, "checks", report->checks);
        r |= set_shared(object, "versions", report->versions);
        r |= set_shared(object, "metrics", report->metrics);
        r |= set_shared(object, "info", report->info);
        if (r != 0)
                return -ENOMEM;

        line = json_object_to_json_string_length(object,
                                                 JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE,
                                                 &size);
        if (!line || asprintf(&text, "%s\n", line) < 0) {
                text = NULL;
                return -ENOMEM;
        }
        size++;
        if (size > REPORT_SIZE_MAX)
                return -EFBIG;
        *ret_text = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int copy_string(json_object *object, const char *key, char **ret)
{
        const char *text = json_string(object, key);

        if (!text)
                return 0;
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int read_time(json_object *object, const char *key, uint64_t *ret_usec, struct failure *failure)
{
        const char *text = json_string(object, key);

        if (text && timestamp_parse(text, ret_usec) < 0)
                return failure_set(failure, -EINVAL, "InvalidReport", "\"%s\" is not an RFC 3339 time in UTC",
                                   key);
        return 0;
}

static int read_header(json_object *object, struct report *report, struct failure *failure)
{
        const char *version = json_string(object, "apiVersion"), *valid_for = json_string(object, "validFor");
        int r;

        if (!version || strcmp(version, CONFIG_API_VERSION) != 0)
                return failure_set(failure, -EINVAL, "InvalidReport", "\"apiVersion\" is not \"%s\"",
                                   CONFIG_API_VERSION);
        if (!json_string(object, "plugin"))
                return failure_set(failure, -EINVAL, "InvalidReport", "\"plugin\" is missing");
        if (!valid_for || duration_parse(valid_for, &report->valid_for_usec) < 0 ||
            report->valid_for_usec == 0 || report->valid_for_usec > VALID_FOR_MAX)
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "\"validFor\" is not a duration up to 24h");
        if (!json_string(object, "generatedAt"))
                return failure_set(failure, -EINVAL, "InvalidReport", "\"generatedAt\" is missing");
        r = read_time(object, "generatedAt", &report->generated_usec, failure);
        if (r < 0)
                return r;
        report->pid = json_integer(object, "pid", 0);
        if (copy_string(object, "plugin", &report->plugin) < 0 ||
            copy_string(object, "version", &report->version) < 0 ||
            copy_string(object, "bootId", &report->boot_id) < 0)
                return -ENOMEM;
        return 0;
}

static int read_config(json_object *object, struct report *report, struct failure *failure)
{
        json_object *config = json_member(object, "config", json_type_object);
        int r;

        if (!config)
                return failure_set(failure, -EINVAL, "InvalidReport", "\"config\" is missing");
        if (copy_string(config, "desired", &report->desired) < 0 ||
            copy_string(config, "applied", &report->applied) < 0 ||
            copy_string(config, "lastError", &report->last_error) < 0)
                return -ENOMEM;
        r = read_time(config, "appliedAt", &report->applied_usec, failure);
        if (r < 0)
                return r;
        return read_time(config, "lastErrorAt", &report->last_error_usec, failure);
}

static int read_conditions(json_object *object, struct report *report, struct failure *failure)
{
        json_object *array = json_member(object, "conditions", json_type_array);
        size_t n = array ? json_object_array_length(array) : 0;
        int r;

        if (n > REPORT_CONDITIONS_MAX)
                return failure_set(failure, -EINVAL, "InvalidReport", "more than %d conditions",
                                   REPORT_CONDITIONS_MAX);
        report->conditions = calloc(n + 1, sizeof(*report->conditions));
        if (!report->conditions)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                r = condition_read(json_object_array_get_idx(array, i), &report->conditions[i], failure);
                if (r < 0)
                        return r;
                report->n_conditions++;
        }
        return 0;
}

static int read_timer(json_object *timer, struct report *report, struct failure *failure)
{
        const char *unit = json_string(timer, "unit"), *calendar = json_string(timer, "calendar");
        const char *delay = json_string(timer, "randomizedDelay");
        uint64_t delay_usec = 0;

        if (!unit || !calendar || (delay && duration_parse(delay, &delay_usec) < 0))
                return failure_set(
                        failure, -EINVAL, "InvalidReport",
                        "a timer request without \"unit\", \"calendar\" or with a bad \"randomizedDelay\"");
        return report_add_timer(report, unit, calendar, delay_usec);
}

static int read_restart(json_object *restart, struct report *report, struct failure *failure)
{
        const char *unit = json_string(restart, "unit"), *because = json_string(restart, "because");
        uint64_t since_usec = 0;
        int r;

        if (!unit || !because)
                return failure_set(failure, -EINVAL, "InvalidReport",
                                   "a restart request without \"unit\" or \"because\"");
        r = read_time(restart, "since", &since_usec, failure);
        return r < 0 ? r : report_add_restart_since(report, unit, because, since_usec);
}

static int read_requests(json_object *object, struct report *report, struct failure *failure)
{
        json_object *requests = json_member(object, "requests", json_type_object);
        json_object *timers = json_member(requests, "timers", json_type_array);
        json_object *restarts = json_member(requests, "restart", json_type_array);
        int r;

        for (size_t i = 0; timers && i < json_object_array_length(timers); i++) {
                r = read_timer(json_object_array_get_idx(timers, i), report, failure);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; restarts && i < json_object_array_length(restarts); i++) {
                r = read_restart(json_object_array_get_idx(restarts, i), report, failure);
                if (r < 0)
                        return r;
        }
        return copy_string(requests, "daemonReload", &report->daemon_reload);
}

static int read_checks(json_object *object, struct report *report, struct failure *failure)
{
        json_object *checks = json_member(object, "checks", json_type_array);

        if (!checks)
                return 0;
        if (json_object_array_length(checks) > REPORT_CHECKS_MAX)
                return failure_set(failure, -EINVAL, "InvalidReport", "more than %d checks",
                                   REPORT_CHECKS_MAX);
        for (size_t i = 0; i < json_object_array_length(checks); i++) {
                json_object *check = json_object_array_get_idx(checks, i);

                if (!json_string(check, "name") || !json_string(check, "status"))
                        return failure_set(failure, -EINVAL, "InvalidReport",
                                           "a check without \"name\" or \"status\"");
        }
        report->checks = json_object_get(checks);
        return 0;
}

static json_object *shared_object(json_object *object, const char *key)
{
        return json_object_get(json_member(object, key, json_type_object));
}

static int read_report(json_object *object, struct report *report, struct failure *failure)
{
        static int (*const readers[])(json_object *, struct report *, struct failure *) = {
                read_header, read_config, read_conditions, read_requests, read_checks,
        };
        int r;

        if (!json_object_is_type(object, json_type_object))
                return failure_set(failure, -EINVAL, "InvalidReport", "not a JSON object");
        for (size_t i = 0; i < ELEMENTS(readers); i++) {
                r = readers[i](object, report, failure);
                if (r < 0)
                        return r;
        }
        report->versions = shared_object(object, "versions");
        return 0;
}

enum { PART_METRICS, PART_INFO, PARTS };

#define REPORT_PARTS                                                                                 \
        {                                                                                            \
                [PART_METRICS] = { .key = "metrics" }, [PART_INFO] = { .key = "info" }, [PARTS] = {} \
        }

static int parse_parts(const char *text, size_t size, const struct report *before, struct json_part *parts,
                       struct report **ret, struct failure *failure)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_(report_freep) struct report *report = calloc(1, sizeof(*report));
        int r;

        if (!report)
                return -ENOMEM;
        r = json_parse_parts(text, size, parts, &object, failure);
        if (r >= 0)
                r = read_report(object, report, failure);
        if (r >= 0)
                r = metric_condense(parts[PART_METRICS].value.at, report->plugin,
                                    before ? before->metrics : NULL, &report->metrics, failure);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(report);
        return 0;
}

int report_parse_condensed(const char *text, size_t size, const struct report *before, struct report **ret,
                           struct failure *failure)
{
        struct json_part parts[] = REPORT_PARTS;

        return parse_parts(text, size, before, parts, ret, failure);
}

/* The value's tree in *tree, which may hold another, if it is of that kind. */
static int replace_tree(const struct json_text *value, char first, json_object **tree)
{
        json_object *read;
        int r;

        if (!value->at || *value->at != first)
                return 0;
        r = json_parse(value->at, value->size, &read, NULL);
        if (r < 0)
                return r;
        json_object_put(*tree);
        *tree = read;
        return 0;
}

int report_parse(const char *text, size_t size, struct report **ret, struct failure *failure)
{
        struct json_part parts[] = REPORT_PARTS;
        _cleanup_(report_freep) struct report *report = NULL;
        int r;

        r = parse_parts(text, size, NULL, parts, &report, failure);
        if (r >= 0)
                r = replace_tree(&parts[PART_METRICS].value, '[', &report->metrics);
        if (r >= 0)
                r = replace_tree(&parts[PART_INFO].value, '{', &report->info);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(report);
        return 0;
}

int report_save(const struct report *report, const char *path)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = report_format(report, &text, &size);
        if (r < 0)
                return r;
        return file_write_volatile(path, text, size, 0644); /* /run is in memory anyway */
}

int report_read(const char *path, char **ret_text, size_t *ret_size, struct failure *failure)
{
        int r = file_read(path, REPORT_SIZE_MAX, ret_text, ret_size);

        return r == -EFBIG ? failure_set(failure, -EINVAL, "InvalidReport", "larger than 1 MiB") : r;
}

int report_load(const char *path, struct report **ret, struct failure *failure)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = report_read(path, &text, &size, failure);
        return r < 0 ? r : report_parse(text, size, ret, failure);
}
