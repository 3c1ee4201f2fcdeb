/* SPDX-License-Identifier: Apache-2.0 */

/* What is asked, what the condition says of the answers, and in which order containerd is told to ask. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "demotion.h"
#include "hosts-file.h"
#include "probe-verdict.h"

#define HOSTS_MAX 8

struct fixture {
        struct mirror_config *config;
        struct mirror_plan plan;
        struct standing standings[HOSTS_MAX];
        const struct standing *of_host[HOSTS_MAX];
};

static void open_fixture(struct fixture *f, const char *text)
{
        _cleanup_failure_ failure = {};
        void *config;

        *f = (struct fixture){};
        if (config_parse(&mirror_config_type, "test.json", text, strlen(text), &config, &failure) < 0)
                fail_msg("%s", failure.message);
        f->config = config;
        assert_int_equal(mirror_plan_load(config, "/nonexistent", &f->plan, &failure), 0);
        assert_true(f->plan.n_hosts <= HOSTS_MAX);
        for (size_t i = 0; i < f->plan.n_hosts; i++) {
                f->standings[i].state = PROBE_ANSWERS;
                f->of_host[i] = &f->standings[i];
        }
}

static void close_fixture(struct fixture *f)
{
        mirror_plan_clear(&f->plan);
        config_free(&mirror_config_type, f->config);
}

static void set(struct fixture *f, size_t host, enum probe_state state, const char *detail)
{
        f->standings[host].state = state;
        (void)snprintf(f->standings[host].detail, PROBE_DETAIL_SIZE, "%s", detail);
}

static void assert_verdict(const struct fixture *f, enum condition_status status, const char *reason,
                           const char *message)
{
        struct probe_verdict verdict;

        probe_verdict(&f->plan, f->of_host, &verdict);
        assert_int_equal(verdict.status, status);
        assert_string_equal(verdict.reason, reason);
        assert_string_equal(verdict.message, message);
}

/* ---- what is asked ---- */

static void assert_asked(const char *url, bool override_path, const char *expected, bool expected_root)
{
        const struct mirror_endpoint endpoint = { .url = (char *)url, .override_path = override_path };
        _cleanup_free_ char *asked = NULL;
        bool is_root;

        assert_int_equal(probe_url(&endpoint, &asked, &is_root), 0);
        assert_string_equal(asked, expected);
        assert_int_equal(is_root, expected_root);
}

static void the_root_of_the_api_is_asked_as_containerd_finds_it(void **state)
{
        assert_asked("https://m.example.org", false, "https://m.example.org/v2/", true);
        assert_asked("https://m.example.org/", false, "https://m.example.org/v2/", true);
        assert_asked("https://m.example.org:5000/v2", false, "https://m.example.org:5000/v2/", true);
        assert_asked("https://m.example.org/docker/v2/", false, "https://m.example.org/docker/v2/", true);
        assert_asked("https://m.example.org/docker", false, "https://m.example.org/docker/v2/", true);
        assert_asked("http://[fd00::1]:5000", false, "http://[fd00::1]:5000/v2/", true);
}

static void behind_an_overridden_path_the_root_before_the_project_is_asked(void **state)
{
        assert_asked("https://m.example.org/v2/dockerhub", true, "https://m.example.org/v2/", true);
        assert_asked("https://m.example.org/api/docker/hub/v2", true,
                     "https://m.example.org/api/docker/hub/v2/", true);
        assert_asked("https://m.example.org/v2x/hub", true, "https://m.example.org/v2x/hub/", false);
        assert_asked("https://v2.example.org/hub", true, "https://v2.example.org/hub/", false);
        assert_asked("https://v2", true, "https://v2/", false);
}

/* ---- what the condition says ---- */

#define TWO                                                                                    \
        "{\"registries\":{\"docker.io\":{\"fallback\":true,\"endpoints\":[{\"url\":\"https://" \
        "one.example.org\"},"                                                                  \
        "{\"url\":\"https://two.example.org\"}]}}}"
#define CLOSED                                                                                  \
        "{\"registries\":{\"docker.io\":{\"fallback\":false,\"endpoints\":[{\"url\":\"https://" \
        "one.example.org\"},"                                                                   \
        "{\"url\":\"https://two.example.org\"}]}}}"

static void all_good_says_who_has_no_fallback(void **state)
{
        struct fixture f;

        open_fixture(&f, CLOSED);
        assert_verdict(&f, CONDITION_TRUE, "AllEndpointsAnswer",
                       "2 of 2 endpoints answer; without fallback: docker.io");
        close_fixture(&f);
}

static void nothing_is_claimed_before_every_endpoint_was_asked(void **state)
{
        struct fixture f;

        open_fixture(&f, TWO);
        f.standings[1].state = PROBE_UNKNOWN;
        assert_verdict(&f, CONDITION_UNKNOWN, "NotCheckedYet", "1 of 2 endpoints were asked until now");
        close_fixture(&f);
}

static void a_bad_endpoint_is_named_with_the_remedy(void **state)
{
        struct fixture f;

        open_fixture(&f, TWO);
        set(&f, 1, PROBE_FAILS, "answers 503");
        f.standings[1].demoted = true;
        assert_verdict(
                &f, CONDITION_FALSE, "EndpointFails",
                "1 of 2 endpoints cannot be used; https://two.example.org: answers 503 (asked behind the "
                "others), look at the mirror's own logs");
        close_fixture(&f);
}

static void assert_chain(const struct fixture *f, const char *host, const char *of)
{
        const struct mirror_chain *chain = mirror_plan_find(&f->plan, host);

        assert_non_null(chain);
        assert_false(chain->fallback);
        assert_string_equal(chain->of ?: "", of);
}

static void a_registry_without_fallback_is_closed_under_its_other_names(void **state)
{
        struct fixture f;

        open_fixture(&f, CLOSED);
        assert_chain(&f, "docker.io", "");
        assert_chain(&f, "docker.io:443", "docker.io");
        assert_chain(&f, "registry-1.docker.io", "docker.io");
        assert_chain(&f, "registry-1.docker.io:443", "docker.io");
        assert_int_equal(f.plan.n_chains, 4);
        close_fixture(&f);
        open_fixture(
                &f,
                "{\"registries\":{\"[fd00::1]:443\":{\"fallback\":false,\"endpoints\":[{\"url\":\"https://"
                "1\"}]},"
                "\"[fd00::2]\":{\"fallback\":false,\"endpoints\":[{\"url\":\"https://1\"}]},"
                "\"r.example.org:5000\":{\"fallback\":false,\"endpoints\":[{\"url\":\"https://1\"}]},"
                "\"both.example.org\":{\"fallback\":false,\"endpoints\":[{\"url\":\"https://1\"}]},"
                "\"both.example.org:443\":{\"fallback\":false,\"endpoints\":[{\"url\":\"https://2\"}]}}}");
        assert_chain(&f, "[fd00::1]", "[fd00::1]:443");
        assert_chain(&f, "[fd00::2]:443", "[fd00::2]");
        assert_chain(&f, "both.example.org", "");
        assert_chain(&f, "both.example.org:443", "");
        assert_int_equal(f.plan.n_chains, 7);
        close_fixture(&f);
        open_fixture(&f, TWO);
        assert_int_equal(f.plan.n_chains, 1);
        close_fixture(&f);
}

static void a_registry_that_nobody_is_left_for_comes_first(void **state)
{
        struct fixture f;

        open_fixture(&f, CLOSED);
        set(&f, 0, PROBE_DENIES, "answers 403");
        set(&f, 1, PROBE_NO_REGISTRY, "answers 404");
        assert_verdict(
                &f, CONDITION_FALSE, "NoEndpointAnswers",
                "no image of docker.io can be pulled: it has no fallback; 2 of 2 endpoints cannot be used; "
                "https://one.example.org: answers 403, check headersFile and what the mirror grants this "
                "node; "
                "https://two.example.org: answers 404, check url and overridePath");
        close_fixture(&f);
}

static void one_that_throttles_is_good_and_told(void **state)
{
        struct fixture f;

        open_fixture(&f, TWO);
        set(&f, 0, PROBE_THROTTLES, "answers 429");
        assert_verdict(
                &f, CONDITION_TRUE, "AllEndpointsAnswer",
                "2 of 2 endpoints answer; https://one.example.org answers 429: it limits the rate of this "
                "node's requests");
        close_fixture(&f);
}

static void a_message_of_many_bad_endpoints_ends_somewhere(void **state)
{
        struct probe_verdict verdict;
        struct fixture f;

        open_fixture(
                &f,
                "{\"registries\":{\"docker.io\":{\"fallback\":true,\"endpoints\":[{\"url\":\"https://1\"},"
                "{\"url\":\"https://2\"},{\"url\":\"https://3\"},{\"url\":\"https://4\"},"
                "{\"url\":\"https://5\"}]}}}");
        for (size_t i = 0; i < f.plan.n_hosts; i++)
                set(&f, i, PROBE_UNREACHABLE, "no route");
        probe_verdict(&f.plan, f.of_host, &verdict);
        assert_non_null(strstr(verdict.message, "https://3"));
        assert_null(strstr(verdict.message, "https://4"));
        assert_non_null(strstr(verdict.message, "; and 2 more"));
        close_fixture(&f);
}

/* ---- the order ---- */

/* The URLs in the order in which the file has them, and that containerd of any version reads the file. */
static void assert_order(const struct fixture *f, const char *host, const bool *is_demoted,
                         const char *expected)
{
        static const struct containerd_version versions[] = { { 1, 6, 20 }, { 1, 7, 24 }, { 2, 1, 9 } };
        struct mirror_chain *chain = (struct mirror_chain *)mirror_plan_find(&f->plan, host);

        demotion_order(chain, is_demoted, &chain->order);
        for (size_t i = 0; i < ELEMENTS(versions); i++) {
                _cleanup_free_ char *text = hosts_file_render(&f->plan, chain, &versions[i]);
                _cleanup_failure_ failure = {};
                char urls[512] = "";

                assert_non_null(text);
                if (hosts_file_check(text, &versions[i], &failure) < 0)
                        fail_msg("%s in:\n%s", failure.message, text);
                for (const char *at = text; (at = strstr(at, "[host.\"https://")); at++)
                        (void)snprintf(urls + strlen(urls), sizeof(urls) - strlen(urls), " %.*s",
                                       (int)strcspn(at + 15, "\""), at + 15);
                assert_string_equal(urls, expected);
        }
}

static void the_dead_come_behind_the_living_and_the_registry_itself(void **state)
{
        struct fixture f;

        open_fixture(&f, TWO);
        assert_order(&f, "docker.io", (bool[]){ false, false }, " one.example.org two.example.org");
        assert_order(&f, "docker.io", (bool[]){ true, false },
                     " two.example.org registry-1.docker.io one.example.org");
        assert_order(&f, "docker.io", (bool[]){ true, true },
                     " registry-1.docker.io one.example.org two.example.org");
        close_fixture(&f);
}

static void without_fallback_the_registry_itself_has_no_place(void **state)
{
        struct fixture f;

        open_fixture(&f, CLOSED);
        assert_order(&f, "docker.io", (bool[]){ true, false }, " two.example.org one.example.org");
        assert_order(&f, "docker.io", (bool[]){ true, true }, " one.example.org two.example.org");
        close_fixture(&f);
}

static void the_default_has_no_registry_to_put_before_the_dead(void **state)
{
        struct fixture f;

        open_fixture(&f,
                     "{\"default\":{\"fallback\":true,\"endpoints\":[{\"url\":\"https://one.example.org\"},"
                     "{\"url\":\"https://two.example.org\"}]}}");
        assert_order(&f, NULL, (bool[]){ true, false }, " two.example.org one.example.org");
        close_fixture(&f);
}

static void a_registry_that_is_its_own_endpoint_stands_there_once(void **state)
{
        struct fixture f;

        open_fixture(&f, "{\"registries\":{\"r.example.org\":{\"fallback\":true,\"endpoints\":["
                         "{\"url\":\"https://one.example.org\"},{\"url\":\"https://r.example.org/\"}]}}}");
        assert_order(&f, "r.example.org", (bool[]){ true, false }, " r.example.org/ one.example.org");
        close_fixture(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_root_of_the_api_is_asked_as_containerd_finds_it),
                cmocka_unit_test(behind_an_overridden_path_the_root_before_the_project_is_asked),
                cmocka_unit_test(all_good_says_who_has_no_fallback),
                cmocka_unit_test(nothing_is_claimed_before_every_endpoint_was_asked),
                cmocka_unit_test(a_bad_endpoint_is_named_with_the_remedy),
                cmocka_unit_test(a_registry_without_fallback_is_closed_under_its_other_names),
                cmocka_unit_test(a_registry_that_nobody_is_left_for_comes_first),
                cmocka_unit_test(one_that_throttles_is_good_and_told),
                cmocka_unit_test(a_message_of_many_bad_endpoints_ends_somewhere),
                cmocka_unit_test(the_dead_come_behind_the_living_and_the_registry_itself),
                cmocka_unit_test(without_fallback_the_registry_itself_has_no_place),
                cmocka_unit_test(the_default_has_no_registry_to_put_before_the_dead),
                cmocka_unit_test(a_registry_that_is_its_own_endpoint_stands_there_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
