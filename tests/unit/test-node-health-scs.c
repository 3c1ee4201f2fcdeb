/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libgen.h>
#include <string.h>

#include "scs.c"

#define API_SERVER_MANIFEST "/etc/kubernetes/manifests/kube-apiserver.yaml"
#define ETCD_MANIFEST       "/etc/kubernetes/manifests/etcd.yaml"

static char *root;
static struct node node;

static int open_root(void **state)
{
        (void)state;
        root = strdup("/tmp/scs-XXXXXX");
        assert_non_null(mkdtemp(root));
        node = (struct node){ .root = root };
        return 0;
}

static int close_root(void **state)
{
        _cleanup_free_ char *command = NULL;

        (void)state;
        assert_true(asprintf(&command, "rm -rf %s", root) > 0);
        assert_int_equal(system(command), 0);
        free(root);
        return 0;
}

static void put(const char *path, const char *text)
{
        _cleanup_free_ char *full = path_under(root, path), *copy = strdup(full);

        assert_int_equal(directory_make(dirname(copy), 0755), 0);
        assert_int_equal(file_write(full, text, strlen(text), 0644), 0);
}

static const struct scs_fact *fact(const struct scs_standard *standard, const char *name)
{
        for (size_t i = 0; i < standard->count; i++)
                if (strcmp(standard->facts[i].name, name) == 0)
                        return &standard->facts[i];
        return NULL;
}

static enum scs_status status(const struct scs_standard *standard, const char *name)
{
        const struct scs_fact *found = fact(standard, name);

        assert_non_null(found);
        return found->status;
}

static void put_backup_report(uint64_t age_usec)
{
        _cleanup_free_ char *text = NULL;
        char time[TIMESTAMP_SIZE];

        (void)timestamp_format(now_realtime_usec() - age_usec, time);
        assert_true(asprintf(&text,
                             "{\"apiVersion\":\"capi-node-agent/v1\",\"plugin\":\"etcd-backup\","
                             "\"version\":\"1\",\"pid\":1,\"bootId\":\"b\",\"generatedAt\":\"%s\","
                             "\"validFor\":\"2m\",\"config\":{},\"conditions\":[],"
                             "\"info\":{\"copies\":[{\"finishedAt\":\"2020-01-01T00:00:00Z\"},"
                             "{\"finishedAt\":\"%s\"}]}}",
                             time, time) > 0);
        put(BACKUP_REPORT, text);
}

#define API_SERVER(arguments)                                                                             \
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - kube-apiserver\n" arguments \
        "    image: registry/kube-apiserver:v1.33.4\n"

static void what_kubeadm_makes_meets_only_a_part_of_the_standards(void **state)
{
        struct scs_standard standard;

        (void)state;
        put(API_SERVER_MANIFEST, API_SERVER("    - --authorization-mode=Node,RBAC\n"
                                            "    - --enable-admission-plugins=NodeRestriction\n"));
        put(ETCD_MANIFEST,
            "    - etcd\n    - --cert-file=/a\n    - --key-file=/b\n    - --client-cert-auth=true\n"
            "    - --peer-client-cert-auth=true\n");
        put(KUBELET_CONFIG,
            "authentication:\n  anonymous:\n    enabled: false\nauthorization:\n  mode: Webhook\n");
        look_0217(root, &standard);
        assert_int_equal(status(&standard, TEST("Kubelet_ReadOnly_Port_Disabled")), SCS_PASS);
        assert_int_equal(status(&standard, TEST("Kubelet_HTTPS_Anonymous_Auth_Disabled")), SCS_PASS);
        assert_int_equal(status(&standard, TEST("Kubelet_Webhook_Authorization_Enabled")), SCS_PASS);
        assert_int_equal(status(&standard,
                                TEST("NodeRestriction_Admission_Controller_Enabled_in_KubeAPIServer")),
                         SCS_PASS);
        assert_int_equal(status(&standard, TEST("PodSecurity_Standards_And_Admission_Controller_Enabled")),
                         SCS_FAIL);
        assert_int_equal(status(&standard, TEST("Authorization_Methods")), SCS_PASS);
        assert_int_equal(status(&standard, "scs-0217-etcd-client-cert-auth"), SCS_PASS);

        assert_int_equal(status(&standard, TEST("Authentication_Methods")), SCS_FAIL);
        assert_int_equal(status(&standard, "Test_scs_0217_etcd_tls_communication"), SCS_FAIL);

        look_0215(&node, &standard);
        assert_int_equal(count_status(&standard, SCS_FAIL), 5);
        assert_string_equal(fact(&standard, TEST_0215("requestLimits"))->message,
                            "not set: --max-requests-inflight, --max-mutating-requests-inflight, "
                            "--min-request-timeout, EventRateLimit");
        assert_int_equal(status(&standard, TEST_0215("apiPriorityAndFairness")), SCS_PASS);
        assert_int_equal(status(&standard, TEST_0215("etcdBackup")), SCS_UNKNOWN);
        assert_int_equal(status(&standard, TEST_0215("certificateRotation")), SCS_UNKNOWN);
}

static void a_backup_is_weekly_and_a_certificate_yearly(void **state)
{
        struct scs_standard standard;
        struct check_result result;

        (void)state;
        put(ETCD_MANIFEST, "- --auto-compaction-mode=periodic\n- --auto-compaction-retention=8h\n");
        put_backup_report(6 * USEC_PER_DAY);
        node.certificates = (struct certificate_files){
                .items = { { .path = (char *)"ca.crt" },
                           { .path = (char *)"old.crt",
                             .issued_usec = now_realtime_usec() - 360 * USEC_PER_DAY } },
                .count = 2,
        };
        look_0215(&node, &standard);
        assert_int_equal(status(&standard, TEST_0215("etcdBackup")), SCS_PASS);
        assert_int_equal(status(&standard, TEST_0215("certificateRotation")), SCS_PASS);
        judge("SCS-0215", &standard, &result);
        assert_string_equal(result.message,
                            "cannot read the manifest of kube-apiserver: No such file or directory");

        put_backup_report(8 * USEC_PER_DAY);
        node.certificates.items[1].issued_usec -= 10 * USEC_PER_DAY;
        look_0215(&node, &standard);
        assert_int_equal(status(&standard, TEST_0215("etcdBackup")), SCS_FAIL);
        assert_string_equal(fact(&standard, TEST_0215("certificateRotation"))->message,
                            "old.crt is older than a year; type: kubeadm certs renew all");
}

static void a_node_that_is_as_asked_passes(void **state)
{
        struct scs_standard standard;
        struct check_result result;

        (void)state;
        put(API_SERVER_MANIFEST,
            API_SERVER(
                    "    - --max-requests-inflight=400\n    - --max-mutating-requests-inflight=200\n"
                    "    - --min-request-timeout=1800\n"
                    "    - --enable-admission-plugins=NodeRestriction,EventRateLimit,PodSecurity\n"
                    "    - --service-account-issuer=https://kubernetes.default.svc\n"
                    "    - --oidc-issuer-url=https://id.example.org\n    - --authorization-mode=Node,RBAC\n"
                    "    - --etcd-servers=https://127.0.0.1:2379\n    - --etcd-cafile=/a\n"
                    "    - --etcd-certfile=/b\n    - --etcd-keyfile=/c\n"
                    "    - \"--admission-control-config-file=/etc/kubernetes/admission.yaml\"\n"));
        put(ETCD_MANIFEST,
            "- --auto-compaction-mode=periodic\n- --auto-compaction-retention=8h\n- --cert-file=/a\n"
            "- --key-file=/b\n- --client-cert-auth=true\n- --peer-client-cert-auth=true\n");
        put(KUBELET_CONFIG, "{}");
        put_backup_report(USEC_PER_DAY);
        node.certificates =
                (struct certificate_files){ .items = { { .path = (char *)"ca.crt" } }, .count = 1 };
        look_0215(&node, &standard);
        judge("SCS-0215", &standard, &result);
        assert_int_equal(result.status, CHECK_OK);
        assert_string_equal(result.message, "all 8 that can be seen on the node hold");
        look_0217(root, &standard);
        judge("SCS-0217", &standard, &result);
        assert_string_equal(result.message, "all 13 that can be seen on the node hold");
}

static void a_weak_kubelet_is_told_with_what_was_found(void **state)
{
        struct scs_standard standard;
        struct check_result result;

        (void)state;
        put(KUBELET_CONFIG, "readOnlyPort: 10255\nauthentication: {anonymous: {enabled: true}}\n"
                            "authorization:\n  mode: AlwaysAllow\n");
        look_0217(root, &standard);
        assert_int_equal(standard.count, 3); /* a worker */
        assert_int_equal(count_status(&standard, SCS_FAIL), 3);
        assert_string_equal(fact(&standard, TEST("Kubelet_ReadOnly_Port_Disabled"))->message,
                            "readOnlyPort is 10255; wanted: 0");
        judge("SCS-0217", &standard, &result);
        assert_int_equal(result.status, CHECK_WARN);
        assert_float_equal(result.value, 3, 0);
}

static void the_first_plugin_has_to_be_the_one_that_the_test_looks_for(void **state)
{
        struct scs_standard standard;

        (void)state;
        put(KUBELET_CONFIG, "{}");
        put(API_SERVER_MANIFEST,
            API_SERVER("    - --enable-admission-plugins=PodSecurity,NodeRestriction\n"));
        look_0217(root, &standard);
        assert_int_equal(status(&standard,
                                TEST("NodeRestriction_Admission_Controller_Enabled_in_KubeAPIServer")),
                         SCS_FAIL);
        assert_int_equal(status(&standard, TEST("Authorization_Methods")), SCS_FAIL);
}

static void a_file_that_is_no_yaml_is_unknown(void **state)
{
        struct scs_standard standard;
        struct check_result result;

        (void)state;
        put(KUBELET_CONFIG, "a: [b\n");
        look_0217(root, &standard);
        assert_int_equal(count_status(&standard, SCS_UNKNOWN), 3);
        judge("SCS-0217", &standard, &result);
        assert_int_equal(result.status, CHECK_UNKNOWN);
}

static void the_report_names_every_fact(void **state)
{
        struct scs_facts facts = {};
        _cleanup_json_ json_object *info = json_object_new_object();
        json_object *first;

        (void)state;
        put(KUBELET_CONFIG, "{}");
        look_0217(root, &facts.scs_0217);
        assert_int_equal(scs_add_info(&facts, info), 0);
        assert_null(json_member(info, "scs-0215", json_type_array));
        first = json_object_array_get_idx(json_member(info, "scs-0217", json_type_array), 0);
        assert_string_equal(json_string(first, "name"),
                            "Test_scs_0217_sonobuoy_Kubelet_ReadOnly_Port_Disabled");
        assert_string_equal(json_string(first, "status"), "Pass");
        assert_string_equal(json_string(first, "message"), "readOnlyPort: 0 (kubelet's default)");
}

#define SCS_TEST(test) cmocka_unit_test_setup_teardown(test, open_root, close_root)

int main(void)
{
        const struct CMUnitTest tests[] = {
                SCS_TEST(what_kubeadm_makes_meets_only_a_part_of_the_standards),
                SCS_TEST(a_backup_is_weekly_and_a_certificate_yearly),
                SCS_TEST(a_node_that_is_as_asked_passes),
                SCS_TEST(a_weak_kubelet_is_told_with_what_was_found),
                SCS_TEST(the_first_plugin_has_to_be_the_one_that_the_test_looks_for),
                SCS_TEST(a_file_that_is_no_yaml_is_unknown),
                SCS_TEST(the_report_names_every_fact),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
