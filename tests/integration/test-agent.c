/* SPDX-License-Identifier: Apache-2.0 */

/* The real agent below a scratch root. There is no systemd here, so that it also shows what it does without a
 * bus; units, timers and restarts are tested on booted nodes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "files.h"
#include "json.h"
#include "pki.h"
#include "program.h"
#include "report.h"
#include "timestamp.h"
#include "x509.h"

#define GATEWAY_JSON                                                                                 \
        "{\"certFile\":\"%1$s/server.crt\",\"keyFile\":\"%1$s/server.key\",\"clientCAFile\":\"%1$s/" \
        "ca.crt\","                                                                                  \
        "\"allow\":{\"commonNames\":[\"management\"]}}"

struct node {
        char *root;
        pid_t agent;
        struct identity ca, server;
};

static void start_agent(struct node *node)
{
        node->agent = program_start(AGENT, (const char *const[]){ "--root", node->root, "daemon", NULL });
}

static int make_node(void **state)
{
        struct node *node = calloc(1, sizeof(*node));

        node->root = root_make();
        node->ca = identity_make(NULL, "ca", NULL, true, 2);
        node->server = identity_make(&node->ca, "server", NULL, false, 1);
        identity_save(&node->ca, node->root, "ca");
        identity_save(&node->server, node->root, "server");
        start_agent(node);
        *state = node;
        return 0;
}

static int remove_node(void **state)
{
        struct node *node = *state;

        if (node->agent > 0)
                assert_int_equal(program_stop(node->agent, SIGTERM), 0);
        identity_clear(&node->ca);
        identity_clear(&node->server);
        root_remove(node->root);
        free(node);
        return 0;
}

static json_object *document(const struct node *node)
{
        _cleanup_free_ char *text = root_read(node->root, "run/capi-node-agent/health.json");
        json_object *object = NULL;

        if (text)
                assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        return object;
}

static json_object *element(json_object *object, const char *array, const char *key, const char *value)
{
        json_object *items = json_member(object, array, json_type_array);

        for (size_t i = 0; items && i < json_object_array_length(items); i++) {
                const char *name = json_string(json_object_array_get_idx(items, i), key);

                if (name && strcmp(name, value) == 0)
                        return json_object_array_get_idx(items, i);
        }
        return NULL;
}

struct expectation {
        const struct node *node;
        const char *array, *key, *name, *field, *value; /* value: a part of the field's text */
};

static bool holds(void *userdata)
{
        const struct expectation *expected = userdata;
        _cleanup_json_ json_object *object = document(expected->node);
        const char *text =
                json_string(element(object, expected->array, expected->key, expected->name), expected->field);

        return text && strstr(text, expected->value);
}

static void wait_for_condition(const struct node *node, const char *type, const char *field,
                               const char *value)
{
        wait_until(holds, &(struct expectation){ node, "conditions", "type", type, field, value }, value);
}

static void wait_for_capability(const struct node *node, const char *name, const char *field,
                                const char *value)
{
        wait_until(holds, &(struct expectation){ node, "capabilities", "name", name, field, value }, value);
}

static void write_report(const struct node *node, enum condition_status status)
{
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = NULL;

        assert_int_equal(report_new("weather", &report), 0);
        report->generated_usec = now_realtime_usec();
        report->valid_for_usec = 120 * UINT64_C(1000000);
        report->conditions = calloc(1, sizeof(*report->conditions));
        report->n_conditions = 1;
        report->conditions[0].type = strdup("WeatherFair");
        report->conditions[0].severity = SEVERITY_FATAL;
        assert_int_equal(condition_set(&report->conditions[0], status, "Sun", "m", now_realtime_usec()), 1);
        assert_true(asprintf(&path, "%s/run/capi-node-agent/reports/weather.json", node->root) > 0);
        assert_int_equal(report_save(report, path), 0);
}

static void any_program_is_a_plugin_by_keeping_a_report(void **state)
{
        struct node *node = *state;
        struct stat st;
        _cleanup_free_ char *path = NULL;
        _cleanup_json_ json_object *object = NULL;

        write_report(node, CONDITION_TRUE);
        wait_for_condition(node, "WeatherFair", "status", "True");
        object = document(node);
        assert_string_equal(json_string(object, "status"), "Healthy");
        assert_true(asprintf(&path, "%s/run/capi-node-agent/health.json", node->root) > 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
}

static void a_restarted_agent_keeps_transition_times_and_the_sequence(void **state)
{
        struct node *node = *state;
        _cleanup_json_ json_object *before = NULL, *after = NULL;

        write_report(node, CONDITION_TRUE);
        wait_for_condition(node, "WeatherFair", "status", "True");
        before = document(node);
        assert_int_equal(program_stop(node->agent, SIGKILL), -SIGKILL);
        write_report(node, CONDITION_TRUE); /* with a new time of its own */
        start_agent(node);
        wait_for_condition(node, "WeatherFair", "status", "True");
        root_write(node->root, "etc/capi-node-agent/agent.json", "{\"textfile\":1}", 0644);
        wait_for_capability(node, "agent", "state", "Failed");
        after = document(node);
        assert_string_equal(json_string(element(after, "conditions", "type", "WeatherFair"),
                                        "lastTransitionTime"),
                            json_string(element(before, "conditions", "type", "WeatherFair"),
                                        "lastTransitionTime"));
        assert_true(json_integer(after, "sequence", 0) > json_integer(before, "sequence", 0));
}

static void a_report_that_is_none_fails_its_capability(void **state)
{
        struct node *node = *state;

        write_report(node, CONDITION_TRUE);
        wait_for_condition(node, "WeatherFair", "status", "True");
        root_write(node->root, "run/capi-node-agent/reports/weather.json", "{", 0644);
        wait_for_condition(node, "CapabilitiesReady", "reason", "CapabilityFailed");
        wait_for_capability(node, "weather", "lastError", "its report is not valid");
        write_report(node, CONDITION_TRUE);
        wait_for_condition(node, "CapabilitiesReady", "status", "True");
}

static bool is_forgotten(void *userdata)
{
        const struct node *node = userdata;
        _cleanup_json_ json_object *object = document(node);

        return object && !element(object, "capabilities", "name", "weather") &&
               !element(object, "conditions", "type", "WeatherFair");
}

static void a_plugin_that_takes_its_report_away_is_forgotten(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *path = NULL;

        write_report(node, CONDITION_TRUE);
        wait_for_condition(node, "WeatherFair", "status", "True");
        assert_true(asprintf(&path, "%s/run/capi-node-agent/reports/weather.json", node->root) > 0);
        assert_int_equal(unlink(path), 0);
        wait_until(is_forgotten, node, "forgetting");
}

static void a_capability_runs_for_what_another_left_for_it(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *directory = NULL;

        assert_true(asprintf(&directory, "%s/var/lib/capi-node-agent/custom-ca", node->root) > 0);
        assert_int_equal(directory_make(directory, 0700), 0);
        root_write(node->root, "var/lib/capi-node-agent/custom-ca/containerd.pem", "-", 0600);
        write_report(node, CONDITION_TRUE); /* as custom-ca's, behind it */
        wait_for_capability(node, "registry-mirror", "state", "Pending");
}

static void a_plugin_may_ask_only_for_what_it_was_granted(void **state)
{
        struct node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = NULL;

        assert_int_equal(report_new("weather", &report), 0);
        report->generated_usec = now_realtime_usec();
        report->valid_for_usec = 120 * UINT64_C(1000000);
        assert_int_equal(report_add_restart(report, "sshd.service", "sha256:aa"), 0);
        assert_true(asprintf(&path, "%s/run/capi-node-agent/reports/weather.json", node->root) > 0);
        assert_int_equal(report_save(report, path), 0);
        wait_for_capability(node, "weather", "lastError", "restart of sshd.service was refused");
}

static void a_misspelt_key_is_named_with_file_and_pointer(void **state)
{
        struct node *node = *state;

        root_write(node->root, "etc/capi-node-agent/agent.json", "{\"textfil\":\"/x\"}", 0644);
        wait_for_capability(node, "agent", "lastError",
                            "agent.json: /textfil: unknown key; did you mean \"textfile\"?");
}

static bool has_textfile(void *userdata)
{
        const struct node *node = userdata;
        _cleanup_free_ char *text = root_read(node->root, "text.prom");

        return text && strstr(text, "capi_node_condition{type=\"CapabilitiesReady\"");
}

static void the_textfile_carries_the_metrics(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *config = NULL, *command = NULL;

        write_report(node, CONDITION_FALSE);
        assert_true(asprintf(&config, "{\"textfile\":\"%s/text.prom\"}", node->root) > 0);
        root_write(node->root, "etc/capi-node-agent/agent.json", config, 0644);
        wait_until(has_textfile, node, "the textfile");
        assert_true(asprintf(&command, "promtool check metrics <%s/text.prom", node->root) > 0);
        assert_int_equal(system(command), 0);
}

static void write_gateway(const struct node *node)
{
        _cleanup_free_ char *config = NULL;

        assert_true(asprintf(&config, GATEWAY_JSON, node->root) > 0);
        root_write(node->root, "etc/capi-node-agent/gateway.json", config, 0644);
}

struct placed {
        const struct node *node;
        const char *source, *name;
};

static bool is_placed(void *userdata)
{
        const struct placed *placed = userdata;
        _cleanup_free_ char *path = NULL, *source = NULL, *found = NULL;

        assert_true(asprintf(&path, "run/capi-node-agent/gateway/%s", placed->name) > 0);
        source = root_read(placed->node->root, placed->source);
        found = root_read(placed->node->root, path);
        return source && found && strcmp(source, found) == 0;
}

static bool is_withdrawn(void *userdata)
{
        const struct node *node = userdata;

        return !root_has(node->root, "run/capi-node-agent/gateway/gateway.json") &&
               !root_has(node->root, "run/capi-node-agent/gateway/tls.key");
}

static bool is_gateway_forgotten(void *userdata)
{
        const struct node *node = userdata;
        _cleanup_json_ json_object *object = document(node);

        return object && !element(object, "capabilities", "name", "gateway");
}

static void the_gateways_material_is_checked_placed_and_withdrawn(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *config = NULL;

        write_gateway(node);
        wait_until(is_placed, &(struct placed){ node, "server.key", "tls.key" }, "the key");
        wait_until(is_placed, &(struct placed){ node, "server.crt", "tls.crt" }, "the certificate");
        wait_until(is_placed, &(struct placed){ node, "ca.crt", "client-ca.crt" }, "the client CA");
        wait_until(is_placed, &(struct placed){ node, "etc/capi-node-agent/gateway.json", "gateway.json" },
                   "the configuration");
        wait_for_capability(node, "gateway", "state", "InForce");

        assert_true(asprintf(&config, "%s/etc/capi-node-agent/gateway.json", node->root) > 0);
        assert_int_equal(unlink(config), 0);
        wait_until(is_withdrawn, node, "the withdrawal");
        wait_until(is_gateway_forgotten, node, "forgetting");
}

/* The pin of what is placed; "" while nothing is. */
static void placed_pin(const struct node *node, char pin[static CERTIFICATE_PIN_SIZE])
{
        _cleanup_free_ char *text = root_read(node->root, "run/capi-node-agent/gateway/tls.crt");
        _cleanup_certificates_ chain = {};

        pin[0] = '\0';
        if (!text)
                return;
        assert_true(certificates_parse("tls.crt", text, strlen(text), &chain, NULL) >= 0);
        assert_int_equal(certificate_pin(chain.items[0], pin), 0);
}

static void without_a_certificate_the_agent_makes_one_and_its_key_stays(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *config = NULL, *own = NULL, *material = NULL;
        char pin[CERTIFICATE_PIN_SIZE], pin_after[CERTIFICATE_PIN_SIZE];
        struct stat st;

        assert_true(asprintf(&config, "{\"clientCAFile\":\"%s/ca.crt\",\"scrape\":{\"commonNames\":[\"x\"]}}",
                             node->root) > 0);
        root_write(node->root, "etc/capi-node-agent/gateway.json", config, 0644);
        wait_for_capability(node, "gateway", "state", "InForce");
        placed_pin(node, pin);
        assert_true(pin[0] != '\0');
        assert_true(asprintf(&own, "%s/var/lib/capi-node-agent/gateway/tls.key", node->root) > 0);
        assert_int_equal(stat(own, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);

        /* A certificate that is gone, as one that runs out, is made anew of the same key. */
        assert_int_equal(program_stop(node->agent, SIGTERM), 0);
        assert_true(asprintf(&material, "%s/var/lib/capi-node-agent/gateway/tls.crt", node->root) > 0);
        assert_int_equal(unlink(material), 0);
        start_agent(node);
        wait_until(is_placed, &(struct placed){ node, "var/lib/capi-node-agent/gateway/tls.crt", "tls.crt" },
                   "the new certificate");
        placed_pin(node, pin_after);
        assert_string_equal(pin_after, pin);
}

static void a_renewed_certificate_is_followed_and_a_wrong_one_is_not(void **state)
{
        struct node *node = *state;
        struct identity renewed = identity_make(&node->ca, "server", NULL, false, 1);
        struct identity stranger = identity_make(&node->ca, "stranger", NULL, false, 1);
        _cleanup_free_ char *before = NULL, *after = NULL;

        write_gateway(node);
        wait_for_capability(node, "gateway", "state", "InForce");
        identity_save(&renewed, node->root, "server");
        wait_until(is_placed, &(struct placed){ node, "server.crt", "tls.crt" }, "the renewed certificate");
        before = root_read(node->root, "run/capi-node-agent/gateway/tls.crt");

        identity_save(&stranger, node->root, "other");
        {
                _cleanup_free_ char *certificate = root_read(node->root, "other.crt");

                root_write(node->root, "server.crt", certificate, 0644); /* its key stays behind */
        }
        wait_for_capability(node, "gateway", "lastError", "server.key");
        after = root_read(node->root, "run/capi-node-agent/gateway/tls.crt");
        assert_string_equal(before, after);
        identity_clear(&renewed);
        identity_clear(&stranger);
}

static void an_exposed_key_is_refused_with_the_chmod_to_type(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *key = NULL, *remedy = NULL;

        assert_true(asprintf(&key, "%s/server.key", node->root) > 0);
        assert_true(asprintf(&remedy, "type: chmod 0600 %s", key) > 0);
        assert_int_equal(chmod(key, 0644), 0);
        write_gateway(node);
        wait_for_capability(node, "gateway", "lastError", remedy);
        assert_false(root_has(node->root, "run/capi-node-agent/gateway/gateway.json"));
        /* Doing what it says mends it, without touching anything else. */
        assert_int_equal(chmod(key, 0600), 0);
        wait_for_capability(node, "gateway", "state", "InForce");
}

static void a_client_ca_that_is_none_is_refused(void **state)
{
        struct node *node = *state;

        identity_save(&node->server, node->root, "ca");
        write_gateway(node);
        wait_for_capability(node, "gateway", "lastError", "is not a CA");
}

/* The agent looks again at each change; that of its own configuration says nothing of the gateway's files. */
static bool is_told_expired(void *userdata)
{
        const struct node *node = userdata;
        _cleanup_json_ json_object *object = document(node);
        json_object *gateway = element(object, "capabilities", "name", "gateway");
        const char *error = gateway ? json_string(gateway, "lastError") : NULL;

        root_write(node->root, "etc/capi-node-agent/agent.json", "{}", 0644);
        return error && strstr(error, "server.crt expired at ");
}

static void a_certificate_that_expires_in_use_is_told(void **state)
{
        struct node *node = *state;
        struct identity short_lived = identity_make(&node->ca, "server", NULL, false, 1);

        /* Longer than files count as changed a moment ago, for which it would be judged anew anyway. */
        assert_non_null(X509_gmtime_adj(X509_getm_notAfter(short_lived.certificate), 8));
        assert_true(X509_sign(short_lived.certificate, node->ca.key, EVP_sha256()) > 0);
        identity_save(&short_lived, node->root, "server");
        write_gateway(node);
        wait_for_capability(node, "gateway", "state", "InForce");
        wait_until(is_told_expired, node, "the expiry");
        identity_clear(&short_lived);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(any_program_is_a_plugin_by_keeping_a_report, make_node,
                                                remove_node),
                cmocka_unit_test_setup_teardown(a_restarted_agent_keeps_transition_times_and_the_sequence,
                                                make_node, remove_node),
                cmocka_unit_test_setup_teardown(a_report_that_is_none_fails_its_capability, make_node,
                                                remove_node),
                cmocka_unit_test_setup_teardown(a_plugin_that_takes_its_report_away_is_forgotten, make_node,
                                                remove_node),
                cmocka_unit_test_setup_teardown(a_capability_runs_for_what_another_left_for_it, make_node,
                                                remove_node),
                cmocka_unit_test_setup_teardown(a_plugin_may_ask_only_for_what_it_was_granted, make_node,
                                                remove_node),
                cmocka_unit_test_setup_teardown(a_misspelt_key_is_named_with_file_and_pointer, make_node,
                                                remove_node),
                cmocka_unit_test_setup_teardown(the_textfile_carries_the_metrics, make_node, remove_node),
                cmocka_unit_test_setup_teardown(the_gateways_material_is_checked_placed_and_withdrawn,
                                                make_node, remove_node),
                cmocka_unit_test_setup_teardown(without_a_certificate_the_agent_makes_one_and_its_key_stays,
                                                make_node, remove_node),
                cmocka_unit_test_setup_teardown(a_renewed_certificate_is_followed_and_a_wrong_one_is_not,
                                                make_node, remove_node),
                cmocka_unit_test_setup_teardown(an_exposed_key_is_refused_with_the_chmod_to_type, make_node,
                                                remove_node),
                cmocka_unit_test_setup_teardown(a_client_ca_that_is_none_is_refused, make_node, remove_node),
                cmocka_unit_test_setup_teardown(a_certificate_that_expires_in_use_is_told, make_node,
                                                remove_node),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
