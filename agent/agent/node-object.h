/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* This node's Node object: what of it is ours, and the next server-side apply
 * (kubernetes.io/docs/reference/using-api/server-side-apply). Pure: time is a parameter.
 *
 * Conditions and annotation go in one apply to nodes/NAME/status: the status strategy keeps metadata
 * (pkg/registry/core/node/strategy.go), and API servers before 1.22 keep one set of managed fields per
 * manager for an object and its status, so that two applies would each drop what the other owns. */

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "json.h"

#define NODE_FIELD_MANAGER      "capi-node-agent"
#define NODE_GATEWAY_ANNOTATION "capi-node-agent.io/gateway"

struct node_condition {
        char *type, *status, *reason, *message;
        uint64_t transition_usec; /* CLOCK_REALTIME; 0 when unreadable */
        bool own;                 /* our field manager applied it */
        char *manager;            /* the other field manager that has it; NULL: none */
};

struct node_object {
        char *uid;
        struct node_condition *conditions;
        size_t count;
        char *gateway; /* the annotation's value; NULL: none, or not ours */
};

void node_object_clear(struct node_object *node);

/* Of a Node as the API server answers it. Returns 0, -EINVAL with a failure when it is not one, or -ENOMEM.
 */
int node_object_parse(json_object *object, struct node_object *ret, struct failure *failure);

bool node_object_owns_any(const struct node_object *node); /* condition or annotation */

/* Whose the type is when it is not ours to write: the kubelet's and the node controller's own ones always,
 * any other when only another field manager has it. NULL: ours, or free. */
const char *node_object_left_to(const struct node_object *node, const char *type);

/* The body of the next apply: those of `conditions` (the health document's; NULL: none) that are ours or
 * free. Own ones that it lacks are pruned by the API server, and so is the annotation when gateway is NULL. A
 * status that is the same on the Node keeps the Node's transition time, whatever was restarted meanwhile; a
 * change has the document's time, unless that is older than what the Node says. Returns 0 or -ENOMEM. */
int node_object_apply(const struct node_object *node, const char *name, json_object *conditions,
                      const char *gateway, uint64_t realtime_usec, json_object **ret);

/* What stands in for own conditions when nobody looks after them: each Unknown, with that reason and message.
 */
int node_object_unknown(const struct node_object *node, const char *reason, const char *message,
                        uint64_t realtime_usec, json_object **ret_conditions);

/* The conditions, and each own one of the Node that is missing among them as Unknown/NotCheckedYet: while a
 * plugin has not spoken for the first time, what it told before a reboot is neither true nor gone. */
int node_object_await(const struct node_object *node, json_object *conditions, uint64_t realtime_usec,
                      json_object **ret_conditions);

/* For people: how many of the conditions are on the Node, and which are left to whom. NULL: no memory. */
char *node_object_describe(const struct node_object *node, json_object *conditions);

/* What a write is made for at once: types, statuses, reasons, annotation; not messages, whose numbers move
 * all the while and wait for the heartbeat. conditions and gateway may be NULL. NULL: no memory. */
char *node_conditions_essence(json_object *conditions, const char *gateway);

/* RFC 3339 in seconds, as Kubernetes' metav1.Time has it. */
#define KUBERNETES_TIME_SIZE 32
char *kubernetes_time(uint64_t realtime_usec, char buffer[static KUBERNETES_TIME_SIZE]);
