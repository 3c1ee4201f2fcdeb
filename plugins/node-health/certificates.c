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
#include "yaml-setting.h"

#define PKI "/etc/kubernetes/pki/"

/* As x509-certificate-exporter has them for kubeadm; those that are not there are not missed. */
static const struct {
        const char *path;
        bool kubeconfig; /* what is in it, and what it names, is looked at */
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
_Static_assert(ELEMENTS(paths) + 4 <= CERTIFICATE_FILES_MAX, "there is room for all, and for what is named");

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

/* One look at all of them. */
struct look {
        const struct node *node;
        struct certificate_files files;
        struct judgement judgement;
};

static void clear(struct certificate_file *file)
{
        free(file->path);
        for (size_t i = 0; i < ELEMENTS(file->named); i++)
                free(file->named[i]);
        *file = (struct certificate_file){};
}

static int copy_text(char **to, const char *text)
{
        *to = text ? strdup(text) : NULL;
        return text && !*to ? -ENOMEM : 0;
}

/* Takes it over, whatever is returned. */
static int note(struct look *look, const char *path, struct certificate_file *file)
{
        if (look->files.count == CERTIFICATE_FILES_MAX) {
                clear(file);
                return 0;
        }
        if (!file->path && copy_text(&file->path, path) < 0) {
                clear(file);
                return -ENOMEM;
        }
        judge(file, &look->node->config->checks.certificates, now_realtime_usec(), &look->judgement);
        look->files.items[look->files.count++] = *file;
        *file = (struct certificate_file){};
        return 0;
}

/* Of several in one file, the one that expires first is told. */
static void describe_all(const struct certificates *certificates, struct certificate_file *file)
{
        for (size_t i = 0; i < certificates->count; i++) {
                uint64_t not_after_usec = certificate_not_after(certificates->items[i]),
                         issued_usec = certificate_not_before(certificates->items[i]);

                if (!certificate_is_ca(certificates->items[i]) &&
                    (file->issued_usec == 0 || issued_usec < file->issued_usec))
                        file->issued_usec = issued_usec;
                if (i > 0 && not_after_usec >= file->not_after_usec)
                        continue;
                file->not_after_usec = not_after_usec;
                file->is_ca = certificate_is_ca(certificates->items[i]);
        }
}

/* Returns -ENOMEM, or 0: one file that cannot be read does not hide the others. */
static int note_unreadable(struct look *look, int error, const struct failure *failure)
{
        char *text = look->judgement.text;

        if (error == -ENOMEM)
                return error;
        text_append(text, sizeof(look->judgement.text), "%s%s", text[0] ? ", " : "",
                    failure->message ?: strerror(-error));
        worsen(&look->judgement, CHECK_WARN, "CertificateUnreadable");
        return 0;
}

static const struct certificate_file *find(const struct certificate_files *files, const char *path)
{
        for (size_t i = 0; i < files->count; i++)
                if (strcmp(files->items[i].path, path) == 0)
                        return &files->items[i];
        return NULL;
}

/* What the look before found in a file that has not changed since. Only what was good is kept: what is wrong
 * with a file may be another's fault. Returns 1 with a copy, 0, or -ENOMEM. */
static int recall(const struct look *look, const char *path, const struct file_stamp *stamp,
                  struct certificate_file *ret)
{
        const struct certificate_file *before = find(&look->node->certificates, path);
        struct certificate_file file;
        int r = 0;

        if (!before || !file_stamp_same(&before->stamp, stamp))
                return 0;
        file = *before;
        file.path = NULL;
        for (size_t i = 0; i < ELEMENTS(file.named); i++)
                r |= copy_text(&file.named[i], before->named[i]);
        if (r < 0) {
                clear(&file);
                return -ENOMEM;
        }
        *ret = file;
        return 1;
}

static bool is_missing(const struct file_stamp *stamp)
{
        return file_stamp_same(stamp, &(struct file_stamp){});
}

static int look_at_file(struct look *look, const char *path)
{
        _cleanup_free_ char *below = path_under(look->node->root, path);
        _cleanup_certificates_ certificates = {};
        struct certificate_file file = {};
        _cleanup_failure_ failure = {};
        struct file_stamp stamp;
        int r;

        if (!below)
                return -ENOMEM;
        /* Before it is read, so that a change beside us is seen the next time. */
        file_stamp_read(below, &stamp);
        if (find(&look->files, path) || is_missing(&stamp))
                return 0;
        r = recall(look, path, &stamp, &file);
        if (r < 0)
                return r;
        if (r == 0) {
                r = certificates_load(below, &certificates, &failure);
                if (r < 0)
                        return note_unreadable(look, r, &failure);
                describe_all(&certificates, &file);
                file.stamp = stamp;
        }
        return note(look, path, &file);
}

static const char *without_root(const char *path, const char *root)
{
        return strcmp(root, "/") == 0 ? path : path + strlen(root);
}

/* Parses the client certificate and the CAs that are in it. Returns 1, 0 when there are none, or as
 * certificates_parse. */
static int parse_inline(const char *path, const struct kubeconfig *kubeconfig, struct certificate_file *file,
                        struct failure *failure)
{
        _cleanup_certificates_ certificates = {};
        _cleanup_free_ char *pem = NULL;
        int r;

        if (!kubeconfig->certificate.pem && !kubeconfig->ca.pem)
                return 0;
        if (asprintf(&pem, "%s\n%s", kubeconfig->certificate.pem ?: "", kubeconfig->ca.pem ?: "") < 0) {
                pem = NULL;
                return -ENOMEM;
        }
        r = certificates_parse(path, pem, strlen(pem), &certificates, failure);
        if (r < 0)
                return r;
        describe_all(&certificates, file);
        return 1;
}

/* The files that it names instead. */
static int look_at_named(struct look *look, const struct certificate_file *file)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(file->named); i++)
                if (file->named[i])
                        r = look_at_file(look, file->named[i]);
        return r;
}

static int parse_kubeconfig(struct look *look, const char *path, struct certificate_file *file)
{
        _cleanup_kubeconfig_ kubeconfig = {};
        const struct kubeconfig_material *materials[] = { &kubeconfig.certificate, &kubeconfig.ca };
        _cleanup_failure_ failure = {};
        int r;

        _Static_assert(ELEMENTS(materials) == ELEMENTS(file->named), "each may be a file instead");
        r = kubeconfig_load(look->node->root, path, &kubeconfig, &failure);
        if (r < 0)
                return r == -ENOENT ? 0 : note_unreadable(look, r, &failure);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(materials); i++)
                if (!materials[i]->pem && materials[i]->path)
                        r = copy_text(&file->named[i], without_root(materials[i]->path, look->node->root));
        if (r >= 0)
                r = look_at_named(look, file);
        if (r < 0)
                return r;
        r = parse_inline(path, &kubeconfig, file, &failure);
        return r < 0 ? note_unreadable(look, r, &failure) : r;
}

static int look_at_kubeconfig(struct look *look, const char *path)
{
        _cleanup_free_ char *below = path_under(look->node->root, path);
        struct certificate_file file = {};
        struct file_stamp stamp;
        int r;

        if (!below)
                return -ENOMEM;
        file_stamp_read(below, &stamp);
        r = recall(look, path, &stamp, &file);
        if (r > 0) {
                r = look_at_named(look, &file);
                r = r < 0 ? r : 1;
        } else if (r == 0) {
                r = parse_kubeconfig(look, path, &file);
                file.stamp = stamp;
        }
        if (r > 0)
                return note(look, path, &file);
        clear(&file);
        return r;
}

/* The kubelet's own, when its configuration names one; else it is below /var/lib/kubelet/pki. Returns 0 or
 * -ENOMEM. */
static int read_serving(struct look *look, const struct file_stamp *stamp)
{
        const struct certificate_files *before = &look->node->certificates;
        _cleanup_free_ char *text = NULL, *path = NULL;

        if (file_stamp_same(stamp, &before->serving_stamp)) {
                if (copy_text(&look->files.serving, before->serving) < 0)
                        return -ENOMEM;
        } else {
                if (text_read(look->node->root, KUBELET_CONFIG, KUBELET_CONFIG_MAX, &text) < 0 ||
                    yaml_setting(text, strlen(text), "tlsCertFile", &path) < 0)
                        return 0;
                look->files.serving = path && path[0] == '/' ? TAKE_PTR(path) : NULL;
        }
        look->files.serving_stamp = *stamp;
        return 0;
}

static int look_at_kubelet(struct look *look)
{
        _cleanup_free_ char *below = path_under(look->node->root, KUBELET_CONFIG);
        struct file_stamp stamp;
        int r;

        if (!below)
                return -ENOMEM;
        file_stamp_read(below, &stamp);
        r = read_serving(look, &stamp);
        return r < 0 || !look->files.serving ? r : look_at_file(look, look->files.serving);
}

static int look_at_all(struct look *look)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(paths); i++)
                r = paths[i].kubeconfig ? look_at_kubeconfig(look, paths[i].path)
                                        : look_at_file(look, paths[i].path);
        return r < 0 ? r : look_at_kubelet(look);
}

void certificate_files_clear(struct certificate_files *files)
{
        for (size_t i = 0; i < files->count; i++)
                clear(&files->items[i]);
        free(files->serving);
        *files = (struct certificate_files){};
}

static int look(struct node *node, struct judgement *ret)
{
        struct look look = { .node = node, .judgement = { .status = CHECK_OK } };
        int r;

        r = look_at_all(&look);
        if (r < 0) {
                certificate_files_clear(&look.files);
                return r;
        }
        certificate_files_clear(&node->certificates);
        node->certificates = look.files;
        *ret = look.judgement;
        return 0;
}

int certificates_start(struct check_run *run)
{
        const struct expiry_config *limits = &run->node->config->checks.certificates;
        struct judgement judgement;
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
