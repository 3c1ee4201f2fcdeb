/* SPDX-License-Identifier: Apache-2.0 */

/* registry-mirror on a node without containerd: what is published, taken back, and left alone. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "answers.h"
#include "files.h"
#include "json.h"
#include "pki.h"
#include "program.h"
#include "registry.h"
#include "report.h"

#define CONFIG  "etc/capi-node-agent/registry-mirror.json"
#define REPORT  "run/capi-node-agent/reports/registry-mirror.json"
#define CERTS   "etc/containerd/certs.d/"
#define IMPORT  "etc/containerd/conf.d/zz-capi-node-registry-mirror.toml"
#define COPIES  "var/lib/capi-node-agent/registry-mirror/files"
#define SHARED  "var/lib/capi-node-agent/custom-ca/containerd.pem"
#define CGROUPS "sys/fs/cgroup/system.slice/"

#define TWO_REGISTRIES                                                                                \
        "{\"registries\":{\"docker.io\":{\"fallback\":true,\"endpoints\":[{\"url\":"                  \
        "\"https://one.example.org/v2/hub\",\"overridePath\":true}]},\"quay.io:8443\":{\"fallback\":" \
        "false,\"endpoints\":[{\"url\":\"https://two.example.org\"}]}}}"
#define ONE_REGISTRY                                                                           \
        "{\"registries\":{\"docker.io\":{\"fallback\":true,\"endpoints\":[{\"url\":\"https://" \
        "one.example.org\"}]}}}"
#define ALL_OTHERS "{\"default\":{\"fallback\":false,\"endpoints\":[{\"url\":\"https://one.example.org\"}]}}"

struct node {
        char *root;
        pid_t plugin;
};

/* With the directories above it. */
static void put(const struct node *node, const char *path, const char *text, mode_t mode)
{
        _cleanup_free_ char *full = NULL;

        assert_true(asprintf(&full, "%s/%s", node->root, path) > 0);
        *strrchr(full, '/') = '\0';
        assert_int_equal(directory_make(full, 0755), 0);
        root_write(node->root, path, text, mode);
}

static int make_node(void **state)
{
        struct node *node = calloc(1, sizeof(*node));

        node->root = root_make();
        put(node, "etc/containerd/config.toml",
            "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"
            "[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = "
            "\"/etc/containerd/certs.d\"\n",
            0644);
        *state = node;
        return 0;
}

static int remove_node(void **state)
{
        struct node *node = *state;

        if (node->plugin > 0)
                assert_int_equal(program_stop(node->plugin, SIGTERM), 0);
        root_remove(node->root);
        free(node);
        return 0;
}

static int run(const struct node *node, const char *command)
{
        return program_wait(
                program_start(REGISTRY_MIRROR, (const char *const[]){ command, "--root", node->root, NULL }));
}

/* What the command prints, and how it ends. */
static char *capture(const struct node *node, const char *arguments, int *ret_status)
{
        _cleanup_free_ char *command = NULL;
        char *text = calloc(1, 65536);
        FILE *pipe;

        assert_true(asprintf(&command, "%s --root %s %s 2>&1", REGISTRY_MIRROR, node->root, arguments) > 0);
        pipe = popen(command, "r");
        assert_non_null(pipe);
        (void)!fread(text, 1, 65535, pipe);
        *ret_status = WEXITSTATUS(pclose(pipe));
        return text;
}

static void assert_file(const struct node *node, const char *path, const char *expected)
{
        _cleanup_free_ char *text = root_read(node->root, path);

        assert_non_null(text);
        assert_string_equal(text, expected);
}

static size_t count_copies(const struct node *node)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_(closedirp) DIR *dir = NULL;
        size_t count = 0;

        assert_true(asprintf(&path, "%s/" COPIES, node->root) > 0);
        dir = opendir(path);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
                count += entry->d_name[0] != '.';
        return count;
}

static void writes_a_file_for_each_registry_and_nothing_else(void **state)
{
        struct node *node = *state;

        put(node, CONFIG, TWO_REGISTRIES, 0644);
        assert_int_equal(run(node, "apply"), 0);
        assert_file(node, CERTS "docker.io/hosts.toml",
                    "# Written by capi-node-agent (registry-mirror); changes are undone.\n\n"
                    "[host.\"https://one.example.org/v2/hub\"]\ncapabilities = [\"pull\", \"resolve\"]\n"
                    "override_path = true\n");
        assert_file(node, CERTS "quay.io_8443_/hosts.toml",
                    "# Written by capi-node-agent (registry-mirror); changes are undone.\n\n"
                    "server = \"https://quay.io:8443\"\ncapabilities = [\"push\"]\n\n"
                    "[host.\"https://two.example.org\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
        assert_false(root_has(node->root, CERTS "_default"));
        assert_false(root_has(node->root, IMPORT));
}

static void a_registry_that_is_withdrawn_goes_with_its_directory(void **state)
{
        struct node *node = *state;

        put(node, CONFIG, TWO_REGISTRIES, 0644);
        assert_int_equal(run(node, "apply"), 0);
        put(node, CONFIG, ONE_REGISTRY, 0644);
        assert_int_equal(run(node, "apply"), 0);
        assert_true(root_has(node->root, CERTS "docker.io/hosts.toml"));
        assert_false(root_has(node->root, CERTS "quay.io_8443_"));
        assert_int_equal(run(node, "undo"), 0);
        assert_false(root_has(node->root, "etc/containerd/certs.d"));
        assert_true(root_has(node->root, "etc/containerd/config.toml"));
}

static void a_directory_of_others_is_left_alone_and_an_empty_one_is_taken(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *shown = NULL, *empty = NULL;
        int status;

        put(node, CERTS "docker.io/hosts.toml", "server = \"https://theirs.example.org\"\n", 0644);
        assert_true(asprintf(&empty, "%s/" CERTS "quay.io_8443_", node->root) > 0);
        assert_int_equal(mkdir(empty, 0755), 0);
        put(node, CONFIG, TWO_REGISTRIES, 0644);
        assert_int_equal(run(node, "apply"), 0);
        assert_file(node, CERTS "docker.io/hosts.toml", "server = \"https://theirs.example.org\"\n");
        assert_true(root_has(node->root, CERTS "quay.io_8443_/hosts.toml"));
        shown = capture(node, "show", &status);
        assert_int_equal(status, 0);
        assert_non_null(strstr(shown, "not ours: /etc/containerd/certs.d/docker.io\n"));
        assert_int_equal(run(node, "undo"), 0);
        assert_true(root_has(node->root, CERTS "docker.io/hosts.toml"));
        assert_true(root_has(node->root, CERTS "quay.io_8443_"));
}

/* containerd before 2.1 puts an imported table in the place of the whole one. */
static void containerd_is_told_where_to_look_by_an_import_that_repeats_its_table(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *import = NULL;

        put(node, "etc/containerd/config.toml",
            "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n"
            "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"pause:1\"\n",
            0644);
        put(node, "etc/containerd/conf.d/50-runtime.toml",
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n"
            "SystemdCgroup = true\n",
            0644);
        put(node, CONFIG, ONE_REGISTRY, 0644);
        assert_int_equal(run(node, "apply"), 0);
        import = root_read(node->root, IMPORT);
        assert_non_null(import);
        assert_non_null(strstr(import, "\nversion = 2\n"));
        assert_non_null(strstr(import, "\"SystemdCgroup\" = true\n"));
        assert_non_null(strstr(import, "\"config_path\" = \"/etc/containerd/certs.d\"\n"));
        /* What is in force before it is the last file's, not the first one's. */
        assert_null(strstr(import, "sandbox_image"));
        assert_int_equal(run(node, "undo"), 0);
        assert_false(root_has(node->root, IMPORT));
        assert_true(root_has(node->root, "etc/containerd/conf.d/50-runtime.toml"));
}

static void a_dry_run_changes_nothing_and_shows_no_secret(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *shown = NULL, *again = NULL, *text = NULL;
        int status;

        put(node, "etc/headers", "authorization: Basic c2VjcmV0\n", 0600);
        put(node, CONFIG,
            "{\"default\":{\"fallback\":true,\"endpoints\":[{\"url\":\"https://one.example.org\","
            "\"headersFile\":\"/etc/headers\"}]}}",
            0644);
        shown = capture(node, "apply --dry-run", &status);
        assert_int_equal(status, 0);
        assert_non_null(strstr(shown, "+\"Authorization\" = (not shown)\n"));
        assert_null(strstr(shown, "c2VjcmV0"));
        assert_false(root_has(node->root, CERTS "_default"));

        assert_int_equal(run(node, "apply"), 0);
        text = root_read(node->root, CERTS "_default/hosts.toml");
        assert_non_null(strstr(text, "\"Authorization\" = \"Basic c2VjcmV0\"\n"));
        again = capture(node, "show --dry-run", &status);
        assert_string_equal(again, "");
}

static void a_secret_that_others_can_read_is_refused_and_what_was_before_stays(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *told = NULL;
        int status;

        put(node, CONFIG, ONE_REGISTRY, 0644);
        assert_int_equal(run(node, "apply"), 0);
        put(node, "etc/headers", "Authorization: Basic c2VjcmV0\n", 0644);
        put(node, CONFIG,
            "{\"default\":{\"fallback\":true,\"endpoints\":[{\"url\":\"https://one.example.org\","
            "\"headersFile\":\"/etc/headers\"}]}}",
            0644);
        told = capture(node, "apply", &status);
        assert_int_equal(status, 78);
        assert_non_null(strstr(told, "chmod 0600"));
        assert_true(root_has(node->root, CERTS "docker.io/hosts.toml"));
        assert_false(root_has(node->root, CERTS "_default"));
}

static void certificates_are_copied_under_the_name_of_their_content(void **state)
{
        struct node *node = *state;
        struct identity one = identity_make(NULL, "One", NULL, true, 10),
                        other = identity_make(NULL, "Other", NULL, true, 10);
        _cleanup_free_ char *etc = NULL, *first = NULL, *second = NULL;

        assert_true(asprintf(&etc, "%s/etc", node->root) > 0);
        identity_save(&one, etc, "ca");
        put(node, CONFIG,
            "{\"default\":{\"fallback\":true,\"endpoints\":[{\"url\":\"https://one.example.org\","
            "\"caFile\":\"/etc/ca.crt\",\"certFile\":\"/etc/ca.crt\",\"keyFile\":\"/etc/ca.key\"}]}}",
            0644);
        assert_int_equal(run(node, "apply"), 0);
        assert_int_equal(count_copies(node), 2);
        first = root_read(node->root, CERTS "_default/hosts.toml");
        assert_non_null(strstr(first, "ca = [\"/" COPIES "/ca-"));
        assert_non_null(strstr(first, "client = \"/" COPIES "/client-"));

        identity_save(&other, etc, "ca");
        assert_int_equal(run(node, "apply"), 0);
        assert_int_equal(count_copies(node), 2);
        second = root_read(node->root, CERTS "_default/hosts.toml");
        assert_string_not_equal(first, second);
        assert_int_equal(run(node, "undo"), 0);
        assert_int_equal(count_copies(node), 0);
        identity_clear(&one);
        identity_clear(&other);
}

static void a_read_only_file_system_is_told(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *command = NULL;
        char told[4096] = "";
        FILE *pipe;

        put(node, CONFIG, ONE_REGISTRY, 0644);
        assert_true(asprintf(&command,
                             "unshare --mount sh -c 'mount --bind %s/etc %s/etc && mount -o remount,bind,ro "
                             "%s/etc && "
                             "%s --root %s apply' 2>&1",
                             node->root, node->root, node->root, REGISTRY_MIRROR, node->root) > 0);
        pipe = popen(command, "r");
        assert_non_null(pipe);
        (void)!fread(told, 1, sizeof(told) - 1, pipe);
        assert_int_equal(WEXITSTATUS(pclose(pipe)), 1);
        assert_non_null(strstr(told, "Read-only file system"));
        assert_false(root_has(node->root, CERTS "docker.io"));
}

/* ---- the resident part ---- */

struct expected {
        const struct node *node;
        const char *reason;
        bool restart;
};

static bool is_reported(void *userdata)
{
        const struct expected *expected = userdata;
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "%s/" REPORT, expected->node->root) > 0);
        return report_load(path, &report, NULL) >= 0 && report->n_conditions == 1 &&
               report->conditions[0].reason && strcmp(report->conditions[0].reason, expected->reason) == 0 &&
               (report->n_restarts == 1) == expected->restart;
}

static void wait_reason(const struct node *node, const char *reason, bool restart)
{
        wait_until(is_reported, &(struct expected){ node, reason, restart }, reason);
}

static void start(struct node *node)
{
        node->plugin =
                program_start(REGISTRY_MIRROR, (const char *const[]){ "daemon", "--root", node->root, NULL });
}

static void the_resident_part_keeps_what_it_published(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *path = NULL;

        put(node, CONFIG,
            "{\"probe\":{\"enabled\":false},\"default\":{\"fallback\":false,\"endpoints\":[{\"url\":"
            "\"https://one.example.org\"}]}}",
            0644);
        start(node);
        wait_reason(node, "MirrorsInPlace", false);
        /* An empty directory keeps containerd from the default. */
        assert_true(asprintf(&path, "%s/" CERTS "ghcr.io", node->root) > 0);
        assert_int_equal(mkdir(path, 0755), 0);
        wait_reason(node, "ForeignDirectory", false);
        assert_int_equal(rmdir(path), 0);
        wait_reason(node, "MirrorsInPlace", false);
}

static void containerd_is_restarted_only_before_the_kubelet_runs(void **state)
{
        struct node *node = *state;
        _cleanup_free_ char *pid = NULL;

        assert_true(asprintf(&pid, "%d\n", (int)getpid()) > 0);
        put(node, CGROUPS "containerd.service/cgroup.procs", pid, 0644);
        put(node, CGROUPS "kubelet.service/cgroup.procs", "", 0644);
        put(node, "etc/containerd/config.toml",
            "version = 2\nimports = [\"/etc/containerd/conf.d/*.toml\"]\n", 0644);
        put(node, CONFIG,
            "{\"probe\":{\"enabled\":false},\"default\":{\"fallback\":false,\"endpoints\":[{\"url\":"
            "\"https://one.example.org\"}]}}",
            0644);
        start(node);
        wait_reason(node, "RestartPending", true);
        put(node, CGROUPS "kubelet.service/cgroup.procs", pid, 0644);
        put(node, CONFIG,
            "{\"probe\":{\"enabled\":false},\"default\":{\"fallback\":true,\"endpoints\":[{\"url\":"
            "\"https://one.example.org\"}]}}",
            0644);
        wait_reason(node, "RestartPending", false);
        put(node, CONFIG,
            "{\"allowRestart\":true,\"probe\":{\"enabled\":false},\"default\":{\"fallback\":true,"
            "\"endpoints\":[{\"url\":\"https://one.example.org\"}]}}",
            0644);
        wait_reason(node, "RestartPending", true);
}

static bool has_authorities_alone(void *userdata)
{
        const struct node *node = userdata;
        _cleanup_free_ char *text = root_read(node->root, CERTS "_default/hosts.toml");

        return text && strstr(text, "ca = [\"/" COPIES "/ca-") && !strstr(text, "https://");
}

static bool has_authorities_for_a_mirror(void *userdata)
{
        const struct node *node = userdata;
        _cleanup_free_ char *text = root_read(node->root, CERTS "_default/hosts.toml");
        const char *mirror = text ? strstr(text, "[host.\"https://one.example.org\"]") : NULL;

        return mirror && strstr(mirror, "ca = [\"/" COPIES "/ca-");
}

static bool has_no_default(void *userdata)
{
        return !root_has(((const struct node *)userdata)->root, CERTS "_default");
}

static void the_authorities_of_custom_ca_reach_every_pull_without_a_configuration(void **state)
{
        struct node *node = *state;
        struct identity one = identity_make(NULL, "One", NULL, true, 10);
        _cleanup_free_ char *etc = NULL, *pem = NULL, *path = NULL;

        assert_true(asprintf(&etc, "%s/etc", node->root) > 0);
        assert_true(asprintf(&path, "%s/" SHARED, node->root) > 0);
        identity_save(&one, etc, "one");
        pem = root_read(node->root, "etc/one.crt");
        put(node, SHARED, pem, 0600);
        start(node);
        wait_until(has_authorities_alone, node, "the authorities in the default");
        /* With a configuration they are in that, too; without both there is nothing left to do. */
        put(node, CONFIG, ALL_OTHERS, 0644);
        wait_until(has_authorities_for_a_mirror, node, "the authorities for a mirror");
        free(path);
        assert_true(asprintf(&path, "%s/" CONFIG, node->root) > 0);
        assert_int_equal(unlink(path), 0);
        wait_until(has_authorities_alone, node, "the authorities in the default again");
        free(path);
        assert_true(asprintf(&path, "%s/" SHARED, node->root) > 0);
        assert_int_equal(unlink(path), 0);
        wait_until(has_no_default, node, "nothing left");
        assert_int_equal(program_wait(node->plugin), 0);
        node->plugin = 0;
        identity_clear(&one);
}

/* ---- a registry of its own ---- */

/* With the image library/here:1, and its authority in the node's /etc/ca.crt. */
static void start_registry(struct registry *registry, const struct node *node,
                           const struct identity *authority, const struct identity *server)
{
        _cleanup_free_ char *etc = path_under(node->root, "/etc");

        registry->directory = path_under(node->root, "/registry");
        assert_int_equal(mkdir(registry->directory, 0755), 0);
        identity_save(authority, etc, "ca");
        registry_put_image(registry, "library/here", "1");
        registry_start(registry, server);
}

static void stop_registry(struct registry *registry)
{
        registry_stop(registry);
        free((char *)registry->directory);
}

/* ---- at rest ---- */

static bool is_at_rest(void *userdata)
{
        const struct node *node = userdata;
        _cleanup_free_ char *path = NULL, *line = NULL;
        size_t size;

        assert_true(asprintf(&path, "/proc/%d/cmdline", (int)node->plugin) > 0);
        assert_int_equal(file_read(path, 4096, &line, &size), 0);
        return strstr(line, "stand-in");
}

struct asked {
        const struct registry *registry;
        unsigned before;
};

static bool was_asked_again(void *userdata)
{
        const struct asked *asked = userdata;

        return registry_asked(asked->registry, "GET /v2/") > asked->before;
}

struct published {
        const struct node *node;
        const char *text;
};

static bool is_published(void *userdata)
{
        const struct published *published = userdata;
        _cleanup_free_ char *text = root_read(published->node->root, CERTS "docker.io/hosts.toml");

        return text && strstr(text, published->text);
}

static void at_rest_it_asks_now_and_then_repairs_and_tells_who_is_gone(void **state)
{
        struct node *node = *state;
        struct identity authority = identity_make(NULL, "Mirrors", NULL, true, 10),
                        server = identity_make_server(&authority, "IP:127.0.0.31");
        struct registry registry = { .address = "127.0.0.31:5033" };
        struct asked asked = { .registry = &registry };

        start_registry(&registry, node, &authority, &server);
        put(node, CONFIG,
            "{\"probe\":{\"interval\":\"1s\",\"settledInterval\":\"5s\"},\"registries\":{\"docker.io\":{"
            "\"fallback\":"
            "true,\"endpoints\":["
            "{\"url\":\"https://127.0.0.31:5033\",\"caFile\":\"/etc/ca.crt\"}]}}}",
            0644);
        node->plugin = program_start(REGISTRY_MIRROR_HASTY,
                                     (const char *const[]){ "daemon", "--root", node->root, NULL });
        wait_until(is_at_rest, node, "rest");
        wait_reason(node, "AllEndpointsAnswer", false);

        put(node, CERTS "docker.io/hosts.toml", "# mine\n", 0644);
        wait_until(is_published, &(struct published){ node, "127.0.0.31:5033" }, "the repair");
        wait_until(is_at_rest, node, "rest after the repair");
        asked.before = registry_asked(&registry, "GET /v2/");
        wait_until(was_asked_again, &asked, "the next probe");
        wait_until(is_at_rest, node, "rest after the probe");
        wait_reason(node, "AllEndpointsAnswer", false);

        registry_stop(&registry);
        wait_reason(node, "EndpointUnreachable", false);
        assert_false(is_at_rest(node));
        free((char *)registry.directory);
        identity_clear(&server);
        identity_clear(&authority);
}

/* ---- test IMAGE ---- */

static void an_image_is_looked_for_where_containerd_would(void **state)
{
        struct node *node = *state;
        struct identity authority = identity_make(NULL, "Mirrors", NULL, true, 10),
                        server = identity_make_server(&authority, "IP:127.0.0.31");
        _cleanup_free_ char *found = NULL, *missing = NULL;
        struct registry registry = { .address = "127.0.0.31:5031" };
        int status;

        start_registry(&registry, node, &authority, &server);
        put(node, CONFIG,
            "{\"registries\":{\"docker.io\":{\"fallback\":false,\"endpoints\":["
            "{\"url\":\"https://127.0.0.31:1\"},{\"url\":\"https://127.0.0.31:5031\",\"capabilities\":"
            "[\"pull\"]},{\"url\":\"https://127.0.0.31:5031/v2\",\"caFile\":\"/etc/ca.crt\"}]}}}",
            0644);
        found = capture(node, "test here:1", &status);
        assert_int_equal(status, 0);
        assert_non_null(strstr(found, "docker.io/library/here:1\n  https://127.0.0.31:1 "));
        assert_non_null(strstr(found, "is not asked for tags: it lacks the capability resolve\n"));
        assert_non_null(strstr(found, "has it: sha256:"));
        assert_int_equal(registry_asked(&registry, "\"GET /v2/library/here/manifests/1?ns=docker.io"), 1);

        missing = capture(node, "test missing --json", &status);
        assert_int_equal(status, 1);
        assert_non_null(strstr(missing, "answers 404: it does not have the image"));
        assert_non_null(strstr(missing, "is never asked: \\\"fallback\\\" is false"));
        stop_registry(&registry);
        identity_clear(&server);
        identity_clear(&authority);
}

/* A mirror that leads to another host: what is meant for the mirror is not shown there. */
static void a_redirect_takes_no_secret_to_another_host(void **state)
{
        static const char *const texts[] = {
                "HTTP/1.1 307 Elsewhere\r\nLocation: https://127.0.0.32:5032/v2/library/here/manifests/1\r\n"
                "Content-Length: 0\r\n\r\n",
                "HTTP/1.1 307 Beside\r\nLocation: /v2/library/beside/manifests/1\r\nContent-Length: "
                "0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                NULL,
        };
        struct node *node = *state;
        struct identity authority = identity_make(NULL, "Mirrors", NULL, true, 10),
                        server = identity_make_server(&authority, "IP:127.0.0.1,IP:127.0.0.32");
        _cleanup_free_ char *config = NULL, *away = NULL, *beside = NULL;
        struct registry registry = { .address = "127.0.0.32:5032", .password = true };
        struct answers mirror = { .texts = texts };
        int status;

        start_registry(&registry, node, &authority, &server);
        answers_start(&mirror, &server);
        assert_true(asprintf(&config,
                             "{\"registries\":{\"docker.io\":{\"fallback\":false,\"endpoints\":[{\"url\":"
                             "\"https://127.0.0.1:%u\",\"caFile\":\"/etc/ca.crt\",\"headersFile\":\"/etc/"
                             "headers\"}]}}}",
                             mirror.port) > 0);
        root_write(node->root, "etc/headers", "Authorization: Basic " REGISTRY_BASIC "\n", 0600);
        put(node, CONFIG, config, 0644);

        away = capture(node, "test here:1", &status);
        assert_non_null(strstr(away, "leads to another host, which wants credentials"));
        assert_int_equal(status, 1);
        beside = capture(node, "test here:1", &status);
        assert_non_null(strstr(beside, "has it: sha256:"));
        assert_int_equal(status, 0);
        answers_stop(&mirror);
        stop_registry(&registry);
        identity_clear(&server);
        identity_clear(&authority);
}

#define test_on_a_node(f) cmocka_unit_test_setup_teardown(f, make_node, remove_node)

int main(void)
{
        const struct CMUnitTest tests[] = {
                test_on_a_node(writes_a_file_for_each_registry_and_nothing_else),
                test_on_a_node(a_registry_that_is_withdrawn_goes_with_its_directory),
                test_on_a_node(a_directory_of_others_is_left_alone_and_an_empty_one_is_taken),
                test_on_a_node(containerd_is_told_where_to_look_by_an_import_that_repeats_its_table),
                test_on_a_node(a_dry_run_changes_nothing_and_shows_no_secret),
                test_on_a_node(a_secret_that_others_can_read_is_refused_and_what_was_before_stays),
                test_on_a_node(certificates_are_copied_under_the_name_of_their_content),
                test_on_a_node(a_read_only_file_system_is_told),
                test_on_a_node(the_resident_part_keeps_what_it_published),
                test_on_a_node(containerd_is_restarted_only_before_the_kubelet_runs),
                test_on_a_node(the_authorities_of_custom_ca_reach_every_pull_without_a_configuration),
                test_on_a_node(at_rest_it_asks_now_and_then_repairs_and_tells_who_is_gone),
                test_on_a_node(an_image_is_looked_for_where_containerd_would),
                test_on_a_node(a_redirect_takes_no_secret_to_another_host),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
