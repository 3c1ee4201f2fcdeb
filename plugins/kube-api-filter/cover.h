/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A long list, said more widely in a few ranges: it lets in everyone whom the list lets in, and as few others
 * as so few ranges can. It is in force within milliseconds where the table is gone and nothing judges. */

#include "list.h"

/* Of each class and family: with a long list for each family, and what else is there, still REST_MAX. */
#define COVER_RANGES 400

/* Closes the smallest gaps of a merged set until it has at most max ranges (not 0). Returns 0 or -ENOMEM. */
int cidr_set_cover(const struct cidr_set *set, size_t max, struct cidr_set *ret);
/* The digest stays that of the list. Returns 0 or -ENOMEM. */
int filter_list_cover(const struct filter_list *list, struct filter_list **ret);
