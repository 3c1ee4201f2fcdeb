/* SPDX-License-Identifier: Apache-2.0 */

#include "certificates.h"

#include <openssl/crypto.h>
#include <string.h>

#include "files.h"
#include "kubeconfig.h"
#include "metric.h"
#include "node.h"
#include "quantity.h"
#include "text.h"
#include "timestamp.h"
#include "x509.h"

#define PKI "/etc/kubernetes/pki/"

/* As x509-certificate-exporter has them for kubeadm; those that are not there are not missed. */
static const struct {
        const char *path;
        bool kubeconfig; /* client-certificate-data is looked at */
} paths[] = {
        { PKI "apiserver.crt", false },
        { PKI "apiserver-etcd-client.crt", false },
        { PKI "apiserver-kubelet-client.crt", false },
        { PKI "ca.crt", false },
        { PKI "front-proxy-ca.crt", false },
        { PKI "front-proxy-client.crt", false },
        { PKI "etcd/ca.crt", false },
        { PKI "etcd/healthcheck-client.crt", false },
        { PKI "etcd/peer.crt", false },
        { PKI "etcd/server.crt", false },
        { "/var/lib/kubelet/pki/kubelet-client-current.pem", false },
        { "/var/lib/kubelet/pki/kubelet-server-current.pem", false },
        { "/var/lib/kubelet/pki/kubelet.crt", false },
        { "/etc/kubernetes/admin.conf", true },
        { "/etc/kubernetes/controller-manager.conf", true },
        { KUBELET_CONF, true },
        { "/etc/kubernetes/scheduler.conf", true },
        { "/etc/kubernetes/super-admin.conf", true },
};
_Static_assert(ELEMENTS(paths) <= CERTIFICATE_FILES_MAX, "there is room for all");

static void keep_first_to_expire(const struct certificates *certificates, struct certificate_file *file)
{
        for (size_t i = 0; i < certificates->count; i++) {
                uint64_t not_after_usec = certificate_not_after(certificates->items[i]);

                if (i > 0 && not_after_usec >= file->not_after_usec)
                        continue;
                file->not_after_usec = not_after_usec;
                file->is_ca = certificate_is_ca(certificates->items[i]);
        }
}

/* Returns 1 when there is one, 0 when there is none, or negative errno with a failure. */
static int load_embedded(const char *root, const char *path, struct certificates *ret,
                         struct failure *failure)
{
        _cleanup_kubeconfig_ kubeconfig = {};
        int r;

        r = kubeconfig_load(root, path, &kubeconfig, failure);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (!kubeconfig.certificate.pem) /* a file, which stands in the table itself */
                return 0;
        r = certificates_parse(path, kubeconfig.certificate.pem, strlen(kubeconfig.certificate.pem), ret,
                               failure);
        return r < 0 ? r : 1;
}

static int load_file(const char *root, const char *path, struct certificates *ret, struct failure *failure)
{
        _cleanup_free_ char *below = path_under(root, path);
        int r;

        if (!below)
                return -ENOMEM;
        if (access(below, F_OK) < 0)
                return 0;
        r = certificates_load(below, ret, failure);
        return r < 0 ? r : 1;
}

struct judgement {
        enum check_status status;
        const char *reason;
        char text[400];
        uint64_t first_usec; /* the earliest expiry; 0: none */
};

static void worsen(struct judgement *judgement, enum check_status status, const char *reason)
{
        if (status <= judgement->status)
                return;
        judgement->status = status;
        judgement->reason = reason;
}

static void judge(const struct certificate_file *file, const struct expiry_config *limits, uint64_t now_usec,
                  struct judgement *judgement)
{
        uint64_t left_usec = file->not_after_usec > now_usec ? file->not_after_usec - now_usec : 0;
        char when[TIMESTAMP_SIZE];

        if (judgement->first_usec == 0 || file->not_after_usec < judgement->first_usec)
                judgement->first_usec = file->not_after_usec;
        if (left_usec >= limits->warn_usec)
                return;
        text_append(judgement->text, sizeof(judgement->text), "%s%s %s %s", judgement->text[0] ? ", " : "",
                    file->path, left_usec == 0 ? "expired" : "expires",
                    timestamp_format(file->not_after_usec, when));
        if (left_usec == 0)
                worsen(judgement, CHECK_FAIL, "CertificateExpired");
        else if (left_usec < limits->fail_usec)
                worsen(judgement, CHECK_FAIL, "CertificateExpiresNow");
        else
                worsen(judgement, CHECK_WARN, "CertificateExpiresSoon");
}

static int look(struct node *node, struct judgement *judgement)
{
        struct certificate_files files = {};

        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                _cleanup_certificates_ certificates = {};
                _cleanup_failure_ failure = {};
                struct certificate_file *file = &files.items[files.count];
                int r;

                r = paths[i].kubeconfig ? load_embedded(node->root, paths[i].path, &certificates, &failure)
                                        : load_file(node->root, paths[i].path, &certificates, &failure);
                if (r == -ENOMEM)
                        return r;
                if (r < 0) {
                        text_append(judgement->text, sizeof(judgement->text), "%s%s",
                                    judgement->text[0] ? ", " : "", failure.message ?: strerror(-r));
                        worsen(judgement, CHECK_WARN, "CertificateUnreadable");
                        continue;
                }
                if (r == 0)
                        continue;
                file->path = paths[i].path;
                keep_first_to_expire(&certificates, file);
                judge(file, &node->config->checks.certificates, now_realtime_usec(), judgement);
                files.count++;
        }
        node->certificates = files;
        return 0;
}

int certificates_start(struct check_run *run)
{
        const struct expiry_config *limits = &run->node->config->checks.certificates;
        struct judgement judgement = { .status = CHECK_OK };
        struct check_result result;
        int r;

        r = look(run->node, &judgement);
        if (r < 0)
                return r;
        if (judgement.status == CHECK_OK && run->node->certificates.count == 0) {
                check_finish_absent(run);
                return 0;
        }
        if (judgement.status == CHECK_OK)
                check_result_set(&result, CHECK_OK, "CertificatesValid", "%zu certificates are valid",
                                 run->node->certificates.count);
        else
                check_result_set(
                        &result, judgement.status, judgement.reason,
                        "%s; renew kubeadm's with: kubeadm certs renew all, and restart the static pods; "
                        "the kubelet renews its own, see journalctl -u kubelet",
                        judgement.text);
        if (judgement.first_usec > 0) {
                result.value =
                        ((double)judgement.first_usec - (double)now_realtime_usec()) / (double)USEC_PER_SEC;
                result.threshold =
                        (double)(judgement.status == CHECK_FAIL ? limits->fail_usec : limits->warn_usec) /
                        (double)USEC_PER_SEC;
        }
        check_finish(run, &result);
        return 0;
}

int certificates_metrics(const struct node *node, json_object *metrics)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < node->certificates.count; i++)
                r = metric_add(metrics, METRIC_GAUGE,
                               METRIC_NAME_PREFIX "certificate_expiry_timestamp_seconds",
                               "When a certificate expires; of several in a file, the first that does.",
                               (double)node->certificates.items[i].not_after_usec / (double)USEC_PER_SEC,
                               "path", node->certificates.items[i].path, NULL);
        return r;
}

static json_object *describe(const struct certificate_file *file)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        char when[TIMESTAMP_SIZE];
        int r = 0;

        if (!object)
                return NULL;
        r |= json_set_string(object, "path", file->path);
        r |= json_set_string(object, "notAfter", timestamp_format(file->not_after_usec, when));
        r |= json_set_bool(object, "isCA", file->is_ca);
        return r == 0 ? TAKE_PTR(object) : NULL;
}

json_object *certificates_describe(const struct certificate_files *files)
{
        _cleanup_json_ json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < files->count; i++)
                if (json_append(list, describe(&files->items[i])) < 0)
                        return NULL;
        return TAKE_PTR(list);
}
