/* SPDX-License-Identifier: Apache-2.0 */

#include "findings.h"

#include <math.h>

#include "metric.h"
#include "quantity.h"
#include "timestamp.h"

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

static double status_of(const struct check_state *state)
{
        return status_values[state->result.status];
}

static double duration_of(const struct check_state *state)
{
        return (double)state->duration_usec / (double)USEC_PER_SEC;
}

static double timeouts_of(const struct check_state *state)
{
        return (double)state->timeouts;
}

static const struct {
        enum metric_type type;
        const char *name, *help;
        double (*value)(const struct check_state *state);
} families[] = {
        { METRIC_GAUGE, METRIC_NAME_PREFIX "check_status",
          "Status of a check: 0 OK, 1 Warn, 2 Fail, 3 Unknown.", status_of },
        { METRIC_GAUGE, METRIC_NAME_PREFIX "check_duration_seconds", "How long the last run of a check took.",
          duration_of },
        { METRIC_COUNTER, METRIC_NAME_PREFIX "check_timeouts_total",
          "Runs of a check that did not end within their deadline.", timeouts_of },
};

static bool is_shown(const struct check_state *state)
{
        return state->enabled && !state->absent;
}

static int add_metrics(const struct node *node, const struct check_state *states, size_t count,
                       json_object *metrics)
{
        int r = 0;

        for (size_t k = 0; k < ELEMENTS(families); k++)
                for (size_t i = 0; r >= 0 && i < count; i++)
                        if (is_shown(&states[i]))
                                r = metric_add(metrics, families[k].type, families[k].name, families[k].help,
                                               families[k].value(&states[i]), "check", states[i].check->name,
                                               NULL);
        for (size_t i = 0; r >= 0 && i < count; i++)
                if (is_shown(&states[i]) && states[i].check->metrics)
                        r = states[i].check->metrics(node, metrics);
        return r;
}

/* What the report's reader may look up; absent when there is nothing of it. */
static int add_info(const struct node *node, struct report *report)
{
        int r = 0;

        report->info = report->info ?: json_object_new_object();
        if (!report->info)
                return -ENOMEM;
        if (node->certificates.count > 0)
                r = json_set(report->info, "certificates", certificates_describe(&node->certificates));
        return r < 0 ? r : scs_add_info(&node->scs, report->info);
}

static int add_versions(struct node *node, struct report *report)
{
        report->versions = json_object_new_object();
        return report->versions ? versions_describe(node, report->versions) : -ENOMEM;
}

int findings_add(struct node *node, const struct check_state *states, size_t count, struct report *report)
{
        int r = 0;

        report->checks = json_object_new_array();
        if (!report->checks)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < count; i++)
                if (is_shown(&states[i]))
                        r = add_check(report->checks, &states[i]);
        if (r >= 0)
                r = add_metrics(node, states, count, report->metrics);
        if (r >= 0)
                r = add_versions(node, report);
        return r < 0 ? r : add_info(node, report);
}
