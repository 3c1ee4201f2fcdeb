/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The filter's life: a list is wanted, tried, confirmed or rolled back, and what is in the kernel is made so.
 *
 *   wanted ──(widens, or only counts)──────────────────────────────▶ confirmed
 *     │                                                                 ▲
 *     └─(the API answers, nobody needed is cut off)─▶ candidate ──proof─┘
 *                                                       └─no proof in time─▶ rejected; the kernel has gone
 * back
 */

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "loaded-list.h"
#include "netlink.h"
#include "peers.h"
#include "state.h"
#include "table.h"
#include "touched-sets.h"

enum filter_phase {
        FILTER_CONFIRMED, /* the wanted list is confirmed */
        FILTER_WANTED,    /* another one is, or none; see filter_try */
        FILTER_TRIAL,     /* the wanted list is the candidate */
        FILTER_REJECTED,  /* it was, and was not confirmed */
};

/* Who was connected, is let in by the list on trial, and must be heard of before it is confirmed. Of nodes
 * only those that were talking: a kubelet is never silent for long, an idle client in its network may be. */
struct witnesses {
        struct peers management, nodes;
};

struct filter {
        char *directory; /* STATE */
        struct netlink *netlink;
        struct filter_state state;
        struct filter_list *wanted;
        struct loaded_list *current, *candidate; /* in the kernel */
        struct table table;                      /* as our last transaction left it */
        uint64_t covered_usec; /* CLOCK_BOOTTIME when the last change put a cover in force; 0: none did */
        struct witnesses witnesses; /* when the candidate came */
        uint64_t tried_usec;        /* CLOCK_BOOTTIME of that; 0: before this process */
};

/* Loads the state; the kernel is not touched yet. */
int filter_open(const char *directory, struct filter **ret, struct failure *failure);
struct filter *filter_free(struct filter *filter);
DEFINE_CLEANUP(struct filter *, filter_free)

/* Sets the list that is wanted (a reference is taken), confirms it when that can lock nobody out, and makes
 * the kernel so. Without a confirmed list the wanted one is in force as an audit: it counts, and drops
 * nothing. */
int filter_want(struct filter *filter, struct filter_list *list, struct failure *failure);
enum filter_phase filter_phase(const struct filter *filter);

/* Makes the kernel as the state says, whatever it is now: the rules, and of the sets those that somebody may
 * have touched. */
int filter_enforce(struct filter *filter, const struct touched_sets *touched, struct failure *failure);

/* Who is connected now and would be cut off by the wanted list. needed (may be NULL) says why one of them
 * must not be: "node 10.0.0.5, management 198.51.100.7"; owned by the caller, NULL when nobody is needed. */
struct cut {
        struct peers peers;
        char *needed;
};
int filter_preview(const struct filter *filter, const struct filter_list *list, struct cut *ret);
void cut_clear(struct cut *cut);
#define _cleanup_cut_ _cleanup_(cut_clear) struct cut

/* Puts the wanted list on trial for so long; the kernel ends it by itself. -EPERM with a failure
 * (WouldCutOff) when it would cut off somebody who is needed, unless force. */
int filter_try(struct filter *filter, uint64_t confirm_usec, bool force, struct failure *failure);
/* Watches a trial that a process before this one began. */
int filter_resume(struct filter *filter);
/* Whether all witnesses have been heard of since the trial began; else ret_missing names one. A node whose
 * connection is gone and who was not refused has left. */
bool filter_witnesses_back(const struct filter *filter, char ret_missing[static CIDR_TEXT_SIZE]);
/* -ENOENT without a trial, -ETIME when the kernel has gone back already. */
int filter_confirm(struct filter *filter, struct failure *failure);
/* Ends a trial; the list is rejected for this reason until it changes or filter_retry. */
int filter_rollback(struct filter *filter, const char *because, struct failure *failure);
int filter_retry(struct filter *filter);
/* Lets everyone in for so long; 0 ends that. */
int filter_disable(struct filter *filter, uint64_t usec, struct failure *failure);

/* Removes the table and the state. */
int filter_remove(const char *directory, struct failure *failure);
