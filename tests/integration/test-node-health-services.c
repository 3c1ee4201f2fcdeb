/* SPDX-License-Identifier: Apache-2.0 */

/* The real plugin below a scratch root, beside a real API server with its etcd, and servers of the test for
 * what these do not do on demand. The container runtime and a whole control plane are in tests/node. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <signal.h>
#include <string.h>

#include "answers.h"
#include "cleanup.h"
#include "files.h"
#include "health-node.h"
#include "kube-apiserver.h"
#include "program.h"

static struct kube_apiserver server;

static char *make_certificate(bool ca, int days)
{
        struct identity identity = identity_make(&server.ca, "test", "test", ca, days);
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_int_equal(PEM_write_X509(stream, identity.certificate), 1);
        assert_int_equal(fclose(stream), 0);
        identity_clear(&identity);
        return text;
}

static void write_certificate(const struct health_node *node, const char *path, int days)
{
        _cleanup_free_ char *text = make_certificate(false, days);

        root_write(node->root, path, text, 0644);
}

/* ---- a real API server ---- */

static void join(struct health_node *node)
{
        kube_join(&server, node->root, "cp-0", server.port);
        health_node_write_manifest(node, "kube-apiserver",
                                   "- --advertise-address=127.0.0.1\n- --secure-port=%u\n", server.port);
        health_node_write_manifest(
                node, "etcd", "- --listen-metrics-urls=%s,http://192.0.2.1:2381\nimage: k8s/etcd:3.4.23\n",
                server.etcd.endpoint);
}

static void an_api_server_and_its_etcd_are_ready_and_named_when_they_are_gone(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;

        join(node);
        START(node, "api-endpoint", "api-server", "etcd", "etcd-leader", "etcd-database", "etcd-latency",
              "versions");
        health_node_wait_condition(node, "ControlPlaneReady", "True", "ControlPlaneAnswers");
        health_node_wait_condition(node, "EtcdReady", "True", "EtcdAnswers");
        health_node_wait_check(node, "api-endpoint", "OK", "APIEndpointAnswers");
        health_node_wait_check(node, "etcd-database", "OK", "EtcdDatabaseFits");
        health_node_wait_check(node, "etcd-latency", "OK", "EtcdDiskFast");

        kube_apiserver_stop(&server, SIGTERM);
        health_node_wait_condition(node, "ControlPlaneReady", "False", "APIServerNotListening");
        health_node_wait_check(node, "api-endpoint", "Fail", "APIEndpointNotListening");
        /* When the API server is lost, no node is to blame for it. */
        health_node_wait_condition(node, "NodeServicesReady", "True", "AllServicesRunning");
        health_node_wait_condition(node, "EtcdReady", "True", "EtcdAnswers");
        kube_apiserver_start(&server);
        health_node_wait_condition(node, "ControlPlaneReady", "True", "ControlPlaneAnswers");

        assert_int_equal(kill(server.etcd.pid, SIGSTOP), 0);
        health_node_wait_condition(node, "EtcdReady", "False", "EtcdNotAnswering");
        assert_int_equal(kill(server.etcd.pid, SIGCONT), 0);
        health_node_wait_condition(node, "EtcdReady", "True", "EtcdAnswers");
        report = health_node_report(node);
        assert_string_equal(json_string(report->versions, "etcd"), "3.4.23");
}

static void labels_and_versions_come_from_the_node_object(void **state)
{
        struct health_node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;

        json_object_put(
                kube_request(&server, "POST", "/api/v1/nodes", "application/json",
                             "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"cp-0\","
                             "\"labels\":{\"topology.kubernetes.io/zone\":\"nova\","
                             "\"topology.kubernetes.io/region\":\"one\"}},"
                             "\"status\":{\"nodeInfo\":{\"kubeletVersion\":\"v1.20.2\"}}}"));
        join(node);
        health_node_make_directory(node, "/run/cloud-init");
        root_write(node->root, "run/cloud-init/instance-data.json",
                   "{\"v1\":{\"availability_zone\":\"az-2\",\"region\":null}}", 0644);
        health_node_make_directory(node, "/usr/local/sbin");
        root_write(node->root, "usr/local/sbin/runc", "#!/bin/sh\necho runc version 1.1.12\necho commit: x\n",
                   0755);
        START(node, "versions", "topology");
        health_node_wait_check(node, "topology", "Warn", "TopologyLabelsWrong");
        health_node_wait_check(node, "versions", "OK", "VersionsFit");
        report = health_node_report(node);
        assert_string_equal(json_string(report->versions, "kubelet"), "v1.20.2");
        assert_string_equal(json_string(report->versions, "runc"), "1.1.12");
        assert_int_equal(json_string(report->versions, "apiServer")[0], 'v');
}

static void on_a_worker_no_row_of_a_control_plane_is_reported(void **state)
{
        struct health_node *node = *state;

        kube_join(&server, node->root, "cp-0", server.port);
        START(node, "api-endpoint", "api-server", "scheduler", "static-pods", "etcd", "kube-proxy",
              "etcd-maintenance");
        health_node_wait_check(node, "api-endpoint", "OK", "APIEndpointAnswers");
        health_node_wait_check(node, "api-server", NULL, NULL);
        health_node_wait_check(node, "etcd", NULL, NULL);
        health_node_wait_check(node, "kube-proxy", NULL, NULL);
        health_node_wait_condition(node, "ControlPlaneReady", NULL, NULL);
        health_node_wait_condition(node, "EtcdReady", NULL, NULL);
}

/* ---- what a real one cannot be made to say ---- */

#define ANSWER(status, fields, body, length) \
        "HTTP/1.1 " status "\r\n" fields "Content-Length: " #length "\r\n\r\n" body

static void a_clock_far_from_the_api_servers_is_told(void **state)
{
        static const char *const late[] = {
                ANSWER("200 OK", "Date: Sat, 01 Jan 2022 00:00:00 GMT\r\n", "ok", 2), NULL
        };
        struct identity identity = identity_make(&server.ca, "127.0.0.1", "test", false, 1);
        struct answers answers = { .texts = late };
        struct health_node *node = *state;

        answers_start(&answers, &identity);
        kube_join(&server, node->root, "cp-0", answers.port);
        START(node, "api-endpoint");
        health_node_wait_check(node, "api-endpoint", "Warn", "ClockSkewed");
        answers_stop(&answers);
        identity_clear(&identity);
}

static void a_refused_credential_is_a_warning_of_its_own(void **state)
{
        static const char *const refused[] = { ANSWER("401 Unauthorized", "", "no", 2), NULL };
        struct identity identity = identity_make(&server.ca, "127.0.0.1", "test", false, 1);
        struct answers answers = { .texts = refused };
        struct health_node *node = *state;

        answers_start(&answers, &identity);
        kube_join(&server, node->root, "cp-0", answers.port);
        START(node, "api-endpoint");
        health_node_wait_check(node, "api-endpoint", "Warn", "CredentialRefused");
        answers_stop(&answers);
        identity_clear(&identity);
}

static void a_scheduler_with_a_certificate_of_its_own_is_asked_and_believed(void **state)
{
        static const char *const good[] = { ANSWER("200 OK", "", "ok", 2), NULL };
        static const char *const bad[] = { ANSWER("500 Oops", "", "leaderElection", 14), NULL };
        struct identity identity = identity_make(NULL, "whoever", "test", false, 1);
        struct answers answers = { .texts = good }, failing = { .texts = bad };
        struct health_node *node = *state;

        answers_start(&answers, &identity);
        answers_start(&failing, &identity);
        health_node_write_manifest(node, "kube-scheduler", "- --bind-address=127.0.0.1\n- --secure-port=%u\n",
                                   answers.port);
        START(node, "scheduler");
        health_node_wait_condition(node, "ControlPlaneReady", "True", "ControlPlaneAnswers");
        health_node_write_manifest(node, "kube-scheduler", "- --bind-address=127.0.0.1\n- --secure-port=%u\n",
                                   failing.port);
        health_node_wait_condition(node, "ControlPlaneReady", "False", "SchedulerUnhealthy");
        answers_stop(&answers);
        answers_stop(&failing);
        identity_clear(&identity);
}

/* ---- files ---- */

static json_object *certificate_of(const struct report *report, const char *path)
{
        json_object *list = json_member(report->info, "certificates", json_type_array);

        for (size_t i = 0; list && i < json_object_array_length(list); i++) {
                json_object *item = json_object_array_get_idx(list, i);

                if (strcmp(json_string(item, "path"), path) == 0)
                        return item;
        }
        return NULL;
}

static void a_certificate_that_expires_is_told_in_time_and_one_inside_a_kubeconfig_too(void **state)
{
        _cleanup_free_ char *admin = root_read(server.root, "admin.conf");
        _cleanup_(report_freep) struct report *report = NULL;
        struct health_node *node = *state;

        health_node_make_directory(node, "/etc/kubernetes/pki/etcd");
        write_certificate(node, "etc/kubernetes/pki/apiserver.crt", 300);
        write_certificate(node, "etc/kubernetes/pki/etcd/server.crt", 3);
        assert_non_null(admin);
        root_write(node->root, "etc/kubernetes/admin.conf", admin, 0600);
        START(node, "certificates");
        health_node_wait_check(node, "certificates", "Warn", "CertificateExpiresSoon");
        health_node_wait_condition(node, "CertificatesValid", "True", "AllCertificatesValid");
        report = health_node_report(node);
        assert_non_null(certificate_of(report, "/etc/kubernetes/pki/etcd/server.crt"));
        assert_non_null(certificate_of(report, "/etc/kubernetes/admin.conf"));
        assert_null(certificate_of(report, "/etc/kubernetes/pki/ca.crt"));
}

/* "controller-manager.conf" with a CA inside, and the client's certificate elsewhere. */
static void write_kubeconfig(const struct health_node *node, int ca_days, const char *client_certificate)
{
        _cleanup_free_ char *ca = make_certificate(true, ca_days), *encoded = malloc(strlen(ca) * 2 + 4);
        _cleanup_free_ char *text = NULL;

        (void)EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)ca, (int)strlen(ca));
        assert_true(asprintf(&text,
                             "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                             "clusters: [{name: k, cluster: {server: \"https://127.0.0.1:1\", "
                             "certificate-authority-data: %s}}]\n"
                             "users: [{name: u, user: {client-certificate: %s, client-key: /x.key}}]\n",
                             encoded, client_certificate) > 0);
        root_write(node->root, "etc/kubernetes/controller-manager.conf", text, 0600);
}

static void what_a_kubeconfig_or_the_kubelets_configuration_names_is_looked_at_too(void **state)
{
        _cleanup_(report_freep) struct report *report = NULL;
        struct health_node *node = *state;
        json_object *ca;

        health_node_make_directory(node, "/etc/kubernetes");
        health_node_make_directory(node, "/etc/elsewhere");
        health_node_make_directory(node, "/var/lib/kubelet");
        write_certificate(node, "etc/elsewhere/client.crt", 30);
        write_certificate(node, "etc/elsewhere/serving.crt", 30);
        write_kubeconfig(node, 3, "/etc/elsewhere/client.crt");
        root_write(node->root, "var/lib/kubelet/config.yaml", "tlsCertFile: /etc/elsewhere/serving.crt\n",
                   0644);
        START(node, "certificates");
        health_node_wait_check(node, "certificates", "Warn", "CertificateExpiresSoon");
        report = health_node_report(node);
        ca = certificate_of(report, "/etc/kubernetes/controller-manager.conf");
        assert_true(json_object_get_boolean(json_member(ca, "isCA", json_type_boolean)));
        assert_non_null(certificate_of(report, "/etc/elsewhere/client.crt"));
        assert_non_null(certificate_of(report, "/etc/elsewhere/serving.crt"));
        assert_int_equal(json_object_array_length(json_member(report->info, "certificates", json_type_array)),
                         3);
}

static void an_expired_certificate_fails_and_says_which(void **state)
{
        struct health_node *node = *state;

        health_node_make_directory(node, "/var/lib/kubelet/pki");
        write_certificate(node, "var/lib/kubelet/pki/kubelet-client-current.pem", -1);
        START(node, "certificates");
        health_node_wait_condition(node, "CertificatesValid", "False", "CertificateExpired");
}

static void a_bootstrap_that_failed_is_told_before_the_node_has_joined(void **state)
{
        struct health_node *node = *state;

        START(node, "bootstrap");
        health_node_wait_check(node, "bootstrap", "Unknown", "NotBootstrapped");
        health_node_make_directory(node, "/run/cloud-init");
        root_write(node->root, "run/cloud-init/status.json", "{\"v1\":{\"stage\":\"modules-final\"}}", 0644);
        health_node_wait_check(node, "bootstrap", "Unknown", "Bootstrapping");
        root_write(
                node->root, "run/cloud-init/result.json",
                "{\"v1\":{\"datasource\":\"x\",\"errors\":[\"('scripts_user', RuntimeError('1 failed'))\"]}}",
                0644);
        health_node_wait_condition(node, "NodeServicesReady", "False", "BootstrapFailed");
        health_node_make_directory(node, "/etc/kubernetes");
        root_write(node->root, "etc/kubernetes/kubelet.conf", "", 0600);
        health_node_wait_check(node, "bootstrap", "Warn", "CloudInitErrors");
        health_node_wait_condition(node, "NodeServicesReady", "True", "AllServicesRunning");
}

/* ---- units ---- */

struct awaited_message {
        struct health_node *node;
        const char *text;
};

/* One failure is not believed at once; the report says what was seen. */
static bool units_message_has(void *userdata)
{
        const struct awaited_message *expected = userdata;
        _cleanup_(report_freep) struct report *report = NULL;

        fake_systemd_serve(&expected->node->systemd);
        report = health_node_report(expected->node);
        for (size_t i = 0; report && report->checks && i < json_object_array_length(report->checks); i++) {
                json_object *check = json_object_array_get_idx(report->checks, i);

                if (strcmp(json_string(check, "name"), "units") == 0)
                        return strstr(json_string(check, "message"), expected->text);
        }
        return false;
}

static void units_that_are_not_as_they_should_be_are_named_with_gardeners_exclusions(void **state)
{
        struct health_node *node = *state;
        struct awaited_message expected = { node, "failed: broken.service; still starting: slow.service; "
                                                  "still stopping: stuck.service; enabled, "
                                                  "but not running: gone.service" };
        struct fake_unit *unit;

        fake_systemd_start(&node->systemd, node->root);
        fake_systemd_add(&node->systemd, "broken.service")->active_state = "failed";
        fake_systemd_add(&node->systemd, "slow.service")->active_state = "activating";
        fake_systemd_add(&node->systemd, "stuck.service")->active_state = "deactivating";
        fake_systemd_add(&node->systemd, "gone.service")->active_state = "inactive";
        unit = fake_systemd_add(&node->systemd, "job.service");
        unit->active_state = "activating";
        unit->type = "oneshot";
        unit = fake_systemd_add(&node->systemd, "restarts.service");
        unit->active_state = "activating";
        unit->sub_state = "auto-restart";
        unit = fake_systemd_add(&node->systemd, "on-timer.service");
        unit->active_state = "inactive";
        unit->triggered_by = "on-timer.timer";
        START(node, "units");
        wait_until(units_message_has, &expected, "the four units");
}

static void services_that_are_as_they_should_be_are_fine(void **state)
{
        struct health_node *node = *state;
        struct fake_unit *unit;

        fake_systemd_start(&node->systemd, node->root);
        unit = fake_systemd_add(&node->systemd, "elsewhere.service");
        unit->active_state = "inactive";
        unit->condition_failed = true;
        START(node, "units");
        health_node_wait_check(node, "units", "OK", "UnitsFine");
}

static int make_server(void **state)
{
        (void)state;
        (void)signal(SIGPIPE, SIG_IGN); /* a client of ours that hangs up */
        kube_apiserver_make(&server);
        return 0;
}

static int remove_server(void **state)
{
        (void)state;
        kube_apiserver_remove(&server);
        return 0;
}

#define NODE_TEST(test) cmocka_unit_test_setup_teardown(test, health_node_make, health_node_remove)

int main(void)
{
        const struct CMUnitTest tests[] = {
                NODE_TEST(an_api_server_and_its_etcd_are_ready_and_named_when_they_are_gone),
                NODE_TEST(labels_and_versions_come_from_the_node_object),
                NODE_TEST(on_a_worker_no_row_of_a_control_plane_is_reported),
                NODE_TEST(a_clock_far_from_the_api_servers_is_told),
                NODE_TEST(a_refused_credential_is_a_warning_of_its_own),
                NODE_TEST(a_scheduler_with_a_certificate_of_its_own_is_asked_and_believed),
                NODE_TEST(a_certificate_that_expires_is_told_in_time_and_one_inside_a_kubeconfig_too),
                NODE_TEST(what_a_kubeconfig_or_the_kubelets_configuration_names_is_looked_at_too),
                NODE_TEST(an_expired_certificate_fails_and_says_which),
                NODE_TEST(a_bootstrap_that_failed_is_told_before_the_node_has_joined),
                NODE_TEST(units_that_are_not_as_they_should_be_are_named_with_gardeners_exclusions),
                NODE_TEST(services_that_are_as_they_should_be_are_fine),
        };

        return cmocka_run_group_tests(tests, make_server, remove_server);
}
