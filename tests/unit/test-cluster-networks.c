/* SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the standard headers that it needs */
#include <cmocka.h>

#include <string.h>

#include "cluster-networks.h"
#include "files.h"
#include "yaml-setting.h"

static char root[] = "/tmp/test-cluster-networks-XXXXXX";

static int make_root(void **state)
{
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
        _cleanup_free_ char *command = NULL;

        return asprintf(&command, "rm -r %s", root) > 0 && system(command) == 0 ? 0 : -1;
}

static void put(const char *name, const char *text)
{
        _cleanup_free_ char *path = path_under(root, name), *directory = strdup(path);

        *strrchr(directory, '/') = '\0';
        assert_int_equal(directory_make(directory, 0755), 0);
        assert_int_equal(file_write(path, text, strlen(text), 0644), 0);
}

static void assert_networks(enum cluster_network which, const char *expected)
{
        struct cidr networks[CLUSTER_NETWORKS_MAX];
        size_t n = cluster_networks(root, which, networks);
        char found[512] = "", text[CIDR_TEXT_SIZE];

        for (size_t i = 0; i < n; i++) {
                strcat(found, i ? " " : "");
                strcat(found, cidr_format(&networks[i], text));
        }
        assert_string_equal(found, expected);
}

/* In the order of a node's life. */
static void the_networks_come_from_what_kubeadm_has_written_so_far(void **state)
{
        char *domain;

        assert_networks(CLUSTER_PODS, "");
        assert_null(cluster_domain(root));

        put("/run/kubeadm/kubeadm.yaml",
            "---\napiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\n---\n"
            "kind: ClusterConfiguration\nnetworking:\n  dnsDomain: example.internal\n"
            "  podSubnet: 10.244.0.0/16,fd00:1::/48\n  serviceSubnet: \"10.96.0.0/12\"\n");
        assert_networks(CLUSTER_PODS, "10.244.0.0/16 fd00:1::/48");
        assert_networks(CLUSTER_SERVICES, "10.96.0.0/12");
        domain = cluster_domain(root);
        assert_string_equal(domain, "example.internal");
        free(domain);

        put("/etc/kubernetes/manifests/kube-controller-manager.yaml",
            "spec:\n  - command:\n    - kube-controller-manager\n    - --cluster-cidr=10.245.0.0/16\n");
        put("/etc/kubernetes/manifests/kube-apiserver.yaml",
            "    - --service-cluster-ip-range=10.97.0.0/16,not-one,fd00:2::/108\n");
        put("/var/lib/kubelet/config.yaml", "clusterDNS:\n- 10.96.0.10\nclusterDomain: cluster.local\n");
        assert_networks(CLUSTER_PODS, "10.245.0.0/16");
        assert_networks(CLUSTER_SERVICES, "10.97.0.0/16 fd00:2::/108");
        domain = cluster_domain(root);
        assert_string_equal(domain, "cluster.local");
        free(domain);
}

static void a_file_that_is_not_yaml_has_no_setting(void **state)
{
        const char *text = "networking:\n\t- [", *other = "a: 1\n---\n\"";
        char *value = NULL;

        assert_int_equal(yaml_setting(text, strlen(text), "networking.podSubnet", &value), -EBADMSG);
        assert_int_equal(yaml_setting(other, strlen(other), "b", &value), -EBADMSG);
        assert_null(value);
        assert_int_equal(yaml_setting("", 0, "b", &value), 0);
        assert_null(value);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_networks_come_from_what_kubeadm_has_written_so_far),
                cmocka_unit_test(a_file_that_is_not_yaml_has_no_setting),
        };

        return cmocka_run_group_tests_name("cluster-networks", tests, make_root, remove_root);
}
