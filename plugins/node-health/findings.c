/* SPDX-License-Identifier: Apache-2.0 */

#include "findings.h"

#include <math.h>
#include <string.h>
#include <sys/utsname.h>

#include "files.h"
#include "metric.h"
#include "quantity.h"
#include "timestamp.h"

#define OS_RELEASE_MAX (64 * 1024)

/* In metrics; not the enum's order, so that a rule can say "> 0" for all that is not good. */
static const double status_values[] = {
        [CHECK_OK] = 0,
        [CHECK_WARN] = 1,
        [CHECK_FAIL] = 2,
        [CHECK_UNKNOWN] = 3,
};

static int set_time(json_object *object, const char *key, uint64_t realtime_usec)
{
        char text[TIMESTAMP_SIZE];

        return json_set_string(object, key, realtime_usec > 0 ? timestamp_format(realtime_usec, text) : NULL);
}

static int set_number(json_object *object, const char *key, double value)
{
        return isnan(value) ? json_set_string(object, key, NULL) : json_set_double(object, key, value);
}

static int add_check(json_object *list, const struct check_state *state)
{
        const struct check_result *result = &state->result;
        _cleanup_json_ json_object *object = json_object_new_object();
        int r = 0;

        if (!object)
                return -ENOMEM;
        r |= json_set_string(object, "name", state->check->name);
        r |= json_set_string(object, "status", check_status_name(result->status));
        r |= json_set_string(object, "reason", result->reason);
        r |= json_set_string(object, "message", result->message);
        r |= set_time(object, "since", state->since_realtime_usec);
        r |= set_time(object, "lastRun", state->last_run_realtime_usec);
        r |= json_set_double(object, "durationMs", (double)state->duration_usec / (double)USEC_PER_MSEC);
        r |= set_number(object, "value", result->value);
        r |= set_number(object, "threshold", result->threshold);
        r |= json_set_string(object, "doc", state->check->doc);
        if (r != 0)
                return -ENOMEM;
        return json_append(list, TAKE_PTR(object));
}

static int add_metrics(const struct node *node, const struct check_state *state, json_object *metrics)
{
        const char *name = state->check->name;
        int r;

        r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "check_status",
                       "Status of a check: 0 OK, 1 Warn, 2 Fail, 3 Unknown.",
                       status_values[state->result.status], "check", name, NULL);
        if (r < 0)
                return r;
        r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "check_duration_seconds",
                       "How long the last run of a check took.",
                       (double)state->duration_usec / (double)USEC_PER_SEC, "check", name, NULL);
        if (r < 0)
                return r;
        r = metric_add(metrics, METRIC_COUNTER, METRIC_NAME_PREFIX "check_timeouts_total",
                       "Runs of a check that did not end within their deadline.", (double)state->timeouts,
                       "check", name, NULL);
        if (r < 0 || !state->check->metrics)
                return r;
        return state->check->metrics(node, metrics);
}

/* The value of PRETTY_NAME in an os-release(5) text, cut out in place; NULL: there is none. Its shell quoting
 * is at most one pair of quotes in practice. */
static char *pretty_name(char *text)
{
        static const char key[] = "PRETTY_NAME=";
        char *rest = text;

        for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
                char *value = line + strlen(key);
                size_t length;

                if (strncmp(line, key, strlen(key)) != 0)
                        continue;
                length = strlen(value);
                if (length >= 2 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0]) {
                        value[length - 1] = '\0';
                        value++;
                }
                return value;
        }
        return NULL;
}

static int add_os(const char *root, json_object *versions)
{
        static const char *const paths[] = { "/etc/os-release", "/usr/lib/os-release" };

        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                _cleanup_free_ char *path = path_under(root, paths[i]), *text = NULL;
                size_t size;

                if (!path)
                        return -ENOMEM;
                if (file_read(path, OS_RELEASE_MAX, &text, &size) >= 0)
                        return json_set_string(versions, "os", pretty_name(text));
        }
        return json_set_string(versions, "os", NULL);
}

static int add_versions(const struct node *node, struct report *report)
{
        struct utsname name;
        int r;

        report->versions = json_object_new_object();
        if (!report->versions)
                return -ENOMEM;
        if (uname(&name) < 0)
                return -errno;
        r = json_set_string(report->versions, "kernel", name.release);
        return r < 0 ? r : add_os(node->root, report->versions);
}

int findings_add(const struct node *node, const struct check_state *states, size_t count,
                 struct report *report)
{
        int r;

        report->checks = json_object_new_array();
        if (!report->checks)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                if (!states[i].enabled || states[i].absent)
                        continue;
                r = add_check(report->checks, &states[i]);
                if (r >= 0)
                        r = add_metrics(node, &states[i], report->metrics);
                if (r < 0)
                        return r;
        }
        return add_versions(node, report);
}
