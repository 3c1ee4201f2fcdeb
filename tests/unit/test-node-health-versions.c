/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../plugins/node-health/versions.c"

static const char manifest[] = "apiVersion: v1\n"
                               "kind: Pod\n"
                               "spec:\n"
                               "  containers:\n"
                               "  - command:\n"
                               "    - kube-apiserver\n"
                               "    - --advertise-address=192.0.2.7\n"
                               "    - \"--secure-port=6444\"\n"
                               "    - --empty=\n"
                               "    image: registry.example.org:5000/kube-apiserver:v1.29.3\n"
                               "    name: kube-apiserver\n";

static void arguments_and_tag_of_a_manifest_are_found(void **state)
{
        char value[STATIC_POD_VALUE_SIZE] = "untouched";

        (void)state;
        assert_false(static_pod_argument(manifest, "empty", value));
        assert_false(static_pod_argument(manifest, "address", value));
        assert_string_equal(value, "untouched");
        assert_true(static_pod_argument(manifest, "advertise-address", value));
        assert_string_equal(value, "192.0.2.7");
        assert_true(static_pod_argument(manifest, "secure-port", value));
        assert_string_equal(value, "6444");
        assert_true(static_pod_tag(manifest, value));
        assert_string_equal(value, "v1.29.3");
}

static void a_port_or_a_digest_is_no_tag(void **state)
{
        char value[STATIC_POD_VALUE_SIZE];

        (void)state;
        assert_false(static_pod_tag("image: registry:5000/etcd\n", value));
        assert_false(static_pod_tag("image: etcd\n", value));
        assert_false(static_pod_tag("image:\n", value));
        assert_false(static_pod_tag("", value));
        assert_true(static_pod_tag("image: etcd:3.5.1@sha256:00\n", value));
        assert_string_equal(value, "3.5.1");
}

static void check_part(const char *version, const char *server, bool kubelet, const char *expected)
{
        char text[200] = "";

        judge_part(kubelet ? "kubelet" : "kube-scheduler", version, server, kubelet, text, sizeof(text));
        assert_string_equal(text, expected);
}

static void versions_may_be_as_far_apart_as_kubernetes_lets_them(void **state)
{
        (void)state;
        check_part("v1.29.0", "v1.29.3", true, "");
        check_part("v1.26.9", "v1.29.3", true, "");
        check_part("v1.25.9", "v1.29.3", true,
                   "kubelet v1.25.9 is more than 3 minor releases older than the API server");
        check_part("v1.24.1", "v1.27.0", true,
                   "kubelet v1.24.1 is more than 2 minor releases older than the API server");
        check_part("v1.30.0", "v1.29.3", true, "kubelet v1.30.0 is newer than the API server");
        check_part("v1.28.0", "v1.29.3", false, "");
        check_part("v1.27.0", "v1.29.3", false,
                   "kube-scheduler v1.27.0 is more than 1 minor releases older than the API server");
        check_part("", "v1.29.3", true, "");
        check_part("3.5.1", "v1.29.3", true, "");
}

static void the_image_is_named_by_its_serial(void **state)
{
        char text[] = "build_name: server\nserial: 20260301\n",
             os[] = "ID=ubuntu\nPRETTY_NAME=\"Ubuntu 22.04\"\n";

        (void)state;
        assert_string_equal(value_of(text, "serial:"), "20260301");
        assert_string_equal(value_of(os, "PRETTY_NAME="), "Ubuntu 22.04");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(arguments_and_tag_of_a_manifest_are_found),
                cmocka_unit_test(a_port_or_a_digest_is_no_tag),
                cmocka_unit_test(versions_may_be_as_far_apart_as_kubernetes_lets_them),
                cmocka_unit_test(the_image_is_named_by_its_serial),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
