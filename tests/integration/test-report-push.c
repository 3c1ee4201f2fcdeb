/* SPDX-License-Identifier: Apache-2.0 */

/* The real agent posting to tests/receiver, which holds every document against the published schema. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "pki.h"
#include "program.h"
#include "report.h"
#include "timestamp.h"
#include "tinyproxy.h"

#define CONFIG                                                                                          \
        "{\"kubernetes\":{\"enabled\":false},\"report\":{\"url\":\"https://localhost:%u/v1/nodes\","    \
        "\"caFile\":\"/ca.crt\",\"certFile\":\"/node.crt\",\"keyFile\":\"/node.key\",\"tokenFile\":\"/" \
        "token\",%s\"debounce\":\"1s\",\"heartbeat\":\"30s\"}}"

#define WAIT_SECONDS 180 /* tries become rarer while the receiver, in Python, starts on a busy machine */

struct node {
        char *root;
        unsigned port;
        pid_t agent, receiver;
        struct tinyproxy proxy;
        struct identity ca, server, node;
};

/* One condition and one check of a plugin, so that a document has all kinds of things. */
static void write_report(const struct node *node, enum condition_status status)
{
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = NULL;

        assert_int_equal(report_new("weather", &report), 0);
        report->generated_usec = now_realtime_usec();
        report->valid_for_usec = 3600 * UINT64_C(1000000);
        report->conditions = calloc(1, sizeof(*report->conditions));
        report->n_conditions = 1;
        report->conditions[0].type = strdup("WeatherFair");
        assert_int_equal(condition_set(&report->conditions[0], status, "Sky", "m", now_realtime_usec()), 1);
        report->checks =
                json_tokener_parse("[{\"name\":\"rain\",\"status\":\"OK\",\"reason\":\"Dry\",\"message\":"
                                   "\"m\",\"since\":\"2026-11-21T10:00:00Z\",\"value\":0.5,\"threshold\":"
                                   "null,\"lastRun\":null}]");
        assert_true(asprintf(&path, "%s/run/capi-node-agent/reports/weather.json", node->root) > 0);
        assert_int_equal(report_save(report, path), 0);
}

static int make_node(void **state)
{
        struct node *node = calloc(1, sizeof(*node));

        node->root = root_make();
        node->port = free_port();
        node->ca = identity_make(NULL, "ca", NULL, true, 2);
        node->server = identity_make(&node->ca, "localhost", NULL, false, 1);
        node->node = identity_make(&node->ca, "cp-0", NULL, false, 1);
        identity_save(&node->ca, node->root, "ca");
        identity_save(&node->server, node->root, "server");
        identity_save(&node->node, node->root, "node");
        root_write(node->root, "token", "secret-1\n", 0600);
        *state = node;
        return 0;
}

static int remove_node(void **state)
{
        struct node *node = *state;

        if (node->agent > 0)
                (void)program_stop(node->agent, SIGTERM);
        if (node->receiver > 0)
                (void)program_stop(node->receiver, SIGTERM);
        tinyproxy_stop(&node->proxy);
        identity_clear(&node->ca);
        identity_clear(&node->server);
        identity_clear(&node->node);
        root_remove(node->root);
        free(node);
        return 0;
}

static void start_agent(struct node *node)
{
        _cleanup_free_ char *config = NULL;
        char proxy[96] = "";

        if (node->proxy.pid > 0)
                (void)snprintf(proxy, sizeof(proxy), "\"proxy\":\"%s\",", node->proxy.url);
        assert_true(asprintf(&config, CONFIG, node->port, proxy) > 0);
        root_write(node->root, "etc/capi-node-agent/agent.json", config, 0644);
        write_report(node, CONDITION_TRUE);
        node->agent = program_start(AGENT, (const char *const[]){ "--root", node->root, "daemon", NULL });
}

struct expected {
        const struct node *node;
        const char *file, *text;
};

static bool file_says(void *userdata)
{
        const struct expected *expected = userdata;
        _cleanup_free_ char *text = root_read(expected->node->root, expected->file);

        return text && strstr(text, expected->text);
}

static void wait_for(const struct node *node, const char *file, const char *text)
{
        wait_longer(WAIT_SECONDS, file_says, &(struct expected){ node, file, text }, text);
}

#define METRICS "run/capi-node-agent/health.prom"

static void start_receiver(struct node *node)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command,
                             "cd %s && exec " RECEIVER
                             " %u server.crt server.key ca.crt received-token answer "
                             ">>receiver.log",
                             node->root, node->port) > 0);
        root_write(node->root, "received-token", "secret-1\n", 0600);
        node->receiver = program_start("/bin/sh", (const char *const[]){ "-c", command, NULL });
        wait_for(node, "receiver.log", "ready");
}

static unsigned count_lines(const struct node *node, const char *with)
{
        _cleanup_free_ char *text = root_read(node->root, "receiver.log");
        unsigned n = 0;

        for (const char *at = text; at && (at = strstr(at, with)); at += strlen(with))
                n++;
        return n;
}

static void posts_what_is_of_the_published_schema_with_certificate_and_token(void **state)
{
        struct node *node = *state;

        start_receiver(node);
        start_agent(node);
        wait_for(node, "receiver.log", "204 W/\"");
        wait_for(node, METRICS, "capi_node_publish_up{target=\"report\"} 1");
        write_report(node, CONDITION_FALSE);
        wait_for(node, "receiver.log", "Degraded");
        assert_int_equal(count_lines(node, "422"), 0);
}

static void an_absent_receiver_gets_the_newest_state_when_it_comes_and_nothing_else(void **state)
{
        struct node *node = *state;

        start_agent(node);
        wait_for(node, METRICS, "result=\"ReceiverUnreachable\"");
        write_report(node, CONDITION_FALSE);
        wait_for(node, "run/capi-node-agent/health.json", "Degraded");
        start_receiver(node);
        wait_for(node, "receiver.log", "Degraded");
        assert_int_equal(count_lines(node, "Healthy"), 0);
}

/* When the receiver was asked last, which this test may come to see later. */
static uint64_t last_asked_usec(const struct node *node)
{
        _cleanup_free_ char *path = NULL;
        struct stat st;

        assert_true(asprintf(&path, "%s/receiver.log", node->root) > 0);
        assert_int_equal(stat(path, &st), 0);
        return (uint64_t)st.st_mtim.tv_sec * 1000000 + (uint64_t)st.st_mtim.tv_nsec / 1000;
}

static void a_busy_receiver_is_left_alone_for_the_time_that_it_names(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *answer = NULL;
        unsigned refused;
        uint64_t began;

        root_write(node->root, "answer", "429 Retry-After: 4", 0644);
        start_receiver(node);
        start_agent(node);
        wait_for(node, "receiver.log", "429");
        began = last_asked_usec(node);
        assert_true(asprintf(&answer, "%s/answer", node->root) > 0);
        assert_int_equal(unlink(answer), 0);
        refused = count_lines(node, "429");
        write_report(node, CONDITION_FALSE); /* changes nothing about the wait */
        wait_for(node, "receiver.log", "204");
        assert_true(last_asked_usec(node) - began > 3800 * UINT64_C(1000));
        assert_int_equal(count_lines(node, "429"), refused);
        wait_for(node, METRICS, "result=\"ReceiverBusy\"} 1");
}

static void a_renewed_token_is_read_for_the_next_post(void **state)
{
        struct node *node = *state;

        root_write(node->root, "token", "secret-0\n", 0600);
        start_receiver(node);
        start_agent(node);
        wait_for(node, METRICS, "result=\"CredentialRefused\"");
        root_write(node->root, "token", "secret-1\n", 0600);
        wait_for(node, "receiver.log", "204");
}

static void a_renewed_client_certificate_is_used_for_the_next_post(void **state)
{
        struct identity other_ca = identity_make(NULL, "other", NULL, true, 2),
                        stranger = identity_make(&other_ca, "cp-0", NULL, false, 1);
        struct node *node = *state;

        identity_save(&stranger, node->root, "node");
        start_receiver(node);
        start_agent(node);
        wait_for(node, METRICS, "result=\"ReceiverTlsRefused\"");
        identity_save(&node->node, node->root, "node");
        wait_for(node, "receiver.log", "204");
        identity_clear(&stranger);
        identity_clear(&other_ca);
}

struct posts {
        const struct node *node;
        unsigned count;
        uint64_t last_usec; /* when the last but one was seen */
};

/* The last two are of the same state, by their ETag. */
static bool came_again(void *userdata)
{
        struct posts *posts = userdata;
        _cleanup_free_ char *text = root_read(posts->node->root, "receiver.log");
        const char *last = NULL, *before = NULL;
        unsigned count = 0;

        for (const char *at = text; at && (at = strstr(at, "204 W/")) && strchr(at, '\n'); at++, count++) {
                before = last;
                last = at;
        }
        if (before && strncmp(before, last, strcspn(last, "\n") + 1) == 0)
                return true;
        if (count != posts->count)
                posts->last_usec = now_boottime_usec();
        posts->count = count;
        return false;
}

static void through_a_proxy_a_post_comes_at_each_heartbeat_though_nothing_changes(void **state)
{
        struct node *node = *state;
        struct posts posts = { .node = node };
        char request[64];

        tinyproxy_start(&node->proxy, node->root, "");
        start_receiver(node);
        start_agent(node);
        wait_for(node, METRICS, "capi_node_publish_up{target=\"report\"} 1");
        (void)snprintf(request, sizeof(request), "CONNECT localhost:%u", node->port);
        tinyproxy_assert_passed(&node->proxy, request);

        /* That it publishes is a change of state, too, and how many posts the first ones take is nobody's
         * business. A heartbeat is 27 s at least; half of that is left for a test that is late to see the
         * post before. */
        wait_longer(WAIT_SECONDS, came_again, &posts, "a heartbeat");
        assert_true(now_boottime_usec() - posts.last_usec >= 14 * UINT64_C(1000000));
}

static void a_secret_that_others_can_read_is_not_used(void **state)
{
        struct node *node = *state;

        root_write(node->root, "token", "secret-1\n", 0644);
        start_receiver(node);
        start_agent(node);
        wait_for(node, METRICS, "result=\"CredentialUnreadable\"");
        assert_int_equal(count_lines(node, "W/"), 0);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, make_node, remove_node)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROMISE(posts_what_is_of_the_published_schema_with_certificate_and_token),
                PROMISE(an_absent_receiver_gets_the_newest_state_when_it_comes_and_nothing_else),
                PROMISE(a_busy_receiver_is_left_alone_for_the_time_that_it_names),
                PROMISE(a_renewed_token_is_read_for_the_next_post),
                PROMISE(a_renewed_client_certificate_is_used_for_the_next_post),
                PROMISE(through_a_proxy_a_post_comes_at_each_heartbeat_though_nothing_changes),
                PROMISE(a_secret_that_others_can_read_is_not_used),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
