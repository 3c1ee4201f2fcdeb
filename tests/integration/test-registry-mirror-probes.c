/* SPDX-License-Identifier: Apache-2.0 */

/* The probes of registry-mirror against servers that say what they are told, and against a real
 * docker-registry. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>

#include "answers.h"
#include "containerd.h"
#include "files.h"
#include "pki.h"
#include "probes.c"
#include "program.h"
#include "registry.h"

#define ANSWER(status, headers) "HTTP/1.1 " status "\r\n" headers "Content-Length: 0\r\n\r\n"
#define BASIC                   "WWW-Authenticate: Basic realm=\"mirror\"\r\n"
#define BEARER                  "WWW-Authenticate: Bearer realm=\"https://auth.example.org/token\"\r\n"

/* What swallows packets is waited for so long, and a machine that is busy answers sooner. */
#define TIMEOUT_SECONDS 3

#define LOCKED   "127.0.0.3:5000" /* a registry that wants a client certificate */
#define PASSWORD "127.0.0.4:5000" /* one that wants a password */

/* What one endpoint is, and what it is expected to be called. */
struct row {
        const char *name;
        const char *answer; /* of a server of its own; NULL: `url` is somebody else's */
        const char *url;
        const char *keys; /* more of the endpoint's configuration */
        enum probe_state expected;
};

#define CA      ",\"caFile\":\"/etc/mirror-ca.crt\""
#define HEADERS ",\"headersFile\":\"/etc/headers\""
#define CLIENT  ",\"certFile\":\"/etc/client.crt\",\"keyFile\":\"/etc/client.key\""

static const struct row rows[] = {
        { "ok", ANSWER("200 OK", ""), NULL, CA, PROBE_ANSWERS },
        { "redirect", ANSWER("301 Moved", "Location: /\r\n"), NULL, CA, PROBE_ANSWERS },
        { "anonymous", ANSWER("401 Unauthorized", BASIC), NULL, CA, PROBE_ANSWERS },
        { "denied", ANSWER("401 Unauthorized", BASIC), NULL, CA HEADERS, PROBE_DENIES },
        { "token", ANSWER("401 Unauthorized", BEARER), NULL, CA HEADERS, PROBE_NEEDS_TOKEN },
        { "forbidden", ANSWER("403 Forbidden", ""), NULL, CA, PROBE_DENIES },
        { "nothing", ANSWER("404 Not Found", ""), NULL, CA, PROBE_NO_REGISTRY },
        { "throttled", ANSWER("429 Too Many Requests", "Retry-After: 120\r\n"), NULL, CA, PROBE_THROTTLES },
        { "broken", ANSWER("503 Service Unavailable", ""), NULL, CA, PROBE_FAILS },
        { "stranger", ANSWER("200 OK", ""), NULL, "", PROBE_REFUSES_TLS },
        { "bundled", ANSWER("200 OK", ""), NULL, "", PROBE_ANSWERS },
        { "closed", NULL, "https://127.0.0.5:5000", CA, PROBE_UNREACHABLE },
        { "hole", NULL, "https://" CONTAINERD_HOLE ":5000", CA, PROBE_TIMES_OUT },
        { "locked", NULL, "https://" LOCKED, CA CLIENT, PROBE_ANSWERS },
        { "locked out", NULL, "https://" LOCKED, CA, PROBE_REFUSES_TLS },
        { "password", NULL, "https://" PASSWORD, CA HEADERS, PROBE_ANSWERS },
};

struct fixture {
        char *root;
        struct identity ca, other_ca, server, client;
        struct answers servers[ELEMENTS(rows)];
        const char *texts[ELEMENTS(rows)][2];
        struct registry locked, password;
        sd_event *event;
        struct probes *probes;
        struct mirror_config *config;
        unsigned changes;
};

static const struct containerd_version old = { 1, 7, 24 };

static void on_changed(void *userdata)
{
        struct fixture *f = userdata;

        f->changes++;
}

static struct mirror_config *parse(const char *text)
{
        _cleanup_failure_ failure = {};
        void *config;

        if (config_parse(&mirror_config_type, "test.json", text, strlen(text), &config, &failure) < 0)
                fail_msg("%s", failure.message);
        return config;
}

/* One registry for each row. */
static struct mirror_config *configuration(struct fixture *f)
{
        _cleanup_free_ char *text = NULL;
        FILE *stream;
        size_t size;

        stream = open_memstream(&text, &size);
        assert_non_null(stream);
        fprintf(stream,
                "{\"demoteDead\":true,\"probe\":{\"interval\":\"1s\",\"timeout\":\"%ds\"},\"registries\":{",
                TIMEOUT_SECONDS);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char url[64];

                (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u", f->servers[i].port);
                fprintf(stream,
                        "%s\"r%zu.example.org\":{\"fallback\":true,\"endpoints\":[{\"url\":\"%s\"%s}]}",
                        i ? "," : "", i, rows[i].url ?: url, rows[i].keys);
        }
        fputs("}}", stream);
        assert_int_equal(fclose(stream), 0);
        return parse(text);
}

static void start_registry(struct fixture *f, struct registry *registry, const char *name)
{
        registry->directory = path_under(f->root, name);
        registry_start(registry, &f->server);
}

static void start_servers(struct fixture *f)
{
        /* An authority that somebody wrote behind the others in the bundle. */
        struct identity by_hand = identity_make(NULL, "By Hand", NULL, true, 10),
                        bundled = identity_make_server(&by_hand, "IP:127.0.0.1");
        struct identity stranger = identity_make(&f->other_ca, "stranger", NULL, false, 10);
        _cleanup_free_ char *client_ca = path_under(f->root, "/etc/mirror-ca.crt"),
                            *certs = path_under(f->root, "/etc/ssl/certs");

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                if (!rows[i].answer)
                        continue;
                f->texts[i][0] = rows[i].answer;
                f->servers[i].texts = f->texts[i];
                answers_start(&f->servers[i], strcmp(rows[i].name, "stranger") == 0  ? &stranger
                                              : strcmp(rows[i].name, "bundled") == 0 ? &bundled
                                                                                     : &f->server);
        }
        assert_int_equal(directory_make(certs, 0755), 0);
        identity_save(&by_hand, certs, "ca-certificates");
        identity_clear(&by_hand);
        identity_clear(&bundled);
        identity_clear(&stranger);
        f->locked = (struct registry){ .address = LOCKED, .client_ca = client_ca };
        f->password = (struct registry){ .address = PASSWORD, .password = true };
        start_registry(f, &f->locked, "/locked");
        start_registry(f, &f->password, "/password");
}

static void configure(struct fixture *f, struct mirror_config *config)
{
        _cleanup_failure_ failure = {};

        if (probes_configure(f->probes, config, &old, &failure) < 0)
                fail_msg("%s", failure.message);
        config_free(&mirror_config_type, f->config);
        f->config = config;
}

static void run_until(struct fixture *f, bool (*done)(struct fixture *f), const char *what)
{
        uint64_t deadline = now_boottime_usec() + DEADLINE_SECONDS * USEC_PER_SEC;

        while (!done(f)) {
                if (now_boottime_usec() > deadline)
                        fail_msg("%s did not come", what);
                assert_true(sd_event_run(f->event, 100 * USEC_PER_MSEC) >= 0);
                assert_true(count_running(f->probes) <= PROBES_PARALLEL_MAX);
        }
}

static int open_fixture(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        (void)signal(SIGPIPE, SIG_IGN); /* as event_loop_open has it */
        containerd_enter();
        f->root = root_make();
        f->ca = identity_make(NULL, "Corporate Root", NULL, true, 10);
        f->other_ca = identity_make(NULL, "Other Root", NULL, true, 10);
        f->server = identity_make_server(&f->ca, "IP:127.0.0.1,IP:127.0.0.3,IP:127.0.0.4");
        f->client = identity_make(&f->ca, "node", NULL, false, 10);
        identity_save(&f->ca, f->root, "etc/mirror-ca");
        identity_save(&f->client, f->root, "etc/client");
        root_write(f->root, "etc/headers", "Authorization: Basic " REGISTRY_BASIC "\nX-Node: cp-0\n", 0600);
        root_write(f->root, "etc/machine-id", "4dd0b1a4a9c64a0b8a3f2a9d3e1c5b77\n", 0644);
        start_servers(f);
        assert_int_equal(sd_event_new(&f->event), 0);
        assert_int_equal(probes_new(f->event, f->root, on_changed, f, &f->probes), 0);
        configure(f, configuration(f));
        *state = f;
        return 0;
}

static int close_fixture(void **state)
{
        struct fixture *f = *state;

        probes_free(f->probes);
        config_free(&mirror_config_type, f->config);
        sd_event_unref(f->event);
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].answer)
                        answers_stop(&f->servers[i]);
        registry_stop(&f->locked);
        registry_stop(&f->password);
        free((char *)f->locked.directory);
        free((char *)f->password.directory);
        identity_clear(&f->ca);
        identity_clear(&f->other_ca);
        identity_clear(&f->server);
        identity_clear(&f->client);
        root_remove(f->root);
        free(f);
        return 0;
}

static const struct standing *standing_of(const struct fixture *f, const char *name)
{
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (strcmp(rows[i].name, name) == 0)
                        return probes_standing(f->probes, i);
        fail_msg("no row \"%s\"", name);
        return NULL;
}

/* ---- the tests ---- */

/* A probe that came too late for a busy machine is made again. */
static void wait_for_state(struct fixture *f, const char *name, enum probe_state expected)
{
        const uint64_t deadline = now_boottime_usec() + DEADLINE_SECONDS * USEC_PER_SEC;
        const struct standing *standing;

        while ((standing = standing_of(f, name))->state != expected) {
                if (now_boottime_usec() > deadline)
                        fail_msg("%s: state %d, not %d (%s)", name, (int)standing->state, (int)expected,
                                 standing->detail);
                assert_true(sd_event_run(f->event, 100 * USEC_PER_MSEC) >= 0);
        }
}

static void every_kind_of_answer_has_its_name(void **state)
{
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                wait_for_state(*state, rows[i].name, rows[i].expected);
}

static void status_latency_and_the_certificates_end_are_known(void **state)
{
        const struct probe_result *ok = &standing_of(*state, "ok")->last;
        uint64_t ten_days_usec = 10 * USEC_PER_DAY;

        assert_int_equal(ok->status, 200);
        assert_string_equal(ok->detail, "answers 200");
        assert_in_range(ok->latency_usec, 1, TIMEOUT_SECONDS * USEC_PER_SEC);
        assert_in_range(ok->expires_usec, now_realtime_usec() + ten_days_usec - USEC_PER_HOUR,
                        now_realtime_usec() + ten_days_usec);
        assert_int_equal(standing_of(*state, "broken")->last.status, 503);
        assert_int_equal(standing_of(*state, "closed")->last.status, 0);
        assert_int_equal(standing_of(*state, "closed")->last.expires_usec, 0);
}

static unsigned asked[ELEMENTS(rows)];

static bool were_asked_three_times_more(struct fixture *f)
{
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].answer && rows[i].expected != PROBE_THROTTLES &&
                    rows[i].expected != PROBE_REFUSES_TLS &&
                    atomic_load(&f->servers[i].requests) < asked[i] + 3)
                        return false;
        return true;
}

static void one_that_throttles_is_left_alone_for_as_long_as_it_said(void **state)
{
        struct fixture *f = *state;

        for (size_t i = 0; i < ELEMENTS(rows); i++)
                asked[i] = atomic_load(&f->servers[i].requests);
        run_until(f, were_asked_three_times_more, "three probes of the others");
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].expected == PROBE_THROTTLES)
                        assert_int_equal(atomic_load(&f->servers[i].requests), asked[i]);
}

static bool closed_is_demoted(struct fixture *f)
{
        return standing_of(f, "closed")->demoted;
}

static void three_failures_demote_and_tell_once(void **state)
{
        struct fixture *f = *state;

        run_until(f, closed_is_demoted, "the demotion");
        assert_true(f->changes > 0);
        assert_false(standing_of(f, "ok")->demoted);
        assert_false(standing_of(f, "denied")->demoted);
}

static void a_new_configuration_keeps_what_is_known_of_the_same_endpoints(void **state)
{
        struct fixture *f = *state;

        wait_for_state(f, "ok", PROBE_ANSWERS);
        configure(f, configuration(f));
        assert_int_equal(standing_of(f, "ok")->state, PROBE_ANSWERS);
        assert_true(standing_of(f, "closed")->demoted);
}

static void an_endpoint_of_other_authorities_is_another(void **state)
{
        struct fixture *f = *state;

        identity_save(&f->other_ca, f->root, "etc/mirror-ca");
        configure(f, configuration(f));
        assert_int_equal(standing_of(f, "ok")->state, PROBE_UNKNOWN);
        wait_for_state(f, "ok", PROBE_REFUSES_TLS);
        identity_save(&f->ca, f->root, "etc/mirror-ca");
        configure(f, configuration(f));
        wait_for_state(f, "ok", PROBE_ANSWERS);
}

static void files_that_cannot_be_read_change_nothing(void **state)
{
        struct fixture *f = *state;
        struct mirror_config *config = configuration(f);
        _cleanup_failure_ failure = {};

        wait_for_state(f, "ok", PROBE_ANSWERS);
        root_write(f->root, "etc/mirror-ca.crt", "not a certificate\n", 0644);
        assert_int_equal(probes_configure(f->probes, config, &old, &failure), -EINVAL);
        config_free(&mirror_config_type, config);
        identity_save(&f->ca, f->root, "etc/mirror-ca");
        assert_int_equal(standing_of(f, "ok")->state, PROBE_ANSWERS);
}

static void a_newer_containerd_sends_credentials_to_token_servers(void **state)
{
        const struct containerd_version new = { 2, 1, 0 };
        struct fixture *f = *state;

        assert_int_equal(probes_configure(f->probes, f->config, &new, NULL), 0);
        wait_for_state(f, "token", PROBE_ANSWERS);
}

static void the_same_place_is_asked_once_for_all_registries(void **state)
{
        struct fixture *f = *state;
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "{\"registries\":{\"a.example.org\":{\"fallback\":true,\"endpoints\":[{\"url\":"
                       "\"https://127.0.0.1"
                       ":%1$u/v2/a\",\"overridePath\":true" CA
                       "}]},\"b.example.org\":{\"fallback\":true,\"endpoints\":"
                       "[{\"url\":\"https://127.0.0.1:%1$u/v2/b\",\"overridePath\":true" CA "}]}}}",
                       f->servers[0].port);
        configure(f, parse(text));
        assert_int_equal(f->probes->plan.n_hosts, 2);
        assert_int_equal(f->probes->count, 1);
        assert_ptr_equal(probes_standing(f->probes, 0), probes_standing(f->probes, 1));
}

static void switched_off_nobody_is_asked_and_nothing_known(void **state)
{
        struct fixture *f = *state;

        configure(f, parse("{\"probe\":{\"enabled\":false},\"registries\":{\"docker.io\":{\"fallback\":true,"
                           "\"endpoints\":[{\"url\":\"https://127.0.0.5:5000\"}]}}}"));
        assert_int_equal(f->probes->plan.n_hosts, 0);
        assert_null(next_due(f->probes));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_kind_of_answer_has_its_name),
                cmocka_unit_test(status_latency_and_the_certificates_end_are_known),
                cmocka_unit_test(one_that_throttles_is_left_alone_for_as_long_as_it_said),
                cmocka_unit_test(three_failures_demote_and_tell_once),
                cmocka_unit_test(a_new_configuration_keeps_what_is_known_of_the_same_endpoints),
                cmocka_unit_test(an_endpoint_of_other_authorities_is_another),
                cmocka_unit_test(files_that_cannot_be_read_change_nothing),
                cmocka_unit_test(a_newer_containerd_sends_credentials_to_token_servers),
                cmocka_unit_test(the_same_place_is_asked_once_for_all_registries),
                cmocka_unit_test(switched_off_nobody_is_asked_and_nothing_known),
        };

        return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
