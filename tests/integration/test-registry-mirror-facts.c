/* SPDX-License-Identifier: Apache-2.0 */

/* What real containerds do with a certs.d that was written by hand: what registry-mirror's rendering rests
 * on, and that the bed would see a pull that goes past a mirror. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "mirror-bed.h"
#include "program.h"

static struct mirror_bed bed;

#define TINY "docker.io/library/tiny:1"

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

/* hosts NULL: an empty directory. */
static void write_hosts(const struct containerd *node, const char *directory, const char *hosts)
{
        _cleanup_free_ char *command = NULL, *file = NULL;

        assert_true(asprintf(&command, "mkdir -p '%s/" CONTAINERD_CERTS "/%s'", node->root, directory) > 0);
        assert_int_equal(system(command), 0);
        if (!hosts)
                return;
        assert_true(asprintf(&file, CONTAINERD_CERTS "/%s/hosts.toml", directory) > 0);
        root_write(node->root, file, hosts, 0644);
}

static void begin(const struct containerd *node)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command, "rm -rf '%s/" CONTAINERD_CERTS "'", node->root) > 0);
        assert_int_equal(system(command), 0);
        bed_forget(&bed);
}

#define HOST_ONE                                     \
        "[host.\"https://" BED_ONE "\"]\n"           \
        "  capabilities = [\"pull\", \"resolve\"]\n" \
        "  ca = \"/etc/mirror-ca.crt\"\n"

/* Whether a pull with this file goes to upstream. */
static bool leaks(const struct containerd *node, const char *hosts)
{
        _cleanup_failure_ failure = {};

        begin(node);
        write_hosts(node, "docker.io", hosts);
        (void)containerd_pull(node, TINY, &failure);
        return bed_upstream(&bed) > 0;
}

static void without_certs_d_images_come_from_upstream(void **state)
{
        for (size_t i = 0; i < BED_NODES; i++) {
                begin(&bed.nodes[i]);
                bed_pull(&bed.nodes[i], TINY);
                assert_true(bed_upstream(&bed) > 0);
                assert_int_equal(registry_asked(&bed.one, NULL), 0);
        }
}

static void a_mirror_is_asked_in_place_of_upstream(void **state)
{
        for (size_t i = 0; i < BED_NODES; i++) {
                begin(&bed.nodes[i]);
                write_hosts(&bed.nodes[i], "docker.io", HOST_ONE);
                bed_pull(&bed.nodes[i], TINY);
                assert_int_equal(bed_upstream(&bed), 0);
                assert_true(registry_asked(&bed.one, "/v2/library/tiny/manifests/1?ns=docker.io") > 0);
                assert_true(registry_asked(&bed.one, "/v2/library/tiny/blobs/") > 0);
        }
}

static void a_malformed_file_leads_to_upstream(void **state)
{
        for (size_t i = 0; i < BED_NODES; i++) {
                assert_true(leaks(&bed.nodes[i], HOST_ONE "what is this\n"));
                assert_true(
                        leaks(&bed.nodes[i], "[host.\"https://" BED_ONE "\"]\n  capabilities = [\"fly\"]\n"));
                assert_true(leaks(&bed.nodes[i], "[host.\"https://" BED_ONE "\"]\n  skip_verify = \"no\"\n"));
        }
}

static void an_empty_directory_hides_the_default(void **state)
{
        for (size_t i = 0; i < BED_NODES; i++) {
                begin(&bed.nodes[i]);
                write_hosts(&bed.nodes[i], "_default", HOST_ONE);
                bed_pull(&bed.nodes[i], TINY);
                assert_int_equal(bed_upstream(&bed), 0);
                write_hosts(&bed.nodes[i], "docker.io", NULL);
                bed_pull(&bed.nodes[i], TINY);
                assert_true(bed_upstream(&bed) > 0);
        }
}

/* Fixed in 1.7.32 and 2.0: containerd/containerd#10028. */
static void a_file_without_a_host_leads_to_upstream_before_2_0(void **state)
{
        static const char server[] = "server = \"https://" BED_ONE "\"\nca = \"/etc/mirror-ca.crt\"\n";
        _cleanup_free_ char *with_stub = NULL;

        assert_true(asprintf(&with_stub, "%s[host]\n", server) > 0);
        for (size_t i = 0; i < BED_NODES; i++) {
                assert_int_equal(leaks(&bed.nodes[i], server), bed.nodes[i].version < 200);
                assert_false(leaks(&bed.nodes[i], with_stub));
        }
}

static void a_missing_server_means_upstream_when_the_mirrors_fail(void **state)
{
        static const char dead[] =
                "[host.\"https://" BED_DEAD "\"]\n  capabilities = [\"pull\", \"resolve\"]\n";
        _cleanup_free_ char *closed = NULL, *forgotten = NULL;

        assert_true(asprintf(&closed,
                             "server = \"https://registry-1.docker.io\"\ncapabilities = [\"push\"]\n%s",
                             dead) > 0);
        assert_true(asprintf(&forgotten, "capabilities = [\"push\"]\n%s", dead) > 0);
        for (size_t i = 0; i < BED_NODES; i++) {
                assert_true(leaks(&bed.nodes[i], dead));
                assert_true(leaks(&bed.nodes[i], forgotten));
                assert_false(leaks(&bed.nodes[i], closed));
        }
}

/* In 2.2: "referrers" is a capability. */
static void the_capability_referrers_voids_the_file_before_2_2(void **state)
{
        for (size_t i = 0; i < BED_NODES; i++)
                assert_int_equal(leaks(&bed.nodes[i],
                                       "[host.\"https://" BED_ONE "\"]\n"
                                       "  capabilities = [\"pull\", \"resolve\", \"referrers\"]\n"
                                       "  ca = \"/etc/mirror-ca.crt\"\n"),
                                 bed.nodes[i].version < 202);
}

static void hosts_in_an_inline_table_are_lost_from_2_0_on(void **state)
{
        static const char hosts[] =
                "[host]\n  \"https://" BED_ONE
                "\" = { capabilities = [\"pull\", \"resolve\"], ca = \"/etc/mirror-ca.crt\" }\n";

        for (size_t i = 0; i < BED_NODES; i++)
                assert_int_equal(leaks(&bed.nodes[i], hosts), bed.nodes[i].version >= 200);
}

/* containerd/containerd#12415: what pulls since 2.1 does not know of lists. */
static void a_list_of_directories_is_one_directory_for_2_1(void **state)
{
        static const char *const tables[] = {
                "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\n",
                "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\n"
        };

        for (size_t i = 0; i < BED_NODES; i++) {
                struct containerd *node = &bed.nodes[i];
                _cleanup_free_ char *configuration = NULL;

                assert_true(asprintf(&configuration,
                                     "%s  config_path = \"/" CONTAINERD_CERTS ":/etc/docker/certs.d\"\n",
                                     tables[node->version >= 200]) > 0);
                containerd_stop(node);
                containerd_start(node, configuration);
                assert_int_equal(leaks(node, HOST_ONE), node->version >= 201);
        }
}

static void a_missing_authority_fails_every_host(void **state)
{
        for (size_t i = 0; i < BED_NODES; i++) {
                begin(&bed.nodes[i]);
                write_hosts(&bed.nodes[i], "docker.io",
                            "[host.\"https://" BED_ONE "\"]\n  ca = \"/etc/none.crt\"\n");
                bed_pull_fails(&bed.nodes[i], TINY);
                assert_int_equal(bed_upstream(&bed), 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_certs_d_images_come_from_upstream),
                cmocka_unit_test(a_mirror_is_asked_in_place_of_upstream),
                cmocka_unit_test(a_malformed_file_leads_to_upstream),
                cmocka_unit_test(an_empty_directory_hides_the_default),
                cmocka_unit_test(a_file_without_a_host_leads_to_upstream_before_2_0),
                cmocka_unit_test(a_missing_server_means_upstream_when_the_mirrors_fail),
                cmocka_unit_test(the_capability_referrers_voids_the_file_before_2_2),
                cmocka_unit_test(hosts_in_an_inline_table_are_lost_from_2_0_on),
                cmocka_unit_test(a_missing_authority_fails_every_host),
                cmocka_unit_test(a_list_of_directories_is_one_directory_for_2_1),
        };

        return cmocka_run_group_tests(tests, open_bed, close_bed);
}
