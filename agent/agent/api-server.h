/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The Kubernetes API server as this node's kubelet reaches it: its kubeconfig, its client certificate, one
 * request at a time. Each has a connection of its own, with the credential as it is then. */

#include <stdint.h>
#include <systemd/sd-event.h>

#include "failure.h"
#include "json.h"

/* What became of a request. Each has one reason for people (api_outcome_reason). */
enum api_outcome {
        API_OK,
        API_UNREACHABLE,  /* no connection, or it broke */
        API_TIMEOUT,      /* no whole answer in time */
        API_TLS_REFUSED,  /* its certificate or ours */
        API_UNAUTHORIZED, /* 401, with the credential as it was just read */
        API_FORBIDDEN,    /* 403: not this node's to write */
        API_NOT_FOUND,    /* 404: no such Node; the kubelet has not registered it, or somebody deleted it */
        API_CONFLICT,     /* 409: it changed meanwhile */
        API_GONE,         /* 410: what we knew of it is too old */
        API_TOO_MANY_REQUESTS, /* 429, or 503 with Retry-After */
        API_SERVER_ERROR,      /* 5xx */
        API_REFUSED,           /* any other status, or not JSON */
        API_OUTCOMES,
};

const char *api_outcome_reason(enum api_outcome outcome);

/* The longest first wait after it: where trying again soon helps, a second; where somebody has to do
 * something, half a minute. */
uint64_t api_outcome_backoff_usec(enum api_outcome outcome);

/* Borrowed during the callback. */
struct api_answer {
        enum api_outcome outcome;
        uint64_t retry_after_usec; /* as the server asked; 0: it did not */
        json_object *object;       /* of API_OK */
        const char *message;       /* the server's or libcurl's words; "" for API_OK */
};

struct api_server;
typedef void (*api_done_fn)(const struct api_answer *answer, void *userdata);

/* Reads the kubeconfig and the client certificate below root. Returns -ENOENT without a failure when there is
 * no kubeconfig, or -errno with one: KubeconfigUnreadable, KubeconfigRefused, CredentialUnreadable, or
 * NotANodeCredential when the certificate is not a kubelet's. */
int api_server_open(sd_event *event, const char *root, const char *kubeconfig, struct api_server **ret,
                    struct failure *failure);
struct api_server *api_server_close(
        struct api_server *server); /* a request under way is dropped: no callback */
DEFINE_CLEANUP(struct api_server *, api_server_close)

/* The node's name, from the certificate; a DNS subdomain, so safe in a URL. */
const char *api_server_node(const struct api_server *server);

struct api_request {
        const char *method;
        const char *path;         /* with leading slash and query */
        const char *content_type; /* of the body */
        json_object *body;        /* may be NULL; rendered at once */
        uint64_t timeout_usec;    /* of the whole exchange */
};

/* done is called once, from the event loop; close is allowed inside. Returns -EBUSY while another request is
 * under way, or -errno when it could not be sent (then done is not called). */
int api_server_send(struct api_server *server, const struct api_request *request, api_done_fn done,
                    void *userdata);
