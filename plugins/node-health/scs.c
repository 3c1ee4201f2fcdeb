/* SPDX-License-Identifier: Apache-2.0 */

#include "scs.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "files.h"
#include "metric.h"
#include "node.h"
#include "static-pod.h"
#include "text.h"
#include "yaml-setting.h"

static void add(struct scs_standard *standard, const char *name, enum scs_status status, const char *format,
                ...) _printf_(4, 5);

static void add(struct scs_standard *standard, const char *name, enum scs_status status, const char *format,
                ...)
{
        struct scs_fact *fact = &standard->facts[standard->count];
        va_list arguments;

        if (standard->count == SCS_FACTS_MAX)
                return;
        standard->count++;
        fact->name = name;
        fact->status = status;
        fact->message[0] = '\0';
        va_start(arguments, format);
        text_append_arguments(fact->message, sizeof(fact->message), format, arguments);
        va_end(arguments);
}

/* Whether a comma-separated list has one of the words. */
static bool list_has(const char *list, const char *const *words)
{
        for (; *words; words++) {
                size_t length = strlen(*words);

                for (const char *at = list; at; at = strchr(at, ',')) {
                        at += *at == ',';
                        if (strncmp(at, *words, length) == 0 && (at[length] == ',' || at[length] == '\0'))
                                return true;
                }
        }
        return false;
}
#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* ---- SCS-0215: a row for each argument that it asks for ---- */

struct wanted {
        const char *name, *argument;
        const char *value; /* NULL: any */
        bool contained;    /* the value is one of a list */
        bool etcd;         /* else kube-apiserver's */
};

static const struct wanted wanted_0215[] = {
        { "scs-0215-max-requests-inflight", "max-requests-inflight" },
        { "scs-0215-max-mutating-requests-inflight", "max-mutating-requests-inflight" },
        { "scs-0215-min-request-timeout", "min-request-timeout" },
        { "scs-0215-event-rate-limit", "enable-admission-plugins", "EventRateLimit", .contained = true },
        { "scs-0215-admission-control-config", "admission-control-config-file" },
        { "scs-0215-etcd-auto-compaction-mode", "auto-compaction-mode", "periodic", .etcd = true },
        { "scs-0215-etcd-auto-compaction-retention", "auto-compaction-retention", "8h", .etcd = true },
};

/* An argument that is not given is as one that is empty. */
static void add_argument_fact(struct scs_standard *standard, const char *name, bool good,
                              const char *argument, const char *found, const char *wanted)
{
        if (good)
                add(standard, name, SCS_PASS, "--%s=%s", argument, found);
        else
                add(standard, name, SCS_FAIL, "--%s is %s; wanted: %s", argument,
                    found[0] != '\0' ? found : "not set", wanted);
}

static void judge_argument(struct scs_standard *standard, const struct wanted *wanted, const char *manifest)
{
        char found[STATIC_POD_VALUE_SIZE] = "", text[64] = "a value of your choice";
        bool good = static_pod_argument(manifest, wanted->argument, found);

        if (wanted->value) {
                (void)snprintf(text, sizeof(text), "%s%s", wanted->contained ? "with " : "", wanted->value);
                good = wanted->contained ? list_has(found, WORDS(wanted->value))
                                         : strcmp(found, wanted->value) == 0;
        }
        add_argument_fact(standard, wanted->name, good, wanted->argument, found, text);
}

static void look_0215(const char *root, struct scs_standard *standard)
{
        _cleanup_free_ char *api_server = NULL, *etcd = NULL;
        int api_server_loaded = static_pod_load(root, "kube-apiserver", &api_server);
        int etcd_loaded = static_pod_load(root, "etcd", &etcd);

        standard->count = 0;
        for (size_t i = 0; i < ELEMENTS(wanted_0215); i++) {
                const struct wanted *wanted = &wanted_0215[i];
                int r = wanted->etcd ? etcd_loaded : api_server_loaded;

                if (wanted->etcd && r == -ENOENT)
                        continue; /* an external etcd */
                if (r < 0)
                        add(standard, wanted->name, SCS_UNKNOWN, "cannot read the manifest of %s: %s",
                            wanted->etcd ? "etcd" : "kube-apiserver", strerror(-r));
                else
                        judge_argument(standard, wanted, wanted->etcd ? etcd : api_server);
        }
}

/* ---- SCS-0217 ---- */

#define TEST(name) "Test_scs_0217_sonobuoy_" name

/* KubeletConfiguration's own defaults (k8s.io/kubernetes pkg/kubelet/apis/config/v1beta1/defaults.go) are
 * what is asked for; arguments that kubelet is started with could change them, but kubeadm sets none of
 * these. */
static const struct {
        const char *name, *keys, *fallback, *wanted;
} kubelet_0217[] = {
        { TEST("Kubelet_ReadOnly_Port_Disabled"), "readOnlyPort", "0", "0" },
        { TEST("Kubelet_HTTPS_Anonymous_Auth_Disabled"), "authentication.anonymous.enabled", "false",
          "false" },
        { TEST("Kubelet_Webhook_Authorization_Enabled"), "authorization.mode", "Webhook", "Webhook" },
};

static void look_at_kubelet(const char *root, struct scs_standard *standard)
{
        _cleanup_free_ char *path = path_under(root, KUBELET_CONFIG), *text = NULL;
        size_t size;
        int r;

        r = path ? file_read(path, KUBELET_CONFIG_MAX, &text, &size) : -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(kubelet_0217); i++) {
                _cleanup_free_ char *found = NULL;
                const char *value;

                if (r >= 0)
                        r = yaml_setting(text, size, kubelet_0217[i].keys, &found);
                if (r < 0) {
                        add(standard, kubelet_0217[i].name, SCS_UNKNOWN, "cannot read " KUBELET_CONFIG ": %s",
                            strerror(-r));
                        continue;
                }
                value = found ? found : kubelet_0217[i].fallback;
                if (strcmp(value, kubelet_0217[i].wanted) == 0)
                        add(standard, kubelet_0217[i].name, SCS_PASS, "%s: %s%s", kubelet_0217[i].keys, value,
                            found ? "" : " (kubelet's default)");
                else
                        add(standard, kubelet_0217[i].name, SCS_FAIL, "%s is %s; wanted: %s",
                            kubelet_0217[i].keys, value, kubelet_0217[i].wanted);
        }
}

static void look_at_api_server(const char *root, struct scs_standard *standard)
{
        char plugins[STATIC_POD_VALUE_SIZE] = "", modes[STATIC_POD_VALUE_SIZE] = "";
        _cleanup_free_ char *manifest = NULL;

        if (static_pod_load(root, "kube-apiserver", &manifest) < 0)
                return; /* a worker; of a control plane the check of kube-apiserver says more */
        (void)static_pod_argument(manifest, "enable-admission-plugins", plugins);
        (void)static_pod_argument(manifest, "authorization-mode", modes);
        /* SCS's test looks for the literal text "--enable-admission-plugins=NodeRestriction", so it has to be
           the first. */
        add_argument_fact(standard, TEST("NodeRestriction_Admission_Controller_Enabled_in_KubeAPIServer"),
                          strncmp(plugins, "NodeRestriction", strlen("NodeRestriction")) == 0,
                          "enable-admission-plugins", plugins, "NodeRestriction, as the first of the list");
        add_argument_fact(standard, TEST("PodSecurity_Standards_And_Admission_Controller_Enabled"),
                          list_has(plugins, WORDS("PodSecurity")), "enable-admission-plugins", plugins,
                          "with PodSecurity");
        add_argument_fact(standard, TEST("Authorization_Methods"),
                          list_has(modes, WORDS("Node")) && list_has(modes, WORDS("ABAC", "RBAC", "Webhook")),
                          "authorization-mode", modes, "Node, and ABAC, RBAC or Webhook");
}

/* Of the standard's text, without a test of these names: etcd speaks TLS, and to this node alone without it.
 */
static const struct wanted wanted_0217_etcd[] = {
        { "scs-0217-etcd-cert-file", "cert-file" },
        { "scs-0217-etcd-key-file", "key-file" },
        { "scs-0217-etcd-client-cert-auth", "client-cert-auth", "true" },
        { "scs-0217-etcd-peer-client-cert-auth", "peer-client-cert-auth", "true" },
};

static void look_0217(const char *root, struct scs_standard *standard)
{
        _cleanup_free_ char *etcd = NULL;

        standard->count = 0;
        look_at_kubelet(root, standard);
        look_at_api_server(root, standard);
        if (static_pod_load(root, "etcd", &etcd) < 0)
                return; /* not on this node */
        for (size_t i = 0; i < ELEMENTS(wanted_0217_etcd); i++)
                judge_argument(standard, &wanted_0217_etcd[i], etcd);
}

/* ---- the two checks ---- */

static size_t count_status(const struct scs_standard *standard, enum scs_status status)
{
        size_t n = 0;

        for (size_t i = 0; i < standard->count; i++)
                n += standard->facts[i].status == status;
        return n;
}

static void judge(const char *name, const struct scs_standard *standard, struct check_result *ret)
{
        size_t failed = count_status(standard, SCS_FAIL), unknown = count_status(standard, SCS_UNKNOWN);
        char names[384] = "";

        for (size_t i = 0; i < standard->count; i++)
                if (standard->facts[i].status == SCS_FAIL)
                        text_append(names, sizeof(names), "%s%s", names[0] != '\0' ? ", " : "",
                                    standard->facts[i].name);
        if (failed > 0)
                check_result_set(ret, CHECK_WARN, "StandardNotMet", "%zu of %zu of %s do not hold: %s",
                                 failed, standard->count, name, names);
        else if (unknown > 0)
                check_result_set(ret, CHECK_UNKNOWN, "StandardNotChecked", "%s", standard->facts[0].message);
        else
                check_result_set(ret, CHECK_OK, "StandardMet", "all %zu that can be seen on the node hold",
                                 standard->count);
        ret->value = (double)failed;
        ret->threshold = 0;
}

int scs_0215_start(struct check_run *run)
{
        struct check_result result;

        look_0215(run->node->root, &run->node->scs.scs_0215);
        judge("SCS-0215", &run->node->scs.scs_0215, &result);
        check_finish(run, &result);
        return 0;
}

int scs_0217_start(struct check_run *run)
{
        _cleanup_free_ char *path = path_under(run->node->root, KUBELET_CONFIG);
        struct check_result result;

        if (!path)
                return -ENOMEM;
        if (access(path, F_OK) < 0 && errno == ENOENT) {
                check_finish_absent(run); /* kubeadm has not run */
                return 0;
        }
        look_0217(run->node->root, &run->node->scs.scs_0217);
        judge("SCS-0217", &run->node->scs.scs_0217, &result);
        check_finish(run, &result);
        return 0;
}

static int add_metrics(const struct scs_standard *standard, const char *name, json_object *metrics)
{
        for (size_t i = 0; i < standard->count; i++) {
                int r;

                if (standard->facts[i].status == SCS_UNKNOWN)
                        continue;
                r = metric_add(metrics, METRIC_GAUGE, METRIC_NAME_PREFIX "scs_fact",
                               "Whether what a standard of SCS asks for holds on this node.",
                               standard->facts[i].status == SCS_PASS, "standard", name, "name",
                               standard->facts[i].name, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

int scs_0215_metrics(const struct node *node, json_object *metrics)
{
        return add_metrics(&node->scs.scs_0215, "scs-0215", metrics);
}

int scs_0217_metrics(const struct node *node, json_object *metrics)
{
        return add_metrics(&node->scs.scs_0217, "scs-0217", metrics);
}

/* ---- the report ---- */

static int add_list(const struct scs_standard *standard, const char *name, json_object *info)
{
        static const char *const statuses[] = {
                [SCS_UNKNOWN] = "Unknown",
                [SCS_PASS] = "Pass",
                [SCS_FAIL] = "Fail",
        };
        _cleanup_json_ json_object *list = json_object_new_array();

        if (standard->count == 0)
                return 0;
        for (size_t i = 0; i < standard->count; i++) {
                json_object *object = json_object_new_object();
                int r = 0;

                if (!list || json_append(list, object) < 0)
                        return -ENOMEM;
                r |= json_set_string(object, "name", standard->facts[i].name);
                r |= json_set_string(object, "status", statuses[standard->facts[i].status]);
                r |= json_set_string(object, "message", standard->facts[i].message);
                if (r != 0)
                        return -ENOMEM;
        }
        return json_set(info, name, TAKE_PTR(list));
}

int scs_add_info(const struct scs_facts *facts, json_object *info)
{
        int r = add_list(&facts->scs_0215, "scs-0215", info);

        return r < 0 ? r : add_list(&facts->scs_0217, "scs-0217", info);
}
