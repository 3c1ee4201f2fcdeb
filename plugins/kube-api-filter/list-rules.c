/* SPDX-License-Identifier: Apache-2.0 */

#include "list-rules.h"

#include <linux/netfilter/nf_tables.h>

#include "ruleset.h"
#include "set.h"

char *list_chain(const struct loaded_list *list, enum ip_family family, char buffer[static SET_NAME_SIZE])
{
        (void)snprintf(buffer, SET_NAME_SIZE, "list_%s_%u", ip_family_name(family), list->generation);
        return buffer;
}

/* Of one shard, where a class has several. */
static char *shard_chain(const struct loaded_list *list, enum ip_family family, enum source_class class,
                         size_t i, char buffer[static SET_NAME_SIZE])
{
        (void)snprintf(buffer, SET_NAME_SIZE, "list_%s_%u_%s_%zu", ip_family_name(family), list->generation,
                       source_class_name(class), i + 1);
        return buffer;
}

/* From a source to the chain of its shard. */
static char *shard_map(const struct loaded_list *list, enum ip_family family, enum source_class class,
                       char buffer[static SET_NAME_SIZE])
{
        (void)snprintf(buffer, SET_NAME_SIZE, "list_%s_%u_%s", ip_family_name(family), list->generation,
                       source_class_name(class));
        return buffer;
}

static int want_class(struct commit *commit, const struct loaded_list *list, enum source_class class,
                      enum ip_family family)
{
        const struct shards *shards = &list->shards[class][family];
        char name[SET_NAME_SIZE];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < shards->count; i++) {
                r = commit_want(&commit->sets, set_name(class, family, &shards->items[i], name));
                if (r >= 0 && shards->count > 1)
                        r = commit_want(&commit->chains, shard_chain(list, family, class, i, name));
        }
        if (r >= 0 && shards->count > 1)
                r = commit_want(&commit->sets, shard_map(list, family, class, name));
        return r;
}

int list_rules_want(struct commit *commit, const struct loaded_list *list)
{
        char name[SET_NAME_SIZE];
        int r = 0;

        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++) {
                r = commit_want(&commit->chains, list_chain(list, f, name));
                for (enum source_class c = 0; r >= 0 && c < CLASSES; c++)
                        r = want_class(commit, list, c, f);
        }
        return r;
}

int rules_put_accept(struct commit *commit, const char *chain, void (*match)(struct rule *rule),
                     const char *counter, enum ip_family family)
{
        char name[SET_NAME_SIZE];
        struct rule *rule = rule_new(chain, NULL);

        if (rule) {
                if (match)
                        match(rule);
                rule_count(rule, family_suffix(counter, family, name));
                rule_accept(rule);
        }
        return commit_put_rule(commit, rule);
}

static int put_shard(struct commit *commit, const char *chain, const struct shard *shard,
                     enum source_class class, enum ip_family family)
{
        char name[SET_NAME_SIZE], prefix[SET_NAME_SIZE / 2];
        struct rule *rule = rule_new(chain, NULL);

        if (rule) {
                (void)snprintf(prefix, sizeof(prefix), "accepted_%s", source_class_name(class));
                rule_match_source(rule, family, set_name(class, family, shard, name));
                rule_count(rule, family_suffix(prefix, family, name));
                rule_accept(rule);
        }
        return commit_put_rule(commit, rule);
}

/* A map says in which of the shards a source can be: however many there are, it costs one look-up more. */
static int put_shards(struct commit *commit, const struct loaded_list *list, enum source_class class,
                      enum ip_family family)
{
        const struct shards *shards = &list->shards[class][family];
        const struct cidr_range *ranges = list->list->sets[class][family].items;
        char map[SET_NAME_SIZE], chain[SET_NAME_SIZE];
        struct rule *rule;
        int r;

        (void)shard_map(list, family, class, map);
        r = set_put(commit->batch, map, family == IP_V4 ? SET_KEY_V4 : SET_KEY_V6,
                    NFT_SET_MAP | NFT_SET_INTERVAL, 0);
        for (size_t i = 0; r >= 0 && i < shards->count; i++) {
                const struct shard *shard = &shards->items[i];
                const struct cidr_range range = { ranges[shard->first].first,
                                                  ranges[shard->first + shard->count - 1].last };

                (void)shard_chain(list, family, class, i, chain);
                r = commit_put_chain(commit, chain);
                if (r >= 0)
                        r = put_shard(commit, chain, shard, class, family);
                if (r >= 0)
                        r = set_put_jump(commit->batch, map, family, &range, chain);
        }
        if (r < 0)
                return r;
        rule = rule_new(list_chain(list, family, chain), NULL);
        if (rule)
                rule_jump_by_source(rule, family, map);
        return commit_put_rule(commit, rule);
}

static int put_class(struct commit *commit, const struct loaded_list *list, enum source_class class,
                     enum ip_family family)
{
        const struct shards *shards = &list->shards[class][family];
        char chain[SET_NAME_SIZE];

        if (shards->count == 0)
                return 0;
        return shards->count == 1
                       ? put_shard(commit, list_chain(list, family, chain), &shards->items[0], class, family)
                       : put_shards(commit, list, class, family);
}

static int put_family(struct commit *commit, const struct loaded_list *list, enum ip_family family)
{
        char chain[SET_NAME_SIZE], name[SET_NAME_SIZE];
        struct rule *rule;
        int r;

        r = commit_put_chain(commit, list_chain(list, family, chain));
        for (enum source_class c = 0; r >= 0 && c < CLASSES; c++)
                r = put_class(commit, list, c, family);
        /* Last, because it asks the routing table, which is slower than all before. */
        if (r >= 0)
                r = rules_put_accept(commit, chain, rule_match_own_source, "accepted_own", family);
        if (r < 0)
                return r;
        rule = rule_new(chain, NULL);
        if (rule)
                rule_remember_source(rule, family, family_suffix(RULESET_REFUSED, family, name),
                                     SOURCES_MSEC);
        r = commit_put_rule(commit, rule);
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
        return commit_put_rule(commit, rule);
}

int list_rules_put(struct commit *commit, const struct loaded_list *list)
{
        int r;

        r = loaded_list_put_rest(list, commit->batch);
        for (enum ip_family f = 0; r >= 0 && f < IP_FAMILIES; f++)
                r = put_family(commit, list, f);
        return r;
}
