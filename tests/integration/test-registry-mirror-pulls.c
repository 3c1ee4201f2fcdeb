/* SPDX-License-Identifier: Apache-2.0 */

/* Whom containerd 1.6, 1.7 and 2.1 ask for an image, by what registry-mirror published for each of them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "mirror-bed.h"
#include "program.h"
#include "shared-authorities.h"

#define TINY     "docker.io/library/tiny:1"
#define SECOND   "docker.io/library/second:1"   /* which mirror "one" lacks */
#define UPSTREAM "docker.io/library/upstream:1" /* which every mirror lacks */
#define TOOL     "registry.example.org/team/tool:1"

#define CA   ",\"caFile\":\"/etc/mirror-ca.crt\""
#define ONE  "{\"url\":\"https://" BED_ONE "\"" CA "}"
#define TWO  "{\"url\":\"https://" BED_TWO "\"" CA "}"
#define DEAD "{\"url\":\"https://" BED_DEAD "\"" CA "}"

#define OPEN(registry, endpoints)   "\"" registry "\":{\"fallback\":true,\"endpoints\":[" endpoints "]}"
#define CLOSED(registry, endpoints) "\"" registry "\":{\"fallback\":false,\"endpoints\":[" endpoints "]}"
#define REGISTRIES(entries)         "{\"registries\":{" entries "}}"

static struct mirror_bed bed;

#define FOR_EACH_NODE(node) \
        for (const struct containerd *node = bed.nodes; node < bed.nodes + BED_NODES; node++)

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

static void configure(const struct containerd *node, const char *configuration)
{
        bed_apply(node, configuration);
        bed_forget(&bed);
}

/* As custom-ca does with "containerd": true. NULL: not any more. */
static void share_authorities(const struct containerd *node, const char *pem)
{
        _cleanup_free_ char *path = path_under(node->root, SHARED_AUTHORITIES), *directory = NULL;

        assert_non_null(path);
        directory = strndup(path, (size_t)(strrchr(path, '/') - path));
        assert_int_equal(directory_make(directory, 0700), 0);
        if (pem)
                assert_int_equal(file_write(path, pem, strlen(pem), 0600), 0);
        else
                assert_int_equal(unlink(path), 0);
}

/* ---- who is asked ---- */

static void a_directory_that_was_missing_is_used_without_a_restart(void **state)
{
        FOR_EACH_NODE(node)
        {
                assert_false(root_has(node->root, CONTAINERD_CERTS));
                bed_pull(node, TINY);
                assert_true(bed_upstream(&bed) > 0);
                configure(node, REGISTRIES(OPEN("docker.io", ONE)));
                bed_pull(node, TINY);
                assert_int_equal(bed_upstream(&bed), 0);
        }
}

static void mirrors_are_asked_in_the_order_of_the_configuration(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(OPEN("docker.io", ONE "," TWO)));
                bed_pull(node, TINY);
                assert_true(registry_asked(&bed.one, "/v2/library/tiny/manifests/1?ns=docker.io") > 0);
                assert_true(registry_asked(&bed.one, "/v2/library/tiny/blobs/") > 0);
                assert_int_equal(registry_asked(&bed.two, NULL), 0);

                configure(node, REGISTRIES(OPEN("docker.io", TWO "," ONE)));
                bed_pull(node, TINY);
                assert_int_equal(registry_asked(&bed.one, NULL), 0);
                assert_true(registry_asked(&bed.two, NULL) > 0);
                assert_int_equal(bed_upstream(&bed), 0);
        }
}

static void the_next_is_asked_when_one_lacks_the_image_or_is_dead(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(OPEN("docker.io", DEAD "," ONE "," TWO)));
                bed_pull(node, SECOND);
                assert_true(registry_asked(&bed.one,
                                           "/v2/library/second/manifests/1?ns=docker.io HTTP/1.1\" 404") > 0);
                assert_true(registry_asked(&bed.two, "/v2/library/second/blobs/") > 0);
                assert_int_equal(bed_upstream(&bed), 0);
        }
}

static void with_fallback_the_registry_itself_is_asked_last(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(OPEN("docker.io", ONE "," TWO)));
                bed_pull(node, UPSTREAM);
                assert_true(registry_asked(&bed.one, NULL) > 0);
                assert_true(registry_asked(&bed.two, NULL) > 0);
                assert_true(bed_upstream(&bed) > 0);
        }
}

static void the_default_is_for_every_other_registry(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, "{\"registries\":{" OPEN("docker.io", ONE) "}," OPEN("default", TWO) "}");
                bed_pull(node, TOOL);
                assert_true(registry_asked(&bed.two, "/v2/team/tool/manifests/1?ns=registry.example.org") >
                            0);
                assert_int_equal(registry_asked(&bed.one, NULL), 0);
                bed_pull(node, "registry.example.org:5000/team/tool:1");
                assert_true(registry_asked(&bed.two, "ns=registry.example.org%3A5000") > 0);
                bed_pull(node, TINY);
                assert_true(registry_asked(&bed.one, NULL) > 0);
                assert_int_equal(bed_upstream(&bed), 0);
        }
}

static void a_registry_of_its_own_has_the_defaults_mirrors_behind_its_own(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, "{\"registries\":{" OPEN("docker.io", ONE) "}," OPEN("default", TWO) "}");
                bed_pull(node, SECOND);
                assert_true(registry_asked(&bed.one, NULL) > 0);
                assert_true(registry_asked(&bed.two, "/v2/library/second/blobs/") > 0);
                assert_int_equal(bed_upstream(&bed), 0);
        }
}

static void a_registry_with_a_port_is_found_by_its_name(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(CLOSED("registry.example.org:5000", ONE)));
                bed_pull(node, "registry.example.org:5000/team/tool:1");
                assert_true(registry_asked(&bed.one, "ns=registry.example.org%3A5000") > 0);
        }
}

static void a_registry_that_is_an_address_of_ipv6_is_found(void **state)
{
        FOR_EACH_NODE(node)
        {
                if (node->version < 107) /* which takes no such name for an image's */
                        continue;
                configure(node, REGISTRIES(CLOSED("[fd00::1]:5000", ONE) "," CLOSED("[fd00::2]", TWO)));
                bed_pull(node, "[fd00::1]:5000/team/tool:1");
                assert_true(registry_asked(&bed.one, NULL) > 0);
                bed_pull(node, "[fd00::2]/team/tool:1");
                assert_true(registry_asked(&bed.two, NULL) > 0);
        }
}

/* ---- what they are shown ---- */

static void an_authority_that_only_the_file_names_is_trusted(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(CLOSED("docker.io", "{\"url\":\"https://" BED_ONE "\"}")));
                bed_pull_fails(node, TINY);
                configure(node, REGISTRIES(CLOSED("docker.io", ONE)));
                bed_pull(node, TINY);
        }
}

#define CLIENT     ",\"certFile\":\"/etc/client.crt\",\"keyFile\":\"/etc/client.key\""
#define HEADERS    ",\"headersFile\":\"/etc/headers\""
#define SAFE(keys) "{\"url\":\"https://" BED_SAFE "\"" CA keys "}"

static void client_certificate_and_headers_are_shown(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(CLOSED("docker.io", SAFE(CLIENT))));
                bed_pull_fails(node, TINY);
                assert_true(registry_asked(&bed.safe, "\" 401 ") > 0);
                configure(node, REGISTRIES(CLOSED("docker.io", SAFE(HEADERS))));
                bed_pull_fails(node, TINY);
                assert_int_equal(registry_asked(&bed.safe, NULL), 0);
                configure(node, REGISTRIES(CLOSED("docker.io", SAFE(CLIENT HEADERS))));
                bed_pull(node, TINY);
        }
}

static void a_path_that_overrides_is_asked_as_it_stands(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node,
                          REGISTRIES(CLOSED("docker.io", "{\"url\":\"https://" BED_ONE
                                                         "/v2/dockerhub\",\"overridePath\":true" CA "}")));
                bed_pull(node, TINY);
                assert_true(registry_asked(&bed.one, "/v2/dockerhub/library/tiny/manifests/1") > 0);
                assert_int_equal(registry_asked(&bed.one, "/v2/library/"), 0);
        }
}

/* ---- the ways past a mirror: each is open with a naive file (test-registry-mirror-facts.c) ---- */

static void assert_closed(const struct containerd *node, const char *image)
{
        bed_pull_fails(node, image);
        assert_int_equal(bed_upstream(&bed), 0);
}

static void without_fallback_an_image_that_no_mirror_has_is_not_asked_for_upstream(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(CLOSED("docker.io", ONE "," TWO)));
                assert_closed(node, UPSTREAM);
                assert_true(registry_asked(&bed.one, NULL) > 0);
                assert_true(registry_asked(&bed.two, NULL) > 0);
        }
}

static void without_fallback_a_dead_mirror_does_not_lead_upstream(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(CLOSED("docker.io", DEAD)));
                assert_closed(node, TINY);
        }
}

static void without_fallback_a_mirror_that_refuses_does_not_lead_upstream(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(CLOSED("docker.io", SAFE(CLIENT))));
                assert_closed(node, TINY);
        }
}

static void without_fallback_the_default_closes_every_other_registry(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node,
                          "{\"registries\":{" CLOSED("docker.io", ONE) "}," CLOSED("default", DEAD) "}");
                assert_closed(node, TOOL);
                assert_closed(node, SECOND);
        }
}

static void a_registry_that_is_closed_is_not_opened_by_an_open_default(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, "{\"registries\":{" CLOSED("docker.io", DEAD) "}," OPEN("default", ONE) "}");
                assert_closed(node, UPSTREAM);
        }
}

static void the_capability_referrers_voids_no_file(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(CLOSED("docker.io",
                                                  "{\"url\":\"https://" BED_ONE "\"" CA ",\"capabilities\":"
                                                  "[\"pull\",\"resolve\",\"referrers\"]}")));
                bed_pull(node, TINY);
                assert_closed(node, UPSTREAM);
        }
}

static void an_endpoint_of_which_this_version_understands_nothing_voids_no_file(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node,
                          REGISTRIES(CLOSED("docker.io", "{\"url\":\"https://" BED_DEAD "\",\"capabilities\":"
                                                         "[\"referrers\"]}," ONE)));
                bed_pull(node, TINY);
                assert_closed(node, UPSTREAM);
        }
}

static void odd_characters_in_headers_and_urls_void_no_file(void **state)
{
        FOR_EACH_NODE(node)
        {
                root_write(node->root, "etc/odd", "x-odd: \"a\\b\" 'c' #d = [e] \\u0041\nX-'Odd'.Name: 1\n",
                           0600);
                configure(node, REGISTRIES(CLOSED("docker.io", "{\"url\":\"https://" BED_ONE "/\"" CA
                                                               ",\"headersFile\":\"/etc/odd\"}")));
                bed_pull(node, TINY);
                assert_closed(node, UPSTREAM);
        }
}

static void a_dial_timeout_voids_no_file_and_is_heeded_from_2_1_on(void **state)
{
        FOR_EACH_NODE(node)
        {
                _cleanup_free_ char *text = NULL;

                configure(node, REGISTRIES(CLOSED("docker.io", "{\"url\":\"https://" BED_ONE "\"" CA
                                                               ",\"dialTimeout\":\"1500ms\"}")));
                text = root_read(node->root, CONTAINERD_CERTS "/docker.io/hosts.toml");
                assert_non_null(text);
                assert_int_equal(strstr(text, "dial_timeout") != NULL, node->version >= 201);
                bed_pull(node, TINY);
                assert_closed(node, UPSTREAM);
                if (node->version < 201)
                        continue;
                configure(node, REGISTRIES(CLOSED("docker.io", "{\"url\":\"https://" CONTAINERD_HOLE
                                                               ":5000\",\"dialTimeout\":\"300ms\"}," ONE)));
                bed_pull(node, TINY);
        }
}

/* Whoever pulls meanwhile has the file of before or of afterwards, with authorities that are there. */
static void no_pull_during_a_change_fails_or_goes_upstream(void **state)
{
        static const char *const configurations[] = {
                REGISTRIES(CLOSED("docker.io", ONE "," TWO)),
                "{\"registries\":{" CLOSED("docker.io",
                                           "{\"url\":\"https://" BED_TWO "\"" CA CLIENT "}") "}}",
        };

        FOR_EACH_NODE(node)
        {
                configure(node, configurations[0]);
                for (unsigned i = 1; i <= 3; i++) {
                        pid_t pid;

                        root_write(node->root, "etc/capi-node-agent/registry-mirror.json",
                                   configurations[i % 2], 0600);
                        pid = program_start(REGISTRY_MIRROR,
                                            (const char *const[]){ "apply", "--root", node->root, NULL });
                        for (unsigned pull = 0; pull < 3; pull++)
                                bed_pull(node, TINY);
                        assert_int_equal(program_wait(pid), 0);
                }
                assert_int_equal(bed_upstream(&bed), 0);
        }
}

static void another_name_of_a_registry_does_not_lead_upstream(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(CLOSED("docker.io", ONE)));
                bed_pull(node, "index.docker.io/library/tiny:1");
                bed_pull(node, "library/tiny:1");
                assert_closed(node, "index.docker.io/library/upstream:1");
                bed_pull(node, "registry-1.docker.io/library/tiny:1");
                assert_closed(node, "registry-1.docker.io/library/upstream:1");
                assert_closed(node, "registry-1.docker.io:443/library/upstream:1");
                configure(node, REGISTRIES(CLOSED("registry.example.org", ONE)));
                bed_pull(node, "registry.example.org:443/team/tool:1");
                assert_closed(node, "registry.example.org:443/library/upstream:1");
                configure(node, REGISTRIES(CLOSED("registry.example.org:443", ONE)));
                assert_closed(node, "registry.example.org/library/upstream:1");
        }
}

static void an_empty_directory_in_the_place_of_a_registry_is_filled(void **state)
{
        FOR_EACH_NODE(node)
        {
                _cleanup_free_ char *path = NULL;

                configure(node, REGISTRIES(CLOSED("quay.io", ONE)));
                assert_true(asprintf(&path, "%s/" CONTAINERD_CERTS "/docker.io", node->root) > 0);
                assert_int_equal(mkdir(path, 0755), 0);
                configure(node, REGISTRIES(CLOSED("docker.io", ONE)));
                assert_closed(node, UPSTREAM);
                configure(node, REGISTRIES(CLOSED("quay.io", ONE)));
                assert_int_equal(rmdir(path), 0);
        }
}

/* ---- the nodes' own side ---- */

/* The default is then a file without any host, which containerd before 1.7.32 would ignore. */
static void authorities_of_custom_ca_reach_registries_that_nobody_configured(void **state)
{
        FOR_EACH_NODE(node)
        {
                _cleanup_free_ char *pem = root_read(node->root, "etc/mirror-ca.crt");

                configure(node, REGISTRIES(OPEN("docker.io", ONE)));
                bed_pull_fails(node, "two.example.org:5000/team/tool:1");
                share_authorities(node, pem);
                configure(node, REGISTRIES(OPEN("docker.io", ONE)));
                bed_pull(node, "two.example.org:5000/team/tool:1");
                bed_pull(node, TINY);
                bed_pull(node, SECOND); /* from upstream, whose authority is the system's */
                assert_true(bed_upstream(&bed) > 0);
                share_authorities(node, NULL);
        }
}

static bool has_setting(const struct containerd *node, const char *setting)
{
        _cleanup_free_ char *command = NULL;

        assert_true(asprintf(&command,
                             "chroot '%s' /usr/bin/containerd config dump 2>/dev/null | grep -q '%s'",
                             node->root, setting) > 0);
        return system(command) == 0;
}

/* As the images of Cluster API have it, but for config_path. */
static void without_a_config_path_an_import_leads_to_the_mirrors_after_one_restart(void **state)
{
        static const char *const configurations[] = {
                "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"
                "[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"example.org/pause:9\"\n"
                "[plugins.\"io.containerd.grpc.v1.cri\".cni]\n  max_conf_num = 7\n",
                "version = 3\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"
                "[plugins.\"io.containerd.cri.v1.images\".pinned_images]\n  sandbox = "
                "\"example.org/pause:9\"\n"
                "[plugins.\"io.containerd.cri.v1.runtime\".cni]\n  max_conf_num = 7\n",
        };

        for (size_t i = 0; i < BED_NODES; i++) {
                struct containerd *node = &bed.nodes[i];

                containerd_stop(node);
                containerd_start(node, configurations[node->version >= 200]);
                configure(node, REGISTRIES(CLOSED("docker.io", ONE)));
                bed_pull(node, TINY);
                assert_true(bed_upstream(&bed) > 0);

                containerd_stop(node);
                containerd_start(node, configurations[node->version >= 200]);
                bed_forget(&bed);
                bed_pull(node, TINY);
                assert_closed(node, UPSTREAM);
                assert_true(has_setting(node, "example.org/pause:9"));
                assert_true(has_setting(node, "max_conf_num = 7"));
        }
}

/* ---- the end ---- */

static void a_withdrawn_registry_is_gone(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node, REGISTRIES(CLOSED("docker.io", ONE) "," CLOSED("registry.example.org", TWO)));
                configure(node, REGISTRIES(CLOSED("registry.example.org", TWO)));
                bed_pull(node, UPSTREAM);
                assert_true(bed_upstream(&bed) > 0);
                assert_int_equal(registry_asked(&bed.one, NULL), 0);
                assert_false(root_has(node->root, CONTAINERD_CERTS "/docker.io"));
                bed_pull(node, TOOL);
                assert_true(registry_asked(&bed.two, NULL) > 0);
        }
}

static void after_undo_nothing_is_left(void **state)
{
        FOR_EACH_NODE(node)
        {
                configure(node,
                          "{\"registries\":{" CLOSED("docker.io", SAFE(CLIENT HEADERS)) "}," OPEN("default",
                                                                                                  TWO) "}");
                assert_int_equal(program_wait(program_start(REGISTRY_MIRROR,
                                                            (const char *const[]){ "undo", "--root",
                                                                                   node->root, NULL })),
                                 0);
                assert_false(root_has(node->root, CONTAINERD_CERTS "/docker.io"));
                assert_false(root_has(node->root, CONTAINERD_CERTS "/_default"));
                assert_false(root_has(node->root, "etc/containerd/conf.d/zz-capi-node-registry-mirror.toml"));
                bed_pull(node, TINY);
                assert_true(bed_upstream(&bed) > 0);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_directory_that_was_missing_is_used_without_a_restart),
                cmocka_unit_test(mirrors_are_asked_in_the_order_of_the_configuration),
                cmocka_unit_test(the_next_is_asked_when_one_lacks_the_image_or_is_dead),
                cmocka_unit_test(with_fallback_the_registry_itself_is_asked_last),
                cmocka_unit_test(the_default_is_for_every_other_registry),
                cmocka_unit_test(a_registry_of_its_own_has_the_defaults_mirrors_behind_its_own),
                cmocka_unit_test(a_registry_with_a_port_is_found_by_its_name),
                cmocka_unit_test(a_registry_that_is_an_address_of_ipv6_is_found),
                cmocka_unit_test(an_authority_that_only_the_file_names_is_trusted),
                cmocka_unit_test(client_certificate_and_headers_are_shown),
                cmocka_unit_test(a_path_that_overrides_is_asked_as_it_stands),
                cmocka_unit_test(without_fallback_an_image_that_no_mirror_has_is_not_asked_for_upstream),
                cmocka_unit_test(without_fallback_a_dead_mirror_does_not_lead_upstream),
                cmocka_unit_test(without_fallback_a_mirror_that_refuses_does_not_lead_upstream),
                cmocka_unit_test(without_fallback_the_default_closes_every_other_registry),
                cmocka_unit_test(a_registry_that_is_closed_is_not_opened_by_an_open_default),
                cmocka_unit_test(the_capability_referrers_voids_no_file),
                cmocka_unit_test(an_endpoint_of_which_this_version_understands_nothing_voids_no_file),
                cmocka_unit_test(odd_characters_in_headers_and_urls_void_no_file),
                cmocka_unit_test(another_name_of_a_registry_does_not_lead_upstream),
                cmocka_unit_test(an_empty_directory_in_the_place_of_a_registry_is_filled),
                cmocka_unit_test(a_dial_timeout_voids_no_file_and_is_heeded_from_2_1_on),
                cmocka_unit_test(no_pull_during_a_change_fails_or_goes_upstream),
                cmocka_unit_test(a_withdrawn_registry_is_gone),
                cmocka_unit_test(authorities_of_custom_ca_reach_registries_that_nobody_configured),
                cmocka_unit_test(without_a_config_path_an_import_leads_to_the_mirrors_after_one_restart),
                cmocka_unit_test(after_undo_nothing_is_left),
        };

        return cmocka_run_group_tests(tests, open_bed, close_bed);
}
