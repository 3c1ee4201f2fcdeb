/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* nf_tables' netlink transport on libmnl: transactions bound to a generation of the rule set, and consistent
 * dumps. One message in flight, no event loop: every call is answered by the kernel before it returns. */

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "cleanup.h"

struct netlink;

/* Returns 0 or -errno. */
int netlink_new(struct netlink **ret);
struct netlink *netlink_free(struct netlink *netlink);
DEFINE_CLEANUP(struct netlink *, netlink_free)

/* By which the kernel marks the events that this socket's transactions cause. */
uint32_t netlink_port(const struct netlink *netlink);

/* The rule set's generation, which every transaction of anyone advances. */
int netlink_generation(struct netlink *netlink, uint32_t *ret);

/* Asks for one message or a dump, calling on_message for each. type is an NFT_MSG_GET…; table (may be NULL)
 * and further attributes are put by fill (may be NULL). A dump that a writer interrupted is repeated from the
 * start after restart(userdata), at most ten times (-EAGAIN). on_message returns 0 or -errno. */
struct netlink_dump {
        uint16_t type;
        uint8_t family;
        void (*fill)(struct nlmsghdr *message, const void *userdata);
        int (*on_message)(const struct nlmsghdr *message, void *userdata);
        void (*restart)(void *userdata);
        void *userdata;
};
int netlink_dump(struct netlink *netlink, const struct netlink_dump *dump);

/* Attributes of a message with an nfgenmsg header; NULL or the fallback when it is not there, or not of that
 * form. */
const struct nlattr *netlink_attribute(const struct nlmsghdr *message, uint16_t type);
const struct nlattr *netlink_nested(const struct nlattr *attribute, uint16_t type);
const char *netlink_text(const struct nlmsghdr *message, uint16_t type);
uint32_t netlink_number(const struct nlmsghdr *message, uint16_t type, uint32_t fallback);

/* A transaction under construction. */
struct batch;
int batch_new(struct batch **ret);
struct batch *batch_free(struct batch *batch);
DEFINE_CLEANUP(struct batch *, batch_free)
/* The next message, to be filled by mnl_attr_put or libnftnl up to BATCH_MESSAGE_MAX bytes and ended by
 * batch_end_message. type is an NFT_MSG_…; flags beside NLM_F_REQUEST. NULL: no memory; so is every later
 * one, and netlink_commit then says -ENOMEM. */
#define BATCH_MESSAGE_MAX (128 * 1024)
struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint8_t family, uint16_t flags);
void batch_end_message(struct batch *batch);
size_t batch_size(const struct batch *batch);

/* Sends the transaction, which takes effect whole or not at all. generation: as netlink_generation said when
 * the caller looked. Returns 0, -ERESTART when the rule set changed since then (look again), or the
 * kernel's -errno for the first message that it refused. When the kernel's answers were lost (receive buffer
 * full) the generation tells whether it happened: -EAGAIN when not, -ENOBUFS when that is not clear.
 * With ANY_GENERATION it may come behind whatever others do, and lost answers are always -EAGAIN: the caller
 * makes it anew, so that to do it twice must be the same as once. */
#define ANY_GENERATION 0
int netlink_commit(struct netlink *netlink, struct batch *batch, uint32_t generation);
