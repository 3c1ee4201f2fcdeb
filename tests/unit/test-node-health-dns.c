/* SPDX-License-Identifier: Apache-2.0 */

/* The check against name servers of the test's own, on loopback. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <libgen.h>
#include <string.h>

#include "dns-message.c"
#include "check-run-end.h"
#include "dns.c"

#define SERVERS 3

struct fixture {
        char *root;
        sd_event *event;
        struct node node;
        struct node_health_config config;
        struct check_run run;
        int sockets[SERVERS];
        int codes[SERVERS]; /* what each answers; -1: nothing */
};
static void put(struct fixture *f, const char *path, const char *text)
{
        _cleanup_free_ char *full = path_under(f->root, path), *copy = strdup(full);

        assert_int_equal(directory_make(dirname(copy), 0755), 0);
        assert_int_equal(file_write(full, text, strlen(text), 0644), 0);
}

/* 127.0.0.1, 127.0.0.2 and 127.0.0.3, all at one port. */
static void open_servers(struct fixture *f)
{
        struct sockaddr_in address = { .sin_family = AF_INET };
        socklen_t size = sizeof(address);

        for (size_t i = 0; i < SERVERS; i++) {
                address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i);
                f->sockets[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                assert_true(f->sockets[i] >= 0);
                assert_int_equal(bind(f->sockets[i], (struct sockaddr *)&address, sizeof(address)), 0);
                assert_int_equal(getsockname(f->sockets[i], (struct sockaddr *)&address, &size), 0);
        }
        port = ntohs(address.sin_port);
}

static int open_fixture(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));
        static char *names[] = { "api.example.org" };

        assert_non_null(f);
        f->root = strdup("/tmp/dns-XXXXXX");
        assert_non_null(mkdtemp(f->root));
        assert_int_equal(sd_event_new(&f->event), 0);
        node_init(&f->node, f->event, f->root);
        f->config.checks.dns = (struct dns_config){ true, { names, 1 } };
        f->node.config = &f->config;
        f->run.node = &f->node;
        open_servers(f);
        put(f, "/etc/resolv.conf",
            "# made by nobody\nsearch example.org\nnameserver 127.0.0.1\nnameserver\t127.0.0.2\nnameserver "
            "127.0.0.3\n"
            "nameserver 127.0.0.4\noptions edns0\n");
        *state = f;
        return 0;
}

static int close_fixture(void **state)
{
        struct fixture *f = *state;
        _cleanup_free_ char *command = NULL;

        node_done(&f->node);
        sd_event_unref(f->event);
        for (size_t i = 0; i < SERVERS; i++)
                closep(&f->sockets[i]);
        assert_true(asprintf(&command, "rm -rf %s", f->root) > 0);
        assert_int_equal(system(command), 0);
        free(f->root);
        free(f);
        return 0;
}

static void serve(struct fixture *f)
{
        for (size_t i = 0; i < SERVERS; i++) {
                struct sockaddr_in from;
                socklen_t size = sizeof(from);
                uint8_t message[DNS_MESSAGE_MAX];
                ssize_t n;

                while (f->sockets[i] >= 0 && (n = recvfrom(f->sockets[i], message, sizeof(message), 0,
                                                           (struct sockaddr *)&from, &size)) > 0) {
                        message[2] |= 0x80;
                        message[3] = (uint8_t)f->codes[i];
                        if (f->codes[i] >= 0)
                                assert_int_equal(sendto(f->sockets[i], message, (size_t)n, 0,
                                                        (struct sockaddr *)&from, size),
                                                 n);
                }
        }
}

static void run_check(struct fixture *f)
{
        run_end.finished = run_end.absent = false;
        assert_int_equal(dns_start(&f->run), 0);
        while (!run_end.finished) {
                serve(f);
                assert_true(sd_event_run(f->event, 10 * USEC_PER_MSEC) >= 0);
        }
}

static void a_question_is_as_the_standard_has_it(void **state)
{
        static const uint8_t expected[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                          "\x03"
                                          "api"
                                          "\x07"
                                          "example"
                                          "\x03"
                                          "org"
                                          "\x00\x00\x01\x00\x01";
        uint8_t query[DNS_MESSAGE_MAX];

        (void)state;
        assert_int_equal(dns_query_write("api.example.org", 0x1234, query), sizeof(expected) - 1);
        assert_memory_equal(query, expected, sizeof(expected) - 1);
        assert_int_equal(dns_query_write("api.example.org.", 0x1234, query), sizeof(expected) - 1);
}

static void refuses_what_is_no_host_name(void **state)
{
        char label[70], name[300];
        uint8_t query[DNS_MESSAGE_MAX];

        (void)state;
        memset(label, 'a', sizeof(label));
        label[64] = '\0';
        memset(name, 0, sizeof(name));
        for (size_t i = 0; i < 260; i++)
                name[i] = i % 50 == 49 ? '.' : 'a';
        assert_int_equal(dns_query_write("", 0, query), -EINVAL);
        assert_int_equal(dns_query_write(".", 0, query), -EINVAL);
        assert_int_equal(dns_query_write("a..b", 0, query), -EINVAL);
        assert_int_equal(dns_query_write("a..", 0, query), -EINVAL);
        assert_int_equal(dns_query_write(".a", 0, query), -EINVAL);
        assert_int_equal(dns_query_write("a b", 0, query), -EINVAL);
        assert_int_equal(dns_query_write(label, 0, query), -EINVAL);
        assert_int_equal(dns_query_write(name, 0, query), -EINVAL);
        label[63] = '\0';
        assert_int_equal(dns_query_write(label, 0, query), 12 + 1 + 63 + 1 + 4);
}

static void only_the_answer_to_the_question_counts(void **state)
{
        uint8_t query[DNS_MESSAGE_MAX], answer[DNS_MESSAGE_MAX];
        size_t size;

        (void)state;
        size = (size_t)dns_query_write("api.example.org", 7, query);
        memcpy(answer, query, sizeof(answer));
        assert_int_equal(dns_answer_read(query, size, answer, size), -EBADMSG); /* a question */
        answer[2] |= 0x80;
        assert_int_equal(dns_answer_read(query, size, answer, size), DNS_NO_ERROR);
        answer[13] = 'A';
        assert_int_equal(dns_answer_read(query, size, answer, size), DNS_NO_ERROR);
        answer[3] = DNS_NAME_ERROR;
        assert_int_equal(dns_answer_read(query, size, answer, size), DNS_NAME_ERROR);
        assert_int_equal(dns_answer_read(query, size, answer, size - 1), -EBADMSG);
        answer[14] = 'x';
        assert_int_equal(dns_answer_read(query, size, answer, size), -EBADMSG); /* of another name */
        answer[14] = 'p';
        answer[1] ^= 1;
        assert_int_equal(dns_answer_read(query, size, answer, size), -EBADMSG); /* of another question */
}

static void is_good_when_every_server_finds_the_name(void **state)
{
        struct fixture *f = *state;
        _cleanup_json_ json_object *metrics = json_object_new_array();

        run_check(f);
        assert_int_equal(run_end.result.status, CHECK_OK);
        assert_string_equal(run_end.result.reason, "NameServersAnswer");
        assert_int_equal(f->node.dns.n_servers, 3);
        assert_int_equal(dns_metrics(&f->node, metrics), 0);
        assert_non_null(strstr(json_object_to_json_string(metrics), "127.0.0.3"));
}

static void one_server_that_fails_is_a_warning_that_names_it(void **state)
{
        struct fixture *f = *state;

        f->codes[1] = DNS_SERVER_FAILURE;
        run_check(f);
        assert_int_equal(run_end.result.status, CHECK_WARN);
        assert_string_equal(run_end.result.reason, "NameServerFails");
        assert_non_null(
                strstr(run_end.result.message, "127.0.0.2 cannot find out (SERVFAIL): api.example.org"));
        assert_null(strstr(run_end.result.message, "127.0.0.1"));
}

static void a_name_that_nobody_knows_fails(void **state)
{
        struct fixture *f = *state;

        f->codes[0] = f->codes[1] = f->codes[2] = DNS_NAME_ERROR;
        run_check(f);
        assert_int_equal(run_end.result.status, CHECK_FAIL);
        assert_string_equal(run_end.result.reason, "NameNotFound");
}

static void servers_that_are_not_there_fail_at_once_and_silent_ones_in_time(void **state)
{
        struct fixture *f = *state;
        uint64_t begin = now_boottime_usec();

        for (size_t i = 0; i < SERVERS; i++) {
                closep(&f->sockets[i]);
                f->sockets[i] = -EBADF;
        }
        run_check(f);
        assert_string_equal(run_end.result.reason, "NoNameServerAnswers");
        assert_true(now_boottime_usec() - begin < ANSWER_USEC);
        open_servers(f);
        f->codes[0] = f->codes[1] = f->codes[2] = -1;
        begin = now_boottime_usec();
        run_check(f);
        assert_int_equal(run_end.result.status, CHECK_FAIL);
        assert_true(now_boottime_usec() - begin >= ANSWER_USEC);
}

static void a_run_that_is_cancelled_leaves_nothing(void **state)
{
        struct fixture *f = *state;

        run_end.finished = false;
        assert_int_equal(dns_start(&f->run), 0);
        assert_non_null(f->run.cancel);
        f->run.cancel(&f->run);
        serve(f);
        assert_int_equal(sd_event_run(f->event, 20 * USEC_PER_MSEC), 0);
        assert_false(run_end.finished);
        for (size_t i = 0; i < DNS_SERVERS_MAX; i++)
                assert_true(f->node.dns.servers[i].fd < 0);
}

static void without_a_name_to_look_up_there_is_no_such_check(void **state)
{
        struct fixture *f = *state;

        f->config.checks.dns.names.count = 0;
        run_check(f);
        assert_true(run_end.absent);
}

static void without_a_name_server_it_fails(void **state)
{
        struct fixture *f = *state;

        put(f, "/etc/resolv.conf", "search example.org\n");
        run_check(f);
        assert_int_equal(run_end.result.status, CHECK_FAIL);
        assert_string_equal(run_end.result.reason, "NoNameServer");
}

static void an_address_or_a_name_in_hosts_needs_no_name_server(void **state)
{
        char hosts[] = "127.0.0.1 localhost\n10.0.0.1\tx Api.Example.Org # y\n# 10.0.0.2 other\n";
        char copy[sizeof(hosts)], name[DNS_NAME_SIZE];

        (void)state;
        memcpy(copy, hosts, sizeof(hosts));
        assert_true(hosts_has(copy, "api.example.org"));
        memcpy(copy, hosts, sizeof(hosts));
        assert_false(hosts_has(copy, "other"));
        assert_false(host_of("https://192.0.2.1:6443", name, sizeof(name)));
        assert_false(host_of("https://[2001:db8::1]:6443", name, sizeof(name)));
        assert_true(host_of("https://api.example.org:6443", name, sizeof(name)));
        assert_string_equal(name, "api.example.org");
}

#define DNS_TEST(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_question_is_as_the_standard_has_it),
                cmocka_unit_test(refuses_what_is_no_host_name),
                cmocka_unit_test(only_the_answer_to_the_question_counts),
                DNS_TEST(is_good_when_every_server_finds_the_name),
                DNS_TEST(one_server_that_fails_is_a_warning_that_names_it),
                DNS_TEST(a_name_that_nobody_knows_fails),
                DNS_TEST(servers_that_are_not_there_fail_at_once_and_silent_ones_in_time),
                DNS_TEST(a_run_that_is_cancelled_leaves_nothing),
                DNS_TEST(without_a_name_to_look_up_there_is_no_such_check),
                DNS_TEST(without_a_name_server_it_fails),
                cmocka_unit_test(an_address_or_a_name_in_hosts_needs_no_name_server),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
