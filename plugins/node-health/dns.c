/* SPDX-License-Identifier: Apache-2.0 */

#include "dns.h"

#include <arpa/inet.h>
#include <math.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "api.h"
#include "files.h"
#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "text.h"
#include "timestamp.h"

#define RESOLV_CONF_MAX (64 * 1024)
#define HOSTS_MAX       (1024 * 1024)
#define ANSWER_USEC     (3 * USEC_PER_SEC) /* the C library gives up a server after 5 s */
#define ACCURACY_USEC   (100 * USEC_PER_MSEC)
#define BLANKS          " \t\r"

static uint16_t port = 53; /* the tests have their own server */

/* ---- whom and what to ask ---- */

/* "nameserver ADDRESS" (resolv.conf(5)); the first three, as in the C library. */
static void parse_servers(struct dns_watch *watch, char *text)
{
        char *rest = text;

        watch->n_servers = 0;
        for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
                char *state = NULL, *word = strtok_r(line, BLANKS, &state);
                const char *address =
                        word && strcmp(word, "nameserver") == 0 ? strtok_r(NULL, BLANKS, &state) : NULL;

                if (!address || watch->n_servers == DNS_SERVERS_MAX)
                        continue;
                (void)snprintf(watch->servers[watch->n_servers].address, sizeof(watch->servers[0].address),
                               "%s", address);
                watch->n_servers++;
        }
}

/* Whether /etc/hosts has the name, which is looked at first. */
static bool hosts_has(char *text, const char *name)
{
        char *rest = text;

        for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
                char *state = NULL;

                line[strcspn(line, "#")] = '\0';
                if (!strtok_r(line, BLANKS, &state))
                        continue;
                for (char *word = strtok_r(NULL, BLANKS, &state); word; word = strtok_r(NULL, BLANKS, &state))
                        if (strcasecmp(word, name) == 0)
                                return true;
        }
        return false;
}

/* The host of "https://HOST:PORT/…"; false for an address. */
static bool host_of(const char *url, char *buffer, size_t size)
{
        const char *host = strstr(url, "://");
        struct in_addr address;
        size_t length;

        host = host ? host + 3 : url;
        length = strcspn(host, ":/");
        if (host[0] == '[' || length == 0 || length >= size)
                return false;
        memcpy(buffer, host, length);
        buffer[length] = '\0';
        return inet_pton(AF_INET, buffer, &address) != 1;
}

static void add_name(struct dns_watch *watch, const char *name)
{
        size_t i = watch->n_names;
        uint16_t id;
        int n;

        if (i == DNS_NAMES_MAX || strlen(name) >= DNS_NAME_SIZE ||
            getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
                return;
        n = dns_query_write(name, id, watch->queries[i]);
        if (n < 0)
                return;
        (void)snprintf(watch->names[i], DNS_NAME_SIZE, "%s", name);
        watch->query_sizes[i] = (size_t)n;
        watch->n_names++;
}

/* The API server's name from the kubelet's kubeconfig, unless it is an address or in /etc/hosts. */
static void add_api_server(struct dns_watch *watch, struct node *node)
{
        const struct kubeconfig *kubeconfig;
        _cleanup_free_ char *hosts = NULL;
        char name[DNS_NAME_SIZE];

        if (api_credential(node, &kubeconfig, NULL) < 0 || !host_of(kubeconfig->server, name, sizeof(name)))
                return;
        if (text_read(node->root, "/etc/hosts", HOSTS_MAX, &hosts) >= 0 && hosts_has(hosts, name))
                return;
        add_name(watch, name);
}

/* ---- what they answered ---- */

static bool all_answered(const struct dns_watch *watch, const struct dns_server *server)
{
        for (size_t i = 0; i < watch->n_names; i++)
                if (!server->answered[i])
                        return false;
        return true;
}

static const char *code_text(uint8_t code)
{
        return code == DNS_NAME_ERROR       ? "knows no such name"
               : code == DNS_SERVER_FAILURE ? "cannot find out (SERVFAIL)"
               : code == DNS_REFUSED        ? "refuses to say"
                                            : "answers with an error";
}

/* Adds what is wrong with a server's answers. Returns true when nothing is. */
static bool judge_server(const struct dns_watch *watch, const struct dns_server *server, char *wrong,
                         size_t size)
{
        const char *comma = wrong[0] != '\0' ? ", " : "";

        if (!all_answered(watch, server)) {
                text_append(wrong, size, "%s%s does not answer", comma, server->address);
                return false;
        }
        for (size_t i = 0; i < watch->n_names; i++) {
                if (server->code[i] == DNS_NO_ERROR)
                        continue;
                text_append(wrong, size, "%s%s %s: %s", comma, server->address, code_text(server->code[i]),
                            watch->names[i]);
                return false;
        }
        return true;
}

/* One good server is enough for a look-up, though each one waits for those before it. */
static void judge(const struct dns_watch *watch, struct check_result *ret)
{
        char wrong[384] = "";
        size_t good = 0, answering = 0;

        for (size_t i = 0; i < watch->n_servers; i++) {
                good += judge_server(watch, &watch->servers[i], wrong, sizeof(wrong));
                answering += all_answered(watch, &watch->servers[i]);
        }
        if (good == watch->n_servers)
                check_result_set(ret, CHECK_OK, "NameServersAnswer", "every name server finds %s",
                                 watch->names[0]);
        else
                check_result_set(ret, good > 0 ? CHECK_WARN : CHECK_FAIL,
                                 good > 0        ? "NameServerFails"
                                 : answering > 0 ? "NameNotFound"
                                                 : "NoNameServerAnswers",
                                 "%s; see /etc/resolv.conf and: resolvectl status", wrong);
        ret->value = (double)good;
        ret->threshold = (double)watch->n_servers;
}

/* ---- asking ---- */

void dns_watch_stop(struct dns_watch *watch)
{
        for (size_t i = 0; i < DNS_SERVERS_MAX; i++) {
                struct dns_server *server = &watch->servers[i];

                server->source = sd_event_source_disable_unref(server->source);
                closep(&server->fd);
                server->fd = -EBADF;
        }
        watch->timer = sd_event_source_disable_unref(watch->timer);
}

static void cancel(struct check_run *run)
{
        dns_watch_stop(&run->node->dns);
}

static int finish(struct dns_watch *watch)
{
        struct check_result result;

        for (size_t i = 0; i < watch->n_servers; i++)
                watch->servers[i].last_seconds = watch->servers[i].seconds;
        judge(watch, &result);
        dns_watch_stop(watch);
        check_finish(watch->run, &result);
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source;
        (void)usec;
        return finish(userdata);
}

static bool is_finished(const struct dns_watch *watch)
{
        for (size_t i = 0; i < watch->n_servers; i++)
                if (watch->servers[i].fd >= 0 && !all_answered(watch, &watch->servers[i]))
                        return false;
        return true;
}

static void take_answer(struct dns_watch *watch, struct dns_server *server, const uint8_t *message,
                        size_t size)
{
        for (size_t i = 0; i < watch->n_names; i++) {
                int code = dns_answer_read(watch->queries[i], watch->query_sizes[i], message, size);

                if (code < 0 || server->answered[i])
                        continue;
                server->answered[i] = true;
                server->code[i] = (uint8_t)code;
        }
        if (all_answered(watch, server))
                server->seconds = (double)(now_boottime_usec() - watch->sent_usec) / (double)USEC_PER_SEC;
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct dns_watch *watch = userdata;
        uint8_t message[DNS_MESSAGE_MAX];
        ssize_t n;

        (void)events;
        n = recv(fd, message, sizeof(message), MSG_DONTWAIT);
        for (size_t i = 0; i < watch->n_servers; i++) {
                struct dns_server *server = &watch->servers[i];

                if (server->source != source)
                        continue;
                if (n >= 0) {
                        take_answer(watch, server, message, (size_t)n);
                } else if (errno != EAGAIN && errno != EINTR) {
                        /* Nobody listens there (ECONNREFUSED): no answer will come. */
                        server->source = sd_event_source_disable_unref(server->source);
                        closep(&server->fd);
                        server->fd = -EBADF;
                }
                break;
        }
        return is_finished(watch) ? finish(watch) : 0;
}

/* A socket that is connected to the server: others cannot answer. Returns 0 or -errno. */
static int connect_to(struct dns_server *server)
{
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        char *scope = strchr(server->address, '%');
        bool is_v4 = inet_pton(AF_INET, server->address, &v4.sin_addr) == 1;

        if (!is_v4) {
                if (scope) {
                        v6.sin6_scope_id = if_nametoindex(scope + 1);
                        *scope = '\0';
                }
                if (inet_pton(AF_INET6, server->address, &v6.sin6_addr) != 1)
                        return -EINVAL;
                if (scope)
                        *scope = '%';
        }
        server->fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (server->fd < 0)
                return -errno;
        if (connect(server->fd, is_v4 ? (void *)&v4 : (void *)&v6, is_v4 ? sizeof(v4) : sizeof(v6)) < 0)
                return -errno;
        return 0;
}

/* What cannot be asked does not answer; the check says so. */
static void ask(struct dns_watch *watch, struct dns_server *server, sd_event *event)
{
        memset(server->answered, 0, sizeof(server->answered));
        server->seconds = NAN;
        if (connect_to(server) < 0 ||
            sd_event_add_io(event, &server->source, server->fd, EPOLLIN, on_answer, watch) < 0) {
                closep(&server->fd);
                server->fd = -EBADF;
                return;
        }
        for (size_t i = 0; i < watch->n_names; i++)
                (void)send(server->fd, watch->queries[i], watch->query_sizes[i], MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int ask_all(struct dns_watch *watch, sd_event *event)
{
        watch->sent_usec = now_boottime_usec();
        for (size_t i = 0; i < watch->n_servers; i++)
                ask(watch, &watch->servers[i], event);
        return sd_event_add_time_relative(event, &watch->timer, CLOCK_BOOTTIME, ANSWER_USEC, ACCURACY_USEC,
                                          on_timeout, watch);
}

int dns_start(struct check_run *run)
{
        const struct config_strings *names = &run->node->config->checks.dns.names;
        struct dns_watch *watch = &run->node->dns;
        _cleanup_free_ char *text = NULL;
        struct check_result result;
        int r;

        watch->run = run;
        watch->n_names = 0;
        add_api_server(watch, run->node);
        for (size_t i = 0; i < names->count; i++)
                add_name(watch, names->items[i]);
        if (watch->n_names == 0) {
                check_finish_absent(run); /* nothing has to be looked up */
                return 0;
        }
        r = text_read(run->node->root, "/etc/resolv.conf", RESOLV_CONF_MAX, &text);
        if (r < 0 && r != -ENOENT)
                return r;
        parse_servers(watch, text ? text : (char[]){ "" });
        if (watch->n_servers == 0) {
                check_result_set(&result, CHECK_FAIL, "NoNameServer",
                                 "/etc/resolv.conf names no name server");
                check_finish(run, &result);
                return 0;
        }
        run->cancel = cancel;
        r = ask_all(watch, run->node->event);
        if (r < 0)
                dns_watch_stop(watch);
        return r;
}

int dns_metrics(const struct node *node, json_object *metrics)
{
        for (size_t i = 0; i < node->dns.n_servers; i++) {
                const struct dns_server *server = &node->dns.servers[i];
                int r;

                if (!(server->last_seconds > 0))
                        continue; /* not asked yet, or it did not answer */
                r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "dns_answer_seconds",
                               "How long a name server took for its slowest answer.", server->last_seconds,
                               "server", server->address, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}
