/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The API server, asked with the kubelet's own credential: /livez, /readyz and /version are open to whoever
 * is authenticated (system:public-info-viewer), also where anonymous requests are off, and a kubelet may read
 * its own Node. */

#include "check.h"
#include "http-client.h"

struct kubeconfig;
/* The kubelet's kubeconfig, as kubeconfig_load; parsed again only when the file has changed, because that
 * takes longer than to ask. Owned by the node, until the next call. */
int api_credential(struct node *node, const struct kubeconfig **ret, struct failure *failure);

/* GET of base_url + path, base_url NULL for the server in kubelet.conf. done gets the run as its userdata.
 * Ends the run itself, as Unknown, when there is no credential yet or none that can be used. Returns 0 or
 * negative errno. */
int api_start(struct check_run *run, const char *base_url, const char *path, http_done_fn done);
/* The same for the Node that kubelet.conf's certificate names. */
int api_start_node(struct check_run *run, http_done_fn done);

/* What an answer of the API server says: as http_probe_judge, and Warn with CredentialRefused for 401 and
 * 403. */
struct http_service;
void api_judge(const struct http_service *service, struct http_transfer *transfer, int error,
               struct check_result *ret);

/* The JSON object that an answer carries; NULL after the run has ended as Unknown, because that the API
 * server does not answer is what the row api-endpoint fails for. Owned by the caller. */
json_object *api_take_object(struct check_run *run, struct http_transfer *transfer, int error);

/* Whether kube-apiserver on this node lives and is ready. */
int api_server_start(struct check_run *run);
/* Whether the cluster's API server is to be reached from here, and how far the clocks are apart. */
int api_endpoint_start(struct check_run *run);
int api_endpoint_metrics(const struct node *node, json_object *metrics);
