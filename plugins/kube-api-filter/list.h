/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who may reach the ports: the networks of each class, merged, and what becomes of the rest. */

#include <stdbool.h>
#include <stdint.h>

#include "cidr.h"
#include "digest.h"

/* In the order in which a packet is held against them: the short lists first. */
enum source_class {
        CLASS_MANAGEMENT,
        CLASS_LOAD_BALANCER,
        CLASS_NODES,
        CLASS_PODS,
        CLASS_SERVICES,
        CLASS_ALLOW,
        CLASSES,
};

#define LIST_PORTS_MAX 64 /* of two lists together: the current one and its successor */

struct filter_list {
        unsigned references;
        bool audit; /* counts what it would drop */
        bool cover; /* of the list with this digest, see cover.h */
        uint16_t ports[LIST_PORTS_MAX];
        size_t n_ports;
        struct cidr_set sets[CLASSES][IP_FAMILIES];
        char digest[SHA256_TEXT_SIZE]; /* of all of it, once merged */
        struct filter_list *owner;     /* whose sets these are; NULL: its own */
};

/* "management", "loadBalancer", …: as the configuration's keys and the sets are called. */
const char *source_class_name(enum source_class class);
const char *ip_family_name(enum ip_family family); /* "v4", "v6" */

int filter_list_new(struct filter_list **ret);
struct filter_list *filter_list_ref(struct filter_list *list);
struct filter_list *filter_list_unref(struct filter_list *list);
DEFINE_CLEANUP(struct filter_list *, filter_list_unref)

int filter_list_add(struct filter_list *list, enum source_class class, const struct cidr *cidr);
int filter_list_add_port(struct filter_list *list, uint16_t port); /* -E2BIG beyond LIST_PORTS_MAX */
/* Merges every set and makes the digest. */
void filter_list_finish(struct filter_list *list);

/* The same finished list, but only counting; the sets are shared. */
int filter_list_audit(struct filter_list *list, struct filter_list **ret);

/* Whether the list lets the address in, by which class and which of its ranges (either may be NULL). */
bool filter_list_has(const struct filter_list *list, enum ip_family family, ip_number address,
                     enum source_class *ret_class, struct cidr_range *ret_range);
/* Whether nobody whom `before` lets in is shut out by `after`: such a change can lock nobody out. */
int filter_list_widens(const struct filter_list *before, const struct filter_list *after, bool *ret);
size_t filter_list_count(const struct filter_list *list, enum ip_family family);

/* STATE/lists/DIGEST: as bytes, because writing 100,000 networks as text takes longer than all else. */
int filter_list_save(const struct filter_list *list, const char *path);
/* Returns -EINVAL for a file that is not of that form, or -errno. */
int filter_list_load(const char *path, struct filter_list **ret);
