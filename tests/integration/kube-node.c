/* SPDX-License-Identifier: Apache-2.0 */

#include "kube-node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static json_object *get_node(const struct kube_apiserver *server, const char *node)
{
        _cleanup_free_ char *path = NULL;

        assert_true(asprintf(&path, "/api/v1/nodes/%s", node) > 0);
        return kube_request(server, "GET", path, NULL, NULL);
}

static json_object *condition_in(json_object *object, const char *type)
{
        json_object *conditions =
                json_member(json_member(object, "status", json_type_object), "conditions", json_type_array);

        for (size_t i = 0; conditions && i < json_object_array_length(conditions); i++)
                if (strcmp(json_string(json_object_array_get_idx(conditions, i), "type"), type) == 0)
                        return json_object_array_get_idx(conditions, i);
        return NULL;
}

char *kube_condition(const struct kube_apiserver *server, const char *node, const char *type)
{
        _cleanup_json_ json_object *object = get_node(server, node);
        json_object *condition = condition_in(object, type);

        return strdup(condition ? json_object_to_json_string_ext(condition, JSON_C_TO_STRING_PLAIN) : "");
}

char *kube_condition_field(const struct kube_apiserver *server, const char *node, const char *type,
                           const char *field)
{
        _cleanup_json_ json_object *object = get_node(server, node);
        const char *text = json_string(condition_in(object, type), field);

        return strdup(text ? text : "");
}

char *kube_annotation(const struct kube_apiserver *server, const char *node, const char *name)
{
        _cleanup_json_ json_object *object = get_node(server, node);
        const char *text = json_string(json_member(json_member(object, "metadata", json_type_object),
                                                   "annotations", json_type_object),
                                       name);

        return strdup(text ? text : "");
}
