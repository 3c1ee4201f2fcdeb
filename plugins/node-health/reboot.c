/* SPDX-License-Identifier: Apache-2.0 */

#include "reboot.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "text.h"
#include "timestamp.h"

#define PACKAGES_MAX 4096

/* "linux-image-5.15.0-119-generic, libc6"; each package once, though notify-reboot-required repeats them. */
static void list_packages(const char *root, char *buffer, size_t size)
{
        _cleanup_free_ char *text = NULL;
        char *rest;

        buffer[0] = '\0';
        if (text_read(root, "/run/reboot-required.pkgs", PACKAGES_MAX, &text) < 0)
                return;
        rest = text;
        for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
                if (line[0] == '\0' || strstr(buffer, line))
                        continue;
                text_append(buffer, size, "%s%s", buffer[0] != '\0' ? ", " : "", line);
        }
}

static void judge(const char *root, const struct stat *mark, struct check_result *ret)
{
        char packages[256], day[TIMESTAMP_SIZE];
        uint64_t since_usec = (uint64_t)mark->st_mtime * USEC_PER_SEC, now_usec = now_realtime_usec();

        list_packages(root, packages, sizeof(packages));
        (void)timestamp_format(since_usec, day);
        check_result_set(ret, CHECK_WARN, "RebootRequired",
                         "a reboot is required since %.10s (%s); drain the node and reboot it, or replace it",
                         day, packages[0] != '\0' ? packages : "no package is named");
        ret->value = now_usec > since_usec ? (double)(now_usec - since_usec) / (double)USEC_PER_SEC : 0;
}

int reboot_required_start(struct check_run *run)
{
        _cleanup_free_ char *path = path_under(run->node->root, "/run/reboot-required");
        struct check_result result;
        struct stat st;

        if (!path)
                return -ENOMEM;
        if (stat(path, &st) >= 0) {
                judge(run->node->root, &st, &result);
        } else {
                if (errno != ENOENT)
                        return -errno;
                check_result_set(&result, CHECK_OK, "NoRebootRequired", "no package asks for a reboot");
                result.value = 0;
        }
        run->node->reboot_required_seconds = result.value;
        check_finish(run, &result);
        return 0;
}

int reboot_required_metrics(const struct node *node, json_object *metrics)
{
        if (isnan(node->reboot_required_seconds))
                return 0;
        return metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "reboot_required_seconds",
                          "For how long a package has asked for a reboot; 0: none does.",
                          node->reboot_required_seconds, NULL);
}
