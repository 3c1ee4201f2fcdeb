/* SPDX-License-Identifier: Apache-2.0 */

#include "kernel-limits.h"

#include <math.h>
#include <string.h>

#include "kernel-figures.h"
#include "metric.h"
#include "node.h"
#include "text.h"

#define LOADAVG_MAX 4096

/* What differs between them. */
struct limited {
        const char *kind; /* label */
        const char *enough, *low, *noun, *remedy;
};

static const struct limited conntrack = {
        "conntrack",
        "EnoughConntrackEntries",
        "ConntrackNearlyFull",
        "connections tracked",
        "new connections are dropped when it is full; raise net.netfilter.nf_conntrack_max",
};
static const struct limited pids = {
        "pids",
        "EnoughPids",
        "PidsNearlyUsedUp",
        "processes and threads",
        "nothing can be started when they are used up; look for a process with very many threads "
        "(ps -eo nlwp,comm --sort=-nlwp), or raise kernel.pid_max",
};
static const struct limited open_files = {
        "open-files",
        "EnoughOpenFiles",
        "OpenFilesNearlyUsedUp",
        "open files",
        "look for a process that does not close them (ls /proc/*/fd), or raise fs.file-max",
};

static void judge(const struct limited *limited, const struct ratio_config *config,
                  const struct kernel_limit *limit, struct check_result *ret)
{
        double ratio = limit->used / limit->max;

        if (ratio < config->warn)
                check_result_set(ret, CHECK_OK, limited->enough, "less than %g%% of the %s are in use",
                                 config->warn * 100, limited->noun);
        else /* whole percents: each change of the text is a write to the Node object */
                check_result_set(ret, ratio < config->fail ? CHECK_WARN : CHECK_FAIL, limited->low,
                                 "%.0f%% of at most %.0f %s are in use; %s", floor(ratio * 100), limit->max,
                                 limited->noun, limited->remedy);
        ret->value = ratio;
        ret->threshold = ratio < config->warn || ratio < config->fail ? config->warn : config->fail;
}

static int finish(struct check_run *run, const struct limited *limited, const struct ratio_config *config,
                  struct kernel_limit *limit, uint64_t used, uint64_t max)
{
        struct check_result result;

        if (max == 0)
                return -EBADMSG;
        *limit = (struct kernel_limit){ (double)used, (double)max };
        judge(limited, config, limit, &result);
        check_finish(run, &result);
        return 0;
}

int conntrack_start(struct check_run *run)
{
        struct kernel_limit *limit = &run->node->limits.conntrack;
        uint64_t used, max;
        int r;

        limit->max = 0;
        r = figures_read(run->node->root, "/proc/sys/net/netfilter/nf_conntrack_count", &used, 1);
        if (r >= 0)
                r = figures_read(run->node->root, "/proc/sys/net/netfilter/nf_conntrack_max", &max, 1);
        if (r == -ENOENT) {
                check_finish_absent(run); /* the module is not loaded */
                return 0;
        }
        return r < 0 ? r : finish(run, &conntrack, &run->node->config->checks.conntrack, limit, used, max);
}

/* The tasks of a text such as "0.20 0.18 0.12 1/80 11206" (proc_loadavg(5)): the number behind the slash. */
static int count_tasks(const char *root, uint64_t *ret)
{
        _cleanup_free_ char *text = NULL;
        const char *slash;
        int r;

        r = text_read(root, "/proc/loadavg", LOADAVG_MAX, &text);
        if (r < 0)
                return r;
        slash = strchr(text, '/');
        return slash ? figures_parse(slash + 1, ret, 1) : -EBADMSG;
}

int pids_start(struct check_run *run)
{
        struct kernel_limit *limit = &run->node->limits.pids;
        uint64_t used, pid_max, threads_max;
        int r;

        limit->max = 0;
        r = count_tasks(run->node->root, &used);
        if (r >= 0)
                r = figures_read(run->node->root, "/proc/sys/kernel/pid_max", &pid_max, 1);
        if (r >= 0)
                r = figures_read(run->node->root, "/proc/sys/kernel/threads-max", &threads_max, 1);
        if (r < 0)
                return r;
        return finish(run, &pids, &run->node->config->checks.pids, limit, used,
                      pid_max < threads_max ? pid_max : threads_max);
}

int open_files_start(struct check_run *run)
{
        struct kernel_limit *limit = &run->node->limits.files;
        uint64_t figures[3]; /* allocated, unused (always 0), greatest: proc_sys_fs(5) file-nr */
        int r;

        limit->max = 0;
        r = figures_read(run->node->root, "/proc/sys/fs/file-nr", figures, ELEMENTS(figures));
        if (r < 0)
                return r;
        return finish(run, &open_files, &run->node->config->checks.open_files, limit, figures[0], figures[2]);
}

static int add(const struct limited *limited, const struct kernel_limit *limit, json_object *metrics)
{
        int r;

        if (limit->max == 0)
                return 0;
        r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "kernel_limit_used",
                       "How many of a kind the kernel has.", limit->used, "kind", limited->kind, NULL);
        if (r < 0)
                return r;
        return metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "kernel_limit_max",
                          "How many of a kind the kernel allows.", limit->max, "kind", limited->kind, NULL);
}

int conntrack_metrics(const struct node *node, json_object *metrics)
{
        return add(&conntrack, &node->limits.conntrack, metrics);
}

int pids_metrics(const struct node *node, json_object *metrics)
{
        return add(&pids, &node->limits.pids, metrics);
}

int open_files_metrics(const struct node *node, json_object *metrics)
{
        return add(&open_files, &node->limits.files, metrics);
}
