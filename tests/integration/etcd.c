/* SPDX-License-Identifier: Apache-2.0 */

#include "etcd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "files.h"
#include "grpc.h"
#include "pki.h"
#include "program.h"
#include "quantity.h"
#include "timestamp.h"

#define PKI "etc/kubernetes/pki/etcd"

static void make_directory(const char *root, const char *path)
{
        _cleanup_free_ char *joined = path_under(root, path);

        assert_int_equal(directory_make(joined, 0700), 0);
}

void etcd_make_pki(const char *root)
{
        struct identity ca = identity_make(NULL, "etcd-ca", NULL, true, 10),
                        other_ca = identity_make(NULL, "other-ca", NULL, true, 10),
                        server = identity_make(&ca, "cp-0", NULL, false, 10),
                        client = identity_make(&ca, "kube-etcd-healthcheck-client", NULL, false, 10),
                        stranger = identity_make(&other_ca, "stranger", NULL, false, 10);

        make_directory(root, "/" PKI);
        identity_save(&ca, root, PKI "/ca");
        identity_save(&server, root, PKI "/server");
        identity_save(&client, root, PKI "/healthcheck-client");
        identity_save(&stranger, root, PKI "/stranger");
        identity_clear(&ca);
        identity_clear(&other_ca);
        identity_clear(&server);
        identity_clear(&client);
        identity_clear(&stranger);
}

#define ARGUMENTS_MAX 24
#define ARGUMENT_SIZE 256

struct arguments {
        const char *items[ARGUMENTS_MAX + 1];
        char texts[ARGUMENTS_MAX][ARGUMENT_SIZE];
        size_t count;
};

static void argument(struct arguments *arguments, const char *format, ...) _printf_(2, 3);
static void argument(struct arguments *arguments, const char *format, ...)
{
        char *text = arguments->texts[arguments->count];
        va_list list;

        assert_true(arguments->count < ARGUMENTS_MAX);
        va_start(list, format);
        (void)vsnprintf(text, ARGUMENT_SIZE, format, list);
        va_end(list);
        arguments->items[arguments->count++] = text;
}

static bool serves(void *userdata)
{
        const struct etcd *etcd = userdata;
        _cleanup_free_ char *answer = etcd_ctl(etcd, (const char *[]){ "endpoint", "health", NULL });

        return strstr(answer, "is healthy");
}

static pid_t spawn(const struct etcd *etcd, const char *name, const struct arguments *arguments, int output,
                   int errors)
{
        posix_spawn_file_actions_t actions;
        char program[512];
        pid_t pid;

        (void)snprintf(program, sizeof(program), "%s%s%s", etcd->programs ?: "", etcd->programs ? "/" : "",
                       name);

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
        assert_int_equal(posix_spawnp(&pid, program, &actions, NULL, (char *const *)arguments->items,
                                      environ),
                         0);
        posix_spawn_file_actions_destroy(&actions);
        return pid;
}

/* Owned by the caller. NULL: those of this machine, which are Debian 12's. */
static char *find_programs(const char *suite)
{
        _cleanup_free_ char *root = NULL;

        if (!suite || strcmp(suite, "bookworm") == 0)
                return NULL;
        root = root_of_suite(suite, "etcd-client etcd-server");
        return path_under(root, "/usr/bin");
}

void etcd_start(struct etcd *etcd, const char *root, bool tls)
{
        etcd_start_of(NULL, etcd, root, tls);
}

/* Starts it as it is described. */
static void launch(struct etcd *etcd, const char *name, const char *cluster, bool existing)
{
        bool is_alone = !strchr(cluster, ',') && !existing;
        _cleanup_free_ char *log_path = path_under(etcd->root, "/etcd.log");
        struct arguments arguments = {};
        _cleanup_close_ int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

        (void)snprintf(etcd->endpoint, sizeof(etcd->endpoint), "%s://127.0.0.1:%u",
                       etcd->tls ? "https" : "http", etcd->port);
        make_directory(etcd->root, "/etc/kubernetes/manifests");
        make_directory(etcd->root, "/var/lib/etcd");

        argument(&arguments, "etcd");
        argument(&arguments, "--name=%s", name);
        argument(&arguments, "--data-dir=%s/var/lib/etcd", etcd->root);
        argument(&arguments, "--listen-client-urls=%s", etcd->endpoint);
        argument(&arguments, "--advertise-client-urls=%s", etcd->endpoint);
        argument(&arguments, "--listen-peer-urls=http://127.0.0.1:%u", etcd->peer_port);
        argument(&arguments, "--initial-advertise-peer-urls=http://127.0.0.1:%u", etcd->peer_port);
        argument(&arguments, "--initial-cluster=%s", cluster);
        argument(&arguments, "--initial-cluster-state=%s", existing ? "existing" : "new");
        argument(&arguments, "--unsafe-no-fsync");
        if (is_alone) { /* nobody contests its election: it need not wait a second for that */
                argument(&arguments, "--heartbeat-interval=20");
                argument(&arguments, "--election-timeout=200");
        }
        if (etcd->tls) {
                argument(&arguments, "--client-cert-auth=true");
                argument(&arguments, "--trusted-ca-file=%s/" PKI "/ca.crt", etcd->root);
                argument(&arguments, "--cert-file=%s/" PKI "/server.crt", etcd->root);
                argument(&arguments, "--key-file=%s/" PKI "/server.key", etcd->root);
        }
        etcd->pid = spawn(etcd, "etcd", &arguments, log, log);
        root_write(etcd->root, "etc/kubernetes/manifests/etcd.yaml", "kind: Pod\n", 0600);
}

void etcd_wait(struct etcd *etcd)
{
        wait_until(serves, etcd, "etcd");
}

void etcd_start_of(const char *suite, struct etcd *etcd, const char *root, bool tls)
{
        char cluster[64];

        *etcd = (struct etcd){ .root = root, .tls = tls, .port = free_port(), .peer_port = free_port() };
        etcd->programs = find_programs(suite);
        (void)snprintf(cluster, sizeof(cluster), "default=http://127.0.0.1:%u", etcd->peer_port);
        launch(etcd, "default", cluster, false);
        etcd_wait(etcd);
}

void etcd_start_member_of(const char *suite, struct etcd *etcd, const char *root, const char *name,
                          unsigned peer_port, const char *cluster, bool existing)
{
        *etcd = (struct etcd){ .root = root, .port = free_port(), .peer_port = peer_port };
        etcd->programs = find_programs(suite);
        launch(etcd, name, cluster, existing);
}

void etcd_stop(struct etcd *etcd, int signal)
{
        if (etcd->pid <= 0)
                return;
        (void)program_stop(etcd->pid, signal);
        etcd->pid = 0;
        free(etcd->programs);
        etcd->programs = NULL;
}

static char *run(const struct etcd *etcd, const char *program, const struct arguments *arguments)
{
        char *text = NULL;
        size_t size = 0;
        int pipes[2];
        pid_t pid;
        ssize_t n;

        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pid = spawn(etcd, program, arguments, pipes[1], pipes[1]);
        close(pipes[1]);
        do {
                text = realloc(text, size + 4096);
                n = read(pipes[0], text + size, 4095);
                assert_true(n >= 0);
                size += (size_t)n;
        } while (n > 0);
        text[size] = '\0';
        close(pipes[0]);
        (void)program_wait(pid);
        return text;
}

char *etcd_ctl(const struct etcd *etcd, const char *const *words)
{
        struct arguments arguments = {};

        argument(&arguments, "etcdctl");
        argument(&arguments, "--endpoints=%s", etcd->endpoint);
        argument(&arguments, "--dial-timeout=10s");
        argument(&arguments, "--command-timeout=30s");
        if (etcd->tls) {
                argument(&arguments, "--cacert=%s/" PKI "/ca.crt", etcd->root);
                argument(&arguments, "--cert=%s/" PKI "/healthcheck-client.crt", etcd->root);
                argument(&arguments, "--key=%s/" PKI "/healthcheck-client.key", etcd->root);
        }
        for (size_t i = 0; words[i]; i++)
                argument(&arguments, "%s", words[i]);
        return run(etcd, "etcdctl", &arguments);
}

char *etcd_utl(const struct etcd *etcd, const char *const *words)
{
        struct arguments arguments = {};

        argument(&arguments, "etcdutl");
        for (size_t i = 0; words[i]; i++)
                argument(&arguments, "%s", words[i]);
        return run(etcd, "etcdutl", &arguments);
}

struct put {
        bool done, again;
        int error;
};

static void on_put_done(struct grpc_call *call, int error, const struct failure *failure, void *userdata)
{
        struct put *put = userdata;

        put->done = true;
        put->error = error;
        /* As long as the members of a cluster elect their leader, which they do again when one was too slow.
         */
        put->again = error < 0 && strcmp(failure->reason, "Unavailable") == 0;
        if (error < 0)
                print_error("put: %s\n", failure->message);
}

/* PutRequest: key 1, value 2, both bytes. */
static size_t put_bytes(uint8_t *at, uint8_t tag, const void *data, size_t size)
{
        uint8_t *start = at;
        size_t left = size;

        *at++ = tag;
        for (; left > 0x7f; left >>= 7)
                *at++ = (uint8_t)(left | 0x80);
        *at++ = (uint8_t)left;
        memcpy(at, data, size);
        return (size_t)(at - start) + size;
}

static void put_one(struct etcd *etcd, sd_event *event, struct http_client *http, const char *key,
                    const void *value, size_t size)
{
        _cleanup_free_ char *ca = path_under(etcd->root, "/" PKI "/ca.crt"),
                            *cert = path_under(etcd->root, "/" PKI "/healthcheck-client.crt"),
                            *private = path_under(etcd->root, "/" PKI "/healthcheck-client.key");
        const uint64_t deadline = now_boottime_usec() + DEADLINE_SECONDS * USEC_PER_SEC;
        _cleanup_free_ uint8_t *message = malloc(strlen(key) + size + 32);
        struct put put = {};
        size_t n;

        n = put_bytes(message, 0x0a, key, strlen(key));
        n += put_bytes(message + n, 0x12, value, size);
        do {
                put = (struct put){};
                assert_int_equal(grpc_start(http,
                                            &(struct grpc_request){
                                                    .base_url = etcd->endpoint,
                                                    .method = "/etcdserverpb.KV/Put",
                                                    .message = message,
                                                    .message_size = n,
                                                    .ca_file = etcd->tls ? ca : NULL,
                                                    .cert_file = etcd->tls ? cert : NULL,
                                                    .key_file = etcd->tls ? private : NULL,
                                                    .userdata = &put,
                                            },
                                            on_put_done, NULL),
                                 0);
                while (!put.done)
                        assert_true(sd_event_run(event, DEADLINE_SECONDS * USEC_PER_SEC) > 0);
        } while (put.again && now_boottime_usec() < deadline);
        assert_int_equal(put.error, 0);
}

static void with_client(struct etcd *etcd,
                        void (*work)(struct etcd *etcd, sd_event *event, struct http_client *http,
                                     const void *userdata),
                        const void *userdata)
{
        struct http_client *http;
        sd_event *event;

        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(http_client_new(event, &http), 0);
        work(etcd, event, http, userdata);
        http_client_free(http);
        sd_event_unref(event);
}

struct values {
        const char *key;
        const void *value;
        size_t size;
        unsigned count; /* of random ones; 0: the one */
};

static void put_values(struct etcd *etcd, sd_event *event, struct http_client *http, const void *userdata)
{
        const struct values *values = userdata;
        _cleanup_free_ uint8_t *random = NULL;

        if (values->count == 0) {
                put_one(etcd, event, http, values->key, values->value, values->size);
                return;
        }
        random = malloc(values->size);
        for (unsigned i = 0; i < values->count; i++) {
                char key[128];

                for (size_t at = 0; at < values->size; at += 256)
                        assert_true(getrandom(random + at, values->size - at < 256 ? values->size - at : 256,
                                              0) > 0);
                (void)snprintf(key, sizeof(key), "%s-%u", values->key, i);
                put_one(etcd, event, http, key, random, values->size);
        }
}

void etcd_put(struct etcd *etcd, const char *key, const void *value, size_t size)
{
        with_client(etcd, put_values, &(struct values){ .key = key, .value = value, .size = size });
}

void etcd_put_many(struct etcd *etcd, const char *prefix, unsigned count, size_t size)
{
        with_client(etcd, put_values, &(struct values){ .key = prefix, .size = size, .count = count });
}
