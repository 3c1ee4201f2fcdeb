/* SPDX-License-Identifier: Apache-2.0 */

#include "table.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "ruleset.h"
#include "rule.h"
#include "sha256.h"

#define READ_ATTEMPTS 20
/* In every message about a chain, rule, set, element or object the first attribute names the table. */
#define ATTRIBUTE_TABLE 1

struct reading {
        struct table *table;
        struct sha256 taken; /* so far */
        void (*forget)(struct table *table);
};

static bool is_ours(const struct nlmsghdr *message)
{
        const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
        const char *table = netlink_text(message, ATTRIBUTE_TABLE);

        return header->nfgen_family == NFPROTO_INET && table && strcmp(table, TABLE_NAME) == 0;
}

static void names_clear(struct table_names *names)
{
        for (size_t i = 0; i < names->count; i++)
                free(names->items[i].name);
        free(names->items);
        *names = (struct table_names){};
}

static struct table_name *add_name(struct table_names *names, const char *name)
{
        struct table_name *grown;
        char *copy;

        if (!name || names->count == TABLE_NAMES_MAX)
                return NULL;
        grown = reallocarray(names->items, names->count + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        names->items = grown;
        copy = strdup(name);
        if (!copy)
                return NULL;
        grown[names->count] = (struct table_name){ .name = copy };
        return &grown[names->count++];
}

bool table_names_have(const struct table_names *names, const char *name)
{
        for (size_t i = 0; i < names->count; i++)
                if (strcmp(names->items[i].name, name) == 0)
                        return true;
        return false;
}

/* Adds the listed attributes of a message: not its handle, use count or counters, which change by themselves.
 */
static void add_attributes(struct reading *reading, const struct nlmsghdr *message, const uint16_t *types,
                           size_t n)
{
        for (size_t i = 0; i < n; i++) {
                const struct nlattr *attribute = netlink_attribute(message, types[i]);

                if (attribute)
                        sha256_add(&reading->taken, attribute, attribute->nla_len);
        }
}

static int take_table(const struct nlmsghdr *message, void *userdata)
{
        static const uint16_t types[] = { NFTA_TABLE_NAME, NFTA_TABLE_FLAGS };
        struct reading *reading = userdata;

        if (!is_ours(message))
                return 0;
        reading->table->exists = true;
        add_attributes(reading, message, types, ELEMENTS(types));
        return 0;
}

static const char *family_name(uint8_t family)
{
        switch (family) {
        case NFPROTO_INET:
                return "inet";
        case NFPROTO_IPV4:
                return "ip";
        case NFPROTO_IPV6:
                return "ip6";
        }
        return "other";
}

static bool hooks_input(const struct nlattr *hook)
{
        const struct nlattr *number = hook ? netlink_nested(hook, NFTA_HOOK_HOOKNUM) : NULL;

        return number && mnl_attr_validate(number, MNL_TYPE_U32) >= 0 &&
               ntohl(mnl_attr_get_u32(number)) == NF_INET_LOCAL_IN;
}

/* A drop elsewhere is final, whatever this table accepts. */
static int note_other(struct table *table, const struct nlmsghdr *message)
{
        const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
        const char *name = netlink_text(message, NFTA_CHAIN_TABLE),
                   *chain = netlink_text(message, NFTA_CHAIN_NAME);
        char *text;

        if (!hooks_input(netlink_attribute(message, NFTA_CHAIN_HOOK)) || !name || !chain ||
            netlink_number(message, NFTA_CHAIN_POLICY, NF_ACCEPT) != NF_DROP ||
            (header->nfgen_family != NFPROTO_INET && header->nfgen_family != NFPROTO_IPV4 &&
             header->nfgen_family != NFPROTO_IPV6))
                return 0;
        if (table->other_drops && strlen(table->other_drops) > 512)
                return 0;
        if (asprintf(&text, "%s%s%s %.64s %.64s", table->other_drops ? table->other_drops : "",
                     table->other_drops ? ", " : "", family_name(header->nfgen_family), name, chain) < 0)
                return -ENOMEM;
        free(table->other_drops);
        table->other_drops = text;
        return 0;
}

static bool is_base_as_made(const struct nlmsghdr *message)
{
        const struct nlattr *hook = netlink_attribute(message, NFTA_CHAIN_HOOK);
        const struct nlattr *priority = hook ? netlink_nested(hook, NFTA_HOOK_PRIORITY) : NULL;
        const char *type = netlink_text(message, NFTA_CHAIN_TYPE);

        return hooks_input(hook) && priority && mnl_attr_validate(priority, MNL_TYPE_U32) >= 0 &&
               (int32_t)ntohl(mnl_attr_get_u32(priority)) == RULESET_PRIORITY &&
               netlink_number(message, NFTA_CHAIN_POLICY, NF_DROP) == NF_ACCEPT && type &&
               strcmp(type, "filter") == 0;
}

static int take_chain(const struct nlmsghdr *message, void *userdata)
{
        static const uint16_t types[] = { NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY,
                                          NFTA_CHAIN_TYPE };
        struct reading *reading = userdata;
        struct table_name *name;

        if (!is_ours(message))
                return note_other(reading->table, message);
        name = add_name(&reading->table->chains, netlink_text(message, NFTA_CHAIN_NAME));
        if (!name)
                return -ENOMEM;
        name->as_made = is_base_as_made(message);
        add_attributes(reading, message, types, ELEMENTS(types));
        return 0;
}

static int take_rule(const struct nlmsghdr *message, void *userdata)
{
        static const uint16_t types[] = { NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS, NFTA_RULE_USERDATA };
        struct reading *reading = userdata;

        if (!is_ours(message))
                return 0;
        reading->table->rules++;
        add_attributes(reading, message, types, ELEMENTS(types));
        return 0;
}

static int take_set(const struct nlmsghdr *message, void *userdata)
{
        static const uint16_t types[] = { NFTA_SET_NAME, NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN,
                                          NFTA_SET_TIMEOUT };
        struct reading *reading = userdata;

        if (!is_ours(message))
                return 0;
        if (!add_name(&reading->table->sets, netlink_text(message, NFTA_SET_NAME)))
                return -ENOMEM;
        add_attributes(reading, message, types, ELEMENTS(types));
        return 0;
}

static int take_object(const struct nlmsghdr *message, void *userdata)
{
        static const uint16_t types[] = { NFTA_OBJ_NAME, NFTA_OBJ_TYPE };
        struct reading *reading = userdata;
        struct table_name *name;

        if (!is_ours(message))
                return 0;
        name = add_name(&reading->table->objects, netlink_text(message, NFTA_OBJ_NAME));
        if (!name)
                return -ENOMEM;
        name->type = netlink_number(message, NFTA_OBJ_TYPE, 0);
        add_attributes(reading, message, types, ELEMENTS(types));
        return 0;
}

static void fill_table(struct nlmsghdr *message, const void *userdata)
{
        mnl_attr_put_strz(message, ATTRIBUTE_TABLE, TABLE_NAME);
}

static void forget_table(struct table *table)
{
        table->exists = false;
}

static void forget_chains(struct table *table)
{
        names_clear(&table->chains);
        free(table->other_drops);
        table->other_drops = NULL;
}

static void forget_rules(struct table *table)
{
        table->rules = 0;
}

static void forget_sets(struct table *table)
{
        names_clear(&table->sets);
}

static void forget_objects(struct table *table)
{
        names_clear(&table->objects);
}

static void restart(void *userdata)
{
        struct reading *reading = userdata;

        sha256_begin(&reading->taken);
        reading->forget(reading->table);
}

void table_clear(struct table *table)
{
        names_clear(&table->chains);
        names_clear(&table->sets);
        names_clear(&table->objects);
        free(table->other_drops);
        *table = (struct table){};
}

/* What there is, and the dump that tells of it. */
struct part {
        uint16_t type;
        uint8_t family;
        bool of_table;
        int (*take)(const struct nlmsghdr *message, void *userdata);
        void (*forget)(struct table *table);
};

static int read_part(struct netlink *netlink, const struct part *part, struct table *table,
                     struct sha256 *all)
{
        struct reading reading = { .table = table, .forget = part->forget };
        uint8_t digest[SHA256_SIZE];
        int r;

        sha256_begin(&reading.taken);
        r = netlink_dump(netlink, &(struct netlink_dump){
                                          .type = part->type,
                                          .family = part->family,
                                          .fill = part->of_table ? fill_table : NULL,
                                          .on_message = part->take,
                                          .restart = restart,
                                          .userdata = &reading,
                                  });
        if (r < 0)
                return r;
        sha256_end(&reading.taken, digest);
        sha256_add(all, digest, sizeof(digest));
        return 0;
}

/* Each part is as it was at one time, but others may have been at work between two of them. */
static int collect(struct netlink *netlink, struct table *table)
{
        static const struct part parts[] = {
                { NFT_MSG_GETTABLE, NFPROTO_INET, false, take_table, forget_table },
                { NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, false, take_chain, forget_chains },
                { NFT_MSG_GETRULE, NFPROTO_INET, true, take_rule, forget_rules },
                { NFT_MSG_GETSET, NFPROTO_INET, true, take_set, forget_sets },
                { NFT_MSG_GETOBJ, NFPROTO_INET, true, take_object, forget_objects },
        };
        uint8_t digest[SHA256_SIZE];
        struct sha256 all;
        int r = 0;

        sha256_begin(&all);
        for (size_t i = 0; r >= 0 && i < ELEMENTS(parts); i++)
                if (!parts[i].of_table || table->exists)
                        r = read_part(netlink, &parts[i], table, &all);
        if (r < 0)
                return r;
        sha256_end(&all, digest);
        digest_format(digest, table->fingerprint);
        return 0;
}

/* Whose parts were all read in one generation is consistent. Beside a writer who never rests, whose business
 * is mostly another table, that hardly ever comes to pass; but what is found the same twice, part by part,
 * was so all the time between the end of the first and the beginning of the second reading (a double collect:
 * Afek et al., Atomic Snapshots of Shared Memory, 1993), when the generation was asked for. */
int table_read(struct netlink *netlink, struct table *ret)
{
        _cleanup_table_ before = {};

        for (unsigned i = 0; i < READ_ATTEMPTS; i++) {
                _cleanup_table_ now = {};
                uint32_t after = 0;
                int r;

                r = netlink_generation(netlink, &now.generation);
                if (r >= 0)
                        r = collect(netlink, &now);
                if (r >= 0)
                        r = netlink_generation(netlink, &after);
                if (r >= 0 && (after == now.generation || strcmp(now.fingerprint, before.fingerprint) == 0)) {
                        *ret = now;
                        now = (struct table){};
                        return 0;
                }
                /* -ENOENT: the table went between two dumps. */
                if (r < 0 && r != -EAGAIN && r != -ENOENT)
                        return r;
                table_clear(&before);
                if (r < 0)
                        continue;
                before = now;
                now = (struct table){};
        }
        return -EAGAIN;
}

void table_counters_clear(struct table_counters *counters)
{
        for (size_t i = 0; i < counters->count; i++)
                free(counters->items[i].name);
        free(counters->items);
        *counters = (struct table_counters){};
}

static uint64_t nested_number64(const struct nlattr *attribute, uint16_t type)
{
        const struct nlattr *value = netlink_nested(attribute, type);

        return value && mnl_attr_get_payload_len(value) == sizeof(uint64_t) ? be64toh(mnl_attr_get_u64(value))
                                                                            : 0;
}

static int take_counter(const struct nlmsghdr *message, void *userdata)
{
        struct table_counters *counters = userdata;
        const struct nlattr *data = netlink_attribute(message, NFTA_OBJ_DATA);
        const char *name = netlink_text(message, NFTA_OBJ_NAME);
        struct table_counter *grown;

        if (!is_ours(message) || !name || !data || counters->count == TABLE_NAMES_MAX ||
            netlink_number(message, NFTA_OBJ_TYPE, 0) != NFT_OBJECT_COUNTER)
                return 0;
        grown = reallocarray(counters->items, counters->count + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        counters->items = grown;
        grown[counters->count] = (struct table_counter){
                .name = strdup(name),
                .packets = nested_number64(data, NFTA_COUNTER_PACKETS),
                .bytes = nested_number64(data, NFTA_COUNTER_BYTES),
        };
        return grown[counters->count].name ? (int)(counters->count++, 0) : -ENOMEM;
}

static void restart_counters(void *userdata)
{
        table_counters_clear(userdata);
}

int table_read_counters(struct netlink *netlink, struct table_counters *ret)
{
        struct table_counters counters = {};
        int r;

        r = netlink_dump(netlink, &(struct netlink_dump){
                                          .type = NFT_MSG_GETOBJ,
                                          .family = NFPROTO_INET,
                                          .fill = fill_table,
                                          .on_message = take_counter,
                                          .restart = restart_counters,
                                          .userdata = &counters,
                                  });
        if (r < 0) {
                table_counters_clear(&counters);
                return r;
        }
        *ret = counters;
        return 0;
}

struct element_reading {
        const char *set;
        struct table_elements *elements;
};

static int add_element(struct table_elements *elements, const struct nlattr *element)
{
        const struct nlattr *key = netlink_nested(element, NFTA_SET_ELEM_KEY);
        const struct nlattr *value = key ? netlink_nested(key, NFTA_DATA_VALUE) : NULL;
        const struct nlattr *flags = netlink_nested(element, NFTA_SET_ELEM_FLAGS);
        size_t size = elements->family == IP_V4 ? 4 : 16;

        if (!value || mnl_attr_get_payload_len(value) != size)
                return 0;
        if (elements->count == elements->room) {
                size_t room = elements->room ? 2 * elements->room : 64;
                struct table_element *grown = reallocarray(elements->items, room, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                elements->items = grown;
                elements->room = room;
        }
        elements->items[elements->count++] = (struct table_element){
                .address = ip_from_bytes(elements->family, mnl_attr_get_payload(value)),
                .end = flags && (ntohl(mnl_attr_get_u32(flags)) & NFT_SET_ELEM_INTERVAL_END),
        };
        return 0;
}

static int take_elements(const struct nlmsghdr *message, void *userdata)
{
        struct element_reading *reading = userdata;
        const struct nlattr *list = netlink_attribute(message, NFTA_SET_ELEM_LIST_ELEMENTS);
        const uint8_t *at, *end;
        int r;

        if (!list)
                return 0;
        at = mnl_attr_get_payload(list);
        end = at + mnl_attr_get_payload_len(list);
        while (end - at >= (ptrdiff_t)sizeof(struct nlattr)) {
                const struct nlattr *element = (const void *)at;

                if (element->nla_len < sizeof(*element) || element->nla_len > end - at)
                        return -EBADMSG;
                r = add_element(reading->elements, element);
                if (r < 0)
                        return r;
                at += MNL_ALIGN(element->nla_len);
        }
        return 0;
}

static void restart_elements(void *userdata)
{
        struct element_reading *reading = userdata;

        reading->elements->count = 0;
}

static void fill_set(struct nlmsghdr *message, const void *userdata)
{
        const struct element_reading *reading = userdata;

        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, TABLE_NAME);
        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, reading->set);
}

void table_elements_clear(struct table_elements *elements)
{
        free(elements->items);
        *elements = (struct table_elements){};
}

int table_read_elements(struct netlink *netlink, const char *set, enum ip_family family,
                        struct table_elements *ret)
{
        struct table_elements elements = { .family = family };
        struct element_reading reading = { set, &elements };
        int r;

        r = netlink_dump(netlink, &(struct netlink_dump){
                                          .type = NFT_MSG_GETSETELEM,
                                          .family = NFPROTO_INET,
                                          .fill = fill_set,
                                          .on_message = take_elements,
                                          .restart = restart_elements,
                                          .userdata = &reading,
                                  });
        if (r < 0) {
                table_elements_clear(&elements);
                return r;
        }
        *ret = elements;
        return 0;
}
