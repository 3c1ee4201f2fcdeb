/* SPDX-License-Identifier: Apache-2.0 */

#include "versions.h"

#include <string.h>
#include <sys/utsname.h>

#include "api.h"
#include "http-probe.h"
#include "node.h"
#include "static-pod.h"
#include "text.h"

#define SKEW_MAX     3 /* from Kubernetes 1.28 on; 2 before (kubernetes.io/releases/version-skew-policy) */
#define SKEW_MAX_OLD 2

static const char *const static_pods[] = { "etcd", "kube-apiserver", "kube-controller-manager",
                                           "kube-scheduler" };

/* ---- do they fit? ---- */

struct release {
        unsigned major, minor;
};

static bool parse_release(const char *text, struct release *ret)
{
        return sscanf(text, "v%2u.%3u.", &ret->major, &ret->minor) == 2;
}

/* The rule for one part of Kubernetes beside the API server: not newer, and not older by more than `allowed`
 * minor releases. Says what breaks it. */
static void judge_part(const char *name, const char *version, const char *api_server, bool kubelet,
                       char *text, size_t size)
{
        struct release part, server;
        unsigned allowed;

        if (!parse_release(version, &part) || !parse_release(api_server, &server) ||
            part.major != server.major)
                return;
        allowed = !kubelet ? 1 : server.minor >= 28 ? SKEW_MAX : SKEW_MAX_OLD;
        if (part.minor > server.minor)
                text_append(text, size, "%s%s %s is newer than the API server", text[0] ? "; " : "", name,
                            version);
        else if (server.minor - part.minor > allowed)
                text_append(text, size, "%s%s %s is more than %u minor releases older than the API server",
                            text[0] ? "; " : "", name, version, allowed);
}

static void judge(struct node *node, struct check_result *ret)
{
        const struct versions *versions = &node->versions;
        char text[300] = "", tag[STATIC_POD_VALUE_SIZE];

        judge_part("kubelet", versions->kubelet, versions->api_server, true, text, sizeof(text));
        for (size_t i = 2; i < ELEMENTS(static_pods); i++) {
                const char *manifest;

                if (kept_static_pod_read(&node->files, node->root, static_pods[i], &manifest) >= 0 &&
                    static_pod_tag(manifest, tag))
                        judge_part(static_pods[i], tag, versions->api_server, false, text, sizeof(text));
        }
        if (text[0])
                check_result_set(ret, CHECK_WARN, "VersionSkew", "%s (%s); finish the upgrade", text,
                                 versions->api_server);
        else
                check_result_set(ret, CHECK_OK, "VersionsFit", "the versions of Kubernetes fit each other");
}

/* ---- asking ---- */

static void on_node(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_run *run = userdata;
        _cleanup_json_ json_object *object = api_take_object(run, transfer, error);
        json_object *status, *info;
        struct check_result result;

        if (!object)
                return;
        status = json_member(object, "status", json_type_object);
        info = status ? json_member(status, "nodeInfo", json_type_object) : NULL;
        (void)snprintf(run->node->versions.kubelet, sizeof(run->node->versions.kubelet), "%s",
                       (info ? json_string(info, "kubeletVersion") : NULL) ?: "");
        judge(run->node, &result);
        check_finish(run, &result);
}

static void on_version(struct http_transfer *transfer, int error, void *userdata)
{
        struct check_run *run = userdata;
        _cleanup_json_ json_object *object = api_take_object(run, transfer, error);
        int r;

        if (!object)
                return;
        (void)snprintf(run->node->versions.api_server, sizeof(run->node->versions.api_server), "%s",
                       json_string(object, "gitVersion") ?: "");
        r = api_start_node(run, on_node);
        if (r < 0)
                http_probe_fail(run, r);
}

static void on_runc(void *userdata)
{
        struct check_run *run = userdata;
        int r;

        r = api_start(run, NULL, "/version", on_version);
        if (r < 0)
                http_probe_fail(run, r);
}

static void cancel_runc(struct check_run *run)
{
        runc_version_stop(&run->node->runc);
}

int versions_start(struct check_run *run)
{
        if (!runc_version_ask(run->node, on_runc, run))
                return api_start(run, NULL, "/version", on_version);
        run->cancel = cancel_runc;
        return 0;
}

/* ---- telling ---- */

/* The value of a key in a text of KEY=VALUE or KEY: VALUE lines (os-release(5), Ubuntu's build.info), cut out
 * in place; NULL: there is none. Its shell quoting is at most one pair of quotes in practice. */
static char *value_of(char *text, const char *key)
{
        char *rest = text;

        for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
                char *value = line + strlen(key);
                size_t length;

                if (strncmp(line, key, strlen(key)) != 0)
                        continue;
                value += strspn(value, " ");
                length = strlen(value);
                if (length >= 2 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0]) {
                        value[length - 1] = '\0';
                        value++;
                }
                return value;
        }
        return NULL;
}

/* From the first of the files that is there. */
static int add_from_file(struct node *node, json_object *versions, const char *name, const char *const *paths,
                         const char *key)
{
        for (; *paths; paths++) {
                _cleanup_free_ char *copy = NULL;
                const char *text;
                int r = kept_file_read(&node->files, node->root, *paths, &text);

                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        continue;
                copy = strdup(text);
                return copy ? json_set_string(versions, name, value_of(copy, key)) : -ENOMEM;
        }
        return json_set_string(versions, name, NULL);
}

static int add(json_object *versions, const char *name, const char *value)
{
        return json_set_string(versions, name, value[0] ? value : NULL);
}

int versions_describe(struct node *node, json_object *versions)
{
        static const char *const os_release[] = { "/etc/os-release", "/usr/lib/os-release", NULL };
        static const char *const build_info[] = { "/etc/cloud/build.info", NULL };
        struct utsname name;
        int r;

        if (uname(&name) < 0)
                return -errno;
        r = add(versions, "kernel", name.release);
        if (r >= 0)
                r = add_from_file(node, versions, "os", os_release, "PRETTY_NAME=");
        if (r >= 0)
                r = add_from_file(node, versions, "image", build_info, "serial:");
        if (r >= 0)
                r = add(versions, "kubelet", node->versions.kubelet);
        if (r >= 0)
                r = add(versions, "apiServer", node->versions.api_server);
        if (r >= 0)
                r = add(versions, "containerd", node->runtime.version);
        if (r >= 0)
                r = add(versions, "runc", node->runc.text);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(static_pods); i++) {
                char tag[STATIC_POD_VALUE_SIZE];
                const char *manifest;

                if (kept_static_pod_read(&node->files, node->root, static_pods[i], &manifest) >= 0 &&
                    static_pod_tag(manifest, tag))
                        r = json_set_string(versions, static_pods[i], tag);
        }
        return r;
}
