/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Posting the health document to the management plane: soon after a change and at a heartbeat, over HTTPS,
 * with a client certificate, a bearer token or both. Nothing queues: what is sent is the document of that
 * moment. Each POST is a connection of its own, made with certificate, key, CA and token as the files hold
 * them then; at a heartbeat of minutes a kept connection would be dead, or a NAT's entry to keep alive.
 *
 * Every POST has the field Capi-Node-ETag: W/"BOOTID-SEQUENCE", as the gateway's ETag: within a boot the
 * sequence only grows, so a receiver drops what it has, or what is older, unread. */

#include <systemd/sd-event.h>

#include "agent-config.h"
#include "cleanup.h"
#include "json.h"

struct report_push;

/* changed is called from the event loop when report_push_report would say something new. */
int report_push_new(sd_event *event, const char *root, void (*changed)(void *userdata), void *userdata,
                    struct report_push **ret);
struct report_push *report_push_free(struct report_push *push);
DEFINE_CLEANUP(struct report_push *, report_push_free)

/* What is to be posted from now on, and where; config->url NULL: nowhere. Sends nothing itself. Returns 0 or
 * -ENOMEM. */
int report_push_offer(struct report_push *push, const struct report_config *config, json_object *document);

/* How posting goes: appends the check "report" (none when nothing is configured) and the metrics
 * capi_node_publish_…. Not a condition: a receiver that restarts makes no node unhealthy. Returns 0 or
 * -ENOMEM. */
int report_push_report(struct report_push *push, json_object *checks, json_object *metrics);
