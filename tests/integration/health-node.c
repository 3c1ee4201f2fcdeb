/* SPDX-License-Identifier: Apache-2.0 */

#include "health-node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>

#include "files.h"
#include "program.h"

int health_node_make(void **state)
{
        struct health_node *node = calloc(1, sizeof(*node));

        assert_non_null(node);
        node->root = root_make();
        node->report_path = path_under(node->root, "/run/capi-node-agent/reports/node-health.json");
        *state = node;
        return 0;
}

int health_node_remove(void **state)
{
        struct health_node *node = *state;

        if (node->plugin > 0)
                assert_int_equal(program_stop(node->plugin, SIGTERM), 0);
        fake_systemd_stop(&node->systemd);
        root_remove(node->root);
        free(node->report_path);
        free(node);
        return 0;
}

void health_node_make_directory(const struct health_node *node, const char *name)
{
        _cleanup_free_ char *path = path_under(node->root, name);

        assert_int_equal(directory_make(path, 0755), 0);
}

void health_node_start(struct health_node *node, const char *const *names)
{
        static const char *const all[] = {
                "bootstrap",    "kubelet",          "containerd",   "container-runtime", "kubelet-health",
                "kube-proxy",   "api-endpoint",     "units",        "api-server",        "controller-manager",
                "scheduler",    "static-pods",      "etcd",         "etcd-leader",       "etcd-database",
                "etcd-latency", "etcd-maintenance", "certificates", "versions",          "topology",
        };
        char text[2048] = "";
        size_t length = 0;

        for (size_t i = 0; i < ELEMENTS(all); i++) {
                bool on = false;

                for (const char *const *name = names; *name; name++)
                        on |= strcmp(*name, all[i]) == 0;
                length += (size_t)snprintf(text + length, sizeof(text) - length,
                                           "%s\"%s\": { \"enabled\": %s }",
                                           i > 0 ? ", " : "{ \"interval\": \"1s\", \"checks\": { ", all[i],
                                           on ? "true" : "false");
        }
        (void)snprintf(text + length, sizeof(text) - length, " } }");
        root_write(node->root, "etc/capi-node-agent/node-health.json", text, 0644);
        node->plugin =
                program_start(NODE_HEALTH, (const char *const[]){ "--root", node->root, "daemon", NULL });
}
void health_node_write_manifest(const struct health_node *node, const char *name, const char *format, ...)
{
        _cleanup_free_ char *text = NULL, *path = NULL;
        va_list arguments;

        va_start(arguments, format);
        assert_true(vasprintf(&text, format, arguments) > 0);
        va_end(arguments);
        health_node_make_directory(node, "/etc/kubernetes/manifests");
        assert_true(asprintf(&path, "etc/kubernetes/manifests/%s.yaml", name) > 0);
        root_write(node->root, path, text, 0600);
}

struct report *health_node_report(const struct health_node *node)
{
        _cleanup_failure_ failure = {};
        struct report *report = NULL;
        int r;

        r = report_load(node->report_path, &report, &failure);
        if (r < 0 && r != -ENOENT)
                fail_msg("%s", failure.message);
        return report;
}

struct expectation {
        struct health_node *node;
        const char *check, *status, *reason; /* of a check, or of a condition; status NULL: it is not there */
};

static bool check_is(void *userdata)
{
        const struct expectation *expected = userdata;
        _cleanup_(report_freep) struct report *report = NULL;

        fake_systemd_serve(&expected->node->systemd);
        report = health_node_report(expected->node);
        for (size_t i = 0; report && report->checks && i < json_object_array_length(report->checks); i++) {
                json_object *check = json_object_array_get_idx(report->checks, i);

                if (strcmp(json_string(check, "name"), expected->check) == 0)
                        return expected->status &&
                               strcmp(json_string(check, "status"), expected->status) == 0 &&
                               strcmp(json_string(check, "reason"), expected->reason) == 0;
        }
        return report && report->checks && !expected->status;
}

static bool condition_is(void *userdata)
{
        const struct expectation *expected = userdata;
        _cleanup_(report_freep) struct report *report = NULL;

        fake_systemd_serve(&expected->node->systemd);
        report = health_node_report(expected->node);
        for (size_t i = 0; report && i < report->n_conditions; i++)
                if (strcmp(report->conditions[i].type, expected->check) == 0)
                        return expected->status &&
                               strcmp(condition_status_name(report->conditions[i].status),
                                      expected->status) == 0 &&
                               strcmp(report->conditions[i].reason, expected->reason) == 0;
        return report && !expected->status;
}

void health_node_wait_check(struct health_node *node, const char *check, const char *status,
                            const char *reason)
{
        struct expectation expected = { node, check, status, reason };

        wait_until(check_is, &expected, reason ?: check);
}

void health_node_wait_condition(struct health_node *node, const char *type, const char *status,
                                const char *reason)
{
        struct expectation expected = { node, type, status, reason };

        wait_until(condition_is, &expected, reason ?: type);
}
