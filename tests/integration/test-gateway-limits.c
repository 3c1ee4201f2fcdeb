/* SPDX-License-Identifier: Apache-2.0 */

/* How much of the real gateway one client can take up. */

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "gateway.h"
#include "program.h"
#include "quantity.h"
#include "timestamp.h"

#define DIRECTORY "run/capi-node-agent/gateway"

static int status_with_field(const struct gateway_node *node, int size)
{
        static char filling[8200];
        _cleanup_free_ char *line = NULL;
        struct reply reply;
        int status;

        memset(filling, 'x', sizeof(filling) - 1);
        assert_true(asprintf(&line, "X-Long: %.*s\r\n", size, filling) > 0);
        reply = ask(node->port, &node->management, "GET", "/healthz", line);
        status = reply.status;
        reply_clear(&reply);
        return status;
}

static void refuses_a_header_above_8_kib(void **state)
{
        struct gateway_node *node = *state;

        assert_int_equal(status_with_field(node, 7000), 200);
        assert_int_equal(status_with_field(node, 8190), 431);
}

static void refuses_a_target_above_2_kib(void **state)
{
        struct gateway_node *node = *state;
        char target[3000];
        struct reply reply;

        memset(target, 'x', sizeof(target));
        target[0] = '/';
        target[2048] = '\0';
        reply = ask(node->port, &node->management, "GET", target, "");
        assert_int_equal(reply.status, 404);
        reply_clear(&reply);

        target[2048] = 'x';
        target[sizeof(target) - 1] = '\0';
        reply = ask(node->port, &node->management, "GET", target, "");
        assert_int_equal(reply.status, 414);
        reply_clear(&reply);
}

/* ---- deadlines ---- */

#define LARGE 4000000

static bool serves_large_health(void *userdata)
{
        const struct gateway_node *node = userdata;
        struct reply reply = ask(node->port, &node->management, "GET", "/v1/health", "");
        bool large = reply.body_size > LARGE;

        reply_clear(&reply);
        return large;
}

static void write_large_health(struct gateway_node *node)
{
        _cleanup_free_ char *text = root_read(node->root, "run/capi-node-agent/health.json"), *large = NULL;
        static char filling[LARGE];

        memset(filling, 'x', sizeof(filling) - 1);
        text[strlen(text) - 1] = '\0';
        assert_true(asprintf(&large, "%s,\"filling\":\"%s\"}", text, filling) > 0);
        root_write(node->root, "run/capi-node-agent/health.json", large, 0644);
        wait_until(serves_large_health, node, "the large document");
}

enum slowness { SLOW_HANDSHAKE, SLOW_HEADER, SLOW_IDLE, SLOW_READER, SLOWNESSES };

/* The first bytes of a ClientHello: a handshake record that announces more than ever comes. */
static const unsigned char client_hello[] = { 0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00,
                                              0x01, 0xFC, 0x03, 0x03, 0x00, 0x00, 0x00 };

struct slow {
        struct client client;
        uint64_t start_usec, end_usec;
};

static void start_slow(const struct gateway_node *node, struct slow slow[static SLOWNESSES])
{
        static const int small = 4096;
        struct reply reply;

        for (size_t i = 0; i < SLOWNESSES; i++) {
                slow[i].start_usec = now_boottime_usec();
                slow[i].end_usec = 0;
                if (i == SLOW_HANDSHAKE)
                        slow[i].client = (struct client){ .fd = tcp_connect(node->port) };
                else
                        slow[i].client = client_connect(node->port, &node->management);
        }
        client_request(&slow[SLOW_IDLE].client, "GET", "/healthz", "");
        reply = client_receive(&slow[SLOW_IDLE].client, false);
        reply_clear(&reply);
        assert_int_equal(setsockopt(slow[SLOW_READER].client.fd, SOL_SOCKET, SO_RCVBUF, &small,
                                    sizeof(small)),
                         0);
        /* The kernel may take all of one response (tcp_wmem), but not of several. */
        for (unsigned i = 0; i < 5; i++)
                client_request(&slow[SLOW_READER].client, "GET", "/v1/health", "");
}

/* One more byte each second, which must not prolong anything. */
static void send_slowly(struct slow slow[static SLOWNESSES], size_t second)
{
        static const char header[] = "GET /healthz HTTP/1.1\r\nHost: node\r\n";

        (void)send(slow[SLOW_HANDSHAKE].client.fd, &client_hello[second % sizeof(client_hello)], 1,
                   MSG_NOSIGNAL);
        (void)SSL_write(slow[SLOW_HEADER].client.ssl, &header[second % sizeof(header)], 1);
}

/* The server's end shows as the end of the stream or a reset; the reader that does not read sees a hang-up
 * once the server has closed. */
static void note_ends(struct slow slow[static SLOWNESSES])
{
        for (size_t i = 0; i < SLOWNESSES; i++) {
                struct pollfd fd = { .fd = slow[i].client.fd, .events = POLLRDHUP };

                if (slow[i].end_usec == 0 && poll(&fd, 1, 0) == 1)
                        slow[i].end_usec = now_boottime_usec();
        }
}

static bool all_ended(const struct slow slow[static SLOWNESSES])
{
        for (size_t i = 0; i < SLOWNESSES; i++)
                if (slow[i].end_usec == 0 && i != SLOW_READER)
                        return false;
        return true;
}

static bool has_two_connections(void *userdata)
{
        return (int)gateway_metric(userdata, "capi_node_gateway_connections") == 2;
}

static void who_is_slow_is_cut_off_after_5_seconds(void **state)
{
        struct gateway_node *node = *state;
        struct client waiter = client_connect(node->port, &node->management);
        struct slow slow[SLOWNESSES];
        uint64_t start;

        write_large_health(node);
        client_request(&waiter, "GET", "/v1/health?wait=300", "If-None-Match: *\r\n");
        start_slow(node, slow);
        start = now_boottime_usec();
        for (size_t second = 0; !all_ended(slow) && second < DEADLINE_SECONDS;) {
                if (now_boottime_usec() - start >= second * USEC_PER_SEC)
                        send_slowly(slow, second++);
                note_ends(slow);
                poll(NULL, 0, 10);
        }

        for (size_t i = 0; i < SLOWNESSES; i++) {
                uint64_t took = slow[i].end_usec - slow[i].start_usec;

                /* A byte each second prolongs nothing; that it takes longer than 5 s is for a busy machine.
                 */
                if (i != SLOW_READER && (slow[i].end_usec == 0 || took < 4500000))
                        fail_msg("slowness %zu was cut off after %.1f s", i, (double)took / 1e6);
        }
        /* The reader's connection goes for the server, too: what is left is the waiter and this one. Its time
         * began last. */
        wait_until(has_two_connections, node, "the end of the reader");
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_refused_total{reason=\"deadline\"}"),
                         3);
        assert_false(client_has_input(&waiter, 0));
        for (size_t i = 0; i < SLOWNESSES; i++)
                client_close(&slow[i].client);
        client_close(&waiter);
}

/* ---- the number of connections ---- */

#define CAP 8

static void limit_connections(struct gateway_node *node)
{
        gateway_write_config(node, node->port, GATEWAY_ALLOW ",\"connections\":8");
        free(gateway_wait_notify(node, "STATUS=Serving"));
}

#define CLOSE_WAIT "08"

/* Whether the gateway has read all that was sent to it, and so is doing what it was asked for: the receive
 * queues of its sockets and its queue of connections are empty, and none of which the client has left is
 * open. */
static bool has_noticed_all(void *userdata)
{
        const struct gateway_node *node = userdata;
        _cleanup_(fclosep) FILE *table = fopen("/proc/net/tcp", "re");
        char line[512], local[16];

        assert_non_null(table);
        (void)snprintf(local, sizeof(local), ": 0100007F:%04X", node->port);
        while (fgets(line, sizeof(line), table)) {
                const char *found = strstr(line, ": "), *state;

                /* "NUMBER: LOCAL REMOTE STATE SENDING:RECEIVED …", fields of one width */
                if (!found || strncmp(found, local, strlen(local)) != 0)
                        continue;
                state = found + strlen(": 0100007F:0000 0100007F:0000 ");
                if (strncmp(state, CLOSE_WAIT, 2) == 0 ||
                    strtoul(state + strlen(CLOSE_WAIT " 00000000:"), NULL, 16) > 0)
                        return false;
        }
        return true;
}

static void one_connection_too_many_is_closed_at_once(void **state)
{
        struct gateway_node *node = *state;
        struct client waiters[CAP];
        struct reply reply;
        int fd;
        char byte;

        limit_connections(node);
        for (size_t i = 0; i < CAP; i++) {
                waiters[i] = client_connect(node->port, &node->management);
                client_request(&waiters[i], "GET", "/v1/health?wait=300", "");
        }
        wait_until(has_noticed_all, node, "the gateway's reading of all requests");
        fd = tcp_connect(node->port);
        assert_true(fd >= 0);
        assert_true(recv(fd, &byte, 1, 0) <= 0);
        closep(&fd);

        /* A waiter that leaves is noticed at once, and its place is free. */
        client_close(&waiters[0]);
        wait_until(has_noticed_all, node, "the end of the waiter that left");
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_connections"), CAP);
        wait_until(has_noticed_all, node, "the end of the request");
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_refused_total{reason=\"connections\"}"),
                         1);
        wait_until(has_noticed_all, node, "the end of the request");
        /* At once: not when its handshake took too long. */
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_refused_total{reason=\"deadline\"}"),
                         0);
        gateway_write_health(node, 2, true, "1m");
        for (size_t i = 1; i < CAP; i++) {
                reply = client_receive(&waiters[i], false);
                assert_int_equal(reply.status, 200);
                reply_clear(&reply);
                client_close(&waiters[i]);
        }
}

static void connections_that_say_nothing_keep_nobody_out(void **state)
{
        struct gateway_node *node = *state;
        struct client idle;
        struct reply reply;
        int silent[CAP * 2];

        limit_connections(node);
        idle = client_connect(node->port, &node->management);
        client_request(&idle, "GET", "/healthz", "");
        reply = client_receive(&idle, false);
        reply_clear(&reply);

        for (size_t i = 0; i < ELEMENTS(silent); i++) {
                silent[i] = tcp_connect(node->port);
                assert_true(silent[i] >= 0);
        }
        /* The idle one was the first to make room, and said goodbye. */
        assert_true(client_is_ended(&idle, DEADLINE_SECONDS * 1000));
        reply = ask(node->port, &node->management, "GET", "/healthz", "");
        assert_int_equal(reply.status, 200);
        reply_clear(&reply);
        for (size_t i = 0; i < ELEMENTS(silent); i++)
                closep(&silent[i]);
        client_close(&idle);
}

/* ---- the rate of one client ---- */

static void who_asks_too_often_is_told_when_to_come_back_and_others_are_served(void **state)
{
        struct gateway_node *node = *state;
        struct client greedy;
        struct reply reply;
        _cleanup_free_ char *field = NULL;
        unsigned served = 0;

        gateway_write_config(node, node->port, GATEWAY_ALLOW ",\"connections\":8,\"requestsPerSecond\":1");
        free(gateway_wait_notify(node, "STATUS=Serving"));
        greedy = client_connect(node->port, &node->management);
        for (;;) {
                client_request(&greedy, "GET", "/healthz", "");
                reply = client_receive(&greedy, false);
                if (reply.status != 200)
                        break;
                reply_clear(&reply);
                assert_true(served++ < 60);
        }
        assert_true(served >= 9); /* one for each connection, and a second's worth */
        assert_int_equal(reply.status, 429);
        field = reply_field(&reply, "Retry-After");
        assert_string_equal(field, "1");
        reply_clear(&reply);
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_refused_total{reason=\"rate\"}"), 1);
        client_close(&greedy);
}

/* ---- many who wait ---- */

#define WAITERS 200

static void two_hundred_waiters_hear_of_a_change(void **state)
{
        struct gateway_node *node = *state;
        static struct client waiters[WAITERS];
        struct reply reply;
        uint64_t start, took;

        for (size_t i = 0; i < WAITERS; i++) {
                waiters[i] = client_connect(node->port, &node->management);
                client_request(&waiters[i], "GET", "/v1/health?wait=300", "");
        }
        wait_until(has_noticed_all, node, "the gateway's reading of all requests");
        start = now_boottime_usec();
        gateway_write_health(node, 2, false, "1m");
        for (size_t i = 0; i < WAITERS; i++) {
                reply = client_receive(&waiters[i], false);
                assert_int_equal(reply.status, 200);
                assert_non_null(strstr(reply.body, "Unhealthy"));
                reply_clear(&reply);
        }
        took = now_boottime_usec() - start;
        print_message("# the last of %d waiters heard after %u ms\n", WAITERS,
                      (unsigned)(took / USEC_PER_MSEC));
        for (size_t i = 0; i < WAITERS; i++)
                client_close(&waiters[i]);
}

/* ---- no descriptor left ---- */

/* The fields 14 and 15 of proc(5)'s stat, user and system time; the name, field 2, may hold spaces. */
static uint64_t cpu_ticks(pid_t pid)
{
        _cleanup_(fclosep) FILE *file = NULL;
        char path[64], text[4096] = "", *field;
        uint64_t ticks = 0;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        file = fopen(path, "re");
        assert_non_null(file);
        assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
        field = strrchr(text, ')');
        for (unsigned n = 2; n < 14; n++) {
                assert_non_null(field);
                field = strchr(field + 1, ' ');
        }
        assert_non_null(field);
        ticks = strtoull(field, &field, 10);
        return ticks + strtoull(field, NULL, 10);
}

static void without_descriptors_it_waits_without_spinning_and_serves_again(void **state)
{
        struct gateway_node *node = *state;
        int silent[24];
        uint64_t ticks;

        assert_int_equal(prlimit(node->pid, RLIMIT_NOFILE, &(struct rlimit){ 24, 24 }, NULL), 0);
        /* The kernel completes the connections that the gateway cannot accept. */
        for (size_t i = 0; i < ELEMENTS(silent); i++)
                silent[i] = tcp_connect(node->port);
        ticks = cpu_ticks(node->pid);
        assert_int_equal(poll(NULL, 0, 2000), 0);
        assert_true(cpu_ticks(node->pid) - ticks < (uint64_t)sysconf(_SC_CLK_TCK));
        for (size_t i = 0; i < ELEMENTS(silent); i++)
                closep(&silent[i]);
        assert_int_equal(status_with_field(node, 10), 200);
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, gateway_node_start, gateway_node_stop)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROMISE(refuses_a_header_above_8_kib),
                PROMISE(refuses_a_target_above_2_kib),
                PROMISE(who_is_slow_is_cut_off_after_5_seconds),
                PROMISE(one_connection_too_many_is_closed_at_once),
                PROMISE(connections_that_say_nothing_keep_nobody_out),
                PROMISE(who_asks_too_often_is_told_when_to_come_back_and_others_are_served),
                PROMISE(two_hundred_waiters_hear_of_a_change),
                PROMISE(without_descriptors_it_waits_without_spinning_and_serves_again),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
