/* SPDX-License-Identifier: Apache-2.0 */

#include "filter.h"

#include <string.h>

#include "enforce.h"
#include "ruleset.h"
#include "sources.h"
#include "timestamp.h"

#define NODE_SILENT_MSEC 30000 /* a kubelet renews its lease every 10 s */

int filter_open(const char *directory, struct filter **ret, struct failure *failure)
{
        _cleanup_(filter_freep) struct filter *filter = calloc(1, sizeof(*filter));
        int r;

        if (!filter)
                return -ENOMEM;
        filter->directory = strdup(directory);
        if (!filter->directory)
                return -ENOMEM;
        r = state_load(directory, &filter->state);
        if (r < 0)
                return failure_set(failure, r, "StateUnreadable",
                                   "cannot read %s/state.json: %s; remove it to begin anew", directory,
                                   strerror(-r));
        r = netlink_new(&filter->netlink);
        if (r < 0)
                return failure_set(failure, r, "NetfilterUnavailable",
                                   "cannot open netfilter's netlink socket: %s", strerror(-r));
        *ret = TAKE_PTR(filter);
        return 0;
}

static void witnesses_clear(struct witnesses *witnesses)
{
        peers_clear(&witnesses->management);
        peers_clear(&witnesses->nodes);
}

/* Those are the filter's from now on. */
static void take_witnesses(struct filter *filter, struct witnesses *witnesses)
{
        witnesses_clear(&filter->witnesses);
        filter->witnesses = *witnesses;
        *witnesses = (struct witnesses){};
}

struct filter *filter_free(struct filter *filter)
{
        if (!filter)
                return NULL;
        free(filter->directory);
        netlink_free(filter->netlink);
        state_clear(&filter->state);
        filter_list_unref(filter->wanted);
        loaded_list_free(filter->current);
        loaded_list_free(filter->candidate);
        table_clear(&filter->table);
        witnesses_clear(&filter->witnesses);
        free(filter);
        return NULL;
}

enum filter_phase filter_phase(const struct filter *filter)
{
        const char *wanted = filter->wanted ? filter->wanted->digest : "";

        if (strcmp(wanted, filter->state.confirmed) == 0)
                return FILTER_CONFIRMED;
        if (strcmp(wanted, filter->state.candidate) == 0)
                return FILTER_TRIAL;
        return strcmp(wanted, filter->state.rejected) == 0 ? FILTER_REJECTED : FILTER_WANTED;
}

int filter_enforce(struct filter *filter, const struct touched_sets *touched, struct failure *failure)
{
        int r;

        /* A trial that is over is not begun again by whoever repairs. */
        if (filter->state.candidate[0] && usec_left(filter->state.deadline_usec) == 0)
                return filter_rollback(filter, "it was not confirmed in time", failure);
        r = enforce(filter, touched, failure);
        /* What a change would have removed that did not come through. */
        if (r >= 0)
                state_sweep_lists(filter->directory, &filter->state);
        return r;
}

/* The state is saved before the kernel is told. */
static int change(struct filter *filter, struct failure *failure)
{
        int r;

        filter->state.changed_usec = now_realtime_usec();
        r = enforce(filter, &(struct touched_sets){}, failure);
        if (r >= 0)
                state_sweep_lists(filter->directory, &filter->state);
        return r;
}

static void forget_rejection(struct filter_state *state)
{
        state->rejected[0] = '\0';
        free(state->rejected_because);
        state->rejected_because = NULL;
}

static int save_list(struct filter *filter, const struct filter_list *list, struct failure *failure)
{
        int r;

        r = state_save_list(filter->directory, list);
        if (r < 0)
                return failure_set(failure, r, "StateNotWritable", "cannot write %s/lists: %s",
                                   filter->directory, strerror(-r));
        return 0;
}

/* A confirmed list at hand: the one in the kernel, or from its file. */
static int confirmed_list(struct filter *filter, struct filter_list **ret)
{
        return filter->state.confirmed[0]
                       ? enforce_load_list(filter, filter->state.confirmed, filter->current, ret)
                       : -ENOENT;
}

static int confirm_at_once(struct filter *filter, struct filter_list *list, bool *ret)
{
        _cleanup_(filter_list_unrefp) struct filter_list *confirmed = NULL;
        int r;

        r = confirmed_list(filter, &confirmed);
        if (r == -ENOENT) {
                *ret = list->audit;
                return 0;
        }
        return r < 0 ? r : filter_list_widens(confirmed, list, ret);
}

int filter_want(struct filter *filter, struct filter_list *list, struct failure *failure)
{
        enum filter_phase phase;
        bool at_once = false;
        int r;

        filter_list_unref(filter->wanted);
        filter->wanted = filter_list_ref(list);
        phase = filter_phase(filter);
        if (phase == FILTER_CONFIRMED && !filter->state.candidate[0] && filter->current)
                return 0;
        if (phase == FILTER_TRIAL && filter->current)
                return 0;
        if (phase == FILTER_WANTED) {
                r = confirm_at_once(filter, list, &at_once);
                if (r < 0)
                        return failure_set(failure, r, "StateUnreadable",
                                           "cannot read the confirmed list: %s; `undo` to begin anew",
                                           strerror(-r));
        }
        if (at_once) {
                r = save_list(filter, list, failure);
                if (r < 0)
                        return r;
                memcpy(filter->state.confirmed, list->digest, sizeof(filter->state.confirmed));
        }
        /* Whatever was on trial is not wanted any more. */
        if (phase != FILTER_TRIAL)
                filter->state.candidate[0] = '\0';
        if (phase != FILTER_REJECTED)
                forget_rejection(&filter->state);
        return phase == FILTER_TRIAL ? filter_enforce(filter, &(struct touched_sets){ .all = true }, failure)
                                     : change(filter, failure);
}

void cut_clear(struct cut *cut)
{
        peers_clear(&cut->peers);
        free(cut->needed);
        *cut = (struct cut){};
}

/* Why a peer must not be cut off, or NULL: what it was to the list before, or its place beside this node. */
static const char *need(const struct filter_list *before, const struct node_networks *networks,
                        const struct peer *peer)
{
        enum source_class class;

        if (before && filter_list_has(before, peer->family, peer->address, &class, NULL) &&
            class != CLASS_ALLOW)
                return source_class_name(class);
        return cidr_set_has(&networks->networks[peer->family], peer->address, NULL) ? "nodes" : NULL;
}

static int note_need(struct cut *cut, const char *why, const struct peer *peer)
{
        char address[CIDR_TEXT_SIZE], *text;

        if (cut->needed && strlen(cut->needed) > 256)
                return 0;
        if (asprintf(&text, "%s%s%s (%s)", cut->needed ? cut->needed : "", cut->needed ? ", " : "",
                     ip_format(peer->family, peer->address, address), why) < 0)
                return -ENOMEM;
        free(cut->needed);
        cut->needed = text;
        return 0;
}

static int add_peer(struct peers *peers, const struct peer *peer)
{
        struct peer *grown = reallocarray(peers->items, peers->count + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        peers->items = grown;
        grown[peers->count++] = *peer;
        return 0;
}

/* The confirmed list, or NULL when there is none. */
static int list_before(const struct filter *filter, struct filter_list **ret)
{
        int r;

        if (filter->state.confirmed[0] && filter->current &&
            strcmp(filter->current->list->digest, filter->state.confirmed) == 0) {
                *ret = filter_list_ref(filter->current->list);
                return 0;
        }
        r = state_load_list(filter->directory, filter->state.confirmed, ret);
        return r == -ENOENT ? 0 : r;
}

/* Splits who is connected now into those the list cuts off and, of those it keeps, the needed ones. */
static int split_peers(const struct filter *filter, const struct filter_list *list, struct cut *cut,
                       struct witnesses *witnesses)
{
        _cleanup_(filter_list_unrefp) struct filter_list *before = NULL;
        _cleanup_node_networks_ networks = {};
        _cleanup_peers_ now = {};
        int r;

        r = list_before(filter, &before);
        if (r >= 0)
                r = peers_read(list->ports, list->n_ports, &now);
        if (r >= 0)
                r = node_networks_read(&networks);
        for (size_t i = 0; r >= 0 && i < now.count; i++) {
                const struct peer *peer = &now.items[i];
                enum source_class class;
                const char *why;

                if (cidr_set_has(&networks.addresses[peer->family], peer->address, NULL))
                        continue;
                if (filter_list_has(list, peer->family, peer->address, &class, NULL)) {
                        if (class == CLASS_MANAGEMENT)
                                r = add_peer(&witnesses->management, peer);
                        else if (class == CLASS_NODES && peer->silent_msec < NODE_SILENT_MSEC)
                                r = add_peer(&witnesses->nodes, peer);
                        continue;
                }
                r = add_peer(&cut->peers, peer);
                why = need(before, &networks, peer);
                if (r >= 0 && why)
                        r = note_need(cut, why, peer);
        }
        return r;
}

int filter_preview(const struct filter *filter, const struct filter_list *list, struct cut *ret)
{
        _cleanup_(witnesses_clear) struct witnesses witnesses = {};
        _cleanup_cut_ cut = {};
        int r;

        r = split_peers(filter, list, &cut, &witnesses);
        if (r < 0)
                return r;
        *ret = cut;
        cut = (struct cut){};
        return 0;
}

int filter_try(struct filter *filter, uint64_t confirm_usec, bool force, struct failure *failure)
{
        _cleanup_(witnesses_clear) struct witnesses witnesses = {};
        _cleanup_cut_ cut = {};
        int r;

        r = split_peers(filter, filter->wanted, &cut, &witnesses);
        if (r < 0)
                return failure_set(failure, r, "ConnectionsUnreadable", "cannot see who is connected: %s",
                                   strerror(-r));
        if (cut.needed && !force)
                return failure_set(
                        failure, -EPERM, "WouldCutOff",
                        "the new list would cut off %s, connected now; add them, or set \"force\": true",
                        cut.needed);
        r = save_list(filter, filter->wanted, failure);
        if (r < 0)
                return r;
        memcpy(filter->state.candidate, filter->wanted->digest, sizeof(filter->state.candidate));
        forget_rejection(&filter->state);
        filter->tried_usec = now_boottime_usec();
        filter->state.deadline_usec = filter->tried_usec + confirm_usec;
        take_witnesses(filter, &witnesses);
        r = change(filter, failure);
        if (r < 0)
                filter->state.candidate[0] = '\0';
        return r;
}

int filter_resume(struct filter *filter)
{
        _cleanup_(witnesses_clear) struct witnesses witnesses = {};
        _cleanup_cut_ cut = {};
        int r;

        r = split_peers(filter, filter->wanted, &cut, &witnesses);
        if (r < 0)
                return r;
        filter->tried_usec = now_boottime_usec();
        take_witnesses(filter, &witnesses);
        return 0;
}

static bool was_heard(const struct peers *now, const struct peer *witness, uint64_t since_msec)
{
        const struct peer *peer = peers_find(now, witness->family, witness->address);

        return peer && peer->silent_msec < since_msec;
}

/* Refused at any time of the last hour: whoever is let in by both lists is not among them. */
static bool was_refused(const struct filter *filter, const struct peer *peer)
{
        struct table_elements refused;
        char name[SET_NAME_SIZE];
        bool found = false;

        if (table_read_elements(filter->netlink, family_suffix(RULESET_REFUSED, peer->family, name),
                                peer->family, &refused) < 0)
                return true;
        for (size_t i = 0; i < refused.count && !found; i++)
                found = refused.items[i].address == peer->address;
        table_elements_clear(&refused);
        return found;
}

bool filter_witnesses_back(const struct filter *filter, char ret_missing[static CIDR_TEXT_SIZE])
{
        const struct peers *management = &filter->witnesses.management, *nodes = &filter->witnesses.nodes;
        uint64_t since_msec = (now_boottime_usec() - filter->tried_usec) / 1000;
        const struct peer *missing = NULL;
        _cleanup_peers_ now = {};

        if (management->count == 0 && nodes->count == 0)
                return true;
        if (peers_read(filter->wanted->ports, filter->wanted->n_ports, &now) < 0)
                return false;
        for (size_t i = 0; i < management->count && !missing; i++)
                if (!was_heard(&now, &management->items[i], since_msec))
                        missing = &management->items[i];
        for (size_t i = 0; i < nodes->count && !missing; i++) {
                const struct peer *node = &nodes->items[i];
                bool gone = !peers_find(&now, node->family, node->address);

                if (gone ? was_refused(filter, node) : !was_heard(&now, node, since_msec))
                        missing = node;
        }
        if (missing)
                (void)ip_format(missing->family, missing->address, ret_missing);
        return !missing;
}

int filter_confirm(struct filter *filter, struct failure *failure)
{
        if (!filter->state.candidate[0])
                return failure_set(failure, -ENOENT, "NothingToConfirm", "no list is on trial");
        if (usec_left(filter->state.deadline_usec) == 0)
                return failure_set(failure, -ETIME, "RolledBack",
                                   "the time to confirm is over, the old list is in force again");
        memcpy(filter->state.confirmed, filter->state.candidate, sizeof(filter->state.confirmed));
        filter->state.candidate[0] = '\0';
        return change(filter, failure);
}

int filter_rollback(struct filter *filter, const char *because, struct failure *failure)
{
        char *copy = strdup(because);

        if (!copy)
                return -ENOMEM;
        forget_rejection(&filter->state);
        filter->state.rejected_because = copy;
        memcpy(filter->state.rejected, filter->state.candidate, sizeof(filter->state.rejected));
        filter->state.candidate[0] = '\0';
        return change(filter, failure);
}

int filter_retry(struct filter *filter)
{
        if (!filter->state.rejected[0])
                return 0;
        forget_rejection(&filter->state);
        return state_save(filter->directory, &filter->state);
}

int filter_disable(struct filter *filter, uint64_t usec, struct failure *failure)
{
        filter->state.disabled_until_usec = usec ? now_boottime_usec() + usec : 0;
        return change(filter, failure);
}

int filter_remove(const char *directory, struct failure *failure)
{
        _cleanup_(filter_freep) struct filter *filter = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        /* Without a state this program never made the table. */
        if (asprintf(&path, "%s/state.json", directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (access(path, F_OK) < 0)
                return 0;
        r = filter_open(directory, &filter, failure);
        if (r < 0)
                return r;
        r = ruleset_remove(filter->netlink);
        if (r >= 0)
                r = state_remove(directory);
        if (r < 0)
                return failure_set(failure, r, "NetfilterRefused", "cannot remove the table %s: %s",
                                   "capi_node_agent", strerror(-r));
        return 0;
}
