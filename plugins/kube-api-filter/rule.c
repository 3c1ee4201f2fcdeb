/* SPDX-License-Identifier: Apache-2.0 */

#include "rule.h"

/* Before the kernel's headers, which then leave out what it has defined. */
#include <netinet/in.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* Where an address stands in its header, and how long it is. */
static const struct {
        uint8_t protocol;
        uint32_t offset, size;
} sources[] = {
        [IP_V4] = { NFPROTO_IPV4, 12, 4 }, /* RFC 791, 3.1 */
        [IP_V6] = { NFPROTO_IPV6, 8, 16 }, /* RFC 8200, 3 */
};

struct rule {
        struct nftnl_rule *nftnl;
        bool no_memory;
};

static struct nftnl_expr *append(struct rule *rule, const char *name)
{
        struct nftnl_expr *expression = rule->no_memory ? NULL : nftnl_expr_alloc(name);

        if (!expression) {
                rule->no_memory = true;
                return NULL;
        }
        nftnl_rule_add_expr(rule->nftnl, expression);
        return expression;
}

static int set_comment(struct rule *rule, const char *comment)
{
        struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
        int r = 0;

        if (!data)
                return -ENOMEM;
        if (!nftnl_udata_put_strz(data, NFTNL_UDATA_RULE_COMMENT, comment) ||
            nftnl_rule_set_data(rule->nftnl, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data),
                                nftnl_udata_buf_len(data)) < 0)
                r = -ENOMEM;
        nftnl_udata_buf_free(data);
        return r;
}

struct rule *rule_new(const char *chain, const char *comment)
{
        _cleanup_(rule_freep) struct rule *rule = calloc(1, sizeof(*rule));

        if (!rule)
                return NULL;
        rule->nftnl = nftnl_rule_alloc();
        if (!rule->nftnl)
                return NULL;
        nftnl_rule_set_u32(rule->nftnl, NFTNL_RULE_FAMILY, NFPROTO_INET);
        if (nftnl_rule_set_str(rule->nftnl, NFTNL_RULE_TABLE, TABLE_NAME) < 0 ||
            nftnl_rule_set_str(rule->nftnl, NFTNL_RULE_CHAIN, chain) < 0 ||
            (comment && set_comment(rule, comment) < 0))
                return NULL;
        return TAKE_PTR(rule);
}

struct rule *rule_free(struct rule *rule)
{
        if (rule && rule->nftnl)
                nftnl_rule_free(rule->nftnl);
        free(rule);
        return NULL;
}

static void load_meta(struct rule *rule, uint32_t key)
{
        struct nftnl_expr *expression = append(rule, "meta");

        if (!expression)
                return;
        nftnl_expr_set_u32(expression, NFTNL_EXPR_META_KEY, key);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void load_payload(struct rule *rule, uint32_t base, uint32_t offset, uint32_t size)
{
        struct nftnl_expr *expression = append(rule, "payload");

        if (!expression)
                return;
        nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_BASE, base);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_LEN, size);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

static void mask(struct rule *rule, const void *bits, uint32_t size)
{
        static const uint8_t zero[16];
        struct nftnl_expr *expression = append(rule, "bitwise");

        if (!expression)
                return;
        nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_BITWISE_LEN, size);
        if (nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_MASK, bits, size) < 0 ||
            nftnl_expr_set(expression, NFTNL_EXPR_BITWISE_XOR, zero, size) < 0)
                rule->no_memory = true;
}

static void compare(struct rule *rule, const void *data, uint32_t size)
{
        struct nftnl_expr *expression = append(rule, "cmp");

        if (!expression)
                return;
        nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
        if (nftnl_expr_set(expression, NFTNL_EXPR_CMP_DATA, data, size) < 0)
                rule->no_memory = true;
}

static struct nftnl_expr *look_up(struct rule *rule, const char *set)
{
        struct nftnl_expr *expression = append(rule, "lookup");

        if (!expression)
                return NULL;
        nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
        if (nftnl_expr_set_str(expression, NFTNL_EXPR_LOOKUP_SET, set) < 0)
                rule->no_memory = true;
        return expression;
}

void rule_match_family(struct rule *rule, enum ip_family family)
{
        load_meta(rule, NFT_META_NFPROTO);
        compare(rule, &sources[family].protocol, sizeof(sources[family].protocol));
}

void rule_match_tcp(struct rule *rule)
{
        const uint8_t tcp = IPPROTO_TCP;

        load_meta(rule, NFT_META_L4PROTO);
        compare(rule, &tcp, sizeof(tcp));
}

void rule_match_syn(struct rule *rule)
{
        const uint8_t syn = TH_SYN, both = TH_SYN | TH_ACK;

        rule_match_tcp(rule);
        load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(struct tcphdr, th_flags), 1);
        mask(rule, &both, sizeof(both));
        compare(rule, &syn, sizeof(syn));
}

void rule_match_loopback(struct rule *rule)
{
        const char name[IFNAMSIZ] = "lo";

        load_meta(rule, NFT_META_IIFNAME);
        compare(rule, name, sizeof(name));
}

void rule_match_own_source(struct rule *rule)
{
        const uint32_t local = 2; /* RTN_LOCAL, linux/rtnetlink.h */
        struct nftnl_expr *expression = append(rule, "fib");

        if (!expression)
                return;
        nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_SADDR);
        compare(rule, &local, sizeof(local));
}

void rule_match_link_local(struct rule *rule)
{
        static const uint8_t prefix[16] = { 0xFE, 0x80 }, bits[16] = { 0xFF, 0xC0 };

        rule_match_family(rule, IP_V6);
        load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, sources[IP_V6].offset, sources[IP_V6].size);
        mask(rule, bits, sizeof(bits));
        compare(rule, prefix, sizeof(prefix));
}

void rule_match_port(struct rule *rule, const char *set)
{
        rule_match_tcp(rule);
        load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, offsetof(struct tcphdr, th_dport), 2);
        (void)look_up(rule, set);
}

static void load_source(struct rule *rule, enum ip_family family)
{
        rule_match_family(rule, family);
        load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, sources[family].offset, sources[family].size);
}

void rule_match_source(struct rule *rule, enum ip_family family, const char *set)
{
        load_source(rule, family);
        (void)look_up(rule, set);
}

void rule_remember_source(struct rule *rule, enum ip_family family, const char *set, uint64_t timeout_msec)
{
        struct nftnl_expr *expression;

        load_source(rule, family);
        expression = append(rule, "dynset");
        if (!expression)
                return;
        nftnl_expr_set_u32(expression, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
        nftnl_expr_set_u64(expression, NFTNL_EXPR_DYNSET_TIMEOUT, timeout_msec);
        if (nftnl_expr_set_str(expression, NFTNL_EXPR_DYNSET_SET_NAME, set) < 0)
                rule->no_memory = true;
}

void rule_count(struct rule *rule, const char *counter)
{
        struct nftnl_expr *expression = append(rule, "objref");

        if (!expression)
                return;
        nftnl_expr_set_u32(expression, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
        if (nftnl_expr_set_str(expression, NFTNL_EXPR_OBJREF_IMM_NAME, counter) < 0)
                rule->no_memory = true;
}

static void decide(struct rule *rule, int verdict, const char *chain)
{
        struct nftnl_expr *expression = append(rule, "immediate");

        if (!expression)
                return;
        nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(expression, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
        if (chain && nftnl_expr_set_str(expression, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
                rule->no_memory = true;
}

void rule_accept(struct rule *rule)
{
        decide(rule, NF_ACCEPT, NULL);
}

void rule_drop(struct rule *rule)
{
        decide(rule, NF_DROP, NULL);
}

void rule_jump(struct rule *rule, const char *chain)
{
        decide(rule, NFT_JUMP, chain);
}

void rule_goto(struct rule *rule, const char *chain)
{
        decide(rule, NFT_GOTO, chain);
}

void rule_jump_by_source(struct rule *rule, enum ip_family family, const char *map)
{
        struct nftnl_expr *expression;

        load_source(rule, family);
        expression = look_up(rule, map);
        if (expression)
                nftnl_expr_set_u32(expression, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
}

int rule_put(struct rule *rule, struct batch *batch)
{
        struct nlmsghdr *message;

        if (rule->no_memory)
                return -ENOMEM;
        message = batch_message(batch, NFT_MSG_NEWRULE, NFPROTO_INET, NLM_F_CREATE | NLM_F_APPEND);
        if (!message)
                return -ENOMEM;
        nftnl_rule_nlmsg_build_payload(message, rule->nftnl);
        batch_end_message(batch);
        return 0;
}
