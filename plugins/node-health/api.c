/* SPDX-License-Identifier: Apache-2.0 */

#include "api.h"

#include <string.h>

#include "files.h"
#include "http-probe.h"
#include "node.h"

static void finish_unknown(struct check_run *run, const char *reason, const char *message)
{
        struct check_result result;

        check_result_set(&result, CHECK_UNKNOWN, reason, "%s", message);
        check_finish(run, &result);
}

int api_credential(struct node *node, const struct kubeconfig **ret, struct failure *failure)
{
        _cleanup_free_ char *path = path_under(node->root, KUBELET_CONF);
        struct file_stamp stamp;
        int r;

        if (!path)
                return -ENOMEM;
        /* Before it is read, so that a change beside us is seen the next time. */
        file_stamp_read(path, &stamp);
        if (!node->credential.server || !file_stamp_same(&stamp, &node->credential_stamp)) {
                kubeconfig_clear(&node->credential);
                free(TAKE_PTR(node->credential_name));
                r = kubeconfig_load(node->root, KUBELET_CONF, &node->credential, failure);
                if (r < 0)
                        return r;
                node->credential_stamp = stamp;
        }
        *ret = &node->credential;
        return 0;
}

/* Returns 0, 1 when the run was ended because there is none to use, or -ENOMEM. */
static int take_credential(struct check_run *run, const struct kubeconfig **ret)
{
        _cleanup_failure_ failure = {};
        int r;

        r = api_credential(run->node, ret, &failure);
        if (r == -ENOMEM || r >= 0)
                return r;
        if (r == -ENOENT)
                finish_unknown(run, "NotBootstrapped", "kubeadm has not run yet: there is no " KUBELET_CONF);
        else
                finish_unknown(run, failure.reason, failure.message);
        return 1;
}

static int ask(struct check_run *run, const struct kubeconfig *kubeconfig, const char *base_url,
               const char *path, http_done_fn done)
{
        struct http_request request = {
                .method = "GET",
                .ca_file = kubeconfig->ca.path,
                .ca_pem = kubeconfig->ca.pem,
                .cert_file = kubeconfig->certificate.path,
                .cert_pem = kubeconfig->certificate.pem,
                .key_file = kubeconfig->key.path,
                .key_pem = kubeconfig->key.pem,
                .proxy = base_url ? NULL : kubeconfig->proxy,
        };
        _cleanup_free_ char *url = NULL;

        if (asprintf(&url, "%s%s", base_url ?: kubeconfig->server, path) < 0)
                return -ENOMEM;
        request.url = url;
        return http_probe_start(run, &request, done);
}

int api_start(struct check_run *run, const char *base_url, const char *path, http_done_fn done)
{
        const struct kubeconfig *kubeconfig;
        int r;

        r = take_credential(run, &kubeconfig);
        if (r != 0)
                return r < 0 ? r : 0;
        return ask(run, kubeconfig, base_url, path, done);
}

/* The certificate, which the kubelet renews beside its kubeconfig, is parsed when it has changed. The name is
 * borrowed. */
static int node_name(struct node *node, const struct kubeconfig *kubeconfig, const char **ret,
                     struct failure *failure)
{
        struct file_stamp stamp = {};
        int r;

        if (!kubeconfig->certificate.pem && kubeconfig->certificate.path)
                file_stamp_read(kubeconfig->certificate.path, &stamp);
        if (!node->credential_name || !file_stamp_same(&stamp, &node->credential_name_stamp)) {
                free(TAKE_PTR(node->credential_name));
                r = kubeconfig_node_name(kubeconfig, &node->credential_name, failure);
                if (r < 0)
                        return r;
                node->credential_name_stamp = stamp;
        }
        *ret = node->credential_name;
        return 0;
}

int api_start_node(struct check_run *run, http_done_fn done)
{
        _cleanup_free_ char *path = NULL;
        const char *name;
        const struct kubeconfig *kubeconfig;
        _cleanup_failure_ failure = {};
        int r;

        r = take_credential(run, &kubeconfig);
        if (r != 0)
                return r < 0 ? r : 0;
        r = node_name(run->node, kubeconfig, &name, &failure);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                finish_unknown(run, failure.reason, failure.message);
                return 0;
        }
        if (asprintf(&path, "/api/v1/nodes/%s", name) < 0)
                return -ENOMEM;
        return ask(run, kubeconfig, NULL, path, done);
}

void api_judge(const struct http_service *service, struct http_transfer *transfer, int error,
               struct check_result *ret)
{
        long status = error < 0 ? 0 : http_status(transfer);

        if (status == 401 || status == 403)
                check_result_set(ret, CHECK_WARN, "CredentialRefused",
                                 "%s refuses the kubelet's certificate (%ld); look at its expiry in "
                                 "/var/lib/kubelet/pki and at journalctl -u kubelet",
                                 service->name, status);
        else
                http_probe_judge(service, transfer, error, ret);
}

json_object *api_take_object(struct check_run *run, struct http_transfer *transfer, int error)
{
        static const struct http_service service = {
                .name = "the cluster's API endpoint",
                .prefix = "APIEndpoint",
                .remedy = "look at the check api-endpoint",
        };
        struct check_result result;
        json_object *object = NULL;
        const char *body;
        size_t size;

        api_judge(&service, transfer, error, &result);
        if (result.status == CHECK_OK) {
                body = http_body(transfer, &size);
                if (json_parse(body, size, &object, NULL) >= 0 &&
                    json_object_is_type(object, json_type_object))
                        return object;
                json_object_put(object);
                check_result_set(&result, CHECK_UNKNOWN, "AnswerUnreadable",
                                 "the API server's answer is not a JSON object");
        }
        if (result.status == CHECK_FAIL)
                result.status = CHECK_UNKNOWN;
        check_finish(run, &result);
        return NULL;
}
