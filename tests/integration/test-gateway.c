/* SPDX-License-Identifier: Apache-2.0 */

/* What the real gateway answers. Who gets an answer is in test-gateway-access.c, how much one may ask of it
 * in test-gateway-limits.c. */

#include <setjmp.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "gateway.h"
#include "json.h"
#include "program.h"
#include "quantity.h"
#include "timestamp.h"

#define ETAG(mark) "W/\"0b5c1f6a-3a0f-4d5e-8f55-0d6c1d3c7a01-" mark "\""

static struct reply get(const struct gateway_node *node, const char *target, const char *fields)
{
        return ask(node->port, &node->management, "GET", target, fields);
}

static void expect(const struct gateway_node *node, const char *target, const char *fields, int status)
{
        struct reply reply = get(node, target, fields);

        if (reply.status != status)
                fail_msg("GET %s %s: %d instead of %d", target, fields, reply.status, status);
        reply_clear(&reply);
}

static void assert_field(const struct reply *reply, const char *name, const char *value)
{
        _cleanup_free_ char *found = reply_field(reply, name);

        assert_non_null(found);
        assert_string_equal(found, value);
}

static void assert_error(const struct reply *reply)
{
        _cleanup_json_ json_object *object = NULL;

        assert_field(reply, "Content-Type", "application/json");
        assert_int_equal(json_parse(reply->body, reply->body_size, &object, NULL), 0);
        assert_non_null(json_string(object, "error"));
}

/* ---- /v1/health ---- */

static void serves_the_health_document_as_it_is(void **state)
{
        struct gateway_node *node = *state;
        _cleanup_free_ char *written = root_read(node->root, "run/capi-node-agent/health.json");
        struct reply reply = get(node, "/v1/health", "");

        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, written);
        assert_field(&reply, "Content-Type", "application/json");
        assert_field(&reply, "ETag", ETAG("1"));
        assert_field(&reply, "Cache-Control", "no-cache");
        reply_clear(&reply);
}

static void does_not_repeat_what_the_client_has(void **state)
{
        struct gateway_node *node = *state;
        struct reply reply = get(node, "/v1/health", "If-None-Match: " ETAG("1") "\r\n");

        assert_int_equal(reply.status, 304);
        assert_field(&reply, "ETag", ETAG("1"));
        assert_null(reply_field(&reply, "Content-Length"));
        reply_clear(&reply);

        expect(node, "/v1/health", "If-None-Match: *\r\n", 304);
        expect(node, "/v1/health", "If-None-Match: \"x\", " ETAG("1") "\r\n", 304);
        expect(node, "/v1/health", "If-None-Match: \"x\"\r\nIf-None-Match: " ETAG("1") "\r\n", 304);
        expect(node, "/v1/health", "If-None-Match: \"0b5c1f6a-3a0f-4d5e-8f55-0d6c1d3c7a01-1\"\r\n", 304);
        expect(node, "/v1/health", "If-None-Match: " ETAG("2") "\r\n", 200);
        expect(node, "/v1/health", "If-None-Match: \"\"\r\n", 200);
        expect(node, "/v1/conditions/NodeStorageReady", "If-None-Match: " ETAG("1") "\r\n", 304);
}

static void a_long_poll_returns_at_the_next_change(void **state)
{
        struct gateway_node *node = *state;
        struct client knowing = client_connect(node->port, &node->management);
        struct client asking = client_connect(node->port, &node->management);
        struct reply reply;

        client_request(&knowing, "GET", "/v1/health?wait=300", "If-None-Match: " ETAG("1") "\r\n");
        client_request(&asking, "GET", "/v1/health?wait=300", "");
        /* The metrics are answered after both requests were read, so both wait then. */
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_connections"), 3);

        /* A document that is only renewed is no change. */
        gateway_write_health(node, 1, true, "1m");
        assert_false(client_has_input(&knowing, 300));
        assert_false(client_has_input(&asking, 0));

        gateway_write_health(node, 2, false, "1m");
        reply = client_receive(&knowing, false);
        assert_int_equal(reply.status, 200);
        assert_field(&reply, "ETag", ETAG("2"));
        assert_non_null(strstr(reply.body, "\"Unhealthy\""));
        reply_clear(&reply);
        reply = client_receive(&asking, false);
        assert_int_equal(reply.status, 200);
        assert_field(&reply, "ETag", ETAG("2"));
        reply_clear(&reply);

        /* And the connection goes on. */
        client_request(&asking, "GET", "/healthz", "");
        reply = client_receive(&asking, false);
        assert_int_equal(reply.status, 503);
        reply_clear(&reply);
        client_close(&knowing);
        client_close(&asking);
}

static void a_long_poll_that_missed_a_change_returns_at_once(void **state)
{
        struct gateway_node *node = *state;
        struct reply reply;

        gateway_write_health(node, 7, true, "1m");
        reply = get(node, "/v1/health?wait=300", "If-None-Match: " ETAG("1") "\r\n");
        assert_int_equal(reply.status, 200);
        assert_field(&reply, "ETag", ETAG("7"));
        reply_clear(&reply);
}

static void a_long_poll_ends_with_its_time(void **state)
{
        struct gateway_node *node = *state;
        struct client knowing = client_connect(node->port, &node->management);
        struct client asking = client_connect(node->port, &node->management);
        uint64_t start = now_boottime_usec();
        struct reply reply;

        client_request(&knowing, "GET", "/v1/health?wait=1", "If-None-Match: " ETAG("1") "\r\n");
        client_request(&asking, "HEAD", "/v1/health?wait=1", "");
        reply = client_receive(&knowing, false);
        assert_int_equal(reply.status, 304);
        assert_true(now_boottime_usec() - start >= USEC_PER_SEC);
        reply_clear(&reply);
        reply = client_receive(&asking, true);
        assert_int_equal(reply.status, 200);
        reply_clear(&reply);
        client_close(&knowing);
        client_close(&asking);
}

static void refuses_a_wait_that_is_no_number_of_seconds(void **state)
{
        static const char *const waits[] = { "0",  "301", "-1", "+1", "1s", "1.5", "", "99999999999999999999",
                                             "%31" };
        struct gateway_node *node = *state;

        for (size_t i = 0; i < ELEMENTS(waits); i++) {
                char target[64];

                (void)snprintf(target, sizeof(target), "/v1/health?wait=%s", waits[i]);
                expect(node, target, "", 400);
        }
        expect(node, "/v1/health?wait", "", 400);
}

/* ---- /v1/conditions, /healthz ---- */

static void serves_one_condition_or_says_which_there_are(void **state)
{
        struct gateway_node *node = *state;
        _cleanup_json_ json_object *condition = NULL, *error = NULL;
        struct reply reply = get(node, "/v1/conditions/NodeStorageReady", "");

        assert_int_equal(reply.status, 200);
        assert_int_equal(json_parse(reply.body, reply.body_size, &condition, NULL), 0);
        assert_string_equal(json_string(condition, "type"), "NodeStorageReady");
        assert_string_equal(json_string(condition, "status"), "True");
        reply_clear(&reply);

        reply = get(node, "/v1/conditions/Nonsense", "");
        assert_int_equal(reply.status, 404);
        assert_error(&reply);
        assert_int_equal(json_parse(reply.body, reply.body_size, &error, NULL), 0);
        assert_int_equal(json_object_array_length(json_member(error, "types", json_type_array)), 2);
        reply_clear(&reply);
        expect(node, "/v1/conditions/", "", 404);
        expect(node, "/v1/conditions", "", 404);
}

static void says_in_one_word_whether_the_node_is_well(void **state)
{
        struct gateway_node *node = *state;
        struct reply reply = get(node, "/healthz", "");

        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "Degraded\n");
        reply_clear(&reply);

        reply = get(node, "/healthz?verbose", "");
        assert_string_equal(reply.body, "Degraded\nEtcdBackupHealthy CopyTooOld\n");
        reply_clear(&reply);

        gateway_write_health(node, 2, false, "1m");
        expect(node, "/v1/health?wait=300", "If-None-Match: " ETAG("1") "\r\n", 200);
        reply = get(node, "/healthz?verbose", "");
        assert_int_equal(reply.status, 503);
        assert_string_equal(reply.body,
                            "Unhealthy\nEtcdBackupHealthy CopyTooOld\nNodeStorageReady DiskFull\n");
        reply_clear(&reply);
}

/* ---- an agent that is gone ---- */

static void nothing_stays_healthy_when_the_agent_is_silent(void **state)
{
        struct gateway_node *node = *state;
        struct client waiter = client_connect(node->port, &node->management);
        _cleanup_json_ json_object *document = NULL, *condition = NULL;
        struct reply reply;

        gateway_write_health(node, 2, true, "1s");
        expect(node, "/v1/health?wait=300", "If-None-Match: " ETAG("1") "\r\n", 200);
        client_request(&waiter, "GET", "/v1/health?wait=300", "If-None-Match: " ETAG("2") "\r\n");
        reply = client_receive(&waiter, false);
        assert_int_equal(reply.status, 200);
        assert_field(&reply, "ETag", ETAG("2-stale"));
        assert_int_equal(json_parse(reply.body, reply.body_size, &document, NULL), 0);
        assert_string_equal(json_string(document, "status"), "Unknown");
        reply_clear(&reply);

        reply = get(node, "/v1/conditions/NodeStorageReady", "");
        assert_int_equal(json_parse(reply.body, reply.body_size, &condition, NULL), 0);
        assert_string_equal(json_string(condition, "status"), "Unknown");
        assert_string_equal(json_string(condition, "reason"), "AgentSilent");
        reply_clear(&reply);
        reply = get(node, "/healthz?verbose", "");
        assert_int_equal(reply.status, 503);
        assert_string_equal(reply.body,
                            "Unknown\nEtcdBackupHealthy AgentSilent\nNodeStorageReady AgentSilent\n");
        reply_clear(&reply);
        assert_int_equal((int)gateway_metric(node, "capi_node_agent_up"), 0);
        assert_int_equal((int)gateway_metric(node, "capi_node_agent_info{version=\"1\"}"), -1);
        assert_true(gateway_metric(node, "capi_node_health_age_seconds") >= 1);

        client_request(&waiter, "GET", "/v1/health?wait=300", "If-None-Match: " ETAG("2-stale") "\r\n");
        gateway_write_health(node, 2, true, "1m");
        reply = client_receive(&waiter, false);
        assert_field(&reply, "ETag", ETAG("2"));
        reply_clear(&reply);
        assert_int_equal((int)gateway_metric(node, "capi_node_agent_up"), 1);
        client_close(&waiter);
}

static void a_restarted_gateway_gives_an_old_document_no_new_life(void **state)
{
        struct gateway_node *node = *state;

        gateway_write_health(node, 2, true, "1s");
        expect(node, "/v1/health?wait=300", "If-None-Match: " ETAG("1") ", " ETAG("2") "\r\n", 200);
        assert_int_equal(program_stop(node->pid, SIGTERM), 0);
        gateway_start(node);
        free(gateway_wait_notify(node, "READY=1"));
        expect(node, "/healthz", "", 503);
}

static void a_document_that_is_broken_or_gone_leaves_the_last_one_until_its_time_is_over(void **state)
{
        struct gateway_node *node = *state;
        _cleanup_free_ char *path = NULL;

        root_write(node->root, "run/capi-node-agent/health.json", "{\"status\":", 0644);
        expect(node, "/v1/health?wait=1", "", 200);
        expect(node, "/healthz", "", 200);
        assert_true(asprintf(&path, "%s/run/capi-node-agent/health.json", node->root) > 0);
        assert_int_equal(unlink(path), 0);
        expect(node, "/v1/health?wait=1", "If-None-Match: " ETAG("1") "\r\n", 304);
        expect(node, "/healthz", "", 200);

        assert_int_equal(program_stop(node->pid, SIGTERM), 0);
        gateway_start(node);
        free(gateway_wait_notify(node, "READY=1"));
        expect(node, "/v1/health", "", 503);
        expect(node, "/v1/conditions/NodeStorageReady", "", 503);
        expect(node, "/healthz", "", 503);
        expect(node, "/metrics", "", 200);
}

/* ---- /metrics ---- */

static void check_with_promtool(const struct gateway_node *node, const char *page)
{
        static const char *const argv[] = { "promtool", "check", "metrics", NULL };
        posix_spawn_file_actions_t actions;
        _cleanup_free_ char *path = NULL;
        pid_t pid;

        root_write(node->root, "page", page, 0600);
        assert_true(asprintf(&path, "%s/page", node->root) > 0);
        assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
        assert_int_equal(posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, path, O_RDONLY, 0), 0);
        assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ), 0);
        (void)posix_spawn_file_actions_destroy(&actions);
        assert_int_equal(program_wait(pid), 0);
}

static void the_metrics_page_passes_promtool(void **state)
{
        struct gateway_node *node = *state;
        struct reply reply = get(node, "/metrics", "");

        assert_int_equal(reply.status, 200);
        assert_field(&reply, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
        assert_non_null(strstr(reply.body, "capi_node_agent_info{version=\"1\"} 1\n"));
        assert_non_null(strstr(reply.body, "capi_node_agent_up 1\n"));
        check_with_promtool(node, reply.body);
        reply_clear(&reply);
}

static void serves_openmetrics_to_who_prefers_it(void **state)
{
        struct gateway_node *node = *state;
        struct reply reply = get(node, "/metrics",
                                 "Accept: application/openmetrics-text;version=1.0.0,application/"
                                 "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/"
                                 "*;q=0.1\r\n");

        assert_int_equal(reply.status, 200);
        assert_field(&reply, "Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert_true(reply.body_size > 6);
        assert_string_equal(reply.body + reply.body_size - 6, "# EOF\n");
        assert_non_null(strstr(reply.body, "# TYPE capi_node_etcd_backup_runs counter\n"
                                           "# HELP capi_node_etcd_backup_runs Runs of the \\\"backup\\\".\n"
                                           "capi_node_etcd_backup_runs_total{plugin=\"etcd-backup\"} 3\n"));
        reply_clear(&reply);
}

static void counts_what_it_answers_and_what_it_refuses(void **state)
{
        struct gateway_node *node = *state;
        struct reply reply;

        expect(node, "/nothing", "", 404);
        expect(node, "/v1/health", "", 200);
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_requests_total{code=\"404\"}"), 1);
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_refused_total{reason=\"subject\"}"), 0);
        reply = ask(node->port, &node->kubelet, "GET", "/v1/health", "");
        assert_int_equal(reply.status, 403);
        reply_clear(&reply);
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_refused_total{reason=\"subject\"}"), 1);
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_requests_total{code=\"403\"}"), 1);
}

/* ---- HTTP ---- */

static void head_is_get_without_the_body(void **state)
{
        static const char *const targets[] = { "/v1/health", "/v1/conditions/NodeStorageReady", "/healthz",
                                               "/nothing" };
        struct gateway_node *node = *state;

        for (size_t i = 0; i < ELEMENTS(targets); i++) {
                struct reply full = get(node, targets[i], "");
                struct reply head = ask(node->port, &node->management, "HEAD", targets[i], "");
                _cleanup_free_ char *length = reply_field(&full, "Content-Length");

                assert_int_equal(head.status, full.status);
                assert_field(&head, "Content-Length", length);
                reply_clear(&full);
                reply_clear(&head);
        }
}

static void serves_only_get_and_head(void **state)
{
        static const char *const methods[] = { "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get" };
        struct gateway_node *node = *state;

        for (size_t i = 0; i < ELEMENTS(methods); i++) {
                struct reply reply = ask(node->port, &node->management, methods[i], "/v1/health", "");

                assert_int_equal(reply.status, 405);
                assert_field(&reply, "Allow", "GET, HEAD");
                assert_field(&reply, "Connection", "close");
                assert_error(&reply);
                reply_clear(&reply);
        }
}

static void refuses_what_is_no_request_and_closes(void **state)
{
        static const struct {
                const char *text;
                int status;
        } cases[] = {
                { "GET /healthz HTTP/1.1\r\n\r\n", 400 },
                { "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
                { "GET /healthz HTTP/1.1\nHost: a\n\n", 400 },
                { "GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
                { "GET /healthz HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400 },
                { "GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
                { "GET healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
                { "GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
                { "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 413 },
                { "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400 },
                { "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
                { "GET /healthz\r\n\r\n", 400 },
                { "\x16\x03\x01\r\n\r\n", 400 },
        };
        struct gateway_node *node = *state;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct client client = client_connect(node->port, &node->management);
                struct reply reply;

                client_send(&client, cases[i].text);
                reply = client_receive(&client, false);
                if (reply.status != cases[i].status)
                        fail_msg("%s: %d", cases[i].text, reply.status);
                assert_error(&reply);
                assert_true(client_is_ended(&client, DEADLINE_SECONDS * 1000));
                reply_clear(&reply);
                client_close(&client);
        }
}

static void answers_pipelined_requests_in_their_order(void **state)
{
        struct gateway_node *node = *state;
        struct client client = client_connect(node->port, &node->management);
        static const int statuses[] = { 200, 404, 200 };

        client_send(&client,
                    "\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
                    "GET /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
                    "GET https://node:10273/v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        for (size_t i = 0; i < ELEMENTS(statuses); i++) {
                struct reply reply = client_receive(&client, false);

                assert_int_equal(reply.status, statuses[i]);
                reply_clear(&reply);
        }
        assert_true(client_is_ended(&client, DEADLINE_SECONDS * 1000));
        client_close(&client);
}

static void speaks_http_1_0(void **state)
{
        struct gateway_node *node = *state;
        struct client client = client_connect(node->port, &node->management);
        struct reply reply;

        client_send(&client, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        reply = client_receive(&client, false);
        assert_int_equal(reply.status, 200);
        assert_field(&reply, "Connection", "keep-alive");
        reply_clear(&reply);
        client_send(&client, "GET /healthz HTTP/1.0\r\n\r\n");
        reply = client_receive(&client, false);
        assert_field(&reply, "Connection", "close");
        reply_clear(&reply);
        assert_true(client_is_ended(&client, DEADLINE_SECONDS * 1000));
        client_close(&client);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, gateway_node_start, gateway_node_stop)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROMISE(serves_the_health_document_as_it_is),
                PROMISE(does_not_repeat_what_the_client_has),
                PROMISE(a_long_poll_returns_at_the_next_change),
                PROMISE(a_long_poll_that_missed_a_change_returns_at_once),
                PROMISE(a_long_poll_ends_with_its_time),
                PROMISE(refuses_a_wait_that_is_no_number_of_seconds),
                PROMISE(serves_one_condition_or_says_which_there_are),
                PROMISE(says_in_one_word_whether_the_node_is_well),
                PROMISE(nothing_stays_healthy_when_the_agent_is_silent),
                PROMISE(a_restarted_gateway_gives_an_old_document_no_new_life),
                PROMISE(a_document_that_is_broken_or_gone_leaves_the_last_one_until_its_time_is_over),
                PROMISE(the_metrics_page_passes_promtool),
                PROMISE(serves_openmetrics_to_who_prefers_it),
                PROMISE(counts_what_it_answers_and_what_it_refuses),
                PROMISE(head_is_get_without_the_body),
                PROMISE(serves_only_get_and_head),
                PROMISE(refuses_what_is_no_request_and_closes),
                PROMISE(answers_pipelined_requests_in_their_order),
                PROMISE(speaks_http_1_0),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
