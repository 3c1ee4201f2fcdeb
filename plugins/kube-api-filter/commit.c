/* SPDX-License-Identifier: Apache-2.0 */

#include "commit.h"

#include <arpa/inet.h>
#include <libnftnl/chain.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "timestamp.h"

int commit_want(struct table_names *names, const char *name)
{
        struct table_name *grown;
        char *copy;

        /* Two lists share what is the same in both. */
        if (table_names_have(names, name))
                return 0;
        grown = reallocarray(names->items, names->count + 1, sizeof(*grown));
        copy = strdup(name);
        if (grown)
                names->items = grown;
        if (!grown || !copy) {
                free(copy);
                return -ENOMEM;
        }
        grown[names->count++] = (struct table_name){ .name = copy };
        return 0;
}

void commit_clear(struct commit *commit)
{
        struct table_names *lists[] = { &commit->sets, &commit->chains, &commit->counters };

        for (size_t l = 0; l < ELEMENTS(lists); l++) {
                for (size_t i = 0; i < lists[l]->count; i++)
                        free(lists[l]->items[i].name);
                free(lists[l]->items);
        }
        batch_free(commit->batch);
}

static int put_names(struct batch *batch, uint16_t type, uint16_t flags, uint16_t name_attribute,
                     const char *name)
{
        struct nlmsghdr *message = batch_message(batch, type, NFPROTO_INET, flags);

        if (!message)
                return -ENOMEM;
        mnl_attr_put_strz(message, 1, TABLE_NAME); /* in all of them, the table's name is attribute 1 */
        if (name)
                mnl_attr_put_strz(message, name_attribute, name);
        batch_end_message(batch);
        return 0;
}

int commit_put_table(struct batch *batch)
{
        struct nlmsghdr *message = batch_message(batch, NFT_MSG_NEWTABLE, NFPROTO_INET, NLM_F_CREATE);

        if (!message)
                return -ENOMEM;
        mnl_attr_put_strz(message, NFTA_TABLE_NAME, TABLE_NAME);
        mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, 0); /* wakes one that somebody made dormant */
        batch_end_message(batch);
        return 0;
}

int commit_put_table_removal(struct batch *batch)
{
        return put_names(batch, NFT_MSG_DELTABLE, 0, 0, NULL);
}

static int put_base_chain(struct batch *batch)
{
        struct nftnl_chain *chain = nftnl_chain_alloc();
        struct nlmsghdr *message;
        int r = -ENOMEM;

        if (!chain)
                return -ENOMEM;
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_FAMILY, NFPROTO_INET);
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, NF_INET_LOCAL_IN);
        nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, RULESET_PRIORITY);
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
        if (nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, TABLE_NAME) >= 0 &&
            nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, CHAIN_INPUT) >= 0 &&
            nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter") >= 0) {
                message = batch_message(batch, NFT_MSG_NEWCHAIN, NFPROTO_INET, NLM_F_CREATE);
                if (message) {
                        nftnl_chain_nlmsg_build_payload(message, chain);
                        batch_end_message(batch);
                        r = 0;
                }
        }
        nftnl_chain_free(chain);
        return r;
}

static int put_counter(struct batch *batch, const char *name)
{
        struct nlmsghdr *message = batch_message(batch, NFT_MSG_NEWOBJ, NFPROTO_INET, NLM_F_CREATE);

        if (!message)
                return -ENOMEM;
        mnl_attr_put_strz(message, NFTA_OBJ_TABLE, TABLE_NAME);
        mnl_attr_put_strz(message, NFTA_OBJ_NAME, name);
        mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
        mnl_attr_nest_end(message, mnl_attr_nest_start(message, NFTA_OBJ_DATA));
        batch_end_message(batch);
        return 0;
}

static int put_chain_removals(struct commit *commit, const struct table *now)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < now->chains.count; i++)
                if (!table_names_have(&commit->chains, now->chains.items[i].name))
                        r = put_names(commit->batch, NFT_MSG_DELCHAIN, 0, NFTA_CHAIN_NAME,
                                      now->chains.items[i].name);
        return r;
}

static int put_object_removal(struct batch *batch, const struct table_name *object)
{
        struct nlmsghdr *message = batch_message(batch, NFT_MSG_DELOBJ, NFPROTO_INET, 0);

        if (!message)
                return -ENOMEM;
        mnl_attr_put_strz(message, NFTA_OBJ_TABLE, TABLE_NAME);
        mnl_attr_put_strz(message, NFTA_OBJ_NAME, object->name);
        mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(object->type));
        batch_end_message(batch);
        return 0;
}

/* In this order: rules hold sets, counters and chains; elements of a map hold chains. */
static int put_removals(struct commit *commit, const struct table *now)
{
        struct batch *batch = commit->batch;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < now->chains.count; i++)
                if (!table_names_have(&commit->chains, now->chains.items[i].name))
                        r = put_names(batch, NFT_MSG_DELRULE, 0, NFTA_RULE_CHAIN, now->chains.items[i].name);
        for (size_t i = 0; r >= 0 && i < now->sets.count; i++)
                if (!table_names_have(&commit->sets, now->sets.items[i].name))
                        r = set_put_delete(batch, now->sets.items[i].name);
        if (r >= 0)
                r = put_chain_removals(commit, now);
        for (size_t i = 0; r >= 0 && i < now->objects.count; i++) {
                const struct table_name *object = &now->objects.items[i];

                if (object->type != NFT_OBJECT_COUNTER || !table_names_have(&commit->counters, object->name))
                        r = put_object_removal(batch, object);
        }
        return r;
}

static int renew_batch(struct commit *commit)
{
        commit->batch = batch_free(commit->batch);
        return batch_new(&commit->batch);
}

int commit_transact(struct commit *commit, struct netlink *netlink, int (*put)(struct commit *commit))
{
        const uint64_t deadline_usec = now_boottime_usec() + COMMIT_USEC;
        const size_t rules = commit->rules;
        int r;

        do {
                commit->rules = rules;
                r = renew_batch(commit);
                if (r >= 0)
                        r = put(commit);
                if (r >= 0)
                        r = netlink_commit(netlink, commit->batch, ANY_GENERATION);
        } while (r == -EAGAIN && now_boottime_usec() < deadline_usec);
        if (r >= 0)
                commit->generation++;
        return r;
}

/* Returns 1 when something was removed, 0 when nothing had to be. */
static int sweep_once(struct commit *commit, struct netlink *netlink, const struct table *now,
                      uint32_t generation)
{
        size_t empty;
        int r;

        r = renew_batch(commit);
        if (r < 0)
                return r;
        empty = batch_size(commit->batch);
        r = put_removals(commit, now);
        if (r < 0 || batch_size(commit->batch) == empty)
                return r;
        r = netlink_commit(netlink, commit->batch, generation);
        return r < 0 ? r : 1;
}

/* What another look puts right: somebody was faster, or the kernel's answers were lost. */
static bool is_passing(int r)
{
        return r == -ERESTART || r == -EAGAIN || r == -ENOENT || r == -ENOBUFS;
}

int commit_sweep(struct commit *commit, struct netlink *netlink, struct table *ret_table)
{
        const uint64_t deadline_usec = now_boottime_usec() + COMMIT_USEC;
        int r;

        /* When nobody came between, what was there is still what has to go; and else by its name, which
         * nothing that is wanted can have. */
        r = sweep_once(commit, netlink, commit->before, commit->generation);
        if (r == -ERESTART)
                r = sweep_once(commit, netlink, commit->before, ANY_GENERATION);
        if (r < 0 && !is_passing(r))
                return r;
        do {
                _cleanup_table_ now = {};

                r = table_read(netlink, &now);
                if (r >= 0)
                        r = sweep_once(commit, netlink, &now, ANY_GENERATION);
                if (r == 0) {
                        *ret_table = now;
                        now = (struct table){};
                        return 0;
                }
        } while ((r == 1 || is_passing(r)) && now_boottime_usec() < deadline_usec);
        return r < 0 ? r : -EAGAIN;
}

int commit_put_chain(struct commit *commit, const char *name)
{
        struct batch *batch = commit->batch;
        bool base = strcmp(name, CHAIN_INPUT) == 0;
        int r = 0;

        for (size_t i = 0; base && r >= 0 && i < commit->before->chains.count; i++) {
                const struct table_name *chain = &commit->before->chains.items[i];

                if (strcmp(chain->name, name) == 0 && !chain->as_made)
                        r = put_names(batch, NFT_MSG_DELCHAIN, 0, NFTA_CHAIN_NAME, name);
        }
        if (r >= 0)
                r = base ? put_base_chain(batch)
                         : put_names(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFTA_CHAIN_NAME, name);
        return r < 0 ? r : put_names(batch, NFT_MSG_DELRULE, 0, NFTA_RULE_CHAIN, name);
}

int commit_put_counters(struct commit *commit)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < commit->counters.count; i++)
                if (!table_names_have(&commit->before->objects, commit->counters.items[i].name))
                        r = put_counter(commit->batch, commit->counters.items[i].name);
        return r;
}

int commit_put_rule(struct commit *commit, struct rule *rule)
{
        int r = rule ? rule_put(rule, commit->batch) : -ENOMEM;

        rule_free(rule);
        if (r >= 0)
                commit->rules++;
        return r;
}

bool commit_is_there(const struct commit *commit, const struct table *after)
{
        return after->chains.count == commit->chains.count && after->sets.count == commit->sets.count &&
               after->objects.count == commit->counters.count && after->rules == commit->rules;
}
