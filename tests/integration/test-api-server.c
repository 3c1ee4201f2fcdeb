/* SPDX-License-Identifier: Apache-2.0 */

/* What the agent makes of each answer that an API server may give, over real TLS with the kubelet's kind of
 * credential. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>

#include "answers.h"
#include "api-server.h"
#include "files.h"
#include "program.h"
#include "quantity.h"

#define ANSWER(status, fields, body) "HTTP/1.1 " status "\r\n" fields "Content-Length: " body
#define NODE_BODY                    "38\r\n\r\n{\"kind\":\"Node\",\"metadata\":{\"uid\":\"u\"}}"
#define NODE                         ANSWER("200 OK", "", NODE_BODY)

struct world {
        char *root;
        struct identity ca, server, client;
        struct answers answers;
        sd_event *event;
        struct api_server *api;
        /* of the last request */
        bool done;
        enum api_outcome outcome;
        uint64_t retry_after_usec;
        char message[256];
};

static int make_world(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        static const char *const directories[] = { "/etc/kubernetes" };

        signal(SIGPIPE, SIG_IGN);
        world->root = root_make();
        world->ca = identity_make(NULL, "kubernetes", NULL, true, 2);
        world->server = identity_make(&world->ca, "kube-apiserver", NULL, false, 1);
        world->client = identity_make(&world->ca, "system:node:cp-0", "system:nodes", false, 1);
        for (size_t i = 0; i < ELEMENTS(directories); i++) {
                _cleanup_free_ char *path = path_under(world->root, directories[i]);

                assert_int_equal(directory_make(path, 0755), 0);
        }
        identity_save(&world->ca, world->root, "etc/kubernetes/ca");
        identity_save(&world->client, world->root, "etc/kubernetes/kubelet");
        assert_int_equal(sd_event_new(&world->event), 0);
        *state = world;
        return 0;
}

static int remove_world(void **state)
{
        struct world *world = *state;

        api_server_close(world->api);
        if (world->answers.thread)
                answers_stop(&world->answers);
        sd_event_unref(world->event);
        identity_clear(&world->ca);
        identity_clear(&world->server);
        identity_clear(&world->client);
        root_remove(world->root);
        free(world);
        return 0;
}

static void answer(struct world *world, const char *const *texts)
{
        _cleanup_free_ char *kubeconfig = NULL;

        world->answers.texts = texts;
        answers_start(&world->answers, &world->server);
        assert_true(asprintf(&kubeconfig,
                             "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                             "clusters: [{name: k, cluster: {server: \"https://127.0.0.1:%u\", "
                             "certificate-authority: ca.crt}}]\n"
                             "users: [{name: u, user: {client-certificate: kubelet.crt, client-key: "
                             "kubelet.key}}]\n",
                             world->answers.port) > 0);
        root_write(world->root, "etc/kubernetes/kubelet.conf", kubeconfig, 0600);
}

static void connect_api(struct world *world)
{
        assert_int_equal(api_server_open(world->event, world->root, "/etc/kubernetes/kubelet.conf",
                                         &world->api, NULL),
                         0);
        assert_string_equal(api_server_node(world->api), "cp-0");
}

static void on_done(const struct api_answer *got, void *userdata)
{
        struct world *world = userdata;

        world->done = true;
        world->outcome = got->outcome;
        world->retry_after_usec = got->retry_after_usec;
        (void)snprintf(world->message, sizeof(world->message), "%s", got->message);
        assert_true((got->outcome == API_OK) == (got->object != NULL));
}

static void request(struct world *world)
{
        world->done = false;
        assert_int_equal(api_server_send(world->api,
                                         &(struct api_request){ .method = "GET",
                                                                .path = "/api/v1/nodes/cp-0",
                                                                .timeout_usec =
                                                                        DEADLINE_SECONDS * USEC_PER_SEC },
                                         on_done, world),
                         0);
        while (!world->done)
                assert_true(sd_event_run(world->event, UINT64_MAX) >= 0);
}

static void every_status_has_an_outcome_of_its_own_and_the_servers_words(void **state)
{
        static const char *const texts[] = {
                NODE,
                ANSWER("403 Forbidden", "", "33\r\n\r\n{\"kind\":\"Status\",\"message\":\"no!\"}"),
                ANSWER("404 Not Found", "", "0\r\n\r\n"),
                ANSWER("409 Conflict", "", "0\r\n\r\n"),
                ANSWER("410 Gone", "", "0\r\n\r\n"),
                ANSWER("415 Unsupported Media Type", "", "0\r\n\r\n"),
                ANSWER("429 Too Many Requests", "Retry-After: 7\r\n", "0\r\n\r\n"),
                ANSWER("429 Too Many Requests", "Retry-After: 99999999999999999999\r\n", "0\r\n\r\n"),
                ANSWER("503 Service Unavailable", "Retry-After: 2\r\n", "0\r\n\r\n"),
                ANSWER("503 Service Unavailable", "Retry-After: Fri, 31 Dec 2027 23:59:59 GMT\r\n",
                       "0\r\n\r\n"),
                ANSWER("500 Internal Server Error", "", "0\r\n\r\n"),
                ANSWER("302 Found", "Location: http://127.0.0.1/\r\n", "0\r\n\r\n"),
                ANSWER("200 OK", "", "5\r\n\r\nhello"),
                NULL,
        };
        static const struct {
                enum api_outcome outcome;
                uint64_t retry_after;
                const char *message;
        } expected[] = {
                { API_OK, 0, "" },
                { API_FORBIDDEN, 0, "no!" },
                { API_NOT_FOUND, 0, "HTTP status 404" },
                { API_CONFLICT, 0, "HTTP status 409" },
                { API_GONE, 0, "HTTP status 410" },
                { API_REFUSED, 0, "HTTP status 415" },
                { API_TOO_MANY_REQUESTS, 7 * USEC_PER_SEC, "HTTP status 429" },
                { API_TOO_MANY_REQUESTS, 10 * USEC_PER_MIN, "HTTP status 429" },
                { API_TOO_MANY_REQUESTS, 2 * USEC_PER_SEC, "HTTP status 503" },
                { API_SERVER_ERROR, 0, "HTTP status 503" },
                { API_SERVER_ERROR, 0, "HTTP status 500" },
                { API_REFUSED, 0, "HTTP status 302" },
                { API_REFUSED, 0, "HTTP status 200 without JSON" },
        };
        struct world *world = *state;

        answer(world, texts);
        connect_api(world);
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                request(world);
                assert_int_equal(world->outcome, expected[i].outcome);
                assert_int_equal(world->retry_after_usec, expected[i].retry_after);
                assert_string_equal(world->message, expected[i].message);
        }
}

/* How long the agent waits at first: a moment where trying again helps, half a minute where a person has to.
 */
static void every_outcome_has_a_wait_of_its_own(void **state)
{
        static const struct {
                enum api_outcome outcome;
                const char *reason;
                unsigned seconds;
        } expected[] = {
                { API_UNAUTHORIZED, "CredentialRefused", 10 }, { API_FORBIDDEN, "NodeWriteForbidden", 30 },
                { API_NOT_FOUND, "NodeNotRegistered", 4 },     { API_CONFLICT, "NodeChangedMeanwhile", 1 },
                { API_GONE, "NodeStateOutdated", 1 },          { API_TOO_MANY_REQUESTS, "ApiServerBusy", 10 },
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                assert_string_equal(api_outcome_reason(expected[i].outcome), expected[i].reason);
                assert_int_equal(api_outcome_backoff_usec(expected[i].outcome),
                                 expected[i].seconds * USEC_PER_SEC);
        }
}

static void each_request_has_a_connection_of_its_own(void **state)
{
        static const char *const texts[] = { NODE, ANSWER("401 Unauthorized", "", "0\r\n\r\n"), NODE, NULL };
        struct world *world = *state;

        answer(world, texts);
        connect_api(world);
        request(world);
        assert_int_equal(world->outcome, API_OK);
        request(world);
        assert_int_equal(world->outcome, API_UNAUTHORIZED);
        /* So a renewed credential counts from the next one on. */
        identity_save(&world->client, world->root, "etc/kubernetes/kubelet");
        request(world);
        assert_int_equal(world->outcome, API_OK);
        assert_int_equal(world->answers.connections, 3);
}

static void a_server_of_another_authority_is_refused(void **state)
{
        static const char *const texts[] = { NODE, NULL };
        struct world *world = *state;
        struct identity other = identity_make(NULL, "kubernetes", NULL, true, 2);

        answer(world, texts);
        identity_save(&other, world->root, "etc/kubernetes/ca");
        identity_clear(&other);
        connect_api(world);
        request(world);
        assert_int_equal(world->outcome, API_TLS_REFUSED);
        assert_int_equal(world->answers.requests, 0);
}

static void a_certificate_that_is_no_kubelets_is_not_used(void **state)
{
        static const char *const texts[] = { NODE, NULL };
        struct world *world = *state;
        struct identity admin = identity_make(&world->ca, "kubernetes-admin", "system:masters", false, 1);
        _cleanup_failure_ failure = {};

        answer(world, texts);
        identity_save(&admin, world->root, "etc/kubernetes/kubelet");
        identity_clear(&admin);
        assert_int_equal(api_server_open(world->event, world->root, "/etc/kubernetes/kubelet.conf",
                                         &world->api, &failure),
                         -EINVAL);
        assert_string_equal(failure.reason, "NotANodeCredential");
}

static bool has_three_requests(void *userdata)
{
        struct world *world = userdata;

        return atomic_load(&world->answers.requests) >= 3;
}

static bool has_six_requests(void *userdata)
{
        struct world *world = userdata;

        return atomic_load(&world->answers.requests) >= 6;
}

static void a_node_that_changed_or_is_outdated_is_read_again_and_written(void **state)
{
        static const char *const texts[] = { NODE, ANSWER("409 Conflict", "", "0\r\n\r\n"),
                                             NODE, ANSWER("410 Gone", "", "0\r\n\r\n"),
                                             NODE, NODE,
                                             NULL };
        struct world *world = *state;
        pid_t agent;

        answer(world, texts);
        agent = program_start(AGENT, (const char *const[]){ "--root", world->root, "daemon", NULL });
        wait_until(has_six_requests, world, "the write behind 409 and 410");
        assert_int_equal(program_stop(agent, SIGTERM), 0);
        assert_memory_equal(world->answers.methods, "GPGPGP", 6);
}

static void the_agent_waits_as_long_as_a_busy_server_asks(void **state)
{
        static const char *const texts[] = {
                ANSWER("429 Too Many Requests", "Retry-After: 4\r\n", "0\r\n\r\n"), NODE, NULL
        };
        struct world *world = *state;
        pid_t agent;

        answer(world, texts);
        agent = program_start(AGENT, (const char *const[]){ "--root", world->root, "daemon", NULL });
        wait_until(has_three_requests, world, "the next try");
        assert_int_equal(program_stop(agent, SIGTERM), 0);
        assert_true(world->answers.times_usec[1] - world->answers.times_usec[0] >= 4 * USEC_PER_SEC - 1000);
        /* Then the Node was read, and the conditions written right behind it. */
        assert_memory_equal(world->answers.methods, "GGP", 3);
}

#define PROMISE(promise) cmocka_unit_test_setup_teardown(promise, make_world, remove_world)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROMISE(every_status_has_an_outcome_of_its_own_and_the_servers_words),
                PROMISE(every_outcome_has_a_wait_of_its_own),
                PROMISE(each_request_has_a_connection_of_its_own),
                PROMISE(a_server_of_another_authority_is_refused),
                PROMISE(a_certificate_that_is_no_kubelets_is_not_used),
                PROMISE(a_node_that_changed_or_is_outdated_is_read_again_and_written),
                PROMISE(the_agent_waits_as_long_as_a_busy_server_asks),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
