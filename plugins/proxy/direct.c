/* SPDX-License-Identifier: Apache-2.0 */

#include "direct.h"

#include <string.h>

#include "cluster-networks.h"
#include "node-networks.h"

/* Of interfaces: a kube-proxy with IPVS gives the node every service's address. */
#define ADDRESSES_MAX 32

struct list {
        char **items;
        size_t count;
};

static void list_clear(struct list *list)
{
        for (size_t i = 0; i < list->count; i++)
                free(list->items[i]);
        free(list->items);
}

static int add(struct list *list, const char *entry)
{
        char **grown;

        for (size_t i = 0; i < list->count; i++)
                if (strcmp(list->items[i], entry) == 0)
                        return 0;
        grown = reallocarray(list->items, list->count + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        list->items = grown;
        grown[list->count] = strdup(entry);
        return grown[list->count++] ? 0 : -ENOMEM;
}

static ip_number block_mask(unsigned bits)
{
        return bits >= 128 ? ~(ip_number)0 : ((ip_number)1 << bits) - 1;
}

/* A range that joins several networks, as those again. */
static int add_range(struct list *list, enum ip_family family, struct cidr_range range)
{
        const unsigned width = family == IP_V4 ? 32 : 128;
        char text[CIDR_TEXT_SIZE];
        int r;

        for (;;) {
                unsigned bits = 0;
                ip_number last;

                while (bits < width && (range.first & block_mask(bits + 1)) == 0 &&
                       block_mask(bits + 1) <= range.last - range.first)
                        bits++;
                last = range.first + block_mask(bits);
                r = add(list, cidr_format(&(struct cidr){ family, range.first, last }, text));
                if (r < 0 || last >= range.last)
                        return r;
                range.first = last + 1;
        }
}

static int add_cluster(struct list *list, const char *root, enum cluster_network which, struct cidr_set *sets)
{
        struct cidr networks[CLUSTER_NETWORKS_MAX];
        size_t n = cluster_networks(root, which, networks);
        char text[CIDR_TEXT_SIZE];
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = add(list, cidr_format(&networks[i], text));
                if (r >= 0)
                        r = cidr_set_add(&sets[networks[i].family], networks[i].first, networks[i].last);
        }
        return r;
}

/* Addresses are named beside their networks: not every program understands a network here (libcurl before
 * 7.86 does not). */
static int add_family(struct list *list, const struct node_networks *node, enum ip_family f,
                      const struct cidr_set *cluster)
{
        size_t count = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < node->addresses[f].count; i++) {
                struct cidr_range range = node->addresses[f].items[i];

                if (range.last - range.first < ADDRESSES_MAX && !cidr_set_has(cluster, range.first, NULL) &&
                    count++ < ADDRESSES_MAX)
                        for (ip_number at = range.first; r >= 0 && at <= range.last; at++)
                                r = add_range(list, f, (struct cidr_range){ at, at });
        }
        count = 0;
        for (size_t i = 0; r >= 0 && i < node->networks[f].count; i++)
                if (!cidr_set_has(cluster, node->networks[f].items[i].first, NULL) && count++ < ADDRESSES_MAX)
                        r = add_range(list, f, node->networks[f].items[i]);
        return r;
}

static int add_networks(struct list *list, const char *root)
{
        struct cidr_set cluster[IP_FAMILIES] = {};
        _cleanup_node_networks_ node = {};
        int r;

        r = add_cluster(list, root, CLUSTER_PODS, cluster);
        if (r >= 0)
                r = add_cluster(list, root, CLUSTER_SERVICES, cluster);
        /* An image's nodes have other addresses than the machine that builds it. */
        if (r >= 0 && strcmp(root, "/") == 0)
                r = node_networks_read(&node);
        for (enum ip_family f = 0; f < IP_FAMILIES; f++) {
                cidr_set_merge(&cluster[f]);
                if (r >= 0)
                        r = add_family(list, &node, f, &cluster[f]);
                cidr_set_clear(&cluster[f]);
        }
        return r;
}

/* The two names that every service has, and its whole domain. */
static int add_domain(struct list *list, const char *root)
{
        _cleanup_free_ char *domain = cluster_domain(root), *entry = NULL;

        if (asprintf(&entry, ".%s", domain ?: "cluster.local") < 0) { /* kubeadm's */
                entry = NULL;
                return -ENOMEM;
        }
        return add(list, ".svc") < 0 ? -ENOMEM : add(list, entry);
}

static int join(const struct list *list, char **ret)
{
        size_t size = 1;
        char *text, *at;

        for (size_t i = 0; i < list->count; i++)
                size += strlen(list->items[i]) + 1;
        text = at = calloc(1, size);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < list->count; i++) {
                if (i > 0)
                        *at++ = ',';
                at = stpcpy(at, list->items[i]);
        }
        *ret = text;
        return 0;
}

int direct_list(const char *root, const struct config_strings *entries, char **ret)
{
        /* The last two are the metadata service of OpenStack and AWS over IPv6. */
        static const char *const fixed[] = { "localhost",       "127.0.0.0/8",     "::1",
                                             "169.254.169.254", "fe80::a9fe:a9fe", "fd00:ec2::254" };
        _cleanup_free_ char *endpoint = cluster_endpoint(root);
        _cleanup_(list_clear) struct list list = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTS(fixed); i++)
                r = add(&list, fixed[i]);
        if (r >= 0)
                r = add_domain(&list, root);
        if (r >= 0 && endpoint)
                r = add(&list, endpoint);
        if (r >= 0)
                r = add_networks(&list, root);
        for (size_t i = 0; r >= 0 && i < entries->count; i++)
                r = add(&list, entries->items[i]);
        return r < 0 ? r : join(&list, ret);
}
