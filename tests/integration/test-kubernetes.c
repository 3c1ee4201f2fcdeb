/* SPDX-License-Identifier: Apache-2.0 */

/* The real agent publishing to a real API server, as the kubelet of a node of its own in each test. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>

#include "kube-apiserver.h"
#include "kube-node.h"
#include "program.h"
#include "proxy.h"
#include "report.h"
#include "timestamp.h"
#include "x509.h"

#define BATCH_SECONDS 120 /* changes wait up to 15 s for others, on a machine that is not busy */

/* What JSON takes and YAML does not (DEL, a C1 control), what both take, and what JSON would escape as YAML
 * does not know. */
#define MESSAGE "caf\xc3\xa9 \xf0\x9f\x8c\xa7 /path\x7f\xc2\x80\" \t."

static struct kube_apiserver server;

struct node {
        char *root;
        char name[32];
        pid_t agent;
};

/* ---- the node ---- */

static int start_server(void **state)
{
        signal(SIGPIPE, SIG_IGN);
        kube_apiserver_make(&server);
        return 0;
}

static int stop_server(void **state)
{
        kube_apiserver_remove(&server);
        return 0;
}

static void start_agent(struct node *node)
{
        node->agent = program_start(AGENT, (const char *const[]){ "--root", node->root, "daemon", NULL });
}

static void stop_agent(struct node *node, int signal)
{
        (void)program_stop(node->agent, signal);
        node->agent = 0;
}

/* As a kubelet registers it, with one condition of the kubelet's. */
static void register_node(const struct node *node)
{
        _cleanup_free_ char *text = NULL;
        json_object *created;

        assert_true(asprintf(&text,
                             "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"%s\","
                             "\"annotations\":{\"node.alpha.kubernetes.io/"
                             "ttl\":\"0\"}},\"status\":{\"conditions\":"
                             "[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"KubeletReady\","
                             "\"message\":\"m\","
                             "\"lastHeartbeatTime\":\"2026-11-21T10:00:00Z\","
                             "\"lastTransitionTime\":\"2026-11-21T09:00:00Z\"},"
                             "{\"type\":\"MemoryPressure\",\"status\":\"False\",\"reason\":\"Enough\","
                             "\"message\":\"m\","
                             "\"lastHeartbeatTime\":\"2026-11-21T10:00:00Z\","
                             "\"lastTransitionTime\":\"2026-11-21T09:00:00Z\"}]}}",
                             node->name) > 0);
        created = kube_request(&server, "POST", "/api/v1/nodes", "application/json", text);
        assert_non_null(created);
        json_object_put(created);
}

static int make_node(void **state)
{
        struct node *node = calloc(1, sizeof(*node));
        static unsigned number;

        node->root = root_make();
        (void)snprintf(node->name, sizeof(node->name), "node-%u", number++);
        register_node(node);
        *state = node;
        return 0;
}

static int remove_node(void **state)
{
        struct node *node = *state;

        if (node->agent > 0)
                stop_agent(node, SIGTERM);
        root_remove(node->root);
        free(node);
        return 0;
}

static void join_and_start(struct node *node)
{
        kube_join(&server, node->root, node->name, server.port);
        start_agent(node);
}

/* The report of a capability with this one condition, and a check; check NULL: without. */
static void report_check(const struct node *node, const char *type, enum condition_status status,
                         const char *reason, const char *check)
{
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = NULL;

        assert_int_equal(report_new("weather", &report), 0);
        report->generated_usec = now_realtime_usec();
        report->valid_for_usec = 3600 * UINT64_C(1000000);
        report->conditions = calloc(1, sizeof(*report->conditions));
        report->n_conditions = 1;
        report->conditions[0].type = strdup(type);
        report->conditions[0].severity = SEVERITY_FATAL;
        assert_int_equal(condition_set(&report->conditions[0], status, reason, MESSAGE, now_realtime_usec()),
                         1);
        if (check)
                assert_int_equal(json_parse(check, strlen(check), &report->checks, NULL), 0);
        assert_true(asprintf(&path, "%s/run/capi-node-agent/reports/weather.json", node->root) > 0);
        assert_int_equal(report_save(report, path), 0);
}

static void report_condition(const struct node *node, const char *type, enum condition_status status,
                             const char *reason)
{
        report_check(node, type, status, reason, NULL);
}

static int run_agent(const struct node *node, const char *command)
{
        return program_wait(
                program_start(AGENT, (const char *const[]){ "--root", node->root, command, NULL }));
}

/* It has 7 s for what it asks of the API server; on a busy machine, once more. */
static void take_back(const struct node *node, const char *command)
{
        unsigned tries = 1;

        while (run_agent(node, command) != 0)
                assert_true(++tries <= 5);
}

struct expected {
        const struct node *node;
        const char *type, *field, *value;
};

static bool node_says(void *userdata)
{
        const struct expected *expected = userdata;
        _cleanup_free_ char *text =
                kube_condition_field(&server, expected->node->name, expected->type, expected->field);

        return strcmp(text, expected->value) == 0;
}

static void wait_for(const struct node *node, const char *type, const char *field, const char *value)
{
        wait_longer(BATCH_SECONDS, node_says, &(struct expected){ node, type, field, value }, value);
}

static bool beat_since(void *userdata)
{
        const struct expected *expected = userdata;
        _cleanup_free_ char *text =
                kube_condition_field(&server, expected->node->name, expected->type, "lastHeartbeatTime");

        return strcmp(text, expected->value) != 0;
}

/* Times on the Node are whole seconds. */
static bool second_is_over(void *userdata)
{
        uint64_t beat;

        assert_int_equal(timestamp_parse(userdata, &beat), 0);
        return now_realtime_usec() >= beat + 1000000;
}

static bool annotation_is(void *userdata)
{
        const struct expected *expected = userdata;
        _cleanup_free_ char *text =
                kube_annotation(&server, expected->node->name, "capi-node-agent.io/gateway");

        return strncmp(text, expected->value, strlen(expected->value)) == 0 &&
               (*expected->value || text[0] == '\0');
}

/* What the agent says about its publishing: a part of the metrics, or of the health document's check. */
static bool agent_says(void *userdata)
{
        const struct expected *expected = userdata;
        _cleanup_free_ char *text = root_read(expected->node->root, expected->field);

        return text && strstr(text, expected->value);
}

static void wait_for_agent(const struct node *node, const char *file, const char *value)
{
        wait_longer(BATCH_SECONDS, agent_says,
                    &(struct expected){ .node = node, .field = file, .value = value }, value);
}
#define METRICS  "run/capi-node-agent/health.prom"
#define DOCUMENT "run/capi-node-agent/health.json"

/* ---- the promises ---- */

static void before_join_it_waits_then_conditions_appear_and_the_kubelets_stay_byte_for_byte(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *ready = kube_condition(&server, node->name, "Ready"),
                            *pressure = kube_condition(&server, node->name, "MemoryPressure"),
                            *ready_after = NULL, *pressure_after = NULL;

        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        start_agent(node);
        wait_for_agent(node, DOCUMENT, "WaitingForJoin");
        kube_join(&server, node->root, node->name, server.port);
        wait_for(node, "WeatherFair", "status", "True");
        wait_for(node, "WeatherFair", "reason", "Sun");
        wait_for(node, "WeatherFair", "message", "caf\xc3\xa9 \xf0\x9f\x8c\xa7 /path??\" \t.");
        wait_for(node, "CapabilitiesReady", "status", "True");
        wait_for_agent(node, METRICS, "capi_node_publish_up{target=\"kubernetes\"} 1");
        ready_after = kube_condition(&server, node->name, "Ready");
        pressure_after = kube_condition(&server, node->name, "MemoryPressure");
        assert_string_equal(ready, ready_after);
        assert_string_equal(pressure, pressure_after);
}

static void a_change_is_written_within_the_batch_and_a_type_that_is_gone_is_pruned(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *ready = kube_condition(&server, node->name, "Ready"), *ready_after = NULL;
        uint64_t began;

        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        join_and_start(node);
        wait_for(node, "WeatherFair", "status", "True");
        began = now_boottime_usec();
        report_condition(node, "SeaCalm", CONDITION_FALSE, "Storm"); /* instead of WeatherFair */
        wait_for(node, "SeaCalm", "status", "False");
        /* 15 s at most, and not with the heartbeat, which comes after minutes. */
        assert_true(now_boottime_usec() - began < 60 * UINT64_C(1000000));
        wait_for(node, "WeatherFair", "type", "");
        ready_after = kube_condition(&server, node->name, "Ready");
        assert_string_equal(ready, ready_after);
}

static void a_transition_time_outlives_the_agent_and_all_it_knew(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *before = NULL, *after = NULL, *beat = NULL, *path = NULL;

        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        join_and_start(node);
        wait_for(node, "WeatherFair", "status", "True");
        before = kube_condition_field(&server, node->name, "WeatherFair", "lastTransitionTime");
        beat = kube_condition_field(&server, node->name, "WeatherFair", "lastHeartbeatTime");
        stop_agent(node, SIGKILL);
        wait_until(second_is_over, beat, "the next second");
        assert_true(asprintf(&path, "%s/" DOCUMENT, node->root) > 0);
        assert_int_equal(unlink(path), 0);                            /* as after a boot */
        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun"); /* with a time of now */
        start_agent(node);
        wait_until(beat_since, &(struct expected){ node, "WeatherFair", NULL, beat }, "a new heartbeat");
        after = kube_condition_field(&server, node->name, "WeatherFair", "lastTransitionTime");
        assert_string_equal(before, after);
}

static unsigned count_events(const struct node *node, const char *reason)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_json_ json_object *list = NULL;
        json_object *items;
        unsigned count = 0;

        assert_true(asprintf(&path,
                             "/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind=Node,"
                             "involvedObject.name=%s,reason=%s",
                             node->name, reason) > 0);
        list = kube_request(&server, "GET", path, NULL, NULL);
        items = json_member(list, "items", json_type_array);
        assert_true(json_object_array_length(items) <= 1);
        for (size_t i = 0; i < json_object_array_length(items); i++)
                count += (unsigned)json_integer(json_object_array_get_idx(items, i), "count", 0);
        return count;
}

struct told {
        const struct node *node;
        const char *reason;
        unsigned count;
};

static bool is_told(void *userdata)
{
        const struct told *told = userdata;

        return count_events(told->node, told->reason) == told->count;
}

static void a_transition_is_an_event_and_the_same_one_again_counts_it_up(void **state)
{
        struct node *node = *state;

        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        join_and_start(node);
        wait_for(node, "WeatherFair", "status", "True");
        assert_int_equal(count_events(node, "Sun"), 0);
        report_condition(node, "WeatherFair", CONDITION_FALSE, "Rain");
        wait_until(is_told, &(struct told){ node, "Rain", 1 }, "the Event");
        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        wait_until(is_told, &(struct told){ node, "Sun", 1 }, "the Event of its return");
        report_condition(node, "WeatherFair", CONDITION_FALSE, "Rain");
        wait_until(is_told, &(struct told){ node, "Rain", 2 }, "the count of the second time");
}

#define BAROMETER(status, reason)                                                                         \
        "[{\"name\":\"barometer\",\"status\":\"" status "\",\"reason\":\"" reason "\",\"message\":\"m\"," \
        "\"since\":\"2026-11-21T10:00:00Z\",\"lastRun\":\"2026-11-21T10:00:00Z\"}]"

static void what_a_check_finds_that_decides_no_condition_is_an_event(void **state)
{
        struct node *node = *state;

        report_check(node, "WeatherFair", CONDITION_TRUE, "Sun", BAROMETER("OK", "High"));
        join_and_start(node);
        wait_for(node, "WeatherFair", "status", "True");
        report_check(node, "WeatherFair", CONDITION_TRUE, "Sun", BAROMETER("Warn", "Falling"));
        wait_until(is_told, &(struct told){ node, "Falling", 1 }, "the Event");
        report_check(node, "WeatherFair", CONDITION_TRUE, "Sun", BAROMETER("OK", "Steady"));
        wait_until(is_told, &(struct told){ node, "Steady", 1 }, "the Event of its end");
        /* The condition tells the same: one Event, not two. */
        report_check(node, "WeatherFair", CONDITION_FALSE, "Gale", BAROMETER("Fail", "Gale"));
        wait_until(is_told, &(struct told){ node, "Gale", 1 }, "the condition's Event");
        report_check(node, "WeatherFair", CONDITION_FALSE, "Gale", BAROMETER("Warn", "Rising"));
        wait_until(is_told, &(struct told){ node, "Rising", 1 }, "the Event of something else");
        assert_int_equal(count_events(node, "Gale"), 1);
}

static void a_renewed_credential_is_followed_and_another_nodes_is_refused(void **state)
{
        struct node *node = *state;

        kube_join(&server, node->root, node->name, server.port);
        kube_credential(&server, node->root, node->name, -1); /* run out: the kubelet was off for a year */
        start_agent(node);
        wait_for_agent(node, METRICS, "result=\"CredentialRefused\"");
        kube_credential(&server, node->root, node->name, 1);
        wait_for(node, "CapabilitiesReady", "status", "True");

        kube_credential(&server, node->root, "another-node", 1);
        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        wait_for_agent(node, METRICS, "result=\"NodeWriteForbidden\"");
        kube_credential(&server, node->root, node->name, 1);
        wait_for(node, "WeatherFair", "status", "True");
}

static void after_a_long_outage_the_newest_state_is_written(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *since = NULL;
        uint64_t began, ended, changed;

        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        join_and_start(node);
        wait_for(node, "WeatherFair", "status", "True");
        kube_apiserver_stop(&server, SIGKILL);
        began = now_realtime_usec();
        report_condition(node, "WeatherFair", CONDITION_UNKNOWN, "Fog");
        report_condition(node, "WeatherFair", CONDITION_FALSE, "Rain");
        ended = now_realtime_usec();
        wait_for_agent(node, METRICS, "result=\"ApiServerUnreachable\"");
        wait_for_agent(node, METRICS, "capi_node_publish_up{target=\"kubernetes\"} 0");
        kube_apiserver_start(&server);
        wait_longer(300, node_says, &(struct expected){ node, "WeatherFair", "reason", "Rain" }, "the state");
        wait_for_agent(node, METRICS, "capi_node_publish_up{target=\"kubernetes\"} 1");
        /* With the time at which it happened, not that of the write. */
        since = kube_condition_field(&server, node->name, "WeatherFair", "lastTransitionTime");
        assert_int_equal(timestamp_parse(since, &changed), 0);
        assert_true(changed + 1000000 >= began && changed <= ended);
}

static void a_server_that_hangs_is_given_up_after_ten_seconds_and_tried_again(void **state)
{
        struct node *node = *state;
        struct proxy proxy = { .target_port = server.port, .hold_at = 1 };

        proxy_start(&proxy);
        kube_join(&server, node->root, node->name, proxy.port);
        start_agent(node);
        wait_for_agent(node, METRICS, "result=\"ApiServerTimeout\"");
        proxy_release(&proxy);
        wait_for(node, "CapabilitiesReady", "status", "True");
        stop_agent(node, SIGTERM);
        proxy_stop(&proxy);
}

static void a_type_of_another_field_manager_is_left_alone_and_said_so(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *path = NULL, *before = NULL, *after = NULL;
        json_object *patched;

        assert_true(asprintf(&path, "/api/v1/nodes/%s/status?fieldManager=node-problem-detector",
                             node->name) > 0);
        patched = kube_request(
                &server, "PATCH", path, "application/strategic-merge-patch+json",
                "{\"status\":{\"conditions\":[{\"type\":\"ReadonlyFilesystem\",\"status\":\"False\","
                "\"reason\":\"FilesystemIsNotReadOnly\",\"message\":\"m\","
                "\"lastHeartbeatTime\":\"2026-11-21T10:00:00Z\","
                "\"lastTransitionTime\":\"2026-11-21T09:00:00Z\"}]}}");
        json_object_put(patched);
        before = kube_condition(&server, node->name, "ReadonlyFilesystem");
        report_condition(node, "ReadonlyFilesystem", CONDITION_TRUE, "RootIsReadOnly");
        join_and_start(node);
        wait_for(node, "CapabilitiesReady", "status", "True");
        wait_for_agent(node, DOCUMENT, "ReadonlyFilesystem is left to node-problem-detector");
        after = kube_condition(&server, node->name, "ReadonlyFilesystem");
        assert_string_equal(before, after);
}

static bool event_says(const struct node *node, const char *name, const char *reason)
{
        _cleanup_free_ char *path = NULL;
        json_object *event;
        bool says;

        assert_true(asprintf(&path, "/api/v1/namespaces/default/events/%s.%s", node->name, name) > 0);
        event = kube_request(&server, "GET", path, NULL, NULL);
        says = event && json_string(event, "reason") && strcmp(json_string(event, "reason"), reason) == 0 &&
               strcmp(json_string(json_member(event, "involvedObject", json_type_object), "name"),
                      node->name) == 0;
        json_object_put(event);
        return says;
}

/* A reboot takes /run with it. */
static void after_a_reboot_a_condition_is_unknown_until_its_plugin_had_its_chance(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *report = NULL, *document = NULL, *config = NULL;

        assert_true(asprintf(&config, "%s/etc/capi-node-agent/weather.json", node->root) > 0);
        root_write(node->root, "etc/capi-node-agent/weather.json", "{}", 0644);
        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        join_and_start(node);
        wait_for(node, "WeatherFair", "status", "True");
        stop_agent(node, SIGKILL);
        assert_true(asprintf(&report, "%s/run/capi-node-agent/reports/weather.json", node->root) > 0);
        assert_true(asprintf(&document, "%s/run/capi-node-agent/health.json", node->root) > 0);
        assert_int_equal(unlink(report), 0);
        assert_int_equal(unlink(document), 0);

        start_agent(node);
        wait_for(node, "WeatherFair", "reason", "NotCheckedYet");
        assert_true(node_says(&(struct expected){ node, "WeatherFair", "status", "Unknown" }));
        assert_int_equal(unlink(config), 0);
        wait_for(node, "WeatherFair", "type", "");
}

static void withdrawn_conditions_are_unknown_and_undone_ones_are_gone(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *ready = kube_condition(&server, node->name, "Ready"), *ready_after = NULL;

        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        join_and_start(node);
        wait_for(node, "WeatherFair", "status", "True");
        stop_agent(node, SIGTERM);
        assert_int_equal(setenv("SERVICE_RESULT", "watchdog", 1), 0);
        take_back(node, "withdraw");
        unsetenv("SERVICE_RESULT");
        assert_true(node_says(&(struct expected){ node, "WeatherFair", "status", "Unknown" }));
        assert_true(node_says(&(struct expected){ node, "WeatherFair", "reason", "AgentCrashed" }));
        assert_true(event_says(node, "capi-node-agent-crashed", "AgentCrashed"));
        take_back(node, "withdraw"); /* nothing to tell a second time */
        assert_false(event_says(node, "capi-node-agent-stopped", "AgentStopped"));

        start_agent(node);
        wait_for(node, "WeatherFair", "status", "True");
        stop_agent(node, SIGTERM);
        take_back(node, "withdraw");
        assert_true(node_says(&(struct expected){ node, "WeatherFair", "reason", "AgentStopped" }));
        take_back(node, "undo");
        assert_true(node_says(&(struct expected){ node, "WeatherFair", "type", "" }));
        assert_true(node_says(&(struct expected){ node, "CapabilitiesReady", "type", "" }));
        ready_after = kube_condition(&server, node->name, "Ready");
        assert_string_equal(ready, ready_after);
}

static void withdrawing_ends_in_time_without_an_api_server_and_needs_none_before_join(void **state)
{
        struct node *node = *state;
        uint64_t began;

        assert_int_equal(run_agent(node, "withdraw"), 0); /* nothing was ever published */
        join_and_start(node);
        wait_for(node, "CapabilitiesReady", "status", "True");
        stop_agent(node, SIGTERM);
        kube_join(&server, node->root, node->name, free_port());
        began = now_boottime_usec();
        assert_int_equal(run_agent(node, "withdraw"), 1);
        /* 7 s, and what a busy machine needs to begin and to end. */
        assert_true(now_boottime_usec() - began < 30 * UINT64_C(1000000));
}

static void write_gateway(const struct node *node, struct identity *ret_certificate)
{
        struct identity ca = identity_make(NULL, "ca", NULL, true, 2);
        _cleanup_free_ char *config = NULL;

        *ret_certificate = identity_make(&ca, "gateway", NULL, false, 1);
        identity_save(&ca, node->root, "ca");
        identity_save(ret_certificate, node->root, "server");
        identity_clear(&ca);
        assert_true(asprintf(&config,
                             "{\"listen\":[\"0.0.0.0:10273\"],\"certFile\":\"%1$s/server.crt\","
                             "\"keyFile\":\"%1$s/server.key\",\"clientCAFile\":\"%1$s/ca.crt\","
                             "\"allow\":{\"commonNames\":[\"management\"]}}",
                             node->root) > 0);
        root_write(node->root, "etc/capi-node-agent/gateway.json", config, 0644);
}

static void the_gateways_port_and_pin_are_an_annotation_while_it_is_in_force(void **state)
{
        struct node *node = *state;
        char pin[CERTIFICATE_PIN_SIZE], expected[CERTIFICATE_PIN_SIZE + 8];
        _cleanup_free_ char *path = NULL;
        struct identity certificate;

        write_gateway(node, &certificate);
        assert_int_equal(certificate_pin(certificate.certificate, pin), 0);
        (void)snprintf(expected, sizeof(expected), "10273 %s", pin);
        join_and_start(node);
        wait_longer(BATCH_SECONDS, annotation_is, &(struct expected){ .node = node, .value = expected },
                    "the annotation");
        /* The gateway goes on without the agent. */
        stop_agent(node, SIGTERM);
        take_back(node, "withdraw");
        assert_true(annotation_is(&(struct expected){ .node = node, .value = expected }));

        assert_true(asprintf(&path, "%s/etc/capi-node-agent/gateway.json", node->root) > 0);
        assert_int_equal(unlink(path), 0);
        start_agent(node);
        wait_longer(BATCH_SECONDS, annotation_is, &(struct expected){ .node = node, .value = "" },
                    "the end of the annotation");
        identity_clear(&certificate);
}

static bool mark_is_gone(void *userdata)
{
        const struct node *node = userdata;

        return !root_has(node->root, "var/lib/capi-node-agent/agent/published");
}

static void switched_off_it_takes_away_what_it_published_also_after_a_restart(void **state)
{
        struct node *node = *state;

        join_and_start(node);
        wait_for(node, "CapabilitiesReady", "status", "True");
        stop_agent(node, SIGTERM);
        root_write(node->root, "etc/capi-node-agent/agent.json", "{\"kubernetes\":{\"enabled\":false}}",
                   0644);
        start_agent(node);
        wait_for(node, "CapabilitiesReady", "type", "");
        /* The server knows it a moment before the agent has its answer. */
        wait_until(mark_is_gone, node, "the end of the mark");
        stop_agent(node, SIGTERM);
}

static void a_node_that_is_deleted_is_waited_for_and_written_again(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *path = NULL;
        json_object *deleted;

        report_condition(node, "WeatherFair", CONDITION_TRUE, "Sun");
        join_and_start(node);
        wait_for(node, "WeatherFair", "status", "True");
        assert_true(asprintf(&path, "/api/v1/nodes/%s", node->name) > 0);
        deleted = kube_request(&server, "DELETE", path, NULL, NULL);
        json_object_put(deleted);
        report_condition(node, "WeatherFair", CONDITION_FALSE, "Rain");
        wait_for_agent(node, METRICS, "result=\"NodeNotRegistered\"");
        register_node(node);
        wait_for(node, "WeatherFair", "reason", "Rain");
}

#define PROMISE_OF_A_NODE(promise) cmocka_unit_test_setup_teardown(promise, make_node, remove_node)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROMISE_OF_A_NODE(
                        before_join_it_waits_then_conditions_appear_and_the_kubelets_stay_byte_for_byte),
                PROMISE_OF_A_NODE(a_change_is_written_within_the_batch_and_a_type_that_is_gone_is_pruned),
                PROMISE_OF_A_NODE(a_transition_time_outlives_the_agent_and_all_it_knew),
                PROMISE_OF_A_NODE(a_transition_is_an_event_and_the_same_one_again_counts_it_up),
                PROMISE_OF_A_NODE(what_a_check_finds_that_decides_no_condition_is_an_event),
                PROMISE_OF_A_NODE(a_renewed_credential_is_followed_and_another_nodes_is_refused),
                PROMISE_OF_A_NODE(after_a_long_outage_the_newest_state_is_written),
                PROMISE_OF_A_NODE(a_server_that_hangs_is_given_up_after_ten_seconds_and_tried_again),
                PROMISE_OF_A_NODE(a_type_of_another_field_manager_is_left_alone_and_said_so),
                PROMISE_OF_A_NODE(after_a_reboot_a_condition_is_unknown_until_its_plugin_had_its_chance),
                PROMISE_OF_A_NODE(withdrawn_conditions_are_unknown_and_undone_ones_are_gone),
                PROMISE_OF_A_NODE(withdrawing_ends_in_time_without_an_api_server_and_needs_none_before_join),
                PROMISE_OF_A_NODE(the_gateways_port_and_pin_are_an_annotation_while_it_is_in_force),
                PROMISE_OF_A_NODE(switched_off_it_takes_away_what_it_published_also_after_a_restart),
                PROMISE_OF_A_NODE(a_node_that_is_deleted_is_waited_for_and_written_again),
        };

        return cmocka_run_group_tests(tests, start_server, stop_server);
}
