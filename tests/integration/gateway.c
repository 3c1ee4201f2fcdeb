/* SPDX-License-Identifier: Apache-2.0 */

#include "gateway.h"

#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cleanup.h"
#include "files.h"
#include "program.h"
#include "timestamp.h"

#define DIRECTORY "run/capi-node-agent/gateway"

#define BOOT_ID "0b5c1f6a-3a0f-4d5e-8f55-0d6c1d3c7a01"

/* In one step, which wakes the gateway once. What is made in its directory wakes it when that is begun, too:
 * on a slow disk it would read the file of before and say that it serves. */
static void place(const struct gateway_node *node, const char *name)
{
        _cleanup_free_ char *from = NULL, *to = NULL;

        assert_true(asprintf(&from, "%s/%s", node->root, name) > 0);
        assert_true(asprintf(&to, "%s/" DIRECTORY "/%s", node->root, name) > 0);
        assert_int_equal(rename(from, to), 0);
}

void gateway_place(const struct gateway_node *node, const char *name, const char *text)
{
        root_write(node->root, name, text, 0640);
        place(node, name);
}

void gateway_write_config(const struct gateway_node *node, uint16_t port, const char *more)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{\"listen\":[\"127.0.0.1:%u\"],\"certFile\":\"/x\",\"keyFile\":\"/x\"%s%s}",
                             port, *more ? "," : "", more) > 0);
        gateway_place(node, "gateway.json", text);
}

void gateway_write_material(const struct gateway_node *node, const struct identity *server,
                            const struct identity *ca)
{
        identity_save(server, node->root, "tls");
        identity_save(ca, node->root, "client-ca");
        place(node, "client-ca.crt");
        place(node, "tls.crt");
        place(node, "tls.key");
}

void gateway_write_health(const struct gateway_node *node, int sequence, bool healthy, const char *valid_for)
{
        _cleanup_free_ char *text = NULL;
        char now[TIMESTAMP_SIZE];

        (void)timestamp_format(now_realtime_usec(), now);
        assert_true(
                asprintf(&text,
                         "{\"apiVersion\":\"capi-node-agent/v1\",\"node\":\"cp-0\",\"bootId\":\"" BOOT_ID
                         "\","
                         "\"generatedAt\":\"%s\",\"validFor\":\"%s\",\"sequence\":%d,\"status\":\"%s\","
                         "\"conditions\":[{\"type\":\"EtcdBackupHealthy\",\"status\":\"False\",\"reason\":"
                         "\"CopyTooOld\",\"message\":\"old\",\"lastTransitionTime\":\"%s\",\"healthy\":false,"
                         "\"severity\":\"Warning\"},{\"type\":\"NodeStorageReady\",\"status\":\"%s\","
                         "\"reason\":\"%s\",\"message\":\"m\",\"lastTransitionTime\":\"%s\",\"healthy\":%s,"
                         "\"severity\":\"Fatal\"}],\"capabilities\":[{\"name\":\"etcd-backup\",\"state\":"
                         "\"InForce\"}],\"checks\":[{\"name\":\"disk-space\",\"status\":\"OK\",\"reason\":"
                         "\"EnoughSpace\",\"message\":\"m\",\"value\":0.41}]}",
                         now, valid_for, sequence, healthy ? "Degraded" : "Unhealthy", now,
                         healthy ? "True" : "False", healthy ? "AllGood" : "DiskFull", now,
                         healthy ? "true" : "false") > 0);
        root_write(node->root, "run/capi-node-agent/health.json", text, 0644);
}

static void write_metrics(const struct gateway_node *node)
{
        root_write(node->root, "run/capi-node-agent/health.prom",
                   "# HELP capi_node_agent_info The agent's version, always 1.\n"
                   "# TYPE capi_node_agent_info gauge\n"
                   "capi_node_agent_info{version=\"1\"} 1\n"
                   "# HELP capi_node_etcd_backup_runs_total Runs of the \"backup\".\n"
                   "# TYPE capi_node_etcd_backup_runs_total counter\n"
                   "capi_node_etcd_backup_runs_total{plugin=\"etcd-backup\"} 3\n",
                   0644);
}

static void open_notify_socket(struct gateway_node *node)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", node->root) <
                    (int)sizeof(address.sun_path));
        node->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(node->notify_fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
}

char *gateway_wait_notify(struct gateway_node *node, const char *text)
{
        for (;;) {
                struct pollfd readable = { .fd = node->notify_fd, .events = POLLIN };
                char line[2048];
                ssize_t n;

                if (poll(&readable, 1, DEADLINE_SECONDS * 1000) != 1)
                        fail_msg("the gateway did not say %s", text);
                n = recv(node->notify_fd, line, sizeof(line) - 1, 0);
                assert_true(n > 0);
                line[n] = '\0';
                if (strstr(line, text))
                        return strdup(line);
        }
}

void gateway_start(struct gateway_node *node)
{
        node->pid = program_start(GATEWAY, (const char *const[]){ "daemon", "--root", node->root, NULL });
}

int gateway_node_start(void **state)
{
        struct gateway_node *node = calloc(1, sizeof(*node));
        _cleanup_free_ char *directory = NULL;

        assert_non_null(node);
        node->root = root_make();
        node->port = free_port();
        node->ca = identity_make(NULL, "ca", NULL, true, 2);
        node->server = identity_make(&node->ca, "server", NULL, false, 1);
        node->management = identity_make(&node->ca, "management", NULL, false, 1);
        node->prometheus = identity_make(&node->ca, "prometheus", "capi:health-readers", false, 1);
        node->kubelet = identity_make(&node->ca, "system:node:a", "system:nodes", false, 1);

        directory = path_under(node->root, "/" DIRECTORY);
        assert_int_equal(directory_make(directory, 0755), 0);
        gateway_write_material(node, &node->server, &node->ca);
        gateway_write_config(node, node->port, GATEWAY_ALLOW);
        gateway_write_health(node, 1, true, "1m");
        write_metrics(node);
        open_notify_socket(node);
        gateway_start(node);
        free(gateway_wait_notify(node, "READY=1"));
        *state = node;
        return 0;
}

int gateway_node_stop(void **state)
{
        struct gateway_node *node = *state;

        if (node->pid > 0)
                assert_int_equal(program_stop(node->pid, SIGTERM), 0);
        closep(&node->notify_fd);
        identity_clear(&node->ca);
        identity_clear(&node->server);
        identity_clear(&node->management);
        identity_clear(&node->prometheus);
        identity_clear(&node->kubelet);
        root_remove(node->root);
        free(node);
        return 0;
}

double gateway_metric(const struct gateway_node *node, const char *sample)
{
        struct reply reply = ask(node->port, &node->prometheus, "GET", "/metrics", "");
        _cleanup_free_ char *start = NULL;
        const char *found;
        double value = -1;

        assert_int_equal(reply.status, 200);
        assert_true(asprintf(&start, "\n%s ", sample) > 0);
        found = strstr(reply.body, start);
        if (found)
                value = strtod(found + strlen(start), NULL);
        reply_clear(&reply);
        return value;
}
