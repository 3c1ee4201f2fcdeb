/* SPDX-License-Identifier: Apache-2.0 */

/* Whom the real gateway answers, and how that changes while it runs. */

#include <setjmp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "cleanup.h"
#include "files.h"
#include "gateway.h"
#include "program.h"

#define DIRECTORY "run/capi-node-agent/gateway"

static int status_for(const struct gateway_node *node, const struct identity *who)
{
        struct reply reply = ask(node->port, who, "GET", "/v1/health", "");
        int status = reply.status;

        reply_clear(&reply);
        return status;
}

/* Whether the handshake fails, at the client or, as TLS 1.3 lets the client finish first, by the server's
 * alert. */
static bool is_refused(uint16_t port, const struct identity *who, int max_version)
{
        struct client client;
        bool refused = !client_handshake(port, who, max_version, NULL, &client);

        if (!refused) {
                (void)SSL_write(client.ssl, "GET /healthz HTTP/1.0\r\n\r\n", 25);
                refused = client_is_ended(&client, DEADLINE_SECONDS * 1000);
        }
        client_close(&client);
        return refused;
}

/* Changes the certificate of an identity and has the issuer sign it again. */
static void add_usage(struct identity *identity, const struct identity *issuer, const char *usage)
{
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, usage);

        assert_non_null(extension);
        assert_int_equal(X509_add_ext(identity->certificate, extension, -1), 1);
        X509_EXTENSION_free(extension);
        assert_true(X509_sign(identity->certificate, issuer->key, EVP_sha256()) > 0);
}

static void add_common_name(struct identity *identity, const struct identity *issuer, const char *name)
{
        assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(identity->certificate), "CN",
                                                    MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0),
                         1);
        assert_true(X509_sign(identity->certificate, issuer->key, EVP_sha256()) > 0);
}

/* ---- who ---- */

static void answers_a_listed_common_name_and_a_listed_organization(void **state)
{
        struct gateway_node *node = *state;

        assert_int_equal(status_for(node, &node->management), 200);
        assert_int_equal(status_for(node, &node->prometheus), 200);
}

static void forbids_who_is_of_the_ca_but_not_listed(void **state)
{
        struct gateway_node *node = *state;
        struct reply reply = ask(node->port, &node->kubelet, "GET", "/v1/health", "");

        assert_int_equal(reply.status, 403);
        assert_non_null(strstr(reply.body, "\"error\""));
        assert_null(strstr(reply.body, "Degraded"));
        reply_clear(&reply);
        reply = ask(node->port, &node->kubelet, "GET", "/nothing", "");
        assert_int_equal(reply.status, 403);
        reply_clear(&reply);
}

static void a_scraper_reads_the_metrics_and_nothing_else(void **state)
{
        struct gateway_node *node = *state;
        static const struct {
                const char *target;
                int status;
        } cases[] = { { "/metrics", 200 },  { "/metrics?x=1", 200 },
                      { "/healthz", 403 },  { "/v1/health", 403 },
                      { "/metrics/", 403 }, { "/v1/conditions/NodeStorageReady", 403 } };

        gateway_write_config(node, node->port,
                             "\"allow\":{\"commonNames\":[\"management\"]},"
                             "\"scrape\":{\"organizations\":[\"capi:health-readers\"]}");
        free(gateway_wait_notify(node, "STATUS=Serving"));
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct reply reply = ask(node->port, &node->prometheus, "GET", cases[i].target, "");

                assert_int_equal(reply.status, cases[i].status);
                reply_clear(&reply);
        }
        assert_int_equal(status_for(node, &node->management), 200);
        assert_int_equal(status_for(node, &node->kubelet), 403);
}

static void forbids_names_that_only_look_listed(void **state)
{
        static const char *const names[] = { "Management", "management ", "managemen",
                                             "management.example.org" };
        struct gateway_node *node = *state;

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                struct identity identity = identity_make(&node->ca, names[i], NULL, false, 1);

                assert_int_equal(status_for(node, &identity), 403);
                identity_clear(&identity);
        }
}

/* Which of two counts depends on the reader; whoever signed it may have looked at the other one. */
static void forbids_a_subject_with_two_common_names(void **state)
{
        struct gateway_node *node = *state;
        struct identity identity = identity_make(&node->ca, "management", NULL, false, 1);

        add_common_name(&identity, &node->ca, "system:node:a");
        assert_int_equal(status_for(node, &identity), 403);
        identity_clear(&identity);
}

static void finishes_no_handshake_without_a_good_client_certificate(void **state)
{
        struct gateway_node *node = *state;
        struct identity other_ca = identity_make(NULL, "ca", NULL, true, 2);
        struct identity foreign = identity_make(&other_ca, "management", NULL, false, 1);
        struct identity self_signed = identity_make(NULL, "management", NULL, false, 1);
        struct identity expired = identity_make(&node->ca, "management", NULL, false, -1);
        struct identity serving = identity_make(&node->ca, "management", NULL, false, 1);
        struct identity client = identity_make(&node->ca, "management", NULL, false, 1);

        add_usage(&serving, &node->ca, "serverAuth");
        add_usage(&client, &node->ca, "clientAuth");
        assert_true(is_refused(node->port, NULL, 0));
        assert_true(is_refused(node->port, NULL, TLS1_2_VERSION));
        assert_true(is_refused(node->port, &foreign, 0));
        assert_true(is_refused(node->port, &self_signed, 0));
        assert_true(is_refused(node->port, &expired, 0));
        assert_true(is_refused(node->port, &serving, 0));
        assert_int_equal(status_for(node, &client), 200);
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_refused_total{reason=\"handshake\"}"),
                         6);
        identity_clear(&other_ca);
        identity_clear(&foreign);
        identity_clear(&self_signed);
        identity_clear(&expired);
        identity_clear(&serving);
        identity_clear(&client);
}

static void speaks_tls_1_2_and_1_3_only(void **state)
{
        struct gateway_node *node = *state;

        assert_false(is_refused(node->port, &node->management, TLS1_3_VERSION));
        assert_false(is_refused(node->port, &node->management, TLS1_2_VERSION));
        assert_true(is_refused(node->port, &node->management, TLS1_1_VERSION));
        assert_true(is_refused(node->port, &node->management, TLS1_VERSION));
}

/* A resumed session would skip the question for a certificate. */
static void resumes_no_session(void **state)
{
        static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
        struct gateway_node *node = *state;

        for (size_t i = 0; i < ELEMENTS(versions); i++) {
                struct client first, second;
                SSL_SESSION *session;
                struct reply reply;

                assert_true(client_handshake(node->port, &node->management, versions[i], NULL, &first));
                client_request(&first, "GET", "/healthz", "");
                reply = client_receive(&first, false);
                reply_clear(&reply);
                session = SSL_get1_session(first.ssl);
                assert_true(client_handshake(node->port, &node->management, versions[i], session, &second));
                assert_int_equal(SSL_session_reused(second.ssl), 0);
                SSL_SESSION_free(session);
                client_close(&first);
                client_close(&second);
        }
}

/* ---- reload ---- */

static bool serves_certificate(const struct gateway_node *node, const struct identity *who,
                               const struct identity *server)
{
        struct client client = client_connect(node->port, who);
        X509 *certificate = SSL_get1_peer_certificate(client.ssl);
        bool same = X509_cmp(certificate, server->certificate) == 0;

        X509_free(certificate);
        client_close(&client);
        return same;
}

struct served {
        const struct gateway_node *node;
        const struct identity *who, *server;
};

static bool is_served(void *userdata)
{
        const struct served *served = userdata;

        return serves_certificate(served->node, served->who, served->server);
}

static void new_material_takes_effect_without_dropping_a_long_poll(void **state)
{
        struct gateway_node *node = *state;
        struct identity ca = identity_make(NULL, "new ca", NULL, true, 2);
        struct identity server = identity_make(&ca, "new server", NULL, false, 1);
        struct client waiter = client_connect(node->port, &node->management);
        struct reply reply;

        /* Both authorities, as one does it when a CA is changed. */
        struct identity management = identity_make(&ca, "management", NULL, false, 1);
        _cleanup_free_ char *old_ca = root_read(node->root, DIRECTORY "/client-ca.crt"), *new_ca = NULL,
                            *both = NULL, *certificate = NULL, *key = NULL;

        client_request(&waiter, "GET", "/v1/health?wait=300", "");
        assert_true(is_refused(node->port, &management, 0));
        identity_save(&ca, node->root, "new-ca");
        identity_save(&server, node->root, "new-server");
        new_ca = root_read(node->root, "new-ca.crt");
        certificate = root_read(node->root, "new-server.crt");
        key = root_read(node->root, "new-server.key");
        assert_true(asprintf(&both, "%s%s", new_ca, old_ca) > 0);
        gateway_place(node, "client-ca.crt", both);
        free(gateway_wait_notify(node, "STATUS=Serving"));
        gateway_place(node, "tls.crt", certificate);
        gateway_place(node, "tls.key", key);

        wait_until(is_served, &(struct served){ node, &management, &server }, "the new certificate");
        assert_int_equal(status_for(node, &management), 200);
        assert_int_equal(status_for(node, &node->management), 200);
        assert_false(client_has_input(&waiter, 0));
        gateway_write_health(node, 2, true, "1m");
        reply = client_receive(&waiter, false);
        assert_int_equal(reply.status, 200);
        reply_clear(&reply);
        client_close(&waiter);
        identity_clear(&ca);
        identity_clear(&server);
        identity_clear(&management);
}

static void a_withdrawn_ca_is_out_at_once_on_open_connections_too(void **state)
{
        struct gateway_node *node = *state;
        struct identity ca = identity_make(NULL, "new ca", NULL, true, 2);
        struct client waiter = client_connect(node->port, &node->management);
        struct reply reply;

        client_request(&waiter, "GET", "/v1/health?wait=300", "");
        assert_int_equal((int)gateway_metric(node, "capi_node_gateway_connections"), 2);
        gateway_write_material(node, &node->server, &ca);
        reply = client_receive(&waiter, false);
        assert_int_equal(reply.status, 403);
        reply_clear(&reply);
        assert_true(client_is_ended(&waiter, DEADLINE_SECONDS * 1000));
        client_close(&waiter);
        assert_true(is_refused(node->port, &node->management, 0));
        identity_clear(&ca);
}

static void the_list_of_subjects_is_asked_for_each_request(void **state)
{
        struct gateway_node *node = *state;
        struct client client = client_connect(node->port, &node->management);
        struct reply reply;

        client_request(&client, "GET", "/healthz", "");
        reply = client_receive(&client, false);
        assert_int_equal(reply.status, 200);
        reply_clear(&reply);

        gateway_write_config(node, node->port, "\"allow\":{\"organizations\":[\"capi:health-readers\"]}");
        free(gateway_wait_notify(node, "STATUS=Serving"));
        client_request(&client, "GET", "/healthz", "");
        reply = client_receive(&client, false);
        assert_int_equal(reply.status, 403);
        reply_clear(&reply);
        client_close(&client);
}

static void a_key_that_does_not_fit_leaves_the_old_material_in_force(void **state)
{
        struct gateway_node *node = *state;
        struct identity other = identity_make(&node->ca, "other", NULL, false, 1);
        _cleanup_free_ char *key = NULL, *status = NULL;

        identity_save(&other, node->root, "other");
        key = root_read(node->root, "other.key");
        gateway_place(node, "tls.key", key);
        status = gateway_wait_notify(node, "tls.key: the key does not belong to the certificate");
        assert_non_null(strstr(status, "STATUS=Serving"));
        assert_true(serves_certificate(node, &node->management, &node->server));
        assert_int_equal(status_for(node, &node->management), 200);

        gateway_write_material(node, &other, &node->ca);
        wait_until(is_served, &(struct served){ node, &node->management, &other }, "the other certificate");
        identity_clear(&other);
}

static void follows_the_address_and_returns_to_the_old_one_when_that_fails(void **state)
{
        struct gateway_node *node = *state;
        uint16_t old = node->port;
        int fd;

        node->port = free_port();
        gateway_write_config(node, node->port, GATEWAY_ALLOW);
        free(gateway_wait_notify(node, "STATUS=Serving"));
        assert_int_equal(tcp_connect(old), -ECONNREFUSED);
        assert_int_equal(status_for(node, &node->management), 200);

        /* Nobody may bind this one here: it is of a documentation range (RFC 5737). */
        gateway_place(
                node, "gateway.json",
                "{\"listen\":[\"192.0.2.1:10273\"],\"certFile\":\"/x\",\"keyFile\":\"/x\"," GATEWAY_ALLOW
                "}");
        free(gateway_wait_notify(node, "cannot listen on 192.0.2.1:10273"));
        fd = tcp_connect(node->port);
        assert_true(fd >= 0);
        closep(&fd);
        assert_int_equal(status_for(node, &node->management), 200);
}

/* ---- start and end ---- */

static void closes_and_exits_when_its_configuration_is_withdrawn(void **state)
{
        struct gateway_node *node = *state;
        _cleanup_free_ char *path = path_under(node->root, "/" DIRECTORY "/gateway.json");

        assert_int_equal(unlink(path), 0);
        assert_int_equal(program_wait(node->pid), 0);
        assert_int_equal(tcp_connect(node->port), -ECONNREFUSED);

        /* And does not begin to listen without one. */
        gateway_start(node);
        assert_int_equal(program_wait(node->pid), 0);
        node->pid = 0;
}

static void says_why_it_cannot_serve_and_exits(void **state)
{
        struct gateway_node *node = *state;
        _cleanup_free_ char *path = path_under(node->root, "/" DIRECTORY "/tls.crt"), *status = NULL;
        pid_t first = node->pid;

        gateway_start(node); /* a second one on the same port */
        assert_int_equal(program_wait(node->pid), 1);
        status = gateway_wait_notify(node, "Address already in use");
        assert_non_null(strstr(status, "STATUS=Cannot serve"));
        assert_int_equal(program_stop(first, SIGTERM), 0);

        assert_int_equal(unlink(path), 0);
        gateway_start(node);
        assert_int_equal(program_wait(node->pid), 1);
        free(gateway_wait_notify(node, "tls.crt: No such file"));
        node->pid = 0;
}

static void listens_on_both_wildcards_with_one_port(void **state)
{
        struct gateway_node *node = *state;
        _cleanup_free_ char *text = NULL;
        uint16_t port = free_port();

        assert_true(asprintf(&text,
                             "{\"listen\":[\"0.0.0.0:%1$u\",\"[::]:%1$u\"],\"certFile\":\"/x\",\"keyFile\":"
                             "\"/x\"," GATEWAY_ALLOW "}",
                             port) > 0);
        gateway_place(node, "gateway.json", text);
        free(gateway_wait_notify(node, "STATUS=Serving"));
        node->port = port;
        assert_int_equal(status_for(node, &node->management), 200);
}

/* As on a kernel without IPv6, which systemd's RestrictAddressFamilies= shows in the same way: the gateway
 * may make no socket of that family. */
static void start_without_ipv6(struct gateway_node *node)
{
        struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog filter = { ELEMENTS(code), code };

        node->pid = fork();
        if (node->pid != 0)
                return;
        if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
                _exit(99);
        execl(GATEWAY, GATEWAY, "daemon", "--root", node->root, NULL);
        _exit(99);
}

static void write_listen(const struct gateway_node *node, bool with_ipv4)
{
        _cleanup_free_ char *text = NULL;
        char v4[32] = "";

        if (with_ipv4)
                (void)snprintf(v4, sizeof(v4), "\"0.0.0.0:%u\",", node->port);
        assert_true(asprintf(&text, "{\"listen\":[%s\"[::]:%u\"]," GATEWAY_ALLOW "}", v4, node->port) > 0);
        gateway_place(node, "gateway.json", text);
}

static void a_kernel_without_ipv6_is_served_on_ipv4_but_an_address_of_it_is_an_error(void **state)
{
        struct gateway_node *node = *state;

        assert_int_equal(program_stop(node->pid, SIGTERM), 0);
        write_listen(node, true);
        start_without_ipv6(node);
        free(gateway_wait_notify(node, "READY=1"));
        assert_int_equal(status_for(node, &node->management), 200);
        assert_int_equal(program_stop(node->pid, SIGTERM), 0);

        write_listen(node, false);
        start_without_ipv6(node);
        free(gateway_wait_notify(node, "no other address is configured"));
        assert_int_equal(program_wait(node->pid), 1);
        node->pid = 0;
}

#define PROMISE(name) cmocka_unit_test_setup_teardown(name, gateway_node_start, gateway_node_stop)

int main(void)
{
        const struct CMUnitTest tests[] = {
                PROMISE(answers_a_listed_common_name_and_a_listed_organization),
                PROMISE(forbids_who_is_of_the_ca_but_not_listed),
                PROMISE(a_scraper_reads_the_metrics_and_nothing_else),
                PROMISE(forbids_names_that_only_look_listed),
                PROMISE(forbids_a_subject_with_two_common_names),
                PROMISE(finishes_no_handshake_without_a_good_client_certificate),
                PROMISE(speaks_tls_1_2_and_1_3_only),
                PROMISE(resumes_no_session),
                PROMISE(new_material_takes_effect_without_dropping_a_long_poll),
                PROMISE(a_withdrawn_ca_is_out_at_once_on_open_connections_too),
                PROMISE(the_list_of_subjects_is_asked_for_each_request),
                PROMISE(a_key_that_does_not_fit_leaves_the_old_material_in_force),
                PROMISE(follows_the_address_and_returns_to_the_old_one_when_that_fails),
                PROMISE(closes_and_exits_when_its_configuration_is_withdrawn),
                PROMISE(says_why_it_cannot_serve_and_exits),
                PROMISE(listens_on_both_wildcards_with_one_port),
                PROMISE(a_kernel_without_ipv6_is_served_on_ipv4_but_an_address_of_it_is_an_error),
        };

        (void)signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
