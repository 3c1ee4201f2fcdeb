/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* gRPC over HTTP/2 (grpc/grpc: doc/PROTOCOL-HTTP2.md): unary and server-streaming calls on the HTTP client.
 */

#include <stdbool.h>

#include "http-client.h"

#define GRPC_UNARY_MESSAGE_MAX (8 * 1024 * 1024)

enum grpc_code {
        GRPC_OK = 0,
        GRPC_UNKNOWN = 2,
        GRPC_NOT_FOUND = 5,
        GRPC_RESOURCE_EXHAUSTED = 8,
        GRPC_FAILED_PRECONDITION = 9,
        GRPC_UNIMPLEMENTED = 12,
        GRPC_UNAVAILABLE = 14,
        GRPC_DATA_LOSS = 15,
        GRPC_UNAUTHENTICATED = 16,
};

struct grpc_call;

struct grpc_request {
        const char *base_url; /* "https://127.0.0.1:2379"; for a Unix socket "http://localhost" */
        const char *method;   /* "/etcdserverpb.Maintenance/Snapshot" */
        const void *message;  /* protobuf; NULL and 0: the empty message */
        size_t message_size;
        const char *unix_socket; /* then HTTP/2 with prior knowledge */
        const char *ca_file, *cert_file, *key_file;
        /* As in http_request. The `grpc-timeout` header is not sent: it does not end a stalled stream of
         * etcd (measured). */
        uint64_t connect_timeout_usec, timeout_usec, stall_usec;
        size_t message_max; /* of one response message of a long stream; 0: GRPC_UNARY_MESSAGE_MAX */
        /* Each whole message as it comes; negative errno ends the call and is its result. May cancel the
         * call. */
        int (*on_message)(struct grpc_call *call, const uint8_t *message, size_t size, void *userdata);
        void *userdata;
};

/* Called once. error 0: the stream ended and grpc-status was 0 or absent (grpc_status_seen tells; a caller
 * that has a better proof of completeness may accept its absence). Otherwise negative errno, with a failure
 * that names the peer's code and message: -EREMOTEIO for a gRPC status other than 0 (reason: the code's
 * name), -EPROTO for broken framing or a peer that does not speak gRPC, -EMSGSIZE for a message above
 * message_max, what on_message returned, or as http_done_fn. The call is freed afterwards. */
typedef void (*grpc_done_fn)(struct grpc_call *call, int error, const struct failure *failure,
                             void *userdata);

/* The request is borrowed until grpc_start returns. Errors as http_start; ret may be NULL. */
int grpc_start(struct http_client *client, const struct grpc_request *request, grpc_done_fn done,
               struct grpc_call **ret);
void grpc_cancel(struct grpc_call *call); /* without calling done; not to be touched afterwards */

/* For done: whether a status came at all; and it (enum grpc_code), -1 when none came. */
bool grpc_status_seen(const struct grpc_call *call);
int grpc_status(const struct grpc_call *call);

/* Message framing, apart from the call so that it can be tested and fuzzed: bytes in, whole messages out. */
struct grpc_framer {
        uint8_t *buffer;
        size_t size, capacity, message_max;
};
/* Returns 0, -EPROTO for a compressed message (none was offered), -EMSGSIZE, -ENOMEM, or what on_message
 * returned. */
int grpc_framer_feed(struct grpc_framer *framer, const void *data, size_t size,
                     int (*on_message)(const uint8_t *message, size_t size, void *userdata), void *userdata);
bool grpc_framer_idle(const struct grpc_framer *framer); /* false: the stream ended inside a message */
void grpc_framer_clear(struct grpc_framer *framer);
