/* SPDX-License-Identifier: Apache-2.0 */

#include "scs.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "files.h"
#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "report.h"
#include "static-pod.h"
#include "text.h"
#include "timestamp.h"
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

/* ---- arguments of static pods: a row for each fact ---- */

/* One argument and its value. */
struct wanted_value {
        const char *name, *argument;
        const char *value; /* NULL: any */
};

static void judge_value(struct scs_standard *standard, const struct wanted_value *wanted,
                        const char *manifest)
{
        char found[STATIC_POD_VALUE_SIZE] = "";
        bool good = static_pod_argument(manifest, wanted->argument, found);

        if (wanted->value)
                good = strcmp(found, wanted->value) == 0;
        add_argument_fact(standard, wanted->name, good, wanted->argument, found,
                          wanted->value ?: "a value of your choice");
}

/* Several arguments that have to be set, whatever to, and an admission plugin. */
struct wanted_set {
        const char *name, *arguments[4];
        const char *plugin; /* NULL: none */
};

static void judge_set(struct scs_standard *standard, const struct wanted_set *wanted, const char *manifest)
{
        char value[STATIC_POD_VALUE_SIZE], set[128] = "", missing[128] = "";

        for (size_t i = 0; i < ELEMENTS(wanted->arguments) && wanted->arguments[i]; i++) {
                bool found = static_pod_argument(manifest, wanted->arguments[i], value);
                char *text = found ? set : missing;

                text_append(text, sizeof(set), "%s--%s", text[0] ? ", " : "", wanted->arguments[i]);
        }
        if (wanted->plugin) {
                bool found = static_pod_argument(manifest, "enable-admission-plugins", value) &&
                             list_has(value, WORDS(wanted->plugin));
                char *text = found ? set : missing;

                text_append(text, sizeof(set), "%s%s", text[0] ? ", " : "", wanted->plugin);
        }
        if (missing[0])
                add(standard, wanted->name, SCS_FAIL, "not set: %s", missing);
        else
                add(standard, wanted->name, SCS_PASS, "set: %s", set);
}

/* ---- SCS-0215 ---- */

#define TEST_0215(name) "Test_scs_0215_" name

#define BACKUP_REPORT   "/run/capi-node-agent/reports/etcd-backup.json"
#define BACKUP_AGE_MAX  (7 * USEC_PER_DAY)   /* "at least once a week" */
#define CERTIFICATE_AGE (366 * USEC_PER_DAY) /* "at least yearly" */

static const struct wanted_set wanted_0215[] = {
        { TEST_0215("requestLimits"),
          { "max-requests-inflight", "max-mutating-requests-inflight", "min-request-timeout" },
          "EventRateLimit" },
        { TEST_0215("minRequestTimeout"), { "min-request-timeout" } },
        { TEST_0215("eventRateLimit"), { "admission-control-config-file" }, "EventRateLimit" },
};
/* In the standard's text, without a test. */
static const struct wanted_value wanted_0215_etcd[] = {
        { "scs-0215-etcd-auto-compaction-mode", "auto-compaction-mode", "periodic" },
        { "scs-0215-etcd-auto-compaction-retention", "auto-compaction-retention", "8h" },
};

/* The test looks for the argument; it is what kube-apiserver does without it, too. */
static void judge_fairness(struct scs_standard *standard, const char *manifest)
{
        char found[STATIC_POD_VALUE_SIZE] = "";
        bool set = static_pod_argument(manifest, "enable-priority-and-fairness", found);

        add_argument_fact(standard, TEST_0215("apiPriorityAndFairness"), !set || strcmp(found, "true") == 0,
                          "enable-priority-and-fairness", set ? found : "true (the default)", "true");
}

/* When the newest of the copies that etcd-backup has verified was finished; 0: there is none. */
static uint64_t newest_copy(const struct report *report)
{
        json_object *copies = json_member(report->info, "copies", json_type_array);
        uint64_t newest = 0, finished;

        for (size_t i = 0; copies && i < json_object_array_length(copies); i++) {
                const char *time = json_string(json_object_array_get_idx(copies, i), "finishedAt");

                if (time && timestamp_parse(time, &finished) >= 0 && finished > newest)
                        newest = finished;
        }
        return newest;
}

static void judge_backup(struct scs_standard *standard, const char *root)
{
        _cleanup_(report_freep) struct report *report = NULL;
        _cleanup_free_ char *path = path_under(root, BACKUP_REPORT);
        _cleanup_failure_ failure = {};
        char time[TIMESTAMP_SIZE];
        uint64_t newest;

        if (!path || report_load(path, &report, &failure) < 0) {
                add(standard, TEST_0215("etcdBackup"), SCS_UNKNOWN,
                    "etcd-backup does not report; what else makes backups is not seen from here");
                return;
        }
        newest = newest_copy(report);
        if (newest > 0 && newest + BACKUP_AGE_MAX >= now_realtime_usec())
                add(standard, TEST_0215("etcdBackup"), SCS_PASS, "the newest verified copy is of %s",
                    timestamp_format(newest, time));
        else
                add(standard, TEST_0215("etcdBackup"), SCS_FAIL,
                    "no verified copy within a week; see: capi-node etcd-backup status");
}

/* The test looks for cert-manager, which does not renew kubeadm's; what counts is that they are renewed. */
static void judge_rotation(struct scs_standard *standard, const struct certificate_files *files)
{
        const char *old = NULL;

        for (size_t i = 0; i < files->count; i++)
                if (files->items[i].issued_usec > 0 &&
                    files->items[i].issued_usec + CERTIFICATE_AGE < now_realtime_usec())
                        old = files->items[i].path;
        if (files->count == 0)
                add(standard, TEST_0215("certificateRotation"), SCS_UNKNOWN,
                    "the check certificates has not looked");
        else if (old)
                add(standard, TEST_0215("certificateRotation"), SCS_FAIL,
                    "%s is older than a year; type: kubeadm certs renew all", old);
        else
                add(standard, TEST_0215("certificateRotation"), SCS_PASS,
                    "none but of authorities is older than a year");
}

static void look_0215(const struct node *node, struct scs_standard *standard)
{
        _cleanup_free_ char *api_server = NULL, *etcd = NULL;
        int r = static_pod_load(node->root, "kube-apiserver", &api_server);

        standard->count = 0;
        for (size_t i = 0; i < ELEMENTS(wanted_0215); i++)
                if (r >= 0)
                        judge_set(standard, &wanted_0215[i], api_server);
                else
                        add(standard, wanted_0215[i].name, SCS_UNKNOWN,
                            "cannot read the manifest of kube-apiserver: %s", strerror(-r));
        if (r >= 0)
                judge_fairness(standard, api_server);
        judge_rotation(standard, &node->certificates);
        if (!role_holds(ROLE_ETCD_MEMBER, node->root))
                return; /* an external etcd */
        judge_backup(standard, node->root);
        r = static_pod_load(node->root, "etcd", &etcd);
        for (size_t i = 0; i < ELEMENTS(wanted_0215_etcd); i++)
                if (r >= 0)
                        judge_value(standard, &wanted_0215_etcd[i], etcd);
                else
                        add(standard, wanted_0215_etcd[i].name, SCS_UNKNOWN,
                            "cannot read the manifest of etcd: %s", strerror(-r));
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
        _cleanup_free_ char *text = NULL;
        int r;

        r = text_read(root, KUBELET_CONFIG, KUBELET_CONFIG_MAX, &text);
        for (size_t i = 0; i < ELEMENTS(kubelet_0217); i++) {
                _cleanup_free_ char *found = NULL;
                const char *value;

                if (r >= 0)
                        r = yaml_setting(text, strlen(text), kubelet_0217[i].keys, &found);
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

/* Service accounts, and one more for people. */
static void judge_authentication(struct scs_standard *standard, const char *manifest)
{
        char value[STATIC_POD_VALUE_SIZE];
        bool accounts = static_pod_argument(manifest, "service-account-issuer", value),
             others = static_pod_argument(manifest, "oidc-issuer-url", value) ||
                      static_pod_argument(manifest, "authentication-token-webhook-config-file", value);

        if (accounts && others)
                add(standard, TEST("Authentication_Methods"), SCS_PASS,
                    "service accounts, and OpenID Connect or a webhook");
        else
                add(standard, TEST("Authentication_Methods"), SCS_FAIL, "not set: %s",
                    accounts ? "--oidc-issuer-url or --authentication-token-webhook-config-file"
                             : "--service-account-issuer");
}

static const struct wanted_set wanted_0217_tls = {
        "Test_scs_0217_etcd_tls_communication",
        { "etcd-certfile", "etcd-keyfile", "etcd-cafile" },
};

/* That etcd is on this machine is a warning of the test's, no failure. */
static void judge_isolation(struct scs_standard *standard, const char *manifest)
{
        char servers[STATIC_POD_VALUE_SIZE] = "";
        bool given = static_pod_argument(manifest, "etcd-servers", servers);

        add_argument_fact(standard, "Test_scs_0217_etcd_isolation", given, "etcd-servers", servers,
                          "where etcd is");
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
        judge_authentication(standard, manifest);
        judge_set(standard, &wanted_0217_tls, manifest);
        judge_isolation(standard, manifest);
}

/* Of the standard's text, without a test of these names: etcd speaks TLS, and to this node alone without it.
 */
static const struct wanted_value wanted_0217_etcd[] = {
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
                judge_value(standard, &wanted_0217_etcd[i], etcd);
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
        const char *why = "";
        char names[384] = "";

        for (size_t i = 0; i < standard->count; i++) {
                if (standard->facts[i].status == SCS_FAIL)
                        text_append(names, sizeof(names), "%s%s", names[0] != '\0' ? ", " : "",
                                    standard->facts[i].name);
                if (standard->facts[i].status == SCS_UNKNOWN)
                        why = standard->facts[i].message;
        }
        if (failed > 0)
                check_result_set(ret, CHECK_WARN, "StandardNotMet", "%zu of %zu of %s do not hold: %s",
                                 failed, standard->count, name, names);
        else if (unknown > 0)
                check_result_set(ret, CHECK_UNKNOWN, "StandardNotChecked", "%s", why);
        else
                check_result_set(ret, CHECK_OK, "StandardMet", "all %zu that can be seen on the node hold",
                                 standard->count);
        ret->value = (double)failed;
        ret->threshold = 0;
}

int scs_0215_start(struct check_run *run)
{
        struct check_result result;

        look_0215(run->node, &run->node->scs.scs_0215);
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
