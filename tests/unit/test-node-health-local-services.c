/* SPDX-License-Identifier: Apache-2.0 */

/* kube-proxy, by a server of the test's own on loopback. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "check-run-end.h"
#include "local-services.c"

struct fixture {
        sd_event *event;
        struct node node;
        struct check_run run;
        int fd;
        pthread_t thread;
        const char *livez, *healthz; /* the status lines that the server answers with */
};
static void answer(const struct fixture *f, int fd)
{
        char request[4096], text[128];
        ssize_t n = recv(fd, request, sizeof(request) - 1, 0);

        if (n <= 0)
                return;
        request[n] = '\0';
        n = snprintf(text, sizeof(text), "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                     strncmp(request, "GET /livez ", 11) == 0 ? f->livez : f->healthz);
        (void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
}

static void *serve(void *userdata)
{
        const struct fixture *f = userdata;

        for (;;) {
                _cleanup_close_ int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);

                if (fd < 0)
                        return NULL;
                answer(f, fd);
        }
}

static int open_fixture(void **state)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct fixture *f = calloc(1, sizeof(*f));
        socklen_t size = sizeof(address);

        assert_non_null(f);
        assert_int_equal(sd_event_new(&f->event), 0);
        node_init(&f->node, f->event, "/");
        f->run.node = &f->node;
        f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(f->fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(f->fd, 16), 0);
        assert_int_equal(getsockname(f->fd, (struct sockaddr *)&address, &size), 0);
        kube_proxy_port = ntohs(address.sin_port);
        *state = f;
        return 0;
}

static int close_fixture(void **state)
{
        struct fixture *f = *state;

        if (f->livez) {
                shutdown(f->fd, SHUT_RDWR);
                pthread_join(f->thread, NULL);
        }
        closep(&f->fd);
        node_done(&f->node);
        sd_event_unref(f->event);
        free(f);
        return 0;
}

static void check(struct fixture *f, enum check_status status, const char *reason)
{
        run_end.finished = run_end.absent = false;
        assert_int_equal(kube_proxy_start(&f->run), 0);
        while (!run_end.finished)
                assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
        assert_false(run_end.absent);
        assert_int_equal(run_end.result.status, status);
        assert_string_equal(run_end.result.reason, reason);
}

static void a_node_that_is_to_be_deleted_has_no_broken_kube_proxy(void **state)
{
        struct fixture *f = *state;

        f->livez = "200 OK";
        f->healthz = "503 Service Unavailable";
        assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
        check(f, CHECK_OK, "KubeProxyAnswers");
}

static void an_older_kube_proxy_is_asked_where_it_answers(void **state)
{
        struct fixture *f = *state;

        f->livez = "404 Not Found";
        f->healthz = "200 OK";
        assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
        check(f, CHECK_OK, "KubeProxyAnswers");
        f->healthz = "503 Service Unavailable";
        check(f, CHECK_FAIL, "KubeProxyUnhealthy");
}

static void where_its_pod_runs_it_has_to_listen(void **state)
{
        struct fixture *f = *state;

        closep(&f->fd);
        f->fd = -EBADF;
        run_end.finished = false;
        assert_int_equal(kube_proxy_start(&f->run), 0);
        while (!run_end.finished)
                assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
        assert_true(run_end.absent);
        f->node.runtime.pods = ~0U;
        check(f, CHECK_FAIL, "KubeProxyNotListening");
}

#define SERVICE_TEST(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
        const struct CMUnitTest tests[] = {
                SERVICE_TEST(a_node_that_is_to_be_deleted_has_no_broken_kube_proxy),
                SERVICE_TEST(an_older_kube_proxy_is_asked_where_it_answers),
                SERVICE_TEST(where_its_pod_runs_it_has_to_listen),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
