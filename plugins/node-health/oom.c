/* SPDX-License-Identifier: Apache-2.0 */

#include "oom.h"

#include <string.h>

#include "kernel-figures.h"
#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "timestamp.h"

/* Kills are counted by the kernel, wherever they happen (__oom_kill_process counts OOM_KILL also for a
 * cgroup's limit); whom it hit stands in the kernel's log, if that can be read. */
static void judge(const struct node *node, uint64_t window_usec, uint64_t now_usec, struct check_result *ret)
{
        const struct oom_watch *oom = &node->oom;
        const char *said = node->kernel_log.found[kernel_rule_index("oom-kill")].last;

        if (oom->last_usec == 0 || now_usec >= oom->last_usec + window_usec)
                check_result_set(ret, CHECK_OK, "NoOOMKills", "nothing was killed for want of memory lately");
        else
                check_result_set(
                        ret, CHECK_WARN, oom->services_hit ? "NodeServiceOOMKilled" : "OOMKilled",
                        "the kernel killed %s for want of memory (\"%s\"); raise its limit, or look for "
                        "who uses the memory: systemd-cgtop -m",
                        oom->services_hit ? "a service of the node" : "a process",
                        said[0] != '\0' ? said : "see journalctl -k");
        ret->value = (double)oom->kills;
}

static void count_services(struct node *node)
{
        struct oom_watch *oom = &node->oom;
        uint64_t kills;

        if (figure_read(node->root, "/sys/fs/cgroup/system.slice/memory.events", "oom_kill", &kills) < 0)
                return; /* cgroup v1, or no memory controller */
        oom->services_hit = oom->services_counted && kills > oom->services;
        oom->services = kills;
        oom->services_counted = true;
}

int oom_start(struct check_run *run)
{
        struct oom_watch *oom = &run->node->oom;
        struct check_result result;
        uint64_t kills;
        int r;

        r = figure_read(run->node->root, "/proc/vmstat", "oom_kill", &kills);
        if (r < 0)
                return r;
        if (!oom->counted || kills != oom->kills)
                count_services(run->node);
        if (oom->counted && kills > oom->kills)
                oom->last_usec = now_boottime_usec();
        oom->kills = kills;
        oom->counted = true;
        judge(run->node, run->node->config->checks.oom.window_usec, now_boottime_usec(), &result);
        check_finish(run, &result);
        return 0;
}

int oom_metrics(const struct node *node, json_object *metrics)
{
        int r;

        if (!node->oom.counted)
                return 0;
        r = metric_add(metrics, METRIC_COUNTER, METRIC_NAME_PREFIX "oom_kills_total",
                       "Processes that the kernel killed for want of memory, since boot.",
                       (double)node->oom.kills, NULL);
        if (r < 0 || !node->oom.services_counted)
                return r;
        return metric_add(metrics, METRIC_COUNTER, METRIC_NAME_PREFIX "service_oom_kills_total",
                          "Of them, those in system.slice: the node's own services.",
                          (double)node->oom.services, NULL);
}
