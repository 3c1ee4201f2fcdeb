/* SPDX-License-Identifier: Apache-2.0 */

#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "connection.h"
#include "log.h"
#include "quantity.h"

#define ACCEPTS_MAX       32 /* in one turn: those who are served want theirs */
#define EXHAUSTED_USEC    (500 * USEC_PER_MSEC)
#define LISTEN_QUEUE_SIZE SOMAXCONN

struct listener {
        struct listener *next;
        struct server *server;
        char *address; /* as configured */
        int fd;
        sd_event_source *source;
};

struct server {
        struct gateway *gateway;
        struct listener *listeners;
        sd_event_source *resume; /* after descriptors or memory ran out */
};

static void listener_free(struct listener *listener)
{
        sd_event_source_disable_unref(listener->source);
        closep(&listener->fd);
        free(listener->address);
        free(listener);
}
DEFINE_CLEANUP(struct listener *, listener_free)

struct server *server_new(struct gateway *gateway)
{
        struct server *server = calloc(1, sizeof(*server));

        if (server)
                server->gateway = gateway;
        return server;
}

struct server *server_free(struct server *server)
{
        if (!server)
                return NULL;
        while (server->listeners) {
                struct listener *listener = server->listeners;

                server->listeners = listener->next;
                listener_free(listener);
        }
        sd_event_source_disable_unref(server->resume);
        free(server);
        return NULL;
}

/* ---- accepting ---- */

static void set_accepting(struct server *server, bool on)
{
        for (struct listener *listener = server->listeners; listener; listener = listener->next)
                (void)sd_event_source_set_enabled(listener->source, on ? SD_EVENT_ON : SD_EVENT_OFF);
}

static int on_resume(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct server *server = userdata;

        server->resume = sd_event_source_disable_unref(server->resume);
        set_accepting(server, true);
        return 0;
}

/* Without descriptors the waiting connection stays in the queue and the socket readable: the loop would spin,
 * so it looks again in a while. */
static void pause_accepting(struct server *server, int error)
{
        int r;

        (void)log_error(error, "Cannot accept a connection; trying again in half a second");
        r = sd_event_add_time_relative(server->gateway->event, &server->resume, CLOCK_MONOTONIC,
                                       EXHAUSTED_USEC, 0, on_resume, server);
        if (r >= 0)
                set_accepting(server, false);
}

static void admit(struct gateway *gateway, int fd)
{
        if (gateway->n_connections >= (size_t)gateway->config->connections) {
                gateway->statistics.refused[REFUSED_CONNECTIONS]++;
                if (!connection_displace(gateway)) {
                        close(fd);
                        return;
                }
        }
        /* A connection that cannot be opened for want of memory is closed; there is nothing else to do. */
        (void)connection_open(gateway, fd);
}

static int on_listener(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct listener *listener = userdata;

        for (size_t i = 0; i < ACCEPTS_MAX; i++) {
                int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (client >= 0) {
                        admit(listener->server->gateway, client);
                        continue;
                }
                if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                        pause_accepting(listener->server, -errno);
                /* EAGAIN, or what happened to the client meanwhile (accept(2) lists a dozen). */
                return 0;
        }
        return 0;
}

/* ---- listening ---- */

static int resolve(const char *text, struct sockaddr_storage *ret, socklen_t *ret_size)
{
        char address[GATEWAY_ADDRESS_SIZE];
        struct sockaddr_storage storage = {};
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
        struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
        uint16_t port;
        int r;

        r = gateway_listen_parse(text, address, &port);
        if (r < 0)
                return r;
        if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
                v6->sin6_family = AF_INET6;
                v6->sin6_port = htons(port);
                *ret_size = sizeof(*v6);
        } else if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
                v4->sin_family = AF_INET;
                v4->sin_port = htons(port);
                *ret_size = sizeof(*v4);
        } else {
                return -EINVAL;
        }
        *ret = storage;
        return 0;
}

static bool is_v6_wildcard(const struct sockaddr_storage *storage)
{
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)storage;

        return v6->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static int open_socket(const struct sockaddr_storage *storage, socklen_t size)
{
        static const int yes = 1;
        _cleanup_close_ int fd = -EBADF;

        fd = socket(storage->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0)
                return -errno;
        /* So that "0.0.0.0" and "[::]" can be listed side by side, whatever net.ipv6.bindv6only says. */
        if (storage->ss_family == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) < 0)
                return -errno;
        if (bind(fd, (const struct sockaddr *)storage, size) < 0 || listen(fd, LISTEN_QUEUE_SIZE) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Returns 1 when it listens now, 0 for an IPv6 wildcard on a kernel without IPv6, or -errno. */
static int add_listener(struct server *server, const char *address)
{
        _cleanup_(listener_freep) struct listener *listener = calloc(1, sizeof(*listener));
        struct sockaddr_storage storage;
        socklen_t size;
        int r;

        if (!listener)
                return -ENOMEM;
        listener->server = server;
        listener->fd = -EBADF;
        listener->address = strdup(address);
        if (!listener->address)
                return -ENOMEM;
        r = resolve(address, &storage, &size);
        if (r < 0)
                return r;
        listener->fd = open_socket(&storage, size);
        if ((listener->fd == -EAFNOSUPPORT || listener->fd == -EADDRNOTAVAIL) && is_v6_wildcard(&storage))
                return 0;
        if (listener->fd < 0)
                return listener->fd;
        r = sd_event_add_io(server->gateway->event, &listener->source, listener->fd, EPOLLIN, on_listener,
                            listener);
        if (r < 0)
                return r;
        listener->next = server->listeners;
        server->listeners = TAKE_PTR(listener);
        return 1;
}

static bool is_wanted(const struct config_strings *addresses, const char *address)
{
        for (size_t i = 0; i < addresses->count; i++)
                if (strcmp(addresses->items[i], address) == 0)
                        return true;
        return false;
}

static bool is_served(const struct server *server, const char *address)
{
        for (const struct listener *listener = server->listeners; listener; listener = listener->next)
                if (strcmp(listener->address, address) == 0)
                        return true;
        return false;
}

static void drop_unwanted(struct server *server, const struct config_strings *addresses)
{
        for (struct listener **link = &server->listeners; *link;) {
                struct listener *listener = *link;

                if (is_wanted(addresses, listener->address)) {
                        link = &listener->next;
                        continue;
                }
                *link = listener->next;
                listener_free(listener);
        }
}

int server_listen(struct server *server, const struct config_strings *addresses, struct failure *failure)
{
        int r;

        /* First those that go: the new ones may be the same port on a wider address. */
        drop_unwanted(server, addresses);
        for (size_t i = 0; i < addresses->count; i++) {
                const char *address = addresses->items[i];

                if (is_served(server, address))
                        continue;
                r = add_listener(server, address);
                if (r < 0)
                        return failure_set(failure, r, "CannotListen", "cannot listen on %s: %s", address,
                                           strerror(-r));
                if (r == 0)
                        log_warning("Not listening on %s: this kernel has no IPv6", address);
        }
        if (!server->listeners)
                return failure_set(
                        failure, -EAFNOSUPPORT, "CannotListen",
                        "cannot listen: this kernel has no IPv6, and no other address is configured");
        return 0;
}

char *server_describe(const struct server *server, char *buffer, size_t size)
{
        size_t used = 0;

        buffer[0] = '\0';
        for (const struct listener *listener = server->listeners; listener && used < size;
             listener = listener->next) {
                int n = snprintf(buffer + used, size - used, "%s%s", used > 0 ? ", " : "", listener->address);

                if (n < 0)
                        break;
                used += (size_t)n;
        }
        return buffer;
}
