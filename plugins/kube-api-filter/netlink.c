/* SPDX-License-Identifier: Apache-2.0 */

#include "netlink.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "resident-memory.h"

#ifndef ERESTART
#define ERESTART 85
#endif

#define DUMP_ATTEMPTS 10
/* A whole transaction is one sendmsg, and the default of 208 KiB is too small for a slice. */
#define SEND_BUFFER    (8 * 1024 * 1024)
#define RECEIVE_BUFFER (2 * 1024 * 1024)
#define DUMP_BUFFER    (32 * 1024) /* the kernel's own largest piece of a dump (NLMSG_GOODSIZE is smaller) */

struct netlink {
        struct mnl_socket *socket;
        uint32_t sequence;
        _Alignas(struct nlmsghdr) uint8_t buffer[DUMP_BUFFER];
};

struct batch {
        uint8_t *data;
        size_t size, room;
        struct nlmsghdr *open;
        uint32_t messages;
        bool no_memory;
};

int netlink_new(struct netlink **ret)
{
        struct netlink *netlink = calloc(1, sizeof(*netlink));
        const int send_size = SEND_BUFFER, receive_size = RECEIVE_BUFFER;
        int on = 1, fd;

        if (!netlink)
                return -ENOMEM;
        netlink->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
        if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
                int r = -errno;

                netlink_free(netlink);
                return r;
        }
        fd = mnl_socket_get_fd(netlink->socket);
        /* Both only make room: without CAP_NET_ADMIN the first transaction fails, and says so. */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_size, sizeof(send_size));
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_size, sizeof(receive_size));
        /* Answers without a copy of the request. */
        (void)mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, &on, sizeof(on));
        *ret = netlink;
        return 0;
}

struct netlink *netlink_free(struct netlink *netlink)
{
        if (netlink && netlink->socket)
                mnl_socket_close(netlink->socket);
        free(netlink);
        return NULL;
}

uint32_t netlink_port(const struct netlink *netlink)
{
        return mnl_socket_get_portid(netlink->socket);
}

static void put_header(struct nlmsghdr *message, uint16_t type, uint16_t flags, uint32_t sequence,
                       uint8_t family, uint16_t resource)
{
        struct nfgenmsg *header;

        message->nlmsg_type = type;
        message->nlmsg_flags = NLM_F_REQUEST | flags;
        message->nlmsg_seq = sequence;
        header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
        header->nfgen_family = family;
        header->version = NFNETLINK_V0;
        header->res_id = htons(resource);
}

static ssize_t receive(struct netlink *netlink, int flags)
{
        ssize_t n;

        do
                n = recv(mnl_socket_get_fd(netlink->socket), netlink->buffer, sizeof(netlink->buffer), flags);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

/* One piece of an answer. Returns 1 while more follows, 0 at its end, or -errno. */
static int take_piece(struct netlink *netlink, size_t size, const struct netlink_dump *dump,
                      bool *interrupted)
{
        const struct nlmsghdr *message = (const void *)netlink->buffer;
        int left = (int)size, r;

        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
                if (!mnl_nlmsg_portid_ok(message, netlink_port(netlink)) ||
                    message->nlmsg_seq != netlink->sequence)
                        continue;
                if (message->nlmsg_flags & NLM_F_DUMP_INTR)
                        *interrupted = true;
                if (message->nlmsg_type == NLMSG_DONE)
                        return 0;
                if (message->nlmsg_type == NLMSG_ERROR) {
                        const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

                        return error->error;
                }
                if (*interrupted)
                        continue;
                r = dump->on_message(message, dump->userdata);
                if (r < 0)
                        return r;
                if (!(message->nlmsg_flags & NLM_F_MULTI))
                        return 0;
        }
        return 1;
}

/* Whatever an earlier, failed exchange left unread. */
static void drain(struct netlink *netlink)
{
        ssize_t n;

        do
                n = receive(netlink, MSG_DONTWAIT);
        while (n >= 0 || n == -ENOBUFS);
}

static int dump_once(struct netlink *netlink, const struct netlink_dump *dump)
{
        _Alignas(struct nlmsghdr) uint8_t request[512];
        struct nlmsghdr *message = mnl_nlmsg_put_header(request);
        bool interrupted = false, single = dump->type == NFT_MSG_GETGEN;
        int r;

        drain(netlink);
        put_header(message, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | dump->type), single ? 0 : NLM_F_DUMP,
                   ++netlink->sequence, dump->family, 0);
        if (dump->fill)
                dump->fill(message, dump->userdata);
        if (mnl_socket_sendto(netlink->socket, message, message->nlmsg_len) < 0)
                return -errno;
        do {
                ssize_t n = receive(netlink, 0);

                if (n < 0)
                        return (int)n;
                r = take_piece(netlink, (size_t)n, dump, &interrupted);
        } while (r == 1);
        return r < 0 ? r : interrupted ? -EINTR : 0;
}

int netlink_dump(struct netlink *netlink, const struct netlink_dump *dump)
{
        int r;

        for (unsigned i = 0; i < DUMP_ATTEMPTS; i++) {
                r = dump_once(netlink, dump);
                if (r != -EINTR && r != -ENOBUFS)
                        break;
                if (dump->restart)
                        dump->restart(dump->userdata);
        }
        resident_memory_forget(netlink->buffer, sizeof(netlink->buffer));
        return r == -EINTR || r == -ENOBUFS ? -EAGAIN : r;
}

/* Not mnl_attr_for_each, which compares and converts sizes with signs. */
static const struct nlattr *find(const struct nlattr *attribute, size_t size, uint16_t type)
{
        while (size >= sizeof(*attribute) && attribute->nla_len >= sizeof(*attribute) &&
               attribute->nla_len <= size) {
                size_t step = MNL_ALIGN(attribute->nla_len);

                if (mnl_attr_get_type(attribute) == type)
                        return attribute;
                if (step >= size)
                        break;
                size -= step;
                attribute = (const void *)((const uint8_t *)attribute + step);
        }
        return NULL;
}

const struct nlattr *netlink_attribute(const struct nlmsghdr *message, uint16_t type)
{
        size_t header = MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct nfgenmsg));

        return message->nlmsg_len <= header ? NULL
                                            : find((const void *)((const uint8_t *)message + header),
                                                   message->nlmsg_len - header, type);
}

const struct nlattr *netlink_nested(const struct nlattr *attribute, uint16_t type)
{
        return find(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute), type);
}

const char *netlink_text(const struct nlmsghdr *message, uint16_t type)
{
        const struct nlattr *attribute = netlink_attribute(message, type);

        return attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0
                       ? mnl_attr_get_str(attribute)
                       : NULL;
}

uint32_t netlink_number(const struct nlmsghdr *message, uint16_t type, uint32_t fallback)
{
        const struct nlattr *attribute = netlink_attribute(message, type);

        return attribute && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0
                       ? ntohl(mnl_attr_get_u32(attribute))
                       : fallback;
}

static int take_generation(const struct nlmsghdr *message, void *userdata)
{
        *(uint32_t *)userdata = netlink_number(message, NFTA_GEN_ID, 0);
        return 0;
}

int netlink_generation(struct netlink *netlink, uint32_t *ret)
{
        uint32_t generation = 0;
        int r;

        r = netlink_dump(netlink, &(struct netlink_dump){
                                          .type = NFT_MSG_GETGEN,
                                          .on_message = take_generation,
                                          .userdata = &generation,
                                  });
        if (r < 0)
                return r;
        if (generation == 0)
                return -EPROTO;
        *ret = generation;
        return 0;
}

/* Room for one message of the largest size; NULL: no memory. */
static struct nlmsghdr *open_message(struct batch *batch)
{
        if (batch->no_memory)
                return NULL;
        if (batch->room - batch->size < BATCH_MESSAGE_MAX) {
                size_t room = batch->size + 2 * BATCH_MESSAGE_MAX;
                uint8_t *grown = realloc(batch->data, room);

                if (!grown) {
                        batch->no_memory = true;
                        return NULL;
                }
                batch->data = grown;
                batch->room = room;
        }
        batch->open = mnl_nlmsg_put_header(batch->data + batch->size);
        return batch->open;
}

void batch_end_message(struct batch *batch)
{
        if (batch->open)
                batch->size += MNL_ALIGN(batch->open->nlmsg_len);
        batch->open = NULL;
}

int batch_new(struct batch **ret)
{
        struct batch *batch = calloc(1, sizeof(*batch));
        struct nlmsghdr *message;

        if (!batch)
                return -ENOMEM;
        message = open_message(batch);
        if (!message) {
                batch_free(batch);
                return -ENOMEM;
        }
        put_header(message, NFNL_MSG_BATCH_BEGIN, 0, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
        /* Filled in by the commit. */
        mnl_attr_put_u32(message, NFNL_BATCH_GENID, 0);
        batch_end_message(batch);
        *ret = batch;
        return 0;
}

struct batch *batch_free(struct batch *batch)
{
        if (batch)
                free(batch->data);
        free(batch);
        return NULL;
}

size_t batch_size(const struct batch *batch)
{
        return batch->size;
}

struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint8_t family, uint16_t flags)
{
        struct nlmsghdr *message = open_message(batch);

        if (!message)
                return NULL;
        put_header(message, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, 0, family, 0);
        batch->messages++;
        return message;
}

/* Numbers the messages. Only the last one asks for an acknowledgement: one for each would fill the receive
 * buffer after the kernel has committed already. Errors come for any message, asked or not. */
static int seal(struct netlink *netlink, struct batch *batch, uint32_t generation)
{
        struct nlmsghdr *message = open_message(batch), *last = NULL;
        struct nlattr *attribute;
        int left;

        if (!message)
                return -ENOMEM;
        put_header(message, NFNL_MSG_BATCH_END, 0, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
        batch_end_message(batch);

        message = (struct nlmsghdr *)batch->data;
        attribute = mnl_nlmsg_get_payload_offset(message, sizeof(struct nfgenmsg));
        *(uint32_t *)mnl_attr_get_payload(attribute) = htonl(generation);
        left = (int)batch->size;
        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
                message->nlmsg_seq = ++netlink->sequence;
                if (message->nlmsg_type != NFNL_MSG_BATCH_END)
                        last = message;
        }
        last->nlmsg_flags |= NLM_F_ACK;
        return 0;
}

static ssize_t send_batch(struct netlink *netlink, const struct batch *batch)
{
        const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        ssize_t n;

        do
                n = sendto(mnl_socket_get_fd(netlink->socket), batch->data, batch->size, 0,
                           (const struct sockaddr *)&kernel, sizeof(kernel));
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : n;
}

/* The kernel has handled the whole transaction, with all its answers, before send returns. */
static int read_answers(struct netlink *netlink, bool *ret_acknowledged, bool *ret_lost)
{
        int result = 0;

        *ret_acknowledged = *ret_lost = false;
        for (;;) {
                const struct nlmsghdr *message = (const void *)netlink->buffer;
                ssize_t n = receive(netlink, MSG_DONTWAIT);
                int left = (int)n;

                if (n == -EAGAIN)
                        return result;
                if (n == -ENOBUFS) {
                        *ret_lost = true;
                        continue;
                }
                if (n < 0)
                        return (int)n;
                for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
                        const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

                        if (message->nlmsg_type != NLMSG_ERROR)
                                continue;
                        if (error->error == 0)
                                *ret_acknowledged = true;
                        else if (result == 0)
                                result = error->error;
                }
        }
}

int netlink_commit(struct netlink *netlink, struct batch *batch, uint32_t generation)
{
        bool acknowledged, lost;
        uint32_t now;
        ssize_t n;
        int r;

        if (batch->no_memory)
                return -ENOMEM;
        if (batch->messages == 0)
                return 0;
        r = seal(netlink, batch, generation);
        if (r < 0)
                return r;
        drain(netlink);
        n = send_batch(netlink, batch);
        /* ENOBUFS here, too, is about the answers. */
        if (n < 0 && n != -ENOBUFS)
                return (int)n;
        r = read_answers(netlink, &acknowledged, &lost);
        if (r < 0)
                return r;
        if (acknowledged && !lost)
                return 0;
        if (generation == ANY_GENERATION)
                return -EAGAIN;
        /* Bound to a generation it can only have happened as the next one. */
        r = netlink_generation(netlink, &now);
        if (r < 0)
                return r;
        return now == generation + 1 ? 0 : now == generation ? -EAGAIN : -ENOBUFS;
}
