/* SPDX-License-Identifier: Apache-2.0 */

#include "bootstrap.h"

#include <ctype.h>
#include <string.h>

#include "files.h"
#include "json-file.h"
#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "text.h"
#include "timestamp.h"

/* cloud-init writes result.json when it has ended, and status.json all the time (cloud-init docs:
 * reference/cli.html#status). */
#define RESULT_PATH "/run/cloud-init/result.json"
#define STATUS_PATH "/run/cloud-init/status.json"
#define FILE_MAX    (1024 * 1024)
#define REMEDY      "look at /var/log/cloud-init-output.log"

/* The "v1" of one of cloud-init's files; NULL: not there, or not readable. The whole is *ret_file. */
static json_object *read_v1(const char *root, const char *name, json_object **ret_file)
{
        _cleanup_free_ char *path = path_under(root, name);

        if (!path || json_load(path, FILE_MAX, ret_file) < 0)
                return NULL;
        return json_member(*ret_file, "v1", json_type_object);
}

/* The first error, on one line; empty: none. */
static void first_error(json_object *v1, char *buffer, size_t size)
{
        json_object *errors = json_member(v1, "errors", json_type_array), *first;

        buffer[0] = '\0';
        if (!errors || json_object_array_length(errors) == 0)
                return;
        first = json_object_array_get_idx(errors, 0);
        text_append(buffer, size, "%s", json_object_get_string(first));
        for (char *c = buffer; *c; c++)
                if (iscntrl((unsigned char)*c))
                        *c = ' ';
        if (buffer[0] == '\0')
                text_append(buffer, size, "not said");
}

static void judge_running(const char *root, struct check_result *ret)
{
        _cleanup_json_ json_object *file = NULL;
        json_object *v1 = read_v1(root, STATUS_PATH, &file);
        const char *stage = v1 ? json_string(v1, "stage") : NULL;

        if (stage)
                check_result_set(ret, CHECK_UNKNOWN, "Bootstrapping",
                                 "cloud-init is at work (%.40s); kubeadm has not run yet", stage);
        else
                check_result_set(ret, CHECK_UNKNOWN, "NotBootstrapped",
                                 "kubeadm has not run yet: there is no " KUBELET_CONF);
}

int bootstrap_start(struct check_run *run)
{
        _cleanup_json_ json_object *file = NULL;
        json_object *v1 = read_v1(run->node->root, RESULT_PATH, &file);
        bool joined = role_has_joined(run->node->root);
        struct check_result result;
        char error[200] = "";

        if (v1)
                first_error(v1, error, sizeof(error));
        if (error[0] && !joined)
                check_result_set(&result, CHECK_FAIL, "BootstrapFailed",
                                 "cloud-init ended with an error (%s) and the node did not join; " REMEDY,
                                 error);
        else if (error[0])
                check_result_set(&result, CHECK_WARN, "CloudInitErrors",
                                 "the node has joined, but cloud-init had an error (%s); " REMEDY, error);
        else if (joined)
                check_result_set(&result, CHECK_OK, "BootstrapComplete", "the node has joined");
        else if (v1)
                check_result_set(&result, CHECK_UNKNOWN, "NotBootstrapped",
                                 "cloud-init has ended without running kubeadm: there is no " KUBELET_CONF
                                 "; " REMEDY);
        else
                judge_running(run->node->root, &result);
        check_finish(run, &result);
        return 0;
}

int bootstrap_metrics(const struct node *node, json_object *metrics)
{
        uint64_t booted_seconds = (now_realtime_usec() - now_boottime_usec()) / USEC_PER_SEC;
        int r;

        r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "boot_time_seconds",
                       "When the node was booted, by its clock as it is now.", (double)booted_seconds, NULL);
        if (r < 0)
                return r;
        return metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "joined",
                          "Whether kubeadm has made it a node of its cluster.", role_has_joined(node->root),
                          NULL);
}
