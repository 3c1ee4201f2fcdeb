/* SPDX-License-Identifier: Apache-2.0 */

#include "enforce.h"

#include <string.h>

#include "cover.h"
#include "fault-point.h"
#include "ruleset.h"
#include "timestamp.h"

/* What one change needs: for the chains and sets of two lists, and for the rules. */
#define GENERATIONS 3
/* Whoever removes the table again and again is met by repairs, not here. */
#define FRESH_ATTEMPTS 3

/* Names of sets and chains are used once, also when the transaction for which they were made never came.
 * Saves the state. */
static int reserve_generations(struct filter *filter, uint32_t *ret_first)
{
        *ret_first = filter->state.generation + 1;
        filter->state.generation += GENERATIONS;
        return state_save(filter->directory, &filter->state);
}

int enforce_load_list(struct filter *filter, const char *digest, const struct loaded_list *known,
                      struct filter_list **ret)
{
        if (known && strcmp(known->list->digest, digest) == 0) {
                *ret = filter_list_ref(known->list);
                return 0;
        }
        if (filter->wanted && strcmp(filter->wanted->digest, digest) == 0) {
                *ret = filter_list_ref(filter->wanted);
                return 0;
        }
        return state_load_list(filter->directory, digest, ret);
}

/* What is to be in force. */
struct lists {
        struct filter_list *current, *candidate; /* NULL: none */
};

static void lists_clear(struct lists *lists)
{
        filter_list_unref(lists->current);
        filter_list_unref(lists->candidate);
}
#define _cleanup_lists_ _cleanup_(lists_clear) struct lists

static int choose_current(struct filter *filter, struct filter_list **ret)
{
        if (filter->state.confirmed[0])
                return enforce_load_list(filter, filter->state.confirmed, filter->current, ret);
        if (filter->wanted && filter->wanted->audit) {
                *ret = filter_list_ref(filter->wanted);
                return 0;
        }
        /* There is no other: nobody is shut out, and what the wanted one would drop is counted. */
        return filter->wanted ? filter_list_audit(filter->wanted, ret) : 0;
}

static int choose(struct filter *filter, struct lists *ret)
{
        int r;

        r = choose_current(filter, &ret->current);
        if (r >= 0 && filter->state.candidate[0])
                r = enforce_load_list(filter, filter->state.candidate, filter->candidate, &ret->candidate);
        return r;
}

/* From which of the lists in the kernel most can be used again. */
static const struct loaded_list *nearest(const struct filter *filter, const struct filter_list *list,
                                         bool fresh)
{
        if (fresh)
                return NULL;
        if (!filter->candidate ||
            (filter->current && strcmp(filter->current->list->digest, list->digest) == 0))
                return filter->current;
        return filter->candidate;
}

uint64_t usec_left(uint64_t until_usec)
{
        uint64_t now = now_boottime_usec();

        return until_usec > now ? until_usec - now : 0;
}

/* fresh: nothing that was loaded before is trusted. */
static int bring(struct filter *filter, const struct lists *lists, bool fresh)
{
        _cleanup_(loaded_list_freep) struct loaded_list *current = NULL, *candidate = NULL;
        struct ruleset ruleset = { .disabled_usec = usec_left(filter->state.disabled_until_usec) };
        size_t room = REST_MAX;
        struct table table;
        uint32_t first;
        int r;

        FAULT_POINT("kube-api-filter-save");
        r = reserve_generations(filter, &first);
        FAULT_POINT("kube-api-filter-load");
        if (r >= 0 && lists->current)
                r = loaded_list_make(filter->netlink, lists->current, nearest(filter, lists->current, fresh),
                                     first, &room, &current);
        if (r >= 0 && lists->candidate)
                r = loaded_list_make(filter->netlink, lists->candidate, current, first + 1, &room,
                                     &candidate);
        if (r < 0)
                return r;
        ruleset.generation = first + 2;
        ruleset.known = &filter->table;
        ruleset.current = current;
        ruleset.candidate = candidate;
        ruleset.candidate_usec = usec_left(filter->state.deadline_usec);
        r = ruleset_commit(filter->netlink, &ruleset, &table);
        if (r < 0)
                return r;
        FAULT_POINT("kube-api-filter-swept");
        loaded_list_free(filter->current);
        loaded_list_free(filter->candidate);
        filter->current = TAKE_PTR(current);
        filter->candidate = TAKE_PTR(candidate);
        table_clear(&filter->table);
        filter->table = table;
        return 0;
}

/* How many ranges have to be loaded before it shuts anybody out. */
static size_t count(const struct filter_list *list)
{
        return list && !list->audit ? filter_list_count(list, IP_V4) + filter_list_count(list, IP_V6) : 0;
}

/* Whether packets are judged by nothing of ours, and would be so until a long list is loaded. */
static int is_exposed(struct filter *filter, const struct lists *lists, bool *ret)
{
        _cleanup_table_ table = {};
        int r;

        *ret = false;
        if (count(lists->current) + count(lists->candidate) <= REST_MAX)
                return 0;
        r = table_read(filter->netlink, &table);
        if (r >= 0)
                *ret = table.rules == 0;
        return r;
}

static int bring_cover(struct filter *filter, const struct lists *lists)
{
        _cleanup_lists_ cover = {};
        int r = 0;

        if (lists->current)
                r = filter_list_cover(lists->current, &cover.current);
        if (r >= 0 && lists->candidate)
                r = filter_list_cover(lists->candidate, &cover.candidate);
        if (r >= 0)
                r = bring(filter, &cover, true);
        if (r < 0)
                return r;
        filter->covered_usec = now_boottime_usec();
        FAULT_POINT("kube-api-filter-covered");
        /* What the lists are made of is not there, and a cover is never taken for the list. */
        filter->current = loaded_list_free(filter->current);
        filter->candidate = loaded_list_free(filter->candidate);
        return 0;
}

/* Somebody removed, meanwhile, what was loaded, or leads from elsewhere to our chains. */
static bool was_disturbed(int r)
{
        return r == -ENOENT || r == -EBUSY || r == -EEXIST;
}

static int bring_anew(struct filter *filter, const struct lists *lists)
{
        bool exposed;
        int r = -ENOENT;

        for (unsigned i = 0; was_disturbed(r) && i < FRESH_ATTEMPTS; i++) {
                if (r != -ENOENT)
                        (void)ruleset_remove(filter->netlink);
                r = is_exposed(filter, lists, &exposed);
                if (r >= 0 && exposed)
                        r = bring_cover(filter, lists);
                if (r >= 0)
                        r = bring(filter, lists, true);
        }
        return r;
}

static void forget(struct loaded_list *loaded, const struct touched_sets *touched)
{
        for (size_t i = 0; loaded && i < touched->count; i++)
                loaded_list_forget(loaded, touched->names[i]);
}

static int try_enforce(struct filter *filter, const struct touched_sets *touched)
{
        _cleanup_lists_ lists = {};
        int r;

        r = choose(filter, &lists);
        /* A table from before the state was lost has names that will come again. */
        if (r >= 0 && filter->state.generation == 0)
                r = ruleset_remove(filter->netlink);
        if (r < 0)
                return r;
        if (touched->all || !filter->current)
                return bring_anew(filter, &lists);
        forget(filter->current, touched);
        forget(filter->candidate, touched);
        r = bring(filter, &lists, false);
        return was_disturbed(r) ? bring_anew(filter, &lists) : r;
}

int enforce(struct filter *filter, const struct touched_sets *touched, struct failure *failure)
{
        int r;

        filter->covered_usec = 0;
        r = try_enforce(filter, touched);
        if (r == -EPERM)
                return failure_set(
                        failure, r, "NetfilterRefused",
                        "the kernel does not let this process change nftables (CAP_NET_ADMIN is missing)");
        if (r < 0)
                return failure_set(failure, r, "NetfilterRefused", "the kernel did not take the rules: %s",
                                   strerror(-r));
        return 0;
}
