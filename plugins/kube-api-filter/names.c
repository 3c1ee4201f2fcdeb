/* SPDX-License-Identifier: Apache-2.0 */

#include "names.h"

#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 64 /* of one name */

const struct name *names_find(const struct names *names, const char *name)
{
        for (size_t i = 0; i < names->count; i++)
                if (strcmp(names->items[i].name, name) == 0)
                        return &names->items[i];
        return NULL;
}

void names_clear(struct names *names)
{
        for (size_t i = 0; i < names->count; i++) {
                free(names->items[i].name);
                free(names->items[i].addresses);
        }
        free(names->items);
        *names = (struct names){};
}

static struct name *get(struct names *names, const char *name)
{
        struct name *found = (struct name *)names_find(names, name), *grown;
        char *copy;

        if (found)
                return found;
        grown = reallocarray(names->items, names->count + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        names->items = grown;
        copy = strdup(name);
        if (!copy)
                return NULL;
        grown[names->count] = (struct name){ .name = copy };
        return &grown[names->count++];
}

static bool has(const struct name *name, const struct cidr *address)
{
        for (size_t i = 0; i < name->count; i++)
                if (name->addresses[i].family == address->family &&
                    name->addresses[i].first == address->first)
                        return true;
        return false;
}

/* An address that cannot be read is none: the list is a hint, not a file. */
static int add(struct names *names, const char *name, const char *text)
{
        struct name *entry = get(names, name);
        struct cidr address;
        struct cidr *grown;

        if (!entry)
                return -ENOMEM;
        if (cidr_parse(text, &address) < 0 || has(entry, &address) || entry->count == ADDRESSES_MAX)
                return 0;
        grown = reallocarray(entry->addresses, entry->count + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        entry->addresses = grown;
        entry->addresses[entry->count++] = address;
        return 0;
}

static int parse_lines(const char *lines, struct names *ret)
{
        _cleanup_free_ char *copy = strdup(lines);
        char *rest, *line;
        int r = 0;

        if (!copy)
                return -ENOMEM;
        for (line = strtok_r(copy, "\n", &rest); r >= 0 && line; line = strtok_r(NULL, "\n", &rest)) {
                char *space = strchr(line, ' ');

                if (!space)
                        continue;
                *space = '\0';
                r = add(ret, line, space + 1);
        }
        return r;
}

static bool same(const struct name *a, const struct name *b)
{
        if (a->count != b->count)
                return false;
        for (size_t i = 0; i < a->count; i++)
                if (!has(b, &a->addresses[i]))
                        return false;
        return true;
}

int names_take(struct names *names, const char *lines)
{
        struct names found = {};
        int r;

        r = parse_lines(lines, &found);
        for (size_t i = 0; r >= 0 && i < found.count; i++) {
                struct name *entry = get(names, found.items[i].name), taken;

                if (!entry) {
                        r = -ENOMEM;
                        break;
                }
                if (found.items[i].count == 0 || same(entry, &found.items[i]))
                        continue;
                taken = *entry;
                entry->addresses = found.items[i].addresses;
                entry->count = found.items[i].count;
                found.items[i].addresses = taken.addresses;
                found.items[i].count = taken.count;
                r = 1;
        }
        names_clear(&found);
        return r;
}

void names_look_up(const char *const *names, size_t n, int fd)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

        for (size_t i = 0; i < n; i++) {
                struct addrinfo *found = NULL;

                if (getaddrinfo(names[i], NULL, &hints, &found) != 0)
                        continue;
                for (const struct addrinfo *a = found; a; a = a->ai_next) {
                        char text[NI_MAXHOST];

                        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0,
                                        NI_NUMERICHOST) == 0)
                                dprintf(fd, "%s %s\n", names[i], text);
                }
                freeaddrinfo(found);
        }
}

int names_write(const struct names *names, json_object **ret)
{
        _cleanup_json_ json_object *object = json_object_new_object();
        char text[CIDR_TEXT_SIZE];
        int r = object ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < names->count; i++) {
                json_object *list = json_object_new_array();

                r = json_set(object, names->items[i].name, list);
                for (size_t k = 0; r >= 0 && k < names->items[i].count; k++)
                        r = json_append(list, json_object_new_string(
                                                      cidr_format(&names->items[i].addresses[k], text)));
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(object);
        return 0;
}

int names_read(json_object *object, struct names *ret)
{
        struct json_object_iterator it = json_object_iter_begin(object), end = json_object_iter_end(object);
        int r = 0;

        for (; r >= 0 && !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
                json_object *list = json_object_iter_peek_value(&it);

                for (size_t i = 0; r >= 0 && json_object_is_type(list, json_type_array) &&
                                   i < json_object_array_length(list);
                     i++) {
                        const char *text = json_object_get_string(json_object_array_get_idx(list, i));

                        r = add(ret, json_object_iter_peek_name(&it), text ? text : "");
                }
        }
        return r;
}
