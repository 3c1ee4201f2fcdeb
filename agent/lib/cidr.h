/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* IP addresses and networks as ranges of numbers, and sets of them as disjoint, sorted ranges. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

enum ip_family { IP_V4, IP_V6, IP_FAMILIES };

/* An address as a number; of IPv4 the lowest 32 bits. */
typedef unsigned __int128 ip_number;

struct cidr {
        enum ip_family family;
        ip_number first, last; /* inclusive, so that the highest address needs no 33rd or 129th bit */
};

struct cidr_range {
        ip_number first, last;
};

/* Ranges of one family. After cidr_set_merge they are sorted, disjoint and not adjacent. */
struct cidr_set {
        struct cidr_range *items;
        size_t count, room;
};

#define CIDR_TEXT_SIZE 96 /* of two IPv6 addresses with a dash between */

/* The highest address of the family. */
ip_number ip_highest(enum ip_family family);

/* "203.0.113.7", "203.0.113.0/24", "2001:db8::/32". Strict: no blanks, no leading zeros, no zone, no bits
 * behind the prefix (203.0.113.7/24), no IPv4 inside IPv6 (::ffff:192.0.2.1: its packets are IPv4). Returns 0
 * or -EINVAL. */
int cidr_parse(const char *text, struct cidr *ret);
/* As cidr_parse, or "FIRST-LAST" as cidr_format writes it. */
int cidr_parse_range(const char *text, struct cidr *ret);
/* One address without a prefix. */
int ip_parse(const char *text, enum ip_family *ret_family, ip_number *ret);

/* The number of an address in network byte order: 4 or 16 bytes. */
ip_number ip_from_bytes(enum ip_family family, const void *bytes);
/* The other way round. Returns the size: 4 or 16. */
size_t ip_to_bytes(enum ip_family family, ip_number number, uint8_t ret_bytes[static 16]);

/* The shortest form: an address, a CIDR, or "FIRST-LAST" where the range is no single network. */
char *cidr_format(const struct cidr *cidr, char buffer[static CIDR_TEXT_SIZE]);
char *ip_format(enum ip_family family, ip_number number, char buffer[static CIDR_TEXT_SIZE]);

/* Appends a range. Returns 0 or -ENOMEM. */
int cidr_set_add(struct cidr_set *set, ip_number first, ip_number last);
/* Sorts, and joins what overlaps or touches. */
void cidr_set_merge(struct cidr_set *set);
/* What a has and b has not. Both merged, and so is the result; ret must be empty. Returns 0 or -ENOMEM. */
int cidr_set_subtract(const struct cidr_set *a, const struct cidr_set *b, struct cidr_set *ret);
/* Of a merged set, the first range that does not end before the address; its count when all do. */
size_t cidr_set_position(const struct cidr_set *set, ip_number number);
/* Whether a merged set has the address; ret_range (may be NULL) is then the range that has it. */
bool cidr_set_has(const struct cidr_set *set, ip_number number, struct cidr_range *ret_range);
int cidr_set_copy(const struct cidr_set *set, struct cidr_set *ret);
void cidr_set_clear(struct cidr_set *set);
#define _cleanup_cidr_set_ _cleanup_(cidr_set_clear) struct cidr_set

/* For configuration keys: cidr_parse. */
int config_check_cidr(const char *value, const char **ret_allowed);
