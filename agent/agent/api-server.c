/* SPDX-License-Identifier: Apache-2.0 */

#include "api-server.h"

#include <stdbool.h>
#include <string.h>

#include "http-client.h"
#include "kubeconfig.h"
#include "quantity.h"

#define ANSWER_MAX (4 * 1024 * 1024) /* a Node with all its images and volumes is far below 1 MiB */

static const struct {
        const char *reason;
        uint64_t backoff_usec;
} outcomes[API_OUTCOMES] = {
        [API_OK] = { "Published", 0 },
        [API_UNREACHABLE] = { "ApiServerUnreachable", 2 * USEC_PER_SEC },
        [API_TIMEOUT] = { "ApiServerTimeout", 4 * USEC_PER_SEC },
        [API_TLS_REFUSED] = { "ApiServerTlsRefused", 10 * USEC_PER_SEC },
        [API_UNAUTHORIZED] = { "CredentialRefused", 10 * USEC_PER_SEC },
        [API_FORBIDDEN] = { "NodeWriteForbidden", 30 * USEC_PER_SEC },
        [API_NOT_FOUND] = { "NodeNotRegistered", 4 * USEC_PER_SEC },
        [API_CONFLICT] = { "NodeChangedMeanwhile", 1 * USEC_PER_SEC },
        [API_GONE] = { "NodeStateOutdated", 1 * USEC_PER_SEC },
        [API_TOO_MANY_REQUESTS] = { "ApiServerBusy", 10 * USEC_PER_SEC },
        [API_SERVER_ERROR] = { "ApiServerError", 4 * USEC_PER_SEC },
        [API_REFUSED] = { "ApiServerRefused", 30 * USEC_PER_SEC },
};

const char *api_outcome_reason(enum api_outcome outcome)
{
        return outcomes[outcome].reason;
}

uint64_t api_outcome_backoff_usec(enum api_outcome outcome)
{
        return outcomes[outcome].backoff_usec;
}

struct api_server {
        sd_event *event;
        struct kubeconfig kubeconfig;
        char *node;
        struct http_client *http;
        bool busy;
};

struct api_call {
        struct api_server *server;
        char *url, *content_type, *body;
        const char *method;
        uint64_t timeout_usec;
        api_done_fn done;
        void *userdata;
};

static void call_free(struct api_call *call)
{
        free(call->url);
        free(call->content_type);
        free(call->body);
        free(call);
}
DEFINE_CLEANUP(struct api_call *, call_free)

static void call_release(void *userdata)
{
        call_free(userdata);
}

struct api_server *api_server_close(struct api_server *server)
{
        if (!server)
                return NULL;
        http_client_free(server->http);
        kubeconfig_clear(&server->kubeconfig);
        sd_event_unref(server->event);
        free(server->node);
        free(server);
        return NULL;
}

const char *api_server_node(const struct api_server *server)
{
        return server->node;
}

int api_server_open(sd_event *event, const char *root, const char *kubeconfig, struct api_server **ret,
                    struct failure *failure)
{
        _cleanup_(api_server_closep) struct api_server *server = calloc(1, sizeof(*server));
        int r;

        if (!server)
                return -ENOMEM;
        server->event = sd_event_ref(event);
        r = kubeconfig_load(root, kubeconfig, &server->kubeconfig, failure);
        if (r < 0)
                return r;
        r = kubeconfig_node_name(&server->kubeconfig, &server->node, failure);
        if (r < 0)
                /* -ENOENT is the kubeconfig's alone. */
                return r == -ENOENT ? -ENOKEY : r;
        r = http_client_new(event, &server->http);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(server);
        return 0;
}

static enum api_outcome error_outcome(int error)
{
        return error == -ETIMEDOUT ? API_TIMEOUT : error == -EKEYREJECTED ? API_TLS_REFUSED : API_UNREACHABLE;
}

static enum api_outcome status_outcome(long status, bool has_retry_after)
{
        switch (status) {
        case 200:
        case 201:
                return API_OK;
        case 401:
                return API_UNAUTHORIZED;
        case 403:
                return API_FORBIDDEN;
        case 404:
                return API_NOT_FOUND;
        case 409:
                return API_CONFLICT;
        case 410:
                return API_GONE;
        case 429:
                return API_TOO_MANY_REQUESTS;
        case 503:
                return has_retry_after ? API_TOO_MANY_REQUESTS : API_SERVER_ERROR;
        default:
                return status >= 500 ? API_SERVER_ERROR : API_REFUSED;
        }
}

static void answer_status(struct http_transfer *transfer, struct api_call *call)
{
        _cleanup_json_ json_object *object = NULL;
        long status = http_status(transfer);
        char message[64];
        struct api_answer answer = { .retry_after_usec = http_retry_after_usec(transfer), .message = "" };
        const char *body;
        size_t size;

        answer.outcome = status_outcome(status, answer.retry_after_usec > 0);
        body = http_body(transfer, &size);
        if (size > 0)
                (void)json_parse(body, size, &object, NULL);
        if (answer.outcome == API_OK && json_object_is_type(object, json_type_object))
                answer.object = object;
        else if (answer.outcome == API_OK)
                answer.outcome = API_REFUSED;
        if (answer.outcome != API_OK) {
                (void)snprintf(message, sizeof(message), "HTTP status %ld%s", status,
                               status == 200 ? " without JSON" : "");
                answer.message = json_string(object, "message") ?: message;
        }
        call->server->busy = false;
        call->done(&answer, call->userdata);
}

static void on_done(struct http_transfer *transfer, int error, void *userdata)
{
        struct api_call *call = userdata;
        struct api_answer answer = { .outcome = error_outcome(error) };

        if (error == 0) {
                answer_status(transfer, call);
                return;
        }
        answer.message = http_error_text(transfer);
        call->server->busy = false;
        call->done(&answer, call->userdata);
}

static int start(struct api_server *server, struct api_call *call)
{
        const struct kubeconfig *kubeconfig = &server->kubeconfig;
        const char *headers[] = { "Accept: application/json", "User-Agent: capi-node-agent/" PROJECT_VERSION,
                                  call->content_type, NULL };

        return http_start(server->http,
                          &(struct http_request){
                                  .method = call->method,
                                  .url = call->url,
                                  .headers = headers,
                                  .body = call->body,
                                  .body_size = call->body ? strlen(call->body) : 0,
                                  .ca_file = kubeconfig->ca.path,
                                  .ca_pem = kubeconfig->ca.pem,
                                  .cert_file = kubeconfig->certificate.path,
                                  .cert_pem = kubeconfig->certificate.pem,
                                  .key_file = kubeconfig->key.path,
                                  .key_pem = kubeconfig->key.pem,
                                  .proxy = kubeconfig->proxy,
                                  .timeout_usec = call->timeout_usec,
                                  .response_max = ANSWER_MAX,
                                  .release = call_release,
                                  .userdata = call,
                          },
                          on_done, NULL);
}

int api_server_send(struct api_server *server, const struct api_request *request, api_done_fn done,
                    void *userdata)
{
        _cleanup_(call_freep) struct api_call *call = calloc(1, sizeof(*call));
        int r;

        if (!call)
                return -ENOMEM;
        if (server->busy)
                return -EBUSY;
        *call = (struct api_call){ .server = server,
                                   .method = request->method,
                                   .timeout_usec = request->timeout_usec,
                                   .done = done,
                                   .userdata = userdata };
        /* Without "\/", which YAML does not know: an apply is read as YAML. */
        if (request->body)
                call->body = strdup(json_object_to_json_string_ext(request->body,
                                                                   JSON_C_TO_STRING_PLAIN |
                                                                           JSON_C_TO_STRING_NOSLASHESCAPE));
        if (asprintf(&call->url, "%s%s", server->kubeconfig.server, request->path) < 0)
                call->url = NULL;
        if (request->content_type &&
            asprintf(&call->content_type, "Content-Type: %s", request->content_type) < 0)
                call->content_type = NULL;
        if (!call->url || (request->body && !call->body) || (request->content_type && !call->content_type))
                return -ENOMEM;
        r = start(server, call);
        if (r < 0)
                return r;
        server->busy = true;
        call = NULL; /* the transfer's now */
        return 0;
}
