/* SPDX-License-Identifier: Apache-2.0 */

/* registry-mirror beside containerd 1.6, 1.7 and 2.1, while its mirrors come and go. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "mirror-bed.h"
#include "program.h"
#include "quantity.h"
#include "report.h"
#include "timestamp.h"

#define CONFIG "etc/capi-node-agent/registry-mirror.json"
#define REPORT "run/capi-node-agent/reports/registry-mirror.json"
#define HOSTS  CONTAINERD_CERTS "/docker.io/hosts.toml"
#define TINY   "docker.io/library/tiny:1"

#define CA   ",\"caFile\":\"/etc/mirror-ca.crt\""
#define ONE  "{\"url\":\"https://" BED_ONE "\"" CA "}"
#define TWO  "{\"url\":\"https://" BED_TWO "\"" CA "}"
#define GONE "{\"url\":\"https://" BED_DEAD "\"" CA "}"
#define HOLE "{\"url\":\"https://" CONTAINERD_HOLE ":5000\"" CA "}"
/* Who is there answers in time, however busy the machine is; who swallows packets need not be waited for. */
#define PROBE "\"probe\":{\"interval\":\"1s\",\"settledInterval\":\"1s\",\"timeout\":\"30s\"}"
#define HASTE "\"probe\":{\"interval\":\"1s\",\"settledInterval\":\"1s\",\"timeout\":\"500ms\"}"
#define DOCKER(fallback, endpoints) \
        "\"registries\":{\"docker.io\":{\"fallback\":" fallback ",\"endpoints\":[" endpoints "]}}"

static struct mirror_bed bed;
static pid_t plugins[BED_NODES];

static int open_bed(void **state)
{
        bed_open(&bed);
        return 0;
}

static int close_bed(void **state)
{
        bed_close(&bed);
        return 0;
}

static void configure(const char *configuration)
{
        for (size_t i = 0; i < BED_NODES; i++)
                root_write(bed.nodes[i].root, CONFIG, configuration, 0600);
}

static void start(const char *configuration)
{
        configure(configuration);
        for (size_t i = 0; i < BED_NODES; i++)
                plugins[i] = program_start(REGISTRY_MIRROR, (const char *const[]){ "daemon", "--root",
                                                                                   bed.nodes[i].root, NULL });
}

static int stop(void **state)
{
        for (size_t i = 0; i < BED_NODES; i++) {
                _cleanup_free_ char *path = NULL;

                if (plugins[i] <= 0)
                        continue;
                assert_true(asprintf(&path, "%s/" CONFIG, bed.nodes[i].root) > 0);
                (void)unlink(path);
                assert_int_equal(program_wait(plugins[i]), 0);
                plugins[i] = 0;
        }
        if (bed.one.pid <= 0)
                bed_start_mirror(&bed, &bed.one);
        bed_forget(&bed);
        return 0;
}

/* ---- waiting for all three ---- */

struct expectation {
        const char *root;
        const char *reason, *message; /* of the condition; message: a part of it */
        const char *before, *after;   /* in hosts.toml, in this order; after NULL: the first alone */
};

static bool has_condition(void *userdata)
{
        const struct expectation *expectation = userdata;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/" REPORT, expectation->root) > 0);
        if (report_load(path, &report, NULL) < 0)
                return false;
        for (size_t i = 0; i < report->n_conditions; i++)
                if (strcmp(report->conditions[i].type, "RegistryMirrorsReady") == 0)
                        return strcmp(report->conditions[i].reason, expectation->reason) == 0 &&
                               strstr(report->conditions[i].message, expectation->message);
        return false;
}

static bool has_file(void *userdata)
{
        const struct expectation *expectation = userdata;
        _cleanup_free_ char *text = root_read(expectation->root, HOSTS);
        const char *at = text ? strstr(text, expectation->before) : NULL;

        return at && (!expectation->after || strstr(at, expectation->after));
}

static void wait_condition(const char *reason, const char *message)
{
        for (size_t i = 0; i < BED_NODES; i++)
                wait_until(has_condition,
                           &(struct expectation){
                                   .root = bed.nodes[i].root, .reason = reason, .message = message },
                           reason);
}

static void wait_order(const char *before, const char *after)
{
        for (size_t i = 0; i < BED_NODES; i++)
                wait_until(has_file,
                           &(struct expectation){
                                   .root = bed.nodes[i].root, .before = before, .after = after },
                           "the order in hosts.toml");
}

static double metric(const struct containerd *node, const char *name, const char *endpoint)
{
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/" REPORT, node->root) > 0);
        assert_int_equal(report_load(path, &report, NULL), 0);
        for (size_t i = 0; i < json_object_array_length(report->metrics); i++) {
                json_object *family = json_object_array_get_idx(report->metrics, i), *samples;

                if (strcmp(json_string(family, "name"), name) != 0)
                        continue;
                samples = json_object_object_get(family, "samples");
                for (size_t j = 0; j < json_object_array_length(samples); j++) {
                        json_object *sample = json_object_array_get_idx(samples, j);

                        if (strcmp(json_string(json_object_object_get(sample, "labels"), "endpoint"),
                                   endpoint) == 0)
                                return json_object_get_double(json_object_object_get(sample, "value"));
                }
        }
        fail_msg("no metric %s of %s", name, endpoint);
        return 0;
}

static void assert_shown(const struct containerd *node, const char *line)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command, REGISTRY_MIRROR " show --root '%s' | grep -qF -- '%s'", node->root,
                             line) > 0);
        assert_int_equal(system(command), 0);
}

/* ---- the tests ---- */

static void a_dead_mirror_is_reported_and_then_a_living_one(void **state)
{
        start("{" PROBE "," DOCKER("true", ONE "," TWO) "}");
        wait_condition("AllEndpointsAnswer", "2 of 2 endpoints answer");
        for (size_t i = 0; i < BED_NODES; i++) {
                const struct containerd *node = &bed.nodes[i];

                assert_true(metric(node, "capi_node_registry_mirror_up", "https://" BED_ONE) == 1);
                assert_true(metric(node, "capi_node_registry_mirror_probe_status", "https://" BED_ONE) ==
                            200);
                assert_true(metric(node, "capi_node_registry_mirror_probe_seconds", "https://" BED_ONE) > 0);
                assert_true(metric(node, "capi_node_registry_mirror_not_after_timestamp_seconds",
                                   "https://" BED_ONE) > (double)now_realtime_usec() / USEC_PER_SEC);
        }

        for (size_t i = 0; i < BED_NODES; i++)
                assert_shown(&bed.nodes[i], "  https://" BED_ONE " (docker.io): answers 200");

        registry_stop(&bed.one);
        wait_condition("EndpointUnreachable", "https://" BED_ONE);
        for (size_t i = 0; i < BED_NODES; i++)
                assert_shown(&bed.nodes[i], "  https://" BED_ONE " (docker.io): Failed to connect");
        for (size_t i = 0; i < BED_NODES; i++)
                assert_true(metric(&bed.nodes[i], "capi_node_registry_mirror_up", "https://" BED_ONE) == 0);

        bed_start_mirror(&bed, &bed.one);
        wait_condition("AllEndpointsAnswer", "2 of 2 endpoints answer");
}

static bool was_asked_often(void *userdata)
{
        struct proxy *gone = userdata;

        return atomic_load(&gone->connections) >= 4 * BED_NODES;
}

static void without_the_switch_the_order_stays(void **state)
{
        /* Accepts and hangs up. */
        static struct proxy gone = { .address = "127.0.0.5", .port = 5000, .target_port = 1 };

        proxy_start(&gone);
        start("{" PROBE "," DOCKER("true", GONE "," TWO) "}");
        wait_until(was_asked_often, &gone, "more probes than a demotion takes");
        wait_condition("EndpointTLSFailed", "https://" BED_DEAD);
        wait_order("https://" BED_DEAD, "https://" BED_TWO);
        proxy_stop(&gone);
}

static void with_the_switch_a_dead_mirror_is_asked_last_until_it_lives(void **state)
{
        start("{\"demoteDead\":true," PROBE "," DOCKER("false", ONE "," TWO) "}");
        wait_order("https://" BED_ONE, "https://" BED_TWO);
        registry_stop(&bed.one);
        wait_order("https://" BED_TWO, "https://" BED_ONE);
        wait_condition("EndpointUnreachable", "asked behind the others");
        bed_forget(&bed);
        for (size_t i = 0; i < BED_NODES; i++)
                bed_pull(&bed.nodes[i], TINY);
        assert_true(registry_asked(&bed.two, "/v2/library/tiny/manifests/1") > 0);
        assert_int_equal(bed_upstream(&bed), 0);

        bed_start_mirror(&bed, &bed.one);
        wait_order("https://" BED_ONE, "https://" BED_TWO);
        wait_condition("AllEndpointsAnswer", "2 of 2 endpoints answer");
}

/* Before 2.1, containerd waits 30 s for a connection: for the tag, the manifest, the configuration and the
 * layer. */
static void behind_a_mirror_that_swallows_packets_nobody_waits(void **state)
{
        start("{\"demoteDead\":true," HASTE "," DOCKER("true", HOLE) "}");
        wait_order("https://registry-1.docker.io", "https://" CONTAINERD_HOLE);
        for (size_t i = 0; i < BED_NODES; i++) {
                uint64_t began = now_boottime_usec();

                bed_pull(&bed.nodes[i], TINY);
                assert_in_range(now_boottime_usec() - began, 0, 30 * USEC_PER_SEC);
        }
        wait_condition("EndpointTimesOut", "asked behind the others");
}

static void without_fallback_all_dead_is_no_way_upstream(void **state)
{
        registry_stop(&bed.one);
        start("{\"demoteDead\":true," PROBE "," DOCKER("false", ONE) "}");
        wait_condition("NoEndpointAnswers", "asked behind the others");
        for (size_t i = 0; i < BED_NODES; i++) {
                _cleanup_free_ char *text = root_read(bed.nodes[i].root, HOSTS);

                assert_non_null(text);
                assert_null(strstr(text, "[host.\"https://registry-1.docker.io\"]"));
                bed_pull_fails(&bed.nodes[i], TINY);
        }
        assert_int_equal(bed_upstream(&bed), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(a_dead_mirror_is_reported_and_then_a_living_one, stop),
                cmocka_unit_test_teardown(without_the_switch_the_order_stays, stop),
                cmocka_unit_test_teardown(with_the_switch_a_dead_mirror_is_asked_last_until_it_lives, stop),
                cmocka_unit_test_teardown(behind_a_mirror_that_swallows_packets_nobody_waits, stop),
                cmocka_unit_test_teardown(without_fallback_all_dead_is_no_way_upstream, stop),
        };

        return cmocka_run_group_tests(tests, open_bed, close_bed);
}
