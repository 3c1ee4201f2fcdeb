/* SPDX-License-Identifier: Apache-2.0 */

#include "kube-apiserver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "files.h"
#include "http-client.h"
#include "kubeconfig.h"
#include "program.h"
#include "quantity.h"

#define START_SECONDS 120 /* a sanitizer beside it, two cores, and a crowd */

static const char kubeadm_config[] = "apiVersion: kubeadm.k8s.io/v1beta2\n"
                                     "kind: InitConfiguration\n"
                                     "localAPIEndpoint: { advertiseAddress: 192.0.2.10, bindPort: %1$u }\n"
                                     "nodeRegistration: { name: cp-0, criSocket: /none }\n"
                                     "---\n"
                                     "apiVersion: kubeadm.k8s.io/v1beta2\n"
                                     "kind: ClusterConfiguration\n"
                                     "kubernetesVersion: v1.20.2\n"
                                     "certificatesDir: %2$s/pki\n"
                                     "controlPlaneEndpoint: 127.0.0.1:%1$u\n"
                                     "apiServer: { certSANs: [127.0.0.1] }\n";

static char *kubernetes_program(const char *name)
{
        const char *cache = getenv("CAPI_NODE_CACHE") ?: "/var/cache/capi-node-agent";
        char *path;

        assert_true(asprintf(&path, "%s/kubernetes/%s", cache, name) > 0);
        if (access(path, X_OK) < 0)
                fail_msg("there is no %s; type: image-builder/build-kubernetes %s/kubernetes kube-apiserver "
                         "kubeadm",
                         path, cache);
        return path;
}

/* Its words go to a file: the API server has many. */
static pid_t spawn(const struct kube_apiserver *server, const char *const *arguments)
{
        _cleanup_free_ char *log = path_under(server->root, "/kubernetes.log");
        posix_spawn_file_actions_t actions;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
        assert_int_equal(posix_spawn(&pid, arguments[0], &actions, NULL, (char *const *)arguments, environ),
                         0);
        posix_spawn_file_actions_destroy(&actions);
        return pid;
}

static void run_kubeadm(const struct kube_apiserver *server, const char *phase, const char *what,
                        const char *directory)
{
        _cleanup_free_ char *program = kubernetes_program("kubeadm"),
                            *config = path_under(server->root, "/kubeadm.yaml");
        const char *arguments[] = { program,   "init",     "phase", phase,
                                    what,      "--config", config,  directory ? "--kubeconfig-dir" : NULL,
                                    directory, NULL };

        assert_int_equal(program_wait(spawn(server, arguments)), 0);
}

static void load_ca(struct kube_apiserver *server)
{
        _cleanup_free_ char *certificate = path_under(server->root, "/pki/ca.crt"),
                            *key = path_under(server->root, "/pki/ca.key");
        _cleanup_(fclosep) FILE *certificate_file = fopen(certificate, "re"), *key_file = fopen(key, "re");

        assert_non_null(certificate_file);
        assert_non_null(key_file);
        server->ca.certificate = PEM_read_X509(certificate_file, NULL, NULL, NULL);
        server->ca.key = PEM_read_PrivateKey(key_file, NULL, NULL, NULL);
        assert_non_null(server->ca.certificate);
        assert_non_null(server->ca.key);
}

/* ---- requests ---- */

struct exchange {
        bool done;
        int error;
        long status;
        json_object *object;
};

static void on_done(struct http_transfer *transfer, int error, void *userdata)
{
        struct exchange *exchange = userdata;
        size_t size;
        const char *body = http_body(transfer, &size);

        exchange->done = true;
        exchange->error = error;
        exchange->status = http_status(transfer);
        if (error == 0 && size > 0)
                (void)json_parse(body, size, &exchange->object, NULL);
}

static struct exchange ask(const struct kube_apiserver *server, const char *method, const char *path,
                           const char *content_type, const char *body)
{
        _cleanup_free_ char *url = NULL, *type = NULL;
        _cleanup_kubeconfig_ admin = {};
        struct exchange exchange = {};
        struct http_client *client;
        sd_event *event;

        assert_int_equal(kubeconfig_load(server->root, "/admin.conf", &admin, NULL), 0);
        assert_true(asprintf(&url, "%s%s", admin.server, path) > 0);
        assert_true(asprintf(&type, "Content-Type: %s", content_type ?: "application/json") > 0);
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(http_client_new(event, &client), 0);
        assert_int_equal(http_start(client,
                                    &(struct http_request){
                                            .method = method,
                                            .url = url,
                                            .headers = (const char *[]){ type, NULL },
                                            .body = body,
                                            .body_size = body ? strlen(body) : 0,
                                            .ca_pem = admin.ca.pem,
                                            .cert_pem = admin.certificate.pem,
                                            .key_pem = admin.key.pem,
                                            .timeout_usec = DEADLINE_SECONDS * USEC_PER_SEC,
                                            .userdata = &exchange,
                                    },
                                    on_done, NULL),
                         0);
        while (!exchange.done)
                assert_true(sd_event_run(event, UINT64_MAX) >= 0);
        http_client_free(client);
        sd_event_unref(event);
        return exchange;
}

json_object *kube_request(const struct kube_apiserver *server, const char *method, const char *path,
                          const char *content_type, const char *body)
{
        struct exchange exchange = ask(server, method, path, content_type, body);

        if (exchange.status == 404) {
                json_object_put(exchange.object);
                return NULL;
        }
        if (exchange.error < 0 || exchange.status / 100 != 2)
                fail_msg("%s %s: error %d, status %ld: %s", method, path, exchange.error, exchange.status,
                         json_object_to_json_string(exchange.object));
        return exchange.object;
}

/* ---- the servers ---- */

static bool is_ready(void *userdata)
{
        struct exchange exchange = ask(userdata, "GET", "/readyz", NULL, NULL);

        json_object_put(exchange.object);
        return exchange.error == 0 && exchange.status == 200;
}

static bool has_namespace(void *userdata)
{
        json_object *namespace = kube_request(userdata, "GET", "/api/v1/namespaces/default", NULL, NULL);

        json_object_put(namespace);
        return namespace != NULL;
}

/* --NAME=ROOT/PATH */
static char *path_flag(const struct kube_apiserver *server, const char *name, const char *path)
{
        char *text;

        assert_true(asprintf(&text, "--%s=%s/%s", name, server->root, path) > 0);
        return text;
}

void kube_apiserver_start(struct kube_apiserver *server)
{
        _cleanup_free_ char *program = kubernetes_program("kube-apiserver"),
                            *ca = path_flag(server, "client-ca-file", "pki/ca.crt"),
                            *certificate = path_flag(server, "tls-cert-file", "pki/apiserver.crt"),
                            *key = path_flag(server, "tls-private-key-file", "pki/apiserver.key"),
                            *tokens = path_flag(server, "service-account-key-file", "pki/sa.pub"),
                            *signing = path_flag(server, "service-account-signing-key-file", "pki/sa.key"),
                            *etcd = NULL, *port = NULL;
        const char *arguments[20] = { program,
                                      ca,
                                      certificate,
                                      key,
                                      tokens,
                                      signing,
                                      "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                                      "--service-cluster-ip-range=10.96.0.0/12",
                                      "--authorization-mode=Node,RBAC",
                                      "--enable-admission-plugins=NodeRestriction",
                                      "--bind-address=127.0.0.1",
                                      "--advertise-address=192.0.2.10",
                                      "--endpoint-reconciler-type=none",
                                      "--insecure-port=0" };

        assert_true(asprintf(&etcd, "--etcd-servers=%s", server->etcd.endpoint) > 0);
        assert_true(asprintf(&port, "--secure-port=%u", server->port) > 0);
        arguments[14] = etcd;
        arguments[15] = port;
        server->pid = spawn(server, arguments);
        wait_longer(START_SECONDS, is_ready, server, "the API server");
        wait_longer(START_SECONDS, has_namespace, server, "the namespace of Events");
}

void kube_apiserver_stop(struct kube_apiserver *server, int signal)
{
        if (server->pid > 0)
                (void)program_stop(server->pid, signal);
        server->pid = 0;
}

void kube_apiserver_make(struct kube_apiserver *server)
{
        _cleanup_free_ char *config = NULL;

        *server = (struct kube_apiserver){ .root = root_make(), .port = free_port() };
        assert_true(asprintf(&config, kubeadm_config, server->port, server->root) > 0);
        root_write(server->root, "kubeadm.yaml", config, 0600);
        run_kubeadm(server, "certs", "all", NULL);
        run_kubeadm(server, "kubeconfig", "admin", server->root);
        load_ca(server);
        etcd_start(&server->etcd, server->root, false);
        kube_apiserver_start(server);
}

void kube_apiserver_remove(struct kube_apiserver *server)
{
        kube_apiserver_stop(server, SIGKILL);
        etcd_stop(&server->etcd, SIGKILL);
        identity_clear(&server->ca);
        root_remove(server->root);
}

/* ---- nodes ---- */

void kube_credential(const struct kube_apiserver *server, const char *root, const char *node, int days)
{
        _cleanup_free_ char *user = NULL, *path = path_under(root, "/var/lib/kubelet/pki"), *text = NULL;
        struct identity identity;
        size_t size;
        FILE *stream;

        assert_int_equal(directory_make(path, 0700), 0);
        assert_true(asprintf(&user, "system:node:%s", node) > 0);
        identity = identity_make(&server->ca, user, "system:nodes", false, days);
        stream = open_memstream(&text, &size);
        assert_int_equal(PEM_write_X509(stream, identity.certificate), 1);
        assert_int_equal(PEM_write_PrivateKey(stream, identity.key, NULL, NULL, 0, NULL, NULL), 1);
        assert_int_equal(fclose(stream), 0);
        root_write(root, "var/lib/kubelet/pki/kubelet-client-current.pem", text, 0600);
        identity_clear(&identity);
}

void kube_join(const struct kube_apiserver *server, const char *root, const char *node, unsigned port)
{
        _cleanup_free_ char *ca = root_read(server->root, "pki/ca.crt"), *encoded = NULL, *text = NULL,
                            *directory = path_under(root, "/etc/kubernetes");

        assert_non_null(ca);
        encoded = malloc(strlen(ca) * 2 + 4);
        (void)EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)ca, (int)strlen(ca));
        kube_credential(server, root, node, 1);
        assert_int_equal(directory_make(directory, 0755), 0);
        assert_true(asprintf(&text,
                             "apiVersion: v1\nkind: Config\ncurrent-context: default-context\n"
                             "clusters:\n- name: default-cluster\n  cluster:\n"
                             "    server: https://127.0.0.1:%u\n    certificate-authority-data: %s\n"
                             "contexts:\n- name: default-context\n  context:\n"
                             "    cluster: default-cluster\n    namespace: default\n    user: default-auth\n"
                             "users:\n- name: default-auth\n  user:\n"
                             "    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n"
                             "    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem\n",
                             port, encoded) > 0);
        root_write(root, "etc/kubernetes/kubelet.conf", text, 0600);
}
