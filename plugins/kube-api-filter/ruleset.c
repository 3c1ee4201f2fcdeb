/* SPDX-License-Identifier: Apache-2.0 */

#include "ruleset.h"

#include <arpa/inet.h>
#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <string.h>

#include "quantity.h"
#include "rule.h"
#include "set.h"

#define COMMIT_ATTEMPTS  50
#define CALM_ATTEMPTS    5
#define SOURCES_MSEC     (60 * 60 * UINT64_C(1000)) /* how long a source counts as recent */
#define CHAIN_INPUT      "input"
#define CHAIN_JUDGE      "judge"
#define SET_PORTS_PREFIX "ports_"

#define COMMENT_SIZE 128 /* NFTNL_UDATA_COMMENT_MAXLEN of nft */

static const char *const part_names[] = { [SET_BASE] = "", [SET_PLUS] = "plus_", [SET_MINUS] = "minus_" };

char *set_name(enum source_class class, enum ip_family family, enum set_part part, uint32_t generation,
               char buffer[static SET_NAME_SIZE])
{
        (void)snprintf(buffer, SET_NAME_SIZE, "%s_%s_%s%u", source_class_name(class), ip_family_name(family),
                       part_names[part], generation);
        return buffer;
}

char *family_suffix(const char *prefix, enum ip_family family, char buffer[static SET_NAME_SIZE])
{
        (void)snprintf(buffer, SET_NAME_SIZE, "%s_%s", prefix, ip_family_name(family));
        return buffer;
}

/* A name of which each generation has its own. */
static char *numbered(const char *prefix, uint32_t generation, char buffer[static SET_NAME_SIZE])
{
        (void)snprintf(buffer, SET_NAME_SIZE, "%s%u", prefix, generation);
        return buffer;
}

static char *list_chain(const struct loaded_list *list, enum ip_family family,
                        char buffer[static SET_NAME_SIZE])
{
        (void)snprintf(buffer, SET_NAME_SIZE, "list_%s_%u", ip_family_name(family), list->generation);
        return buffer;
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

static int put_table(struct batch *batch)
{
        struct nlmsghdr *message = batch_message(batch, NFT_MSG_NEWTABLE, NFPROTO_INET, NLM_F_CREATE);

        if (!message)
                return -ENOMEM;
        mnl_attr_put_strz(message, NFTA_TABLE_NAME, TABLE_NAME);
        mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, 0); /* wakes one that somebody made dormant */
        batch_end_message(batch);
        return 0;
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

/* Puts the rule and frees it; NULL is -ENOMEM. */
static int put_rule(struct batch *batch, struct rule *rule)
{
        int r = rule ? rule_put(rule, batch) : -ENOMEM;

        rule_free(rule);
        return r;
}

/* The names of what is wanted, collected while it is put; what else the table has goes. */
struct commit {
        struct batch *batch;
        const struct ruleset *ruleset;
        const struct table *before;
        struct table_names sets, chains, counters;
};

static int want(struct table_names *names, const char *name)
{
        struct table_name *grown = reallocarray(names->items, names->count + 1, sizeof(*grown));
        char *copy = strdup(name);

        if (grown)
                names->items = grown;
        if (!grown || !copy) {
                free(copy);
                return -ENOMEM;
        }
        grown[names->count++] = (struct table_name){ .name = copy };
        return 0;
}

static void commit_clear(struct commit *commit)
{
        struct table_names *lists[] = { &commit->sets, &commit->chains, &commit->counters };

        for (size_t l = 0; l < ELEMENTS(lists); l++) {
                for (size_t i = 0; i < lists[l]->count; i++)
                        free(lists[l]->items[i].name);
                free(lists[l]->items);
        }
        batch_free(commit->batch);
}

static const char *const other_counters[] = {
        "accepted_loopback", "accepted_own", "accepted_linkLocal", "accepted_disabled", "accepted_open",
        "dropped",           "audited"
};

static int want_counters(struct commit *commit)
{
        char name[SET_NAME_SIZE], class[SET_NAME_SIZE / 2];
        int r = 0;

        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                for (size_t i = 0; r >= 0 && i < ELEMENTS(other_counters); i++)
                        r = want(&commit->counters, family_suffix(other_counters[i], f, name));
                for (enum source_class c = 0; r >= 0 && c < CLASSES; c++) {
                        (void)snprintf(class, sizeof(class), "accepted_%s", source_class_name(c));
                        r = want(&commit->counters, family_suffix(class, f, name));
                }
        }
        return r;
}

static int want_list(struct commit *commit, const struct loaded_list *list)
{
        char name[SET_NAME_SIZE];
        int r = 0;

        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                r = want(&commit->chains, list_chain(list, f, name));
                for (enum source_class c = 0; r >= 0 && c < CLASSES; c++) {
                        const struct loaded_set *set = &list->sets[c][f];
                        const uint32_t generations[] = { set->base, set->plus, set->minus };

                        for (enum set_part p = SET_BASE; r >= 0 && p <= SET_MINUS; p++)
                                if (generations[p] != 0)
                                        r = want(&commit->sets, set_name(c, f, p, generations[p], name));
                }
        }
        return r;
}

static int want_all(struct commit *commit)
{
        const struct ruleset *ruleset = commit->ruleset;
        char name[SET_NAME_SIZE];
        int r;

        r = want_counters(commit);
        if (r >= 0)
                r = want(&commit->chains, CHAIN_INPUT);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                r = want(&commit->chains, family_suffix(CHAIN_JUDGE, f, name));
                if (r >= 0)
                        r = want(&commit->sets, family_suffix(RULESET_SOURCES, f, name));
                if (r >= 0)
                        r = want(&commit->sets, family_suffix(RULESET_REFUSED, f, name));
        }
        if (r >= 0 && ruleset->current)
                r = want_list(commit, ruleset->current);
        if (r >= 0 && ruleset->candidate)
                r = want_list(commit, ruleset->candidate);
        return r;
}

/* In this order: rules hold sets, counters and chains; elements of a foreign set may hold a chain. */
static int put_removals(struct commit *commit)
{
        const struct table *before = commit->before;
        struct batch *batch = commit->batch;
        int r;

        r = put_names(batch, NFT_MSG_DELRULE, 0, 0, NULL);
        for (size_t i = 0; r >= 0 && i < before->sets.count; i++)
                if (!table_names_have(&commit->sets, before->sets.items[i].name))
                        r = set_put_delete(batch, before->sets.items[i].name);
        for (size_t i = 0; r >= 0 && i < before->chains.count; i++) {
                const struct table_name *chain = &before->chains.items[i];
                bool base = strcmp(chain->name, CHAIN_INPUT) == 0;

                if (base ? !chain->as_made : !table_names_have(&commit->chains, chain->name))
                        r = put_names(batch, NFT_MSG_DELCHAIN, 0, NFTA_CHAIN_NAME, chain->name);
        }
        for (size_t i = 0; r >= 0 && i < before->objects.count; i++) {
                const struct table_name *object = &before->objects.items[i];
                struct nlmsghdr *message;

                if (object->type == NFT_OBJECT_COUNTER && table_names_have(&commit->counters, object->name))
                        continue;
                message = batch_message(batch, NFT_MSG_DELOBJ, NFPROTO_INET, 0);
                if (!message)
                        return -ENOMEM;
                mnl_attr_put_strz(message, NFTA_OBJ_TABLE, TABLE_NAME);
                mnl_attr_put_strz(message, NFTA_OBJ_NAME, object->name);
                mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(object->type));
                batch_end_message(batch);
        }
        return r;
}

/* What the rules refer to: counters and chains that are not there yet, the dynamic sets, the ports. */
static int put_parts(struct commit *commit)
{
        char name[SET_NAME_SIZE];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < commit->counters.count; i++)
                if (!table_names_have(&commit->before->objects, commit->counters.items[i].name))
                        r = put_counter(commit->batch, commit->counters.items[i].name);
        for (size_t i = 0; r >= 0 && i < commit->chains.count; i++) {
                const char *chain = commit->chains.items[i].name;

                if (strcmp(chain, CHAIN_INPUT) == 0)
                        r = put_base_chain(commit->batch);
                else
                        r = put_names(commit->batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFTA_CHAIN_NAME, chain);
        }
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                const enum set_key key = f == IP_V4 ? SET_KEY_V4 : SET_KEY_V6;

                r = set_put(commit->batch, family_suffix(RULESET_SOURCES, f, name), key,
                            NFT_SET_EVAL | NFT_SET_TIMEOUT, RULESET_SOURCES_MAX);
                if (r >= 0)
                        r = set_put(commit->batch, family_suffix(RULESET_REFUSED, f, name), key,
                                    NFT_SET_EVAL | NFT_SET_TIMEOUT, RULESET_SOURCES_MAX);
        }
        return r;
}

static int put_port_set(struct commit *commit, const char *prefix, const struct filter_list *list,
                        uint64_t usec)
{
        char name[SET_NAME_SIZE];
        int r;

        (void)numbered(prefix, commit->ruleset->generation, name);
        /* usec 0: for ever. */
        r = set_put(commit->batch, name, SET_KEY_PORT, usec ? NFT_SET_TIMEOUT : 0, 0);
        if (r >= 0)
                r = set_put_ports(commit->batch, name, list->ports, list->n_ports,
                                  usec ? usec / USEC_PER_MSEC + 1 : 0);
        return r;
}

/* Each list judges its own ports; all of them together are what the base chain looks at. */
static int put_port_sets(struct commit *commit)
{
        const struct ruleset *ruleset = commit->ruleset;
        struct filter_list all = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && ruleset->current && i < ruleset->current->list->n_ports; i++)
                r = filter_list_add_port(&all, ruleset->current->list->ports[i]);
        for (size_t i = 0; r >= 0 && ruleset->candidate && i < ruleset->candidate->list->n_ports; i++)
                r = filter_list_add_port(&all, ruleset->candidate->list->ports[i]);
        if (r >= 0)
                r = put_port_set(commit, SET_PORTS_PREFIX, &all, 0);
        if (r >= 0 && ruleset->current)
                r = put_port_set(commit, "current_", ruleset->current->list, 0);
        if (r >= 0 && ruleset->candidate)
                r = put_port_set(commit, "candidate_", ruleset->candidate->list,
                                 ruleset->candidate_usec ? ruleset->candidate_usec : 1);
        if (r >= 0 && ruleset->disabled_usec > 0)
                r = put_port_set(commit, "disabled_", &all, ruleset->disabled_usec);
        return r;
}

/* The list that is to stay or to go. */
static const struct filter_list *newest(const struct ruleset *ruleset)
{
        return ruleset->candidate ? ruleset->candidate->list
               : ruleset->current ? ruleset->current->list
                                  : NULL;
}

static int put_input(struct commit *commit)
{
        const struct ruleset *ruleset = commit->ruleset;
        char name[SET_NAME_SIZE], chain[SET_NAME_SIZE], comment[COMMENT_SIZE];
        int r = 0;

        /* With the rule, because the kernel never changes the user data that a table was made with. */
        (void)snprintf(comment, sizeof(comment), "generation %u, %s list %s", ruleset->generation,
                       ruleset->candidate ? "unconfirmed" : "confirmed", newest(ruleset)->digest);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                struct rule *rule = rule_new(CHAIN_INPUT, comment);

                if (rule) {
                        rule_match_family(rule, f);
                        rule_match_port(rule, numbered(SET_PORTS_PREFIX, ruleset->generation, name));
                        rule_jump(rule, family_suffix(CHAIN_JUDGE, f, chain));
                }
                r = put_rule(commit->batch, rule);
        }
        return r;
}

static int put_always(struct commit *commit, const char *chain, enum ip_family family)
{
        static const struct {
                const char *counter;
                void (*match)(struct rule *rule);
                bool v6_only;
        } always[] = {
                { "accepted_loopback", rule_match_loopback, false },
                { "accepted_own", rule_match_own_source, false },
                { "accepted_linkLocal", rule_match_link_local, true },
        };
        char name[SET_NAME_SIZE];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(always); i++) {
                struct rule *rule;

                if (always[i].v6_only && family != IP_V6)
                        continue;
                rule = rule_new(chain, NULL);
                if (rule) {
                        always[i].match(rule);
                        rule_count(rule, family_suffix(always[i].counter, family, name));
                        rule_accept(rule);
                }
                r = put_rule(commit->batch, rule);
        }
        return r;
}

/* Where the ports' elements have a timeout, the rule holds as long as they live: the kernel ends it. */
static int put_for_ports(struct commit *commit, const char *chain, const char *set_prefix,
                         const char *counter, const char *goto_chain)
{
        struct rule *rule = rule_new(chain, NULL);
        char name[SET_NAME_SIZE];

        if (rule) {
                rule_match_port(rule, numbered(set_prefix, commit->ruleset->generation, name));
                if (counter)
                        rule_count(rule, counter);
                if (goto_chain)
                        rule_goto(rule, goto_chain);
                else
                        rule_accept(rule);
        }
        return put_rule(commit->batch, rule);
}

static int put_judge(struct commit *commit, enum ip_family family)
{
        const struct ruleset *ruleset = commit->ruleset;
        char chain[SET_NAME_SIZE], name[SET_NAME_SIZE];
        struct rule *rule;
        int r;

        (void)family_suffix(CHAIN_JUDGE, family, chain);
        r = put_always(commit, chain, family);
        if (r < 0)
                return r;
        rule = rule_new(chain, NULL);
        if (rule) {
                rule_match_syn(rule);
                rule_remember_source(rule, family, family_suffix(RULESET_SOURCES, family, name),
                                     SOURCES_MSEC);
        }
        r = put_rule(commit->batch, rule);
        if (r >= 0 && ruleset->disabled_usec > 0)
                r = put_for_ports(commit, chain, "disabled_",
                                  family_suffix("accepted_disabled", family, name), NULL);
        if (r >= 0 && ruleset->candidate)
                r = put_for_ports(commit, chain, "candidate_", NULL,
                                  list_chain(ruleset->candidate, family, name));
        if (r >= 0 && ruleset->current)
                r = put_for_ports(commit, chain, "current_", NULL,
                                  list_chain(ruleset->current, family, name));
        if (r < 0)
                return r;
        rule = rule_new(chain, NULL);
        if (rule) {
                rule_count(rule, family_suffix("accepted_open", family, name));
                rule_accept(rule);
        }
        return put_rule(commit->batch, rule);
}

static int put_class(struct commit *commit, const char *chain, const struct loaded_set *set,
                     enum source_class class, enum ip_family family)
{
        char name[SET_NAME_SIZE], counter[SET_NAME_SIZE], prefix[SET_NAME_SIZE / 2];
        int r = 0;

        (void)snprintf(prefix, sizeof(prefix), "accepted_%s", source_class_name(class));
        (void)family_suffix(prefix, family, counter);
        for (enum set_part p = SET_BASE; r >= 0 && p <= SET_PLUS; p++) {
                uint32_t generation = p == SET_BASE ? set->base : set->plus;
                struct rule *rule;

                if (generation == 0)
                        continue;
                rule = rule_new(chain, NULL);
                if (rule) {
                        rule_match_source(rule, family, set_name(class, family, p, generation, name));
                        if (p == SET_BASE && set->minus != 0)
                                rule_match_source_not(rule, family,
                                                      set_name(class, family, SET_MINUS, set->minus, name));
                        rule_count(rule, counter);
                        rule_accept(rule);
                }
                r = put_rule(commit->batch, rule);
        }
        return r;
}

static int put_list(struct commit *commit, const struct loaded_list *list, enum ip_family family)
{
        char chain[SET_NAME_SIZE], name[SET_NAME_SIZE];
        struct rule *rule;
        int r = 0;

        (void)list_chain(list, family, chain);
        for (enum source_class c = 0; r >= 0 && c < CLASSES; c++)
                r = put_class(commit, chain, &list->sets[c][family], c, family);
        if (r < 0)
                return r;
        rule = rule_new(chain, NULL);
        if (rule)
                rule_remember_source(rule, family, family_suffix(RULESET_REFUSED, family, name),
                                     SOURCES_MSEC);
        r = put_rule(commit->batch, rule);
        if (r < 0)
                return r;
        rule = rule_new(chain, NULL);
        if (rule) {
                rule_count(rule, family_suffix(list->list->audit ? "audited" : "dropped", family, name));
                if (list->list->audit)
                        rule_accept(rule);
                else
                        rule_drop(rule);
        }
        return put_rule(commit->batch, rule);
}

static int put_rules(struct commit *commit)
{
        const struct ruleset *ruleset = commit->ruleset;
        int r;

        r = put_port_sets(commit);
        if (r >= 0)
                r = put_input(commit);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                r = put_judge(commit, f);
                if (r >= 0 && ruleset->current)
                        r = put_list(commit, ruleset->current, f);
                if (r >= 0 && ruleset->candidate)
                        r = put_list(commit, ruleset->candidate, f);
        }
        return r;
}

/* Returns 0 and the generation that the transaction made. */
static int commit_once(struct netlink *netlink, const struct ruleset *ruleset, uint32_t *ret_generation)
{
        _cleanup_table_ table = {};
        _cleanup_(commit_clear) struct commit commit = { .ruleset = ruleset, .before = &table };
        int r;

        r = table_read(netlink, &table);
        if (r >= 0)
                r = batch_new(&commit.batch);
        if (r >= 0)
                r = want_all(&commit);
        if (r >= 0)
                r = put_table(commit.batch);
        if (r >= 0)
                r = put_removals(&commit);
        if (r >= 0)
                r = put_parts(&commit);
        if (r >= 0)
                r = put_rules(&commit);
        if (r >= 0)
                r = netlink_commit(netlink, commit.batch, table.generation);
        if (r >= 0)
                *ret_generation = table.generation + 1;
        return r;
}

int ruleset_commit(struct netlink *netlink, const struct ruleset *ruleset, struct table *ret_table)
{
        _cleanup_table_ table = {};
        uint32_t generation = 0;
        int r = -ERESTART;

        for (unsigned i = 0; (r == -ERESTART || r == -EAGAIN) && i < COMMIT_ATTEMPTS; i++) {
                r = commit_once(netlink, ruleset, &generation);
                table_clear(&table);
                if (r >= 0)
                        r = table_read(netlink, &table);
                /* Another's transaction, perhaps on this table, came before the read. Not for ever. */
                if (r >= 0 && table.generation != generation && i < CALM_ATTEMPTS)
                        r = -ERESTART;
        }
        if (r < 0)
                return r;
        *ret_table = table;
        table = (struct table){};
        return 0;
}

static int change_table(struct netlink *netlink, bool remove)
{
        int r = -ERESTART;

        for (unsigned i = 0; (r == -ERESTART || r == -EAGAIN) && i < COMMIT_ATTEMPTS; i++) {
                _cleanup_(batch_freep) struct batch *batch = NULL;
                _cleanup_table_ table = {};

                r = table_read(netlink, &table);
                if (r < 0 || table.exists == !remove)
                        return r;
                r = batch_new(&batch);
                if (r >= 0)
                        r = remove ? put_names(batch, NFT_MSG_DELTABLE, 0, 0, NULL) : put_table(batch);
                if (r >= 0)
                        r = netlink_commit(netlink, batch, table.generation);
        }
        return r;
}

int ruleset_make_table(struct netlink *netlink)
{
        return change_table(netlink, false);
}

int ruleset_remove(struct netlink *netlink)
{
        return change_table(netlink, true);
}
