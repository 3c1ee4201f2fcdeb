/* SPDX-License-Identifier: Apache-2.0 */

#include "network-lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "quantity.h"
#include "timestamp.h"

#define KEPT_MAX 256 /* connections that the listener holds open */

/* What is sent to it is nobody's business, and answered by the node at once. */
#define CONTROL_PORT 1
/* When not even that is answered, because others drop it: whoever is let through has his answer long before,
 * on a machine that is busy, too. */
#define ANSWER_MSEC 2000
#define CONTROLS    2

static int clients_fd = -1, node_fd = -1;
static pid_t listener;

static void run(const char *command)
{
        int status = system(command);

        if (status != 0)
                fail_msg("exit status %d: %s", status, command);
}

static void enter(int fd)
{
        assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

void lab_node(const char *command)
{
        run(command);
}

void lab_clients(const char *command)
{
        int status;

        enter(clients_fd);
        status = system(command);
        enter(node_fd);
        if (status != 0)
                fail_msg("exit status %d: %s", status, command);
}

int lab_open(void **state)
{
        static const char *const clients[] = { FRIEND, STRANGER, OTHER, FRIEND_SIX, STRANGER_SIX };

        assert_int_equal(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
        assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        /* What commands leave there for the next one is no business of the tests that run beside this one. */
        assert_int_equal(mount("tmpfs", "/dev/shm", "tmpfs", 0, NULL), 0);
        clients_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        assert_int_equal(unshare(CLONE_NEWNET), 0);
        node_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        assert_true(clients_fd >= 0 && node_fd >= 0);
        run("ip link set lo up && ip link add node0 type veth peer name client0");
        {
                char command[128];

                (void)snprintf(command, sizeof(command), "ip link set client0 netns /proc/%d/fd/%d",
                               (int)getpid(), clients_fd);
                run(command);
        }
        run("ip addr add " NODE_V4 "/24 dev node0 && ip addr add " NODE_V6
            "/64 dev node0 nodad && ip link set node0 up "
            "&& ip route add default via " ROUTER_V4);
        lab_clients("ip link set lo up && ip addr add " ROUTER_V4 "/24 dev client0 && "
                    "ip addr add 2001:db8:9::2/64 dev client0 nodad && ip link set client0 up");
        run("ip -6 route add default via 2001:db8:9::2");
        /* Until the link is up and the neighbours have found each other. */
        for (unsigned i = 0; !lab_passes(ROUTER_V4, 1) || !lab_passes("2001:db8:9::2", 1); i++)
                assert_true(i < 20);
        for (size_t i = 0; i < sizeof(clients) / sizeof(*clients); i++)
                lab_add_client(clients[i]);
        return 0;
}

int lab_open_listening(void **state)
{
        int r = lab_open(state);

        if (r == 0)
                listener = lab_listen(API_PORT);
        return r;
}

int lab_close(void **state)
{
        if (listener > 0) {
                kill(listener, SIGKILL);
                (void)waitpid(listener, NULL, 0);
                listener = 0;
        }
        close(clients_fd);
        close(node_fd);
        return 0;
}

void lab_add_client(const char *address)
{
        char command[128];

        (void)snprintf(command, sizeof(command), "ip addr replace %s/%d dev lo%s", address,
                       strchr(address, ':') ? 128 : 32, strchr(address, ':') ? " nodad" : "");
        lab_clients(command);
}

static socklen_t make_address(const char *text, unsigned port, struct sockaddr_storage *ret)
{
        struct sockaddr_in *four = (void *)ret;
        struct sockaddr_in6 *six = (void *)ret;

        memset(ret, 0, sizeof(*ret));
        if (strchr(text, ':')) {
                six->sin6_family = AF_INET6;
                six->sin6_port = htons((uint16_t)port);
                (void)inet_pton(AF_INET6, text, &six->sin6_addr);
                return sizeof(*six);
        }
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        (void)inet_pton(AF_INET, text, &four->sin_addr);
        return sizeof(*four);
}

/* In the clients' namespace. */
static int begin(const char *source, unsigned port)
{
        struct sockaddr_storage from, to;
        socklen_t size = make_address(source, 0, &from);
        int fd, on = 1;

        (void)make_address(strchr(source, ':') ? NODE_V6 : NODE_V4, port, &to);
        fd = socket(from.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        (void)setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&from, size) < 0 ||
            (connect(fd, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS)) {
                int r = -errno;

                close(fd);
                return r;
        }
        return fd;
}

static enum reach outcome(int fd)
{
        int error = 0;
        socklen_t size = sizeof(error);

        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        return error == 0 ? REACH_CONNECTED : error == ECONNREFUSED ? REACH_REFUSED : REACH_DROPPED;
}

int lab_connect(const char *source, unsigned port)
{
        struct pollfd poller = { .events = POLLOUT };

        enter(clients_fd);
        poller.fd = begin(source, port);
        enter(node_fd);
        assert_true(poller.fd >= 0);
        assert_int_equal(poll(&poller, 1, (int)test_patience() * DEADLINE_SECONDS * 1000), 1);
        assert_int_equal(outcome(poller.fd), REACH_CONNECTED);
        return poller.fd;
}

/* What one processor sends over the link arrives in that order, and so do the answers. */
static void stay_on_processor(cpu_set_t *ret_before)
{
        cpu_set_t here;

        CPU_ZERO(&here);
        CPU_SET((size_t)sched_getcpu(), &here);
        assert_int_equal(sched_getaffinity(0, sizeof(*ret_before), ret_before), 0);
        assert_int_equal(sched_setaffinity(0, sizeof(here), &here), 0);
}

/* In the clients' namespace: n connections, and behind them one to the port that always answers. */
static void begin_all(const char *const *sources, size_t n, unsigned port, struct pollfd *pollers)
{
        cpu_set_t before;

        enter(clients_fd);
        stay_on_processor(&before);
        for (size_t i = 0; i < n; i++) {
                pollers[i] = (struct pollfd){ .fd = begin(sources[i], port), .events = POLLOUT };
                if (pollers[i].fd < 0)
                        fail_msg("%s: %s", sources[i], strerror(-pollers[i].fd));
        }
        /* One for each family: they wait for their neighbours' addresses each on their own. */
        for (size_t i = 0; i < CONTROLS; i++) {
                const char *source = n == 1 ? sources[0] : i ? FRIEND_SIX : FRIEND;

                pollers[n + i] = (struct pollfd){ .fd = begin(source, CONTROL_PORT), .events = POLLOUT };
                assert_true(pollers[n + i].fd >= 0);
        }
        assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
        enter(node_fd);
}

/* Returns how many are still without one. */
static size_t take_outcomes(struct pollfd *pollers, size_t n, enum reach *ret)
{
        size_t open = 0;

        for (size_t i = 0; i < n; i++) {
                if (pollers[i].fd >= 0 && pollers[i].revents) {
                        ret[i] = outcome(pollers[i].fd);
                        close(pollers[i].fd);
                        pollers[i] = (struct pollfd){ .fd = -1 };
                }
                open += pollers[i].fd >= 0;
        }
        return open;
}

/* An answer to what was sent last: whoever has none by now was dropped. */
static void reach_all(const char *const *sources, size_t n, unsigned port, enum reach *ret)
{
        struct pollfd *pollers = calloc(n + CONTROLS, sizeof(*pollers));
        uint64_t deadline = now_boottime_usec() + ANSWER_MSEC * test_patience() * USEC_PER_MSEC;
        size_t open = n, controls = CONTROLS;
        enum reach control[CONTROLS];

        assert_non_null(pollers);
        for (size_t i = 0; i < n; i++)
                ret[i] = REACH_DROPPED;
        begin_all(sources, n, port, pollers);
        /* At least once: the time may be over when this process has its turn again, and the answers there. */
        do {
                (void)poll(pollers, n + CONTROLS, 50);
                controls = take_outcomes(&pollers[n], CONTROLS, control);
                /* Behind the controls: an answer may have come while they were looked at. */
                (void)poll(pollers, n, 0);
                open = take_outcomes(pollers, n, ret);
        } while (open > 0 && controls > 0 && now_boottime_usec() < deadline);
        for (size_t i = 0; i < n + CONTROLS; i++)
                if (pollers[i].fd >= 0)
                        close(pollers[i].fd);
        free(pollers);
}

enum reach lab_reach(const char *source, unsigned port)
{
        enum reach reach;

        reach_all(&source, 1, port, &reach);
        return reach;
}

bool lab_passes(const char *source, unsigned port)
{
        return lab_reach(source, port) != REACH_DROPPED;
}

void lab_reach_all(const char *const *sources, size_t n, unsigned port, bool *ret_passed)
{
        enum reach *reach = calloc(n, sizeof(*reach));

        assert_non_null(reach);
        reach_all(sources, n, port, reach);
        for (size_t i = 0; i < n; i++)
                ret_passed[i] = reach[i] != REACH_DROPPED;
        free(reach);
}

struct storm {
        volatile int stop, slowest_msec, connections;
};
static struct storm *storm;

static void run_storm(const char *source, unsigned port)
{
        while (!storm->stop) {
                const struct linger reset = { .l_onoff = 1 }; /* so that ports do not run out */
                uint64_t began = now_boottime_usec();
                struct pollfd poller = { .events = POLLOUT };
                int msec;

                poller.fd = begin(source, port);
                if (poller.fd < 0 || poll(&poller, 1, 5000) != 1 || outcome(poller.fd) == REACH_DROPPED) {
                        storm->slowest_msec = -1;
                        return;
                }
                (void)setsockopt(poller.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
                close(poller.fd);
                msec = (int)((now_boottime_usec() - began) / USEC_PER_MSEC);
                if (msec > storm->slowest_msec)
                        storm->slowest_msec = msec;
                storm->connections++;
        }
}

pid_t lab_storm_start(const char *source, unsigned port)
{
        pid_t pid;

        storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(storm != MAP_FAILED);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (setns(clients_fd, CLONE_NEWNET) == 0)
                        run_storm(source, port);
                _exit(0);
        }
        return pid;
}

int lab_storm_connections(void)
{
        return storm->slowest_msec < 0 ? INT_MAX : storm->connections;
}

int lab_storm_stop(pid_t pid, int *ret_slowest_msec, int *ret_connections)
{
        int status;

        storm->stop = 1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        *ret_slowest_msec = storm->slowest_msec;
        *ret_connections = storm->connections;
        munmap(storm, sizeof(*storm));
        return status;
}

pid_t lab_listen(unsigned port)
{
        struct sockaddr_storage address;
        socklen_t size = make_address("::", port, &address);
        int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
        pid_t pid;

        assert_true(fd >= 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(fd, 512), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                int kept[KEPT_MAX];

                memset(kept, -1, sizeof(kept));
                /* The newest stay open. */
                for (unsigned i = 0;; i = (i + 1) % KEPT_MAX) {
                        close(kept[i]);
                        kept[i] = accept(fd, NULL, NULL);
                }
        }
        close(fd);
        return pid;
}
