/* SPDX-License-Identifier: Apache-2.0 */

/* The real plugin below a scratch root, and a real proxy. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after the standard headers that it needs */
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "files.h"
#include "program.h"
#include "report.h"
#include "settings.h"
#include "tinyproxy.h"

#define CONFIG      "etc/capi-node-agent/proxy.json"
#define REPORT      "run/capi-node-agent/reports/proxy.json"
#define CREDENTIALS "etc/capi-node-agent/proxy-credentials"
#define CONTAINERD  "var/lib/capi-node-agent/proxy/environment/containerd.service"
#define DROP_IN     "etc/systemd/system/containerd.service.d/" DROP_IN_NAME
#define SERVICES    "sys/fs/cgroup/system.slice"
#define PROXIES \
        "\"httpProxy\":\"http://proxy.example.org:3128\",\"httpsProxy\":\"http://proxy.example.org:3128\""

struct node {
        char *root, *report_path;
        pid_t plugin;
        struct tinyproxy proxy;
        int target;
        unsigned target_port;
};

static void make_directory(const struct node *node, const char *name)
{
        _cleanup_free_ char *path = path_under(node->root, name);

        assert_int_equal(directory_make(path, 0755), 0);
}

/* Where the proxy is asked to connect to; the kernel takes what nobody accepts. */
static void listen_target(struct node *node)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        node->target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(node->target, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(node->target, 16), 0);
        assert_int_equal(getsockname(node->target, (struct sockaddr *)&address, &size), 0);
        node->target_port = ntohs(address.sin_port);
}

static int make_node(void **state)
{
        struct node *node = calloc(1, sizeof(*node));

        node->root = root_make();
        node->report_path = path_under(node->root, "/" REPORT);
        node->proxy.root = node->root;
        make_directory(node, "/etc/systemd/system");
        listen_target(node);
        *state = node;
        return 0;
}

static int remove_node(void **state)
{
        struct node *node = *state;

        if (node->plugin > 0)
                assert_int_equal(program_stop(node->plugin, SIGTERM), 0);
        tinyproxy_stop(&node->proxy);
        close(node->target);
        root_remove(node->root);
        free(node->report_path);
        free(node);
        return 0;
}

static void start(struct node *node)
{
        node->plugin = program_start(PROXY, (const char *const[]){ "daemon", "--root", node->root, NULL });
}

static void configure(const struct node *node, const char *rest)
{
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text, "{" PROXIES "%s}", rest) > 0);
        root_write(node->root, CONFIG, text, 0644);
}

static int run(const struct node *node, const char *command)
{
        return program_wait(
                program_start(PROXY, (const char *const[]){ command, "--root", node->root, NULL }));
}

static void pretend_to_run(const struct node *node, const char *unit, pid_t process)
{
        char name[256], pid[16];

        (void)snprintf(name, sizeof(name), "/" SERVICES "/%s", unit);
        make_directory(node, name);
        (void)snprintf(name, sizeof(name), "%s/%s/cgroup.procs", SERVICES, unit);
        (void)snprintf(pid, sizeof(pid), "%d\n", (int)process);
        root_write(node->root, name, pid, 0644);
}

struct expectation {
        const struct node *node;
        const char *reason, *message;
        size_t restarts;
};

static bool is_reported(void *userdata)
{
        const struct expectation *expected = userdata;
        _cleanup_(report_freep) struct report *report = NULL;

        return report_load(expected->node->report_path, &report, NULL) >= 0 && report->n_conditions == 1 &&
               strcmp(report->conditions[0].reason, expected->reason) == 0 &&
               (!expected->message || strstr(report->conditions[0].message, expected->message)) &&
               report->n_restarts == expected->restarts;
}

static void await(const struct node *node, const char *reason, const char *message, size_t restarts)
{
        struct expectation expected = { node, reason, message, restarts };

        wait_until(is_reported, &expected, reason);
}

struct search {
        const struct node *node;
        const char *path, *text;
};

static bool is_in_file(void *userdata)
{
        const struct search *search = userdata;
        _cleanup_free_ char *text = root_read(search->node->root, search->path);

        return search->text ? text && strstr(text, search->text) : !text;
}

static void await_text(const struct node *node, const char *path, const char *text)
{
        struct search search = { node, path, text };

        wait_until(is_in_file, &search, text ? text : path);
}

static void units_get_the_variables_and_lose_them_with_the_configuration(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *config = path_under(node->root, "/" CONFIG);
        _cleanup_(report_freep) struct report *report = NULL;

        configure(node, ",\"noProxy\":[\".example.org\"],\"units\":[\"containerd.service\",\"x@y.service\"],"
                        "\"environmentD\":true,\"profileD\":true,\"apt\":true");
        start(node);
        await(node, "InForce", "2 units", 0);
        await_text(node, CONTAINERD, "\nhttps_proxy=\"http://proxy.example.org:3128\"\n");
        await_text(node, CONTAINERD, ",.example.org\"\n");
        await_text(node, DROP_IN, "EnvironmentFile=-/var/lib/capi-node-agent/proxy/environment/%n\n");
        assert_true(root_has(node->root, "etc/systemd/system/x@y.service.d/" DROP_IN_NAME));
        assert_true(root_has(node->root, "etc/profile.d/capi-node-agent-proxy.sh"));
        assert_true(root_has(node->root, "etc/environment.d/60-capi-node-agent-proxy.conf"));
        assert_true(root_has(node->root, "etc/apt/apt.conf.d/95capi-node-agent-proxy"));
        assert_int_equal(report_load(node->report_path, &report, NULL), 0);
        assert_non_null(report->daemon_reload);

        assert_int_equal(unlink(config), 0);
        assert_int_equal(program_wait(node->plugin), 0);
        node->plugin = 0;
        assert_false(root_has(node->root, "etc/systemd/system/containerd.service.d"));
        assert_false(root_has(node->root, "etc/apt"));
        assert_false(root_has(node->root, "var/lib/capi-node-agent/proxy/environment"));
        assert_false(root_has(node->root, "var/lib/capi-node-agent/proxy/owned.json"));
}

static void a_shell_and_apt_understand_their_files(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *command = NULL;

        configure(node, ",\"noProxy\":[\"*\",\"direct.example.org\"],\"profileD\":true,\"apt\":true");
        assert_int_equal(run(node, "apply"), 0);
        assert_true(
                asprintf(&command,
                         "cd %s && test \"$(env -i sh -euc '. etc/profile.d/capi-node-agent-proxy.sh; env' | "
                         "grep -c '^http[s]*_proxy=http://proxy.example.org:3128$')\" = 2 && "
                         "test \"$(env -i sh -euc '. etc/profile.d/capi-node-agent-proxy.sh; env' | "
                         "sed -n 's/^no_proxy=.*,\\*,//p')\" = direct.example.org && "
                         "test \"$(apt-config -c etc/apt/apt.conf.d/95capi-node-agent-proxy dump "
                         "Acquire::http::Proxy | "
                         "tr -d '\\n')\" = 'Acquire::http::Proxy \"http://proxy.example.org:3128\";"
                         "Acquire::http::Proxy::direct.example.org \"DIRECT\";'",
                         node->root) > 0);
        assert_int_equal(system(command), 0);
}

static void what_the_package_brings_is_not_written_again_and_needs_no_reload(void **state)
{
        struct node *node = *state;
        _cleanup_(report_freep) struct report *report = NULL;

        make_directory(node, "/usr/lib/systemd/system/containerd.service.d");
        make_directory(node, "/usr/lib/systemd/system/kubelet.service.d");
        root_write(node->root, "usr/lib/systemd/system/containerd.service.d/" DROP_IN_NAME, drop_in_text,
                   0644);
        root_write(node->root, "usr/lib/systemd/system/kubelet.service.d/" DROP_IN_NAME, drop_in_text, 0644);
        configure(node, "");
        start(node);
        await(node, "InForce", NULL, 0);
        assert_false(root_has(node->root, DROP_IN));
        assert_int_equal(report_load(node->report_path, &report, NULL), 0);
        assert_null(report->daemon_reload);
}

static void what_was_changed_by_hand_is_put_right(void **state)
{
        struct node *node = *state;
        pid_t process;

        configure(node, "");
        start(node);
        await(node, "InForce", NULL, 0);
        root_write(node->root, DROP_IN, "[Service]\n", 0644);
        await_text(node, DROP_IN, "EnvironmentFile=");
        /* What is computed later does not make a unit stale that has started since. */
        process = fork();
        if (process == 0) {
                pause();
                _exit(0);
        }
        pretend_to_run(node, "containerd.service", process);
        make_directory(node, "/run/kubeadm");
        root_write(node->root, "run/kubeadm/kubeadm.yaml", "networking:\n  podSubnet: 10.244.0.0/16\n", 0600);
        await_text(node, CONTAINERD, ",10.244.0.0/16");
        await_text(node, REPORT, "10.244.0.0");
        await(node, "InForce", NULL, 0);
        kill(process, SIGKILL);
        assert_int_equal(waitpid(process, NULL, 0), process);
}

static void units_that_run_are_restarted_before_a_kubelet_runs_or_when_allowed(void **state)
{
        struct node *node = *state;

        pretend_to_run(node, "containerd.service", getpid());
        configure(node, "");
        start(node);
        await(node, "UnitsNotRestarted", "containerd.service", 1);
        pretend_to_run(node, "kubelet.service", getpid());
        configure(node, ",\"noProxy\":[\"a\"]");
        await(node, "UnitsNotRestarted", "containerd.service, kubelet.service", 0);
        configure(node, ",\"noProxy\":[\"a\"],\"allowRestart\":true");
        await(node, "UnitsNotRestarted", NULL, 2);
}

static void a_drop_in_that_shadows_ours_is_named(void **state)
{
        struct node *node = *state;

        configure(node, "");
        start(node);
        await(node, "InForce", NULL, 0);
        root_write(node->root, "etc/systemd/system/containerd.service.d/http-proxy.conf",
                   "[Service]\nUnsetEnvironment=https_proxy\n", 0644);
        await(node, "DropInShadowed", "containerd.service.d/http-proxy.conf", 0);
        root_write(node->root, "etc/systemd/system/containerd.service.d/http-proxy.conf",
                   "[Service]\nEnvironment=HTTPS_PROXY=http://other\n", 0644);
        await(node, "InForce", NULL, 0);
        await_text(node, REPORT, "http-proxy.conf");
}

static void a_file_of_others_is_left_alone(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *text = NULL;

        make_directory(node, "/etc/profile.d");
        root_write(node->root, "etc/profile.d/capi-node-agent-proxy.sh", "theirs\n", 0644);
        configure(node, ",\"profileD\":true");
        assert_int_equal(run(node, "apply"), 1);
        text = root_read(node->root, "etc/profile.d/capi-node-agent-proxy.sh");
        assert_string_equal(text, "theirs\n");
        assert_false(root_has(node->root, DROP_IN));
}

static mode_t mode_of(const struct node *node, const char *name)
{
        _cleanup_free_ char *path = path_under(node->root, name);
        struct stat status;

        assert_int_equal(stat(path, &status), 0);
        return status.st_mode & 07777;
}

/* By all ways out of the program: report, log, show, the diff, and files that others may read. */
static void credentials_are_told_to_nobody(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *command = NULL, *report = NULL;

        root_write(node->root, CREDENTIALS, "user:top/k3y\n", 0644);
        configure(node, ",\"credentialsFile\":\"/" CREDENTIALS
                        "\",\"profileD\":true,\"apt\":true,\"environmentD\":true");
        assert_int_equal(run(node, "apply"), 78);
        assert_false(root_has(node->root, DROP_IN));

        root_write(node->root, CREDENTIALS, "user:top/k3y\n", 0600);
        assert_true(
                asprintf(&command,
                         "cd %s && { %s --root $PWD apply --dry-run && %s --root $PWD apply && "
                         "echo user:other/k3y >%s && %s --root $PWD apply --dry-run && "
                         "%s --root $PWD show && %s --root $PWD show --json; } >output 2>&1 && "
                         "! grep -q k3y output && grep -q 'only secrets differ' output && "
                         "grep -q '://\\*\\*\\*@proxy' output && "
                         "test -z \"$(find etc/systemd etc/profile.d etc/apt etc/environment.d var -type f "
                         "-perm /077 -exec grep -l k3y {} +)\"",
                         node->root, PROXY, PROXY, CREDENTIALS, PROXY, PROXY, PROXY) > 0);
        assert_int_equal(system(command), 0);
        await_text(node, CONTAINERD, "http://user:top%2Fk3y@proxy.example.org:3128");
        assert_int_equal(mode_of(node, "/etc/profile.d/capi-node-agent-proxy.sh"), 0600);

        /* The file is followed. */
        start(node);
        await_text(node, CONTAINERD, "http://user:other%2Fk3y@");
        await(node, "InForce", NULL, 0);
        report = root_read(node->root, REPORT);
        assert_null(strstr(report, "k3y"));
        assert_non_null(strstr(report, "\"credentials\":true"));
}

/* Each time with another interval, so that it asks at once. */
static void ask(const struct node *node, const char *credentials, unsigned target_port, unsigned interval)
{
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "{\"httpProxy\":\"http://127.0.0.1:%u\"%s%s%s,\"probe\":{\"target\":\"127.0.0.1:%u\","
                       "\"interval\":\"%us\"}}",
                       node->proxy.port, credentials ? ",\"credentialsFile\":\"" : "", credentials ?: "",
                       credentials ? "\"" : "", target_port, interval);
        root_write(node->root, CONFIG, text, 0644);
}

static void the_proxy_is_asked_for_a_connection(void **state)
{
        struct node *node = *state;
        char rule[64];

        (void)snprintf(rule, sizeof(rule), "ConnectPort %u\nBasicAuth user secret", node->target_port);
        tinyproxy_start(&node->proxy, node->root, rule);
        root_write(node->root, CREDENTIALS, "user:secret\n", 0600);
        ask(node, "/" CREDENTIALS, node->target_port, 600);
        start(node);
        await(node, "InForce", "it connects", 0);
        await_text(node, REPORT, "capi_node_proxy_up");

        ask(node, NULL, node->target_port, 601);
        await(node, "ProxyCredentialsRefused", "credentialsFile", 0);
        ask(node, "/" CREDENTIALS, node->proxy.port, 602);
        await(node, "ProxyRefuses", "403", 0);
        tinyproxy_stop(&node->proxy);
        ask(node, "/" CREDENTIALS, node->target_port, 603);
        await(node, "ProxyUnreachable", "refused", 0);
}

#define NODE_TEST(f) cmocka_unit_test_setup_teardown(f, make_node, remove_node)

int main(void)
{
        const struct CMUnitTest tests[] = {
                NODE_TEST(units_get_the_variables_and_lose_them_with_the_configuration),
                NODE_TEST(a_shell_and_apt_understand_their_files),
                NODE_TEST(what_the_package_brings_is_not_written_again_and_needs_no_reload),
                NODE_TEST(what_was_changed_by_hand_is_put_right),
                NODE_TEST(units_that_run_are_restarted_before_a_kubelet_runs_or_when_allowed),
                NODE_TEST(a_drop_in_that_shadows_ours_is_named),
                NODE_TEST(a_file_of_others_is_left_alone),
                NODE_TEST(credentials_are_told_to_nobody),
                NODE_TEST(the_proxy_is_asked_for_a_connection),
        };

        return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
