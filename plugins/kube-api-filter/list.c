/* SPDX-License-Identifier: Apache-2.0 */

#include "list.h"

#include <string.h>

#include "files.h"
#include "sha256.h"

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

static void digest_list(struct filter_list *list)
{
        uint8_t digest[SHA256_SIZE];
        struct sha256 sha256;

        sha256_begin(&sha256);
        sha256_add(&sha256, &list->audit, sizeof(list->audit));
        sha256_add(&sha256, list->ports, list->n_ports * sizeof(*list->ports));
        for (size_t c = 0; c < CLASSES; c++)
                for (size_t f = 0; f < IP_FAMILIES; f++) {
                        const struct cidr_set *set = &list->sets[c][f];

                        /* The count marks where a set ends. */
                        sha256_add(&sha256, &set->count, sizeof(set->count));
                        sha256_add(&sha256, set->items, set->count * sizeof(*set->items));
                }
        sha256_end(&sha256, digest);
        digest_format(digest, list->digest);
}

void filter_list_finish(struct filter_list *list)
{
        for (size_t c = 0; c < CLASSES; c++)
                for (size_t f = 0; f < IP_FAMILIES; f++)
                        cidr_set_merge(&list->sets[c][f]);
        digest_list(list);
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
        digest_list(audit);
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
static int subtract_list(const struct filter_list *before, enum source_class class,
                         const struct filter_list *after, enum ip_family family, struct cidr_set *ret)
{
        _cleanup_cidr_set_ lost = {};
        int r;

        /* First its own class, which leaves next to nothing of a list of 100,000 to be copied. */
        r = cidr_set_subtract(&before->sets[class][family], &after->sets[class][family], &lost);
        for (enum source_class c = 0; r >= 0 && c < CLASSES; c++) {
                struct cidr_set less = {};

                if (c == class || after->sets[c][family].count == 0)
                        continue;
                r = cidr_set_subtract(&lost, &after->sets[c][family], &less);
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

                        r = subtract_list(before, c, after, f, &lost);
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

/* The file: this, then for each class and family a count of 8 bytes and the ranges, of IPv4 as two numbers of
 * 4 bytes, of IPv6 of 16. Read back on the same machine only, and held against the digest in the state. */
struct list_header {
        char magic[8];
        uint32_t audit, n_ports;
        uint16_t ports[LIST_PORTS_MAX];
};
#define LIST_MAGIC "capilist"

static size_t range_size(enum ip_family family)
{
        return family == IP_V4 ? 2 * sizeof(uint32_t) : 2 * sizeof(ip_number);
}

static void put_set(const struct cidr_set *set, enum ip_family family, FILE *stream)
{
        const uint64_t count = set->count;

        fwrite(&count, sizeof(count), 1, stream);
        for (size_t i = 0; i < set->count; i++) {
                const struct cidr_range *range = &set->items[i];
                const uint32_t four[] = { (uint32_t)range->first, (uint32_t)range->last };

                if (family == IP_V4)
                        fwrite(four, sizeof(four), 1, stream);
                else
                        fwrite(range, sizeof(*range), 1, stream);
        }
}

static void put_list(const struct filter_list *list, FILE *stream)
{
        struct list_header header = { .audit = list->audit, .n_ports = (uint32_t)list->n_ports };

        memcpy(header.magic, LIST_MAGIC, sizeof(header.magic));
        memcpy(header.ports, list->ports, sizeof(header.ports));
        fwrite(&header, sizeof(header), 1, stream);
        for (enum source_class c = 0; c < CLASSES; c++)
                for (enum ip_family f = 0; f < IP_FAMILIES; f++)
                        put_set(&list->sets[c][f], f, stream);
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
        put_list(list, stream);
        if (fflush(stream) != 0 || ferror(stream))
                return -EIO;
        if (fsync(file.fd) < 0)
                return -errno;
        /* Its name reaches the disk with that of the state which names it, written right behind it: file
         * systems with a journal keep that order. */
        return new_file_publish_volatile(&file);
}

struct list_bytes {
        const char *at;
        size_t left;
};

static int take_bytes(struct list_bytes *bytes, void *ret, size_t size)
{
        if (bytes->left < size)
                return -EINVAL;
        memcpy(ret, bytes->at, size);
        bytes->at += size;
        bytes->left -= size;
        return 0;
}

static int take_range(struct list_bytes *bytes, enum ip_family family, struct cidr_range *ret)
{
        uint32_t four[2];
        int r;

        if (family == IP_V6)
                return take_bytes(bytes, ret, sizeof(*ret));
        r = take_bytes(bytes, four, sizeof(four));
        if (r >= 0)
                *ret = (struct cidr_range){ four[0], four[1] };
        return r;
}

static int take_set(struct list_bytes *bytes, enum ip_family family, struct cidr_set *set)
{
        uint64_t count;
        int r;

        r = take_bytes(bytes, &count, sizeof(count));
        if (r < 0 || count > bytes->left / range_size(family))
                return -EINVAL;
        for (uint64_t i = 0; r >= 0 && i < count; i++) {
                struct cidr_range range;

                r = take_range(bytes, family, &range);
                if (r >= 0)
                        r = range.first <= range.last ? cidr_set_add(set, range.first, range.last) : -EINVAL;
        }
        return r;
}

static int take_list(struct list_bytes *bytes, struct filter_list *list)
{
        struct list_header header;
        int r;

        r = take_bytes(bytes, &header, sizeof(header));
        if (r < 0 || memcmp(header.magic, LIST_MAGIC, sizeof(header.magic)) != 0 || header.n_ports == 0 ||
            header.n_ports > LIST_PORTS_MAX)
                return -EINVAL;
        list->audit = header.audit;
        for (uint32_t i = 0; r >= 0 && i < header.n_ports; i++)
                r = filter_list_add_port(list, header.ports[i]);
        for (enum source_class c = 0; r >= 0 && c < CLASSES; c++)
                for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++)
                        r = take_set(bytes, f, &list->sets[c][f]);
        return r < 0 || bytes->left == 0 ? r : -EINVAL;
}

int filter_list_load(const char *path, struct filter_list **ret)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r;

        r = file_read(path, LIST_FILE_MAX, &data, &size);
        if (r >= 0)
                r = filter_list_new(&list);
        if (r >= 0)
                r = take_list(&(struct list_bytes){ data, size }, list);
        if (r < 0)
                return r;
        filter_list_finish(list);
        *ret = TAKE_PTR(list);
        return 0;
}
