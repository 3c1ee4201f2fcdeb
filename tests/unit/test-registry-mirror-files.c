/* SPDX-License-Identifier: Apache-2.0 */

/* What registry-mirror reads and writes: its configuration, TOML, hosts.toml, headers, names, versions. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "challenge.h"
#include "containerd-config.h"
#include "hosts-file.h"
#include "image-reference.h"
#include "plan.h"
#include "toml.h"

static const struct containerd_version v1_6 = { 1, 6, 20 }, v2_1 = { 2, 1, 0 }, v2_2 = { 2, 2, 0 }, unknown;

/* ---- the configuration ---- */

static void *parse(const char *text)
{
        void *config = NULL;

        assert_int_equal(config_parse(&mirror_config_type, "F", text, strlen(text), &config, NULL), 0);
        return config;
}

static void assert_refused(const char *text, const char *told)
{
        _cleanup_failure_ failure = {};
        void *config = NULL;

        assert_int_equal(config_parse(&mirror_config_type, "F", text, strlen(text), &config, &failure),
                         -EINVAL);
        if (!strstr(failure.message, told))
                fail_msg("\"%s\" does not tell \"%s\"", failure.message, told);
}

#define REGISTRY(name, rest) "{\"registries\":{\"" name "\":{\"fallback\":true,\"endpoints\":[" rest "]}}}"
#define ENDPOINT             "{\"url\":\"https://m\"}"

static void refuses_a_registry_that_no_image_is_of(void **state)
{
        assert_refused(REGISTRY("https://docker.io", ENDPOINT), "as it stands in image names");
        assert_refused(REGISTRY("library", ENDPOINT), "as it stands in image names");
        assert_refused(REGISTRY("_default", ENDPOINT), "as it stands in image names");
        assert_refused(REGISTRY("docker.io/library", ENDPOINT), "as it stands in image names");
        assert_refused(REGISTRY("quay.io:99999", ENDPOINT), "as it stands in image names");
        assert_refused(REGISTRY("registry-1.docker.io", ENDPOINT), "call it \"docker.io\"");
        config_free(&mirror_config_type, parse(REGISTRY("localhost", ENDPOINT)));
        config_free(&mirror_config_type, parse(REGISTRY("harbor:5000", ENDPOINT)));
        config_free(&mirror_config_type, parse(REGISTRY("[fd00::1]:5000", ENDPOINT)));
}

static void refuses_what_containerd_would_read_otherwise(void **state)
{
        assert_refused(REGISTRY("quay.io", "{\"url\":\"https://m?x=1\"}"), "without query");
        assert_refused(REGISTRY("quay.io", "{\"url\":\"https://m/a/../b\"}"), "without query");
        assert_refused(REGISTRY("quay.io", ENDPOINT ",{\"url\":\"https://m/\"}"), "already");
        assert_refused(REGISTRY("quay.io", "{\"url\":\"http://m\",\"caFile\":\"/ca\"}"), "https://");
        assert_refused(REGISTRY("quay.io", "{\"url\":\"https://m\",\"ca\":\"x\",\"caFile\":\"/ca\"}"),
                       "both");
        assert_refused(REGISTRY("quay.io", "{\"url\":\"https://m\",\"certFile\":\"/c\"}"), "go together");
        assert_refused(REGISTRY("quay.io", "{\"url\":\"https://m\",\"capabilities\":[\"Pull\"]}"),
                       "\"resolve\"");
        assert_refused(REGISTRY("quay.io", "{\"url\":\"https://m\",\"capabilities\":[]}"), "");
        assert_refused("{\"registries\":{\"quay.io\":{\"endpoints\":[" ENDPOINT "]}}}", "/fallback");
}

static void refuses_a_registry_from_which_nothing_could_be_pulled(void **state)
{
        assert_refused(
                "{\"default\":{\"fallback\":false,\"endpoints\":[{\"url\":\"https://m\",\"capabilities\":"
                "[\"pull\"]}]}}",
                "no endpoint has the capability \"resolve\"");
}

/* ---- hosts.toml ---- */

static char *render(const char *text, const char *host, const struct containerd_version *version)
{
        void *config = parse(text);
        _cleanup_plan_ plan = {};
        _cleanup_failure_ failure = {};
        char *rendered;

        assert_int_equal(mirror_plan_load(config, "/nowhere", &plan, &failure), 0);
        rendered = hosts_file_render(&plan, mirror_plan_find(&plan, host), version);
        assert_non_null(rendered);
        if (hosts_file_check(rendered, version, &failure) < 0)
                fail_msg("%s: %s", failure.message, rendered);
        config_free(&mirror_config_type, config);
        return rendered;
}

#define MARK HOSTS_FILE_MARK "\n"

static void what_a_version_does_not_know_is_left_out(void **state)
{
        static const char config[] = REGISTRY(
                "quay.io",
                "{\"url\":\"https://m\",\"dialTimeout\":\"5s\",\"capabilities\":[\"pull\",\"referrers\"]},"
                "{\"url\":\"https://n\",\"capabilities\":[\"referrers\"]}");
        _cleanup_free_ char *old = render(config, "quay.io", &v1_6),
                            *none = render(config, "quay.io", &unknown),
                            *newer = render(config, "quay.io", &v2_1),
                            *newest = render(config, "quay.io", &v2_2);

        assert_string_equal(old, MARK "\n[host.\"https://m\"]\ncapabilities = [\"pull\"]\n");
        assert_string_equal(none, old);
        assert_string_equal(newer, MARK "\n[host.\"https://m\"]\ncapabilities = [\"pull\"]\n"
                                        "dial_timeout = \"5000ms\"\n");
        assert_string_equal(
                newest,
                MARK "\n[host.\"https://m\"]\ncapabilities = [\"pull\", \"referrers\"]\n"
                     "dial_timeout = \"5000ms\"\n\n[host.\"https://n\"]\ncapabilities = [\"referrers\"]\n");
}

static void the_default_stands_behind_the_registrys_own_endpoints_once(void **state)
{
        static const char config[] =
                "{\"registries\":{\"quay.io\":{\"fallback\":false,\"endpoints\":[{\"url\":\"https://"
                "own\"},{\"url\":"
                "\"https://all/\"}]}},\"default\":{\"fallback\":true,\"endpoints\":[{\"url\":\"https://"
                "all\"},"
                "{\"url\":\"https://last\"}]}}";
        _cleanup_free_ char *named = render(config, "quay.io", &v1_6), *others = render(config, NULL, &v1_6);

        assert_string_equal(named,
                            MARK "\nserver = \"https://quay.io\"\ncapabilities = [\"push\"]\n"
                                 "\n[host.\"https://own\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
                                 "\n[host.\"https://all/\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
                                 "\n[host.\"https://last\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
        assert_string_equal(others,
                            MARK "\n[host.\"https://all\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
                                 "\n[host.\"https://last\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
}

static void a_default_without_fallback_names_nobody(void **state)
{
        _cleanup_free_ char *text =
                render("{\"default\":{\"fallback\":false,\"endpoints\":[" ENDPOINT "]}}", NULL, &v1_6);

        assert_non_null(strstr(text, "server = \"https://upstream.invalid\"\ncapabilities = [\"push\"]\n"));
}

static void another_order_puts_the_registry_itself_before_the_rest(void **state)
{
        void *config = parse(REGISTRY("docker.io", ENDPOINT ",{\"url\":\"https://n\"}"));
        _cleanup_plan_ plan = {};
        _cleanup_free_ char *text = NULL;

        assert_int_equal(mirror_plan_load(config, "/nowhere", &plan, NULL), 0);
        plan.chains[0].order = (struct mirror_order){ { 1, 0 }, 1 };
        text = hosts_file_render(&plan, &plan.chains[0], &v1_6);
        assert_string_equal(text, MARK "\n[host.\"https://n\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
                                       "\n[host.\"https://registry-1.docker.io\"]\ncapabilities = [\"pull\", "
                                       "\"resolve\", \"push\"]\n"
                                       "\n[host.\"https://m\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
        assert_int_equal(hosts_file_check(text, &v1_6, NULL), 0);
        config_free(&mirror_config_type, config);
}

static void names_the_directory_that_containerd_looks_for_first(void **state)
{
        static const struct {
                const char *host, *directory;
        } cases[] = { { "docker.io", "docker.io" },
                      { "quay.io:8443", "quay.io_8443_" },
                      { "[fd00::1]:5000", "[fd00::1]_5000_" },
                      { "[fd00::1]", "[fd00:_1]_" }, /* containerd: hostDirectory takes the last colon */
                      { NULL, "_default" } };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *directory = hosts_file_directory(cases[i].host);

                assert_string_equal(directory, cases[i].directory);
        }
}

static void refuses_every_file_that_containerd_ignores(void **state)
{
        static const char *const ignored[] = {
                "",                                                              /* "invalid `host` tree" */
                "server = \"https://m\"\n",                                      /* likewise */
                "host = { \"https://m\" = { capabilities = [\"pull\"] } }\n",    /* 2.x sees no host */
                "[host]\n\"https://m\".capabilities = [\"pull\"]\n",             /* likewise */
                "[host.\"https://m\"]\ncapabilities = [\"Pull\"]\n",             /* another one is refused */
                "[host.\"https://m\"]\ncapabilities = [\"referrers\"]\n",        /* before 2.2 */
                "[host.\"https://m\"]\ncapabilities = []\n",                     /* means all */
                "[host.\"https://m\"]\n",                                        /* likewise */
                "[host.\"https://m\"]\ncapabilities = \"pull\"\n",               /* of the wrong type */
                "[host.\"https://m\"]\ncapabilities = [\"pull\"]\nca = 1\n",     /* likewise */
                "[host.\"https://m\"]\ncapabilities = [\"pull\"]\nca = \"x\"\n", /* of the directory */
                "[host.\"m\"]\ncapabilities = [\"pull\"]\n",                     /* no URL */
                "[host.\"http://m\"]\ncapabilities = [\"pull\"]\nca = \"/x\"\n", /* HTTPS first */
                "[host.\"https://m\"]\ncapabilities = [\"pull\"]\nretry = 1\n",  /* passed over */
                "[host.\"https://m\"]\ncapabilities = [\"pull\"]\ndial_timeout = \"1000ms\"\n",
                "[host.\"https://m\"]\ncapabilities = [\"pull\"]\n[host.\"https://m\"]\n", /* TOML */
                "capabilities = [\"push\"]\n[host.\"https://m\"]\ncapabilities = [\"pull\"]\n",
        };

        for (size_t i = 0; i < ELEMENTS(ignored); i++) {
                _cleanup_failure_ failure = {};

                if (hosts_file_check(ignored[i], &v1_6, &failure) != -EINVAL || !failure.message)
                        fail_msg("%s", ignored[i]);
        }
}

static void shows_a_file_without_the_values_of_headers(void **state)
{
        _cleanup_free_ char *shown = hosts_file_shown(
                "[host.\"https://m\"]\nca = \"/x\"\n\n[host.\"https://m\".header]\n\"A\" = \"secret\"\n\n"
                "[host.\"https://n\"]\nca = \"/y\"\n");

        assert_string_equal(shown, "[host.\"https://m\"]\nca = \"/x\"\n\n[host.\"https://m\".header]\n"
                                   "\"A\" = (not shown)\n\n[host.\"https://n\"]\nca = \"/y\"\n");
}

/* ---- TOML ---- */

static void reads_toml_as_its_standard_says(void **state)
{
        static const char text[] =
                "a.\"b c\" = 'x\\y' # comment\r\n[t]\ns = \"\"\"\none \\\n   two\\u00e9\"\"\"\n"
                "n = [1, 2,\n 3,]\n[[l]]\nv = true\n[[l]]\nd = { e = 1979-05-27T07:32:00Z }\n";
        _cleanup_(toml_freep) struct toml_value *document = NULL;

        assert_int_equal(toml_parse(text, strlen(text), &document, NULL), 0);
        assert_string_equal(toml_string(toml_get(document, "a"), "b c"), "x\\y");
        assert_string_equal(toml_string(toml_get(document, "t"), "s"), "one two\u00e9");
        assert_int_equal(toml_get(toml_get(document, "t"), "n")->count, 3);
        assert_int_equal(toml_get(document, "l")->count, 2);
        assert_int_equal(toml_get(toml_get(document, "l")->items[0], "v")->kind, TOML_BOOL);
}

static void refuses_what_is_no_toml_with_the_line(void **state)
{
        static const char *const wrong[] = { "a = 1\n\na = 2\n", "[a]\n\n[a]\n",  "\n\na = \n",
                                             "\n\na = 1 2\n",    "\n\na = \"x\n", "\n\na = \"\\q\"\n",
                                             "\n\n[a\n",         "\n\n= 1\n",     "a.b = 1\n\n[a]\n",
                                             "\n\na = {b = 1\n", "\n\na = tru\n", "\n\na = \"\xff\"\n" };

        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                _cleanup_(toml_freep) struct toml_value *document = NULL;
                _cleanup_failure_ failure = {};

                if (toml_parse(wrong[i], strlen(wrong[i]), &document, &failure) != -EINVAL ||
                    strncmp(failure.message, "line 3: ", 8) != 0)
                        fail_msg("%s: %s", wrong[i], failure.message);
        }
}

/* ---- the rest ---- */

static void a_version_is_its_numbers(void **state)
{
        struct containerd_version version;
        char text[CONTAINERD_VERSION_SIZE];

        assert_int_equal(containerd_version_parse("1.6.20~ds1", &version), 0);
        assert_string_equal(containerd_version_format(&version, text), "1.6.20");
        assert_int_equal(containerd_version_parse("v2.1.0-rc.1", &version), 0);
        assert_true(containerd_version_at_least(&version, 2, 1));
        assert_false(containerd_version_at_least(&version, 2, 2));
        assert_int_equal(containerd_version_parse("unknown", &version), -EINVAL);
        assert_int_equal(containerd_version_parse("2", &version), -EINVAL);
        assert_string_equal(containerd_version_format(&unknown, text), "unknown");
}

static void headers_are_spelled_as_go_spells_them_and_never_told(void **state)
{
        static const char *const wrong[] = { "x", ": x", "A b: x", "A:", "Host: x", "A: 1\na: 2", "A: \x01" };
        static const char text[] = "# comment\r\n\nx-auth-TOKEN:  s e \r\nB: 2";
        struct mirror_header *headers;
        size_t count;

        assert_int_equal(headers_parse("F", text, strlen(text), &headers, &count, NULL), 0);
        assert_int_equal(count, 2);
        assert_string_equal(headers[0].name, "X-Auth-Token");
        assert_string_equal(headers[0].value, "s e");
        headers_free(headers, count);
        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                _cleanup_failure_ failure = {};

                assert_int_equal(headers_parse("F", wrong[i], strlen(wrong[i]), &headers, &count, &failure),
                                 -EINVAL);
                assert_int_equal(strncmp(failure.message, "F: line ", 8), 0);
        }
}

static void an_image_is_named_as_the_kubelet_names_it(void **state)
{
        static const char digest[] =
                "sha256:0123456789012345678901234567890123456789012345678901234567890123";
        static const struct {
                const char *text, *host, *repository, *object;
        } cases[] = {
                { "busybox", "docker.io", "library/busybox", "latest" },
                { "a/b:1", "docker.io", "a/b", "1" },
                { "index.docker.io/a/b:1", "docker.io", "a/b", "1" },
                { "localhost/a", "localhost", "a", "latest" },
                { "quay.io:8443/a/b:1", "quay.io:8443", "a/b", "1" },
                { "quay.io/a:1@sha256:0123456789012345678901234567890123456789012345678901234567890123",
                  "quay.io", "a", digest },
        };
        static const char *const wrong[] = {
                "", "A", "https://quay.io/a", "quay.io/", "quay.io/a//b", "a:", "a@sha256:1", "quay.io/../a"
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_image_ image = {};

                assert_int_equal(image_reference_parse(cases[i].text, &image, NULL), 0);
                assert_string_equal(image.host, cases[i].host);
                assert_string_equal(image.repository, cases[i].repository);
                assert_string_equal(image.object, cases[i].object);
        }
        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                _cleanup_image_ image = {};

                if (image_reference_parse(wrong[i], &image, NULL) != -EINVAL)
                        fail_msg("%s", wrong[i]);
        }
}

static void a_challenge_names_the_server_of_tokens(void **state)
{
        struct challenge challenge;

        assert_int_equal(
                challenge_parse("Bearer realm=\"https://t/token\",service=\"a b\", scope=repository:x:pull",
                                &challenge),
                0);
        assert_string_equal(challenge.realm, "https://t/token");
        assert_string_equal(challenge.service, "a b");
        assert_string_equal(challenge.scope, "repository:x:pull");
        assert_int_equal(challenge_parse("Basic realm=\"x\"", &challenge), -ENOENT);
        assert_int_equal(challenge_parse("Bearer realm=\"file:///etc\"", &challenge), -EBADMSG);
        assert_int_equal(challenge_parse("Bearer realm=\"https://t", &challenge), -EBADMSG);
        assert_int_equal(challenge_parse("Bearer ", &challenge), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(refuses_a_registry_that_no_image_is_of),
                cmocka_unit_test(refuses_what_containerd_would_read_otherwise),
                cmocka_unit_test(refuses_a_registry_from_which_nothing_could_be_pulled),
                cmocka_unit_test(what_a_version_does_not_know_is_left_out),
                cmocka_unit_test(the_default_stands_behind_the_registrys_own_endpoints_once),
                cmocka_unit_test(a_default_without_fallback_names_nobody),
                cmocka_unit_test(another_order_puts_the_registry_itself_before_the_rest),
                cmocka_unit_test(names_the_directory_that_containerd_looks_for_first),
                cmocka_unit_test(refuses_every_file_that_containerd_ignores),
                cmocka_unit_test(shows_a_file_without_the_values_of_headers),
                cmocka_unit_test(reads_toml_as_its_standard_says),
                cmocka_unit_test(refuses_what_is_no_toml_with_the_line),
                cmocka_unit_test(a_version_is_its_numbers),
                cmocka_unit_test(headers_are_spelled_as_go_spells_them_and_never_told),
                cmocka_unit_test(an_image_is_named_as_the_kubelet_names_it),
                cmocka_unit_test(a_challenge_names_the_server_of_tokens),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
