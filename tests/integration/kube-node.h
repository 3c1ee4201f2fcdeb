/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a Node object at an API server says. All answers are the caller's, and "" for what is not there. */

#include "kube-apiserver.h"

/* A condition as JSON, or one of its members that are strings. */
char *kube_condition(const struct kube_apiserver *server, const char *node, const char *type);
char *kube_condition_field(const struct kube_apiserver *server, const char *node, const char *type,
                           const char *field);

char *kube_annotation(const struct kube_apiserver *server, const char *node, const char *name);
