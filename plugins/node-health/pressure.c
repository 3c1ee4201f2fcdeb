/* SPDX-License-Identifier: Apache-2.0 */

#include "pressure.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "text.h"

#define PRESSURE_MAX 4096

/* Takes TEXT off the front of *at. */
static bool take(const char **at, const char *text)
{
        size_t size = strlen(text);

        if (strncmp(*at, text, size) != 0)
                return false;
        *at += size;
        return true;
}

/* A percentage; signs, "nan" and the like, with which every comparison would be false, are none. */
static bool take_percent(const char **at, double *ret_fraction)
{
        double percent;
        char *end;

        if (!isdigit((unsigned char)**at))
                return false;
        percent = strtod(*at, &end);
        if (!(percent >= 0 && percent <= 100))
                return false;
        *at = end;
        *ret_fraction = percent / 100;
        return true;
}

static bool take_total(const char **at, uint64_t *ret_usec)
{
        char *end;

        if (!isdigit((unsigned char)**at))
                return false;
        errno = 0;
        *ret_usec = strtoull(*at, &end, 10);
        *at = end;
        return errno == 0;
}

/* "KIND avg10=0.00 avg60=0.00 avg300=0.00 total=0" */
static int parse_line(const char *line, const char *kind, struct pressure_line *ret)
{
        struct pressure_line found = { 0 };

        if (!take(&line, kind) || !take(&line, " avg10=") || !take_percent(&line, &found.avg10) ||
            !take(&line, " avg60=") || !take_percent(&line, &found.avg60) || !take(&line, " avg300=") ||
            !take_percent(&line, &found.avg300) || !take(&line, " total=") ||
            !take_total(&line, &found.total_usec) || (*line != '\n' && *line != '\0'))
                return -EBADMSG;
        *ret = found;
        return 0;
}

int pressure_parse(const char *text, struct pressure *ret)
{
        struct pressure found = { .measured = true };
        const char *next;

        if (parse_line(text, "some", &found.some) < 0)
                return -EBADMSG;
        next = strchr(text, '\n');
        if (next && next[1] != '\0' && parse_line(next + 1, "full", &found.full) < 0)
                return -EBADMSG;
        *ret = found;
        return 0;
}

static int measure(const struct node *node, const char *path, struct pressure *ret)
{
        _cleanup_free_ char *text = NULL;
        int r;

        ret->measured = false;
        r = text_read(node->root, path, PRESSURE_MAX, &text);
        return r < 0 ? r : pressure_parse(text, ret);
}

/* High from the moment that both averages are, until the longer is low again (KEP-5394), so that it neither
 * shows for a moment's stall nor flaps. */
static void judge(const struct pressure *pressure, const struct pressure_config *config, const char *resource,
                  const char *reason, bool *high, struct check_result *ret)
{
        const struct pressure_line *full = &pressure->full;

        *high = full->avg60 >= config->warn && (*high || full->avg10 >= config->warn);
        if (*high)
                check_result_set(ret, CHECK_WARN, reason,
                                 "all that runs waits for %s more than %g%% of the time; look for who "
                                 "uses it: systemd-cgtop",
                                 resource, config->warn * 100);
        else
                check_result_set(ret, CHECK_OK, "NoPressure", "%s is not short", resource);
        ret->value = full->avg60;
        ret->threshold = config->warn;
}

static int check(struct check_run *run, const char *path, struct pressure *pressure,
                 const struct pressure_config *config, const char *resource, const char *reason, bool *high)
{
        struct check_result result;
        int r;

        r = measure(run->node, path, pressure);
        /* A kernel without it, or one that was booted with psi=0. */
        if (r == -ENOENT || r == -EOPNOTSUPP) {
                check_finish_absent(run);
                return 0;
        }
        if (r < 0)
                return r;
        judge(pressure, config, resource, reason, high, &result);
        check_finish(run, &result);
        return 0;
}

int memory_pressure_start(struct check_run *run)
{
        struct pressure_watch *watch = &run->node->pressure;

        return check(run, "/proc/pressure/memory", &watch->memory, &run->node->config->checks.memory_pressure,
                     "memory", "MemoryPressureHigh", &watch->memory_high);
}

int io_pressure_start(struct check_run *run)
{
        struct pressure_watch *watch = &run->node->pressure;

        (void)measure(run->node, "/proc/pressure/cpu", &watch->cpu); /* for the metrics only */
        return check(run, "/proc/pressure/io", &watch->io, &run->node->config->checks.io_pressure,
                     "input and output", "IOPressureHigh", &watch->io_high);
}

static int add_line(json_object *metrics, const char *resource, const char *kind,
                    const struct pressure_line *line)
{
        const struct {
                const char *window;
                double value;
        } averages[] = { { "10s", line->avg10 }, { "60s", line->avg60 }, { "300s", line->avg300 } };
        int r;

        for (size_t i = 0; i < ELEMENTS(averages); i++) {
                r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "pressure_ratio",
                               "Which part of the time some task, or all, waited for a resource.",
                               averages[i].value, "resource", resource, "kind", kind, "window",
                               averages[i].window, NULL);
                if (r < 0)
                        return r;
        }
        return metric_add(metrics, METRIC_COUNTER, METRIC_NAME_PREFIX "pressure_waiting_seconds_total",
                          "How long some task, or all, waited for a resource, since boot.",
                          (double)line->total_usec / (double)USEC_PER_SEC, "resource", resource, "kind", kind,
                          NULL);
}

static int add(json_object *metrics, const char *resource, const struct pressure *pressure)
{
        int r;

        if (!pressure->measured)
                return 0;
        r = add_line(metrics, resource, "some", &pressure->some);
        return r < 0 ? r : add_line(metrics, resource, "full", &pressure->full);
}

int memory_pressure_metrics(const struct node *node, json_object *metrics)
{
        return add(metrics, "memory", &node->pressure.memory);
}

int io_pressure_metrics(const struct node *node, json_object *metrics)
{
        int r = add(metrics, "io", &node->pressure.io);

        return r < 0 ? r : add(metrics, "cpu", &node->pressure.cpu);
}
