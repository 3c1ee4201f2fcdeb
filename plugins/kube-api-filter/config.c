/* SPDX-License-Identifier: Apache-2.0 */

#include <string.h>

#include "cidr.h"
#include "filter-config.h"
#include "list.h"
#include "quantity.h"

#define ENTRIES_MAX 16384 /* more than fit into a configuration; larger lists come from allowFiles */
#define NAMES_MAX   64

static const char *const modes[] = { [FILTER_ENFORCE] = "enforce", [FILTER_AUDIT] = "audit", NULL };

static int check_auto_or_cidr(const char *value, const char **ret_allowed)
{
        if (strcmp(value, AUTO) == 0)
                return 0;
        *ret_allowed = "\"auto\", an address or a network without bits behind its prefix: 203.0.113.0/24";
        return config_check_cidr(value, &(const char *){ NULL });
}

/* A name of DNS: letters, digits, dots and dashes, and not what looks like an address gone wrong. */
static bool is_host_name(const char *value)
{
        size_t length = strlen(value), label = 0;
        const char *last = value;

        if (length == 0 || length > 253)
                return false;
        for (const char *p = value; *p; p++) {
                bool word = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

                if (*p == '.') {
                        if (label == 0 || p[-1] == '-')
                                return false;
                        last = p + 1;
                        label = 0;
                } else if ((!word && (*p != '-' || label == 0)) || ++label > 63) {
                        return false;
                }
        }
        return strspn(last, "0123456789") != strlen(last);
}

static int check_cidr_or_name(const char *value, const char **ret_allowed)
{
        struct cidr cidr;

        *ret_allowed = "an address, a network without bits behind its prefix, or a name of DNS";
        return cidr_parse(value, &cidr) == 0 || is_host_name(value) ? 0 : -EINVAL;
}

#define LIST(text, member, most, value_check, absent, sentence)                                        \
        {                                                                                              \
                .name = text, .help = sentence, .kind = CONFIG_STRINGS,                                \
                .offset = offsetof(struct filter_config, member), .fallback = absent, .maximum = most, \
                .check = value_check                                                                   \
        }

static const struct config_key keys[] = {
        {
                .name = "mode",
                .help = "Whether sources that are on no list are dropped, or only counted.",
                .kind = CONFIG_ENUM,
                .offset = offsetof(struct filter_config, mode),
                .names = modes,
                .fallback = "\"enforce\"",
        },
        LIST("allow", allow, ENTRIES_MAX, config_check_cidr, NULL,
             "Networks of users that may reach the API."),
        LIST("allowFiles", allow_files, NAMES_MAX, config_check_path, NULL,
             "Files with further networks, one a line; for long lists."),
        LIST("management", management, NAMES_MAX, check_cidr_or_name, NULL,
             "Addresses, networks or names of the management cluster and its way out."),
        LIST("nodes", nodes, ENTRIES_MAX, check_auto_or_cidr, "[\"auto\"]",
             "Networks of the nodes; \"auto\" is the networks that this node is connected to."),
        LIST("pods", pods, ENTRIES_MAX, check_auto_or_cidr, "[\"auto\"]",
             "Networks of the pods; \"auto\" is the cluster CIDR of kubeadm's files."),
        LIST("services", services, ENTRIES_MAX, check_auto_or_cidr, "[\"auto\"]",
             "Networks of the services; \"auto\" is the service CIDR of kubeadm's files."),
        LIST("loadBalancer", load_balancer, ENTRIES_MAX, check_auto_or_cidr, "[\"auto\"]",
             "Addresses of the API's load balancer; \"auto\" is the endpoint's own, when it is an address."),
        {
                .name = "ports",
                .help = "The TCP ports that are filtered.",
                .kind = CONFIG_INTEGERS,
                .offset = offsetof(struct filter_config, ports),
                .fallback = "[6443]",
                .minimum = 1,
                .maximum = UINT16_MAX,
        },
        {
                .name = "confirm",
                .help = "How long a new list is tried before the kernel goes back to the old one.",
                .kind = CONFIG_DURATION,
                .offset = offsetof(struct filter_config, confirm_usec),
                .fallback = "\"2m\"",
                .minimum = USEC_PER_SEC,
                .maximum = USEC_PER_HOUR,
        },
        {
                .name = "force",
                .help = "Apply a list even if it cuts off a node or the management side that is connected "
                        "now.",
                .kind = CONFIG_BOOL,
                .offset = offsetof(struct filter_config, force),
                .fallback = "false",
        },
        {
                .name = "kubeconfig",
                .help = "Names the API's endpoint and CA, by which a new list is proven.",
                .kind = CONFIG_STRING,
                .offset = offsetof(struct filter_config, kubeconfig),
                .fallback = "\"/etc/kubernetes/kubelet.conf\"",
                .check = config_check_path,
        },
        {},
};

static int check_config(const void *object, const char *pointer, struct failure *failure)
{
        const struct filter_config *config = object;

        if (config->ports.count > LIST_PORTS_MAX / 2)
                return failure_set(failure, -EINVAL, "InvalidConfiguration",
                                   "%s/ports: %zu ports; at most %d are allowed", pointer,
                                   config->ports.count, LIST_PORTS_MAX / 2);
        return 0;
}

const struct config_type filter_config_type = {
        .name = "kube-api-filter",
        .help = "Lets only listed networks reach the Kubernetes API of this node.",
        .size = sizeof(struct filter_config),
        .keys = keys,
        .check = check_config,
};
