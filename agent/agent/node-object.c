/* SPDX-License-Identifier: Apache-2.0 */

#include "node-object.h"

#include <string.h>
#include <time.h>

#include "quantity.h"
#include "timestamp.h"

/* Set by the kubelet and, when it is silent, by the node controller (k8s.io/api/core/v1, NodeConditionType).
 */
static const char *const builtin_types[] = {
        "Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable",
};

char *kubernetes_time(uint64_t realtime_usec, char buffer[static KUBERNETES_TIME_SIZE])
{
        time_t seconds = (time_t)(realtime_usec / USEC_PER_SEC);
        struct tm tm = {};

        (void)gmtime_r(&seconds, &tm);
        (void)strftime(buffer, KUBERNETES_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return buffer;
}

void node_object_clear(struct node_object *node)
{
        for (size_t i = 0; i < node->count; i++) {
                free(node->conditions[i].type);
                free(node->conditions[i].status);
                free(node->conditions[i].reason);
                free(node->conditions[i].message);
                free(node->conditions[i].manager);
        }
        free(node->conditions);
        free(node->uid);
        free(node->gateway);
        *node = (struct node_object){};
}

static struct node_condition *find(const struct node_object *node, const char *type)
{
        for (size_t i = 0; i < node->count; i++)
                if (strcmp(node->conditions[i].type, type) == 0)
                        return &node->conditions[i];
        return NULL;
}

bool node_object_owns_any(const struct node_object *node)
{
        for (size_t i = 0; i < node->count; i++)
                if (node->conditions[i].own)
                        return true;
        return node->gateway != NULL;
}

const char *node_object_left_to(const struct node_object *node, const char *type)
{
        const struct node_condition *condition = find(node, type);

        for (size_t i = 0; i < ELEMENTS(builtin_types); i++)
                if (strcmp(builtin_types[i], type) == 0)
                        return "the kubelet";
        return condition && !condition->own ? condition->manager : NULL;
}

/* ---- reading ---- */

static int copy_text(json_object *object, const char *key, char **ret)
{
        const char *text = json_string(object, key);

        *ret = strdup(text ? text : "");
        return *ret ? 0 : -ENOMEM;
}

static int read_conditions(json_object *conditions, struct node_object *node)
{
        size_t count = conditions ? json_object_array_length(conditions) : 0;
        int r;

        node->conditions = calloc(count + 1, sizeof(*node->conditions));
        if (!node->conditions)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                json_object *object = json_object_array_get_idx(conditions, i);
                struct node_condition *condition = &node->conditions[node->count];
                const char *type = json_string(object, "type");
                const char *time = json_string(object, "lastTransitionTime");

                if (!type || find(node, type))
                        continue;
                r = copy_text(object, "type", &condition->type);
                if (r < 0)
                        return r;
                node->count++;
                r = copy_text(object, "status", &condition->status);
                if (r >= 0)
                        r = copy_text(object, "reason", &condition->reason);
                if (r >= 0)
                        r = copy_text(object, "message", &condition->message);
                if (r < 0)
                        return r;
                if (time)
                        (void)timestamp_parse(time, &condition->transition_usec);
        }
        return 0;
}

/* A key of a list's managed fields: k:{"type":"Ready"}. */
static json_object *list_key(const char *text)
{
        json_object *key = NULL;

        if (strncmp(text, "k:", 2) != 0 || json_parse(text + 2, strlen(text + 2), &key, NULL) < 0)
                return NULL;
        return key;
}

static int claim_conditions(struct node_object *node, json_object *fields, const char *manager, bool own)
{
        json_object *conditions = json_member(json_member(fields, "f:status", json_type_object),
                                              "f:conditions", json_type_object);

        if (!conditions)
                return 0;
        json_object_object_foreach (conditions, name, value) {
                _cleanup_json_ json_object *key = list_key(name);
                const char *type = json_string(key, "type");
                struct node_condition *condition = type ? find(node, type) : NULL;

                (void)value;
                if (!condition)
                        continue;
                if (own) {
                        condition->own = true;
                } else if (!condition->manager) {
                        condition->manager = strdup(manager);
                        if (!condition->manager)
                                return -ENOMEM;
                }
        }
        return 0;
}

static int claim_gateway(struct node_object *node, json_object *fields, json_object *metadata)
{
        json_object *annotations = json_member(json_member(fields, "f:metadata", json_type_object),
                                               "f:annotations", json_type_object);
        const char *value =
                json_string(json_member(metadata, "annotations", json_type_object), NODE_GATEWAY_ANNOTATION);

        if (!annotations || !value || node->gateway ||
            !json_object_object_get_ex(annotations, "f:" NODE_GATEWAY_ANNOTATION, NULL))
                return 0;
        node->gateway = strdup(value);
        return node->gateway ? 0 : -ENOMEM;
}

/* Only what was applied counts as ours: an update under the same name was not us. */
static int read_managers(json_object *metadata, struct node_object *node)
{
        json_object *managers = json_member(metadata, "managedFields", json_type_array);
        int r;

        for (size_t i = 0; managers && i < json_object_array_length(managers); i++) {
                json_object *entry = json_object_array_get_idx(managers, i);
                json_object *fields = json_member(entry, "fieldsV1", json_type_object);
                const char *manager = json_string(entry, "manager") ?: "another field manager";
                const char *operation = json_string(entry, "operation") ?: "";
                bool own = strcmp(manager, NODE_FIELD_MANAGER) == 0 && strcmp(operation, "Apply") == 0;

                r = claim_conditions(node, fields, manager, own);
                if (r >= 0 && own)
                        r = claim_gateway(node, fields, metadata);
                if (r < 0)
                        return r;
        }
        return 0;
}

int node_object_parse(json_object *object, struct node_object *ret, struct failure *failure)
{
        _cleanup_(node_object_clear) struct node_object node = {};
        json_object *metadata = json_member(object, "metadata", json_type_object);
        const char *kind = json_string(object, "kind");
        int r;

        if (!kind || strcmp(kind, "Node") != 0 || !metadata)
                return failure_set(failure, -EINVAL, "NotANode", "the API server's answer is not a Node");
        r = copy_text(metadata, "uid", &node.uid);
        if (r >= 0)
                r = read_conditions(json_member(json_member(object, "status", json_type_object), "conditions",
                                                json_type_array),
                                    &node);
        if (r >= 0)
                r = read_managers(metadata, &node);
        if (r < 0)
                return r;
        *ret = node;
        node = (struct node_object){};
        return 0;
}

/* ---- writing ---- */

static uint64_t transition_time(const struct node_condition *before, const char *status, const char *time,
                                uint64_t now_usec)
{
        uint64_t changed;

        if (before && strcmp(before->status, status) == 0 && before->transition_usec > 0)
                return before->transition_usec;
        if (!time || timestamp_parse(time, &changed) < 0 || changed > now_usec)
                return now_usec;
        return before && changed <= before->transition_usec ? now_usec : changed;
}

/* The bytes of the character at text, 0 when they are not UTF-8 (RFC 3629) or end early. */
static size_t decode_utf8(const char *text, uint32_t *ret_code)
{
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        unsigned char first = (unsigned char)text[0];
        size_t size = first < 0x80 ? 1 : first < 0xC0 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        uint32_t code = size == 1 ? first : first & (0x7Fu >> size);

        for (size_t i = 1; i < size; i++) {
                if (((unsigned char)text[i] & 0xC0) != 0x80)
                        return 0;
                code = code << 6 | ((unsigned char)text[i] & 0x3F);
        }
        if (size == 0 || first > 0xF4 || code < least[size] || code > 0x10FFFF)
                return 0;
        *ret_code = code;
        return size;
}

/* YAML 1.1 section 5.1: what its readers accept unescaped (and JSON escapes below the space). */
static bool is_yaml(uint32_t code)
{
        return code < 0x7F || code == 0x85 || (code >= 0xA0 && code <= 0xD7FF) ||
               (code >= 0xE000 && code <= 0xFFFD && code != 0xFEFF) || code >= 0x10000;
}

/* An apply is read as YAML, which refuses as a whole what JSON takes: one stray character of a plugin's
 * message must not keep every condition from the Node. */
static char *make_yaml_safe(const char *text)
{
        char *safe = malloc(strlen(text) + 1), *to = safe;

        while (safe && *text) {
                uint32_t code = 0;
                size_t size = decode_utf8(text, &code);

                if (size > 0 && is_yaml(code)) {
                        memcpy(to, text, size);
                        to += size;
                } else {
                        *to++ = '?';
                }
                text += size > 0 ? size : 1;
        }
        if (safe)
                *to = '\0';
        return safe;
}

static int add_condition(json_object *array, const struct node_object *node, json_object *condition,
                         uint64_t now_usec)
{
        const char *type = json_string(condition, "type"), *status = json_string(condition, "status");
        uint64_t changed = transition_time(find(node, type), status,
                                           json_string(condition, "lastTransitionTime"), now_usec);
        _cleanup_free_ char *message = make_yaml_safe(json_string(condition, "message"));
        json_object *object = json_object_new_object();
        char time[KUBERNETES_TIME_SIZE];
        int r;

        r = json_append(array, object);
        if (r < 0 || !message)
                return -ENOMEM;
        r |= json_set_string(object, "type", type);
        r |= json_set_string(object, "status", status);
        r |= json_set_string(object, "reason", json_string(condition, "reason"));
        r |= json_set_string(object, "message", message);
        r |= json_set_string(object, "lastHeartbeatTime", kubernetes_time(now_usec, time));
        r |= json_set_string(object, "lastTransitionTime", kubernetes_time(changed, time));
        return r == 0 ? 0 : -ENOMEM;
}

static int add_metadata(json_object *object, const char *name, const char *gateway)
{
        json_object *metadata = json_object_new_object(), *annotations;
        int r = 0;

        r |= json_set_string(object, "apiVersion", "v1");
        r |= json_set_string(object, "kind", "Node");
        r |= json_set(object, "metadata", metadata);
        if (r != 0)
                return -ENOMEM;
        r = json_set_string(metadata, "name", name);
        if (r < 0 || !gateway)
                return r;
        annotations = json_object_new_object();
        r = json_set(metadata, "annotations", annotations);
        return r < 0 ? r : json_set_string(annotations, NODE_GATEWAY_ANNOTATION, gateway);
}

int node_object_apply(const struct node_object *node, const char *name, json_object *conditions,
                      const char *gateway, uint64_t realtime_usec, json_object **ret)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        json_object *status = json_object_new_object(), *array = json_object_new_array();
        int r;

        r = add_metadata(object, name, gateway);
        r |= json_set(object, "status", status);
        r |= json_set(status, "conditions", array);
        if (r != 0)
                return -ENOMEM;
        for (size_t i = 0; conditions && i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i);

                if (node_object_left_to(node, json_string(condition, "type")))
                        continue;
                r = add_condition(array, node, condition, realtime_usec);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(object);
        return 0;
}

static int append_unknown(json_object *array, const char *type, const char *reason, const char *message,
                          uint64_t realtime_usec)
{
        json_object *object = json_object_new_object();
        char time[TIMESTAMP_SIZE];
        int r;

        r = json_append(array, object);
        if (r < 0)
                return r;
        r |= json_set_string(object, "type", type);
        r |= json_set_string(object, "status", "Unknown");
        r |= json_set_string(object, "reason", reason);
        r |= json_set_string(object, "message", message);
        r |= json_set_string(object, "lastTransitionTime", timestamp_format(realtime_usec, time));
        return r == 0 ? 0 : -ENOMEM;
}

int node_object_unknown(const struct node_object *node, const char *reason, const char *message,
                        uint64_t realtime_usec, json_object **ret_conditions)
{
        _cleanup_json_ json_object *array = json_object_new_array();
        int r = array ? 0 : -ENOMEM;

        for (size_t i = 0; r == 0 && i < node->count; i++)
                if (node->conditions[i].own)
                        r = append_unknown(array, node->conditions[i].type, reason, message, realtime_usec);
        if (r < 0)
                return r;
        *ret_conditions = TAKE_PTR(array);
        return 0;
}

static bool lists_type(json_object *conditions, const char *type)
{
        for (size_t i = 0; i < json_object_array_length(conditions); i++)
                if (strcmp(json_string(json_object_array_get_idx(conditions, i), "type"), type) == 0)
                        return true;
        return false;
}

int node_object_await(const struct node_object *node, json_object *conditions, uint64_t realtime_usec,
                      json_object **ret_conditions)
{
        _cleanup_json_ json_object *array = NULL;
        int r;

        r = json_object_deep_copy(conditions, &array, NULL) < 0 ? -ENOMEM : 0;
        for (size_t i = 0; r == 0 && i < node->count; i++)
                if (node->conditions[i].own && !lists_type(conditions, node->conditions[i].type))
                        r = append_unknown(
                                array, node->conditions[i].type, "NotCheckedYet",
                                "the agent has just started; who looks after this has not reported",
                                realtime_usec);
        if (r < 0)
                return r;
        *ret_conditions = TAKE_PTR(array);
        return 0;
}

/* ---- telling ---- */

char *node_object_describe(const struct node_object *node, json_object *conditions)
{
        _cleanup_free_ char *left = strdup("");
        size_t published = 0;
        char *text;

        for (size_t i = 0; left && conditions && i < json_object_array_length(conditions); i++) {
                const char *type = json_string(json_object_array_get_idx(conditions, i), "type");
                const char *manager = node_object_left_to(node, type);
                char *longer;

                if (!manager) {
                        published++;
                        continue;
                }
                if (asprintf(&longer, "%s; %s is left to %s", left, type, manager) < 0)
                        return NULL;
                free(left);
                left = longer;
        }
        if (!left ||
            asprintf(&text, "%zu condition%s on the Node%s", published, published == 1 ? "" : "s", left) < 0)
                return NULL;
        return text;
}

char *node_conditions_essence(json_object *conditions, const char *gateway)
{
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);
        int r;

        if (!stream)
                return NULL;
        r = fprintf(stream, "%s\n", gateway ? gateway : "");
        for (size_t i = 0; r >= 0 && conditions && i < json_object_array_length(conditions); i++) {
                json_object *condition = json_object_array_get_idx(conditions, i);

                r = fprintf(stream, "%s %s %s\n", json_string(condition, "type"),
                            json_string(condition, "status"), json_string(condition, "reason"));
        }
        if (fclose(stream) != 0 || r < 0) {
                free(text);
                return NULL;
        }
        return text;
}
