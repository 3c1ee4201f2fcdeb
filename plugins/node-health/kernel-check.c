/* SPDX-License-Identifier: Apache-2.0 */

/* The two checks of the kernel's log. */

#include <string.h>
#include <time.h>

#include "kernel-log.h"
#include "metric.h"
#include "node-disks.h"
#include "node.h"
#include "quantity.h"
#include "text.h"

/* What a row has to say now, to the check that asks. */
struct saying {
        enum check_status status; /* OK: nothing */
        const char *text;
        uint64_t count;
        bool until_boot;
};

static uint64_t now_monotonic_usec(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now); /* what a record's time is; it cannot fail */
        return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static bool is_recent(uint64_t usec, uint64_t now_usec, uint64_t window_usec)
{
        return usec + window_usec > now_usec;
}

static bool is_storage(const struct kernel_rule *rule)
{
        return rule->effect == KERNEL_IO || rule->effect == KERNEL_DAMAGE;
}

static struct saying say(const struct kernel_rule *rule, const struct kernel_finding *found,
                         uint64_t now_usec, uint64_t window_usec)
{
        bool lasting = rule->effect == KERNEL_BROKEN || rule->effect == KERNEL_DAMAGE;

        if (rule->effect == KERNEL_OOM || found->count == 0)
                return (struct saying){ .status = CHECK_OK };
        if (found->serious_count > 0 && (lasting || is_recent(found->serious_usec, now_usec, window_usec)))
                return (struct saying){ CHECK_FAIL, found->serious, found->serious_count, lasting };
        if (is_recent(found->last_usec, now_usec, window_usec))
                return (struct saying){ CHECK_WARN, found->last, found->count, false };
        return (struct saying){ .status = CHECK_OK };
}

/* Keeps what the worse rows say; of equally bad ones the first gives the reason. */
static void add(struct check_result *result, const struct kernel_rule *rule, const struct saying *saying)
{
        if (saying->status > result->status)
                check_result_set(result, saying->status, rule->reason, "%s", "");
        else if (saying->status < result->status)
                return;
        text_append(result->message, sizeof(result->message),
                    "%sthe kernel said \"%s\" (%llu times in this boot)%s",
                    result->message[0] != '\0' ? "; " : "", saying->text, (unsigned long long)saying->count,
                    saying->until_boot ? ", which stays so until the next boot" : "");
}

static void judge(const struct kernel_log *log, bool storage, uint64_t now_usec, uint64_t window_usec,
                  struct check_result *ret)
{
        check_result_set(ret, CHECK_OK, storage ? "NoStorageErrors" : "KernelHasNoDeadlock", "%s", "");
        for (size_t i = 0; i < n_kernel_rules; i++) {
                struct saying saying;

                if (is_storage(&kernel_rules[i]) != storage)
                        continue;
                saying = say(&kernel_rules[i], &log->found[i], now_usec, window_usec);
                if (saying.status != CHECK_OK)
                        add(ret, &kernel_rules[i], &saying);
        }
        if (ret->status == CHECK_OK)
                text_append(ret->message, sizeof(ret->message), "%s",
                            storage ? "the kernel has reported no error of a disk"
                                    : "the kernel has reported nothing that does not go on");
        else
                text_append(ret->message, sizeof(ret->message), "; %s",
                            storage ? "see: journalctl -k; repair or replace the disk, then reboot"
                                    : "see: journalctl -k; drain the node and reboot it");
}

static int check(struct check_run *run, bool storage, uint64_t window_usec)
{
        struct kernel_log *log = &run->node->kernel_log;
        struct check_result result;
        int r;

        r = kernel_log_follow(log, run->node->event, run->node->root,
                              &run->node->config->checks.read_only_filesystem.paths);
        if (r == -ENOENT) {
                check_finish_absent(run); /* a container: the kernel is not this node's own */
                return 0;
        }
        if (log->changed)
                (void)kernel_log_save(log); /* the next run tries again */
        if (r < 0)
                check_result_set(&result, CHECK_UNKNOWN, "KernelLogUnreadable",
                                 "cannot read the kernel's log (/dev/kmsg): %s", strerror(-r));
        else
                judge(log, storage, now_monotonic_usec(), window_usec, &result);
        check_finish(run, &result);
        return 0;
}

int kernel_start(struct check_run *run)
{
        return check(run, false, run->node->config->checks.kernel.window_usec);
}

int storage_errors_start(struct check_run *run)
{
        return check(run, true, run->node->config->checks.storage_errors.window_usec);
}

static int add_counter(json_object *metrics, const char *name, const char *help, uint64_t value)
{
        return metric_add(metrics, METRIC_COUNTER, name, help, (double)value, NULL);
}

int kernel_metrics(const struct node *node, json_object *metrics)
{
        const struct kernel_log *log = &node->kernel_log;
        int r;

        for (size_t i = 0; i < n_kernel_rules; i++) {
                if (i != kernel_rule_index(kernel_rules[i].name))
                        continue;
                r = metric_add(metrics, METRIC_COUNTER, METRIC_NAME_PREFIX "kernel_messages_total",
                               "Messages of the kernel of this kind, in this boot.",
                               (double)log->found[i].count, "kind", kernel_rules[i].name, NULL);
                if (r < 0)
                        return r;
        }
        r = add_counter(metrics, METRIC_NAME_PREFIX "kernel_log_lost_total",
                        "Messages of the kernel that were overwritten before they were read, in this boot.",
                        log->lost);
        if (r < 0)
                return r;
        return add_counter(metrics, METRIC_NAME_PREFIX "kernel_log_records_total",
                           "Messages of the kernel's log that were read, since the plugin started.",
                           log->records);
}
