/* SPDX-License-Identifier: Apache-2.0 */

#include "etcd-call.h"

#include <string.h>

#include "files.h"
#include "protobuf.h"
#include "quantity.h"

#define ANSWER_USEC (30 * USEC_PER_SEC)
/* Of a whole database: about a second per gigabyte. */
#define HASH_USEC    (10 * USEC_PER_MIN)
#define MESSAGE_SIZE 1024

/* rpc.proto: HashKVRequest and HashKVResponse, RangeRequest, DeleteRangeRequest and DeleteRangeResponse */
enum { HASH_REQUEST_REVISION = 1, HASH_HASH = 2, HASH_COMPACT_REVISION = 3 };
enum { RANGE_KEY = 1, RANGE_END = 2, RANGE_COUNT_ONLY = 9 };
enum { DELETE_DELETED = 2 };

struct call {
        bool done;
        int error;
        struct failure *failure;
        uint8_t *message;
        size_t size;
};

void etcd_peer_clear(struct etcd_peer *peer)
{
        free(peer->url);
        free(peer->unix_socket);
        free(peer->ca_file);
        free(peer->cert_file);
        free(peer->key_file);
        *peer = (struct etcd_peer){};
}

int etcd_peer_make(const char *root, const struct etcd_access *access, struct etcd_peer *ret)
{
        _cleanup_etcd_peer_ peer = { .url = strdup(access->endpoint) };

        if (!peer.url)
                return -ENOMEM;
        if (strncmp(peer.url, "http:", 5) != 0) {
                peer.ca_file = path_under(root, access->ca_file);
                peer.cert_file = path_under(root, access->cert_file);
                peer.key_file = path_under(root, access->key_file);
                if (!peer.ca_file || !peer.cert_file || !peer.key_file)
                        return -ENOMEM;
        }
        *ret = peer;
        peer = (struct etcd_peer){};
        return 0;
}

static int on_message(struct grpc_call *grpc, const uint8_t *message, size_t size, void *userdata)
{
        struct call *call = userdata;

        (void)grpc;
        free(call->message);
        call->size = 0;
        call->message = malloc(size + 1);
        if (!call->message)
                return -ENOMEM;
        memcpy(call->message, message, size);
        call->size = size;
        return 0;
}

static void on_done(struct grpc_call *grpc, int error, const struct failure *found, void *userdata)
{
        struct call *call = userdata;

        (void)grpc;
        call->done = true;
        call->error = error;
        if (error >= 0 && !call->message)
                call->error = failure_set(call->failure, -ECONNRESET, "StreamBroken", "etcd gave no answer");
        else if (error < 0)
                (void)failure_set(call->failure, error, found->reason ?: "EtcdRefused", "%s",
                                  found->message ?: strerror(-error));
}

static int run_call(struct http_client *http, sd_event *event, const struct grpc_request *request,
                    struct call *call)
{
        int r;

        r = grpc_start(http, request, on_done, NULL);
        while (r >= 0 && !call->done)
                r = sd_event_run(event, UINT64_MAX);
        return r < 0 ? r : call->error;
}

static int ask(const struct etcd_peer *peer, const char *method, const void *message, int message_size,
               uint64_t timeout_usec, struct call *call)
{
        _cleanup_(http_client_freep) struct http_client *http = NULL;
        sd_event *event = NULL;
        int r;

        if (message_size < 0)
                return message_size;
        r = sd_event_new(&event);
        if (r < 0)
                return r;
        r = http_client_new(event, &http);
        if (r >= 0)
                r = run_call(http, event,
                             &(struct grpc_request){
                                     .base_url = peer->url,
                                     .method = method,
                                     .message = message,
                                     .message_size = (size_t)message_size,
                                     .unix_socket = peer->unix_socket,
                                     .ca_file = peer->ca_file,
                                     .cert_file = peer->cert_file,
                                     .key_file = peer->key_file,
                                     .connect_timeout_usec = timeout_usec,
                                     .timeout_usec = timeout_usec,
                                     .on_message = on_message,
                                     .userdata = call,
                             },
                             call);
        http = http_client_free(http);
        sd_event_unref(event);
        return r;
}

static void call_clear(struct call *call)
{
        free(call->message);
}
#define _cleanup_call_ _cleanup_(call_clear) struct call

int etcd_ask_status(const struct etcd_peer *peer, uint64_t timeout_usec, struct etcd_status *ret,
                    struct failure *failure)
{
        _cleanup_call_ call = { .failure = failure };
        int r;

        r = ask(peer, "/etcdserverpb.Maintenance/Status", NULL, 0, timeout_usec, &call);
        return r < 0 ? r : etcd_status_parse(call.message, call.size, ret);
}

/* Calls take(field, userdata) for each varint of a message. */
static int each_varint(const struct call *call,
                       void (*take)(const struct protobuf_field *field, void *userdata), void *userdata)
{
        struct protobuf_reader reader = { call->message, call->message + call->size };
        struct protobuf_field field;
        int r;

        while ((r = protobuf_next(&reader, &field)) > 0)
                if (field.wire == PROTOBUF_VARINT)
                        take(&field, userdata);
        return r;
}

static void take_hash(const struct protobuf_field *field, void *userdata)
{
        struct etcd_hash *hash = userdata;

        if (field->number == HASH_HASH)
                hash->hash = (uint32_t)field->value;
        else if (field->number == HASH_COMPACT_REVISION)
                hash->compact_revision = (int64_t)field->value;
}

int etcd_ask_hash(const struct etcd_peer *peer, int64_t revision, struct etcd_hash *ret,
                  struct failure *failure)
{
        _cleanup_call_ call = { .failure = failure };
        struct etcd_hash hash = {};
        uint8_t message[MESSAGE_SIZE];
        int r;

        r = ask(peer, "/etcdserverpb.Maintenance/HashKV", message,
                protobuf_put_varint(message, sizeof(message), 0, HASH_REQUEST_REVISION, (uint64_t)revision),
                HASH_USEC, &call);
        if (r >= 0)
                r = each_varint(&call, take_hash, &hash);
        if (r < 0)
                return r;
        *ret = hash;
        return 0;
}

int etcd_ask_health(const struct etcd_peer *peer, uint64_t timeout_usec, struct failure *failure)
{
        _cleanup_call_ call = { .failure = failure };
        uint8_t message[MESSAGE_SIZE];
        int n;

        n = protobuf_put_bytes(message, sizeof(message), 0, RANGE_KEY, "health", strlen("health"));
        if (n >= 0)
                n = protobuf_put_varint(message, sizeof(message), (size_t)n, RANGE_COUNT_ONLY, 1);
        return ask(peer, "/etcdserverpb.KV/Range", message, n, timeout_usec, &call);
}

static void take_deleted(const struct protobuf_field *field, void *userdata)
{
        if (field->number == DELETE_DELETED)
                *(int64_t *)userdata = (int64_t)field->value;
}

int etcd_delete_prefix(const struct etcd_peer *peer, const char *prefix, int64_t *ret_deleted,
                       struct failure *failure)
{
        _cleanup_call_ call = { .failure = failure };
        size_t size = strlen(prefix);
        char end[MESSAGE_SIZE / 4];
        uint8_t message[MESSAGE_SIZE];
        int n, r;

        if (size == 0 || size >= sizeof(end))
                return -EINVAL;
        /* The first key behind all that begin with the prefix, which ends in '/'. */
        memcpy(end, prefix, size);
        end[size - 1]++;
        n = protobuf_put_bytes(message, sizeof(message), 0, RANGE_KEY, prefix, size);
        if (n >= 0)
                n = protobuf_put_bytes(message, sizeof(message), (size_t)n, RANGE_END, end, size);
        r = ask(peer, "/etcdserverpb.KV/DeleteRange", message, n, ANSWER_USEC, &call);
        if (r < 0)
                return r;
        *ret_deleted = 0;
        return each_varint(&call, take_deleted, ret_deleted);
}
