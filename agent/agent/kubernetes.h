/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Publishing to Kubernetes: the health document's conditions on this node's Node object, an Event for each
 * transition (transitions.h), and where the gateway listens as an annotation; all with the kubelet's own
 * credential, so that nothing has to be installed in the cluster. Waits for the kubeconfig before join. */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "agent-config.h"
#include "cleanup.h"
#include "json.h"

/* Its presence says that something of ours may be on the Node; the content is the node's name. */
#define KUBERNETES_MARK "agent/published"

struct kubernetes;

/* mark is the path of that file. changed is called from the event loop when kubernetes_report would say
 * something new. */
int kubernetes_new(sd_event *event, const char *root, const char *mark, void (*changed)(void *userdata),
                   void *userdata, struct kubernetes **ret);
struct kubernetes *kubernetes_free(struct kubernetes *kubernetes);
DEFINE_CLEANUP(struct kubernetes *, kubernetes_free)

/* What is to be published from now on; gateway is the annotation's value, NULL without one. As long as a
 * plugin is awaited, own conditions on the Node that the document lacks become Unknown; then they are pruned.
 * When publishing is switched off, what was published is withdrawn. Sends nothing itself. Returns 0 or
 * -errno. */
int kubernetes_offer(struct kubernetes *kubernetes, const struct kubernetes_config *config,
                     json_object *document, const char *gateway, bool awaited);

/* How publishing goes: appends the check "kubernetes" (none when it is switched off) and the metrics
 * capi_node_publish_…. Not a condition: it could not be published, and an API server that restarts makes no
 * node unhealthy. Returns 0 or -ENOMEM. */
int kubernetes_report(struct kubernetes *kubernetes, json_object *checks, json_object *metrics);
