/* SPDX-License-Identifier: Apache-2.0 */

#include "sources.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cluster-networks.h"
#include "endpoint.h"
#include "files.h"

#define ALLOW_FILE_MAX (16 * 1024 * 1024)

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

static int add_cluster(const char *root, enum cluster_network which, enum source_class class,
                       struct filter_list *list)
{
        struct cidr networks[CLUSTER_NETWORKS_MAX];
        size_t n = cluster_networks(root, which, networks);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = filter_list_add(list, class, &networks[i]);
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
                return add_cluster(root, CLUSTER_PODS, class, list);
        case CLASS_SERVICES:
                return add_cluster(root, CLUSTER_SERVICES, class, list);
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

/* Line by line: the networks are all that is to be in memory. */
static int add_lines(FILE *stream, const char *path, struct filter_list *list, struct failure *failure)
{
        _cleanup_free_ char *line = NULL;
        size_t room = 0, number = 1;
        ssize_t length;
        int r;

        for (; (length = getline(&line, &room, stream)) >= 0; number++) {
                if (strlen(line) != (size_t)length)
                        return failure_set(failure, -EINVAL, "AllowFileRefused", "%s:%zu: not text", path,
                                           number);
                line[strcspn(line, "\n")] = '\0';
                r = add_line(list, line, path, number, failure);
                if (r < 0)
                        return r;
        }
        if (!feof(stream))
                return failure_set(failure, -EIO, "AllowFileRefused", "cannot read %s", path);
        return 0;
}

static int open_list(const char *path, FILE **ret)
{
        /* O_NONBLOCK: a FIFO put in the place of a file must not hang us. */
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_size > ALLOW_FILE_MAX)
                return -EFBIG;
        *ret = fdopen(fd, "r");
        if (!*ret)
                return -errno;
        (void)TAKE_FD(fd);
        return 0;
}

static int add_file(const char *root, const char *name, struct filter_list *list, struct failure *failure)
{
        _cleanup_free_ char *path = path_under(root, name);
        _cleanup_(fclosep) FILE *stream = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = open_list(path, &stream);
        if (r < 0)
                return failure_set(failure, r, "AllowFileRefused", "cannot read %s: %s", path, strerror(-r));
        return add_lines(stream, path, list, failure);
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
        if (r < 0)
                return r;
        filter_list_finish(list);
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
        if (r < 0)
                return r;
        filter_list_finish(list);
        *ret = TAKE_PTR(list);
        return 0;
}
