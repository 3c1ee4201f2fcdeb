/* SPDX-License-Identifier: Apache-2.0 */

#include "member-list.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ID_SIZE 17

void member_list_clear(struct member_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                free(list->items[i].name);
        *list = (struct member_list){};
}

int member_list_add(struct member_list *list, uint64_t id, const char *name, size_t size, bool is_learner)
{
        char *copy;

        if (list->count == MEMBERS_MAX)
                return -E2BIG;
        copy = strndup(name, size);
        if (!copy)
                return -ENOMEM;
        list->items[list->count++] = (struct member){ .id = id, .name = copy, .is_learner = is_learner };
        return 0;
}

int member_list_copy(const struct member_list *list, struct member_list *ret)
{
        _cleanup_member_list_ copy = { .cluster_id = list->cluster_id,
                                       .self_id = list->self_id,
                                       .revision = list->revision };
        int r = 0;

        for (size_t i = 0; i < list->count && r >= 0; i++)
                r = member_list_add(&copy, list->items[i].id, list->items[i].name,
                                    strlen(list->items[i].name), list->items[i].is_learner);
        if (r < 0)
                return r;
        member_list_clear(ret);
        *ret = copy;
        copy = (struct member_list){};
        return 0;
}

bool member_list_has_left(const struct member_list *list, uint64_t id, const char *name)
{
        for (size_t i = 0; i < list->count; i++)
                if (list->items[i].id == id || strcmp(list->items[i].name, name) == 0)
                        return false;
        return list->count > 0;
}

bool member_list_self_is_lowest(const struct member_list *list)
{
        bool found = false;

        for (size_t i = 0; i < list->count; i++) {
                if (list->items[i].is_learner) /* takes no snapshots, so would never act */
                        continue;
                if (list->items[i].id < list->self_id)
                        return false;
                found |= list->items[i].id == list->self_id;
        }
        return found;
}

static int set_id(json_object *object, const char *key, uint64_t id)
{
        char text[ID_SIZE];

        (void)snprintf(text, sizeof(text), "%016" PRIx64, id);
        return json_set_string(object, key, text);
}

static int append_member(json_object *array, const struct member *member)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        int r;

        r = object ? set_id(object, "id", member->id) : -ENOMEM;
        if (r >= 0)
                r = json_set_string(object, "name", member->name);
        if (r >= 0)
                r = json_set_bool(object, "learner", member->is_learner);
        return r < 0 ? r : json_append(array, TAKE_PTR(object));
}

int member_list_write(const struct member_list *list, json_object *object)
{
        _cleanup_json_ json_object *part = json_object_new_object();
        json_object *array = json_object_new_array();
        int r;

        r = part ? json_set(part, "list", array) : -ENOMEM;
        for (size_t i = 0; i < list->count && r >= 0; i++)
                r = append_member(array, &list->items[i]);
        if (r >= 0)
                r = set_id(part, "clusterId", list->cluster_id);
        if (r >= 0)
                r = set_id(part, "memberId", list->self_id);
        if (r >= 0)
                r = json_set_integer(part, "revision", list->revision);
        return r < 0 ? r : json_set(object, "members", TAKE_PTR(part));
}

static int get_id(json_object *object, const char *key, uint64_t *ret)
{
        const char *text = json_string(object, key);

        if (!text || strlen(text) != ID_SIZE - 1 || strspn(text, "0123456789abcdef") != ID_SIZE - 1)
                return -EINVAL;
        *ret = strtoull(text, NULL, 16);
        return 0;
}

static int read_member(json_object *object, struct member_list *list)
{
        const char *name = json_string(object, "name");
        json_object *learner = json_member(object, "learner", json_type_boolean);
        uint64_t id;
        int r;

        r = get_id(object, "id", &id);
        if (r < 0)
                return r;
        if (!name || !learner)
                return -EINVAL;
        return member_list_add(list, id, name, strlen(name), json_object_get_boolean(learner));
}

static int read_list(json_object *part, struct member_list *list)
{
        json_object *array = json_member(part, "list", json_type_array);
        int r;

        if (!array)
                return -EINVAL;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                json_object *item = json_object_array_get_idx(array, i);

                if (!json_object_is_type(item, json_type_object))
                        return -EINVAL;
                r = read_member(item, list);
                if (r < 0)
                        return r;
        }
        r = get_id(part, "clusterId", &list->cluster_id);
        if (r >= 0)
                r = get_id(part, "memberId", &list->self_id);
        list->revision = json_integer(part, "revision", -1);
        return r < 0 ? r : list->revision < 0 ? -EINVAL : 0;
}

int member_list_read(json_object *object, struct member_list *ret)
{
        json_object *part = json_member(object, "members", json_type_object);
        _cleanup_member_list_ list = {};
        int r;

        if (!part)
                return -ENOENT;
        r = read_list(part, &list);
        if (r < 0)
                return r;
        *ret = list;
        list = (struct member_list){};
        return 0;
}
