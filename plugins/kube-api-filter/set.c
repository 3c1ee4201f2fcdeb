/* SPDX-License-Identifier: Apache-2.0 */

/* Sets of the table: making one, and loading ranges into it. */

#include <arpa/inet.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <string.h>

#include "rule.h"
#include "set.h"

/* An attribute's length is 16 bits: so many elements of at most 44 bytes stay below it. */
#define MESSAGE_ELEMENTS 1400

/* nft's numbers of data types, by which `nft list` knows how to print a key (nftables: include/datatype.h).
 */
enum { TYPE_IPADDR = 7, TYPE_IP6ADDR = 8, TYPE_INET_SERVICE = 13 };

static const struct {
        uint32_t type, size;
} keys[] = {
        [SET_KEY_V4] = { TYPE_IPADDR, 4 },
        [SET_KEY_V6] = { TYPE_IP6ADDR, 16 },
        [SET_KEY_PORT] = { TYPE_INET_SERVICE, 2 },
};

int set_put(struct batch *batch, const char *name, enum set_key key, uint32_t flags, uint32_t size)
{
        struct nftnl_set *set = nftnl_set_alloc();
        struct nlmsghdr *message;
        int r = -ENOMEM;

        if (!set)
                return -ENOMEM;
        nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
        nftnl_set_set_u32(set, NFTNL_SET_ID, 1);
        nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, keys[key].type);
        nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, keys[key].size);
        nftnl_set_set_u32(set, NFTNL_SET_FLAGS, flags);
        if (flags & NFT_SET_MAP)
                nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
        if (size > 0)
                nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, size);
        if (nftnl_set_set_str(set, NFTNL_SET_TABLE, TABLE_NAME) >= 0 &&
            nftnl_set_set_str(set, NFTNL_SET_NAME, name) >= 0) {
                message = batch_message(batch, NFT_MSG_NEWSET, NFPROTO_INET, NLM_F_CREATE);
                if (message) {
                        nftnl_set_nlmsg_build_payload(message, set);
                        batch_end_message(batch);
                        r = 0;
                }
        }
        nftnl_set_free(set);
        return r;
}

int set_put_delete(struct batch *batch, const char *name)
{
        struct nlmsghdr *message = batch_message(batch, NFT_MSG_DELSET, NFPROTO_INET, 0);

        if (!message)
                return -ENOMEM;
        mnl_attr_put_strz(message, NFTA_SET_TABLE, TABLE_NAME);
        mnl_attr_put_strz(message, NFTA_SET_NAME, name);
        batch_end_message(batch);
        return 0;
}

static struct nlattr *begin_elements(struct batch *batch, const char *name, struct nlmsghdr **ret_message)
{
        struct nlmsghdr *message = batch_message(batch, NFT_MSG_NEWSETELEM, NFPROTO_INET, NLM_F_CREATE);

        if (!message)
                return NULL;
        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, TABLE_NAME);
        mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, name);
        *ret_message = message;
        return mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
}

static void end_elements(struct batch *batch, struct nlmsghdr *message, struct nlattr *list)
{
        mnl_attr_nest_end(message, list);
        batch_end_message(batch);
}

struct element {
        bool end;              /* of a range: its first address behind it */
        uint64_t timeout_msec; /* 0: for ever */
        const char *chain;     /* to jump to; NULL: the set is no map */
};

static void put_jump(struct nlmsghdr *message, const char *chain)
{
        struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
        struct nlattr *verdict = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);

        mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_JUMP));
        mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, chain);
        mnl_attr_nest_end(message, verdict);
        mnl_attr_nest_end(message, data);
}

static void put_element(struct nlmsghdr *message, const void *bytes, size_t size,
                        const struct element *element)
{
        struct nlattr *nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM), *key;

        if (element->end)
                mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
        if (element->timeout_msec > 0)
                mnl_attr_put_u64(message, NFTA_SET_ELEM_TIMEOUT, htobe64(element->timeout_msec));
        key = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
        mnl_attr_put(message, NFTA_DATA_VALUE, size, bytes);
        mnl_attr_nest_end(message, key);
        if (element->chain)
                put_jump(message, element->chain);
        mnl_attr_nest_end(message, nest);
}

int set_put_ports(struct batch *batch, const char *name, const uint16_t *ports, size_t n,
                  uint64_t timeout_msec)
{
        struct nlmsghdr *message = NULL;
        struct nlattr *list = begin_elements(batch, name, &message);

        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const uint16_t port = htons(ports[i]);

                put_element(message, &port, sizeof(port), &(struct element){ .timeout_msec = timeout_msec });
        }
        end_elements(batch, message, list);
        return 0;
}

static void put_range(struct nlmsghdr *message, enum ip_family family, const struct cidr_range *range,
                      const char *chain)
{
        uint8_t bytes[16];
        size_t size = ip_to_bytes(family, range->first, bytes);

        put_element(message, bytes, size, &(struct element){ .chain = chain });
        /* Half-open: the end is the first address behind it; behind the highest there is none. */
        if (range->last == ip_highest(family))
                return;
        (void)ip_to_bytes(family, range->last + 1, bytes);
        put_element(message, bytes, size, &(struct element){ .end = true });
}

int set_put_jump(struct batch *batch, const char *name, enum ip_family family, const struct cidr_range *range,
                 const char *chain)
{
        struct nlmsghdr *message = NULL;
        struct nlattr *list = begin_elements(batch, name, &message);

        if (!list)
                return -ENOMEM;
        put_range(message, family, range, chain);
        end_elements(batch, message, list);
        return 0;
}

int set_put_ranges(struct batch *batch, const char *name, enum ip_family family,
                   const struct cidr_range *ranges, size_t n)
{
        int r;

        r = set_put(batch, name, family == IP_V4 ? SET_KEY_V4 : SET_KEY_V6, NFT_SET_INTERVAL, 0);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n;) {
                struct nlmsghdr *message = NULL;
                struct nlattr *list = begin_elements(batch, name, &message);

                if (!list)
                        return -ENOMEM;
                for (size_t k = 0; i < n && k + 2 <= MESSAGE_ELEMENTS; k += 2)
                        put_range(message, family, &ranges[i++], NULL);
                end_elements(batch, message, list);
        }
        return 0;
}
