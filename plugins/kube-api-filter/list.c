/* SPDX-License-Identifier: Apache-2.0 */

#include "list.h"

#include <string.h>

#include "files.h"

#define LIST_FILE_MAX (64 * 1024 * 1024) /* a million ranges */

static const char *const class_names[] = {
        [CLASS_MANAGEMENT] = "management", [CLASS_LOAD_BALANCER] = "loadBalancer",
        [CLASS_NODES] = "nodes",           [CLASS_PODS] = "pods",
        [CLASS_SERVICES] = "services",     [CLASS_ALLOW] = "allow",
};

static const char *const family_names[] = { [IP_V4] = "v4", [IP_V6] = "v6" };

const char *source_class_name(enum source_class class)
{
        return class_names[class];
}

const char *ip_family_name(enum ip_family family)
{
        return family_names[family];
}

int filter_list_new(struct filter_list **ret)
{
        struct filter_list *list = calloc(1, sizeof(*list));

        if (!list)
                return -ENOMEM;
        list->references = 1;
        *ret = list;
        return 0;
}

struct filter_list *filter_list_ref(struct filter_list *list)
{
        list->references++;
        return list;
}

struct filter_list *filter_list_unref(struct filter_list *list)
{
        if (!list || --list->references > 0)
                return NULL;
        for (size_t c = 0; !list->owner && c < CLASSES; c++)
                for (size_t f = 0; f < IP_FAMILIES; f++)
                        cidr_set_clear(&list->sets[c][f]);
        filter_list_unref(list->owner);
        free(list);
        return NULL;
}

int filter_list_add(struct filter_list *list, enum source_class class, const struct cidr *cidr)
{
        return cidr_set_add(&list->sets[class][cidr->family], cidr->first, cidr->last);
}

int filter_list_add_port(struct filter_list *list, uint16_t port)
{
        size_t at = 0;

        while (at < list->n_ports && list->ports[at] < port)
                at++;
        if (at < list->n_ports && list->ports[at] == port)
                return 0;
        if (list->n_ports == LIST_PORTS_MAX)
                return -E2BIG;
        memmove(list->ports + at + 1, list->ports + at, (list->n_ports - at) * sizeof(*list->ports));
        list->ports[at] = port;
        list->n_ports++;
        return 0;
}

static int digest_list(struct filter_list *list)
{
        _cleanup_(hasher_freep) struct hasher *hasher = NULL;
        uint8_t digest[SHA256_SIZE];
        int r;

        r = hasher_new(&hasher);
        if (r >= 0)
                r = hasher_add(hasher, &list->audit, sizeof(list->audit));
        if (r >= 0)
                r = hasher_add(hasher, list->ports, list->n_ports * sizeof(*list->ports));
        for (size_t c = 0; r >= 0 && c < CLASSES; c++)
                for (size_t f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                        const struct cidr_set *set = &list->sets[c][f];

                        /* The count marks where a set ends. */
                        r = hasher_add(hasher, &set->count, sizeof(set->count));
                        if (r >= 0 && set->count > 0)
                                r = hasher_add(hasher, set->items, set->count * sizeof(*set->items));
                }
        if (r >= 0)
                r = hasher_finish(hasher, digest);
        if (r >= 0)
                digest_format(digest, list->digest);
        return r;
}

int filter_list_finish(struct filter_list *list)
{
        for (size_t c = 0; c < CLASSES; c++)
                for (size_t f = 0; f < IP_FAMILIES; f++)
                        cidr_set_merge(&list->sets[c][f]);
        return digest_list(list);
}

int filter_list_audit(struct filter_list *list, struct filter_list **ret)
{
        _cleanup_(filter_list_unrefp) struct filter_list *audit = NULL;
        int r;

        r = filter_list_new(&audit);
        if (r < 0)
                return r;
        *audit = *list;
        audit->references = 1;
        audit->audit = true;
        audit->owner = filter_list_ref(list);
        r = digest_list(audit);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(audit);
        return 0;
}

bool filter_list_has(const struct filter_list *list, enum ip_family family, ip_number address,
                     enum source_class *ret_class, struct cidr_range *ret_range)
{
        for (enum source_class c = 0; c < CLASSES; c++) {
                if (!cidr_set_has(&list->sets[c][family], address, ret_range))
                        continue;
                if (ret_class)
                        *ret_class = c;
                return true;
        }
        return false;
}

/* What of a class's networks `after` lets in by none of its classes. */
static int subtract_list(const struct cidr_set *set, const struct filter_list *after, enum ip_family family,
                         struct cidr_set *ret)
{
        _cleanup_cidr_set_ lost = {};
        int r = 0;

        for (enum source_class c = 0; r >= 0 && c < CLASSES; c++) {
                struct cidr_set less = {};

                r = cidr_set_subtract(c == 0 ? set : &lost, &after->sets[c][family], &less);
                cidr_set_clear(&lost);
                lost = less;
        }
        if (r < 0)
                return r;
        *ret = lost;
        lost = (struct cidr_set){};
        return 0;
}

static bool has_port(const struct filter_list *list, uint16_t port)
{
        for (size_t i = 0; i < list->n_ports; i++)
                if (list->ports[i] == port)
                        return true;
        return false;
}

int filter_list_widens(const struct filter_list *before, const struct filter_list *after, bool *ret)
{
        bool widens = true;
        int r;

        if (after->audit) {
                *ret = true;
                return 0;
        }
        if (before->audit)
                widens = false;
        for (size_t i = 0; i < after->n_ports; i++)
                widens = widens && has_port(before, after->ports[i]);
        for (enum ip_family f = 0; widens && f < IP_FAMILIES; f++)
                for (enum source_class c = 0; widens && c < CLASSES; c++) {
                        _cleanup_cidr_set_ lost = {};

                        r = subtract_list(&before->sets[c][f], after, f, &lost);
                        if (r < 0)
                                return r;
                        widens = lost.count == 0;
                }
        *ret = widens;
        return 0;
}

size_t filter_list_count(const struct filter_list *list, enum ip_family family)
{
        size_t n = 0;

        for (size_t c = 0; c < CLASSES; c++)
                n += list->sets[c][family].count;
        return n;
}

static void print_list(const struct filter_list *list, FILE *stream)
{
        char text[CIDR_TEXT_SIZE];

        fprintf(stream, "mode %s\n", list->audit ? "audit" : "enforce");
        for (size_t i = 0; i < list->n_ports; i++)
                fprintf(stream, "port %u\n", list->ports[i]);
        for (enum source_class c = 0; c < CLASSES; c++)
                for (enum ip_family f = 0; f < IP_FAMILIES; f++)
                        for (size_t i = 0; i < list->sets[c][f].count; i++) {
                                const struct cidr_range *range = &list->sets[c][f].items[i];
                                const struct cidr cidr = { f, range->first, range->last };

                                fprintf(stream, "%s %s\n", class_names[c], cidr_format(&cidr, text));
                        }
}

int filter_list_save(const struct filter_list *list, const char *path)
{
        _cleanup_(new_file_discard) struct new_file file = NEW_FILE_NONE;
        _cleanup_(fclosep) FILE *stream = NULL;
        int fd, r;

        r = new_file_open(path, 0600, &file);
        if (r < 0)
                return r;
        fd = dup(file.fd);
        if (fd < 0)
                return -errno;
        stream = fdopen(fd, "w");
        if (!stream) {
                close(fd);
                return -errno;
        }
        print_list(list, stream);
        if (fflush(stream) != 0 || ferror(stream))
                return -EIO;
        return new_file_publish(&file);
}

static int take_line(struct filter_list *list, char *line)
{
        char *value = strchr(line, ' ');
        struct cidr cidr;
        int r;

        if (!value)
                return -EINVAL;
        *value++ = '\0';
        if (strcmp(line, "mode") == 0) {
                list->audit = strcmp(value, "audit") == 0;
                return 0;
        }
        if (strcmp(line, "port") == 0) {
                unsigned long port = strtoul(value, NULL, 10);

                return port > 0 && port <= UINT16_MAX ? filter_list_add_port(list, (uint16_t)port) : -EINVAL;
        }
        for (enum source_class c = 0; c < CLASSES; c++)
                if (strcmp(line, class_names[c]) == 0) {
                        r = cidr_parse_range(value, &cidr);
                        return r < 0 ? r : filter_list_add(list, c, &cidr);
                }
        return -EINVAL;
}

int filter_list_load(const char *path, struct filter_list **ret)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        size_t size;
        int r;

        r = file_read(path, LIST_FILE_MAX, &text, &size);
        if (r < 0)
                return r;
        r = filter_list_new(&list);
        if (r < 0)
                return r;
        for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
                r = take_line(list, line);
                if (r < 0)
                        return r;
        }
        r = filter_list_finish(list);
        if (r < 0)
                return r;
        if (list->n_ports == 0)
                return -EINVAL;
        *ret = TAKE_PTR(list);
        return 0;
}
