/* SPDX-License-Identifier: Apache-2.0 */

#include "ruleset.h"

#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <string.h>

#include "commit.h"
#include "fault-point.h"
#include "list-rules.h"
#include "quantity.h"
#include "rule.h"
#include "set.h"
#include "timestamp.h"

#define COMMIT_ATTEMPTS 5
#define CHAIN_JUDGE     "judge"
/* Of ports, with the generation behind it. */
#define SET_PORTS     "ports_"
#define SET_CURRENT   "current_"
#define SET_CANDIDATE "candidate_"
#define SET_DISABLED  "disabled_"

#define COMMENT_SIZE 128 /* NFTNL_UDATA_COMMENT_MAXLEN of nft */

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
                        r = commit_want(&commit->counters, family_suffix(other_counters[i], f, name));
                for (enum source_class c = 0; r >= 0 && c < CLASSES; c++) {
                        (void)snprintf(class, sizeof(class), "accepted_%s", source_class_name(c));
                        r = commit_want(&commit->counters, family_suffix(class, f, name));
                }
        }
        return r;
}

static int want_numbered(struct commit *commit, const char *prefix)
{
        char name[SET_NAME_SIZE];

        return commit_want(&commit->sets, numbered(prefix, commit->ruleset->generation, name));
}

static int want_port_sets(struct commit *commit)
{
        const struct ruleset *ruleset = commit->ruleset;
        int r;

        r = want_numbered(commit, SET_PORTS);
        if (r >= 0 && ruleset->current && ruleset->candidate)
                r = want_numbered(commit, SET_CURRENT);
        if (r >= 0 && ruleset->candidate)
                r = want_numbered(commit, SET_CANDIDATE);
        if (r >= 0 && ruleset->disabled_usec > 0)
                r = want_numbered(commit, SET_DISABLED);
        return r;
}

static int want_all(struct commit *commit)
{
        const struct ruleset *ruleset = commit->ruleset;
        char name[SET_NAME_SIZE];
        int r;

        r = want_counters(commit);
        if (r >= 0)
                r = commit_want(&commit->chains, CHAIN_INPUT);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                r = commit_want(&commit->chains, family_suffix(CHAIN_JUDGE, f, name));
                if (r >= 0)
                        r = commit_want(&commit->sets, family_suffix(RULESET_SOURCES, f, name));
                if (r >= 0)
                        r = commit_want(&commit->sets, family_suffix(RULESET_REFUSED, f, name));
        }
        if (r >= 0)
                r = want_port_sets(commit);
        if (r >= 0 && ruleset->current)
                r = list_rules_want(commit, ruleset->current);
        if (r >= 0 && ruleset->candidate)
                r = list_rules_want(commit, ruleset->candidate);
        return r;
}

/* Who came lately, and who of them was refused. */
static int put_dynamic_sets(struct commit *commit)
{
        char name[SET_NAME_SIZE];
        int r = 0;

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
                r = put_port_set(commit, SET_PORTS, &all, 0);
        if (r >= 0 && ruleset->current && ruleset->candidate)
                r = put_port_set(commit, SET_CURRENT, ruleset->current->list, 0);
        if (r >= 0 && ruleset->candidate)
                r = put_port_set(commit, SET_CANDIDATE, ruleset->candidate->list,
                                 ruleset->candidate_usec ? ruleset->candidate_usec : 1);
        if (r >= 0 && ruleset->disabled_usec > 0)
                r = put_port_set(commit, SET_DISABLED, &all, ruleset->disabled_usec);
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
        int r;

        r = commit_put_chain(commit, CHAIN_INPUT);
        /* With the rule, because the kernel never changes the user data that a table was made with. */
        (void)snprintf(comment, sizeof(comment), "generation %u, %s%s list %s", ruleset->generation,
                       newest(ruleset)->cover ? "cover of " : "",
                       ruleset->candidate ? "unconfirmed" : "confirmed", newest(ruleset)->digest);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                struct rule *rule = rule_new(CHAIN_INPUT, comment);

                if (rule) {
                        rule_match_family(rule, f);
                        rule_match_port(rule, numbered(SET_PORTS, ruleset->generation, name));
                        rule_jump(rule, family_suffix(CHAIN_JUDGE, f, chain));
                }
                r = commit_put_rule(commit, rule);
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
        return commit_put_rule(commit, rule);
}

static int put_goto(struct commit *commit, const char *chain, const char *to)
{
        struct rule *rule = rule_new(chain, NULL);

        if (rule)
                rule_goto(rule, to);
        return commit_put_rule(commit, rule);
}

/* Alone, the current list has all the ports that come here. */
static int put_lists(struct commit *commit, const char *chain, enum ip_family family)
{
        const struct ruleset *ruleset = commit->ruleset;
        char name[SET_NAME_SIZE];
        int r = 0;

        if (ruleset->current && !ruleset->candidate)
                return put_goto(commit, chain, list_chain(ruleset->current, family, name));
        if (ruleset->candidate)
                r = put_for_ports(commit, chain, SET_CANDIDATE, NULL,
                                  list_chain(ruleset->candidate, family, name));
        if (r >= 0 && ruleset->current)
                r = put_for_ports(commit, chain, SET_CURRENT, NULL,
                                  list_chain(ruleset->current, family, name));
        return r < 0 ? r : rules_put_accept(commit, chain, NULL, "accepted_open", family);
}

static int put_judge(struct commit *commit, enum ip_family family)
{
        char chain[SET_NAME_SIZE], name[SET_NAME_SIZE];
        struct rule *rule;
        int r;

        r = commit_put_chain(commit, family_suffix(CHAIN_JUDGE, family, chain));
        if (r >= 0)
                r = rules_put_accept(commit, chain, rule_match_loopback, "accepted_loopback", family);
        if (r >= 0 && family == IP_V6)
                r = rules_put_accept(commit, chain, rule_match_link_local, "accepted_linkLocal", family);
        if (r < 0)
                return r;
        rule = rule_new(chain, NULL);
        if (rule) {
                rule_match_syn(rule);
                rule_remember_source(rule, family, family_suffix(RULESET_SOURCES, family, name),
                                     SOURCES_MSEC);
        }
        r = commit_put_rule(commit, rule);
        if (r >= 0 && commit->ruleset->disabled_usec > 0)
                r = put_for_ports(commit, chain, SET_DISABLED,
                                  family_suffix("accepted_disabled", family, name), NULL);
        return r < 0 ? r : put_lists(commit, chain, family);
}

/* What nothing leads to yet. */
static int put_preparation(struct commit *commit)
{
        const struct ruleset *ruleset = commit->ruleset;
        int r;

        r = commit_put_table(commit->batch);
        if (r >= 0)
                r = commit_put_counters(commit);
        if (r >= 0)
                r = put_dynamic_sets(commit);
        if (r >= 0 && ruleset->current)
                r = list_rules_put(commit, ruleset->current);
        if (r >= 0 && ruleset->candidate)
                r = list_rules_put(commit, ruleset->candidate);
        return r;
}

static int put_switch(struct commit *commit)
{
        int r;

        r = commit_put_table(commit->batch);
        if (r >= 0)
                r = put_port_sets(commit);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++)
                r = put_judge(commit, f);
        return r < 0 ? r : put_input(commit);
}

/* Reads the table, unless it is known as it is. */
static int look(struct netlink *netlink, const struct table *known, struct table *read,
                const struct table **ret)
{
        uint32_t generation;
        int r;

        r = netlink_generation(netlink, &generation);
        if (r >= 0 && known && known->generation == generation) {
                *ret = known;
                return 0;
        }
        if (r >= 0)
                r = table_read(netlink, read);
        if (r >= 0)
                *ret = read;
        return r;
}

static int commit_once(struct netlink *netlink, const struct ruleset *ruleset, struct table *ret_table)
{
        _cleanup_table_ read = {}, after = {};
        _cleanup_commit_ commit = { .ruleset = ruleset };
        int r;

        r = look(netlink, ruleset->known, &read, &commit.before);
        if (r < 0)
                return r;
        commit.generation = commit.before->generation;
        r = want_all(&commit);
        if (r >= 0)
                r = commit_transact(&commit, netlink, put_preparation);
        FAULT_POINT("kube-api-filter-prepared");
        if (r >= 0)
                r = commit_transact(&commit, netlink, put_switch);
        FAULT_POINT("kube-api-filter-switched");
        if (r >= 0)
                r = commit_sweep(&commit, netlink, &after);
        if (r < 0)
                return r;
        if (!commit_is_there(&commit, &after))
                return -ERESTART;
        *ret_table = after;
        after = (struct table){};
        return 0;
}

int ruleset_commit(struct netlink *netlink, const struct ruleset *ruleset, struct table *ret_table)
{
        int r = -ERESTART;

        /* Somebody has added to what was just made; who never rests is met by repairs. */
        for (unsigned i = 0; r == -ERESTART && i < COMMIT_ATTEMPTS; i++)
                r = commit_once(netlink, ruleset, ret_table);
        return r;
}

int ruleset_remove(struct netlink *netlink)
{
        const uint64_t deadline_usec = now_boottime_usec() + COMMIT_USEC;
        int r;

        do {
                _cleanup_(batch_freep) struct batch *batch = NULL;
                _cleanup_table_ table = {};

                r = table_read(netlink, &table);
                if (r < 0 || !table.exists)
                        return r;
                r = batch_new(&batch);
                if (r >= 0)
                        r = commit_put_table_removal(batch);
                if (r >= 0)
                        r = netlink_commit(netlink, batch, ANY_GENERATION);
        } while ((r == -ENOENT || r == -EAGAIN) && now_boottime_usec() < deadline_usec);
        return r;
}
