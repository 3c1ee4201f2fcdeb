/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the kernel has of our table, and who else drops packets on their way in. */

#include <stdbool.h>
#include <stdint.h>

#include "cidr.h"
#include "digest.h"
#include "netlink.h"

#define TABLE_NAMES_MAX 8192 /* a list of a million ranges has about a thousand sets and chains */

struct table_name {
        char *name;
        uint32_t type; /* of an object: NFT_OBJECT_… */
        bool as_made;  /* a base chain with the hook, priority and policy that we give it */
};

struct table_names {
        struct table_name *items;
        size_t count;
};

struct table {
        bool exists;
        struct table_names chains, sets, objects;
        size_t rules;
        /* Of all that decides about packets, but for the sets' elements. Equal before and after: nobody
         * changed it. */
        char fingerprint[SHA256_TEXT_SIZE];
        char *other_drops; /* "FAMILY TABLE CHAIN, …" of other input chains with policy drop; NULL: none */
        uint32_t generation; /* of the rule set, all of this belongs to */
};

/* Reads it, consistent in itself. Returns 0 or -errno. */
int table_read(struct netlink *netlink, struct table *ret);
void table_clear(struct table *table);
#define _cleanup_table_ _cleanup_(table_clear) struct table

bool table_names_have(const struct table_names *names, const char *name);

/* The named counters. */
struct table_counter {
        char *name;
        uint64_t packets, bytes;
};
struct table_counters {
        struct table_counter *items;
        size_t count;
};
int table_read_counters(struct netlink *netlink, struct table_counters *ret);
void table_counters_clear(struct table_counters *counters);

/* The addresses in a set of addresses. Of an interval set, the edges. Returns 0 or -errno. */
struct table_element {
        ip_number address;
        bool end;
};
struct table_elements {
        struct table_element *items;
        size_t count, room;
        enum ip_family family;
};
int table_read_elements(struct netlink *netlink, const char *set, enum ip_family family,
                        struct table_elements *ret);
void table_elements_clear(struct table_elements *elements);
