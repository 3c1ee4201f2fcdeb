/* SPDX-License-Identifier: Apache-2.0 */

#include "peers.h"

#include <netinet/in.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define STATE_ESTABLISHED 1 /* TCP_ESTABLISHED, net/tcp_states.h */

struct reading {
        const uint16_t *ports;
        size_t n_ports;
        struct peers *peers;
};

void peers_clear(struct peers *peers)
{
        free(peers->items);
        *peers = (struct peers){};
}

const struct peer *peers_find(const struct peers *peers, enum ip_family family, ip_number address)
{
        for (size_t i = 0; i < peers->count; i++)
                if (peers->items[i].family == family && peers->items[i].address == address)
                        return &peers->items[i];
        return NULL;
}

static bool wants_port(const struct reading *reading, uint16_t port)
{
        for (size_t i = 0; i < reading->n_ports; i++)
                if (reading->ports[i] == port)
                        return true;
        return false;
}

static void read_address(const struct inet_diag_msg *message, enum ip_family *ret_family, ip_number *ret)
{
        *ret_family = message->idiag_family == AF_INET ? IP_V4 : IP_V6;
        *ret = ip_from_bytes(*ret_family, message->id.idiag_dst);
        /* A listener on [::] has its IPv4 peers as ::ffff:a.b.c.d. */
        if (*ret_family == IP_V6 && *ret >> 32 == 0xFFFF) {
                *ret_family = IP_V4;
                *ret &= UINT32_MAX;
        }
}

/* Both directions prove that packets arrive: data, and acknowledgements of ours. */
static int take_silence(const struct nlattr *attribute, void *userdata)
{
        struct tcp_info info = {};
        size_t size = mnl_attr_get_payload_len(attribute);

        if (mnl_attr_get_type(attribute) != INET_DIAG_INFO)
                return MNL_CB_OK;
        memcpy(&info, mnl_attr_get_payload(attribute), size < sizeof(info) ? size : sizeof(info));
        *(uint64_t *)userdata = info.tcpi_last_data_recv < info.tcpi_last_ack_recv ? info.tcpi_last_data_recv
                                                                                   : info.tcpi_last_ack_recv;
        return MNL_CB_OK;
}

static int add(struct peers *peers, enum ip_family family, ip_number address, uint64_t silent_msec)
{
        struct peer *known = (struct peer *)peers_find(peers, family, address), *grown;

        if (known) {
                known->connections++;
                if (silent_msec < known->silent_msec)
                        known->silent_msec = silent_msec;
                return 0;
        }
        if (peers->count == PEERS_MAX)
                return 0;
        grown = reallocarray(peers->items, peers->count + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        peers->items = grown;
        grown[peers->count++] = (struct peer){ family, address, 1, silent_msec };
        return 0;
}

static int take_socket(const struct nlmsghdr *header, void *userdata)
{
        const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
        struct reading *reading = userdata;
        uint64_t silent_msec = UINT64_MAX;
        enum ip_family family;
        ip_number address;
        int r;

        if (header->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(*message) ||
            !wants_port(reading, ntohs(message->id.idiag_sport)))
                return MNL_CB_OK;
        read_address(message, &family, &address);
        if (family == IP_V4 ? address >> 24 == 127 : address == 1 || address >> 118 == 0xFE80 >> 6)
                return MNL_CB_OK;
        (void)mnl_attr_parse(header, sizeof(*message), take_silence, &silent_msec);
        r = add(reading->peers, family, address, silent_msec);
        if (r < 0) {
                errno = -r;
                return MNL_CB_ERROR;
        }
        return MNL_CB_OK;
}

static int read_family(struct mnl_socket *socket, uint8_t family, struct reading *reading)
{
        _Alignas(struct nlmsghdr) uint8_t buffer[32 * 1024];
        struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
        struct inet_diag_req_v2 *request;
        unsigned sequence = family;
        int r = 1;

        header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        header->nlmsg_seq = sequence;
        request = mnl_nlmsg_put_extra_header(header, sizeof(*request));
        request->sdiag_family = family;
        request->sdiag_protocol = IPPROTO_TCP;
        request->idiag_states = 1U << STATE_ESTABLISHED;
        request->idiag_ext = 1U << (INET_DIAG_INFO - 1);
        if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
                return -errno;
        while (r > 0) {
                ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

                if (n < 0)
                        return -errno;
                r = mnl_cb_run(buffer, (size_t)n, sequence, mnl_socket_get_portid(socket), take_socket,
                               reading);
        }
        return r < 0 ? -errno : 0;
}

int peers_read(const uint16_t *ports, size_t n_ports, struct peers *ret)
{
        _cleanup_peers_ peers = {};
        struct reading reading = { ports, n_ports, &peers };
        struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
        int r = 0;

        if (!socket)
                return -errno;
        if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
                r = -errno;
        if (r >= 0)
                r = read_family(socket, AF_INET, &reading);
        if (r >= 0)
                r = read_family(socket, AF_INET6, &reading);
        mnl_socket_close(socket);
        if (r < 0)
                return r;
        *ret = peers;
        peers = (struct peers){};
        return 0;
}
