/* SPDX-License-Identifier: Apache-2.0 */

#include "sources.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "endpoint.h"
#include "files.h"

#define ALLOW_FILE_MAX (16 * 1024 * 1024)
#define MANIFEST_MAX   (256 * 1024)
#define API_SERVER     "/etc/kubernetes/manifests/kube-apiserver.yaml"
#define CONTROLLERS    "/etc/kubernetes/manifests/kube-controller-manager.yaml"

static ip_number sockaddr_number(const struct sockaddr *address, enum ip_family family)
{
        return family == IP_V4
                       ? ip_from_bytes(family, &((const struct sockaddr_in *)(const void *)address)->sin_addr)
                       : ip_from_bytes(family,
                                       &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

static int add_interface(struct node_networks *networks, const struct ifaddrs *item)
{
        enum ip_family family = item->ifa_addr->sa_family == AF_INET ? IP_V4 : IP_V6;
        ip_number address = sockaddr_number(item->ifa_addr, family);
        ip_number mask = item->ifa_netmask ? sockaddr_number(item->ifa_netmask, family) : ip_highest(family);
        int r;

        r = cidr_set_add(&networks->addresses[family], address, address);
        if (r < 0)
                return r;
        /* Link-local is always let in; and a mask of nothing is a mistake, not a network. */
        if (mask == 0 || (family == IP_V6 && address >> 118 == 0xFE80 >> 6))
                return 0;
        return cidr_set_add(&networks->networks[family], address & mask,
                            (address & mask) | (ip_highest(family) & ~mask));
}

int node_networks_read(struct node_networks *ret)
{
        struct node_networks networks = {};
        struct ifaddrs *list;
        int r = 0;

        if (getifaddrs(&list) < 0)
                return -errno;
        for (const struct ifaddrs *item = list; r >= 0 && item; item = item->ifa_next)
                if (item->ifa_addr &&
                    (item->ifa_addr->sa_family == AF_INET || item->ifa_addr->sa_family == AF_INET6) &&
                    !(item->ifa_flags & IFF_LOOPBACK))
                        r = add_interface(&networks, item);
        freeifaddrs(list);
        for (size_t f = 0; f < IP_FAMILIES; f++) {
                cidr_set_merge(&networks.networks[f]);
                cidr_set_merge(&networks.addresses[f]);
        }
        if (r < 0) {
                node_networks_clear(&networks);
                return r;
        }
        *ret = networks;
        return 0;
}

void node_networks_clear(struct node_networks *networks)
{
        for (size_t f = 0; f < IP_FAMILIES; f++) {
                cidr_set_clear(&networks->networks[f]);
                cidr_set_clear(&networks->addresses[f]);
        }
}

static int add_connected(struct filter_list *list, struct failure *failure)
{
        _cleanup_node_networks_ networks = {};
        int r;

        r = node_networks_read(&networks);
        if (r < 0)
                return failure_set(failure, r, "AddressesUnreadable", "cannot read the node's addresses: %s",
                                   strerror(-r));
        for (enum ip_family f = 0; f < IP_FAMILIES; f++)
                for (size_t i = 0; i < networks.networks[f].count; i++) {
                        const struct cidr_range *range = &networks.networks[f].items[i];

                        r = filter_list_add(list, CLASS_NODES,
                                            &(struct cidr){ f, range->first, range->last });
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* The comma-separated networks behind "--FLAG=" of a static pod's manifest. No manifest (before kubeadm), no
 * networks; what cannot be read there is not our configuration to refuse. */
static int add_flag(const char *root, const char *manifest, const char *flag, enum source_class class,
                    struct filter_list *list)
{
        _cleanup_free_ char *path = path_under(root, manifest), *text = NULL;
        char *value, *rest, *word;
        struct cidr cidr;
        size_t size;
        int r = 0;

        if (!path)
                return -ENOMEM;
        if (file_read(path, MANIFEST_MAX, &text, &size) < 0)
                return 0;
        value = strstr(text, flag);
        if (!value)
                return 0;
        value += strlen(flag);
        value[strcspn(value, " \t\r\n\"'")] = '\0';
        for (word = strtok_r(value, ",", &rest); r >= 0 && word; word = strtok_r(NULL, ",", &rest))
                if (cidr_parse(word, &cidr) >= 0)
                        r = filter_list_add(list, class, &cidr);
        return r;
}

static int add_endpoint(const char *root, const struct filter_config *config, struct filter_list *list)
{
        _cleanup_(endpoint_clear) struct endpoint endpoint = {};
        struct cidr cidr;

        if (endpoint_load(root, config->kubeconfig, &endpoint, NULL) < 0 ||
            cidr_parse(endpoint.host, &cidr) < 0)
                return 0;
        return filter_list_add(list, CLASS_LOAD_BALANCER, &cidr);
}

static int add_auto(const char *root, const struct filter_config *config, enum source_class class,
                    struct filter_list *list, struct failure *failure)
{
        switch (class) {
        case CLASS_NODES:
                return add_connected(list, failure);
        case CLASS_PODS:
                return add_flag(root, CONTROLLERS, "--cluster-cidr=", class, list);
        case CLASS_SERVICES:
                return add_flag(root, API_SERVER, "--service-cluster-ip-range=", class, list);
        case CLASS_LOAD_BALANCER:
                return add_endpoint(root, config, list);
        case CLASS_MANAGEMENT:
        case CLASS_ALLOW:
        case CLASSES:
                break;
        }
        return 0;
}

static int add_name(const struct names *names, const char *name, enum source_class class,
                    struct filter_list *list)
{
        const struct name *found = names_find(names, name);
        int r = 0;

        for (size_t i = 0; found && r >= 0 && i < found->count; i++)
                r = filter_list_add(list, class, &found->addresses[i]);
        return r;
}

/* "NETWORK", "NETWORK  # comment", "# comment". */
static int add_line(struct filter_list *list, char *line, const char *path, size_t number,
                    struct failure *failure)
{
        struct cidr cidr;
        size_t length;

        line[strcspn(line, "#")] = '\0';
        line += strspn(line, " \t\r");
        length = strlen(line);
        while (length > 0 && strchr(" \t\r", line[length - 1]))
                line[--length] = '\0';
        if (length == 0)
                return 0;
        if (cidr_parse(line, &cidr) < 0)
                return failure_set(
                        failure, -EINVAL, "AllowFileRefused",
                        "%s:%zu: \"%.64s\" is not an address or network without bits behind its prefix", path,
                        number, line);
        return filter_list_add(list, CLASS_ALLOW, &cidr);
}

static int add_file(const char *root, const char *name, struct filter_list *list, struct failure *failure)
{
        _cleanup_free_ char *path = path_under(root, name), *text = NULL;
        size_t size, number = 1;
        char *line;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read(path, ALLOW_FILE_MAX, &text, &size);
        if (r < 0)
                return failure_set(failure, r, "AllowFileRefused", "cannot read %s: %s", path, strerror(-r));
        if (strlen(text) != size)
                return failure_set(failure, -EINVAL, "AllowFileRefused", "%s is not text", path);
        for (char *rest = text; (line = strsep(&rest, "\n")); number++) {
                r = add_line(list, line, path, number, failure);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_strings(const char *root, const struct filter_config *config, const struct names *names,
                       const struct config_strings *strings, enum source_class class,
                       struct filter_list *list, struct failure *failure)
{
        struct cidr cidr;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < strings->count; i++) {
                const char *text = strings->items[i];

                if (strcmp(text, AUTO) == 0 && class != CLASS_MANAGEMENT)
                        r = add_auto(root, config, class, list, failure);
                else if (cidr_parse(text, &cidr) >= 0)
                        r = filter_list_add(list, class, &cidr);
                else
                        r = add_name(names, text, class, list);
        }
        return r;
}

static const struct config_strings *strings_of(const struct filter_config *config, enum source_class class)
{
        const struct config_strings *const lists[CLASSES] = {
                [CLASS_MANAGEMENT] = &config->management, [CLASS_LOAD_BALANCER] = &config->load_balancer,
                [CLASS_NODES] = &config->nodes,           [CLASS_PODS] = &config->pods,
                [CLASS_SERVICES] = &config->services,     [CLASS_ALLOW] = &config->allow,
        };

        return lists[class];
}

int sources_automatic(const char *root, const struct filter_config *config, struct filter_list **ret,
                      struct failure *failure)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        int r;

        r = filter_list_new(&list);
        for (enum source_class c = 0; r >= 0 && c < CLASSES; c++) {
                const struct config_strings *strings = strings_of(config, c);

                for (size_t i = 0; r >= 0 && i < strings->count; i++)
                        if (strcmp(strings->items[i], AUTO) == 0)
                                r = add_auto(root, config, c, list, failure);
        }
        if (r >= 0)
                r = filter_list_finish(list);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        return 0;
}

int sources_collect(const char *root, const struct filter_config *config, const struct names *names,
                    struct filter_list **ret, struct failure *failure)
{
        _cleanup_(filter_list_unrefp) struct filter_list *list = NULL;
        int r;

        r = filter_list_new(&list);
        if (r < 0)
                return r;
        list->audit = config->mode == FILTER_AUDIT;
        for (size_t i = 0; r >= 0 && i < config->ports.count; i++)
                r = filter_list_add_port(list, (uint16_t)config->ports.items[i]);
        for (enum source_class c = 0; r >= 0 && c < CLASSES; c++)
                r = add_strings(root, config, names, strings_of(config, c), c, list, failure);
        for (size_t i = 0; r >= 0 && i < config->allow_files.count; i++)
                r = add_file(root, config->allow_files.items[i], list, failure);
        if (r >= 0)
                r = filter_list_finish(list);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        return 0;
}
