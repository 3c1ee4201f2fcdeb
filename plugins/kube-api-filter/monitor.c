/* SPDX-License-Identifier: Apache-2.0 */

#include "monitor.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"
#include "resident-memory.h"
#include "rule.h"

#define ATTRIBUTE_TABLE 1 /* names the table in every message but NEWGEN */
#define ATTRIBUTE_SET   2 /* the set, in those about one and its elements */
#define ROUNDS_MAX      64

struct monitor {
        struct mnl_socket *socket;
        sd_event_source *source;
        monitor_fn changed;
        void *userdata;
        bool touched; /* by the transaction whose end (NEWGEN) is still to come */
        struct touched_sets sets;
        _Alignas(struct nlmsghdr) uint8_t buffer[32 * 1024];
};

static void report(struct monitor *monitor, const char *writer)
{
        const struct touched_sets sets = monitor->sets;

        monitor->touched = false;
        monitor->sets = (struct touched_sets){};
        monitor->changed(writer, &sets, monitor->userdata);
}

static void end_transaction(struct monitor *monitor, const struct nlmsghdr *message)
{
        const char *name = netlink_text(message, NFTA_GEN_PROC_NAME);
        char writer[WRITER_SIZE];

        if (!monitor->touched)
                return;
        (void)snprintf(writer, sizeof(writer), "%.16s (pid %u)", name ? name : "unknown",
                       netlink_number(message, NFTA_GEN_PROC_PID, 0));
        report(monitor, writer);
}

static void note_sets(struct monitor *monitor, const struct nlmsghdr *message)
{
        switch (message->nlmsg_type & 0xFF) {
        case NFT_MSG_NEWSET:
        case NFT_MSG_DELSET:
        case NFT_MSG_NEWSETELEM:
        case NFT_MSG_DELSETELEM:
                touched_sets_add(&monitor->sets, netlink_text(message, ATTRIBUTE_SET));
                break;
        case NFT_MSG_DELTABLE: /* and with it all of them */
                monitor->sets.all = true;
                break;
        }
}

static void take(struct monitor *monitor, const struct nlmsghdr *message)
{
        const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
        const char *table;

        if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
                return;
        if ((message->nlmsg_type & 0xFF) == NFT_MSG_NEWGEN) {
                end_transaction(monitor, message);
                return;
        }
        table = netlink_text(message, ATTRIBUTE_TABLE);
        if (header->nfgen_family != NFPROTO_INET || !table || strcmp(table, TABLE_NAME) != 0)
                return;
        monitor->touched = true;
        note_sets(monitor, message);
}

static int on_message(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct monitor *monitor = userdata;

        for (unsigned i = 0; i < ROUNDS_MAX; i++) {
                ssize_t n = recv(fd, monitor->buffer, sizeof(monitor->buffer), MSG_DONTWAIT);
                const struct nlmsghdr *message = (const void *)monitor->buffer;
                int left = (int)n;

                if (n < 0 && errno == ENOBUFS) {
                        monitor->sets.all = true;
                        report(monitor, "unknown");
                        continue;
                }
                if (n <= 0)
                        break;
                for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
                        take(monitor, message);
        }
        resident_memory_forget(monitor->buffer, sizeof(monitor->buffer));
        return 0;
}

static int membership(struct monitor *monitor, int option)
{
        int group = NFNLGRP_NFTABLES;

        return mnl_socket_setsockopt(monitor->socket, option, &group, sizeof(group)) < 0 ? -errno : 0;
}

int monitor_pause(struct monitor *monitor)
{
        return membership(monitor, NETLINK_DROP_MEMBERSHIP);
}

int monitor_resume(struct monitor *monitor)
{
        return membership(monitor, NETLINK_ADD_MEMBERSHIP);
}

struct monitor *monitor_free(struct monitor *monitor)
{
        if (!monitor)
                return NULL;
        sd_event_source_disable_unref(monitor->source);
        if (monitor->socket)
                mnl_socket_close(monitor->socket);
        free(monitor);
        return NULL;
}

int monitor_new(sd_event *event, monitor_fn changed, void *userdata, struct monitor **ret)
{
        _cleanup_(monitor_freep) struct monitor *monitor = calloc(1, sizeof(*monitor));
        int r;

        if (!monitor)
                return -ENOMEM;
        monitor->changed = changed;
        monitor->userdata = userdata;
        monitor->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
        if (!monitor->socket || mnl_socket_bind(monitor->socket, 0, MNL_SOCKET_AUTOPID) < 0)
                return -errno;
        r = monitor_resume(monitor);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &monitor->source, mnl_socket_get_fd(monitor->socket), EPOLLIN, on_message,
                            monitor);
        if (r < 0)
                return r;
        /* A repair goes before everything else. */
        r = sd_event_source_set_priority(monitor->source, SD_EVENT_PRIORITY_IMPORTANT);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(monitor);
        return 0;
}
